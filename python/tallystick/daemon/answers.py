"""Answers: how the engine answers each question that came over the bus, in JSON that fits into one message.

A question that is not understood is a ValueError that names what is wrong. It knows the engine and no connection;
`service` brings the two together.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from tallystick import exact_json
from tallystick.bus.questions import (
    ANSWERS,
    CLAIMS,
    CLAIMS_MAX,
    EVENTS_MAX,
    FILTERS,
    KEYS_MAX,
    LIMIT_MAX,
    LIST,
    ONE,
    REPLENISH,
    RESERVATIONS,
    RESERVATIONS_MAX,
    SHADOW,
    SIGNALS_MAX,
    SOURCES,
    STATES,
    STATS,
    TRAIL,
    WHAT_IF,
    Question,
)

if TYPE_CHECKING:
    from tallystick._engine import Engine, Position

QUANTITIES: Final = (
    "on_hand",
    "reserved",
    "allocated",
    "picked",
    "in_transit",
    "quarantine",
    "damaged",
    "ordered",
    "unpicked",
    "safety_stock",
    "pending",
    "on_hand_atp",
    "atp",
)
"""Of a position: its accounts, what else is claimed of it, and both figures (docs/claims.md §6)."""
_LIMIT: Final = 100
_NAME_BYTES_MAX: Final = 64
_TEXT_BYTES_MAX: Final = 128
_ENVELOPE_BYTES: Final = 128
"""Room for what a list has around its items."""
_EVENT: Final = ("event", "event_hex")
_STATES: Final = ("unresolved", "all", *STATES)

Answer = Callable[["Engine", Mapping[str, Any], int], bytes]
"""From the engine, the question's members, and the most bytes that the answer may have."""


def answer(engine: "Engine", question: Question, members: Mapping[str, Any], bytes_max: int) -> bytes:
    """Returns the JSON answer to a question. Raises ValueError for members that it cannot be answered with.

    Only lists keep to `bytes_max`; whoever sends the answer checks the others.
    """
    return _ANSWER_TO[question](engine, members, bytes_max)


def parse_atp(data: bytes) -> tuple[str, str | None]:
    """Returns the sku and the location, if one is named. Raises ValueError."""
    question = json_object(data)
    if unknown := sorted(set(question) - {"sku", "location"}):
        raise ValueError(f"unknown field {unknown[0][:32]!r}")
    sku, location = question.get("sku"), question.get("location")
    for name, value in (("sku", sku), ("location", location)):
        if value is None and name == "location":
            continue
        if not isinstance(value, str) or not 0 < len(value.encode()) <= _NAME_BYTES_MAX:
            raise ValueError(f"{name} must be a text of 1 to {_NAME_BYTES_MAX} bytes")
    assert isinstance(sku, str), "checked above"
    return sku, location


def atp(engine: "Engine", sku: str, location: str | None) -> bytes:
    """Returns the balances of a SKU as JSON, at one location or at all; what is unknown has no positions."""
    import orjson

    found = [position for position in engine.positions_of(sku) if location in (None, position.location)]
    return orjson.dumps({"sequence": engine.sequence, "positions": [_as_json(position) for position in found]})


def _as_json(position: "Position") -> dict[str, Any]:
    import orjson

    names = {"sku": position.sku, "location": position.location, "lot": position.lot, "owner": position.owner}
    # A fragment is a JSON number with all its digits; a float would not be exact.
    numbers = {name: orjson.Fragment(str(getattr(position, name))) for name in QUANTITIES}
    return {name: value for name, value in names.items() if value is not None} | numbers | {"version": position.version}


def json_object(data: bytes) -> dict[str, Any]:
    """Returns the members of a request. Raises ValueError for what is no JSON object."""
    import orjson

    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"the request is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ValueError("the request is no JSON object")  # noqa: TRY004 (a wrong value to whoever asks)
    return value


def _list(engine: "Engine", question: Mapping[str, Any], bytes_max: int) -> bytes:
    state = _text(question, "state") or "all"
    if state not in _STATES:
        raise ValueError(f"state is one of {', '.join(_STATES)}")
    filters = {name: _text(question, name) for name in FILTERS}
    after = _number(question, "after", 0, None, 0)
    limit = _number(question, "limit", 1, LIMIT_MAX, _LIMIT)
    with_events = _flag(question, "events")
    since_ns = _time_ns(question, "since")
    # One more than is wanted tells whether there are more.
    found = engine.exceptions(
        state=None if state == "all" else state, since_ns=since_ns, after=after, limit=limit + 1, **filters
    )
    items: Sequence[Mapping[str, Any]] = found[:limit]
    more = len(found) > limit
    if not with_events:
        items = [{name: value for name, value in item.items() if name not in _EVENT} for item in items]
    parts = _fitting(items, bytes_max)
    more |= len(parts) < len(items)
    head = exact_json.dumps({"sequence": engine.sequence, "more": more})[:-1]
    return b'%s,"items":[%s]}' % (head, b",".join(parts))


def _fitting(items: Iterable[Mapping[str, Any]], bytes_max: int) -> list[bytes]:
    """The first items of a list as JSON, as many as fit into one message; the first one always."""
    parts, left = list[bytes](), bytes_max - _ENVELOPE_BYTES
    for item in items:
        part = exact_json.dumps(item)
        left -= len(part) + 1
        if parts and left < 0:
            break
        parts.append(part)
    return parts


def _one(engine: "Engine", question: Mapping[str, Any], _bytes_max: int) -> bytes:
    number = _number(question, "number", 1, None, None)
    return engine.exception_json(number) or b"null"


def _trail(engine: "Engine", question: Mapping[str, Any], _bytes_max: int) -> bytes:
    names = [_text(question, name) for name in ("sku", "location", "lot", "owner")]
    sku, location, lot, owner = names
    if sku is None or location is None:
        raise ValueError("sku and location are needed")
    return engine.trail_json(sku, location, lot, owner) or b"null"


def _what_if(engine: "Engine", question: Mapping[str, Any], _bytes_max: int) -> bytes:
    events = question.get("events")
    if not isinstance(events, list) or not 0 < len(events) <= EVENTS_MAX:
        raise ValueError(f"events is a list of 1 to {EVENTS_MAX} events")
    if not all(isinstance(event, (dict, str)) for event in events):
        raise ValueError("each event is a JSON object, or the text of one")
    texts = [
        event.encode("utf-8", "surrogatepass") if isinstance(event, str) else exact_json.dumps(event)
        for event in events
    ]
    return engine.what_if_json(texts)


def _answers(engine: "Engine", question: Mapping[str, Any], _bytes_max: int) -> bytes:
    keys = question.get("keys")
    if not isinstance(keys, list) or not 0 < len(keys) <= KEYS_MAX:
        raise ValueError(f"keys is a list of 1 to {KEYS_MAX} pairs of source and id")
    pairs = [tuple(key) for key in keys if isinstance(key, list) and len(key) == 2]
    if len(pairs) < len(keys) or not all(isinstance(part, str) for pair in pairs for part in pair):
        raise ValueError("each key is a source and an id")
    found = engine.answers(pairs)
    if not _flag(question, "unposted"):  # A directive posts nothing: to whoever sent it, it was applied.
        found = ["applied" if outcome == "observed" else outcome for outcome in found]
    return exact_json.dumps({"sequence": engine.sequence, "answers": found})


def _sources(engine: "Engine", question: Mapping[str, Any], _bytes_max: int) -> bytes:
    source = _text(question, "source")
    if source is None:
        return engine.sources_json()
    return exact_json.dumps([found for found in engine.sources() if found["source"] == source])


def _reservations(engine: "Engine", question: Mapping[str, Any], _bytes_max: int) -> bytes:
    asked: dict[str, Any] = {name: _text(question, name) for name in ("document", "sku", "location", "source", "id")}
    asked |= {
        "leaks": _flag(question, "leaks") or None,
        "limit": _number(question, "limit", 1, RESERVATIONS_MAX, _LIMIT),
    }
    members = {name: value for name, value in asked.items() if value is not None}
    return engine.reservations_json(exact_json.dumps(members))


def _claims(engine: "Engine", question: Mapping[str, Any], _bytes_max: int) -> bytes:
    asked: dict[str, Any] = {name: _text(question, name) for name in ("document", "sku", "location")}
    asked["limit"] = _number(question, "limit", 1, CLAIMS_MAX, _LIMIT)
    return engine.claims_json(exact_json.dumps({name: value for name, value in asked.items() if value is not None}))


def _replenish(engine: "Engine", question: Mapping[str, Any], bytes_max: int) -> bytes:
    sku, location = (_text(question, name) for name in ("sku", "location"))
    limit = _number(question, "limit", 1, SIGNALS_MAX, _LIMIT)
    total = engine.replenishment_total(sku, location)
    signals = engine.replenishment(sku, location, limit)
    head = exact_json.dumps({"sequence": engine.sequence, "total": total})[:-1]
    return b'%s,"signals":[%s]}' % (head, b",".join(_fitting(signals, bytes_max)))


def _text(question: Mapping[str, Any], name: str) -> str | None:
    value = question.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value.encode("utf-8", "surrogatepass")) <= _TEXT_BYTES_MAX:
        raise ValueError(f"{name} must be a text of 1 to {_TEXT_BYTES_MAX} bytes")
    return value


def _flag(question: Mapping[str, Any], name: str) -> bool:
    value = question.get(name, False)
    if not isinstance(value, bool):
        raise ValueError(f"{name} is true or false")  # noqa: TRY004 (a wrong value to whoever asks)
    return value


def _time_ns(question: Mapping[str, Any], name: str) -> int | None:
    """Nanoseconds since 1970 of a time with a zone."""
    from datetime import UTC, datetime, timedelta

    text = _text(question, name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        # Without a zone it is not known which time is meant.
        return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1_000
    except (ValueError, TypeError):
        raise ValueError(f"{name} is a time such as 2026-12-01T00:00:00Z") from None


def _number(question: Mapping[str, Any], name: str, least: int, most: int | None, default: int | None) -> int:
    value = question.get(name, default)
    top = (1 << 63) - 1 if most is None else most
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= top:
        limits = f"from {least} to {most}" if most is not None else f"of at least {least}"
        raise ValueError(f"{name} must be a whole number {limits}")
    return value


_ANSWER_TO: Final[Mapping[Question, Answer]] = {
    LIST: _list,
    ONE: _one,
    STATS: lambda engine, _members, _bytes_max: engine.exception_stats_json(),
    SOURCES: _sources,
    SHADOW: lambda engine, _members, _bytes_max: engine.shadow_report_json(),
    TRAIL: _trail,
    WHAT_IF: _what_if,
    ANSWERS: _answers,
    RESERVATIONS: _reservations,
    CLAIMS: _claims,
    REPLENISH: _replenish,
}
