"""Elements: the events of one message, each with its index, for looking back at single messages (docs/events.md §1).

It takes apart what the engine takes apart, slowly, and judges nothing: what is no JSON object is left out, but counted.
"""

from collections.abc import Iterator
from typing import Any, Final

from tallystick import exact_json

_COLUMNS: Final = (b"\xff\xff\xff\xff", b"ARROW1")
_REFUSE_ALL: Final = '[engine]\nunregistered = "refuse"\noperators = []\n'


def elements(message: bytes) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields index and content of every element that is a JSON object, or a row that can be written as one."""
    for index, content in _parts(message):
        try:
            found = exact_json.loads(content) if isinstance(content, bytes) else content
        except ValueError:
            continue
        if isinstance(found, dict):
            yield index, found


def members(event: dict[str, Any]) -> dict[str, Any]:
    """Returns the fields of an event in either form, those under `data` beside the attributes."""
    data = event.get("data")
    return {**data, **event} if isinstance(data, dict) else event


def _parts(message: bytes) -> Iterator[tuple[int, Any]]:
    if message.startswith(_COLUMNS):
        yield from _rows(message)
        return
    stripped = message.strip(b" \t\r\n")
    if stripped.startswith(b"["):
        try:
            yield from enumerate(exact_json.loads(stripped))
        except ValueError:
            return
        return
    try:
        whole = exact_json.loads(stripped)
    except ValueError:
        lines = (line.strip(b" \t\r") for line in stripped.split(b"\n"))
        yield from enumerate(line for line in lines if line)
    else:
        yield 0, whole


def _rows(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields the rows of columns as events: an engine that knows no source refuses each, and spells it out for that."""
    from tallystick._engine import Engine

    refused = Engine(_REFUSE_ALL).apply([message], 1, 0).exceptions
    yield from ((record.index, record.event) for record in refused)
