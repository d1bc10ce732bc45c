"""Exact JSON: events are taken apart and put together again without a digit of a number changing.

A float would round what somebody sent; here numbers with a fraction are decimals and come out as they went in.
"""

import json
from decimal import Decimal
from operator import index
from typing import Any, Final

_WORD_MAX: Final = (1 << 64) - 1
_WORD_MIN: Final = -(1 << 63)


def loads(data: bytes | str) -> Any:
    """Reads JSON; a number with a fraction, or beyond 64 bits, is a Decimal. Raises ValueError for what is none.

    >>> loads('{"quantity": 12.50}')
    {'quantity': Decimal('12.50')}
    """
    try:
        return json.loads(data, parse_float=Decimal, parse_int=_integer, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def dumps(value: Any, *, indent: bool = False) -> bytes:
    """Writes JSON in UTF-8. Raises ValueError for what JSON cannot express, as half of a surrogate pair.

    >>> dumps({"quantity": Decimal("12.50")})
    b'{"quantity":12.50}'
    """
    import orjson

    try:
        return orjson.dumps(value, default=_number, option=orjson.OPT_INDENT_2 if indent else None)
    except orjson.JSONEncodeError as error:
        raise ValueError(str(error)) from error


def _integer(digits: str) -> int | Decimal:
    # The encoder takes 64 bits, and an int has no minus zero: a decimal keeps such digits as they came.
    if len(digits) > 20 or digits == "-0" or not _WORD_MIN <= int(digits) <= _WORD_MAX:
        return Decimal(digits)
    return int(digits)


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no number in JSON")


def _number(value: object) -> Any:
    import orjson

    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError(f"{value} is no number in JSON")
        return orjson.Fragment(str(value))
    if hasattr(value, "__index__"):  # a whole number of NumPy's
        return orjson.Fragment(str(index(value)))
    raise TypeError(f"{type(value).__name__} is no value in JSON")
