"""Questions: what the daemon can be asked about exceptions, sources and single events, and how it answers.

Each question is a JSON object; each answer is JSON that fits into one message. A question that is not understood is a
ValueError that names what is wrong. It knows the engine and no bus; `service` brings the two together.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tallystick import exact_json
from tallystick.work import STATES

if TYPE_CHECKING:
    from tallystick._engine import Engine

LIMIT_MAX: Final = 500
KEYS_MAX: Final = 1_000
EVENTS_MAX: Final = 500
RESERVATIONS_MAX: Final = 1_000
CLAIMS_MAX: Final = 1_000
_LIMIT: Final = 100
_TEXT_BYTES_MAX: Final = 128
_STATES: Final = ("unresolved", "all", *STATES)
_FILTERS: Final = ("code", "source", "owner", "correlation", "sku")

Answer = Callable[["Engine", Mapping[str, Any], int], bytes]
"""From the engine, the question, and the most bytes that the answer may have."""


@dataclass(frozen=True, slots=True)
class Question:
    """One thing that the daemon can be asked."""

    subject: str
    answer: Answer
    members: tuple[str, ...]
    cure: str
    """An example of a good question, for whoever sent a bad one."""

    @property
    def name(self) -> str:
        """Its name in the list of endpoints."""
        return self.subject.partition(".")[2].replace(".", "-")

    def parse(self, data: bytes) -> dict[str, Any]:
        """The members of a question. Raises ValueError."""
        question = exact_json.loads(data) if data else {}
        if not isinstance(question, dict):
            raise ValueError("the request is no JSON object")  # noqa: TRY004 (a wrong value to whoever asks)
        if unknown := sorted(set(question) - set(self.members)):
            raise ValueError(f"unknown field {unknown[0][:32]!r}")
        return question


def _list(engine: "Engine", question: Mapping[str, Any], bytes_max: int) -> bytes:
    state = _text(question, "state") or "all"
    if state not in _STATES:
        raise ValueError(f"state is one of {', '.join(_STATES)}")
    filters = {name: _text(question, name) for name in _FILTERS}
    after = _number(question, "after", 0, None, 0)
    limit = _number(question, "limit", 1, LIMIT_MAX, _LIMIT)
    with_events = question.get("events", False)
    if not isinstance(with_events, bool):
        raise ValueError("events is true or false")  # noqa: TRY004 (a wrong value to whoever asks)
    # One more than is wanted tells whether there are more.
    text = engine.exceptions(state=None if state == "all" else state, after=after, limit=limit + 1, **filters)
    found = exact_json.loads(text)
    items, more = found[:limit], len(found) > limit
    if not with_events:
        items = [{name: value for name, value in item.items() if name not in _EVENT} for item in items]
    parts, left = list[bytes](), bytes_max - _ENVELOPE_BYTES
    for item in items:
        part = exact_json.dumps(item)
        left -= len(part) + 1
        if parts and left < 0:
            more = True
            break
        parts.append(part)
    head = exact_json.dumps({"sequence": engine.sequence, "more": more})[:-1]
    return b'%s,"items":[%s]}' % (head, b",".join(parts))


_EVENT: Final = ("event", "event_hex")
_ENVELOPE_BYTES: Final = 128


def _one(engine: "Engine", question: Mapping[str, Any], _bytes_max: int) -> bytes:
    number = _number(question, "number", 1, None, None)
    found = engine.exception(number)
    return (found if found is not None else "null").encode()


def _trail(engine: "Engine", question: Mapping[str, Any], _bytes_max: int) -> bytes:
    names = [_text(question, name) for name in ("sku", "location", "lot", "owner")]
    sku, location, lot, owner = names
    if sku is None or location is None:
        raise ValueError("sku and location are needed")
    found = engine.trail(sku, location, lot, owner)
    return (found if found is not None else "null").encode()


def _what_if(engine: "Engine", question: Mapping[str, Any], _bytes_max: int) -> bytes:
    events = question.get("events")
    if not isinstance(events, list) or not 0 < len(events) <= EVENTS_MAX:
        raise ValueError(f"events is a list of 1 to {EVENTS_MAX} events")
    if not all(isinstance(event, dict) for event in events):
        raise ValueError("each event is a JSON object")
    return engine.what_if([exact_json.dumps(event) for event in events]).encode()


def _answers(engine: "Engine", question: Mapping[str, Any], _bytes_max: int) -> bytes:
    keys = question.get("keys")
    if not isinstance(keys, list) or not 0 < len(keys) <= KEYS_MAX:
        raise ValueError(f"keys is a list of 1 to {KEYS_MAX} pairs of source and id")
    pairs = [tuple(key) for key in keys if isinstance(key, list) and len(key) == 2]
    if len(pairs) < len(keys) or not all(isinstance(part, str) for pair in pairs for part in pair):
        raise ValueError("each key is a source and an id")
    return exact_json.dumps({"sequence": engine.sequence, "answers": engine.answers(pairs)})


def _sources(engine: "Engine", question: Mapping[str, Any], _bytes_max: int) -> bytes:
    source, text = _text(question, "source"), engine.sources()
    if source is None:
        return text.encode()
    return exact_json.dumps([found for found in exact_json.loads(text) if found["source"] == source])


def _reservations(engine: "Engine", question: Mapping[str, Any], _bytes_max: int) -> bytes:
    asked: dict[str, Any] = {name: _text(question, name) for name in ("document", "sku", "location")}
    leaks = question.get("leaks", False)
    if not isinstance(leaks, bool):
        raise ValueError("leaks is true or false")  # noqa: TRY004 (a wrong value to whoever asks)
    asked |= {"leaks": leaks or None, "limit": _number(question, "limit", 1, RESERVATIONS_MAX, _LIMIT)}
    return engine.reservations(exact_json.dumps({name: value for name, value in asked.items() if value is not None}))


def _claims(engine: "Engine", question: Mapping[str, Any], _bytes_max: int) -> bytes:
    asked: dict[str, Any] = {name: _text(question, name) for name in ("document", "sku", "location")}
    asked["limit"] = _number(question, "limit", 1, CLAIMS_MAX, _LIMIT)
    return engine.claims(exact_json.dumps({name: value for name, value in asked.items() if value is not None}))


# Not `tallystick.exceptions`: the exception stream listens to that, and would take a question for a foreign writer.
LIST: Final = Question(
    "tallystick.exceptions.list",
    _list,
    ("state", *_FILTERS, "after", "limit", "events"),
    'send {} or {"state": "unresolved", "code": "…", "source": "…", "owner": "…", "correlation": "…", "sku": "…", '
    '"after": 0, "limit": 100, "events": true}',
)
ONE: Final = Question("tallystick.exception", _one, ("number",), 'send {"number": 1}')
STATS: Final = Question(
    "tallystick.exceptions.stats", lambda engine, _question, _max: engine.exception_stats().encode(), (), "send {}"
)
SOURCES: Final = Question("tallystick.sources", _sources, ("source",), 'send {} or {"source": "…"}')
SHADOW: Final = Question(
    "tallystick.shadow", lambda engine, _question, _max: engine.shadow_report().encode(), (), "send {}"
)
TRAIL: Final = Question(
    "tallystick.trail",
    _trail,
    ("sku", "location", "lot", "owner"),
    'send {"sku": "…", "location": "…"}, and lot and owner if the position has them',
)
WHAT_IF: Final = Question("tallystick.whatif", _what_if, ("events",), 'send {"events": [{"id": "…", …}]}')
ANSWERS: Final = Question("tallystick.answers", _answers, ("keys",), 'send {"keys": [["source", "id"]]}')
RESERVATIONS: Final = Question(
    "tallystick.reservations",
    _reservations,
    ("document", "sku", "location", "leaks", "limit"),
    'send {} or {"document": "…", "sku": "…", "location": "…", "leaks": true, "limit": 100}',
)
CLAIMS: Final = Question(
    "tallystick.claims",
    _claims,
    ("document", "sku", "location", "limit"),
    'send {} or {"document": "…", "sku": "…", "location": "…", "limit": 100}',
)
QUESTIONS: Final = (LIST, ONE, STATS, SOURCES, SHADOW, TRAIL, WHAT_IF, ANSWERS, RESERVATIONS, CLAIMS)


def _text(question: Mapping[str, Any], name: str) -> str | None:
    value = question.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value.encode("utf-8", "surrogatepass")) <= _TEXT_BYTES_MAX:
        raise ValueError(f"{name} must be a text of 1 to {_TEXT_BYTES_MAX} bytes")
    return value


def _number(question: Mapping[str, Any], name: str, least: int, most: int | None, default: int | None) -> int:
    value = question.get(name, default)
    top = (1 << 63) - 1 if most is None else most
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= top:
        limits = f"from {least} to {most}" if most is not None else f"of at least {least}"
        raise ValueError(f"{name} must be a whole number {limits}")
    return value
