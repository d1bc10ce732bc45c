"""Bus, end to end: a stored stream through the daemon until its availability is published and its state is saved.

Beside it, on the same stream in the same run: what a bare socket can take in, and what nats-py's fetch loop can. The
stream is filled before any clock starts.
"""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import numpy as np

from benches import bus_limit, figures, in_process, workloads
from benches.bare_socket import BareSocket
from benches.meter import Meter
from benches.process import Row
from benches.scale import Scale
from benches.turns import fresh, in_turns
from benches.workloads import WorkloadFiles
from tallystick import Engine
from tallystick.bus.connection import connect
from tallystick.bus.embedded import EmbeddedServer
from tallystick.bus.jetstream import JetStream
from tallystick.bus.streams import ensure_input
from tallystick.config import Config, load
from tallystick.daemon.progress import RunReport
from tallystick.daemon.run import run as run_daemon
from tallystick.daemon.snapshots import SnapshotFolder
from tallystick.event_loop import run_loop

KINDS: Final = ("push", "pull", "fetch", "engine", "daemon")


def run(folder: Path, scale: Scale, only: str) -> dict[str, Row]:
    """Rows `push-N`, `pull-N`, `fetch-N`, `daemon-N` for N events per message, and `engine-N`: the same in memory."""
    files = workloads.write("peak", folder, scale)
    assert files is not None, "the peak workload needs no data"
    rows: dict[str, Row] = {}
    for events_per_message in scale.events_per_message:
        kinds = [kind for kind in KINDS if only in ("", f"{kind}-{events_per_message}", kind)]
        if kinds:
            rows |= _one_stream(folder / str(events_per_message), files, scale, events_per_message, kinds)
    return rows


def _one_stream(
    folder: Path, files: WorkloadFiles, scale: Scale, events_per_message: int, kinds: list[str]
) -> dict[str, Row]:
    """Stores the events once, `events_per_message` in each message, and reads them in every way."""
    lines = Path(files.path).read_bytes().splitlines(keepends=True)
    payloads = [b"".join(lines[at : at + events_per_message]) for at in range(0, len(lines), events_per_message)]
    per_message = len(lines) / len(payloads)
    folder.mkdir()
    with EmbeddedServer(folder / "nats", sync="1m") as server:
        settings = daemon_settings(folder, server.url, files.config)
        run_loop(create_stream(settings))
        with BareSocket(server.port) as connection, Meter() as publishing:
            connection.publish(settings.input.subject, payloads)
        sizes = folder / "sizes.npy"
        np.save(sizes, np.array([len(payload) for payload in payloads]))
        bare: dict[str, Any] = {"port": server.port, "stream": settings.input.stream, "events_per_message": per_message}
        stored = bare | {"subject": settings.input.subject, "sizes": str(sizes)}
        fetched = min(len(payloads), scale.fetched_events)
        measures = {
            "push": fresh(bus_limit.push, **stored),
            "pull": fresh(bus_limit.pull, **stored),
            "fetch": fresh(bus_limit.fetch, **bare, messages=fetched),
            "engine": fresh(in_process.measure, **files.arguments, checked_events=scale.checked_events),
            "daemon": fresh(measure, url=server.url, engine_config=files.config, messages=len(payloads)),
        }
        title = f"bus, {events_per_message:,} per message"
        cases = {f"{kind}-{events_per_message}": measures[kind] for kind in kinds}
        rows = in_turns(title, cases, scale.repeat)
    filled = {"publishing_events_per_s": round(len(lines) / publishing.seconds)}
    return {name: row | filled for name, row in rows.items()}


def measure(url: str, engine_config: str, messages: int) -> Row:
    """What the daemon does: connects, reads to the end, applies, publishes with acks, takes its last snapshot.

    Figures that begin with `published_` end when all availability is published, before the snapshot.
    """
    warm_up()
    with tempfile.TemporaryDirectory(prefix="tallystick-bench-") as name:
        # Streams of its own for what it publishes, so that no run goes on where another one ended.
        settings = daemon_settings(Path(name), url, engine_config, output=Path(name).name)
        with Meter() as meter, ExitStack() as until_published:
            published = until_published.enter_context(Meter())
            work = run_daemon(settings, until_sequence=messages, on_published=until_published.close)
            report: RunReport = run_loop(work)
        row = meter.figures(report.events_total)
        before_saving = published.figures(report.events_total)
        row |= {f"published_{name}": before_saving[name] for name in ("seconds", "events_per_s", "cpu_ns_per_event")}
        # The ledger itself is gone with the daemon; what it saved must be the same, and tells what it costs.
        with SnapshotFolder(settings.snapshots.folder, keep=settings.snapshots.keep) as snapshots:
            saved = snapshots.newest()
        if saved is None:
            raise ValueError("the daemon saved no snapshot: no figure is valid")
        ledger = figures.of_ledger(Engine.restore(saved.data, settings.engine_json))
    if ledger["state_hash"] != report.state_hash:
        raise ValueError("the daemon's snapshot is not its last state: no figure is valid")
    return {
        **row,
        "messages": messages,
        "outcomes": {name: count for name, count in report.outcomes.items() if count},
        **ledger,
    }


def warm_up() -> None:
    """Loads what the daemon loads when it is needed: that is a cost of each start, not of events."""
    import nats.aio.client
    import nats.micro  # noqa: F401


def daemon_settings(
    folder: Path, url: str, engine_config: str, *, output: str = "bench", publish_interval_ms: int = 100,
    snapshot_interval_s: float = 3_600.0,
) -> Config:  # fmt: skip
    """Writes and loads a daemon's configuration. `output` tells its output streams from those of others."""
    path = folder / "tallystick.toml"
    path.write_text(
        f'{engine_config}\n[nats]\nurl = "{url}"\n'
        f'[snapshots]\nfolder = "snapshots"\ninterval_s = {snapshot_interval_s}\n'
        f'[output]\navailability_stream = "A-{output}"\navailability_subject = "a-{output}"\n'
        f'exceptions_stream = "E-{output}"\nexceptions_subject = "e-{output}"\n'
        f"publish_interval_ms = {publish_interval_ms}\n",
        "utf-8",
    )
    return load(path, {})


async def create_stream(settings: Config) -> None:
    """Creates the event stream as the daemon would."""
    client = await connect(settings.nats)
    try:
        await ensure_input(JetStream(client), settings.input)
    finally:
        await client.close()
