"""Trail: what made a position's stock on hand: each movement with the event that made it, and the balance after it.

The engine knows times and amounts, and the stream knows the events; this looks back through the stream and brings both
together. It looks at a bounded part of the stream, and says which movements it found no event for.
"""

import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from tallystick import exact_json
from tallystick.bus import questions
from tallystick.bus.jetstream import JetStream, StoredMessage, time_ns
from tallystick.bus.reader import read, sequence_at
from tallystick.client.flow import needles_of
from tallystick.client.repair import REPEATABLE
from tallystick.client.rules import Rules, quantity_of
from tallystick.files.elements import elements, members

if TYPE_CHECKING:
    from tallystick.client.wire import Wire
    from tallystick.config import Config

LOOK_BACK_MESSAGES: Final = 200_000
"""Messages of the stream that are looked at, unless told otherwise."""
EVENTS_MAX: Final = 20_000
"""Events of a position that are kept at most, and directives about any event."""
_COPIES_MAX: Final = 8
"""Versions of an event under one key that are kept: what was refused may come again, mended."""
_SECOND: Final = 1_000_000_000
_AHEAD_S: Final = 3_600
"""An event may be effective somewhat after its time in the log."""
_VOIDED: Final = "event.voided"
_CORRECTED: Final = "event.corrected"
_POSITION: Final = ("sku", "location", "lot", "owner")
UNPOSTED: Final = "observed"
"""What the daemon says of what it took and posted nothing of, a directive as well."""
_TAKEN: Final = ("applied", "absorbed", None)
"""What the daemon says of an event that counted; None: it does not remember it any more."""


@dataclass(frozen=True, slots=True)
class Row:
    """A movement or a count, or an event that was taken back."""

    time: str
    """When it was effective."""
    time_ns: int
    kind: str
    """`movement` or `count`."""
    quantity: Decimal | int
    """What it moved, with its sign; of a count what was found."""
    balance: Decimal | int | None = None
    """On hand after it; None where older movements are not known."""
    type: str | None = None
    source: str | None = None
    id: str | None = None
    document: str | None = None
    line: str | None = None
    sequence: int | None = None
    """Place of its event in the log; None: not in the part that was looked at."""
    is_barrier: bool = False
    """Of a count: the last word. Whatever was effective before it is contained in it."""
    voided_by: str | None = None
    """Who took it back. Then it does not count any more."""
    corrected_by: str | None = None
    """Who put something else in its place, which is this name."""

    @property
    def key(self) -> tuple[str | None, str | None]:
        """What makes an event the same event."""
        return self.source, self.id


@dataclass(frozen=True, slots=True)
class Trail:
    """The rows in the order of their effective times, and what is not among them."""

    rows: tuple[Row, ...]
    dropped_through: str | None
    """Movements up to this time are kept in sum only."""
    looked_at: int
    """Messages of the stream."""


@dataclass(frozen=True, slots=True)
class _Event:
    """An event of the position as it was sent."""

    sequence: int
    log_ns: int
    fields: Mapping[str, Any]

    @property
    def key(self) -> tuple[str | None, str | None]:
        return _text(self.fields.get("source")), _text(self.fields.get("id"))


async def trail(
    bus: JetStream,
    client: "Wire",
    config: "Config",
    position: Mapping[str, str | None],
    *,
    since_s: int | None = None,
    last: int = LOOK_BACK_MESSAGES,
) -> Trail | None:
    """Returns what a position's stock is made of; None for a position that was never seen.

    `last` bounds how many messages of the stream are looked at, `since_s` how old what is shown may be, in seconds.
    Raises OperationError.
    """
    found = await client.answer_to(questions.TRAIL, {name: position.get(name) for name in _POSITION})
    if found is None:
        return None
    on_hand = await _on_hand(client, position)
    events, directives, looked_at = await _look(bus, config, position, since_s, last)
    known = await _outcomes(client, events, directives)
    rules = Rules(config)
    counted = _Counted(found, rules, config.engine_json, position["location"])
    taken = [counted.of(copies) for copies in events if known.get(copies[0].key) in _TAKEN]
    rows = _rows(found, taken, _amended(directives, known), rules, position)
    since_ns = None if since_s is None else time.time_ns() - since_s * _SECOND
    shown = tuple(row for row in _with_balances(rows, found, on_hand) if since_ns is None or row.time_ns >= since_ns)
    return Trail(shown, found.get("dropped_through"), looked_at)


async def _on_hand(client: "Wire", position: Mapping[str, str | None]) -> Decimal | int:
    asked = {"sku": position["sku"], "location": position["location"]}
    found = exact_json.loads(await client.ask(questions.ATP_SUBJECT, asked))["positions"]
    same = (one for one in found if all(one.get(name) == position.get(name) for name in _POSITION))
    return next((one["on_hand"] for one in same), 0)


async def _look(
    bus: JetStream, config: "Config", position: Mapping[str, str | None], since_s: int | None, last: int
) -> tuple[list[list[_Event]], list[_Event], int]:
    """The events of a position, each with all that came under its key and differs; all directives that take something
    back; and how many messages were looked at.
    """
    info = await bus.stream(config.input.stream)
    if info is None:
        return [], [], 0
    first = max(info.first_sequence, info.last_sequence - last + 1)
    if since_s is not None:
        moment = datetime.fromtimestamp(time.time() - since_s - _AHEAD_S, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        first = max(first, await sequence_at(bus, info.name, moment) or info.last_sequence + 1)
    words = needles_of(str(position["sku"]))
    events: dict[tuple[str | None, str | None], list[_Event]] = {}
    directives: list[_Event] = []
    async for event in _events(read(bus, info, first), (*words, _VOIDED.encode(), _CORRECTED.encode())):
        if event.fields.get("type") in (_VOIDED, _CORRECTED):
            if len(directives) < EVENTS_MAX:
                directives.append(event)
        elif _is_about(event.fields, position) and len(events) < EVENTS_MAX:
            copies = events.setdefault(event.key, [])
            is_repetition = any(event.fields == copy.fields for copy in copies)
            if not is_repetition and len(copies) < _COPIES_MAX:
                copies.append(event)
    return list(events.values()), directives, max(info.last_sequence - first + 1, 0)


async def _events(batches: AsyncIterator[list[StoredMessage]], words: Sequence[bytes]) -> AsyncIterator[_Event]:
    async for messages in batches:
        for message in messages:
            if any(word in message.data for word in words):
                for _, element in elements(message.data):
                    yield _Event(message.sequence, message.time_ns, members(element))


def _is_about(fields: Mapping[str, Any], position: Mapping[str, str | None]) -> bool:
    where = (fields.get("location"), fields.get("to_location"))
    named = all((fields.get(name) or None) == position.get(name) for name in ("sku", "lot", "owner"))
    return named and position["location"] in where


async def _outcomes(
    client: "Wire", events: Iterable[Sequence[_Event]], directives: Iterable[_Event]
) -> dict[tuple[str | None, str | None], str | None]:
    firsts = (copies[0] for copies in events)
    keys = [(source, id_) for event in (*firsts, *directives) for source, id_ in [event.key] if source and id_]
    return dict(zip(keys, await client.answers(keys, unposted=True), strict=True)) if keys else {}


class _Counted:
    """Which of several versions under one key counted. What is refused for its content uses up no key."""

    def __init__(self, found: Mapping[str, Any], rules: Rules, engine_json: str, location: str | None) -> None:
        self._moved = {(time_ns(one["time"]), one["quantity"]) for one in found["movements"]}
        self._rules, self._engine_json, self._location = rules, engine_json, location

    def of(self, copies: Sequence[_Event]) -> _Event:
        """The version that the engine holds a movement of; else the first that would not be refused."""
        if len(copies) == 1:
            return copies[0]
        moving = (copy for copy in copies if self._is_moving(copy))
        return next(moving, None) or next((copy for copy in copies if self._is_good(copy)), copies[0])

    def _is_moving(self, copy: _Event) -> bool:
        at_ns = _time_ns(copy.fields.get("time")) or copy.log_ns
        return (at_ns, self._rules.moved(copy.fields, self._location)) in self._moved

    def _is_good(self, copy: _Event) -> bool:
        from tallystick._engine import Engine
        from tallystick.subjects import trusting

        engine = Engine(trusting(self._engine_json))  # One of its own, so that nothing is a repetition to it.
        (outcome,) = engine.apply([exact_json.dumps(dict(copy.fields))], 1, copy.log_ns).outcome_names
        return outcome not in REPEATABLE


def _amended(
    directives: Iterable[_Event], known: Mapping[tuple[str | None, str | None], str | None]
) -> dict[tuple[str | None, str | None], list[_Event]]:
    """The directives that count, by what they are about, in the order of the log."""
    found: dict[tuple[str | None, str | None], list[_Event]] = defaultdict(list)
    for directive in directives:
        target = directive.fields.get("target")
        if isinstance(target, dict) and known.get(directive.key) in (*_TAKEN, UNPOSTED):
            source = _text(target.get("source")) or directive.key[0]
            found[source, _text(target.get("id"))].append(directive)
    return found


def _rows(
    found: Mapping[str, Any],
    events: Sequence[_Event],
    amended: Mapping[tuple[str | None, str | None], Sequence[_Event]],
    rules: Rules,
    position: Mapping[str, str | None],
) -> list[Row]:
    """Each movement and count that the engine holds, with its event, and each event that was taken back."""
    location = position["location"]
    told, rows = list[Row](), list[Row]()
    for event in events:
        about = amended.get(event.key, ())
        voided = next((one for one in about if one.fields.get("type") == _VOIDED), None)
        corrected = next((one for one in reversed(about) if one.fields.get("type") == _CORRECTED), None)
        fields = dict(event.fields)
        if corrected is not None and isinstance(corrected.fields.get("event"), dict):
            instead = members(corrected.fields["event"])
            fields |= {"time": fields.get("time"), **instead}
        moved = rules.moved(fields, location)
        row = _row(event, fields, moved or 0, corrected)
        if voided is not None:
            rows.append(replace(row, voided_by=_name(voided)))
        else:
            told.append(row)
    counts = {(one["source"], one["id"]): one for one in found["counts"]}
    for key, one in counts.items():
        row = next((row for row in told if row.key == key), None) or Row(one["time"], 0, "count", 0, None, None, *key)
        found_then = replace(row, time=one["time"], time_ns=time_ns(one["time"]), quantity=one["quantity"])
        rows.append(replace(found_then, kind="count", is_barrier=one["is_barrier"]))
    movements = [Row(one["time"], time_ns(one["time"]), "movement", one["quantity"]) for one in found["movements"]]
    left = [row for row in told if row.key not in counts and row.kind == "movement"]
    return rows + _matched(movements, left)


def _matched(movements: Sequence[Row], events: Iterable[Row]) -> list[Row]:
    """The engine's movements with the events that made them: those of the same time and amount first."""
    left = list(events)
    found: list[Row | None] = [None] * len(movements)
    # The log's time is not always that of its message, and a unit makes another amount of what was sent.
    same: Sequence[Callable[[Row], object]] = (
        lambda row: (row.time_ns, row.quantity),
        lambda row: row.time_ns,
        lambda row: (row.time_ns // (_AHEAD_S * _SECOND), row.quantity),
    )
    for key in same:
        waiting: dict[object, list[Row]] = defaultdict(list)
        for event in reversed(left):
            waiting[key(event)].append(event)
        for number, movement in enumerate(movements):
            if found[number] is None and waiting[key(movement)]:
                found[number] = waiting[key(movement)].pop()
        taken = {row.key for row in found if row is not None}
        left = [event for event in left if event.key not in taken]
    pairs = zip(movements, found, strict=True)
    return [_as_moved(movement, event) if event is not None else movement for movement, event in pairs]


def _as_moved(movement: Row, event: Row) -> Row:
    return replace(event, time=movement.time, time_ns=movement.time_ns, quantity=movement.quantity)


def _with_balances(rows: Iterable[Row], found: Mapping[str, Any], on_hand: Decimal | int) -> list[Row]:
    """The rows by their effective times, each with what was on hand after it."""
    # At the same time a count comes after the movements that it contains.
    ordered = sorted(rows, key=lambda row: (row.time_ns, row.kind == "count", row.sequence or 0))
    balance: Decimal | int | None = on_hand - sum(one["quantity"] for one in found["movements"])
    if found["counts"]:
        balance = None if found.get("dropped_through") else 0
    done = []
    for row in ordered:
        if row.voided_by is None:
            if row.kind == "count":
                balance = row.quantity
            elif balance is not None:
                balance += row.quantity
        done.append(replace(row, balance=balance))
    return done


def _row(event: _Event, fields: Mapping[str, Any], moved: Decimal | int, corrected: _Event | None) -> Row:
    at_ns = _time_ns(fields.get("time")) or event.log_ns
    source, id_ = event.key
    line = fields.get("line")
    is_count = not moved and fields.get("type") == "stock.counted"
    return Row(
        _time_text(at_ns),
        at_ns,
        "count" if is_count else "movement",
        quantity_of(fields.get("quantity")) or 0 if is_count else moved,
        type=_text(fields.get("type")),
        source=source,
        id=id_,
        document=_text(fields.get("document")),
        line=None if line is None else str(line),
        sequence=event.sequence,
        corrected_by=None if corrected is None else _name(corrected),
    )


def _name(event: _Event) -> str:
    return "/".join(part or "" for part in event.key)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _time_ns(value: object) -> int | None:
    """Nanoseconds since 1970 of a time with a zone; None for what is none."""
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    whole = moment.replace(microsecond=0)
    fraction = str(value).partition(".")[2]
    digits = "".join(sign for sign in fraction[:9] if sign.isdigit()) if fraction else ""
    return int(whole.timestamp()) * _SECOND + int(digits.ljust(9, "0") or 0)


def _time_text(at_ns: int) -> str:
    seconds, rest = divmod(at_ns, _SECOND)
    fraction = f".{rest:09}".rstrip("0").rstrip(".")
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}{fraction}Z"
