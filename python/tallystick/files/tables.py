"""Tables: rows of CSV, Parquet and Arrow become lines of NDJSON by a mapping, many at a time and in bounded memory.

CSV is read with the standard library: it streams, and leaves every value as it was written, so that leading zeros and
decimal commas survive.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from tallystick.errors import UsageError
from tallystick.files import arrow
from tallystick.files.cells import RowFault
from tallystick.files.formats import Form, declared_delimiter, delimiter_of
from tallystick.files.hints import column_hints
from tallystick.files.lines import Block
from tallystick.files.mapping import Mapping, identity, listed
from tallystick.files.unpack import look

_ROWS_TOGETHER: Final = 8_192
_PAGE: Final = "docs/files.md"


class Rows:
    """Lines that were made of rows, until there are enough for a block."""

    def __init__(self, mapping: Mapping) -> None:
        self._mapping = mapping
        self._lines: list[bytes] = []
        self._places: list[int] = []
        self._faults: dict[int, RowFault] = {}

    def add(self, row: dict[str, Any], place: int) -> None:
        """Maps a row. One that does not fit stays, as a line that is no event: none gets lost on the way."""
        try:
            event = self._mapping.event(row)
        except RowFault as fault:
            self.add_broken(row, place, fault)
            return
        if event is not None:
            self._lines.append(event)
            self._places.append(place)

    def add_broken(self, row: dict[str, Any], place: int, fault: RowFault) -> None:
        """Keeps a row that is no event, with what is wrong with it."""
        self._faults[len(self._lines)] = fault
        self._lines.append(self._mapping.no_event(row, fault))
        self._places.append(place)

    def is_full(self) -> bool:
        """Whether there are enough."""
        return len(self._lines) >= _ROWS_TOGETHER

    def block(self) -> Iterator[Block]:
        """Yields what there is, if anything. How many bytes of the file were read is known to who opened it."""
        if self._lines:
            yield Block(b"\n".join(self._lines) + b"\n", self._places[0], 0, self._places, self._faults)
            self._lines, self._places, self._faults = [], [], {}


def needs_map(name: str, form: Form, columns: Sequence[str]) -> UsageError:
    """The refusal of a table without a map: what was found, what is missing, and an example with its own columns."""
    like = (column for column in columns if column.lower() == "sku")
    example = next(like, None) or next(iter(columns), "Column")
    return UsageError(
        f"{name} is {form.value} with the columns {listed(columns, 6)}; say with --map FILE.toml which column is what "
        f'({_PAGE}), e.g. [fields] sku = "{{{example}}}"'
    )


def csv_blocks(name: str, stream: io.BufferedReader, mapping: Mapping | None) -> Iterator[Block]:
    """Yields the rows of CSV as events; a place is the line on which a row begins."""
    encoding, skipped = (mapping.encoding, mapping.skip_lines) if mapping else ("utf-8", 0)
    head = look(stream).decode("latin-1")
    declared = declared_delimiter(head)
    skipped = max(skipped, int(declared is not None))
    delimiter = (mapping.delimiter if mapping else None) or declared or delimiter_of(head, skipped)
    try:
        text = io.TextIOWrapper(stream, encoding=encoding, newline="")
    except LookupError as error:
        raise UsageError(f'{mapping.path if mapping else name}: "{encoding}" is no encoding') from error
    with _told(name, f"is not {encoding}; say with [file] encoding of the map which it is, such as cp1252"):
        for _ in range(skipped):
            text.readline()
        reader = csv.reader(text, delimiter=delimiter, quotechar=mapping.quote if mapping else '"', strict=True)
        place = skipped + 1
        try:
            columns = [column.strip() for column in next(reader, [])]
            if mapping is None:
                raise needs_map(name, Form.CSV, columns)
            _check_header(name, columns, mapping)
            rows, place = Rows(mapping), skipped + reader.line_num + 1
            for values in reader:
                if values and len(values) != len(columns):
                    rows.add_broken({"values": delimiter.join(values)}, place, _unlike_header(values, columns))
                elif values:
                    rows.add(dict(zip(columns, values, strict=True)), place)
                place = skipped + reader.line_num + 1
                if rows.is_full():
                    yield from rows.block()
        except csv.Error as error:
            raise UsageError(f"{name}:{place}: {error}; see delimiter and quote in {_PAGE}") from error
        finally:
            text.detach()
        yield from rows.block()


def _unlike_header(values: Sequence[str], columns: Sequence[str]) -> RowFault:
    return RowFault(
        f"has {len(values)} values, the header has {len(columns)} columns",
        "look for the delimiter in a value without quotes",
    )


def _check_header(name: str, columns: Sequence[str], mapping: Mapping) -> None:
    mapping.check_columns(name, columns)
    if double := [column for column in mapping.columns if columns.count(column) > 1]:
        raise UsageError(f'{name}: has the column "{double[0]}" twice; give them different names')


def arrow_blocks(
    name: str,
    stream: io.BufferedReader,
    form: Form,
    mapping: Mapping | None,
    known: Sequence[str],
    hints: list[str],
) -> Iterator[Block]:
    """Yields the rows of Parquet or Arrow as events; a place is the number of a row, from 1.

    Without a mapping the columns must be the fields themselves; `hints` takes what is seldom meant then.
    """
    with _told(name, f"cannot be read as {form.value}"):
        batches, schema = arrow.batches(name, stream, form)
        by_map = mapping is not None
        if mapping is None:
            mapping = identity(schema.names, known)
            hints += column_hints(schema.names, known)
        if mapping is None:
            raise needs_map(name, form, schema.names)
        _check_header(name, schema.names, mapping)
        arrow.check_texts(name, schema, mapping.texts, takes_whole_numbers=by_map)
        rows, place = Rows(mapping), 0
        for batch in batches:
            places = [batch.schema.names.index(column) for column in mapping.columns]
            values = [arrow.values(name, batch.schema.names[place], batch.column(place)) for place in places]
            for row in zip(*values, strict=True):
                place += 1
                rows.add(dict(zip(mapping.columns, row, strict=True)), place)
                if rows.is_full():
                    yield from rows.block()
        yield from rows.block()


@contextmanager
def _told(name: str, what: str) -> Iterator[None]:
    """Faults of readers, which know no file, in one line that names it."""
    try:
        yield
    except UsageError:
        raise
    except UnicodeError as error:
        raise UsageError(f"{name}: {what}") from error
    except (ValueError, OSError, NotImplementedError) as error:
        raise UsageError(f"{name}: {what} ({error}); write it again") from error
