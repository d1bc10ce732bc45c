"""`tallystick run`: the daemon in the foreground."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tallystick.cli import failures, logs, options, records, tables
from tallystick.errors import ConfigurationError

if TYPE_CHECKING:
    from tallystick.config import Config
    from tallystick.daemon.progress import Progress, RunReport

_ACCEPTED = ("applied", "absorbed", "duplicate")
_log = logging.getLogger("tallystick")


def run(
    config: options.Config = None,
    server: options.Server = None,
    embedded: Annotated[
        bool,
        typer.Option(
            "--embedded",
            envvar="TALLYSTICK_EMBEDDED",
            show_default="off",
            help="Start a nats-server of its own, at the port of nats.url.",
        ),
    ] = False,
    report_every_s: Annotated[
        float,
        typer.Option(
            envvar="TALLYSTICK_REPORT_EVERY_S",
            min=0.5,
            help="Time between two progress lines, where there is no terminal.",
        ),
    ] = 10.0,
    as_json: options.Json = False,
) -> int:
    """Runs the daemon: events on the bus become balances, availability and exceptions.

    It goes on where its newest snapshot ends. SIGTERM, Ctrl-C or a terminal that goes away (SIGHUP, unless under
    nohup): it applies what has arrived, publishes, saves, and exits with 0. After a kill -9 the next start goes on
    exactly where the log says.

    Examples:

        tallystick run --embedded

        tallystick run --config tallystick.toml
    """
    is_json: bool | None = None
    try:
        settings = _settings(config, server)
        is_json = logs.set_up(settings.process.log_level, settings.process.log_format, sys.stderr)
        report = _run(settings, embedded=embedded, report_every_s=report_every_s, is_json=is_json)
    except (Exception, KeyboardInterrupt) as error:
        if not (_is_json_without_file() if is_json is None else is_json):
            raise
        line, status = failures.told(error, ["run"])
        print(logs.last_line(line, status), file=sys.stderr, flush=True)
        return status
    if as_json:
        records.show([asdict(report)])
        return 0
    typer.echo(
        f"stopped cleanly at log sequence {report.sequence:,}: {tables.counted(report.events_total, 'event')}, "
        f"{tables.counted(report.positions, 'position')}, state hash {report.state_hash}"
    )
    return 0


def _is_json_without_file() -> bool:
    """Whether a configuration that cannot be read is told of in JSON, as all would be that comes after it."""
    from tallystick import config as configuration

    try:
        log_format = configuration.load(None).process.log_format
    except ConfigurationError:  # It is the environment that cannot be read.
        log_format = "auto"
    return logs.is_json(log_format, sys.stderr)


def _settings(path: Path | None, server: str | None) -> "Config":
    from tallystick import config as configuration

    settings = configuration.load(path)
    return settings if server is None else replace(settings, nats=replace(settings.nats, url=server))


def _run(settings: "Config", *, embedded: bool, report_every_s: float, is_json: bool) -> "RunReport":
    from tallystick.daemon.run import run_until_signal
    from tallystick.http.server import serving

    beside = [lambda pipeline: serving(settings.http, pipeline)]
    with _progress(report_every_s, is_live=sys.stderr.isatty() and not is_json) as on_progress:
        return run_until_signal(settings, embedded=embedded, on_progress=on_progress, beside=beside)


@contextmanager
def _progress(report_every_s: float, *, is_live: bool) -> Iterator[Callable[["Progress"], None]]:
    """A line that renews itself on a terminal; a log line every now and then anywhere else."""
    if not is_live:
        reported_at = time.monotonic()
        last_sequence = -1

        def log_line(progress: "Progress") -> None:
            nonlocal reported_at, last_sequence
            now = time.monotonic()
            if now - reported_at >= report_every_s and progress.sequence != last_sequence:
                reported_at, last_sequence = now, progress.sequence
                _log.info("%s", describe(progress), extra=_fields(progress))

        yield log_line
        return
    from rich.console import Console
    from rich.logging import RichHandler

    console = Console(stderr=True)
    # Log lines go through the same console, so that they do not tear the status line.
    handler = RichHandler(console=console, show_path=False, show_time=False, show_level=False)
    handler.setFormatter(logs.TextLines())
    logging.getLogger().handlers[:] = [handler]
    with console.status("starting") as status:
        yield lambda progress: status.update(describe(progress))


def _fields(progress: "Progress") -> dict[str, int]:
    return {
        "sequence": progress.sequence,
        "lag": progress.lag,
        "events": progress.events_total,
        "published_sequence": progress.published_sequence,
        "snapshot_sequence": progress.snapshot_sequence,
    }


def describe(progress: "Progress") -> str:
    """One line about how far the daemon is."""
    duplicates = progress.outcomes.get("duplicate", 0)
    refused = sum(count for name, count in progress.outcomes.items() if name not in _ACCEPTED)
    return (
        f"sequence {progress.sequence:,} · lag {progress.lag:,} · {progress.events_per_s:,.0f} events/s · "
        f"{progress.events_total:,} events, {duplicates:,} duplicates, {refused:,} refused · "
        f"{progress.positions:,} positions"
    )
