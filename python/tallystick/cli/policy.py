"""`tallystick policy`: tables of the configuration that change while the daemon runs, and ownership tried first."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from tallystick.cli import options, records, tables
from tallystick.cli.bus import Reach
from tallystick.cli.decide import Speaker

if TYPE_CHECKING:
    from tallystick.client.client import Client

app = typer.Typer(
    help="Changes what holds from now on, or tries who may say what before it holds.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    add_completion=False,
)
TIMEOUT_S: Final = 10.0
OPERATOR: Final = "operator"


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
    note: options.Note = None,
    person: options.Person = None,
    operator: options.Operator = OPERATOR,
    config: options.Config = None,
    server: options.Server = None,
    timeout_s: options.Timeout = TIMEOUT_S,
    as_json: options.Json = False,
) -> None:
    """Replaces tables of the daemon's configuration, each as a whole, for all events from now on.

    The change is an event of the log, so a replay makes it at the same place. The file is checked here first, and then
    by the daemon: what does not fit the rest of its configuration is not sent.

    Examples:

        tallystick policy apply ownership.toml --shadow

        tallystick policy apply ownership.toml --note "agreed on Monday"
    """
    from tallystick.client import directives, policy

    speaker = Speaker.of(operator, person, note)
    tables = policy.changes(file, shadow=shadow)
    mode: Literal["act", "shadow"] = "shadow" if shadow else "act"
    event = directives.configure(tables, mode, source=operator, **speaker.members)
    sequence = Reach(config, server, timeout_s).ask(lambda client: _publish(client, event, speaker, str(file)))
    names = ", ".join(f"[{name}]" for name in tables)
    if as_json:
        records.show([{"sequence": sequence, "mode": mode, "tables": list(tables)}])
    elif shadow:
        typer.echo(f"{names} is watched from message {sequence} on; see: tallystick policy report")
    else:
        typer.echo(f"{names} holds from message {sequence} on")


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
        return await _publish(client, event, speaker, "the end of the trial")

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


async def _publish(client: "Client", event: bytes, speaker: Speaker, what: str) -> int:
    """Publishes a change and returns its log sequence once it holds. Raises OperationError if it is refused.

    The daemon tries it first: only it knows the rest of its configuration.
    """
    from tallystick import exact_json
    from tallystick.bus import questions
    from tallystick.client.work import sentence
    from tallystick.errors import OperationError, UsageError

    await client.exceptions.check_speaker(speaker.operator)
    (tried,) = (await client.answer_to(questions.WHAT_IF, {"events": [event.decode()]}))["outcomes"]
    if tried["outcome"] not in ("applied", "absorbed"):
        raise UsageError(f"{what}: nothing was sent. {sentence(tried.get('cause') or tried['outcome'])}".rstrip("."))
    made = exact_json.loads(event)
    sequence = await client.put(event)
    await client.until_applied(sequence)
    outcome = (await client.answers([(made["source"], made["id"])]))[0]
    if outcome not in ("applied", "absorbed"):
        async for item in client.exceptions.each("all", source=made["source"]):
            if item.id == made["id"]:
                raise OperationError(f"the change was refused as {item.code}: {item.cause}; {item.cure}")
        raise OperationError(f"the change was refused; see why: tallystick exceptions list --source {made['source']}")
    return sequence
