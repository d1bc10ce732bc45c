"""Tables: how lists are laid out for people. Nothing is cut off: what does not fit beside the rest goes on below.

They are as wide as `COLUMNS` says, else as the terminal is. Where there is no terminal they are as wide as they like:
a record is one line. They have no colours, so what is piped is what is seen.
"""

import io
import shutil
from collections.abc import Iterable
from typing import Any, Final

from tallystick.plain_text import printable

NARROW: Final = ("#", "code", "severity", "log time", "total\nstep", "outcome", "oldest", "time")
"""Columns that are read at a glance, and so never broken."""
_UNLIMITED: Final = 100_000
_WORD_MAX: Final = 24
"""A longer word is broken before a table is given up."""


def table(*columns: str, numbers: Iterable[str] = (), title: str | None = None, whole: Iterable[str] = ()) -> Any:
    """A table with these columns; `numbers` are aligned to the right, and like `whole` ones never broken."""
    from rich import box
    from rich.table import Table

    right, unbroken = frozenset(numbers), {*NARROW, *numbers, *whole}
    made = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", padding=(0, 1, 0, 0), pad_edge=False)
    for column in columns:
        made.add_column(
            column,
            overflow="fold",
            no_wrap=column in unbroken,
            justify="right" if column in right else "left",
        )
    return made


def width() -> int:
    """How many columns there are."""
    return shutil.get_terminal_size((_UNLIMITED, 0)).columns


def show(*what: Any) -> None:
    """Prints tables to standard output, without blanks at the ends of lines."""
    from rich.console import Console
    from rich.table import Table

    for one in what:
        text = io.StringIO()
        console = Console(file=text, width=width(), color_system=None, highlight=False)
        is_wide = isinstance(one, Table) and _least(one) > console.width
        console.print(_records(one) if is_wide else one, soft_wrap=is_wide)
        for line in text.getvalue().splitlines():
            print(line.rstrip())


def _least(made: Any) -> int:
    """How many columns a table needs in which nothing is broken that is read as a whole."""
    from rich.cells import cell_len

    needed = len(made.columns)  # a blank before each, and between them
    for column in made.columns:
        texts = [str(text) for cell in (column.header, *column.cells) for text in str(cell).splitlines()]
        if not column.no_wrap:
            texts = [word[:_WORD_MAX] for text in texts for word in text.split()]
        needed += 1 + max(map(cell_len, texts), default=0)
    return needed - 1


def _records(wide: Any) -> str:
    """A table that no terminal of this width has room for: a paragraph for each row, with a line for each cell."""
    names = [" ".join(str(column.header).split()) for column in wide.columns]
    margin = max(map(len, names), default=0)
    rows = zip(*(column.cells for column in wide.columns), strict=True)
    paragraphs = [
        "\n".join(
            f"{name:<{margin}}  {str(cell).replace(chr(10), ', ')}"
            for name, cell in zip(names, row, strict=True)
            if cell
        )
        for row in rows
    ]
    return "\n\n".join([str(wide.title or ""), *paragraphs, ""]).removeprefix("\n")


def wrapped(line: str, width: int, indent: str) -> list[str]:
    """A line over as many as it takes, those that follow set in; words stay whole, unless one is longer than a line.

    >>> wrapped("17  fell to -5", 10, "  ")
    ['17  fell', '  to -5']
    """
    import textwrap

    made = textwrap.wrap(line, width, subsequent_indent=indent, break_on_hyphens=False, drop_whitespace=True)
    return made or [line]


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
