"""How promises look on a terminal, and which exit status an answer has."""

import io
import sys
from typing import Any

import pytest

from tallystick.cli import promised, reserve
from tallystick.errors import NotGranted, OperationError

PLACES: Any = [{"sku": "4711", "location": "DC1"}, {"sku": "4711", "location": "DC2", "lot": "L1"}]
FOUND: dict[str, Any] = {
    "sequence": 12_345,
    "log_time": "2026-11-21T20:00:00Z",
    "freshness": "stale",
    "mode": "look_ahead",
    "answers": [
        {
            "available": 1_250,
            "enough": False,
            "earliest": "2026-12-01",
            "bucket": "2026-11-21",
            "freshness": "firm",
            "measures": {"physical": 1_300},
            "horizon": [["2026-11-21", 1_250], ["2026-11-24", 2_000]],
            "explain": {
                "bucket": "2026-11-23",
                "on_hand": 1_300,
                "safety_stock": 50,
                "supply": [],
                "demand": [{"document": "SO-1", "line": "2", "due": "2026-11-23", "quantity": 4}] * 25,
            },
        },
        {"available": None, "enough": True, "earliest": None, "bucket": "2026-11-21", "freshness": "stale",
         "known": False},
    ],
    "sources": {
        "wms": {"freshness": "stale", "lag_s": "4000", "open_gaps": 2, "held": 1},
        "erp": {"freshness": "firm"},
    },
}  # fmt: skip


def test_an_answer_for_people(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    promised.show(PLACES, FOUND)
    shown = capsys.readouterr().out
    assert "4711 as of log sequence 12,345, look_ahead" in shown
    rows = [line.split() for line in shown.splitlines()]
    assert ["DC1", "2026-11-21", "1,250", "no", "2026-12-01", "firm"] in rows
    assert "unlimited" in shown
    assert "(never" in shown
    assert "4711 at DC1: by physical 1,300" in shown
    assert "4711 at DC1: 2026-11-23 binds: 1,300 on hand, safety stock 50" in shown
    assert shown.count("  - 4 2026-11-23 document SO-1 line 2") == 20
    assert "and 5 more lines of demand" in shown
    assert "2,000 ┤" in shown
    assert "stale: wms stale (4000 s behind, 2 gaps, 1 held)" in shown
    assert all(len(line) <= 80 for line in shown.splitlines())


def test_a_terminal_without_unicode_gets_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "ascii"))
    assert "\n".join(promised.picture(FOUND["answers"][0]["horizon"], 40)).isascii()


def answer(status: str, **more: Any) -> dict[str, Any]:
    whole = {"source": "shop", "id": "r1", "status": status, "outcome": "applied", "quantity": 2, "sequence": 7}
    return {**whole, **more}


def test_what_was_granted_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    parts = [{"location": "DC1", "quantity": 1}, {"location": "DC2", "quantity": 1}]
    lines = [{"sku": "A", "group": "east", "quantity": 2, "available": 2, "earliest": None, "parts": parts}]
    whole = answer("partly", lines=lines, expires="2026-11-21T20:15:00.123456789Z")
    reserve._print_reserved(whole, "A")
    reserve._judge([whole])
    assert capsys.readouterr().out.splitlines() == [
        "shop/r1: partly, 2 held until 2026-11-21T20:15:00Z (log 7)",
        "  A group east: 2 (1 DC1, 1 DC2); available 2; enough at no time in the horizon",
    ]


@pytest.mark.parametrize(
    ("statuses", "error", "words"),
    [
        (["granted", "posted", "voided", "partly"], None, ""),
        (["granted", "insufficient"], NotGranted, "there is not enough"),
        (["changed"], NotGranted, "has changed since that version"),
        (["insufficient", "refused"], OperationError, "1 of 2 refused: not_owner: another source"),
    ],
)
def test_statuses_become_exit_statuses(statuses: list[str], error: type[Exception] | None, words: str) -> None:
    outcomes = {"insufficient": "insufficient", "changed": "insufficient", "refused": "not_owner"}
    found = [
        {"status": status, "outcome": outcomes.get(status, "applied"), "why": "another source"} for status in statuses
    ]
    if error is None:
        reserve._judge(found)
        return
    with pytest.raises(error, match=words) as raised:
        reserve._judge(found)
    assert type(raised.value) is error


def test_a_change_that_was_made_is_no_failure() -> None:
    reserve._judge([{"status": "changed", "outcome": "applied"}])
