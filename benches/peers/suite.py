"""Suite: all peers in turns on the same file; who cannot be measured here is named."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from benches import workloads
from benches.peers import bytewax, duckdb, engine, nats_callback, plain_python, postgres, redis, sqlite
from benches.process import Row
from benches.scale import Scale
from benches.turns import Measure, fresh, in_turns


class Peer(NamedTuple):
    """One way to do the job."""

    name: str
    measure: Callable[..., Row]
    arguments: dict[str, Any]
    package: str | None = None
    """What must be installed for it."""
    missing: Callable[[], str | None] = lambda: None


def run(folder: Path, scale: Scale, only: str) -> dict[str, Row]:
    """One row per peer that could be measured."""
    files = workloads.write("peers", folder, scale, events=scale.peer_events)
    assert files is not None, "the workload needs no data"
    cases: dict[str, Measure] = {}
    for peer in _peers(files.config):
        if only not in ("", peer.name):
            continue
        absent = peer.package is not None and find_spec(peer.package) is None
        reason = f"{peer.package} is not installed" if absent else peer.missing()
        if reason:
            print(f"{peer.name:<18} not measured: {reason}")
            continue
        cases[peer.name] = fresh(peer.measure, path=files.path, **peer.arguments)
    return in_turns("peers", cases, scale.repeat)


def _peers(config: str) -> tuple[Peer, ...]:
    return (
        Peer("tallystick", engine.measure, {"config": config, "batch_events": 5_000}),
        Peer("tallystick-1000", engine.measure, {"config": config, "batch_events": 1_000}),
        Peer("python", plain_python.measure, {}),
        Peer("bytewax", bytewax.measure, {}, "bytewax"),
        Peer("duckdb", duckdb.measure, {}, "duckdb"),
        Peer("sqlite", sqlite.measure, {}),
        Peer("redis", redis.measure, {}, "redis", redis.missing),
        Peer("postgresql", postgres.measure, {}, "psycopg", postgres.missing),
        Peer("nats-py-callback", nats_callback.measure, {}),
    )
