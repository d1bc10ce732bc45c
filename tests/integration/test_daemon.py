"""The daemon in this process against a real server: right figures, clean resume, and clear refusals."""

import asyncio
import json
import random
import shutil
from decimal import Decimal
from pathlib import Path

import pytest
from nats.aio.client import Client
from nats.errors import Error as NatsError

from tallystick import Engine
from tallystick.bus.connection import connect
from tallystick.bus.embedded import EmbeddedServer
from tallystick.bus.jetstream import JetStream
from tallystick.bus.questions import QUESTIONS
from tallystick.bus.requests import REQUEST_KINDS
from tallystick.config import Nats
from tallystick.daemon.progress import Progress
from tallystick.daemon.run import run
from tallystick.daemon.service import serve
from tallystick.daemon.snapshots import SnapshotFolder
from tallystick.errors import BusError, LogGap, OutputFenced, SnapshotUnfit, StreamError
from tests.integration.daemon import (
    AVAILABILITY,
    EVENTS,
    EXCEPTIONS,
    SMALL_STEPS,
    SUBJECT,
    ask,
    configure,
    has_reached,
    last_availability,
    prove,
    publish,
    random_messages,
    run_to_end,
    until,
)

ONE = b'{"id":"1","source":"wms","type":"stock.received","sku":"A","location":"L","quantity":12.5}'


async def test_outputs_and_state_equal_a_plain_replay(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, rng: random.Random
) -> None:
    config = configure(tmp_path, server)
    await publish(bus, random_messages(rng, 400))
    report = await run_to_end(config)
    assert report.sequence == 400
    columns = (await prove(bus, config, report)).columns()
    believed = await last_availability(bus)
    assert len(believed) == len(columns)
    for row in range(len(columns)):
        told = believed[columns.sku[row], columns.location[row]]
        assert Decimal(str(told["atp"])) * 1_000 == int(columns.atp_thousandths[row])


async def test_a_restart_goes_on_and_repeats_nothing(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, rng: random.Random
) -> None:
    config = configure(tmp_path, server, SMALL_STEPS)
    messages = random_messages(rng, 300)
    for part in range(3):
        await publish(bus, messages[part * 100 : part * 100 + 100])
        report = await run_to_end(config)
        assert report.sequence == part * 100 + 100
    assert await run_to_end(config) == report
    await prove(bus, config, report)


async def test_without_snapshots_the_stream_rebuilds_all_and_nothing_is_sent_twice(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, rng: random.Random
) -> None:
    config = configure(tmp_path, server)
    await publish(bus, random_messages(rng, 150))
    first = await run_to_end(config)
    shutil.rmtree(tmp_path / "snapshots")
    assert await run_to_end(config) == first
    await prove(bus, config, first)


async def test_a_torn_snapshot_falls_back_to_the_one_before(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, rng: random.Random
) -> None:
    config = configure(tmp_path, server)
    for _ in range(2):
        await publish(bus, random_messages(rng, 60))
        report = await run_to_end(config)
    newest, before = sorted((tmp_path / "snapshots").glob("*.tally"), reverse=True)
    newest.write_bytes(newest.read_bytes()[:-100])
    assert await run_to_end(config) == report
    assert before.exists()
    before.write_bytes(b"")
    newest.write_bytes(b"")
    assert await run_to_end(config) == report
    await prove(bus, config, report)


async def test_snapshots_of_another_configuration_are_refused(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream
) -> None:
    await publish(bus, [ONE])
    await run_to_end(configure(tmp_path, server))
    changed = configure(tmp_path, server, {"safety_stock": {"default": "2.5"}})
    with pytest.raises(SnapshotUnfit, match="another configuration"):
        await run_to_end(changed)
    shutil.rmtree(tmp_path / "snapshots")
    await run_to_end(changed)
    believed = await last_availability(bus)
    assert believed["A", "L"]["atp"] == 10, "after a rebuild, all is sent again under the new configuration"


async def test_an_event_stream_made_anew_is_refused(tmp_path: Path, server: EmbeddedServer, bus: JetStream) -> None:
    config = configure(tmp_path, server)
    await publish(bus, [ONE])
    await run_to_end(config)
    await bus.request(f"STREAM.DELETE.{EVENTS}")
    await publish(bus, [ONE])
    with pytest.raises(StreamError, match="was created at"):
        await run_to_end(config)
    shutil.rmtree(tmp_path / "snapshots")
    with pytest.raises(StreamError, match="holds what was made from the event stream"):
        await run_to_end(config)


async def test_a_stream_with_the_wrong_retention_is_refused(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream
) -> None:
    await bus.create_stream({"name": EVENTS, "subjects": [SUBJECT], "storage": "file", "retention": "workqueue"})
    with pytest.raises(StreamError, match=f'stream {EVENTS}: retention is "workqueue" and must be "limits"'):
        await run_to_end(configure(tmp_path, server))


async def test_a_deleted_event_halts_after_all_before_it_was_published(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, rng: random.Random
) -> None:
    stream = {"name": EVENTS, "subjects": [SUBJECT], "storage": "file", "allow_direct": True}
    await bus.create_stream(stream)
    for message in random_messages(rng, 30):
        await bus.client.request(SUBJECT, message, 10)
    for sequence in (21, 22):
        await bus.request(f"STREAM.MSG.DELETE.{EVENTS}", {"seq": sequence})
    await bus.request(f"STREAM.UPDATE.{EVENTS}", stream | {"deny_delete": True, "deny_purge": True})
    with pytest.raises(LogGap, match=f"stream {EVENTS}: messages 21 to 22 missing; bring the stream back"):
        await run_to_end(configure(tmp_path, server))


async def test_a_second_writer_stops_the_daemon(tmp_path: Path, server: EmbeddedServer, bus: JetStream) -> None:
    config = configure(tmp_path, server)
    await publish(bus, [ONE])
    await run_to_end(config)
    running = asyncio.create_task(run(config))
    await until(lambda: has_reached(bus.client, 1))
    await bus.client.request("tallystick.availability", b"{}", 5)
    await publish(bus, [ONE.replace(b'"1"', b'"2"')])
    with pytest.raises(OutputFenced, match=f"stream {AVAILABILITY}: another writer is at work"):
        await asyncio.wait_for(running, 30)


async def test_two_daemons_do_not_share_a_folder(tmp_path: Path, server: EmbeddedServer) -> None:
    config = configure(tmp_path, server)
    with SnapshotFolder(config.snapshots.folder), pytest.raises(SnapshotUnfit, match="in use by another daemon"):
        await run_to_end(config)


async def test_no_server_is_one_clear_line(tmp_path: Path, server: EmbeddedServer) -> None:
    config = configure(tmp_path, server, {"nats": {"connect_timeout_s": 0.5}})
    server.stop()
    with pytest.raises(
        BusError, match=r"no connection to .* within 0\.5 s.*; start the server there \(a nats-server, or a daemon"
    ):
        await run_to_end(config)


async def test_a_restart_of_the_server_in_the_middle(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, rng: random.Random
) -> None:
    config = configure(tmp_path, server, SMALL_STEPS)
    messages = random_messages(rng, 300)
    await publish(bus, messages[:200])
    stop = asyncio.Event()
    running = asyncio.create_task(run(config, stop=stop))
    for _ in range(3):
        await asyncio.sleep(0.15)
        server.restart()
    client = await connect(Nats(url=server.url))
    await publish(JetStream(client), messages[200:])
    await until(lambda: has_reached(client, 300))
    stop.set()
    report = await asyncio.wait_for(running, 60)
    await prove(JetStream(client), config, report)
    await client.close()


async def test_a_server_that_is_away_at_the_start_of_the_service(server: EmbeddedServer) -> None:
    client = await connect(Nats(url=server.url))
    server.stop()
    # nats-py waits ten seconds for a flush, and gives up; the service must not.
    service = await serve(client, Engine(), dict)
    server.start()
    asking = await connect(Nats(url=server.url))
    await until(lambda: has_answer(asking))
    await service.stop()
    await asking.close()
    await client.close()


async def has_answer(client: Client) -> bool:
    """Whether somebody answers questions."""
    try:
        answer = await ask(client, {"sku": "A"})
    except NatsError:
        return False
    return not answer["positions"]


async def test_questions_are_answered(tmp_path: Path, server: EmbeddedServer, bus: JetStream) -> None:
    config = configure(tmp_path, server)
    await publish(bus, [ONE, ONE.replace(b'"1"', b'"2"').replace(b'"L"', b'"M"').replace(b"12.5", b"3")])
    stop = asyncio.Event()
    running = asyncio.create_task(run(config, stop=stop))
    await until(lambda: has_reached(bus.client, 2))
    both = await ask(bus.client, {"sku": "A"})
    assert both["sequence"] == 2
    assert sorted((found["location"], found["atp"]) for found in both["positions"]) == [("L", 12.5), ("M", 3)]
    one = await ask(bus.client, {"sku": "A", "location": "M"})
    assert [found["on_hand"] for found in one["positions"]] == [3]
    assert (await ask(bus.client, {"sku": "B"}))["positions"] == []
    assert (await ask(bus.client, {"sku": "A", "location": "N"}))["positions"] == []
    for broken in (b"", b"[]", b'{"sku": 5}', b'{"sku": ""}', b'{"location": "L"}', b'{"sku": "A", "where": "L"}'):
        reply = await bus.client.request("tallystick.atp", broken, 5)
        assert reply.headers is not None
        assert reply.headers["Nats-Service-Error-Code"] == "400"
        assert 'send {"sku"' in reply.headers["Nats-Service-Error"]
    info = json.loads((await bus.client.request("$SRV.INFO.tallystick", b"", 5)).data)
    names = {"atp", "status", "promise", *(asked.name for asked in (*QUESTIONS, *REQUEST_KINDS))}
    assert {endpoint["name"] for endpoint in info["endpoints"]} == names
    state = await ask(bus.client, {"state_hash": True}, "status")
    stop.set()
    report = await running
    assert (state["state_hash"], state["lag"], state["events"]) == (report.state_hash, 0, 2)


async def test_poison_is_counted_and_stops_nothing(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, rng: random.Random
) -> None:
    poison = [b"", b"null", b"[", b"{", b"\xff\xfe", b"[[[[", b"{}" * 3, b'"' + b"x" * 900_000 + b'"', b"[]"]
    poison += [ONE[: rng.randrange(len(ONE))] for _ in range(40)]
    poison += [rng.randbytes(rng.randrange(300)) for _ in range(200)]
    poison.append(ONE.replace(b'"A"', b'"' + b"y" * 900_000 + b'"'))
    rng.shuffle(poison)
    await publish(bus, [*poison, ONE])
    shown: list[Progress] = []
    config = configure(tmp_path, server)
    report = await asyncio.wait_for(run(config, until_idle=True, on_progress=shown.append), 60)
    assert report.sequence == len(poison) + 1
    assert report.outcomes["applied"] == 1
    assert report.outcomes["too_large"] == 1
    refused = await bus.stream(EXCEPTIONS)
    assert refused is not None
    assert refused.last_sequence > 0
    assert shown[-1].events_total == report.events_total == sum(report.outcomes.values())
    await prove(bus, config, report)


async def test_a_run_can_end_at_a_sequence(tmp_path: Path, server: EmbeddedServer, bus: JetStream) -> None:
    config = configure(tmp_path, server)
    await publish(bus, [ONE.replace(b'"1"', b'"%d"' % number) for number in range(20)])
    saved_when_published: list[int] = []

    def count_snapshots() -> None:
        saved_when_published.append(len(list(config.snapshots.folder.glob("*.tally"))))

    report = await asyncio.wait_for(run(config, until_sequence=7, on_published=count_snapshots), 30)
    assert report.events_total == 7
    assert saved_when_published == [0]
    assert list(config.snapshots.folder.glob("*.tally"))
    assert (await run_to_end(config)).events_total == 20


async def test_what_is_held_comes_in_silence(tmp_path: Path, server: EmbeddedServer, bus: JetStream) -> None:
    """Its gap is given up when its time is over, though nobody speaks any more."""
    tables = {"sources.wms": {"order": "source", "gap_wait": "2s"}}
    event = {"id": "2", "source": "wms", "type": "stock.received", "sku": "A", "location": "L", "quantity": 5}
    await publish(bus, [json.dumps(event | {"sequence": 2}).encode()])
    stop = asyncio.Event()

    def look(progress: Progress) -> None:
        if progress.positions:
            stop.set()

    config = configure(tmp_path, server, tables)
    report = await asyncio.wait_for(run(config, on_progress=look, stop=stop), 20)
    assert report.outcomes == {"held": 0, "applied": 2}, "the event, and the tick that brought the time"
