"""Display: the demo while it runs. A live panel on a terminal, a line every few seconds anywhere else."""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tallystick.demo.daemon import Status
from tallystick.demo.picture import Sample
from tallystick.demo.proof import Check

_LINE_EVERY_S = 2.0
_RATE_OVER_S = 1.0
_ACCEPTED = ("applied", "absorbed", "duplicate")


class Display:
    """Shows how far the publisher and the daemon are; `samples` keeps what it was shown, for the picture."""

    def __init__(self, console: Console, events_total: int) -> None:
        self.samples: list[Sample] = []
        self.kills: list[float] = []
        self.started = time.monotonic()
        self._console = console
        self._events_total = events_total
        self._live = Live(console=console, refresh_per_second=10, transient=True) if console.is_terminal else None
        self._line_at = self.started

    def __enter__(self) -> Self:
        self.started = self._line_at = time.monotonic()
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return time.monotonic() - self.started

    def killed(self) -> None:
        """Notes that the daemon was killed just now."""
        self.kills.append(self.seconds)

    def show(self, published: int, status: Status | None) -> None:
        """Takes in one look at publisher and daemon; `status` is None while the daemon is away."""
        if status is not None:
            self.samples.append(Sample(self.seconds, status.events, status.lag))
        figures = self._figures(published, status)
        if self._live is not None:
            self._live.update(self._panel(published, status, figures))
        elif time.monotonic() - self._line_at >= _LINE_EVERY_S:
            self._line_at = time.monotonic()
            line = "  ".join(f"{name} {value}" for name, value in figures)
            self._console.print(line, highlight=False, soft_wrap=True)

    def _figures(self, published: int, status: Status | None) -> list[tuple[str, str]]:
        if status is None:
            return [("published", f"{published:,}"), ("daemon", "starting")]
        refused = sum(count for name, count in status.outcomes.items() if name not in _ACCEPTED)
        figures = [
            ("published", f"{published:,}"),
            ("events", f"{status.events:,}"),
            ("events/s", f"{self._rate():,.0f}"),
            ("duplicates", f"{status.outcomes.get('duplicate', 0):,}"),
            ("refused", f"{refused:,}"),
            ("lag", f"{status.lag:,} messages"),
        ]
        return [*figures, ("kill -9", f"{len(self.kills)}")] if self.kills else figures

    def _rate(self) -> float:
        latest = self.samples[-1]
        earlier = next((one for one in reversed(self.samples) if latest.seconds - one.seconds >= _RATE_OVER_S), None)
        first = earlier or self.samples[0]
        return max(latest.events - first.events, 0) / max(latest.seconds - first.seconds, 1e-9)

    def _panel(self, published: int, status: Status | None, figures: Sequence[tuple[str, str]]) -> Group:
        bars = Table.grid(padding=(0, 2))
        for name, done in (("published", published), ("applied", status.events if status else 0)):
            bars.add_row(name, ProgressBar(total=self._events_total, completed=done, width=50), f"{done:,}")
        numbers = Table.grid(padding=(0, 3))
        numbers.add_row(*(Text(name, style="dim") for name, _ in figures))
        numbers.add_row(*(Text(value, style="bold") for _, value in figures))
        return Group(bars, numbers)


def print_checks(console: Console, checks: Sequence[Check]) -> None:
    """Prints the proof: what was checked and what was found, and where that is wrong, what was expected."""
    for check in checks:
        found, expected = (f"{value:,}" if isinstance(value, int) else value for value in (check.found, check.expected))
        mark = Text("ok    ", style="green") if check.holds else Text("WRONG ", style="bold red")
        rest = "" if check.holds else f"  expected {expected}"
        console.print(mark + Text(f"{check.what:<40}{found:>33}{rest}"), soft_wrap=True)
