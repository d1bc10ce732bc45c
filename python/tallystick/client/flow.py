"""Flow: everything under one correlation id, document or event, in the order of the log's time, with latencies.

It reads no stream; `trace` does. What it keeps is bounded, however long the streams are.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from tallystick import exact_json
from tallystick.bus.jetstream import StoredMessage
from tallystick.client.repair import REPEATABLE
from tallystick.files.elements import elements, members

STEPS_MAX: Final = 20_000
NUMBERS_MAX: Final = 200
"""Exceptions whose changes are looked for: each costs a look at every message of their stream."""
FOREIGN: Final = "unknown_type"
RAISED: Final = "tallystick.exception"
CHANGED: Final = "tallystick.exception.changed"
_COUNTS: Final = ("type", "sku", "location", "lot", "owner", "time", "to_location", "from_status", "to_status")
_COUNTS_TOO: Final = (
    *("document", "line", "due", "target", "event", "exception", "config", "mode", "unit", "supplier", "kind", "group"),
    *("lines", "ttl", "policy", "channel", "version", "quantities", "protected", "capped", "from", "to", "locations"),
    *("groups", "rest", "side"),
)
_ORDER: Final = {"event": 0, "exception": 1, "availability": 2}


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened: an event, an exception, or a position that was told to the channels."""

    kind: str
    time_ns: int
    """When its stream took it; of an event this is the log's time."""
    sequence: int
    """Place in the log; of a position, the last log sequence that it reflects."""
    index: int = 0
    source: str | None = None
    id: str | None = None
    type: str | None = None
    """Of an exception its code."""
    causation: str | None = None
    sku: str | None = None
    location: str | None = None
    quantity: str | None = None
    """Of a position what can be promised."""
    effective: str | None = None
    outcome: str | None = None
    """Of an exception that changed its state, the new one."""
    about: str | None = None
    """Of a directive its target, of an exception its cause."""
    number: int | None = None
    """Of an exception, under which it is worked on."""
    since_first_ns: int | None = None
    since_cause_ns: int | None = None

    document: str | None = None
    origin: tuple[str, str] | None = None
    """Of an echo: source and id of the event that it was made from."""
    is_change: bool = False
    """Of an exception: not that it was raised, but that it has another state now."""
    is_milestone: bool = False
    """Of an event: its type is nobody's here. It says that something happened, and moves nothing."""

    @property
    def key(self) -> tuple[str, str] | None:
        """What makes an event the same event."""
        return (self.source, self.id) if self.source is not None and self.id is not None else None


class Flow:
    """Collects the steps of one correlation id, document, or event (`ID` or `SOURCE/ID`), message by message."""

    def __init__(self, correlation: str) -> None:
        self.truncated = False
        """Whether there were more steps than are kept."""
        self._correlation = correlation
        self._needles = needles_of(correlation)
        self._steps: list[Step] = []
        self._keys: dict[tuple[str, str], bytes] = {}
        """The keys of its first events, each with what its id looks like in a message."""
        self._bodies: dict[tuple[int, int], bytes] = {}
        self._numbers: dict[int, Step] = {}
        """The flow's exceptions: how they went on does not carry the id."""

    @property
    def first_ns(self) -> int | None:
        """When the first event was stored, as far as was looked."""
        return min((step.time_ns for step in self._steps if step.kind == "event"), default=None)

    def may_hold(self, message: bytes) -> bool:
        """Whether the id is in a message at all: a look at the bytes, which is far cheaper than parsing them.

        >>> flow = Flow("order/1")
        >>> flow.may_hold(b'{"correlationid":"order/1"}'), flow.may_hold(b'{"correlationid":"order/2"}')
        (True, False)
        """
        return any(needle in message for needle in self._needles)

    def add_events(self, message: StoredMessage) -> None:
        """Takes in a message of the event stream."""
        if not self.may_hold(message.data):
            return
        for index, element in elements(message.data):
            fields = members(element)
            if self._is_of_it(fields):
                step = _event_step(message, index, fields)
                self._add(step)
                self._bodies[message.sequence, index] = _body(fields)
                if step.key is not None and len(self._keys) < NUMBERS_MAX:
                    self._keys[step.key] = json.dumps(step.id).encode()

    def add_exceptions(self, message: StoredMessage) -> None:
        """Takes in a message of the exception stream."""
        words = (*(b'"exception":%d' % number for number in self._numbers), *self._keys.values())
        for found in self._envelopes(message, *words):
            data = found.get("data")
            if not isinstance(data, dict):
                continue
            kind = found.get("type")
            if kind == CHANGED:
                if (known := self._numbers.get(data.get("exception", 0))) is not None:
                    self._add(_change_step(message, known, data))
            # The stream carries signals about positions, too (docs/replenish.md). They follow from no single event.
            elif kind == RAISED and self._is_raised_by_it(found, data):
                step = _exception_step(message, data)
                self._add(step)
                if step.number is not None and len(self._numbers) < NUMBERS_MAX:
                    self._numbers[step.number] = step

    def add_availability(self, message: StoredMessage) -> None:
        """Takes in a message of the availability stream."""
        for found in self._envelopes(message):
            for position in (found.get("data") or {}).get("positions", ()):
                if position.get("correlationid") == self._correlation:
                    self._add(_position_step(message, position))

    def unanswered(self) -> list[tuple[str, str]]:
        """Returns the keys of events whose outcome the streams do not tell."""
        found = [step for step in self._judged() if step.kind == "event" and step.outcome is None]
        keys = [key for step in found for key in (step.key, step.origin)]
        return list(dict.fromkeys(key for key in keys if key is not None))

    def steps(
        self,
        answers: Mapping[tuple[str, str], str | None],
        is_stock: Callable[[str | None], bool] = lambda _type: True,
    ) -> list[Step]:
        """Returns all steps in the order of their times, with outcomes and latencies in ns.

        `answers` is what a daemon remembers of the keys that `unanswered` returns, with those that posted nothing;
        `is_stock` tells whether a type is one of stock.
        """
        judged = [_concluded(step, answers, is_stock) if step.kind == "event" else step for step in self._judged()]
        first = self.first_ns
        causes = [step for step in judged if step.kind == "event" or (step.kind == "exception" and not step.is_change)]
        timed = []
        for step in judged:
            cause = _cause(step, causes)
            since_cause = step.time_ns - cause.time_ns if cause is not None else None
            since_first = step.time_ns - first if first is not None else None
            timed.append(replace(step, since_first_ns=since_first, since_cause_ns=since_cause))
        return sorted(timed, key=lambda step: (step.time_ns, _ORDER[step.kind], step.sequence, step.index))

    def _is_of_it(self, fields: Mapping[str, Any]) -> bool:
        names = (fields.get("correlationid"), fields.get("document"), fields.get("id"))
        return self._correlation in names or f"{fields.get('source')}/{fields.get('id')}" == self._correlation

    def _is_raised_by_it(self, envelope: Mapping[str, Any], data: Mapping[str, Any]) -> bool:
        key = data.get("source"), data.get("id")
        return envelope.get("correlationid") == self._correlation or key in self._keys

    def _envelopes(self, message: StoredMessage, *others: bytes) -> Iterator[dict[str, Any]]:
        if self.may_hold(message.data) or any(other in message.data for other in others):
            for _, found in elements(message.data):
                yield found

    def _add(self, step: Step) -> None:
        if len(self._steps) < STEPS_MAX:
            self._steps.append(step)
        else:
            self.truncated = True

    def _judged(self) -> Iterator[Step]:
        """The steps, events with what the streams tell of their outcomes."""
        told: dict[tuple[int, int], str] = {}
        for step in self._steps:
            # A change of state tells of the exception, not of the event.
            if step.kind == "exception" and step.outcome is not None and not step.is_change:
                told.setdefault((step.sequence, step.index), step.outcome)
        seen: dict[tuple[str, str], bytes] = {}
        for step in sorted(self._steps, key=lambda step: (_ORDER[step.kind], step.sequence, step.index)):
            if step.kind != "event":
                yield step
                continue
            place = step.sequence, step.index
            body, outcome = self._bodies.get(place), told.get(place)
            if outcome is None and step.key is not None and body is not None and seen.get(step.key) == body:
                outcome = "duplicate"
            if step.key is not None and body is not None and outcome not in (*REPEATABLE, "conflict", "duplicate"):
                seen.setdefault(step.key, body)
            yield replace(step, outcome=outcome)


def _concluded(
    step: Step, answers: Mapping[tuple[str, str], str | None], is_stock: Callable[[str | None], bool]
) -> Step:
    """An event with the outcome that it had."""
    if step.outcome == FOREIGN:
        return replace(step, is_milestone=True)
    if step.outcome is not None:
        return step
    known = answers.get(step.key) if step.key is not None else None
    if known == "observed" and not is_stock(step.type):
        known = "applied"  # A directive posts nothing, and was applied.
    if known is None and step.origin is not None and answers.get(step.origin) is not None:
        known = "duplicate"  # The echo of an event that is known changes nothing, and is not remembered.
    return replace(step, outcome=known or "unknown")


def needles_of(correlation: str) -> tuple[bytes, ...]:
    """Returns a text in all forms that its bytes can have in JSON and in columns."""
    escaped = json.dumps(correlation)[1:-1]
    plain = json.dumps(correlation, ensure_ascii=False)[1:-1]
    # Producers differ in what they escape, and in the case of the digits.
    shouted = re.sub(r"\\u[0-9a-f]{4}", lambda found: "\\u" + found[0][2:].upper(), escaped)
    words = {correlation, escaped, shouted, plain, plain.replace("/", "\\/")}
    if "/" in correlation:  # SOURCE/ID, of which the id stands by itself.
        words |= {json.dumps(correlation.partition("/")[2])[1:-1]}
    return tuple(sorted(word.encode("utf-8", "surrogatepass") for word in words))


def _event_step(message: StoredMessage, index: int, fields: Mapping[str, Any]) -> Step:
    texts = {
        name: fields[name] for name in ("source", "id", "type", "sku", "location") if isinstance(fields.get(name), str)
    }
    quantity, target = fields.get("quantity"), fields.get("target")
    about = None
    if isinstance(target, dict):
        about = f"{target.get('source') or fields.get('source')}/{target.get('id')}"
    elif isinstance(fields.get("exception"), int):
        about = f"exception {fields['exception']}"
    origin = _text(fields.get("originsource")), _text(fields.get("originid"))
    return Step(
        "event",
        message.time_ns,
        message.sequence,
        index,
        document=_text(fields.get("document")),
        origin=(origin[0], origin[1]) if origin[0] is not None and origin[1] is not None else None,
        causation=_text(fields.get("causationid")),
        quantity=None if quantity is None else str(quantity),
        effective=_text(fields.get("time")),
        about=about,
        **texts,
    )


def _exception_step(message: StoredMessage, data: Mapping[str, Any]) -> Step:
    number = data.get("exception")
    return Step(
        "exception",
        message.time_ns,
        int(data.get("sequence", 0)),
        int(data.get("index", 0)),
        source=_text(data.get("source")),
        id=_text(data.get("id")),
        type=_text(data.get("code")),
        sku=_text(data.get("sku")),
        location=_text(data.get("location")),
        outcome=_text(data.get("outcome")),
        about=_text(data.get("cause")),
        number=number if isinstance(number, int) else None,
    )


def _change_step(message: StoredMessage, known: Step, data: Mapping[str, Any]) -> Step:
    """How an exception went on, at the place of what moved it."""
    return replace(
        known,
        time_ns=message.time_ns,
        sequence=int(data.get("sequence", 0)),
        index=int(data.get("index", 0)),
        outcome=_text(data.get("state")),
        about=_text(data.get("moved_by")),
        is_change=True,
    )


def _position_step(message: StoredMessage, position: Mapping[str, Any]) -> Step:
    return Step(
        "availability",
        message.time_ns,
        int(position.get("version", 0)),
        causation=_text(position.get("causationid")),
        sku=_text(position.get("sku")),
        location=_text(position.get("location")),
        quantity=str(position.get("atp")),
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _body(fields: Mapping[str, Any]) -> bytes:
    """Returns what makes two events the same, in one form: 12.0 and "12" are the same quantity."""
    from decimal import Decimal, InvalidOperation

    counted = {name: fields[name] for name in (*_COUNTS, *_COUNTS_TOO) if fields.get(name) not in (None, "")}
    try:
        counted["quantity"] = str(Decimal(str(fields.get("quantity"))).normalize())
    except InvalidOperation:
        counted["quantity"] = str(fields.get("quantity"))
    return exact_json.dumps(dict(sorted(counted.items())))


def _cause(step: Step, causes: Sequence[Step]) -> Step | None:
    """Returns what a step follows from: the event at its place, the last of its position, or the one that it names."""
    events = (cause for cause in causes if cause.kind == "event")
    if step.kind == "exception":
        place = step.sequence, step.index
        moved = next((event for event in events if (event.sequence, event.index) == place), None)
        if moved is not None or not step.is_change:
            return moved
        return next((cause for cause in causes if cause.kind == "exception" and cause.number == step.number), None)
    if step.kind == "availability":
        within = [event for event in events if event.sequence <= step.sequence and event.sku == step.sku]
        return max(within, key=lambda event: (event.sequence, event.index), default=None)
    if step.causation is None:
        return None
    return next((event for event in events if step.causation in (event.id, f"{event.source}/{event.id}")), None)
