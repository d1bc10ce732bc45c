"""Latency, open loop: from the moment a message was due to the moment when its availability can be seen.

Messages of 100 events go out on a fixed schedule, whether or not the daemon keeps up, and a late one counts from when
it was due: nothing is omitted in a coordinated way. A message counts as seen when the last part of the first flush that
covers it has reached a subscriber. Publisher and subscriber are this process; server and daemon run on their own.
"""

import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from benches import bus, figures, workloads
from benches.bare_socket import RECEIVE_BYTES, BareSocket
from benches.process import Row, in_own_process
from benches.scale import Scale
from benches.turns import Measure, one_by_one
from benches.watch import Daemon, Stalled, Watch, last_lines
from tallystick import Engine
from tallystick.bus.embedded import EmbeddedServer
from tallystick.config import Config
from tallystick.daemon.snapshots import SnapshotFolder
from tallystick.event_loop import run_loop

if TYPE_CHECKING:
    from hdrh.histogram import HdrHistogram

EVENTS_PER_MESSAGE: Final = 100
PUBLISH_INTERVAL_MS: Final = 1
SNAPSHOT_INTERVAL_S: Final = 1.0
PERCENTILES: Final = (50.0, 90.0, 99.0, 99.9, 99.99, 100.0)
LATENCY_US_MAX: Final = 3_600_000_000
"""An hour; the histogram has three significant digits over all of it."""
_TAIL_MESSAGES: Final = 200
"""More than can hold nothing but repetitions."""
_NEVER_S: Final = 86_400.0
_PRELOAD_LIMIT_S: Final = 600.0
_CATCH_UP_LIMIT_S: Final = 120.0
"""A daemon that is further behind than this after the last message did not keep up: there is nothing more to learn."""


def run(folder: Path, scale: Scale, only: str) -> dict[str, Row]:
    """Rows `rate-N` and `rate-N-snapshots` for N events per second."""
    cases: dict[str, Measure] = {}
    for rate in scale.latency_rates:
        for snapshots in (False, True):
            name = f"rate-{rate}{'-snapshots' if snapshots else ''}"
            if only in ("", name):
                cases[name] = partial(_one, folder, scale, name, rate, snapshots)
    return one_by_one("latency", cases)


def _one(folder: Path, scale: Scale, name: str, rate: int, snapshots: bool) -> Row:
    events = scale.latency_preloaded + round(rate * scale.latency_seconds)
    files = workloads.write("peak", folder, scale, events=events)
    assert files is not None, "the peak workload needs no data"
    return in_own_process(
        measure,
        path=files.path,
        engine_config=files.config,
        folder=str(folder / name),
        rate=rate,
        preloaded=scale.latency_preloaded,
        snapshots=snapshots,
    )


def measure(path: str, engine_config: str, folder: str, rate: int, preloaded: int, snapshots: bool) -> Row:
    """Preloads the ledger, publishes the rest at `rate` events per second, and checks the daemon's last state.

    Ends the process with one line that says what was waited for if the run stalls.
    """
    lines = Path(path).read_bytes().splitlines(keepends=True)
    payloads = [b"".join(lines[at : at + EVENTS_PER_MESSAGE]) for at in range(0, len(lines), EVENTS_PER_MESSAGE)]
    payloads = with_effect(payloads, engine_config)
    place = Path(folder)
    place.mkdir()
    with EmbeddedServer(place / "nats", sync="1m") as server:
        settings = bus.daemon_settings(
            place, server.url, engine_config, publish_interval_ms=PUBLISH_INTERVAL_MS,
            snapshot_interval_s=SNAPSHOT_INTERVAL_S if snapshots else _NEVER_S,
        )  # fmt: skip
        run_loop(bus.create_stream(settings))
        try:
            row = _run(
                server.port, settings, place / "tallystick.toml", payloads, preloaded // EVENTS_PER_MESSAGE, rate
            )
        except (Stalled, OSError, ValueError) as error:
            sys.exit(f"benches: latency at {rate:,} events/s: {error}; the server's: {last_lines(server.log_file)}")
    return {
        "events_preloaded": preloaded,
        "snapshot_interval_s": SNAPSHOT_INTERVAL_S if snapshots else None,
        "publish_interval_ms": PUBLISH_INTERVAL_MS,
        **row,
        **_check_state(settings, payloads, engine_config),
    }


def with_effect(payloads: list[bytes], engine_config: str) -> list[bytes]:
    """The messages up to the last one that changes a balance. A workload ends with repetitions, and nobody sees these.

    Whoever waited for them would wait for ever, unless they happen to be flushed together with others.
    """
    begin = max(0, len(payloads) - _TAIL_MESSAGES)
    engine = Engine(engine_config)
    engine.apply(b"".join(payloads[:begin]), 1, event_times=True)
    engine.flush("S")
    visible = begin
    for at in range(begin, len(payloads)):
        engine.apply(payloads[at], engine.sequence + 1, event_times=True, hold_output=True)
        if engine.flush("S").positions:
            visible = at + 1
    assert visible > begin, "repetitions come within 5,000 events, which are 50 messages"
    return payloads[:visible]


def _run(port: int, settings: Config, config: Path, payloads: list[bytes], preloaded: int, rate: int) -> Row:
    """What happened, while a daemon ran."""
    measured = payloads[preloaded:]
    events = len(measured) * EVENTS_PER_MESSAGE
    with Watch(port, settings.output.availability_subject) as watch, Daemon(config) as daemon:
        with BareSocket(port) as connection:
            connection.publish(settings.input.subject, payloads[:preloaded])
            if not watch.wait_for("preloading", preloaded, daemon, limit_s=_PRELOAD_LIMIT_S):
                raise Stalled(
                    f"preloading took more than {_PRELOAD_LIMIT_S:.0f} s: message {watch.seen:,} of {preloaded:,} is "
                    f"visible; {daemon.last_words()}"
                )
            cpu_before, _ = daemon.used()
            due, late = _publish_on_time(connection, settings.input.subject, measured, rate)
        kept_up = watch.wait_for("catching up", len(payloads), daemon, limit_s=_CATCH_UP_LIMIT_S)
        seconds = time.monotonic() - float(due[0])
        cpu_after, rss_kib = daemon.used()
        daemon.stop()
    latencies = watch.latencies(due, preloaded + 1)
    seen = int(np.isfinite(latencies).sum()) * EVENTS_PER_MESSAGE
    return {
        "events": events,
        "seconds": round(seconds, 4),
        "events_per_s": rate,
        "ns_per_event": round(1e9 / rate, 1),
        "cpu_ns_per_event": round((cpu_after - cpu_before) / max(seen, 1) * 1e9, 1),
        "rss_mib_peak": round(rss_kib / 1024, 1),
        "kept_up": kept_up,
        "events_seen": seen,
        "late_sent_p99_ms": round(float(np.percentile(late, 99)) * 1_000, 3),
        **percentiles(latencies),
    }


def _publish_on_time(
    connection: BareSocket, subject: str, payloads: list[bytes], rate: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sends each message when it is due, or at once when that has passed. When each was due, and how late it was sent.

    Raises ValueError when the stream refuses a message or confirms too few: then the load was not what was asked for.
    """
    interval = EVENTS_PER_MESSAGE / rate
    due: NDArray[np.float64] = time.monotonic() + 0.1 + interval * np.arange(len(payloads), dtype=np.float64)
    sent = np.empty(len(payloads))
    inbox = connection.subscribe()
    failures: list[str] = []
    drain = threading.Thread(target=_drain, args=(connection, len(payloads), failures), daemon=True)
    drain.start()
    for at, (moment, payload) in enumerate(zip(due.tolist(), payloads, strict=True)):
        if (wait := moment - time.monotonic()) > 0:
            time.sleep(wait)
        connection.send(b"PUB %b %b %d\r\n%b\r\n" % (subject.encode(), inbox.encode(), len(payload), payload))
        sent[at] = time.monotonic()
    drain.join()
    if failures:
        raise ValueError(failures[0])
    return due, sent - due


def _drain(connection: BareSocket, messages: int, failures: list[str]) -> None:
    """Reads the acks, so that nothing was lost unnoticed; each holds the message's sequence once."""
    buffer, rest, missing = bytearray(RECEIVE_BYTES), b"", messages
    try:
        while missing > 0:
            data = rest + buffer[: connection.receive(buffer)]
            complete = data.rfind(b"\r\n") + 2
            missing -= data.count(b'"seq":', 0, complete)
            if b'"error"' in data:
                failures.append(f"the stream refuses a message: {data[:200].decode('utf-8', 'replace')}")
                return
            if b"PING\r\n" in data:
                connection.send(b"PONG\r\n")
            rest = data[complete:]
    except OSError as error:
        failures.append(f"waited for the acks of {missing:,} of {messages:,} messages: {error}")


def percentiles(latencies: NDArray[np.float64]) -> dict[str, float | str | None]:
    """Of seconds, in milliseconds, from an HDR histogram, which is given too; None for what was never seen."""
    seen = latencies[np.isfinite(latencies)]
    histogram = _histogram(seen)
    found: dict[str, float | str | None] = {}
    for percentile in PERCENTILES:
        # What was never seen is slower than all that was.
        share = percentile * len(latencies) / max(len(seen), 1)
        value = histogram.get_value_at_percentile(share) / 1_000 if share <= 100 and len(seen) else None
        found[f"p{percentile:g}_ms"] = value
    encoded = histogram.encode()
    return found | {"histogram_us": encoded.decode() if isinstance(encoded, bytes) else encoded}


def _histogram(seconds: NDArray[np.float64]) -> "HdrHistogram":
    from hdrh.histogram import HdrHistogram

    histogram = HdrHistogram(1, LATENCY_US_MAX, 3)
    for value in np.ceil(seconds * 1e6).astype(np.int64).clip(1, LATENCY_US_MAX).tolist():
        histogram.record_value(value)
    return histogram


def _check_state(settings: Config, payloads: list[bytes], engine_config: str) -> dict[str, Any]:
    """Raises ValueError unless the daemon saved the state that the same events make in this process."""
    with SnapshotFolder(settings.snapshots.folder, keep=settings.snapshots.keep) as folder:
        snapshot = folder.newest()
    if snapshot is None:
        raise ValueError("the daemon saved no snapshot: no figure is valid")
    restored = Engine.restore(snapshot.data, settings.engine_json)
    engine = Engine(engine_config)
    # A daemon that did not keep up was stopped on the way.
    engine.apply(b"".join(payloads[: restored.sequence]), 1, event_times=True)
    if restored.state_hash() != engine.state_hash():
        raise ValueError(
            f"the daemon's state at message {restored.sequence:,} is not that of the events: no figure is valid"
        )
    return figures.of_ledger(restored) | {
        "messages_applied": restored.sequence,
        "snapshot_bytes": len(snapshot.data),
    }
