"""Plots: the newest report of each suite as PNG and SVG. It measures nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benches import report
from benches.process import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, GRID, PAPER = "#1b2a33", "#6b7c85", "#e3e8ea", "#fbfaf7"
OURS, OTHER, LIMIT, BAD = "#1f7a6d", "#b9c4c9", "#3d5a80", "#b3392f"
_SIZE: Final = (9.0, 4.8)

Rows = dict[str, Row]


def draw_all(folder: Path) -> None:
    """Draws what there are reports of into `folder`."""
    pictures: dict[str, tuple[str, str, Callable[[Figure, Rows], None]]] = {
        "bus": ("bus", "Through a real nats-server: bus, daemon, fetch loop", _draw_bus),
        "growth": ("growth", "Throughput against the size of the state", _draw_growth),
        "latency": ("latency", "From due to visible, open loop", _draw_latency),
        "peers": ("peers", "The same job, one process each, one machine", _draw_peers),
    }
    for suite, (name, title, draw) in pictures.items():
        stored = report.newest(folder, suite)
        if stored is not None:
            _picture(folder / name, title, stored, draw)


def _picture(path: Path, title: str, stored: dict[str, Any], draw: "Callable[[Figure, Rows], None]") -> None:
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with rc_context({"svg.hashsalt": "tallystick", "svg.fonttype": "none"}):
        figure = Figure(figsize=_SIZE, dpi=130, facecolor=PAPER)
        FigureCanvasAgg(figure)
        machine = stored["machine"]
        about = (
            f"{machine['cores']} cores of {machine['cpu']}, CPython {machine['python']}, {stored['measured_at'][:10]}"
        )
        figure.text(0.06, 0.93, title, fontsize=15, fontweight="bold", color=INK)
        figure.text(0.06, 0.875, f"{about} · {stored['command']}", fontsize=8.5, color=MUTED)
        draw(figure, stored["figures"])
        figure.savefig(path.with_suffix(".png"))
        figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})


def _axes(figure: "Figure", left: float, width: float, heading: str = "", bottom: float = 0.14) -> "Axes":
    axes = figure.add_axes((left, bottom, width, 0.80 - bottom), facecolor=PAPER)
    axes.set_title(heading, fontsize=10, color=INK, loc="left")
    axes.tick_params(colors=MUTED, labelsize=8.5, length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(GRID)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    return axes


def _short(count: int) -> str:
    return f"{count / 1e6:.3g} M" if count >= 1e6 else f"{count / 1e3:.3g} K"


def _draw_bus(figure: "Figure", rows: Rows) -> None:
    sizes = sorted({int(name.split("-")[1]) for name in rows if name.startswith("daemon-")})
    kinds = (
        ("push", OTHER, "bare socket, push"),
        ("pull", LIMIT, "bare socket, pull: the bus's own limit"),
        ("daemon", OURS, "Tallystick, published and saved"),
        ("fetch", BAD, "nats-py fetch loop, nothing done"),
    )
    width = 0.88 / max(len(sizes), 1)
    for number, size in enumerate(sizes):
        axes = _axes(figure, 0.07 + number * width, width - 0.05, f"{size:,} event{'s' * (size > 1)} per message", 0.22)
        for at, (kind, colour, label) in enumerate(kinds):
            row = rows.get(f"{kind}-{size}")
            if row is None:
                continue
            rate = row["events_per_s"] / 1e6
            axes.bar(at, rate, color=colour, width=0.72, label=label)
            axes.text(at, rate, f"{rate:.2f}", ha="center", va="bottom", fontsize=8, color=INK)
        axes.set_xticks([])
        if number == 0:
            axes.set_ylabel("M events/s", fontsize=8.5, color=MUTED)
            figure.legend(*axes.get_legend_handles_labels(), loc="lower center", ncols=2, frameon=False, fontsize=8.5,
                          labelcolor=INK)  # fmt: skip


def _draw_growth(figure: "Figure", rows: Rows) -> None:
    for number, (prefix, heading) in enumerate((("positions-", "positions"), ("keys-", "remembered keys"))):
        points = sorted(
            (row[prefix[:-1]], row["events_per_s"]) for name, row in rows.items() if name.startswith(prefix)
        )
        if not points:
            continue
        axes = _axes(figure, 0.08 + number * 0.47, 0.41, f"by {heading}")
        sizes, rates = zip(*((size, rate / 1e6) for size, rate in points), strict=True)
        axes.plot(sizes, rates, color=OURS, marker="o", linewidth=2)
        for size, rate in points:
            axes.annotate(f"{rate / 1e6:.2f}", (size, rate / 1e6), xytext=(0, 7), textcoords="offset points",
                          ha="center", fontsize=8, color=INK)  # fmt: skip
        axes.set_xscale("log")
        axes.set_xticks(sizes, [_short(size) for size in sizes])
        axes.minorticks_off()
        axes.set_ylim(0, max(rate for _, rate in points) / 1e6 * 1.25)
        axes.set_xlabel(heading, fontsize=8.5, color=MUTED)
        axes.set_ylabel("M events/s" if number == 0 else "", fontsize=8.5, color=MUTED)


def _draw_latency(figure: "Figure", rows: Rows) -> None:
    names = ("p50_ms", "p90_ms", "p99_ms", "p99.9_ms", "p100_ms")
    shades = ("#8fc1b8", "#57a195", OURS, "#14564d", "#0b332e")
    rates = sorted({int(name.split("-")[1]) for name in rows})
    for number, (suffix, heading) in enumerate((("", "no snapshot"), ("-snapshots", "a snapshot every second"))):
        axes = _axes(figure, 0.08 + number * 0.47, 0.41, heading)
        for name, shade in zip(names, shades, strict=True):
            points = [(rate, rows.get(f"rate-{rate}{suffix}", {}).get(name)) for rate in rates]
            seen = [(rate, value) for rate, value in points if value is not None]
            label = "slowest" if name == "p100_ms" else name.removesuffix("_ms")
            axes.plot([_short(rate) for rate, _ in seen], [value for _, value in seen], color=shade,
                      marker="o", linewidth=1.8, label=label)  # fmt: skip
        axes.set_yscale("log")
        axes.set_ylim(0.1, max(10.0, 2 * axes.get_ylim()[1]))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
        axes.set_xlabel("events/s", fontsize=8.5, color=MUTED)
        axes.set_ylabel("ms" if number == 0 else "", fontsize=8.5, color=MUTED)
        axes.legend(frameon=False, fontsize=8.5, labelcolor=INK)


def _draw_peers(figure: "Figure", rows: Rows) -> None:
    ordered = sorted(rows.items(), key=lambda item: float(item[1]["events_per_s"]))
    axes = _axes(figure, 0.17, 0.76)
    axes.grid(visible=False, axis="y")
    for at, (name, row) in enumerate(ordered):
        rate = row["events_per_s"]
        axes.barh(at, rate / 1e3, color=OURS if name.startswith("tallystick") else OTHER, height=0.66)
        axes.text(rate / 1e3, at, f"  {rate:,}", va="center", fontsize=8.5, color=INK)
    axes.set_yticks(range(len(ordered)), [name for name, _ in ordered], color=INK)
    axes.set_xlim(0, max(row["events_per_s"] for row in rows.values()) / 1e3 * 1.15)
    axes.set_xlabel("thousand events/s", fontsize=8.5, color=MUTED)
