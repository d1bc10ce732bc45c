"""nats-py's client, patient with a server that refuses something, or whose socket is closed before anybody noticed.

uvloop answers a write on it with a RuntimeError, where asyncio tells of a connection that is lost. nats-py 2.16
does not expect that: whatever call writes just then fails, and a client that reconnects just then never does again.
And it closes for good at any error that the server names, among them one that the next connection does not have.
"""

import asyncio
import contextlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nats.aio.client import Client
from nats.aio.transport import TcpTransport
from nats.errors import Error

if TYPE_CHECKING:
    from nats.aio.client import Srv

_REFUSED = re.compile(r'permissions violation for publish to "([^"]+)"', re.IGNORECASE)
_REFUSALS_MAX = 1_000


class PatientClient(Client):
    """A client to which a closed socket is a lost connection, whoever notices it first."""

    def __init__(self) -> None:
        super().__init__()
        self.refusals: dict[str, str] = {}
        """Why the server lets nothing be published, by subject; whoever publishes there takes it out."""

    async def close(self) -> None:
        """Closes the connection. What is still pending is lost if the socket is gone."""
        with contextlib.suppress(OSError):
            await super().close()

    async def _connect_to_server(self, s: "Srv") -> None:
        if self._transport is None and s.uri.scheme not in ("ws", "wss"):
            self._transport = _Transport()  # type: ignore[no-untyped-call]  # nats-py gives it no types
        await super()._connect_to_server(s)

    async def _process_err(self, err_msg: str) -> None:
        refused = _REFUSED.search(err_msg)
        if refused is not None and len(self.refusals) < _REFUSALS_MAX:
            self.refusals[refused[1]] = f"the server lets nobody of our name publish there ({err_msg.strip(chr(39))})"
        if "maximum payload" in err_msg.lower():
            # The limit was lowered under way; with the next connection the server tells the new one.
            await self._process_op_err(Error(f"nats: {err_msg.strip(chr(39))}"))
            return
        await super()._process_err(err_msg)

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
