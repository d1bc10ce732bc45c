"""Outputs: what a message on an output stream carries beside its payload: id, fence, and its place in the flushes.

The last one of a stream tells a restarted daemon what is missing there. It sends and reads nothing; see `publish`.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tallystick.errors import OutputFenced, PublishError, StreamError


@dataclass(frozen=True, slots=True)
class Origin:
    """What the outputs are made from: part of every message, so that outputs of two logs are never mixed."""

    stream: str
    created: str
    """Creation of the event stream, which tells it from a later one of the same name."""
    fingerprint: str
    """Of the configuration that changes results."""

    @property
    def input(self) -> str:
        """The event stream in one word."""
        return f"{self.stream}@{self.created}"

    @property
    def tag(self) -> str:
        """A short word of all that, for message ids: 16 hex digits."""
        return hashlib.blake2b(f"{self.input} {self.fingerprint}".encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class OutputPosition:
    """How far an output stream is: the flush of its last message, which covers the log from `start` (excluded) on."""

    start: int
    through: int
    part: int
    """Last part that is stored, from 0; -1: none."""
    parts: int
    """Parts of the flush; -1: not known yet."""
    is_retold: bool = False
    """Whether the flush tells all that stands, because the stream had lost it."""

    @property
    def complete(self) -> bool:
        """Whether all messages of the flush are stored."""
        return self.part + 1 == self.parts

    def boundaries(self) -> set[int]:
        """Returns the log sequences at which a replay must flush, so that its flushes are those of the first time."""
        return {self.through} if self.complete or self.is_retold else {self.start, self.through}

    def parts_to_skip(self, start: int, through: int, parts: int) -> int:
        """Returns how many of the messages of a flush of (start, through] are stored already.

        Raises PublishError for a flush that is cut in another way than the stored one: its parts would not fit.
        """
        if through <= self.start or (through <= self.through and (self.complete or self.is_retold)):
            return parts
        if start >= self.through:
            return 0
        if (start, through) != (self.start, self.through) or self.parts not in (-1, parts):
            raise PublishError(
                f"a flush of {start} to {through} in {parts} parts does not fit to the stored one of {self.start} to "
                f"{self.through} in {self.parts}; set output.positions_per_message back to what it was"
            )
        return self.part + 1


_NUMBERS: Final = ("From", "Through", "Part", "Parts")
NOTHING_STORED: Final = OutputPosition(0, 0, 0, 1)


@dataclass(frozen=True, slots=True)
class OutputMessage:
    """One message for an output stream."""

    id: str
    """Deterministic: a flush that is made again from the same log has it again."""
    payload: bytes
    position: OutputPosition

    def message_id(self, origin: Origin, epoch: int) -> str:
        """Its id on the bus, which no message of another log, configuration or epoch shares."""
        return f"{self.id}:{origin.tag}:{epoch}" if epoch else f"{self.id}:{origin.tag}"

    def headers(self, origin: Origin, stream: str, epoch: int, last_sequence: int) -> dict[str, str]:
        """Returns its id, its place, and the fence: which message must be the last one before it."""
        headers = {
            "Nats-Msg-Id": self.message_id(origin, epoch),
            "Nats-Expected-Stream": stream,
            "Nats-Expected-Last-Sequence": str(last_sequence),
            "Tallystick-Input": origin.input,
            "Tallystick-Config": origin.fingerprint,
            "Tallystick-From": str(self.position.start),
            "Tallystick-Through": str(self.position.through),
            "Tallystick-Part": str(self.position.part),
            "Tallystick-Parts": str(self.position.parts),
        }
        if epoch:
            headers["Tallystick-Epoch"] = str(epoch)
        if self.position.is_retold:
            headers["Tallystick-Retold"] = "true"
        return headers


@dataclass(frozen=True, slots=True)
class Stored:
    """What the last message of an output stream says of itself."""

    position: OutputPosition
    fingerprint: str
    """Of the configuration that it was made under."""
    epoch: int


def read_stored(stream: str, headers: Mapping[str, str], origin: Origin) -> Stored:
    """Returns what the headers of an output stream's last message tell.

    Raises OutputFenced if it is no message of ours, StreamError if it was made from another event stream.
    """
    try:
        made_from, made_under = headers["Tallystick-Input"], headers["Tallystick-Config"]
        start, through, part, parts = (int(headers[f"Tallystick-{name}"]) for name in _NUMBERS)
        epoch = int(headers.get("Tallystick-Epoch", 0))
    except (KeyError, ValueError) as error:
        raise OutputFenced(
            f"stream {stream}: the last message was not written by Tallystick; "
            "only one daemon may write there: stop the other writer, or name another stream in [output]"
        ) from error
    if made_from != origin.input:
        raise StreamError(
            f"stream {stream} holds what was made from the event stream {made_from}, not from {origin.input}; "
            "name another stream in [output], or delete this one if nobody needs it"
        )
    position = OutputPosition(start, through, part, parts, headers.get("Tallystick-Retold") == "true")
    return Stored(position, made_under, epoch)


@dataclass(frozen=True, slots=True)
class Beginning:
    """Where a writer of an output stream begins."""

    position: OutputPosition
    epoch: int
    """Part of the ids: what is sent once more must not look like what was sent before."""
    is_cut: bool = False
    """Whether the stream lost what a restored ledger cannot make again: then all that stands is told once more."""


@dataclass(frozen=True, slots=True)
class Noted:
    """What a snapshot knew of an output stream of some name."""

    created: str
    last_sequence: int


@dataclass(frozen=True, slots=True)
class Found:
    """What an output stream is found to be at the start."""

    created: str
    last_sequence: int
    lost_through: int
    """The last message that is gone though no limit let it go; 0: none."""
    last: Stored | None
    """Of its last message; None: there is none, or it is gone."""


def begin(found: Found, fingerprint: str, *, restored: int, noted: Noted | None, resend: bool) -> Beginning:
    """Returns where to begin on an output stream.

    `restored` is the log sequence of the snapshot, 0 without one; then all output is made again from the log's
    beginning. After a change of the configuration a rebuilt ledger differs; with `resend` all of it is sent once more.
    """
    last = found.last
    is_ours = last is not None and last.fingerprint == fingerprint
    anew = Beginning(NOTHING_STORED, found.last_sequence)
    cut = Beginning(NOTHING_STORED, max(1, found.last_sequence), is_cut=True)
    if restored and not (last is not None and is_ours and _is_mended(last, found, noted)) and _is_cut(found, noted):
        return cut
    if last is None:
        return anew
    position = last.position
    if position.is_retold and not position.complete:
        # From the same state it is gone on with, because the messages are the same.
        same = is_ours and position.through == restored
        return Beginning(position, last.epoch, is_cut=True) if same else cut if restored else anew
    if is_ours:
        return Beginning(position, last.epoch)
    if resend:
        return cut if restored else anew
    unknown = OutputPosition(position.start, position.through, -1, -1)
    return Beginning(position if position.complete else unknown, found.last_sequence)


def _is_cut(found: Found, noted: Noted | None) -> bool:
    """Whether the stream is not the one that the snapshot knew, or lacks what it held then."""
    if noted is None or noted.created != found.created or found.last_sequence < noted.last_sequence:
        return True
    is_empty = found.last is None and found.last_sequence > 0
    return is_empty or 0 < noted.last_sequence <= found.lost_through


def _is_mended(last: Stored, found: Found, noted: Noted | None) -> bool:
    """Whether what the stream lost after the snapshot was told once more already."""
    if noted is None:
        return False
    return last.epoch >= max(1, noted.last_sequence if noted.created == found.created else 1)
