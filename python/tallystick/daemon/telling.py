"""Telling: when what changed is taken out of the engine and handed to the publisher, and how much may wait there.

While nothing gets through, changes of positions are merged into the next flush, and applying goes on.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from tallystick.config import Output
from tallystick.daemon.blockages import Blockages
from tallystick.daemon.publish import Publisher
from tallystick.daemon.worker import Worker
from tallystick.errors import OperationError, OutputCut

if TYPE_CHECKING:
    from tallystick._engine import Engine, Flush

CATCH_UP_MS: Final = 1_000
"""Longest time between two flushes, however far ahead the log's end is."""
LOOK_S: Final = 5.0
"""Time between two looks at what the streams hold: who purges or deletes one tells nobody."""
APPLYING: Final = "applying"
"""What is blocked when too much output waits."""
_log: Final = logging.getLogger(__name__)


class Telling:
    """What is told to the output streams, and when."""

    def __init__(
        self,
        engine: "Engine",
        worker: Worker,
        publisher: Publisher,
        stream: str,
        settings: Output,
        blockages: Blockages,
        make_streams: Callable[[], Awaitable[object]],
    ) -> None:
        """`stream` is the event stream's name. `make_streams` makes the output streams again that were deleted."""
        self.publisher = publisher
        self.is_dirty = False
        """Whether something was applied since the last flush."""
        self._engine = engine
        self._worker = worker
        self._stream = stream
        self._settings = settings
        self._blockages = blockages
        self._make_streams = make_streams
        self._sequence = self._flushed_sequence = worker.sequence
        self._flushed_at = time.monotonic()
        self._held_bytes = 0
        self._looked_at = time.monotonic()
        self._look: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Ends a look that is under way."""
        if self._look is not None:
            self._look.cancel()
            await asyncio.gather(self._look, return_exceptions=True)

    @property
    def published_sequence(self) -> int:
        """The log sequence through which everything that it caused is stored in the output streams."""
        waiting = self.publisher.published
        return self._flushed_sequence if waiting is None else min(waiting, self._flushed_sequence)

    @property
    def waiting_bytes(self) -> int:
        """Output that is not stored yet, about."""
        return self._held_bytes + self.publisher.waiting_bytes

    @property
    def may_flush(self) -> bool:
        """Whether a flush now divides none that is stored in part."""
        return self.publisher.may_flush(self._sequence)

    def note_applied(self, sequence: int, held_bytes: int) -> None:
        """Notes how far the log is applied, and how much output the engine holds because of it."""
        self._sequence, self._held_bytes, self.is_dirty = sequence, held_bytes, True

    def has_room(self) -> bool:
        """Whether so little output waits that applying may go on; says so if it may not."""
        waiting = self.waiting_bytes
        if waiting < self._settings.held_bytes:
            self._blockages.clear(APPLYING)
            return True
        reason = f"{waiting >> 20:,} MiB of output wait to be published"
        self._blockages.block(APPLYING, reason, "free the output stream, or raise output.held_bytes")
        return False

    async def flush_if_due(self, stream_end: int) -> None:
        """Flushes if something changed, the channels have been told what changed before, and it is time."""
        if not self.is_dirty or not self.may_flush or not self.publisher.availability.is_idle:
            return
        waited_ms = (time.monotonic() - self._flushed_at) * 1_000
        applied, lag = self._sequence - self._flushed_sequence, stream_end - self._sequence
        if flush_is_due(waited_ms, self._settings.publish_interval_ms, applied, lag):
            await self.flush()

    async def flush(self) -> None:
        """Takes what changed since the last flush out of the engine, and begins to publish it."""
        self.publisher.publish(await self._encoded(self._engine.flush))
        self.is_dirty, self._held_bytes, self._flushed_at = False, 0, time.monotonic()
        self._flushed_sequence = self._sequence

    async def look_after(self) -> None:
        """Raises what the publishing failed with; a stream that lost its messages is told all that stands."""
        self._look_if_due()
        try:
            self.publisher.check()
        except OutputCut as error:
            _log.warning("%s", error)
            await self._make_streams()
            await self.publisher.restart_cut()
        await self.retell_if_cut()

    def _look_if_due(self) -> None:
        """Begins to look whether the streams hold what they were sent. What it finds, the next check raises."""
        is_busy = self._look is not None and not self._look.done()
        if is_busy or time.monotonic() - self._looked_at < LOOK_S:
            return
        self._looked_at = time.monotonic()
        self._look = asyncio.create_task(self._look_now())

    async def _look_now(self) -> None:
        with contextlib.suppress(OperationError):
            await self.publisher.check_kept()

    async def settle(self, until: float | None = None) -> bool:
        """Waits as `Publisher.settle` does; what a stream turns out to have lost is told on the way."""
        while True:
            try:
                return await self.publisher.settle(until)
            except OutputCut:
                await self.look_after()

    async def retell_if_cut(self) -> None:
        """Tells all that stands to a stream that lost it, as soon as that divides no flush of the other one."""
        if not self.publisher.is_cut or not self.may_flush:
            return
        if self.is_dirty:  # What changed goes to the other stream, and is part of what is told once more.
            await self.flush()
        self.publisher.publish(await self._encoded(self._engine.retell), is_retelling=True)

    async def _encoded(self, encode: Callable[..., "Flush"]) -> "Flush":
        most = self._settings.positions_per_message
        return await self._worker.call(partial(encode, self._stream, positions_per_message=most))


def flush_is_due(waited_ms: float, interval_ms: float, applied: int, lag: int) -> bool:
    """Whether to publish now: `applied` messages since the last flush, while the log's end is `lag` messages ahead.

    While it catches up, it publishes less often, at intervals that halve the way: what is sent before is soon out of
    date, and sending it would make the way longer.
    """
    if lag <= 0:
        return True
    return waited_ms >= interval_ms and (applied >= lag or waited_ms >= CATCH_UP_MS)
