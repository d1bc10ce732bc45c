"""`tallystick publish`: a file onto the event stream, every line confirmed."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tallystick.cli import options
from tallystick.cli.bus import connected
from tallystick.cli.progress import byte_progress

if TYPE_CHECKING:
    from tallystick.client.producer import Published
    from tallystick.config import Config


def publish(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="NDJSON file, one event a line.", show_default=False)],
    config: options.Config = None,
    server: options.Server = None,
    subject: Annotated[
        str | None,
        typer.Option(
            envvar="TALLYSTICK_PUBLISH_SUBJECT",
            help="Subject to publish on; the event stream must listen to it.",
            show_default="the first input subject of the configuration",
        ),
    ] = None,
    events_per_message: Annotated[
        int,
        typer.Option(
            envvar="TALLYSTICK_PUBLISH_EVENTS_PER_MESSAGE",
            min=1,
            max=100_000,
            help="Most lines joined into one message; many are far faster, one is what most systems send.",
        ),
    ] = 1,
    window: Annotated[
        int,
        typer.Option(
            envvar="TALLYSTICK_PUBLISH_WINDOW", min=1, max=100_000, help="Most messages that wait for their ack."
        ),
    ] = 4_000,
    from_line: Annotated[
        int,
        typer.Option(envvar="TALLYSTICK_PUBLISH_FROM_LINE", min=1, help="Line to begin with, to go on after a stop."),
    ] = 1,
) -> None:
    """Puts the lines of a file onto the event stream and waits until the stream has confirmed every one.

    What a broken connection left unconfirmed is sent again under the same message id, which the stream stores once.
    Broken lines are sent too: the daemon refuses them with a trace.

    Examples:

        tallystick publish events.ndjson --events-per-message 256

        tallystick publish events.ndjson --server nats://10.0.0.5:4222 --from-line 1200001
    """
    from tallystick import config as configuration
    from tallystick.errors import PublishError
    from tallystick.event_loop import run_loop

    settings = configuration.load(config)
    started = time.monotonic()
    published = run_loop(
        _publish(file, settings, server, subject or settings.input.subject, events_per_message, window, from_line)
    )
    seconds = time.monotonic() - started
    typer.echo(
        f"{published.events:,} events in {published.messages:,} messages, all confirmed, "
        f"in {seconds:.2f} s: {published.events / seconds:,.0f} events a second"
    )
    if published.messages_stored_before:
        typer.echo(f"{published.messages_stored_before:,} of the messages had been stored before")
    if published.broken_lines:
        print(
            f"tallystick: {published.broken_lines:,} lines are no JSON objects; they were sent as they are",
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
    file: Path,
    settings: "Config",
    server: str | None,
    subject: str,
    events_per_message: int,
    window: int,
    from_line: int,
) -> "Published":
    from tallystick.bus.jetstream import JetStream
    from tallystick.bus.streams import covers, find_input
    from tallystick.client.producer import publish_file
    from tallystick.errors import UsageError

    async with connected(settings.nats, server) as connection:
        stream = await find_input(JetStream(connection), settings.input)
        if not any(covers(pattern, subject) for pattern in stream.subjects):
            raise UsageError(
                f"stream {stream.name} does not listen to {subject}; give one of its subjects with --subject"
            )
        with byte_progress("Publishing", file.stat().st_size if file.is_file() else None) as on_progress:
            return await publish_file(
                connection,
                file,
                subject=subject,
                events_per_message=events_per_message,
                window=window,
                from_line=from_line,
                on_progress=on_progress,
            )
