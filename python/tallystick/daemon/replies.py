"""Replies: what the engine answers to requests in the log goes to whoever asked, and applying does not wait for it.

An answer is sent once for each time its request is judged, after a crash too. One that gets lost can be had again: the
same key, sent again, gets the same answer. It looks into no answer.
"""

import asyncio
import logging
import re
from collections import deque
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from tallystick.bus.streams import covers

if TYPE_CHECKING:
    from nats.aio.client import Client

WAITING_MAX: Final = 100_000
"""Answers that may wait for the connection; then applying waits, too."""
_TOGETHER: Final = 512
"""Answers that are handed to the connection before anybody else has a turn."""
_AWAY_S: Final = 0.05
_SUBJECT: Final = re.compile(r"[^\s.*>$\x00-\x1f\x7f][^\s.*>\x00-\x1f\x7f]*(\.[^\s.*>\x00-\x1f\x7f]+)*")
_SUBJECT_CHARS_MAX: Final = 256
_log: Final = logging.getLogger(__name__)


class Replies:
    """Sends answers in their order, many at a time, from a task of its own."""

    def __init__(self, client: "Client", closed: Sequence[str]) -> None:
        """`closed`: subjects, wildcards among them, that no answer may go to, whoever asks for it there."""
        self.sent_total = 0
        self.failed_total = 0
        """Answers that could not be sent: to where none may go, or through a connection that takes no more."""
        self._client = client
        self._closed = tuple(closed)
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._arrived = asyncio.Event()
        self._moved = asyncio.Event()
        self._arrived_total = 0
        """Of those that were sent, how many the server is known to have."""
        self._troubled = False
        self._task = asyncio.create_task(self._work())

    def send(self, answers: Iterable[tuple[str, bytes]]) -> None:
        """Takes answers over; never waits."""
        self._waiting.extend(answers)
        if self._waiting:
            self._arrived.set()

    async def have_room(self) -> None:
        """Waits while too many answers wait."""
        await self._until_at_most(WAITING_MAX)

    async def drain(self) -> None:
        """Waits until every answer is with the server, or the server is away."""
        from nats.errors import Error

        await self._until_at_most(0)
        if self._arrived_total == self.sent_total or not self._client.is_connected:
            return
        sent_total = self.sent_total
        try:
            await self._client.flush()
            self._arrived_total = sent_total
        except Error as error:
            _log.debug("answers may be lost: %s", error)

    async def close(self) -> None:
        """Stops sending. Whoever misses an answer asks again under the same key."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _until_at_most(self, waiting: int) -> None:
        while len(self._waiting) > waiting:
            if self._task.done():
                self._task.result()  # A defect of ours: it must not look like a slow connection.
            self._moved.clear()
            await self._moved.wait()

    async def _work(self) -> None:
        try:
            while True:
                await self._arrived.wait()
                self._arrived.clear()
                while self._waiting:
                    await self._send_some()
        finally:
            self._moved.set()

    async def _send_some(self) -> None:
        """Hands some answers to the connection, which writes them at once."""
        from nats.errors import Error

        client, waiting = self._client, self._waiting
        while not client.is_connected and not client.is_closed:  # noqa: ASYNC110 (it reconnects on its own)
            await asyncio.sleep(_AWAY_S)
        for _ in range(min(_TOGETHER, len(waiting))):
            subject, answer = waiting[0]
            try:
                if may_go_to(subject, self._closed):
                    await client.publish(subject, answer)
                    self.sent_total += 1
                    self._troubled = False
                else:
                    self._failed(subject, "no answer may go there")
            except Error as error:
                self._failed(subject, str(error) or type(error).__name__)
            waiting.popleft()
        self._moved.set()
        await asyncio.sleep(0)

    def _failed(self, subject: str, trouble: str) -> None:
        self.failed_total += 1
        if not self._troubled:  # One line for all that fail in a row.
            self._troubled = True
            _log.warning("an answer to %.64r was not sent: %s; %d in all", subject, trouble, self.failed_total)


def may_go_to(subject: str, closed: Sequence[str]) -> bool:
    """Whether an answer may go to a subject: to no stream of ours, and not to what the server itself listens to.

    Whoever may publish an event must not get the daemon's permissions with it.
    """
    if len(subject) > _SUBJECT_CHARS_MAX or not _SUBJECT.fullmatch(subject):
        return False
    # An inbox is the usual case, and nothing of ours.
    return subject.startswith("_INBOX.") or not any(covers(pattern, subject) for pattern in closed)
