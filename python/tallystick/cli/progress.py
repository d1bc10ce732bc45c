"""Progress: a bar on a terminal, nothing anywhere else. It draws on standard error, results go to standard output."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import TaskID

_DRAW_EVERY_S = 0.1


@contextmanager
def byte_progress(what: str, bytes_total: int | None) -> Iterator[Callable[[int, int], None]]:
    """Yields a function to call with (bytes done, events done) as often as one likes."""
    if not sys.stderr.isatty():
        yield lambda _bytes_done, _events: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TextColumn("{task.fields[events]:,} events"),
        TextColumn("{task.fields[rate]:,.0f}/s"),
        TimeElapsedColumn(),
    )
    started = drawn = time.monotonic()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=bytes_total, events=0, rate=0.0)

        def advance(bytes_done: int, events: int) -> None:
            nonlocal drawn
            now = time.monotonic()
            if now - drawn < _DRAW_EVERY_S and bytes_done != bytes_total:
                return
            drawn = now
            progress.update(task, completed=bytes_done, events=events, rate=events / max(now - started, 1e-9))

        yield advance


@contextmanager
def message_progress() -> Iterator[Callable[[str, int, int], None]]:
    """Yields a function to call with (what is read, messages done, messages in all) as often as one likes."""
    if not sys.stderr.isatty():
        yield lambda _what, _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        tasks: dict[str, TaskID] = {}

        def advance(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
            progress.update(tasks[what], completed=done)

        yield advance
