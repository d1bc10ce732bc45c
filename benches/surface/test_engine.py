"""One call each of what the Python interface offers. Run by `python -m benches surface`; `make test` runs each once.

By hand: `python -m pytest benches/surface --benchmark-enable`. Every case says how many events or positions one call
has, and leaves the state hash behind it, so that figures of different states are never compared.
"""

import time
from collections.abc import Callable
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benches.meter import rss_kib_peak
from benches.rows import CONFIG, Rows
from tallystick import Engine

SEED = 1
POSITIONS = 20_000
FILLED_EVENTS = 40_000
KEYS = 10_000
"""Positions asked for at once."""
CPU_CALLS = 5


@pytest.fixture(scope="module")
def filled() -> Engine:
    """A ledger of 20,000 positions. Nobody changes it."""
    engine = Engine(CONFIG)
    for block in Rows(POSITIONS, SEED).blocks(FILLED_EVENTS):
        engine.apply(block, engine.sequence + 1, event_times=True)
    return engine


@pytest.fixture(scope="module")
def image(filled: Engine) -> bytes:
    engine = Engine(CONFIG)
    for block in Rows(POSITIONS, SEED).blocks(FILLED_EVENTS):
        engine.apply(block, engine.sequence + 1, event_times=True)
    engine.flush("S")
    assert engine.state_hash() == filled.state_hash()
    return engine.snapshot()


@pytest.fixture(scope="module")
def names(filled: Engine) -> list[tuple[str, str]]:
    columns = filled.columns(0, KEYS)
    return list(zip(columns.sku, columns.location, strict=True))


def note(benchmark: BenchmarkFixture, call: Callable[[], object], *, of: str, count: int, engine: Engine) -> None:
    """Writes down what the figures are of, and the CPU time of a call, which pytest-benchmark does not measure."""
    before = time.process_time()
    for _ in range(CPU_CALLS):
        call()
    cpu_s = (time.process_time() - before) / CPU_CALLS
    rss_mib_peak = round(rss_kib_peak() / 1024, 1)  # Of this process: of all cases up to here.
    benchmark.extra_info.update(
        of=of, count=count, cpu_s=cpu_s, rss_mib_peak=rss_mib_peak, state_hash=engine.state_hash()
    )


def test_construction(benchmark: BenchmarkFixture) -> None:
    engine = benchmark(Engine, CONFIG)
    note(benchmark, lambda: Engine(CONFIG), of="call", count=1, engine=engine)
    assert len(engine) == 0


@pytest.mark.parametrize("events", [1, 100, 10_000])
def test_apply(benchmark: BenchmarkFixture, events: int) -> None:
    (block,) = Rows(POSITIONS, SEED).blocks(events)
    engines: list[Engine] = []

    def fresh() -> tuple[tuple[Any, ...], dict[str, Any]]:
        engines.append(Engine(CONFIG))
        return (engines[-1],), {}

    def apply(engine: Engine) -> int:
        return len(engine.apply(block, 1, event_times=True))

    rounds = max(20, 2_000 // events) if benchmark.enabled else 1
    assert benchmark.pedantic(apply, setup=fresh, rounds=rounds, warmup_rounds=min(rounds, 3)) == events
    others = iter([Engine(CONFIG) for _ in range(CPU_CALLS)])
    note(benchmark, lambda: apply(next(others)), of="event", count=events, engine=engines[-1])
    assert sum(engines[-1].outcome_totals().values()) == events


def test_balance_of_1(benchmark: BenchmarkFixture, filled: Engine, names: list[tuple[str, str]]) -> None:
    sku, location = names[7]
    found = benchmark(filled.position, sku, location)
    note(benchmark, lambda: filled.position(sku, location), of="position", count=1, engine=filled)
    assert (found.sku, found.location) == (sku, location)


def test_balance_of_10000(benchmark: BenchmarkFixture, filled: Engine, names: list[tuple[str, str]]) -> None:
    found = benchmark(filled.positions, names)
    note(benchmark, lambda: filled.positions(names), of="position", count=len(names), engine=filled)
    assert [position.sku for position in found] == [sku for sku, _ in names]


def test_columns(benchmark: BenchmarkFixture, filled: Engine) -> None:
    columns = benchmark(filled.columns)
    note(benchmark, filled.columns, of="position", count=len(columns), engine=filled)
    assert len(columns) == len(filled)


def test_flush(benchmark: BenchmarkFixture) -> None:
    (block,) = Rows(POSITIONS, SEED).blocks(KEYS)

    def changed() -> tuple[tuple[Any, ...], dict[str, Any]]:
        engine = Engine(CONFIG)
        engine.apply(block, 1, event_times=True, hold_output=True)
        return (engine,), {}

    def flush(engine: Engine) -> int:
        return engine.flush("S").positions

    rounds = 20 if benchmark.enabled else 1
    positions = benchmark.pedantic(flush, setup=changed, rounds=rounds)
    engines = [changed()[0][0] for _ in range(CPU_CALLS)]
    rest = iter(engines)
    note(benchmark, lambda: flush(next(rest)), of="position", count=positions, engine=engines[0])
    assert positions == len(engines[0])


def test_snapshot(benchmark: BenchmarkFixture, image: bytes) -> None:
    engine = Engine.restore(image, CONFIG)
    found = benchmark(engine.snapshot)
    note(benchmark, engine.snapshot, of="byte", count=len(found), engine=engine)
    assert found == image


def test_restore(benchmark: BenchmarkFixture, image: bytes, filled: Engine) -> None:
    engine = benchmark(Engine.restore, image, CONFIG)
    note(benchmark, lambda: Engine.restore(image, CONFIG), of="byte", count=len(image), engine=engine)
    assert engine.state_hash() == filled.state_hash()


def test_memory(benchmark: BenchmarkFixture, filled: Engine) -> None:
    memory = benchmark(filled.memory)
    note(benchmark, filled.memory, of="call", count=1, engine=filled)
    assert sum(memory.values()) > 0


def test_state_hash(benchmark: BenchmarkFixture, filled: Engine) -> None:
    found = benchmark(filled.state_hash)
    note(benchmark, filled.state_hash, of="position", count=len(filled), engine=filled)
    assert found == filled.state_hash()
