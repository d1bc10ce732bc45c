"""The dashboard and the alert rules, evaluated by a real Prometheus that scrapes a real daemon."""

import asyncio
import contextlib
import json
import random
import shutil
import subprocess
import urllib.parse
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tallystick.bus.embedded import EmbeddedServer
from tallystick.bus.jetstream import JetStream
from tests.expressions import alerts, concrete, metrics_in, of_dashboard
from tests.integration import probes
from tests.integration.daemon import has_reached, publish, random_messages, until, write_config
from tests.integration.test_disk import started

NOTHING_NOW = {"tallystick_blocked_seconds"}
"""What a daemon that is well has no sample of."""


@contextlib.contextmanager
def prometheus(folder: Path, target: int) -> Iterator[int]:
    """A Prometheus that scrapes a port once a second; the port where it answers."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not installed (Debian: apt install prometheus)")
    port = probes.free_port()
    settings = folder / "prometheus.yml"
    settings.write_text(
        "global: {scrape_interval: 1s}\n"
        "scrape_configs:\n"
        f"  - {{job_name: tallystick, static_configs: [{{targets: ['127.0.0.1:{target}']}}]}}\n"
    )
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [program, f"--config.file={settings}", f"--storage.tsdb.path={folder / 'tsdb'}",
             f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"],
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        yield port
    finally:
        process.kill()
        process.wait()


async def query(port: int, expression: str) -> list[Any]:
    reply = await probes.ask(port, f"/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
    answer = json.loads(reply.text)
    assert answer["status"] == "success", (expression, answer)
    found: list[Any] = answer["data"]["result"]
    return found


async def test_every_panel_and_every_rule_is_answered(
    tmp_path: Path, server: EmbeddedServer, bus: JetStream, rng: random.Random
) -> None:
    port = probes.free_port()
    tables: dict[str, dict[str, Any]] = {"snapshots": {"interval_s": 0.3}, "http": {"listen": f"127.0.0.1:{port}"}}
    with started(write_config(tmp_path, server.url, tables)), prometheus(tmp_path, port) as at:
        await probes.until_ready(port)
        await publish(bus, random_messages(rng, 200))
        await until(partial(has_reached, bus.client, 200))

        async def has_two_scrapes() -> bool:
            with contextlib.suppress(OSError, json.JSONDecodeError):
                found = await query(at, "min(count_over_time(tallystick_positions[1m]))")
                return bool(found) and float(found[0]["value"][1]) >= 3
            return False

        await until(has_two_scrapes)
        await publish(bus, random_messages(random.Random(rng.random()), 50))
        await asyncio.sleep(2)
        assert await query(at, 'up{job="tallystick"} == 1')
        for expression in of_dashboard():
            found = await query(at, concrete(expression, "tallystick", f"127.0.0.1:{port}"))
            assert found or metrics_in(expression) & NOTHING_NOW, expression
        for name, rule in alerts().items():
            await query(at, rule["expr"])
            assert name
