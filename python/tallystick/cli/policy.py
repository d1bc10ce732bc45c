"""`tallystick policy`: tables of the configuration that change while the daemon runs, and ownership tried first."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tallystick.cli import options, records, tables
from tallystick.cli.bus import Reach

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
def apply(
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
    operator: options.Operator = OPERATOR,
    config: options.Config = None,
    server: options.Server = None,
    timeout_s: options.Timeout = TIMEOUT_S,
    as_json: options.Json = False,
) -> None:
    """Replaces tables of the daemon's configuration, each as a whole, for all events from now on.

    The change is an event of the log, so a replay makes it at the same place. The file is checked here first.

    Examples:

        tallystick policy apply ownership.toml --shadow

        tallystick policy apply ownership.toml --note "agreed on Monday"
    """
    from tallystick.client import directives, policy

    changed = policy.changes(file, shadow=shadow)
    event = directives.configure(
        changed, "shadow" if shadow else "act", source=operator, **({} if note is None else {"reason": note})
    )
    sequence = Reach(config, server, timeout_s).ask(lambda client: _publish(client, event))
    if as_json:
        records.show([{"sequence": sequence, "mode": "shadow" if shadow else "act", "tables": list(changed)}])
        return
    names = ", ".join(f"[{name}]" for name in changed)
    if shadow:
        typer.echo(f"{names} is watched from message {sequence} on; see: tallystick policy report")
    else:
        typer.echo(f"{names} holds from message {sequence} on")


@app.command("end-shadow")
def end_shadow(
    note: options.Note = None,
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
    from tallystick.client import directives

    event = directives.configure(None, "end_shadow", source=operator, **({} if note is None else {"reason": note}))
    sequence = Reach(config, server, timeout_s).ask(lambda client: _publish(client, event))
    if as_json:
        records.show([{"sequence": sequence, "mode": "end_shadow", "tables": []}])
        return
    typer.echo(f"the trial ended at message {sequence}")


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


async def _publish(client: "Client", event: bytes) -> int:
    """Publishes a change and returns its log sequence once it holds. Raises OperationError if it is refused."""
    from tallystick import exact_json
    from tallystick.errors import OperationError

    made = exact_json.loads(event)
    sequence = await client.publish(event)
    await client.until_applied(sequence)
    outcome = (await client.answers([(made["source"], made["id"])]))[0]
    if outcome not in ("applied", "absorbed"):
        async for item in client.items({"source": made["source"]}):
            if item.id == made["id"]:
                raise OperationError(f"the change was refused as {item.code}: {item.cause}; {item.cure}")
        raise OperationError(f"the change was refused; see why: tallystick exceptions list --source {made['source']}")
    return sequence
