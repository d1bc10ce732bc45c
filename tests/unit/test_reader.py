"""Reader: all messages of a stream from a place on, holes and all, and none that came later."""

import pytest

from tallystick.bus import reader
from tallystick.bus.jetstream import JetStream, StoredMessage, StreamInfo
from tallystick.errors import StreamError

STREAM = {"name": "LOOK", "subjects": ["look"], "storage": "file", "allow_direct": True}


async def filled(bus: JetStream, count: int) -> StreamInfo:
    await bus.create_stream(STREAM)
    for number in range(1, count + 1):
        await bus.client.request("look", b"" if number == 7 else b"%d" % number)
    return await looked(bus)


async def looked(bus: JetStream) -> StreamInfo:
    info = await bus.stream("LOOK")
    assert info is not None
    return info


async def everything(bus: JetStream, info: StreamInfo, first: int = 1) -> list[StoredMessage]:
    return [message async for messages in reader.read(bus, info, first) for message in messages]


@pytest.mark.parametrize("batch", [1, 3, 5_000])
async def test_every_message_once_and_in_order(bus: JetStream, monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    monkeypatch.setattr(reader, "BATCH_MESSAGES", batch)
    info = await filled(bus, 20)
    for sequence in (1, 5, 6, 20):
        await bus.request("STREAM.MSG.DELETE.LOOK", {"seq": sequence})
    await bus.client.request("look", b"later")
    found = await everything(bus, info)
    assert [message.sequence for message in found] == [n for n in range(1, 21) if n not in (1, 5, 6, 20)]
    assert all(message.data == (b"" if message.sequence == 7 else b"%d" % message.sequence) for message in found)
    assert [message.sequence for message in await everything(bus, info, 18)] == [18, 19]


async def test_bytes_of_a_batch_are_bounded(bus: JetStream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "BATCH_BYTES", 100)
    info = await filled(bus, 60)
    sizes = [len(messages) async for messages in reader.read(bus, info, 1)]
    assert sum(sizes) == 60
    assert len(sizes) > 3


async def test_an_empty_stream_and_one_that_was_emptied(bus: JetStream) -> None:
    await bus.create_stream(STREAM)
    assert await everything(bus, await looked(bus)) == []
    assert await reader.sequence_at(bus, "LOOK", "2020-01-01T00:00:00Z") is None
    for _ in range(3):
        await bus.client.request("look", b"x")
    info = await looked(bus)
    await bus.request("STREAM.PURGE.LOOK")
    assert await everything(bus, info) == []


async def test_a_place_by_time(bus: JetStream) -> None:
    info = await filled(bus, 3)
    assert await reader.sequence_at(bus, info.name, "2020-01-01T00:00:00Z") == 1
    assert await reader.sequence_at(bus, info.name, "2200-01-01T00:00:00Z") is None


async def test_a_stream_that_cannot_be_looked_into_says_so(bus: JetStream) -> None:
    await bus.create_stream(STREAM | {"allow_direct": False})
    await bus.client.request("look", b"x")
    with pytest.raises(StreamError, match="allow_direct is false"):
        await everything(bus, await looked(bus))
