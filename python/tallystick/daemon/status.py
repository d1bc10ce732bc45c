"""Status: what the daemon says of itself, to `tallystick status`, to its probes and to whoever asks over the bus.

It looks at nothing by itself; the pipeline fills it in.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from tallystick.daemon.blockages import Blockage

READY_LAG_S: Final = 10.0
"""Whose distance from the log's end is longer is still catching up, and not ready."""


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
    requests_pending: int
    """Requests on their way into the log."""
    ticks: int
    reconnects: int
    is_connected: bool
    waiting_messages: int
    """Messages that arrived and wait to be applied."""
    unpublished_bytes: int
    """Output that waits to be stored, about."""
    published_messages: int
    """Stored in the output streams by this process."""
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
        if not self.is_connected:
            reasons.append("the server is away")
        if self.is_stopping:
            reasons.append("it is stopping")
        if (behind_s := self.lag_s(now)) > READY_LAG_S:
            reasons.append(f"it is {self.lag:,} messages and {behind_s:.0f} s behind the log's end")
        return reasons

    def headline(self, now: float) -> str:
        """The whole in one sentence for people."""
        state = self.state(now)
        if self.blocked:
            first = self.blocked[0]
            more = f" (and {len(self.blocked) - 1} more)" if len(self.blocked) > 1 else ""
            return f"{state}: {first.what} since {duration_text(now - first.since)}{more}: {first.reason}; {first.cure}"
        applied = f"{self.sequence:,} messages applied"
        if self.lag > 0:
            return f"{state}: {applied}, {self.lag:,} still to read"
        unpublished = self.sequence - self.published_sequence
        return f"{state}: {applied}, {f'{unpublished:,} not published yet' if unpublished else 'nothing waits'}"

    def state(self, now: float) -> str:
        """The whole in one word: `stopping`, `disconnected`, `blocked`, `catching up` or `running`."""
        if self.is_stopping:
            return "stopping"
        if not self.is_connected:
            return "disconnected"
        if self.blocked:
            return "blocked"
        return "catching up" if self.lag_s(now) > READY_LAG_S else "running"

    def as_dict(self, now: float) -> dict[str, Any]:
        """All of it for JSON; `now` in seconds since 1970."""
        reasons = self.why_not_ready(now)
        taken = self.snapshot
        return {
            "state": self.state(now),
            "headline": self.headline(now),
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
            "requests_pending": self.requests_pending,
            "ticks": self.ticks,
            "reconnects": self.reconnects,
            "waiting_messages": self.waiting_messages,
            "unpublished_bytes": self.unpublished_bytes,
            "published_messages": self.published_messages,
            "config_fingerprint": self.config_fingerprint,
            "connection": dict(self.connection),
            "intake_closed": self.intake_closed,
        }


def clock(seconds: float) -> str:
    """A time for JSON: RFC 3339 in UTC, to the second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def duration_text(seconds: float) -> str:
    """Seconds as people say them: `12 s`, `5 min`, `3 h`, `2 d`.

    >>> duration_text(12.4), duration_text(250)
    ('12 s', '4 min')
    """
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{max(0.0, seconds):,.0f} s"
