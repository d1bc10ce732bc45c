"""Blocked: events at a fixed rate and reservations among them, while for minutes the output streams take nothing.

Each reservation must be answered throughout; its latency counts from when it was due, before the output is blocked and
meanwhile. Afterwards everything must be published, and the state be that of the events. A snapshot is due all the time.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benches import bus
from benches.bare_socket import BareSocket
from benches.latency import percentiles
from benches.process import Row, in_own_process
from benches.progress import Steps
from benches.promise import ANSWERS, SKUS, Answers
from benches.scale import Scale
from benches.watch import Daemon, Stalled, Watch, last_lines
from tallystick import Engine
from tallystick.bus.connection import connect
from tallystick.bus.embedded import EmbeddedServer
from tallystick.bus.jetstream import JetStream
from tallystick.bus.requests import RESERVE
from tallystick.config import Config
from tallystick.daemon.snapshots import SnapshotFolder
from tallystick.event_loop import run_loop

TICK_S: Final = 0.01
"""Events go out this often, those of a tick together."""
REQUEST_EVERY: Final = 25
SNAPSHOT_INTERVAL_S: Final = 5.0
_REST_LIMIT_S: Final = 300.0
_NO_ROOM: Final = {"max_bytes": 1, "discard": "new"}
_ROOM: Final = {"max_bytes": -1, "discard": "old"}


def run(folder: Path, scale: Scale, only: str) -> dict[str, Row]:
    """Rows `before` and `blocked`: the reservations of each time."""
    del only  # Neither means anything alone.
    with Steps("blocked", 1) as steps:
        steps.begin(f"before and while it is blocked, {scale.blocked_seconds * 1.2:,.0f} s")
        return in_own_process(
            measure, folder=str(folder), rate=scale.blocked_rate, before_s=scale.blocked_seconds / 5,
            blocked_s=scale.blocked_seconds,
        )  # fmt: skip


def measure(folder: str, rate: int, before_s: float, blocked_s: float) -> dict[str, Row]:
    """Sends events and requests, blocks the output meanwhile, and checks what came of it. Ends with one line if not."""
    place = Path(folder)
    with EmbeddedServer(place / "nats", sync="1m") as server:
        settings = bus.daemon_settings(
            place, server.url, "", publish_interval_ms=20, snapshot_interval_s=SNAPSHOT_INTERVAL_S
        )
        run_loop(bus.create_stream(settings))
        try:
            return _measure(server.port, settings, place / "tallystick.toml", rate, (before_s, blocked_s))
        except (Stalled, OSError, ValueError) as error:
            sys.exit(f"benches: blocked output: {error}; the server's: {last_lines(server.log_file)}")


def _measure(port: int, settings: Config, config: Path, rate: int, spans: tuple[float, float]) -> dict[str, Row]:
    ticks = [round(span / TICK_S) for span in spans]
    per_tick = round(rate * TICK_S)
    requests = [count * per_tick // REQUEST_EVERY for count in ticks]
    with Watch(port, settings.output.availability_subject) as watch, Daemon(config) as daemon:
        with BareSocket(port) as connection, Answers(port, sum(requests)) as answers:
            sender = _Sender(connection, settings.input.subject, per_tick)
            watch.wait_for("beginning", sender.stock(), daemon, limit_s=60)
            due = [sender.send(ticks[0])]
            run_loop(_let_in(settings, _NO_ROOM))
            due.append(sender.send(ticks[1]))
            seen_before, (_, rss_kib) = watch.seen, daemon.used()
            answers.wait(daemon)
            run_loop(_let_in(settings, _ROOM))
            freed_at = time.monotonic()
            if not watch.wait_for("publishing the rest", sender.sent, daemon, limit_s=_REST_LIMIT_S):
                raise Stalled(f"message {watch.seen:,} of {sender.sent:,} is published; {daemon.last_words()}")
            rest_s = time.monotonic() - freed_at
        daemon.stop()
    if answers.messages != sum(requests):
        raise ValueError(f"{answers.messages:,} answers to {sum(requests):,} requests")
    hash_ = _check_state(settings, sender)
    edges = np.cumsum([0, *requests])
    rows: dict[str, Row] = {}
    for name, at, moments in zip(("before", "blocked"), (0, 1), due, strict=True):
        latencies = answers.seen[edges[at] : edges[at + 1]] - moments
        rows[name] = {"units": "requests", "requests": len(latencies), "events_per_s": rate} | percentiles(latencies)
        rows[name] |= {"state_hash": hash_}
    rows["blocked"] |= {
        "unpublished_messages": sender.sent - seen_before,
        "published_after_s": round(rest_s, 2),
        "rss_mib_peak": round(rss_kib / 1024, 1),
    }
    return rows


class _Sender:
    """Sends events, and requests among them, at fixed times."""

    def __init__(self, connection: BareSocket, subject: str, per_tick: int) -> None:
        self.sent = 0
        """Messages so far."""
        self._connection = connection
        self._subject = subject
        self._per_tick = per_tick
        self._requests = 0

    def stock(self) -> int:
        """Fills each position up; returns the last sequence."""
        for payload in stock():
            self._connection.send(b"PUB %b %d\r\n%b\r\n" % (self._subject.encode(), len(payload), payload))
        self.sent += SKUS
        return self.sent

    def send(self, ticks: int) -> NDArray[np.float64]:
        """Sends for so many ticks, and returns when each request was due."""
        due: list[float] = []
        begun = time.monotonic() + TICK_S
        for tick in range(ticks):
            moment = begun + tick * TICK_S
            if (wait := moment - time.monotonic()) > 0:
                time.sleep(wait)
            payloads = list(events(self.sent, self._requests, self._per_tick))
            frames = (b"PUB %b %d\r\n%b\r\n" % (self._subject.encode(), len(one), one) for one in payloads)
            self._connection.send(b"".join(frames))
            count = sum(1 for at in range(self.sent, self.sent + len(payloads)) if at % REQUEST_EVERY == 0)
            due += [moment] * count
            self._requests += count
            self.sent += len(payloads)
        return np.array(due)


def stock() -> Iterator[bytes]:
    """What each position begins with."""
    for at in range(SKUS):
        event = {"id": f"s-{at}", "source": "wms", "type": "stock.received", "location": "DC1", "quantity": 10**9}
        yield json.dumps(event | {"sku": f"SKU-{at}"}).encode()


def events(first: int, first_request: int, count: int) -> Iterator[bytes]:
    """Messages from the number `first` on: every so many a request, one in a hundred an event that is refused."""
    request = first_request
    for at in range(first, first + count):
        event: dict[str, Any] = {"sku": f"SKU-{at * 7 % SKUS}", "location": "DC1", "quantity": 1}
        if at % REQUEST_EVERY == 0:
            event |= {"id": f"r-{request}", "source": "shop", "type": RESERVE.type, "reply": ANSWERS}
            request += 1
        elif at % 100 == 1:
            event |= {"id": f"e-{at}", "source": "wms", "type": "stock.unheard_of"}
        else:
            event |= {"id": f"e-{at}", "source": "wms", "type": "stock.sold"}
        yield json.dumps(event).encode()


async def _let_in(settings: Config, limits: dict[str, Any]) -> None:
    """Limits both output streams, or frees them."""
    client = await connect(settings.nats)
    bus_ = JetStream(client)
    for name in (settings.output.availability_stream, settings.output.exceptions_stream):
        info = await bus_.stream(name)
        assert info is not None, "the daemon made it"
        await bus_.request(f"STREAM.UPDATE.{name}", {**info.config, **limits})
    await client.close()
    await asyncio.sleep(0)


def _check_state(settings: Config, sender: _Sender) -> str:
    """Raises ValueError unless the daemon saved the balances that the same events make in this process."""
    with SnapshotFolder(settings.snapshots.folder, keep=settings.snapshots.keep) as folder:
        snapshot = folder.newest()
    if snapshot is None:
        raise ValueError("the daemon saved no snapshot: no figure is valid")
    restored = Engine.restore(snapshot.data, settings.engine_json)
    if restored.sequence != sender.sent:
        raise ValueError(f"{restored.sequence:,} of {sender.sent:,} messages are in the snapshot: no figure is valid")
    engine = Engine(settings.engine_json)
    lines = [*stock(), *events(SKUS, 0, sender.sent - SKUS)]
    engine.apply(b"\n".join(lines), 1, None, hold_output=True)
    if restored.state_hash() != engine.state_hash():
        raise ValueError("the daemon's state is not that of the events: no figure is valid")
    return engine.state_hash()
