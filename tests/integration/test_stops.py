"""Stops and disks that fail: SIGTERM at any moment ends it soon and loses nothing; each fault of a disk has its state,
its metric and its exit status, as docs/operations.md says.
"""

import asyncio
import contextlib
import json
import os
import pty
import random
import select
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

from tallystick.bus.embedded import EmbeddedServer
from tallystick.bus.jetstream import JetStream
from tallystick.config import load
from tallystick.daemon.snapshots import SnapshotFolder
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


SEEN = """
import sys
from tallystick.daemon import snapshots

def newest(folder):
    raise {failure}

snapshots.SnapshotFolder.newest = newest
from tallystick.cli import main
sys.argv[1:] = ["run", "--config", sys.argv[1]]
main()
"""
FAILURES = (
    ("config", 2, "unknown table"),
    ("no server", 3, "no connection to nats://127.0.0.1:1"),
    ("held", 5, "is in use by another daemon"),
    ("ValueError('a\\nb')", 1, "unexpected ValueError: a b; please report it"),
    ("OSError(28, 'no room', 'here')", 1, "here: no room"),
    ("ModuleNotFoundError(name='h11')", 2, "pip install 'tallystick[http]'"),
    ("KeyboardInterrupt", 130, "interrupted"),
)


@pytest.mark.parametrize(("failure", "status", "words"), FAILURES)
async def test_a_json_log_is_json_to_its_last_line(
    tmp_path: Path, server: EmbeddedServer, failure: str, status: int, words: str
) -> None:
    url = "nats://127.0.0.1:1" if failure == "no server" else server.url
    path = write_config(tmp_path, url, {"nats": {"connect_timeout_s": 0.3 if failure == "no server" else 10}})
    if failure == "config":
        path.write_text("[nonsense]\n")
    script = SEEN.format(failure=failure) if failure not in ("config", "no server", "held") else ""
    command = ["-c", script, str(path)] if script else ["-m", "tallystick", "run", "--config", str(path)]
    with SnapshotFolder(tmp_path / "snapshots") if failure == "held" else contextlib.nullcontext():
        done = await asyncio.to_thread(
            subprocess.run, [sys.executable, *command], capture_output=True, text=True, timeout=60, check=False
        )
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert (done.returncode, done.stdout) == (status, "")
    assert words in lines[-1]["message"]
    assert (lines[-1]["level"], lines[-1]["exit"]) == ("error", status)
    assert sum("exit" in line for line in lines) == 1, "it is said once"


@pytest.mark.parametrize("words", [[], ["nohup"]])
async def test_a_terminal_that_goes_away_is_a_clean_stop_unless_nohup_says_otherwise(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, rng: random.Random, words: list[str]
) -> None:
    path = write_config(tmp_path, server.url)
    await publish(bus, random_messages(rng, 30))
    daemon = with_output(tmp_path / "out", [*words, sys.executable, "-m", "tallystick", "run", "--config", str(path)])
    try:
        await until_true(partial(has_reached, bus.client, 30))
        daemon.send_signal(signal.SIGHUP)
        if words:
            await publish(bus, random_messages(rng, 10))
            await until_true(partial(has_reached, bus.client, 40))
            daemon.terminate()
        assert await asyncio.to_thread(daemon.wait, STOP_S) == 0, (tmp_path / "out").read_text()
    finally:
        daemon.kill()
        daemon.wait()
    assert (tmp_path / "snapshots" / f"snapshot-{40 if words else 30:020}.tally").exists()


async def test_a_real_terminal_that_goes_away_leaves_a_snapshot(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, rng: random.Random
) -> None:
    path = write_config(tmp_path, server.url)
    await publish(bus, random_messages(rng, 30))
    ours, its = pty.openpty()
    script = f"""
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "tallystick", "run", "--config", {str(path)!r}])
"""
    daemon = at_terminal(its, [sys.executable, "-c", script])
    hang_up = threading.Event()
    reader = threading.Thread(target=show_until, args=(hang_up, ours))
    reader.start()
    try:
        await until_true(partial(has_reached, bus.client, 30))
        hang_up.set()
        assert await asyncio.to_thread(daemon.wait, STOP_S) in (0, 1)
    finally:
        daemon.kill()
        daemon.wait()
        hang_up.set()
        reader.join()
    assert (tmp_path / "snapshots" / f"snapshot-{30:020}.tally").exists()


def with_output(path: Path, command: list[str]) -> "subprocess.Popen[bytes]":
    with path.open("wb") as out:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)


def at_terminal(file: int, command: list[str]) -> "subprocess.Popen[bytes]":
    program = subprocess.Popen(command, stdin=file, stdout=file, stderr=file)
    os.close(file)
    return program


def show_until(hang_up: threading.Event, file: int) -> None:
    """Is a terminal until it goes away: reads what a program shows, and closes."""
    while not hang_up.is_set():
        if select.select([file], [], [], 0.05)[0]:
            with contextlib.suppress(OSError):  # The program has ended.
                os.read(file, 1_024)
    os.close(file)


async def test_a_signal_in_the_first_moment_ends_it_with_0(tmp_path: Path) -> None:
    path = write_config(tmp_path, "nats://127.0.0.1:1")
    for number in (signal.SIGTERM, signal.SIGHUP):
        script = f"""
import os, sys
from importlib import abc

class Late(abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "typer":
            os.kill(os.getpid(), {int(number)})

sys.meta_path.insert(0, Late())
sys.argv[1:] = ["run", "--config", {str(path)!r}]
from tallystick.cli import main
main()
"""
        done = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", script], timeout=60, check=False)
        assert done.returncode == 0
    assert not (tmp_path / "snapshots").exists()


async def test_a_stop_before_it_has_begun_is_a_json_line(tmp_path: Path) -> None:
    daemon = start(write_config(tmp_path, "nats://127.0.0.1:1", {"nats": {"connect_timeout_s": 300}}))

    async def waits() -> bool:
        return "trying again" in said(tmp_path, daemon)

    await until_true(waits)
    daemon.terminate()
    assert await asyncio.to_thread(daemon.wait, STOP_S) == 0
    lines = [json.loads(line) for line in said(tmp_path, daemon).splitlines()]
    assert (lines[-1]["level"], lines[-1]["exit"]) == ("info", 0)
    assert "stopped before it had begun" in lines[-1]["message"]


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
    assert json.loads(last[-1])["exit"] == 5
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
