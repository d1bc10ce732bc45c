"""Tables: how lists are laid out for people. Nothing is cut off: what is wider than the terminal goes on below."""

from collections.abc import Iterable
from typing import Any, Final

from tallystick.plain_text import printable

NARROW: Final = ("#", "code", "log time", "total\nstep", "outcome", "oldest")
"""Columns that are read at a glance, and so never broken."""


def table(*columns: str, numbers: Iterable[str] = (), title: str | None = None) -> Any:
    """A table with these columns; `numbers` are those that are aligned to the right."""
    from rich import box
    from rich.table import Table

    right = frozenset(numbers)
    made = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", padding=(0, 1, 0, 0), pad_edge=False)
    for column in columns:
        made.add_column(
            column,
            overflow="fold",
            no_wrap=column in NARROW or column in right,
            justify="right" if column in right else "left",
        )
    return made


def show(*what: Any) -> None:
    """Prints tables to standard output."""
    from rich.console import Console

    console = Console(highlight=False)
    for one in what:
        console.print(one)


def plain(text: object) -> str:
    """A text of somebody else's, which neither the terminal nor the markup must obey."""
    from rich.markup import escape

    return escape(printable(text))


def lines(*parts: str) -> str:
    """What is not empty, each on a line of its own."""
    return "\n".join(part for part in parts if part)


def counted(number: int, what: str) -> str:
    """A number of things, in words: `1 event`, `2 events`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
