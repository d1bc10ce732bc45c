"""What the tests of exceptions share: a daemon with events that need somebody, and a command line beside it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tallystick.bus.embedded import EmbeddedServer
from tallystick.bus.jetstream import JetStream
from tallystick.daemon.progress import RunReport
from tallystick.daemon.run import run
from tests.integration.daemon import configure, has_reached, prove, publish, until

RECEIVED = {"id": "r1", "source": "wms", "type": "stock.received", "sku": "A", "location": "L", "quantity": 10}
TELEPORTED = {"id": "t1", "source": "robot", "type": "stock.teleported", "sku": "A", "location": "L", "quantity": 2}
NEGATIVE = {"id": "s1", "source": "shop", "type": "stock.sold", "sku": "A", "location": "L", "quantity": -4}
COUNTED = {"id": "c1", "source": "wms", "type": "stock.counted", "sku": "A", "location": "L", "quantity": 9_000}
TABLES = {"approvals": {"absolute": "1000"}}

Say = Callable[..., Coroutine[Any, Any, tuple[int, str]]]


@asynccontextmanager
async def at_work(
    folder: Path,
    server: EmbeddedServer,
    bus: JetStream,
    events: list[dict[str, Any]],
    tables: Mapping[str, Mapping[str, Any]] = TABLES,
) -> AsyncIterator[Callable[[], Coroutine[Any, Any, RunReport]]]:
    """A daemon that has applied the events; what it gives stops it and proves the outputs against a plain replay."""
    config = configure(folder, server, tables)
    await publish(bus, [json.dumps(event).encode() for event in events])
    stop = asyncio.Event()
    running = asyncio.create_task(run(config, stop=stop))

    async def end() -> RunReport:
        stop.set()
        report = await asyncio.wait_for(running, 60)
        await prove(bus, config, report)
        return report

    try:
        await until(lambda: has_reached(bus.client, len(events)))
        yield end
    finally:
        stop.set()
        await asyncio.gather(running, return_exceptions=True)


async def lines(say: Say, *arguments: str) -> list[Any]:
    status, shown = await say(*arguments, "--json")
    assert status == 0, shown
    return [json.loads(line) for line in shown.splitlines()]


async def number_of(say: Say, code: str) -> str:
    (found,) = await lines(say, "exceptions", "list", "--code", code)
    return str(found["number"])
