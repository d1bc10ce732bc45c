"""The tap: the connection's bytes pass through the compiled inbox before nats-py parses what is left of them.

The one module that knows something private of nats-py: its parser. Connecting, TLS, authentication, reconnecting and
every frame that is not a message for the tapped subscription stay nats-py's.
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.subscription import Subscription
    from nats.protocol.parser import Parser

    from tallystick._engine import Inbox

KNOWN_VERSION: Final = "2.16."
"""Versions of nats-py whose parser is known to be used as here. Another one takes the plain path."""
READ_BYTES: Final = 256 * 1024
"""Bytes that the client reads at once: as many as uvloop receives at once. With its own 32 KiB, Python would work per
hundred messages instead of per thousand."""
_log: Final = logging.getLogger(__name__)


def attach(
    client: "Client", subscription: "Subscription", inbox: "Inbox", on_arrival: Callable[[], None]
) -> "Tap | None":
    """Leads the subscription's JetStream messages into the inbox; `on_arrival` is called once per chunk of them.

    Everything else, statuses of the subscription among it, reaches nats-py and the subscription's callback as ever.
    None, and one warning, if this nats-py is not known: then its callback gets the messages too.
    """
    import nats.aio.client
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
    nats.aio.client.DEFAULT_BUFFER_SIZE = READ_BYTES  # A constant of the module; there is no option for it.
    tap = Tap(client, private._ps, subscription._id, inbox, on_arrival)  # noqa: SLF001 (no public way to the bytes)
    private._ps = tap  # noqa: SLF001
    return tap


class Tap:
    """Stands where the client's parser stood, and hands on to it what is not for the inbox."""

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
        self._parsing = False
        self._leaving = False
        self._warned = False

    async def parse(self, data: bytes = b"") -> None:
        """Takes a chunk as it was read from the connection. Raises what the parser raises."""
        self._parsing = True
        try:
            if self._engaged or self._engage():
                await self._feed(data)
            else:
                await self._parser.parse(data)
        finally:
            self._parsing = False
            if self._leaving:
                self._leave()

    def reset(self) -> None:
        """Forgets what was not whole, as for a new connection."""
        self._parser.reset()
        self._engaged = self._warned = False

    def detach(self) -> None:
        """Gives the parser its place back, with the bytes of the frame that is not whole."""
        self._leaving = True
        if not self._parsing:
            self._leave()

    async def _feed(self, data: bytes) -> None:
        messages, bytes_total, foreign = self._inbox.feed(data)
        if messages:
            self._client.stats["in_msgs"] += messages
            self._client.stats["in_bytes"] += bytes_total
            self._on_arrival()
        for run in foreign:
            await self._parser.parse(run)
        if foreign and self._inbox.malformed and not self._warned:
            # The parser has the last word on such bytes; messages still arrive, by its way.
            self._warned = True
            _log.warning("the connection's bytes cannot be split; reading message by message until it reconnects")

    def _engage(self) -> bool:
        from nats.protocol.parser import AWAITING_CONTROL_LINE

        # The parser may be in the middle of a frame, whose end it must get.
        self._engaged = self._parser.state == AWAITING_CONTROL_LINE and not self._parser.buf
        if self._engaged:
            self._inbox.tap(self._sid)
        return self._engaged

    def _leave(self) -> None:
        self._parser.buf.extend(self._inbox.untap())
        self._engaged = False
        private: Any = self._client
        private._ps = self._parser  # noqa: SLF001
