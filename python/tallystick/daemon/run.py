"""Run: one daemon from its start to a clean stop, with a server of its own where that is asked for.

What it does in between is the pipeline's. It prints nothing and never ends the process; `cli` does.
"""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from tallystick.bus.embedded import EmbeddedServer
from tallystick.config import Config, service_manager
from tallystick.daemon.notify import telling
from tallystick.daemon.pipeline import Pipeline
from tallystick.daemon.progress import Progress, RunReport, report_progress
from tallystick.daemon.snapshots import SnapshotFolder
from tallystick.errors import ConfigurationError, StoppedAtStart
from tallystick.event_loop import run_loop

Beside = Callable[[Pipeline], contextlib.AbstractAsyncContextManager[None]]
"""Something that runs as long as a pipeline, and looks at it."""


def run_until_signal(
    config: Config,
    *,
    embedded: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
    beside: Sequence[Beside] = (),
) -> RunReport:
    """Runs the daemon until SIGTERM, SIGINT or SIGHUP and returns after a clean stop. Raises OperationError.

    A service manager that listens is told when it is ready, that it is alive, and that it stops.
    """
    manager = service_manager()

    async def main() -> RunReport:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in _stop_signals():
            loop.add_signal_handler(number, stop.set)
        all_beside = [*beside, lambda pipeline: telling(manager, pipeline.status)]
        return await run(config, embedded=embedded, on_progress=on_progress, beside=all_beside, stop=stop)

    return run_loop(main())


def _stop_signals() -> list[signal.Signals]:
    """The signals that mean a clean stop: a terminal that goes away is one, unless nohup said that it is not."""
    is_hung_up = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
    return [signal.SIGTERM, signal.SIGINT, *([signal.SIGHUP] if is_hung_up else [])]


async def run(
    config: Config,
    *,
    embedded: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
    on_published: Callable[[], None] | None = None,
    beside: Sequence[Beside] = (),
    stop: asyncio.Event | None = None,
    until_sequence: int | None = None,
    until_idle: bool = False,
) -> RunReport:
    """Runs the daemon until `stop` is set, until a log sequence is applied, or until the stream's end is reached.

    With `embedded`, a nats-server of its own runs at the port of `nats.url`. `on_progress` is called twice a second in
    the event loop, `on_published` once at the end, when everything is published and nothing saved yet. What is
    `beside` begins before the pipeline opens and ends after it is closed: `http.server.serving`, for instance. After a
    clean stop everything is published and saved. Raises OperationError; then the next start goes on from the last
    snapshot, and nothing is lost or counted twice.
    """
    async with contextlib.AsyncExitStack() as stack:
        folder = stack.enter_context(SnapshotFolder(config.snapshots.folder, keep=config.snapshots.keep))
        server = stack.enter_context(_embedded_server(config)) if embedded else None
        stop = stop or asyncio.Event()
        pipeline = Pipeline(config, folder, server, stop)
        for make in beside:
            await stack.enter_async_context(make(pipeline))
        stack.push_async_callback(pipeline.close)
        await _open(pipeline, stop)
        if on_progress is not None:
            reporter = asyncio.create_task(report_progress(pipeline.progress, on_progress))
            stack.callback(reporter.cancel)
        await pipeline.work(until_sequence, until_idle=until_idle)
        await pipeline.publish_rest()
        if on_published is not None:
            on_published()
        report = await pipeline.finish()
        if on_progress is not None:
            on_progress(pipeline.progress())
        return report


async def _open(pipeline: Pipeline, stop: asyncio.Event) -> None:
    """Opens the pipeline, unless it is told to stop first: a server that is away may keep it for a minute.

    Raises StoppedAtStart then.
    """
    opening = asyncio.ensure_future(pipeline.open())
    told = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((opening, told), return_when=asyncio.FIRST_COMPLETED)
        if not opening.done():
            raise StoppedAtStart("stopped before it had begun; nothing was read, and nothing changed")
        opening.result()
    finally:
        for task in (opening, told):
            task.cancel()
        await asyncio.gather(opening, told, return_exceptions=True)


def _embedded_server(config: Config) -> EmbeddedServer:
    if len(config.nats.servers) > 1:
        raise ConfigurationError("--embedded is one server, and nats.url has several; give one of 127.0.0.1")
    address = urlsplit(config.nats.url)
    if address.hostname not in ("127.0.0.1", "localhost"):
        raise ConfigurationError(
            f"--embedded serves 127.0.0.1 only, and nats.url is {address.hostname}; change one of them"
        )
    return EmbeddedServer(config.nats.embedded_folder, port=address.port or 4222, sync=config.nats.embedded_sync)
