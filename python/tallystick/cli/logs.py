r"""Logs: what the daemon says, one line per record: text, or JSON for those who collect logs. Times are in UTC.

What others wrote cannot end a line, move a terminal or fill a disk: control characters are escaped, long values cut.
"""

import json
import logging
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from tallystick.plain_text import printable

VALUE_CHARS_MAX: Final = 1_000
"""Most characters of a message or of a field."""
_OWN: Final = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime", "taskName"}
"""What each record has by itself; all else was given as `extra`, and is a field."""


def set_up(level: str, log_format: str, stream: TextIO) -> bool:
    """Sends all records to a stream in this format, and returns whether that is JSON."""
    in_json = is_json(log_format, stream)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines() if in_json else TextLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    return in_json


def is_json(log_format: str, stream: TextIO) -> bool:
    """Returns whether a setting of `process.log_format` means JSON on a stream."""
    return log_format == "json" or (log_format == "auto" and not stream.isatty())


def last_line(text: str, status: int) -> str:
    """Returns the JSON line about what ended the process, with its exit status as the field `exit`."""
    level = logging.ERROR if status else logging.INFO
    record = logging.LogRecord("tallystick", level, __file__, 0, text, None, None)
    record.exit = status
    return JsonLines().format(record)


class TextLines(logging.Formatter):
    """`2026-11-21T19:02:24.023Z INFO message`."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns one line."""
        parts = [_time(record), record.levelname, plain(record.getMessage())]
        if record.exc_info:
            parts.append(f"({plain(self.formatException(record.exc_info))})")
        return " ".join(parts)


class JsonLines(logging.Formatter):
    """An object per line: `time`, `level`, `logger`, `message`, and what fields the record has."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns one line."""
        fields: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": plain(record.getMessage()),
        }
        for name, value in vars(record).items():
            if name not in _OWN and name not in fields:
                fields[name] = value if isinstance(value, (bool, int, float)) or value is None else plain(value)
        if record.exc_info:
            fields["exception"] = plain(self.formatException(record.exc_info))
        return json.dumps(fields, ensure_ascii=False)


def plain(text: object) -> str:
    r"""A text of anybody's as a part of one line.

    >>> print(plain("a\x1b[2J\nb"))
    a\x1b[2J\nb
    """
    value = str(text)
    cut = value[:VALUE_CHARS_MAX]
    shown = printable(cut)
    return f"{shown}… ({len(value):,} characters)" if len(value) > len(cut) else shown


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
