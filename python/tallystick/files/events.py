"""Events of a file, whatever it is written in: opened, recognised, unpacked and handed on as lines of NDJSON.

It judges no event. What holds none, or needs a map to, is refused in one line that says what it is.
"""

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from tallystick.errors import UsageError
from tallystick.files.formats import Form, recognise
from tallystick.files.json_text import json_blocks
from tallystick.files.lines import Block, line_blocks
from tallystick.files.mapping import Mapping, marked
from tallystick.files.tables import arrow_blocks, csv_blocks
from tallystick.files.unpack import look, unpacked

STDIN: Final = "-"
_BUFFER_BYTES: Final = 1 << 20


@dataclass(slots=True)
class EventFile:
    """A file that was opened and recognised."""

    name: str
    form: Form
    stream: io.BufferedReader
    """What it holds, unpacked."""
    bytes_read: Callable[[], int]
    """Bytes of the file itself that were read so far."""
    mapping: Mapping | None = None
    hints: list[str] = field(default_factory=list)
    """What of its columns is not read as their writer may think; known with the first block."""

    def place(self, number: int) -> str:
        """A place in it, for messages: `events.ndjson:7`, or `stock.parquet, row 7`."""
        by_row = self.form.is_table and self.form is not Form.CSV
        return f"{self.name}, row {number}" if by_row else f"{self.name}:{number}"

    def blocks(self, *, at_once: bool = False) -> Iterator[Block]:
        """Yields its events as lines, with the bytes of the file itself that were read. Raises UsageError.

        `at_once` is for a pipe in which lines come now and then: none waits for others to fill a block.
        """
        for block in self._blocks(at_once=at_once):
            yield replace(block, end_offset=self.bytes_read())

    def _blocks(self, *, at_once: bool) -> Iterator[Block]:
        match self.form:
            case Form.EMPTY:
                return iter(())
            case Form.NDJSON:
                return line_blocks(_Arriving(self.stream) if at_once else self.stream)
            case Form.JSON:
                return json_blocks(self.stream)
            case Form.CSV:
                return csv_blocks(self.name, self.stream, self.mapping)
            case _:
                return arrow_blocks(self.name, self.stream, self.form, self.mapping, fields(), self.hints)


class _Arriving:
    """A stream of which each read returns what is there."""

    def __init__(self, stream: io.BufferedReader) -> None:
        self.read = stream.read1


def fields() -> list[str]:
    """Returns the names of all that an event can say."""
    from tallystick.files.event_schema import field_names

    return field_names()


@contextmanager
def opened(name: str | Path, mapping: Mapping | None = None) -> Iterator[EventFile]:
    """Opens a file, or standard input for `-`. Raises UsageError for what cannot be read, and says what it is."""
    with ExitStack() as stack:
        if str(name) == STDIN:
            stdin: Any = sys.stdin.buffer
            raw = stdin if isinstance(stdin, io.BufferedReader) else io.BufferedReader(stdin)
            shown = "standard input"
        else:
            raw, shown = stack.enter_context(_open(Path(name))), str(name)
        stream, mark = unpacked(shown, raw)
        beginning = look(stream)
        try:
            form = recognise(beginning)
        except ValueError as error:
            if mapping is None or b"\x00" in beginning or beginning.lstrip().startswith((b"<", b"PK")):
                raise UsageError(f"{shown} {error}") from error
            form = Form.CSV  # Of one column, or in another encoding; the map says how it is written.
        if mapping is not None and not form.is_table and form is not Form.EMPTY:
            raise UsageError(f"{shown} is {form.value}, whose members have names; leave --map away")
        if mapping is not None and mark is not None and form is Form.CSV:
            mapping = marked(mapping, shown, mark.value)
        yield EventFile(shown, form, stream, _counted(raw), mapping)


def _open(path: Path) -> io.BufferedReader:
    try:
        # Far more than a pipe delivers at once, so that a look sees enough.
        return io.BufferedReader(io.FileIO(path), _BUFFER_BYTES)
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror}; give a readable file of events (NDJSON, JSON, CSV, Parquet, Arrow)"
        ) from error


def _counted(raw: io.BufferedReader) -> Callable[[], int]:
    def bytes_read() -> int:
        try:
            return raw.tell()
        except OSError:  # a pipe
            return 0

    return bytes_read
