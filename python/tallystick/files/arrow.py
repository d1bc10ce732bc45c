"""Arrow: what files need pyarrow for, which is loaded here and nowhere else: Parquet, packed Arrow, zstd.

It maps nothing; whoever lacks the package is told which it is.
"""

import io
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any, Final

from tallystick.errors import UsageError
from tallystick.files.formats import Form

_ROWS_TOGETHER: Final = 8_192
_WHOLE_NUMBERS: Final = frozenset({"sequence", "line", "hops"})
"""Fields that are whole numbers in columns, too (docs/events.md §11)."""


def unpacked_zstd(name: str, stream: io.BufferedReader) -> Any:
    """Returns a file to read what was packed with zstd from."""
    pa = _pyarrow(f"{name} is packed with zstd; unpack it (zstd -d), or")
    return pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), "zstd")


def table(name: str, data: bytes, form: Form) -> Any:
    """Returns all of an Arrow stream or file, unpacked."""
    pa = _pyarrow(f"{name} is {form.value} with compressed columns;")
    is_file = form is Form.ARROW_FILE
    return (pa.ipc.open_file(data) if is_file else pa.ipc.open_stream(data)).read_all()


def batches(name: str, stream: io.BufferedReader, form: Form) -> tuple[Iterator[Any], Any]:
    """Returns the record batches of Parquet or Arrow, one after the other, and the schema of their columns."""
    pa = _pyarrow(f"{name} is {form.value};")
    if form is Form.ARROW_STREAM:
        reader = pa.ipc.open_stream(stream)
        return iter(reader), reader.schema
    if not stream.seekable():
        raise UsageError(f"{name} is {form.value}, which has its table of contents at the end; give it as a file")
    if form is Form.PARQUET:
        from pyarrow import parquet

        file = parquet.ParquetFile(stream)
        return file.iter_batches(batch_size=_ROWS_TOGETHER), file.schema_arrow
    reader = pa.ipc.open_file(stream)
    return (reader.get_batch(number) for number in range(reader.num_record_batches)), reader.schema


def check_texts(name: str, schema: Any, fields: Mapping[str, str], *, takes_whole_numbers: bool) -> None:
    """Refuses numbers in the place of texts: what a column of floats has for 0815 is 815.0, and no SKU.

    `fields` are the columns that are texts, each with its field. A whole number is its digits, for whoever says so.
    """
    pa = _pyarrow(f"{name}:")
    for column, field in fields.items():
        kind = schema.field(column).type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        place = f'{name}: column "{column}" is {kind}, and {field} is a text'
        if pa.types.is_floating(kind) or (pa.types.is_decimal(kind) and kind.scale > 0):
            raise UsageError(f'{place}: 815 would be "815.0"; write it as text where it comes from')
        is_whole = pa.types.is_integer(kind) or pa.types.is_decimal(kind)
        if is_whole and field not in _WHOLE_NUMBERS and not takes_whole_numbers:
            raise UsageError(
                f"{place}: zeros in front are lost; write it as text, or say with --map that its digits do"
            )


def values(name: str, column: str, array: Any) -> list[Any]:
    """Returns the values of a column. Raises UsageError for what is no single value, or finer than a datetime."""
    pa = _pyarrow(f"{name}:")
    if pa.types.is_nested(array.type):
        raise UsageError(f'{name}: column "{column}" is {array.type}, no single value; flatten it first')
    if pa.types.is_timestamp(array.type) and array.type.unit == "ns":
        try:
            array = array.cast(pa.timestamp("us", array.type.tz))
        except pa.ArrowInvalid as error:
            raise UsageError(
                f'{name}: column "{column}" has times finer than microseconds; write it as timestamp[us]'
            ) from error
    found: list[Any] = array.to_pylist()
    return found


def _pyarrow(what: str) -> ModuleType:
    try:
        import pyarrow as pa
    except ModuleNotFoundError as error:
        raise UsageError(f"{what} pip install 'tallystick[arrow]'") from error
    module: ModuleType = pa
    return module
