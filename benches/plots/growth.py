"""Growth: how much of its speed the engine keeps while its state grows, by positions and by remembered keys."""

from typing import Final

from benches.plots.style import INK, LIMIT, MUTED, OURS, SMALL, Canvas, Rows, number_of, short

_CURVES: Final = (("positions-", "positions"), ("keys-", "remembered keys"))
_KEPT: Final = 0.5
"""What the target asks to be kept."""


def draw(canvas: Canvas) -> None:
    """Two curves on one scale."""
    canvas.title(
        "What speed is left when the state grows",
        "M events/s in memory, on positions that no cache holds; below each point its share of the first",
    )
    curves = [(heading, _points(canvas.rows, prefix)) for prefix, heading in _CURVES]
    most = max((rate for _, points in curves for _, rate in points), default=1.0)
    for number, (heading, points) in enumerate(curves):
        if not points:
            continue
        axes = canvas.axes(0.075 + number * 0.475, 0.42, heading=f"by {heading}")
        sizes, rates = zip(*points, strict=True)
        kept = _KEPT * rates[0]
        axes.axhline(kept, color=LIMIT, linewidth=1.2, linestyle=(0, (4, 3)))
        axes.text(0.0, kept - 0.02 * most, "target: half of the first", transform=axes.get_yaxis_transform(), va="top",
                  fontsize=SMALL, color=LIMIT)  # fmt: skip
        axes.plot(sizes, rates, color=OURS, marker="o", linewidth=2.4, markersize=7)
        for size, rate in points:
            axes.annotate(f"{rate:.2f}", (size, rate), xytext=(0, 9), textcoords="offset points", ha="center",
                          fontsize=SMALL + 0.5, color=INK)  # fmt: skip
            if size != sizes[0]:
                axes.annotate(f"{rate / rates[0]:.0%}", (size, rate), xytext=(0, -16), textcoords="offset points",
                              ha="center", fontsize=SMALL, color=MUTED)  # fmt: skip
        axes.set_xscale("log")
        axes.set_xticks(sizes, [short(size) for size in sizes])
        axes.minorticks_off()
        axes.margins(x=0.09)
        axes.set_ylim(0, most * 1.2)
        axes.set_xlabel(heading, fontsize=SMALL, color=MUTED)


def _points(rows: Rows, prefix: str) -> list[tuple[int, float]]:
    return sorted((number_of(name), row["events_per_s"] / 1e6) for name, row in rows.items() if name.startswith(prefix))
