"""Typed records: what the engine answers has the members of its type, exact numbers, and a JSON twin."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, NotRequired, get_args, get_origin, get_type_hints, is_typeddict

import pytest

from tallystick import Engine, acknowledge, configure, records
from tallystick.client import promise as promised
from tallystick.client.promise import Line, Place, reserve, schedule
from tallystick.exact_json import dumps
from tests.shapes import fits

NOW_NS: Final = 1_767_600_000_000_000_000
LAMP: Final[Place] = {"sku": "LAMP", "location": "DC1"}
CONFIG: Final = """
[sources.erp]
team = "integration"
order = "source"
replay_procedure = "job EXP-7"
quality_percent = 99

[sources.silent]

[[replenish]]
locations = ["DC1"]
point = "99.5"
target = "120"
lead_time = "2d"
"""


def said(number: int, kind: str, **more: Any) -> dict[str, Any]:
    return {"id": str(number), "source": "wms", "type": kind, **LAMP, **more}


@pytest.fixture(scope="module")
def engine() -> Engine:
    """A ledger of which there is something to say under each head."""
    engine = Engine(CONFIG)
    day = "2026-01-07"
    trial = {"ownership": {"rules": [{"sources": ["wms"], "role": "observer"}]}}
    hold: Line = {"sku": "LAMP", "location": "DC1", "quantity": "1.5", "channel": "web"}
    later: Line = {"sku": "LAMP", "location": "DC1", "quantity": 1, "due": day}
    told: list[bytes | dict[str, Any]] = [
        said(1, "stock.received", quantity="12.5", correlationid="c1"),
        said(2, "stock.counted", quantity="12.25"),
        said(3, "stock.sold", quantity=1, time="2026-01-05T08:00:00.5Z"),
        said(3, "stock.sold", quantity=2, correlationid="c1", causationid="e1"),
        schedule("demand", "SO-1", LAMP, day, "2.5", source="shop", line="10"),
        schedule("supply", "PO-1", LAMP, day, 40, source="shop", line=1),
        reserve([hold], source="shop", directive_id="r1"),
        reserve([later], source="shop", terms={"document": "SO-1", "line": "10"}),
        said(4, "stock.adjusted", source="erp", quantity=1, sequence=3),
        configure(trial, "shadow"),
        said(5, "stock.received", quantity=1, lot="L-1", owner="guest"),
        {"id": "9"},
        b"\xff",
        acknowledge(1, reason="seen", person="ana"),
        {"id": "c1", "source": "wms", "type": "item.defined", "sku": "DESK", "unit_cost": "2.5"},
        said(6, "stock.sold", sku="DESK", quantity=4, document="SO-2"),
    ]
    engine.apply(told, 1, NOW_NS)
    engine.release_held()  # the gap of erp is given up
    return engine


def sample(number: int) -> bytes:
    return dumps(said(number, "stock.sold", quantity="0.5"))


QUESTIONS: Final[dict[str, tuple[Any, Callable[[Engine], object], Callable[[Engine], bytes | None]]]] = {
    "exceptions": (list[records.ExceptionItem], lambda one: one.exceptions(), lambda one: one.exceptions_json()),
    "exception": (records.ExceptionItem, lambda one: one.exception(1), lambda one: one.exception_json(1)),
    "stats": (records.ExceptionStats, lambda one: one.exception_stats(), lambda one: one.exception_stats_json()),
    "sources": (list[records.SourceReport], lambda one: one.sources(), lambda one: one.sources_json()),
    "shadow": (records.ShadowReport, lambda one: one.shadow_report(), lambda one: one.shadow_report_json()),
    "trail": (records.Trail, lambda one: one.trail("LAMP", "DC1"), lambda one: one.trail_json("LAMP", "DC1")),
    "what_if": (
        records.WhatIf,
        lambda one: one.what_if([sample(20), b"{}"]),
        lambda one: one.what_if_json([sample(20), b"{}"]),
    ),
    "reservations": (
        records.Reservations,
        lambda one: one.reservations(sku="LAMP", location="DC1"),
        lambda one: one.reservations_json(b'{"sku":"LAMP","location":"DC1","limit":100}'),
    ),
    "claims": (
        records.Claims,
        lambda one: one.claims(document="SO-1"),
        lambda one: one.claims_json(b'{"document":"SO-1","limit":100}'),
    ),
    "signals": (list[records.Signal], lambda one: one.replenishment(), lambda one: one.replenishment_json()),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_an_answer_is_what_its_type_says_and_its_json_twin_says_the_same(engine: Engine, question: str) -> None:
    kind, ask, ask_json = QUESTIONS[question]
    answer, text = ask(engine), ask_json(engine)
    assert answer
    assert text is not None
    assert fits(answer, kind) == ""
    assert answer == json.loads(text, parse_float=Decimal)
    assert dumps(answer) == text, "no digit is lost on the way"


def test_a_promise_is_what_its_type_says(engine: Engine) -> None:
    places: list[Place] = [LAMP, {"sku": "NONE", "location": "DC1"}]
    found = engine.promise(places, quantity="0.5", horizon=True, explain=True)
    assert fits(found, promised.Promise) == ""
    assert found == promised.promise(engine, places, quantity="0.5", horizon=True, explain=True)
    assert type(found["answers"][0]["available"]) is Decimal
    with pytest.raises(ValueError, match="mode"):
        engine.promise([LAMP], mode="none")  # type: ignore[arg-type]


def test_every_member_of_a_type_is_said_by_somebody(engine: Engine) -> None:
    said_of: dict[str, set[str]] = {}
    for kind, ask, _ in QUESTIONS.values():
        collect(ask(engine), kind, said_of)
    unsaid = {
        "ClaimLine": {"documents"},
        "ClaimPosition": {"lot", "owner", "closed"},
        "ExceptionItem": {"waiting"},
        "Gap": {"sku", "location"},
        "ReservationLine": {"lot", "owner"},
        "Signal": {"recent_demand"},
        "Trail": {"dropped_through"},
        "TriedPosition": {"lot", "owner"},
    }
    for name, found in said_of.items():
        assert getattr(records, name).__annotations__.keys() - found == unsaid.get(name, set()), name


def test_lists_of_keywords_are_filters(engine: Engine) -> None:
    assert engine.claims(sku="NONE")["total"] == engine.reservations(document="NONE")["total"] == 0
    assert len(engine.reservations(limit=1)["reservations"]) == 1
    assert engine.reservations(limit=1)["total"] == 2
    assert [item["owner"] for item in engine.exceptions(owner="finance")] == []
    assert engine.trail("LAMP", "DC9") is None
    assert engine.trail_json("LAMP", "DC9") is None
    assert engine.exception(99) is None
    assert engine.exception_json(99) is None
    quotes = engine.claims(document='"]}', sku="\n")
    assert quotes == {"sequence": engine.sequence, "total": 0, "lines": []}
    with pytest.raises(ValueError, match='there is no state "done"'):
        engine.exceptions(state="done")


def test_a_record_and_the_listed_item_have_one_name_for_one_thing() -> None:
    engine = Engine()
    [record] = engine.apply([said(1, "stock.sold", quantity="2.5", correlationid="c", causationid="d")]).exceptions
    [item] = engine.exceptions()
    for name in item.keys() & record.as_dict().keys():
        told = record.as_dict()[name]
        assert item[name] == (told.decode() if isinstance(told, bytes) else told)  # type: ignore[literal-required]
    assert {"number", "code", "owner", "correlationid", "causationid", "event"} <= item.keys() & record.as_dict().keys()
    assert record.owner == "operations"


def collect(value: Any, kind: Any, into: dict[str, set[str]]) -> None:
    """Notes which members of which types were there."""
    if get_origin(kind) is NotRequired:
        kind = get_args(kind)[0]
    if is_typeddict(kind):
        into.setdefault(kind.__name__, set()).update(value)
        for name, member in value.items():
            collect(member, get_type_hints(kind)[name], into)
    elif get_origin(kind) is list:
        for member in value:
            collect(member, get_args(kind)[0], into)
