"""Peers: the same job done with other tools, one bar each."""

from typing import Final

from benches.plots.style import INK, OTHER, OURS, SMALL, Canvas

_LABEL: Final = SMALL + 0.5
_NAMES: Final = {
    "tallystick": "Tallystick, 5,000 per call",
    "tallystick-1000": "Tallystick, 1,000 per call",
    "python": "Python dict + orjson",
    "bytewax": "Bytewax",
    "duckdb": "DuckDB *",
    "sqlite": "SQLite *",
    "redis": "Redis, Lua *",
    "postgresql": "PostgreSQL *",
    "nats-py-callback": "nats-py callback loop",
}


def draw(canvas: Canvas) -> None:
    """Bars in order, the fastest on top."""
    ordered = sorted(canvas.rows.items(), key=lambda item: float(item[1]["events_per_s"]))
    canvas.title(
        "The same job with other tools",
        "thousand events/s: repetitions dropped, six accounts kept per position, equal balances   (* on disk)",
    )
    python = canvas.rows.get("python", {}).get("events_per_s")
    axes = canvas.axes(0.225, 0.70)
    axes.grid(visible=False, axis="y")
    axes.grid(visible=False, axis="x")
    for at, (name, row) in enumerate(ordered):
        rate = row["events_per_s"]
        axes.barh(at, rate / 1e3, color=OURS if name.startswith("tallystick") else OTHER, height=0.68)
        times = f"   ({rate / python:.1f} × plain Python)" if python and name == "tallystick" else ""
        axes.text(rate / 1e3, at, f"  {rate / 1e3:,.0f}{times}", va="center", fontsize=_LABEL, color=INK)
    axes.set_yticks(range(len(ordered)), [_NAMES.get(name, name) for name, _ in ordered])
    axes.tick_params(axis="y", colors=INK, labelsize=_LABEL)
    axes.set_xlim(0, max(row["events_per_s"] for row in canvas.rows.values()) / 1e3 * 1.3)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
