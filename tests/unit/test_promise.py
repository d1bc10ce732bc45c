"""Promises from Python: bytes that the contract describes, and questions that leave out what says nothing."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from tallystick import Engine, atp_figures, promise
from tallystick.bus.requests import POST, REQUEST_KINDS, RESERVE, VOID
from tallystick.daemon.replies import may_go_to
from tallystick.daemon.ticker import tick
from tallystick.quantity import to_decimal, to_thousandths

PLACE: promise.Place = {"sku": "4711", "location": "DC1"}


def line(quantity: promise.Quantity, **more: Any) -> promise.Line:
    made: promise.Line = {"sku": "4711", "location": "DC1", "quantity": quantity}
    made.update(more)  # type: ignore[typeddict-item]
    return made


TARGET = {"source": "shop", "id": "r1"}


@pytest.mark.parametrize(
    ("made", "kind", "data"),
    [
        (
            promise.reserve([line(Decimal("2.50"), due="2026-12-01")], source="shop", reply="in.1"),
            "reservation.requested",
            {**PLACE, "quantity": 2.5, "due": "2026-12-01", "reply": "in.1"},
        ),
        (
            promise.reserve(
                [line(1), {"sku": "B", "group": "east", "quantity": "3"}],
                source="shop",
                terms={"ttl": "5m", "policy": "partial", "document": "SO-1"},
            ),
            "reservation.requested",
            {
                "lines": [{**PLACE, "quantity": 1}, {"sku": "B", "group": "east", "quantity": "3"}],
                "ttl": "5m",
                "policy": "partial",
                "document": "SO-1",
            },
        ),
        (promise.post("shop", "r1"), "reservation.posted", {"target": TARGET}),
        (promise.post("shop", "r1", 2, source="oms"), "reservation.posted", {"target": TARGET, "quantity": 2}),
        (
            promise.void("shop", "r1", [1, "0.5"], reply="in.2"),
            "reservation.voided",
            {"target": TARGET, "quantities": [1, "0.5"], "reply": "in.2"},
        ),
        (
            promise.schedule("supply", "PO-1", PLACE, "2026-12-01", 40, source="erp", supplier="acme"),
            "supply.scheduled",
            {**PLACE, "document": "PO-1", "due": "2026-12-01", "quantity": 40, "supplier": "acme"},
        ),
        (
            promise.reschedule("demand", "SO-1", PLACE, source="erp", line="2", due="2026-12-02"),
            "demand.rescheduled",
            {**PLACE, "document": "SO-1", "line": "2", "due": "2026-12-02"},
        ),
        (promise.cancel("supply", "PO-1", PLACE, source="erp"), "supply.cancelled", {**PLACE, "document": "PO-1"}),
        (promise.close_document("SO-1", source="oms"), "document.closed", {"document": "SO-1"}),
        (promise.close_document("SO-1", "cancelled", source="oms"), "document.cancelled", {"document": "SO-1"}),
        (
            promise.protect("web", {"sku": "A", "group": "east"}, 10, source="oms", capped=0),
            "protection.set",
            {"channel": "web", "sku": "A", "group": "east", "protected": 10, "capped": 0},
        ),
        (
            promise.move_protection("web", "shop", {"sku": "A"}, 3, source="oms"),
            "protection.moved",
            {"sku": "A", "from": "web", "to": "shop", "quantity": 3},
        ),
        (
            promise.define_group("east", ["DC1", "DC2"], source="mdm"),
            "group.defined",
            {"group": "east", "locations": ["DC1", "DC2"]},
        ),
        (promise.retire_group("east", source="mdm"), "group.retired", {"group": "east"}),
    ],
)
def test_each_says_what_it_is(made: bytes, kind: str, data: dict[str, Any]) -> None:
    event = json.loads(made)
    assert (event["type"], event["data"]) == (kind, data)
    assert event["source"]
    assert event["id"]


def test_who_posts_is_who_reserved_unless_said_otherwise() -> None:
    assert json.loads(promise.post("shop", "r1"))["source"] == "shop"
    said = json.loads(promise.void("shop", "r1", source="oms", directive_id="v1", reason="gone", correlationid="c"))
    assert (said["source"], said["id"], said["correlationid"]) == ("oms", "v1", "c")
    assert said["data"] == {"target": TARGET, "reason": "gone"}


def test_digits_stay_as_they_were_given() -> None:
    made = promise.reserve([line(Decimal("0.100"))], source="shop")
    assert b'"quantity":0.100' in made


def test_a_question_leaves_out_what_says_nothing() -> None:
    asked = promise.question([PLACE], due=None, quantity=0, channel="web", horizon=False, explain=True)
    assert asked == {"positions": [PLACE], "quantity": 0, "channel": "web", "explain": True}


@pytest.mark.parametrize(
    ("quantity", "thousandths"), [("12.5", 12_500), (-1, -1_000), (Decimal("0.001"), 1), ("1e3", 1_000_000)]
)
def test_quantities_are_thousandths(quantity: Decimal | int | str, thousandths: int) -> None:
    assert to_thousandths(quantity) == thousandths
    assert to_decimal(to_thousandths(quantity)) == Decimal(quantity)


@pytest.mark.parametrize("quantity", ["many", "0.0001", "NaN", "Infinity", ""])
def test_what_is_no_quantity_is_refused(quantity: str) -> None:
    with pytest.raises(ValueError, match=r"quantity|fraction digits"):
        to_thousandths(quantity)


def test_a_float_is_no_quantity_of_either_kind() -> None:
    # 12.5 read as thousandths would be 0.012 units: a thousand times too little, and nobody would see it.
    for number in (12.5, 12.0, float("nan"), np.float64(5.1)):
        with pytest.raises(TypeError, match="is a float; give whole thousandths"):
            to_decimal(number)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="give an int, a Decimal or a text"):
            to_thousandths(number)  # type: ignore[arg-type]
    assert to_decimal(np.int64(12_500)) == Decimal("12.5")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: RESERVE.event(b"[]", ""), "no JSON object"),
        (lambda: RESERVE.event(b"{", ""), "Expecting"),
        (lambda: RESERVE.event(b'{"sku": "A"}', ""), "source is needed"),
        (lambda: RESERVE.event(b'{"source": ""}', ""), "source must be a text of 1 to 64 bytes"),
        (lambda: RESERVE.event(b'{"source": "s", "id": 5}', ""), "id must be a text of 1 to 128 bytes"),
        (lambda: RESERVE.event(b'{"source": "s", "quantitty": 5}', ""), "unknown field 'quantitty'"),
        (lambda: RESERVE.event(b'{"source": "s", "type": "stock.sold"}', ""), "unknown field 'type'"),
        (lambda: RESERVE.event(b'{"source": "s", "reply": "x"}', ""), "unknown field 'reply'"),
        (lambda: POST.event(b'{"source": "s"}', ""), "target is needed"),
        (lambda: VOID.event(b'{"source": "s", "quantity": NaN}', ""), "NaN is no number"),
    ],
)
def test_requests_that_are_no_requests_are_named(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


def test_a_request_becomes_the_event_with_the_subject_of_who_asked() -> None:
    id_, event = RESERVE.event(b'{"source":"s","id":"r1","sku":"A","location":"L","quantity":1.50}', "_INBOX.x")
    assert id_ == "r1"
    assert b'"quantity":1.50' in event
    assert json.loads(event) == {
        "specversion": "1.0", "type": "reservation.requested", "source": "s", "id": "r1", "sku": "A", "location": "L",
        "quantity": 1.5, "reply": "_INBOX.x",
    }  # fmt: skip
    made, event = VOID.event(b'{"source":"s","target":{"id":"r1"}}', "")
    assert made
    assert json.loads(event)["id"] == made
    assert "reply" not in json.loads(event)
    assert {kind.subject for kind in REQUEST_KINDS} == {
        "tallystick.reserve", "tallystick.post", "tallystick.void", "tallystick.change",
    }  # fmt: skip


@pytest.mark.parametrize("subject", ["_INBOX.a.b", "_INBOX.EVENTS", "shop.answers", "a.b$c"])
def test_answers_go_to_who_asked(subject: str) -> None:
    assert may_go_to(subject, ("tallystick.>", "events.*"))


@pytest.mark.parametrize(
    "subject",
    ["", "$JS.API.STREAM.DELETE.X", "$SYS", "a.*", ">", "a b", "a\r\nPUB x 0\r\n\r\n", "a..b", ".a", "a.",
     "x" * 257, "tallystick.availability", "tallystick", "events.one"],
)  # fmt: skip
def test_answers_go_nowhere_else(subject: str) -> None:
    closed = ("tallystick.>", "tallystick", "events.*")
    assert not may_go_to(subject, closed)


def test_a_tick_says_when() -> None:
    assert json.loads(tick(5)) == {"specversion": "1.0", "id": "tick-5", "source": "tallystick", "type": "tick"}


def test_figures_of_the_kernel_alone() -> None:
    assert atp_figures(10, [0, 0, 20], [0, 8, 0]) == [2, 2, 22]
    assert atp_figures("10", [0, 0, 20], [0, 8, 0], mode="cumulative") == [10, 2, 22]
    assert atp_figures(10, [0, 0, 20], [0, 8, 0], safety_stock=1, fence=2) == [1, 1, None]
    assert atp_figures(Decimal("0.5"), [0, 0], [1, 0], safety_stock=["0.25", 0]) == [Decimal("-0.75"), Decimal("-0.5")]
    with pytest.raises(ValueError, match="2 buckets of supply, 1 of demand"):
        atp_figures(1, [0, 0], [0])
    with pytest.raises(ValueError, match="fraction digits"):
        atp_figures(1, ["0.0001"], [0])


RECEIVED = b'{"id":"r","source":"wms","type":"stock.received","sku":"4711","location":"DC1","quantity":10.5}'


def test_an_engine_is_asked() -> None:
    engine = Engine()
    coming = promise.schedule("supply", "PO-1", PLACE, "2026-11-25", "20.25", source="erp")
    taken = promise.reserve([line(3)], source="shop", directive_id="c1", reply="in.1")
    noon_ns = 1_795_262_400_000_000_000  # 2026-11-21T12:00:00Z
    batch = engine.apply([RECEIVED, coming, taken], 1, noon_ns)
    ((subject, answer),) = batch.answers
    assert (subject, json.loads(answer)["status"]) == ("in.1", "granted")
    found = engine.promise([PLACE, {"sku": "B", "location": "DC1"}], quantity=20, horizon=True)
    here, nowhere = found["answers"]
    assert (here["available"], here["enough"], here["earliest"]) == (Decimal("7.5"), False, "2026-11-25")
    assert here["horizon"] == [["2026-11-21", Decimal("7.5")], ["2026-11-25", Decimal("27.75")]]
    assert (nowhere["available"], nowhere["known"]) == (0, False)
    live = engine.reservations()
    assert [(one["source"], one["id"]) for one in live["reservations"]] == [("shop", "c1")]
    assert engine.next_due_ns == noon_ns + 15 * 60 * 10**9


@pytest.mark.parametrize("name", ["mode", "measure"])
def test_what_is_wrong_with_a_question_is_named(name: str) -> None:
    asked: Any = {name: "no_such"}
    with pytest.raises(ValueError, match=name):
        Engine().promise([PLACE], **asked)
