"""Streams that are not what they were, or not the daemon's own: lost stores, mirrors, trimmed logs, other domains."""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tallystick.bus.connection import connect
from tallystick.bus.embedded import EmbeddedServer
from tallystick.bus.jetstream import JetStream
from tallystick.cli.app import execute
from tallystick.config import Config, Nats
from tallystick.daemon.progress import RunReport
from tallystick.daemon.run import run
from tallystick.errors import BusError, LogGap, OperationError, SnapshotUnfit, StreamError
from tests.integration.daemon import (
    AVAILABILITY,
    EVENTS,
    SUBJECT,
    ask,
    configure,
    has_reached,
    publish,
    run_to_end,
    until,
    write_config,
)
from tests.integration.servers import ConfiguredServer, free_port

pytestmark = pytest.mark.slow


def received(number: int, quantity: int = 1) -> bytes:
    event = {"id": f"r{number}", "source": "wms", "type": "stock.received", "sku": "LAMP", "location": "DC1"}
    return json.dumps(event | {"quantity": quantity}).encode()


@contextlib.asynccontextmanager
async def bus_of(server: EmbeddedServer, domain: str | None = None) -> AsyncIterator[JetStream]:
    client = await connect(Nats(url=server.url, jetstream_domain=domain))
    try:
        yield JetStream(client)
    finally:
        await client.close()


@contextlib.asynccontextmanager
async def running(config: Config) -> AsyncIterator["asyncio.Task[RunReport]"]:
    """A daemon in this process, stopped at the end if it still runs."""
    stop = asyncio.Event()
    daemon = asyncio.create_task(run(config, stop=stop))
    try:
        yield daemon
    finally:
        stop.set()
        with contextlib.suppress(OperationError):
            await asyncio.wait_for(daemon, 60)


async def until_it_ends(daemon: "asyncio.Task[RunReport]", error: type[Exception]) -> str:
    with pytest.raises(error) as raised:
        await asyncio.wait_for(daemon, 60)
    assert "\n" not in str(raised.value)
    return str(raised.value)


async def names(bus: JetStream) -> set[str]:
    return set((await bus.request("STREAM.NAMES"))["streams"] or ())


async def last(bus: JetStream, stream: str) -> int:
    info = await bus.stream(stream)
    assert info is not None
    return info.last_sequence


# The server comes back with another store


async def test_where_snapshots_know_of_a_stream_that_is_gone_nothing_is_made(tmp_path: Path) -> None:
    with ConfiguredServer(tmp_path / "nats") as server:
        config = configure(tmp_path, server)
        async with bus_of(server) as bus:
            await publish(bus, [received(number) for number in range(5)])
        assert (await run_to_end(config)).sequence == 5
        server.stop()
        server.store = "empty"
        server.start()
        with pytest.raises(StreamError) as raised:
            await run_to_end(config)
        text = str(raised.value)
        assert text.startswith(f"{config.snapshots.folder}/snapshot-{5:020}.tally knows of streams that this server ")
        assert "lacks: TALLYSTICK_EVENTS (made at 20" in text
        assert "read up to message 5), TALLYSTICK_AVAILABILITY, TALLYSTICK_EXCEPTIONS; nothing was made; " in text
        assert text.endswith(f"or move {config.snapshots.folder} away to begin an empty ledger")
        events = tmp_path / "events.ndjson"
        events.write_bytes(received(9) + b"\n")
        path = str(write_config(tmp_path, server.url))
        assert await asyncio.to_thread(execute, ["publish", str(events), "--config", path]) == StreamError.exit_code
        async with bus_of(server) as bus:
            assert await names(bus) == set()
        for snapshot in config.snapshots.folder.glob("*.tally"):
            snapshot.write_bytes(b"torn")
        with pytest.raises(StreamError, match=r"there is no stream TALLYSTICK_EVENTS, but .* shows that there was one"):
            await run_to_end(config)
        server.stop()
        server.store = "jetstream"  # Restored: it goes on. The ledger is rebuilt, as no snapshot can be read.
        server.start()
        assert (await run_to_end(config)).sequence == 5


async def test_a_server_that_returns_empty_is_given_nothing_while_the_daemon_runs(tmp_path: Path) -> None:
    with ConfiguredServer(tmp_path / "nats") as server:
        config = configure(tmp_path, server, {"snapshots": {"interval_s": 0.1}})
        async with bus_of(server) as bus:
            await publish(bus, [received(number) for number in range(5)])
            async with running(config) as daemon:
                await until(lambda: has_reached(bus.client, 5))
                server.stop()
                server.store = "empty"
                server.start()
                text = await until_it_ends(daemon, StreamError)
            assert "TALLYSTICK_EVENTS is not there any more: it was deleted, or the server has another store" in text
            assert await names(bus) == set()


async def test_other_settings_are_refused_before_streams_of_theirs_are_made(
    server: EmbeddedServer, tmp_path: Path
) -> None:
    async with bus_of(server) as bus:
        await publish(bus, [received(1)])
        await run_to_end(configure(tmp_path, server))
        before = await names(bus)
        with pytest.raises(SnapshotUnfit, match="was made from stream TALLYSTICK_EVENTS, not OTHER"):
            await run_to_end(configure(tmp_path, server, {"input": {"stream": "OTHER", "subjects": ["other"]}}))
        assert await names(bus) == before


# A stream that only repeats others


@pytest.mark.parametrize("kind", ["mirror", "sources", "elsewhere"])
async def test_a_stream_that_takes_nothing_is_read_without_ticks_and_requests(
    server: EmbeddedServer, tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    fit = {"storage": "file", "deny_delete": True, "deny_purge": True, "allow_direct": True}
    hows: dict[str, dict[str, Any]] = {
        "mirror": {"mirror": {"name": "ORIGIN"}},
        "sources": {"sources": [{"name": "ORIGIN"}]},
        "elsewhere": {"subjects": ["elsewhere"]},
    }
    said = {
        "mirror": "stream TALLYSTICK_EVENTS mirrors ORIGIN",
        "sources": "stream TALLYSTICK_EVENTS gathers other streams and has no subjects of its own",
        "elsewhere": "stream TALLYSTICK_EVENTS does not listen to tallystick.events (set input.subjects to elsewhere)",
    }[kind]
    async with bus_of(server) as bus:
        await bus.create_stream({"name": "ORIGIN", "subjects": [SUBJECT], **fit})
        await bus.create_stream({"name": EVENTS, **fit, **hows[kind]})
        for number in range(3):
            for subject in (SUBJECT, "elsewhere") if kind == "elsewhere" else (SUBJECT,):
                await bus.client.request(subject, received(number), 5)
        config = configure(tmp_path, server, {"input": {"tick_after_s": 0.1}})
        async with running(config) as daemon:
            await until(lambda: has_reached(bus.client, 3))
            assert (await ask(bus.client, {"sku": "LAMP"}))["positions"][0]["on_hand"] == 3
            status = await ask(bus.client, {}, "status")
            assert status["intake_closed"] == said
            assert status["connection"]["state"] == "connected"
            request = {"id": "q1", "source": "shop", "sku": "LAMP", "location": "DC1", "quantity": 1, "ttl": "1s"}
            reply = await bus.client.request("tallystick.reserve", json.dumps(request).encode(), 5)
            assert (reply.headers or {})["Nats-Service-Error-Code"] == "503"
            assert (reply.headers or {})["Nats-Service-Error"].startswith(f"{said}, so no request can be taken here; ")
            assert not daemon.done()
        assert f"{said}: there are no ticks, and requests are refused" in caplog.text
        assert await last(bus, "ORIGIN") == 3
        # The producer says it, too.
        events = tmp_path / "events.ndjson"
        events.write_bytes(received(9) + b"\n")
        path = str(write_config(tmp_path, server.url))
        assert await asyncio.to_thread(execute, ["publish", str(events), "--config", path]) == 2


# A log whose beginning is gone


async def edit(bus: JetStream, **settings: Any) -> None:
    """What `nats stream edit TALLYSTICK_EVENTS …` does."""
    info = await bus.stream(EVENTS)
    assert info is not None
    await bus.request(f"STREAM.UPDATE.{EVENTS}", {**info.config, **settings})


async def first(bus: JetStream) -> int:
    info = await bus.stream(EVENTS)
    assert info is not None
    return info.first_sequence


async def test_an_old_log_is_trimmed_behind_the_oldest_snapshot_as_the_documentation_says(
    server: EmbeddedServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = configure(tmp_path, server, {"snapshots": {"interval_s": 0.1, "keep": 2}})
    async with bus_of(server) as bus:
        for end in (20, 30, 40):
            await publish(bus, [received(number) for number in range(end - 10 if end > 20 else 0, end)])
            await run_to_end(config)
        oldest = min(int(path.stem.rpartition("-")[2]) for path in config.snapshots.folder.glob("*.tally"))
        assert oldest == 30
        # docs/daemon.md: keep what follows the oldest snapshot, then take the limit back.
        await edit(bus, discard="old", max_msgs=40 - oldest)
        with pytest.raises(
            StreamError, match=r"max_msgs is 10 and must be -1 .*; change it with: .* --max-msgs=-1 -f$"
        ):
            await run_to_end(config)
        await edit(bus, discard="new", max_msgs=-1)
        assert await first(bus) == 31
        caplog.clear()
        report = await run_to_end(config)
        assert report.sequence == 40
        assert "restored no more" not in caplog.text
        newest, old = sorted(config.snapshots.folder.glob("*.tally"), reverse=True)
        newest.unlink()  # The oldest snapshot still goes on.
        assert (await run_to_end(config)).state_hash == report.state_hash
        # Too much is trimmed: what can be restored no more is said before it is needed.
        await edit(bus, discard="old", max_msgs=5)
        await edit(bus, discard="new", max_msgs=-1)
        assert (await run_to_end(config)).state_hash == report.state_hash
        assert f"stream TALLYSTICK_EVENTS begins at message 36, so {old} can be restored no more" in caplog.text
        for path in config.snapshots.folder.glob(f"*{40:020}.tally"):
            path.unlink()
        with pytest.raises(LogGap, match="messages 31 to 35 missing"):
            await run_to_end(config)


async def test_a_log_is_trimmed_while_the_daemon_runs(server: EmbeddedServer, tmp_path: Path) -> None:
    config = configure(tmp_path, server)
    async with bus_of(server) as bus:
        await publish(bus, [received(number) for number in range(40)])
        async with running(config) as daemon:
            await until(lambda: has_reached(bus.client, 40))
            await edit(bus, discard="old", max_msgs=10)
            await edit(bus, discard="new", max_msgs=-1)
            await publish(bus, [received(40)])
            await until(lambda: has_reached(bus.client, 41))
            assert await first(bus) == 31
            assert not daemon.done()
        assert (await run_to_end(config)).events_total == 41


async def test_a_log_without_its_beginning_is_adopted_from_where_it_is_told(
    server: EmbeddedServer, tmp_path: Path
) -> None:
    async with bus_of(server) as bus:
        await publish(bus, [received(number) for number in range(40)])
        await edit(bus, discard="old", max_msgs=10)
        await edit(bus, discard="new", max_msgs=-1)
        with pytest.raises(StreamError, match=r"begins at message 31, and the ledger at 1 \(set input.start_sequence"):
            await run_to_end(configure(tmp_path, server))
        assert await names(bus) == {EVENTS}
        # 35: not all that is there is wanted.
        adopted = configure(tmp_path, server, {"input": {"start_sequence": 35}, "snapshots": {"interval_s": 0.1}})
        report = await run_to_end(adopted)
        assert (report.sequence, report.events_total) == (40, 6)
        await publish(bus, [received(100)])
        report = await run_to_end(adopted)
        assert (report.sequence, report.events_total) == (41, 7)
        with pytest.raises(SnapshotUnfit, match=r"begins with message 35, and input\.start_sequence is 1"):
            await run_to_end(configure(tmp_path, server))


# Leaf nodes and domains


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[ConfiguredServer, ConfiguredServer]]:
    """A hub and a leaf node that is connected to it, each with a JetStream domain of its own."""
    port = free_port()
    hub_settings = {
        "server_name": "hub",
        "jetstream": {"domain": "hub"},
        "leafnodes": {"host": "127.0.0.1", "port": port},
    }
    leaf_settings: Mapping[str, Any] = {
        "server_name": "leaf",
        "jetstream": {"domain": "leaf"},
        "leafnodes": {"remotes": [{"url": f"nats-leaf://127.0.0.1:{port}"}]},
    }
    with (
        ConfiguredServer(tmp_path / "hub", hub_settings) as hub,
        ConfiguredServer(tmp_path / "leaf", leaf_settings) as leaf,
    ):
        yield hub, leaf


async def test_a_leaf_node_gets_no_empty_streams_quietly(
    pair: tuple[ConfiguredServer, ConfiguredServer], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    hub, leaf = pair
    async with bus_of(hub, "hub") as bus, bus_of(leaf, "leaf") as near, bus_of(leaf, "hub") as through:
        await publish(bus, [received(number) for number in range(5)])
        with pytest.raises(StreamError) as raised:
            await run_to_end(configure(tmp_path, leaf))
        assert str(raised.value) == (
            "there is no stream TALLYSTICK_EVENTS in JetStream domain leaf, which answers here; set "
            "nats.jetstream_domain to the domain that has it, or to leaf to have it made here"
        )
        assert await names(near) == set()
        config = configure(tmp_path, leaf, {"nats": {"jetstream_domain": "hub"}, "snapshots": {"interval_s": 0.1}})

        async def joined() -> bool:
            with contextlib.suppress(BusError):
                return await JetStream(through.client, patience_s=0.1).stream(EVENTS) is not None
            return False

        await until(joined)
        async with running(config):
            await until(lambda: has_reached(near.client, 5))
            await publish(bus, [received(6)])
            await until(lambda: has_reached(near.client, 6))
            assert (await ask(near.client, {"sku": "LAMP"}))["positions"][0]["on_hand"] == 6
        assert "JetStream domain hub" in caplog.text
        assert await last(bus, AVAILABILITY) > 0
        assert await names(near) == set()
        events = tmp_path / "events.ndjson"
        events.write_bytes(received(7) + b"\n")
        path = str(write_config(tmp_path, leaf.url, {"nats": {"jetstream_domain": "hub"}}))
        assert await asyncio.to_thread(execute, ["publish", str(events), "--config", path]) == 0
        assert await last(bus, EVENTS) == 7
        assert await asyncio.to_thread(execute, ["trace", "none", "--config", path]) != BusError.exit_code
        async with bus_of(leaf, "no") as nowhere:
            with pytest.raises(BusError, match=r"does not answer \$JS\.no\.API\..*; check that no is the domain"):
                await JetStream(nowhere.client, patience_s=0.1).stream("X")
        assert (await run_to_end(config)).sequence == 7


async def test_a_domain_that_is_named_has_the_streams_made_there(
    pair: tuple[ConfiguredServer, ConfiguredServer], tmp_path: Path
) -> None:
    _, leaf = pair
    assert (await run_to_end(configure(tmp_path, leaf, {"nats": {"jetstream_domain": "leaf"}}))).sequence == 0
    async with bus_of(leaf) as bus:
        assert EVENTS in await names(bus)
    # Once they are there, the domain of the server at hand need not be named.
    assert (await run_to_end(configure(tmp_path, leaf))).sequence == 0


# The host's clock


@pytest.mark.parametrize("off_s", [-3_600, 3_600])
async def test_time_is_the_servers_whatever_the_hosts_clock_says(
    server: EmbeddedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, off_s: int
) -> None:
    true_ns = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: true_ns() + off_s * 1_000_000_000)
    monkeypatch.setattr(time, "time", lambda: true_ns() / 1e9 + off_s)
    async with bus_of(server) as bus:
        await publish(bus, [received(1, 10)])
        async with running(configure(tmp_path, server, {"input": {"tick_after_s": 0.2}})):
            await until(lambda: has_reached(bus.client, 1))
            hold = {"id": "h1", "source": "shop", "sku": "LAMP", "location": "DC1", "quantity": 4, "ttl": "5s"}
            begun_ns = true_ns()
            reply = await bus.client.request("tallystick.reserve", json.dumps(hold).encode(), 10)
            assert json.loads(reply.data)["outcome"] == "applied", reply
            assert await on_hand_and_atp(bus) == (10, 6)

            async def is_over() -> bool:
                return await on_hand_and_atp(bus) == (10, 10)

            await until(is_over)
            assert true_ns() - begun_ns >= 5_000_000_000
            assert (await ask(bus.client, {}, "status"))["ticks"] >= 1


async def on_hand_and_atp(bus: JetStream) -> tuple[int, int]:
    [position] = (await ask(bus.client, {"sku": "LAMP"}))["positions"]
    return position["on_hand"], position["atp"]
