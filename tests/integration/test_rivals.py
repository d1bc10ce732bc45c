"""Two daemons on the same outputs: the one that comes later ends at once and names the first."""

import asyncio
import random
from functools import partial
from pathlib import Path

import pytest

from tallystick.bus.embedded import EmbeddedServer
from tallystick.bus.jetstream import JetStream
from tallystick.config import load
from tallystick.daemon.run import run
from tallystick.errors import OutputFenced
from tests.integration.daemon import has_reached, prove, publish, random_messages, run_to_end, until, write_config


async def test_the_second_daemon_ends_at_once_and_names_the_first(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, rng: random.Random
) -> None:
    await publish(bus, random_messages(rng, 100))
    config = load(write_config(tmp_path, server.url), {})
    stop = asyncio.Event()
    first = asyncio.create_task(run(config, stop=stop))
    await until(partial(has_reached, bus.client, 100))
    second = load(write_config(tmp_path, server.url, {"snapshots": {"folder": "others"}}), {})
    with pytest.raises(OutputFenced, match=r"TALLYSTICK_AVAILABILITY is written by another daemon: process \d+ on"):
        await asyncio.wait_for(run(second), 20)
    # The first one is not disturbed by it, and one that writes elsewhere disturbs nobody.
    outputs = {
        "availability_stream": "A",
        "availability_subject": "a",
        "exceptions_stream": "E",
        "exceptions_subject": "e",
    }
    other = load(write_config(tmp_path, server.url, {"snapshots": {"folder": "third"}, "output": outputs}), {})
    await run_to_end(other)
    await publish(bus, random_messages(rng, 20))
    await until(partial(has_reached, bus.client, 120))
    stop.set()
    await prove(bus, config, await asyncio.wait_for(first, 30))
    # Where the first one is gone, the next may begin.
    await run_to_end(config)
