"""`tallystick atp`: asks the daemon what can be promised, today with all that makes it up, or on days to come."""

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tallystick.cli import options, records, shelf
from tallystick.cli.bus import Reach

if TYPE_CHECKING:
    from tallystick.client.client import Client
    from tallystick.client.promise import Place, Promise
    from tallystick.records import AtpPosition

_TRIES: Final = 3
"""How often both questions are asked until they are answered at the same place of the log."""


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
    timeout_s: options.Timeout = 2.0,
    as_json: options.Json = False,
) -> None:
    """Asks the running daemon what can be promised of a SKU today, at one location, in a group, or at all.

    Each row adds up: on hand, less what is reserved, allocated, ordered and kept as safety stock, and later, which is
    what comes and goes until the day that binds. An unknown SKU has no positions; that is no failure. Stock that is
    protected for a channel counts here; --channel says what one channel can have.

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
    sequence, positions, days = reach.ask(lambda client: _shelf(client, sku, location))
    rows = [shelf.row(position, days.get(shelf.key(position))) for position in positions]
    if as_json:
        records.show({"sequence": sequence, **row} for row in rows)
    else:
        shelf.show(sku, location, sequence, rows)


def _promised(
    reach: Reach, sku: str, location: str | None, group: str | None, asked: dict[str, Any], *, as_json: bool
) -> None:
    from tallystick.cli import promised
    from tallystick.errors import UsageError

    if location is not None and group is not None:
        raise UsageError("give a LOCATION or --group, not both")
    if asked["quantity"] is not None:
        asked["quantity"] = _number(asked["quantity"])
    places, found = reach.ask(lambda client: _ask(client, sku, location, group, asked))
    if found is None:
        if not as_json:
            typer.echo(f"{sku}: no stock was ever seen")
    elif as_json:
        told = {"sequence": found["sequence"], "log_time": found["log_time"], "mode": found["mode"]}
        records.show({**told, **place, **one} for place, one in zip(places, found["answers"], strict=True))
    else:
        promised.show(places, found)


async def _ask(
    client: "Client", sku: str, location: str | None, group: str | None, asked: dict[str, Any]
) -> "tuple[list[Place], Promise | None]":
    """Where was asked, and the answer. Without a place, all positions that the ledger has are asked about."""
    places: list[Place] = [{"sku": sku, "group": group}] if group is not None else []
    if group is None:
        places = [_place(position) for position in (await client.atp(sku, location))["positions"]]
        if not places and location is not None:
            places = [{"sku": sku, "location": location}]
    return places, await client.promise(places, **asked) if places else None


async def _shelf(
    client: "Client", sku: str, location: str | None
) -> "tuple[int, list[AtpPosition], dict[shelf.Names, str]]":
    """The log sequence, the positions, and of those that days to come lessen or increase, the day that binds."""
    for _ in range(_TRIES):
        found = await client.atp(sku, location)
        ahead = [one for one in found["positions"] if one["atp"] != one["on_hand_atp"]]
        if not ahead:
            return found["sequence"], found["positions"], {}
        told = await client.promise([_place(one) for one in ahead], explain=True)
        if told["sequence"] == found["sequence"]:
            break
    else:  # The log never stands still: the figures are right, only which day binds is not known.
        return found["sequence"], found["positions"], {}
    if told["mode"] != "look_ahead":  # Only there one day binds.
        return found["sequence"], found["positions"], {}
    days = [one.get("explain", {}).get("bucket") for one in told["answers"]]
    known = {shelf.key(one): day for one, day in zip(ahead, days, strict=True) if day is not None}
    return found["sequence"], found["positions"], known


def _place(position: "AtpPosition") -> "Place":
    place: Place = {"sku": position["sku"], "location": position["location"]}
    if "lot" in position:
        place["lot"] = position["lot"]
    if "owner" in position:
        place["owner"] = position["owner"]
    return place


def _number(text: str) -> Decimal:
    from tallystick.errors import UsageError
    from tallystick.quantity import to_thousandths

    try:
        to_thousandths(text)
    except ValueError as error:
        raise UsageError(f"--quantity: {error}") from error
    return Decimal(text)
