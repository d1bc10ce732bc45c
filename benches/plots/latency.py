"""Latency: the whole distribution from its histogram, by percentile, without and with snapshots."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from benches.plots.style import INK, LIMIT, MUTED, SHADES, SMALL, Canvas, number_of, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PERCENTILES: Final = (50.0, 90.0, 99.0, 99.9, 99.99)
_TARGETS: Final = ((50.0, 2.0), (99.0, 10.0), (99.9, 25.0))
"""Percentile and milliseconds, at 100,000 events/s."""
_PANELS: Final = (("", "without snapshots"), ("-snapshots", "a snapshot every second"))
_STEPS: Final = 400


def draw(canvas: Canvas) -> None:
    """One line per rate; the percentile stretched so that each further nine takes the same room."""
    rows = canvas.rows
    canvas.title(
        "How long until a change can be seen",
        "ms until availability can be seen, from when a message was due (open loop), by percentile",
    )
    rates = sorted({number_of(name) for name in rows})
    shades = dict(zip(rates, SHADES[-len(rates) :], strict=False))
    slowest = max((row["p100_ms"] for row in rows.values() if row["p100_ms"] is not None), default=100.0)
    for number, (suffix, heading) in enumerate(_PANELS):
        axes = canvas.axes(0.075 + number * 0.48, 0.415, heading=heading)
        for rate in rates:
            row = rows.get(f"rate-{rate}{suffix}")
            if row is not None:
                places, values = _curve(row)
                axes.plot(places, values, color=shades[rate], linewidth=2.2, label=f"{short(rate)} events/s")
        _targets(axes, with_label=number == 0)
        _scales(axes, slowest)
        if number == 0:
            axes.legend(frameon=False, fontsize=SMALL, labelcolor=INK, loc="upper left")


def _stretched(percentile: "float | NDArray[np.float64]") -> Any:
    """Where a percentile stands: 0 at 0, then one further for each nine."""
    return -np.log10(1 - np.minimum(percentile, 99.999) / 100)


def _curve(row: dict[str, Any]) -> tuple[NDArray[np.float64], list[float]]:
    """As far as there are messages to tell: one in a thousand is nothing among a hundred."""
    if "histogram_us" not in row:  # A report from before there were histograms.
        known = [percentile for percentile in _PERCENTILES if row.get(f"p{percentile:g}_ms") is not None]
        return np.array([float(_stretched(percentile)) for percentile in known]), [row[f"p{p:g}_ms"] for p in known]
    from hdrh.histogram import HdrHistogram

    histogram = HdrHistogram.decode(row["histogram_us"])
    last = 100.0 * (1 - 1 / max(histogram.get_total_count(), 2))
    places = np.linspace(0.0, float(_stretched(last)), _STEPS)
    percentiles = (1 - 10.0**-places) * 100
    return places, [histogram.get_value_at_percentile(share) / 1_000 for share in percentiles.tolist()]


def _targets(axes: "Axes", *, with_label: bool) -> None:
    label = "target at 100 K events/s" if with_label else None
    places = [float(_stretched(percentile)) for percentile, _ in _TARGETS]
    axes.plot(places, [bound for _, bound in _TARGETS], color=LIMIT, marker="v", markersize=8, linestyle="none",
              label=label, zorder=5)  # fmt: skip


def _scales(axes: "Axes", slowest: float) -> None:
    axes.set_yscale("log")
    axes.set_ylim(0.2, max(100.0, slowest * 2))
    axes.yaxis.set_major_formatter("{x:,g}")
    axes.minorticks_off()
    axes.set_xlim(0, float(_stretched(99.99)) * 1.03)
    places = [float(_stretched(percentile)) for percentile in _PERCENTILES]
    axes.set_xticks(places, [f"{percentile:g} %" for percentile in _PERCENTILES])
    axes.set_xlabel("percentile of the messages", fontsize=SMALL, color=MUTED)
