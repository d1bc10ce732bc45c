"""Picture: one PNG that tells the demo's story: the proof, the speed and its interruptions, the outcomes, the stock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tallystick.demo.proof import SCALE, Check

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, MUTED, GRID, PAPER = "#1b2a33", "#6b7c85", "#e3e8ea", "#fbfaf7"
APPLIED, LAG, BAD, STOCK = "#1f7a6d", "#c98a2b", "#b3392f", "#3d5a80"
_LOCATIONS_SHOWN = 15
_BINS = 80


@dataclass(frozen=True, slots=True)
class Sample:
    """The daemon at one moment. `seconds` counts from the start of the demo; rates are made from neighbours."""

    seconds: float
    events: int
    """Elements with an outcome so far."""
    lag: int
    """Messages of the stream that are not applied yet."""


def draw(
    path: Path,
    *,
    title: str,
    subtitle: str,
    samples: Sequence[Sample],
    kills: Sequence[float],
    outcomes: Mapping[str, int],
    ledger: pl.DataFrame,
    checks: Sequence[Check],
) -> None:
    """Draws the picture into `path`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 8.4), dpi=140, facecolor=PAPER)
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(
        2, 3, left=0.055, right=0.975, top=0.81, bottom=0.09, hspace=0.4, wspace=0.26, width_ratios=[1, 1, 1.05]
    )
    proven = all(check.holds for check in checks)
    figure.text(0.055, 0.945, title, fontsize=21, fontweight="bold", color=INK)
    figure.text(0.055, 0.905, subtitle, fontsize=11.5, color=MUTED)
    figure.text(
        0.975,
        0.945,
        "PROVEN" if proven else "NOT PROVEN",
        fontsize=21,
        fontweight="bold",
        ha="right",
        color=APPLIED if proven else BAD,
    )
    figure.text(0.975, 0.905, f"{len(checks)} checks against the raw numbers", fontsize=11.5, ha="right", color=MUTED)
    _draw_throughput(figure.add_subplot(grid[0, :2]), samples, kills)
    _draw_checks(figure.add_subplot(grid[0, 2]), checks)
    _draw_outcomes(figure.add_subplot(grid[1, 0]), outcomes)
    _draw_stock(figure.add_subplot(grid[1, 1]), ledger)
    _draw_locations(figure.add_subplot(grid[1, 2]), ledger)
    figure.savefig(path, facecolor=PAPER)


def _style(axes: "Axes", title: str, grid_axis: str) -> None:
    axes.set_facecolor(PAPER)
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold", color=INK, pad=10)
    axes.tick_params(colors=MUTED, labelsize=9, length=0)
    axes.grid(axis=grid_axis, color=GRID, linewidth=0.8)  # type: ignore[arg-type]
    axes.set_axisbelow(True)
    for side in axes.spines.values():
        side.set_visible(False)


def _draw_throughput(axes: "Axes", samples: Sequence[Sample], kills: Sequence[float]) -> None:
    from matplotlib.ticker import EngFormatter

    _style(axes, "Events applied per second", "y")
    seconds = np.array([0.0, *(sample.seconds for sample in samples)])
    events = np.array([0.0, *(sample.events for sample in samples)])
    edges = np.linspace(0.0, max(seconds[-1], 1e-3), _BINS + 1)
    # After a crash the daemon goes back to its snapshot; what it repeats is work, but no progress.
    rate = np.maximum(np.diff(np.interp(edges, seconds, np.maximum.accumulate(events))), 0) / edges[1]
    axes.stairs(rate, edges, fill=True, color=APPLIED, alpha=0.85, label="events/s")
    axes.set_xlim(0, edges[-1])
    axes.yaxis.set_major_formatter(EngFormatter(sep=" "))
    axes.xaxis.set_major_formatter(EngFormatter(unit="s"))
    axes.set_ylim(0, max(rate.max(initial=0) * 1.15, 1))
    waiting = axes.twinx()
    waiting.plot(seconds[1:], [sample.lag for sample in samples], color=LAG, linewidth=1.8, label="messages waiting")
    waiting.set_ylim(bottom=0)
    waiting.yaxis.set_major_formatter(EngFormatter(sep=" "))
    waiting.tick_params(colors=LAG, labelsize=9, length=0)
    for side in waiting.spines.values():
        side.set_visible(False)
    for index, moment in enumerate(kills):
        axes.axvline(moment, color=BAD, linewidth=1.3, linestyle=(0, (3, 2)), label=None if index else "kill -9")
    handles, labels = axes.get_legend_handles_labels()
    more_handles, more_labels = waiting.get_legend_handles_labels()
    axes.legend(
        handles + more_handles,
        labels + more_labels,
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=3,
        frameon=False,
        fontsize=9,
        labelcolor=INK,
    )


def _draw_checks(axes: "Axes", checks: Sequence[Check]) -> None:
    _style(axes, "What was checked", "x")
    axes.grid(False)
    axes.set_axis_off()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    step = min(0.15, 0.94 / max(len(checks), 1))
    for row, check in enumerate(checks):
        y = 0.94 - row * step
        axes.text(0.0, y, "✓" if check.holds else "✗", fontsize=13, color=APPLIED if check.holds else BAD, va="center")
        axes.text(0.055, y, check.what, fontsize=10, color=INK, va="center")
        found = f"{check.found[:12]}…" if isinstance(check.found, str) else f"{check.found:,}"
        axes.text(1.0, y, found, fontsize=10, color=INK, va="center", ha="right", family="monospace")


def _draw_outcomes(axes: "Axes", outcomes: Mapping[str, int]) -> None:
    _style(axes, "What became of the events", "x")
    names = [name for name, count in outcomes.items() if count]
    counts = [outcomes[name] for name in names]
    colours = [APPLIED if name in ("applied", "absorbed") else STOCK if name == "duplicate" else BAD for name in names]
    axes.barh(range(len(names)), counts, color=colours, height=0.36)
    for row, (name, count) in enumerate(zip(names, counts, strict=True)):
        axes.text(1.15, row - 0.36, name, fontsize=9.5, color=INK, va="center")
        axes.text(count * 1.3, row, f"{count:,}", fontsize=10, color=INK, va="center")
    axes.set_xscale("log")
    axes.minorticks_off()
    axes.set_xlim(1, max(counts, default=1) * 40)
    axes.set_ylim(max(len(names), 3) - 0.5, -0.6)
    axes.set_yticks([])
    axes.set_xlabel("events, log scale", color=MUTED, fontsize=9)


def _draw_stock(axes: "Axes", ledger: pl.DataFrame) -> None:
    from matplotlib.ticker import EngFormatter

    _style(axes, "Positions by their ATP", "y")
    units = ledger["atp"].to_numpy() / SCALE
    low, high = np.quantile(units, [0.005, 0.995]) if len(units) else (0.0, 1.0)
    width = max(1, int(np.ceil((high - low) / 40)))
    edges = np.arange(np.floor(low) - 0.5, np.ceil(high) + 0.5 + width, width)
    counts, edges = np.histogram(np.clip(units, low, high), edges)
    colours = [BAD if centre < 0 else STOCK for centre in (edges[:-1] + edges[1:]) / 2]
    axes.bar(edges[:-1], counts, width=width * 0.92, align="edge", color=colours)
    axes.yaxis.set_major_formatter(EngFormatter(sep=" "))
    axes.set_xlabel("units", color=MUTED, fontsize=9)


def _draw_locations(axes: "Axes", ledger: pl.DataFrame) -> None:
    from matplotlib.ticker import EngFormatter

    busiest = (
        ledger.group_by("location")
        .agg(pl.len().alias("positions"))
        .sort(["positions", "location"], descending=[True, False])
        .head(_LOCATIONS_SHOWN)
    )
    total = ledger["location"].n_unique()
    _style(axes, f"Positions at the busiest of {total:,} locations", "y")
    shades = np.linspace(1.0, 0.45, max(busiest.height, 1))
    bars = axes.bar(busiest["location"], busiest["positions"], color=STOCK, width=0.72)
    for bar, shade in zip(bars, shades, strict=False):
        bar.set_alpha(shade)
    axes.yaxis.set_major_formatter(EngFormatter(sep=" "))
    axes.tick_params(axis="x", labelrotation=60, labelsize=8)
    axes.set_xlabel("location", color=MUTED, fontsize=9)
