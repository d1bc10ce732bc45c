"""Builds: the same engine compiled in different ways, on `peak` in memory, in one run.

`make builds` compiles them into `target/builds`, one unpacked wheel each. Their runs take turns, so that whatever else
the machine does disturbs all alike.
"""

from pathlib import Path
from typing import Final

from benches import in_process, workloads
from benches.process import Row, Unavailable
from benches.scale import Scale
from benches.turns import fresh, in_turns

BUILDS: Final = Path(__file__).parents[1] / "target" / "builds"


def run(folder: Path, scale: Scale, only: str) -> dict[str, Row]:
    """One row per build, by its name. Raises Unavailable when there are none."""
    return compare(BUILDS, folder, scale, only)


def compare(builds: Path, folder: Path, scale: Scale, only: str) -> dict[str, Row]:
    """The builds in the folder `builds`, in turns."""
    packages = [path.parent.parent for path in sorted(builds.glob("*/tallystick/_engine*.so"))]
    packages = [package for package in packages if only in ("", package.name)]
    if not packages:
        raise Unavailable(f"no such builds in {builds}; make them with: make builds")
    files = workloads.write("peak", folder, scale)
    assert files is not None, "peak is drawn, not installed"
    arguments = {**files.arguments, "checked_events": scale.checked_events}
    cases = {package.name: fresh(measure, package=package, build=str(package), **arguments) for package in packages}
    return in_turns("builds", cases, scale.repeat)


def measure(build: str, path: str, config: str, expected: str, checked_events: int) -> Row:
    """`in_process.measure` with the engine of that build. Raises ValueError when another one was loaded."""
    from tallystick import _engine

    loaded = Path(_engine.__file__)
    if not loaded.is_relative_to(build):
        raise ValueError(f"{loaded} is not of {build}: no figure is valid")
    row = in_process.measure(path, config, expected, checked_events)
    return {**row, "engine_bytes": loaded.stat().st_size}
