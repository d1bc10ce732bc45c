"""Items: exceptions on a terminal: what they come to, one after the other, and all of one. It asks nobody."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import typer

from tallystick import plain_text
from tallystick.cli import tables
from tallystick.client.work import sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tallystick.client.history import Deed
    from tallystick.client.triage import Group
    from tallystick.client.work import WorkItem

GROUPS_SHOWN: Final = 20
_FACTS: Final = ("severity", "owner", "subject", "outcome", "source", "id", "document", "correlationid", "causationid")


def print_groups(found: "Sequence[WorkItem]", shown_max: int = GROUPS_SHOWN) -> None:
    """What the exceptions come to by code and cause, what matters most first."""
    from tallystick.client import triage

    groups = triage.groups(found)
    stake = "value" if any(group.value is not None for group in groups) else "units"
    rows = [("count", "code", "severity", "oldest", stake, "owner", "cause")]
    for group in groups[:shown_max]:
        late = f", {group.escalated:,} escalated" if group.escalated else ""
        figures = _stake(group, is_money=stake == "value")
        said = sentence(group.cause)
        words = said if not group.is_mixed else f"{said.removesuffix('.')}, and alike."
        rows.append(
            (f"{group.count:,}", group.code, group.severity, age(group.oldest) + late, figures, group.owner, words)
        )
    _print_rows(rows, right=(0, 4))
    typer.echo()
    if len(groups) > shown_max:
        rest = sum(group.count for group in groups[shown_max:])
        typer.echo(f"{len(groups) - shown_max:,} more kinds with {tables.counted(rest, 'exception')}.\n")


def _stake(about: "Group | WorkItem", *, is_money: bool) -> str:
    """Money where it is known, else units, which must not be read as money."""
    if about.value is not None:
        return figure(about.value)
    if about.at_stake is None:
        return ""
    unit = "unit" if about.at_stake == 1 else "units"
    return figure(about.at_stake) + (f" {unit}" if is_money else "")


def print_items(found: "Sequence[WorkItem]") -> None:
    """Exceptions in one or two lines each, as wide as the terminal is."""
    _print_rows([_row(item) for item in found], right=(0, 4))


def _row(item: "WorkItem") -> tuple[str, ...]:
    about = f"{item.source}/{item.id}" if item.id is not None else item.subject or item.place
    spot = "@".join(name for name in (item.sku, item.location) if name is not None)
    state = "escalated" if item.escalated else "" if item.state == "open" else item.state
    state = f"{state} by {item.person}" if state and item.person is not None else state
    seen = f"{age(item.first_seen)}{f' ×{item.count:,}' if item.count > 1 else ''}"
    what = ", ".join(part for part in (about, spot, state) if part)
    stake = _stake(item, is_money=True)
    return str(item.number), item.code, item.severity, seen, stake, what, sentence(item.cause)


def _print_rows(rows: "Sequence[Sequence[str]]", right: tuple[int, ...]) -> None:
    """Cells in columns. The last one is words: it follows the others where there is room, else it is below them."""
    width = tables.width()
    cells = [[plain_text.printable(cell) for cell in row] for row in rows]
    rooms = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        *some, words = row
        # A column of which nothing is said takes no room.
        placed = [
            cell.rjust(room) if place in right else cell.ljust(room)
            for place, (cell, room) in enumerate(zip(some, rooms, strict=False))
            if room
        ]
        head, indent = "  ".join(placed).rstrip(), " " * (rooms[0] + 2)
        if sum(rooms[:-1]) + 2 * len(rooms) + len(words) <= width:
            typer.echo("  ".join([*placed, words]))
        else:
            for line in (*tables.wrapped(head, width, indent), *tables.wrapped(indent + words, width, indent)):
                typer.echo(line)


def print_item(item: "WorkItem") -> None:
    """All of one: what happened in numbers, what to do about it, and the event as it was sent."""
    from rich.table import Table

    from tallystick.client import verbs

    mover = f", {item.mover}" if item.mover else ""
    head = [f"exception {item.number}: {item.code}, {item.state}{mover}", sentence(item.cause), *numbers_of(item)]
    todo = [f"What to do: {item.what_to_do}"] if item.is_unresolved else []
    if item.state == "discarded":
        todo = [f"It is not opened again{verbs.way_back(item)}"]
    tables.show(*map(tables.plain, [*head, *todo]), "")
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
    tables.show(facts)
    if item.original:
        typer.echo("\nThe event as it was sent:")
        typer.echo(_pretty(item.original))
        if not item.is_whole:
            typer.echo(f"… {item.event_bytes_total:,} bytes in all")


def numbers_of(item: "WorkItem") -> list[str]:
    """What was and what is, or would be, in lines."""
    lines = []
    if item.before is not None and item.after is not None:
        change = Decimal(item.after) - Decimal(item.before)
        # It waits, and the stock goes on without it.
        seen = f", when it came ({clock_text(item.first_seen)})" if item.code == "pending_approval" else ""
        lines.append(f"On hand: {figure(item.before)} → {figure(item.after)} ({figure(change, signed=True)}){seen}")
    if item.waiting is not None:
        waits = "waits" if item.waiting == 1 else "wait"
        stake = f"; they would take away {figure(item.at_stake)}" if item.at_stake is not None else ""
        lines.append(f"{tables.counted(item.waiting, 'event')} {waits} for one decision{stake}")
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
        note = sentence(deed.note) if deed.note and deed.what == "raised" else deed.note
        said = note or (deed.why if deed.who or deed.operator else None) or ""
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
