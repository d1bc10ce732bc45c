"""Worker: the one thread in which the daemon calls the engine. Calls reach it in the order in which they are made, as
the log demands.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tallystick.errors import EngineFailed

_T = TypeVar("_T")


class Worker:
    """Runs calls of the engine outside the event loop, which goes on meanwhile: the engine releases the GIL."""

    def __init__(self) -> None:
        self.sequence = 0
        """The log sequence that is applied, for whoever reads of a failure."""
        self.has_failed = False
        """Whether the engine found a fault in itself: it answers nothing any more."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="engine")

    async def call(self, work: Callable[[], _T]) -> _T:
        """Returns what the call returns. Raises EngineFailed for a fault of the engine."""
        from tallystick._engine import TallystickError

        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except TallystickError as error:
            self.has_failed = True
            raise EngineFailed(
                f"engine stopped after log sequence {self.sequence}: {error}; "
                "start again from the last snapshot, and report it if it comes back"
            ) from error

    def close(self) -> None:
        """Waits for the call under way, and ends the thread."""
        self._thread.shutdown()
