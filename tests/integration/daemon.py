"""What the tests of the daemon share: seeded events, a configuration, and proofs against a plain library replay."""

import asyncio
import contextlib
import json
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nats.aio.client import Client

from tallystick._engine import Engine
from tallystick.bus.embedded import EmbeddedServer
from tallystick.bus.jetstream import JetStream, StoredMessage
from tallystick.bus.streams import ensure_input
from tallystick.config import Config, Input, load
from tallystick.daemon.progress import RunReport
from tallystick.daemon.run import run

AVAILABILITY = "TALLYSTICK_AVAILABILITY"
EXCEPTIONS = "TALLYSTICK_EXCEPTIONS"
EVENTS = "TALLYSTICK_EVENTS"
SUBJECT = "tallystick.events"

SMALL_STEPS: Mapping[str, Mapping[str, Any]] = {
    "snapshots": {"interval_s": 0.1},
    "process": {"pull_messages": 10, "queue_messages": 40},
    "output": {"publish_interval_ms": 1, "positions_per_message": 3, "window_messages": 4},
}
"""Settings under which a short run has many batches, flushes and snapshots to be killed in."""


def write_config(folder: Path, url: str, tables: Mapping[str, Mapping[str, Any]] | None = None) -> Path:
    """Writes a configuration file for a daemon of this test, with its data below `folder`."""
    merged: dict[str, dict[str, Any]] = {"nats": {"url": url}, "snapshots": {"folder": "snapshots"}}
    for table, settings in (tables or {}).items():
        merged.setdefault(table, {}).update(settings)
    lines: list[str] = []
    for table, settings in merged.items():
        lines += [f"[{table}]", *(f"{key} = {json.dumps(value)}" for key, value in settings.items())]
    path = folder / "tallystick.toml"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def configure(folder: Path, server: EmbeddedServer, tables: Mapping[str, Mapping[str, Any]] | None = None) -> Config:
    return load(write_config(folder, server.url, tables), {})


async def run_to_end(config: Config) -> RunReport:
    """Runs a daemon in this process until the stream's end, and stops it cleanly."""
    return await asyncio.wait_for(run(config, until_idle=True), 120)


def random_messages(rng: random.Random, count: int) -> list[bytes]:
    """Messages of one to three events over few positions: movements, claims, duplicates, and some that are refused."""
    sent: list[str] = []
    messages: list[bytes] = []
    for number in range(count):
        events: list[str] = []
        for index in range(rng.choice([1, 1, 1, 3])):
            if sent and rng.random() < 0.08:
                events.append(rng.choice(sent))
                continue
            event: dict[str, Any] = {
                "id": f"{number}.{index}",
                "source": rng.choice(["wms", "erp", "oms"]),
                "type": rng.choice(["received", "received", "sold", "reserved", "unreserved", "adjusted", "counted"]),
                "sku": f"sku-{rng.randrange(12)}",
                "location": f"dc-{rng.randrange(3)}",
                "quantity": rng.choice([1, 2, 12.5, "0.001", 40]),
            }
            event["type"] = f"stock.{event['type']}"
            if rng.random() < 0.06:
                event[rng.choice(["quantity", "type"])] = "no such thing"
            events.append(json.dumps(event))
            sent.append(events[-1])
        messages.append("\n".join(events).encode())
    return messages


async def publish(bus: JetStream, messages: Iterable[bytes]) -> None:
    """Puts messages onto the event stream, each once, though the server may restart meanwhile. For small numbers."""
    from nats.errors import Error

    await ensure_input(bus, Input())
    for message in messages:
        headers = {"Nats-Msg-Id": bus.client.new_inbox()}
        async with asyncio.timeout(60):
            while True:
                with contextlib.suppress(Error):
                    if b'"error"' not in (await bus.client.request(SUBJECT, message, 1, headers=headers)).data:
                        break
                await asyncio.sleep(0.05)


async def stored(bus: JetStream, stream: str) -> list[StoredMessage]:
    """All messages of a stream, in order."""
    info = await bus.stream(stream)
    assert info is not None
    found = [await bus.message(stream, sequence) for sequence in range(1, info.last_sequence + 1)]
    return [message for message in found if message is not None]


@dataclass(frozen=True, slots=True)
class Expected:
    """What a plain replay of the event stream by the library comes to."""

    engine: Engine
    availability: list[tuple[str, bytes]]
    exceptions: list[tuple[str, bytes]]


async def expected(bus: JetStream, config: Config, boundaries: Iterable[int] = ()) -> Expected:
    """Replays the event stream through a library engine, which flushes at the boundaries and at the end."""
    log = await stored(bus, EVENTS)
    engine = Engine(config.engine_json, key=(config.snapshots.folder / "key").read_bytes())
    per_message = config.output.positions_per_message
    availability: list[tuple[str, bytes]] = []
    exceptions: list[tuple[str, bytes]] = []
    done = 0
    for boundary in sorted({*boundaries, len(log)} - {0}):
        part = log[done:boundary]
        if part:
            times = [message.time_ns for message in part]
            engine.apply([message.data for message in part], done + 1, times, hold_output=True)
        flush = engine.flush(EVENTS, positions_per_message=per_message)
        availability += flush.availability
        exceptions += flush.exceptions
        done = boundary
    return Expected(engine, availability, exceptions)


async def prove(bus: JetStream, config: Config, report: RunReport) -> Engine:
    """Proves a finished run: state, outcomes, and each output message exactly once, byte for byte, in order.

    Returns the library engine that it was compared with.
    """
    outputs = {name: await stored(bus, name) for name in (AVAILABILITY, EXCEPTIONS)}
    boundaries = {
        int(message.headers[header])
        for messages in outputs.values()
        for message in messages
        for header in ("Tallystick-From", "Tallystick-Through")
    }
    wanted = await expected(bus, config, boundaries)
    assert report.state_hash == wanted.engine.state_hash()
    assert report.outcomes == {name: count for name, count in wanted.engine.outcome_totals().items() if count}
    for name, flushed in ((AVAILABILITY, wanted.availability), (EXCEPTIONS, wanted.exceptions)):
        sent = [(message.headers["Nats-Msg-Id"].rpartition(":")[0], message.data) for message in outputs[name]]
        places, wanted_places = [place for place, _ in sent], [place for place, _ in flushed]
        assert places == wanted_places, (name, sorted(set(places) ^ set(wanted_places)), len(places))
        for told, replayed in zip(sent, flushed, strict=True):
            assert told == replayed, name
    return wanted.engine


async def last_availability(bus: JetStream) -> dict[tuple[str, str], dict[str, Any]]:
    """What a consumer of the availability stream believes at the end: the latest of every position."""
    latest: dict[tuple[str, str], dict[str, Any]] = {}
    for message in await stored(bus, AVAILABILITY):
        for position in json.loads(message.data)["data"]["positions"]:
            latest[position["sku"], position["location"]] = position
    return latest


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Waits until something is so; for a minute at most."""
    async with asyncio.timeout(60):
        while not await condition():  # noqa: ASYNC110 (what is waited for happens in another process)
            await asyncio.sleep(0.05)


async def has_reached(client: Client, sequence: int) -> bool:
    """Whether a daemon answers and has applied this log sequence."""
    from nats.errors import Error

    try:
        return int((await ask(client, {}, "status"))["sequence"]) >= sequence
    except Error:  # It has not started yet.
        return False


async def ask(client: Client, question: Mapping[str, Any], endpoint: str = "atp") -> dict[str, Any]:
    """Asks the daemon's service."""
    reply = await client.request(f"tallystick.{endpoint}", json.dumps(question).encode(), 5)
    assert not reply.headers, reply.headers
    answer: dict[str, Any] = json.loads(reply.data)
    return answer
