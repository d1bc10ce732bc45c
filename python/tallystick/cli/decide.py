"""`tallystick exceptions ack, resolve, discard, approve, deny`: one directive for each exception that is named.

What is said goes through the log, so it is part of every replay; the commands wait until the daemon has applied it.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Final

import typer

from tallystick.cli import options
from tallystick.cli.bus import Reach
from tallystick.cli.repair import is_refusal

if TYPE_CHECKING:
    from tallystick.client.client import Client
    from tallystick.client.work import WorkItem

Numbers = Annotated[list[int], typer.Argument(metavar="NUMBER…", help="Which exceptions.", show_default=False, min=1)]
NeededNote = Annotated[
    str | None,
    typer.Option("--note", envvar="TALLYSTICK_NOTE", metavar="TEXT", show_default="none; it is needed", help="Why."),
]
TIMEOUT_S: Final = 10.0
OPERATOR: Final = "operator"
"""Said here once more, so that --help need not import what makes directives; a test holds the two together."""


def acknowledge(
    numbers: Numbers,
    note: options.Note = None,
    operator: options.Operator = OPERATOR,
    config: options.Config = None,
    server: options.Server = None,
    timeout_s: options.Timeout = TIMEOUT_S,
    as_json: options.Json = False,
) -> None:
    """Says that you work on these exceptions. They stay unresolved, and are not escalated any more.

    Example:

        tallystick exceptions ack 17 18 --note "asked the carrier"
    """
    _say("acknowledge", numbers, note, operator, Reach(config, server, timeout_s), as_json=as_json)


def resolve(
    numbers: Numbers,
    note: options.Note = None,
    operator: options.Operator = OPERATOR,
    config: options.Config = None,
    server: options.Server = None,
    timeout_s: options.Timeout = TIMEOUT_S,
    as_json: options.Json = False,
) -> None:
    """Says that the reason of these exceptions is gone. Most resolve themselves as soon as it is.

    Example:

        tallystick exceptions resolve 17
    """
    _say("resolve", numbers, note, operator, Reach(config, server, timeout_s), as_json=as_json)


def discard(
    numbers: Numbers,
    note: NeededNote = None,
    operator: options.Operator = OPERATOR,
    config: options.Config = None,
    server: options.Server = None,
    timeout_s: options.Timeout = TIMEOUT_S,
    as_json: options.Json = False,
) -> None:
    """Says that nothing will be done about these exceptions, and why.

    Example:

        tallystick exceptions discard 17 --note "test data of the new scanner"
    """
    if not note:
        from tallystick.errors import UsageError

        raise UsageError("an exception is not discarded without a reason; give it with --note")
    _say("discard", numbers, note, operator, Reach(config, server, timeout_s), as_json=as_json)


def approve(
    numbers: Numbers,
    note: options.Note = None,
    operator: options.Operator = OPERATOR,
    config: options.Config = None,
    server: options.Server = None,
    timeout_s: options.Timeout = TIMEOUT_S,
    as_json: options.Json = False,
) -> None:
    """Lets what waits for approval be posted, at its own effective time.

    Example:

        tallystick exceptions approve 21 --note "counted twice"
    """
    _say("approve", numbers, note, operator, Reach(config, server, timeout_s), as_json=as_json)


def deny(
    numbers: Numbers,
    note: options.Note = None,
    operator: options.Operator = OPERATOR,
    config: options.Config = None,
    server: options.Server = None,
    timeout_s: options.Timeout = TIMEOUT_S,
    as_json: options.Json = False,
) -> None:
    """Drops what waits for approval; nothing is posted.

    Example:

        tallystick exceptions deny 21 --note "typed a zero too many"
    """
    _say("deny", numbers, note, operator, Reach(config, server, timeout_s), as_json=as_json)


_DECIDABLE: Final = ("pending_approval", "mass_change")
COMMANDS: Final[dict[str, Callable[..., None]]] = {
    "ack": acknowledge,
    "resolve": resolve,
    "discard": discard,
    "approve": approve,
    "deny": deny,
}


def _say(what: str, numbers: list[int], note: str | None, operator: str, reach: Reach, *, as_json: bool) -> None:
    from tallystick import exact_json
    from tallystick.errors import OperationError, UsageError

    if note is not None and len(note.encode()) > 64:
        raise UsageError("--note has more than 64 bytes; say it shorter")
    said = reach.run(lambda client: _publish(client, what, numbers, note, operator))
    for number, (outcome, item, _) in zip(numbers, said, strict=True):
        state = item.state if item is not None else None
        if as_json:
            typer.echo(exact_json.dumps({"number": number, "outcome": outcome, "state": state}).decode())
        else:
            about = f" ({item.code})" if item is not None else ""
            typer.echo(f"exception {number}{about}: {outcome or 'refused'}; it is {state or 'not there'} now")
    if refused := [cause or "the daemon does not say why" for outcome, _, cause in said if is_refusal(outcome)]:
        reasons = "; ".join(dict.fromkeys(refused))
        raise OperationError(f"{len(refused)} of {len(numbers)} refused: {reasons}")


async def _publish(
    client: "Client", what: str, numbers: list[int], note: str | None, operator: str
) -> "list[tuple[str | None, WorkItem | None, str | None]]":
    """Each directive's outcome, None for one that was refused, each exception as it is then, and why if refused."""
    import uuid

    from tallystick.client import directives

    for number in numbers:
        _check(what, number, await client.item(number))
    build = getattr(directives, what)
    more = {} if note is None else {"reason": note}
    ids = [str(uuid.uuid4()) for _ in numbers]
    made = [build(number, source=operator, directive_id=one, **more) for number, one in zip(numbers, ids, strict=True)]
    await client.until_applied(max(await client.publish_all(made)))
    outcomes = await client.answers([(operator, one) for one in ids])
    causes: dict[str | None, str] = {}
    if any(map(is_refusal, outcomes)):
        causes = {item.id: item.cause async for item in client.items({"source": operator, "state": "open"})}
    return [
        (outcome, await client.item(number), causes.get(one))
        for number, one, outcome in zip(numbers, ids, outcomes, strict=True)
    ]


def _check(what: str, number: int, item: "WorkItem | None") -> None:
    """Refuses what the engine would refuse, before it is in the log and raises an exception of its own."""
    from tallystick.errors import UsageError

    if item is None:
        raise UsageError(f"there is no exception {number}; see: tallystick exceptions list")
    if what not in ("approve", "deny"):
        return
    if item.code not in _DECIDABLE:
        raise UsageError(f"exception {number} is {item.code}; only {' and '.join(_DECIDABLE)} wait for a decision")
    if not item.is_unresolved:
        raise UsageError(f"exception {number} is {item.state} already; nothing waits for a decision under it")
