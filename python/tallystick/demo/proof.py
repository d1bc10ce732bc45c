"""Proof: the final ledger against the raw numbers. Each check states what was expected and what was found."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from tallystick.demo.workload import Workload

if TYPE_CHECKING:
    from tallystick import Engine

SCALE = 1_000
_SAID = {"late": "applied, but late", "pending_approval": "waiting for approval"}
_KEY = ["sku", "location"]


@dataclass(frozen=True, slots=True)
class Check:
    """One sentence of the proof."""

    what: str
    expected: int | str
    found: int | str

    @property
    def holds(self) -> bool:
        """Whether the ledger says what the raw numbers say."""
        return self.expected == self.found


def ledger_frame(engine: "Engine") -> pl.DataFrame:
    """The ledger as a frame: one row per position, accounts in thousandths of a unit."""
    claims = ("reserved", "allocated", "ordered", "unpicked")
    accounts = ("on_hand", *claims, "picked", "in_transit", "quarantine", "damaged", "atp")
    thousandths = {f"{account}_thousandths": account for account in accounts}
    return pl.DataFrame(engine.columns()).select(*_KEY, *thousandths).rename(thousandths)


def positions_different(ledger: pl.DataFrame, expected: pl.DataFrame) -> pl.DataFrame:
    """The positions on which the two disagree: another balance, missing from the ledger, or not to be there at all."""
    accounts = [name for name in expected.columns if name not in _KEY]
    both = expected.join(ledger.with_columns(in_ledger=True), on=_KEY, how="full", coalesce=True, suffix="_found")
    must_be_there = pl.any_horizontal(pl.col(account).is_not_null() for account in accounts)
    is_there = pl.col("in_ledger").fill_null(False)
    another = pl.any_horizontal((pl.col(a) * SCALE).ne_missing(pl.col(f"{a}_found")) for a in accounts)
    return both.filter((must_be_there != is_there) | (must_be_there & another))


def prove(workload: Workload, ledger: pl.DataFrame, outcomes: Mapping[str, int]) -> list[Check]:
    """Compares every position and every count of outcomes with what the workload says they must be."""
    different = positions_different(ledger, workload.expected)
    accepted = outcomes.get("applied", 0) + outcomes.get("absorbed", 0)
    refusals = {name for name, count in outcomes.items() if count} - {"applied", "absorbed", "duplicate"}
    return [
        Check(f"positions different, of {workload.expected.height:,}", 0, different.height),
        Check("events applied, or absorbed by a count", workload.accepted, accepted),
        Check("duplicates recognised", workload.duplicates, outcomes.get("duplicate", 0)),
        *(
            Check(_SAID.get(name, f"refused as {name}"), workload.refused.get(name, 0), outcomes.get(name, 0))
            for name in sorted(refusals | workload.refused.keys())
        ),
    ]
