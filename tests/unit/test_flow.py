"""Flow: the steps of one correlation id, their outcomes, their order and their latencies."""

import json
from typing import Any

import polars as pl
import pytest

from tallystick.bus.jetstream import StoredMessage
from tallystick.client.flow import STEPS_MAX, Flow
from tallystick.files.elements import elements

SECOND = 1_000_000_000


def message(sequence: int, content: Any, at_s: float | None = None) -> StoredMessage:
    data = content if isinstance(content, bytes) else json.dumps(content, separators=(",", ":")).encode()
    return StoredMessage(sequence, int((sequence if at_s is None else at_s) * SECOND), data, {}, "events")


def event(name: str, correlation: str | None = "c1", **more: Any) -> dict[str, Any]:
    found = {"id": name, "source": "wms", "type": "stock.sold", "sku": "A", "location": "L", "quantity": 1}
    return found | ({} if correlation is None else {"correlationid": correlation}) | more


def exception(sequence: int, index: int, **data: Any) -> dict[str, Any]:
    said = {"code": data.get("outcome"), "sequence": sequence, "index": index, "cause": "because", **data}
    return {"type": "tallystick.exception", "correlationid": "c1", "data": said}


def test_a_flow_is_told_in_the_order_of_the_log_with_outcomes_and_latencies() -> None:
    flow = Flow("c1")
    flow.add_events(message(1, event("e1")))
    flow.add_events(message(2, [event("x", "c2"), event("e2", causationid="e1", quantity=0)]))
    flow.add_events(message(3, event("e1", quantity="1.0")))
    flow.add_events(message(4, event("e3", quantity=2)))
    flow.add_exceptions(message(1, [exception(2, 1, outcome="quantity_invalid"), {"data": {}}], 2.5))
    told = {"sku": "A", "location": "L", "atp": -1, "version": 1, "correlationid": "c1"}
    flow.add_availability(message(1, {"data": {"positions": [told, told | {"correlationid": "c2"}]}}, 1.25))
    assert flow.first_ns == SECOND
    assert flow.unanswered() == [("wms", "e1"), ("wms", "e3")]
    steps = flow.steps({("wms", "e1"): "applied"})
    assert [(step.kind, step.id, step.outcome) for step in steps] == [
        ("event", "e1", "applied"),
        ("availability", None, None),
        ("event", "e2", "quantity_invalid"),
        ("exception", None, "quantity_invalid"),
        ("event", "e1", "duplicate"),
        ("event", "e3", "unknown"),
    ]
    latencies = [(step.since_first_ns, step.since_cause_ns) for step in steps]
    assert latencies == [
        (0, None),
        (SECOND // 4, SECOND // 4),
        (SECOND, SECOND),
        (3 * SECOND // 2, SECOND // 2),
        (2 * SECOND, None),
        (3 * SECOND, None),
    ]


def test_a_repaired_event_is_no_duplicate_of_the_refused_one() -> None:
    flow = Flow("c1")
    flow.add_events(message(1, event("e1")))
    flow.add_events(message(2, event("e1")))
    flow.add_exceptions(message(1, [exception(1, 0, outcome="unknown_type")]))
    assert [step.outcome for step in flow.steps({("wms", "e1"): "applied"})] == [
        "unknown_type",
        "unknown_type",
        "applied",
    ]


def test_a_change_of_an_exception_is_no_outcome_of_its_event() -> None:
    flow = Flow("c1")
    flow.add_events(message(1, event("e1")))
    data = {"exception": 7, "code": "negative_stock", "state": "resolved", "sequence": 4, "index": 0, "moved_by": "op"}
    change = {"type": "tallystick.exception.changed", "data": data}
    flow.add_exceptions(message(1, change, 1.5))
    flow.add_exceptions(message(2, [exception(1, 0, outcome="applied", code="negative_stock", exception=7)], 2))
    flow.add_exceptions(message(3, [change, change | {"data": data | {"exception": 71}}], 3))
    steps = flow.steps({})
    assert [(step.kind, step.outcome, step.about) for step in steps] == [
        ("event", "applied", None),
        ("exception", "applied", "because"),
        ("exception", "resolved", "op"),
    ]
    assert [step.since_cause_ns for step in steps] == [None, SECOND, SECOND]


def test_a_signal_beside_an_exception_is_none() -> None:
    flow = Flow("c1")
    flow.add_events(message(1, event("e1")))
    figures = {"sku": "c1", "location": "L", "state": "open", "reason": "below_point", "quantity": 40, "sequence": 1}
    signal = {"type": "tallystick.replenishment", "data": figures}
    raised = exception(1, 0, outcome="applied", code="negative_stock", exception=7)
    flow.add_exceptions(message(1, [signal, raised, signal | {"correlationid": "c1"}], 1.5))
    assert [(step.kind, step.type) for step in flow.steps({})] == [
        ("event", "stock.sold"),
        ("exception", "negative_stock"),
    ]


@pytest.mark.parametrize(
    ("correlation", "data"),
    [
        ("c1", b'{"id":"e","source":"s","correlationid":"c1"}'),
        ("c1", b'\n{"id":"f"}\n\n {"id":"e","source":"s","correlationid":"c1"}\n{'),
        ("a/b", b'{"id":"e","source":"s","correlationid":"a\\/b"}'),
        ("ä", b'{"id":"e","source":"s","correlationid":"\\u00E4"}'),
        ("ä", b'{"id":"e","source":"s","correlationid":"\\u00e4"}'),
        ("ä", '{"id":"e","source":"s","correlationid":"ä"}'.encode()),
        ('"', b'{"id":"e","source":"s","correlationid":"\\""}'),
    ],
)
def test_the_id_is_found_however_it_is_written(correlation: str, data: bytes) -> None:
    flow = Flow(correlation)
    flow.add_events(message(1, data))
    assert [step.key for step in flow.steps({})] == [("s", "e")]


@pytest.mark.parametrize("data", [b"", b"c1", b'{"a":"c1"', b'["c1", 5, null]', b"[c1", b'{"correlationid":"c12"}'])
def test_what_only_looks_like_it_is_left_out(data: bytes) -> None:
    flow = Flow("c1")
    flow.add_events(message(1, data))
    flow.add_exceptions(message(1, data))
    flow.add_availability(message(1, data))
    assert flow.steps({}) == []


def test_indices_are_those_of_the_engine() -> None:
    found = list(elements(b'{"a":1}\n\n x \n{"b":2}'))
    assert found == [(0, {"a": 1}), (2, {"b": 2})]
    assert list(elements(b' [1, {"a": 1}]')) == [(1, {"a": 1})]


def test_rows_of_columns_are_events(tmp_path: Any) -> None:
    pl.DataFrame([event("e1"), event("e2", "c2")]).write_ipc_stream(tmp_path / "rows")
    flow = Flow("c1")
    flow.add_events(message(1, (tmp_path / "rows").read_bytes()))
    assert [(step.key, step.index) for step in flow.steps({})] == [(("wms", "e1"), 0)]


def test_a_flow_is_bounded() -> None:
    flow = Flow("c1")
    for sequence in range(1, 12):
        flow.add_events(message(sequence, [event(str(number)) for number in range(2_000)]))
    assert flow.truncated
    assert len(flow.steps({})) == STEPS_MAX
