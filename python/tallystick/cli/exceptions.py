"""`tallystick exceptions`: what is wrong, for those who work on it: list, show, history, stats.

What they do about it is in `decide` and `repair`.
"""

from enum import StrEnum
from typing import Annotated, Any

import typer

from tallystick.cli import decide, items, options, repair, tables
from tallystick.cli.bus import Reach
from tallystick.cli.choice import Choice, choosing

app = typer.Typer(
    help="What is wrong, and what to do about it.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    add_completion=False,
)
TIMEOUT_S = 10.0
_SHOWN = 50
"""For people, unless they say otherwise; a program counts what it gets."""


class State(StrEnum):
    """Which exceptions are listed."""

    unresolved = "unresolved"
    open = "open"
    acknowledged = "acknowledged"
    resolved = "resolved"
    discarded = "discarded"
    all = "all"


class Sort(StrEnum):
    """What comes first. The client's list has an order for each; a test holds the two together."""

    severity = "severity"
    age = "age"
    value = "value"
    code = "code"
    often = "count"


Number = Annotated[int, typer.Argument(metavar="NUMBER", help="Which one.", show_default=False, min=1)]


@choosing("LIST")
def list_(  # noqa: PLR0913, PLR0917 (an option each)
    choice: Choice,
    state: Annotated[
        State, typer.Option(envvar="TALLYSTICK_LIST_STATE", help="Which ones; unresolved: open or acknowledged.")
    ] = State.unresolved,
    sort: Annotated[
        Sort, typer.Option(envvar="TALLYSTICK_LIST_SORT", help="What comes first; severity: then what is at stake.")
    ] = Sort.severity,
    summary: Annotated[
        bool,
        typer.Option(
            "--summary", envvar="TALLYSTICK_LIST_SUMMARY", show_default="off", help="Only what they come to by cause."
        ),
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(
            envvar="TALLYSTICK_LIST_LIMIT",
            min=1,
            max=1_000_000,
            show_default="50; with --json: all",
            help="Show at most so many.",
        ),
    ] = None,
    config: options.Config = None,
    server: options.Server = None,
    timeout_s: options.Timeout = TIMEOUT_S,
    as_json: options.Json = False,
) -> None:
    """Lists exceptions: first what they come to by code and cause, then each, what matters most first.

    With --json all of them, one object a line, without the original events (`show` has them); with --summary, one for
    each kind.

    Examples:

        tallystick exceptions list

        tallystick exceptions list --code unknown_type --source wms-east --sort age

        tallystick exceptions list --severity error --location DC1 --since 12h --summary

        tallystick exceptions list --state all --team finance --json
    """
    from tallystick.cli import records
    from tallystick.client import triage

    found = Reach(config, server, timeout_s).run(lambda client: choice.items(client, state.value))
    most = limit if as_json else limit or _SHOWN
    shown = triage.ordered(found, sort.value)[:most]
    if as_json:
        for one in triage.groups(found) if summary else shown:
            typer.echo(_json(one))
        if not summary:
            records.left_out(len(shown), len(found), triage.IN_WORDS[sort.value], "see more with --limit", as_json=True)
    elif not found:
        which = " are there" if state is State.all else f" are {state.value}"
        typer.echo(f"No exceptions{which}{choice.in_words()}.")
    else:
        if len(found) > 1 or summary:
            items.print_groups(found)
        if not summary:
            items.print_items(shown)
            count = f"{len(shown):,} of {len(found):,} shown" if len(shown) < len(found) else f"{len(found):,} shown"
            more = "; see more with --limit" if len(shown) < len(found) else ""
            typer.echo(f"{count}, {triage.IN_WORDS[sort.value]}{more}.")


@app.command("show")
def show(
    number: Number,
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
    item = Reach(config, server, timeout_s).run(lambda client: client.exceptions.show(number))
    if item is None:
        raise _unknown(number)
    if as_json:
        typer.echo(_json(item))
    else:
        items.print_item(item)


@app.command("history")
def history(
    number: Number,
    config: options.Config = None,
    server: options.Server = None,
    timeout_s: options.Timeout = TIMEOUT_S,
    as_json: options.Json = False,
) -> None:
    """Shows who did what about an exception, and when, from the log. Needs no daemon.

    Example:

        tallystick exceptions history 17
    """
    found = Reach(config, server, timeout_s).run(lambda client: client.exceptions.history(number))
    if not found:
        raise _unknown(number)
    if as_json:
        for deed in found:
            typer.echo(_json(deed))
    else:
        items.print_history(number, found)


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

    found = Reach(config, server, timeout_s).run(lambda client: client.exceptions.stats())
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
        for row in map(dict[str, Any], found["by_code"]):
            names = [tables.plain(row.get(name) or "") for name in ("code", "owner", "severity")]
            minute = f"{row['oldest'][:10]} {row['oldest'][11:16]}Z" if row.get("oldest") else ""
            table.add_row(*names, minute, *(f"{row[name]:,}" for name in figures))
        tables.show(table)


app.command("list")(list_)
for name, command in (*decide.COMMANDS.items(), ("repair", repair.repair)):
    app.command(name)(command)


def _unknown(number: int) -> Exception:
    from tallystick.errors import UsageError

    return UsageError(f"there is no exception {number}, or it was resolved long ago; see: tallystick exceptions list")


def _json(one: Any) -> str:
    from dataclasses import asdict

    from tallystick import exact_json

    return exact_json.dumps({name: value for name, value in asdict(one).items() if value not in (None, ())}).decode()
