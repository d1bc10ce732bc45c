"""Targets: what `docs/speed.md` promises: ratios of rows that were measured in turns, of which the median counts.

A target whose rows were not measured says nothing. A missed one is said aloud and changes no exit status: speed is
never a test.
"""

from collections.abc import Callable, Iterable
from statistics import median
from typing import Any, Final, NamedTuple

from benches.process import Row
from benches.turns import of_turns

Rows = dict[str, Row]


class Target(NamedTuple):
    """One line of the table of targets."""

    suite: str
    what: str
    bound: float
    at_least: bool
    """Whether more is better."""
    found: Callable[[Rows], list[float]]
    """What each turn came to."""


def _divided(one: Row, other: Row, figure: str = "events_per_s", below: str = "events_per_s") -> list[float]:
    """Turn by turn: what the machine did meanwhile falls out."""
    pairs = zip(of_turns(one, figure), of_turns(other, below), strict=True)
    return [above / under for above, under in pairs]


def _ratio(one: str, other: str) -> Callable[[Rows], list[float]]:
    return lambda rows: _divided(rows[one], rows[other])


def _figure(name: str, figure: str, unit: float = 1.0) -> Callable[[Rows], list[float]]:
    return lambda rows: [value / unit for value in of_turns(rows[name], figure)]


def _largest(prefix: str, rows: Rows) -> str:
    return max((name for name in rows if name.startswith(prefix)), key=lambda name: int(name.split("-")[1]))


def _smallest(prefix: str, rows: Rows) -> str:
    return min((name for name in rows if name.startswith(prefix)), key=lambda name: int(name.split("-")[1]))


def _curve(prefix: str) -> Callable[[Rows], list[float]]:
    def found(rows: Rows) -> list[float]:
        largest, smallest = _largest(prefix, rows), _smallest(prefix, rows)
        if largest == smallest:
            raise ValueError("one point is no curve")
        return _divided(rows[largest], rows[smallest])

    return found


def _at_largest(prefix: str, figure: str, unit: float = 1.0) -> Callable[[Rows], list[float]]:
    return lambda rows: _figure(_largest(prefix, rows), figure, unit)(rows)


def _replay(prefix: str) -> Callable[[Rows], list[float]]:
    def found(rows: Rows) -> list[float]:
        row = rows[_largest(prefix, rows)]
        return _divided(row, row, "replay_events_per_s")

    return found


TARGETS: Final = (
    Target("in-process", "NDJSON in memory, times plain Python", 10, True, _ratio("engine-peak", "python-peak")),
    Target("in-process", "NDJSON in memory, M events/s", 5, True, _figure("engine-peak", "events_per_s", 1e6)),
    Target("in-process", "columns in memory, times plain Python", 25, True, _ratio("columns-peak", "python-peak")),
    Target("in-process", "columns in memory, M events/s", 12, True, _figure("columns-peak", "events_per_s", 1e6)),
    Target("in-process", "one hot SKU, share of the Zipf rate", 0.9, True, _ratio("engine-hot", "engine-peak")),
    Target("growth", "10 M positions or the most measured, share of the small rate", 0.5, True, _curve("positions-")),
    Target("growth", "100 M keys or the most measured, share of the small rate", 0.5, True, _curve("keys-")),
    Target("growth", "bytes per key, most keys", 24, False, _at_largest("keys-", "bytes_per_key")),
    Target("growth", "bytes per position, most positions", 128, False, _at_largest("positions-", "bytes_per_position")),
    Target("growth", "restore, GB/s, most keys", 1, True, _at_largest("keys-", "restore_bytes_per_s", 1e9)),
    Target("growth", "replay after restore, share of the rate before, most keys", 0.9, True, _replay("keys-")),
    Target("bus", "1 event per message, share of the bare pull rate", 0.85, True, _ratio("daemon-1", "pull-1")),
    Target("bus", "1 event per message, times the nats-py fetch loop", 14, True, _ratio("daemon-1", "fetch-1")),
    Target("bus", "1 event per message, own CPU in µs/event", 0.5, False, _figure("daemon-1", "cpu_ns_per_event", 1e3)),
    Target("bus", "256 per message, share of the rate in memory", 0.75, True, _ratio("daemon-256", "engine-256")),
    Target("bus", "256 per message, M events/s", 3, True, _figure("daemon-256", "events_per_s", 1e6)),
    *(
        Target("latency", f"100,000 events/s{also}, {name} in ms", bound, False, _figure(row, f"{name}_ms"))
        for row, also in (("rate-100000", ""), ("rate-100000-snapshots", " with snapshots"))
        for name, bound in (("p50", 2), ("p99", 10), ("p99.9", 25))
    ),
    Target("promise", "2,000 requests/s, p50 in ms", 3, False, _figure("rate-2000", "p50_ms")),
    Target("promise", "2,000 requests/s, p99 in ms", 15, False, _figure("rate-2000", "p99_ms")),
    Target("promise", "requests pipelined, K/s", 20, True, _figure("pipelined", "events_per_s", 1e3)),
)


def judge(suite: str, rows: Rows, targets: Iterable[Target] = TARGETS) -> list[dict[str, Any]]:
    """The targets of a suite whose rows were measured, each with what was found."""
    judged = []
    for target in targets:
        if target.suite != suite:
            continue
        try:
            turns = target.found(rows)
        except (KeyError, ValueError, TypeError):  # A row that it needs was not measured, or saw no end.
            continue
        found = median(turns)
        met = found >= target.bound if target.at_least else found <= target.bound
        judged.append({"what": target.what, "target": target.bound, "at_least": target.at_least,
                       "found": round(found, 3), "lowest": round(min(turns), 3), "highest": round(max(turns), 3),
                       "turns": len(turns), "met": met})  # fmt: skip
    return judged


def show(judged: Iterable[dict[str, Any]]) -> None:
    """Prints one line per target, and by how much a missed one is missed."""
    for row in judged:
        sign = "≥" if row["at_least"] else "≤"
        factor = row["target"] / row["found"] if row["at_least"] else row["found"] / row["target"]
        verdict = "met" if row["met"] else f"missed by a factor of {factor:.2f}"
        spread = f", {row['lowest']:,} to {row['highest']:,} in {row['turns']} turns" if row["turns"] > 1 else ""
        print(f"  target: {row['what']}: {row['found']:,} ({sign} {row['target']}{spread}) {verdict}")
