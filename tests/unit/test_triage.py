"""Triage and verbs: which exceptions come first, what was meant, and what is said of every decision."""

import shlex
from datetime import UTC, datetime
from typing import Any

import pytest

from tallystick.cli import items as shown
from tallystick.cli.exceptions import Sort
from tallystick.client import asked, triage, verbs
from tallystick.client.work import WorkItem, sentence
from tallystick.errors import UsageError

NOW = datetime(2026, 12, 3, tzinfo=UTC)


def item(number: int, **more: Any) -> WorkItem:
    found: dict[str, Any] = {
        "number": number,
        "code": "negative_stock",
        "severity": "warning",
        "owner": "operations",
        "state": "open",
        "escalated": False,
        "count": 1,
        "first_seen": f"2026-12-01T00:00:{number:02}Z",
        "last_seen": "2026-12-01T00:00:00Z",
        "sequence": number,
        "index": 0,
        "cause": f"stock fell to -{number} (sold {number}, had 0)",
        "cure": "tell it: tallystick exceptions resolve NUMBER; or trail SKU LOCATION; or void SOURCE/ID",
    }
    return WorkItem.of(found | more)


def test_the_worst_come_first_and_then_what_is_worth_most() -> None:
    found = [
        item(1),
        item(2, at_stake=7),
        item(3, at_stake=1, value=50),
        item(4, severity="critical"),
        item(5, severity="info", value=9_000),
        item(6, severity="error", count=9),
    ]
    orders = {by: [one.number for one in triage.ordered(found, by)] for by in triage.ORDERS}
    assert orders == {
        "severity": [4, 6, 3, 2, 1, 5],
        "age": [1, 2, 3, 4, 5, 6],
        "value": [5, 3, 2, 1, 4, 6],
        "code": [1, 2, 3, 4, 5, 6],
        "count": [6, 1, 2, 3, 4, 5],
    }


def test_every_order_can_be_asked_for_and_has_words() -> None:
    assert [order.value for order in Sort] == list(triage.ORDERS) == list(triage.IN_WORDS)


def test_causes_that_differ_in_numbers_are_one_kind() -> None:
    other = item(9, cause="stock would fall to -9", value=2)
    first, second = triage.groups([item(1, at_stake=1), item(2, at_stake=2, escalated=True), other])
    assert (first.count, first.numbers, first.value) == (1, (9,), 2)
    assert (second.count, second.numbers, second.at_stake, second.escalated) == (2, (2, 1), 3, 1)
    assert (second.cause, second.oldest) == ("stock fell to -2 (sold 2, had 0)", "2026-12-01T00:00:01Z")


@pytest.mark.parametrize(
    ("value", "words"), [("unknown_typ", "did you mean unknown_type?"), ("zzz", "there are late, unknown_type")]
)
def test_what_is_not_there_is_an_error_that_guesses(value: str, words: str) -> None:
    with pytest.raises(UsageError, match="--code: there is no") as error:
        triage.check_known("--code", value, ["late", "unknown_type"])
    assert words in str(error.value)


@pytest.mark.parametrize("text", ["yesterday", "12", "2026-13-01", "-3h"])
def test_a_beginning_is_a_duration_or_a_time(text: str) -> None:
    with pytest.raises(UsageError, match="neither a duration nor a time"):
        triage.since(text, NOW)
    assert triage.since("2026-12-01T08:00:00+02:00", NOW) == "2026-12-01T06:00:00Z"


def test_a_cure_has_what_is_known_of_its_exception() -> None:
    known = item(7, sku="LAMP", location="DC1", source="wms")
    assert known.what_to_do == "Tell it: tallystick exceptions resolve 7; or trail LAMP DC1; or void SOURCE/ID"
    assert "trail SKU LOCATION" in item(7).what_to_do


MOVED = {"moved_by": "operator", "person": "ana", "moved_at": "2026-12-01T08:00:00Z"}
BY = ", by ana at 2026-12-01 08:00:00Z; nothing changed."
COUNT = {"code": "pending_approval", "event": '{"type":"stock.counted"}', "event_bytes_total": 24}


@pytest.mark.parametrize(
    ("what", "state", "expected"),
    [
        ("acknowledge", {}, None),
        ("acknowledge", {"state": "acknowledged"} | MOVED, ("was acknowledged already" + BY, True)),
        ("acknowledge", {"state": "resolved"} | MOVED, ("was resolved already" + BY, False)),
        ("resolve", {"state": "acknowledged"} | MOVED, None),
        ("resolve", {"state": "resolved"} | MOVED, ("was resolved already" + BY, True)),
        ("resolve", {"state": "resolved", "moved_by": "accepted"},
         ("was resolved already, because its event was accepted; nothing changed.", True)),
        ("discard", {"state": "resolved"} | MOVED, ("was resolved already" + BY, False)),
        ("discard", {"state": "discarded"} | MOVED, ("was discarded already" + BY, True)),
        ("resolve", {"state": "discarded", "code": "malformed"} | MOVED, ("was discarded already" + BY + " It is not "
         "opened again; to count its event after all: tallystick exceptions repair 12", False)),
        ("approve", {"state": "acknowledged"} | MOVED, None),
        ("approve", {"state": "resolved"} | MOVED | {"moved_by": "granted"}, ("was approved already" + BY, True)),
        ("approve", {"state": "resolved"} | MOVED | {"moved_by": "denied"}, ("was denied already" + BY, False)),
        ("deny", {"state": "resolved"} | MOVED | {"moved_by": "denied"}, ("was denied already" + BY, True)),
        ("deny", {"state": "resolved"} | MOVED | {"moved_by": "granted"}, ("was approved already" + BY, False)),
        ("assign", {}, None),
        ("assign", {"owner": "finance"} | MOVED, ("was assigned to finance already" + BY, True)),
        ("assign", {"state": "resolved"} | MOVED, ("was resolved already" + BY, False)),
    ],
)  # fmt: skip
def test_what_is_so_already_is_said(what: str, state: dict[str, Any], expected: tuple[str, bool] | None) -> None:
    told = verbs.already(what, item(12, **state), "finance" if what == "assign" else None)
    assert (None if told is None else (told.words.removeprefix("Exception 12 "), told.holds)) == expected


@pytest.mark.parametrize(
    ("what", "outcome", "words", "holds"),
    [
        ("acknowledge", "applied", "acknowledged.", True),
        ("resolve", "applied", "resolved.", True),
        ("discard", "applied", "discarded.", True),
        ("assign", "applied", "assigned to operations.", True),
        ("deny", "applied", "denied; the count was dropped.", True),
        ("approve", "applied", "approved; the count was posted.", True),
        ("approve", "absorbed", "approved; the count changed nothing, because a later count has the last word.", True),
        ("approve", "negative_stock", "approved, but the count was refused. Why.", False),
        ("approve", "overflow", "approved, but the count was refused. Why.", False),
        ("approve", None, "was not approved: why", False),
        ("acknowledge", "unknown_reference", "was not acknowledged: why", False),
    ],
)
def test_every_decision_and_outcome_has_an_honest_sentence(
    what: str, outcome: str | None, words: str, holds: bool
) -> None:
    before = item(12, **COUNT)
    told = verbs.done(what, before, before, outcome, "why")
    assert (told.words, told.holds) == (f"Exception 12 {words}", holds)


def test_who_was_faster_is_said() -> None:
    told = verbs.done("resolve", item(12), item(12, state="discarded", **MOVED), "unknown_reference", "why")
    anew = " It is not opened again; what goes wrong anew gets an exception of its own."
    assert (told.words, told.holds) == ("Exception 12 was discarded meanwhile" + BY + anew, False)


def test_sentences_and_figures_are_for_people() -> None:
    assert sentence("`time` 2026-12-01T00:00:00Z is 9 d old") == "`time` 2026-12-01T00:00:00Z is 9 d old."
    assert shown.figure(1_234_500) == "1,234,500"
    lines = shown.numbers_of(item(1, before=3, after=-2, fields=["quantity", "lot"], versions=[
        {"field": "quantity", "was": "5", "is": "6"}]))  # fmt: skip
    assert lines == ["On hand: 3 → −2 (−5)", "quantity: 5 at first → 6 under the same id", "Differs, too: lot"]


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_an_exception_is_one_or_two_lines_and_no_number_breaks(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    many = [item(number, sku="LAMP", location="DC1", id=f"s{number}", source="shop", at_stake=12_345_678)
            for number in (8, 199)]  # fmt: skip
    shown.print_items(many)
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == {60: 6, 80: 4}.get(width, 2), printed
    assert all("12,345,678 units" in line for line in printed if "negative_stock" in line)
    assert max(map(len, printed)) <= width


@pytest.mark.parametrize(
    "mistake",
    [
        {"quantity": -1},
        {"due": "2026-12-01T08:00:00"},
        {"due": "20261201"},
        {"ttl": "0s"},
        {"ttl": "5 minutes"},
        {"sku": ""},
        {"channel": "x" * 65},
        {"document": "a\nb"},
    ],
)
def test_what_can_be_seen_to_be_wrong_is_not_asked(mistake: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        asked.check(mistake)


@pytest.mark.parametrize("columns", [None, "60"])
def test_one_exception_has_no_blanks_at_the_ends_of_lines_and_breaks_no_line_in_a_pipe(
    columns: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    one = item(7, cause=f"stock fell to -7 {'(sold 7, had 0) ' * 8}[bold]", source="a", id="b")
    shown.print_item(one)
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line != line.rstrip()] == []
    assert any("[bold]" in line for line in lines), "what somebody else wrote is no markup"
    assert (f"What to do: {one.what_to_do}" in lines) == (columns is None)
    assert columns is None or max(map(len, lines)) <= int(columns)


def test_a_cure_can_be_pasted_into_a_shell() -> None:
    known = item(7, sku="O'BRIEN $5", location="DC 1", source="wms")
    words = shlex.split(known.what_to_do.partition("or ")[2].partition(";")[0])
    assert words == ["trail", "O'BRIEN $5", "DC 1"]


def test_one_is_no_many() -> None:
    one, two = item(1, at_stake=1), item(2, at_stake=2)
    assert [shown._row(row)[4] for row in (one, two)] == ["1 unit", "2 units"]
