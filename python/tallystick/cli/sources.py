"""`tallystick sources`: who speaks, how well, and how late."""

from decimal import Decimal
from typing import Annotated, Any

import typer

from tallystick.cli import options
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
    from tallystick import exact_json, questions

    found = Reach(config, server, timeout_s).run(lambda desk: desk.asked(questions.SOURCES, {"source": source}))
    if as_json:
        typer.echo(exact_json.dumps(found).decode())
    elif not found:
        typer.echo("No source was heard of." if source is None else f"{source} was never heard of.")
    else:
        _print(found)
        if source is not None:
            _print_more(found[0])


def _print(found: list[dict[str, Any]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("source", "team", "order", box=box.SIMPLE_HEAD)
    for name in ("events", "refused %", "quality %", "lag", "held", "gaps"):
        table.add_column(name, justify="right")
    table.add_column("alerts")
    for row in found:
        refused = f"{100 * row['refusals'] / row['events']:.2f}" if row["events"] else ""
        wanted = f" of {row['quality_percent']}" if row.get("quality_percent") is not None else ""
        quality = f"{row['quality']}{wanted}" if row.get("quality") is not None else ""
        figures = [f"{row['events']:,}", refused, quality, lag_text(row.get("lag_s"))]
        figures += [f"{row['held']:,}", f"{len(row['open_gaps']):,}"]
        name = row["source"] if row["registered"] else f"{row['source']} (not registered)"
        table.add_row(
            escape(name), escape(row.get("team") or ""), row["order"], *figures, escape(", ".join(row["alerts"]))
        )
    Console().print(table)


def _print_more(row: dict[str, Any]) -> None:
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
