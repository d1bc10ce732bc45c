"""Publishing against a real server: in order, once, fenced, and repaired after a crash at any message."""

import asyncio
from collections.abc import Sequence

import pytest

from tallystick.bus.embedded import EmbeddedServer
from tallystick.bus.jetstream import JetStream
from tallystick.bus.streams import ensure_outputs
from tallystick.config import Output
from tallystick.daemon.output_stream import OutputStream
from tallystick.daemon.outputs import NOTHING_STORED, Origin, OutputMessage, OutputPosition
from tallystick.errors import OutputFenced, PublishError, StreamError

ORIGIN = Origin("EVENTS", "2026-01-01T00:00:00Z", "fingerprint")
SETTINGS = Output()
STREAM = SETTINGS.exceptions_stream


async def output(bus: JetStream, origin: Origin = ORIGIN, *, window: int = 8, resend: bool = False) -> OutputStream:
    await ensure_outputs(bus, SETTINGS)
    subject = SETTINGS.exceptions_subject
    return await OutputStream(bus, origin, STREAM, subject, window_messages=window, resend=resend).open()


def messages(start: int, through: int, parts: int, *, size: int = 20) -> list[OutputMessage]:
    return [
        OutputMessage(f"EVENTS:{through}:{part}", b"%d" % part * size, OutputPosition(start, through, part, parts))
        for part in range(parts)
    ]


async def stored(bus: JetStream) -> list[tuple[int, int]]:
    info = await bus.stream(STREAM)
    assert info is not None
    found = [await bus.message(STREAM, sequence) for sequence in range(1, info.last_sequence + 1)]
    return [(int(m.headers["Tallystick-Through"]), int(m.headers["Tallystick-Part"])) for m in found if m is not None]


def places(flushes: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    return [(through, part) for through, parts in flushes for part in range(parts)]


async def test_messages_are_stored_in_order_and_the_position_is_read_back(bus: JetStream) -> None:
    writer = await output(bus)
    assert writer.position == NOTHING_STORED
    await writer.send(messages(0, 10, 50))
    await writer.send([])
    await writer.send(messages(10, 20, 3))
    assert await stored(bus) == places([(10, 50), (20, 3)])
    again = await output(bus)
    assert again.position == writer.position == OutputPosition(10, 20, 2, 3)
    assert again.last_sequence == writer.last_sequence == 53


@pytest.mark.parametrize("cut", [0, 1, 4, 6])
async def test_after_a_crash_only_what_is_missing_is_sent(bus: JetStream, cut: int) -> None:
    crashed = await output(bus)
    await crashed.send(messages(0, 10, 2))
    await crashed.send(messages(10, 20, 7)[:cut])
    await crashed.close()
    writer = await output(bus)
    for start, through, parts in ((0, 10, 2), (10, 20, 7), (20, 30, 1)):
        flush = messages(start, through, parts)
        await writer.send(flush[writer.position.parts_to_skip(start, through, parts) :])
    assert await stored(bus) == places([(10, 2), (20, 7), (30, 1)])


async def test_a_restart_of_the_server_doubles_and_loses_nothing(server: EmbeddedServer, bus: JetStream) -> None:
    writer = await output(bus, window=4)
    sending = asyncio.create_task(writer.send(messages(0, 10, 400, size=2_000)))
    for _ in range(3):
        await asyncio.sleep(0.1)
        server.restart()
    await asyncio.wait_for(sending, 60)
    assert await stored(bus) == places([(10, 400)])


async def test_lost_acks_double_nothing(bus: JetStream) -> None:
    writer = await output(bus)
    listen, count = writer._on_ack, 0

    async def forgetful(message: object) -> None:
        nonlocal count
        count += 1
        if count % 5:
            await listen(message)  # type: ignore[arg-type]
        else:
            writer._unanswered = True

    writer._subscription._cb = forgetful
    await asyncio.wait_for(writer.send(messages(0, 10, 20)), 60)
    assert await stored(bus) == places([(10, 20)])


async def test_the_older_of_two_writers_is_fenced(bus: JetStream) -> None:
    zombie, owner = await output(bus), await output(bus)
    await owner.send(messages(0, 10, 2))
    with pytest.raises(OutputFenced, match=f"stream {STREAM}: another writer is at work; .*stop the other"):
        await zombie.send(messages(0, 12, 2))
    await owner.send(messages(10, 20, 2))
    assert await stored(bus) == places([(10, 2), (20, 2)])


async def test_a_message_of_somebody_else_is_noticed(bus: JetStream) -> None:
    writer = await output(bus)
    await writer.send(messages(0, 10, 1))
    await bus.client.request(SETTINGS.exceptions_subject, b"intruder")
    with pytest.raises(OutputFenced):
        await writer.send(messages(10, 20, 1))
    with pytest.raises(OutputFenced, match="was not written by Tallystick"):
        await output(bus)


async def test_outputs_of_another_event_stream_are_refused(bus: JetStream) -> None:
    await (await output(bus)).send(messages(0, 10, 1))
    with pytest.raises(
        StreamError, match=r"made from the event stream EVENTS@2026-01-01T00:00:00Z, not from EVENTS@later"
    ):
        await output(bus, Origin("EVENTS", "later", "fingerprint"))


async def test_after_a_change_of_configuration_all_is_sent_again_on_request(bus: JetStream) -> None:
    await (await output(bus)).send(messages(0, 10, 1))
    changed = Origin(ORIGIN.stream, ORIGIN.created, "another")
    assert (await output(bus, changed)).position.parts_to_skip(0, 10, 4) == 4
    writer = await output(bus, changed, resend=True)
    assert writer.position == NOTHING_STORED
    await writer.send(messages(0, 10, 1))
    assert await stored(bus) == places([(10, 1), (10, 1)])


async def test_a_stream_that_refuses_is_named(bus: JetStream) -> None:
    limits = {"subjects": [SETTINGS.exceptions_subject], "storage": "file", "max_msg_size": 1_000}
    await bus.create_stream({"name": STREAM} | limits)
    writer = await output(bus)
    with pytest.raises(PublishError, match=f"stream {STREAM} refuses a message: message size exceeds maximum"):
        await writer.send(messages(0, 10, 1, size=2_000))


@pytest.mark.parametrize(
    ("stored_flush", "flush", "skipped"),
    [
        (OutputPosition(10, 20, 1, 3), (0, 10, 5), 5),
        (OutputPosition(10, 20, 1, 3), (10, 20, 3), 2),
        (OutputPosition(10, 20, 1, 3), (20, 25, 4), 0),
        (OutputPosition(10, 20, 2, 3), (0, 20, 9), 9),
        (OutputPosition(10, 20, 2, 3), (20, 21, 9), 0),
        (NOTHING_STORED, (0, 20, 9), 0),
    ],
)
def test_parts_to_skip(stored_flush: OutputPosition, flush: tuple[int, int, int], skipped: int) -> None:
    assert stored_flush.parts_to_skip(*flush) == skipped


def test_a_flush_that_does_not_fit_is_an_error() -> None:
    for flush in ((10, 20, 4), (5, 15, 3), (10, 21, 3)):
        with pytest.raises(PublishError, match="does not fit"):
            OutputPosition(10, 20, 1, 3).parts_to_skip(*flush)
