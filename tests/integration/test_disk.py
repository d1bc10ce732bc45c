"""A disk that takes no snapshot: the daemon goes on and says so, and ends only when the log can replay no more."""

import asyncio
import random
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tallystick.bus.embedded import EmbeddedServer
from tallystick.bus.jetstream import JetStream
from tallystick.config import load
from tests.integration.daemon import ask, has_reached, prove, publish, random_messages, run_to_end, until, write_config
from tests.integration.test_crash import said, start

pytestmark = pytest.mark.slow

SOON = {"snapshots": {"interval_s": 0.3}}
LITTLE: int = 64 << 10


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A file system of 256 KiB; skips the test where nobody may mount one."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(folder)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("only root mounts a small file system")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@contextmanager
def started(path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A daemon, which ends with the test."""
    daemon = start(path)
    try:
        yield daemon
    finally:
        daemon.kill()
        daemon.wait()


async def told(bus: JetStream) -> dict[str, Any]:
    return await ask(bus.client, {}, "status")


def blocked(bus: JetStream, is_so: bool) -> Callable[[], Any]:
    async def look() -> bool:
        return any(one["what"] == "snapshots" for one in (await told(bus))["blocked"]) is is_so

    return look


async def test_it_goes_on_while_the_disk_is_full_and_saves_when_there_is_room(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, rng: random.Random
) -> None:
    path = write_config(tmp_path, server.url, SOON)
    hog = tmp_path / "snapshots" / "hog"
    with small_disk(tmp_path / "snapshots"), started(path) as daemon:
        await until(partial(has_reached, bus.client, 0))
        hog.write_bytes(bytes(180 << 10))
        await publish(bus, random_messages(rng, 300))
        await until(blocked(bus, is_so=True))
        answer = await told(bus)
        assert (answer["ready"], answer["lag"]) == (False, 0)
        assert answer["snapshot_sequence"] < answer["sequence"]
        assert "No space left" in answer["blocked"][0]["reason"]
        await publish(bus, random_messages(rng, 50))
        await until(partial(has_reached, bus.client, 350))
        assert (await ask(bus.client, {"sku": "sku-1"}))["positions"]
        hog.unlink()
        await until(blocked(bus, is_so=False))
        assert (await told(bus))["snapshot_sequence"] > 0
        daemon.terminate()
        assert daemon.wait(10) == 0, said(tmp_path, daemon)
        assert "snapshots: blocked" in said(tmp_path, daemon)
        assert not list((tmp_path / "snapshots").glob("*.part"))
        await prove(bus, (config := load(path, {})), await run_to_end(config))


async def test_a_stop_while_the_disk_is_full_says_where_the_next_start_begins(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, rng: random.Random
) -> None:
    path = write_config(tmp_path, server.url, SOON)
    await publish(bus, random_messages(rng, 100))
    with started(path) as daemon:
        await until(partial(has_reached, bus.client, 100))
        await until(partial(has_saved, bus))
        # From here on no file of it may be larger than its log is now.
        resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (LITTLE, resource.RLIM_INFINITY))
        await publish(bus, [_new_position(number) for number in range(400)])
        await until(blocked(bus, is_so=True))
        daemon.terminate()
        assert daemon.wait(10) == 5, said(tmp_path, daemon)
        assert "until then a restart begins at the last one" in said(tmp_path, daemon)
        await prove(bus, (config := load(path, {})), await run_to_end(config))


async def test_it_ends_when_the_log_no_longer_holds_what_a_restart_would_need(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream
) -> None:
    config: dict[str, Any] = {"name": "TALLYSTICK_EVENTS", "subjects": ["tallystick.events", "tallystick.events.>"]}
    config |= {"storage": "file", "allow_direct": True, "deny_delete": True, "deny_purge": True}
    await bus.create_stream(config)
    path = write_config(tmp_path, server.url, SOON)
    await publish(bus, [_new_position(number) for number in range(20)])
    with started(path) as daemon:
        await until(partial(has_saved, bus))
        resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (LITTLE, resource.RLIM_INFINITY))
        await publish(bus, [_new_position(number) for number in range(20, 420)])
        await until(blocked(bus, is_so=True))
        assert daemon.poll() is None
        # Somebody limits the stream: what the last snapshot would go on with is gone.
        await bus.request("STREAM.UPDATE.TALLYSTICK_EVENTS", {**config, "max_msgs": 100})
        assert await asyncio.to_thread(daemon.wait, 60) == 5, said(tmp_path, daemon)
        assert "no longer holds message 21" in said(tmp_path, daemon)


async def has_saved(bus: JetStream) -> bool:
    return await has_reached(bus.client, 0) and bool((await told(bus))["snapshot_sequence"])


def _new_position(number: int) -> bytes:
    return (
        b'{"id":"n%d","source":"wms","type":"stock.received","sku":"sku-%d-%s","location":"dc","quantity":1}'
        % (number, number, b"x" * 40)
    )  # fmt: skip
