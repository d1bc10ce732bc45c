"""What can be promised, when: one position with supply and demand ahead, asked and drawn. It needs no bus.

Run it: `python -m examples.horizon`, or with the name of a picture: `python -m examples.horizon docs/horizon.png`
"""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from tallystick import Engine, promise
from tallystick.cli.chart import draw

TODAY = datetime(2026, 11, 21, 9, tzinfo=UTC)
PLACE: promise.Place = {"sku": "LAMP", "location": "DC1"}
CONFIG = '[safety_stock]\ndefault = "5"\n'
DAYS_SHOWN = 24

Steps = Sequence[Sequence[Any]]


def ledger() -> Engine:
    """40 lamps are there. 15 are to go, 60 are to come, and two customers have been promised some."""
    received = {"id": "1", "source": "wms", "type": "stock.received", **PLACE, "quantity": 40}
    today: promise.Line = {"sku": "LAMP", "location": "DC1", "quantity": 10}
    later: promise.Line = {"sku": "LAMP", "location": "DC1", "quantity": 40, "due": "2026-12-08"}
    engine = Engine(CONFIG)
    batch = engine.apply(
        [
            json.dumps(received).encode(),
            promise.schedule("demand", "SO-7", PLACE, "2026-11-26", 15, source="oms"),
            promise.schedule("supply", "PO-1", PLACE, "2026-12-01", 60, source="erp"),
            promise.reserve([today], source="shop", reply="shop.answers"),
            promise.reserve([later], source="b2b", reply="b2b.answers", terms={"ttl": "none"}),
        ],
        first_sequence=1,
        log_time_ns=int(TODAY.timestamp()) * 1_000_000_000,
    )
    for subject, answer in batch.answers:
        print(f"{subject}: {json.loads(answer)['status']}")
    return engine


def horizon(engine: Engine, mode: promise.Mode) -> Steps:
    """The figures of a mode, where they change."""
    return engine.promise([PLACE], mode=mode, horizon=True)["answers"][0]["horizon"]


def main() -> None:
    """Asks what a shop would ask, and draws what it is told."""
    engine = ledger()
    (answer,) = engine.promise([PLACE], quantity=30, explain=True)["answers"]
    print(f"today: {answer['available']}; 30 of them: {answer['earliest']}")
    bound = answer["explain"]
    print(f"because of {bound['bucket']}, when safety stock is {bound['safety_stock']}")
    steps = {mode: horizon(engine, mode) for mode in ("look_ahead", "cumulative")}
    print(*draw([(bucket, figure) for bucket, figure in steps["look_ahead"]], 80), sep="\n")
    if len(sys.argv) > 1:
        picture(Path(sys.argv[1]), steps)


def by_day(steps: Steps) -> list[float]:
    """A figure for each day that is shown. Floats are for the picture alone."""
    known = {date.fromisoformat(bucket): float(figure) for bucket, figure in steps}
    days = [TODAY.date() + timedelta(days=ahead) for ahead in range(DAYS_SHOWN)]
    return [known[max(moment for moment in known if moment <= day)] for day in days]


def picture(path: Path, steps: Mapping[str, Steps]) -> None:
    """Draws what will be there and what can be promised of it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from benches.plots.style import GRID, INK, MUTED, OTHER, OURS, PAPER, SMALL, Canvas

    figure = Figure(figsize=(9.6, 4.6), dpi=140, facecolor=PAPER)
    FigureCanvasAgg(figure)
    canvas = Canvas(figure, {})
    canvas.title(
        "40 are there, 10 can be promised today",
        "lamps at DC1, by day: what will be there, and what can be promised; 5 must stay",
    )
    axes = canvas.axes(0.06, 0.9)
    there, free = by_day(steps["cumulative"]), by_day(steps["look_ahead"])
    places = list(range(DAYS_SHOWN))
    axes.fill_between(places, free, step="post", color=OURS, alpha=0.85, linewidth=0)
    axes.step(places, there, where="post", color=OTHER, linewidth=2.4)
    for ahead, height, text, colour in (
        (0.2, there[0] + 2, "on hand 40, less 10 reserved", MUTED),
        (5.2, there[5] + 2, "SO-7: 15 go", MUTED),
        (10.2, there[10] + 2, "PO-1: 60 come", MUTED),
        (17.2, there[17] + 2, "reserved for this day: 40", MUTED),
        (13.2, 14, "can be promised", PAPER),
        (0.2, 3.5, "15 will be left on 26 November, and 5 must stay", PAPER),
    ):
        axes.text(ahead, height, text, fontsize=SMALL, color=colour)
    axes.set_xlim(0, DAYS_SHOWN - 1)
    axes.set_ylim(0, max(there) * 1.15)
    labels = [(TODAY.date() + timedelta(days=ahead)).strftime("%-d %b") for ahead in places]
    axes.set_xticks(places[::3], labels[::3])
    axes.tick_params(axis="x", colors=INK)
    axes.spines["bottom"].set_color(GRID)
    figure.text(0.05, 0.025, "python -m examples.horizon docs/horizon.png", fontsize=8, color=MUTED)
    figure.savefig(path)


if __name__ == "__main__":
    main()
