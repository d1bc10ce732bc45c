"""Work: exceptions as items that people work on (docs/truth.md §7), read from what the engine says of them."""

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any, Final, Self

from tallystick.bus.questions import UNRESOLVED

_REASONS: Final = {
    "accepted": "because its event was accepted",
    "granted": "because it was approved",
    "denied": "because it was denied",
    "voided": "because its event was voided",
    "corrected": "because its event was corrected",
    "defined": "because it was defined",
    "came after all": "because what was missing came after all",
    "in order again": "because it is in order again",
}


def moved_text(moved_by: str) -> str:
    """Returns why an exception has its state, in words: what brought it about by itself, or who did.

    >>> moved_text("accepted"), moved_text("anna")
    ('because its event was accepted', 'by anna')
    """
    return _REASONS.get(moved_by, f"by {moved_by}")


_PLACE: Final = re.compile(r"(?<!/)\b(?:NUMBER|SOURCE|SKU|LOCATION|DOCUMENT)\b(?!/)")
_BELOW_ZERO: Final = re.compile(r"(?<![\w.:-])-(?=\d)")


def sentence(words: str) -> str:
    """Returns what the engine says as a sentence for people.

    >>> sentence("stock fell to -5 (sold 5, had 0)")
    'Stock fell to −5 (sold 5, had 0).'
    """
    text = _BELOW_ZERO.sub("\N{MINUS SIGN}", words)
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")


@dataclass(frozen=True, slots=True)
class WorkItem:
    """One exception with its state. What could not be read of the event is None.

    >>> from tallystick import Engine
    >>> engine = Engine()
    >>> batch = engine.apply([b'{"id":"1","source":"wms"}'], first_sequence=7, log_time_ns=0)
    >>> [item] = items(engine.exceptions())
    >>> item.code, item.source, item.place, item.is_unresolved
    ('malformed', 'wms', '7:0', True)
    >>> item.original
    b'{"id":"1","source":"wms"}'
    """

    number: int
    code: str
    severity: str
    owner: str
    """The team that works on it."""
    state: str
    escalated: bool
    count: int
    """How often it was raised."""
    first_seen: str
    last_seen: str
    sequence: int
    index: int
    cause: str
    cure: str
    event_bytes_total: int = 0
    """Bytes of the original; `event` may be only the beginning of it."""
    subject: str | None = None
    """What it is about: what is raised again about the same adds to its count."""
    outcome: str | None = None
    source: str | None = None
    id: str | None = None
    correlationid: str | None = None
    causationid: str | None = None
    sku: str | None = None
    location: str | None = None
    fields: tuple[str, ...] = ()
    """Of a conflict: what differs from what was first said under the key."""
    missing_from: int | None = None
    missing_to: int | None = None
    event: str | None = None
    event_hex: str | None = None
    """The original where it is no UTF-8."""
    moved_by: str | None = None
    """The operator, or what brought it about."""
    person: str | None = None
    """Who spoke as the operator."""
    moved_at: str | None = None
    note: str | None = None
    document: str | None = None
    quantity: Decimal | int | None = None
    """In units, as it was sent."""
    before: Decimal | int | None = None
    """Of stock: what was on hand …"""
    after: Decimal | int | None = None
    """… and what is, or would be."""
    at_stake: Decimal | int | None = None
    """Units that it is about: what is missing, what would change, or what was sent."""
    waiting: int | None = None
    """Events that wait for its decision, where it is one for many."""
    value: Decimal | int | None = None
    """What these cost, where the item has a unit cost."""
    versions: tuple[Mapping[str, str], ...] = ()
    """Of a conflict: `field`, `was` and `is` of what differs, as far as that is still known."""

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Self:
        """Reads an item as the engine writes it; members that a later version added are skipped."""
        known = {item.name for item in fields(cls)}
        values = {name: value for name, value in answer.items() if name in known and value is not None}
        for name in ("fields", "versions"):
            if name in values:
                values[name] = tuple(values[name])
        return cls(**values)

    @property
    def mover(self) -> str:
        """Who moved it last, or why it moved: `by ana`, `because its event was accepted`."""
        if self.moved_by is None:
            return ""
        person = f"by {self.person}" if self.person is not None else ""
        if self.moved_by in _REASONS:
            return " ".join(part for part in (moved_text(self.moved_by), person) if part)
        return person or moved_text(self.moved_by)

    @property
    def what_to_do(self) -> str:
        """The cure with what is known of this exception in its place, ready to be copied."""
        known = {
            "NUMBER": str(self.number),
            "SOURCE": self.source,
            "SKU": self.sku,
            "LOCATION": self.location,
            "DOCUMENT": self.document,
        }
        # What a name has of blanks and signs, a shell must not take for its own.
        text = _PLACE.sub(lambda found: shlex.quote(known[found[0]] or found[0]), self.cure)
        # Many end with a command, which a full stop would spoil.
        return text[:1].upper() + text[1:]

    @property
    def place(self) -> str:
        """Log sequence and index within the message, as `17:0`."""
        return f"{self.sequence}:{self.index}"

    @property
    def original(self) -> bytes | None:
        """The bytes that were sent, as far as they were kept; None if the answer was asked for without them."""
        if self.event is not None:
            return self.event.encode("utf-8", "surrogatepass")
        return bytes.fromhex(self.event_hex) if self.event_hex is not None else None

    @property
    def is_whole(self) -> bool:
        """Whether all of the original is here, and there is one."""
        original = self.original
        return bool(original) and original is not None and len(original) == self.event_bytes_total

    @property
    def is_unresolved(self) -> bool:
        """Whether somebody still has to do something."""
        return self.state in UNRESOLVED


def items(answer: Iterable[Mapping[str, Any]]) -> list[WorkItem]:
    """Returns what `Engine.exceptions` lists as items of work."""
    return [WorkItem.of(found) for found in answer]
