"""Repair: what of an event may be edited, and what it is known by, which may not."""

from typing import Any

import pytest

from tallystick.cli.repair import balance_changes
from tallystick.client.repair import edited, event_type, replaced, unchanged
from tallystick.client.work import WorkItem, items
from tallystick.errors import UsageError

COMPACT = '{"id":"e1","source":"wms","type":"stock.sold","sku":"A","location":"L","quantity":-1.50,"sequence":"7"}'
ENVELOPED = '{"id":"e1","source":"wms","type":"stock.sold","data":{"sku":"A","location":"L","quantity":0.10}}'


def item(event: str | None = COMPACT, **more: Any) -> WorkItem:
    found = {
        "number": 3,
        "code": "quantity_invalid",
        "severity": "error",
        "owner": "it",
        "state": "open",
        "escalated": False,
        "count": 1,
        "first_seen": "2026-01-01T00:00:00Z",
        "last_seen": "2026-01-01T00:00:00Z",
        "sequence": 9,
        "index": 2,
        "cause": "because",
        "cure": "do",
        "event": event,
        "event_bytes_total": len((event or "").encode()),
    }
    return WorkItem.of(found | more)


@pytest.mark.parametrize(
    ("event", "changes", "expected"),
    [
        (COMPACT, ["quantity=1.50"], COMPACT.replace("-1.50", "1.50")),
        (COMPACT, ["lot=L1"], COMPACT.replace("}", ',"lot":"L1"}')),
        (COMPACT, ["sku=4711", "line=5"], COMPACT.replace('"A"', '"4711"').replace("}", ',"line":5}')),
        (COMPACT, ["sequence=7"], COMPACT.replace('"7"', "7")),
        (ENVELOPED, ["quantity=2", "lot=x"], ENVELOPED.replace("0.10}", '2,"lot":"x"}')),
        (ENVELOPED, ["type=stock.picked"], ENVELOPED.replace("sold", "picked")),
        (ENVELOPED, ["sequence=4"], ENVELOPED.replace("0.10}}", '0.10},"sequence":4}')),
        (ENVELOPED, ["location="], ENVELOPED.replace('"location":"L",', "")),
        ('{"source":"wms","quantity":1.0}', ["id=e9"], '{"source":"wms","quantity":1.0,"id":"e9"}'),
        ('{"source":"wms","id":5}', ["id=5"], '{"source":"wms","id":"5"}'),
    ],
)
def test_fields_change_where_they_stand_and_no_other_digit(event: str, changes: list[str], expected: str) -> None:
    assert edited(item(event), changes).decode() == expected


@pytest.mark.parametrize(
    ("event", "changes", "words"),
    [
        (COMPACT, ["id=e2"], "id was e1 and may not become e2"),
        (COMPACT, ["source=erp"], "source was wms"),
        (COMPACT, ["source="], "may not become None"),
        (COMPACT, ["sequence=8"], "sequence was 7"),
        (COMPACT, ["quantity"], "is no change"),
        (COMPACT, ["data=x"], "is no change"),
        (COMPACT, ["quantity=many"], "is no number"),
        (COMPACT, ["quantity=NaN"], "is no number"),
        (COMPACT, ["line=1.5"], "no whole number"),
        ('{"id":', ["quantity=1"], "no JSON .*--file"),
        ("[1]", ["quantity=1"], "no JSON object.*--file"),
    ],
)
def test_what_may_not_be_edited(event: str, changes: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        edited(item(event), changes)


def test_a_part_of_an_event_is_not_sent() -> None:
    cut = item(event_bytes_total=70_000)
    with pytest.raises(UsageError, match=r"only \d+ of the event's 70,000 bytes were kept"):
        unchanged(cut)
    with pytest.raises(UsageError, match=r"only \d+ of the event's 70,000 bytes were kept"):
        edited(cut, ["quantity=1"])
    with pytest.raises(UsageError, match="only 0 of"):
        unchanged(item(None, event_bytes_total=5))


def test_a_file_takes_the_place_of_the_original_under_its_key() -> None:
    good = COMPACT.replace("-1.50", "2.0")
    assert replaced(item(), good.encode()).decode() == good
    assert replaced(item('{"id":"e1', source="wms", id="e1"), good.encode()).decode() == good
    assert replaced(item("\x00"), good.encode()).decode() == good
    with pytest.raises(UsageError, match="id was e1"):
        replaced(item('{"id":"e1', source="wms", id="e1"), good.replace("e1", "e2").encode())
    with pytest.raises(UsageError, match="the edited event is no JSON"):
        replaced(item(), b"{")


def test_originals_of_any_bytes() -> None:
    raw = item(None, event_hex="ff00", event_bytes_total=2)
    assert unchanged(raw) == b"\xff\x00"
    assert event_type(raw) is None
    assert event_type(item()) == "stock.sold"


def test_items_are_read_as_the_engine_writes_them() -> None:
    answer = {"number": 1, "code": "conflict", "severity": "error", "owner": "it", "state": "acknowledged"}
    answer |= {
        "subject": "wms/e1",
        "escalated": True,
        "count": 2,
        "first_seen": "a",
        "last_seen": "b",
        "sequence": 1,
        "index": 0,
    }
    answer |= {"cause": "c", "cure": "d", "fields": ["sku"], "event_bytes_total": 3, "new_member": 1}
    (found,) = items([answer])
    assert (found.fields, found.place, found.is_unresolved, found.original) == (("sku",), "1:0", True, None)
    assert not found.is_whole
    assert found.subject == "wms/e1"


def test_balances_that_differ_are_named() -> None:
    assert balance_changes({"on_hand": 5, "atp": 5, "picked": 0}, {"on_hand": 8, "atp": 8, "picked": 0}) == (
        "on_hand 5 → 8, atp 5 → 8"
    )
    assert balance_changes(None, {"on_hand": 1}) == "on_hand 0 → 1"
    assert balance_changes({"atp": 1}, {"atp": 1}) == "no balance changes"
