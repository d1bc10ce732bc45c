"""Maps: the map file of `--map`, read before anything else happens, and named again where another command helps."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tallystick.files.mapping import Mapping


def load_map(path: Path | None) -> "Mapping | None":
    """Returns the mapping of a map file, if one is named. Raises UsageError, which names file, place and cure."""
    if path is None:
        return None
    from tallystick.files.events import fields
    from tallystick.files.mapping import load_mapping

    return load_mapping(path, fields())


def advised(command: str, files: Sequence[str | Path], config: Path | None, mapping: Path | None) -> str:
    """Returns a command over the same files with the same configuration and map: without them it answers another thing.

    >>> advised("check", ["my stock.csv"], None, Path("m.toml"))
    "tallystick check 'my stock.csv' --map m.toml"
    """
    named = ("--config", config), ("--map", mapping)
    words = ["tallystick", command, *map(str, files)]
    return shlex.join([*words, *(str(word) for option in named if option[1] is not None for word in option)])
