"""Bus: how commands reach the server: one connection, always closed."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from nats.aio.client import Client as Connection

    from tallystick.bus.jetstream import JetStream
    from tallystick.client.client import Client
    from tallystick.config import Config, Nats

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

        from tallystick import config as configuration
        from tallystick.client.client import Client
        from tallystick.event_loop import run_loop

        settings = configuration.load(self.config)

        async def connected_work() -> Result:
            until = time.monotonic() + self.timeout_s
            async with connected(settings.nats, self.server, self.timeout_s) as connection:
                left_s = max(until - time.monotonic(), _GRACE_S)
                return await work(Client(connection, settings.input.subject, timeout_s=left_s))

        return run_loop(connected_work())

    def look_back(self, work: "Callable[[Client, JetStream, Config], Awaitable[Result]]") -> Result:
        """Runs `work` with a client, the server's streams, and the configuration that names them."""
        from tallystick import config as configuration
        from tallystick.bus.jetstream import JetStream
        from tallystick.client.client import Client
        from tallystick.event_loop import run_loop

        settings = configuration.load(self.config)

        async def connected_work() -> Result:
            async with connected(settings.nats, self.server) as connection:
                client = Client(connection, settings.input.subject, timeout_s=self.timeout_s)
                return await work(client, JetStream(connection), settings)

        return run_loop(connected_work())


@asynccontextmanager
async def connected(
    settings: "Nats", server: str | None, timeout_s: float | None = None
) -> AsyncIterator["Connection"]:
    """A connection to `server`, or to the configured one; within `timeout_s` where that is less. Raises BusError."""
    from tallystick.bus.connection import connect

    wait_s = min(settings.connect_timeout_s, timeout_s or settings.connect_timeout_s)
    connection = await connect(replace(settings, url=server or settings.url, connect_timeout_s=wait_s))
    try:
        yield connection
    finally:
        await connection.close()
