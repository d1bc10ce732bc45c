"""Lines: NDJSON files of any size, read in large blocks that end where a line ends. It parses no JSON."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final, Protocol

from tallystick.files.cells import RowFault

BLOCK_BYTES: Final = 8 << 20
LINE_BYTES_MAX: Final = 1 << 20
_BLANKS: Final = b" \t\r"


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines of a file; only the last line of the file may lack its line end."""

    data: bytes
    first_line: int
    """Number of the first line in its file, from 1."""
    end_offset: int
    """Bytes of the file that were read when this block was complete."""
    places: Sequence[int] | None = None
    """Where in the file each line begins, if lines do not follow one another there: a line number, or that of a row."""
    faults: Mapping[int, RowFault] = field(default_factory=dict)
    """What is wrong with the rows that are no events, by their lines in `data` (from 0)."""

    def place(self, index: int) -> int:
        """Returns the line, or the row, of the file from which a line of this block comes (index from 0)."""
        return self.first_line + index if self.places is None else self.places[index]

    def element_places(self, elements: Sequence[int]) -> list[int]:
        """Returns where in the file some of the events of this block begin (from 0, blank lines left out)."""
        lines = [number for number, line in enumerate(self.data.split(b"\n")) if line.strip(_BLANKS)]
        return [self.place(lines[element]) for element in elements]

    def first(self, count: int) -> list[bytes]:
        """Returns its first lines that hold something, but for rows that are no events."""
        lines = (line.rstrip(b"\r\n") for line in io.BytesIO(self.data))
        held = (line for index, line in enumerate(lines) if line.strip(_BLANKS) and index not in self.faults)
        return list(islice(held, max(count, 0)))

    def begun_at(self, place: int) -> "Block":
        """Returns what of it stands at that line, or row, of the file or behind it."""
        if self.place(0) >= place:
            return self
        lines = self.data.split(b"\n")
        count = len(lines) - (not lines[-1])
        first = next((index for index in range(count) if self.place(index) >= place), count)
        return replace(
            self,
            data=b"\n".join(lines[first:]),
            first_line=self.first_line + first,
            places=None if self.places is None else self.places[first:],
            faults={index - first: fault for index, fault in self.faults.items() if index >= first},
        )

    @property
    def line_ends(self) -> int:
        """How many lines end in this block."""
        return self.data.count(b"\n")


class Readable(Protocol):
    """Something to read bytes from."""

    def read(self, size: int, /) -> bytes:
        """Returns at most so many bytes; none at the end."""


def line_blocks(stream: Readable, block_bytes: int = BLOCK_BYTES) -> Iterator[Block]:
    """Yields the stream's lines, many at a time, in memory that the length of a line does not govern.

    A line that does not end within a block is kept only by its beginning, `LINE_BYTES_MAX` bytes: far more than
    an event may have, so that its outcome is `too_large` all the same.
    """
    rest, first_line, offset = b"", 1, 0
    while chunk := stream.read(block_bytes):
        offset += len(chunk)
        end = chunk.rfind(b"\n") + 1
        if end == 0:
            rest = _bounded(rest + chunk)
            continue
        block = Block(rest + chunk[:end], first_line, offset)
        yield block
        first_line += block.line_ends
        rest = chunk[end:]
    if rest:
        yield Block(rest, first_line, offset)


def _bounded(line: bytes) -> bytes:
    """Cuts the unfinished line, and never so that something too large could become an event.

    Blanks around an event do not count towards its size. What is cut off is therefore replaced by one byte that is
    no blank, unless it was nothing but blanks.
    """
    if len(line) <= LINE_BYTES_MAX:
        return line
    line = line.lstrip(_BLANKS)
    kept, cut = line[:LINE_BYTES_MAX], line[LINE_BYTES_MAX:]
    return kept[:-1] + b"~" if cut.strip(_BLANKS) else kept
