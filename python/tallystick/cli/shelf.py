"""Shelf: what can be promised today, with all that makes it up, so that each row adds up for whoever reads it."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import typer

from tallystick import plain_text
from tallystick.cli import tables

LESS: Final = ("reserved", "allocated", "ordered", "unpicked", "safety_stock", "pending", "below_zero")
"""What is taken from on hand (docs/claims.md §6)."""
BESIDE: Final = ("picked", "in_transit", "quarantine", "damaged")
"""What is there and can not be promised."""
_ALWAYS: Final = ("reserved", "safety_stock")

Names = tuple[str, ...]
Amount = int | Decimal


def key(position: Mapping[str, Any]) -> Names:
    """What makes it the same position."""
    return tuple(position.get(name) or "" for name in ("sku", "location", "lot", "owner"))


def row(position: Mapping[str, Any], binds: str | None = None) -> dict[str, Any]:
    """A position of the daemon's answer with what it lacks: what does not count, what later days do, and which binds.

    >>> found = row({"on_hand": 9, "reserved": 2, "on_hand_atp": 7, "atp": 4}, "2026-12-01")
    >>> found["later"], found["below_zero"], found["binds"]
    (-3, 0, '2026-12-01')
    """
    less = sum(position.get(name, 0) for name in LESS)
    return {
        **position,
        # Claims without a document that stand below zero count as zero, so what they would give has to go again.
        "below_zero": _exact(position["on_hand"] - less - position["on_hand_atp"]),
        "later": _exact(position["atp"] - position["on_hand_atp"]),
        "binds": binds,
    }


def show(sku: str, location: str | None, sequence: int, rows: Sequence[Mapping[str, Any]]) -> None:
    """Prints the headline, and a table in which each row adds up."""
    name = plain_text.printable(sku if location is None else f"{sku} at {location}")
    if not rows:
        typer.echo(f"{name}: no stock was ever seen (log {sequence})")
        return
    promised = _exact(sum(max(one["atp"], 0) for one in rows))
    where = f" at {tables.counted(len(rows), 'position')}" if len(rows) > 1 else ""
    typer.echo(f"{name}: {promised:,} can be promised today{where} (log {sequence:,})")
    tables.show(table(rows))
    for line in notes(rows):
        typer.echo(line)


def table(rows: Sequence[Mapping[str, Any]]) -> Any:
    """One row for each position, and the total of several."""
    less, beside = _shown(LESS, rows), _shown(BESIDE, rows)
    later = ["later"] if any(one["later"] for one in rows) else []
    figures = ["atp", "on_hand", *less, *later, *beside]
    signs = {"on_hand": "=\n", "later": "+\n"} | dict.fromkeys(less, "−\n")
    headings = ["ATP" if name == "atp" else signs.get(name, "") + name.replace("_", "\n") for name in figures]
    named = [name for name in ("lot", "owner") if any(one.get(name) for one in rows)]
    binds = ["binds"] if any(one["binds"] for one in rows) else []
    made = tables.table("location", *named, *headings, *binds, numbers=headings, whole=binds)
    for one in rows:
        names = [tables.plain(one.get(name) or "") for name in ("location", *named)]
        made.add_row(*names, *(_figure(one[name]) for name in figures), *(one[name] or "" for name in binds))
    if len(rows) > 1:
        totals = [_figure(sum(one[name] for one in rows)) for name in figures]
        made.add_row("total", *("" for _ in named), *totals, *("" for _ in binds))
    return made


def notes(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """How a row adds up, and what in it is not plain."""
    less = [name.replace("_", " ") for name in _shown(LESS, rows)]
    has_later = any(one["later"] for one in rows)
    said = [f"ATP = {' − '.join(['on hand', *less])}{' + later' if has_later else ''}"]
    if has_later:
        said.append("later: what comes and goes until the day that binds; see it with --explain.")
    if "below zero" in less:
        said.append(
            "below zero: claims without a document that were taken back more often than made; they add nothing."
        )
    short = [one for one in rows if one["atp"] < 0]
    said += [f"{plain_text.printable(one['location'])} is {-one['atp']:,} short." for one in short]
    if short and len(rows) > 1:
        said.append("What is short at one place lessens no other.")
    return said


def _shown(names: Iterable[str], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is nowhere but zero would only take the place of what is not."""
    return [name for name in names if name in _ALWAYS or any(one.get(name, 0) for one in rows)]


def _exact(amount: Amount) -> Amount:
    """The number without zeros after the point."""
    return int(amount) if amount == int(amount) else amount.normalize() if isinstance(amount, Decimal) else amount


def _figure(amount: Amount) -> str:
    return f"{_exact(amount):,}"
