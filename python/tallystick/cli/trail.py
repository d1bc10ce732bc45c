"""`tallystick trail`: what a position's stock on hand is made of, and what order lines claim of it."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tallystick.cli import claims, options, tables
from tallystick.cli.bus import Reach

if TYPE_CHECKING:
    from tallystick.client.client import Client


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

    A movement at or before the latest count is contained in it already. Below stands what order lines claim there.

    Examples:

        tallystick trail 1082185 367

        tallystick trail 4711 DC1 --lot L1 --json
    """
    from tallystick import exact_json

    question = {"sku": sku, "location": location, "lot": lot, "owner": owner}
    found, lines = Reach(config, server, timeout_s).run(lambda client: _ask(client, question))
    if as_json:
        typer.echo(exact_json.dumps(found if found is None else {**found, "lines": lines}).decode())
        return
    if found is not None and not (found["movements"] or found["counts"] or found.get("dropped_through")):
        typer.echo(f"{sku} at {location}: no movement and no count is left; what there was has been taken back")
    elif found is None:
        typer.echo(f"{sku} at {location}: no stock was ever seen")
    else:
        _print(sku, location, found)
    if shown := claims.rows(lines):
        tables.show(claims.table(shown, title=tables.plain("What order lines claim of it")))


async def _ask(client: "Client", question: dict[str, Any]) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """What the position is made of, and the lines that are known there, each at that position alone."""
    from tallystick.bus import questions

    found = await client.answer_to(questions.TRAIL, question)
    asked = {"sku": question["sku"], "location": question["location"], "limit": questions.CLAIMS_MAX}
    told = await client.answer_to(questions.CLAIMS, asked)
    names = {name: question[name] for name in ("location", "lot", "owner")}
    lines = []
    for line in told["lines"]:
        here = [one for one in line["positions"] if all(one.get(name) == value for name, value in names.items())]
        lines += [{**line, "positions": here}] if here else []
    return found, lines


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
    # At the same time a count comes after the movements that it contains: `~` sorts after the empty text.
    for time, _, what, by, quantity in sorted(rows):
        table.add_row(time, what, tables.plain(by), quantity)
    tables.show(table)
