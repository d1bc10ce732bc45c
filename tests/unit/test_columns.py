"""Columns in: Arrow of several libraries and NumPy, each against the same events as NDJSON."""

import io
import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import nanoarrow as na
import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from tallystick import OUTCOMES, Engine, Reference, SequenceError

BASE: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
LOG_TIME_NS: Final = int(BASE.timestamp()) * 10**9
KINDS: Final = ("stock.received", "stock.sold", "stock.counted", "stock.reserved", "stock.moved", "stock.unheard")
NAMES: Final = ("source", "type", "sku", "location", "lot", "document")
TYPE_AND_SOURCE: Final = {"source": "wms", "type": "stock.received"}
Row = dict[str, Any]


def _rows(rng: random.Random, count: int = 300) -> list[Row]:
    """Events with repetitions, conflicts and refusals."""
    rows: list[Row] = []
    for _ in range(count):
        if rows and rng.random() < 0.1:
            rows.append(dict(rng.choice(rows)))
            continue
        row: Row = {
            "id": str(rng.randrange(count)),
            "source": rng.choice(["wms", "erp"]),
            "type": rng.choice(KINDS),
            "time": BASE - timedelta(seconds=rng.randrange(600), microseconds=rng.randrange(10**6)),
            "sku": rng.choice(["A", "Ü", 'quoted"']),
            "location": rng.choice(["DC1", "DC2", ""]) if rng.random() < 0.1 else "DC1",
            "quantity": Decimal(rng.randrange(-1, 40)) / 2,
            "lot": rng.choice([None, None, "L1"]),
            "document": rng.choice(["", "PO1", "longer than twelve bytes"]),
            "line": rng.choice([None, 1, 2]),
        }
        rows.append(row)
    return rows


def _lines(rows: list[Row]) -> bytes:
    def spelled(value: Any) -> Any:
        return value.isoformat() if isinstance(value, datetime) else value

    def line(row: Row) -> str:
        given = {name: spelled(value) for name, value in row.items() if value is not None and name != "quantity"}
        return json.dumps(given, ensure_ascii=False)[:-1] + f', "quantity": {row["quantity"]}}}'

    return "\n".join(map(line, rows)).encode()


def _table(rows: list[Row]) -> pa.Table:
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    types = {"quantity": pa.decimal128(18, 3), "time": pa.timestamp("us", "UTC"), "line": pa.int16()}
    return pa.table({name: pa.array(values, types.get(name, pa.string())) for name, values in columns.items()})


def _encoded(table: pa.Table) -> pa.Table:
    for name in NAMES:
        table = table.set_column(table.column_names.index(name), name, table[name].dictionary_encode())
    return table


def _stream(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=70)
    return sink.getvalue()


def _polars(table: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


def _polars_bytes(table: pa.Table, write: str) -> bytes:
    sink = io.BytesIO()
    getattr(_polars(table), write)(sink)
    return sink.getvalue()


def _numpy(table: pa.Table) -> dict[str, Any]:
    """Returns the events with quantities as text, and the times as NumPy keeps them."""
    columns: dict[str, Any] = {name: np.array(table[name].fill_null("").to_pylist()) for name in ("id", "sku", "lot")}
    columns |= {name: np.array(table[name].to_pylist()).astype("S") for name in ("source", "document", "location")}
    kinds, codes = np.unique(np.array(table["type"].to_pylist()), return_inverse=True)
    columns["type"] = (codes.astype(np.int8), kinds)
    columns["quantity"] = np.array([str(value) for value in table["quantity"].to_pylist()])
    columns["time"] = table["time"].cast(pa.timestamp("us")).to_numpy()
    lines = table["line"].to_pylist()
    columns["line"] = np.ma.array([line or 0 for line in lines], mask=[line is None for line in lines], dtype=">i4")
    return columns


FORMS: Final[dict[str, Callable[[pa.Table], Any]]] = {
    "pyarrow table": lambda table: table,
    "pyarrow, dictionaries": _encoded,
    "pyarrow, many chunks": lambda table: pa.Table.from_batches(_encoded(table).to_batches(max_chunksize=7)),
    "pyarrow reader": lambda table: table.to_reader(max_chunksize=50),
    "pyarrow batch": lambda table: table.combine_chunks().to_batches()[0],
    "pyarrow slices": lambda table: pa.concat_tables([_encoded(table).slice(0, 101), _encoded(table).slice(101)]),
    "polars": _polars,
    "polars, categories": lambda table: _polars(table).with_columns(pl.col(*NAMES).cast(pl.Categorical)),
    "nanoarrow stream": na.ArrayStream,
    "nanoarrow array": lambda table: na.c_array(table.combine_chunks().to_batches()[0]),
    "IPC stream": _stream,
    "IPC stream, dictionaries": lambda table: _stream(_encoded(table)),
    "IPC stream of polars": lambda table: _polars_bytes(table, "write_ipc_stream"),
    "IPC file of polars": lambda table: _polars_bytes(table, "write_ipc"),
    "NumPy": _numpy,
}


@pytest.mark.parametrize("form", FORMS)
def test_columns_of_every_kind_mean_what_lines_mean(form: str, rng: random.Random) -> None:
    rows = _rows(rng)
    # One key for both: which differing fields of a conflict can be named depends on it.
    engine, lines, reference = Engine(key=bytes(16)), Engine(key=bytes(16)), Reference()
    batch = engine.apply_columns(FORMS[form](_table(rows)), 5, LOG_TIME_NS, keys=True)
    expected = lines.apply(_lines(rows), 5, LOG_TIME_NS, keys=True)
    assert batch.outcomes.tolist() == expected.outcomes.tolist()
    assert batch.outcomes.tolist() == [OUTCOMES[name] for name in reference.apply(_lines(rows), 5, LOG_TIME_NS)]
    assert batch.outcome_lines(1) == expected.outcome_lines(1)
    assert (engine.state_hash(), engine.sequence) == (lines.state_hash(), lines.sequence)
    assert engine.balance_lines() == lines.balance_lines() == reference.balances()
    apart = {"event": None, "event_bytes_total": None, "cause": None}
    assert len(batch.exceptions) > 20
    assert [one.as_dict() | apart for one in batch.exceptions] == [one.as_dict() | apart for one in expected.exceptions]


def test_an_exception_carries_its_row_as_an_event_to_repair(rng: random.Random) -> None:
    rows = _rows(rng)
    engine = Engine()
    batch = engine.apply_columns(_encoded(_table(rows)), 1, LOG_TIME_NS)
    for exception in batch.exceptions:
        row = rows[exception.sequence - 1]
        event = json.loads(exception.event, parse_float=Decimal, parse_int=Decimal)
        assert (event["quantity"], datetime.fromisoformat(event["time"])) == (row["quantity"], row["time"])
        given = {name: value for name, value in row.items() if value is not None}
        assert event == given | {"quantity": event["quantity"], "time": event["time"]}
        # As it is, it gets the answer that the row got.
        again = engine.apply([exception.event], engine.sequence + 1, LOG_TIME_NS)
        outcome = exception.outcome or ""
        assert again.outcomes.tolist() == [OUTCOMES["duplicate" if outcome == "applied" else outcome]]


def test_messages_of_the_bus_may_be_columns(rng: random.Random) -> None:
    rows = _rows(rng, 60)
    array = b"[" + b",".join(_lines(rows[20:50]).split(b"\n")) + b"]"
    first, last = _lines(rows[:20]), _lines(rows[50:])
    results = []
    for middle in (array, _stream(_encoded(_table(rows[20:50]))), _polars_bytes(_table(rows[20:50]), "write_ipc")):
        engine = Engine()
        batch = engine.apply([first, middle, b"\xff\xff\xff\xff", last], 1, LOG_TIME_NS)
        places = list(zip(batch.sequences.tolist(), batch.indices.tolist(), batch.outcomes.tolist(), strict=True))
        results.append((places, engine.state_hash()))
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("numbers", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64])
def test_numbers_of_every_width(numbers: type[np.integer[Any]]) -> None:
    quantity = np.arange(1, 7, dtype=numbers)
    same = {"id": np.array(list("123456")), "source": "wms", "type": "stock.received", "location": "DC1"}
    for values in (quantity, quantity.byteswap().view(quantity.dtype.newbyteorder()), np.repeat(quantity, 2)[::2]):
        engine = Engine()
        engine.apply_columns(
            {**same, "sku": (quantity - 1, np.array([b"A", b"B", b"C", b"D", b"E", b"F"])), "quantity": values}, 1, 0
        )
        found = {
            position.sku: position.on_hand_thousandths
            for position in (engine.position(sku, "DC1") for sku in "ABCDEF")
            if position
        }
        assert found == {sku: 1_000 * (at + 1) for at, sku in enumerate("ABCDEF")}


def _one(**columns: Any) -> tuple[str, Row]:
    """What becomes of one row, and how it reads."""
    given = {"id": np.array(["1"]), "source": "wms", "type": "stock.received", "sku": "A", "location": "DC1",
             "quantity": np.array([1])}  # fmt: skip
    batch = Engine().apply_columns(given | columns, 1, LOG_TIME_NS)
    (name,) = batch.counts
    event = batch.exceptions[0].event if batch.exceptions else b"{}"
    try:
        return name, json.loads(event)
    except ValueError:  # no UTF-8, or cut
        return name, {}


def test_numpy_values_that_are_missing_or_wrong() -> None:
    assert _one(lot=np.array([""]))[0] == "applied"
    assert _one(lot=(np.array([-1]), ["L"]))[0] == "applied"
    assert _one(time=np.array(["NaT"], "datetime64[ns]"))[0] == "applied"
    assert _one(due=np.array(["2026-03-01"], "datetime64[D]"), id=np.array([""])) == (
        "malformed",
        {"id": "", "source": "wms", "type": "stock.received", "sku": "A", "location": "DC1", "quantity": 1}
        | {"due": "2026-03-01"},
    )
    assert _one(due=np.array([2**62], "datetime64[D]"))[0] == "malformed"
    assert _one(time=np.array([2**62], "datetime64[s]"))[0] == "malformed"
    assert _one(time=np.array(["2026-02-01"], "datetime64[s]"))[0] == "time_out_of_bounds"
    assert _one(sku=np.array(["\ud800"])) == ("malformed", {})
    assert _one(sku=np.array([b"\xff"])) == ("malformed", {})
    assert _one(sku=np.array(["a\x07"]))[0] == "malformed"
    assert _one(lot=(np.array([1]), ["L"]))[0] == "malformed"
    assert _one(sku=np.array(["x" * 65]))[0] == "malformed"
    assert _one(from_status=np.array(["x" * 70_000]))[0] == "too_large"
    assert _one(quantity=np.array(["1.0005"]))[0] == "quantity_invalid"
    assert _one(quantity=np.array([2**62]))[0] == "quantity_invalid"


def test_columns_that_cannot_be_understood_change_nothing() -> None:
    ids = pa.array(["1", "2"])
    engine = Engine()
    for columns, error, what in [
        (pa.table({"id": ids, "quantity": [1.0, 2.0]}), ValueError, "`quantity`: is a column of floats"),
        (pa.table({"id": ids, "time": pa.array([1, 2], pa.timestamp("s"))}), ValueError, "without a zone"),
        (pa.table({"id": pa.array([1, 2])}), ValueError, "`id`: must be a column of strings"),
        (pa.table({"id": pa.array([1, 2]).dictionary_encode()}), ValueError, "other values than strings"),
        (pa.table([ids, ids], ["id", "id"]), ValueError, "`id`: is given twice"),
        (pa.table({"data": pa.array([{"sku": "A"}, None])}), ValueError, "`data`: is no column"),
        (_stream(pa.table({"id": ids}), compression="lz4"), ValueError, "is compressed"),
        (_stream(pa.table({"id": ids}))[:-30], ValueError, "ends within a message"),
        (b"", ValueError, "does not begin with a schema"),
        (b'{"id":"1"}', ValueError, "the Arrow stream"),
        (ids, ValueError, "columns are needed"),
        (pa.array([None, {"id": "1"}]), ValueError, "rows are null"),
        (na.c_array(pa.array([None, {"id": "1"}])), ValueError, "rows are null"),
        ({"id": np.array(["1"]), "sku": np.array(["A", "B"])}, ValueError, '"sku" is not as long'),
        ({"id": np.array(["1"], object)}, TypeError, "holds Python objects"),
        ({"id": np.array([["1"]])}, TypeError, "dimension"),
        ({"id": np.array(["1"]), "quantity": np.array([1.5])}, ValueError, "floats"),
        ({"id": np.array(["1"]), "quantity": np.array([True])}, ValueError, "`quantity`: must be"),
        ({"id": (np.array([0.0]), ["1"])}, TypeError, "codes are integers"),
        ({"id": (np.array([0]), np.array([1]))}, ValueError, "categories that are no strings"),
        ({"id": (np.array([0]),)}, TypeError, "codes, categories"),
        ({"id": "1"}, ValueError, "how many rows"),
        (7, TypeError, "columns must be"),
    ]:  # fmt: skip
        with pytest.raises(error, match=what):
            engine.apply_columns(columns, 1, LOG_TIME_NS)
    assert (engine.sequence, len(engine), engine.outcome_totals()) == (0, 0, {})


def test_a_stream_that_fails_or_was_read_changes_nothing() -> None:
    table = pa.table({"id": ["1"]})

    def batches() -> Iterator[pa.RecordBatch]:
        yield table.to_batches()[0]
        raise OSError("the disk is gone")

    engine = Engine()
    with pytest.raises(ValueError, match="the disk is gone"):
        engine.apply_columns(pa.RecordBatchReader.from_batches(table.schema, batches()), 1, LOG_TIME_NS)
    reader = table.to_reader()
    assert len(engine.apply_columns(reader, 1, LOG_TIME_NS)) == 1
    assert len(engine.apply_columns(reader, 2, LOG_TIME_NS)) == 0
    with pytest.raises(SequenceError):
        engine.apply_columns(table, 1, LOG_TIME_NS)


def test_dictionaries_by_delta_are_refused_whole() -> None:
    sink = io.BytesIO()
    schema = pa.schema([("id", pa.dictionary(pa.int8(), pa.string()))])
    with pa.ipc.new_stream(sink, schema, options=pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)) as writer:
        for entries in (["1"], ["1", "2"]):
            writer.write_batch(
                pa.record_batch([pa.DictionaryArray.from_arrays(pa.array([0], pa.int8()), entries)], schema=schema)
            )
    batch = Engine().apply([sink.getvalue()], 1, LOG_TIME_NS)
    assert batch.outcomes.tolist() == [OUTCOMES["malformed"]]
    assert "delta" in batch.exceptions[0].cause


def test_rows_that_were_held_are_applied_whole() -> None:
    # Names of full length that all rows share: of such rows an exception keeps only the beginning.
    count, name = 2_000, '"' * 64
    shared = dict.fromkeys(("sku", "location", "lot", "owner", "document", "reason"), name) | TYPE_AND_SOURCE
    shared |= dict.fromkeys(("correlationid", "causationid"), name * 2)
    same = {
        field: pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int8()), pa.array([value]))
        for field, value in shared.items()
    }
    numbers = pa.array(range(count + 1, 1, -1), pa.int16())
    ids = pa.array([f"{number:03x}" for number in range(count)])
    batch = pa.record_batch({"id": ids, "sequence": numbers, "quantity": pa.array([1] * count, pa.int8()), **same})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    engine = Engine('[sources.wms]\norder = "source"\nheld_max = 100000\n')
    assert set(engine.apply([sink.getvalue()], 1, LOG_TIME_NS).outcomes.tolist()) == {OUTCOMES["held"]}
    first = {"id": "first", "sequence": 1, "quantity": 1, **dict.fromkeys(("sku", "location"), "A"), **TYPE_AND_SOURCE}
    released = engine.apply([json.dumps(first).encode()], 2, LOG_TIME_NS).released
    assert [outcome for _, _, outcome in released] == [OUTCOMES["applied"]] * count
    position = engine.position(name, name, name, name)
    assert position is not None
    assert position.on_hand_thousandths == 1_000 * count
