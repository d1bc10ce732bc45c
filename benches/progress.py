"""Progress: says on standard error what is measured now, and how far it is. Standard output is for figures.

On a terminal each step is named as it begins; elsewhere only one that takes long, so that logs stay short.
"""

import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Final, Self

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


class Steps:
    """Names each of `total` steps. Used as a context manager."""

    def __init__(self, title: str, total: int) -> None:
        self._title, self._total, self._done = title, total, 0
        self._begun = time.monotonic()
        self._later: threading.Timer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._later is not None:
            self._later.cancel()

    def begin(self, what: str) -> None:
        """Notes that a step begins, and the one before it is done."""
        self.__exit__()
        left = ""
        if self._done:
            left_s = (time.monotonic() - self._begun) / self._done * (self._total - self._done)
            left = f", about {left_s:,.0f} s left"
        self._done += 1
        line = f"  {self._title}: {what} ({self._done} of {self._total}{left})"
        if sys.stderr.isatty():
            print(line, file=sys.stderr, flush=True)
            return
        self._later = threading.Timer(INTERVAL_S, print, (line,), {"file": sys.stderr, "flush": True})
        self._later.daemon = True
        self._later.start()
