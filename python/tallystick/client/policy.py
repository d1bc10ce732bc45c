"""Policy: tables of a configuration file that may change while the daemon runs (docs/truth.md §4), checked."""

import json
from pathlib import Path
from typing import Any, Final

from tallystick import config
from tallystick.config_engine import DEFAULT
from tallystick.errors import ConfigurationError

CHANGEABLE: Final = tuple(table for table in config.ENGINE_TABLES if table != "engine")
SHADOWED: Final = "ownership"


def changes(path: Path, *, shadow: bool = False) -> dict[str, Any]:
    """Returns the tables of a file, as `configuration.changed` takes them. Raises ConfigurationError.

    Only what can change is allowed in it: whoever sets something else would wait for it in vain.
    """
    loaded = config.load(path, {})
    tables: dict[str, Any] = json.loads(loaded.engine_json)
    process = {one.table for one in loaded.settings if not one.changes_results and one.origin != DEFAULT}
    if fixed := sorted((process | set(tables)) - set(CHANGEABLE)):
        raise ConfigurationError(
            f"{path}: [{fixed[0]}] cannot change while the daemon runs; leave it out, or change the daemon's "
            "configuration and start it again"
        )
    if not tables:
        raise ConfigurationError(f"{path}: holds no table; write one of {', '.join(CHANGEABLE)}")
    if shadow and set(tables) != {SHADOWED}:
        raise ConfigurationError(f"{path}: only [{SHADOWED}] can be tried, alone; leave the other tables out")
    return tables
