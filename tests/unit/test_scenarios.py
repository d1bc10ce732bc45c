"""The tables of `tests/scenarios`, through the library: the engine and its twin, as Python sees them."""

import json
from collections.abc import Iterable, Iterator
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


def nanoseconds(time: str) -> int:
    # datetime ends at microseconds; the tables' log times go further.
    whole, _, fraction = time.removesuffix("Z").partition(".")
    seconds = int(datetime.fromisoformat(whole + "+00:00").timestamp())
    return seconds * 1_000_000_000 + int(fraction.ljust(9, "0"))


def applied(scenario: Scenario, engine: Engine) -> Iterator[list[Batch]]:
    """Tells an engine a scenario; returns the batches of each step."""
    log_time_ns = nanoseconds(scenario.log_time)
    for number, step in enumerate(scenario.steps, 1):
        log_time_ns = nanoseconds(step["log_time"]) if "log_time" in step else log_time_ns
        sent = messages(scenario, step, number)
        if step.get("replay"):
            yield [engine.apply(sent[0], event_times=True), engine.release_held()]
        else:
            yield [engine.apply(sent, engine.sequence + 1, log_time_ns, subjects=subjects_of(step, sent))]


def subjects_of(step: dict[str, Any], sent: list[bytes]) -> list[str] | None:
    """The subjects that the messages of a step came on, where the step says one."""
    return [step["subject"]] * len(sent) if "subject" in step else None


def _expected_outcomes(step: dict[str, Any]) -> list[str]:
    expect = step["expect"]
    return [expect] * step.get("repeat", 1) if isinstance(expect, str) else list(expect)


def _expected_balances(scenario: Scenario) -> Iterable[dict[str, Any]]:
    for row in scenario.balances:
        names = {name: row.get(name, scenario.defaults.get(name)) for name in ("sku", "location", "lot", "owner")}
        amounts = {name: Decimal(row.get(name, 0)) for name in (*ACCOUNTS, "ordered", "unpicked")}
        # Claims below zero give nothing to anybody.
        nothing = Decimal(0)
        claims = max(amounts["reserved"], nothing) + max(amounts["allocated"], nothing) + amounts["ordered"]
        unclaimed = Decimal(row.get("on_hand_atp", amounts["on_hand"] - amounts["unpicked"] - claims))
        told = {"on_hand_atp": unclaimed} | ({"atp": Decimal(row["atp"])} if "atp" in row else {})
        yield {name: text for name, text in names.items() if text} | amounts | told


def _check_balances(found: list[dict[str, Any]], scenario: Scenario) -> None:
    """Of each row what a table can say; what can be promised only where the table says it."""
    expected = list(_expected_balances(scenario))
    assert len(found) == len(expected)
    for row, wanted in zip(found, expected, strict=True):
        # What most positions have none of is left away.
        shown = {"ordered": Decimal(0), "unpicked": Decimal(0)} | row
        beside = {"safety_stock", "pending"} | ({"atp"} - wanted.keys())
        assert {name: shown[name] for name in shown.keys() - beside} == wanted


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


def _named(found: list[str], expected: list[str]) -> list[str]:
    """What is open, as a table names it: a code alone stands for all that are open of it."""
    codes = {item for item in expected if " " not in item}
    return sorted({item.split(" ")[0] if item.split(" ")[0] in codes else item for item in found})


class Twins:
    """The engine, and beside it the reference where it knows of what the scenario is about."""

    def __init__(self, scenario: Scenario) -> None:
        self.engine = Engine(scenario.config, key=KEY)
        self.reference = Reference(scenario.config) if scenario.has_twin else None
        self._sequence = 1

    def apply(self, sent: list[bytes], log_time_ns: int, subjects: list[str] | None) -> list[Batch]:
        """Messages, at one log time."""
        batch = self.engine.apply(sent, self._sequence, log_time_ns, subjects=subjects)
        if self.reference is not None:
            assert self.reference.apply(sent, self._sequence, log_time_ns, subjects=subjects) == _names(batch)
        self._sequence += len(sent)
        return [batch]

    def replay(self, lines: bytes, count: int) -> list[Batch]:
        """The lines of a file, and its end."""
        batch = self.engine.apply(lines, self._sequence, event_times=True)
        if self.reference is not None:
            assert self.reference.apply(lines, self._sequence, event_times=True) == _names(batch)
            self.reference.release_held(self._sequence + count - 1)
        self._sequence += count
        return [batch, self.engine.release_held()]

    def check_open(self, expected: list[str] | None, place: str) -> None:
        """What is open, where a table says it."""
        for ledger in (self.engine, self.reference):
            if expected is not None and ledger is not None:
                assert _named(ledger.open_exceptions(), expected) == sorted(expected), place

    def check_signals(self, expected: list[dict[str, Any]] | None, place: str) -> None:
        """Replenishment signals that stand, where a table says them."""
        for ledger in (self.engine, self.reference):
            if expected is not None and ledger is not None:
                found = ledger.replenishment()
                assert _says(found, expected), f"{place}: {type(ledger).__name__}: {found}"


def _names(batch: Batch) -> list[str]:
    return [NAMES[outcome] for outcome in batch.outcomes.tolist()]


def _codes(batch: Batch) -> list[str]:
    """Codes of what was raised at the elements of a step, sorted.

    Gaps and what followed for held elements are told apart; what the passing of time brings about is about no element.
    """
    released = {place[:2] for place in batch.released}
    found = (each for each in batch.exceptions if (each.sequence, each.index) not in released)
    return sorted(each.code for each in found if each.missing is None and each.outcome is not None)


@pytest.mark.parametrize("scenario", list(scenarios()), ids=lambda scenario: scenario.place)
def test_scenario(scenario: Scenario) -> None:
    twins = Twins(scenario)
    log_time_ns = nanoseconds(scenario.log_time)
    for number, step in enumerate(scenario.steps, 1):
        if "log_time" in step:
            log_time_ns = nanoseconds(step["log_time"])
        sent = messages(scenario, step, number)
        outcomes = _expected_outcomes(step)
        if step.get("replay"):
            batches = twins.replay(sent[0], len(outcomes))
        else:
            batches = twins.apply(sent, log_time_ns, subjects_of(step, sent))
        assert _names(batches[0]) == outcomes, f"step {number}"
        assert [told for batch in batches for told in _told(batch)] == step.get("then", []), f"step {number}"
        if "exceptions" in step or "open" not in step:
            codes = step.get("exceptions", [outcome for outcome in outcomes if outcome not in SILENT])
            assert _codes(batches[0]) == sorted(codes), f"step {number}"
        twins.check_open(step.get("open"), f"step {number}")
        twins.check_signals(step.get("signals"), f"step {number}")
        _check_promises(scenario, step, twins.engine, batches, f"step {number}")
        if "fields" in step:
            fields = [field for exception in batches[0].exceptions for field in exception.fields]
            assert sorted(fields) == sorted(step["fields"]), f"step {number}"
    _check_end(scenario, twins)


def _says(found: Any, expected: Any) -> bool:
    """Whether what was found says all that was expected: members that were not named are not compared."""
    if isinstance(expected, dict):
        return isinstance(found, dict) and all(
            name in found and _says(found[name], value) for name, value in expected.items()
        )
    if isinstance(expected, list):
        return (
            isinstance(found, list)
            and len(found) == len(expected)
            and all(_says(one, wanted) for one, wanted in zip(found, expected, strict=True))
        )
    return bool(found == expected)


def _decoded(text: bytes | str) -> Any:
    return json.loads(text, parse_float=Decimal)


def _instant(bucket: str) -> datetime:
    return datetime.fromisoformat(bucket if "T" in bucket else bucket + "T00:00:00+00:00")


def _figures(answer: dict[str, Any], count: int) -> list[Any]:
    """The figures of the first buckets, from where they change."""
    if answer.get("known") is False:
        return [0] * count
    steps = answer["horizon"]
    first = _instant(steps[0][0])
    length_s = 3_600 if "T" in steps[0][0] else 86_400
    figures: list[Any] = []
    for place, (_, figure) in enumerate(steps):
        is_last = place + 1 == len(steps)
        apart_s = 0.0 if is_last else (_instant(steps[place + 1][0]) - first).total_seconds()
        end = count if is_last else int(apart_s) // length_s
        figures += [figure] * (end - len(figures))
    return figures[:count]


def _check_promises(scenario: Scenario, step: dict[str, Any], engine: Engine, batches: list[Batch], place: str) -> None:
    """Answers to requests, and what can be promised behind the step."""
    if "answers" in step:
        told = [{"reply": reply} | _decoded(body) for batch in batches for reply, body in batch.answers]
        assert _says(told, step["answers"]), f"{place}: {told}"
    for row in step.get("figures", []):
        names = {name: scenario.defaults.get(name) for name in ("sku", "location")} | row
        if "group" in row:
            del names["location"]
        position = {name: names[name] for name in ("sku", "location", "group", "lot", "owner") if name in names}
        about = {name: row[name] for name in ("channel", "measure") if name in row}
        mode = row.get("mode", "look_ahead")
        question = {"positions": [position], "horizon": True, "mode": mode} | about
        answer = _decoded(engine.promise_json(json.dumps(question).encode()))["answers"][0]
        assert _figures(answer, len(row["are"])) == row["are"], f"{place}: {question}"
        assert "from" not in row or answer["horizon"][0][0] == row["from"], place
        assert "signed" not in row or answer["signed"] == row["signed"], place


def _check_end(scenario: Scenario, twins: Twins) -> None:
    engine, reference = twins.engine, twins.reference
    _check_balances(_rows(engine.balance_lines()), scenario)
    totals = engine.trial_balance_thousandths()
    if scenario.books is not None:
        books = {name: int(scenario.books.get(name, 0) * 1_000) for name in OUTSIDE}
        assert {name: totals[name] for name in OUTSIDE} == books
    assert sum(totals.values()) == 0
    if reference is not None:
        assert reference.balances() == engine.balance_lines()
        assert reference.state_hash() == engine.state_hash()
    # Both are held to the table only: they may read different parts of a key that is malformed.
    twins.check_open(scenario.open, "end")
