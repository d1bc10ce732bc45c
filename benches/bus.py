"""Bus, end to end: a stored stream through the daemon's own pipeline until availability is published and saved.

The stream is filled before the clock starts, by a process of its own. The measured process does what the daemon does:
it connects, reads, applies, publishes with acks, takes its last snapshot.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benches.meter import Meter
from tallystick.config import Config, load
from tallystick.connection import connect
from tallystick.embedded import EmbeddedServer
from tallystick.event_loop import run_loop
from tallystick.jetstream import JetStream
from tallystick.pipeline import RunReport, run


def measure(path: Path, engine_config: str, *, events_per_message: int) -> dict[str, Any]:
    """Publishes the file's events, `events_per_message` in each message, and runs the pipeline to their end."""
    with (
        tempfile.TemporaryDirectory(prefix="tallystick-bench-") as name,
        EmbeddedServer(Path(name) / "nats", sync="1m") as server,
    ):
        config_path = Path(name) / "tallystick.toml"
        config_path.write_text(
            f'{engine_config}\n[nats]\nurl = "{server.url}"\n[snapshots]\nfolder = "snapshots"\n', "utf-8"
        )
        with Meter() as publishing:
            _publish(path, config_path, events_per_message)
        settings = load(config_path)
        messages = run_loop(_messages(settings))
        with Meter() as meter:
            report: RunReport = run_loop(run(settings, until_sequence=messages))
    return {
        **meter.figures(report.events_total),
        "events_per_message": events_per_message,
        "messages": messages,
        "published_events_per_s": round(report.events_total / publishing.seconds),
        "outcomes": {name: count for name, count in report.outcomes.items() if count},
        "positions": report.positions,
        "state_hash": report.state_hash,
    }


def _publish(path: Path, config: Path, events_per_message: int) -> None:
    command = [sys.executable, "-m", "tallystick", "publish", str(path), "--config", str(config)]
    subprocess.run([*command, "--events-per-message", str(events_per_message)], stdout=subprocess.DEVNULL, check=True)


async def _messages(settings: Config) -> int:
    client = await connect(settings.nats)
    try:
        stream = await JetStream(client).stream(settings.input.stream)
        return stream.last_sequence if stream else 0
    finally:
        await client.close()
