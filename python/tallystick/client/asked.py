"""Asked: what people ask of reservations, checked before it enters the log, where a mistake would stay.

What can be seen at once is checked here, what the state decides is asked of the daemon. Who comes in between is
answered by the log all the same.
"""

import re
import shlex
from collections.abc import Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

from tallystick import exact_json
from tallystick.bus import questions
from tallystick.errors import UsageError
from tallystick.quantity import to_thousandths

if TYPE_CHECKING:
    from tallystick.client.wire import Wire

_BYTES_MAX: Final = {"sku": 64, "location": 64, "group": 64, "channel": 64, "document": 64, "source": 64} | {
    "line": 32,
    "id": 128,
}
_TTL: Final = re.compile(r"[0-9]{1,12}(ms|s|m|h|d)|none")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


def check(asked: Mapping[str, Any]) -> None:
    """Raises UsageError for what can be seen to be wrong, TypeError for a float. What is None was not asked.

    >>> from decimal import Decimal
    >>> check({"sku": "LAMP", "quantity": Decimal(3), "due": "2026-12-01", "ttl": "15m"})
    >>> check({"due": "tomorrow"})
    Traceback (most recent call last):
    tallystick.errors.UsageError: due: tomorrow is no day; give 2026-12-01, or 2026-12-01T08:00:00Z
    """
    for name, most in _BYTES_MAX.items():
        text = asked.get(name)
        if isinstance(text, int) and name == "line":
            continue
        if text is not None and not isinstance(text, str):
            raise UsageError(f"{name}: {text!r} is no text; give one")
        if text is not None and not (0 < len(text.encode("utf-8", "surrogatepass")) <= most and text.isprintable()):
            raise UsageError(f"{name}: {text[:70]!r} is no name; give 1 to {most} bytes that can be printed")
    for quantity in (asked.get("quantity"), *(asked.get("quantities") or ())):
        _check_quantity(quantity)
    due, ttl = asked.get("due"), asked.get("ttl")
    if due is not None and (not isinstance(due, str) or day_of(due) is None):
        raise UsageError(f"due: {_shown(due)} is no day; give 2026-12-01, or 2026-12-01T08:00:00Z")
    if ttl is not None and (not isinstance(ttl, str) or _TTL.fullmatch(ttl) is None or not ttl.strip("0msdh")):
        raise UsageError(f"ttl: {_shown(ttl)} is no time to hold it; give 90s, 15m, 2h, 1d or none")


def _check_quantity(quantity: Any) -> None:
    if quantity is None:
        return
    try:
        thousandths = to_thousandths(quantity)
    except ValueError as error:
        raise UsageError(f"quantity: {error}") from error
    except TypeError as error:
        raise TypeError(f"quantity: {error}") from error
    if not 0 < thousandths <= 10**15:
        raise UsageError(f"quantity: {quantity} cannot be held; give more than zero, and 10^12 at most")


def _shown(value: Any) -> str:
    """A text as it is, and of anything else what it is: the number 30 is not the text `30s`."""
    return value if isinstance(value, str) else f"{value!r} ({type(value).__name__})"


def day_of(due: str) -> date | None:
    """Returns the day of a date, or of a time with a zone; None for anything else.

    >>> day_of("2026-12-01T08:00:00Z"), day_of("2026-13-01"), day_of("20261201")
    (datetime.date(2026, 12, 1), None, None)
    """
    if len(due) != 10 and _TIME.fullmatch(due) is None:
        return None
    try:
        return date.fromisoformat(due[:10]) if due[4:5] == "-" else None
    except ValueError:
        return None


def is_time(text: str) -> bool:
    """Whether it is a time with a zone, as an event's time must be.

    >>> is_time("2026-12-01T08:00:00+01:00"), is_time("2026-12-01")
    (True, False)
    """
    return len(text) > len("2026-12-01") and day_of(text) is not None


async def check_place(client: "Wire", asked: Mapping[str, Any]) -> None:
    """Raises UsageError for a place that was never heard of, or a day that lies beyond the horizon."""
    place = {name: asked[name] for name in ("sku", "location", "group", "due") if asked.get(name) is not None}
    found = exact_json.loads(await client.ask(questions.PROMISE_SUBJECT, place))
    (answer,) = found["answers"]
    if answer.get("defined") is False:
        raise UsageError(f"--group: there is no group {asked['group']}")
    if answer.get("known") is False:
        where = f"in group {asked['group']}" if asked.get("group") else f"at {asked['location']}"
        look = f"tallystick atp {shlex.quote(asked['sku'])}"
        raise UsageError(f"nothing was ever heard of {asked['sku']} {where}; see: {look}")
    day, last = day_of(asked.get("due") or ""), date.fromisoformat(str(answer.get("bucket") or found["bucket"])[:10])
    # Zones move a time by a day at most; what is closer is left to the log.
    if day is not None and day - last > timedelta(days=1):
        raise UsageError(
            f"--due: {asked['due']} lies beyond the horizon, which ends on {last}; promise.horizon decides"
        )


async def reservation(client: "Wire", source: str, id_: str) -> Mapping[str, Any]:
    """Returns a reservation, live or not. Raises UsageError if there is none under the key."""
    found = await client.answer_to(questions.RESERVATIONS, {"source": source, "id": id_})
    one: Mapping[str, Any] | None = next(iter(found["reservations"]), None)
    if one is None or one["end"] == "refused":
        why = "was not granted, so nothing is held" if one is not None else "is no reservation"
        raise UsageError(f"{source}/{id_} {why}; see: tallystick reservations")
    return one


def ended(deed: str, end: str) -> tuple[str, bool] | None:
    """Returns what to say of a reservation that has ended, and whether it is as was asked; None where more can be done.

    >>> ended("posted", "voided")
    ('was voided already; nothing changed', False)
    """
    # What was posted is a fact, and may come after its time; a change may ask for more than was posted.
    if end == "live" or deed == "changed" or (deed == "posted" and end == "expired"):
        return None
    is_so = deed == end or (deed == "voided" and end == "expired")
    return f"was {end} already; nothing changed" if end != "expired" else "has expired; nothing is held", is_so
