"""A business transaction followed through the streams of a real server, with a daemon and without one."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from tallystick.bus.embedded import EmbeddedServer
from tallystick.bus.jetstream import JetStream
from tallystick.cli.app import execute
from tallystick.client.flow import Step
from tallystick.client.trace import trace
from tallystick.daemon.run import run
from tallystick.errors import StreamError
from tests.integration.daemon import configure, has_reached, publish, run_to_end, until

FLOW = [
    {"id": "r1", "source": "dock", "type": "stock.received", "quantity": 9},
    {"id": "v1", "source": "oms", "type": "stock.reserved", "quantity": 2, "causationid": "r1"},
    {"id": "s1", "source": "wms", "type": "stock.sold", "quantity": 0, "causationid": "v1"},
    {"id": "v1", "source": "oms", "type": "stock.reserved", "quantity": 2.0, "causationid": "r1"},
]


def encoded(event: dict[str, Any], correlation: str = "order-1") -> bytes:
    return json.dumps({"sku": "A", "location": "L", "correlationid": correlation, **event}).encode()


async def fill(bus: JetStream) -> None:
    """The flow among events of another one, two of it in one message."""
    others = [encoded({**FLOW[0], "id": f"x{number}", "sku": "B"}, "order-2") for number in range(20)]
    first, second, third, fourth = map(encoded, FLOW)
    await publish(bus, [*others[:10], first, others[10], b"[" + second + b"," + third + b"]", *others[11:], fourth])


async def nobody(_keys: object) -> list[str | None]:
    return []


def told(steps: list[Step]) -> list[tuple[str | None, str | None]]:
    return [(step.id, step.outcome) for step in steps if step.kind == "event"]


async def test_without_a_daemon_the_streams_tell_what_they_can(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream
) -> None:
    config = configure(tmp_path, server)
    with pytest.raises(StreamError, match="there is no stream"):
        await trace(bus, config, "order-1", nobody)
    await fill(bus)
    await run_to_end(config)
    seen: list[tuple[str, int, int]] = []
    steps, truncated = await trace(bus, config, "order-1", nobody, on_progress=lambda *at: seen.append(at))
    assert not truncated
    assert told(steps) == [("r1", "unknown"), ("v1", "unknown"), ("s1", "quantity_invalid"), ("v1", "duplicate")]
    (exception,) = [step for step in steps if step.kind == "exception"]
    assert (exception.type, exception.id, exception.sequence, exception.index) == ("quantity_invalid", "s1", 13, 1)
    (position,) = [step for step in steps if step.kind == "availability"]
    assert (position.sku, position.quantity) == ("A", "7")
    assert position.since_first_ns is not None
    assert position.since_first_ns > 0
    assert seen[0] == (config.input.stream, 23, 23)
    assert told((await trace(bus, config, "order-1", nobody, last=5))[0]) == [("v1", "unknown")]
    assert len(told((await trace(bus, config, "order-1", nobody, since_s=3_600))[0])) == 4
    assert (await trace(bus, config, "order-3", nobody))[0] == []


async def test_a_daemon_is_asked_for_the_rest(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configure(tmp_path, server)
    await fill(bus)
    stop = asyncio.Event()
    running = asyncio.create_task(run(config, stop=stop))
    await until(lambda: has_reached(bus.client, 23))
    try:
        arguments = ["--config", str(tmp_path / "tallystick.toml")]
        await asyncio.sleep(0.3)  # What it publishes follows what it applied.
        assert await asyncio.to_thread(execute, ["trace", "order-1", "--json", *arguments]) == 0
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        events = [(line["id"], line["outcome"]) for line in lines if line["kind"] == "event"]
        assert events == [("r1", "applied"), ("v1", "applied"), ("s1", "quantity_invalid"), ("v1", "duplicate")]
        assert [line["time_ns"] for line in lines] == sorted(line["time_ns"] for line in lines)
        assert await asyncio.to_thread(execute, ["trace", "order-1", *arguments]) == 0
        shown = capsys.readouterr().out
        assert all(words in shown for words in ("quantity_invalid", "stock.reserved v1", "2.0 of A@L", "ATP 7"))
        assert "…" not in shown, "nothing is cut off"
        assert await asyncio.to_thread(execute, ["trace", "nobody", "--since", "1h", "--last", "9", *arguments]) == 0
        assert "Nothing carries the correlation id, document or event id nobody within 1h" in capsys.readouterr().out
    finally:
        stop.set()
        await asyncio.gather(running, return_exceptions=True)


async def test_many_messages_take_little_time(tmp_path: Path, server: EmbeddedServer, bus: JetStream) -> None:
    config = configure(tmp_path, server)
    await publish(bus, [encoded(FLOW[0])])
    for number in range(50_000):
        await bus.client.publish("tallystick.events", encoded({**FLOW[0], "id": f"x{number}"}, "order-2"))
    await bus.client.flush()
    began = time.monotonic()
    steps, _ = await trace(bus, config, "order-1", nobody)
    assert time.monotonic() - began < 20
    assert told(steps) == [("r1", "unknown")]
