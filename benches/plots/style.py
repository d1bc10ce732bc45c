"""Style: what all pictures have in common: paper, ink, the line about the machine, axes without clutter."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benches.process import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, GRID, PAPER = "#1b2a33", "#5f7079", "#e3e8ea", "#fbfaf7"
OURS, OTHER, LIMIT, BAD = "#1f7a6d", "#b9c4c9", "#3d5a80", "#b3392f"
SHADES: Final = ("#9ccabf", "#57a195", "#1f7a6d", "#0b332e")
"""From light to dark, for lines of one family."""
SMALL, NORMAL = 9.0, 10.0
_SIZE: Final = (9.6, 5.4)
_DPI: Final = 140

Rows = dict[str, Row]


@dataclass(slots=True)
class Canvas:
    """A figure with room for a title, and the rows that it shows."""

    figure: "Figure"
    rows: Rows

    def title(self, message: str, reading: str) -> None:
        """What the picture says, and how to read it, one line each."""
        self.figure.text(0.05, 0.925, message, fontsize=15, fontweight="bold", color=INK)
        self.figure.text(0.05, 0.875, reading, fontsize=NORMAL, color=MUTED)

    def axes(self, left: float, width: float, *, heading: str = "", bottom: float = 0.175) -> "Axes":
        """Axes in shares of the figure, without a frame."""
        top = 0.78 if heading else 0.83
        axes = self.figure.add_axes((left, bottom, width, top - bottom), facecolor=PAPER)
        axes.set_title(heading, fontsize=NORMAL + 1, color=INK, loc="left", pad=8)
        axes.tick_params(colors=MUTED, labelsize=SMALL, length=0)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        axes.spines["bottom"].set_color(GRID)
        axes.grid(axis="y", color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        return axes


def picture(path: Path, stored: dict[str, Any], draw: Callable[[Canvas], None]) -> None:
    """Draws a report as PNG and SVG, with the machine and the command at its foot."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with rc_context({"svg.hashsalt": "tallystick", "svg.fonttype": "none"}):
        figure = Figure(figsize=_SIZE, dpi=_DPI, facecolor=PAPER)
        FigureCanvasAgg(figure)
        draw(Canvas(figure, stored["figures"]))
        machine = stored["machine"]
        about = (
            f"{machine['cores']} cores of {machine['cpu']}, CPython {machine['python']}, {stored['measured_at'][:10]}"
        )
        figure.text(0.05, 0.025, f"{about}  ·  {_shown(stored['command'])}", fontsize=8, color=MUTED)
        figure.savefig(path.with_suffix(".png"))
        figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})


def _shown(command: str) -> str:
    """The command without the folder of the results, which is nobody's business."""
    words = command.split()
    if "--results" in words:
        at = words.index("--results")
        del words[at : at + 2]
    return " ".join(words)


def short(count: float) -> str:
    """`12_500_000` as `12.5 M`."""
    for unit, name in ((1e6, " M"), (1e3, " K")):
        if count >= unit:
            return f"{count / unit:.3g}{name}"
    return f"{count:.3g}"


def number_of(name: str) -> int:
    """`rate-100000-snapshots` → 100000."""
    return int(name.split("-")[1])
