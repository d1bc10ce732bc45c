"""nats-py's client, for the moment in which a socket is closed and nobody has noticed yet.

uvloop answers a write on it with a RuntimeError, where asyncio tells of a connection that is lost. nats-py 2.16
does not expect that: whatever call writes just then fails, and a client that reconnects just then never does again.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nats.aio.client import Client
from nats.aio.transport import TcpTransport

if TYPE_CHECKING:
    from nats.aio.client import Srv


class PatientClient(Client):
    """A client to which a closed socket is a lost connection, whoever notices it first."""

    async def close(self) -> None:
        """Closes the connection. What is still pending is lost if the socket is gone."""
        with contextlib.suppress(OSError):
            await super().close()

    async def _connect_to_server(self, s: "Srv") -> None:
        if self._transport is None and s.uri.scheme not in ("ws", "wss"):
            self._transport = _Transport()  # type: ignore[no-untyped-call]  # nats-py gives it no types
        await super()._connect_to_server(s)

    async def _send_ping(self, future: "asyncio.Future[Any] | None" = None) -> None:
        try:
            await super()._send_ping(future)
        except OSError as error:  # As the flusher of nats-py does it.
            await self._process_op_err(error)


class _Transport(TcpTransport):
    """A socket that says so when it is lost."""

    def __bool__(self) -> bool:
        return True  # nats-py would put its own in the place of one that is not connected yet.

    def write(self, payload: bytes) -> None:
        with _lost():
            super().write(payload)  # type: ignore[no-untyped-call]

    def writelines(self, payload: list[bytes]) -> None:
        with _lost():
            super().writelines(payload)  # type: ignore[no-untyped-call]


@contextlib.contextmanager
def _lost() -> Iterator[None]:
    try:
        yield
    except (RuntimeError, AttributeError) as error:  # AttributeError: it was never connected.
        raise ConnectionResetError(str(error)) from error
