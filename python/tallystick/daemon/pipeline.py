"""Pipeline: restores the newest snapshot, reads the log on, applies, publishes, saves, and stops cleanly.

The only module that brings configuration, ingestion, engine and publishing together. The offset lives in the snapshot
alone: nothing is acknowledged to the bus, so nothing acknowledged can be lost. It prints nothing and never ends the
process; `cli` does.
"""

import asyncio
import contextlib
import json
import logging
import time
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tallystick.bus.connection import connect
from tallystick.bus.embedded import EmbeddedServer
from tallystick.bus.jetstream import JetStream, StreamInfo
from tallystick.bus.link import Link
from tallystick.bus.streams import LogPosition, message_digest
from tallystick.config import Config
from tallystick.daemon.blockages import Blockages
from tallystick.daemon.goodbyes import Goodbyes
from tallystick.daemon.ingest import PullLimits, PullSource
from tallystick.daemon.intake import Intake
from tallystick.daemon.measures import Measures
from tallystick.daemon.opening import START_NOTE, find_streams, first_position, remake_outputs
from tallystick.daemon.output_stream import OutputStream
from tallystick.daemon.outputs import Noted, Origin
from tallystick.daemon.progress import Progress, RunReport
from tallystick.daemon.publish import Publisher
from tallystick.daemon.replies import Replies
from tallystick.daemon.rivals import refuse_rivals
from tallystick.daemon.saving import WHAT as SNAPSHOTS
from tallystick.daemon.saving import Saver
from tallystick.daemon.service import serve, stop_serving
from tallystick.daemon.snapshots import Snapshot, SnapshotFolder
from tallystick.daemon.status import Status, Taken
from tallystick.daemon.telling import Telling
from tallystick.daemon.ticker import SOURCE as TICKS
from tallystick.daemon.ticker import Ticker
from tallystick.daemon.worker import Worker
from tallystick.errors import (
    BusError,
    OutputCut,
    SnapshotUnfit,
    SnapshotWriteError,
    StoppedUnpublished,
    StreamError,
)
from tallystick.subjects import event_subject, source_subject, subject_of

if TYPE_CHECKING:
    from tallystick._engine import Engine

WAIT_S: Final = 0.1
"""How long the loop waits for messages before it looks around."""
WAIT_UNPUBLISHED_S: Final = 0.005
"""How long it waits while there is something to publish."""
MESSAGE_BYTES_MAX: Final = 1_000_000
"""Room for the largest output message: an exception that carries an event of 64 KiB, escaped."""
_ASK_S: Final = 1.0
"""How long a snapshot waits for what the streams say of themselves."""
_DRAIN_S: Final = 1.0
"""How long a snapshot waits for answers that are on their way."""
_BLOCKED_STOP_S: Final = 0.3
"""How long a stop waits for output that is blocked anyway."""
_log: Final = logging.getLogger(__name__)


class Pipeline:
    """One daemon: `open()`, `work()`, `finish()`, and in any case `close()`."""

    def __init__(
        self, config: Config, folder: SnapshotFolder, server: EmbeddedServer | None, stop: asyncio.Event
    ) -> None:
        self._config = config
        self._folder = folder
        self._server = server
        self._stop = stop
        self._worker = Worker()
        self._goodbyes = Goodbyes()
        self._intake: Intake
        self._engine: Engine
        self._source: PullSource
        self._publisher: Publisher
        self._telling: Telling
        self._replies: Replies
        self._ticker: Ticker
        self._origin: Origin
        self._link: Link
        self._intake_closed: str | None = None
        """Why nothing can be put into the log."""
        self._rivals: asyncio.Task[None] | None = None
        self._bus: JetStream
        self._blockages = Blockages()
        self._saver = Saver(folder, config.snapshots.interval_s, self._blockages)
        self._measures = Measures() if config.http.listen is not None else None
        self._is_open = False
        self._outcomes: Counter[str] = Counter()
        self._positions = 0
        self._sequence = 0
        self._log_time_ns = 0
        self._digest = ""
        """Of the last message before the start."""
        self._last_message: bytes | None = None
        self._replay_from = 0
        """The log sequence after which a replay would begin, if there is no snapshot yet."""
        self._stop_by = 0.0
        """When a stop must have come to an end, on the loop's clock."""
        self._unpublished: str | None = None
        """Why output still waits after the stop."""

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
            self._saver.saved_sequence,
            self._telling.published_sequence,
            tuple(blockage.what for blockage in self._blockages.current()),
        )

    # Start

    async def open(self) -> None:
        """Connects, checks the streams, restores the newest valid snapshot and begins to read."""
        client = await connect(self._config.nats)
        self._link = client.link
        self._goodbyes.add(client.close)
        if client.max_payload < MESSAGE_BYTES_MAX:
            raise BusError(f"the server takes messages of {client.max_payload:,} bytes at most; set max_payload to 1MB")
        bus = self._bus = JetStream(client)
        await refuse_rivals(client, self._config.output)
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
        subject = event_subject(self._config)
        ours = (*info.subjects, *events.subjects, settings.availability_subject, settings.exceptions_subject)
        self._replies = Replies(client, (*ours, "tallystick.>"))
        self._goodbyes.add(self._replies.close)
        self._intake_closed = closed
        after_s = events.tick_after_s if closed is None else 0
        self._ticker = Ticker(client, subject_of(subject, TICKS), after_s, bus.server_time_ns)
        intake = self._intake = Intake(client, subject, closed)
        self._goodbyes.add(intake.close)
        await intake.open()
        self._is_open = True
        service = await serve(client, self._engine, self._answer_status, settings, intake)
        self._goodbyes.add(stop_serving, service, client)
        # Once more: two that started at the same time did not see each other.
        self._rivals = asyncio.create_task(refuse_rivals(client, settings, service.id))

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
        self._sequence = self._saver.saved_sequence = self._worker.sequence = self._engine.sequence
        self._log_time_ns = self._engine.log_time_ns or 0
        self._outcomes.update(self._engine.outcome_totals())
        self._positions = len(self._engine)
        if self._measures is not None:
            self._measures.note_restored(self._engine)
        notes = self._engine.notes
        self._digest = notes["input.digest"]
        _log.info("restored %s: log sequence %d, %d positions", snapshot.path, self._sequence, self._positions)
        return LogPosition(info.name, notes["input.created"], self._sequence, self._digest)

    async def _open_source(self, bus: JetStream, position: LogPosition) -> None:
        settings = self._config.process
        limits = PullLimits(settings.pull_messages, settings.pull_bytes, settings.queue_messages, settings.queue_bytes)
        source = PullSource(bus, position, limits, subjects=source_subject(self._config) is not None)
        self._source, self._replay_from = source, position.sequence
        if self._measures is not None:
            self._measures.measure(source.inbox)
        self._goodbyes.add(source.close)
        await source.start()

    async def _open_publisher(self, bus: JetStream, info: StreamInfo) -> None:
        settings = self._config.output
        streams = [
            OutputStream(
                bus,
                self._origin,
                stream,
                subject,
                window_messages=settings.window_messages,
                resend=resend,
                blockages=self._blockages,
            )
            for stream, subject, resend in (
                (settings.availability_stream, settings.availability_subject, True),
                (settings.exceptions_stream, settings.exceptions_subject, False),
            )
        ]
        self._publisher = Publisher(*streams)
        self._goodbyes.add(self._publisher.close)
        await self._publisher.open(restored=self._sequence, noted=await self._worker.call(self._noted))
        # Outputs may tell only of what the log still holds.
        for stream in streams:
            if stream.position.through > info.last_sequence:
                raise StreamError(
                    f"stream {info.name} ends at message {info.last_sequence}, but {stream.stream} tells of message "
                    f"{stream.position.through}; the server lost what it had acknowledged; restore the stream"
                )
        make_streams = partial(remake_outputs, bus, settings, self._source.log_position)
        self._telling = Telling(
            self._engine, self._worker, self._publisher, info.name, settings, self._blockages, make_streams
        )
        self._goodbyes.add(self._telling.close)
        await self._telling.retell_if_cut()

    def _noted(self) -> dict[str, Noted]:
        """What the snapshot knew of output streams."""
        notes = self._engine.notes
        known = json.loads(notes["outputs"]) if "outputs" in notes else {}
        return {name: Noted(created, last_sequence) for name, (created, last_sequence) in known.items()}

    @property
    def measures(self) -> Measures | None:
        """What is measured beside the work; None where nobody looks at it."""
        return self._measures

    @property
    def is_sound(self) -> bool:
        """Whether the engine found no fault in itself."""
        return not self._worker.has_failed

    @property
    def is_stopping(self) -> bool:
        """Whether it was told to stop."""
        return self._stop.is_set()

    @property
    def engine(self) -> "Engine | None":
        """The ledger, for questions; None while the daemon begins."""
        return self._engine if self._is_open else None

    def _answer_status(self) -> dict[str, Any]:
        status = self.status()
        assert status is not None, "the service starts when there is something to tell"
        return status.as_dict(time.time())

    def status(self) -> Status | None:
        """How the daemon is; None while it begins."""
        if not self._is_open:
            return None
        saver, source, client = self._saver, self._source, self._bus.client
        return Status(
            sequence=self._sequence,
            stream_end=max(source.last_sequence, self._sequence),
            log_time_ns=self._log_time_ns,
            published_sequence=self._telling.published_sequence,
            events=self.events_total,
            outcomes=dict(self._outcomes),
            positions=self._positions,
            snapshot=Taken(saver.saved_sequence, saver.saved_at, saver.took_s, saver.bytes_total),
            blocked=tuple(self._blockages.current()),
            answers=self._replies.sent_total,
            answers_failed=self._replies.failed_total,
            requests_pending=self._intake.pending,
            ticks=self._ticker.ticks_total,
            reconnects=client.stats["reconnects"],
            is_connected=client.is_connected,
            waiting_messages=source.inbox.waiting_messages,
            unpublished_bytes=self._telling.waiting_bytes,
            published_messages=self._publisher.messages_total,
            is_stopping=self._stop.is_set(),
            config_fingerprint=self._config.fingerprint,
            connection=self._link.facts(),
            intake_closed=self._intake_closed,
        )

    # Work

    async def work(self, until_sequence: int | None = None, *, until_idle: bool = False) -> None:
        """Reads, applies, publishes and saves until it is told to stop.

        Raises OperationError; among them StoppedUnpublished if it cannot come to an end within
        `process.stop_timeout_s`.
        """
        work = asyncio.ensure_future(self._work(until_sequence, until_idle=until_idle))
        told = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait((work, told), return_when=asyncio.FIRST_COMPLETED)
            self._begin_to_stop()
            limit_s = self._config.process.stop_timeout_s
            if not (await asyncio.wait((work,), timeout=limit_s))[0]:
                raise StoppedUnpublished(
                    f"stopped, though what had arrived could not be applied within {limit_s:g} s; "
                    "the next start goes on from the last snapshot, and nothing is lost"
                )
            work.result()
        finally:
            told.cancel()
            work.cancel()
            await asyncio.gather(work, told, return_exceptions=True)

    def _begin_to_stop(self) -> None:
        self._stop_by = asyncio.get_running_loop().time() + self._config.process.stop_timeout_s

    async def _work(self, until_sequence: int | None, *, until_idle: bool) -> None:
        loop, stopping = asyncio.get_running_loop(), False
        while until_sequence is None or self._sequence < until_sequence:
            if self._server is not None:
                self._server.check()
            if self._stop.is_set() and not stopping:
                stopping = True
                _log.info("stopping: what has arrived is still applied")
                await self._source.stop_pulling()
            # Half of the time is for publishing. What is not applied now, the next start reads again.
            late = self._stop_by - self._config.process.stop_timeout_s / 2
            if stopping and (not self._source.waiting or (self._stop_by and loop.time() >= late)):
                return
            has_messages = await self._source.wait(WAIT_UNPUBLISHED_S if self._telling.is_dirty else WAIT_S)
            if has_messages and not self._telling.has_room():
                await asyncio.sleep(WAIT_S)
            elif has_messages:
                await self._apply(until_sequence)
            elif self._ticker.is_time_to_look() and self._source.last_sequence <= self._sequence:
                await self._ticker.tick_if_overdue(*await self._worker.call(self._due))
            if self._rivals is not None and self._rivals.done():
                self._rivals.result()
            if self._measures is not None:
                self._measures.note_published(self._telling.published_sequence, self._publisher.stored_at)
            await self._telling.look_after()
            await self._telling.flush_if_due(self._source.last_sequence)
            await self._save_if_due()
            if until_idle and not has_messages and await self._source.at_end():
                return

    async def _apply(self, until_sequence: int | None) -> None:
        """Applies what waits, up to where there must be a flush and where there must be an end; answers go out."""
        await self._replies.have_room()
        boundary = self._publisher.next_boundary(self._sequence)
        ends = [end for end in (boundary, until_sequence) if end is not None]
        applied = await self._worker.call(partial(self._engine.apply_inbox, self._source.inbox, *sorted(ends)[:1]))
        self._replies.send(applied.answers)
        if applied.last_sequence is None:
            return
        if self._measures is not None:
            self._measures.note_applied(self._sequence, applied.last_sequence, time.monotonic())
        self._sequence, self._last_message = applied.last_sequence, applied.last_message
        self._worker.sequence = self._sequence
        self._outcomes.update(applied.counts)
        self._positions, self._log_time_ns = applied.positions, applied.log_time_ns
        self._telling.note_applied(self._sequence, applied.held_output_bytes)
        if self._sequence == boundary:
            await self._telling.flush()

    def _due(self) -> tuple[int | None, int | None]:
        return self._engine.next_due_ns, self._engine.log_time_ns

    # Snapshots

    async def _save_if_due(self) -> None:
        """Takes a snapshot, if there is something new and everything is published, and begins to write it."""
        if not self._saver.check():
            await self._check_replayable()
        if not self._saver.is_due(self._sequence) or self._saver.is_busy:
            return
        if not self._telling.may_flush or not await self._save():
            self._saver.put_off()

    async def _save(self) -> bool:
        """Returns whether the state was fit to be saved."""
        # Outputs first: a snapshot that knew of unpublished output would have to publish it after a restart.
        if any(self._blockages.of(stream.what) for stream in self._publisher.streams):
            return False
        if not await self._telling.settle():
            return False
        await self._telling.flush()
        if not await self._telling.settle():
            return False
        try:
            if self._bus.client.is_connected:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._publisher.check_kept(), _ASK_S)
        except OutputCut:
            await self._telling.look_after()
            if not await self._telling.settle():
                return False
        try:  # A restart from it would not make the answers to what came before again.
            await asyncio.wait_for(self._replies.drain(), _DRAIN_S)
        except TimeoutError:
            return False
        taken_at = time.monotonic()
        sequence = self._sequence
        data = await self._worker.call(partial(self._snapshot, self._notes()))
        self._saver.begin(data, sequence, taken_at)
        return True

    def _notes(self) -> dict[str, str]:
        digest = message_digest(self._last_message) if self._last_message is not None else self._digest
        outputs = {stream.stream: [stream.created, stream.last_sequence] for stream in self._publisher.streams}
        return {
            "input.stream": self._origin.stream,
            "input.created": self._origin.created,
            "input.digest": digest,
            "outputs": json.dumps(outputs),
        }

    def _snapshot(self, notes: dict[str, str]) -> memoryview:
        for name, value in notes.items():
            self._engine.set_note(name, value)
        return self._engine.snapshot_array().data

    async def _check_replayable(self) -> None:
        """Raises SnapshotWriteError if no snapshot can be written and the log no longer holds what a replay needs."""
        info = await self._bus.stream(self._origin.stream)
        needed = (self._saver.saved_sequence or self._replay_from) + 1
        if info is not None and info.first_sequence > needed:
            raise SnapshotWriteError(
                f"{self._folder.folder}: no snapshot can be written, and stream {info.name} no longer holds message "
                f"{needed}, from which a restart would replay; make room there and bring the stream back"
            )

    # End

    async def publish_rest(self) -> None:
        """Publishes what is left, as far as that gets through by the end of `process.stop_timeout_s`."""
        await self._source.stop_pulling()
        if self._telling.may_flush:
            await self._telling.flush()
        loop = asyncio.get_running_loop()
        blocked = [found for stream in self._publisher.streams if (found := self._blockages.of(stream.what))]
        is_away = not self._bus.client.is_connected
        until = loop.time() + _BLOCKED_STOP_S if blocked or is_away else self._stop_by
        if not await self._telling.settle(until):
            reason = f"{blocked[0].what}: {blocked[0].reason}" if blocked else "it was not confirmed in time"
            self._unpublished = "the server is away" if is_away else reason
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._replies.drain(), _BLOCKED_STOP_S if self._unpublished else _DRAIN_S)

    async def finish(self) -> RunReport:
        """Saves what was published, and returns what the run came to.

        Raises StoppedUnpublished if not all of it was.
        """
        await self._saver.finish()
        if self._unpublished is not None:
            through = self._telling.published_sequence
            raise StoppedUnpublished(
                f"stopped at log sequence {self._sequence:,}; what came after {through:,} is not published yet "
                f"({self._unpublished}); the next start publishes it, and nothing is lost"
            )
        if self._sequence != self._saver.saved_sequence and self._telling.may_flush:
            await self._save()
        state_hash = await self._worker.call(self._engine.state_hash)  # While the disk takes the snapshot.
        await self._saver.finish()
        if (blockage := self._blockages.of(SNAPSHOTS)) is not None:
            raise SnapshotWriteError(f"{blockage.reason}; {blockage.cure}")
        _log.info("stopped at log sequence %d, state %s", self._sequence, state_hash)
        return RunReport(self._sequence, self.events_total, dict(self._outcomes), self._positions, state_hash)

    async def close(self) -> None:
        """Releases everything, after success and failure alike."""
        await self._saver.close()
        if self._rivals is not None:
            self._rivals.cancel()
        await self._goodbyes.say()
        self._worker.close()
