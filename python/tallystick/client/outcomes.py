"""Outcomes: what became of events that were published, found with what the daemon remembers of keys and exceptions."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from tallystick import exact_json
from tallystick.bus import questions
from tallystick.client.repair import key_of
from tallystick.client.work import WorkItem
from tallystick.outcome import Outcome

if TYPE_CHECKING:
    from tallystick.client.wire import Wire

_CONFLICT: Final = "conflict"


@dataclass(frozen=True, slots=True)
class Stored:
    """An event that the stream has confirmed."""

    sequence: int
    """Its place in the log."""
    source: str
    id: str
    """Both are empty where they could not be read."""
    outcome: Outcome | None = None
    """What the daemon answers to its key; None: nobody has waited for it, or it is not known any more.

    An event that comes again under its key has the outcome that it had.
    """
    cause: str | None = None
    """Of a refusal: why."""
    exception: int | None = None
    """Of a refusal: under which number it is worked on."""
    index: int = 0
    """Its place in the message, where that has several."""


def as_bytes(event: Any, place: int, encode: Callable[[Any, int], bytes]) -> bytes:
    """Returns an event as it goes into the log. JSON stays as it came."""
    if isinstance(event, str):
        return event.encode("utf-8", "surrogatepass")
    return event if isinstance(event, bytes) else encode(event, place)


def stored(message: bytes, sequence: int) -> list[tuple[Stored, bytes]]:
    """Returns what is known of each event of a message once the stream has confirmed it, with its bytes."""
    from tallystick.files.elements import elements

    found = dict(elements(message))
    count = _count(message, len(found))
    if count == 1:
        # As it was sent: two of a member are one to whoever writes it anew.
        return [(Stored(sequence, *key_of(message)), message)]
    parts = [exact_json.dumps(found[index]) if index in found else b"" for index in range(count)]
    return [(Stored(sequence, *key_of(part), index=index), part) for index, part in enumerate(parts)]


def _count(message: bytes, readable: int) -> int:
    """How many events a message has: one, or those of an array, of lines, or of columns."""
    try:
        whole = exact_json.loads(message)
    except ValueError:
        try:
            lines = message.decode().splitlines()
        except UnicodeDecodeError:
            return max(readable, 1)
        return sum(not line.isspace() and line != "" for line in lines) if readable else 1
    return max(len(whole), 1) if isinstance(whole, list) else 1


async def known(wire: "Wire", events: Sequence[Stored], sent: Sequence[bytes]) -> list[Stored]:
    """Returns events that the daemon has applied, each with what became of it."""
    keys = [(one.source, one.id) for one in events]
    named = list(dict.fromkeys(key for key in keys if all(key)))
    answers = dict(zip(named, await wire.answers(named, unposted=True), strict=True)) if named else {}
    conflicts = await _refusals(wire, {source for source, _ in named}, _CONFLICT)
    lost = {source for source, id_ in keys if answers.get((source, id_)) is None}
    refusals = await _refusals(wire, lost, None)
    found = []
    for one, event in zip(events, sent, strict=True):
        key = one.source, one.id
        answer = answers.get(key)
        if key in conflicts and all(key) and await _is_conflict(wire, event):
            found.append(_refused(one, conflicts[key]))
        elif answer is not None:
            found.append(replace(one, outcome=Outcome[answer.upper()]))
        else:
            item = refusals.get(key) if all(key) else refusals.get(("", f"{one.sequence}:{one.index}"))
            found.append(one if item is None else _refused(one, item))
    return found


def _refused(one: Stored, item: WorkItem) -> Stored:
    outcome = item.outcome or item.code
    is_one = outcome.upper() in Outcome.__members__
    return replace(one, outcome=Outcome[outcome.upper()] if is_one else None, cause=item.cause, exception=item.number)


async def _refusals(wire: "Wire", sources: Iterable[str], code: str | None) -> dict[tuple[str, str], WorkItem]:
    """Unresolved exceptions of sources by key; where an event has none, by its place in the log."""
    found: dict[tuple[str, str], WorkItem] = {}
    for source in sorted(sources):
        after, more = 0, True
        while more:
            asked = {"state": "unresolved", "source": source or None, "code": code, "after": after}
            page = await wire.answer_to(questions.LIST, {**asked, "limit": questions.LIMIT_MAX})
            items = [WorkItem.of(one) for one in page["items"]]
            for item in items:
                after = item.number
                is_named = item.source is not None and item.id is not None
                key = (str(item.source), str(item.id)) if is_named else ("", item.place)
                if item.outcome is not None or item.code.upper() in Outcome.__members__:
                    found[key] = item
            more = bool(page["more"] and items)
    return found


async def _is_conflict(wire: "Wire", event: bytes) -> bool:
    """Whether it is this event that differs from what its key was first used for, and not another one."""
    text = event.decode("utf-8", "replace")
    (tried,) = (await wire.answer_to(questions.WHAT_IF, {"events": [text]}))["outcomes"]
    return bool(tried["outcome"] == _CONFLICT)
