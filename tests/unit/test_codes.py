"""Holds every code of an exception to what a person needs of it: how bad, whose, what settles it, the cause, the cure.

That no two codes share a cure, and that the documents say the same, the Rust tests say.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import chain
from typing import Final

import pytest

from tallystick import Batch, Engine
from tests.sources import CONTRACT
from tests.tables import Scenario, scenarios
from tests.unit.test_scenarios import KEY, applied

TABLE: Final = (CONTRACT / "src" / "codes.rs").read_text().split("pub const CODES:")[1]
TEXT: Final = r'"((?:\\.|[^"\\])*)"'
ROW: Final = re.compile(
    rf"Code \{{\s*name: {TEXT},\s*severity: (\w*),\s*owner: (\w*),"
    rf"\s*settled: (\w*)(?:\({TEXT}\))?,\s*cure:\s*{TEXT},?\s*\}}"
)


def codes(table: str) -> list[tuple[str, ...]]:
    """The rows of a table of codes: name, severity, owner, what settles it, and the cure."""
    rows = ROW.findall(table)
    size = re.match(r"\s*\[Code; (\d+)\]", table)
    assert size is not None
    assert len(rows) == int(size[1]), "a row is not read"
    return [
        (name, severity, owner, when if how == "ByItself" else how, cure)
        for name, severity, owner, how, when, cure in rows
    ]


def wanting(table: str) -> list[str]:
    """The codes of a table that lack anything."""
    return [row[0] for row in codes(table) if not all(cell.strip() for cell in row)]


def told_by(scenario: Scenario) -> Iterator[Batch]:
    """All batches that the engine returns in a scenario."""
    return chain.from_iterable(applied(scenario, Engine(scenario.config, key=KEY)))


def unsaid(told: dict[str, set[str]]) -> set[str]:
    """Of codes and what was told of each: those of which nothing was, or once no more than blanks."""
    return {code for code, words in told.items() if not words or not all(text.strip() for text in words)}


def test_every_code_has_severity_owner_settling_and_cure() -> None:
    assert wanting(TABLE) == []


def test_every_code_is_raised_by_a_scenario_with_its_cause_and_cure() -> None:
    causes, cures = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
    for exception in (each for scenario in scenarios() for batch in told_by(scenario) for each in batch.exceptions):
        causes[exception.code].add(exception.cause)
        cures[exception.code].add(exception.cure)
    table = {name: re.sub(r"\\(.)", r"\1", cure) for name, _, _, _, cure in codes(TABLE)}
    assert {code: cures[code] for code in table} == {code: {cure} for code, cure in table.items()}
    assert unsaid({code: causes[code] for code in table} | causes) == set()


# Each rule can fail.

GOOD: Final = 'Code { name: "a", severity: Info, owner: It, settled: ByItself("b"), cure: "say \\"c\\"" }'


@pytest.mark.parametrize(
    ("good", "bad"),
    [('"a"', '""'), ("Info", ""), ("It", ""), ('"b"', '" "'), ('ByItself("b")', ""), ('"say \\"c\\""', '" "')],
)
def test_codes_that_lack_something_are_found(good: str, bad: str) -> None:
    assert codes(f" [Code; 1] = [{GOOD}];") == [("a", "Info", "It", "b", 'say \\"c\\"')]
    assert wanting(f" [Code; 1] = [{GOOD}];") == []
    assert len(wanting(f" [Code; 1] = [{GOOD.replace(good, bad)}];")) == 1


def test_a_row_that_is_not_read_is_found() -> None:
    with pytest.raises(AssertionError, match="not read"):
        codes(f" [Code; 2] = [{GOOD}, Code {{ name: NAME }}];")


def test_what_is_not_said_is_found() -> None:
    assert unsaid({"a": {"why"}, "b": {"why", " "}, "c": set()}) == {"b", "c"}
