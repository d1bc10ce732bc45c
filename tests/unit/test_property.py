"""Drawn logs with repeats, conflicts and refusals, against a few lines of Python that follow `docs/events.md`.

`test_model.py` looks at well-formed events in any order; this file looks at what becomes of every element of a log,
through the library and through the command line.
"""

import json
import random
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from tallystick import OUTCOMES, Engine, Reference
from tests.conftest import seed as run_seed

pytestmark = pytest.mark.slow

LOG_TIME_NS = 1_772_366_400_000_000_000
"""2026-03-01T12:00:00Z, after all times that are drawn."""
NAMES = {number: name for name, number in OUTCOMES.items()}
# Type → legs on the accounts that a balance shows.
LEGS = {
    "stock.received": {"on_hand": 1},
    "stock.adjusted": {"on_hand": 1},
    "stock.reserved": {"reserved": 1},
    "stock.picked": {"on_hand": -1, "picked": 1, "allocated": -1},
    "stock.shipped": {"picked": -1},
    "stock.sold": {"on_hand": -1},
    "stock.returned": {"quarantine": 1},
}
ACCOUNTS = ("on_hand", "reserved", "allocated", "picked", "in_transit", "quarantine", "damaged")

EVENTS = st.fixed_dictionaries(
    {
        "id": st.sampled_from([str(number) for number in range(25)]),
        "source": st.sampled_from(["erp", "wms"]),
        "type": st.sampled_from([*LEGS, "stock.counted", "stock.counted", "stock.unheard"]),
        "sku": st.sampled_from(["A", "B"]),
        "location": st.just("DC1"),
        "quantity": st.sampled_from(["1", "2.5", "0.001", "40", "0", "-3", "1e1", "0.0001", "1e13", "many"]),
        "time": st.integers(0, 20).map(lambda minute: f"2026-01-05T08:{minute:02}:00Z"),
    },
    optional={"lot": st.just("L"), "reason": st.sampled_from(["x", "y"])},
)


class Model:
    """The contract in dictionaries: keys with bodies, latest counts, and every movement ever applied."""

    def __init__(self) -> None:
        self.keys: dict[tuple[str, str], dict[str, Any]] = {}
        self.counts: dict[Any, tuple[tuple[str, str, str], Decimal]] = {}
        self.legs: list[tuple[Any, str, str, Decimal]] = []
        self.places: set[Any] = set()

    def apply(self, event: dict[str, Any]) -> str:
        if event["quantity"] == "many":
            return "malformed"
        kind, quantity = event["type"], Decimal(event["quantity"])
        if kind != "stock.counted" and kind not in LEGS:
            return "unknown_type"
        least = {"stock.counted": Decimal(0), "stock.adjusted": Decimal(-(10**12))}.get(kind, Decimal("0.001"))
        forbidden = kind == "stock.adjusted" and quantity == 0
        if quantity % Decimal("0.001") or not least <= quantity <= 10**12 or forbidden:
            return "quantity_invalid"
        body = {**event, "quantity": quantity, "reason": None}
        known = self.keys.setdefault((event["source"], event["id"]), body)
        if known is not body:
            return "duplicate" if known == body else "conflict"
        place, time = (event["sku"], event["location"], event.get("lot", "")), event["time"]
        self.places.add(place)
        latest = self.counts.get(place, (("", "", ""), Decimal(0)))
        if kind == "stock.counted":
            self.counts[place] = max(latest, ((time, event["source"], event["id"]), quantity))
            return "applied" if self.counts[place] != latest else "absorbed"
        self.legs += [(place, account, time, sign * quantity) for account, sign in LEGS[kind].items()]
        return "absorbed" if "on_hand" in LEGS[kind] and time <= latest[0][0] else "applied"

    def balances(self) -> dict[Any, dict[str, Decimal]]:
        ledger = {place: dict.fromkeys(ACCOUNTS, Decimal(0)) for place in self.places}
        for place, (_, quantity) in self.counts.items():
            ledger[place]["on_hand"] = quantity
        for place, account, time, amount in self.legs:
            if account != "on_hand" or place not in self.counts or time > self.counts[place][0][0]:
                ledger[place][account] += amount
        return ledger


def _balances(lines: bytes) -> dict[Any, dict[str, Decimal]]:
    rows = [json.loads(line, parse_float=Decimal, parse_int=Decimal) for line in lines.splitlines()]
    return {(row["sku"], row["location"], row.get("lot", "")): {name: row[name] for name in ACCOUNTS} for row in rows}


@seed(run_seed())
@settings(max_examples=300, deadline=None, database=None)
@given(st.lists(EVENTS, max_size=50))
def test_every_outcome_and_balance_is_the_models(events: list[dict[str, Any]]) -> None:
    model = Model()
    expected = [model.apply(event) for event in events]
    lines = b"\n".join(json.dumps(event).encode() for event in events)
    engine, reference = Engine(), Reference()
    outcomes = engine.apply(lines, 1, event_times=True).outcomes.tolist()
    assert [NAMES[outcome] for outcome in outcomes] == expected
    assert reference.apply(lines, 1, event_times=True) == expected
    assert _balances(engine.balance_lines()) == model.balances()
    assert (reference.balances(), reference.state_hash()) == (engine.balance_lines(), engine.state_hash())


def _log(rng: random.Random, count: int) -> list[dict[str, Any]]:
    """A log that history and window hold: every position keeps fewer movements than it may."""
    kinds = [*LEGS, "stock.counted", "stock.unheard"]
    return [
        {
            "id": str(rng.randrange(count * 2)),
            "source": rng.choice(["erp", "wms"]),
            "type": rng.choice(kinds),
            "sku": f"SKU-{number % (count // 20):03}",
            "location": "DC1",
            "quantity": rng.choice(["1", "2.5", "7", "0"]),
            "time": f"2026-01-05T{rng.randrange(24):02}:{rng.randrange(60):02}:00Z",
        }
        for number in range(count)
    ]


def test_the_command_line_answers_as_the_library_and_the_model(tmp_path: Path, rng: random.Random) -> None:
    events = _log(rng, 2_000)
    model = Model()
    expected = [model.apply(event) for event in events]
    log = tmp_path / "log.ndjson"
    log.write_bytes(b"".join(json.dumps(event).encode() + b"\n" for event in events))
    balances, outcomes = tmp_path / "balances.ndjson", tmp_path / "outcomes.ndjson"
    outputs = ["--json", "--balances", str(balances), "--outcomes", str(outcomes)]
    command = [sys.executable, "-m", "tallystick", "replay", str(log), *outputs]
    done = subprocess.run(command, capture_output=True, check=True)
    summary = json.loads(done.stdout)
    engine = Engine()
    engine.apply(log.read_bytes(), 1, event_times=True)
    assert summary["events"] == len(events)
    assert summary["outcomes"] == {name: expected.count(name) for name in set(expected)}
    assert summary["positions"] == len(model.balances())
    assert summary["state_hash"] == engine.state_hash()
    assert balances.read_bytes() == engine.balance_lines()
    assert _balances(balances.read_bytes()) == model.balances()
    rows = [json.loads(line) for line in outcomes.read_bytes().splitlines()]
    assert [row["n"] for row in rows] == list(range(1, len(events) + 1))
    assert [(row["source"], row["id"]) for row in rows] == [(event["source"], event["id"]) for event in events]
    assert [row["outcome"] for row in rows] == expected


def test_fifty_orders_with_repeats_leave_one_state(rng: random.Random) -> None:
    # One body for each key, and no refusals by time: what is left must not depend on order.
    events = list({(event["source"], event["id"]): event for event in _log(rng, 600)}.values())
    states = set()
    for _ in range(50):
        order = events + rng.choices(events, k=100)
        rng.shuffle(order)
        lines = b"\n".join(json.dumps(event).encode() for event in order)
        engine, reference = Engine(), Reference()
        engine.apply(lines, 1, event_times=True)
        reference.apply(lines, 1, event_times=True)
        states |= {(engine.state_hash(), engine.balance_lines()), (reference.state_hash(), reference.balances())}
    assert len(states) == 1


TIMES = st.integers(0, 29).map(lambda minute: f"2026-03-01T11:{minute:02}:00Z")
STOCK = st.fixed_dictionaries(
    {
        "type": st.sampled_from([*LEGS, "stock.counted", "stock.counted"]),
        "sku": st.sampled_from(["A", "B"]),
        "location": st.sampled_from(["DC1", "DC2"]),
        "quantity": st.integers(1, 30),
        "time": TIMES,
    }
)


@st.composite
def _corrected(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Stock events, some of them voided, others corrected, once or twice.

    None is voided twice or voided and corrected: which of the two is refused then depends on their order.
    """
    events = draw(st.lists(STOCK, min_size=1, max_size=15))
    said = [event | {"id": f"e{number}"} for number, event in enumerate(events)]
    # One target more than there are: it never comes.
    for number in range(len(events) + 1):
        plan = draw(st.sampled_from(["stands", "stands", "voided", "corrected", "corrected twice"]))
        target: dict[str, Any] = {"target": {"id": f"e{number}"}}
        if plan == "voided":
            said.append({"id": f"v{number}", "type": "event.voided", "time": draw(TIMES)} | target)
        for name in {"corrected": "c", "corrected twice": "cd"}.get(plan, ""):
            correction = {"id": f"{name}{number}", "type": "event.corrected", "time": draw(TIMES), "event": draw(STOCK)}
            said.append(correction | target)
    return [event | {"source": "wms", "sequence": number} for number, event in enumerate(said, 1)]


@st.composite
def _disordered(draw: st.DrawFn) -> tuple[list[bytes], list[list[bytes]]]:
    """Events in their order, each alone; and the same permuted, some repeated, cut into messages and calls."""
    events = [json.dumps(event).encode() for event in draw(_corrected())]
    shuffled = draw(st.permutations([*events, *draw(st.lists(st.sampled_from(events), max_size=8))]))
    calls: list[list[bytes]] = [[]]
    while shuffled:
        together = draw(st.integers(1, 8))
        calls[-1].append(b"[" + b",".join(shuffled[:together]) + b"]")
        shuffled = shuffled[together:]
        if draw(st.booleans()):
            calls.append([])
    return events, calls


def _end(twin: Engine | Reference, calls: list[list[bytes]]) -> tuple[str, list[str]]:
    """State hash and open exceptions, lateness aside: it is what the order of arrival is about."""
    sequence = 1
    for messages in filter(None, calls):
        twin.apply(messages, sequence, LOG_TIME_NS)
        sequence += len(messages)
    if isinstance(twin, Engine):
        twin.release_held()
    else:
        twin.release_held(sequence - 1)
    return twin.state_hash(), [item for item in twin.open_exceptions() if not item.startswith("late ")]


@pytest.mark.parametrize("config", ["", '[sources.wms]\norder = "increasing"\n'], ids=["arrival", "increasing"])
@seed(run_seed())
@settings(max_examples=200, deadline=None, database=None)
@given(_disordered())
def test_no_disorder_of_counts_voids_and_corrections_shows_in_the_end(
    config: str, drawn: tuple[list[bytes], list[list[bytes]]]
) -> None:
    events, calls = drawn
    in_order = [[event] for event in events]
    ends = [_end(twin(config), each) for twin in (Engine, Reference) for each in (in_order, calls)]
    assert ends[1:] == ends[:1] * 3, "engine in order, engine, reference in order, reference"
