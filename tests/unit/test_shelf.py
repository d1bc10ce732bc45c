"""What can be promised today, for people: every row adds up, whatever a position has been through."""

import json
from decimal import Decimal
from typing import Any

import pytest

from tallystick import Engine
from tallystick.cli import shelf
from tallystick.daemon.answers import atp

DAY_NS = 86_400_000_000_000
NOW_NS = 20_789 * DAY_NS  # 2026-12-02


def told(*events: dict[str, Any], config: str = "") -> list[dict[str, Any]]:
    """The rows of a SKU after some events, as the daemon's answer gives them."""
    engine = Engine(f'[engine]\nmax_age = "none"\n{config}')
    whole = [
        json.dumps({"id": str(number), "source": "wms", "sku": "LAMP", "location": "DC1", **event}).encode()
        for number, event in enumerate(events)
    ]
    batch = engine.apply(whole, first_sequence=1, log_time_ns=NOW_NS)
    assert set(batch.outcomes.tolist()) <= {0}, batch.exceptions
    answer = json.loads(atp(engine, "LAMP", None), parse_float=Decimal)
    return [shelf.row(position) for position in answer["positions"]]


def received(quantity: object, **more: Any) -> dict[str, Any]:
    return {"type": "stock.received", "quantity": quantity, **more}


STORIES: dict[str, tuple[list[dict[str, Any]], str, list[Any]]] = {
    "README: 30 lie there, a day to come binds, five stay": (
        [
            received(40),
            {"type": "stock.reserved", "quantity": 10},
            {"type": "demand.scheduled", "quantity": 15, "document": "SO-7", "line": 1, "due": "2026-12-07"},
            {"type": "supply.scheduled", "quantity": 60, "document": "PO-1", "line": 1, "due": "2026-12-12"},
        ],
        "[safety_stock]\ndefault = 5",
        [10],
    ),
    "nothing but stock": ([received("12.5")], "", [Decimal("12.5")]),
    "safety stock that is more than there is": ([received(3)], "[safety_stock]\ndefault = 5", [-2]),
    "below zero": ([{"type": "stock.sold", "quantity": 4}], "", [-4]),
    "given back more often than taken": ([received(9), {"type": "stock.unreserved", "quantity": 2}], "", [9]),
    "a hold of a line, and its order": (
        [
            received(20),
            {"type": "stock.reserved", "quantity": 5, "document": "SO-1", "line": 1},
            {"type": "demand.scheduled", "quantity": 7, "document": "SO-1", "line": 1, "due": "2026-12-02"},
        ],
        "",
        [13],
    ),
    "a reservation that holds": (
        [
            received(20),
            {"type": "reservation.requested", "quantity": 6, "ttl": "none"},
            {"type": "reservation.requested", "quantity": 4, "ttl": "none", "due": "2026-12-05"},
        ],
        "",
        [10],
    ),
    "several locations, and a lot": ([received(1), received(2, location="DC2"), received(3, lot="L1")], "", [1, 3, 2]),
    "protected for a channel: the question without one sees all of it": (
        [received(8), {"type": "protection.set", "channel": "web", "protected": 5}],
        "",
        [8],
    ),
    "shipped without a pick": ([received(8), {"type": "stock.shipped", "quantity": 3, "document": "S", "line": 1}], "",
                               [5]),
}  # fmt: skip


@pytest.mark.parametrize("story", STORIES)
def test_each_row_adds_up(story: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    events, config, expected = STORIES[story]
    rows = told(*events, config=config)
    assert [row["atp"] for row in rows] == expected
    for row in rows:
        assert row["on_hand"] - sum(row[name] for name in shelf.LESS) + row["later"] == row["atp"]
    monkeypatch.setenv("COLUMNS", "100")
    shelf.show("LAMP", None, 7, rows)
    shown = capsys.readouterr().out
    assert shown.startswith(f"LAMP: {sum(max(one, 0) for one in expected)} can be promised today")
    assert all(line == line.rstrip() and len(line) <= 100 for line in shown.splitlines())
    # What is read off the table adds up as well: the columns after ATP up to those that are beside.
    heads, body = shelf.table(rows).columns, len(rows)
    signs = {"=": 1, "−": -1, "+": 1}
    for place in range(body):
        cells = {str(head.header): list(head.cells)[place] for head in heads}
        terms = [signs[head[0]] * Decimal(cell.replace(",", "")) for head, cell in cells.items() if head[0] in signs]
        assert sum(terms) == Decimal(cells["ATP"].replace(",", ""))


def test_several_positions_have_a_total_and_a_shortage_lessens_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    rows = told(received(5), {"type": "stock.sold", "quantity": 2, "location": "DC2"})
    shelf.show("LAMP", None, 2, rows)
    shown = capsys.readouterr().out
    assert "LAMP: 5 can be promised today at 2 positions (log 2)" in shown
    assert ["total", "3", "3", "0", "0"] in [line.split() for line in shown.splitlines()]
    assert "DC2 is 2 short." in shown


def test_the_day_that_binds_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    events, config, _ = STORIES["README: 30 lie there, a day to come binds, five stay"]
    (position,) = told(*events, config=config)
    shelf.show("LAMP", "DC1", 4, [shelf.row(position, "2026-12-07")])
    shown = capsys.readouterr().out
    assert "LAMP at DC1: 10 can be promised today (log 4)" in shown
    assert ["DC1", "10", "40", "10", "5", "-15", "2026-12-07"] in [line.split() for line in shown.splitlines()]
    assert "ATP = on hand − reserved − safety stock + later" in shown


def test_nothing_was_ever_seen(capsys: pytest.CaptureFixture[str]) -> None:
    shelf.show("X", "DC1", 3, [])
    assert capsys.readouterr().out == "X at DC1: no stock was ever seen (log 3)\n"


@pytest.mark.parametrize("width", [30, 80, 200])
def test_numbers_are_never_broken(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    rows = told(received("1234567890.125", location="A-LOCATION-WITH-A-LONG-NAME"), received(7, location="B"))
    shelf.show("LAMP", None, 2, rows)
    shown = capsys.readouterr().out
    assert shown.count("1,234,567,890.125") >= 2
    assert all(line == line.rstrip() for line in shown.splitlines())
