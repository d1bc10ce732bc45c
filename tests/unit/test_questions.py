"""Questions: what is asked well is answered within bounds, and what is not is told how to ask."""

import contextlib
import json
from collections.abc import Mapping
from typing import Any

import pytest

from tallystick import Engine
from tallystick.bus.questions import (
    ANSWERS,
    LIST,
    ONE,
    QUESTIONS,
    REPLENISH,
    SOURCES,
    STATS,
    TRAIL,
    WHAT_IF,
    Question,
)
from tallystick.cli.sources import lag_text
from tallystick.cli.trace import latency_text, time_text
from tallystick.daemon.answers import answer

BAD = b'{"id":"%d","source":"wms","type":"stock.nothing","sku":"A","location":"L","quantity":1,"note":"%s"}'
GOOD = b'{"id":"g","source":"wms","type":"stock.received","sku":"A","location":"L","quantity":2}'
NOW_NS = 1_772_352_000_000_000_000


def ask(engine: Engine, question: Question, members: Mapping[str, Any], bytes_max: int = 1 << 20) -> Any:
    found = answer(engine, question, question.parse(json.dumps(members).encode()), bytes_max)
    assert len(found) <= bytes_max
    return json.loads(found)


@pytest.fixture
def engine() -> Engine:
    made = Engine()
    made.apply([*(BAD % (number, b"x" * 3_000) for number in range(600)), GOOD], 1, NOW_NS)
    return made


@pytest.mark.parametrize(
    ("question", "data", "words"),
    [
        (LIST, b"[]", "no JSON object"),
        (LIST, b"{", "Expecting"),
        (LIST, b'{"team": "it"}', "unknown field 'team'"),
        (LIST, b'{"state": "shut"}', "state is one of unresolved, all, open"),
        (LIST, b'{"code": 5}', "code must be a text"),
        (LIST, b'{"limit": 501}', "limit must be a whole number from 1 to 500"),
        (LIST, b'{"after": -1}', "after must be a whole number of at least 0"),
        (LIST, b'{"events": 1}', "events is true or false"),
        (ONE, b"", "number must be"),
        (ONE, b'{"number": 1.0}', "number must be"),
        (TRAIL, b'{"sku": "A"}', "sku and location are needed"),
        (WHAT_IF, b'{"events": []}', "list of 1 to 500"),
        (WHAT_IF, b'{"events": [5]}', "each event is a JSON object"),
        (WHAT_IF, b'{"events": [{"quantity": NaN}]}', "NaN is no number"),
        (ANSWERS, b'{"keys": [["a"]]}', "each key is a source and an id"),
        (ANSWERS, b'{"keys": [["a", 5]]}', "each key is a source and an id"),
        (REPLENISH, b'{"owner": "x"}', "unknown field 'owner'"),
        (REPLENISH, b'{"sku": ""}', "sku must be a text"),
        (REPLENISH, b'{"limit": 1001}', "limit must be a whole number from 1 to 1000"),
        (STATS, b'{"all": true}', "unknown field 'all'"),
    ],
)
def test_bad_questions_are_named(question: Question, data: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        answer(Engine(), question, question.parse(data), 1 << 20)


def test_subjects_and_names_are_told_apart() -> None:
    assert len({question.name for question in QUESTIONS}) == len({q.subject for q in QUESTIONS}) == len(QUESTIONS)
    assert all(question.subject.startswith("tallystick.") and "send" in question.cure for question in QUESTIONS)


def test_every_question_has_an_answer(engine: Engine) -> None:
    for question in QUESTIONS:
        with contextlib.suppress(ValueError):  # Some need members.
            assert answer(engine, question, {}, 1 << 20)


def test_a_list_comes_in_pages(engine: Engine) -> None:
    first = ask(engine, LIST, {"limit": 500})
    assert (len(first["items"]), first["more"], first["sequence"]) == (500, True, 601)
    assert all("event" not in item for item in first["items"])
    rest = ask(engine, LIST, {"limit": 500, "after": first["items"][-1]["number"]})
    assert (len(rest["items"]), rest["more"]) == (100, False)
    assert [item["number"] for item in first["items"] + rest["items"]] == list(range(1, 601))


def test_a_list_with_events_fits_into_a_message(engine: Engine) -> None:
    page = ask(engine, LIST, {"limit": 500, "events": True}, 100_000)
    assert page["more"]
    assert 20 < len(page["items"]) < 40
    assert page["items"][0]["event"].encode() == BAD % (0, b"x" * 3_000)


def test_filters(engine: Engine) -> None:
    for name, value in (("code", "unknown_type"), ("source", "wms"), ("state", "unresolved")):
        assert ask(engine, LIST, {name: value, "limit": 1})["items"]
    for name, value in (("code", "loop"), ("source", "erp"), ("state", "discarded"), ("correlation", "c")):
        assert ask(engine, LIST, {name: value})["items"] == []


def test_one_and_none(engine: Engine) -> None:
    assert ask(engine, ONE, {"number": 7})["id"] == "6"
    assert ask(engine, ONE, {"number": 700}) is None
    assert ask(engine, TRAIL, {"sku": "A", "location": "L"})["movements"]
    assert ask(engine, TRAIL, {"sku": "B", "location": "L"}) is None
    assert ask(engine, STATS, {})["open"] == 600
    assert [found["source"] for found in ask(engine, SOURCES, {})] == ["wms"]
    assert ask(engine, SOURCES, {"source": "erp"}) == []


def test_what_if_changes_nothing_and_keeps_all_digits(engine: Engine) -> None:
    before = engine.state_hash()
    event = json.loads(GOOD)
    question = json.dumps({"events": [event | {"id": "n1"}, event | {"id": "n2", "quantity": "Q"}]})
    exact = question.replace('"Q"', "1.00000000000000000001").encode()
    found = json.loads(answer(engine, WHAT_IF, WHAT_IF.parse(exact), 1 << 20))
    assert [row["outcome"] for row in found["outcomes"]] == ["applied", "quantity_invalid"]
    (position,) = found["positions"]
    assert (position["before"]["on_hand"], position["after"]["on_hand"]) == (2, 4)
    assert engine.state_hash() == before


def test_answers_of_keys(engine: Engine) -> None:
    keys = [["wms", "g"], ["wms", "0"], ["erp", "g"]]
    assert ask(engine, ANSWERS, {"keys": keys})["answers"] == ["applied", None, None]


def test_times_for_people() -> None:
    assert time_text(NOW_NS + 1_234_567) == "2026-03-01T08:00:00.001Z"
    assert [latency_text(ns) for ns in (None, 0, 1_500_000, 10**9, 125 * 10**9)] == [
        "",
        "0.0 ms",
        "1.5 ms",
        "1.0 s",
        "2.1 min",
    ]
    assert [lag_text(s) for s in (None, "0", "119.96", "7200", "-200000")] == [
        "",
        "0.0 s",
        "120.0 s",
        "2.0 h",
        "-2.3 d",
    ]
