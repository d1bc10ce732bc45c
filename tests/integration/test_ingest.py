"""Ingestion against a real server: every message once and in order, through restarts, holes and back-pressure.

All of it by both ways in: through the tap, and message by message as with an unknown nats-py.
"""

import asyncio
import random
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from nats.aio.client import __version__
from nats.protocol.parser import HMSG_RE, MSG_RE

from tallystick.bus import tap
from tallystick.bus.connection import connect
from tallystick.bus.embedded import EmbeddedServer
from tallystick.bus.jetstream import JetStream, StreamInfo
from tallystick.bus.streams import LogPosition, ensure_input, message_digest
from tallystick.config import Input, Nats
from tallystick.daemon.ingest import PullLimits, PullSource
from tallystick.errors import LogGap, StreamError

EVENTS = Input(stream="EVENTS", subjects=("events",))
LIMITS = PullLimits(pull_messages=100, pull_bytes=2 << 20, queue_messages=1_000, queue_bytes=8 << 20)
DELETABLE = {
    "name": "EVENTS",
    "subjects": ["events"],
    "storage": "file",
    "allow_direct": True,
}


@pytest.fixture(params=["tap", "plain"], autouse=True)
def way_in(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """By which way messages come in."""
    way: str = request.param
    if way == "tap" and not __version__.startswith(tap.KNOWN_VERSION):
        pytest.skip(f"nats-py {__version__} is read message by message")  # `make test-oldest`
    if way == "plain":
        monkeypatch.setattr(tap, "KNOWN_VERSION", "none")
    return way


@asynccontextmanager
async def reading(bus: JetStream, position: LogPosition, limits: PullLimits = LIMITS) -> AsyncIterator[PullSource]:
    source = PullSource(bus, position, limits)
    try:
        await source.start()
        yield source
    finally:
        await source.close()


async def publish(bus: JetStream, payloads: list[bytes]) -> None:
    for payload in payloads:
        await bus.client.request("events", payload, 10)


async def read(source: PullSource, count: int, first: int = 1) -> list[bytes]:
    """Reads `count` messages and checks that their sequences have no hole."""
    messages: list[bytes] = []
    async with asyncio.timeout(60):
        while len(messages) < count:
            batch = source.inbox.take() if await source.wait(1.0) else None
            if batch is not None:
                assert batch.first_sequence == first + len(messages)
                assert len(batch.times_ns) == len(batch)
                messages += batch.messages()
    return messages


def start(info: StreamInfo) -> LogPosition:
    return LogPosition(info.name, info.created, 0, "")


async def test_everything_comes_once_and_in_order(
    bus: JetStream, rng: random.Random, way_in: str, caplog: pytest.LogCaptureFixture
) -> None:
    info = await ensure_input(bus, EVENTS)
    sent = [rng.randbytes(rng.choice([0, 1, 200, 5_000])) for _ in range(1_500)]
    await publish(bus, sent[:700])
    async with reading(bus, start(info)) as source:
        assert await read(source, 700) == sent[:700]
        await publish(bus, sent[700:])
        assert await read(source, 800, 701) == sent[700:]
        assert await source.at_end()
        assert source.last_sequence == 1_500
        warnings = [record.message for record in caplog.records if record.levelname == "WARNING"]
        if way_in == "tap":
            assert source._tap is not None
            assert warnings == []
        else:
            assert source._tap is None
            assert ["not known to the fast way in" in warning for warning in warnings] == [True]


async def test_reading_goes_on_after_a_position(bus: JetStream) -> None:
    info = await ensure_input(bus, EVENTS)
    sent = [b"message %d" % number for number in range(1, 51)]
    await publish(bus, sent)
    position = LogPosition("EVENTS", info.created, 30, message_digest(sent[29]))
    async with reading(bus, position) as source:
        assert await read(source, 20, 31) == sent[30:]
    with pytest.raises(StreamError, match="message 30 is not the one"):
        async with reading(bus, replace(position, digest="00")):
            pass


async def test_large_messages_pass(bus: JetStream) -> None:
    info = await ensure_input(bus, EVENTS)
    sent = [bytes([number]) * 1_000_000 for number in range(12)]
    await publish(bus, sent)
    async with reading(bus, start(info)) as source:
        assert await read(source, 12) == sent


async def test_what_waits_is_bounded(bus: JetStream) -> None:
    info = await ensure_input(bus, EVENTS)
    await publish(bus, [b"%d" % number for number in range(600)])
    limits = replace(LIMITS, pull_messages=20, queue_messages=50)
    async with reading(bus, start(info), limits) as source:
        await asyncio.sleep(1.5)
        assert 50 <= source._inbox.waiting_messages <= 50 + 2 * 20
        assert await read(source, 600) == [b"%d" % number for number in range(600)]


@pytest.mark.parametrize("how", ["restart", "kill"])
async def test_a_restart_of_the_server_loses_nothing(server: EmbeddedServer, bus: JetStream, how: str) -> None:
    info = await ensure_input(bus, EVENTS)
    sent = [b"message %d" % number for number in range(1, 401)]
    await publish(bus, sent[:200])
    async with reading(bus, start(info)) as source:
        first = await read(source, 200)
        if how == "kill":
            server.kill()
            server.start()
        else:
            server.restart()
        async with asyncio.timeout(30):
            while not bus.client.stats["reconnects"]:  # noqa: ASYNC110 (the client counts, it does not call)
                await asyncio.sleep(0.02)
        await publish(bus, sent[200:])
        assert first + await read(source, 200, 201) == sent


async def test_a_lost_consumer_is_replaced(bus: JetStream) -> None:
    info = await ensure_input(bus, EVENTS)
    async with reading(bus, start(info)) as source:
        await publish(bus, [b"a"])
        assert await read(source, 1) == [b"a"]
        await bus.request(f"CONSUMER.DELETE.EVENTS.{source._consumer}")
        await publish(bus, [b"b", b"c"])
        assert await read(source, 2, 2) == [b"b", b"c"]


class Loss:
    """Loses some of the stream's messages out of a connection's bytes."""

    def __init__(self, rng: random.Random, lost_max: int) -> None:
        self._rng, self._lost_max = rng, lost_max
        self._bytes = bytearray()
        self.lost = 0

    def kept(self, data: bytes) -> bytes:
        """What is left of the frames that are whole by now."""
        self._bytes += data
        kept = bytearray()
        while b"\r\n" in self._bytes:
            message = MSG_RE.match(self._bytes) or HMSG_RE.match(self._bytes)
            size = int(message.groups()[-1]) + 2 if message else 0
            end = self._bytes.index(b"\r\n") + 2 + size
            if len(self._bytes) < end:
                break
            delivered = message is not None and (message[4] or b"").startswith(b"$JS.ACK")
            if delivered and self.lost < self._lost_max and self._rng.random() < 0.3:
                self.lost += 1
            else:
                kept += self._bytes[:end]
            del self._bytes[:end]
        return bytes(kept)


class LossyParser:
    """Stands before what parses the connection's bytes."""

    def __init__(self, parser: Any, loss: Loss) -> None:
        self._parser, self._loss = parser, loss

    async def parse(self, data: bytes = b"") -> None:
        await self._parser.parse(self._loss.kept(data))


class LossyInbox:
    """Stands before what takes the connection's bytes past the client."""

    def __init__(self, inbox: Any, loss: Loss) -> None:
        self._inbox, self._loss = inbox, loss

    def feed_buffer(self, buffer: Any, chunk_bytes: int) -> Any:
        return self._inbox.feed(self._loss.kept(bytes(buffer[:chunk_bytes])))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inbox, name)


async def test_messages_lost_on_the_way_are_read_again(bus: JetStream, rng: random.Random, way_in: str) -> None:
    info = await ensure_input(bus, EVENTS)
    sent = [b"message %d" % number for number in range(1, 301)]
    async with reading(bus, start(info)) as source:
        loss = Loss(rng, 40)
        if way_in == "tap":
            assert source._tap is not None
            assert source._tap._shortcut is not None
            lossy: Any = LossyInbox(source._inbox, loss)
            source._tap._inbox = lossy
        else:
            private: Any = bus.client
            private._ps = LossyParser(private._ps, loss)
        await publish(bus, sent)
        assert await read(source, 300) == sent
        assert loss.lost


@pytest.mark.parametrize(
    ("deleted", "expected"),
    [
        ([20], "message 20 missing"),
        ([20, 21, 22], "messages 20 to 22 missing"),
        ([28, 29, 30], "messages 28 to 30 missing"),
    ],
)
async def test_a_hole_in_the_log_halts_and_names_the_range(bus: JetStream, deleted: list[int], expected: str) -> None:
    info = await bus.create_stream(DELETABLE)
    await publish(bus, [b"message %d" % number for number in range(1, 31)])
    for sequence in deleted:
        await bus.request("STREAM.MSG.DELETE.EVENTS", {"seq": sequence})
    async with reading(bus, start(info)) as source:
        assert len(await read(source, deleted[0] - 1)) == deleted[0] - 1
        with pytest.raises(LogGap, match=expected):
            await read(source, 1, deleted[0])


async def test_a_purge_while_reading_halts_and_names_the_range(bus: JetStream) -> None:
    info = await bus.create_stream(DELETABLE)
    async with reading(bus, start(info), replace(LIMITS, queue_messages=10, pull_messages=5)) as source:
        await publish(bus, [b"%d" % number for number in range(1, 101)])
        await bus.request("STREAM.PURGE.EVENTS", {"seq": 61})
        with pytest.raises(LogGap, match=r"messages \d+ to 60 missing"):
            await read(source, 100)


async def test_a_stream_that_lost_its_beginning_is_refused(bus: JetStream) -> None:
    info = await bus.create_stream(DELETABLE)
    await publish(bus, [b"%d" % number for number in range(1, 11)])
    await bus.request("STREAM.PURGE.EVENTS", {"seq": 4})
    with pytest.raises(LogGap, match="messages 1 to 3 missing"):
        async with reading(bus, start(info)):
            pass


async def test_a_stream_made_anew_while_reading_halts(bus: JetStream) -> None:
    info = await bus.create_stream(DELETABLE)
    async with reading(bus, start(info)) as source:
        await publish(bus, [b"a", b"b"])
        await read(source, 2)
        await bus.request("STREAM.DELETE.EVENTS")
        await bus.create_stream(DELETABLE)
        await publish(bus, [b"x", b"y", b"z"])
        with pytest.raises(StreamError, match=r"was created at|was deleted"):
            await read(source, 1, 3)


@pytest.mark.parametrize(
    ("more", "expected"), [(0, "ends at message 100, but"), (60, r"is not the one|ends at message 1\d\d, but")]
)
async def test_a_server_that_forgot_what_it_acknowledged_is_found_out(
    server: EmbeddedServer, bus: JetStream, more: int, expected: str
) -> None:
    info = await ensure_input(bus, EVENTS)
    await publish(bus, [b"first %d" % number for number in range(100)])
    store, copy = server.folder / "jetstream", server.folder / "copy"
    server.stop()
    shutil.copytree(store, copy)
    server.start()
    async with reading(bus, start(info)) as source:
        while not bus.client.is_connected or not bus.client.stats["reconnects"]:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        await publish(bus, [b"second %d" % number for number in range(50)])
        assert len(await read(source, 150)) == 150
        server.kill()
        shutil.rmtree(store)
        copy.rename(store)
        server.start()
        other = await connect(Nats(url=server.url))
        await publish(JetStream(other), [b"third %d" % number for number in range(more)])
        await other.close()
        with pytest.raises(StreamError, match=expected):
            await read(source, 1, 151)
