"""Pipeline: restores the newest snapshot, reads the log on, applies, publishes, saves, and stops cleanly.

The only module that brings configuration, ingestion, engine and publishing together. The offset lives in the snapshot
alone: nothing is acknowledged to the bus, so nothing acknowledged can be lost. It prints nothing and never ends the
process; `cli` does.
"""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from tallystick.bus.connection import connect
from tallystick.bus.embedded import EmbeddedServer
from tallystick.bus.jetstream import JetStream, StreamInfo
from tallystick.bus.link import Link
from tallystick.bus.streams import LogPosition, message_digest
from tallystick.config import Config
from tallystick.daemon.ingest import PullLimits, PullSource
from tallystick.daemon.intake import Intake
from tallystick.daemon.opening import START_NOTE, find_streams, first_position
from tallystick.daemon.outputs import Origin
from tallystick.daemon.progress import Progress, RunReport
from tallystick.daemon.publish import OutputStream, Publisher
from tallystick.daemon.replies import Replies
from tallystick.daemon.service import serve
from tallystick.daemon.snapshots import Snapshot, SnapshotFolder
from tallystick.daemon.ticker import Ticker
from tallystick.errors import BusError, EngineFailed, SnapshotUnfit, StreamError

if TYPE_CHECKING:
    from tallystick._engine import Engine

WAIT_S: Final = 0.1
"""How long the loop waits for messages before it looks around."""
WAIT_UNPUBLISHED_S: Final = 0.005
"""How long it waits while there is something to publish."""
MESSAGE_BYTES_MAX: Final = 1_000_000
"""Room for the largest output message: an exception that carries an event of 64 KiB, escaped."""
CATCH_UP_MS: Final = 1_000
"""Longest time between two flushes, however far ahead the log's end is."""
HELD_EVENTS_MAX: Final = 500_000
"""Events whose output may wait for the flush before; then applying waits too."""
_log: Final = logging.getLogger(__name__)
_T = TypeVar("_T")


class Pipeline:
    """One daemon: `open()`, `work()`, `finish()`, and in any case `close()`."""

    def __init__(
        self, config: Config, folder: SnapshotFolder, server: EmbeddedServer | None, stop: asyncio.Event
    ) -> None:
        self._config = config
        self._folder = folder
        self._server = server
        self._stop = stop
        # One thread: calls reach the engine in the order in which they are made, as the log demands.
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="engine")
        self._closing = contextlib.AsyncExitStack()
        self._engine: Engine
        self._source: PullSource
        self._publisher: Publisher
        self._replies: Replies
        self._ticker: Ticker
        self._origin: Origin
        self._link: Link
        self._intake_closed: str | None = None
        """Why nothing can be put into the log."""
        self._outcomes: Counter[str] = Counter()
        self._positions = 0
        self._sequence = 0
        self._digest = ""
        """Of the last message before the start."""
        self._last_message: bytes | None = None
        self._held_events = 0
        self._dirty = False
        """Whether something was applied since the last flush."""
        self._flushed_at = time.monotonic()
        self._flushed_sequence = 0
        self._publishing: asyncio.Task[None] | None = None
        self._saving: asyncio.Task[Any] | None = None
        self._saved_at = time.monotonic()
        self._saved_sequence = 0

    @property
    def events_total(self) -> int:
        """Elements with an outcome so far."""
        return self._outcomes.total()

    def progress(self) -> Progress:
        """How far the daemon is."""
        return Progress(
            self._sequence,
            max(0, self._source.last_sequence - self._sequence),
            self.events_total,
            0.0,
            dict(self._outcomes),
            self._positions,
            self._publisher.messages_total,
            self._saved_sequence,
        )

    # Start

    async def open(self) -> None:
        """Connects, checks the streams, restores the newest valid snapshot and begins to read."""
        client = await connect(self._config.nats)
        self._link = client.link
        self._closing.push_async_callback(client.close)
        if client.max_payload < MESSAGE_BYTES_MAX:
            raise BusError(f"the server takes messages of {client.max_payload:,} bytes at most; set max_payload to 1MB")
        bus = JetStream(client)
        snapshot = await asyncio.to_thread(self._folder.newest)
        info, closed = await find_streams(bus, self._config, self._folder, snapshot)
        position = await asyncio.to_thread(self._restore, snapshot, info)
        self._origin = Origin(info.name, info.created, self._config.fingerprint)
        await self._open_source(bus, position)
        await self._open_publisher(bus, info)
        await self._open_service(bus, info, closed)
        _log.info("reading %s from message %d; it ends at %d", info.name, position.sequence + 1, info.last_sequence)

    async def _open_service(self, bus: JetStream, info: StreamInfo, closed: str | None) -> None:
        """Begins to answer: questions at once, requests in the log when they are judged.

        `closed`: why nothing can be put into the log.
        """
        client, settings, events = bus.client, self._config.output, self._config.input
        ours = (*info.subjects, *events.subjects, settings.availability_subject, settings.exceptions_subject)
        self._replies = Replies(client, (*ours, "tallystick.>"))
        self._closing.push_async_callback(self._replies.close)
        self._intake_closed = closed
        after_s = events.tick_after_s if closed is None else 0
        self._ticker = Ticker(client, events.subject, after_s, bus.server_time_ns)
        intake = Intake(client, events.subject, closed)
        self._closing.push_async_callback(intake.close)
        await intake.open()
        service = await serve(client, self._engine, self._status, intake)
        self._closing.push_async_callback(_stop_service, service, client)

    def _restore(self, snapshot: Snapshot | None, info: StreamInfo) -> LogPosition:
        """Makes the engine, from the newest snapshot if there is one, and returns where its log goes on."""
        from tallystick._engine import Engine, SnapshotError

        shards = self._config.process.shards
        if snapshot is None:
            if self._folder.paths():
                _log.warning("%s holds no valid snapshot; rebuilding from the stream", self._folder.folder)
            self._engine = Engine(self._config.engine_json, key=self._folder.key(), shards=shards)
            self._engine.set_note(START_NOTE, str(self._config.input.start_sequence))
            return first_position(self._config, info)
        try:
            self._engine = Engine.restore(snapshot.data, self._config.engine_json, shards=shards)
        except SnapshotError as error:
            raise SnapshotUnfit(f"{snapshot.path}: {error}; move it away to use the one before") from error
        self._sequence = self._saved_sequence = self._flushed_sequence = self._engine.sequence
        self._outcomes.update(self._engine.outcome_totals())
        self._positions = len(self._engine)
        notes = self._engine.notes
        self._digest = notes["input.digest"]
        _log.info("restored %s: log sequence %d, %d positions", snapshot.path, self._sequence, self._positions)
        return LogPosition(info.name, notes["input.created"], self._sequence, self._digest)

    async def _open_source(self, bus: JetStream, position: LogPosition) -> None:
        settings = self._config.process
        limits = PullLimits(settings.pull_messages, settings.pull_bytes, settings.queue_messages, settings.queue_bytes)
        source = PullSource(bus, position, limits)
        self._source = source
        self._closing.push_async_callback(source.close)
        await source.start()

    async def _open_publisher(self, bus: JetStream, info: StreamInfo) -> None:
        settings = self._config.output
        streams = [
            OutputStream(bus, self._origin, stream, subject, window_messages=settings.window_messages, resend=resend)
            for stream, subject, resend in (
                (settings.availability_stream, settings.availability_subject, True),
                (settings.exceptions_stream, settings.exceptions_subject, False),
            )
        ]
        self._publisher = Publisher(*streams)
        self._closing.push_async_callback(self._publisher.close)
        await self._publisher.open()
        # Outputs may tell only of what the log still holds, and hold at least what the snapshot knew of.
        for stream in streams:
            if stream.position.through > info.last_sequence:
                raise StreamError(
                    f"stream {info.name} ends at message {info.last_sequence}, but {stream.stream} tells of message "
                    f"{stream.position.through}; the server lost what it had acknowledged; restore the stream"
                )
            noted = int(self._engine.notes.get(f"output.{stream.stream}.{stream.created}", 0))
            if stream.last_sequence < noted:
                _log.warning(
                    "stream %s lost its messages %d to %d; what they told is sent again with its next change",
                    stream.stream,
                    stream.last_sequence + 1,
                    noted,
                )

    def _status(self) -> dict[str, Any]:
        progress = self.progress()
        return {
            "sequence": progress.sequence,
            "lag": progress.lag,
            "events": progress.events_total,
            "outcomes": progress.outcomes,
            "positions": progress.positions,
            "snapshot_sequence": progress.snapshot_sequence,
            "answers": self._replies.sent_total,
            "answers_failed": self._replies.failed_total,
            "ticks": self._ticker.ticks_total,
            "config_fingerprint": self._config.fingerprint,
            "connection": self._link.facts(),
            "intake_closed": self._intake_closed,
        }

    # Work

    async def work(self, until_sequence: int | None = None, *, until_idle: bool = False) -> None:
        """Reads, applies, publishes and saves until it is told to stop.

        Raises OperationError; among them BusError if what has arrived by then takes longer than
        `process.stop_timeout_s`, as it does when the server is away.
        """
        work = asyncio.ensure_future(self._work(until_sequence, until_idle=until_idle))
        told = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait((work, told), return_when=asyncio.FIRST_COMPLETED)
            limit_s = self._config.process.stop_timeout_s
            if not (await asyncio.wait((work,), timeout=limit_s))[0]:
                raise BusError(
                    f"what had arrived could not be applied and published within {limit_s:g} s, so no snapshot was "
                    "taken; the next start does it from the last one"
                )
            work.result()
        finally:
            told.cancel()
            work.cancel()
            await asyncio.gather(work, told, return_exceptions=True)

    async def _work(self, until_sequence: int | None, *, until_idle: bool) -> None:
        stopping = False
        while until_sequence is None or self._sequence < until_sequence:
            if self._server is not None:
                self._server.check()
            if self._stop.is_set() and not stopping:
                stopping = True
                _log.info("stopping: what has arrived is still applied")
                await self._source.stop_pulling()
            if stopping and not self._source.waiting:
                return
            has_messages = await self._source.wait(WAIT_UNPUBLISHED_S if self._dirty else WAIT_S)
            if has_messages:
                await self._apply(until_sequence)
            elif self._ticker.is_time_to_look() and self._source.last_sequence <= self._sequence:
                await self._ticker.tick_if_overdue(*await self._in_worker(self._due))
            self._look_after_tasks()
            await self._flush_if_due()
            if time.monotonic() - self._saved_at >= self._config.snapshots.interval_s:
                await self._save()
            if until_idle and not has_messages and await self._source.at_end():
                return

    async def _apply(self, until_sequence: int | None) -> None:
        """Applies what waits, up to where there must be a flush and where there must be an end; answers go out."""
        await self._replies.have_room()
        boundary = self._publisher.next_boundary(self._sequence)
        ends = [end for end in (boundary, until_sequence) if end is not None]
        applied = await self._in_worker(partial(self._engine.apply_inbox, self._source.inbox, *sorted(ends)[:1]))
        self._replies.send(applied.answers)
        if applied.last_sequence is None:
            return
        self._sequence, self._last_message = applied.last_sequence, applied.last_message
        self._outcomes.update(applied.counts)
        self._positions = applied.positions
        self._held_events += applied.events
        self._dirty = True
        if self._sequence == boundary:
            await self._flush()

    def _due(self) -> tuple[int | None, int | None]:
        return self._engine.next_due_ns, self._engine.log_time_ns

    async def _flush_if_due(self) -> None:
        if not self._dirty or not self._publisher.may_flush(self._sequence):
            return
        crowded = self._held_events >= HELD_EVENTS_MAX
        if self._publishing is not None and not self._publishing.done() and not crowded:
            return
        waited_ms = (time.monotonic() - self._flushed_at) * 1_000
        lag = self._source.last_sequence - self._sequence
        interval_ms = self._config.output.publish_interval_ms
        if crowded or flush_is_due(waited_ms, interval_ms, self._sequence - self._flushed_sequence, lag):
            await self._flush()

    async def _flush(self) -> None:
        """Takes what changed since the last flush out of the engine, and begins to publish it."""
        await self._published()
        settings = self._config.output
        flush = await self._in_worker(
            partial(self._engine.flush, self._origin.stream, positions_per_message=settings.positions_per_message)
        )
        self._dirty, self._held_events, self._flushed_at = False, 0, time.monotonic()
        self._flushed_sequence = self._sequence
        self._publishing = asyncio.create_task(self._publisher.publish(flush))

    async def _published(self) -> None:
        """Waits until everything that was flushed is stored."""
        if self._publishing is not None:
            await self._publishing
            self._publishing = None

    async def _save(self) -> None:
        """Takes a snapshot, if there is something new and what was flushed fits to it, and begins to write it."""
        self._saved_at = time.monotonic()
        if self._sequence == self._saved_sequence or not self._publisher.may_flush(self._sequence):
            return
        await self._saved()
        await self._flush()
        # Outputs first: a snapshot that knew of unpublished output would have to publish it after a restart.
        await self._published()
        await self._replies.drain()  # A restart from it would not make the answers to what came before again.
        notes = {"input.stream": self._origin.stream, "input.created": self._origin.created}
        notes["input.digest"] = message_digest(self._last_message) if self._last_message is not None else self._digest
        for stream in (self._publisher.availability, self._publisher.exceptions):
            notes[f"output.{stream.stream}.{stream.created}"] = str(stream.last_sequence)
        sequence = self._sequence
        data = await self._in_worker(partial(self._snapshot, notes))
        # Counted from its end: where a snapshot takes longer than the interval, there would be time for nothing else.
        self._saved_at = time.monotonic()
        self._saving = asyncio.create_task(self._write(data, sequence))

    def _snapshot(self, notes: dict[str, str]) -> memoryview:
        for name, value in notes.items():
            self._engine.set_note(name, value)
        return self._engine.snapshot_array().data

    async def _write(self, data: memoryview, sequence: int) -> None:
        path = await asyncio.to_thread(self._folder.write, data, sequence)
        self._saved_sequence = sequence
        _log.info("saved %s: %d bytes", path, len(data))

    async def _saved(self) -> None:
        if self._saving is not None:
            await self._saving
            self._saving = None

    def _look_after_tasks(self) -> None:
        """Raises what a task in the background failed with."""
        for task in (self._publishing, self._saving):
            if task is not None and task.done():
                task.result()

    async def _in_worker(self, work: Callable[[], _T]) -> _T:
        """Calls the engine outside the event loop, which goes on meanwhile: the engine releases the GIL."""
        from tallystick._engine import TallystickError

        try:
            return await asyncio.get_running_loop().run_in_executor(self._worker, work)
        except TallystickError as error:
            raise EngineFailed(
                f"engine stopped after log sequence {self._sequence}: {error}; "
                "start again from the last snapshot, and report it if it comes back"
            ) from error

    # End

    async def publish_rest(self) -> None:
        """Publishes what is left. Raises BusError if that takes longer than `process.stop_timeout_s`."""
        limit_s = self._config.process.stop_timeout_s
        try:
            await asyncio.wait_for(self._publish_rest(), limit_s)
        except TimeoutError as error:
            raise BusError(
                f"what was applied could not be published within {limit_s:g} s, so no snapshot was taken; "
                "the next start does it from the last one"
            ) from error

    async def finish(self) -> RunReport:
        """Saves what was published, and returns what the run came to."""
        await self._saved()
        await self._save()
        state_hash = await self._in_worker(self._engine.state_hash)  # While the disk takes the snapshot.
        await self._saved()
        _log.info("stopped at log sequence %d, state %s", self._sequence, state_hash)
        return RunReport(self._sequence, self.events_total, dict(self._outcomes), self._positions, state_hash)

    async def _publish_rest(self) -> None:
        await self._source.stop_pulling()
        if self._publisher.may_flush(self._sequence):
            await self._flush()
        await self._published()
        await self._replies.drain()

    async def close(self) -> None:
        """Releases everything, after success and failure alike."""
        tasks = [task for task in (self._publishing, self._saving) if task is not None]
        if self._publishing is not None:
            self._publishing.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._closing.aclose()
        self._worker.shutdown()


def flush_is_due(waited_ms: float, interval_ms: float, applied: int, lag: int) -> bool:
    """Whether to publish now: `applied` messages since the last flush, while the log's end is `lag` messages ahead.

    While it catches up, it publishes less often, at intervals that halve the way: what is sent before is soon out of
    date, and sending it would make the way longer.
    """
    if lag <= 0:
        return True
    return waited_ms >= interval_ms and (applied >= lag or waited_ms >= CATCH_UP_MS)


async def _stop_service(service: Any, client: Any) -> None:
    from nats.errors import Error

    if client.is_connected:
        with contextlib.suppress(Error):  # The connection may break while it says good-bye.
            await service.stop()
