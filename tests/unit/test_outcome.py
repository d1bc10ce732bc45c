"""Outcomes as an enum: the numbers and words of the contract."""

import re
from pathlib import Path

import numpy as np

from tallystick import OUTCOMES, Engine, Outcome

CONTRACT = (Path(__file__).parents[2] / "docs" / "events.md").read_text(encoding="utf-8")


def test_the_enum_has_the_engines_numbers_and_names() -> None:
    assert {str(outcome): int(outcome) for outcome in Outcome} == OUTCOMES


def test_the_words_are_those_of_the_contract() -> None:
    rows = dict(re.findall(r"^\| \d+ \| `(\w+)` \| (.*) \|$", CONTRACT.partition("## 8.")[2], re.MULTILINE))
    assert rows.keys() == OUTCOMES.keys()
    for outcome in Outcome:
        assert set(re.findall(r"\w+", outcome.words)) <= set(re.findall(r"\w+", rows[str(outcome)])), outcome


def test_what_is_final_and_what_is_a_refusal() -> None:
    assert [str(outcome) for outcome in Outcome if not outcome.is_final] == ["held", "pending_approval"]
    assert {outcome for outcome in Outcome if outcome.is_refusal} == {one for one in Outcome if one >= 16}


def test_a_batch_says_its_outcomes_as_numbers_and_as_names() -> None:
    event = {"id": "1", "source": "wms", "type": "stock.received", "sku": "A", "location": "L", "quantity": 1}
    batch = Engine().apply([event, event, {}])
    assert batch.outcomes.dtype == np.uint8
    assert [Outcome(number) for number in batch.outcomes.tolist()] == [
        Outcome.APPLIED,
        Outcome.DUPLICATE,
        Outcome.MALFORMED,
    ]
    assert batch.outcome_names == ["applied", "duplicate", "malformed"]
    assert (batch.outcomes == Outcome.DUPLICATE).sum() == 1
