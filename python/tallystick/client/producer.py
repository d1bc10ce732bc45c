"""Producer: puts the lines of a file onto the event stream and loses none of them.

Every message is confirmed by the stream (PubAck) within a bounded window; what a broken connection left unconfirmed
is sent again under the same message id, which the stream stores once.
"""

import asyncio
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from tallystick.bus.connection import denial
from tallystick.errors import PublishError, UsageError
from tallystick.files.messages import Message, MessageReader
from tallystick.subjects import PLACE, subject_of

if TYPE_CHECKING:
    from nats.aio.client import Client as Connection
    from nats.aio.msg import Msg

    from tallystick._engine import Checker
    from tallystick.files.mapping import Mapping

WINDOW_MESSAGES: Final = 4_000
WINDOW_BYTES: Final = 32 << 20
MESSAGE_OVERHEAD_BYTES: Final = 1_024
"""Room that is left in a message for its headers."""
RESEND_AFTER_S: Final = 5.0
GIVE_UP_AFTER_S: Final = 60.0
_STORE_FAILED: Final = 10077


class Window:
    """Messages on their way: sent, kept until the stream confirms them, sent again when it does not."""

    def __init__(self, connection: "Connection", subject: str, *, messages_max: int = WINDOW_MESSAGES) -> None:
        """`subject` may be a template, which is filled in with each message's source."""
        self.events_confirmed = 0
        self.messages_confirmed = 0
        self.messages_stored_before = 0
        """Messages that the stream already had under the same id."""
        self.messages_resent = 0
        self._connection = connection
        self._subject = subject
        self._messages_max = messages_max
        self._inbox = connection.new_inbox()
        self._pending: dict[int, Message] = {}
        self._pending_bytes = 0
        self._number = 0
        self._moved = asyncio.Event()
        self._failure: Exception | None = None
        self._confirmed_at = 0.0

    @property
    def oldest_line(self) -> int | None:
        """The first line that is not confirmed yet among those that were sent."""
        return next(iter(self._pending.values())).line if self._pending else None

    async def __aenter__(self) -> Self:
        # The acks are bounded by the window; nats-py must not drop any of them as those of a slow consumer.
        self._acks = await self._connection.subscribe(
            f"{self._inbox}.*", cb=self._on_ack, pending_msgs_limit=0, pending_bytes_limit=0
        )
        self._confirmed_at = asyncio.get_running_loop().time()
        self._keeper = asyncio.create_task(self._resend_when_due())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._keeper.cancel()
        if self._connection.is_connected:
            await self._acks.unsubscribe()

    async def send(self, message: Message) -> None:
        """Sends one message, as soon as the window has room for it."""
        await self._until(self._has_room)
        if not self._pending:
            self._confirmed_at = asyncio.get_running_loop().time()
        self._number += 1
        self._pending[self._number] = message
        self._pending_bytes += len(message.payload)
        await self._publish(self._number, message)

    async def drain(self) -> None:
        """Waits until every message is confirmed. Raises PublishError when one is refused or none gets through."""
        await self._until(lambda: not self._pending)

    def _has_room(self) -> bool:
        full = len(self._pending) >= self._messages_max or self._pending_bytes >= WINDOW_BYTES
        return self._connection.is_connected and not full

    async def _until(self, condition: Callable[[], bool]) -> None:
        while True:
            if self._failure is not None:
                raise self._failure
            if condition():
                return
            self._moved.clear()
            await self._moved.wait()

    async def _publish(self, number: int, message: Message) -> None:
        from nats.errors import Error as NatsError

        try:
            await self._connection.publish(
                subject_of(self._subject, message.source),
                message.payload,
                f"{self._inbox}.{number}",
                {"Nats-Msg-Id": message.id},
            )
        except NatsError as error:
            # It stays in the window and goes out again with the others when the connection is back.
            if self._connection.is_closed:
                self._fail(f"the connection to the server is closed: {error}")

    async def _on_ack(self, ack: "Msg") -> None:
        import orjson

        if not ack.data:  # "No responders": the stream is not there now, as while its server starts.
            return
        answer: dict[str, Any] = orjson.loads(ack.data)
        error = answer.get("error")
        # 503 passes: the stream has no leader yet, or must catch up. Not so when it may not store any more.
        if error is not None and (error["code"] != 503 or error.get("err_code") == _STORE_FAILED):
            self._fail(f"the stream refuses the message: {error['description']} (error {error.get('err_code')})")
            return
        message = None if error else self._pending.pop(int(ack.subject.rpartition(".")[2]), None)
        if message is None:
            return
        self._pending_bytes -= len(message.payload)
        self.events_confirmed += message.events
        self.messages_confirmed += 1
        self.messages_stored_before += bool(answer.get("duplicate"))
        self._confirmed_at = asyncio.get_running_loop().time()
        self._moved.set()

    async def _resend_when_due(self) -> None:
        """Sends what is unconfirmed again, in order, after a reconnect and when the stream was silent for long."""
        clock = asyncio.get_running_loop().time
        reconnects, sent_at = self._connection.stats["reconnects"], clock()
        while True:
            await asyncio.sleep(0.25)
            self._moved.set()  # That the connection is back is told by nobody; whoever waits for room looks again.
            if (denied := self._denied()) is not None:
                self._fail(denied)
            silent_s = clock() - max(self._confirmed_at, sent_at)
            if self._connection.is_closed or (self._pending and clock() - self._confirmed_at > GIVE_UP_AFTER_S):
                self._fail(f"no answer from the stream for {GIVE_UP_AFTER_S:.0f} s")
            reconnected = self._connection.stats["reconnects"] != reconnects
            if not self._connection.is_connected or not (reconnected or silent_s > RESEND_AFTER_S):
                continue
            reconnects, sent_at = self._connection.stats["reconnects"], clock()
            for number, message in list(self._pending.items()):
                if number in self._pending:
                    self.messages_resent += 1
                    await self._publish(number, message)

    def _denied(self) -> str | None:
        """The line about a subject that the server denies, if something on its way goes there: it answers nothing."""
        subjects = dict.fromkeys(subject_of(self._subject, message.source) for message in self._pending.values())
        return next((told for subject in subjects if (told := denial(self._connection, subject)) is not None), None)

    def _fail(self, what: str) -> None:
        self._failure = self._failure or PublishError(what)
        self._moved.set()


@dataclass(frozen=True, slots=True)
class Published:
    """What a file's way onto the stream came to."""

    events: int
    messages: int
    messages_stored_before: int
    messages_resent: int
    broken_lines: int
    oversized_lines: tuple[int, ...]

    def as_dict(self) -> dict[str, Any]:
        """Returns the record of `publish --json`."""
        return asdict(self)


async def publish_file(  # noqa: PLR0913 (all but the file are by name)
    connection: "Connection",
    path: Path,
    *,
    subject: str,
    events_per_message: int = 1,
    window: int = WINDOW_MESSAGES,
    from_line: int = 1,
    mapping: "Mapping | None" = None,
    checker: "Checker | None" = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Published:
    """Publishes every event of `path` that fits into a message; returns counts when the stream has confirmed them all.

    A `{source}` in `subject` is filled in with each message's source.
    `window` is the most messages that may be unconfirmed; with a `checker` it stops before the first event that would
    be refused. `on_progress(bytes_read, events_confirmed)` is called for every message. Raises PublishError, which
    names the line to go on from, and UsageError for the file.
    """
    by_source = PLACE in subject
    message_bytes_max = connection.max_payload - MESSAGE_OVERHEAD_BYTES
    reader = MessageReader(path, message_bytes_max, events_per_message, from_line, mapping, checker, by_source)
    next_line = from_line
    async with Window(connection, subject, messages_max=window) as sent:
        try:
            for message in reader:
                next_line = message.line
                await sent.send(message)
                if on_progress is not None:
                    on_progress(reader.bytes_read, sent.events_confirmed)
            await sent.drain()
        except UsageError:
            await sent.drain()  # What stood before it was sent, and is to be confirmed.
            raise
        except PublishError as error:
            line = sent.oldest_line or next_line
            raise PublishError(f"{path}:{line}: {error}; when that is cured, go on with --from-line {line}") from error
    return Published(
        sent.events_confirmed,
        sent.messages_confirmed,
        sent.messages_stored_before,
        sent.messages_resent,
        reader.broken_lines,
        tuple(reader.oversized_lines),
    )
