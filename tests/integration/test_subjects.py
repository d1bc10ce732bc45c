"""Sources bound to subjects, on a real server: whatever way a message comes in, its subject says who speaks."""

import asyncio
import json
from pathlib import Path

import pytest
from nats.aio.client import __version__

from tallystick._engine import Engine
from tallystick.bus import tap
from tallystick.bus.embedded import EmbeddedServer
from tallystick.bus.jetstream import JetStream
from tallystick.bus.streams import LogPosition, ensure_input
from tallystick.cli.app import execute
from tallystick.config import Input
from tallystick.daemon.ingest import PullLimits, PullSource
from tallystick.errors import SnapshotUnfit, StreamError
from tests.integration.daemon import EVENTS, configure, run_to_end, stored, write_config

PATTERN = "tallystick.events.{source}"
BOUND = {"engine": {"source_subject": PATTERN}}
LIMITS = PullLimits(pull_messages=100, pull_bytes=2 << 20, queue_messages=1_000, queue_bytes=8 << 20)
SOURCES = ("wms", "shop.de", "erp", "Käse & Co")
TOKENS = {"wms": "wms", "shop.de": "shop%2Ede", "erp": "erp", "Käse & Co": "K%C3%A4se%20&%20Co"}


def event(number: int, source: str) -> bytes:
    made = {"id": f"e{number}", "source": source, "type": "stock.received", "sku": "LAMP", "location": "DC1"}
    return json.dumps(made | {"quantity": 1}, ensure_ascii=False).encode()


async def send(bus: JetStream, subject: str, event: bytes, headers: dict[str, str] | None = None) -> None:
    answer = json.loads((await bus.client.request(subject, event, 10, headers=headers)).data)
    assert "error" not in answer, answer


@pytest.mark.parametrize("way_in", ["tap", "plain", "direct"])
async def test_every_way_in_knows_the_subject(bus: JetStream, monkeypatch: pytest.MonkeyPatch, way_in: str) -> None:
    """Through the tap, message by message as with an unknown nats-py, and got from the stream as after a loss."""
    if way_in == "tap" and not __version__.startswith(tap.KNOWN_VERSION):
        pytest.skip(f"nats-py {__version__} is read message by message")
    if way_in == "plain":
        monkeypatch.setattr(tap, "KNOWN_VERSION", "none")
    info = await ensure_input(bus, Input())
    expected = []
    for number in range(120):
        source = SOURCES[number % len(SOURCES)]
        speaks_as = SOURCES[number % 3 % len(SOURCES)]
        # Messages with headers and without take different ways through the tap.
        headers = {"Trace": "x"} if number % 5 == 0 else None
        await send(bus, f"tallystick.events.{TOKENS[speaks_as]}", event(number, source), headers)
        expected.append("applied" if speaks_as == source else "not_owner")
    assert {"applied", "not_owner"} == set(expected)
    engine = Engine(json.dumps(BOUND))
    reader = PullSource(bus, LogPosition(info.name, info.created, 0, ""), LIMITS, subjects=True)
    if way_in == "direct":
        reader._hole_end = len(expected)
    try:
        await reader.start()
        totals = {"applied": 0, "not_owner": 0}
        while engine.sequence < len(expected):
            assert await reader.wait(30)
            applied = engine.apply_inbox(reader.inbox)
            for name, count in applied.counts.items():
                totals[name] += count
    finally:
        await reader.close()
    assert totals == {name: expected.count(name) for name in totals}
    refused = {item["id"] for item in engine.exceptions(limit=256)}
    assert refused == {f"e{number}" for number, outcome in enumerate(expected) if outcome == "not_owner"}


async def test_a_file_of_many_sources_goes_to_the_subject_of_each(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, capfd: pytest.CaptureFixture[str]
) -> None:
    sources = ["wms", "wms", "erp", "erp", "erp", "wms", "shop.de"]
    (tmp_path / "events.ndjson").write_bytes(b"\n".join(event(*pair) for pair in enumerate(sources)))
    config = write_config(tmp_path, server.url, BOUND)
    await ensure_input(bus, Input())
    arguments = ["publish", str(tmp_path / "events.ndjson"), "--config", str(config), "--events-per-message", "2"]
    assert await asyncio.to_thread(execute, arguments) == 0, capfd.readouterr().err
    found = [
        (message.subject.rpartition(".")[2], [json.loads(line)["id"] for line in message.data.splitlines()])
        for message in await stored(bus, EVENTS)
    ]
    assert found == [
        ("wms", ["e0", "e1"]),
        ("erp", ["e2", "e3"]),
        ("erp", ["e4"]),
        ("wms", ["e5"]),
        ("shop%2Ede", ["e6"]),
    ]
    report = await run_to_end(configure(tmp_path, server, BOUND))
    assert report.outcomes == {"applied": 7}


async def test_a_stream_that_does_not_listen_is_named_at_start(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream
) -> None:
    await ensure_input(bus, Input(subjects=("tallystick.events", "tallystick.events.wms")))
    with pytest.raises(
        StreamError, match=r"does not listen to tallystick\.events\.\*.*--subjects=tallystick"
    ) as refused:
        await run_to_end(configure(tmp_path, server, BOUND))
    assert "\n" not in str(refused.value)


async def test_a_bound_daemon_goes_on_from_its_snapshot_and_no_other(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream
) -> None:
    await ensure_input(bus, Input())
    await send(bus, "tallystick.events.wms", event(1, "wms"))
    assert (await run_to_end(configure(tmp_path, server, BOUND))).outcomes == {"applied": 1}
    await send(bus, "tallystick.events.wms", event(2, "erp"))
    assert (await run_to_end(configure(tmp_path, server, BOUND))).outcomes == {"applied": 1, "not_owner": 1}
    with pytest.raises(SnapshotUnfit):
        await run_to_end(configure(tmp_path, server))
