"""`tallystick trail`: what a position's stock on hand is made of, and what order lines claim of it."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tallystick.cli import claims, options, records, tables
from tallystick.cli.bus import Reach

if TYPE_CHECKING:
    from tallystick.client.client import Client
    from tallystick.client.trail import Row, Trail
    from tallystick.config import Config


def _part(name: str) -> Any:
    return typer.Option(envvar=f"TALLYSTICK_TRAIL_{name}", show_default="none", help=f"The position's {name.lower()}.")


def trail(  # noqa: PLR0913, PLR0917 (an option each)
    sku: Annotated[str, typer.Argument(metavar="SKU", help="What.", show_default=False)],
    location: Annotated[str, typer.Argument(metavar="LOCATION", help="Where.", show_default=False)],
    lot: Annotated[str | None, _part("LOT")] = None,
    owner: Annotated[str | None, _part("OWNER")] = None,
    since: options.Since = None,
    limit: Annotated[
        int, typer.Option(envvar="TALLYSTICK_TRAIL_LIMIT", min=1, help="The most movements that are shown.")
    ] = 50,
    last: Annotated[
        int,
        typer.Option(
            envvar="TALLYSTICK_TRAIL_LAST",
            metavar="N",
            min=1,
            help="Look for events in the last N messages of the event stream.",
        ),
    ] = 200_000,
    config: options.Config = None,
    server: options.Server = None,
    timeout_s: options.Timeout = 30.0,
    as_json: options.Json = False,
) -> None:
    """Shows what made a position's stock: movements and counts by their effective times, each with its event.

    A movement at or before the latest count is contained in it already. What was voided stays in sight, and does not
    count. Below stands what order lines claim there.

    Examples:

        tallystick trail 1082185 367

        tallystick trail 4711 DC1 --lot L1 --since 7d --limit 500 --json
    """
    from tallystick import config as configuration

    since_s = options.since_s(since)
    settings = configuration.load(config)
    position = {"sku": sku, "location": location, "lot": lot, "owner": owner}
    found, lines = Reach(config, server, timeout_s).ask(
        lambda client: _ask(client, settings, position, since_s=since_s, last=last)
    )
    rows = () if found is None else found.rows[-limit:]
    if as_json:
        records.show(map(_record, rows))
        records.show({"kind": "claim", **line} for line in lines)
    elif found is None:
        typer.echo(f"{sku} at {location}: no stock was ever seen")
    elif not found.rows:
        typer.echo(f"{sku} at {location}: no movement and no count is left; what there was has been taken back")
    else:
        tables.show(table(rows, title=tables.plain(f"{sku} at {location}")))
    if found is not None:
        cure = f"see more with --limit {len(found.rows)}"
        records.left_out(len(rows), len(found.rows), "the newest ones", cure, as_json=as_json)
        if not as_json:
            _print_missing(found, rows)
    if not as_json and (shown := claims.rows(lines)):
        tables.show(claims.table(shown, title=tables.plain("What order lines claim of it")))


async def _ask(
    client: "Client", settings: "Config", position: dict[str, Any], *, since_s: int | None, last: int
) -> "tuple[Trail | None, list[dict[str, Any]]]":
    """What the position is made of, and the lines that are known there, each at that position alone."""
    from tallystick.bus import questions
    from tallystick.bus.jetstream import JetStream
    from tallystick.client import trail as looked_for

    bus = JetStream(client.connection)
    found = await looked_for.trail(bus, client, settings, position, since_s=since_s, last=last)
    told = await client.claims(sku=position["sku"], location=position["location"], limit=questions.CLAIMS_MAX)
    names = {name: position[name] for name in ("location", "lot", "owner")}
    lines = []
    for line in told["lines"]:
        here = [one for one in line["positions"] if all(one.get(name) == value for name, value in names.items())]
        lines += [{**line, "positions": here}] if here else []
    return found, lines


def _record(row: "Row") -> dict[str, Any]:
    from dataclasses import asdict

    return {name: value for name, value in asdict(row).items() if name != "time_ns"}


def table(rows: "Sequence[Row]", title: str | None = None) -> Any:
    """A row for each movement and count: when, what, by whom, how much, and what was there then."""
    documents = ["document"] if any(row.document for row in rows) else []
    notes = ["notes"] if any(_note(row) for row in rows) else []
    made = tables.table(
        "effective time",
        "type",
        "event",
        *documents,
        "quantity",
        "balance",
        *notes,
        numbers=["quantity", "balance"],
        title=title,
        whole=["effective time"],
    )
    for row in rows:
        event = f"{row.source}/{row.id}" if row.id is not None else "not found"
        document = [tables.plain("/".join(part for part in (row.document, row.line) if part)) for _ in documents]
        note = [tables.plain(_note(row)) for _ in notes]
        balance = "" if row.balance is None else f"{row.balance:,}"
        kind = tables.plain(row.type or row.kind)
        made.add_row(_second(row.time), kind, tables.plain(event), *document, _amount(row), balance, *note)
    return made


def _second(moment: str) -> str:
    """A time to the second, which is enough for people."""
    whole, dot, _ = moment.partition(".")
    return f"{whole}Z" if dot else moment


def _amount(row: "Row") -> str:
    """A movement with its sign, a plus as well; what was found by a count; in brackets what does not count any more."""
    amount = f"= {row.quantity:,}" if row.kind == "count" else f"{row.quantity:+,}"
    return f"({amount})" if row.voided_by is not None else amount


def _note(row: "Row") -> str:
    """What became of it, if it is not plain from the numbers."""
    return ", ".join(
        part
        for part in (
            f"voided by {row.voided_by}" if row.voided_by else "",
            f"corrected by {row.corrected_by}" if row.corrected_by else "",
            "the last word" if row.is_barrier else "",
        )
        if part
    )


def _print_missing(found: "Trail", rows: "Iterable[Row]") -> None:
    if found.dropped_through:
        typer.echo(f"Movements up to {found.dropped_through} are kept in sum only (engine.history_max).")
    if unknown := sum(row.id is None for row in rows):
        typer.echo(
            f"{tables.counted(unknown, 'movement')} whose event is not in the last {found.looked_at:,} messages; "
            "look further back with --last."
        )
