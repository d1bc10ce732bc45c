"""Publishing: what the engine flushed goes onto both output streams, each message exactly once, in order.

Each stream is written by a task of its own, so one that takes nothing does not keep the other waiting.
"""

import asyncio
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from tallystick.daemon.output_stream import OutputStream
from tallystick.daemon.outputs import Noted, OutputMessage, OutputPosition
from tallystick.errors import OutputCut

if TYPE_CHECKING:
    from tallystick._engine import Flush


_LOOK_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class _Job:
    """A stream's part of a flush."""

    start: int
    through: int
    messages: Sequence[tuple[str, bytes]]
    is_retelling: bool = False


class Lane:
    """One output stream and the flushes that wait for it."""

    def __init__(self, stream: OutputStream) -> None:
        self.stream = stream
        self.messages_total = 0
        """Messages stored by this process."""
        self.waiting_bytes = 0
        self.stored_at = 0.0
        """When the last flush was stored, on the monotonic clock."""
        self._jobs: deque[_Job] = deque()
        self.task: asyncio.Task[None] | None = None
        """Writes what waits."""
        self.failure: OutputCut | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits."""
        return not self._jobs

    @property
    def published(self) -> int | None:
        """The log sequence before what waits; None: nothing waits."""
        return self._jobs[0].start if self._jobs else None

    def add(self, start: int, through: int, messages: Sequence[tuple[str, bytes]], *, is_retelling: bool) -> None:
        """Takes over a part of a flush; never waits. A stream that is cut takes a retelling alone."""
        if self.stream.is_cut != is_retelling:
            return
        self._jobs.append(_Job(start, through, messages, is_retelling))
        self.waiting_bytes += sum(len(payload) for _, payload in messages)
        has_failed = self.task is not None and self.task.done() and self.task.exception() is not None
        if self.task is None or (self.task.done() and not has_failed):  # A failure is raised by `check`.
            self.task = asyncio.create_task(self._work())
        if is_retelling:
            self.stream.is_cut = False

    def check(self) -> None:
        """Raises what the writing failed with."""
        if self.failure is not None:
            raise self.failure
        if self.task is not None and self.task.done():
            self.task.result()

    def fail(self, error: OutputCut) -> None:
        """Notes that the stream is cut, though nothing was being written."""
        self.failure = error

    async def restart(self) -> None:
        """Forgets what waits, after the stream was cut: a retelling will have all of it."""
        if self.task is not None:  # It may be writing to what is gone, and not know it yet.
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        self.task = self.failure = None
        self._jobs.clear()
        self.waiting_bytes = 0
        await self.stream.reopen()

    def stop(self) -> None:
        """Begins to stop writing."""
        if self.task is not None:
            self.task.cancel()

    async def close(self) -> None:
        """Stops writing."""
        self.stop()
        if self.task is not None:
            await asyncio.gather(self.task, return_exceptions=True)
        await self.stream.close()

    async def _work(self) -> None:
        while self._jobs:
            job = self._jobs[0]
            missing = self._missing(job)
            await self.stream.send(missing)
            self.messages_total += len(missing)
            self._jobs.popleft()
            self.stored_at = time.monotonic()
            self.waiting_bytes -= sum(len(payload) for _, payload in job.messages)

    def _missing(self, job: _Job) -> list[OutputMessage]:
        position, parts = self.stream.position, len(job.messages)
        if not job.is_retelling:
            skip = position.parts_to_skip(job.start, job.through, parts)
        elif position.is_retold and (position.through, position.parts) == (job.through, parts):
            skip = position.part + 1
        else:
            skip = 0
        return [
            OutputMessage(id_, payload, OutputPosition(job.start, job.through, part, parts, job.is_retelling))
            for part, (id_, payload) in enumerate(job.messages)
        ][skip:]


class Publisher:
    """Both output streams."""

    def __init__(self, availability: OutputStream, exceptions: OutputStream) -> None:
        self.availability = Lane(availability)
        self.exceptions = Lane(exceptions)
        self._lanes = (self.availability, self.exceptions)
        self._boundaries: list[int] = []

    async def open(self, *, restored: int = 0, noted: Mapping[str, Noted] | None = None) -> Self:
        """Reads how far both streams are; see `OutputStream.open`. `noted` is by the stream's name."""
        known = noted or {}
        await asyncio.gather(
            *(lane.stream.open(restored=restored, noted=known.get(lane.stream.stream)) for lane in self._lanes)
        )
        self._boundaries = sorted(set().union(*(lane.stream.position.boundaries() for lane in self._lanes)))
        return self

    async def close(self) -> None:
        """Stops writing and ends both subscriptions."""
        for lane in self._lanes:  # At once: what comes next may be given up, and nothing may be sent after it.
            lane.stop()
        await asyncio.gather(*(lane.close() for lane in self._lanes))

    @property
    def streams(self) -> tuple[OutputStream, OutputStream]:
        """Of availability and of exceptions."""
        return self.availability.stream, self.exceptions.stream

    @property
    def messages_total(self) -> int:
        """Messages stored by this process."""
        return sum(lane.messages_total for lane in self._lanes)

    @property
    def stored_at(self) -> float:
        """When the last flush was stored, on the monotonic clock."""
        return max(lane.stored_at for lane in self._lanes)

    @property
    def waiting_bytes(self) -> int:
        """Bytes of messages that wait to be stored."""
        return sum(lane.waiting_bytes for lane in self._lanes)

    @property
    def is_idle(self) -> bool:
        """Whether everything that was flushed is stored."""
        return all(lane.is_idle for lane in self._lanes)

    @property
    def is_cut(self) -> bool:
        """Whether a stream waits for a retelling."""
        return any(lane.stream.is_cut for lane in self._lanes)

    @property
    def published(self) -> int | None:
        """The log sequence through which everything is stored; None: all that was flushed."""
        waiting = [lane.published for lane in self._lanes if lane.published is not None]
        return min(waiting, default=None)

    def next_boundary(self, sequence: int) -> int | None:
        """Returns the next log sequence after `sequence` that needs a flush, because there was one before a crash."""
        return next((boundary for boundary in self._boundaries if boundary > sequence), None)

    def may_flush(self, sequence: int) -> bool:
        """Whether a flush at this log sequence divides none that is stored in part."""
        positions = (lane.stream.position for lane in self._lanes)
        return all(p.complete or p.is_retold or not p.start < sequence < p.through for p in positions)

    def publish(self, flush: "Flush", *, is_retelling: bool = False) -> None:
        """Takes over a flush; what is missing of it is stored one after the other. Never waits."""
        for lane, messages in ((self.availability, flush.availability), (self.exceptions, flush.exceptions)):
            lane.add(flush.from_sequence, flush.through, messages, is_retelling=is_retelling)

    def check(self) -> None:
        """Raises what the writing failed with."""
        for lane in self._lanes:
            lane.check()

    async def check_kept(self) -> None:
        """Looks whether the streams still hold what they were sent. Raises OutputCut for one that does not."""
        for lane in self._lanes:
            try:
                await lane.stream.check_kept()
            except OutputCut as error:
                lane.fail(error)
        self.check()

    async def restart_cut(self) -> None:
        """Begins anew on the streams that lost messages: they are cut then. Raises what else failed.

        Who lost one may have lost the other, though nothing was written there since.
        """
        for lane in self._lanes:
            try:
                lane.check()
                await lane.stream.check_kept()
            except OutputCut:
                await lane.restart()

    async def settle(self, until: float | None = None) -> bool:
        """Waits until everything is stored; False as soon as a stream is stalled, or at `until` of the loop's clock.

        Raises OperationError.
        """
        loop = asyncio.get_running_loop()
        while not self.is_idle:
            self.check()
            if until is None and any(lane.stream.is_stalled for lane in self._lanes):
                return False
            if until is not None and loop.time() >= until:
                return False
            await asyncio.wait([lane.task for lane in self._lanes if lane.task], timeout=_LOOK_S)
        self.check()
        return True
