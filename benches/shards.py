"""Shards: the canonical workload in memory with the state divided, one thread for each part as far as there are cores.

Wall time is what counts here, and CPU time beside it says what the coming together costs. All rows end in one state.
"""

from pathlib import Path
from typing import Final

from benches import columns, in_process, workloads
from benches.process import Row, fastest
from benches.scale import Scale

SHARDS: Final = (1, 2, 4, 8, 16)


def run(folder: Path, scale: Scale, only: str) -> dict[str, Row]:
    """Rows `lines-N` and `columns-N` for N shards."""
    wanted = [f"{form}-{shards}" for form in ("lines", "columns") for shards in SHARDS]
    wanted = [name for name in wanted if only in ("", name)]
    files = workloads.write("peak", folder, scale) if wanted else None
    if files is None:
        return {}
    rows: dict[str, Row] = {}
    for name in wanted:
        form, shards = name.split("-")
        if form == "lines":
            checked = {"checked_events": scale.checked_events, "shards": int(shards)}
            rows[name] = fastest(scale.repeat, in_process.measure, **files.arguments, **checked)
        else:
            found = columns.case(files, scale, shards=int(shards))
            if isinstance(found, str):
                print(f"{name:<18} not measured: {found}")
                continue
            rows[name] = found
        rows[name]["shards"] = int(shards)
    return rows
