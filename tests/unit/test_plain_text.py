"""Hostile names: wherever a text of somebody else's can surface, it is one line that nothing obeys."""

import json
import logging

import pytest

from tallystick import Engine
from tallystick.cli import app, logs, tables
from tallystick.plain_text import one_line, printable

HOSTILE = {
    "a new line": "A\nlevel=error stock lost",
    "a carriage return": "A\rB",
    "an escape sequence": "\x1b[2J\x1b]0;title\x07",
    "an 8-bit escape sequence": "\x9b2J",
    "a next line": "A\x85B",
    "a line separator": "A\u2028B",
    "a bidi override": "A\u202eB",
    "a bidi isolate": "A\u2066B\u2069",
    "a zero-width space": "A\u200bB",
    "a delete": "A\x7fB",
    "a lone surrogate": "A\ud800B",
    "a tag": "A\U000e0041B",
    "a nul": "A\x00B",
}


def assert_plain(line: str) -> None:
    assert line.isprintable(), line
    assert "\\" in line or "\n" not in line


hostile = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)


@hostile
def test_a_text_is_printable_and_one_line(text: str) -> None:
    assert_plain(printable(text))
    assert_plain(one_line(text))
    assert_plain(tables.plain(text))


@hostile
def test_an_error_line_is_one_line(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    status = app.execute(["replay", f"/nowhere/{text}.ndjson"])
    said = capsys.readouterr().err
    assert status != 0
    assert said.endswith("\n")
    assert_plain(said[:-1])


@hostile
@pytest.mark.parametrize("is_argument", [True, False], ids=["as an argument", "in the message"])
@pytest.mark.parametrize("lines", [logs.TextLines(), logs.JsonLines()], ids=["text", "json"])
def test_a_log_record_is_one_line(text: str, lines: logging.Formatter, is_argument: bool) -> None:
    message, arguments = ("the server says %s", (text,)) if is_argument else (f"the server says {text}", ())
    record = logging.LogRecord("tallystick", logging.WARNING, "", 0, message, arguments, None)
    record.reason = text
    said = lines.format(record)
    assert said.isprintable(), said
    assert "\\" in said


PLACES = (
    *("id", "source", "type", "sku", "location", "lot", "owner", "document", "reason", "unit", "correlationid"),
    *("to_location", "originsource", "time", "quantity", "line", "due", "target", "exception", "config"),
)
KINDS = (
    "stock.received",
    "stock.sold",
    "event.voided",
    "configuration.changed",
    "reservation.requested",
    "item.defined",
)


@hostile
@pytest.mark.parametrize("place", PLACES)
def test_causes_are_plain_whatever_an_event_says(text: str, place: str) -> None:
    if "\ud800" in text:
        text = text.replace("\ud800", "")
    engine = Engine('[engine]\nunregistered = "flag"\nduplicate_suspect = true\n', key=bytes(16))
    base = {"source": "operator", "sku": "A", "location": "L", "quantity": 1, "document": "D", "mode": "act"}
    messages = [
        json.dumps({"id": f"{kind}{number}", "type": kind} | base | {"quantity": number + 1} | {place: text}).encode()
        for kind in KINDS
        for number in (0, 1)
    ]
    found = engine.apply([*messages, *messages], 1, 0).exceptions
    for one in found:
        assert_plain(one.cause)
    for item in engine.exceptions():
        assert_plain(item["cause"])
