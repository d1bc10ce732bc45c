"""Latency, open loop: from the moment a message was due to the moment when its availability can be seen.

Messages of 100 events go out on a fixed schedule, whether or not the daemon keeps up, and a late one counts from when
it was due: nothing is omitted in a coordinated way. A message counts as seen when the last part of the first flush that
covers it has reached a subscriber. Publisher and subscriber are this process; server and daemon run on their own.
"""

import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from benches import bus, workloads
from benches.bare_socket import RECEIVE_BYTES, BareSocket
from benches.process import Row, in_own_process
from benches.scale import Scale
from tallystick import Engine
from tallystick.config import Config
from tallystick.embedded import EmbeddedServer
from tallystick.event_loop import run_loop
from tallystick.snapshots import SnapshotFolder

EVENTS_PER_MESSAGE: Final = 100
PUBLISH_INTERVAL_MS: Final = 1
SNAPSHOT_INTERVAL_S: Final = 1.0
PERCENTILES: Final = (50.0, 90.0, 99.0, 99.9, 100.0)
_NEVER_S: Final = 86_400.0
_PATIENCE_S: Final = 60.0
_PARTS: Final = re.compile(rb"Tallystick-Through: (\d+)\r\nTallystick-Part: (\d+)\r\nTallystick-Parts: (\d+)\r\n")
_HEAD_BYTES: Final = 1_024
"""More than the headers of one message have."""


def run(folder: Path, scale: Scale, only: str) -> dict[str, Row]:
    """Rows `rate-N` and `rate-N-snapshots` for N events per second."""
    rows: dict[str, Row] = {}
    for rate in scale.latency_rates:
        for snapshots in (False, True):
            name = f"rate-{rate}{'-snapshots' if snapshots else ''}"
            if only not in ("", name):
                continue
            events = scale.latency_preloaded + round(rate * scale.latency_seconds)
            files = workloads.write("peak", folder, scale, events=events)
            assert files is not None, "the peak workload needs no data"
            rows[name] = in_own_process(
                measure,
                path=files.path,
                engine_config=files.config,
                folder=str(folder / name),
                rate=rate,
                preloaded=scale.latency_preloaded,
                snapshots=snapshots,
            )
    return rows


def measure(path: str, engine_config: str, folder: str, rate: int, preloaded: int, snapshots: bool) -> Row:
    """Preloads the ledger, publishes the rest at `rate` events per second, and checks the daemon's last state."""
    lines = Path(path).read_bytes().splitlines(keepends=True)
    payloads = [b"".join(lines[at : at + EVENTS_PER_MESSAGE]) for at in range(0, len(lines), EVENTS_PER_MESSAGE)]
    first = preloaded // EVENTS_PER_MESSAGE
    place = Path(folder)
    place.mkdir()
    with EmbeddedServer(place / "nats", sync="1m") as server:
        settings = bus.daemon_settings(
            place, server.url, engine_config, publish_interval_ms=PUBLISH_INTERVAL_MS,
            snapshot_interval_s=SNAPSHOT_INTERVAL_S if snapshots else _NEVER_S,
        )  # fmt: skip
        run_loop(bus.create_stream(settings))
        with _Watch(server.port, settings.output.availability_subject) as watch:
            daemon = _start(place / "tallystick.toml")
            try:
                with BareSocket(server.port) as connection:
                    connection.publish(settings.input.subject, payloads[:first])
                    watch.wait_for(first)
                    due = _publish_on_time(connection, settings.input.subject, payloads[first:], rate)
                kept_up = watch.wait_for(len(payloads))
            finally:
                daemon.send_signal(signal.SIGTERM)
                daemon.wait(_PATIENCE_S)
        _check_state(settings, b"".join(lines), engine_config)
    return {
        "events": len(payloads[first:]) * EVENTS_PER_MESSAGE,
        "events_per_s": rate,
        "events_preloaded": preloaded,
        "snapshot_interval_s": SNAPSHOT_INTERVAL_S if snapshots else None,
        "publish_interval_ms": PUBLISH_INTERVAL_MS,
        "kept_up": kept_up,
        **_percentiles(watch.latencies(due, first + 1)),
    }


def _start(config: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "tallystick", "run", "--config", str(config)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _publish_on_time(connection: BareSocket, subject: str, payloads: list[bytes], rate: int) -> NDArray[np.float64]:
    """Sends each message when it is due, or at once when that has passed. Returns when each was due."""
    interval = EVENTS_PER_MESSAGE / rate
    due: NDArray[np.float64] = time.monotonic() + 0.1 + interval * np.arange(len(payloads), dtype=np.float64)
    inbox = connection.subscribe()
    drain = threading.Thread(target=_drain, args=(connection, len(payloads)))
    drain.start()
    for moment, payload in zip(due.tolist(), payloads, strict=True):
        if (wait := moment - time.monotonic()) > 0:
            time.sleep(wait)
        connection.send(b"PUB %b %b %d\r\n%b\r\n" % (subject.encode(), inbox.encode(), len(payload), payload))
    drain.join()
    return due


def _drain(connection: BareSocket, messages: int) -> None:
    """Reads the acks, so that nothing was lost unnoticed; each holds the message's sequence once."""
    buffer, rest = bytearray(RECEIVE_BYTES), b""
    while messages > 0:
        data = rest + buffer[: connection.receive(buffer)]
        complete = data.rfind(b"\r\n") + 2
        messages -= data.count(b'"seq":', 0, complete)
        if b"PING\r\n" in data:
            connection.send(b"PONG\r\n")
        rest = data[complete:]


class _Watch:
    """A subscriber to availability that notes when each flush was complete."""

    def __init__(self, port: int, subject: str) -> None:
        self._connection = BareSocket(port)
        self._connection.send(f"SUB {subject} 1\r\nPING\r\n".encode())
        self._seen: list[tuple[int, float]] = [(0, 0.0)]
        """Log sequence and moment, both growing."""
        self._closing = False
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing = True
        self._connection.send(b"PING\r\n")  # Its answer wakes the reader.
        self._thread.join()
        self._connection.__exit__()

    def _watch(self) -> None:
        buffer, rest = bytearray(RECEIVE_BYTES), b""
        while not self._closing:
            data = rest + buffer[: self._connection.receive(buffer)]
            now = time.monotonic()
            at = 0
            for found in _PARTS.finditer(data):
                through, part, parts = map(int, found.groups())
                at = found.end()
                if part + 1 == parts and through > self._seen[-1][0]:
                    self._seen.append((through, now))
            if b"PING\r\n" in data:
                self._connection.send(b"PONG\r\n")
            rest = data[max(at, len(data) - _HEAD_BYTES) :]

    def wait_for(self, sequence: int) -> bool:
        """Waits until a log sequence is visible; whether it is in time."""
        deadline = time.monotonic() + _PATIENCE_S
        while self._seen[-1][0] < sequence and time.monotonic() < deadline:
            time.sleep(0.01)
        return self._seen[-1][0] >= sequence

    def latencies(self, due: NDArray[np.float64], first_sequence: int) -> NDArray[np.float64]:
        """Seconds of each message, given when it was due. What was never seen is without end."""
        through, moments = (np.array(column) for column in zip(*self._seen, strict=True))
        at = np.searchsorted(through, np.arange(first_sequence, first_sequence + len(due)))
        seen: NDArray[np.float64] = np.append(moments, np.inf)[at] - due
        return seen


def _percentiles(latencies: NDArray[np.float64]) -> dict[str, float | None]:
    """Milliseconds; None for what was never seen."""
    found = np.percentile(latencies, PERCENTILES, method="higher") * 1_000
    names = [f"p{number:g}_ms" for number in PERCENTILES]
    return {name: round(value, 3) if np.isfinite(value) else None for name, value in zip(names, found, strict=True)}


def _check_state(settings: Config, events: bytes, engine_config: str) -> None:
    """Raises ValueError unless the daemon saved the state that the same events make in this process."""
    engine = Engine(engine_config)
    engine.apply(events, 1, None)
    with SnapshotFolder(settings.snapshots.folder, keep=settings.snapshots.keep) as folder:
        snapshot = folder.newest()
    if snapshot is None:
        raise ValueError("the daemon saved no snapshot: no figure is valid")
    if Engine.restore(snapshot.data, settings.engine_json).state_hash() != engine.state_hash():
        raise ValueError("the daemon's last state is not that of the events: no figure is valid")
