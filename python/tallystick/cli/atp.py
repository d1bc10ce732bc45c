"""`tallystick atp`: asks the daemon what can be promised."""

import json
from decimal import Decimal
from typing import Annotated, Any

import typer

from tallystick.cli import options, tables
from tallystick.cli.bus import Reach

_ACCOUNTS = ("on_hand", "reserved", "allocated", "picked", "in_transit", "quarantine", "damaged")
_ASKED_FOR = ("on_hand", "reserved")


def atp(
    sku: Annotated[str, typer.Argument(metavar="SKU", help="What.", show_default=False)],
    location: Annotated[
        str | None, typer.Argument(metavar="[LOCATION]", help="Where.", show_default="everywhere")
    ] = None,
    config: options.Config = None,
    server: options.Server = None,
    timeout_s: Annotated[
        float, typer.Option(envvar="TALLYSTICK_ATP_TIMEOUT_S", min=0.1, help="How long to wait for the daemon.")
    ] = 2.0,
    as_json: options.Json = False,
) -> None:
    """Asks the running daemon for the ATP of a SKU, at one location or at all.

    ATP = on hand − reserved − allocated − safety stock. An unknown SKU has no positions; that is no failure.

    Examples:

        tallystick atp 1082185

        tallystick atp 1082185 367 --json
    """
    from tallystick.service import ATP_SUBJECT

    question = {"sku": sku} if location is None else {"sku": sku, "location": location}
    answer = Reach(config, server, timeout_s).run(lambda desk: desk.ask(ATP_SUBJECT, question))
    if as_json:
        typer.echo(answer)
    else:
        _print_table(sku, location, answer)


def _print_table(sku: str, location: str | None, reply: bytes) -> None:
    # Quantities are exact decimal numbers, which a float is not.
    answer: dict[str, Any] = json.loads(reply, parse_float=Decimal)
    positions = answer["positions"]
    if not positions:
        typer.echo(f"{sku}{f' at {location}' if location else ''}: no stock was ever seen (log {answer['sequence']})")
        return
    dimensions = [name for name in ("lot", "owner") if any(position.get(name) for position in positions)]
    # What is nowhere but zero would only take the place of what is not; on hand and reserved are always asked for.
    accounts = [name for name in _ACCOUNTS if name in _ASKED_FOR or any(position[name] for position in positions)]
    headings = {name: name.replace("_", "\n") for name in ("atp", *accounts)}
    title = tables.plain(f"{sku} as of log sequence {answer['sequence']:,}")
    table = tables.table("location", *dimensions, *headings.values(), numbers=headings.values(), title=title)
    for position in positions:
        numbers = [f"{position[name]:,}" for name in headings]
        names = [tables.plain(position.get(name) or "") for name in ("location", *dimensions)]
        table.add_row(*names, *numbers)
    tables.show(table)
