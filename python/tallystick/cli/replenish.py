"""`tallystick replenish`: what is to be ordered, and why."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final

import typer

from tallystick.cli import options, promised, records, tables
from tallystick.cli.bus import Reach

CURE: Final = "see more with --limit, or fewer with --location"
NOTHING: Final = "Nothing is to be ordered: no position is below its point, or no rule of [[replenish]] fits it."


def replenish(
    sku: Annotated[
        str | None, typer.Option(envvar="TALLYSTICK_REPLENISH_SKU", show_default="any", help="Only of this SKU.")
    ] = None,
    location: Annotated[
        str | None,
        typer.Option(envvar="TALLYSTICK_REPLENISH_LOCATION", show_default="any", help="Only at this location."),
    ] = None,
    limit: Annotated[
        int,
        typer.Option(envvar="TALLYSTICK_REPLENISH_LIMIT", min=1, max=1_000, help="The most signals that are shown."),
    ] = 100,
    config: options.Config = None,
    server: options.Server = None,
    timeout_s: options.Timeout = 10.0,
    as_json: options.Json = False,
) -> None:
    """Shows what is to be ordered: positions of which less can be promised than the reorder point of their rule.

    The figures are those of the moment at which the signal went out. It stands until the position is covered again.

    Examples:

        tallystick replenish

        tallystick replenish --location DC1 --json
    """
    asked: dict[str, Any] = {"sku": sku, "location": location, "limit": limit}
    found = Reach(config, server, timeout_s).ask(lambda client: client.replenish(**asked))
    if as_json:
        records.show(found["signals"])
    elif not found["signals"]:
        typer.echo(NOTHING)
    else:
        tables.show(table(found["signals"]))
    records.left_out(len(found["signals"]), found["total"], "by SKU", CURE, as_json=as_json)


def table(signals: Iterable[Mapping[str, Any]]) -> Any:
    """What is missing at each position, the figures behind it, and since when."""
    figures = ("missing", "available", "point", "target")
    made = tables.table("SKU", "location", *figures, "since", numbers=figures, whole=["since"])
    for signal in signals:
        names = [tables.plain(signal[name]) for name in ("sku", "location")]
        amounts = [promised.figure_text(signal[name]) for name in ("quantity", "available", "reorder_point", "target")]
        made.add_row(*names, *amounts, tables.plain(promised.second(signal["log_time"])))
    return made
