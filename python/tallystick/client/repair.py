"""Repair: the original of an exception, edited, to be sent again under its own key.

What it may not change is what the event is known by: source, id and sequence. A repaired event under another key would
be counted beside the first one instead of in its place; that is a new event, and not made here.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from tallystick import exact_json
from tallystick.client import asked
from tallystick.client.work import WorkItem
from tallystick.errors import UsageError

if TYPE_CHECKING:
    from tallystick.client.wire import Wire

REPEATABLE: Final = (
    "malformed",
    "unknown_type",
    "quantity_invalid",
    "time_out_of_bounds",
    "not_owner",
    "sequence_missing",
    "unknown_reference",
    "loop",
)
"""Refusals by content or configuration: the engine forgot the key, so the same event can be sent again."""
FOREIGN: Final = "foreign_subject"
"""The code of what came on another source's subject."""
TAKEN: Final = ("applied", "late", "absorbed", "held", "pending_approval", "observed")
"""Outcomes of an event that is taken; all others change nothing and leave its exception as it is."""
_TRIED_MAX: Final = 100
_TRIED_BYTES_MAX: Final = 200_000
"""Events of one dry run, and their bytes: more would not fit into one message."""
KEY: Final = ("source", "id", "sequence")
_ENVELOPE: Final = frozenset(
    {"id", "source", "type", "time", "sequence", "correlationid", "causationid", "specversion", "subject"}
    | {"originsource", "originid", "hops"}
)
_INTEGERS: Final = frozenset({"sequence", "line", "hops"})
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Tried:
    """What would become of a repaired event, as the daemon judges it."""

    item: WorkItem
    event: bytes
    outcome: str
    cause: str | None

    @property
    def is_taken(self) -> bool:
        """Whether it would be taken."""
        return self.outcome in TAKEN

    @property
    def is_sent(self) -> bool:
        """Whether it is worth sending: it would be taken, and nobody has settled its exception in another way.

        A refusal that was discarded, or resolved by hand, has an event that never counted: it may be sent after all.
        """
        return self.is_taken and (self.item.is_unresolved or self.item.code in REPEATABLE)

    @property
    def why(self) -> str:
        """Why not: outcome and cause."""
        if self.outcome == "duplicate":
            return "duplicate: its key is known already; to change what was counted, send event.corrected"
        return f"{self.outcome}: {self.cause}" if self.cause else self.outcome


async def try_out(client: "Wire", batch: Sequence[tuple[WorkItem, bytes]]) -> tuple[list[Tried], Any]:
    """Asks the daemon what would become of events, and returns that, with the whole of its answer.

    The bytes are judged as they are, since two of a member in an event are one to whoever reads and writes it anew.
    What is no JSON object is not asked about: it is no event.
    """
    from tallystick.bus import questions

    for item, _ in batch:
        if item.code == FOREIGN:  # What an operator sends counts as the source's own, whoever wrote it.
            raise UsageError(
                f"exception {item.number} came on another source's subject: whoever sent it is not the source that it "
                f"names, so it is not sent for it; what is that source's own, its system sends"
            )
    asked = [event.decode("utf-8", "replace") for _, event in batch if _is_object(event)]
    answer: Any = {"outcomes": [], "positions": [], "exceptions": []}
    if asked:
        answer = await client.answer_to(questions.WHAT_IF, {"events": asked})
    rows = iter(answer["outcomes"])
    tried = []
    for item, event in batch:
        row = next(rows) if _is_object(event) else {"outcome": "malformed", "cause": "it is no JSON object"}
        tried.append(Tried(item, event, row["outcome"], row.get("cause")))
    return tried, answer


def deeper(answer: Mapping[str, Any]) -> list[str]:
    """Returns the positions that a dry run takes further below zero, in words: what is raised already says nothing new.

    >>> rows = [{"sku": "A", "location": "L", "before": {"on_hand": -1}, "after": {"on_hand": -9}}]
    >>> deeper({"positions": rows, "exceptions": []})
    ['A@L would fall from -1 to -9']
    """
    new = {(one.get("sku"), one.get("location")) for one in answer["exceptions"] if one["code"] == "negative_stock"}
    found = []
    for row in answer["positions"]:
        before, after = (row.get("before") or {}).get("on_hand", 0), row["after"].get("on_hand", 0)
        if after < min(before, 0) and (row["sku"], row["location"]) not in new:
            found.append(f"{row['sku']}@{row['location']} would fall from {before} to {after}")
    return found


def together(batch: Iterable[tuple[WorkItem, bytes]]) -> Iterator[list[tuple[WorkItem, bytes]]]:
    """Yields the events in parts that fit into one question."""
    some: list[tuple[WorkItem, bytes]] = []
    size = 0
    for one in batch:
        if some and (len(some) == _TRIED_MAX or size + len(one[1]) > _TRIED_BYTES_MAX):
            yield some
            some, size = [], 0
        some.append(one)
        size += len(one[1])
    if some:
        yield some


def _is_object(event: bytes) -> bool:
    try:
        return isinstance(exact_json.loads(event), dict)
    except ValueError:
        return False


def key_of(event: bytes) -> tuple[str, str]:
    """Returns source and id of an event, empty where they cannot be read."""
    try:
        found = exact_json.loads(event)
        source, event_id = found.get("source"), found.get("id")
    except (ValueError, AttributeError):
        return "", ""
    return (source, event_id) if isinstance(source, str) and isinstance(event_id, str) else ("", "")


def edited(item: WorkItem, changes: Iterable[str]) -> bytes:
    """Returns the original with changes of the form `field=value`; `field=` removes the field.

    Raises UsageError for a change that cannot be made, or that would give the event another key.

    >>> from tallystick import Engine
    >>> from tallystick.client.work import items
    >>> engine = Engine()
    >>> wrong = b'{"id":"1","source":"wms","type":"stock.receipt","sku":"LAMP","location":"DC1","quantity":5}'
    >>> batch = engine.apply([wrong], first_sequence=1, log_time_ns=0)
    >>> [item] = items(engine.exceptions())
    >>> batch = engine.apply([edited(item, ["type=stock.received"])], first_sequence=2, log_time_ns=0)
    >>> engine.position("LAMP", "DC1").on_hand, engine.open_exceptions()
    (Decimal('5'), [])
    """
    before = _original(item)
    after = dict(before)
    if isinstance(after.get("data"), dict):
        after["data"] = dict(after["data"])
    for change in changes:
        _set(after, change)
    _check_key(item, before, after)
    return exact_json.dumps(after)


def replaced(item: WorkItem, content: bytes) -> bytes:
    """Returns what somebody wrote in place of the original. Raises UsageError if it is no event, or has another key."""
    after = _event(content, "the edited event")
    try:
        before: Mapping[str, Any] = _event(item.original or b"", "the original")
    except UsageError:
        # What could not be read was read in part, perhaps: then its key holds all the same.
        before = {name: value for name, value in (("source", item.source), ("id", item.id)) if value is not None}
    _check_key(item, before, after)
    return exact_json.dumps(after)


def unchanged(item: WorkItem) -> bytes:
    """Returns the original as it was sent. Raises UsageError if only a part of it was kept."""
    original = item.original
    if original is None or not item.is_whole:
        kept = len(original or b"")
        raise UsageError(
            f"exception {item.number}: only {kept:,} of the event's {item.event_bytes_total:,} bytes were kept; "
            "send it again from its source, or give all of it with --file"
        )
    return original


def event_type(item: WorkItem) -> str | None:
    """Returns the type that the original names; None if it cannot be read."""
    try:
        found = _event(item.original or b"", "the original").get("type")
    except UsageError:
        return None
    return found if isinstance(found, str) else None


def _original(item: WorkItem) -> dict[str, Any]:
    return _event(unchanged(item), f"exception {item.number}: the original")


def _event(content: bytes, what: str) -> dict[str, Any]:
    try:
        event = exact_json.loads(content)
    except ValueError as error:
        raise UsageError(f"{what} is no JSON ({error}); write the event anew and give it with --file") from error
    if not isinstance(event, dict):
        raise UsageError(f"{what} is no JSON object; write the event anew and give it with --file")
    return event


def _set(event: dict[str, Any], change: str) -> None:
    name, separator, text = change.partition("=")
    if not separator or not _NAME.fullmatch(name) or name == "data":
        raise UsageError(f"{change!r} is no change; write field=value, or field= to take it away")
    if text:
        _check_name(name)
    data = event.get("data")
    # A new field goes where the event has its others: under `data` if there is one, unless it is an attribute.
    inside = isinstance(data, dict) and (name in data or (name not in _ENVELOPE and name not in event))
    place = data if inside and isinstance(data, dict) else event
    if not text:
        place.pop(name, None)
        return
    place[name] = _value(name, text)


def _check_name(name: str) -> None:
    """Raises UsageError for a field that events do not have: it would be left out in silence."""
    from tallystick.files.event_schema import field_names

    names = field_names()
    if name not in names:
        near = difflib.get_close_matches(name, names, 1)
        meant = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
        raise UsageError(f"{name} is no field of an event; {meant}")


def _value(name: str, text: str) -> Any:
    """Returns the value in the form that the contract has for the field: a number only where it asks for one."""
    if name == "time" and not asked.is_time(text):
        raise UsageError(f"time: {text} is no time with a zone; give 2026-12-01T08:00:00Z")
    if name == "due":
        asked.check({"due": text})
    try:
        value: Any = Decimal(text) if name == "quantity" else int(text) if name in _INTEGERS else text
    except (InvalidOperation, ValueError):
        value = None
    if value is None or (isinstance(value, Decimal) and not value.is_finite()):
        raise UsageError(f"{name}={text} is no {'whole ' if name in _INTEGERS else ''}number")
    return value


def _check_key(item: WorkItem, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    for name in KEY:
        known, now = _readable(name, before.get(name)), _readable(name, after.get(name))
        if known is not None and known != now:
            raise UsageError(
                f"exception {item.number}: {name} was {known} and may not become {now}; the event is known by it, "
                "so send what shall have another one as an event of its own"
            )


def _readable(name: str, value: Any) -> str | int | None:
    """Returns what the engine could read of a part of the key. What it could not read, a repair may fill in."""
    if name != "sequence":
        return value if isinstance(value, str) and value else None
    digits = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    return int(digits) if re.fullmatch(r"[0-9]{1,20}", digits) and int(digits) else None
