"""Plots: the newest report of each suite as PNG and SVG, one message each. It measures nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from benches import report
from benches.plots import bus, growth, latency, peers
from benches.plots.style import Canvas, picture


class Plot(NamedTuple):
    """One picture: the suite whose report it shows, and what draws it."""

    suite: str
    name: str
    draw: Callable[[Canvas], None]


PLOTS: Final = (
    Plot("bus", "bus", bus.draw),
    Plot("growth", "growth", growth.draw),
    Plot("latency", "latency", latency.draw),
    Plot("peers", "peers", peers.draw),
)


def draw_all(folder: Path) -> None:
    """Draws what there are reports of into `folder`."""
    for plot in PLOTS:
        stored = report.newest(folder, plot.suite)
        if stored is not None:
            picture(folder / plot.name, stored, plot.draw)
