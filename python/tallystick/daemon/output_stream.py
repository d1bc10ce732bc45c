"""Output stream: the writing end of one stream. What it sends is stored once, in order, with a fence.

Messages have deterministic ids and name the stream sequence that must come before them. So the stored messages are
always a prefix of what was sent, a second writer is noticed at once, and after a crash the last stored message says
what is missing. While the stream takes nothing, it says why and goes on trying. It never looks into a payload.
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Self

from tallystick.bus.connection import closed_for_good, denial, take_denial
from tallystick.bus.jetstream import ApiError, JetStream, StreamInfo
from tallystick.daemon.blockages import Blockages
from tallystick.daemon.kept import Kept
from tallystick.daemon.outputs import (
    NOTHING_STORED,
    Beginning,
    Found,
    Noted,
    Origin,
    OutputMessage,
    begin,
    read_stored,
)
from tallystick.errors import BusError, OutputCut, OutputFenced, PublishError

if TYPE_CHECKING:
    from nats.aio.msg import Msg

WINDOW_BYTES: Final = 16 << 20
STALLED_S: Final = 1.0
"""Without an ack for this long, nobody waits for this stream any more."""
_ACK_WAIT_S: Final = 5.0
"""Without an ack for this long, the stream is asked what it has."""
_RETRY_LEAST_S: Final = 0.2
_RETRY_MOST_S: Final = 5.0
_HEADER_BYTES: Final = 1_024
"""Room for a message's headers, which the server counts too."""
_NANOSECONDS: Final = 1_000_000_000
_MEANWHILE: Final = "meanwhile the ledger goes on and answers, and what is to be told waits"
_WRONG_LAST_SEQUENCE: Final = 10071
_FINAL: Final = {10054, 10109}
"""A message larger than the stream takes; a sealed stream. Trying again cures neither."""
_log: Final = logging.getLogger(__name__)


class OutputStream:
    """The writing end of one output stream."""

    def __init__(
        self,
        bus: JetStream,
        origin: Origin,
        stream: str,
        subject: str,
        *,
        window_messages: int,
        resend: bool,
        blockages: Blockages | None = None,
    ) -> None:
        """`resend`: whether everything is sent once more after the configuration changed."""
        self.stream = stream
        self.subject = subject
        self.position = NOTHING_STORED
        self.last_sequence = 0
        """Of the stream, as far as this writer caused or found it."""
        self.created = ""
        self.is_cut = False
        """Whether the stream lost what only a retelling brings back."""
        self._bus = bus
        self._origin = origin
        self._resend = resend
        self._blockages = blockages or Blockages()
        self._epoch = 0
        self._kept = Kept()
        self._base = 0
        """Stream sequence before the first message that is being sent."""
        self._reconnects = 0
        self._window = window_messages
        self._inbox = ""
        self._attempt = 0
        self._acked = 0
        self._sent = 0
        self._failures = 0
        """Attempts in a row that brought nothing."""
        self._heard_at = 0.0
        """When something was acknowledged, or a sending began; 0: nothing is being sent."""
        self._failure: Mapping[str, Any] | None = None
        self._unanswered = False
        self._moved = asyncio.Event()
        self._subscription: Any = None

    @property
    def what(self) -> str:
        """What it is called where something is blocked."""
        return f"stream {self.stream}"

    @property
    def is_stalled(self) -> bool:
        """Whether something is being sent and nothing gets through."""
        return self._heard_at > 0 and time.monotonic() - self._heard_at > STALLED_S

    async def open(self, *, restored: int = 0, noted: Noted | None = None) -> Self:
        """Reads how far the stream is. `restored` is the log sequence of the snapshot, 0 without one; `noted` is what
        it knew of this stream.

        Raises OutputFenced if somebody else wrote its last message.
        """
        info = await self._bus.stream(self.stream)
        if info is None:
            raise BusError(f"stream {self.stream} is gone; start again to create it")
        self.created, self.last_sequence = info.created, info.last_sequence
        message = await self._bus.message(self.stream, info.last_sequence) if info.last_sequence else None
        last = read_stored(self.stream, message.headers, self._origin) if message is not None else None
        found = Found(info.created, info.last_sequence, _lost_through(info), last)
        begins = begin(found, self._origin.fingerprint, restored=restored, noted=noted, resend=self._resend)
        self._begin(begins)
        if not begins.is_cut:  # What is there is to be kept; where it may grow too old, the last of it.
            self._kept.begin(max(1, info.last_sequence) if info.config.get("max_age") else _lost_through(info) + 1)
        if begins.is_cut:
            _log.warning("%s: some of what was sent is not there; all that stands now is told once more", self.what)
        self._inbox = self._bus.client.new_inbox()
        self._subscription = await self._bus.client.subscribe(
            f"{self._inbox}.*.*", cb=self._on_ack, pending_msgs_limit=0, pending_bytes_limit=0
        )
        return self

    async def reopen(self) -> None:
        """Begins anew on a stream that lost messages under way: it needs a retelling. Raises BusError without one."""
        info = await self._bus.stream(self.stream)
        if info is None:
            raise BusError(f"stream {self.stream} is gone; start again to create it")
        self.created, self.last_sequence = info.created, info.last_sequence
        self._begin(Beginning(NOTHING_STORED, max(1, info.last_sequence), is_cut=True))

    def _begin(self, begins: Beginning) -> None:
        self.position, self._epoch, self.is_cut = begins.position, begins.epoch, begins.is_cut
        self._kept.begin(self.last_sequence + 1)

    async def check_kept(self) -> None:
        """Looks whether the stream still holds what it was sent. Raises OutputCut if it does not."""
        created, sent = self.created, self.last_sequence
        info = await self._bus.stream(self.stream)
        if self.created != created:
            return  # It was made anew meanwhile, and what was asked is of the old one.
        if info is None or info.created != created:
            raise OutputCut(self.stream)
        if self._kept.has_lost(_lost_through(info), int(info.config.get("max_age", 0)) / _NANOSECONDS):
            raise OutputCut(self.stream)
        self._kept.note(sent)

    async def close(self) -> None:
        """Ends the subscription to acks."""
        if self._subscription is not None and self._bus.client.is_connected:
            await self._subscription.unsubscribe()

    async def send(self, messages: Sequence[OutputMessage]) -> None:
        """Publishes messages in order and returns when all of them are stored, however long that takes.

        Raises OutputFenced when somebody else writes to the stream, OutputCut when it lost messages that it had
        acknowledged, PublishError when it will never take a message.
        """
        if not messages:
            return
        self._base, self._acked = self.last_sequence, 0
        self._begin_attempt(0)
        self._heard_at = asked_at = time.monotonic()
        while self._acked < len(messages):
            acked = self._acked
            self._moved.clear()
            await self._fill_window(messages)
            if not self._failure and not self._unanswered:
                await self._wait_for_ack()
            if self._acked > acked:
                self._heard_at = asked_at = time.monotonic()
                self._failures = 0
                self._blockages.clear(self.what)
            if self._failure or self._unanswered or time.monotonic() - asked_at > _ACK_WAIT_S:
                await self._find_out(messages)
                asked_at = time.monotonic()
        self.last_sequence = self._base + len(messages)
        self.position = messages[-1].position
        self._heard_at = 0.0

    async def _fill_window(self, messages: Sequence[OutputMessage]) -> None:
        from nats.errors import ConnectionClosedError, Error

        client = self._bus.client
        in_flight = sum(len(message.payload) for message in messages[self._acked : self._sent])
        # While nothing gets through, one message finds out when that changes.
        window = 1 if self._failures else self._window
        while self._sent < len(messages) and self._sent - self._acked < window and client.is_connected:
            message = messages[self._sent]
            if in_flight and in_flight + len(message.payload) > WINDOW_BYTES:
                return
            self._check_size(message, client.max_payload)
            headers = message.headers(self._origin, self.stream, self._epoch, self._base + self._sent)
            reply = f"{self._inbox}.{self._attempt}.{self._sent}"
            try:
                await client.publish(self.subject, message.payload, reply, headers)
            except ConnectionClosedError as error:
                raise closed_for_good(self._bus.client) from error
            except Error as error:  # Lost meanwhile; what is unanswered goes out again.
                _log.debug("publishing to %s: %s", self.stream, error)
                self._unanswered = True
                return
            in_flight += len(message.payload)
            self._sent += 1

    def _check_size(self, message: OutputMessage, bytes_max: int) -> None:
        """Raises PublishError for a message that no try will bring through."""
        size = len(message.payload) + _HEADER_BYTES
        if size > bytes_max:
            raise PublishError(
                f"stream {self.stream}: message {message.id} has {size:,} bytes and the server takes {bytes_max:,} "
                "since it was configured anew; set max_payload back to 1MB or more, and start again: nothing is lost"
            )

    async def _wait_for_ack(self) -> None:
        try:
            await asyncio.wait_for(self._moved.wait(), _ACK_WAIT_S / 10)
        except TimeoutError:
            if self._bus.client.is_closed:
                raise closed_for_good(self._bus.client) from None
        # What was on its way through a connection that broke may be lost, and so may be its acks.
        self._unanswered |= self._reconnects != self._bus.client.stats["reconnects"]
        self._unanswered |= denial(self._bus.client, self.subject) is not None

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

    # Trouble

    async def _find_out(self, messages: Sequence[OutputMessage]) -> None:
        """Asks the stream what it has after something went wrong, says what blocks it, and begins another attempt."""
        self._check_failure()
        reason = self._reason()
        client = self._bus.client
        if self._failures or reason is not None:
            self._blockages.block(self.what, *self._told(reason))
        # What is on its way may still be stored, and must be counted.
        await asyncio.sleep(min(_RETRY_LEAST_S * 2.0**self._failures, _RETRY_MOST_S))
        self._failures = min(self._failures + 1, 16)
        try:
            stored = await self._stored_of(messages)
        except (ApiError, BusError) as error:
            if client.is_closed:
                raise
            self._blockages.block(self.what, *self._told(str(error).partition(";")[0]))
            stored = self._acked
        if stored > self._acked:
            self._failures = 0
        self._begin_attempt(stored)

    def _told(self, reason: str | None) -> tuple[str, str]:
        """The reason and its cure, in words."""
        if reason is None:
            return "no answer to what was sent", f"check that the server has a leader for the stream; {_MEANWHILE}"
        if "permissions violation" in reason.lower():
            return reason, f"give the daemon's user permission to publish to {self.subject}; {_MEANWHILE}"
        return reason, f"give the stream room, or change its limits; {_MEANWHILE}"

    def _reason(self) -> str | None:
        if (denied := take_denial(self._bus.client, self.subject)) is not None:
            return f"the server says {denied}"
        if self._failure is None or self._failure.get("err_code") == _WRONG_LAST_SEQUENCE:
            return None
        return f"the server refuses: {self._failure.get('description')} (error {self._failure.get('err_code')})"

    def _check_failure(self) -> None:
        """Raises PublishError for a refusal that trying again does not cure."""
        if self._failure is None or self._failure.get("code") == 503:
            return
        if self._failure.get("err_code") in _FINAL or self._failure.get("err_code") == 0:
            raise PublishError(
                f"stream {self.stream} refuses a message: {self._failure.get('description')} "
                f"(error {self._failure.get('err_code')}); change the stream's limits or [output]"
            )

    async def _stored_of(self, messages: Sequence[OutputMessage]) -> int:
        """Returns how many of the messages the stream holds by now.

        Raises OutputFenced if it holds others instead, OutputCut if it lost some.
        """
        info = await self._bus.stream(self.stream)
        if info is None or info.created != self.created or info.last_sequence < self._base + self._acked:
            raise OutputCut(self.stream)
        stored = info.last_sequence - self._base
        for index in range(self._acked, min(stored, len(messages))):
            found = await self._bus.message(self.stream, self._base + 1 + index)
            if found is not None and found.headers.get("Nats-Msg-Id") != messages[index].message_id(
                self._origin, self._epoch
            ):
                stored = len(messages) + 1
        if stored > len(messages):
            raise OutputFenced(
                f"stream {self.stream}: another writer is at work; only one daemon may write there: "
                "stop the other one, or name another stream in [output]"
            )
        return stored


def _lost_through(info: StreamInfo) -> int:
    """The last message that is gone though no limit of the stream lets it go; its age is not looked at."""
    limits = ("max_msgs", "max_bytes", "max_msgs_per_subject")
    return 0 if any(int(info.config.get(limit, 0)) > 0 for limit in limits) else info.first_sequence - 1
