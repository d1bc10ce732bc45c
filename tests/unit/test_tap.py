"""The tap against nats-py's own parser: random streams of all frames, malformed ones too, in random chunks.

Fed by hand, and over a connection as nats-py reads it.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final
from urllib.parse import urlparse

import pytest
from nats.aio.client import Client, __version__
from nats.aio.subscription import Subscription
from nats.aio.transport import TcpTransport
from nats.protocol.parser import Parser

from tallystick._engine import Engine, Inbox
from tallystick.bus import tap as tap_module
from tallystick.bus.tap import Tap, attach
from tallystick.event_loop import run_loop

SID: Final = 7
CONSUMER: Final = "reader"
STREAMS: Final = 200

OTHER_FRAMES: Final = (
    b"PING\r\n",
    b"PONG\r\n",
    b"+OK\r\n",
    b"-ERR 'Permissions Violation for Publish'\r\n",
    b'INFO {"server_id":"a","max_payload":1048576}\r\n',
    b'INFO {"connect_urls":["' + b"x" * 9_000 + b'"]}\r\n',
    b"HMSG _INBOX.a.1 7 16 16\r\nNATS/1.0 404\r\n\r\n\r\n",
    b"HMSG _INBOX.a.1 7 58 58\r\nNATS/1.0 408 Request Timeout\r\nNats-Pending-Messages: 4\r\n\r\n\r\n",
    b"MSG _INBOX.b.1 70 13\r\nMSG a 7 1\r\n..\r\n",
    b"MSG _INBOX.a.1 7 _INBOX.c 3\r\n\x00\xff\n\r\n",
    b"MSG a 007 0\r\n\r\n",
    b"HMSG a 9 r.x 12 14\r\nNATS/1.0\r\n\r\nhi\r\n",
)
MALFORMED: Final = (
    b"\r\n",
    b"ping\r\n",
    b"PING  \r\n",
    b"PING now\r\n",
    b"MSG  a  7  $JS.ACK.s.c.1.2.3.4.5  2\r\nhi\r\n",
    b"MSG\ta 7 2\r\nhi\r\n",
    b"MSG a 7\r\n2\r\nhi\r\n",
    b"MSG a seven 2\r\nhi\r\n",
    b"MSG a 7 $JS.ACK.s.c.1.2.3.4.5 two\r\nhi\r\n",
    b"MSG a 7 2\nhi\r\n",
    b"MSG a 7 2\r\nhi??",
    b"MSG a 7 99999999999999999999999\r\n",
    b"MSG a 7 67108865\r\n",
    b"MSG " + b"s" * 5_000 + b" 7 2\r\nhi\r\n",
    b"MSG " + b"s" * 9_000,
    b"HMSG a 7 r 0 2\r\nhi\r\n",
    b"HMSG a 7 9 2\r\nhi\r\n",
    b"HMSG a 7 2\r\nhi\r\n",
    b"-ERR\r\n",
    b"INFO \r\n",
    b"GARBAGE",
    b"\x00\x01\x02\r\n",
)


class Receiver:
    """What a client gets from its parser. Messages with a reply of JetStream go on to the inbox, as by the callback."""

    def __init__(self) -> None:
        self.stats = {"in_msgs": 0, "in_bytes": 0}
        self.inbox = Inbox(1)
        self.inbox.follow(CONSUMER)
        self.got: list[object] = []
        self._ps: object = None
        self._transport: TcpTransport | None = None

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        self.stats["in_msgs"] += 1
        self.stats["in_bytes"] += len(data)
        if sid != SID or not self.inbox.deliver(reply.decode("latin-1"), data):
            self.got.append((sid, subject, reply, data, headers))

    async def _process_err(self, text: str) -> None:
        self.got.append(text)

    async def _process_ping(self) -> None:
        self.got.append("ping")

    async def _process_pong(self) -> None:
        self.got.append("pong")

    async def _process_info(self, info: dict[str, object]) -> None:
        self.got.append(info)

    def state(self) -> tuple[object, ...]:
        """All that came, and what the inbox made of it."""
        inbox = self.inbox
        counted = (inbox.expected, inbox.delivered, inbox.stream_end, inbox.began_well, inbox.missing_until)
        batches = list(iter(inbox.take, None))
        messages = [message for batch in batches for message in batch.messages()]
        times = [int(time) for batch in batches for time in batch.times_ns]
        return self.got, counted, messages, times, self.stats


def plain() -> tuple[Receiver, Parser]:
    receiver = Receiver()
    return receiver, Parser(receiver)


def tapped() -> tuple[Receiver, Tap]:
    receiver, parser = plain()
    client: Any = receiver
    return receiver, Tap(client, parser, SID, receiver.inbox, lambda: None)


async def failure(parser: Parser | Tap, chunk: bytes) -> str | None:
    """Parses a chunk and names the error, if there is one."""
    try:
        await parser.parse(chunk)
    except Exception as error:  # noqa: BLE001 (whatever nats-py raises, the tap must raise)
        return repr(error)
    return None


def delivered(rng: random.Random, sequence: int) -> bytes:
    """A message for the tapped subscription."""
    consumer = rng.choice([CONSUMER, CONSUMER, CONSUMER, "other"])
    place = f"{consumer}.1.{sequence}.{sequence}.{sequence * 1_000}.{rng.randrange(9)}"
    reply = f"$JS.ACK.{rng.choice(['', '', 'hub.acc.'])}EVENTS.{place}"
    if "hub" in reply and rng.random() < 0.5:
        reply += ".random"
    payload = rng.randbytes(rng.choice([0, 1, 2, 170, 170, 170, 3_000]))
    if rng.random() < 0.3:
        headers = b"NATS/1.0\r\nName: value\r\n\r\n"
        return b"HMSG events %d %s %d %d\r\n%s%s\r\n" % (
            *(SID, reply.encode(), len(headers), len(headers) + len(payload)),
            *(headers, payload),
        )
    return b"MSG events %d %s %d\r\n%s\r\n" % (SID, reply.encode(), len(payload), payload)


def stream(rng: random.Random, malformed: float) -> bytes:
    frames: list[bytes] = []
    sequence = 0
    for _ in range(rng.randrange(1, 40)):
        if rng.random() < malformed:
            frames.append(rng.choice([*MALFORMED, rng.randbytes(rng.randrange(1, 40))]))
        elif rng.random() < 0.3:
            frames.append(rng.choice(OTHER_FRAMES))
        else:
            sequence += rng.choices([1, 2, 0], [20, 1, 1])[0]
            frames.append(delivered(rng, sequence))
    return b"".join(frames)


def chunks(rng: random.Random, data: bytes) -> Iterator[bytes]:
    size_max = rng.choice([len(data) // 100 + 1, 100, 1_000, 32_768])
    start = 0
    while start < len(data):
        end = start + rng.randint(1, size_max)
        yield data[start:end]
        start = end


@pytest.mark.parametrize("malformed", [0.0, 0.05])
async def test_the_tap_changes_nothing_but_the_way(rng: random.Random, malformed: float) -> None:
    errors = 0
    for _ in range(STREAMS):
        (one, parser), (two, tap) = plain(), tapped()
        for chunk in chunks(rng, stream(rng, malformed)):
            error = await failure(parser, chunk)
            assert await failure(tap, chunk) == error
            if error is not None:
                errors += 1
                break
        assert two.state() == one.state()
    assert (errors > 0) == (malformed > 0)


async def is_seen_alike(rng: random.Random, data: bytes) -> bool:
    """Whether nats-py's parser finds the same in the data, however it is cut."""
    cuts = [[data], [data[at : at + 1] for at in range(len(data))], *(list(chunks(rng, data)) for _ in range(10))]
    found = []
    for pieces in cuts:
        receiver, parser = plain()
        for piece in pieces:
            error = await failure(parser, piece)
            if error is not None:
                break
        found.append((error, receiver.got))
    return all(one == found[0] for one in found)


async def read_all(receiver: Receiver, parser: Parser | Tap, pieces: list[bytes]) -> str | None:
    """Reads pieces that a server sends, as nats-py's read loop does, and names the error, if there is one."""
    receiver._ps = parser

    async def send(writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)

    async with connected(receiver, send) as transport:
        while not transport.at_eof():
            data = await transport.read(32_768)
            current: Any = receiver._ps
            error = await failure(current, data)
            if error is not None:
                return error
        return None


@asynccontextmanager
async def connected(receiver: Receiver, send: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[Any]:
    """A connection as nats-py has it, to a server that sends something and then no more."""
    done = asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await send(writer)
            writer.write_eof()
            await done.wait()
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    carrier: Callable[[], Any] = TcpTransport
    transport = carrier()
    receiver._transport = transport
    await transport.connect(urlparse(f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"), 1_000, 5)
    try:
        yield transport
    finally:
        done.set()
        transport.close()
        with suppress(ConnectionError):
            await transport.wait_closed()
        server.close()
        await server.wait_closed()


def in_both_loops(work: Callable[[], Any]) -> None:
    """Runs a test in uvloop and in asyncio's own loop: their transports call a protocol differently."""
    run_loop(work())
    asyncio.run(work())


@pytest.mark.parametrize("malformed", [0.0, 0.05])
def test_over_a_connection_it_is_the_same(rng: random.Random, malformed: float) -> None:
    async def compare() -> None:
        shortcuts = 0
        for _ in range(STREAMS // 4):
            data = stream(rng, malformed)
            pieces = list(chunks(rng, data))
            (one, parser), (two, tap) = plain(), tapped()
            error = await read_all(one, parser, pieces)
            again = await read_all(two, tap, pieces)
            shortcuts += tap._shortcut is not None
            # How the bytes are cut is up to the connection, and by it nats-py may see what is malformed sooner, later
            # or not at all. Where it does not matter to nats-py, it must not matter here; what came before is the same.
            is_same = (again, two.got) == (error, one.got) and (error is not None or two.state() == one.state())
            assert is_same or (malformed > 0 and not await is_seen_alike(rng, data))
            assert all(pair[0] == pair[1] for pair in zip(two.got, one.got, strict=False))
        assert shortcuts > STREAMS // 8

    in_both_loops(compare)


def test_it_leaves_a_connection_in_the_middle_of_frames(rng: random.Random) -> None:
    async def compare() -> None:
        for _ in range(STREAMS // 4):
            data = stream(rng, 0.0) + b"PING\r\n"
            (one, parser), (two, tap) = plain(), tapped()
            await read_all(one, parser, [data])
            leave_after = rng.randrange(1, 5)
            seen = 0

            def notice(tap: Tap = tap, leave_after: int = leave_after) -> None:
                nonlocal seen
                seen += 1
                if seen == leave_after:
                    tap.detach()

            tap._on_arrival = notice
            await read_all(two, tap, list(chunks(rng, data)))
            assert two.state() == one.state()

    in_both_loops(compare)


async def test_what_comes_from_a_connection_that_is_given_up_is_dropped(rng: random.Random) -> None:
    receiver, tap = tapped()
    given_up = asyncio.Event()

    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(delivered(rng, 1))
        await given_up.wait()
        writer.write(delivered(rng, 2))

    async with connected(receiver, send) as transport:
        await tap.parse(await transport.read(32_768))
        shortcuts = [tap._shortcut]
        tap.reset()
        shortcuts.append(tap._shortcut)
        assert [shortcut is None for shortcut in shortcuts] == [False, True]
        given_up.set()
        assert await transport.read(32_768) == b""
    assert receiver.inbox.expected == 2


async def test_messages_do_not_reach_the_parser(rng: random.Random) -> None:
    receiver, tap = tapped()
    await tap.parse(b"".join(delivered(rng, sequence) for sequence in range(1, 50)) + b"PING\r\n")

    async def never(*_: object) -> None:
        raise AssertionError("a message went through the parser")

    receiver._process_msg = never  # type: ignore[method-assign, assignment]
    await tap.parse(delivered(rng, 50))
    assert receiver.inbox.expected == 51
    assert receiver.stats["in_msgs"] == 50
    assert receiver.got == ["ping"]


async def test_it_comes_and_goes_in_the_middle_of_frames(rng: random.Random) -> None:
    for _ in range(STREAMS):
        data = stream(rng, 0.0)
        first, second = sorted(rng.randrange(len(data) + 1) for _ in range(2))
        (one, parser), (two, tap) = plain(), tapped()
        await parser.parse(data)
        inner = tap._parser
        await inner.parse(data[:first])
        for chunk in chunks(rng, data[first:second]):
            await tap.parse(chunk)
        tap.detach()
        assert two._ps is inner
        await inner.parse(data[second:])
        assert two.state() == one.state()


async def test_it_leaves_when_the_parser_is_done(rng: random.Random) -> None:
    receiver, tap = tapped()
    ping = receiver._process_ping

    async def leave() -> None:
        tap.detach()
        assert receiver._ps is None
        await ping()

    receiver._process_ping = leave  # type: ignore[method-assign]
    message = delivered(rng, 2)
    await tap.parse(b"PING\r\n" + delivered(rng, 1) + b"PONG\r\n" + message[:9])
    assert receiver._ps is tap._parser
    await tap._parser.parse(message[9:])
    assert receiver.got == ["ping", "pong"]
    assert receiver.inbox.expected == 3


async def test_a_new_connection_begins_anew(rng: random.Random) -> None:
    receiver, tap = tapped()
    await tap.parse(delivered(rng, 1) + delivered(rng, 2)[:-3])
    tap.reset()
    await tap.parse(b"PING\r\n" + delivered(rng, 2))
    assert receiver.got == ["ping"]
    assert receiver.inbox.expected == 3


async def test_bytes_that_cannot_be_split_are_told_once(rng: random.Random, caplog: pytest.LogCaptureFixture) -> None:
    receiver, tap = tapped()
    for _ in range(2):
        caplog.clear()
        # nats-py is more lenient, so the connection lives on.
        await tap.parse(b"PING  \r\n")
        for sequence in range(receiver.inbox.expected, receiver.inbox.expected + 3):
            await tap.parse(delivered(rng, sequence))
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        tap.reset()
    assert receiver.inbox.expected == 7
    assert receiver.got == ["ping", "ping"]


def test_a_parser_that_is_not_known_is_left_alone(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tap_module, "KNOWN_VERSION", __version__)

    class OtherParser(Parser):
        pass

    client: Any = Client()
    inbox, subscription = Inbox(1), Subscription(client, SID)
    parser = client._ps = OtherParser(client)
    assert attach(client, subscription, inbox, lambda: None) is None
    assert client._ps is parser
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    client._ps = Parser(client)
    tap = attach(client, subscription, inbox, lambda: None)
    assert tap is not None
    assert client._ps is tap
    assert len(caplog.records) == 1


def test_batches_end_where_a_flush_ended() -> None:
    inbox = Inbox(11)
    for sequence in range(11, 21):
        assert inbox.push(sequence, sequence, b"%d" % sequence)
    assert not inbox.push(20, 0, b"again")
    assert inbox.take(10) is None
    assert inbox.waiting_messages == 10
    first = inbox.take(13)
    assert first is not None
    assert [first.first_sequence, first.last_sequence, len(first)] == [11, 13, 3]
    assert first.messages() == [b"11", b"12", b"13"]
    assert [inbox.waiting_messages, inbox.waiting_bytes] == [7, 14]
    assert inbox.take(13) is None
    assert inbox.push(21, 21, b"21")
    rest = inbox.take(99)
    assert rest is not None
    assert rest.messages() == [b"%d" % sequence for sequence in range(14, 21)]
    assert list(rest.times_ns) == list(range(14, 21))
    last = inbox.take()
    assert last is not None
    assert last.messages() == [b"21"]
    assert [inbox.take(), inbox.waiting_messages, inbox.waiting_bytes] == [None, 0, 0]
    with pytest.raises(ValueError, match="no subscription is tapped"):
        inbox.feed(b"")


def test_the_engine_takes_what_it_applies_out_of_the_inbox() -> None:
    event = b'{"id":"%d","source":"s","type":"stock.received","sku":"A","location":"L","quantity":1}'
    inbox, engine = Inbox(1), Engine(key=bytes(16))
    for sequence in range(1, 101):
        assert inbox.push(sequence, 1_772_366_400_000_000_000, event % min(sequence, 99))
    first = engine.apply_inbox(inbox, 40)
    assert (first.events, first.positions, first.last_sequence, first.counts) == (40, 1, 40, {"applied": 40})
    assert first.last_message == event % 40
    assert inbox.waiting_messages == 60
    rest = engine.apply_inbox(inbox, events_max=1)
    assert (rest.events, rest.last_sequence, rest.counts) == (60, 100, {"applied": 59, "duplicate": 1})
    nothing = engine.apply_inbox(inbox)
    assert (nothing.events, nothing.last_sequence, nothing.last_message, nothing.counts) == (0, None, None, {})
    flush = engine.flush("S")
    assert (flush.from_sequence, flush.through, flush.positions) == (0, 100, 1)
    assert engine.snapshot_array().tobytes() == engine.snapshot()
