"""The tables of `tests/scenarios`, through the library: the engine and its twin, as Python sees them."""

import json
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from tallystick import OUTCOMES, Batch, Engine, Reference
from tests.tables import Scenario, messages, scenarios

NAMES = {number: name for name, number in OUTCOMES.items()}
SILENT = {"applied", "duplicate", "absorbed", "held", "observed"}
ACCOUNTS = ("on_hand", "reserved", "allocated", "picked", "in_transit", "quarantine", "damaged")
OUTSIDE = ("supplier", "customer", "adjustment")
# Names of differing fields are told by slices of hashes; a fixed key makes the same slices in every run.
KEY = b"b key of 16 byte"


def _nanoseconds(time: str) -> int:
    # datetime ends at microseconds; the tables' log times go further.
    whole, _, fraction = time.removesuffix("Z").partition(".")
    seconds = int(datetime.fromisoformat(whole + "+00:00").timestamp())
    return seconds * 1_000_000_000 + int(fraction.ljust(9, "0"))


def _expected_outcomes(step: dict[str, Any]) -> list[str]:
    expect = step["expect"]
    return [expect] * step.get("repeat", 1) if isinstance(expect, str) else list(expect)


def _expected_balances(scenario: Scenario) -> Iterable[dict[str, Any]]:
    for row in scenario.balances:
        names = {name: row.get(name, scenario.defaults.get(name)) for name in ("sku", "location", "lot", "owner")}
        accounts = {name: Decimal(row.get(name, 0)) for name in ACCOUNTS}
        atp = accounts["on_hand"] - accounts["reserved"] - accounts["allocated"]
        yield {name: text for name, text in names.items() if text} | accounts | {"atp": Decimal(row.get("atp", atp))}


def _rows(lines: bytes) -> list[dict[str, Any]]:
    return [json.loads(line, parse_float=Decimal, parse_int=Decimal) for line in lines.splitlines()]


def _told(batch: Batch) -> Iterable[str]:
    """Gaps, and the final outcomes of elements that were held, in the order in which they came about."""
    gaps = [exception for exception in batch.exceptions if exception.missing is not None]
    for sequence, index, outcome in batch.released:
        if gaps and (gaps[0].sequence, gaps[0].index) == (sequence, index):
            first, last = gaps.pop(0).missing or (0, 0)
            yield f"gap {first}-{last}"
        yield f"{sequence} {NAMES[outcome]}"


@pytest.mark.parametrize("scenario", list(scenarios()), ids=lambda scenario: scenario.place)
def test_scenario(scenario: Scenario) -> None:
    engine, reference = Engine(scenario.config, key=KEY), Reference(scenario.config)
    log_time_ns, sequence = _nanoseconds(scenario.log_time), 1
    for number, step in enumerate(scenario.steps, 1):
        if "log_time" in step:
            log_time_ns = _nanoseconds(step["log_time"])
        sent = messages(scenario, step, number)
        outcomes = _expected_outcomes(step)
        batches = []
        if step.get("replay"):
            batch = engine.apply(sent[0], sequence)
            names = reference.apply(sent[0], sequence)
            sequence += len(outcomes)
            batches.append(engine.release_held())
            reference.release_held(sequence - 1)
        else:
            batch = engine.apply(sent, sequence, log_time_ns)
            names = reference.apply(sent, sequence, log_time_ns)
            sequence += len(sent)
        assert [NAMES[outcome] for outcome in batch.outcomes.tolist()] == outcomes, f"step {number} of the engine"
        assert names == outcomes, f"step {number} of the reference"
        then = [told for each in [batch, *batches] for told in _told(each)]
        assert then == step.get("then", []), f"step {number}: what followed"
        codes = step.get("exceptions", [outcome for outcome in outcomes if outcome not in SILENT])
        released = {place[:2] for place in batch.released}
        found = [exception for exception in batch.exceptions if (exception.sequence, exception.index) not in released]
        assert sorted(exception.code for exception in found if exception.missing is None) == sorted(codes), (
            f"step {number}"
        )
        if "fields" in step:
            fields = [field for exception in batch.exceptions for field in exception.fields]
            assert sorted(fields) == sorted(step["fields"]), f"step {number}"
    assert _rows(engine.balance_lines()) == list(_expected_balances(scenario))
    assert reference.balances() == engine.balance_lines()
    assert reference.state_hash() == engine.state_hash()
    totals = engine.trial_balance()
    if scenario.books is not None:
        books = {name: int(scenario.books.get(name, 0) * 1_000) for name in OUTSIDE}
        assert {name: totals[name] for name in OUTSIDE} == books
    assert sum(totals.values()) == 0
    if scenario.open is not None:
        assert sorted(engine.open_exceptions()) == sorted(scenario.open), "open exceptions of the engine"
        assert sorted(reference.open_exceptions()) == sorted(scenario.open), "open exceptions of the reference"
