"""Order: one order that shop, ERP and warehouse tell of, late, twice and swapped; what it claims after each message.

The same messages in the order in which things happened lead to the same figures: that is what the proof compares.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from tallystick.demo.proof import SCALE, Check

if TYPE_CHECKING:
    from tallystick import Engine

SKU = "FAULT-LINE"
DOCUMENT = "SO-4712"
FIGURES = ("on_hand", "reserved", "allocated", "ordered", "unpicked", "on_hand_atp", "atp")
TOLD_TWICE = 2
_LATEST_COUNTS = ("document.closed", "reservation.requested")
"""A request that is told after its order was closed is refused, so it comes before."""


@dataclass(frozen=True, slots=True)
class Order:
    """The messages in the order in which things happened, and their numbers in the order in which they come."""

    events: tuple[dict[str, Any], ...]
    coming: tuple[int, ...]
    on_hand: int
    """What is left in the end."""

    def lines(self) -> list[str]:
        """The messages as they come."""
        return [json.dumps(self.events[number]) for number in self.coming]


def draw(rng: np.random.Generator, *, day: str, location: str) -> Order:
    """An order of some units, from the hold to the closing."""
    received, ordered = int(rng.integers(12, 20)), int(rng.integers(3, 8))
    place = {"sku": SKU, "location": location}
    line = {"document": DOCUMENT, "line": 1, **place, "quantity": ordered}
    happened: list[tuple[str, str, str, dict[str, Any]]] = [
        ("08:00", "wms", "stock.received", {**place, "quantity": received}),
        ("09:00", "shop", "reservation.requested", {**line, "ttl": "none"}),
        ("09:05", "erp", "demand.scheduled", {**line, "due": day}),
        ("09:10", "shop", "reservation.posted", {"target": {"id": "line-1"}}),
        ("10:00", "wms", "stock.allocated", line),
        ("11:00", "wms", "stock.picked", line),
        ("12:00", "wms", "stock.shipped", line),
        ("13:00", "erp", "document.closed", {"document": DOCUMENT}),
    ]
    events = tuple(
        {"id": f"line-{number}", "source": source, "type": kind, "time": f"{day}T{time}:00Z", **more}
        for number, (time, source, kind, more) in enumerate(happened)
    )
    return Order(events, _coming(rng, events), received - ordered)


def _coming(rng: np.random.Generator, events: Sequence[dict[str, Any]]) -> tuple[int, ...]:
    """Goods come first; all else is swapped, and some of it is told again later."""
    swapped = [0, *(1 + rng.permutation(len(events) - 1)).tolist()]
    closed, requested = (next(n for n, event in enumerate(events) if event["type"] == kind) for kind in _LATEST_COUNTS)
    places = sorted((swapped.index(closed), swapped.index(requested)))
    swapped[places[0]], swapped[places[1]] = requested, closed
    for number in rng.choice(len(events), TOLD_TWICE, replace=False).tolist():
        first = swapped.index(number)
        swapped.insert(int(rng.integers(first + 1, len(swapped) + 1)), number)
    return tuple(swapped)


def figures(engine: "Engine", order: Order) -> dict[str, int]:
    """What a ledger says of the order's position, in thousandths."""
    place = order.events[0]
    for position in engine.positions_of(place["sku"]):
        if position.location == place["location"]:
            return {name: getattr(position, f"{name}_thousandths") for name in FIGURES}
    return dict.fromkeys(FIGURES, 0)


def told(events: Iterable[dict[str, Any]], order: Order, config: str) -> list[tuple[str, dict[str, int]]]:
    """Tells an empty ledger one message after the other: the outcome of each, and the figures after it."""
    from tallystick import OUTCOMES, Engine

    names = {number: name for name, number in OUTCOMES.items()}
    engine, found = Engine(config), []
    for sequence, event in enumerate(events, 1):
        (outcome,) = engine.apply(json.dumps(event).encode(), sequence, event_times=True).outcomes.tolist()
        found.append((names[outcome], figures(engine, order)))
    return found


def check(engine: "Engine", order: Order, config: str) -> Check:
    """Whether the daemon's ledger ended as one does that was told everything once and in order."""
    as_it_happened = told(order.events, order, config)[-1][1]
    return Check("figures of the order told out of order", _text(as_it_happened), _text(figures(engine, order)))


def print_order(console: Console, order: Order, config: str) -> None:
    """Prints the figures after each message as they came, and the end of the same messages in their order."""
    names = ("time", "source", "message", "outcome", *FIGURES)
    table = Table(*names, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    coming = [order.events[number] for number in order.coming]
    for event, (outcome, found) in zip(coming, told(coming, order, config), strict=True):
        table.add_row(event["time"][11:16], event["source"], _message(event), outcome, *_cells(found))
    in_order = told(order.events, order, config)[-1][1]
    table.add_row("", "", "all of it once and in order", "", *_cells(in_order), style="dim")
    console.print(f"\nOne order ({DOCUMENT}), told by three systems, as it came, and the figures of {SKU}:")
    console.print(table)


def _message(event: dict[str, Any]) -> str:
    return f"{event['type']} {event['quantity']}" if "quantity" in event else event["type"]


def _cells(found: dict[str, int]) -> list[str]:
    return [f"{found[name] / SCALE:g}" for name in FIGURES]


def _text(found: dict[str, int]) -> str:
    return " ".join(_cells(found))
