"""Goodbyes: what a daemon still says to the server as it ends, with one limit for all of it.

A server that hangs takes what it is sent and answers nothing. What it keeps for a daemon ends with the connection.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

LIMIT_S: Final = 1.0
_LEAST_S: Final = 0.2
"""What waits for no answer still comes to its end, on a busy machine as well."""


class Goodbyes:
    """What ends one after the other, the last one first, as in an `AsyncExitStack`."""

    def __init__(self) -> None:
        self._stack = contextlib.AsyncExitStack()
        self._until = 0.0

    def add(self, end: Callable[..., Awaitable[object]], *arguments: object) -> None:
        """Adds what is called and waited for at the end."""
        self._stack.push_async_callback(self._end, end, *arguments)

    async def say(self) -> None:
        """Ends everything. What has no answer when the limit is reached is left."""
        self._until = asyncio.get_running_loop().time() + LIMIT_S
        await self._stack.aclose()

    async def _end(self, end: Callable[..., Awaitable[object]], *arguments: object) -> None:
        left_s = self._until - asyncio.get_running_loop().time()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(end(*arguments), max(left_s, _LEAST_S))
