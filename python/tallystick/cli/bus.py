"""Bus: how commands reach the server: one connection, always closed."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from tallystick.client.client import Client

Result = TypeVar("Result")
_GRACE_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Reach:
    """How a command gets to the daemon: what its options say."""

    config: Path | None
    server: str | None
    timeout_s: float

    def ask(self, work: "Callable[[Client], Awaitable[Result]]") -> Result:
        """As `run`, for what only asks: all of it has `timeout_s`. Raises BusError when that is over."""
        import asyncio

        from tallystick.errors import BusError

        async def bounded_work(client: "Client") -> Result:
            try:
                # A question that is out of time says more than this does, so it has the first word.
                async with asyncio.timeout(client.timeout_s + _GRACE_S):
                    return await work(client)
            except TimeoutError as error:
                raise BusError(f"no answer within {self.timeout_s:g} s; give it more with --timeout-s") from error

        return self.run(bounded_work)

    def run(self, work: "Callable[[Client], Awaitable[Result]]") -> Result:
        """Runs `work` with a client, in an event loop and on a connection of its own, and returns its result.

        Each answer has what the connection left of `timeout_s`. Raises BusError.
        """
        import time

        from tallystick.client.client import Client
        from tallystick.event_loop import run_loop

        async def connected_work() -> Result:
            until = time.monotonic() + self.timeout_s
            async with Client(self.server, config=self.config, timeout_s=self.timeout_s) as client:
                client.timeout_s = max(until - time.monotonic(), _GRACE_S)
                return await work(client)

        return run_loop(connected_work())
