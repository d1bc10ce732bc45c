"""`tallystick claims`: what order lines claim of the shelf, and who says so."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final

import typer

from tallystick.cli import options, promised, records, tables
from tallystick.cli.bus import Reach

CURE: Final = "see more with --limit, or fewer with --document"
VOICES: Final = ("ordered", "reserved", "allocated", "held", "posted", "gone")
"""What is said of a line, and what has left for it (docs/claims.md §2)."""


def claims(
    document: Annotated[
        str | None, typer.Option(envvar="TALLYSTICK_CLAIMS_DOCUMENT", show_default="any", help="Only of this document.")
    ] = None,
    sku: Annotated[
        str | None, typer.Option(envvar="TALLYSTICK_CLAIMS_SKU", show_default="any", help="Only of this SKU.")
    ] = None,
    location: Annotated[
        str | None, typer.Option(envvar="TALLYSTICK_CLAIMS_LOCATION", show_default="any", help="Only known here.")
    ] = None,
    limit: Annotated[
        int, typer.Option(envvar="TALLYSTICK_CLAIMS_LIMIT", min=1, max=1_000, help="The most lines that are shown.")
    ] = 100,
    config: options.Config = None,
    server: options.Server = None,
    timeout_s: options.Timeout = 10.0,
    as_json: options.Json = False,
) -> None:
    """Shows what order lines claim, and what each voice says of them: one order counts once, whoever tells of it.

    A line claims the greatest of what is ordered, reserved, allocated, and held or posted, less what has gone.

    Examples:

        tallystick claims --document SO-1

        tallystick claims --sku 4711 --location DC1 --json
    """
    asked: dict[str, Any] = {"document": document, "sku": sku, "location": location, "limit": limit}
    found = Reach(config, server, timeout_s).ask(lambda client: client.claims(**asked))
    if as_json:
        records.show({"sequence": found["sequence"], **one} for one in found["lines"])
    elif not found["lines"]:
        typer.echo("No order line is known that fits.")
    else:
        tables.show(table(rows(found["lines"])))
    records.left_out(len(found["lines"]), found["total"], "by document", CURE, as_json=as_json)


def rows(lines: Iterable[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Each line with each of its positions."""
    return [(line, position) for line in lines for position in line["positions"]]


def table(shown: list[tuple[Mapping[str, Any], Mapping[str, Any]]], title: str | None = None) -> Any:
    """What is said of lines, and what they claim. What nobody says of any of them is left out."""
    voices = [name for name in VOICES if any(position[name] for _, position in shown)]
    made = tables.table("line", "what", *voices, "claims", "state", numbers=(*voices, "claims"), title=title)
    for line, position in shown:
        number = str(line["line"]) if "line" in line else "(no line)"
        spot = [f"{name} {position[name]}" for name in ("lot", "owner") if position.get(name)]
        what = ", ".join([f"{line['sku']}@{position['location']}", *spot])
        numbers = [promised.figure_text(position[name]) for name in (*voices, "claim")]
        name = "/".join([line["document"], number])
        made.add_row(tables.plain(name), tables.plain(what), *numbers, tables.plain(_state(line, position)))
    return made


def _state(line: Mapping[str, Any], position: Mapping[str, Any]) -> str:
    """Why a line claims what it does, if that is not plain from the numbers."""
    closed = position.get("closed")
    if closed and not position["open"]:
        return f"closed {promised.second(closed)}"
    if line["shipped_whole"]:
        return "all shipped"
    return f"opened again after {promised.second(closed)}" if closed else "open"
