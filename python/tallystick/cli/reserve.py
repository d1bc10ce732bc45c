"""`tallystick reserve, post, void, change`: promises that hold, from the first word to the last.

What is asked goes into the log, and the engine's answer comes back; the same key, asked again, gets the same answer.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tallystick import plain_text
from tallystick.cli import options, promised, records
from tallystick.cli.bus import Reach

if TYPE_CHECKING:
    from tallystick.bus.requests import RequestKind
    from tallystick.client.client import Client

TIMEOUT_S: Final = 10.0
SOURCE: Final = "operator"
_HELD: Final = ("granted", "partly")
_REFUSED: Final = "refused"
_WAITING: Final = "waiting"
_UNCHANGED: Final = "unchanged"


def _term(name: str, metavar: str | None, default: str, about: str) -> Any:
    return typer.Option(
        f"--{name}", envvar=f"TALLYSTICK_RESERVE_{name.upper()}", metavar=metavar, show_default=default, help=about
    )


Group = Annotated[str | None, _term("group", None, "none", "From a group of locations, in its order.")]
Due = Annotated[str | None, _term("due", "DATE", "today", "For a day, or a time.")]
Ttl = Annotated[
    str | None, _term("ttl", "DURATION", "promise.reservation_ttl", "How long it holds: 90s, 15m, 2h, 1d or none.")
]
Partial = Annotated[
    bool, typer.Option("--partial", envvar="TALLYSTICK_RESERVE_PARTIAL", show_default="off", help="Take what there is.")
]
Channel = Annotated[str | None, _term("channel", None, "none", "Who sells it; protections are kept.")]
Document = Annotated[str | None, _term("document", None, "none", "The order that it is for.")]
DocumentLine = Annotated[str | None, _term("line", None, "none", "The line of the order.")]
Id = Annotated[
    str | None, _term("id", None, "a new one", "The same id again gets the same answer, and takes nothing more.")
]
Source = Annotated[
    str, typer.Option("--source", envvar="TALLYSTICK_RESERVE_SOURCE", help="Who asks: the other half of the key.")
]
Quantity = Annotated[
    str | None, _term("quantity", "QUANTITY", "everything", "Only a part of what the one reservation holds.")
]
Keep = Annotated[
    bool,
    typer.Option("--keep", envvar="TALLYSTICK_RESERVE_KEEP", show_default="off", help="What is not taken stays held."),
]
NewQuantity = Annotated[str | None, _term("quantity", "QUANTITY", "as before", "How much it holds from now on.")]
NewTtl = Annotated[
    str | None, _term("ttl", "DURATION", "as before", "How long it holds from now on: 90s, 15m, 2h, 1d or none.")
]
Speaker = Annotated[
    str | None,
    typer.Option(
        "--source", envvar="TALLYSTICK_RESERVE_SOURCE", show_default="that of the reservation", help="Who says so."
    ),
]
Targets = Annotated[
    list[str], typer.Argument(metavar="SOURCE/ID…", help="Which reservations, by their keys.", show_default=False)
]


def reserve(  # noqa: PLR0913, PLR0917 (an option each)
    sku: Annotated[str, typer.Argument(metavar="SKU", help="What.", show_default=False)],
    words: Annotated[
        list[str],
        typer.Argument(metavar="[LOCATION] QUANTITY", help="Where, unless --group says it, and how much.",
                       show_default=False),
    ],
    group: Group = None,
    due: Due = None,
    ttl: Ttl = None,
    partial: Partial = False,
    channel: Channel = None,
    document: Document = None,
    line: DocumentLine = None,
    id_: Id = None,
    source: Source = SOURCE,
    config: options.Config = None,
    server: options.Server = None,
    timeout_s: options.Timeout = TIMEOUT_S,
    as_json: options.Json = False,
) -> None:  # fmt: skip
    """Asks for a promise that holds: nobody else is promised the same until it is posted, voided, or expires.

    All of it is granted, or nothing; with --partial, what there is. Exit status 0: granted; 9: there is not enough,
    and the answer says how much there is, and when there will be enough.

    Examples:

        tallystick reserve 4711 DC1 3 --document SO-1 --ttl 30m

        tallystick reserve 4711 40 --group east --due 2026-12-01 --partial --channel web

        tallystick reserve 4711 DC1 3 --source shop --id cart-17 --json
    """
    from tallystick.bus.requests import RESERVE
    from tallystick.client import asked as mistakes

    asked: dict[str, Any] = {"sku": sku, **_place(words, group), "due": due, "ttl": ttl, "channel": channel}
    asked |= {"policy": "partial" if partial else None, "document": document, "line": line, "source": source}
    mistakes.check({**asked, "id": id_})

    async def ask(client: "Client") -> dict[str, Any]:
        # Who asks again under the same id gets the answer that was given.
        if id_ is None or (await client.answers([(source, id_)]))[0] is None:
            await mistakes.check_place(client, asked)
        return await _ask(client, RESERVE, {**asked, "id": id_})

    answer = Reach(config, server, timeout_s).run(ask)
    if as_json:
        records.show([answer])
    else:
        _print_reserved(answer, sku)
    _judge([answer])


def post(
    targets: Targets,
    quantity: Quantity = None,
    keep: Keep = False,
    speaker: Speaker = None,
    config: options.Config = None,
    server: options.Server = None,
    timeout_s: options.Timeout = TIMEOUT_S,
    as_json: options.Json = False,
) -> None:
    """Takes what reservations hold for their order lines, today or on their day. What is not taken is released.

    Examples:

        tallystick post shop/cart-17

        tallystick post shop/cart-17 --quantity 2 --keep
    """
    from tallystick.bus.requests import POST

    said = {"quantity": quantity, "rest": "keep" if keep else None}
    _settle("posted", POST, targets, said, speaker, Reach(config, server, timeout_s), as_json=as_json)


def void(
    targets: Targets,
    quantity: Quantity = None,
    speaker: Speaker = None,
    config: options.Config = None,
    server: options.Server = None,
    timeout_s: options.Timeout = TIMEOUT_S,
    as_json: options.Json = False,
) -> None:
    """Gives back what reservations hold, all of it or a part.

    Example:

        tallystick void shop/cart-17 shop/cart-18
    """
    from tallystick.bus.requests import VOID

    said = {"quantity": quantity}
    _settle("voided", VOID, targets, said, speaker, Reach(config, server, timeout_s), as_json=as_json)


def change(
    target: Annotated[str, typer.Argument(metavar="SOURCE/ID", help="Which one, by its key.", show_default=False)],
    quantity: NewQuantity = None,
    ttl: NewTtl = None,
    speaker: Speaker = None,
    config: options.Config = None,
    server: options.Server = None,
    timeout_s: options.Timeout = TIMEOUT_S,
    as_json: options.Json = False,
) -> None:
    """Lets a reservation hold more, less, or longer. It never lets go meanwhile; exit status 9: it stays as it was.

    Examples:

        tallystick change shop/cart-17 --quantity 5

        tallystick change shop/cart-17 --ttl 2h
    """
    from tallystick.bus.requests import CHANGE
    from tallystick.errors import UsageError

    if quantity is None and ttl is None:
        raise UsageError("give --quantity, --ttl, or both")
    said = {"quantity": quantity, "ttl": ttl}
    _settle("changed", CHANGE, [target], said, speaker, Reach(config, server, timeout_s), as_json=as_json)


def _place(words: list[str], group: str | None) -> dict[str, Any]:
    """Where, and how much. Raises UsageError."""
    from tallystick.errors import UsageError

    if group is not None and len(words) == 1:
        return {"group": group, "quantity": _number(words[0])}
    if group is None and len(words) == 2:
        return {"location": words[0], "quantity": _number(words[1])}
    raise UsageError("give SKU LOCATION QUANTITY, or SKU QUANTITY --group GROUP")


def _number(text: str) -> Decimal:
    from tallystick.errors import UsageError
    from tallystick.quantity import to_thousandths

    try:
        to_thousandths(text)
    except ValueError as error:
        raise UsageError(f"{error}; give a quantity such as 3 or 2.5") from error
    return Decimal(text)


def _settle(
    deed: str,
    kind: "RequestKind",
    targets: list[str],
    said: Mapping[str, str | None],
    speaker: str | None,
    reach: Reach,
    *,
    as_json: bool,
) -> None:
    from tallystick.client import asked as mistakes
    from tallystick.errors import UsageError

    keys = [target.partition("/")[::2] for target in targets]
    if bad := [target for target, (source, id_) in zip(targets, keys, strict=True) if not source or not id_]:
        raise UsageError(f"{bad[0]} is no key of a reservation; give SOURCE/ID")
    quantity = said.get("quantity")
    if quantity is not None and len(targets) > 1:
        raise UsageError("--quantity is for one reservation")
    members = {**said, "quantity": None if quantity is None else _number(quantity)}
    for source, id_ in keys:
        mistakes.check({**members, "source": source, "id": id_})

    async def say(client: "Client") -> list[dict[str, Any]]:
        known = [await mistakes.reservation(client, *key) for key in keys]
        answers: list[dict[str, Any]] = []
        for (source, id_), one in zip(keys, known, strict=True):
            if (told := mistakes.ended(deed, one["end"])) is not None:
                answers.append({"status": _UNCHANGED, "end": one["end"], "why": told[0], "holds": told[1]})
                continue
            target = {"source": source, "id": id_}
            answers.append(await _ask(client, kind, {"source": speaker or source, "target": target, **members}))
        return answers

    found = reach.run(say)
    for target, answer in zip(targets, found, strict=True):
        if as_json:
            records.show([answer])
        else:
            _print_settled(answer, target)
    _judge(found)


async def _ask(client: "Client", kind: "RequestKind", asked: Mapping[str, Any]) -> dict[str, Any]:
    """The engine's answer, refusals among them. Raises BusError, which tells the key, when none came in time."""
    from tallystick.errors import RequestRefused

    try:
        return await client.request(kind, asked)
    except RequestRefused as error:
        return dict(error.answer)


def _print_reserved(answer: Mapping[str, Any], sku: str) -> None:
    until = f" until {promised.second(answer['expires'])}" if answer.get("expires") else ""
    held = f", {promised.figure_text(answer['quantity'])} held{until}" if answer["status"] in _HELD else ""
    key = plain_text.printable(f"{answer['source']}/{answer['id']}")
    typer.echo(f"{key}: {answer['status']}{held}{_place_in_log(answer)}")
    for line in answer.get("lines", []):
        what = line.get("sku", sku)
        spot = f"group {line['group']}" if line.get("group") else f"at {line.get('location', '')}"
        parts = ", ".join(f"{promised.figure_text(part['quantity'])} {part['location']}" for part in
                          line.get("parts", []))  # fmt: skip
        text = f"  {what} {spot}: {promised.figure_text(line['quantity'])}{f' ({parts})' if parts else ''}"
        if "available" in line:
            text += f"; available {promised.figure_text(line['available'])}"
        if "earliest" in line:
            text += f"; enough {'on ' + str(line['earliest']) if line['earliest'] else 'at no time in the horizon'}"
        typer.echo(plain_text.printable(text))


def _print_settled(answer: Mapping[str, Any], target: str) -> None:
    if answer["status"] == _UNCHANGED:
        typer.echo(plain_text.printable(f"{target} {answer['why']}."))
        return
    quantity = f" {promised.figure_text(answer['quantity'])}" if answer.get("quantity") is not None else ""
    typer.echo(plain_text.printable(f"{target}: {answer['status']}{quantity}{_place_in_log(answer)}"))


def _place_in_log(answer: Mapping[str, Any]) -> str:
    return f" (log {answer['sequence']})" if "sequence" in answer else ""


def _judge(answers: list[dict[str, Any]]) -> None:
    """Raises what sets the exit status: refused before insufficient, in one line."""
    from tallystick.errors import NotGranted, OperationError

    refused = [one for one in answers if one["status"] == _REFUSED]
    if refused:
        reasons = "; ".join(dict.fromkeys(f"{one.get('outcome')}: {one.get('why') or 'no reason'}" for one in refused))
        raise OperationError(f"{len(refused)} of {len(answers)} refused: {reasons}")
    if undone := [one for one in answers if one["status"] == _UNCHANGED and not one["holds"]]:
        raise OperationError(f"{len(undone)} of {len(answers)} not done: it {undone[0]['why']}")
    if waiting := [one for one in answers if one["status"] == _WAITING]:
        reasons = "; ".join(str(one.get("why")) for one in waiting)
        raise OperationError(f"{len(waiting)} of {len(answers)} not carried out yet: {reasons}; check SOURCE/ID")
    if short := [one for one in answers if one.get("outcome") == "insufficient"]:
        changed = any(one["status"] == "changed" for one in short)
        raise NotGranted("the position has changed since that version" if changed else "there is not enough")
