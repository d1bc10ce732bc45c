"""Stops and disks that fail: SIGTERM at any moment ends it soon and loses nothing; each fault of a disk has its state,
its metric and its exit status, as docs/operations.md says.
"""

import asyncio
import json
import random
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tallystick.bus.embedded import EmbeddedServer
from tallystick.bus.jetstream import JetStream
from tallystick.config import load
from tests.integration import probes
from tests.integration.daemon import SMALL_STEPS, has_reached, prove, publish, random_messages, run_to_end, write_config
from tests.integration.daemon import until as until_true
from tests.integration.test_crash import said, start

pytestmark = pytest.mark.slow
STOPS = 24
STOP_S = 15.0
"""It takes 5 s at most on a machine that is free; the tests share one."""
FAULTY = """
import errno, os, sys
from pathlib import Path

call, number, healed = sys.argv[1], getattr(errno, sys.argv[2], 0), Path(sys.argv[3])
writes, syncs, replaces, opens = os.write, os.fsync, Path.replace, os.open


def fail(what, *arguments):
    if what == call and not healed.exists():
        raise OSError(number, os.strerror(number))


def write(file, data):
    fail("write")
    return writes(file, data[: max(1, len(data) // 3)] if call == "short" else data)


def fsync(file):
    import stat
    fail("fsync folder" if stat.S_ISDIR(os.fstat(file).st_mode) else "fsync")
    syncs(file)


def replace(path, target):
    fail("replace")
    return replaces(path, target)


def open_(path, flags, *more, **named):
    if str(path).endswith(".part"):
        fail("open")
    return opens(path, flags, *more, **named)


from tallystick.daemon import snapshots

if call == "read back":
    snapshots._holds = lambda path, data: False
from tallystick.cli import main

os.write, os.fsync, Path.replace, os.open = write, fsync, replace, open_
sys.argv[1:] = ["run", "--config", sys.argv[4]]
main()
"""


async def test_sigterm_at_any_moment_ends_it_soon_and_loses_nothing(tmp_path: Path, rng: random.Random) -> None:
    port = probes.free_port()
    server = EmbeddedServer(tmp_path / "nats", sync="1m")
    server.start()
    try:
        tables = {**SMALL_STEPS, "http": {"listen": f"127.0.0.1:{port}"}}
        path = write_config(tmp_path, server.url, tables)
        statuses = []
        for _ in range(STOPS):
            from tallystick.bus.connection import connect
            from tallystick.config import Nats

            client = await connect(Nats(url=server.url))
            await publish(JetStream(client), random_messages(rng, 30))
            await client.close()
            daemon = start(path)
            # Some before it has begun, most while it works, some when it has nothing to do.
            await asyncio.sleep(rng.random() * rng.choice([0.3, 1.5, 3.0]))
            has_server = rng.random() < 0.8
            if not has_server:
                server.kill()
            daemon.send_signal(signal.SIGTERM)
            try:
                statuses.append(await asyncio.to_thread(daemon.wait, STOP_S))
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
                raise AssertionError(said(tmp_path, daemon)) from None
            if not has_server:
                server.start()
            # Before Python runs, nobody takes the signal.
            assert statuses[-1] in (0, 10, -signal.SIGTERM), said(tmp_path, daemon)
            assert statuses[-1] != -signal.SIGTERM or not said(tmp_path, daemon)
            assert "please report it" not in said(tmp_path, daemon)
        assert 0 in statuses
        client = await connect(Nats(url=server.url))
        await prove(JetStream(client), (config := load(path, {})), await run_to_end(config))
        await client.close()
    finally:
        server.stop()


def faulty(path: Path, call: str, error: str) -> "subprocess.Popen[bytes]":
    """A daemon whose disk fails in one call, until `healed` is there."""
    with (path.parent / "daemon.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-c", FAULTY, call, error, path.parent / "healed", path], stdout=log, stderr=log
        )


async def prepared(tmp_path: Path, url: str, bus: JetStream, rng: random.Random) -> tuple[Path, int]:
    """A ledger with a snapshot, more to apply, and a daemon's configuration under which snapshots are due soon."""
    port = probes.free_port()
    path = write_config(tmp_path, url, {"snapshots": {"interval_s": 0.2}, "http": {"listen": f"127.0.0.1:{port}"}})
    await publish(bus, random_messages(rng, 30))
    await run_to_end(load(path, {}))
    await publish(bus, random_messages(rng, 30))
    return path, port


@pytest.mark.parametrize(
    ("call", "error"),
    [("fsync", "EIO"), ("write", "EIO"), ("fsync folder", "EIO"), ("replace", "EIO"), ("read back", "-")],
)
async def test_a_disk_that_cannot_be_trusted_ends_it_and_the_next_start_goes_on(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, rng: random.Random, call: str, error: str
) -> None:
    path, _ = await prepared(tmp_path, server.url, bus, rng)
    daemon = faulty(path, call, error)
    try:
        assert await asyncio.to_thread(daemon.wait, 60) == 5
    finally:
        daemon.kill()
        daemon.wait()
    last = (tmp_path / "daemon.log").read_text().splitlines()
    assert json.loads(last[-2])["exit"] == 5
    assert ("repair the disk" if call != "read back" else "check the disk") in last[-1]
    await prove(bus, (config := load(path, {})), await run_to_end(config))


@pytest.mark.parametrize(
    ("call", "error", "cure"),
    [
        ("write", "ENOSPC", "make room there"),
        ("fsync", "ENOSPC", "make room there"),
        ("fsync", "EDQUOT", "raise the quota"),
        ("open", "EMFILE", "open more files"),
        ("open", "EROFS", "make it writable"),
        ("replace", "EACCES", "let this user write"),
    ],
)
async def test_a_disk_that_may_recover_is_waited_for(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, rng: random.Random, call: str, error: str, cure: str
) -> None:
    path, port = await prepared(tmp_path, server.url, bus, rng)
    daemon = faulty(path, call, error)
    try:
        reply = await probes.until_ready(port, is_ready=False)
        while not reply.text.startswith("snapshots: "):
            await asyncio.sleep(0.05)
            reply = await probes.until_ready(port, is_ready=False)
        found = await probes.scrape(port)
        assert (("what", "snapshots"),) in found["tallystick_blocked_seconds"]
        assert found["tallystick_snapshot_sequence"] == {(): 30}
        status = json.loads((await bus.client.request("tallystick.status", b"", 5)).data)
        assert cure in status["blocked"][0]["cure"]
        assert status["state"] == "blocked"
        (tmp_path / "healed").touch()
        await probes.until_ready(port)
        daemon.terminate()
        assert await asyncio.to_thread(daemon.wait, 30) == 0
    finally:
        daemon.kill()
        daemon.wait()
    await prove(bus, (config := load(path, {})), await run_to_end(config))


async def test_short_writes_are_written_to_the_end(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, rng: random.Random
) -> None:
    path, _ = await prepared(tmp_path, server.url, bus, rng)
    daemon = faulty(path, "short", "-")
    try:
        await until_true(partial(has_reached, bus.client, 60))
        daemon.terminate()
        assert await asyncio.to_thread(daemon.wait, 30) == 0
    finally:
        daemon.kill()
        daemon.wait()
    assert max((tmp_path / "snapshots").glob("*.tally")).name == f"snapshot-{60:020}.tally"
    await prove(bus, (config := load(path, {})), await run_to_end(config))
