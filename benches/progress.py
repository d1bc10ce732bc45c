"""Progress: says on standard error how far a long measure is, every few seconds. Standard output is for figures."""

import sys
import time
from dataclasses import dataclass, field
from typing import Final

INTERVAL_S: Final = 5.0


@dataclass(slots=True)
class Progress:
    """Tells nothing about what is over before the first interval is."""

    title: str
    total: int
    _begun: float = field(default_factory=time.monotonic)
    _told: float = field(default_factory=time.monotonic)

    def at(self, count: int) -> None:
        """Notes that `count` of `total` are done."""
        now = time.monotonic()
        if now - self._told >= INTERVAL_S:
            self._told = now
            rate = count / (now - self._begun)
            left_s = (self.total - count) / rate if rate else 0.0
            print(f"  {self.title}: {count:,} of {self.total:,}, {rate:,.0f}/s, {left_s:,.0f} s left", file=sys.stderr)

    def say(self, what: str) -> None:
        """Names the next step of something that takes long."""
        if time.monotonic() - self._begun >= INTERVAL_S:
            print(f"  {self.title}: {what}", file=sys.stderr)
