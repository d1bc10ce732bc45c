"""`tallystick reservations`: who holds what."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

from tallystick.cli import options, promised, records, tables
from tallystick.cli.bus import Reach

CURE: Final = "see more with --limit, or fewer with --sku and --document"


def reservations(  # noqa: PLR0913, PLR0917 (an option each)
    leaks: Annotated[
        bool,
        typer.Option(
            "--leaks",
            envvar="TALLYSTICK_RESERVATIONS_LEAKS",
            show_default="off",
            help="Only what is held for closed documents. That claims nothing, so nothing leaks.",
        ),
    ] = False,
    document: Annotated[
        str | None,
        typer.Option(envvar="TALLYSTICK_RESERVATIONS_DOCUMENT", show_default="any", help="Only of this document."),
    ] = None,
    sku: Annotated[
        str | None, typer.Option(envvar="TALLYSTICK_RESERVATIONS_SKU", show_default="any", help="Only of this SKU.")
    ] = None,
    location: Annotated[
        str | None, typer.Option(envvar="TALLYSTICK_RESERVATIONS_LOCATION", show_default="any", help="Only held here.")
    ] = None,
    limit: Annotated[
        int, typer.Option(envvar="TALLYSTICK_RESERVATIONS_LIMIT", min=1, max=1_000, help="The most that are shown.")
    ] = 100,
    config: options.Config = None,
    server: options.Server = None,
    timeout_s: options.Timeout = 10.0,
    as_json: options.Json = False,
) -> None:
    """Shows who holds what: live reservations, the longest held first.

    Examples:

        tallystick reservations --document SO-1

        tallystick reservations --sku 4711 --location DC1 --json
    """
    asked: dict[str, Any] = {"document": document, "sku": sku, "location": location, "limit": limit}
    asked["leaks"] = leaks
    found = Reach(config, server, timeout_s).ask(lambda client: client.reservations(**asked))
    if as_json:
        records.show({"sequence": found["sequence"], **one} for one in found["reservations"])
    elif not found["reservations"]:
        typer.echo("Nothing leaks." if leaks else "Nothing is reserved.")
    else:
        _print_live(found)
    records.left_out(len(found["reservations"]), found["total"], "the longest held first", CURE, as_json=as_json)


def _print_live(found: Mapping[str, Any]) -> None:
    table = tables.table("reservation", "document", "what is held", "expires", whole=["expires"])
    for one in found["reservations"]:
        lines = [
            f"{promised.figure_text(line['held'])} of {line['sku']}@{line['location']}"
            f"{' on ' + str(line['due']) if line.get('due') else ''}"
            f"{' for ' + str(line['channel']) if line.get('channel') else ''}"
            for line in one["lines"]
        ]
        document = " ".join(str(one[name]) for name in ("document", "line") if one.get(name))
        table.add_row(
            tables.plain(f"{one['source']}/{one['id']}"),
            tables.plain(document),
            ", ".join(map(tables.plain, lines)),
            tables.plain(promised.second(one.get("expires") or "never")),
        )
    tables.show(table)
