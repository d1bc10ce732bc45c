"""Promise: what can be sold, when and to whom (docs/promise.md): questions and answers, and directives for the log.

Quantities are in units, exact; times are RFC 3339, days are ISO dates. The functions that make a directive return bytes
that are ready for the event stream. Whoever sends the same one again passes the same `directive_id`; without one it
gets a new one. It decides nothing.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal, NotRequired, TypedDict, Unpack, cast

from tallystick import exact_json
from tallystick.client.directives import directive
from tallystick.quantity import to_decimal, to_thousandths

if TYPE_CHECKING:
    from tallystick._engine import Engine

__all__ = [
    "MODES",
    "Answer",
    "Asked",
    "Freshness",
    "Line",
    "Mode",
    "More",
    "Place",
    "Promise",
    "Quantity",
    "Side",
    "Terms",
    "atp_figures",
    "cancel",
    "change",
    "close_document",
    "define_group",
    "move_protection",
    "post",
    "protect",
    "question",
    "reschedule",
    "reserve",
    "retire_group",
    "schedule",
    "void",
]

Mode = Literal[
    "on_hand",
    "period_net",
    "discrete",
    "discrete_running_total",
    "cumulative",
    "look_ahead",
    "backward",
    "backward_accumulated",
]
MODES: Final[tuple[Mode, ...]] = (
    "on_hand",
    "period_net",
    "discrete",
    "discrete_running_total",
    "cumulative",
    "look_ahead",
    "backward",
    "backward_accumulated",
)
Side = Literal["supply", "demand"]
Freshness = Literal["firm", "provisional", "stale"]
Quantity = Decimal | int | str
"""Exact; a float is none."""


class Place(TypedDict):
    """What is asked about: a SKU at a location, or in a group of locations."""

    sku: str
    location: NotRequired[str]
    group: NotRequired[str]
    lot: NotRequired[str]
    owner: NotRequired[str]


class Line(Place):
    """One line of a request."""

    quantity: Quantity
    line: NotRequired[int | str]
    due: NotRequired[str]
    channel: NotRequired[str]
    version: NotRequired[int]


class Asked(TypedDict, total=False):
    """What is asked about all places of a question."""

    due: str | None
    quantity: Quantity | None
    channel: str | None
    mode: Mode | None
    measure: str | None
    horizon: bool
    explain: bool


class Terms(TypedDict, total=False):
    """What holds for the whole of a request."""

    ttl: str | None
    policy: Literal["all", "partial"] | None
    mode: Mode | None
    document: str | None
    line: int | str | None


class More(TypedDict, total=False):
    """What every directive may have."""

    directive_id: str
    reason: str
    time: str
    correlationid: str
    causationid: str


class Answer(TypedDict):
    """What can be promised at one place. Figures are whole numbers or decimals; None is unlimited."""

    available: int | Decimal | None
    signed: NotRequired[int | Decimal | None]
    enough: NotRequired[bool]
    earliest: NotRequired[str | None]
    bucket: str
    version: NotRequired[int]
    freshness: Freshness
    known: NotRequired[bool]
    horizon: NotRequired[list[list[Any]]]
    """Pairs of bucket and figure, where the figure changes."""
    measures: NotRequired[dict[str, int | Decimal | None]]
    explain: NotRequired[dict[str, Any]]


class Promise(TypedDict):
    """The answers to a question, in the order asked, and how fresh what they were made from is."""

    sequence: int
    log_time: str | None
    freshness: Freshness
    mode: Mode
    bucket: str
    answers: list[Answer]
    sources: dict[str, dict[str, Any]]
    feeds: dict[str, list[str]]


def promise(engine: "Engine", positions: Sequence[Place], **asked: Unpack[Asked]) -> Promise:
    """What `Engine.promise` is. Raises ValueError, which names the member, for a question that cannot be answered."""
    return answered(exact_json.loads(engine.promise_json(exact_json.dumps(question(positions, **asked)))))


def answered(found: dict[str, Any]) -> Promise:
    """Returns an answer, as it came from an engine or a daemon, with what the engine writes once for all places."""
    if "error" in found:
        raise ValueError(found["error"])
    for answer in found["answers"]:
        answer.setdefault("bucket", found["bucket"])
        answer.setdefault("freshness", "firm")
    return cast("Promise", found)


def question(positions: Sequence[Place], **asked: Unpack[Asked]) -> dict[str, Any]:
    """Returns the question as `Engine.promise_json` and the daemon take it, without members that are None or False.

    >>> question([{"sku": "LAMP", "location": "DC1"}], due="2026-03-01", channel=None)
    {'positions': [{'sku': 'LAMP', 'location': 'DC1'}], 'due': '2026-03-01'}
    """
    members = {name: value for name, value in asked.items() if value is not None and value is not False}
    return {"positions": list(positions), **members}


def atp_figures(
    on_hand: Quantity,
    supply: Sequence[Quantity],
    demand: Sequence[Quantity],
    *,
    mode: Mode = "look_ahead",
    safety_stock: Quantity | Sequence[Quantity] | None = None,
    window: int | None = None,
    fence: int | None = None,
    carry_shortage: bool = True,
) -> list[Decimal | None]:
    """Returns the figure of each bucket in units, from supply and demand by bucket; None is unlimited.

    By the kernel alone, without an engine. `on_hand` is what is there before all buckets, `safety_stock` one for all of
    them or one for each. Raises ValueError for lengths that differ and for quantities that are no thousandths.

    >>> [str(figure) for figure in atp_figures(10, supply=[0, 5, 0], demand=[0, 0, "12.5"])]
    ['2.5', '2.5', '2.5']
    >>> [str(figure) for figure in atp_figures(10, supply=[0, 5, 0], demand=[0, 0, "12.5"], mode="period_net")]
    ['10', '5', '-12.5']
    """
    from tallystick import _engine

    if isinstance(safety_stock, Decimal | int | str) or safety_stock is None:
        safety_stock = [safety_stock or 0] * len(supply)
    if not len(supply) == len(demand) == len(safety_stock):
        raise ValueError(f"{len(supply)} buckets of supply, {len(demand)} of demand, {len(safety_stock)} of safety")
    coming, going, safety = ([to_thousandths(one) for one in row] for row in (supply, demand, safety_stock))
    start = to_thousandths(on_hand)
    figures = _engine.atp_figures_thousandths(start, coming, going, safety, mode, window, fence, carry_shortage)
    return [None if figure is None else to_decimal(figure) for figure in figures]


def reserve(
    lines: Sequence[Line],
    *,
    source: str,
    reply: str | None = None,
    terms: Terms | None = None,
    **more: Unpack[More],
) -> bytes:
    """Asks for a promise. The engine's answer goes to the subject `reply`.

    >>> from tallystick import Engine
    >>> engine = Engine()
    >>> came = b'{"id":"1","source":"wms","type":"stock.received","sku":"LAMP","location":"DC1","quantity":5}'
    >>> hold = reserve([{"sku": "LAMP", "location": "DC1", "quantity": 2}], source="shop", directive_id="r1")
    >>> batch = engine.apply([came, hold], first_sequence=1, log_time_ns=0)
    >>> engine.position("LAMP", "DC1").reserved, engine.position("LAMP", "DC1").atp
    (Decimal('2'), Decimal('3'))
    """
    asked: dict[str, Any] = dict(lines[0]) if len(lines) == 1 else {"lines": [dict(line) for line in lines]}
    return _made("reservation.requested", source, more, {**asked, **(terms or {}), "reply": reply})


def post(
    target_source: str,
    target_id: str,
    quantity: Quantity | Sequence[Quantity] | None = None,
    *,
    source: str | None = None,
    reply: str | None = None,
    keep: bool = False,
    **more: Unpack[More],
) -> bytes:
    """Takes what a reservation holds: of a quantity (or one for each line), else everything.

    The rest is released, unless it is to be kept.

    >>> from tallystick import Engine
    >>> engine = Engine()
    >>> came = b'{"id":"1","source":"wms","type":"stock.received","sku":"LAMP","location":"DC1","quantity":5}'
    >>> hold = reserve([{"sku": "LAMP", "location": "DC1", "quantity": 2}], source="shop", directive_id="r1")
    >>> batch = engine.apply([came, hold, post("shop", "r1", 1)], first_sequence=1, log_time_ns=0)
    >>> engine.position("LAMP", "DC1").reserved, engine.position("LAMP", "DC1").allocated
    (Decimal('0'), Decimal('1'))
    """
    members = _about(target_source, target_id, quantity) | {"rest": "keep" if keep else None, "reply": reply}
    return _made("reservation.posted", source or target_source, more, members)


def void(
    target_source: str,
    target_id: str,
    quantity: Quantity | Sequence[Quantity] | None = None,
    *,
    source: str | None = None,
    reply: str | None = None,
    **more: Unpack[More],
) -> bytes:
    """Releases what a reservation holds: of a quantity (or one for each line), else everything.

    >>> from tallystick import Engine
    >>> engine = Engine()
    >>> came = b'{"id":"1","source":"wms","type":"stock.received","sku":"LAMP","location":"DC1","quantity":5}'
    >>> hold = reserve([{"sku": "LAMP", "location": "DC1", "quantity": 2}], source="shop", directive_id="r1")
    >>> batch = engine.apply([came, hold, void("shop", "r1")], first_sequence=1, log_time_ns=0)
    >>> engine.position("LAMP", "DC1").atp
    Decimal('5')
    """
    members = _about(target_source, target_id, quantity) | {"reply": reply}
    return _made("reservation.voided", source or target_source, more, members)


def change(
    target_source: str,
    target_id: str,
    quantity: Quantity | Sequence[Quantity] | None = None,
    *,
    ttl: str | None = None,
    source: str | None = None,
    reply: str | None = None,
    **more: Unpack[More],
) -> bytes:
    """Lets a reservation hold another quantity (or one for each line) from now on, or for another time, or both.

    Nothing is released meanwhile. Where there is not enough for more, it stays as it is. Raises ValueError if neither
    is given.
    """
    if quantity is None and ttl is None:
        raise ValueError("give a quantity, a ttl, or both")
    members = _about(target_source, target_id, quantity) | {"ttl": ttl, "reply": reply}
    return _made("reservation.changed", source or target_source, more, members)


def schedule(
    side: Side,
    document: str,
    place: Place,
    due: str,
    quantity: Quantity,
    *,
    source: str,
    line: int | str | None = None,
    supplier: str | None = None,
    **more: Unpack[More],
) -> bytes:
    """A line that is to come (`supply`) or to go (`demand`).

    >>> from tallystick import Engine
    >>> engine = Engine()
    >>> lamp = {"sku": "LAMP", "location": "DC1"}
    >>> coming = schedule("supply", "PO-1", lamp, "1970-01-03", 5, source="erp")
    >>> batch = engine.apply([coming], first_sequence=1, log_time_ns=0)
    >>> [engine.promise([lamp], due=day)["answers"][0]["available"] for day in ("1970-01-02", "1970-01-03")]
    [0, 5]
    """
    members = {"document": document, "line": line, "due": due, "quantity": quantity, "supplier": supplier}
    return _made(f"{side}.scheduled", source, more, {**place, **members})


def reschedule(
    side: Side,
    document: str,
    place: Place,
    *,
    source: str,
    line: int | str | None = None,
    due: str | None = None,
    quantity: Quantity | None = None,
    **more: Unpack[More],
) -> bytes:
    """Another date, another quantity, or both; quantity 0 calls the line off. It needs no `scheduled` before it."""
    members = {"document": document, "line": line, "due": due, "quantity": quantity}
    return _made(f"{side}.rescheduled", source, more, {**place, **members})


def cancel(
    side: Side, document: str, place: Place, *, source: str, line: int | str | None = None, **more: Unpack[More]
) -> bytes:
    """Closes a line: nothing more comes of it. It holds against all that is effective before, told before or after."""
    return _made(f"{side}.cancelled", source, more, {**place, "document": document, "line": line})


def close_document(
    document: str,
    how: Literal["closed", "cancelled"] = "closed",
    *,
    source: str,
    side: Side | None = None,
    **more: Unpack[More],
) -> bytes:
    """Closes a document's lines, of one side or of both, and ends what is left of its reservations."""
    return _made(f"document.{how}", source, more, {"document": document, "side": side})


def protect(
    channel: str,
    place: Mapping[str, str],
    protected: Quantity,
    *,
    source: str,
    capped: Quantity | None = None,
    **more: Unpack[More],
) -> bytes:
    """Keeps stock for a channel. `place`: the SKU, and a location or a group, or neither for everywhere.

    >>> from tallystick import Engine
    >>> engine = Engine()
    >>> came = b'{"id":"1","source":"wms","type":"stock.received","sku":"LAMP","location":"DC1","quantity":5}'
    >>> batch = engine.apply([came, protect("shop", {"sku": "LAMP"}, 2, source="erp")], first_sequence=1, log_time_ns=0)
    >>> [engine.promise([{"sku": "LAMP", "location": "DC1"}], channel=channel)["answers"][0]["available"]
    ...  for channel in ("shop", "market")]
    [5, 3]
    """
    members = {"channel": channel, "protected": protected, "capped": capped}
    return _made("protection.set", source, more, {**place, **members})


def move_protection(
    from_channel: str,
    to_channel: str,
    place: Mapping[str, str],
    quantity: Quantity,
    *,
    source: str,
    **more: Unpack[More],
) -> bytes:
    """Moves what is kept from one channel to another."""
    members = {"from": from_channel, "to": to_channel, "quantity": quantity}
    return _made("protection.moved", source, more, {**place, **members})


def define_group(
    group: str, locations: Sequence[str] = (), groups: Sequence[str] = (), *, source: str, **more: Unpack[More]
) -> bytes:
    """A group of locations, in the order in which they are picked, then those of other groups; from `time` on.

    >>> from tallystick import Engine
    >>> engine = Engine()
    >>> came = b'{"id":"1","source":"wms","type":"stock.received","sku":"LAMP","location":"DC1","quantity":5}'
    >>> north = define_group("north", ["DC1", "DC2"], source="erp")
    >>> batch = engine.apply([came, north], first_sequence=1, log_time_ns=0)
    >>> engine.promise([{"sku": "LAMP", "group": "north"}])["answers"][0]["available"]
    5
    """
    members = {"group": group, "locations": list(locations) or None, "groups": list(groups) or None}
    return _made("group.defined", source, more, members)


def retire_group(group: str, *, source: str, **more: Unpack[More]) -> bytes:
    """Ends a group, from `time` on."""
    return _made("group.retired", source, more, {"group": group})


def _about(source: str, id_: str, quantity: Quantity | Sequence[Quantity] | None) -> dict[str, Any]:
    target = {"target": {"source": source, "id": id_}}
    if quantity is None or isinstance(quantity, Decimal | int | str):
        return target | {"quantity": quantity}
    return target | {"quantities": list(quantity)}


def _made(kind: str, source: str, more: More, members: Mapping[str, Any]) -> bytes:
    """Returns the directive, without members that are None."""
    known = {name: str(value) for name, value in more.items() if name != "directive_id"}
    present = {name: value for name, value in members.items() if value is not None}
    return directive(kind, source, more.get("directive_id"), known, **present)
