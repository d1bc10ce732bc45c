"""Intake: brings the events that requests became into the log; the engine's answer goes to whoever asked.

It decides nothing, and answers only when a request did not get into the log. Many requests are under way at once, in
the order in which they came.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tallystick import exact_json
from tallystick.subjects import subject_of_event

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

PENDING_MAX: Final = 20_000
"""Requests that the stream has not confirmed yet; beyond that they are refused."""
ACK_S: Final = 5.0
TRIES: Final = 3
_SWEEP_S: Final = 1.0
_log: Final = logging.getLogger(__name__)


class Refused(Exception):
    """Why a request did not get into the log: a code as of HTTP, and a line that says what to do."""

    def __init__(self, code: str, text: str) -> None:
        self.code = code
        super().__init__(text)


@dataclass(slots=True)
class _Pending:
    """An event on its way into the stream."""

    id: str
    event: bytes
    subject: str
    done: "asyncio.Future[None]"
    since: float
    tries: int = field(default=1)


class Intake:
    """Puts events onto the input subject, or that of their source, and sees that the stream has taken them."""

    def __init__(self, client: "Client", subject: str, closed: str | None = None) -> None:
        """`subject` may be a template (`tallystick.subjects`).

        `closed`: why nothing can be put into the event stream, as where it mirrors another one.
        """
        self._client = client
        self._closed = closed
        self._subject = subject
        self._inbox = client.new_inbox()
        self._number = 0
        self._pending: dict[int, _Pending] = {}
        self._acks: Any = None
        self._sweeper: asyncio.Task[None] | None = None

    @property
    def pending(self) -> int:
        """Requests on their way into the log."""
        return len(self._pending)

    async def open(self) -> None:
        """Begins to listen to what the stream confirms."""
        # Bounded by what is pending; nats-py must not drop any of them as those of a slow consumer.
        self._acks = await self._client.subscribe(
            f"{self._inbox}.*", cb=self._on_ack, pending_msgs_limit=0, pending_bytes_limit=0
        )
        self._sweeper = asyncio.create_task(self._sweep())

    async def close(self) -> None:
        """Stops listening. Whoever waits hears nothing, and asks again under the same key."""
        from nats.errors import Error

        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
        for pending in self._pending.values():
            pending.done.cancel()
        if self._acks is not None and self._client.is_connected:
            with contextlib.suppress(Error):
                await self._acks.unsubscribe()

    async def take(self, event_id: str, event: bytes) -> "asyncio.Future[None]":
        """Sends an event towards the stream; returns a future that is done once it is stored, or fails with Refused.

        Raises Refused at once when nothing can be put in, too much is pending, or the event is too large.
        """
        if self._closed is not None:
            raise Refused("503", f"{self._closed}, so no request can be taken here; ask the daemon of the original")
        if len(self._pending) >= PENDING_MAX:
            raise Refused("503", "too many requests are under way; send it again under the same id")
        if len(event) > self._client.max_payload:
            raise Refused("413", f"the event has {len(event)} bytes, more than the server takes; ask for less at once")
        self._number += 1
        loop = asyncio.get_running_loop()
        pending = _Pending(event_id, event, subject_of_event(self._subject, event), loop.create_future(), loop.time())
        self._pending[self._number] = pending
        await self._send(self._number, pending)
        return pending.done

    async def _send(self, number: int, pending: _Pending) -> None:
        from nats.errors import Error

        # Of this sending alone: the same key that is sent again must be judged again, to be answered again.
        headers = {"Nats-Msg-Id": f"{self._inbox}.{number}"}
        try:
            await self._client.publish(pending.subject, pending.event, f"{self._inbox}.{number}", headers)
        except Error as error:  # The sweep sends it again, or refuses it in the end.
            _log.debug("a request on its way to %s: %s", pending.subject, error)

    async def _on_ack(self, ack: "Msg") -> None:
        pending = self._pending.pop(int(ack.subject.rpartition(".")[2]), None)
        if pending is None or pending.done.done():
            return
        if not ack.data:
            pending.done.set_exception(
                Refused("503", f"no stream listens to {pending.subject} now; send it again under the id {pending.id}")
            )
            return
        answer: Mapping[str, Any] = exact_json.loads(ack.data)
        if refusal := answer.get("error"):
            pending.done.set_exception(Refused("503", f"the stream refuses the event: {refusal.get('description')}"))
        else:
            pending.done.set_result(None)

    async def _sweep(self) -> None:
        """Sends what is not confirmed once more, and refuses it after the last try."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_SWEEP_S)
            late = [(number, one) for number, one in self._pending.items() if loop.time() - one.since > ACK_S]
            for number, pending in late:
                if pending.tries < TRIES:
                    pending.tries, pending.since = pending.tries + 1, loop.time()
                    await self._send(number, pending)
                elif self._pending.pop(number, None) and not pending.done.done():
                    text = f"nobody knows whether it is stored; send it again under the id {pending.id}"
                    pending.done.set_exception(Refused("503", f"the stream does not answer, so {text}"))
