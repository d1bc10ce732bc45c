"""Output that the bus does not take: the daemon goes on applying and answering, says why, and tells all of it later."""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tallystick.bus.connection import connect
from tallystick.bus.embedded import EmbeddedServer
from tallystick.bus.jetstream import JetStream
from tallystick.config import Config, Nats, load
from tallystick.daemon.progress import RunReport
from tallystick.daemon.run import run
from tallystick.errors import OutputCut, PublishError, StoppedUnpublished
from tests.integration.daemon import (
    AVAILABILITY,
    EXCEPTIONS,
    SUBJECT,
    ask,
    last_availability,
    prove,
    publish,
    random_messages,
    run_to_end,
    stored,
    until,
    write_config,
)
from tests.integration.servers import ConfiguredServer

OPERATOR: Mapping[str, Any] = {"user": "operator", "password": "all"}
USERS: Mapping[str, Any] = {"user": "daemon", "password": "secret"}
QUICK: Mapping[str, Mapping[str, Any]] = {"snapshots": {"interval_s": 0.2}, "output": {"publish_interval_ms": 1}}
"""A snapshot is due all the time."""


def users(*denied: str) -> dict[str, Any]:
    """An operator who may do all, and a daemon that may not publish to some subjects."""
    permissions = {"publish": {"allow": [">"], "deny": list(denied)}} if denied else {"publish": ">"}
    daemon = {**USERS, "permissions": {**permissions, "subscribe": ">"}}
    return {"authorization": {"users": [OPERATOR, daemon]}}


@asynccontextmanager
async def running(config: Config) -> AsyncIterator[tuple[asyncio.Event, "asyncio.Task[RunReport]"]]:
    stop = asyncio.Event()
    task = asyncio.create_task(run(config, stop=stop))
    try:
        yield stop, task
    finally:
        stop.set()
        with contextlib.suppress(Exception):
            await asyncio.wait_for(task, 30)


async def status(bus: JetStream) -> dict[str, Any]:
    with contextlib.suppress(Exception):
        return await ask(bus.client, {}, "status")
    return {}


def reached(bus: JetStream, sequence: int) -> Callable[[], Any]:
    async def look() -> bool:
        return int((await status(bus)).get("sequence", 0)) >= sequence

    return look


def published(bus: JetStream, sequence: int) -> Callable[[], Any]:
    async def look() -> bool:
        told = await status(bus)
        return bool(told) and told["published_sequence"] >= sequence and not told["blocked"]

    return look


def is_blocked(bus: JetStream, what: str, reason: str) -> Callable[[], Any]:
    async def look() -> bool:
        told = (await status(bus)).get("blocked", [])
        return any(what in one["what"] and reason in one["reason"].lower() for one in told)

    return look


async def test_a_permission_that_is_revoked_blocks_the_output_alone(
    tmp_path: Path, rng: random.Random, caplog: pytest.LogCaptureFixture
) -> None:
    with ConfiguredServer(tmp_path / "nats", users()) as server:
        config = load(write_config(tmp_path, server.url, {**QUICK, "nats": USERS}), {})
        operator = await connect(Nats(url=server.url, **OPERATOR))
        bus = JetStream(operator)
        await publish(bus, random_messages(rng, 50))
        async with running(config) as (stop, task):
            await until(published(bus, 50))
            server.reload(users("tallystick.availability"))
            await publish(bus, random_messages(rng, 50))
            await until(is_blocked(bus, AVAILABILITY, "permissions violation"))
            # Snapshots come due many times meanwhile, and nobody waits for them.
            await publish(bus, random_messages(rng, 100))
            await until(reached(bus, 200))
            told = await status(bus)
            assert (told["state"], told["ready"], told["lag"]) == ("blocked", False, 0)
            assert told["published_sequence"] < 200 == told["sequence"]
            assert "permission" in told["blocked"][0]["cure"]
            await asyncio.sleep(1)
            assert (await ask(operator, {"sku": "sku-1"}))["positions"] is not None
            held = {"id": "r1", "source": "shop", "sku": "sku-1", "location": "dc-1", "quantity": 0.001}
            reply = await operator.request("tallystick.reserve", json.dumps(held).encode(), 5)
            assert b'"status"' in reply.data
            server.reload(users())
            await until(published(bus, 201))
            assert "blocked" in caplog.text
            stop.set()
            report = await asyncio.wait_for(task, 30)
        await prove(bus, config, report)
        await operator.close()


async def test_a_stop_while_the_output_is_blocked_is_quick_and_says_so(tmp_path: Path, rng: random.Random) -> None:
    with ConfiguredServer(tmp_path / "nats", users("tallystick.availability")) as server:
        config = load(write_config(tmp_path, server.url, {**QUICK, "nats": USERS}), {})
        operator = await connect(Nats(url=server.url, **OPERATOR))
        bus = JetStream(operator)
        await publish(bus, random_messages(rng, 60))
        async with running(config) as (stop, task):
            await until(reached(bus, 60))
            await until(is_blocked(bus, AVAILABILITY, "permissions violation"))
            stop.set()
            began = asyncio.get_running_loop().time()
            with pytest.raises(StoppedUnpublished, match=f"not published yet .stream {AVAILABILITY}: .*ermissions"):
                await task
            assert asyncio.get_running_loop().time() - began < 5
        server.reload(users())
        await prove(bus, config, await run_to_end(config))
        await operator.close()


async def test_a_store_that_is_full_blocks_until_there_is_room(tmp_path: Path, rng: random.Random) -> None:
    with ConfiguredServer(tmp_path / "nats", {"jetstream": {"max_file_store": 4 << 20}}) as server:
        config = load(write_config(tmp_path, server.url, QUICK), {})
        operator = await connect(Nats(url=server.url))
        bus = JetStream(operator)
        await publish(bus, random_messages(rng, 50))
        await run_to_end(config)
        # What is to be applied stands in the log before the store is full.
        await publish(bus, random_messages(rng, 50))
        await bus.create_stream({"name": "FILLER", "subjects": ["filler"], "storage": "file"})
        size = 1 << 19
        while size > 16:
            answer = await operator.request("filler", bytes(size), 5)
            size = size // 2 if b'"error"' in answer.data else size
        async with running(config) as (stop, task):
            await until(is_blocked(bus, AVAILABILITY, "resources"))
            told = await status(bus)
            assert told["lag"] == 0
            assert (await ask(operator, {"sku": "sku-1"}))["positions"] is not None
            await bus.request("STREAM.PURGE.FILLER", {})
            await until(published(bus, int(told["sequence"])))
            stop.set()
            report = await asyncio.wait_for(task, 30)
        await prove(bus, config, report)
        await operator.close()


async def test_a_message_that_can_never_fit_is_named(tmp_path: Path, rng: random.Random) -> None:
    with ConfiguredServer(tmp_path / "nats") as server:
        config = load(write_config(tmp_path, server.url, QUICK), {})
        operator = await connect(Nats(url=server.url))
        bus = JetStream(operator)
        await publish(bus, random_messages(rng, 50))
        async with running(config) as (_, task):
            await until(published(bus, 50))
            server.reload({"max_payload": 1_000})
            # Eight short events in one message, and more than 1,000 bytes of availability.
            event = b'{"id":"p%d","source":"f","type":"stock.received","sku":"p%d","location":"y","quantity":1}'
            await operator.request(SUBJECT, b"\n".join(event % (number, number) for number in range(8)), 5)
            with pytest.raises(PublishError, match=r"message TALLYSTICK_EVENTS:\d+:availability:0 has .* takes 1,000"):
                await asyncio.wait_for(task, 60)
        server.reload({"max_payload": 1 << 20})

        async def has_room() -> bool:
            """Whether the server has read its settings."""
            client = await connect(Nats(url=server.url))
            await client.close()
            return client.max_payload >= 1 << 20

        await until(has_room)
        await prove(bus, config, await run_to_end(config))
        await operator.close()


async def test_exceptions_that_are_blocked_keep_no_availability_waiting(tmp_path: Path, rng: random.Random) -> None:
    with ConfiguredServer(tmp_path / "nats", users("tallystick.exceptions")) as server:
        config = load(write_config(tmp_path, server.url, {**QUICK, "nats": USERS}), {})
        operator = await connect(Nats(url=server.url, **OPERATOR))
        bus = JetStream(operator)
        await publish(bus, random_messages(rng, 200))
        async with running(config) as (stop, task):
            await until(reached(bus, 200))
            await until(is_blocked(bus, EXCEPTIONS, "permissions violation"))

            async def is_told() -> bool:
                sent = await stored(bus, AVAILABILITY)
                return bool(sent) and int(sent[-1].headers["Tallystick-Through"]) == 200

            await until(is_told)
            assert not await stored(bus, EXCEPTIONS)
            assert (await status(bus))["published_sequence"] < 200
            server.reload(users())
            await until(published(bus, 200))
            stop.set()
            report = await asyncio.wait_for(task, 30)
        await prove(bus, config, report)
        await operator.close()


async def test_too_much_output_that_waits_stops_applying_and_says_so(tmp_path: Path) -> None:
    with ConfiguredServer(tmp_path / "nats", users("tallystick.exceptions")) as server:
        tables = {"nats": USERS, "output": {"held_bytes": 1 << 20}, "process": {"pull_messages": 100}}
        config = load(write_config(tmp_path, server.url, tables), {})
        operator = await connect(Nats(url=server.url, **OPERATOR))
        bus = JetStream(operator)
        broken = b'{"id":"%d","source":"f","type":"unheard","sku":"x","location":"y","quantity":1,"pad":"%s"}'
        all_broken = [broken % (number, b"x" * 10_000) for number in range(400)]
        await publish(bus, all_broken[:200])
        async with running(config) as (stop, task):
            await until(reached(bus, 1))
            await publish(bus, all_broken[200:])
            await until(is_blocked(bus, "applying", "wait to be published"))
            told = await status(bus)
            assert 0 < told["sequence"] < 400
            assert told["lag"] == 400 - told["sequence"]
            server.reload(users())
            await until(published(bus, 400))
            stop.set()
            report = await asyncio.wait_for(task, 30)
        await prove(bus, config, report)
        await operator.close()


# Output streams that lose what they held


@pytest.mark.parametrize(
    ("fault", "is_running"),
    # A daemon that runs does not look for single messages.
    [("deleted", False), ("purged", False), ("last message removed", False), ("deleted", True), ("purged", True)],
)
async def test_an_output_stream_that_lost_messages_is_told_everything_once(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, rng: random.Random, fault: str, is_running: bool
) -> None:
    config = load(write_config(tmp_path, server.url, QUICK), {})
    await publish(bus, random_messages(rng, 300))
    before = await run_to_end(config)
    listed = await ask_all(bus, config)

    async def harm() -> None:
        for stream in (AVAILABILITY, EXCEPTIONS):
            info = await bus.stream(stream)
            assert info is not None
            if fault == "deleted":
                await bus.request(f"STREAM.DELETE.{stream}")
            elif fault == "purged":
                await bus.request(f"STREAM.PURGE.{stream}", {})
            else:
                await bus.request(f"STREAM.MSG.DELETE.{stream}", {"seq": info.last_sequence})

    if is_running:
        async with running(config) as (stop, task):
            await until(published(bus, 300))
            await harm()
            # They settle nothing of what was wrong before, which would not be told any more.
            event = b'{"id":"n%d","source":"new","type":"stock.received","sku":"new","location":"dc","quantity":1}'
            await publish(bus, [event % number for number in range(5)])
            await until(published(bus, 305))
            stop.set()
            await asyncio.wait_for(task, 30)
    else:
        await harm()
        report = await run_to_end(config)
        assert report.state_hash == before.state_hash
    report = await run_to_end(config)
    assert len(await last_availability(bus)) == report.positions
    told = {item["data"]["exception"] for m in await stored(bus, EXCEPTIONS) for item in json.loads(m.data)
            if item["type"] == "tallystick.exception"}  # fmt: skip
    assert listed <= told
    once = [m.headers["Nats-Msg-Id"] for m in await stored(bus, AVAILABILITY)]
    assert len(set(once)) == len(once)
    # And from there on as ever: nothing is said twice after another start.
    await run_to_end(config)
    assert [m.headers["Nats-Msg-Id"] for m in await stored(bus, AVAILABILITY)] == once


async def ask_all(bus: JetStream, config: Config) -> set[int]:
    """The numbers of all exceptions that nobody has settled."""
    async with running(config) as (stop, task):
        await until(reached(bus, 1))
        found = await ask(bus.client, {"state": "unresolved", "limit": 500}, "exceptions.list")
        stop.set()
        await task
    return {item["number"] for item in found["items"]}


async def test_settings_that_are_changed_and_changed_back_tell_everything_again(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, rng: random.Random
) -> None:
    await publish(bus, random_messages(rng, 200))
    for number, stock in enumerate(("allow", "refuse", "allow", "refuse")):
        tables = {"engine": {"negative_stock": stock}, "snapshots": {"folder": f"snapshots-{number}"}}
        config = load(write_config(tmp_path, server.url, tables), {})
        await run_to_end(config)
        believed = await last_availability(bus)
        async with running(config) as (stop, task):
            await until(reached(bus, 200))
            told = [await ask(bus.client, {"sku": sku}, "atp") for sku in {sku for sku, _ in believed}]
            stop.set()
            report = await asyncio.wait_for(task, 30)
        now = {(one["sku"], one["location"]): one["atp"] for answer in told for one in answer["positions"]}
        assert len(now) == report.positions
        # What there was under other settings alone is nothing that these could tell of.
        assert now == {spot: believed[spot]["atp"] for spot in now}


async def test_a_retelling_that_is_broken_off_goes_on_where_it_was(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, rng: random.Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tallystick.daemon.output_stream import OutputStream

    config = load(write_config(tmp_path, server.url, {"output": {"positions_per_message": 2}}), {})
    await publish(bus, random_messages(rng, 200))
    await run_to_end(config)
    await bus.request(f"STREAM.PURGE.{AVAILABILITY}", {})
    send = OutputStream.send

    async def send_some(stream: OutputStream, messages: Any) -> None:
        await send(stream, messages[:3])
        if len(messages) > 3:
            raise OutputCut("simulated: the process ends here")

    async def crash() -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(OutputStream, "send", send_some)
        patch.setattr(OutputStream, "reopen", lambda _: crash())
        with pytest.raises(RuntimeError):
            await run_to_end(config)
    report = await run_to_end(config)
    sent = await stored(bus, AVAILABILITY)
    positions = [p for m in sent for p in json.loads(m.data)["data"]["positions"]]
    assert len(positions) == report.positions, "each once"
    assert len(await last_availability(bus)) == report.positions


async def test_a_stop_right_after_both_streams_are_gone_tells_both(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, rng: random.Random
) -> None:
    config = load(write_config(tmp_path, server.url, {"snapshots": {"interval_s": 3600}}), {})
    await publish(bus, random_messages(rng, 200))
    async with running(config) as (stop, task):
        await until(published(bus, 200))
        for stream in (AVAILABILITY, EXCEPTIONS):
            await bus.request(f"STREAM.DELETE.{stream}")
        stop.set()
        report = await asyncio.wait_for(task, 30)
    assert len(await last_availability(bus)) == report.positions
    assert await stored(bus, EXCEPTIONS)


@pytest.mark.parametrize("fault", ["STREAM.PURGE", "STREAM.DELETE"])
async def test_what_is_lost_while_nobody_speaks_is_told_again_by_itself(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, rng: random.Random, fault: str
) -> None:
    config = load(write_config(tmp_path, server.url, {"snapshots": {"interval_s": 3600}}), {})
    await publish(bus, random_messages(rng, 200))
    async with running(config) as (stop, task):
        await until(published(bus, 200))
        believed = await last_availability(bus)
        for stream in (AVAILABILITY, EXCEPTIONS):
            await bus.request(f"{fault}.{stream}", {})

        async def is_told_again() -> bool:
            infos = [await bus.stream(stream) for stream in (AVAILABILITY, EXCEPTIONS)]
            if any(info is None or info.first_sequence > info.last_sequence for info in infos):
                return False
            return await last_availability(bus) == believed

        await until(is_told_again)
        stop.set()
        await asyncio.wait_for(task, 30)


async def test_a_purge_right_after_a_retelling_is_noticed_whatever_is_stored_behind_it(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, rng: random.Random
) -> None:
    """Nothing was looked at between: what is stored after the purge must not hide it."""
    config = load(write_config(tmp_path, server.url, {"snapshots": {"interval_s": 3600}}), {})
    await publish(bus, random_messages(rng, 200))
    await run_to_end(config)
    for stream in (AVAILABILITY, EXCEPTIONS):
        await bus.request(f"STREAM.DELETE.{stream}")
    async with running(config) as (stop, task):

        async def is_retold() -> bool:
            infos = [await bus.stream(stream) for stream in (AVAILABILITY, EXCEPTIONS)]
            return all(info is not None and info.last_sequence for info in infos)

        await until(is_retold)
        await until(published(bus, 200))
        for stream in (AVAILABILITY, EXCEPTIONS):
            await bus.request(f"STREAM.PURGE.{stream}", {})
        event = b'{"id":"n%d","source":"new","type":"stock.received","sku":"new","location":"dc","quantity":1}'
        await publish(bus, [event % number for number in range(20)])
        await until(published(bus, 220))
        stop.set()
        report = await asyncio.wait_for(task, 30)
    assert len(await last_availability(bus)) == report.positions
    assert len(await stored(bus, EXCEPTIONS)) >= 1
