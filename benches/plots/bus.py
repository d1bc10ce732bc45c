"""Bus: how near the daemon comes to what the bus can give, over the number of events in a message."""

from statistics import median
from typing import Final

from benches.plots.style import BAD, INK, LIMIT, MUTED, OTHER, OURS, SMALL, Canvas, number_of

_KINDS: Final = (
    ("push", OTHER, "bare socket, push"),
    ("pull", LIMIT, "bare socket, pull:\nthe bus's own limit"),
    ("daemon", OURS, "Tallystick: published\nand saved"),
    ("fetch", BAD, "nats-py fetch loop,\nnothing done"),
)
_LABEL_GAP: Final = 0.11
"""Between the labels at the right, as a share of the axes' height."""


def draw(canvas: Canvas) -> None:
    """One line per way to read the same stream."""
    rows = canvas.rows
    canvas.title(
        "How near the daemon comes to the bus's own limit",
        "M events/s, logarithmic, from one stream of a real nats-server",
    )
    sizes = sorted({number_of(name) for name in rows if "-" in name})
    axes = canvas.axes(0.075, 0.69)
    ends: list[tuple[float, str, str]] = []
    for kind, colour, label in _KINDS:
        points = [
            (at, rows[f"{kind}-{size}"]["events_per_s"] / 1e6)
            for at, size in enumerate(sizes)
            if f"{kind}-{size}" in rows
        ]
        if not points:
            continue
        places, rates = zip(*points, strict=True)
        heavy = kind == "daemon"
        axes.plot(
            places, rates, color=colour, marker="o", linewidth=2.6 if heavy else 1.8, markersize=7 if heavy else 5
        )
        if kind != "push":
            above = kind != "fetch"  # Where lines cross, its labels keep out of the way of the daemon's.
            for place, rate in points:
                axes.annotate(_rate(rate), (place, rate), xytext=(0, 8 if above else -16), textcoords="offset points",
                              ha="center", fontsize=SMALL, color=INK)  # fmt: skip
        ends.append((rates[-1], label, colour))
    engines = [row["events_per_s"] for name, row in rows.items() if name.partition("-")[0] == "engine"]
    if engines:
        rate = median(engines) / 1e6
        axes.axhline(rate, color=OURS, linewidth=1.2, linestyle=(0, (4, 3)))
        ends.append((rate, f"the engine in memory ({_rate(rate)})", OURS))
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.set_ylim(low * 0.8, high * 1.3)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    axes.set_xlim(-0.3, len(sizes) - 0.8)
    axes.set_xticks(range(len(sizes)), [f"{size:,}" for size in sizes])
    axes.set_xlabel("events per message", fontsize=SMALL, color=MUTED)
    _label(canvas, axes.get_ylim(), ends)


def _rate(rate: float) -> str:
    """Two significant digits from one on, as many as it takes below."""
    return f"{rate:.1f}" if rate >= 1 else f"{rate:.2g}"


def _label(canvas: Canvas, limits: tuple[float, float], ends: list[tuple[float, str, str]]) -> None:
    """Names the lines at their right ends, moved apart where they would touch."""
    from math import log

    low, high = limits
    axes = canvas.figure.axes[0]
    above = 2.0
    for rate, label, colour in sorted(ends, reverse=True):
        place = min(log(rate / low) / log(high / low), above - _LABEL_GAP)
        above = place
        axes.text(
            1.02,
            place,
            label,
            transform=axes.transAxes,
            va="center",
            fontsize=SMALL,
            color=INK if colour == OTHER else colour,
        )
