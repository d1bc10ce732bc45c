"""Triage: which exceptions come first, by code and cause, and whether what somebody filters by is there at all.

It sorts and counts what was read, and asks nobody.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from tallystick.client.work import WorkItem
from tallystick.errors import UsageError

SEVERITIES: Final = ("critical", "error", "warning", "info")
"""From the worst on."""
_NUMBER: Final = re.compile(r"[-+−]?\d[\d.,:TZ-]*")


@dataclass(frozen=True, slots=True)
class Group:
    """Exceptions of one code whose causes differ in their numbers alone."""

    code: str
    cause: str
    """That of the worst of them, with its own numbers."""
    count: int
    severity: str
    owner: str
    oldest: str
    """When the first of them was seen."""
    at_stake: Decimal | int | None
    """Units that they are about, where that could be read."""
    value: Decimal | int | None
    """What these cost, where the items have a unit cost."""
    escalated: int
    is_mixed: bool
    """Whether the causes of the others have other numbers."""
    numbers: tuple[int, ...]


def shape(cause: str) -> str:
    """Returns a cause without its numbers, dates and times.

    >>> shape("stock fell to -5 (sold 5, had 0)") == shape("stock fell to -0.25 (sold 1,000, had 999.75)")
    True
    """
    return _NUMBER.sub("#", cause)


def groups(items: Iterable[WorkItem]) -> list[Group]:
    """Returns what the items come to by code, owner and cause, what matters most first.

    >>> groups([])
    []
    """
    found: dict[tuple[str, str, str], list[WorkItem]] = {}
    for item in items:
        found.setdefault((item.code, item.owner, shape(item.cause)), []).append(item)
    made = [_group(ordered(some, "severity")) for some in found.values()]
    return sorted(made, key=lambda group: _weight(group, group.oldest, group.numbers[0]))


def _group(items: Sequence[WorkItem]) -> Group:
    first = items[0]
    return Group(
        code=first.code,
        cause=first.cause,
        count=len(items),
        severity=first.severity,
        owner=first.owner,
        oldest=min(item.first_seen for item in items),
        at_stake=_sum(item.at_stake for item in items),
        value=_sum(item.value for item in items),
        escalated=sum(item.escalated for item in items),
        is_mixed=any(item.cause != first.cause for item in items),
        numbers=tuple(item.number for item in items),
    )


def _sum(figures: Iterable[Decimal | int | None]) -> Decimal | int | None:
    known = [figure for figure in figures if figure is not None]
    return sum(known) if known else None


def _weight(about: WorkItem | Group, seen: str, number: int) -> tuple[Any, ...]:
    """What comes first: the worst, then what is worth most, then the most units, then the oldest."""
    return SEVERITIES.index(about.severity), -(about.value or 0), -(about.at_stake or 0), seen, number


_ORDERS: Final[dict[str, Callable[[WorkItem], Any]]] = {
    "severity": lambda item: _weight(item, item.first_seen, item.number),
    "age": lambda item: (item.first_seen, item.number),
    "value": lambda item: (-(item.value or 0), -(item.at_stake or 0), item.first_seen, item.number),
    "code": lambda item: (item.code, item.first_seen, item.number),
    "count": lambda item: (-item.count, item.first_seen, item.number),
}
ORDERS: Final = tuple(_ORDERS)
IN_WORDS: Final = {
    "severity": "worst first",
    "age": "oldest first",
    "value": "most at stake first",
    "code": "by code",
    "count": "most often raised first",
}


def ordered(items: Iterable[WorkItem], by: str) -> list[WorkItem]:
    """Returns the items in one of `ORDERS`.

    >>> ordered([], "age")
    []
    """
    return sorted(items, key=_ORDERS[by])


def check_known(option: str, value: str | None, known: Iterable[str]) -> None:
    """Raises UsageError, which guesses what was meant, for a value that is not among the known ones.

    >>> check_known("--severity", "critcal", SEVERITIES)
    Traceback (most recent call last):
    tallystick.errors.UsageError: --severity: there is no "critcal"; did you mean critical?
    """
    names = list(known)
    if value is None or value in names:
        return
    close = difflib.get_close_matches(value, names, n=1, cutoff=0.5)
    listed = ", ".join(names[:40]) + (", …" if len(names) > 40 else "")
    guess = f"did you mean {close[0]}?" if close else f"there are {listed or 'none at all'}"
    raise UsageError(f'{option}: there is no "{value}"; {guess}')


def since(text: str, now: datetime) -> str:
    """Returns the time, as RFC 3339, that a duration before now or a time means. Raises UsageError.

    >>> since("36h", datetime(2026, 12, 3, tzinfo=UTC)), since("2026-12-01", datetime(2026, 12, 3, tzinfo=UTC))
    ('2026-12-01T12:00:00Z', '2026-12-01T00:00:00Z')
    """
    from datetime import timedelta

    from tallystick.config import duration_s

    seconds = duration_s(text)
    if seconds:
        moment = now - timedelta(seconds=seconds)
    else:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            examples = "90m, 12h, 7d, 2026-12-01 or 2026-12-01T08:00:00Z"
            raise UsageError(f"--since {text} is neither a duration nor a time; give {examples}") from None
    zoned = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return zoned.strftime("%Y-%m-%dT%H:%M:%SZ")
