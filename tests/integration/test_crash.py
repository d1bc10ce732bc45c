"""Crashes: killed at random or at any publishing step, the daemon ends with the same state and the same outputs."""

import asyncio
import random
import signal
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from tallystick.bus.embedded import EmbeddedServer
from tallystick.bus.jetstream import JetStream
from tallystick.bus.questions import STATES
from tallystick.client.client import Client
from tallystick.client.work import items
from tallystick.config import load
from tallystick.daemon.output_stream import OutputStream
from tallystick.daemon.outputs import OutputMessage
from tallystick.daemon.run import run
from tallystick.errors import OperationError
from tests.integration.daemon import (
    SMALL_STEPS,
    configure,
    has_reached,
    prove,
    publish,
    random_messages,
    run_to_end,
    until,
    write_config,
)
from tests.integration.disorder import TABLES, Disorder
from tests.integration.servers import hanging

KILLS = 25
MESSAGES = 1_500
DISORDER_KILLS = 8


class Crash(OperationError):
    """What the simulated crash raises."""


def start(config: Path, *more: str) -> subprocess.Popen[bytes]:
    """Starts a daemon process; what it says goes to a file with its process id in its name."""
    command = [sys.executable, "-m", "tallystick", "run", "--config", str(config), *more]
    with (config.parent / "daemon.log").open("wb") as log:
        daemon = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    (config.parent / "daemon.log").rename(config.parent / f"daemon-{daemon.pid}.log")
    return daemon


def said(folder: Path, daemon: subprocess.Popen[bytes]) -> str:
    return (folder / f"daemon-{daemon.pid}.log").read_text()


async def has_begun(folder: Path, daemon: subprocess.Popen[bytes]) -> bool:
    """Whether a daemon reads the stream, by what it says."""
    assert daemon.poll() is None, said(folder, daemon)
    return "reading TALLYSTICK_EVENTS" in said(folder, daemon)


async def test_killed_at_random_together_with_its_server_it_ends_the_same(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, rng: random.Random
) -> None:
    path = write_config(tmp_path, server.url, SMALL_STEPS)
    messages = random_messages(rng, MESSAGES)
    await publish(bus, messages[:100])
    for kill in range(KILLS):
        daemon = start(path)
        if rng.random() < 0.9:  # The others are killed while they start.
            await until(partial(has_begun, tmp_path, daemon))
        await publish(bus, messages[max(100, MESSAGES * kill // KILLS) : MESSAGES * (kill + 1) // KILLS])
        await asyncio.sleep(rng.random() * 0.4)
        assert daemon.poll() is None, said(tmp_path, daemon)
        daemon.kill()
        daemon.wait()
        if rng.random() < 0.2:
            server.kill()
            server.start()
    config = load(path, {})
    report = await run_to_end(config)
    assert report.sequence == MESSAGES
    await prove(bus, config, report)


async def test_what_waits_and_what_is_worked_on_survives_every_kill(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, rng: random.Random
) -> None:
    disorder = Disorder(rng)
    messages = disorder.messages(600)
    path = write_config(tmp_path, server.url, {**SMALL_STEPS, **TABLES})
    per_kill = -(-len(messages) // DISORDER_KILLS)
    for first in range(0, len(messages), per_kill):
        daemon = start(path)
        await until(partial(has_begun, tmp_path, daemon))
        await publish(bus, messages[first : first + per_kill])
        # At once, in the middle of a batch, or when it is idle and has saved.
        await asyncio.sleep(rng.choice([0, 0.01, 0.05, 0.3]) * rng.random())
        assert daemon.poll() is None, said(tmp_path, daemon)
        daemon.kill()
        daemon.wait()
    config, stop = load(path, {}), asyncio.Event()
    running = asyncio.create_task(run(config, stop=stop))
    try:
        await until(lambda: has_reached(bus.client, len(messages)))
        async with Client(config=config) as client:
            found = [item async for item in client.exceptions.each("all", events=True)]
    finally:
        stop.set()
    engine = await prove(bus, config, await asyncio.wait_for(running, 60))
    wanted = items(engine.exceptions(limit=len(messages) * 4))
    assert found == wanted
    assert engine.answers(disorder.unanswered) == ["held", "held"]
    assert any(item.code == "pending_approval" and item.is_unresolved for item in wanted)
    assert {item.state for item in wanted} == set(STATES)
    assert any(item.count > 1 for item in wanted)


@pytest.mark.parametrize("stored_messages", [*range(8), 13, 21, 34])
async def test_after_a_crash_at_any_publishing_step_outputs_are_there_once(
    tmp_path: Path,
    server: EmbeddedServer,
    bus: JetStream,
    rng: random.Random,
    monkeypatch: pytest.MonkeyPatch,
    stored_messages: int,
) -> None:
    one_by_one = {**SMALL_STEPS["output"], "positions_per_message": 1}
    config = configure(tmp_path, server, {**SMALL_STEPS, "output": one_by_one})
    await publish(bus, random_messages(rng, 300))
    send, budget = OutputStream.send, stored_messages

    async def send_some_and_crash(stream: OutputStream, messages: Sequence[OutputMessage]) -> None:
        nonlocal budget
        part = messages[: max(0, budget)]
        budget -= len(messages)
        await send(stream, part)
        if len(part) < len(messages):
            raise Crash("simulated")

    with monkeypatch.context() as patch:
        patch.setattr(OutputStream, "send", send_some_and_crash)
        for _ in range(2):  # The second crash comes while the first one is being repaired.
            with pytest.raises(Crash):
                await run_to_end(config)
            budget = min(3, stored_messages // 2)
    await publish(bus, random_messages(rng, 20))
    await prove(bus, config, await run_to_end(config))


async def test_a_signal_drains_saves_and_exits_with_0(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, rng: random.Random
) -> None:
    path = write_config(tmp_path, server.url)
    await publish(bus, random_messages(rng, 200))
    for number, expected in ((signal.SIGTERM, 200), (signal.SIGINT, 250)):
        daemon = start(path)
        await until(partial(has_reached, bus.client, expected))
        daemon.send_signal(number)
        assert daemon.wait(30) == 0, said(tmp_path, daemon)
        assert (tmp_path / "snapshots" / f"snapshot-{expected:020}.tally").exists()
        await publish(bus, random_messages(rng, 50))
    config = load(path, {})
    await prove(bus, config, await run_to_end(config))


async def test_a_signal_ends_it_in_time_although_the_server_is_away(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, rng: random.Random
) -> None:
    tables = {"process": {"stop_timeout_s": 2}, "output": {"positions_per_message": 1, "window_messages": 1}}
    path = write_config(tmp_path, server.url, {**SMALL_STEPS, **tables})
    await publish(bus, random_messages(rng, 2_000))
    daemon = start(path)
    await until(partial(has_reached, bus.client, 100))
    server.stop()
    daemon.terminate()
    assert daemon.wait(5) == 10, said(tmp_path, daemon)
    assert "the server is away" in said(tmp_path, daemon)
    server.start()
    await prove(bus, (config := load(path, {})), await run_to_end(config))


@pytest.mark.parametrize(("events", "pause_s"), [(50, 0.5), (50, 6.0), (4_000, 0.3)])
async def test_a_signal_ends_it_in_time_although_the_server_hangs(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, rng: random.Random, events: int, pause_s: float
) -> None:
    """A server that takes what it is sent and answers nothing: no goodbye waits for it."""
    tables = {"output": {"positions_per_message": 1, "window_messages": 1}} if events > 50 else {}
    path = write_config(tmp_path, server.url, {**SMALL_STEPS, **tables})
    await publish(bus, random_messages(rng, events))
    daemon = start(path)
    await until(partial(has_reached, bus.client, 50 if events == 50 else 100))
    with hanging(server):
        await asyncio.sleep(pause_s)
        daemon.terminate()
        assert await asyncio.to_thread(daemon.wait, 8) in (0, 10), said(tmp_path, daemon)
    await prove(bus, (config := load(path, {})), await run_to_end(config))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_while_it_waits_for_its_first_connection(
    tmp_path: Path, server: EmbeddedServer, number: signal.Signals
) -> None:
    server.stop()
    daemon = start(write_config(tmp_path, server.url, {"nats": {"connect_timeout_s": 300}}))
    await asyncio.sleep(1.5)
    assert daemon.poll() is None, said(tmp_path, daemon)
    daemon.send_signal(number)
    assert daemon.wait(5) == 0, said(tmp_path, daemon)
    assert "stopped before it had begun" in said(tmp_path, daemon)


async def test_a_clean_stop_while_the_server_is_away(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, rng: random.Random
) -> None:
    path = write_config(tmp_path, server.url)
    await publish(bus, random_messages(rng, 50))
    daemon = start(path)
    await until(partial(has_reached, bus.client, 50))
    await asyncio.sleep(1)  # All is published.
    server.stop()
    await asyncio.sleep(1)
    daemon.terminate()
    assert daemon.wait(20) == 0, said(tmp_path, daemon)
    assert "stopped cleanly at log sequence 50" in said(tmp_path, daemon)
    assert "please report" not in said(tmp_path, daemon)
    server.start()
    await prove(bus, (config := load(path, {})), await run_to_end(config))


async def test_with_a_server_of_its_own_both_end_together(tmp_path: Path, server: EmbeddedServer) -> None:
    url = server.url
    server.stop()
    path = write_config(tmp_path, url, {"nats": {"embedded_folder": "own"}})
    daemon = start(path, "--embedded")
    await until(partial(has_begun, tmp_path, daemon))
    other = start(path, "--embedded")
    assert other.wait(60) == 5, "the folder of snapshots is in use"
    daemon.kill()
    daemon.wait()
    again = start(path, "--embedded")
    await until(partial(has_begun, tmp_path, again))
    again.terminate()
    assert again.wait(30) == 0, said(tmp_path, again)


def test_errors_are_one_line_with_their_exit_status(tmp_path: Path) -> None:
    nowhere = {"nats": {"connect_timeout_s": 0.3}}
    path = write_config(tmp_path, "nats://127.0.0.1:1", nowhere)
    daemon = subprocess.run(
        [sys.executable, "-m", "tallystick", "run", "--config", str(path)], capture_output=True, text=True, check=False
    )
    assert daemon.returncode == 3
    assert "Traceback" not in daemon.stderr
    assert "no connection to nats://127.0.0.1:1" in daemon.stderr
