"""Maps: the map file of `--map`, read before anything else happens."""

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
