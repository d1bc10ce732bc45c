"""Blockages: what the daemon cannot do just now, since when, why, and what cures it; said at once and again while it
lasts.

It decides nothing: whoever is blocked says so, and goes on trying.
"""

import logging
import time
from dataclasses import dataclass, replace
from typing import Final

REPEAT_FIRST_S: Final = 10.0
"""How long after the first line of a blockage the next one follows; each later one after twice as long."""
REPEAT_MOST_S: Final = 300.0
_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Blockage:
    """Something that cannot be done just now."""

    what: str
    """What is blocked: `stream NAME`, `snapshots`, `applying`."""
    reason: str
    """The latest one, in the words of whoever refuses."""
    cure: str
    since: float
    """Seconds since 1970."""


@dataclass(slots=True)
class _Told:
    """When a blockage was said last, and when it is said again."""

    at: float
    pause_s: float


class Blockages:
    """All that is blocked now."""

    def __init__(self) -> None:
        self._current: dict[str, Blockage] = {}
        self._told: dict[str, _Told] = {}

    def current(self) -> list[Blockage]:
        """What is blocked now, the oldest first."""
        return sorted(self._current.values(), key=lambda blockage: blockage.since)

    def of(self, what: str) -> Blockage | None:
        """What blocks this, if anything does."""
        return self._current.get(what)

    def block(self, what: str, reason: str, cure: str) -> None:
        """Says that something is blocked, or still is. A new reason is logged at once, the same one now and then."""
        known, now = self._current.get(what), time.monotonic()
        if known is None or known.reason != reason:
            self._current[what] = replace(known, reason=reason, cure=cure) if known else _begun(what, reason, cure)
            self._told[what] = _Told(now, REPEAT_FIRST_S)
            _log.warning("%s: blocked: %s; %s", what, reason, cure, extra=_fields(what, reason, cure))
            return
        told = self._told[what]
        if now - told.at >= told.pause_s:
            self._told[what] = _Told(now, min(2 * told.pause_s, REPEAT_MOST_S))
            since_s = time.time() - known.since
            fields = _fields(what, reason, cure) | {"since_s": round(since_s)}
            _log.warning("%s: blocked for %.0f s now: %s; %s", what, since_s, reason, cure, extra=fields)

    def clear(self, what: str) -> None:
        """Says that it goes on."""
        known = self._current.pop(what, None)
        if known is not None:
            del self._told[what]
            since_s = time.time() - known.since
            _log.info("%s: goes on after %.0f s", what, since_s, extra={"what": what, "since_s": round(since_s)})


def _begun(what: str, reason: str, cure: str) -> Blockage:
    return Blockage(what, reason, cure, time.time())


def _fields(what: str, reason: str, cure: str) -> dict[str, object]:
    return {"what": what, "reason": reason, "cure": cure}
