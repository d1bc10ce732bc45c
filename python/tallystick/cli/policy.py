"""`tallystick policy`: tables of the configuration that change while the daemon runs, and ownership tried first."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from tallystick import plain_text
from tallystick.cli import options, records, tables
from tallystick.cli.bus import Reach
from tallystick.cli.choice import Yes, confirm
from tallystick.cli.decide import Speaker

if TYPE_CHECKING:
    from tallystick.client.client import Client
    from tallystick.client.policy import Difference

app = typer.Typer(
    help="Changes what holds from now on, or tries who may say what before it holds.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    add_completion=False,
)
TIMEOUT_S: Final = 10.0
OPERATOR: Final = "operator"
LOOK_BACK_MESSAGES: Final = 200_000
"""Said here once more, so that --help need not import what looks; a test holds the two together."""
_NAMED: Final = 5
"""Settings that a question names."""


@app.command("apply")
def apply(  # noqa: PLR0913, PLR0917 (an option each)
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The tables, as TOML.", show_default=False)],
    shadow: Annotated[
        bool,
        typer.Option(
            "--shadow",
            envvar="TALLYSTICK_POLICY_SHADOW",
            show_default="off",
            help="Only count what [ownership] would change; the policy in force acts.",
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            envvar="TALLYSTICK_POLICY_DRY_RUN",
            show_default="off",
            help="Publish nothing; show what would be removed, changed and added.",
        ),
    ] = False,
    yes: Yes = False,
    last: Annotated[
        int,
        typer.Option(
            envvar="TALLYSTICK_POLICY_LAST",
            metavar="N",
            min=1,
            help="Look for earlier changes in the last N messages of the event stream.",
        ),
    ] = LOOK_BACK_MESSAGES,
    note: options.Note = None,
    person: options.Person = None,
    operator: options.Operator = OPERATOR,
    config: options.Config = None,
    server: options.Server = None,
    timeout_s: options.Timeout = TIMEOUT_S,
    as_json: options.Json = False,
) -> None:
    """Replaces tables of the daemon's configuration, each as a whole, for all events from now on.

    What a table of the file does not say is not in force any more: whoever adds a source writes all of [sources]. It
    shows what is removed, changed and added, and asks before anything is removed. With --config it knows what the
    daemon was started with.

    The change is an event of the log, so a replay makes it at the same place. The file is checked here first, and then
    by the daemon: what does not fit the rest of its configuration is not sent.

    Examples:

        tallystick policy apply sources.toml --config tallystick.toml --dry-run

        tallystick policy apply ownership.toml --shadow

        tallystick policy apply ownership.toml --note "agreed on Monday"
    """
    from tallystick.client import directives, policy

    speaker = Speaker.of(operator, person, note)
    made = policy.changes(file, shadow=shadow)
    mode: Literal["act", "shadow"] = "shadow" if shadow else "act"
    event = directives.configure(made, mode, source=operator, **speaker.members)

    async def change(client: "Client") -> tuple[int | None, policy.Difference]:
        await _try(client, event, speaker, str(file))
        found = policy.Difference()
        if not shadow:
            now = await policy.in_force(client, made, last)
            found = policy.difference(now.tables, made)
            if not as_json:
                _print_difference(found, now.doubt)
            if not dry_run:
                _confirm(file, found, now.doubt, yes=yes)
        return (None if dry_run else await _publish(client, event)), found

    sequence, found = Reach(config, server, timeout_s).run(change)
    names = ", ".join(f"[{name}]" for name in made)
    if as_json:
        what = {"removed": found.removed, "changed": found.changed, "added": found.added}
        records.show([{"sequence": sequence, "mode": mode, "tables": list(made), **what}])
    elif sequence is None:
        typer.echo(f"Nothing was sent; {file} can be applied.")
    elif shadow:
        typer.echo(f"{names} is watched from message {sequence} on; see: tallystick policy report")
    else:
        typer.echo(f"{names} holds from message {sequence} on")


def _print_difference(found: "Difference", doubt: str | None) -> None:
    for what, names in (("Removes", found.removed), ("Changes", found.changed), ("Adds", found.added)):
        if names:
            typer.echo(plain_text.printable(f"{what} {', '.join(names)}."))
    if doubt is not None:
        typer.echo(f"What it replaces is not known for certain: {doubt}.")
    elif found.is_empty:
        typer.echo("It changes nothing.")


def _confirm(file: Path, found: "Difference", doubt: str | None, *, yes: bool) -> None:
    """Asks before anything is removed, or may be."""
    if found.removed:
        more = f" and {len(found.removed) - _NAMED:,} more" if len(found.removed) > _NAMED else ""
        names = f"{', '.join(found.removed[:_NAMED])}{more}"
        confirm(f"apply {file}, which removes {names}", yes=yes, cure=f"or add to {file} what is to stay")
    elif doubt is not None:
        confirm(f"apply {file}, though what it replaces is not known for certain ({doubt})", yes=yes)


@app.command("end-shadow")
def end_shadow(
    note: options.Note = None,
    person: options.Person = None,
    operator: options.Operator = OPERATOR,
    config: options.Config = None,
    server: options.Server = None,
    timeout_s: options.Timeout = TIMEOUT_S,
    as_json: options.Json = False,
) -> None:
    """Ends the trial of a policy; nothing else changes.

    Example:

        tallystick policy end-shadow
    """
    from tallystick.bus import questions
    from tallystick.client import directives

    speaker = Speaker.of(operator, person, note)
    event = directives.configure(None, "end_shadow", source=operator, **speaker.members)

    async def end(client: "Client") -> int | None:
        if not (await client.answer_to(questions.SHADOW, {}))["active"]:
            return None
        await _try(client, event, speaker, "the end of the trial")
        return await _publish(client, event)

    sequence = Reach(config, server, timeout_s).ask(end)
    if as_json:
        records.show([{"sequence": sequence, "mode": "end_shadow", "tables": []}])
    elif sequence is None:
        typer.echo("No policy is on trial; nothing changed.")
    else:
        typer.echo(f"The trial ended at message {sequence}.")


@app.command("report")
def report(
    config: options.Config = None,
    server: options.Server = None,
    timeout_s: options.Timeout = TIMEOUT_S,
    as_json: options.Json = False,
) -> None:
    """Shows which events the policy on trial would treat in another way, with places of some in the log.

    Example:

        tallystick policy report
    """
    from tallystick.bus import questions

    found = Reach(config, server, timeout_s).ask(lambda client: client.answer_to(questions.SHADOW, {}))
    if as_json:
        since = {"since_sequence": found["since_sequence"]} if found["active"] else {}
        records.show({**since, **row} for row in found["rows"])
    elif not found["active"]:
        typer.echo("No policy is on trial; begin with: tallystick policy apply FILE --shadow")
    elif not found["rows"]:
        typer.echo(f"The policy on trial since message {found['since_sequence']} would have changed nothing.")
    else:
        _print(found)


def _print(found: dict[str, Any]) -> None:
    table = tables.table("source", "type", "role", "would be", "events", "such as", numbers=["events"])
    for row in found["rows"]:
        places = ", ".join(f"{sequence}:{index}" for sequence, index in row["places"][:3])
        names = [tables.plain(row[name]) for name in ("source", "type", "role", "shadow_role")]
        table.add_row(*names, f"{row['count']:,}", places)
    typer.echo(f"On trial since message {found['since_sequence']}:")
    tables.show(table)


async def _try(client: "Client", event: bytes, speaker: Speaker, what: str) -> None:
    """Raises UsageError for a change that would be refused: only the daemon knows the rest of its configuration."""
    from tallystick.bus import questions
    from tallystick.client.work import sentence
    from tallystick.errors import UsageError

    await client.exceptions.check_speaker(speaker.operator)
    (tried,) = (await client.answer_to(questions.WHAT_IF, {"events": [event.decode()]}))["outcomes"]
    if tried["outcome"] not in ("applied", "absorbed"):
        raise UsageError(f"{what}: nothing was sent. {sentence(tried.get('cause') or tried['outcome'])}".rstrip("."))


async def _publish(client: "Client", event: bytes) -> int:
    """Publishes a change and returns its log sequence once it holds. Raises OperationError if it is refused."""
    from tallystick import exact_json
    from tallystick.errors import OperationError

    made = exact_json.loads(event)
    sequence = await client.put(event)
    await client.until_applied(sequence)
    outcome = (await client.answers([(made["source"], made["id"])]))[0]
    if outcome not in ("applied", "absorbed"):
        async for item in client.exceptions.each("all", source=made["source"]):
            if item.id == made["id"]:
                raise OperationError(f"the change was refused as {item.code}: {item.cause}; {item.what_to_do}")
        look = f"tallystick exceptions list --source {shlex.quote(made['source'])}"
        raise OperationError(f"the change was refused; see why: {look}")
    return sequence
