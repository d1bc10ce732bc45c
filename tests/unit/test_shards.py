"""Shards through the library: threads work on parts of the state, and nothing that can be seen depends on how many.

The log is large enough for the threads to come together; that small ones agree is shown by the Rust properties.
"""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pytest

from tallystick import Engine
from tallystick._engine import Inbox
from tallystick.files.replay import replay
from tests.conftest import seed as run_seed

pytestmark = pytest.mark.slow

EVENTS: Final = 40_000
TIME_NS: Final = 1_772_366_400 * 10**9
CONFIG: Final = '[engine]\nnegative_stock = "refuse"\nmax_age = "none"\n'
SHARDS: Final = (2, 4, 8, 16, 64)
KINDS: Final = ("stock.received", "stock.sold", "stock.reserved", "stock.counted", "transfer.dispatched", "unheard")


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    """Events with repetitions, conflicts, refusals by the state, and now and then an id that others carry on."""
    rng = random.Random(run_seed())
    rows: list[dict[str, Any]] = []
    for number in range(EVENTS):
        if rows and rng.random() < 0.1:
            again = dict(rng.choice(rows[-3_000:]))
            rows.append(again | ({"quantity": 7} if rng.random() < 0.1 else {}))
            continue
        kind = rng.choice(KINDS)
        row: dict[str, Any] = {
            "id": str(number),
            "source": "wms",
            "type": kind,
            "sku": f"S{int(rng.paretovariate(0.4)) % 3_000}",
        }
        row |= {"location": rng.choice("ABC"), "quantity": rng.randrange(1, 30)}
        if kind == "transfer.dispatched":
            row["to_location"] = rng.choice("ABC")
        if rng.random() < 0.02:
            row["correlationid"] = f"flow-{number}"
        rows.append(row)
    return rows


def _lines(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def _by_lines(engine: Engine, rows: list[dict[str, Any]]) -> list[Any]:
    batch = engine.apply(_lines(rows), 1, TIME_NS)
    return [batch.outcomes.tolist(), batch.exceptions, batch.availability]


def _by_columns(engine: Engine, rows: list[dict[str, Any]]) -> list[Any]:
    batch = engine.apply_columns(pa.Table.from_pylist(rows), 1, TIME_NS)
    return [batch.outcomes.tolist(), batch.exceptions, batch.availability]


def _by_inbox(engine: Engine, rows: list[dict[str, Any]]) -> list[Any]:
    inbox = Inbox(1)
    for sequence, start in enumerate(range(0, len(rows), 50), 1):
        inbox.push(sequence, TIME_NS + sequence, _lines(rows[start : start + 50]))
    engine.apply_inbox(inbox, events_max=len(rows))
    flush = engine.flush("EVENTS")
    return [flush.availability, flush.exceptions]


def _seen(engine: Engine) -> list[Any]:
    columns = engine.columns()
    positions = list(
        zip(columns.sku, columns.location, columns.on_hand_thousandths.tolist(), columns.version.tolist(), strict=True)
    )
    counts = engine.memory()["keys_count"]
    return [positions, engine.balance_lines(), engine.state_hash(), engine.outcome_totals(), counts, len(engine)]


def _plain(value: Any) -> Any:
    """Records and positions as what they show."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if type(value).__module__ != "tallystick._engine":
        return value
    shown = {name: getattr(value, name) for name in dir(value) if not name.startswith("_")}
    return {name: np.asarray(item).tolist() for name, item in shown.items() if not callable(item)}


@pytest.mark.parametrize("apply", [_by_lines, _by_columns, _by_inbox])
def test_number_of_shards_changes_nothing(rows: list[dict[str, Any]], apply: Callable[..., list[Any]]) -> None:
    whole = Engine(CONFIG, key=bytes(16))
    expected = _plain(apply(whole, rows)), _seen(whole)
    totals = whole.outcome_totals()
    assert all(totals.get(name, 0) > 50 for name in ("applied", "duplicate", "conflict", "negative_stock")), totals
    for shards in SHARDS:
        engine = Engine(CONFIG, key=bytes(16), shards=shards)
        assert engine.shards == shards
        assert (_plain(apply(engine, rows)), _seen(engine)) == expected, f"{shards} shards"
        assert sum(engine.trial_balance_thousandths().values()) == 0


def test_snapshot_is_restored_under_any_number_of_shards(rows: list[dict[str, Any]]) -> None:
    half = len(rows) // 2
    straight = Engine(CONFIG)
    straight.apply(_lines(rows), 1, TIME_NS)
    for before, behind in ((1, 4), (4, 1), (2, 16), (16, 16)):
        engine = Engine(CONFIG, shards=before)
        engine.apply(_lines(rows[:half]), 1, TIME_NS)
        engine = Engine.restore(engine.snapshot(), CONFIG, shards=behind)
        engine.apply(_lines(rows[half:]), half + 1, TIME_NS)
        assert (engine.shards, _seen(engine)) == (behind, _seen(straight))


def test_replay_writes_the_same_files(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    events = tmp_path / "events.ndjson"
    events.write_bytes(_lines(rows))
    outputs = set()
    for shards in (1, 3):
        balances, outcomes = tmp_path / f"balances-{shards}", tmp_path / f"outcomes-{shards}"
        replay([events], config=CONFIG, balances=balances, outcomes=outcomes, shards=shards)
        outputs.add((balances.read_bytes(), outcomes.read_bytes()))
    assert len(outputs) == 1


@pytest.mark.parametrize("shards", [0, 65])
def test_impossible_numbers_are_refused_in_words(shards: int) -> None:
    with pytest.raises(ValueError, match=f"from 1 to 64, not {shards}"):
        Engine(shards=shards)
    with pytest.raises(ValueError, match="from 1 to 64"):
        Engine.restore(Engine().snapshot(), shards=shards)
