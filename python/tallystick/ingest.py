"""Ingestion: the messages of the event stream in order, every one once, in batches.

Own pull requests on an own inbox, two ahead, none ever cancelled; an ephemeral consumer without acks. What decides is
the contiguity of the stream's sequence: lower is dropped, a hole is filled from the stream or ends the daemon. The
place in the log is kept by the snapshots, not here and not by the broker.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from tallystick.connection import closed_for_good
from tallystick.errors import LogGap, OperationError
from tallystick.jetstream import ApiError, JetStream
from tallystick.source import MessageBatch
from tallystick.streams import LogPosition, check_position, message_digest

if TYPE_CHECKING:
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription

REQUESTS_AHEAD: Final = 2
REQUEST_EXPIRES_S: Final = 1.0
_REQUEST_GRACE_S: Final = 2.0
"""A request whose end was not told this long after it expired is lost."""
_QUIET_CHECK_S: Final = 1.0
"""How often the stream's end is asked for while nothing arrives."""
_CONSUMER_INACTIVE_S: Final = 30
_NANOSECONDS: Final = 1_000_000_000
_REPAIR_MESSAGES_MAX: Final = 10_000
_REPAIR_TRIES: Final = 3
_STOP_WAIT_S: Final = 2.0
BATCH_MESSAGES_MAX: Final = 16_384
BATCH_BYTES_MAX: Final = 4 << 20
_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PullLimits:
    """Bounds of the pull requests, and of what may wait for the engine."""

    pull_messages: int
    pull_bytes: int
    queue_messages: int
    queue_bytes: int


class PullSource:
    """Reads the event stream from a position on: a `MessageSource`."""

    def __init__(self, bus: JetStream, position: LogPosition, limits: PullLimits) -> None:
        self._bus = bus
        self._position = position
        """As of the start; `_log_position()` says how far it is now."""
        self._limits = limits
        self._expected = position.sequence + 1
        self._last_data: bytes | None = None
        self._last_sequence = position.sequence
        self._batches: deque[MessageBatch] = deque()
        self._waiting_messages = 0
        self._waiting_bytes = 0
        self._owed = 0
        """Messages that the server was asked for and has neither delivered nor declined."""
        self._owed_until = 0.0
        self._inbox = ""
        self._consumer: str | None = None
        self._generation = 0
        self._began_well = False
        """Whether the current consumer delivered the message that was expected of it."""
        self._hole_end = 0
        """Last message of a hole that a new consumer jumped over; 0: none."""
        self._rebuild_reason: str | None = "start"
        self._reconnects = 0
        self._arrived_at = 0.0
        self._asked_at = 0.0
        self._silences = 0
        self._stopping = False
        self._failure: OperationError | None = None
        self._arrived = asyncio.Event()
        self._attention = asyncio.Event()
        self._subscription: Subscription | None = None
        self._puller: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to read. Raises OperationError if the stream is not the one of the position."""
        self._inbox = self._bus.client.new_inbox()
        # Nothing may be dropped as from a slow consumer: what can arrive is bounded by what was asked for.
        self._subscription = await self._bus.client.subscribe(
            f"{self._inbox}.*", cb=self._on_message, pending_msgs_limit=0, pending_bytes_limit=0
        )
        await self._rebuild()
        self._puller = asyncio.create_task(self._pull())

    @property
    def last_sequence(self) -> int:
        """The stream's end, as far as it is known."""
        return self._last_sequence

    @property
    def waiting(self) -> bool:
        """Whether a batch can be had at once."""
        return bool(self._batches)

    async def at_end(self) -> bool:
        """Whether everything that the stream holds now was handed out."""
        info = await self._bus.stream(self._position.stream)
        return info is not None and info.last_sequence < self._expected and not self._batches

    async def next(self, timeout_s: float) -> MessageBatch | None:
        """The next messages; None if none came in time. Raises OperationError when there can be no more."""
        if not self._batches and self._failure is None:
            self._arrived.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._arrived.wait(), timeout_s)
        if self._batches:
            batch = self._batches.popleft()
            self._waiting_messages -= len(batch.messages)
            self._waiting_bytes -= batch.bytes_total
            self._attention.set()
            return batch
        if self._failure is not None:
            raise self._failure
        if self._puller is not None and self._puller.done() and not self._stopping:
            self._puller.result()  # A defect of ours: it must not look like an empty stream.
        return None

    async def stop_pulling(self) -> None:
        """Asks for no more messages; what has arrived can still be had."""
        self._stopping = True
        self._attention.set()
        if self._puller is not None:
            # It may be waiting for a server that is away.
            await asyncio.wait([self._puller], timeout=_STOP_WAIT_S)

    async def close(self) -> None:
        """Gives consumer and subscription back."""
        self._stopping = True
        if self._puller is not None:
            self._puller.cancel()
            await asyncio.gather(self._puller, return_exceptions=True)
        if self._bus.client.is_connected and self._subscription is not None:
            await self._delete_consumer()
            await self._subscription.unsubscribe()

    # Arrival

    async def _on_message(self, message: "Msg") -> None:
        if not message.reply:
            self._on_status(message)
            return
        tokens = message.reply.split(".")
        # $JS.ACK.<stream>.<consumer>.<delivered>.<stream sequence>.<consumer sequence>.<time>.<pending>, or with two
        # tokens for domain and account behind $JS.ACK.
        place = 5 if len(tokens) == 9 else 7
        sequence = int(tokens[place])
        missing_until = sequence - 1 if sequence > self._expected else 0
        if sequence == self._expected:
            self._accept(message.data, int(tokens[place + 2]))
            self._last_sequence = max(self._last_sequence, sequence + int(tokens[place + 3]))
        if tokens[place - 2] != self._consumer:
            return
        self._owed -= 1
        if self._owed == self._limits.pull_messages:
            self._attention.set()
        if not missing_until:
            self._began_well = True
        elif self._began_well:
            self._demand_rebuild("gap")  # Lost on the way or missing in the stream: a new consumer will tell.
        elif not self._hole_end:
            self._hole_end = missing_until
            self._demand_rebuild("hole")

    def _accept(self, data: bytes, time_ns: int) -> None:
        batch = self._batches[-1] if self._batches else None
        if batch is None or batch.bytes_total >= BATCH_BYTES_MAX or len(batch.messages) >= BATCH_MESSAGES_MAX:
            batch = MessageBatch(self._expected)
            self._batches.append(batch)
        batch.messages.append(data)
        batch.times_ns.append(time_ns)
        batch.bytes_total += len(data)
        self._waiting_messages += 1
        self._waiting_bytes += len(data)
        self._last_data = data
        self._expected += 1
        self._arrived_at = time.monotonic()
        self._silences = 0
        self._arrived.set()

    def _on_status(self, message: "Msg") -> None:
        headers = message.headers or {}
        status, description = headers.get("Status", ""), headers.get("Description", "")
        if status == "100":  # An idle heartbeat ends no request.
            return
        if int(message.subject.rpartition(".")[2]) != self._generation:
            return
        self._owed -= int(headers.get("Nats-Pending-Messages", 0))
        self._attention.set()
        if status in {"404", "408"}:
            return
        if status == "409" and ("MaxBytes" in description or "Batch Completed" in description):
            return
        # 503 nobody answers for the consumer; 409 it was deleted, or its leader changed or stops.
        self._demand_rebuild(f"{status} {description}".strip())

    # Pulling

    async def _pull(self) -> None:
        try:
            while not self._stopping:
                self._attention.clear()
                if self._rebuild_reason is not None:
                    await self._rebuild()
                await self._ask_for_more()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._attention.wait(), _QUIET_CHECK_S / 4)
                await self._watch()
        except OperationError as error:
            self._failure = error
            self._arrived.set()

    async def _ask_for_more(self) -> None:
        import orjson
        from nats.errors import Error

        limits, client = self._limits, self._bus.client
        while (
            self._owed <= (REQUESTS_AHEAD - 1) * limits.pull_messages
            and self._waiting_messages < limits.queue_messages
            and self._waiting_bytes < limits.queue_bytes
            and client.is_connected
            and not self._stopping
        ):
            body = {
                "batch": limits.pull_messages,
                # A message that is larger than the bound of a request would never be delivered.
                "max_bytes": max(limits.pull_bytes, 2 * client.max_payload),
                "expires": int(REQUEST_EXPIRES_S * _NANOSECONDS),
            }
            self._owed += limits.pull_messages
            self._owed_until = time.monotonic() + REQUEST_EXPIRES_S + _REQUEST_GRACE_S
            try:
                await client.publish(
                    f"$JS.API.CONSUMER.MSG.NEXT.{self._position.stream}.{self._consumer}",
                    orjson.dumps(body),
                    reply=f"{self._inbox}.{self._generation}",
                )
            except Error as error:  # The connection broke just now; what comes of it is seen by `_watch`.
                _log.debug("asking for messages: %s", error)
                return

    async def _watch(self) -> None:
        """Finds out, while nothing arrives, whether there is nothing or nothing gets through."""
        now = time.monotonic()
        if self._bus.client.is_closed:
            raise closed_for_good()
        if not self._bus.client.is_connected:
            return
        if self._reconnects != self._bus.client.stats["reconnects"]:
            # What was on its way is gone, and the server may not be the one it was.
            self._demand_rebuild("reconnect")
            return
        if self._owed > 0 and self._owed_until < now:
            self._demand_rebuild("requests without an answer")
        if now - max(self._arrived_at, self._asked_at) < _QUIET_CHECK_S:
            return
        self._asked_at = now
        expected = self._expected
        info = await self._bus.stream(self._position.stream)
        self._last_sequence = info.last_sequence if info else self._last_sequence
        full = self._owed <= 0 and bool(self._batches)
        if info is not None and (info.last_sequence < expected or self._expected > expected or full):
            self._silences = 0
            return
        self._silences += 1
        if self._silences == 2:
            self._demand_rebuild("silence")
        elif self._silences == 4:
            self._hole_end = info.last_sequence if info else 0
            self._demand_rebuild("hole")
        elif self._silences > 5:
            _log.warning("stream %s is silent though it holds more; connecting again", self._position.stream)
            await self._bus.client.force_reconnect()
            self._silences = 0

    def _demand_rebuild(self, reason: str) -> None:
        self._rebuild_reason = reason
        self._attention.set()

    async def _rebuild(self) -> None:
        """Makes a new consumer at the place where we are, after looking whether the log is still the same."""
        while not self._bus.client.is_connected:
            if self._stopping:
                return
            await asyncio.sleep(0.05)
        self._reconnects = self._bus.client.stats["reconnects"]
        reason, self._rebuild_reason = self._rebuild_reason, None
        self._generation += 1
        self._began_well = False
        self._owed = 0
        if reason not in ("start", "reconnect"):
            _log.info("reading stream %s anew from message %d: %s", self._position.stream, self._expected, reason)
        await check_position(self._bus, self._log_position())
        if self._hole_end:
            await self._fill_hole(min(self._hole_end, self._expected + _REPAIR_MESSAGES_MAX - 1))
            self._hole_end = 0
        await self._delete_consumer()
        name = f"tallystick-{self._inbox.rpartition('.')[2]}-{self._generation}"
        config = {
            "name": name,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": self._expected,
            "ack_policy": "none",
            "replay_policy": "instant",
            "inactive_threshold": _CONSUMER_INACTIVE_S * _NANOSECONDS,
            "num_replicas": 1,
            "mem_storage": True,
        }
        stream = self._position.stream
        body = {"stream_name": stream, "config": config, "action": "create"}
        await self._bus.request(f"CONSUMER.CREATE.{stream}.{name}", body)
        self._consumer = name

    async def _fill_hole(self, end: int) -> None:
        """Reads messages one by one up to `end`, or finds that they are gone. Raises LogGap with the exact range."""
        stream = self._position.stream
        while self._expected <= end:
            found = None
            for _ in range(_REPAIR_TRIES):  # Any replica may answer, and one of them may have it.
                found = found or await self._bus.direct_message(stream, self._expected)
            if found is None:
                following = await self._bus.direct_message(stream, self._expected, or_next=True)
                info = await self._bus.stream(stream)
                last = following.sequence - 1 if following else info.last_sequence if info else end
                raise LogGap(stream, self._expected, last)
            self._accept(found.data, found.time_ns)

    async def _delete_consumer(self) -> None:
        name, self._consumer = self._consumer, None
        if name is not None:
            # It may be gone already, with its server or by its own inactivity.
            with contextlib.suppress(ApiError):
                await self._bus.request(f"CONSUMER.DELETE.{self._position.stream}.{name}")

    def _log_position(self) -> LogPosition:
        if self._last_data is None:
            return self._position
        return replace(self._position, sequence=self._expected - 1, digest=message_digest(self._last_data))
