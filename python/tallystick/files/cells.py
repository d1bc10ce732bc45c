"""Cells: a value of a table as the text that an event has. Nothing is rounded and nothing is guessed."""

import re
from collections.abc import Mapping as Values
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal, Inexact, InvalidOperation, localcontext
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_PLAIN: Final = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DIGITS: Final = 60
_YEAR: Final = re.compile(r"%[YyGcx]")
_CLOCK: Final = re.compile(r"%[HIMSTcXsf]")
_PROBES: Final = (datetime(2031, 11, 23, 20, 45, 58, tzinfo=UTC), datetime(2026, 3, 2, 9, 5, 7, tzinfo=UTC))
"""What a format must be able to tell from all other days and hours."""


class RowFault(ValueError):
    """A row that is no event: a value that does not fit, or too many of them."""

    def __init__(self, cause: str, cure: str) -> None:
        super().__init__(f"{cause}; {cure}")
        self.cause = cause
        self.cure = cure

    @classmethod
    def of_value(cls, column: str, value: str, said: str) -> "RowFault":
        """Of a value: what is wrong with it and, after a semicolon, how to mend it."""
        cause, _, cure = said.partition("; ")
        return cls(f"column {column}: {value[:64]!r}: {cause}", cure or "correct it in the file")


def text_of(value: Any) -> str:
    """Returns a value as text; nothing for none. A float is the shortest text that means it.

    >>> text_of(5), text_of(None), text_of(" LAMP ")
    ('5', '', 'LAMP')
    """
    if isinstance(value, str):
        return value.strip()
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").strip()
    return value.isoformat() if isinstance(value, date) else str(value)


@dataclass(frozen=True, slots=True)
class Number:
    """How a number is written, and in which unit."""

    decimal: str = "."
    thousands: str = ""
    factor: Decimal | None = None
    absolute: bool = False

    @classmethod
    def of(cls, options: Values[str, Any]) -> "Number":
        """Checks the options of a map. Raises ValueError."""
        decimal, thousands = options.get("decimal", "."), options.get("thousands", "")
        is_mark = isinstance(thousands, str) and re.fullmatch(r"[^\w+-]?", thousands, re.ASCII)
        if decimal not in (".", ",") or not is_mark or thousands == decimal:
            raise ValueError('`decimal` is "." or ",", `thousands` another character')
        factor, absolute = options.get("factor"), options.get("absolute", False)
        if not isinstance(absolute, bool):
            raise ValueError("`absolute` is true or false")  # noqa: TRY004 (a wrong value in somebody's file)
        try:
            exact = None if factor is None else Decimal(str(factor))
        except InvalidOperation as error:
            raise ValueError('`factor` is a number, such as "0.001"') from error
        if exact is not None and (not exact.is_finite() or exact == 0):
            raise ValueError("`factor` is a number that is not zero")
        return cls(decimal, thousands, exact, absolute)

    def text(self, value: Any) -> str:
        """Returns a number as a plain decimal, exact. Raises ValueError.

        >>> Number(decimal=",", thousands=".").text("1.234,5-")
        '-1234.5'
        """
        written = text_of(value)
        if not written:
            return ""
        if isinstance(value, str):
            written = self._ungrouped(written)
            if self.decimal == ",":
                written = written.replace(".", "?").replace(",", ".")
            if written.endswith("-"):  # as ERPs print what goes out
                written = "-" + written[:-1].rstrip()
        if not _PLAIN.fullmatch(written):
            raise ValueError(f'is no number with "{self.decimal}" before its fraction; see decimal and thousands')
        with localcontext(prec=_DIGITS) as context:
            context.traps[Inexact] = True
            try:
                number = Decimal(written) * (self.factor or 1)
            except Inexact as error:
                raise ValueError(f"has more than {_DIGITS} digits") from error
        if number and abs(number.adjusted()) > _DIGITS:
            raise ValueError("is far beyond what a quantity may be")
        plain = f"{abs(number) if self.absolute else number:f}"
        return plain.rstrip("0").rstrip(".") if "." in plain else plain

    def _ungrouped(self, written: str) -> str:
        """Takes out what parts thousands. `1.5` is not 15, and `0.125` not 125: whoever wrote them meant no groups."""
        if not self.thousands or self.thousands not in written:
            return written
        whole, _, fraction = written.partition(self.decimal)
        mark = re.escape(self.thousands)
        if self.thousands in fraction or not re.fullmatch(
            rf"[+-]?[1-9]\d{{0,2}}(?:{mark}\d{{3}})+ *-?", whole, re.ASCII
        ):
            raise ValueError(f'has "{self.thousands}" where it parts no group of three digits; see thousands')
        return written.replace(self.thousands, "")


@dataclass(frozen=True, slots=True)
class Time:
    """How a time is written, and where its clock hangs."""

    format: str | None = None
    zone: tzinfo | None = None
    repeated_hour: int | None = None
    is_day_allowed: bool = False

    @classmethod
    def of(cls, options: Values[str, Any], *, is_day_allowed: bool) -> "Time":
        """Checks the options of a map. Raises ValueError."""
        form, zone, hour = options.get("format"), options.get("zone"), options.get("repeated_hour")
        if form is not None and not isinstance(form, str):
            raise ValueError('`format` is a text such as "%d.%m.%Y %H:%M"')
        if hour not in (None, "first", "second"):
            raise ValueError('`repeated_hour` is "first" or "second"')
        if form is not None:
            _check_format(form)
        try:
            known = None if zone is None else ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, TypeError, OSError) as error:
            raise ValueError(f'`zone`: {zone!r} is no time zone; give a name such as "Europe/Berlin"') from error
        return cls(form, known, None if hour is None else int(hour == "second"), is_day_allowed)

    def text(self, value: Any) -> str:
        """Returns a time in RFC 3339 with a zone, or a day where that is enough. Raises ValueError."""
        written = text_of(value)
        if not written:
            return ""
        if isinstance(value, date) and not isinstance(value, datetime):
            return self._day(value)
        if isinstance(value, datetime):
            return self._instant(value)
        if self.format is None:
            if _DAY.fullmatch(written):
                return self._day(date.fromisoformat(written))
            try:
                found = datetime.fromisoformat(written)
            except ValueError as error:
                raise ValueError("is no time as ISO 8601 writes it; say with `format` how it is written") from error
            return self._instant(found)
        try:
            found = datetime.strptime(written, self.format)  # noqa: DTZ007 (the zone follows)
        except ValueError as error:
            raise ValueError(f'is not written as the format "{self.format}"') from error
        if not _CLOCK.search(self.format):
            return self._day(found.date())
        return self._instant(found)

    def _day(self, day: date) -> str:
        if not self.is_day_allowed:
            raise ValueError('is a day without a time; name a column with the time too, as in "{Date} {Time}"')
        return day.isoformat()

    def _instant(self, time: datetime) -> str:
        # What finer columns have beyond microseconds is read by their own type.
        if time.tzinfo is not None:
            return _rfc_3339(time)
        if self.zone is None:
            raise ValueError("is a time without a zone; say with `zone` where its clock hangs")
        first, second = (time.replace(tzinfo=self.zone, fold=fold) for fold in (0, 1))
        if first.utcoffset() == second.utcoffset():
            return _rfc_3339(first)
        if (first.utcoffset() or timedelta()) < (second.utcoffset() or timedelta()):
            raise ValueError(f"is a time that {self.zone} skipped when its clocks went forward")
        if self.repeated_hour is None:
            raise ValueError(
                f"came twice in {self.zone}, when its clocks went back; "
                'say which with repeated_hour = "first" or "second"'
            )
        return _rfc_3339((first, second)[self.repeated_hour])


def _check_format(form: str) -> None:
    """Refuses a format that loses the day or the half of the day: `strptime` puts 1900, January 1 and a.m. there."""
    read = "" if "%" not in form else form.replace("%%", "")
    if "%Z" in read and "%z" not in read:
        raise ValueError("`format`: %Z names a zone that is not looked up; use %z, or `zone`")
    cure = (
        'name year, month and day, as in "%d.%m.%Y %H:%M"; a column of days can stand beside it: from = "{Day} {Hour}"'
    )
    if not _YEAR.search(read):
        raise ValueError(f'`format`: "{form}" has no year; {cure}')
    for probe in _PROBES:
        try:
            found = datetime.strptime(probe.strftime(form), form)  # noqa: DTZ007 (compared without its zone)
        except ValueError as error:
            raise ValueError(f'`format`: "{form}" cannot be read back ({error})') from error
        if found.date() != probe.date():
            raise ValueError(f'`format`: "{form}" has no day; {cure}')
        if found.hour not in (probe.hour, 0) or (found.hour == 0 and _CLOCK.search(read)):
            raise ValueError(f'`format`: "{form}" does not tell morning from evening; %I needs %p, or is %H')


def _rfc_3339(time: datetime) -> str:
    text = time.isoformat()
    return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text
