"""nats-py's client, made patient: whatever ends a connection, it is asked for again, with what the files hold now.

nats-py 2.16 gives up for good where the server says why it ends a connection, so a rotated password or a full server
ended a daemon. uvloop answers a write on a socket that was just closed with a RuntimeError, where asyncio tells of
a connection that is lost: whatever call writes just then failed, and a client that reconnects just then never did.
"""

import asyncio
import contextlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from nats.aio.client import Client
from nats.aio.transport import TcpTransport
from nats.errors import Error, NoServersError

from tallystick.bus.link import Link, WayInError

if TYPE_CHECKING:
    from nats.aio.client import Srv

    from tallystick.bus.ways_in import WaysIn

_GOODBYE_S: Final = 1.0


class PatientClient(Client):
    """A client to which each end of a connection is a lost connection, whoever notices or says it first."""

    def __init__(self, link: Link, ways_in: "WaysIn", domain: str | None = None) -> None:
        super().__init__()
        self.link = link
        self.jetstream_domain = domain
        """JetStream domain whose streams are meant; None: that of the server."""
        self._ways_in = ways_in

    @property
    def server_domain(self) -> str | None:
        """The JetStream domain of the server itself, as it says."""
        domain: str | None = self._server_info.get("domain")
        return domain

    async def note_error(self, error: Exception) -> None:
        """Takes what nats-py tells of, and lets the next attempt wait as long as the link says."""
        self.link.note_failure(error)
        self.options["reconnect_time_wait"] = self.link.wait_s

    async def note_reconnect(self) -> None:
        """Takes that the connection is back, subscriptions and all."""
        self.link.note_connected()

    async def close(self) -> None:
        """Closes the connection. What is still pending is lost if the socket is gone."""
        self.link.note_closed()
        with contextlib.suppress(OSError):
            await super().close()

    async def _select_next_server(self) -> None:
        if self.link.is_given_up:
            raise NoServersError
        await super()._select_next_server()

    async def _connect_to_server(self, s: "Srv") -> None:
        if s.uri.scheme not in ("ws", "wss"):
            if self._transport is None:
                self._transport = _Transport()  # type: ignore[no-untyped-call]  # nats-py gives it no types
            else:
                self._transport.close()  # type: ignore[no-untyped-call]  # of an attempt that failed later on
        await super()._connect_to_server(s)

    async def _process_connect_init(self) -> None:
        try:
            self.options.update(self._ways_in.options())
            if self._nkeys_seed is not None:
                self._setup_nkeys_connect()
            await super()._process_connect_init()
        except WayInError as error:
            raise Error(str(error)) from error  # A kind that nats-py knows.
        except OSError as error:  # TimeoutError is one too
            if isinstance(self._transport, _Transport) and (words := self._transport.last_words()):
                raise Error(words) from error
            raise
        except Error:
            raise
        except Exception as error:  # Of nkeys, of ssl's inside: nats-py would never try again.
            raise Error(f"{type(error).__name__} while connecting") from error
        if self.link.state == "connecting":
            self.link.note_connected()

    def _connect_command(self) -> bytes:
        if self._ways_in.wants_tls and not self._server_info.get("tls_required"):
            # What comes next is a secret.
            raise Error("the server offers no TLS, and [nats] asks for it")
        return super()._connect_command()

    async def _process_err(self, err_msg: str) -> None:
        if "permissions violation" not in err_msg.lower():
            # Among them a largest payload that was lowered: with the next connection the server tells the new one.
            await self._process_op_err(Error(err_msg))
            return
        await super()._process_err(err_msg)

    async def _process_op_err(self, e: Exception) -> None:
        if not self.is_closed and not self.is_reconnecting:
            self.link.note_lost(e)
        await super()._process_op_err(e)

    async def _send_ping(self, future: "asyncio.Future[Any] | None" = None) -> None:
        try:
            await super()._send_ping(future)
        except OSError as error:  # As the flusher of nats-py does it.
            await self._process_op_err(error)


class _Transport(TcpTransport):
    """A socket that says so when it is lost."""

    def __bool__(self) -> bool:
        return True  # nats-py would put its own in the place of one that is not connected yet.

    async def readline(self) -> bytes:
        line: bytes = await super().readline()  # type: ignore[no-untyped-call]
        if not line:  # nats-py would take a connection that ends here for one that has begun.
            raise ConnectionResetError("the server ended the connection without a word")
        return line

    def last_words(self) -> str:
        """Returns why the server ended the connection, where it said so and we wrote before we read it."""
        told = bytes(getattr(self._io_reader, "_buffer", b""))  # The reader hands out nothing more once it failed.
        found = re.search(rb"-ERR '([^']*)'", told)
        return found[1].decode("utf-8", "replace") if found else ""

    async def wait_closed(self) -> None:
        # How an old connection ends is nothing to know, and a peer that hangs must not hold up the next one.
        with contextlib.suppress(OSError, RuntimeError, TimeoutError):
            await asyncio.wait_for(super().wait_closed(), _GOODBYE_S)  # type: ignore[no-untyped-call]

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
