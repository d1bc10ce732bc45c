"""Positions as an Arrow table in the libraries that people have: same rows, same memory, for as long as they use it."""

import gc
from collections.abc import Callable
from typing import Any, Final

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from tallystick import Engine, Positions

NAMES: Final = ["sku", "location", "lot", "owner"]
AMOUNTS: Final = [
    f"{name}_thousandths"
    for name in (
        *("on_hand", "reserved", "allocated", "picked", "in_transit", "quarantine", "damaged", "ordered", "unpicked"),
        *("safety_stock", "pending", "on_hand_atp", "atp"),
    )
]


def ledger(positions: int) -> Engine:
    """Each third position has a lot, each fifth an owner."""
    engine = Engine('[safety_stock]\ndefault = "1"\n')
    events = [
        {"id": str(number), "source": "wms", "type": "stock.received", "sku": f"S{number}", "location": "Köln",
         "quantity": f"{number}.125"}
        | ({"lot": f"L{number}"} if number % 3 == 0 else {})
        | ({"owner": "guest"} if number % 5 == 0 else {})
        for number in range(1, positions + 1)
    ]  # fmt: skip
    engine.apply(events)
    engine.apply(
        [{"id": "r", "source": "oms", "type": "stock.reserved", "sku": "S1", "location": "Köln", "quantity": 1}]
    )
    return engine


def rows(positions: Positions) -> list[tuple[Any, ...]]:
    """By NumPy and lists, which have their own way to the numbers."""
    columns = [getattr(positions, name) for name in NAMES]
    numbers = [getattr(positions, name).tolist() for name in (*AMOUNTS, "version")]
    return list(zip(*columns, *numbers, strict=True))


def of_frame(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    assert frame["atp_thousandths"].dtype == np.int64
    return [
        tuple(None if value is None or value is pd.NA or value != value else value for value in row)  # noqa: PLR0124 (NaN)
        for row in frame.itertuples(index=False, name=None)
    ]


def of_duckdb(positions: Positions) -> list[tuple[Any, ...]]:
    table = pa.RecordBatchReader.from_stream(positions)
    return duckdb.from_arrow(table).fetchall()


READERS: Final[dict[str, Callable[[Positions], list[tuple[Any, ...]]]]] = {
    "polars": lambda positions: pl.DataFrame(positions).rows(),
    "pyarrow": lambda positions: [tuple(row.values()) for row in pa.table(positions).to_pylist()],
    "pandas": lambda positions: of_frame(pd.DataFrame.from_arrow(positions)),
    "pandas through pyarrow": lambda positions: of_frame(pa.table(positions).to_pandas()),
    "duckdb": of_duckdb,
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(("start", "stop"), [(0, None), (0, 0), (7, 8), (3, 40), (99, 200)])
def test_every_library_reads_what_is_there(reader: str, start: int, stop: int | None) -> None:
    positions = ledger(50).columns(start, stop)
    assert READERS[reader](positions) == rows(positions)
    if start == 0 and stop is None:
        assert {row[2] is None for row in rows(positions)} == {True, False}
        assert {row[3] for row in rows(positions)} == {None, "guest"}


@pytest.mark.parametrize("reader", READERS)
def test_an_empty_ledger_is_an_empty_table(reader: str) -> None:
    assert READERS[reader](Engine().columns()) == []


def test_the_columns_say_their_types_and_units() -> None:
    schema = pa.table(Engine().columns()).schema
    assert schema.names == [*NAMES, *AMOUNTS, "version"]
    assert [str(schema.field(name).type) for name in NAMES] == ["large_string"] * 4
    assert [schema.field(name).nullable for name in NAMES] == [False, False, True, True]
    assert {str(schema.field(name).type) for name in AMOUNTS} == {"int64"}
    assert str(schema.field("version").type) == "uint64"


def addresses(positions: Positions) -> dict[str, int]:
    """Where pyarrow reads each column of numbers."""
    (batch,) = pa.table(positions).to_batches()
    return {name: batch.column(name).buffers()[1].address for name in (*AMOUNTS, "version")}


def test_no_library_copies_the_numbers() -> None:
    positions = ledger(50).columns()
    where = addresses(positions)
    assert len(set(where.values())) == len(where)
    assert addresses(positions) == where, "asked again, it is the same memory"
    frame = pl.DataFrame(positions)
    views = {name: frame[name].to_numpy(allow_copy=False) for name in where}
    assert {name: view.__array_interface__["data"][0] for name, view in views.items()} == where
    columns = pa.table(positions)
    arrays = {name: columns[name].chunk(0).to_numpy(zero_copy_only=True) for name in where}  # what DuckDB scans
    assert {name: array.__array_interface__["data"][0] for name, array in arrays.items()} == where


def test_a_slice_is_a_window_on_the_same_memory() -> None:
    positions = ledger(50).columns()
    where = addresses(positions)["atp_thousandths"]
    window = pa.table(positions).slice(10, 5)["atp_thousandths"].chunk(0)
    assert (window.buffers()[1].address, window.offset) == (where, 10)
    assert window.to_pylist() == positions.atp_thousandths.tolist()[10:15]
    assert pl.DataFrame(positions)[10:15].rows() == rows(positions)[10:15]


def test_the_memory_outlives_the_positions_and_the_engine() -> None:
    engine = ledger(2_000)
    positions = engine.columns()
    expected, where = rows(positions), addresses(positions)
    table, frame = pa.table(positions), pl.DataFrame(positions)
    capsule = positions.__arrow_c_stream__()
    del positions, engine
    gc.collect()
    noise = [ledger(2_000).columns().__arrow_c_stream__() for _ in range(3)]  # would take the place of what was freed
    assert frame.rows() == expected
    assert [tuple(row.values()) for row in table.to_pylist()] == expected
    assert table["atp_thousandths"].chunk(0).buffers()[1].address == where["atp_thousandths"]
    del capsule, noise  # that nobody took over: released with its capsule
    gc.collect()
    assert frame.rows() == expected


def test_it_is_the_state_at_which_it_was_asked_for() -> None:
    engine = ledger(3)
    positions = engine.columns()
    before = rows(positions)
    engine.apply([{"id": "s", "source": "shop", "type": "stock.sold", "sku": "S1", "location": "Köln", "quantity": 1}])
    assert pl.DataFrame(positions).rows() == before
    assert pl.DataFrame(engine.columns()).rows() != before


def test_a_requested_schema_is_passed_over() -> None:
    positions = ledger(3).columns()
    wanted = pa.schema([("sku", pa.string())]).__arrow_c_schema__()
    stream = positions.__arrow_c_stream__(requested_schema=wanted)
    assert pa.RecordBatchReader._import_from_c_capsule(stream).read_all().num_rows == 3
