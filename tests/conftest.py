"""What all tests share: a real nats-server, and the seed of this run."""

import os
import random
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from nats.aio.client import Client

from tallystick.bus.connection import connect
from tallystick.bus.embedded import EmbeddedServer
from tallystick.bus.jetstream import JetStream
from tallystick.config import Nats


def pytest_report_header() -> str:
    return f"seed: {seed()} (set TALLYSTICK_TEST_SEED to run the same again)"


def seed() -> int:
    """One seed for the whole run; random unless it is given."""
    return int(os.environ.setdefault("TALLYSTICK_TEST_SEED", str(random.randrange(1 << 32))))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Runs one in `TALLYSTICK_TEST_SHARE` of the slow tests; which, the seed says."""
    share = int(os.environ.get("TALLYSTICK_TEST_SHARE", "1"))
    left_out = [
        item
        for item in items
        if item.get_closest_marker("slow") and (zlib.crc32(item.nodeid.encode()) + seed()) % share
    ]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        gone = set(left_out)
        items[:] = [item for item in items if item not in gone]


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """Randomness of this test: the run's seed and the test's name, so that one test alone replays."""
    print(f"seed {seed()}")
    return random.Random(f"{seed()} {request.node.name}")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A nats-server of this test alone. It need not survive a power cut, so it syncs seldom."""
    with EmbeddedServer(tmp_path / "nats", sync="1m") as running:
        yield running


@pytest.fixture
async def client(server: EmbeddedServer) -> AsyncIterator[Client]:
    """A connection to the server."""
    connection = await connect(Nats(url=server.url))
    yield connection
    await connection.close()


@pytest.fixture
def bus(client: Client) -> JetStream:
    """JetStream's API on that connection."""
    return JetStream(client)
