"""Backup, restore and upgrade as docs/operations.md describes them, on real servers."""

import asyncio
import contextlib
import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client

from tallystick.bus.connection import connect
from tallystick.bus.embedded import EmbeddedServer
from tallystick.bus.jetstream import ApiError, JetStream
from tallystick.config import Nats, load
from tallystick.errors import StreamError
from tests.integration.daemon import (
    EVENTS,
    expected,
    prove,
    publish,
    random_messages,
    run_to_end,
    write_config,
)

pytestmark = pytest.mark.slow


async def back_up(client: Client, stream: str) -> tuple[dict[str, Any], list[bytes]]:
    """What `nats stream backup` does: the stream's settings and state, and its content in chunks."""
    chunks: list[bytes] = []
    done = asyncio.Event()

    async def take(message: Any) -> None:
        if message.data:
            chunks.append(message.data)
            await message.respond(b"")
        else:
            done.set()

    inbox = client.new_inbox()
    subscription = await client.subscribe(inbox, cb=take)
    body = {"deliver_subject": inbox, "no_consumers": True, "chunk_size": 1024}
    reply = await client.request(f"$JS.API.STREAM.SNAPSHOT.{stream}", json.dumps(body).encode(), 10)
    facts: dict[str, Any] = json.loads(reply.data)
    assert "error" not in facts, facts
    await asyncio.wait_for(done.wait(), 60)
    await subscription.unsubscribe()
    return {"config": facts["config"], "state": facts["state"]}, chunks


async def restore(client: Client, stream: str, facts: dict[str, Any], chunks: list[bytes]) -> None:
    """What `nats stream restore` does."""
    reply = await client.request(f"$JS.API.STREAM.RESTORE.{stream}", json.dumps(facts).encode(), 10)
    target = json.loads(reply.data)["deliver_subject"]
    for chunk in [*chunks, b""]:
        reply = await client.request(target, chunk, 20)
    assert "error" not in json.loads(reply.data or b"{}"), reply.data


async def test_a_stream_that_is_restored_alone_is_replayed_to_the_same_ledger(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, rng: random.Random
) -> None:
    config = load(write_config(tmp_path, server.url), {})
    await publish(bus, random_messages(rng, 80))
    await run_to_end(config)
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(config.snapshots.folder, elsewhere / "snapshots")
    await publish(bus, random_messages(rng, 40))
    facts, chunks = await back_up(bus.client, EVENTS)
    wanted = (await expected(bus, config)).engine.state_hash()
    with EmbeddedServer(elsewhere / "nats", sync="1m") as other:
        client = await connect(Nats(url=other.url))
        await restore(client, EVENTS, facts, chunks)
        restored = load(write_config(elsewhere, other.url), {})
        # It has another time of creation, so nothing says that it is the log that the snapshots have read.
        with pytest.raises(StreamError, match=r"was created at .* move the snapshots away"):
            await run_to_end(restored)
        for snapshot in restored.snapshots.folder.glob("*.tally"):
            snapshot.unlink()
        for stream in ("TALLYSTICK_AVAILABILITY", "TALLYSTICK_EXCEPTIONS"):
            with contextlib.suppress(ApiError):  # Nobody made them there.
                await JetStream(client).request(f"STREAM.DELETE.{stream}")
        report = await run_to_end(restored)
        assert (report.sequence, report.state_hash) == (120, wanted)
        await publish(JetStream(client), random_messages(rng, 10))
        await prove(JetStream(client), restored, await run_to_end(restored))
        await client.close()


async def test_a_store_that_is_copied_while_its_server_is_stopped_goes_on(tmp_path: Path, rng: random.Random) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    with EmbeddedServer(first / "nats", sync="1m") as server:
        client = await connect(Nats(url=server.url))
        config = load(write_config(first, server.url), {})
        await publish(JetStream(client), random_messages(rng, 60))
        report = await run_to_end(config)
        await client.close()
    shutil.copytree(first, second, ignore=shutil.ignore_patterns(".lock", "ports"))
    with EmbeddedServer(second / "nats", sync="1m") as server:
        client = await connect(Nats(url=server.url))
        config = load(write_config(second, server.url), {})
        again = await run_to_end(config)
        assert (again.sequence, again.state_hash) == (60, report.state_hash)
        await publish(JetStream(client), random_messages(rng, 20))
        await prove(JetStream(client), config, await run_to_end(config))
        await client.close()


async def test_a_snapshot_that_is_newer_than_the_stream_is_refused_and_an_older_one_is_taken(
    tmp_path: Path, rng: random.Random
) -> None:
    store = tmp_path / "nats"
    server = EmbeddedServer(store, sync="1m")
    with server:
        client = await connect(Nats(url=server.url))
        config = load(write_config(tmp_path, server.url), {})
        await publish(JetStream(client), random_messages(rng, 50))
        report = await run_to_end(config)
        await client.close()
    shutil.copytree(store, tmp_path / "copy", ignore=shutil.ignore_patterns(".lock", "ports"))
    with server:
        client = await connect(Nats(url=server.url))
        await publish(JetStream(client), random_messages(rng, 30))
        assert (await run_to_end(config)).sequence == 80
        await client.close()
    # The wrong order: the store is older than the folder.
    shutil.rmtree(store)
    shutil.copytree(tmp_path / "copy", store)
    with server:
        client = await connect(Nats(url=server.url))
        with pytest.raises(StreamError, match="ends at message 50, but message 80 was read"):
            await run_to_end(config)
        max(config.snapshots.folder.glob("*.tally")).unlink()
        again = await run_to_end(config)
        assert (again.sequence, again.state_hash) == (50, report.state_hash)
        await publish(JetStream(client), random_messages(rng, 20))
        await prove(JetStream(client), config, await run_to_end(config))
        await client.close()


async def test_a_newer_format_is_refused_by_name_and_the_one_before_is_used(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, rng: random.Random, caplog: pytest.LogCaptureFixture
) -> None:
    config = load(write_config(tmp_path, server.url), {})
    await publish(bus, random_messages(rng, 40))
    report = await run_to_end(config)
    newest = max(config.snapshots.folder.glob("*.tally"))
    newer = bytearray(newest.read_bytes())
    newer[8] += 1  # the number of the format, behind the magic word
    (config.snapshots.folder / f"snapshot-{45:020}.tally").write_bytes(newer)
    await publish(bus, random_messages(rng, 20))
    await prove(bus, config, await run_to_end(config))
    assert f"the snapshot has format {newer[8]} and this version reads" in caplog.text
    assert "trying the one before" in caplog.text
    assert report.sequence == 40
