"""Workload: a file of events together with what an honest ledger must make of it.

The expectation comes from the raw numbers, by group-by; nothing here knows the engine.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

DUPLICATE_SHARE = 0.03


@dataclass(frozen=True, slots=True)
class Workload:
    """Events on disk, and the answers to hold the ledger against."""

    name: str
    title: str
    path: Path
    accepted: int
    """Elements that must come out `applied`, or `absorbed` by a count."""
    duplicates: int
    refused: dict[str, int]
    """How many elements must get each refusal; no other may occur."""
    expected: pl.DataFrame
    """One row per position that the input names: `sku`, `location`, and one column per account in units,
    null where the position must not exist."""
    engine_config: str
    """TOML tables for the engine: sources that load history, a window wide enough for the log's time."""

    @property
    def events(self) -> int:
        """Elements in the file."""
        return self.accepted + self.duplicates + sum(self.refused.values())


def shuffled(
    events: pl.DataFrame,
    rng: np.random.Generator,
    *,
    shuffle_window: int,
    duplicate_window: int,
    may_repeat: np.ndarray,
) -> tuple[pl.DataFrame, int]:
    """Moves each event of `events` by up to `shuffle_window` places and repeats some of those that may be repeated.

    A repetition comes up to `duplicate_window` places later. Returns the events in their new order and the number
    of repetitions.
    """
    place = np.arange(events.height) + rng.uniform(0, shuffle_window, events.height)
    eligible = np.flatnonzero(may_repeat)
    repeated = rng.choice(eligible, round(len(eligible) * DUPLICATE_SHARE), replace=False)
    repeated_place = place[repeated] + rng.uniform(0, duplicate_window, len(repeated))
    order = np.argsort(np.concatenate([place, repeated_place]), kind="stable")
    return events[np.concatenate([np.arange(events.height), repeated])[order]], len(repeated)


def write_lines(path: Path, *parts: pl.Series) -> None:
    """Writes JSON lines that are already encoded, one per element of each part."""
    with path.open("wb") as file:
        for part in parts:
            part.to_frame().write_csv(file, include_header=False, quote_style="never")


def json_object(**fields: pl.Expr | str) -> pl.Expr:
    """Builds JSON objects out of columns, without visiting a row: strings are quoted, other columns are not.

    The strings must need no escaping: these are codes, not free text.
    """
    parts: list[pl.Expr] = []
    separator = "{"
    for name, value in fields.items():
        column = pl.lit(f'"{value}"') if isinstance(value, str) else value
        parts += [pl.lit(f'{separator}"{name}":'), column]
        separator = ","
    return pl.concat_str([*parts, pl.lit("}")])


def quoted(column: pl.Expr | str) -> pl.Expr:
    """A column as JSON strings."""
    expression = pl.col(column) if isinstance(column, str) else column
    return pl.concat_str([pl.lit('"'), expression.cast(pl.String), pl.lit('"')])
