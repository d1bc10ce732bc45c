"""Faults: a small, seeded set of what goes wrong between systems, with known effect, after the events of a workload.

Late, lost, mistyped, taken back, far too large, one order that passes through four systems, and one that three systems
tell out of order. All of it is about positions of its own, so that the proof of the workload stays what it is, with
these positions in addition.
"""

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tallystick.client.work import WorkItem, items
from tallystick.demo.order import Order, draw
from tallystick.demo.workload import Workload

if TYPE_CHECKING:
    from tallystick import Engine

LOCATION = "FAULTS"
CORRELATION = "order-4711"
SOURCES = ("scanner", "robot", "clerk", "counter", "dock", "oms", "wms", "returns", "shop", "erp")
ENGINE_CONFIG = """
# The scanner counts its events; more than two behind a missing one, and that is given up as lost.
[sources.scanner]
order = "source"
held_max = 2
team = "warehouse"

# A count that moves more than this waits for somebody to look at it.
[approvals]
absolute = "1000000"
"""
_DAY = "2026-01-06"


@dataclass
class _Story:
    """Events that follow each other, what becomes of them, and what must be left of their position."""

    sku: str
    on_hand: int = 0
    accepted: int = 0
    duplicates: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def say(self, source: str, name: str, kind: str, quantity: object = None, outcome: str = "", **more: Any) -> None:
        """Adds one event; without an outcome it is accepted."""
        event: dict[str, Any] = {"id": name, "source": source, "type": kind}
        if quantity is not None:
            time = f"{_DAY}T09:00:{len(self.lines):02}Z"
            event |= {"time": time, "sku": self.sku, "location": LOCATION, "quantity": quantity}
        self.lines.append(json.dumps(event | more))
        if outcome:
            self.refused[outcome] = self.refused.get(outcome, 0) + 1
        else:
            self.accepted += 1


def with_faults(workload: Workload, *, seed: int) -> Workload:
    """The workload with the faults at the end of its file, and what they must come to in its expectations."""
    rng = np.random.default_rng(seed)
    stories = [_gap(rng), _mistyped(rng), _taken_back(rng), _corrected(rng), _too_large(rng), _order(rng)]
    stories.append(_told_out_of_order(seed))
    with workload.path.open("a", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in _interleaved(rng, [story.lines for story in stories]))
    refused = dict(workload.refused)
    for story in stories:
        for outcome, count in story.refused.items():
            refused[outcome] = refused.get(outcome, 0) + count
    return replace(
        workload,
        accepted=workload.accepted + sum(story.accepted for story in stories),
        duplicates=workload.duplicates + sum(story.duplicates for story in stories),
        refused=refused,
        expected=_expected(workload.expected, stories),
        engine_config=f"{workload.engine_config}{ENGINE_CONFIG}",
    )


def _gap(rng: np.random.Generator) -> _Story:
    """The third scan comes last: by then it was given up as lost, and is counted all the same."""
    story = _Story("FAULT-SCAN")
    for sequence in (1, 2, 4, 5, 6, 3):
        quantity = int(rng.integers(1, 20))
        story.on_hand += quantity
        outcome = "late" if sequence == 3 else ""
        story.say("scanner", f"scan-{sequence}", "stock.received", quantity, outcome, sequence=sequence)
    return story


def _mistyped(rng: np.random.Generator) -> _Story:
    """One event has a type that nobody knows, another a quantity that cannot be."""
    story = _Story("FAULT-TYPED", on_hand=int(rng.integers(20, 40)))
    story.say("robot", "move-1", "stock.received", story.on_hand)
    story.say("robot", "move-2", "stock.teleported", 3, "unknown_type")
    story.say("robot", "move-3", "stock.sold", -int(rng.integers(1, 9)), "quantity_invalid")
    return story


def _taken_back(rng: np.random.Generator) -> _Story:
    """A receipt that never was: nothing stays but the position."""
    story = _Story("FAULT-VOID")
    story.say("clerk", "receipt-1", "stock.received", int(rng.integers(50, 100)))
    story.say("clerk", "void-1", "event.voided", target={"id": "receipt-1"}, reason="delivered next door")
    return story


def _corrected(rng: np.random.Generator) -> _Story:
    """Cases were typed for units: the correction replaces the receipt."""
    story = _Story("FAULT-FIX", on_hand=int(rng.integers(2, 9)))
    right = {"type": "stock.received", "sku": story.sku, "location": LOCATION, "quantity": story.on_hand}
    story.say("clerk", "receipt-2", "stock.received", story.on_hand * 12)
    target = {"id": "receipt-2"}
    story.say("clerk", "fix-1", "event.corrected", target=target, event=right, reason="units, not cases")
    return story


def _too_large(rng: np.random.Generator) -> _Story:
    """The barcode was scanned into the quantity; the count waits until somebody decides."""
    story = _Story("FAULT-COUNT", on_hand=int(rng.integers(10, 50)))
    story.say("counter", "count-1", "stock.counted", story.on_hand)
    story.say("counter", "count-2", "stock.counted", 400_638_133_393, "pending_approval")
    return story


def _order(rng: np.random.Generator) -> _Story:
    """One order through four systems: one of them tells a thing twice, and the return has no quantity."""
    received, ordered = int(rng.integers(10, 20)), int(rng.integers(1, 5))
    story = _Story("FAULT-ORDER", on_hand=received - ordered)
    story.say("dock", "arrival-1", "stock.received", received, correlationid=CORRELATION)
    chain = [
        ("oms", "reserve-1", "stock.reserved", {}),
        ("wms", "allocate-1", "stock.allocated", {"from_status": "reserved"}),
        ("wms", "pick-1", "stock.picked", {}),
        ("wms", "ship-1", "stock.shipped", {}),
    ]
    before = "arrival-1"
    for source, name, kind, more in chain:
        story.say(source, name, kind, ordered, correlationid=CORRELATION, causationid=before, **more)
        before = name
    story.lines.append(story.lines[-1])
    story.duplicates += 1
    story.say(
        "returns", "return-1", "stock.returned", 0, "quantity_invalid", correlationid=CORRELATION, causationid=before
    )
    return story


def order_of(seed: int) -> Order:
    """The order that three systems tell out of order."""
    return draw(np.random.default_rng((seed, 1)), day=_DAY, location=LOCATION)


def _told_out_of_order(seed: int) -> _Story:
    """Shop, ERP and warehouse speak of the same line; swapped, late, and some of it twice."""
    order = order_of(seed)
    repeated = len(order.coming) - len(order.events)
    return _Story(order.events[0]["sku"], order.on_hand, len(order.events), repeated, lines=order.lines())


def _interleaved(rng: np.random.Generator, stories: Sequence[list[str]]) -> list[str]:
    """The lines of all stories, each story in its own order."""
    turns = rng.permutation(np.repeat(np.arange(len(stories)), [len(lines) for lines in stories]))
    waiting = [iter(lines) for lines in stories]
    return [next(waiting[turn]) for turn in turns]


def _expected(expected: pl.DataFrame, stories: Sequence[_Story]) -> pl.DataFrame:
    rows = [
        dict.fromkeys(expected.columns, 0) | {"sku": story.sku, "location": LOCATION, "on_hand": story.on_hand}
        for story in stories
    ]
    return pl.concat([expected, pl.DataFrame(rows, schema=expected.schema)])


def open_faults(engine: "Engine") -> list[WorkItem]:
    """The exceptions of the faults that wait for somebody, by their numbers."""
    found = (item for source in SOURCES for item in items(engine.exceptions(state="unresolved", source=source)))
    return sorted(found, key=lambda item: item.number)


def print_faults(console: Console, engine: "Engine", config: Path) -> None:
    """Prints what waits for somebody, and what to try."""
    found = open_faults(engine)
    table = Table("#", "code", "event and cause", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for item in found:
        table.add_row(str(item.number), item.code, escape(f"{item.source}/{item.id}\n{item.cause}"))
    console.print("\nWhat went wrong on purpose and waits for somebody:")
    console.print(table)
    console.print("Try, one by one, with the daemon of this demo:")
    for command in _tries({item.code: item.number for item in found}, config):
        console.print(f"  {command}", highlight=False, soft_wrap=True, markup=False)


def _tries(numbers: Mapping[str, int], config: Path) -> list[str]:
    """What to type, for those exceptions that are there."""
    tries = []
    # `make demo` uses an environment of its own, which the shell of whoever called it may not know of.
    if sys.prefix != sys.base_prefix and Path(sys.prefix).is_relative_to(Path.cwd()):
        tries.append(f". {Path(sys.prefix).relative_to(Path.cwd())}/bin/activate")
    tries += [
        f"export TALLYSTICK_CONFIG={shlex.quote(str(config))}",
        f"tallystick run --embedded 2>> {shlex.quote(str(config.with_name('daemon.log')))} &",
        "tallystick exceptions list --source robot",
    ]
    repair = "repair {} --set quantity=1"
    for code, action in (
        ("unknown_type", "show {}"),
        ("quantity_invalid", f"{repair} --dry-run"),
        ("quantity_invalid", repair),
        ("pending_approval", 'deny {} --note "barcode in the quantity"'),
    ):
        if code in numbers:
            tries.append(f"tallystick exceptions {action.format(numbers[code])}")
    asks = (
        f"trace {CORRELATION}",
        f"trail FAULT-ORDER {LOCATION}",
        f"trail FAULT-LINE {LOCATION}",
        "sources scanner",
        "exceptions stats",
    )
    return [*tries, *(f"tallystick {ask}" for ask in asks), "kill %1"]
