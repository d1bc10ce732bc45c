"""`tallystick publish`: a file onto the event stream, every event confirmed; or nothing of it, if one is broken."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tallystick.cli import options, tables
from tallystick.cli.check import refuse_empty, show_problems, show_rows, verdict, warn
from tallystick.cli.maps import advised, load_map
from tallystick.cli.progress import byte_progress

if TYPE_CHECKING:
    from tallystick._engine import Checker
    from tallystick.client.producer import Published
    from tallystick.config import Config
    from tallystick.files.check import Report
    from tallystick.files.mapping import Mapping

File = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="File of events, or - for standard input.", show_default=False),
]
Subject = Annotated[
    str | None,
    typer.Option(
        envvar="TALLYSTICK_PUBLISH_SUBJECT",
        help="Subject to publish on; the event stream must listen to it.",
        show_default="engine.source_subject, or the first input subject",
    ),
]
EventsPerMessage = Annotated[
    int,
    typer.Option(
        envvar="TALLYSTICK_PUBLISH_EVENTS_PER_MESSAGE",
        min=1,
        max=100_000,
        help="Most events joined into one message; many are far faster, one is what most systems send.",
    ),
]
MessageWindow = Annotated[
    int,
    typer.Option(envvar="TALLYSTICK_PUBLISH_WINDOW", min=1, max=100_000, help="Most messages that wait for their ack."),
]
FromLine = Annotated[
    int,
    typer.Option(
        envvar="TALLYSTICK_PUBLISH_FROM_LINE", min=1, help="Line, or row, to begin with, to go on after a stop."
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        envvar="TALLYSTICK_PUBLISH_DRY_RUN",
        show_default="off",
        help="Say what would be sent, and send nothing. Needs no server.",
    ),
]
Force = Annotated[
    bool,
    typer.Option(
        "--force",
        envvar="TALLYSTICK_PUBLISH_FORCE",
        show_default="off",
        help="Send broken events too: the daemon refuses them with a trace.",
    ),
]


def publish(  # noqa: PLR0913, PLR0917 (an option each)
    file: File,
    config: options.Config = None,
    server: options.Server = None,
    subject: Subject = None,
    mapping: options.Map = None,
    events_per_message: EventsPerMessage = 1,
    window: MessageWindow = 4_000,
    from_line: FromLine = 1,
    dry_run: DryRun = False,
    force: Force = False,
    as_json: options.Json = False,
) -> int:
    """Puts the events of a file onto the event stream and waits until the stream has confirmed every one.

    Reads NDJSON, JSON arrays, CSV, Parquet and Arrow (tables with --map). A file is checked first, under the
    configuration: if one event would be refused, nothing is sent (exit status 2). What comes from standard input is
    checked as it comes. What a broken connection left unconfirmed is sent again under the same message id.

    Examples:

        tallystick publish events.ndjson.gz --events-per-message 256

        tallystick publish stock.csv --map stock.toml --dry-run

        tallystick publish events.ndjson --server nats://10.0.0.5:4222 --from-line 1200001
    """
    from tallystick import config as configuration
    from tallystick.event_loop import run_loop
    from tallystick.files.check import is_read_once
    from tallystick.files.events import STDIN
    from tallystick.subjects import event_subject

    settings, columns = configuration.load(config), load_map(mapping)
    if dry_run or not (force or is_read_once(file)):
        report = _checked(file, settings, columns, from_line)
        if dry_run:
            return _show_dry_run(report, from_line, force=force, as_json=as_json)
        refuse_empty(report.empty, from_line)
        _refuse_broken(report, advised("check", [file], config, mapping))
        warn(report)
    # Looked at once more as it is sent: it may be another file by then.
    checker = None if force else _checker(settings)
    started = time.monotonic()
    subject = subject or event_subject(settings)
    sending = _publish(
        file,
        settings,
        server,
        subject,
        {
            "events_per_message": events_per_message,
            "window": window,
            "from_line": from_line,
            "mapping": columns,
            "checker": checker,
        },
    )
    published = run_loop(sending)
    if not published.events and not published.oversized_lines:
        refuse_empty(["standard input" if str(file) == STDIN else str(file)], from_line)
    _show(file, published, time.monotonic() - started, as_json=as_json)
    return 0


def _checked(file: Path, settings: "Config", mapping: "Mapping | None", from_line: int) -> "Report":
    from tallystick.files.check import check
    from tallystick.files.replay import total_bytes
    from tallystick.subjects import trusting

    config = trusting(settings.engine_json)
    with byte_progress("Checking", total_bytes([file])) as on_progress:
        return check([file], config=config, mapping=mapping, from_line=from_line, on_progress=on_progress)


def _checker(settings: "Config") -> "Checker":
    from tallystick._engine import Checker

    return Checker(settings.engine_json)


def _refuse_broken(report: "Report", advice: str) -> None:
    from tallystick.errors import UsageError

    if not report.refused:
        return
    first, total = report.first[0], report.refused.total()
    whose = "; a type of your own needs --config FILE" if first.outcome == "unknown_type" else ""
    raise UsageError(
        f"{first}{whose}; {total:,} of {report.events:,} events would be refused, so nothing was sent; "
        f"see all: {advice}; send them all the same: --force"
    )


def _show_dry_run(report: "Report", from_line: int, *, force: bool, as_json: bool) -> int:
    is_refused = bool(report.refused) and not force
    sent = 0 if is_refused else report.events
    if as_json:
        import orjson

        problems = [problem.as_dict() for problem in report.first]
        typer.echo(orjson.dumps({"would_send": sent, **report.as_dict(), "problems": problems}).decode())
    elif report.events:
        show_problems(report)
        show_rows(report)
        typer.echo(verdict(report) if report.refused else f"{sent:,} events would be sent.")
        if is_refused:
            typer.echo("Nothing would be sent.")
        elif report.refused:
            typer.echo(f"With --force all {sent:,} would be sent.")
    warn(report)
    refuse_empty(report.empty, from_line)
    return 2 if is_refused else 0


def _show(file: Path, published: "Published", seconds: float, *, as_json: bool) -> None:
    from tallystick.errors import PublishError

    if as_json:
        import orjson

        typer.echo(orjson.dumps(published.as_dict()).decode())
    else:
        typer.echo(
            f"{tables.counted(published.events, 'event')} in {tables.counted(published.messages, 'message')}, "
            f"all confirmed, in {seconds:.2f} s: {published.events / seconds:,.0f} events a second"
        )
        if published.messages_stored_before:
            typer.echo(f"{published.messages_stored_before:,} of the messages had been stored before")
    if published.broken_lines:
        print(
            f"tallystick: {tables.counted(published.broken_lines, 'line')} sent that the daemon refuses as malformed",
            file=sys.stderr,
        )
    if published.oversized_lines:
        places = ", ".join(f"{file}:{line}" for line in published.oversized_lines[:5])
        more = len(published.oversized_lines) - 5
        raise PublishError(
            f"{places}{f' and {more} more' if more > 0 else ''}: longer than a message may be, not sent; "
            "all other lines are confirmed"
        )


async def _publish(
    file: Path, settings: "Config", server: str | None, subject: str, options: dict[str, Any]
) -> "Published":
    from tallystick.bus.jetstream import JetStream
    from tallystick.bus.streams import covers, ensure_input, find_input
    from tallystick.client.client import Client
    from tallystick.client.producer import publish_file
    from tallystick.errors import UsageError
    from tallystick.subjects import pattern_of

    async with Client(server, config=settings) as client:
        connection = client.connection
        # Where a ledger was made of the stream, one that is gone must not be made anew: it would be thrown away.
        was_read = any(settings.snapshots.folder.glob("snapshot-*.tally"))
        stream = await (find_input if was_read else ensure_input)(JetStream(connection), settings.input)
        wanted = pattern_of(subject)
        if not any(covers(pattern, wanted) for pattern in stream.subjects):
            raise UsageError(
                f"stream {stream.name} does not listen to {wanted}; give one of its subjects with --subject"
            )
        with byte_progress("Publishing", file.stat().st_size if file.is_file() else None) as on_progress:
            return await publish_file(connection, file, subject=subject, on_progress=on_progress, **options)
