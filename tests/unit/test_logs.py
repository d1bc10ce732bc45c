"""Logs: one line per record in both formats, whoever wrote what it tells of; times in UTC."""

import io
import json
import logging
import re
from collections.abc import Iterator

import pytest

from tallystick.cli import logs

HOSTILE = "a\nb\r\x1b[2Jc\u2028d\u202ee\x00f\tg"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, as it was afterwards."""
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    yield logger
    logger.handlers[:], logger.level = handlers, level


def say(log_format: str, stream: io.StringIO, message: str = HOSTILE, **fields: object) -> str:
    logs.set_up("info", log_format, stream)
    logging.getLogger("tallystick.test").warning("%s", message, extra=fields)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("log_format", "stream", "is_json"),
    [
        ("auto", io.StringIO, True),
        ("auto", Terminal, False),
        ("json", Terminal, True),
        ("text", io.StringIO, False),
    ],
)
def test_format_goes_by_the_setting_and_the_terminal(
    root: logging.Logger, log_format: str, stream: type[io.StringIO], is_json: bool
) -> None:
    said = say(log_format, stream(), "hello")
    assert said.startswith("{") is is_json


def test_a_json_line_has_its_fields(root: logging.Logger) -> None:
    line = json.loads(say("json", io.StringIO(), "saved", sequence=7, took_s=0.5, what="snapshots", is_final=False))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line == {
        "level": "warning", "logger": "tallystick.test", "message": "saved",
        "sequence": 7, "took_s": 0.5, "what": "snapshots", "is_final": False,
    }  # fmt: skip


def test_a_text_line_has_time_in_utc_and_level(root: logging.Logger) -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z WARNING hello\n", say("text", io.StringIO(), "hello"))


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_nobody_ends_a_line_or_moves_a_terminal(root: logging.Logger, log_format: str) -> None:
    said = say(log_format, io.StringIO(), reason=HOSTILE)
    assert said.count("\n") == 1
    assert said.endswith("\n")
    assert all(sign.isprintable() for sign in said[:-1])


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_long_values_are_cut(root: logging.Logger, log_format: str) -> None:
    said = say(log_format, io.StringIO(), "x" * 100_000, reason="y" * 100_000)
    assert len(said) < 3 * logs.VALUE_CHARS_MAX
    assert "(100,000 characters)" in said


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_traceback_is_a_part_of_its_line(root: logging.Logger, log_format: str) -> None:
    stream = io.StringIO()
    logs.set_up("info", log_format, stream)
    try:
        int("no\nway")
    except ValueError:
        logging.getLogger().exception("it failed")
    said = stream.getvalue()
    assert said.count("\n") == 1
    assert "Traceback" in said


def test_fields_cannot_take_the_place_of_what_a_line_has_by_itself(root: logging.Logger) -> None:
    line = json.loads(say("json", io.StringIO(), "true", time="never", level="none", logger="nobody"))
    assert line["level"] == "warning"
    assert line["logger"] == "tallystick.test"
    assert line["time"] != "never"
