"""Unpack: gzip, zstd, UTF-16 and byte order marks become plain bytes, streamed in bounded memory. It parses nothing."""

import codecs
import gzip
import io
import zlib
from collections.abc import Callable
from typing import Any, Final

from tallystick.errors import UsageError
from tallystick.files import arrow
from tallystick.files.formats import LOOK_BYTES, Packing, packing

_PIECE: Final = 1 << 20
_LAYERS_MAX: Final = 3
"""A text in UTF-16, packed with gzip, has two; more than three are no file that a system writes."""


class Plain(io.RawIOBase):
    """Bytes of a stream as `read_piece` changes them. Faults become one line that names the file."""

    def __init__(self, name: str, what: str, read_piece: Callable[[], bytes]) -> None:
        self._name = name
        self._what = what
        self._read_piece = read_piece
        self._rest = b""

    def readable(self) -> bool:
        """It can be read and nothing else."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fills the buffer with what comes next; 0 at the end."""
        if not self._rest:
            try:
                self._rest = self._read_piece()
            except (EOFError, OSError, UnicodeError, zlib.error) as error:
                raise UsageError(
                    f"{self._name}: {self._what} is damaged or cut short ({error}); get the file again"
                ) from error
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count


def unpacked(name: str, stream: io.BufferedReader) -> tuple[io.BufferedReader, Packing | None]:
    """Returns the stream without what it is wrapped in, and the mark that says how its text is written, if it has one.

    Raises UsageError for what cannot be unwrapped.
    """
    mark: Packing | None = None
    for _ in range(_LAYERS_MAX):
        match found := packing(look(stream, 4)):
            case None:
                return stream, mark
            case Packing.UTF_8_MARK:
                mark = mark or found
                stream.read(3)
            case Packing.UTF_16:
                mark = found
                stream = _from_utf_16(name, stream)
            case Packing.GZIP:
                file = gzip.GzipFile(fileobj=stream)
                stream = io.BufferedReader(Plain(name, "gzip", _reader(file)), _PIECE)
            case Packing.ZSTD:
                file = arrow.unpacked_zstd(name, stream)
                stream = io.BufferedReader(Plain(name, "zstd", _reader(file)), _PIECE)
    raise UsageError(f"{name}: is packed more than {_LAYERS_MAX} times; unpack it")


def look(stream: io.BufferedReader, bytes_min: int = LOOK_BYTES) -> bytes:
    """Returns what comes next without taking it. A pipe may return less, at least its first piece."""
    return stream.peek(bytes_min)


def _reader(file: Any) -> Callable[[], bytes]:
    def read_piece() -> bytes:
        piece: bytes = file.read(_PIECE)
        return piece

    return read_piece


def _from_utf_16(name: str, stream: io.BufferedReader) -> io.BufferedReader:
    decoder = codecs.getincrementaldecoder("utf-16")()

    def read_piece() -> bytes:
        # A piece may hold but half of a character; only at the end is nothing the end.
        while piece := stream.read(_PIECE):
            if text := decoder.decode(piece):
                return text.encode()
        return decoder.decode(b"", final=True).encode()

    return io.BufferedReader(Plain(name, "UTF-16", read_piece), _PIECE)
