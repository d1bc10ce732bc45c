"""Shards: the canonical workload in memory with the state divided, one thread for each part as far as there are cores.

Wall time is what counts here, and CPU time beside it says what the coming together costs. All rows end in one state.
"""

from pathlib import Path
from typing import Final

from benches import columns, in_process, workloads
from benches.process import Row
from benches.scale import Scale
from benches.turns import Measure, fresh, in_turns, measurable

SHARDS: Final = (1, 2, 4, 8, 16)


def run(folder: Path, scale: Scale, only: str) -> dict[str, Row]:
    """Rows `lines-N` and `columns-N` for N shards."""
    wanted = [f"{form}-{shards}" for form in ("lines", "columns") for shards in SHARDS]
    wanted = [name for name in wanted if only in ("", name)]
    files = workloads.write("peak", folder, scale) if wanted else None
    if files is None:
        return {}
    cases: dict[str, Measure | str] = {}
    for name in wanted:
        form, shards = name.split("-")
        if form == "lines":
            checked = {"checked_events": scale.checked_events, "shards": int(shards)}
            cases[name] = fresh(in_process.measure, **files.arguments, **checked)
        else:
            cases[name] = columns.case(files, scale, shards=int(shards))
    rows = in_turns("shards", measurable(cases), scale.repeat)
    return {name: row | {"shards": int(name.split("-")[1])} for name, row in rows.items()}
