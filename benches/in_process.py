"""In process: NDJSON in memory through the engine on one core, on every workload; beside it what else does such work.

A case takes a workload and gives a row. All cases that end with a ledger must end in the same state.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from benches import columns, figures, operations, workloads
from benches.meter import Meter
from benches.peers import plain_python
from benches.process import Row
from benches.scale import Scale
from benches.turns import Measure, fresh, in_turns, measurable
from benches.workloads import WorkloadFiles
from tallystick import Engine, Reference
from tallystick.files.lines import line_blocks

BLOCK_BYTES: Final = 1 << 20
WORKLOADS: Final = (("peak", "hot"), ("orders",), ("wide",), ("dup",), ("journey",))
"""Those whose rows are compared are measured in the same turns."""


def run(folder: Path, scale: Scale, only: str) -> dict[str, Row]:
    """One row per case and workload, `CASE-WORKLOAD`."""
    rows: dict[str, Row] = {}
    for names in WORKLOADS:
        cases: dict[str, Measure | str] = {}
        written: list[WorkloadFiles] = []
        for name in names:
            made = CASES | CASES_OF.get(name, {})
            wanted = {f"{case}-{name}": make for case, make in made.items() if only in ("", f"{case}-{name}")}
            files = workloads.write(name, folder, scale) if wanted else None
            if wanted and files is None:
                print(f"{name:<18} not measured: its data is not installed")
            if files is not None:
                written.append(files)
                cases |= {row_name: make(files, scale) for row_name, make in wanted.items()}
        rows |= in_turns(f"in-process, {' and '.join(names)}", measurable(cases), scale.repeat)
        for files in written:
            Path(files.path).unlink()
    return rows


def measure(path: str, config: str, expected: str, checked_events: int, shards: int = 1) -> Row:
    """Applies the whole file, then proves the balances: reference for a prefix, group-by for everything.

    Raises ValueError when either of them disagrees.
    """
    with Path(path).open("rb") as file:
        blocks = [block.data for block in line_blocks(file, BLOCK_BYTES)]
    # The first call of a process imports NumPy; that is no work on events.
    Engine(config).apply(blocks[0], 1, event_times=True)
    engine = Engine(config, shards=shards)
    events = 0
    with Meter() as meter:
        for block in blocks:
            events += len(engine.apply(block, events + 1, event_times=True))
    row = meter.figures(events)
    check_balances(engine, expected)
    return {
        **row,
        "bytes_per_event": round(sum(map(len, blocks)) / events, 1),
        "outcomes": {name: count for name, count in engine.outcome_totals().items() if count},
        **figures.of_ledger(engine),
        **check_prefix(Path(path), config, checked_events),
    }


def check_prefix(path: Path, config: str, events: int) -> Row:
    """Runs engine and reference over the first `events` events of the file. Raises ValueError if they differ."""
    with path.open("rb") as file:
        lines = b"".join(line for line, _ in zip(file, range(events), strict=False))
    engine, reference = Engine(config), Reference(config)
    engine.apply(lines, 1, event_times=True)
    checked = len(reference.apply(lines, 1, event_times=True))
    if engine.state_hash() != reference.state_hash():
        raise ValueError(f"engine and reference disagree after {checked:,} events of {path.name}: no figure is valid")
    return {"checked_events": checked, "checked_state_hash": reference.state_hash()}


def check_balances(engine: Engine, expected: str) -> None:
    """Compares every position with the group-by over the drawn numbers. Raises ValueError if one differs."""
    import polars as pl

    from tallystick.demo.proof import ledger_frame, positions_different

    different = positions_different(ledger_frame(engine), pl.read_parquet(expected)).height
    if different:
        raise ValueError(f"{different:,} positions differ from the group-by of the input: no figure is valid")


def _engine(files: WorkloadFiles, scale: Scale) -> Measure:
    one = fresh(measure, **files.arguments, checked_events=scale.checked_events)
    return lambda: one() | {"workload": files.title}


def _python(files: WorkloadFiles, scale: Scale) -> Measure:
    del scale
    return fresh(plain_python.measure, path=files.path)


Case = Callable[[WorkloadFiles, Scale], Measure | str]
"""Returns what is to be run, or why there is nothing."""
CASES: Final[dict[str, Case]] = {"engine": _engine}
CASES_OF: Final[dict[str, dict[str, Case]]] = {
    "peak": {
        "columns": columns.case,
        "python": _python,
        **{name: partial(operations.case, name) for name in ("decode", "dedup", "apply", "query")},
    },
    "orders": {"columns": columns.case, "apply": partial(operations.case, "apply")},
}
"""What is measured on one workload alone: everything on the canonical one, what claims cost on that of orders."""
