"""The embedded server: starts, keeps its streams, says what is wrong, and ends with whoever started it."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tallystick.bus.connection import connect
from tallystick.bus.embedded import EmbeddedServer, find_binary
from tallystick.bus.jetstream import JetStream
from tallystick.config import Nats
from tallystick.errors import BusError, OperationError


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def test_streams_survive_a_restart_on_the_same_port(server: EmbeddedServer) -> None:
    client = await connect(Nats(url=server.url))
    await JetStream(client).create_stream({"name": "KEPT", "subjects": ["kept"], "storage": "file"})
    await client.close()
    port = server.port
    server.restart()
    assert server.port == port
    client = await connect(Nats(url=server.url))
    assert await JetStream(client).stream("KEPT") is not None
    await client.close()


def test_it_listens_on_loopback_alone(server: EmbeddedServer) -> None:
    listening = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    places = [line.split()[1] for line in listening.splitlines() if f":{server.port:04X} " in line]
    assert "0100007F" in {place.partition(":")[0] for place in places}
    assert "00000000" not in {place.partition(":")[0] for place in places}


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(BusError, match=rf"port {port} on 127\.0\.0\.1: Address already in use; .*nats\.url"):
            EmbeddedServer(tmp_path, port=port).start()


def test_without_a_binary_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_distribution(name: str) -> object:
        raise metadata.PackageNotFoundError(name)

    from importlib import metadata

    monkeypatch.setattr(metadata, "distribution", no_distribution)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BusError, match=r"tallystick\[embedded\]"):
        find_binary()
    old = tmp_path / "nats-server"
    old.write_text("#!/bin/sh\necho nats-server: v2.9.0\n")
    old.chmod(0o755)
    with pytest.raises(BusError, match=r"is 2\.9\.0; install"):
        find_binary()


def test_a_folder_in_use_is_named(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tallystick.bus.embedded._LOCK_TIMEOUT_S", 0.2)
    with pytest.raises(BusError, match="is used by another nats-server"):
        EmbeddedServer(server.folder).start()


def test_a_server_that_dies_leaves_its_last_words(server: EmbeddedServer) -> None:
    server.check()
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(BusError, match=r"ended with status -9: .*; see .*nats-server\.log"):
        for _ in range(200):
            server.check()
            time.sleep(0.05)


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(OperationError, match=r"sync_interval|invalid"):
        EmbeddedServer(tmp_path / "nats", sync="often").start()


def test_it_does_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from tallystick.bus.embedded import EmbeddedServer\n"
        "print(EmbeddedServer(Path(sys.argv[1])).start().pid, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "nats")], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    with parent.stdout:
        pid = int(parent.stdout.readline())
    assert _runs(pid)
    parent.kill()
    parent.wait()
    for _ in range(400):
        if not _runs(pid):
            break
        time.sleep(0.05)
    assert not _runs(pid)
