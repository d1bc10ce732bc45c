"""Hints: what in the first events of a file is not read as its writer may think. It refuses nothing and counts nothing.

A member that is no field is skipped by the engine, a blank at the end of a SKU makes another SKU, and one that a
spreadsheet took for a number has lost its digits: all are allowed.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, Final

EVENTS_LOOKED_AT: Final = 1_000
_LIKE: Final = 0.8
_POWER: Final = re.compile(r"\d([.,]\d+)?[eE]\+?\d{1,2}")
"""How a spreadsheet writes a long number, and what looks like a power of ten: `4.01235E+12`, `1E5`."""
_NAMES: Final = ("sku", "location", "lot", "owner", "to_location", "document")


def hints(lines: Iterable[bytes], known: Sequence[str]) -> list[str]:
    """Returns a sentence for each misspelt member and each name that is seldom meant so, most frequent first."""
    import orjson

    found: Counter[str] = Counter()
    near: dict[str, str] = {}
    events = 0
    for line in lines:
        try:
            event = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        if isinstance(event, dict):
            events += 1
            found.update(_of_event(event, known, near))
    return [f"{count:,} of the first {events:,} events: {said}" for said, count in found.most_common()]


def column_hints(columns: Sequence[str], known: Sequence[str]) -> list[str]:
    """Returns a sentence for each misspelt column of a table whose columns are the fields."""
    near = {column: _nearest(column, known) for column in columns if column not in known}
    return [
        f'the column "{column}" is no field and is not read; did you mean {like}?'
        for column, like in near.items()
        if like and like not in columns
    ]


def _of_event(event: dict[str, Any], known: Sequence[str], near: dict[str, str]) -> Iterable[str]:
    for name, value in event.items():
        if name not in known and name != "data":
            if name not in near:
                near[name] = _nearest(name, known)
            if near[name] and near[name] not in event:
                yield f'"{name}" is no field and is not read; did you mean {near[name]}?'
        elif name in _NAMES and isinstance(value, str):
            if value != value.strip():
                yield f"`{name}` has blanks around it, and is another {name} than without them"
            if _POWER.fullmatch(value.strip()):
                yield f"`{name}` looks like a number that a spreadsheet wrote as a power of ten; export it as text"


def _nearest(name: str, known: Sequence[str]) -> str:
    # Two letters that changed places make short names less like than one letter that is another, as in site and side.
    letters = sorted(name.lower())
    swapped = [like for like in known if sorted(like) == letters]
    return next(iter(swapped or get_close_matches(name.lower(), known, 1, _LIKE)), "")
