"""Records: what `--json` prints: one JSON object a line, one line for each record, nothing where there is none.

Quantities are exact numbers in units, times RFC 3339 in UTC. What is left out of a list is said on standard error.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import typer


def show(records: Iterable[Mapping[str, Any]]) -> None:
    """Prints each record on a line of its own."""
    from tallystick import exact_json

    for record in records:
        typer.echo(exact_json.dumps(dict(record)).decode())


def left_out(shown: int, total: int, order: str, cure: str, *, as_json: bool) -> None:
    """Says how many of a list are shown, and how to see others, if any are left out."""
    if total > shown:
        typer.echo(f"{shown:,} of {total:,} shown, {order}; {cure}.", err=as_json)
