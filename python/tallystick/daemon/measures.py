"""Measures: how long messages take on their way, and what was counted before this process began.

Events and messages are counted in the engine's call. Here nothing is done per event: one entry per batch waits until
the output streams have it. A daemon without metrics does not have this.
"""

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tallystick._engine import Engine, Inbox

_NANOSECONDS: Final = 1e9
WAITING_MAX: Final = 4_096
"""Batches that wait to be stored; beyond it the newest are taken together, at the time of the first."""


class Measures:
    """What is measured of one daemon."""

    def __init__(self) -> None:
        from tallystick._engine import Inbox

        self._inbox = Inbox(1)
        self._inbox.measure()
        bounds_ns, *_ = self._inbox.delays()["log_to_applied"]
        self.bounds_s: Final = [bound / _NANOSECONDS for bound in bounds_ns]
        """Below which the buckets end; the last one has no such bound."""
        self.applied_to_published = [0] * (len(self.bounds_s) + 1)
        """Messages by bucket."""
        self.applied_to_published_sum_s = 0.0
        self.restored_outcomes: Mapping[str, int] = {}
        """What the snapshot had counted by outcome. A counter begins with the process: after a crash a sum of all that
        was ever counted would fall, and whoever computes rates would take that for a beginning from zero."""
        self.restored_sources: Mapping[str, Mapping[str, int]] = {}
        """The same by source."""
        self._waiting: deque[tuple[int, int, float]] = deque()
        """Of each batch: its last log sequence, its messages, and when it was applied."""

    def measure(self, inbox: "Inbox") -> None:
        """Counts the delays of what is applied from an inbox."""
        inbox.measure()
        self._inbox = inbox

    def delays(self) -> dict[str, tuple[list[int], float]]:
        """Counts by bucket and their sum in seconds, by what lies between: `effective_to_log`, and so on."""
        counted = {name: (counts, sum_ns / _NANOSECONDS) for name, (_, counts, sum_ns) in self._inbox.delays().items()}
        own = (self.applied_to_published, self.applied_to_published_sum_s)
        return counted | {"applied_to_published": own}

    def note_restored(self, engine: "Engine") -> None:
        """Notes what was counted before."""
        self.restored_outcomes = engine.outcome_totals()
        self.restored_sources = {one["source"]: one.get("outcomes", {}) for one in engine.sources()}

    def note_applied(self, before: int, through: int, at: float) -> None:
        """Notes a batch of messages after `before`, applied at a time of the monotonic clock."""
        messages = through - before
        if len(self._waiting) >= WAITING_MAX:
            _, more, at = self._waiting.pop()
            messages += more
        self._waiting.append((through, messages, at))

    def note_published(self, through: int, at: float) -> None:
        """Notes that the output streams have all up to a log sequence, since a time of the monotonic clock."""
        while self._waiting and self._waiting[0][0] <= through:
            _, messages, applied_at = self._waiting.popleft()
            delay_s = max(0.0, at - applied_at)
            place = next((place for place, bound in enumerate(self.bounds_s) if delay_s < bound), len(self.bounds_s))
            self.applied_to_published[place] += messages
            self.applied_to_published_sum_s += messages * delay_s
