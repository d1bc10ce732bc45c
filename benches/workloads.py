"""Workloads: the files of events that are measured, drawn from a seed, with the balances they must lead to.

The growth curves have rows of their own (`rows`), because a hundred million lines fit into no file.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benches.scale import Scale
from tallystick.demo.journey import journey, transactions_path
from tallystick.demo.peak import ORDERS, Shape, peak
from tallystick.demo.workload import Workload

SHAPES: Final = {
    "peak": Shape(),
    "orders": ORDERS,
    "hot": Shape(hot_share=0.5),
    "wide": Shape(skus=500_000, zipf_exponent=0.0),  # 10 M positions, as many of them as there are events
    "dup": Shape(duplicate_share=1.0),
    # Plain sums: none of the peers knows effective time, or that two events speak of one order.
    "peers": Shape(counts=False, documents="none"),
}


@dataclass(frozen=True, slots=True)
class WorkloadFiles:
    """A workload on disk, as paths that another process can be told."""

    name: str
    title: str
    events: int
    path: str
    config: str
    """TOML tables for the engine."""
    expected: str
    """Parquet: one row per position, from a group-by over the drawn numbers."""

    @property
    def arguments(self) -> dict[str, Any]:
        """What a measured function needs."""
        return {"path": self.path, "config": self.config, "expected": self.expected}


def write(name: str, folder: Path, scale: Scale, *, events: int | None = None) -> WorkloadFiles | None:
    """Writes one workload into `folder`. None if its data is not installed (`journey` alone)."""
    if name == "journey":
        sales = transactions_path()
        if sales is None:
            return None
        made = journey(sales, folder, seed=scale.seed, small=scale.journey == "small")
    else:
        made = peak(folder, events=events or scale.events, seed=scale.seed, shape=SHAPES[name], name=name)
    return _files(made, folder)


def _files(made: Workload, folder: Path) -> WorkloadFiles:
    expected = folder / f"{made.name}.parquet"
    made.expected.write_parquet(expected)
    return WorkloadFiles(made.name, made.title, made.events, str(made.path), made.engine_config, str(expected))
