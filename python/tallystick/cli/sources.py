"""`tallystick sources`: who speaks, how well, and how late."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any

import typer

from tallystick.cli import options, records, tables
from tallystick.cli.bus import Reach


def sources(
    source: Annotated[
        str | None, typer.Argument(metavar="[SOURCE]", help="Only this one.", show_default="all of them")
    ] = None,
    config: options.Config = None,
    server: options.Server = None,
    timeout_s: options.Timeout = 10.0,
    as_json: options.Json = False,
) -> None:
    """Shows every source that the daemon has heard of: team, order, refusals, lag, what is held and what is missing.

    Quality is the accepted share of its events; lag is the log's time minus the newest effective time.

    Examples:

        tallystick sources

        tallystick sources wms-east --json
    """
    found = Reach(config, server, timeout_s).ask(lambda client: client.sources(source))
    if as_json:
        records.show(found)
    elif not found:
        typer.echo("No source was heard of." if source is None else f"{source} was never heard of.")
    else:
        _print(found)
        if source is not None:
            _print_more(found[0])


def _print(found: Sequence[Mapping[str, Any]]) -> None:
    figures = ("events", "refused", "quality", "lag", "held", "gaps")
    notes = ["notes"] if any(map(_notes, found)) else []
    table = tables.table("source", *figures, *notes, numbers=figures)
    for row in found:
        quality = f"{row['quality']} %" if row.get("quality") is not None else ""
        cells = [f"{row['events']:,}", f"{row['refusals']:,}", quality, lag_text(row.get("lag_s"))]
        cells += [f"{row['held']:,}", f"{len(row['open_gaps']):,}"]
        table.add_row(tables.plain(row["source"]), *cells, *(tables.plain(_notes(row)) for _ in notes))
    tables.show(table)
    if strangers := sum(not row["registered"] for row in found):
        typer.echo(
            f"{strangers:,} of {len(found):,} not registered: [sources] in the configuration does not name them."
        )


def _notes(row: Mapping[str, Any]) -> str:
    """What is special about a source."""
    special = [
        f"team {row['team']}" if row.get("team") else "",
        f"order {row['order']}" if row["order"] != "arrival" else "",
        f"quality {row['quality_percent']} % wanted" if row.get("quality_percent") is not None else "",
        *row["alerts"],
    ]
    return ", ".join(one for one in special if one)


def _print_more(row: Mapping[str, Any]) -> None:
    outcomes = ", ".join(f"{count:,} {name}" for name, count in row["outcomes"].items() if count)
    typer.echo(f"outcomes: {outcomes or 'none'}")
    for gap in row["open_gaps"]:
        position = f" of {gap['sku']} at {gap['location']}" if gap.get("sku") else ""
        typer.echo(f"missing: {gap['from']} to {gap['to']}{position}")
    if row.get("replay_procedure"):
        typer.echo(f"to have it sent again: {row['replay_procedure']}")


def lag_text(seconds: str | None) -> str:
    """Seconds as people say them: `12 s`, `5 min`, `3 h`, `2 d`; with one digit below ten."""
    if seconds is None:
        return ""
    value = Decimal(str(seconds))
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if abs(value) >= 2 * size:
            return f"{value / size:,.1f} {unit}"
    return f"{value:,.1f} s"
