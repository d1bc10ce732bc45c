"""Runs the stories of `docs/order-to-cash.md`: sends the message of each row, and compares the figures behind it."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from tallystick import OUTCOMES, Engine, Reference

PAGE: Final = (Path(__file__).parents[2] / "docs" / "order-to-cash.md").read_text()
PRESET: Final = '[ownership]\npreset = "wms_erp_oms"\n'
NAMES: Final = {number: name for name, number in OUTCOMES.items()}
TAKEN: Final = {"applied", "absorbed"}


@dataclass(frozen=True)
class Row:
    """A message, if there is one, and the figures of a location after it."""

    event: dict[str, Any] | None
    outcome: str | None
    location: str
    figures: dict[str, int]


@dataclass(frozen=True)
class Story:
    """What stands under one heading."""

    name: str
    config: str
    rows: list[Row]
    left_open: list[str]


def message(text: str) -> dict[str, Any]:
    """The members of `TYPE QUANTITY DOCUMENT/LINE NAME=VALUE …`, each but the type optional."""
    kind, *words = text.split()
    event: dict[str, Any] = {"type": kind}
    for word in words:
        name, is_named, value = word.partition("=")
        if is_named:
            event[name] = {"id": value} if name == "target" else value
        elif re.fullmatch(r"\d+", word):
            event["quantity"] = int(word)
        else:
            document, _, line = word.partition("/")
            event["document"] = document
            if line:
                event["line"] = int(line)
    if kind.startswith(("stock.", "transfer.", "reservation.requested", "demand.", "supply.", "receipt.")):
        event = {"sku": "LAMP", "location": "DC1"} | event
    return event


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def table(lines: list[str]) -> Iterator[Row]:
    """The rows of a table of messages and figures."""
    head = cells(lines[0])
    day = "03-02"
    for number, line in enumerate(lines[2:], 1):
        row = dict(zip(head, cells(line), strict=True))
        time, source, sent = (row.pop(name) for name in ("time", "source", "message"))
        location = row.pop("at", "DC1")
        figures = {name: int(figure) for name, figure in row.items()}
        if not sent:
            yield Row(None, None, location, figures)
            continue
        *days, clock = time.split()
        day = days[0] if days else day
        found = re.fullmatch(r"`([^`]+)`(?: → (\w+))?", sent)
        assert found is not None, sent
        event = {"id": str(number), "source": source, "time": f"2026-{day}T{clock}:00Z"} | message(found[1])
        yield Row(event, found[2], location, figures)


def stories(page: str) -> Iterator[Story]:
    """Every section with a table of messages."""
    for section in page.split("\n### ")[1:]:
        name, _, text = section.partition("\n")
        lines = [line for line in text.splitlines() if line.startswith("|")]
        config = "".join(re.findall(r"^```toml\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
        left = re.search(r"^Open at the end: (.+)\.$", text, re.MULTILINE)
        assert left is not None, f"{name}: says nothing of what is open at the end"
        yield Story(name, config, list(table(lines)), re.findall(r"`([^`]+)`", left[1]))


def nanoseconds(time: str) -> int:
    return int(datetime.fromisoformat(time).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


def balance(engine: Engine, location: str) -> dict[str, Any]:
    """The position of the stories at a location. What it has none of, and what is not there, is zero."""
    for line in engine.balance_lines().splitlines():
        row: dict[str, Any] = json.loads(line, parse_float=Decimal)
        if row["location"] == location:
            return row
    return {}


def promised(engine: Engine, location: str, due: str) -> Any:
    question = {"positions": [{"sku": "LAMP", "location": location}], "due": due}
    return json.loads(engine.promise_json(json.dumps(question).encode()), parse_float=Decimal)["answers"][0][
        "available"
    ]


def found_figures(engine: Engine, row: Row) -> dict[str, Any]:
    shown = balance(engine, row.location)
    return {
        name: promised(engine, row.location, name) if name.startswith("2026-") else shown.get(name, 0)
        for name in row.figures
    }


@pytest.mark.parametrize("story", list(stories(PAGE)), ids=lambda story: story.name)
def test_story(story: Story) -> None:
    config = PRESET + story.config
    engine, reference = Engine(config), Reference(config)
    now_ns = sequence = 0
    for row in story.rows:
        if row.event is not None:
            sequence += 1
            now_ns = max(now_ns, nanoseconds(row.event["time"]))
            sent = [json.dumps(row.event).encode()]
            (outcome,) = engine.apply(sent, sequence, now_ns).outcomes.tolist()
            assert NAMES[outcome] in ({row.outcome} if row.outcome else TAKEN), row.event
            assert reference.apply(sent, sequence, now_ns) == [NAMES[outcome]]
            assert reference.balances() == engine.balance_lines()
        assert found_figures(engine, row) == row.figures, row.event
    assert engine.open_exceptions() == story.left_open
    assert reference.open_exceptions() == story.left_open


def test_the_page_is_read_as_it_is_meant() -> None:
    told = list(stories(PAGE))
    assert len(told) >= 15
    assert len(told) == PAGE.count("\n| time | source | message |")
    by_name = {story.name: story for story in told}
    first = by_name["Hold, order, allocation, pick, shipment"].rows
    assert first[1].event == {
        "id": "hold-1",
        "source": "shop",
        "type": "reservation.requested",
        "time": "2026-03-02T09:00:00Z",
        "sku": "LAMP",
        "location": "DC1",
        "quantity": 5,
        "document": "SO-1",
        "line": 1,
        "ttl": "none",
    }
    assert first[3].event is not None
    assert first[3].event["target"] == {"id": "hold-1"}
    assert first[3].figures == {
        "on_hand": 100,
        "reserved": 0,
        "allocated": 5,
        "ordered": 0,
        "on_hand_atp": 95,
        "atp": 95,
    }
    second = by_name["Two customers and ten lamps"]
    assert [row.outcome for row in second.rows] == [None, None, "insufficient", None]
    there = by_name["From one warehouse to another"].rows
    assert [(row.event is None, row.location) for row in there[3:6]] == [(False, "DC1"), (True, "DC2"), (False, "DC2")]
    assert there[5].event is not None
    assert there[5].event["time"] == "2026-03-03T08:00:00Z"
    assert by_name['The same 3PL, with `from = "on_hand"`'].config.startswith("[[shipping]]\n")
    assert by_name["Early, in parts, and closed short"].left_open == ["receipt_variance PO-1/1/LAMP/DC1"]


def test_every_row_adds_up() -> None:
    """`on_hand_atp` is `on_hand` less the claims that the row shows; an account of claims below zero counts as zero."""
    claims = ("reserved", "allocated", "ordered", "unpicked")
    for story in stories(PAGE):
        for row in story.rows:
            figures = row.figures
            claimed = sum(max(0, figures.get(name, 0)) for name in claims)
            assert figures["on_hand_atp"] == figures["on_hand"] - claimed, (story.name, row)
