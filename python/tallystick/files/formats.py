"""Formats: what a file is, told by how it begins. It opens nothing and reads no event."""

import csv
import re
from enum import Enum
from typing import Final

LOOK_BYTES: Final = 64 << 10
"""How much of a file is looked at."""

_DELIMITERS: Final = (";", "\t", ",", "|")
_BLANKS: Final = b" \t\r\n"
_UTF_16: Final = re.compile(rb"(?:[\t\r\n -~]\x00){2}|(?:\x00[\t\r\n -~]){2}")


class Form(Enum):
    """What can be read, each with its name in messages."""

    EMPTY = "empty"
    NDJSON = "NDJSON"
    JSON = "JSON"
    """Arrays of events, or objects over several lines."""
    CSV = "CSV"
    PARQUET = "Parquet"
    ARROW_FILE = "an Arrow IPC file"
    ARROW_STREAM = "an Arrow IPC stream"

    @property
    def is_table(self) -> bool:
        """Whether it has columns, which a map turns into events."""
        return self in {Form.CSV, Form.PARQUET, Form.ARROW_FILE, Form.ARROW_STREAM}


class Packing(Enum):
    """What text can be wrapped in."""

    GZIP = "gzip"
    ZSTD = "zstd"
    UTF_16 = "UTF-16"
    UTF_8_MARK = "UTF-8"


_PACKED: Final = (
    (b"\x1f\x8b", Packing.GZIP),
    (b"\x28\xb5\x2f\xfd", Packing.ZSTD),
    (b"\xef\xbb\xbf", Packing.UTF_8_MARK),
)
_TABLES: Final = ((b"PAR1", Form.PARQUET), (b"ARROW1", Form.ARROW_FILE), (b"\xff\xff\xff\xff", Form.ARROW_STREAM))
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
"""What no text has."""
# Each with its cure.
_FOREIGN: Final = (
    (b"\xff\xfe\x00\x00", "UTF-32 text", "save it as UTF-8"),
    (b"\x00\x00\xfe\xff", "UTF-32 text", "save it as UTF-8"),
    (b"PK\x03\x04", "a zip archive (xlsx files are one, too)", "unpack it, or save the sheet as CSV UTF-8"),
    (b"\xd0\xcf\x11\xe0", "an old Office file (xls, doc)", "save the sheet as CSV UTF-8"),
    (b"%PDF", "PDF", "export the data itself, as CSV or NDJSON"),
    (b"\x89PNG", "a PNG image", "give the data itself"),
    (b"\xff\xd8\xff", "a JPEG image", "give the data itself"),
    (b"GIF8", "a GIF image", "give the data itself"),
    (b"FEA1", "Feather of version 1", "write it again as Feather of version 2 or Parquet"),
    (b"ORC", "ORC", "write it again as Parquet"),
    (b"Obj\x01", "Avro", "write it again as Parquet or NDJSON"),
    (b"SQLite format 3\x00", "an SQLite database", "export the table as CSV"),
    (b"BZh", "bzip2", "unpack it: bunzip2"),
    (b"\xfd7zXZ\x00", "xz", "unpack it: unxz"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it"),
    (b"\x7fELF", "a program", "give the data itself"),
)


def packing(beginning: bytes) -> Packing | None:
    """Returns what the text is wrapped in, if in anything."""
    if beginning.startswith((b"\xff\xfe", b"\xfe\xff")) and not beginning.startswith(b"\xff\xfe\x00\x00"):
        return Packing.UTF_16
    return next((packing for magic, packing in _PACKED if beginning.startswith(magic)), None)


def recognise(beginning: bytes) -> Form:
    r"""Returns what the file is. Raises ValueError, which names what it is and the cure, for what cannot be read.

    >>> recognise(b'{"id":"1","source":"wms"}').value
    'NDJSON'
    >>> recognise(b"sku;qty\nLAMP;5\n").value
    'CSV'
    """
    for magic, form in _TABLES:
        if beginning.startswith(magic):
            return form
    for magic, name, cure in _FOREIGN:
        if beginning.startswith(magic):
            raise ValueError(f"is {name}; {cure}")
    if beginning[257:262] == b"ustar":
        raise ValueError("is a tar archive; unpack it")
    if _UTF_16.match(beginning):
        raise ValueError("is UTF-16 without a byte order mark; save it as UTF-8")
    text = beginning.strip(_BLANKS)
    if not text:
        return Form.EMPTY
    if text.startswith(b"["):
        return Form.JSON
    if text.startswith(b"{"):
        return Form.NDJSON if is_by_line(text) else Form.JSON
    if re.match(rb"<(!doctype html|html|head|body)\b", text, re.IGNORECASE):
        raise ValueError("is HTML (often the page of a login or an error); download the data itself")
    if text.startswith(b"<"):
        raise ValueError("is XML; export CSV, Parquet or NDJSON")
    return _recognise_lines(text)


def is_by_line(text: bytes) -> bool:
    """Whether each line is a value of its own: the first is whole, or the next begins one without indentation."""
    first, end, rest = text.partition(b"\n")
    return not end or first.rstrip(_BLANKS).endswith(b"}") or rest.startswith(b"{")


def delimiter_of(text: str, skip_lines: int = 0) -> str:
    """Returns what separates the columns of CSV, by its header."""
    header = (text.split("\n", skip_lines + 1) + [""] * skip_lines)[skip_lines]
    return max(_DELIMITERS, key=header.count)


def declared_delimiter(text: str) -> str | None:
    """Returns what a first line such as `sep=;` says, which is for Excel and no header."""
    found = re.match(r"sep=([^\r\n])\r?\n", text)
    return found[1] if found else None


def _recognise_lines(text: bytes) -> Form:
    lines = text.split(b"\n")
    if declared_delimiter(text.decode("latin-1")):
        return Form.CSV
    # A broken line among events is told by its line; only what has no event at all is something else.
    if any(line.lstrip(_BLANKS).startswith((b"{", b"[")) for line in lines[1:]):
        return Form.NDJSON
    if _CONTROL.search(text[:1024]):
        raise ValueError("is binary and of no kind that is known; give NDJSON, JSON, CSV, Parquet or Arrow")
    head = [line.decode("latin-1") for line in lines[:3] if line.strip(_BLANKS)]
    for delimiter in _DELIMITERS:
        widths = {len(row) for row in csv.reader(head, delimiter=delimiter)}
        if len(widths) == 1 and widths != {1}:
            return Form.CSV
    raise ValueError("holds no event: no line is a JSON object; give NDJSON, JSON, CSV, Parquet or Arrow")
