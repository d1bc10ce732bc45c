"""How answers to promises look: a table, what binds them, and the horizon as a chart."""

import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import typer

from tallystick import plain_text
from tallystick.cli import chart, tables

if TYPE_CHECKING:
    from tallystick.client.promise import Place

UNLIMITED: Final = "unlimited"
_LINES_SHOWN: Final = 20


def show(places: "Sequence[Place]", found: Mapping[str, Any]) -> None:
    """Prints what was promised at each place, and charts and explanations where they were asked for."""
    _print_table(places, found)
    for place, answer in zip(places, found["answers"], strict=True):
        if answer.get("explain"):
            typer.echo("\n" + "\n".join(explained(where(place), answer["explain"])))
        if answer.get("horizon"):
            typer.echo(f"\n{plain_text.printable(where(place))}, {found['mode']}, from {answer['horizon'][0][0]} on")
            for line in picture(answer["horizon"]):
                typer.echo(line)
    if found["freshness"] != "firm":
        typer.echo(late(found))


def _print_table(places: "Sequence[Place]", found: Mapping[str, Any]) -> None:
    answers = found["answers"]
    columns = {
        "available": True,
        "signed": any("signed" in answer for answer in answers),
        "enough": any("enough" in answer for answer in answers),
        "earliest": any("enough" in answer for answer in answers),
    }
    shown = [name for name, wanted in columns.items() if wanted]
    skus = {place["sku"] for place in places}
    title = f"{', '.join(sorted(skus))} as of log sequence {found['sequence']:,}, {found['mode']}"
    table = tables.table("where", "bucket", *shown, "freshness", numbers=("available", "signed"), title=title)
    for place, answer in zip(places, answers, strict=True):
        cells = [_cell(name, answer) for name in shown]
        note = "" if answer.get("known", True) else " (never seen)"
        bucket = answer.get("bucket") or found["bucket"]
        table.add_row(tables.plain(_spot(place)) + note, bucket, *cells, answer.get("freshness", "firm"))
    tables.show(table)
    for place, answer in zip(places, answers, strict=True):
        for name, figure in answer.get("measures", {}).items():
            typer.echo(f"{plain_text.printable(where(place))}: by {name} {figure_text(figure)}")


def _cell(name: str, answer: Mapping[str, Any]) -> str:
    if name == "enough":
        return "yes" if answer.get("enough") else "no"
    if name == "earliest":
        return str(answer.get("earliest") or "not in the horizon")
    return figure_text(answer.get(name))


def picture(steps: Sequence[Sequence[Any]], width: int | None = None) -> list[str]:
    """A horizon as it fits this terminal; plain ASCII where it can show nothing else."""
    if width is None:
        width = shutil.get_terminal_size().columns
    unicode = (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")
    pairs = [(bucket, figure) for bucket, figure in steps]
    return chart.draw(pairs, width, signs=chart.UNICODE if unicode else chart.ASCII)


def explained(what: str, found: Mapping[str, Any]) -> list[str]:
    """What binds a figure, in lines."""
    start = f"{figure_text(found['on_hand'])} on hand, safety stock {figure_text(found['safety_stock'])}"
    said = [f"{plain_text.printable(what)}: {found['bucket']} binds: {start}"]
    for side, sign in (("supply", "+"), ("demand", "-")):
        lines = found.get(side, [])
        said += [f"  {sign} {plain_text.printable(_line(line))}" for line in lines[:_LINES_SHOWN]]
        if len(lines) > _LINES_SHOWN:
            said.append(f"  {sign} and {len(lines) - _LINES_SHOWN} more lines of {side}")
    return said


def _line(line: Any) -> str:
    """A schedule line or reservation: how much, when, and of what."""
    if not isinstance(line, dict):
        return str(line)
    rest = {name: value for name, value in line.items() if value is not None}
    quantity = rest.pop("open", None) or rest.pop("quantity", None)
    parts = [] if quantity is None else [figure_text(quantity)]
    parts += [str(rest.pop(name)) for name in ("due", "bucket") if name in rest]
    return " ".join([*parts, *(f"{name} {value}" for name, value in rest.items())])


def where(place: "Place") -> str:
    """A place in words: `4711 at DC1, lot L1`."""
    return f"{place['sku']} {_spot(place) if 'group' in place else 'at ' + _spot(place)}"


def _spot(place: "Place") -> str:
    parts = [f"group {place['group']}" if "group" in place else place.get("location", "")]
    parts += [f"{name} {place[name]}" for name in ("lot", "owner") if place.get(name)]
    return ", ".join(parts)


def figure_text(figure: Any) -> str:
    """A figure with its digits grouped; no limit in words."""
    return UNLIMITED if figure is None else f"{figure:,}"


def second(moment: object) -> str:
    """A time to the second, which is enough for people."""
    whole, dot, _ = str(moment).partition(".")
    return f"{whole}Z" if dot else whole


def late(found: Mapping[str, Any]) -> str:
    """Who keeps the answer from being firm."""
    late_sources = [
        f"{name} {about.get('freshness')} ({about.get('lag_s')} s behind, {_count(about.get('open_gaps'))} gaps, "
        f"{about.get('held', 0)} held)"
        for name, about in sorted(found.get("sources", {}).items())
        if about.get("freshness") != "firm"
    ]
    return plain_text.printable(f"{found['freshness']}: {'; '.join(late_sources) or 'a source is late'}")


def _count(gaps: Any) -> int:
    return len(gaps) if isinstance(gaps, list) else int(gaps or 0)
