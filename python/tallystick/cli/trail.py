"""`tallystick trail`: what a position's stock on hand is made of."""

from typing import Annotated, Any

import typer

from tallystick.cli import options, tables
from tallystick.cli.bus import Reach


def _part(name: str) -> Any:
    return typer.Option(envvar=f"TALLYSTICK_TRAIL_{name}", show_default="none", help=f"The position's {name.lower()}.")


def trail(
    sku: Annotated[str, typer.Argument(metavar="SKU", help="What.", show_default=False)],
    location: Annotated[str, typer.Argument(metavar="LOCATION", help="Where.", show_default=False)],
    lot: Annotated[str | None, _part("LOT")] = None,
    owner: Annotated[str | None, _part("OWNER")] = None,
    config: options.Config = None,
    server: options.Server = None,
    timeout_s: options.Timeout = 10.0,
    as_json: options.Json = False,
) -> None:
    """Shows the movements and counts that the ledger still holds of a position, by their effective times.

    A movement at or before the latest count is contained in it already.

    Examples:

        tallystick trail 1082185 367

        tallystick trail 4711 DC1 --lot L1 --json
    """
    from tallystick import exact_json, questions

    question = {"sku": sku, "location": location, "lot": lot, "owner": owner}
    found = Reach(config, server, timeout_s).run(lambda desk: desk.asked(questions.TRAIL, question))
    if as_json:
        typer.echo(exact_json.dumps(found).decode())
    elif found is not None and not (found["movements"] or found["counts"] or found.get("dropped_through")):
        typer.echo(f"{sku} at {location}: no movement and no count is left; what there was has been taken back")
    elif found is None:
        typer.echo(f"{sku} at {location}: no stock was ever seen")
    else:
        _print(sku, location, found)


def _signed(quantity: object) -> str:
    """A movement with its sign; a plus as well."""
    text = str(quantity)
    return text if text.startswith("-") else f"+{text}"


def _print(sku: str, location: str, found: dict[str, Any]) -> None:
    title = tables.plain(f"{sku} at {location}")
    table = tables.table("effective time", "what", "by", "quantity", numbers=["quantity"], title=title)
    rows = [(row["time"], "", "movement", "", _signed(row["quantity"])) for row in found["movements"]]
    for row in found["counts"]:
        what = "count, the last word" if row["is_barrier"] else "count"
        rows.append((row["time"], "~", what, f"{row['source']}/{row['id']}", f"= {row['quantity']}"))
    if dropped := found.get("dropped_through"):
        table.add_row(dropped, "earlier movements are kept in sum only", "", "")
    # At the same time a count stands behind the movements that it contains.
    for time, _, what, by, quantity in sorted(rows):
        table.add_row(time, what, tables.plain(by), quantity)
    tables.show(table)
