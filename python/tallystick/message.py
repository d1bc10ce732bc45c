"""Messages: events that callers hand in as Python objects, as the bytes that the engine reads. It decides nothing.

Dicts and other mappings, dataclasses, lists of them. Nothing is rounded on the way: a float is refused wherever it
stands, as in columns, because few floats are what they look like.
"""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from operator import index
from typing import Any
from uuid import UUID


def encode(event: object, place: int = 0) -> bytes:
    """Returns an event, or a list of events, as JSON. `place` is that of the message, for the words of an error.

    Decimals, ints of any size and UUIDs are written with all their digits, a datetime as RFC 3339. Raises TypeError for
    a float and for what is no value in JSON, ValueError for a datetime without a zone and for what is no number.

    >>> encode({"quantity": Decimal("12.50"), "time": datetime.fromisoformat("2026-03-01T08:00:00+01:00")})
    b'{"quantity":12.50,"time":"2026-03-01T08:00:00+01:00"}'
    >>> encode({"quantity": 12.5}, place=3)
    Traceback (most recent call last):
    TypeError: message 3: quantity 12.5 is a float, and seldom what it looks like; give an int, a Decimal or a text
    """
    if not isinstance(event, Mapping | list | tuple) and not (is_dataclass(event) and not isinstance(event, type)):
        raise TypeError(f"message {place} is of type {type(event).__name__}: give bytes, a text, or an event as a dict")
    try:
        import orjson

        return orjson.dumps(_plain(event, "it"))
    except TypeError as error:  # the encoder's own among them
        raise TypeError(f"message {place}: {error}") from error
    except ValueError as error:
        raise ValueError(f"message {place}: {error}") from error


def _plain(value: Any, name: str) -> Any:
    """The value in what the encoder writes exactly; `name` is that of the member that has it."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, float):
        raise TypeError(f"{name} {value!r} is a float, and seldom what it looks like; give an int, a Decimal or a text")
    if isinstance(value, Mapping):
        return {_text(key): _plain(member, str(key)) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(member, name) for member in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name), field.name) for field in fields(value)}
    return _scalar(value, name)


def _text(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f"the member {key!r} has a name that is no text")
    return key


def _scalar(value: Any, name: str) -> Any:
    import orjson

    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError(f"{name} {value} is no number")
        return orjson.Fragment(str(value))
    if isinstance(value, datetime) and value.utcoffset() is None:
        raise ValueError(f"{name} {value} has no zone: use datetime.now(UTC) or replace(tzinfo=…)")
    if hasattr(value, "__index__"):
        return orjson.Fragment(str(index(value)))
    if not isinstance(value, date | time | UUID | Enum):
        kind = type(value).__name__
        raise TypeError(f"{name} is of type {kind}, which JSON does not have; give a text")
    return value
