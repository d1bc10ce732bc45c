"""Chart: a horizon as bars in a terminal, one bar for each bucket or for several. It draws text and prints nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

HEIGHT: Final = 8
"""Rows of bars, above and below the zero line together."""
COLUMNS_LEAST: Final = 10
_BAR_WIDTH_MAX: Final = 3
_LABEL_GAP: Final = 2
_TAIL: Final = 4
"""Buckets that are drawn after the last change, where nothing changes any more."""

Figure = int | Decimal | None
"""None is unlimited."""


@dataclass(frozen=True, slots=True)
class Signs:
    """What bars are made of."""

    full: str
    parts: str
    """The upper end of a bar above zero, by eighths."""
    hanging: str
    """The lower end of a bar below zero, by eighths."""
    unlimited: str
    top: str
    """Above an unlimited bar."""
    zero: str
    edge: str
    corner: str


UNICODE: Final = Signs("█", " ▁▂▃▄▅▆▇", " ▔▔▀▀▀▀█", "░", "∞", "─", "┤", "┼")
ASCII: Final = Signs("#", " ....###", " ''''###", ":", "^", "-", "|", "+")


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure that holds for one bucket, or the least of several."""

    bucket: str
    figure: Figure


def bars(steps: Sequence[tuple[str, Figure]], columns: int) -> tuple[list[Bar], int]:
    """Returns one bar for each bucket from the first on, or for several, and how many buckets each bar is for.

    `steps` are the figures where they change, as an answer of `Engine.promise` has them.
    """
    moments = [_moment(bucket) for bucket, _ in steps]
    hourly = isinstance(moments[0], datetime)
    unit = timedelta(hours=1) if hourly else timedelta(days=1)
    places = [(moment - moments[0]) // unit for moment in moments]
    figures: list[Figure] = []
    for place, (_, figure) in zip([*places[1:], places[-1] + _TAIL], steps, strict=True):
        figures += [figure] * (place - len(figures))
    together = -(-len(figures) // max(columns, 1))
    least = [_least(figures[at : at + together]) for at in range(0, len(figures), together)]
    names = [_name(moments[0] + unit * (at * together)) for at in range(len(least))]
    return [Bar(name, figure) for name, figure in zip(names, least, strict=True)], together


def draw(steps: Sequence[tuple[str, Figure]], width: int, *, signs: Signs = UNICODE) -> list[str]:
    """Returns the lines of the picture, none wider than `width`: figures at the left, bars, buckets below."""
    if not steps:
        return []
    known = [Decimal(figure) for _, figure in steps if figure is not None]
    labels = [f"{figure:,}" for figure in (max([*known, Decimal(0)]), min([*known, Decimal(0)]))]
    margin = max(len(label) for label in [*labels, "0"]) + 1
    columns = max(width - margin - 1, COLUMNS_LEAST)
    shown, together = bars(steps, columns)
    bar_width = max(1, min(_BAR_WIDTH_MAX, columns // len(shown)))
    unlimited = any(bar.figure is None for bar in shown)
    above, below, unit = _rows(Decimal(max(known, default=0)), Decimal(min(known, default=0)), shaded=unlimited)
    lines = [_plain("", margin, "".join(_top(bar, signs) * bar_width for bar in shown))] if unlimited else []
    for row in range(above, 0, -1):
        cells = "".join(_above(bar, row, unit, signs) * bar_width for bar in shown)
        lines.append(_ruled(labels[0] if row == above and labels[0] != "0" else "", margin, cells, signs.edge))
    lines.append(_ruled("0", margin, signs.zero * (len(shown) * bar_width), signs.corner))
    for row in range(1, below + 1):
        cells = "".join(_below(bar, row, unit, signs) * bar_width for bar in shown)
        lines.append(_ruled(labels[1] if row == below else "", margin, cells, signs.edge))
    lines.append(_plain("", margin, _dates(shown, bar_width)))
    if together > 1:
        what = "hours" if len(shown[0].bucket) > len("2026-11-21") else "days"
        lines.append(_plain("", margin, f"each column: the least of {together} {what}"))
    return [line.rstrip() for line in lines]


def _rows(most: Decimal, least: Decimal, *, shaded: bool) -> tuple[int, int, Decimal]:
    """Rows above and below the zero line, and what one row is worth. What is unlimited has a shade above the line."""
    most, least = max(most, Decimal(0)), min(least, Decimal(0))
    if most == least:
        return HEIGHT if shaded else 0, 0, Decimal(1)
    if not least:
        return HEIGHT, 0, most / HEIGHT
    if not most:
        above = HEIGHT // 2 if shaded else 0
        return above, HEIGHT - above, -least / (HEIGHT - above)
    above = min(max(round(HEIGHT * most / (most - least)), 1), HEIGHT - 1)
    return above, HEIGHT - above, max(most / above, -least / (HEIGHT - above))


def _eighths(figure: Decimal, row: int, unit: Decimal) -> int:
    """How much of a row is filled by a figure of that sign; something is seen of every figure but zero."""
    filled = int(figure * 8 / unit) - 8 * (row - 1)
    return min(max(filled, 1 if row == 1 and figure else 0), 8)


def _above(bar: Bar, row: int, unit: Decimal, signs: Signs) -> str:
    if bar.figure is None:
        return signs.unlimited
    if bar.figure <= 0:
        return " "
    eighths = _eighths(Decimal(bar.figure), row, unit)
    return signs.full if eighths == 8 else signs.parts[eighths]


def _below(bar: Bar, row: int, unit: Decimal, signs: Signs) -> str:
    if bar.figure is None or bar.figure >= 0:
        return " "
    eighths = _eighths(-Decimal(bar.figure), row, unit)
    return signs.full if eighths == 8 else signs.hanging[eighths]


def _top(bar: Bar, signs: Signs) -> str:
    return signs.top if bar.figure is None else " "


def _ruled(label: str, margin: int, cells: str, edge: str) -> str:
    return f"{label:>{margin - 1}} {edge}{cells}"


def _plain(label: str, margin: int, text: str) -> str:
    return f"{label:>{margin - 1}}  {text}"


def _dates(shown: Sequence[Bar], bar_width: int) -> str:
    """Month and day, or the hour, under the first bar of as many as have room."""
    line = ""
    for at, bar in enumerate(shown):
        label = bar.bucket[5:] if len(bar.bucket) == len("2026-11-21") else bar.bucket[11:16]
        if at == 0 or at * bar_width >= len(line) + _LABEL_GAP:
            if at * bar_width + len(label) > max(len(shown) * bar_width, len(label)):
                break
            line = f"{line:<{at * bar_width}}{label}"
    return line


def _least(figures: Sequence[Figure]) -> Figure:
    return min((figure for figure in figures if figure is not None), default=None)


def _moment(bucket: str) -> date:
    """The beginning of a bucket: a day, or an hour of UTC."""
    return date.fromisoformat(bucket) if len(bucket) == len("2026-11-21") else datetime.fromisoformat(bucket)


def _name(moment: date) -> str:
    return moment.isoformat()
