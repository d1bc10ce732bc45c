"""Canaries: every secret that can be given, in runs that go well and that fail; none of them may ever be said."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nkeys
import pytest

from tests.integration.daemon import write_config
from tests.integration.servers import ConfiguredServer, key_pair

pytestmark = pytest.mark.slow

CANARY = "canary-4711"
SEED = key_pair(nkeys.PREFIX_BYTE_USER)
Way = tuple[dict[str, Any], dict[str, str], dict[str, Any]]
"""What the server asks for; the environment; `[nats]`."""


def ways(folder: Path) -> dict[str, Way]:
    password = {"user": "daemon", "password": CANARY}
    held = folder / "held"
    held.write_text(CANARY)
    seed = folder / "seed"
    seed.write_bytes(SEED.seed)
    for path in (held, seed):
        path.chmod(0o600)
    return {
        "password": (password, {}, password),
        "password_file": (password, {}, {"user": "daemon", "password_file": str(held)}),
        "environment": (password, {"TALLYSTICK_NATS_USER": "daemon", "TALLYSTICK_NATS_PASSWORD": CANARY}, {}),
        "token": ({"token": CANARY}, {}, {"token": CANARY}),
        "token_environment": ({"token": CANARY}, {"TALLYSTICK_NATS_TOKEN": CANARY}, {}),
        "nkey": ({"users": [{"nkey": SEED.public_key.decode()}]}, {}, {"nkey_seed_file": str(seed)}),
        "url": (password, {}, {"url": f"daemon:{CANARY}@"}),
    }


class Runner:
    """Runs commands and keeps all that anybody could read of them."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.said = b""
        self._folder = folder
        self._environment = {**os.environ, **environment, "TALLYSTICK_PROCESS_LOG_LEVEL": "debug"}

    def start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-X", "dev", "-m", "tallystick", *arguments]
        return subprocess.Popen(
            command, cwd=self._folder, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def run(self, *arguments: str, status: int) -> None:
        process = self.start(*arguments)
        self.end(process, status, arguments)

    def end(self, process: "subprocess.Popen[bytes]", status: int, what: object = "") -> None:
        with contextlib.suppress(OSError):
            self.said += Path(f"/proc/{process.pid}/cmdline").read_bytes()
        out, _ = process.communicate(timeout=120)
        self.said += out
        assert process.returncode == status, (what, out.decode())


def wait_for(path: Path, pattern: str) -> None:
    deadline = time.monotonic() + 60
    while not list(path.glob(pattern)):
        assert time.monotonic() < deadline, f"no {pattern} in {path}"
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize(
    "way", ["password", "password_file", "environment", "token", "token_environment", "nkey", "url"]
)
def test_no_secret_is_ever_said(tmp_path: Path, way: str) -> None:
    asked, environment, nats = ways(tmp_path)[way]
    with ConfiguredServer(tmp_path / "nats", {"authorization": asked}) as server:
        user, url = nats.pop("url", ""), server.url
        nats["url"] = url.replace("//", f"//{user}")
        nats["connect_timeout_s"] = 20
        config = str(write_config(tmp_path, url, {"nats": nats, "snapshots": {"interval_s": 0.1}}))
        runner = Runner(tmp_path, environment)
        runner.run("config", "show", "--config", config, status=0)
        runner.run("config", "show", "--json", "--config", config, status=0)
        runner.run("config", "check", "--config", config, status=0)
        daemon = runner.start("run", "--config", config)
        events = tmp_path / "events.ndjson"
        events.write_text('{"id":"1","source":"wms","type":"stock.received","sku":"A","location":"D","quantity":1}\n')
        deadline = time.monotonic() + 60
        while (publishing := runner.start("publish", str(events), "--config", config)).wait(60) != 0:
            runner.said += publishing.communicate()[0]
            assert time.monotonic() < deadline
        runner.said += publishing.communicate()[0]
        wait_for(tmp_path / "snapshots", "*.tally")
        runner.run("atp", "A", "--config", config, status=0)
        # The way in is closed while it runs, and a connection is not to be had any more.
        closed = {"users": [{"nkey": key_pair(nkeys.PREFIX_BYTE_USER).public_key.decode()}]}
        server.reload(authorization=closed)
        time.sleep(2)  # for some attempts to be refused, and said
        daemon.send_signal(signal.SIGTERM)
        runner.end(daemon, 0)
        environment["TALLYSTICK_NATS_CONNECT_TIMEOUT_S"] = "2"
        failing = Runner(tmp_path, environment)
        for command in (["run"], ["atp", "A"]):
            failing.run(*command, "--config", config, status=3)
    said = runner.said + failing.said
    assert b"refuse" in said or b"uthorization" in said, "the failing runs said why"
    kept = b"".join(path.read_bytes() for path in (tmp_path / "snapshots").iterdir())
    for secret in (CANARY.encode(), SEED.seed):
        assert secret not in said
        assert secret not in kept


def test_a_mistake_in_a_setting_that_holds_a_secret_does_not_say_it(tmp_path: Path) -> None:
    runner, broken = Runner(tmp_path, {}), tmp_path / "broken.toml"
    for text, status in (
        (f'[nats]\npassword = "{CANARY}"\n', 2),
        (f'[nats]\ntoken = ["{CANARY}"]\n', 2),
        (f'[nats]\nurl = "bus://joe:{CANARY}@here"\n', 2),
        (f'[nats]\nurl = "nats://{CANARY}@a, nats://b:{CANARY}@[::1"\n', 2),
        (f'[nats]\nurl = "nats://joe:{CANARY}@127.0.0.1:1"\nconnect_timeout_s = 1\n', 3),
    ):
        broken.write_text(text)
        runner.run("run", "--config", str(broken), status=status)
    assert CANARY.encode() not in runner.said
