"""Bus: how commands reach the server: one connection, always closed."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from nats.aio.client import Client as Connection

    from tallystick.bus.jetstream import JetStream
    from tallystick.client.client import Client
    from tallystick.config import Config, Nats

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Reach:
    """How a command gets to the daemon: what its options say."""

    config: Path | None
    server: str | None
    timeout_s: float

    def run(self, work: "Callable[[Client], Awaitable[Result]]") -> Result:
        """Runs `work` with a client, in an event loop and on a connection of its own, and returns its result."""
        from tallystick import config as configuration
        from tallystick.client.client import Client
        from tallystick.event_loop import run_loop

        settings = configuration.load(self.config)

        async def connected_work() -> Result:
            async with connected(settings.nats, self.server) as connection:
                return await work(Client(connection, settings.input.subject, timeout_s=self.timeout_s))

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
async def connected(settings: "Nats", server: str | None) -> AsyncIterator["Connection"]:
    """A connection to `server`, or to the configured one. Raises BusError."""
    from tallystick.bus.connection import connect

    connection = await connect(replace(settings, url=server) if server else settings)
    try:
        yield connection
    finally:
        await connection.close()
