"""Bounded: uvicorn's server and protocol with the limits that they lack, and without their signal handlers."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

CONNECTIONS_MAX: Final = 32
"""Connections at the same time. One more ends the oldest that asks for nothing; if all are answered, it gets 503."""
REQUEST_S: Final = 5.0
"""How long the headers of a request may take, and a connection may be idle."""


class Bounded(H11Protocol):
    """Ends a connection whose request does not arrive in time: uvicorn itself waits for ever."""

    deadline: asyncio.TimerHandle | None = None
    """Until when a request is waited for; None: one is answered."""

    def connection_made(self, transport: Any) -> None:
        """Makes room, and begins to wait for a request."""
        if len(self.connections) >= CONNECTIONS_MAX:
            self._end_oldest_idle()
        super().connection_made(transport)
        if len(self.connections) > 2 * CONNECTIONS_MAX:
            transport.abort()
        self._watch()

    def _end_oldest_idle(self) -> None:
        """A probe must not fail because others hold connections that they do not use."""
        waiting = [
            (one.deadline.when(), one)
            for one in self.connections
            if isinstance(one, Bounded) and one.deadline is not None
        ]
        if waiting:
            _, oldest = min(waiting, key=lambda found: found[0])
            self.connections.discard(oldest)  # What ends is told later than the next request is read.
            oldest.transport.abort()  # A polite end over TLS would take its time.

    def data_received(self, data: bytes) -> None:
        """Takes bytes over."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Begins to wait for the next request."""
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends the wait."""
        super().connection_lost(exc)
        self._unwatch()

    def _watch(self) -> None:
        """Counts from the first moment in which a request is waited for, not from its last byte."""
        if self._is_answering:
            self._unwatch()
        elif self.deadline is None:
            self.deadline = self.loop.call_later(REQUEST_S, self._give_up)

    @property
    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _unwatch(self) -> None:
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None

    def _give_up(self) -> None:
        self.deadline = None
        if not self._is_answering:
            self.transport.close()


class Unsignalled(uvicorn.Server):
    """A server that leaves the signals to the daemon."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield
