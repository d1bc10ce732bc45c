"""Saving: when a snapshot is due, how it gets onto the disk, and what happens while the disk has no room.

It knows bytes and a folder; what is in a snapshot, and when the state is fit for one, is the pipeline's.
"""

import asyncio
import logging
import time
from typing import Any, Final

from tallystick.daemon.blockages import Blockages
from tallystick.daemon.snapshots import SnapshotFolder
from tallystick.errors import SnapshotWriteError

AGAIN_S: Final = 5.0
"""How long after a snapshot that could not be taken the next try follows, if the interval is not shorter."""
WHAT: Final = "snapshots"
"""What it is called where it is blocked."""
_log: Final = logging.getLogger(__name__)


class Saver:
    """Writes snapshots of one daemon, one at a time, beside everything else."""

    def __init__(self, folder: SnapshotFolder, interval_s: float, blockages: Blockages) -> None:
        self.saved_sequence = 0
        """Log sequence of the newest snapshot; 0: none."""
        self.saved_at: float | None = None
        """When it was written, in seconds since 1970; None: by an earlier process, or never."""
        self.took_s = 0.0
        """How long the last one took, from the state's copy to the disk."""
        self.bytes_total = 0
        """Of the last one."""
        self._folder = folder
        self._interval_s = interval_s
        self._blockages = blockages
        self._due_at = time.monotonic() + interval_s
        self._task: asyncio.Task[Any] | None = None

    def is_due(self, sequence: int) -> bool:
        """Whether there is something new, and it is time to save it."""
        return time.monotonic() >= self._due_at and sequence != self.saved_sequence

    def put_off(self) -> None:
        """Says that the state was not fit for a snapshot; the next try comes soon."""
        self._due_at = time.monotonic() + min(AGAIN_S, self._interval_s)

    def begin(self, data: memoryview, sequence: int, taken_at: float) -> None:
        """Begins to write a snapshot whose copy began at `taken_at` of the monotonic clock."""
        assert self._task is None, "one at a time"
        # Counted from its end: where a snapshot takes longer than the interval, there would be time for nothing else.
        self._due_at = time.monotonic() + self._interval_s
        self._task = asyncio.create_task(self._write(data, sequence, taken_at))

    async def finish(self) -> None:
        """Waits until what was begun is written. Raises SnapshotWriteError as `check` does."""
        if self._task is not None:
            await asyncio.wait([self._task])
            self.check()

    def check(self) -> bool:
        """Looks whether the writing ended; returns False if it could not be done and is tried again.

        Raises SnapshotWriteError when it may not be tried again.
        """
        if self._task is None or not self._task.done():
            return True
        task, self._task = self._task, None
        try:
            task.result()
        except SnapshotWriteError as error:
            if error.is_final:
                raise
            reason, _, cure = str(error).partition("; ")
            self._blockages.block(WHAT, reason, f"{cure}; until then a restart begins at the last one")
            self.put_off()
            return False
        self._blockages.clear(WHAT)
        return True

    @property
    def is_busy(self) -> bool:
        """Whether a snapshot is being written."""
        return self._task is not None

    async def close(self) -> None:
        """Waits for what is being written; a failure is of no interest any more."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def _write(self, data: memoryview, sequence: int, taken_at: float) -> None:
        path = await asyncio.to_thread(self._folder.write, data, sequence)
        self.saved_sequence, self.saved_at = sequence, time.time()
        self.took_s, self.bytes_total = time.monotonic() - taken_at, len(data)
        fields = {"sequence": sequence, "bytes": len(data), "took_s": round(self.took_s, 3)}
        _log.info("saved %s: %d bytes", path, len(data), extra=fields)
