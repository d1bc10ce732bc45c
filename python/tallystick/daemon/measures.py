"""Measures: how long messages take on their way, and what was counted before this process began.

Events and messages are counted in the engine's call. Here nothing is done per event: one entry per batch waits until
the output streams have it. A daemon without metrics does not have this.
"""

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from tallystick import exact_json

if TYPE_CHECKING:
    from tallystick._engine import Delays, Engine

WAITING_MAX: Final = 4_096
"""Batches that wait to be stored; beyond it the newest are taken together, at the time of the first."""


class Measures:
    """What is measured of one daemon."""

    def __init__(self) -> None:
        from tallystick import _engine

        self.delays: Delays = _engine.Delays()
        """What the engine's calls fill."""
        self.bounds_s: Final = [bound / 1e9 for bound in _engine.Delays.BOUNDS_NS]
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

    def note_restored(self, engine: "Engine") -> None:
        """Notes what was counted before."""
        self.restored_outcomes = engine.outcome_totals()
        self.restored_sources = {one["source"]: one["outcomes"] for one in exact_json.loads(engine.sources())}

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
