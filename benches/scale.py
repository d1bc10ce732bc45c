"""Scale: how much each benchmark does. Three sizes: tiny (for tests), modest (minutes), full (memory and patience)."""

from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class Scale:
    """One size of everything. Counts are events unless their name says otherwise."""

    events: int
    """Of the workloads in memory and of the bus."""
    checked_events: int
    """Prefix that the reference repeats: a short one, because it computes all lines of a SKU anew with every event."""
    journey: str
    """`small` or `whole`: how much of the real sales data."""
    positions: tuple[int, ...]
    """Points of the growth curve over positions."""
    keys: tuple[int, ...]
    """Points of the growth curve over remembered keys."""
    measured_events: int
    """Applied at each point of a growth curve, at its full size."""
    latency_rates: tuple[int, ...]
    """Events per second, open loop."""
    latency_preloaded: int
    """Events in the ledger before latency is measured, so that a snapshot has something to save."""
    latency_seconds: float
    peer_events: int
    fetched_events: int
    """The nats-py fetch loop is slow: it reads this many."""
    events_per_message: tuple[int, ...] = (1, 16, 256, 1_000)
    counted_events: int = field(default=20_000, kw_only=True)
    """Under callgrind, fifty times slower than in earnest."""
    surface_seconds: float = field(default=0.5, kw_only=True)
    """Of each case of the Python surface, at least."""
    promise_rate: int = field(default=2_000, kw_only=True)
    """Reservations per second, open loop."""
    promise_seconds: float = field(default=10.0, kw_only=True)
    promise_requests: int = field(default=200_000, kw_only=True)
    """As fast as the bus takes them."""
    blocked_rate: int = field(default=5_000, kw_only=True)
    """Events per second while the output is blocked."""
    blocked_seconds: float = field(default=600.0, kw_only=True)
    seed: int = field(default=1, kw_only=True)
    repeat: int = field(default=3, kw_only=True)
    """Runs of each case, in turns; the one of median time is the row, all are kept."""
    cargo_profile: str = field(default="release", kw_only=True)
    """How the program for single operations is built. Tests take `dev`: it is compiled with the tests in Rust."""


TINY: Final = Scale(
    4_000, 500, "small", (1_000,), (5_000,), 2_000, (2_000,), 2_000, 0.3, 2_000, 2_000, (1, 256), repeat=1,
    counted_events=500, surface_seconds=0.001, promise_rate=200, promise_seconds=0.5, promise_requests=2_000,
    cargo_profile="dev", blocked_rate=500, blocked_seconds=5.0,
)  # fmt: skip
MODEST: Final = Scale(
    1_000_000, 2_000, "small", (10_000, 100_000, 1_000_000), (1_000_000, 5_000_000), 500_000,
    (10_000, 50_000, 100_000, 200_000), 500_000, 5.0, 300_000, 200_000,
)  # fmt: skip
FULL: Final = Scale(
    3_000_000, 2_000, "whole", (10_000, 100_000, 1_000_000, 10_000_000),
    (1_000_000, 10_000_000, 30_000_000, 100_000_000), 1_000_000,
    (10_000, 50_000, 100_000, 200_000), 2_000_000, 20.0, 1_000_000, 500_000,
    counted_events=100_000, surface_seconds=2.0,
)  # fmt: skip
