"""The client of threads: sixteen at once, closed under way, interrupted, and across a fork."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest

from tallystick import Client, NoAnswer, OperationError
from tallystick.bus.embedded import EmbeddedServer
from tallystick.bus.jetstream import JetStream
from tests.integration.desk import at_work

pytestmark = pytest.mark.slow

CAME = {"id": "0", "source": "wms", "type": "stock.received", "sku": "LAMP", "location": "DC1", "quantity": 100}
THREADS = 16


def shop(client: Client, number: int) -> Decimal:
    """What one thread does: sells some, gives some back. Returns what it kept."""
    kept = Decimal(0)
    for turn in range(5):
        held = client.reserve(
            {"sku": "LAMP", "location": "DC1", "quantity": Decimal("1.25")}, source=f"shop-{number}", id=str(turn)
        )
        assert held["status"] == "granted"
        if turn % 2:
            assert client.void(f"shop-{number}", str(turn))["status"] == "voided"
        else:
            assert client.post(f"shop-{number}", str(turn))["status"] == "posted"
            kept += Decimal("1.25")
    (stored,) = client.publish(CAME | {"id": f"more-{number}", "quantity": 1}, wait=True)
    assert str(stored.outcome) == "applied"
    assert client.exceptions.list() == []
    return kept


async def test_sixteen_threads_share_one_client(tmp_path: Path, server: EmbeddedServer, bus: JetStream) -> None:
    async with at_work(tmp_path, server, bus, [CAME]) as end:

        def work() -> None:
            with Client(server.url, timeout_s=60) as client:
                with ThreadPoolExecutor(THREADS) as pool:
                    kept = list(pool.map(lambda number: shop(client, number), range(THREADS)))
                (position,) = client.atp("LAMP")["positions"]
                assert position["on_hand"] == 100 + THREADS
                assert position["atp"] == 100 + THREADS - sum(kept)
                assert (position["allocated"], position["reserved"]) == (sum(kept), 0)
            assert [thread.name for thread in threading.enumerate() if thread.name == "tallystick-client"] == []
            with pytest.raises(OperationError, match="this client was closed; make a new one"):
                client.status()

        await asyncio.to_thread(work)
        await end()


async def test_who_waits_when_it_is_closed_is_told(server: EmbeddedServer, bus: JetStream) -> None:
    heard = asyncio.Event()

    async def hear(_: object) -> None:
        heard.set()

    await bus.client.subscribe("tallystick.atp", cb=hear)  # Somebody who never answers.
    await bus.client.flush()
    client = Client(server.url, timeout_s=60)
    waiting = asyncio.create_task(asyncio.to_thread(client.atp, "LAMP"))
    await asyncio.wait_for(heard.wait(), 60)
    await asyncio.to_thread(client.close)
    with pytest.raises(OperationError, match="closed"):
        await waiting
    await asyncio.to_thread(client.close)
    unused = Client(server.url)
    unused.close()
    with pytest.raises(OperationError, match="this client was closed"):
        unused.status()


async def test_a_timeout_holds(server: EmbeddedServer, bus: JetStream) -> None:
    await bus.client.subscribe("tallystick.*")
    await bus.client.flush()

    def work() -> None:
        with Client(server.url, timeout_s=0.3) as client:
            with pytest.raises(NoAnswer, match=r"no answer from 127.0.0.1:\d+ within 0.3 s"):
                client.atp("LAMP")
            with pytest.raises(NoAnswer, match="so ask again under the same key: shop/r1"):
                client.reserve({"sku": "LAMP", "location": "DC1", "quantity": 1}, source="shop", id="r1")
            with pytest.raises(TimeoutError):
                client.status()

    await asyncio.wait_for(asyncio.to_thread(work), 60)


STORY = """
import os, sys, threading
import tallystick

(url,) = sys.argv[1:]
before = tallystick.Client(url)  # was never used before the fork, so it is the child's
client = tallystick.Client(url)
assert client.status()["ready"]

def keep_on():
    while True:
        client.status()

threading.Thread(target=keep_on, daemon=True).start()
for number in range(4):
    child = os.fork()
    if child == 0:
        try:
            client.status()
            os._exit(1)
        except tallystick.ForkError as error:
            assert "connected before os.fork()" in str(error) and "worker_process_init" in str(error), error
        client.close()  # waits for nobody, and leaves the parent's connection alone
        assert before.status()["ready"]
        before.close()
        with tallystick.Client(url) as own:
            assert own.status()["ready"]
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert client.status()["ready"]
print("all", flush=True)
os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
async def test_a_child_of_a_fork_is_told(tmp_path: Path, server: EmbeddedServer, bus: JetStream) -> None:
    async with at_work(tmp_path, server, bus, [CAME]):
        command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", STORY, server.url]
        done = await asyncio.to_thread(
            subprocess.run, command, capture_output=True, text=True, timeout=120, check=False
        )
        assert (done.returncode, done.stdout) == (0, "all\n"), done.stderr


async def test_a_process_ends_though_nobody_closed_it(tmp_path: Path, server: EmbeddedServer, bus: JetStream) -> None:
    async with at_work(tmp_path, server, bus, [CAME]):
        story = f"import tallystick\nclient = tallystick.Client({server.url!r})\nprint(client.status()['ready'])"
        command = [sys.executable, "-W", "error", "-c", story]
        done = await asyncio.to_thread(
            subprocess.run, command, capture_output=True, text=True, timeout=120, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


INTERRUPTED = """
import sys, tallystick

with tallystick.Client(sys.argv[1], timeout_s=100) as client:
    try:
        client.atp("LAMP")
    except KeyboardInterrupt:
        print("interrupted")
    print(client.exceptions.stats()["open"])
"""


async def test_an_interrupt_ends_the_wait_and_not_the_client(server: EmbeddedServer, bus: JetStream) -> None:
    asked = await bus.client.subscribe("tallystick.atp")  # Somebody who never answers.
    counted = await bus.client.subscribe("tallystick.exceptions.stats")
    await bus.client.flush()
    command = [sys.executable, "-c", INTERRUPTED, server.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: ASYNC220 (it is waited for)
        await asked.next_msg(60)
        process.send_signal(signal.SIGINT)
        question = await counted.next_msg(60)
        await bus.client.publish(question.reply, b'{"open":7}')
        said, _ = await asyncio.to_thread(process.communicate, timeout=60)
    assert (process.returncode, said) == (0, "interrupted\n7\n")
