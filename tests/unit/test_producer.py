"""The producer: how a file becomes messages, and that none is lost on a real server that is killed meanwhile."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from tallystick.bus.embedded import EmbeddedServer
from tallystick.bus.jetstream import JetStream
from tallystick.bus.streams import ensure_input
from tallystick.client.producer import publish_file
from tallystick.config import Input
from tallystick.errors import PublishError, UsageError
from tallystick.files.messages import MessageReader

pytestmark = pytest.mark.slow

INPUT = Input()
EVENT = b'{"id":"%d","source":"wms","type":"stock.received","sku":"A","location":"DC1","quantity":1}'


def _file(folder: Path, *lines: bytes) -> Path:
    path = folder / "events.ndjson"
    path.write_bytes(b"\n".join(lines))
    return path


def _events(count: int) -> list[bytes]:
    return [EVENT % number for number in range(count)]


def test_events_share_messages(tmp_path: Path) -> None:
    lines = _events(7)
    path = _file(tmp_path, *lines[:3], b"", b"  \r", *lines[3:])
    messages = list(MessageReader(path, 10_000, events_per_message=3))
    assert [(message.line, message.events) for message in messages] == [(1, 3), (6, 3), (9, 1)]
    assert b"\n".join(message.payload for message in messages).split(b"\n") == lines


def test_messages_stay_below_the_limit(tmp_path: Path) -> None:
    reader = MessageReader(_file(tmp_path, *_events(10)), message_bytes_max=270, events_per_message=100)
    messages = list(reader)
    assert [message.events for message in messages] == [3, 3, 3, 1]
    assert all(len(message.payload) <= 270 for message in messages)


def test_broken_lines_travel_alone_and_long_ones_not_at_all(tmp_path: Path) -> None:
    first, second, third = _events(3)
    broken = [b'{"id":', b"[1]", b"\xff\xfe", b"}"]
    path = _file(tmp_path, first, broken[0], second, broken[1], broken[2], b"x" * 1_000, broken[3], third)
    reader = MessageReader(path, message_bytes_max=900, events_per_message=100)
    assert [message.payload for message in reader] == [first, broken[0], second, *broken[1:], third]
    assert reader.broken_lines == 4
    assert reader.oversized_lines == [6]


def test_resuming_at_a_line_sends_the_rest(tmp_path: Path) -> None:
    lines = _events(10)
    path = _file(tmp_path, *lines)
    rest = list(MessageReader(path, 10_000, events_per_message=4, from_line=5))
    assert b"\n".join(message.payload for message in rest).split(b"\n") == lines[4:]
    whole = list(MessageReader(path, 10_000, events_per_message=4))
    assert [message.id for message in rest] == [message.id for message in whole[1:]]


def test_the_same_line_twice_has_two_ids(tmp_path: Path) -> None:
    first, second = MessageReader(_file(tmp_path, EVENT % 1, EVENT % 1), 10_000)
    assert first.payload == second.payload
    assert first.id != second.id


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.ndjson: No such file"):
        list(MessageReader(tmp_path / "nowhere.ndjson", 1_000))


async def _stored(bus: JetStream) -> list[bytes]:
    """Every message of the event stream, read one by one."""
    stream = await bus.stream(INPUT.stream)
    assert stream is not None
    found = [await bus.message(stream.name, number) for number in range(1, stream.last_sequence + 1)]
    return [message.data for message in found if message is not None]


@pytest.mark.parametrize("events_per_message", [1, 50])
async def test_nothing_is_lost_when_the_server_is_killed(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, rng: random.Random, events_per_message: int
) -> None:
    lines = _events(20_000 if events_per_message > 1 else 3_000)
    kill_at = sorted(rng.sample(range(len(lines) - 1_000), 3))

    def on_progress(_bytes: int, confirmed: int) -> None:
        if kill_at and confirmed >= kill_at[0]:
            kill_at.pop(0)
            server.kill()
            server.start()

    await ensure_input(bus, INPUT)
    published = await publish_file(
        bus.client,
        _file(tmp_path, *lines),
        subject=INPUT.subject,
        events_per_message=events_per_message,
        window=10,
        on_progress=on_progress,
    )
    stored = await _stored(bus)
    assert not kill_at, "a kill did not fall into the run"
    assert published.events == len(lines)
    assert sorted(b"\n".join(stored).split(b"\n")) == sorted(lines)
    assert published.messages == len(stored)


async def test_publishing_a_file_twice_stores_it_once(tmp_path: Path, bus: JetStream) -> None:
    path = _file(tmp_path, *_events(100))
    await ensure_input(bus, INPUT)
    results = [await publish_file(bus.client, path, subject=INPUT.subject) for _ in range(2)]
    assert len(await _stored(bus)) == 100
    assert [result.messages_stored_before for result in results] == [0, 100]


async def test_a_refusal_names_the_line_to_go_on_from(tmp_path: Path, bus: JetStream) -> None:
    path = _file(tmp_path, *_events(10))
    limits: dict[str, Any] = {"name": "SMALL", "subjects": ["small"], "max_msgs": 4, "discard": "new"}
    await bus.create_stream(limits)
    with pytest.raises(PublishError, match=r"events\.ndjson:5: .*maximum messages exceeded.* --from-line 5"):
        await publish_file(bus.client, path, subject="small")
    stream = await bus.stream("SMALL")
    assert stream is not None
    assert stream.last_sequence == 4


async def test_cancelling_leaves_no_task_behind(tmp_path: Path, bus: JetStream) -> None:
    path = _file(tmp_path, *_events(5_000))
    await ensure_input(bus, INPUT)
    work = asyncio.create_task(publish_file(bus.client, path, subject=INPUT.subject, window=1))
    await asyncio.sleep(0.05)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    await asyncio.sleep(0)
    assert work.cancelled()
    assert [task for task in asyncio.all_tasks() if "Window" in repr(task)] == []
