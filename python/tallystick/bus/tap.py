"""The tap: the connection's bytes pass through the compiled inbox before nats-py parses what is left of them.

The one module that knows something private of nats-py: its parser, how its transport is read, and where the answer to a
request of its micro services goes. Connecting, TLS, authentication, reconnecting and every frame that is not a message
for the tapped subscription stay nats-py's.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np
    from nats.aio.client import Client
    from nats.aio.subscription import Subscription
    from nats.micro.request import Request
    from nats.protocol.parser import Parser
    from numpy.typing import NDArray

    from tallystick._engine import Inbox

KNOWN_VERSION: Final = "2.16."
"""Versions of nats-py whose parser is known to be used as here. All others take the plain path, message by message."""
READ_BYTES: Final = 512 * 1024
"""Most bytes that are read at once: many, because Python works per read, and no more than stay in the cache until they
are split."""
_log: Final = logging.getLogger(__name__)


def attach(
    client: "Client", subscription: "Subscription", inbox: "Inbox", on_arrival: Callable[[], None]
) -> "Tap | None":
    """Leads the subscription's JetStream messages into the inbox; `on_arrival` is called once per chunk of them.

    Everything else, statuses of the subscription among it, reaches nats-py and the subscription's callback as ever.
    Returns None, with one warning, if this nats-py is not known: then its callback gets the messages too.
    """
    from nats.aio.client import __version__
    from nats.protocol.parser import Parser

    private: Any = client
    if not __version__.startswith(KNOWN_VERSION) or type(getattr(private, "_ps", None)) is not Parser:
        _log.warning(
            "nats-py %s is not known to the fast way in, which needs %sx; reading message by message",
            __version__,
            KNOWN_VERSION,
        )
        return None
    tap = Tap(client, private._ps, subscription._id, inbox, on_arrival)  # noqa: SLF001 (no public way to the bytes)
    private._ps = tap  # noqa: SLF001
    return tap


def reply_subject(request: "Request") -> str:
    """Returns the subject that the answer to a micro service's request goes to; empty: nobody waits for one."""
    return request._msg.reply  # noqa: SLF001 (the engine answers later, so `respond` is no way)


class Tap:
    """Takes the place of the client's parser, and hands on to it what is not for the inbox.

    It begins with the chunks that the client reads. As soon as nothing waits between the transport and the parser, a
    `Shortcut` takes the bytes from the transport itself, and only what is not for the inbox still comes by the client.
    """

    def __init__(
        self, client: "Client", parser: "Parser", sid: int, inbox: "Inbox", on_arrival: Callable[[], None]
    ) -> None:
        self._client = client
        self._parser = parser
        self._sid = sid
        self._inbox = inbox
        self._on_arrival = on_arrival
        self._engaged = False
        """Whether the bytes go through the inbox: from the first frame's boundary on."""
        self._shortcut: Shortcut | None = None
        self._sorting = False
        self._leaving = False
        self._warned = False

    async def parse(self, data: bytes = b"") -> None:
        """Takes a chunk as the client read it. Raises what the parser raises."""
        if self._shortcut is not None or not (self._engaged or self._engage()):
            await self._parser.parse(data)
            return
        self._sorting = True  # Nobody leaves before all of a chunk is where it belongs.
        try:
            for run in self._foreign(*self._inbox.feed(data)):
                await self._parser.parse(run)
            self._shortcut = Shortcut.through(self._client, self._take)
        finally:
            self._sorted()

    def _take(self, buffer: "NDArray[np.uint8]", chunk_bytes: int, reader: asyncio.StreamReader) -> None:
        """Takes a chunk from the shortcut."""
        self._sorting = True
        for run in self._foreign(*self._inbox.feed_buffer(buffer, chunk_bytes)):
            reader.feed_data(run)
        self._sorted()

    def reset(self) -> None:
        """Forgets what was not whole, as for a new connection."""
        if self._shortcut is not None:
            self._shortcut.cut()
        self._parser.reset()
        self._shortcut = None
        self._engaged = self._warned = False

    def detach(self) -> None:
        """Puts the parser back in its place, with the bytes of the frame that is not whole."""
        self._leaving = True
        if not self._sorting:
            self._leave()

    def _sorted(self) -> None:
        self._sorting = False
        if self._leaving:
            self._leave()

    def _foreign(self, messages: int, bytes_total: int, foreign: list[bytes]) -> list[bytes]:
        """Tells of the messages that went to the inbox, and returns what is for the parser."""
        if messages:
            self._client.stats["in_msgs"] += messages
            self._client.stats["in_bytes"] += bytes_total
            self._on_arrival()
        if foreign and self._inbox.malformed and not self._warned:
            # The parser has the last word on such bytes; messages still arrive, by its way.
            self._warned = True
            _log.warning("the connection's bytes cannot be split; reading message by message until it reconnects")
        return foreign

    def _engage(self) -> bool:
        from nats.protocol.parser import AWAITING_CONTROL_LINE

        # The parser may be in the middle of a frame, whose end it must get.
        self._engaged = self._parser.state == AWAITING_CONTROL_LINE and not self._parser.buf
        if self._engaged:
            self._inbox.tap(self._sid)
        return self._engaged

    def _leave(self) -> None:
        partial = self._inbox.untap()
        if self._shortcut is not None:
            # The reader hands it on after what waits for the parser already.
            self._shortcut.end(partial)
            self._shortcut = None
        else:
            self._parser.buf.extend(partial)
        self._engaged = False
        private: Any = self._client
        private._ps = self._parser  # noqa: SLF001


class Shortcut(asyncio.BufferedProtocol):
    """Sits between the transport and the client's stream reader: one buffer for all reads, no task to wake for them.

    Everything but the bytes, and what of them is not for the inbox, goes on to the protocol that was there before.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        reader: asyncio.StreamReader,
        take: "Callable[[NDArray[np.uint8], int, asyncio.StreamReader], None]",
    ) -> None:
        import numpy as np

        self._transport = transport
        self._reader = reader
        self._protocol: Any = transport.get_protocol()
        self._take = take
        self._buffer = np.empty(READ_BYTES, np.uint8)
        self._dropping = False
        self._ended = False

    @classmethod
    def through(
        cls, client: "Client", take: "Callable[[NDArray[np.uint8], int, asyncio.StreamReader], None]"
    ) -> "Shortcut | None":
        """Takes the transport's bytes from now on. Returns None while the reader holds some, or for a websocket."""
        from nats.aio.transport import TcpTransport

        carrier: Any = getattr(client, "_transport", None)
        if not isinstance(carrier, TcpTransport):  # Websockets bring messages of their own.
            return None
        reader, transport = _ends(carrier)
        if getattr(reader, "_buffer", None) != b"" or reader.at_eof() or transport.is_closing():
            return None
        shortcut = cls(transport, reader, take)
        _exchange(transport, shortcut)
        return shortcut

    def cut(self) -> None:
        """Drops what still comes: the connection is given up."""
        self._dropping = True

    def end(self, partial: bytes) -> None:
        """Puts the stream reader back in its place, with the bytes of the frame that is not whole."""
        if self._ended or self._transport.is_closing():
            return
        _exchange(self._transport, self._protocol)
        self._reader.feed_data(partial)

    def get_buffer(self, _sizehint: int) -> "NDArray[np.uint8]":  # type: ignore[override]  # a buffer as any other
        """Where the next bytes go."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Hands on the bytes that have come."""
        if not self._dropping:
            self._take(self._buffer, nbytes, self._reader)

    def eof_received(self) -> bool | None:
        """The server says no more."""
        self._ended = True
        kept_open: bool | None = self._protocol.eof_received()
        return kept_open

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._ended = True
        self._protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        """The transport's send buffer is full."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """It has room again."""
        self._protocol.resume_writing()


def _ends(carrier: Any) -> tuple[asyncio.StreamReader, asyncio.Transport]:
    """Returns what the client reads from, and the transport that feeds it."""
    return carrier._io_reader, carrier._io_writer.transport  # noqa: SLF001


def _exchange(transport: asyncio.Transport, protocol: asyncio.BaseProtocol) -> None:
    """Puts a protocol in the place of another; a transport asks at the beginning of reading what kind it is."""
    transport.pause_reading()
    transport.set_protocol(protocol)
    transport.resume_reading()
