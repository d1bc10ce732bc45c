"""Progress: how far the daemon is, in figures for displays, logs and reports. It shows nothing itself."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

PROGRESS_INTERVAL_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the daemon is, for displays."""

    sequence: int
    """Log sequence that is applied."""
    lag: int
    """Messages in the event stream after it."""
    events_total: int
    """Elements with an outcome, those before the last restart included."""
    events_per_s: float
    outcomes: dict[str, int]
    """How many elements had which outcome."""
    positions: int
    published_messages: int
    """By this process."""
    snapshot_sequence: int
    """Log sequence of the newest snapshot; 0: none."""
    published_sequence: int
    """Log sequence through which everything is stored in the output streams."""
    blocked: tuple[str, ...]
    """What cannot be done just now, the oldest first."""


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a run came to, after a clean stop."""

    sequence: int
    events_total: int
    outcomes: dict[str, int]
    positions: int
    state_hash: str


async def report_progress(look: Callable[[], Progress], tell: Callable[[Progress], None]) -> None:
    """Looks and tells twice a second, with the rate since the last time, until it is cancelled."""
    before, at = look(), time.monotonic()
    while True:
        await asyncio.sleep(PROGRESS_INTERVAL_S)
        current, now = look(), time.monotonic()
        tell(replace(current, events_per_s=(current.events_total - before.events_total) / (now - at)))
        before, at = current, now
