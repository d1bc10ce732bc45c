"""Items: exceptions on a terminal: what they come to, one after the other, and all of one. It asks nobody."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import typer

from tallystick.cli import tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tallystick.client.history import Deed
    from tallystick.client.triage import Group
    from tallystick.client.work import WorkItem

GROUPS_SHOWN: Final = 20
_FACTS: Final = ("severity", "owner", "subject", "outcome", "source", "id", "document", "correlationid", "causationid")


def print_groups(found: "Sequence[WorkItem]", shown_max: int = GROUPS_SHOWN) -> None:
    """A table of what the exceptions come to by code and cause, what matters most first."""
    from tallystick.client import triage
    from tallystick.client.work import sentence

    groups = triage.groups(found)
    stake = "value" if any(group.value is not None for group in groups) else "units"
    table = tables.table("count", "code", "severity", "oldest", stake, "owner", "cause", numbers=["count", stake])
    for group in groups[:shown_max]:
        names = [tables.plain(text) for text in (group.code, group.severity)]
        more = f" ({group.escalated} escalated)" if group.escalated else ""
        figures = f"{group.count:,}", _stake(group, stake)
        said = tables.plain(sentence(group.cause) if group.count == 1 else f"{sentence(group.cause)[:-1]}, and alike.")
        owner = tables.plain(group.owner)
        table.add_row(figures[0], *names, f"{age(group.oldest)}{more}", figures[1], owner, said)
    tables.show(table)
    if len(groups) > shown_max:
        rest = sum(group.count for group in groups[shown_max:])
        typer.echo(f"{len(groups) - shown_max:,} more kinds with {tables.counted(rest, 'exception')}.")


def _stake(group: "Group", stake: str) -> str:
    if stake == "value" and group.value is not None:
        return figure(group.value)
    # Money and units must not be read as each other.
    return "" if group.at_stake is None else f"{figure(group.at_stake)}{' units' if stake == 'value' else ''}"


def print_items(found: "Sequence[WorkItem]") -> None:
    """Exceptions in one or two lines each, as wide as the terminal is."""
    from tallystick.client.work import sentence

    rows = [_columns(item) for item in found]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    width = tables.width()
    for item, row in zip(found, rows, strict=True):
        number, *rest, about = row
        # A column of which nothing is said takes no room.
        cells = [cell.ljust(room) for cell, room in zip(rest, widths[1:], strict=False) if room]
        head = "  ".join([number.rjust(widths[0]), *cells])
        cause = tables.printable(sentence(item.cause))
        whole = f"{head}  {about}".rstrip()
        indent = " " * (widths[0] + 2)
        if len(whole) + 2 + len(cause) <= width:
            typer.echo(f"{whole}  {cause}")
            continue
        for line in (*tables.wrapped(whole, width, indent), *tables.wrapped(indent + cause, width, indent)):
            typer.echo(line)


def _columns(item: "WorkItem") -> list[str]:
    about = f"{item.source}/{item.id}" if item.id is not None else item.subject or item.place
    spot = "@".join(name for name in (item.sku, item.location) if name is not None)
    stake = figure(item.value) if item.value is not None else ""
    if not stake and item.at_stake is not None:
        stake = f"{figure(item.at_stake)} units"
    state = "escalated" if item.escalated else "" if item.state == "open" else item.state
    state = f"{state}, {item.person}" if state and item.person is not None else state
    seen = f"{age(item.first_seen)}{f' ×{item.count:,}' if item.count > 1 else ''}"
    cells = [item.code, item.severity, seen, state, stake, ", ".join(part for part in (about, spot) if part)]
    return [str(item.number), *map(tables.printable, cells)]


def print_item(item: "WorkItem") -> None:
    """All of one: what happened in numbers, what to do about it, and the event as it was sent."""
    from rich.console import Console
    from rich.table import Table

    from tallystick.client.work import sentence

    console = Console(highlight=False)
    mover = f", {item.mover}" if item.mover else ""
    console.print(f"[bold]exception {item.number}[/bold]: {tables.plain(item.code)}, {item.state}{tables.plain(mover)}")
    console.print(tables.plain(sentence(item.cause)))
    for line in numbers_of(item):
        console.print(tables.plain(line))
    console.print(f"[bold]What to do:[/bold] {tables.plain(item.what_to_do)}\n")
    facts = Table.grid(padding=(0, 2))
    for name in _FACTS:
        value = getattr(item, name)
        # Most are about their event, which is shown below the subject anyway.
        if value is not None and (name != "subject" or value != f"{item.source}/{item.id}"):
            facts.add_row(name, tables.plain(value))
    spot = "@".join(name for name in (item.sku, item.location) if name is not None)
    often = f" first, {item.count:,} times, {clock_text(item.last_seen)} last" if item.count > 1 else ""
    rows = {
        "position": spot,
        "place": f"log sequence {item.sequence}, element {item.index}",
        "seen": clock_text(item.first_seen) + often,
        "escalated": "nobody has taken it for too long" if item.escalated else "",
        "missing": f"{item.missing_from} to {item.missing_to}" if item.missing_from is not None else "",
        item.state: " ".join(part for part in (item.mover, clock_text(item.moved_at)) if part),
        "note": item.note or "",
        "value": figure(item.value) if item.value is not None else "",
    }
    for name, text in rows.items():
        if text:
            facts.add_row(name, tables.plain(text))
    console.print(facts)
    if item.original:
        console.print("\nThe event as it was sent:")
        typer.echo(_pretty(item.original))
        if not item.is_whole:
            typer.echo(f"… {item.event_bytes_total:,} bytes in all")


def numbers_of(item: "WorkItem") -> list[str]:
    """What was and what is, or would be, in lines."""
    lines = []
    if item.before is not None and item.after is not None:
        change = Decimal(item.after) - Decimal(item.before)
        lines.append(f"On hand: {figure(item.before)} → {figure(item.after)} ({figure(change, signed=True)})")
    lines += [f"{one['field']}: {one['was']} at first → {one['is']} under the same id" for one in item.versions]
    if unknown := [name for name in item.fields if name not in {version["field"] for version in item.versions}]:
        lines.append(f"Differs, too: {', '.join(unknown)}")
    return lines


def print_history(number: int, deeds: "Sequence[Deed]") -> None:
    """Who did what about an exception, and when."""
    table = tables.table("time", "what", "who", "words", "log", numbers=["log"])
    for deed in deeds:
        times = f", {deed.count:,} times" if deed.count > 1 else ""
        team = f" to {deed.team}" if deed.what == "assigned" else ""
        who = f"{deed.who} ({deed.operator})" if deed.who and deed.operator else deed.who or deed.operator or deed.why
        place = f"{deed.sequence}:{deed.index}"
        said = deed.note or (deed.why if deed.who or deed.operator else None) or ""
        cells = [clock_text(deed.time), f"{deed.what}{team}{times}", who or "", said]
        table.add_row(*map(tables.plain, cells), place)
    typer.echo(f"Exception {number}:")
    tables.show(table)


def age(seen: str, now: datetime | None = None) -> str:
    """How long ago that was, in its largest unit.

    >>> age("2026-12-01T00:00:00Z", datetime(2026, 12, 4, 5, tzinfo=UTC))
    '3d'
    """
    moment = datetime.fromisoformat(seen)
    seconds = int(((now or datetime.now(UTC)) - moment).total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return "now"


def figure(number: Decimal | int, *, signed: bool = False) -> str:
    """A number for people, with its digits grouped.

    >>> figure(Decimal("-8990.50")), figure(3, signed=True)
    ('−8,990.5', '+3')
    """
    exact = Decimal(number)
    plain = format(exact.normalize() if exact else Decimal(0), "+,f" if signed else ",f")
    return plain.replace("-", "\N{MINUS SIGN}")


def clock_text(time: str | None) -> str:
    """A time to the second, which is what people ask for."""
    return f"{time[:10]} {time[11:19]}Z" if time else ""


def _pretty(original: bytes) -> str:
    """The event over several lines if it is JSON, else as it is, bytes that are no text escaped."""
    from tallystick import exact_json

    try:
        return exact_json.dumps(exact_json.loads(original), indent=True).decode()
    except ValueError:
        # What somebody sent may hold anything; a terminal must not obey it.
        text = original.decode("utf-8", "backslashreplace")
        return "".join(sign if sign.isprintable() or sign == "\n" else repr(sign)[1:-1] for sign in text)
