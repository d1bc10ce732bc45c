"""Directives: bytes that the contract describes."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tallystick import acknowledge, approve, assign, configure, correct_event, deny, discard, resolve, void_event
from tallystick.cli import decide, policy, repair
from tallystick.client import directives, exceptions


@pytest.mark.parametrize(
    ("made", "kind", "data"),
    [
        (void_event("wms", "e1", source="wms"), "event.voided", {"target": {"source": "wms", "id": "e1"}}),
        (
            correct_event("wms", "e1", {"quantity": "2.50"}, source="erp"),
            "event.corrected",
            {"target": {"source": "wms", "id": "e1"}, "event": {"quantity": "2.50"}},
        ),
        (approve(7), "approval.granted", {"exception": 7}),
        (deny(7, reason="no"), "approval.denied", {"exception": 7, "reason": "no"}),
        (acknowledge(7), "exception.acknowledged", {"exception": 7}),
        (resolve(7), "exception.resolved", {"exception": 7}),
        (discard(7), "exception.discarded", {"exception": 7}),
        (assign(7, "finance"), "exception.assigned", {"exception": 7, "team": "finance"}),
        (configure({"approvals": {}}), "configuration.changed", {"config": {"approvals": {}}, "mode": "act"}),
        (configure(None, "end_shadow"), "configuration.changed", {"mode": "end_shadow"}),
    ],
)
def test_each_says_what_it_is(made: bytes, kind: str, data: dict[str, Any]) -> None:
    event = json.loads(made)
    assert (event["type"], event["data"]) == (kind, data)
    assert event["source"]
    assert event["id"]


def test_ids_are_new_unless_they_are_given() -> None:
    assert json.loads(approve(1))["id"] != json.loads(approve(1))["id"]
    assert json.loads(approve(1, directive_id="d1", correlationid="c1"))["id"] == "d1"
    assert json.loads(approve(1, time="2026-01-01T00:00:00Z"))["time"] == "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("make", "error"),
    [(lambda: approve(1, reason="x" * 65), ValueError), (lambda: approve(1, resaon="typo"), TypeError)],
)
def test_what_the_engine_would_refuse_is_not_made(make: Callable[[], bytes], error: type[Exception]) -> None:
    with pytest.raises(error):
        make()


def test_the_command_line_speaks_as_the_same_operator() -> None:
    assert decide.OPERATOR == policy.OPERATOR == directives.OPERATOR
    assert repair.NOTE_BYTES_MAX == exceptions.REPAIR_REASON_BYTES_MAX
