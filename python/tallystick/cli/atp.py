"""`tallystick atp`: asks the daemon what can be promised."""

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tallystick.cli import options, tables
from tallystick.cli.bus import Reach

if TYPE_CHECKING:
    from tallystick.client.client import Client
    from tallystick.client.promise import Place

_LESS = ("unpicked", "reserved", "allocated", "ordered", "safety_stock", "pending")
"""What is taken from on hand; the rest is claimed by nobody (docs/claims.md §6)."""
_BESIDE = ("picked", "in_transit", "quarantine", "damaged")
_ASKED_FOR = ("on_hand", "reserved")


def _option(name: str, *names: str, metavar: str | None = None, default: str = "none", about: str) -> Any:
    return typer.Option(*names, envvar=f"TALLYSTICK_ATP_{name}", metavar=metavar, show_default=default, help=about)


At = Annotated[str | None, _option("AT", "--at", metavar="DATE", default="today", about="On a day, or at a time.")]
Wanted = Annotated[
    str | None, _option("QUANTITY", "--quantity", metavar="QUANTITY", about="Is there enough, and if not, when?")
]
Channel = Annotated[str | None, _option("CHANNEL", "--channel", about="As this channel sees it, protections included.")]
Mode = Annotated[
    str | None,
    _option(
        "MODE",
        "--mode",
        default="promise.mode",
        about="on_hand, period_net, discrete, discrete_running_total, cumulative, look_ahead, backward or "
        "backward_accumulated.",
    ),
]
Measure = Annotated[
    str | None, _option("MEASURE", "--measure", metavar="NAME", about="By a measure of promise.measures.")
]
Group = Annotated[str | None, _option("GROUP", "--group", about="In a group of locations.")]
Explain = Annotated[
    bool, _option("EXPLAIN", "--explain", default="off", about="What binds: the bucket, and the lines up to it.")
]
Horizon = Annotated[bool, _option("HORIZON", "--horizon", default="off", about="All days ahead, as a chart.")]


def atp(  # noqa: PLR0913, PLR0917 (an option each)
    sku: Annotated[str, typer.Argument(metavar="SKU", help="What.", show_default=False)],
    location: Annotated[
        str | None, typer.Argument(metavar="[LOCATION]", help="Where.", show_default="everywhere")
    ] = None,
    at: At = None,
    quantity: Wanted = None,
    channel: Channel = None,
    mode: Mode = None,
    measure: Measure = None,
    group: Group = None,
    explain: Explain = False,
    horizon: Horizon = False,
    config: options.Config = None,
    server: options.Server = None,
    timeout_s: Annotated[
        float, typer.Option(envvar="TALLYSTICK_ATP_TIMEOUT_S", min=0.1, help="How long to wait for the daemon.")
    ] = 2.0,
    as_json: options.Json = False,
) -> None:
    """Asks the running daemon for the ATP of a SKU, at one location, in a group, or at all.

    ATP is what can be promised today. Beside it stands what is on the shelf and unclaimed, with all that makes it up:
    on hand − unpicked − reserved − allocated − ordered − safety stock − pending. The two differ where a day to come
    binds, or promise.mode looks elsewhere. An unknown SKU has no positions; that is no failure.

    With any of the options that look ahead, it answers what can be promised then: scheduled supply and demand,
    reservations, protections and safety stock of the days to come are counted. Figures below zero are shortages.

    Examples:

        tallystick atp 1082185

        tallystick atp 1082185 367 --json

        tallystick atp 4711 DC1 --at 2026-12-01 --quantity 40 --explain

        tallystick atp 4711 --group east --channel web --horizon
    """
    reach = Reach(config, server, timeout_s)
    conditions = {"due": at, "quantity": quantity, "channel": channel, "mode": mode, "measure": measure}
    asked: dict[str, Any] = {**conditions, "explain": explain, "horizon": horizon}
    if group is not None or any(asked.values()):
        _promised(reach, sku, location, group, asked, as_json=as_json)
        return
    from tallystick.bus.questions import ATP_SUBJECT

    question = {"sku": sku} if location is None else {"sku": sku, "location": location}
    answer = reach.run(lambda client: client.ask(ATP_SUBJECT, question))
    if as_json:
        typer.echo(answer)
    else:
        _print_table(sku, location, answer)


def _promised(
    reach: Reach, sku: str, location: str | None, group: str | None, asked: dict[str, Any], *, as_json: bool
) -> None:
    from tallystick import exact_json
    from tallystick.cli import promised
    from tallystick.errors import UsageError

    if location is not None and group is not None:
        raise UsageError("give a LOCATION or --group, not both")
    if asked["quantity"] is not None:
        asked["quantity"] = _number(asked["quantity"])
    places, answer = reach.run(lambda client: _ask(client, sku, location, group, asked))
    if as_json:
        typer.echo(answer)
    elif not places:
        typer.echo(f"{sku}: no stock was ever seen")
    else:
        promised.show(places, exact_json.loads(answer))


async def _ask(
    client: "Client", sku: str, location: str | None, group: str | None, asked: dict[str, Any]
) -> "tuple[list[Place], bytes]":
    """Where was asked, and the answer. Without a place, all positions that the ledger has are asked about."""
    from tallystick import exact_json
    from tallystick.bus.questions import ATP_SUBJECT, PROMISE_SUBJECT
    from tallystick.client.promise import question

    places: list[Place] = [{"sku": sku, "group": group}] if group is not None else []
    if group is None:
        where = {"sku": sku} if location is None else {"sku": sku, "location": location}
        found = exact_json.loads(await client.ask(ATP_SUBJECT, where))["positions"]
        names = ("sku", "location", "lot", "owner")
        places = [{name: one[name] for name in names if one.get(name) is not None} for one in found]  # type: ignore[misc]
        if not places and location is not None:
            places = [{"sku": sku, "location": location}]
        if not places:
            return [], b'{"answers":[]}'
    return places, await client.ask(PROMISE_SUBJECT, question(places, **asked))


def _number(text: str) -> Decimal:
    from tallystick.errors import UsageError
    from tallystick.quantity import to_thousandths

    try:
        to_thousandths(text)
    except ValueError as error:
        raise UsageError(f"--quantity: {error}") from error
    return Decimal(text)


def _print_table(sku: str, location: str | None, reply: bytes) -> None:
    # Quantities are exact decimal numbers, which a float is not.
    answer: dict[str, Any] = json.loads(reply, parse_float=Decimal)
    positions = answer["positions"]
    if not positions:
        typer.echo(f"{sku}{f' at {location}' if location else ''}: no stock was ever seen (log {answer['sequence']})")
        return
    dimensions = [name for name in ("lot", "owner") if any(position.get(name) for position in positions)]
    less = _shown(_LESS, positions)
    columns = ("atp", "on_hand", *less, "on_hand_atp", *_shown(_BESIDE, positions))
    headings = ["= un-\nclaimed" if name == "on_hand_atp" else name.replace("_", "\n") for name in columns]
    title = tables.plain(f"{sku} as of log sequence {answer['sequence']:,}")
    table = tables.table("location", *dimensions, *headings, numbers=headings, title=title)
    for position in positions:
        numbers = [f"{position[name]:,}" for name in columns]
        names = [tables.plain(position.get(name) or "") for name in ("location", *dimensions)]
        table.add_row(*names, *numbers)
    tables.show(table)
    typer.echo(" − ".join(name.replace("_", " ") for name in ("on_hand", *less)) + " = unclaimed")
    sums = [position["on_hand"] - sum(position[name] for name in less) for position in positions]
    if sums != [position["on_hand_atp"] for position in positions]:
        typer.echo("Claims without a document that stand below zero count as zero.")


def _shown(names: tuple[str, ...], positions: list[dict[str, Any]]) -> list[str]:
    """What is nowhere but zero would only take the place of what is not; on hand and reserved are always asked for."""
    return [name for name in names if name in _ASKED_FOR or any(position[name] for position in positions)]
