"""JSON text: arrays of events, and objects over several lines, become lines. It finds boundaries and judges nothing.

As the engine takes messages apart (docs/events.md §1), but streamed: what is kept is one event, cut where it is far
too large.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO, Final

from tallystick.files.lines import LINE_BYTES_MAX, Block

_PIECE: Final = 1 << 20
# One step for all up to the next bracket, whole texts within it included: an event takes few steps.
_TO_BRACKET: Final = re.compile(rb'(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)
_TO_BRACKET_OR_COMMA: Final = re.compile(rb'(?:[^"\[\]{},]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)
_IN_STRING: Final = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)
_BLANKS: Final = b" \t\r\n"


def json_blocks(stream: BinaryIO) -> Iterator[Block]:
    """Yields the elements of arrays, and the objects beside them, as lines; each with the line where it begins."""
    splitter = _Splitter()
    offset = 0
    while piece := stream.read(_PIECE):
        offset += len(piece)
        splitter.feed(piece)
        if splitter.out:
            yield splitter.block(offset)
    splitter.finish()
    if splitter.out:
        yield splitter.block(offset)


class _Splitter:
    """Where one is in the text: how deep, in a string or not, and what of the element was read."""

    def __init__(self) -> None:
        self.out: list[bytes] = []
        self._lines: list[int] = []
        self._buffer = b""
        """What has to be looked at once more, with the next piece."""
        self._element = b""
        """What of the unfinished element came with earlier pieces."""
        self._line = 1
        self._lines_cut = 0
        self._depth = 0
        self._base = 0
        """Depth of elements: 1 within an array, 0 beside arrays."""
        self._in_string = False
        self._after_comma = False

    def block(self, offset: int) -> Block:
        """Returns what is whole, and forgets it."""
        lines, data = self._lines, b"".join(self.out)
        self.out, self._lines = [], []
        return Block(data, lines[0], offset, lines)

    def feed(self, piece: bytes) -> None:
        """Reads on."""
        buffer = self._buffer + piece
        start = at = 0
        while at < len(buffer):
            if self._in_string:
                at = _end_of(_IN_STRING, buffer, at)
                if buffer[at : at + 1] != b'"':
                    break  # It ends in a later piece, or a backslash is the last that there is of this one.
                self._in_string = False
                at += 1
                continue
            is_between = self._depth == self._base
            at = _end_of(_TO_BRACKET_OR_COMMA if is_between else _TO_BRACKET, buffer, at)
            if at < len(buffer):
                at += 1
                start = self._token(buffer, start, at)
        self._keep(buffer[start:at])
        self._buffer = buffer[at:]

    def finish(self) -> None:
        """Takes what is not closed for an element all the same, so that it is refused and named."""
        self._emit(self._element + self._buffer)
        if self._base and self._depth == 1 and not self._in_string:
            self._emit(b"[")  # Of an array that is cut short between its elements, no element is broken.

    def _token(self, buffer: bytes, start: int, end: int) -> int:
        """Takes one character that means something; returns where the element that is being read begins."""
        token = buffer[end - 1 : end]
        if token == b'"':
            self._in_string = True
            return start
        if token == b",":
            self._emit(self._element + buffer[start : end - 1], is_slot=True)
            self._after_comma = True
            return end
        if token in b"[{":
            is_array = token == b"[" and self._depth == 0
            if is_array and not (before := self._element + buffer[start : end - 1]).strip(_BLANKS):
                self._depth = self._base = 1
                self._element, self._line = b"", self._line + before.count(b"\n")
                return end
            self._depth += 1
            return start
        self._depth = max(self._depth - 1, 0)
        if self._depth > 0:
            return start
        is_end_of_array = self._base == 1 and token == b"]"
        self._base = 0
        self._emit(self._element + buffer[start : end - is_end_of_array], is_slot=is_end_of_array and self._after_comma)
        return end

    def _emit(self, text: bytes, *, is_slot: bool = False) -> None:
        """Writes an element; a slot between commas is one even if it is empty, which is refused."""
        element = text.strip(_BLANKS)
        line = self._line + text[: len(text) - len(text.lstrip(_BLANKS))].count(b"\n")
        self._line += text.count(b"\n") + self._lines_cut
        self._element, self._lines_cut, self._after_comma = b"", 0, False
        if element or is_slot:
            # A carriage return is a blank to JSON where a line end is one, and as wrong within a string.
            self.out.append((element.replace(b"\n", b"\r") or b",") + b"\n")
            self._lines.append(line)

    def _keep(self, text: bytes) -> None:
        self._element += text
        if cut := self._element[LINE_BYTES_MAX:]:
            self._element, self._lines_cut = self._element[:LINE_BYTES_MAX], self._lines_cut + cut.count(b"\n")


def _end_of(pattern: re.Pattern[bytes], buffer: bytes, at: int) -> int:
    found = pattern.match(buffer, at)
    return found.end() if found else at
