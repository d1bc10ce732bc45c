"""`tallystick status` and `tallystick doctor` as an operator runs them: with a daemon, without one, with faults."""

import asyncio
import json
import random
import signal
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tallystick.bus.connection import connect
from tallystick.bus.embedded import EmbeddedServer
from tallystick.bus.jetstream import JetStream
from tallystick.config import Nats, load
from tallystick.doctor.permissions import needed
from tests.integration.daemon import (
    AVAILABILITY,
    EVENTS,
    EXCEPTIONS,
    has_reached,
    publish,
    random_messages,
    run_to_end,
    until,
    write_config,
)
from tests.integration.servers import ConfiguredServer
from tests.integration.test_disk import started

pytestmark = pytest.mark.slow


def run(path: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "tallystick", *command, "--config", str(path)],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def findings(path: Path) -> tuple[int, list[dict[str, Any]]]:
    """Exit status and findings of the doctor."""
    done = run(path, "doctor", "--json")
    assert not done.stderr, done.stderr
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def states(found: list[dict[str, Any]], check: str) -> list[str]:
    return [one["state"] for one in found if one["check"] == check]


def not_well(found: list[dict[str, Any]]) -> dict[str, str]:
    """The checks that did not find that all is well, with their states."""
    return {one["check"]: one["state"] for one in found if one["state"] != "ok"}


def text_of(found: list[dict[str, Any]], check: str) -> str:
    return " ".join(f"{one['text']}; {one['cure']}" for one in found if one["check"] == check)


async def test_status_tells_in_one_sentence_and_by_its_exit_status(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, rng: random.Random
) -> None:
    path = write_config(tmp_path, server.url)
    alone = await asyncio.to_thread(run, path, "status")
    assert (alone.returncode, alone.stdout) == (3, "")
    assert alone.stderr.count("\n") == 1
    await publish(bus, random_messages(rng, 30))
    with started(path):
        await until(partial(has_reached, bus.client, 30))

        async def is_well() -> bool:
            done = await asyncio.to_thread(run, path, "status")
            return done.stdout.startswith("running: 30 messages applied, nothing waits\n") and done.returncode == 0

        await until(is_well)
        told = json.loads((await asyncio.to_thread(run, path, "status", "--json")).stdout)
        assert (told["state"], told["ready"], told["sequence"]) == ("running", True, 30)


async def test_status_names_what_is_blocked_and_its_cure(tmp_path: Path, rng: random.Random) -> None:
    users = [
        {"user": "operator", "password": "all"},
        {"user": "daemon", "password": "secret", "permissions": {
            "publish": {"allow": [">"], "deny": ["tallystick.availability"]}, "subscribe": ">"}},
    ]  # fmt: skip
    with ConfiguredServer(tmp_path / "nats", {"authorization": {"users": users}}) as server:
        path = write_config(tmp_path, server.url, {"nats": {"user": "daemon", "password": "secret"}})
        operator = await connect(Nats(url=server.url, user="operator", password="all"))
        await publish(JetStream(operator), random_messages(rng, 20))
        with started(path):

            async def is_blocked() -> bool:
                done = await asyncio.to_thread(run, path, "status")
                return done.returncode == 3 and done.stdout.startswith("blocked: stream TALLYSTICK_AVAILABILITY since ")

            await until(is_blocked)
            done = await asyncio.to_thread(run, path, "status")
            headline = done.stdout.splitlines()[0]
            assert "permissions viol" in headline.lower()
            assert "permission to publish to tallystick.availability" in headline
            status, found = await asyncio.to_thread(findings, path)
            assert status == 1
            assert states(found, "daemon") == ["fail"]
            assert "may not publish tallystick.availability" in text_of(found, "credentials")
        await operator.close()


async def test_the_doctor_finds_nothing_where_all_is_well(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, rng: random.Random
) -> None:
    path = write_config(tmp_path, server.url, {"snapshots": {"interval_s": 0.2}})
    status, found = await asyncio.to_thread(findings, path)
    assert (status, not_well(found)) == (0, {"sync": "skip"}), "before the first start"
    await publish(bus, random_messages(rng, 30))
    with started(path):
        await until(partial(has_reached, bus.client, 30))

        async def is_well() -> bool:
            status, found = await asyncio.to_thread(findings, path)
            return status == 0 and "message 30" in text_of(found, "log")

        await until(is_well)
        status, found = await asyncio.to_thread(findings, path)
        assert "running: 30 messages applied" in text_of(found, "daemon")
        assert not_well(found) == {"sync": "skip"}
    done = await asyncio.to_thread(run, path, "doctor")
    assert done.stdout.endswith("\nNothing to mend; not looked at: sync.\n")


async def test_the_doctor_sees_a_daemon_that_hangs(tmp_path: Path, server: EmbeddedServer, bus: JetStream) -> None:
    path = write_config(tmp_path, server.url)
    with started(path) as daemon:
        await until(partial(has_reached, bus.client, 0))
        daemon.send_signal(signal.SIGSTOP)
        status, found = await asyncio.to_thread(findings, path)
        assert status == 1
        assert states(found, "daemon") == ["fail"]
        assert f"process {daemon.pid} on {socket.gethostname()} uses {tmp_path}" in text_of(found, "daemon")
        other = await asyncio.to_thread(run, path, "run")
        assert (other.returncode, f"(process {daemon.pid} on " in other.stderr) == (5, True)
        daemon.send_signal(signal.SIGCONT)

        async def is_well() -> bool:
            return states((await asyncio.to_thread(findings, path))[1], "daemon") == ["ok"]

        await until(is_well)
    status, found = await asyncio.to_thread(findings, path)
    assert "start one with: tallystick run" in text_of(found, "daemon"), "what a killed one left is no sign of one"


async def test_the_doctor_says_which_checks_were_denied(tmp_path: Path) -> None:
    denied = ["$SYS.REQ.USER.INFO", "$JS.API.INFO", "tallystick.status"]
    users = [{"user": "daemon", "password": "secret", "permissions": {
        "publish": {"allow": [">"], "deny": denied}, "subscribe": ">"}}]  # fmt: skip
    with ConfiguredServer(tmp_path / "nats", {"authorization": {"users": users}}) as server:
        path = write_config(tmp_path, server.url, {"nats": {"user": "daemon", "password": "secret"}})
        path.chmod(0o600)
        with started(path) as daemon:

            async def is_seen() -> bool:
                return f"process {daemon.pid} " in text_of((await asyncio.to_thread(findings, path))[1], "daemon")

            await until(is_seen)
            status, found = await asyncio.to_thread(findings, path)
        assert status == 0
        assert not_well(found) == dict.fromkeys(["credentials", "clock", "sync", "jetstream", "daemon"], "skip")
        for check, subject in (("credentials", denied[0]), ("jetstream", denied[1]), ("daemon", denied[2])):
            assert f"the server denies this user {subject}" in text_of(found, check)
            assert "start it again" not in text_of(found, check)


async def test_the_doctor_names_every_fault_of_the_streams_at_once(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream
) -> None:
    await bus.create_stream({
        "name": "TALLYSTICK_EVENTS", "subjects": ["tallystick.events"], "storage": "memory", "max_age": 10**12,
        "max_msgs_per_subject": 5, "no_ack": True,
    })  # fmt: skip
    await bus.create_stream({
        "name": "TALLYSTICK_AVAILABILITY", "subjects": ["tallystick.availability"], "discard": "new",
        "retention": "interest",
    })  # fmt: skip
    status, found = await asyncio.to_thread(findings, write_config(tmp_path, server.url))
    assert status == 1
    events = text_of(found, "stream TALLYSTICK_EVENTS")
    for setting in (
        "storage",
        "max_age",
        "max_msgs_per_subject",
        "deny_delete",
        "deny_purge",
        "allow_direct",
        "no_ack",
    ):
        assert f"{setting} is " in events
    outputs = text_of(found, "stream TALLYSTICK_AVAILABILITY")
    assert "discard is " in outputs
    assert "retention is " in outputs
    assert states(found, "stream TALLYSTICK_EXCEPTIONS") == ["ok"]


async def test_the_doctor_looks_at_files_and_snapshots(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, rng: random.Random
) -> None:
    tables = {"nats": {"password": "of-nobody", "user": "nobody"}}
    path = write_config(tmp_path, server.url, tables)
    path.chmod(0o644)
    config = load(path, {})
    await publish(bus, random_messages(rng, 30))
    await run_to_end(config)
    folder = config.snapshots.folder
    (folder / "key").chmod(0o644)
    newest = max(folder.glob("*.tally"))
    torn = folder / f"snapshot-{10**6:020}.tally"
    torn.write_bytes(newest.read_bytes()[:-1])
    status, found = await asyncio.to_thread(findings, path)
    assert status == 1
    assert states(found, "permissions") == ["fail", "fail", "ok"]
    assert f"chmod 600 {folder / 'key'}" in text_of(found, "permissions")
    assert str(path) in text_of(found, "permissions")
    assert states(found, "snapshots") == ["warn", "ok"]
    assert torn.name in text_of(found, "snapshots")
    # Other settings that change results.
    path.write_text(path.read_text() + '[engine]\nnegative_stock = "refuse"\n')
    path.chmod(0o600)
    status, found = await asyncio.to_thread(findings, path)
    assert "made under another configuration" in text_of(found, "snapshots")


async def test_the_doctor_sees_another_log_and_a_gap(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, rng: random.Random
) -> None:
    path = write_config(tmp_path, server.url)
    config = load(path, {})
    await publish(bus, random_messages(rng, 30))
    await run_to_end(config)
    await bus.request("STREAM.DELETE.TALLYSTICK_EVENTS")
    status, found = await asyncio.to_thread(findings, path)
    assert status == 1
    assert "the snapshots have read 30 messages" in text_of(found, "stream TALLYSTICK_EVENTS")
    await publish(bus, random_messages(rng, 40))
    status, found = await asyncio.to_thread(findings, path)
    assert status == 1
    assert states(found, "log") == ["fail"]
    assert "was created at" in text_of(found, "log")


async def test_the_doctor_needs_no_more_permissions_than_the_daemon(tmp_path: Path, rng: random.Random) -> None:
    config = load(None, {})
    publishes, subscribes = needed(config)
    created = [f"$JS.API.STREAM.CREATE.{name}" for name in (EVENTS, AVAILABILITY, EXCEPTIONS)]
    daemon = {"user": "daemon", "password": "secret", "permissions": {
        "publish": [subject.replace(".x", ".*") for subject in publishes] + created,
        "subscribe": [subject.replace(".x", ".*") for subject in subscribes] + ["$SRV.>"]}}  # fmt: skip
    with ConfiguredServer(tmp_path / "nats", {"authorization": {"users": [daemon]}}) as server:
        path = write_config(tmp_path, server.url, {"nats": {"user": "daemon", "password": "secret"}})
        path.chmod(0o600)
        await run_to_end(load(path, {}))
        status, found = await asyncio.to_thread(findings, path)
        assert (status, set(not_well(found).values())) == (0, {"skip"}), found
        assert "not told" in text_of(found, "credentials")


@pytest.mark.parametrize(
    ("text", "check", "word"),
    [
        ("[nonsense]\n", "configuration", "unknown table"),
        ('[nats]\nurl = "nats://127.0.0.1:1"\nconnect_timeout_s = 0.3\n', "server", "no connection"),
    ],
)
def test_the_doctor_says_so_where_it_cannot_go_on(tmp_path: Path, text: str, check: str, word: str) -> None:
    path = tmp_path / "tallystick.toml"
    path.write_text(text)
    status, found = findings(path)
    assert status == 1
    assert found[-1]["check"] == check
    assert word in found[-1]["text"]
    assert found[-1]["cure"]
