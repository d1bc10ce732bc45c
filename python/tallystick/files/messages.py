"""Messages: a file of events, cut into messages for the event stream.

With a checker it stops at the first event that would be refused. Without one it judges nothing: a line that is no JSON
object is sent as it is, so that the daemon refuses it with a trace.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tallystick.errors import UsageError
from tallystick.files.check import Report, check_block
from tallystick.files.events import STDIN, EventFile, opened
from tallystick.files.lines import LINE_BYTES_MAX, Block
from tallystick.files.mapping import Mapping

if TYPE_CHECKING:
    from tallystick._engine import Checker


class Message(NamedTuple):
    """One message for the stream: an event, or several joined as NDJSON."""

    line: int
    """Number of its first line, or row, in the file, from 1."""
    events: int
    payload: bytes
    source: str = ""
    """Whose events they are, where messages are cut by source."""

    @property
    def id(self) -> str:
        """Derived from line and bytes, so that a message sent twice is stored once."""
        return f"{self.line}-{hashlib.blake2b(self.payload, digest_size=16).hexdigest()}"


@dataclass(slots=True)
class MessageReader:
    """Cuts a file into messages, and counts the lines that cannot become events.

    `message_bytes_max` bounds a payload in bytes, `from_line` is the first line, or row, to send, from 1.
    """

    path: Path
    message_bytes_max: int
    events_per_message: int = 1
    from_line: int = 1
    mapping: Mapping | None = None
    checker: "Checker | None" = None
    by_source: bool = False
    """Whether a message has events of one source alone."""
    bytes_read: int = 0
    broken_lines: int = 0
    """Lines that are no JSON object: sent, each in a message of its own; and rows that are no events, sent as well."""
    oversized_lines: list[int] = field(default_factory=list)
    """Numbers of the lines that fit into no message: not sent."""
    _source: str = ""
    """The last source that a line named, where messages are cut by source."""

    def __iter__(self) -> Iterator[Message]:
        """Yields the messages in the order of the file. Raises UsageError if it cannot be read, or for a refusal."""
        with opened(self.path, self.mapping) as file:
            for block in file.blocks(at_once=str(self.path) == STDIN):
                self.bytes_read = block.end_offset
                if self.checker is not None:
                    yield from self._checked(self.checker, file, block)
                else:
                    yield from self._messages(block)

    def _checked(self, checker: "Checker", file: EventFile, block: Block) -> Iterator[Message]:
        problems = check_block(checker, file, block.begun_at(self.from_line), Report())
        if not problems:
            yield from self._messages(block)
            return
        [first, *_] = problems
        yield from self._messages(block, first.line)
        raise UsageError(f"{first}; what stood before it was sent, nothing from there on; --force sends all")

    def _messages(self, block: Block, before: int | None = None) -> Iterator[Message]:
        line_bytes_max = min(self.message_bytes_max, LINE_BYTES_MAX - 1)
        together: list[bytes] = []
        together_line = together_bytes = 0
        for index, line in enumerate(block.data.split(b"\n")):
            if not line or line.isspace():
                continue
            number = block.place(index)
            if number < self.from_line:
                continue
            if before is not None and number >= before:
                break
            if len(line) > line_bytes_max:
                self.oversized_lines.append(number)
                continue
            event = _object(line)
            alone = event is None
            self.broken_lines += alone or index in block.faults
            before_it = self._source
            if self.by_source:
                self._note_source(event, number)
            full = len(together) == self.events_per_message or together_bytes + len(line) > self.message_bytes_max
            if together and (alone or full or before_it != self._source):
                yield Message(together_line, len(together), b"\n".join(together), before_it)
                together, together_bytes = [], 0
            if alone:
                # In one message with others, a broken line could make its neighbours unreadable.
                yield Message(number, 1, line, self._source)
                continue
            if not together:
                together_line = number
            together.append(line)
            together_bytes += len(line) + 1
        if together:
            yield Message(together_line, len(together), b"\n".join(together), self._source)

    def _note_source(self, event: dict[str, Any] | None, line: int) -> None:
        """Notes whose a line is. One that names nobody goes with the line before it: the daemon refuses it there."""
        source = event.get("source") if event is not None else None
        if isinstance(source, str) and source:
            self._source = source
        elif not self._source:
            raise UsageError(
                f"{self.path}:{line}: names no source, and each source has a subject of its own "
                "(engine.source_subject); begin behind it with --from-line, or give one with --subject"
            )


def _object(line: bytes) -> dict[str, Any] | None:
    import orjson

    try:
        read = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return read if isinstance(read, dict) else None
