"""Status: what the daemon says of itself, to `tallystick status`, to its probes and to whoever asks over the bus.

It looks at nothing by itself; the pipeline fills it in.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from tallystick.daemon.blockages import Blockage

READY_LAG_S: Final = 10.0
"""Whoever is further behind the log's end than this is still catching up, and not ready."""


@dataclass(frozen=True, slots=True)
class Taken:
    """The newest snapshot."""

    sequence: int
    """Log sequence that it reflects; 0: there is none."""
    at: float | None
    """When this process wrote it, in seconds since 1970; None: an earlier one did, or none is there."""
    took_s: float
    bytes_total: int


@dataclass(frozen=True, slots=True)
class Status:
    """How the daemon is."""

    sequence: int
    """Log sequence that is applied."""
    stream_end: int
    """The last log sequence that is known of."""
    log_time_ns: int
    """Of the last message that was applied."""
    published_sequence: int
    """Log sequence through which everything is stored in the output streams."""
    events: int
    outcomes: Mapping[str, int]
    positions: int
    snapshot: Taken
    blocked: tuple[Blockage, ...]
    answers: int
    answers_failed: int
    ticks: int
    is_stopping: bool
    config_fingerprint: str
    connection: Mapping[str, Any]
    """State, since when, and why it was not there."""
    intake_closed: str | None
    """Why nothing can be put into the log; None: it can."""

    @property
    def lag(self) -> int:
        """Messages after the last one that is applied."""
        return self.stream_end - self.sequence

    def lag_s(self, now: float) -> float:
        """How old the last applied message is while there are newer ones; 0 for who has caught up."""
        return max(0.0, now - self.log_time_ns / 1e9) if self.lag > 0 and self.log_time_ns else 0.0

    def why_not_ready(self, now: float) -> list[str]:
        """Why nobody should rely on this daemon just now; empty: it is ready."""
        reasons = [f"{blockage.what}: {blockage.reason}" for blockage in self.blocked]
        if self.is_stopping:
            reasons.append("it is stopping")
        if (behind_s := self.lag_s(now)) > READY_LAG_S:
            reasons.append(f"it is {self.lag:,} messages and {behind_s:.0f} s behind the log's end")
        return reasons

    def state(self, now: float) -> str:
        """The whole in one word: `stopping`, `blocked`, `catching up` or `running`."""
        if self.is_stopping:
            return "stopping"
        if self.blocked:
            return "blocked"
        return "catching up" if self.lag_s(now) > READY_LAG_S else "running"

    def as_dict(self, now: float) -> dict[str, Any]:
        """All of it for JSON; `now` in seconds since 1970."""
        reasons = self.why_not_ready(now)
        taken = self.snapshot
        return {
            "state": self.state(now),
            "ready": not reasons,
            "not_ready": reasons,
            "sequence": self.sequence,
            "stream_end": self.stream_end,
            "lag": self.lag,
            "lag_s": round(self.lag_s(now), 3),
            "published_sequence": self.published_sequence,
            "unpublished": self.sequence - self.published_sequence,
            "events": self.events,
            "outcomes": dict(self.outcomes),
            "positions": self.positions,
            "snapshot_sequence": taken.sequence,
            "snapshot": {
                "sequence": taken.sequence,
                "at": clock(taken.at) if taken.at else None,
                "age_s": round(now - taken.at, 1) if taken.at else None,
                "took_s": round(taken.took_s, 3) if taken.at else None,
                "bytes": taken.bytes_total if taken.at else None,
            },
            "blocked": [
                {"what": one.what, "reason": one.reason, "cure": one.cure, "since": clock(one.since)}
                for one in self.blocked
            ],
            "answers": self.answers,
            "answers_failed": self.answers_failed,
            "ticks": self.ticks,
            "config_fingerprint": self.config_fingerprint,
            "connection": dict(self.connection),
            "intake_closed": self.intake_closed,
        }


def clock(seconds: float) -> str:
    """A time for JSON: RFC 3339 in UTC, to the second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
