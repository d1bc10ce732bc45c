"""Promise: from a reservation's publishing to its answer, through a real nats-server and a daemon of its own.

Once open loop at a fixed schedule, straight into the log and by way of the service, where a late answer counts from
when its request was due; and once as fast as the bus takes the requests. Every request must be answered once, and
granted. Publisher and reader are this process.
"""

import json
import re
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from benches import bus, figures
from benches.bare_socket import RECEIVE_BYTES, BareSocket
from benches.latency import percentiles
from benches.process import Row
from benches.scale import Scale
from benches.turns import Measure, fresh, one_by_one
from benches.watch import Daemon, Stalled, Watch, last_lines
from tallystick import Engine
from tallystick.bus.embedded import EmbeddedServer
from tallystick.bus.requests import RESERVE
from tallystick.config import Config
from tallystick.daemon.snapshots import SnapshotFolder
from tallystick.event_loop import run_loop

SKUS: Final = 1_000
ANSWERS: Final = "bench.answers"
DUE_EVERY: Final = 4
"""One request in so many is for a later day."""
PUBLISH_INTERVAL_MS: Final = 20
_STOCK: Final = 1_000_000
_LIMIT_S: Final = 120.0
_LOOK_S: Final = 0.005
_ANSWER: Final = re.compile(rb'"id":"r-(\d+)"')
_GRANTED: Final = b'"status":"granted"'


def run(folder: Path, scale: Scale, only: str) -> dict[str, Row]:
    """Rows `rate-N` for N requests per second, `service-N` for the same by way of the service, and `pipelined`."""
    cases: dict[str, Measure] = {}
    rate, on_time = scale.promise_rate, round(scale.promise_rate * scale.promise_seconds)
    for name, requests, per_s in (
        (f"rate-{rate}", on_time, rate),
        (f"service-{rate}", on_time, rate),
        ("pipelined", scale.promise_requests, 0),
    ):
        if only in ("", name):
            case: dict[str, Any] = {"folder": str(folder / name), "requests": requests, "rate": per_s}
            cases[name] = fresh(measure, **case, service=name.startswith("service"))
    return one_by_one("promise", cases)


def measure(folder: str, requests: int, rate: int, service: bool) -> Row:
    """Stocks the ledger, sends the requests, and checks that each was granted. `rate` of 0: as fast as it goes.

    Ends the process with one line that says what was waited for if the run stalls.
    """
    place = Path(folder)
    place.mkdir()
    with EmbeddedServer(place / "nats", sync="1m") as server:
        settings = bus.daemon_settings(place, server.url, "", publish_interval_ms=PUBLISH_INTERVAL_MS)
        run_loop(bus.create_stream(settings))
        try:
            row = _run(server.port, settings, place / "tallystick.toml", requests, rate, service=service)
        except (Stalled, OSError, ValueError) as error:
            sys.exit(
                f"benches: promises at {rate or 'full'} speed: {error}; the server's: {last_lines(server.log_file)}"
            )
        return row | _ledger(settings)


def _run(port: int, settings: Config, config: Path, requests: int, rate: int, *, service: bool) -> Row:
    subject, stocks, payloads = settings.input.subject, _stock(), _requests(requests, service=service)
    with Watch(port, settings.output.availability_subject) as watch, Daemon(config) as daemon:
        with BareSocket(port) as connection, Answers(port, requests) as answers:
            connection.publish(subject, stocks)
            watch.wait_for("stocking", len(stocks), daemon, limit_s=_LIMIT_S)
            cpu_before, _ = daemon.used()
            begun = time.monotonic()
            if rate:
                where = f"{RESERVE.subject} {ANSWERS}" if service else subject
                due = _send_on_time(connection, where, payloads, rate)
            else:
                due = np.full(requests, begun)
                connection.publish(subject, payloads)
            answers.wait(daemon)
            seconds = answers.last_at - float(due[0])
            cpu_after, rss_kib = daemon.used()
        daemon.stop()
    if answers.granted != requests or answers.messages != requests:
        raise ValueError(f"{answers.granted:,} of {requests:,} granted in {answers.messages:,} answers")
    row: Row = {
        "events": requests,
        "seconds": round(seconds, 4),
        "events_per_s": round(requests / seconds),
        "ns_per_event": round(seconds / requests * 1e9, 1),
        "cpu_ns_per_event": round((cpu_after - cpu_before) / requests * 1e9, 1),
        "rss_mib_peak": round(rss_kib / 1024, 1),
        "granted": answers.granted,
        "publish_interval_ms": PUBLISH_INTERVAL_MS,
    }
    return row | (percentiles(answers.seen - due) if rate else {})


def _stock() -> list[bytes]:
    event = {"source": "wms", "type": "stock.received", "location": "DC1", "quantity": _STOCK}
    return [json.dumps({"id": f"s-{at}", **event, "sku": f"SKU-{at}"}).encode() for at in range(SKUS)]


def _requests(count: int, *, service: bool) -> list[bytes]:
    later = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 7 * 86_400))
    made = []
    for at in range(count):
        event: dict[str, Any] = {
            "id": f"r-{at}", "source": "shop", "sku": f"SKU-{at * 7 % SKUS}", "location": "DC1", "quantity": 1,
        }  # fmt: skip
        event |= {} if service else {"type": RESERVE.type, "reply": ANSWERS}
        made.append(json.dumps(event | ({"due": later} if at % DUE_EVERY == 0 else {})).encode())
    return made


def _send_on_time(connection: BareSocket, where: str, payloads: list[bytes], rate: int) -> NDArray[np.float64]:
    """Sends each request when it is due, or at once when that has passed; when each was due."""
    due: NDArray[np.float64] = time.monotonic() + 0.1 + np.arange(len(payloads), dtype=np.float64) / rate
    for moment, payload in zip(due.tolist(), payloads, strict=True):
        if (wait := moment - time.monotonic()) > 0:
            time.sleep(wait)
        connection.send(b"PUB %b %d\r\n%b\r\n" % (where.encode(), len(payload), payload))
    return due


class Answers:
    """A subscriber that notes when each answer came. A context manager with its own thread."""

    def __init__(self, port: int, requests: int) -> None:
        self.seen: NDArray[np.float64] = np.full(requests, np.inf)
        """When the answer to each request came; without end for one that never did."""
        self.messages = 0
        self.granted = 0
        self.last_at = 0.0
        self._requests = requests
        self._failure: Exception | None = None
        self._connection = BareSocket(port)
        self._connection.set_timeout(None)
        self._connection.send(f"SUB {ANSWERS} 1\r\nPING\r\n".encode())
        self._thread = threading.Thread(target=self._guarded(self._read), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._requests = 0
        if self._failure is None:
            self._connection.send(b"PING\r\n")  # Its answer wakes the reader.
        self._thread.join()
        self._connection.__exit__()

    def wait(self, daemon: Daemon) -> None:
        """Waits until as many answers came as there are requests. Raises Stalled."""
        until = time.monotonic() + _LIMIT_S
        while self.messages < self._requests:
            if self._failure is not None or daemon.ended or time.monotonic() > until:
                raise Stalled(
                    f"waited for {self._requests:,} answers, got {self.messages:,}; {self._failure or ''} "
                    f"{daemon.last_words()}"
                )
            time.sleep(_LOOK_S)

    def _guarded(self, work: Callable[[], None]) -> Callable[[], None]:
        def guarded() -> None:
            try:
                work()
            except (OSError, ValueError) as error:
                self._failure = error  # Whoever waits tells it.

        return guarded

    def _read(self) -> None:
        buffer, rest = bytearray(RECEIVE_BYTES), b""
        while self._requests:
            data = rest + buffer[: self._connection.receive(buffer)]
            now = time.monotonic()
            # Up to the beginning of the last frame, unless that is whole: an answer, or the server's PING or PONG.
            whole = len(data) if data.endswith((b"}\r\n", b"NG\r\n")) else data.rfind(b"\r\nMSG ") + 2
            numbers = [int(found[1]) for found in _ANSWER.finditer(data, 0, whole)]
            if numbers:
                self.seen[numbers] = np.minimum(self.seen[numbers], now)
                self.granted += data.count(_GRANTED, 0, whole)
                self.last_at = now
                self.messages += len(numbers)
            if b"PING\r\n" in data:
                self._connection.send(b"PONG\r\n")
            rest = data[whole:] if whole > 1 else data


def _ledger(settings: Config) -> Row:
    """What the daemon saved. Raises ValueError if it saved nothing."""
    with SnapshotFolder(settings.snapshots.folder, keep=settings.snapshots.keep) as folder:
        snapshot = folder.newest()
    if snapshot is None:
        raise ValueError("the daemon saved no snapshot: no figure is valid")
    return figures.of_ledger(Engine.restore(snapshot.data, settings.engine_json))
