"""Ingestion: the messages of the event stream in order, every one once, in batches.

Own pull requests on an own inbox, two ahead, none ever cancelled; an ephemeral consumer without acks. What decides is
the contiguity of the stream's sequence: lower is dropped, a hole is filled from the stream or ends the daemon. The
messages themselves pass by: the tap leads them into the compiled inbox. The place in the log is kept by the snapshots,
not here and not by the broker.
"""

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from tallystick.bus.connection import closed_for_good
from tallystick.bus.jetstream import ApiError, JetStream
from tallystick.bus.streams import LogPosition, check_position, message_digest
from tallystick.bus.tap import Tap, attach
from tallystick.errors import LogGap, OperationError

if TYPE_CHECKING:
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription

    from tallystick._engine import Inbox

REQUESTS_AHEAD: Final = 2
"""One is being filled while the next is on its way, so that the server never waits for us."""
REQUEST_EXPIRES_S: Final = 1.0
"""Short, so that what a consumer's end or a new leader swallowed is asked for again soon."""
_REQUEST_GRACE_S: Final = 2.0
"""A request whose end was not told this long after it expired is lost."""
_QUIET_CHECK_S: Final = 1.0
"""How often the stream's end is asked for while nothing arrives."""
_GATHERED_MESSAGES: Final = 4_096
"""What is applied at once while more is known to be on its way: so many that the call costs nothing beside them."""
_GATHERED_BYTES: Final = 1 << 20
_GATHERING_S: Final = 0.002
"""How long they are waited for."""
_CONSUMER_INACTIVE_S: Final = 30
_NANOSECONDS: Final = 1_000_000_000
_REPAIR_MESSAGES_MAX: Final = 10_000
_REPAIR_TRIES: Final = 3
_STOP_WAIT_S: Final = 0.5
_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PullLimits:
    """Bounds of the pull requests, and of what may wait for the engine."""

    pull_messages: int
    pull_bytes: int
    queue_messages: int
    queue_bytes: int


class PullSource:
    """Reads the event stream from a position on."""

    def __init__(self, bus: JetStream, position: LogPosition, limits: PullLimits, *, subjects: bool = False) -> None:
        """`subjects`: whether the messages' subjects are kept, which costs where nobody looks at them."""
        from tallystick._engine import Inbox

        self._bus = bus
        self._position = position
        """As of the start; `log_position()` says how far it is now."""
        self._limits = limits
        self._inbox = Inbox(position.sequence + 1, subjects=subjects)
        self._wanted = 1
        """Messages that must wait before the one who waits for them is called."""
        self._noticed = position.sequence + 1
        """The sequence that was expected when messages arrived last."""
        self._last_sequence = position.sequence
        self._asked = 0
        """Messages that the current consumer was asked for, those that it declined left out."""
        self._asked_until = 0.0
        self._held_back = False
        """Whether nothing more was asked for because too much waits."""
        self._subject = ""
        self._consumer: str | None = None
        self._generation = 0
        self._hole_end = 0
        """Last message of a hole that a new consumer jumped over; 0: none."""
        self._rebuild_reason: str | None = "start"
        self._reconnects = 0
        self._arrived_at = 0.0
        self._looked_at = 0.0
        self._quiet_looks = 0
        self._stopping = False
        self._failure: OperationError | None = None
        self._arrived = asyncio.Event()
        self._attention = asyncio.Event()
        self._subscription: Subscription | None = None
        self._tap: Tap | None = None
        self._puller: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to read. Raises OperationError if the stream is not the one of the position."""
        client = self._bus.client
        self._subject = client.new_inbox()
        # Nothing may be dropped as from a slow consumer: what can arrive is bounded by what was asked for.
        self._subscription = await client.subscribe(
            f"{self._subject}.*", cb=self._on_message, pending_msgs_limit=0, pending_bytes_limit=0
        )
        self._tap = attach(client, self._subscription, self._inbox, self._on_arrival)
        await self._rebuild()
        self._puller = asyncio.create_task(self._pull())

    @property
    def last_sequence(self) -> int:
        """The stream's end, as far as it is known."""
        return self._last_sequence

    @property
    def inbox(self) -> "Inbox":
        """What has arrived and was not taken yet."""
        return self._inbox

    @property
    def waiting(self) -> bool:
        """Whether there is something in the inbox."""
        return self._inbox.waiting_messages > 0

    async def at_end(self) -> bool:
        """Whether everything that the stream holds now was handed out."""
        info = await self._bus.stream(self._position.stream)
        return info is not None and info.last_sequence < self._inbox.expected and not self.waiting

    async def wait(self, timeout_s: float) -> bool:
        """Waits for messages; False if none came in time. Raises OperationError when there can be no more.

        While many more are known to be on their way, it waits a moment for some of them.
        """
        if self._held_back:
            self._attention.set()
        if not self.waiting:
            await self._listen(1, timeout_s)
        if self.waiting:
            if self._on_the_way() and not self._has_gathered():
                await self._listen(_GATHERED_MESSAGES, _GATHERING_S)
            return True
        if self._failure is not None:
            raise self._failure
        if self._puller is not None and self._puller.done() and not self._stopping:
            self._puller.result()  # A defect of ours: it must not look like an empty stream.
        return False

    async def _listen(self, wanted: int, timeout_s: float) -> None:
        """Waits until so many messages wait, or nothing more can come."""
        if self._failure is not None:
            return
        self._wanted = wanted
        self._arrived.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._arrived.wait(), timeout_s)

    def _on_the_way(self) -> bool:
        """Whether the stream is known to hold many more than what waits."""
        return self._inbox.stream_end - self._inbox.expected >= _GATHERED_MESSAGES

    def _has_gathered(self) -> bool:
        return self._inbox.waiting_messages >= self._wanted or self._inbox.waiting_bytes >= _GATHERED_BYTES

    async def stop_pulling(self) -> None:
        """Asks for no more messages; what has arrived can still be had."""
        self._stopping = True
        self._attention.set()
        if self._puller is not None:
            # It may be waiting for a server that is away.
            await asyncio.wait([self._puller], timeout=_STOP_WAIT_S)

    async def close(self) -> None:
        """Deletes the consumer and ends the subscription."""
        self._stopping = True
        if self._puller is not None:
            self._puller.cancel()
            await asyncio.gather(self._puller, return_exceptions=True)
        if self._tap is not None:
            self._tap.detach()
        if self._bus.client.is_connected and self._subscription is not None:
            await self._delete_consumer()
            await self._subscription.unsubscribe()

    # Arrival

    async def _on_message(self, message: "Msg") -> None:
        """What the tap leaves to nats-py: statuses, and every message where there is no tap."""
        if not message.reply:
            self._on_status(message)
        elif self._inbox.deliver(message.reply, message.data, message.subject):
            self._on_arrival()

    def _on_arrival(self) -> None:
        """Looks at what messages did to the inbox: once per chunk of the connection's bytes, never per message."""
        inbox = self._inbox
        if inbox.expected != self._noticed:
            self._noticed = inbox.expected
            self._last_sequence = max(self._last_sequence, inbox.stream_end)
            self._arrived_at = time.monotonic()
            self._quiet_looks = 0
            if self._has_gathered():
                self._arrived.set()
        if self._owed <= (REQUESTS_AHEAD - 1) * self._limits.pull_messages:
            self._attention.set()
        if not inbox.missing_until or self._rebuild_reason is not None:
            return
        if inbox.began_well:
            self._demand_rebuild("gap")  # Lost on the way or missing in the stream: a new consumer will tell.
        elif not self._hole_end:
            self._hole_end = inbox.missing_until
            self._demand_rebuild("hole")

    @property
    def _owed(self) -> int:
        """Messages that the server was asked for and has neither delivered nor declined."""
        return self._asked - self._inbox.delivered

    def _on_status(self, message: "Msg") -> None:
        headers = message.headers or {}
        status, description = headers.get("Status", ""), headers.get("Description", "")
        if status == "100":  # An idle heartbeat ends no request.
            return
        if int(message.subject.rpartition(".")[2]) != self._generation:
            return
        self._asked -= int(headers.get("Nats-Pending-Messages", 0))
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
                # It wakes by itself too: that nothing comes is told by nobody.
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
        while self._owed <= (REQUESTS_AHEAD - 1) * limits.pull_messages and client.is_connected and not self._stopping:
            waiting, waiting_bytes = self._inbox.waiting_messages, self._inbox.waiting_bytes
            self._held_back = waiting >= limits.queue_messages or waiting_bytes >= limits.queue_bytes
            if self._held_back:
                return
            body = {
                "batch": limits.pull_messages,
                # A message that is larger than the bound of a request would never be delivered.
                "max_bytes": max(limits.pull_bytes, 2 * client.max_payload),
                "expires": int(REQUEST_EXPIRES_S * _NANOSECONDS),
            }
            self._asked += limits.pull_messages
            self._asked_until = time.monotonic() + REQUEST_EXPIRES_S + _REQUEST_GRACE_S
            try:
                await client.publish(
                    self._bus.subject(f"CONSUMER.MSG.NEXT.{self._position.stream}.{self._consumer}"),
                    orjson.dumps(body),
                    reply=f"{self._subject}.{self._generation}",
                )
            except Error as error:  # The connection broke just now; what comes of it is seen by `_watch`.
                _log.debug("asking for messages: %s", error)
                return

    async def _watch(self) -> None:
        """Finds out, while nothing arrives, whether there is nothing or nothing gets through."""
        now = time.monotonic()
        if self._bus.client.is_closed:
            raise closed_for_good(self._bus.client)
        if not self._bus.client.is_connected:
            return
        if self._reconnects != self._bus.client.stats["reconnects"]:
            # What was on its way is gone, and the server may not be the one it was.
            self._demand_rebuild("reconnect")
            return
        if self._owed > 0 and self._asked_until < now:
            self._demand_rebuild("requests without an answer")
        if now - max(self._arrived_at, self._looked_at) < _QUIET_CHECK_S:
            return
        self._looked_at = now
        expected = self._inbox.expected
        info = await self._bus.stream(self._position.stream)
        self._last_sequence = info.last_sequence if info else self._last_sequence
        full = self._owed <= 0 and self.waiting
        if info is not None and (info.last_sequence < expected or self._inbox.expected > expected or full):
            self._quiet_looks = 0
            return
        self._quiet_looks += 1
        # The stream holds more than has come. First the consumer is suspected, then a hole, then the connection.
        if self._quiet_looks == 2:
            self._demand_rebuild("silence")
        elif self._quiet_looks == 4:
            self._hole_end = info.last_sequence if info else 0
            self._demand_rebuild("hole")
        elif self._quiet_looks > 5:
            _log.warning("stream %s is silent though it holds more; connecting again", self._position.stream)
            await self._bus.client.force_reconnect()
            self._quiet_looks = 0

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
        self._inbox.follow("")
        self._asked = 0
        if reason not in ("start", "reconnect"):
            _log.info("reading stream %s anew from message %d: %s", self._position.stream, self._inbox.expected, reason)
        await check_position(self._bus, self.log_position())
        if self._hole_end:
            await self._fill_hole(min(self._hole_end, self._inbox.expected + _REPAIR_MESSAGES_MAX - 1))
            self._hole_end = 0
        await self._delete_consumer()
        name = f"tallystick-{self._subject.rpartition('.')[2]}-{self._generation}"
        config = {
            "name": name,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": self._inbox.expected,
            "ack_policy": "none",  # The place in the log is kept by snapshots.
            "replay_policy": "instant",
            "inactive_threshold": _CONSUMER_INACTIVE_S * _NANOSECONDS,
            # Nothing of it must outlive its server: whoever loses it makes another at the same place.
            "num_replicas": 1,
            "mem_storage": True,
        }
        stream = self._position.stream
        body = {"stream_name": stream, "config": config, "action": "create"}
        await self._bus.request(f"CONSUMER.CREATE.{stream}.{name}", body)
        self._inbox.follow(name)
        self._consumer = name

    async def _fill_hole(self, end: int) -> None:
        """Reads messages one by one up to `end`, or finds that they are gone. Raises LogGap with the exact range."""
        stream = self._position.stream
        while self._inbox.expected <= end:
            expected = self._inbox.expected
            found = None
            for _ in range(_REPAIR_TRIES):  # Any replica may answer, and one of them may have it.
                found = found or await self._bus.direct_message(stream, expected)
            if found is None:
                following = await self._bus.direct_message(stream, expected, or_next=True)
                info = await self._bus.stream(stream)
                last = following.sequence - 1 if following else info.last_sequence if info else end
                raise LogGap(stream, expected, last)
            # Dropped if it came by itself meanwhile.
            self._inbox.push(expected, found.time_ns, found.data, found.subject)
            self._on_arrival()

    async def _delete_consumer(self) -> None:
        name, self._consumer = self._consumer, None
        if name is not None:
            # It may be gone already, with its server or by its own inactivity.
            with contextlib.suppress(ApiError):
                await self._bus.request(f"CONSUMER.DELETE.{self._position.stream}.{name}")

    def log_position(self) -> LogPosition:
        """How far the stream has come in."""
        last = self._inbox.last_message
        if last is None:
            return self._position
        return replace(self._position, sequence=self._inbox.expected - 1, digest=message_digest(last))
