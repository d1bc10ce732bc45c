"""What `apply` is given: sequences and times that it finds by itself, and events as Python objects."""

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick import Engine, Outcome, Reference, SequenceError

EVENT: Final = {"id": "1", "source": "wms", "type": "stock.received", "sku": "A", "location": "L", "quantity": 1}
NOW_NS: Final = 1_767_600_000_000_000_000
NOW: Final = datetime.fromtimestamp(NOW_NS // 10**9, UTC)
COLUMNS: Final = {**EVENT, "id": np.array(["1"]), "quantity": np.array([1])}


def numbered(number: int, **more: Any) -> dict[str, Any]:
    return {**EVENT, "id": f"e{number}", **more}


def test_the_next_sequence_and_now_are_what_is_meant_by_nothing() -> None:
    engine = Engine()
    before_ns = time.time_ns()
    first = engine.apply([numbered(1), [numbered(2), numbered(3)]])
    second = engine.apply(json.dumps(numbered(4)) + "\n" + json.dumps(numbered(5)))
    third = engine.apply_columns(COLUMNS)
    assert [batch.sequences.tolist() for batch in (first, second, third)] == [[1, 2, 2], [3, 4], [5]]
    assert engine.log_time_ns is not None
    assert before_ns <= engine.log_time_ns <= time.time_ns()
    assert engine.apply([]).sequences.tolist() == []
    assert engine.apply([EVENT], first_sequence=9).sequences.tolist() == [9]
    assert engine.apply([EVENT]).sequences.tolist() == [10]
    assert Engine.restore(engine.snapshot()).apply([EVENT]).sequences.tolist() == [11]


def test_now_is_never_before_the_last_time_of_the_log() -> None:
    engine = Engine()
    ahead_ns = time.time_ns() + 3_600 * 10**9
    engine.apply([numbered(1)], log_time_ns=ahead_ns)
    engine.apply([numbered(2)])
    engine.apply_columns(COLUMNS)
    assert engine.log_time_ns == ahead_ns
    assert engine.outcome_totals() == {"applied": 3}


@pytest.mark.parametrize(
    "moment",
    [
        NOW,
        NOW.astimezone(timezone(timedelta(hours=5, minutes=30))),
        [NOW, NOW + timedelta(microseconds=1)],
        iter([NOW, NOW + timedelta(microseconds=1)]),
    ],
    ids=["utc", "other zone", "one each", "of any kind"],
)
def test_a_datetime_is_the_time_that_it_says(moment: Any) -> None:
    engine = Engine()
    engine.apply([numbered(1), numbered(2)], log_time=moment)
    assert engine.log_time_ns in (NOW_NS, NOW_NS + 1_000)
    assert (engine.log_time_ns == NOW_NS) == isinstance(moment, datetime)


@given(st.datetimes(datetime(1700, 1, 1), datetime(2262, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 (bounds have none)
def test_no_microsecond_of_a_datetime_is_lost(moment: datetime) -> None:
    engine = Engine()
    engine.apply([EVENT], log_time=moment)
    assert engine.log_time_ns is not None
    assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=engine.log_time_ns // 1_000) == moment
    assert engine.log_time_ns % 1_000 == 0


def test_columns_take_a_datetime_too() -> None:
    engine = Engine()
    engine.apply_columns(COLUMNS, log_time=NOW)
    assert engine.log_time_ns == NOW_NS


def test_the_events_own_times_are_asked_for() -> None:
    line = json.dumps({**EVENT, "time": "2026-01-05T08:00:00Z"}).encode()
    times = {"time": np.array(["2026-01-05T08:00:00"], "datetime64[s]")}
    by_line, by_columns = Engine(), Engine()
    by_line.apply(line, event_times=True)
    by_columns.apply_columns({**COLUMNS, **times}, event_times=True)
    assert by_line.log_time_ns == by_columns.log_time_ns == NOW_NS
    assert Reference().apply(line, 1, event_times=True) == ["applied"]
    with pytest.raises(ValueError, match="the twin has no clock: give log_time_ns, or event_times=True"):
        Reference().apply(line, 1)


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda one: one.apply([EVENT], log_time=NOW.replace(tzinfo=None)), ValueError, "08:00:00 has no zone"),
        (lambda one: one.apply([EVENT], log_time=NOW_NS), TypeError, "not int; nanoseconds since 1970 go into log"),
        (lambda one: one.apply([EVENT], log_time=date(2026, 1, 5)), TypeError, "with a zone, or many, not date"),
        (lambda one: one.apply([EVENT], log_time_ns=NOW), TypeError, "a datetime goes into log_time"),
        (lambda one: one.apply([EVENT], log_time_ns=time.time()), TypeError, "nanoseconds since 1970 as an int"),
        (lambda one: one.apply([EVENT], log_time_ns=1, log_time=NOW), TypeError, "exclude each other"),
        (lambda one: one.apply(b"{}", log_time_ns=1, event_times=True), TypeError, "exclude each other"),
        (lambda one: one.apply([EVENT], event_times=True), ValueError, "takes an NDJSON buffer or columns"),
        (lambda one: one.apply([EVENT], log_time=[NOW, NOW]), ValueError, "1 messages have 2 log times"),
        (lambda one: one.apply(b"{}", log_time=[NOW]), ValueError, "an NDJSON buffer has one log time"),
        (lambda one: one.apply_columns(COLUMNS, log_time=[NOW]), ValueError, "columns have one log time"),
        (lambda one: one.apply([EVENT], log_time=datetime(9999, 1, 1, tzinfo=UTC)), OverflowError, "1678 to 2262"),
        (lambda one: one.apply([EVENT], first_sequence=0), SequenceError, "the first one of a log is 1"),
        (lambda one: one.apply(EVENT), TypeError, r"messages are a list: \[event\]"),
        (lambda one: one.apply(7), TypeError, "messages must be NDJSON"),
        (lambda one: one.apply([EVENT, 7]), TypeError, "message 1 is of type int: give bytes, a text, or an event"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_in_words(
    call: Callable[[Any], object], kind: type[Exception], words: str
) -> None:
    engine = Engine()
    with pytest.raises(kind, match=words):
        call(engine)
    assert (engine.sequence, len(engine), engine.log_time_ns) == (0, 0, None)


class Kind(StrEnum):
    RECEIVED = "stock.received"


@dataclass
class Received:
    id: str
    quantity: Decimal
    source: str = "wms"
    type: str = "stock.received"
    sku: str = "A"
    location: str = "L"


@pytest.mark.parametrize(
    ("message", "thousandths"),
    [
        (EVENT, 1_000),
        (json.dumps(EVENT), 1_000),
        (json.dumps(EVENT).encode(), 1_000),
        (bytearray(json.dumps(EVENT).encode()), 1_000),
        ([EVENT, {**EVENT, "id": "2"}], 2_000),
        ({**EVENT, "quantity": Decimal("12.500")}, 12_500),
        ({**EVENT, "quantity": Decimal("0.001")}, 1),
        ({**EVENT, "quantity": "12.5"}, 12_500),
        ({**EVENT, "quantity": np.int64(3)}, 3_000),
        ({**EVENT, "type": Kind.RECEIVED, "id": uuid.UUID(int=7), "time": NOW}, 1_000),
        (MappingProxyType(EVENT), 1_000),
        (Received("1", Decimal("2.5")), 2_500),
        ({"specversion": "1.0", **EVENT, "quantity": None, "data": {"quantity": Decimal(4)}}, 4_000),
    ],
)  # fmt: skip
def test_events_may_be_python_objects(message: Any, thousandths: int) -> None:
    engine = Engine()
    batch = engine.apply([message], log_time=NOW)
    assert set(batch.outcome_names) == {"applied"}
    position = engine.position("A", "L")
    assert position is not None
    assert position.on_hand_thousandths == thousandths
    assert {tried["outcome"] for tried in engine.what_if([message])["outcomes"]} == {"duplicate"}


@given(st.decimals(Decimal("0.001"), Decimal(10**9), places=3))
def test_a_dict_says_what_its_json_says(quantity: Decimal) -> None:
    engine, other = Engine(key=b"k" * 16), Engine(key=b"k" * 16)
    engine.apply([{**EVENT, "quantity": quantity}], 1, NOW_NS)
    other.apply([json.dumps({**EVENT, "quantity": str(quantity)}).encode()], 1, NOW_NS)
    assert engine.state_hash() == other.state_hash()
    # Sent again by the other way it is the same event, not another one under its key.
    assert engine.apply([{**EVENT, "quantity": str(quantity)}], log_time_ns=NOW_NS).outcomes.tolist() == [
        Outcome.DUPLICATE
    ]


@pytest.mark.parametrize(
    ("value", "kind", "words"),
    [
        (12.5, TypeError, "message 1: quantity 12.5 is a float, and seldom what it looks like"),
        (0.1 + 0.2, TypeError, "quantity 0.30000000000000004 is a float"),
        (np.float64(2), TypeError, r"2\.0.* is a float"),
        (np.float32(2), TypeError, "quantity is of type float32, which JSON does not have; give a text"),
        (float("nan"), TypeError, "quantity nan is a float"),
        ({"amounts": [1, 2.5]}, TypeError, "amounts 2.5 is a float"),
        (Decimal("NaN"), ValueError, "quantity NaN is no number"),
        (Fraction(1, 9), TypeError, "quantity is of type Fraction, which JSON does not have"),
        (NOW.replace(tzinfo=None), ValueError, "quantity 2026-01-05 08:00:00 has no zone"),
        ({1: "x"}, TypeError, "the member 1 has a name that is no text"),
        ("\ud800", TypeError, "message 1: .*surrogates not allowed"),
    ],
)
def test_what_is_not_exact_is_refused_and_nothing_changes(value: object, kind: type[Exception], words: str) -> None:
    engine = Engine()
    with pytest.raises(kind, match=words):
        engine.apply([EVENT, {**EVENT, "id": "2", "quantity": value}])
    assert (engine.sequence, len(engine)) == (0, 0)
