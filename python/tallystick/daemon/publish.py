"""Publishing: what the engine flushed goes onto the output streams, each message exactly once, in order.

Messages have deterministic ids and name the stream sequence that must come before them. So the stored messages are
always a prefix of what was sent, a second writer is noticed at once, and after a crash the last stored message says
what is missing. It never looks into a payload.
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Self

from tallystick.bus.connection import closed_for_good
from tallystick.bus.jetstream import JetStream
from tallystick.daemon.outputs import NOTHING_STORED, Origin, OutputMessage, OutputPosition, read_position
from tallystick.errors import BusError, OutputFenced, PublishError

if TYPE_CHECKING:
    from nats.aio.msg import Msg

    from tallystick._engine import Flush

WINDOW_BYTES: Final = 16 << 20
_ACK_WAIT_S: Final = 5.0
"""Without an ack for this long the stream is asked what it has."""
_RETRY_WAIT_S: Final = 0.2
_WRONG_LAST_SEQUENCE: Final = 10071
_log: Final = logging.getLogger(__name__)


class OutputStream:
    """The writing end of one output stream."""

    def __init__(
        self, bus: JetStream, origin: Origin, stream: str, subject: str, *, window_messages: int, resend: bool
    ) -> None:
        """`resend`: whether everything is sent once more after the configuration changed."""
        self.stream = stream
        self.subject = subject
        self.position = NOTHING_STORED
        self.last_sequence = 0
        """Of the stream, as far as this writer caused or found it."""
        self.created = ""
        self._bus = bus
        self._origin = origin
        self._resend = resend
        self._base = 0
        """Stream sequence before the first message that is being sent."""
        self._reconnects = 0
        self._window = window_messages
        self._inbox = ""
        self._attempt = 0
        self._acked = 0
        self._sent = 0
        self._failure: Mapping[str, Any] | None = None
        self._unanswered = False
        self._moved = asyncio.Event()
        self._subscription: Any = None

    async def open(self) -> Self:
        """Reads how far the stream is. Raises OutputFenced if somebody else wrote its last message."""
        info = await self._bus.stream(self.stream)
        if info is None:
            raise BusError(f"stream {self.stream} is gone; start again to create it")
        self.created, self.last_sequence = info.created, info.last_sequence
        last = await self._bus.message(self.stream, info.last_sequence) if info.last_sequence else None
        if last is not None:
            self.position = read_position(self.stream, last.headers, self._origin, resend=self._resend)
        elif info.last_sequence:
            _log.warning(
                "stream %s: its last message has expired; what came after the snapshot is sent again", self.stream
            )
        self._inbox = self._bus.client.new_inbox()
        self._subscription = await self._bus.client.subscribe(
            f"{self._inbox}.*.*", cb=self._on_ack, pending_msgs_limit=0, pending_bytes_limit=0
        )
        return self

    async def close(self) -> None:
        """Ends the subscription to acks."""
        if self._subscription is not None and self._bus.client.is_connected:
            await self._subscription.unsubscribe()

    async def send(self, messages: Sequence[OutputMessage]) -> None:
        """Publishes messages in order and returns when all of them are stored.

        Raises OutputFenced when somebody else writes to the stream, PublishError when the stream refuses.
        """
        self._base, self._acked = self.last_sequence, 0
        self._begin_attempt(0)
        heard_at = time.monotonic()
        while self._acked < len(messages):
            acked = self._acked
            self._moved.clear()
            await self._fill_window(messages)
            if not self._failure and not self._unanswered:
                await self._wait_for_ack()
            if self._acked > acked:
                heard_at = time.monotonic()
            if self._failure or self._unanswered or time.monotonic() - heard_at > _ACK_WAIT_S:
                self._check_failure()
                self._begin_attempt(await self._stored_of(messages))
                heard_at = time.monotonic()
        if messages:
            self.last_sequence = self._base + len(messages)
            self.position = messages[-1].position

    async def _fill_window(self, messages: Sequence[OutputMessage]) -> None:
        from nats.errors import ConnectionClosedError, Error

        client = self._bus.client
        in_flight = sum(len(message.payload) for message in messages[self._acked : self._sent])
        while self._sent < len(messages) and self._sent - self._acked < self._window and client.is_connected:
            message = messages[self._sent]
            if in_flight and in_flight + len(message.payload) > WINDOW_BYTES:
                return
            try:
                await client.publish(
                    self.subject,
                    message.payload,
                    f"{self._inbox}.{self._attempt}.{self._sent}",
                    message.headers(self._origin, self.stream, self._base + self._sent),
                )
            except ConnectionClosedError as error:
                raise closed_for_good() from error
            except Error as error:  # Lost meanwhile; what is unanswered goes out again.
                _log.debug("publishing to %s: %s", self.stream, error)
                self._unanswered = True
                return
            in_flight += len(message.payload)
            self._sent += 1

    async def _wait_for_ack(self) -> None:
        try:
            await asyncio.wait_for(self._moved.wait(), _ACK_WAIT_S / 10)
        except TimeoutError:
            if self._bus.client.is_closed:
                raise closed_for_good() from None
        # What was on its way through a connection that broke may be lost, and so may be its acks.
        self._unanswered |= self._reconnects != self._bus.client.stats["reconnects"]

    def _begin_attempt(self, acked: int) -> None:
        self._attempt += 1  # Answers to what was sent before do not count any more.
        self._acked = self._sent = acked
        self._reconnects = self._bus.client.stats["reconnects"]
        self._failure, self._unanswered = None, False

    async def _on_ack(self, message: "Msg") -> None:
        import orjson

        _, attempt, index = message.subject.rsplit(".", 2)
        if int(attempt) != self._attempt:
            return
        if not message.data:  # Nobody answers for the subject right now.
            self._unanswered = True
        else:
            answer = orjson.loads(message.data)
            if (error := answer.get("error")) is not None:
                self._failure = self._failure or error
            elif answer["seq"] != self._base + int(index) + 1:
                description = f"id of message {answer['seq']} used again" if answer.get("duplicate") else "out of order"
                self._failure = {"code": 400, "err_code": 0, "description": description}
            elif int(index) == self._acked:
                self._acked += 1
        self._moved.set()

    def _check_failure(self) -> None:
        """Raises PublishError for a refusal that trying again does not cure."""
        if self._failure is None:
            return
        if self._failure.get("err_code") == _WRONG_LAST_SEQUENCE or self._failure.get("code") == 503:
            return
        raise PublishError(
            f"stream {self.stream} refuses a message: {self._failure.get('description')} "
            f"(error {self._failure.get('err_code')}); change the stream's limits or [output]"
        )

    async def _stored_of(self, messages: Sequence[OutputMessage]) -> int:
        """Returns how many of the messages the stream holds by now. Raises OutputFenced if it holds others instead."""
        await asyncio.sleep(_RETRY_WAIT_S)  # What is on its way may still be stored, and must be counted.
        info = await self._bus.stream(self.stream)
        if info is None or info.created != self.created or info.last_sequence < self._base + self._acked:
            raise PublishError(f"stream {self.stream} lost messages that it had acknowledged; start again to repair it")
        stored = info.last_sequence - self._base
        for index in range(self._acked, min(stored, len(messages))):
            found = await self._bus.message(self.stream, self._base + 1 + index)
            if found is not None and found.headers.get("Nats-Msg-Id") != messages[index].message_id(self._origin):
                stored = len(messages) + 1
        if stored > len(messages):
            raise OutputFenced(
                f"stream {self.stream}: another writer is at work; only one daemon may write there: "
                "stop the other one, or name another stream in [output]"
            )
        return stored


class Publisher:
    """Both output streams. One flush at a time: the next begins when all messages of the last are stored."""

    def __init__(self, availability: OutputStream, exceptions: OutputStream) -> None:
        self.availability = availability
        self.exceptions = exceptions
        self.messages_total = 0
        """Messages stored by this process."""
        self._boundaries: list[int] = []

    async def open(self) -> Self:
        """Reads how far both streams are."""
        await asyncio.gather(self.availability.open(), self.exceptions.open())
        self._boundaries = sorted(self.availability.position.boundaries() | self.exceptions.position.boundaries())
        return self

    async def close(self) -> None:
        """Ends both subscriptions."""
        await asyncio.gather(self.availability.close(), self.exceptions.close())

    def next_boundary(self, sequence: int) -> int | None:
        """Returns the next log sequence after `sequence` that needs a flush, because there was one before a crash."""
        return next((boundary for boundary in self._boundaries if boundary > sequence), None)

    def may_flush(self, sequence: int) -> bool:
        """Whether a flush at this log sequence divides none that is stored in part."""
        positions = (self.availability.position, self.exceptions.position)
        return all(p.complete or not p.start < sequence < p.through for p in positions)

    async def publish(self, flush: "Flush") -> None:
        """Publishes what is missing of a flush and returns when it is stored. Raises OperationError."""
        jobs = [
            stream.send(self._missing(stream, flush, messages))
            for stream, messages in ((self.availability, flush.availability), (self.exceptions, flush.exceptions))
        ]
        # If one fails, the other still ends: what it has under way need not be sent again at the next start.
        results = await asyncio.gather(*jobs, return_exceptions=True)
        for error in results:
            if isinstance(error, BaseException):
                raise error

    def _missing(
        self, stream: OutputStream, flush: "Flush", messages: Iterable[tuple[str, bytes]]
    ) -> list[OutputMessage]:
        pairs = list(messages)
        start, through, parts = flush.from_sequence, flush.through, len(pairs)
        skip = stream.position.parts_to_skip(start, through, parts)
        missing = [
            OutputMessage(id_, payload, OutputPosition(start, through, part, parts))
            for part, (id_, payload) in enumerate(pairs)
        ][skip:]
        self.messages_total += len(missing)
        return missing
