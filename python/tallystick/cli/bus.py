"""Bus: how commands reach the server: one connection, always closed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nats.aio.client import Client

    from tallystick.config import Nats


@asynccontextmanager
async def connected(settings: "Nats", server: str | None) -> AsyncIterator["Client"]:
    """A connection to `server`, or to the configured one. Raises BusError."""
    from tallystick.connection import connect

    client = await connect(replace(settings, url=server) if server else settings)
    try:
        yield client
    finally:
        await client.close()
