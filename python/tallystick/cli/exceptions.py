"""`tallystick exceptions`: what is wrong, for those who work on it: list, show, stats. What they do about it is in
`decide` and `repair`.
"""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tallystick.cli import decide, options, repair, tables
from tallystick.cli.bus import Reach

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tallystick.client.client import Client
    from tallystick.client.work import WorkItem

app = typer.Typer(
    help="What is wrong, and what to do about it.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    add_completion=False,
)
TIMEOUT_S = 10.0


class State(StrEnum):
    """Which exceptions are listed."""

    unresolved = "unresolved"
    open = "open"
    acknowledged = "acknowledged"
    resolved = "resolved"
    discarded = "discarded"
    all = "all"


def _filter(name: str, about: str) -> Any:
    return typer.Option(envvar=f"TALLYSTICK_LIST_{name}", show_default="any", help=about)


@app.command("list")
def list_(  # noqa: PLR0913, PLR0917 (an option each)
    state: Annotated[
        State, typer.Option(envvar="TALLYSTICK_LIST_STATE", help="Which ones; unresolved: open or acknowledged.")
    ] = State.unresolved,
    code: Annotated[str | None, _filter("CODE", "Only of this code.")] = None,
    source: Annotated[str | None, _filter("SOURCE", "Only of events of this source.")] = None,
    owner: Annotated[str | None, _filter("OWNER", "Only of this team.")] = None,
    sku: Annotated[str | None, _filter("SKU", "Only of this SKU.")] = None,
    correlation: Annotated[str | None, _filter("CORRELATION", "Only of this correlation id.")] = None,
    limit: Annotated[
        int, typer.Option(envvar="TALLYSTICK_LIST_LIMIT", min=1, max=1_000_000, help="At most so many, oldest first.")
    ] = 50,
    config: options.Config = None,
    server: options.Server = None,
    timeout_s: options.Timeout = TIMEOUT_S,
    as_json: options.Json = False,
) -> None:
    """Lists exceptions: what was refused or looks wrong and still waits for somebody.

    With --json, one object a line, without the original events (`show` has them).

    Examples:

        tallystick exceptions list

        tallystick exceptions list --code unknown_type --source wms-east

        tallystick exceptions list --state all --owner finance --json
    """

    async def ask(client: "Client") -> "list[WorkItem]":
        filters = {"code": code, "source": source, "owner": owner, "sku": sku, "correlation": correlation}
        found = client.items({"state": state.value, **filters}, limit=limit)
        return [item async for item in found]

    found = Reach(config, server, timeout_s).run(ask)
    if as_json:
        for item in found:
            typer.echo(_json(item))
    elif not found:
        typer.echo("No exceptions." if state is State.all else f"No exceptions are {state.value}.")
    else:
        print_items(found)
        if len(found) == limit:
            typer.echo(f"These are the first {limit}; see more with --limit.")


@app.command("show")
def show(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="Which one.", show_default=False, min=1)],
    config: options.Config = None,
    server: options.Server = None,
    timeout_s: options.Timeout = TIMEOUT_S,
    as_json: options.Json = False,
) -> None:
    """Shows all of one exception: what happened, what to do about it, and the event as it was sent.

    Examples:

        tallystick exceptions show 17

        tallystick exceptions show 17 --json
    """
    from tallystick.errors import UsageError

    item = Reach(config, server, timeout_s).run(lambda client: client.item(number))
    if item is None:
        raise UsageError(f"there is no exception {number}, or it was resolved long ago; its stream still has it")
    if as_json:
        typer.echo(_json(item))
    else:
        _print_item(item)


@app.command("stats")
def stats(
    config: options.Config = None,
    server: options.Server = None,
    timeout_s: options.Timeout = TIMEOUT_S,
    as_json: options.Json = False,
) -> None:
    """Counts exceptions by state and by code, with the oldest of each and who looks after it.

    Example:

        tallystick exceptions stats
    """
    from tallystick import exact_json
    from tallystick.bus import questions

    found = Reach(config, server, timeout_s).run(lambda client: client.answer_to(questions.STATS, {}))
    if as_json:
        typer.echo(exact_json.dumps(found).decode())
        return
    states = ("open", "acknowledged", "resolved", "discarded", "escalated")
    typer.echo(", ".join(f"{found.get(state, 0):,} {state}" for state in states))
    if found.get("spilled"):
        typer.echo(f"{found['spilled']:,} older ones are only in the exceptions stream")
    if found["by_code"]:
        figures = ("open", "acknowledged")
        table = tables.table("code", "owner", "severity", "oldest", *figures, numbers=figures)
        for row in found["by_code"]:
            names = [tables.plain(row.get(name) or "") for name in ("code", "owner", "severity")]
            minute = f"{row['oldest'][:10]} {row['oldest'][11:16]}Z" if row.get("oldest") else ""
            table.add_row(*names, minute, *(f"{row[name]:,}" for name in figures))
        tables.show(table)


for name, command in (*decide.COMMANDS.items(), ("repair", repair.repair)):
    app.command(name)(command)


def print_items(found: "Sequence[WorkItem]") -> None:
    """A table of exceptions: what each is about, and why it is there."""
    table = tables.table("#", "code", "state\nowner", "event\ncause", numbers=["#"])
    for item in found:
        times = f" ×{item.count:,}" if item.count > 1 else ""
        state = tables.lines(f"{item.state}{times}", "escalated" if item.escalated else "", tables.plain(item.owner))
        about = f"{item.source}/{item.id}" if item.id is not None else item.subject or item.place
        position = f", {item.sku}@{item.location}" if item.sku is not None else ""
        what = tables.lines(tables.plain(about + position), tables.plain(item.cause))
        table.add_row(str(item.number), tables.plain(item.code), state, what)
    tables.show(table)


def clock_text(time: str | None) -> str:
    """A time to the second, which is what people ask for."""
    return f"{time[:10]} {time[11:19]}Z" if time else ""


def _print_item(item: "WorkItem") -> None:
    from rich.console import Console
    from rich.table import Table

    from tallystick.client.work import moved_text

    console = Console()
    console.print(f"[bold]exception {item.number}[/bold]: {item.code}, {item.state}", highlight=False)
    facts = Table.grid(padding=(0, 2))
    for name in (
        "severity",
        "owner",
        "subject",
        "outcome",
        "source",
        "id",
        "correlationid",
        "causationid",
        "sku",
        "location",
    ):
        value = getattr(item, name)
        # Most are about their event, which is shown below the subject anyway.
        if value is not None and (name != "subject" or value != f"{item.source}/{item.id}"):
            facts.add_row(name, tables.plain(value))
    facts.add_row("place", f"log sequence {item.sequence}, element {item.index}")
    facts.add_row(
        "seen",
        clock_text(item.first_seen)
        + (f" first, {item.count:,} times, {clock_text(item.last_seen)} last" if item.count > 1 else ""),
    )
    if item.escalated:
        facts.add_row("escalated", "yes: nobody has taken it for too long")
    if item.fields:
        facts.add_row("differs in", ", ".join(item.fields))
    if item.missing_from is not None:
        facts.add_row("missing", f"{item.missing_from} to {item.missing_to}")
    if item.moved_by is not None:
        facts.add_row(item.state, tables.plain(moved_text(item.moved_by)))
    if item.note is not None:
        facts.add_row("note", tables.plain(item.note))
    facts.add_row("[bold]cause[/bold]", tables.plain(item.cause))
    facts.add_row("[bold]cure[/bold]", tables.plain(item.cure))
    console.print(facts)
    if item.original:
        console.print("\nThe event as it was sent:")
        typer.echo(_pretty(item.original))
        if not item.is_whole:
            typer.echo(f"… {item.event_bytes_total:,} bytes in all")


def _pretty(original: bytes) -> str:
    """The event over several lines if it is JSON, else as it is, bytes that are no text escaped."""
    from tallystick import exact_json

    try:
        return exact_json.dumps(exact_json.loads(original), indent=True).decode()
    except ValueError:
        # What somebody sent may hold anything; a terminal must not obey it.
        text = original.decode("utf-8", "backslashreplace")
        return "".join(sign if sign.isprintable() or sign == "\n" else repr(sign)[1:-1] for sign in text)


def _json(item: "WorkItem") -> str:
    from dataclasses import asdict

    from tallystick import exact_json

    return exact_json.dumps({name: value for name, value in asdict(item).items() if value not in (None, ())}).decode()
