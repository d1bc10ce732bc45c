"""Columns in memory: the canonical workload as Arrow record batches, through the engine on one core.

The batches are made from the same file that the NDJSON row reads, by another process: names that repeat are
dictionary-encoded, ids and documents are plain strings, quantities integers, times timestamps.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benches import figures
from benches.meter import Meter
from benches.process import Row, in_own_process
from benches.scale import Scale
from benches.turns import Measure, fresh
from benches.workloads import WorkloadFiles
from tallystick import Engine

if TYPE_CHECKING:
    from pyarrow import Field, RecordBatch

BATCH_EVENTS: Final = 65_536
_PLAIN: Final = ("id", "document")
_ENCODED: Final = ("source", "type", "sku", "location", "to_location", "from_status")


def case(files: WorkloadFiles, scale: Scale, *, shards: int = 1) -> Measure | str:
    """What is run for the row `columns-…`. Why there is none, where pyarrow is not installed."""
    del scale
    if find_spec("pyarrow") is None:
        return "pyarrow is not installed"
    batches = Path(files.path).with_suffix(".arrows")
    if not batches.exists():
        in_own_process(write, path=files.path, batches=str(batches))
    return fresh(measure, **files.arguments | {"path": str(batches)}, shards=shards)


def measure(path: str, config: str, expected: str, shards: int) -> Row:
    """Applies all record batches, then proves the balances by the group-by. Raises ValueError if they differ."""
    from benches.in_process import check_balances

    batches = _read(path)
    # The first call of a process imports NumPy; that is no work on events.
    Engine(config).apply_columns(batches[0], 1, event_times=True)
    engine = Engine(config, shards=shards)
    events = 0
    with Meter() as meter:
        for batch in batches:
            events += len(engine.apply_columns(batch, events + 1, event_times=True))
    row = meter.figures(events)
    check_balances(engine, expected)
    return {
        **row,
        "bytes_per_event": round(sum(batch.get_total_buffer_size() for batch in batches) / events, 1),
        "outcomes": {name: count for name, count in engine.outcome_totals().items() if count},
        **figures.of_ledger(engine),
    }


def _read(path: str) -> list["RecordBatch"]:
    import pyarrow as pa

    with pa.OSFile(path) as file, pa.ipc.open_stream(file) as stream:
        return list(stream)


def write(path: str, batches: str) -> Row:
    """Writes the lines of a workload as an Arrow stream, in a process whose threads end with it."""
    import pyarrow as pa

    made = _batches(Path(path))
    with pa.OSFile(batches, "wb") as file, pa.ipc.new_stream(file, made[0].schema) as stream:
        for batch in made:
            stream.write_batch(batch)
    return {"events": sum(map(len, made))}


def _batches(path: Path) -> list["RecordBatch"]:
    """The lines as record batches, each with dictionaries of its own. A quantity that is no number becomes a null."""
    import polars as pl
    import pyarrow as pa

    columns = dict.fromkeys([*_PLAIN, *_ENCODED, "time", "quantity"], pl.String) | {"line": pl.Int64}
    frame = pl.read_ndjson(path, schema=columns).with_columns(
        pl.col("time").str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="ns", time_zone="UTC"),
        pl.col("quantity").cast(pl.Int64, strict=False),
    )
    # Where no event names a line, there is no such column.
    table = frame.drop("line" if frame["line"].is_null().all() else ()).to_arrow()
    table = table.cast(pa.schema([_field(field) for field in table.schema]))
    batches = []
    for start in range(0, len(table), BATCH_EVENTS):
        part = table.slice(start, BATCH_EVENTS).combine_chunks()
        columns = {
            name: part[name].dictionary_encode() if name in _ENCODED else part[name] for name in part.column_names
        }
        batches += pa.table(columns).combine_chunks().to_batches()
    return batches


def _field(field: "Field") -> "Field":
    import pyarrow as pa

    return pa.field(field.name, pa.string()) if field.name in _PLAIN + _ENCODED else field
