"""Peak: the canonical synthetic workload, a distributor's worst hour, drawn from a seed.

100,000 SKUs at 20 locations, SKUs by Zipf 1.1, all warehouse and shop movements mixed, 3 % duplicates within 5,000
events, 1 % out of order within 1,000, 0.1 % that must be refused. The expectation is a group-by over the drawn numbers.
A `Shape` of its own makes variants for the benchmarks: one hot SKU, many positions, many duplicates, and `ORDERS`, in
which events name the documents and lines that real ones would.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from tallystick.demo.workload import DUPLICATE_SHARE, Workload, json_object, quoted, write_lines

OUT_OF_ORDER_SHARE = 0.01
OUT_OF_ORDER_WINDOW = 1_000
DUPLICATE_WINDOW = 5_000
REFUSED_SHARE = 0.001

ENGINE_CONFIG = """\
# The drawn times lie in the past, so every source is a load of history. Stock is drawn at random and goes below
# zero at will: that is no finding here.
[engine]
max_age = "none"
negative_stock = "allow"
"""

_START = np.datetime64("2026-01-05T08:00:00.000", "ms")
_STEP_MS = 1


@dataclass(frozen=True, slots=True)
class Shape:
    """What makes one variant differ from another."""

    skus: int = 100_000
    locations: int = 20
    zipf_exponent: float = 1.1
    """0: every SKU is as likely as the next."""
    hot_share: float = 0.0
    """Share of the events that fall on the first SKU, whatever Zipf says."""
    duplicate_share: float = DUPLICATE_SHARE
    """Repetitions per accepted event."""
    counts: bool = True
    """Whether stock is counted; without counts, balances are plain sums."""
    documents: Literal["each", "orders", "none"] = "each"
    """`each`: every event has a document of its own, so that none follows another. `orders`: what reserves, allocates,
    picks, ships and unreserves the same goods names the same line of an order; sales, transfers and receipts of
    purchase orders name theirs. `none`: no event names any."""


CANONICAL = Shape()
ORDERS = Shape(documents="orders")


@dataclass(frozen=True, slots=True)
class Kind:
    """One row of the mix: what it posts, as (account, sign, at the other location?)."""

    type: str
    share: float
    postings: tuple[tuple[str, int, bool], ...]
    quantity_max: int = 5
    from_status: str | None = None
    papers: str | None = "SO"
    """How its documents begin; None: it has none where events have real ones."""


MIX = (
    Kind("stock.reserved", 0.35, (("reserved", 1, False),)),
    Kind("stock.allocated", 0.10, (("reserved", -1, False), ("allocated", 1, False)), from_status="reserved"),
    Kind("stock.picked", 0.12, (("on_hand", -1, False), ("picked", 1, False), ("allocated", -1, False))),
    Kind("stock.shipped", 0.12, (("picked", -1, False),)),
    Kind("stock.unreserved", 0.08, (("reserved", -1, False),)),
    Kind("stock.received", 0.08, (("on_hand", 1, False),), quantity_max=60, papers="PO"),
    Kind("stock.sold", 0.06, (("on_hand", -1, False),)),
    Kind("stock.adjusted", 0.03, (("on_hand", 1, False),), papers=None),
    Kind("transfer.dispatched", 0.015, (("on_hand", -1, False), ("in_transit", 1, True)), papers="TO"),
    Kind("transfer.received", 0.015, (("in_transit", -1, False), ("on_hand", 1, False)), papers="TI"),
    Kind("stock.returned", 0.02, (("quarantine", 1, False),), papers="RMA"),
    Kind("stock.counted", 0.01, (), quantity_max=100, papers=None),
)
ACCOUNTS = ("on_hand", "reserved", "allocated", "picked", "in_transit", "quarantine", "unpicked")
CLAIMS = ("reserved", "allocated", "unpicked")
LINES_PER_DOCUMENT = 4
_RESERVED, _ALLOCATED, _PICKED, _SHIPPED, _UNRESERVED = range(5)
_COUNTED = len(MIX) - 1
_REFUSALS = {1: "quantity_invalid", 2: "unknown_type", 3: "malformed"}


def peak(folder: Path, *, events: int, seed: int, shape: Shape = CANONICAL, name: str = "peak") -> Workload:
    """Draws about `events` events, duplicates included, and writes them into `folder`."""
    rng = np.random.default_rng(seed)
    drawn = _drawn(rng, round(events / (1 + shape.duplicate_share)), shape)
    valid = (drawn["refusal"] == 0).to_numpy()
    # Only a few events leave their place, each by up to the window; the rest keep the order of their times.
    late = np.where(rng.random(drawn.height) < OUT_OF_ORDER_SHARE, rng.uniform(0, OUT_OF_ORDER_WINDOW, drawn.height), 0)
    ordered = drawn[np.argsort(np.arange(drawn.height) + late, kind="stable")]
    order, repeated = _with_repetitions(rng, (ordered["refusal"] == 0).to_numpy(), shape.duplicate_share)
    path = folder / f"{name}.ndjson"
    write_lines(path, ordered.select(_line(shape).alias("json"))["json"][order])
    return Workload(
        name=name,
        title=f"a synthetic peak hour, {shape.skus:,} SKUs at {shape.locations} locations",
        path=path,
        accepted=int(valid.sum()),
        duplicates=repeated,
        refused={name: int((drawn["refusal"] == code).sum()) for code, name in _REFUSALS.items()},
        expected=expected_positions(drawn.filter(pl.Series(valid)), shape),
        engine_config=ENGINE_CONFIG,
    )


def _with_repetitions(rng: np.random.Generator, may_repeat: np.ndarray, share: float) -> tuple[np.ndarray, int]:
    """Row numbers in their final order, some of them twice, and how many repetitions there are."""
    place = np.arange(len(may_repeat))
    eligible = np.flatnonzero(may_repeat)
    repeated = rng.choice(eligible, round(len(eligible) * share), replace=False)
    repeated_place = repeated + rng.uniform(0, DUPLICATE_WINDOW, len(repeated))
    order = np.argsort(np.concatenate([place, repeated_place]), kind="stable")
    return np.concatenate([place, repeated])[order], len(repeated)


def _drawn(rng: np.random.Generator, events: int, shape: Shape) -> pl.DataFrame:
    """The events as plain numbers, in the order of their times."""
    weights = np.arange(1, shape.skus + 1, dtype=np.float64) ** -shape.zipf_exponent
    shares = np.array([kind.share for kind in MIX])
    if not shape.counts:
        shares[_COUNTED] = 0
    kind = rng.choice(len(MIX), events, p=shares / shares.sum())
    quantity = 1 + (rng.random(events) * np.array([kind.quantity_max for kind in MIX])[kind]).astype(np.int64)
    signed = np.array([kind.type == "stock.adjusted" for kind in MIX])[kind]
    quantity = np.where(signed & (rng.random(events) < 0.5), -quantity, quantity)
    location = rng.integers(0, shape.locations, events)
    refused = (rng.random(events) < REFUSED_SHARE) & (kind != _COUNTED)  # a count of zero is a good count
    sku = np.searchsorted(np.cumsum(weights) / weights.sum(), rng.random(events))
    drawn = pl.DataFrame(
        {
            "number": np.arange(events),
            "line": np.arange(events),
            "kind": kind,
            "sku": np.where(rng.random(events) < shape.hot_share, 0, sku),
            "location": location,
            "to_location": (location + rng.integers(1, shape.locations, events)) % shape.locations,
            "quantity": quantity,
            "time": _START + np.arange(events) * _STEP_MS,
            "refusal": np.where(refused, rng.integers(1, 4, events), 0),
        }
    )
    return _in_orders(rng, drawn) if shape.documents == "orders" else drawn


def _in_orders(rng: np.random.Generator, drawn: pl.DataFrame) -> pl.DataFrame:
    """Lets what is unreserved, allocated, picked and shipped be lines that were reserved before, as the shares allow.

    The few that find none are lines of their own, of which nothing was said before.
    """
    columns = {name: drawn[name].to_numpy().copy() for name in ("line", "sku", "location", "quantity")}
    kind = drawn["kind"].to_numpy()
    reserved = np.flatnonzero(kind == _RESERVED)
    of_reserved = [kind.share / MIX[_RESERVED].share for kind in MIX]
    given_up, picked, allocated = (of_reserved[step] for step in (_UNRESERVED, _PICKED, _ALLOCATED))
    fate = rng.random(len(reserved))
    goes = (given_up <= fate) & (fate < given_up + picked)
    lives = {
        _UNRESERVED: reserved[fate < given_up],
        _ALLOCATED: reserved[goes & (fate < given_up + allocated)],
        _PICKED: reserved[goes],
        _SHIPPED: reserved[goes],
    }
    for delay, step in enumerate((_ALLOCATED, _UNRESERVED, _PICKED, _SHIPPED), 1):
        events = np.flatnonzero(kind == step)
        # Both follow the clock, so a step that lags behind by some lines comes after what was reserved, mostly.
        lag = delay * len(events) // 50
        follows = min(len(events) - lag, len(lives[step]))
        for column in columns.values():
            column[events[lag : lag + follows]] = column[lives[step][:follows]]
    return drawn.with_columns(**{name: pl.Series(values) for name, values in columns.items()})


def _line(shape: Shape) -> pl.Expr:
    kind = pl.col("kind")
    types = kind.replace_strict(range(len(MIX)), [row.type for row in MIX], return_dtype=pl.String)
    dispatched = kind == next(index for index, row in enumerate(MIX) if row.type == "transfer.dispatched")
    claims = kind.is_in([index for index, row in enumerate(MIX) if row.from_status])
    refusal = pl.col("refusal")
    return json_object(
        id=pl.concat_str([pl.lit('"e-'), _padded("number", 9), pl.lit('"')]),
        source=pl.concat_str([pl.lit('"wms-'), _padded("location", 2), pl.lit('"')]),
        type=pl.concat_str(
            [pl.lit('"'), types, pl.when(refusal == 2).then(pl.lit(".unheard")).otherwise(pl.lit("")), pl.lit('"')]
        ),
        time=quoted(pl.col("time").dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")),
        sku=_sku(),
        location=_location("location"),
        # The fields that only some types have follow the quantity.
        **_document(shape),
        quantity=pl.concat_str(
            [
                pl.when(refusal == 1).then(pl.lit("0"))
                .when(refusal == 3).then(pl.lit('"a dozen"'))
                .otherwise(pl.col("quantity").cast(pl.String)),
                pl.when(dispatched).then(pl.concat_str([pl.lit(',"to_location":'), _location("to_location")]))
                .when(claims).then(pl.lit(',"from_status":"reserved"'))
                .otherwise(pl.lit("")),
                _document_line() if shape.documents == "orders" else pl.lit(""),
            ]
        ),
    )  # fmt: skip


def _document(shape: Shape) -> dict[str, pl.Expr]:
    """The member that every event has where each has a document of its own."""
    if shape.documents != "each":
        return {}
    return {"document": pl.concat_str([pl.lit('"SO-'), _padded("number", 6), pl.lit('"')])}


def _document_line() -> pl.Expr:
    """Document and line of the events that have them."""
    papers = pl.col("kind").replace_strict(range(len(MIX)), [row.papers or "" for row in MIX], return_dtype=pl.String)
    document = (pl.col("line") // LINES_PER_DOCUMENT).cast(pl.String).str.zfill(6)
    line = (pl.col("line") % LINES_PER_DOCUMENT + 1).cast(pl.String)
    named = pl.concat_str([pl.lit(',"document":"'), papers, pl.lit("-"), document, pl.lit('","line":'), line])
    return pl.when(papers == "").then(pl.lit("")).otherwise(named)


def _padded(column: str, digits: int) -> pl.Expr:
    return pl.col(column).cast(pl.String).str.zfill(digits)


def _sku() -> pl.Expr:
    return pl.concat_str([pl.lit('"SKU-'), _padded("sku", 6), pl.lit('"')])


def _location(column: str) -> pl.Expr:
    return pl.concat_str([pl.lit('"DC-'), _padded(column, 2), pl.lit('"')])


def expected_positions(drawn: pl.DataFrame, shape: Shape = CANONICAL) -> pl.DataFrame:
    """Balances by group-by: per position the latest count, then the movements after it; claims have no barrier."""
    counts = (
        drawn.filter(pl.col("kind") == _COUNTED)
        .sort("time")
        .group_by("sku", "location")
        .agg(pl.col("time").last().alias("counted_at"), pl.col("quantity").last().alias("counted"))
    )
    legs = [counts.select("sku", "location", account=pl.lit("on_hand"), quantity="counted"), *_claims(drawn, shape)]
    for index, kind in enumerate(MIX):
        events = drawn.filter(pl.col("kind") == index)
        for account, sign, elsewhere in kind.postings:
            if account in CLAIMS and shape.documents != "none":
                continue
            place = "to_location" if elsewhere else "location"
            leg = events.select("sku", "time", location=place, quantity=pl.col("quantity") * sign)
            if account == "on_hand":
                leg = leg.join(counts, on=["sku", "location"], how="left").with_columns(
                    quantity=pl.when(pl.col("time") <= pl.col("counted_at")).then(0).otherwise(pl.col("quantity"))
                )
            legs.append(leg.select("sku", "location", account=pl.lit(account), quantity="quantity"))
        # A shipment or a claim makes a position even if all its accounts come back to zero.
        legs.append(events.select("sku", "location", account=pl.lit("on_hand"), quantity=pl.lit(0, pl.Int64)))
    totals = pl.concat(legs).group_by("sku", "location")
    sums = [pl.col("quantity").filter(pl.col("account") == account).sum().alias(account) for account in ACCOUNTS]
    return totals.agg(sums).select(
        pl.concat_str([pl.lit("SKU-"), _padded("sku", 6)]).alias("sku"),
        pl.concat_str([pl.lit("DC-"), _padded("location", 2)]).alias("location"),
        *ACCOUNTS,
    )


def _claims(drawn: pl.DataFrame, shape: Shape) -> list[pl.DataFrame]:
    """What lines claim, one by one (docs/claims.md §2), and what was shipped and not picked.

    Without documents a position is one line that only says what was not picked: claims are accounts.
    """
    names = ["sku", "location", *(["line"] if shape.documents != "none" else [])]
    steps = drawn.filter(pl.col("kind") <= _UNRESERVED).group_by(names).agg(
        pl.col("quantity").filter(pl.col("kind") == index).sum().alias(name)
        for index, name in enumerate(("soft", "hard", "picked", "shipped", "unreserved"))
    )  # fmt: skip
    gone = pl.max_horizontal("picked", "shipped")
    soft = pl.col("soft") - (pl.col("unreserved") - gone).clip(0)
    claims = steps.with_columns(
        unpicked=(pl.col("shipped") - pl.col("picked")).clip(0),
        allocated=(pl.col("hard") - gone).clip(0),
        claimed=(pl.max_horizontal(soft, "hard") - gone).clip(0),
    ).with_columns(reserved=pl.col("claimed") - pl.col("allocated"))
    shown = CLAIMS if shape.documents != "none" else ("unpicked",)
    return [claims.select("sku", "location", account=pl.lit(name), quantity=name) for name in shown]
