"""The engine's settings, for people: every one with its value, its default and where it comes from.

The engine knows the keys (`config_schema`) and checks them; this reads its table, and says nothing of what values mean.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from tallystick import config_text
from tallystick.config_text import SourceText, did_you_mean, render, render_key
from tallystick.errors import ConfigurationError

DEFAULT: Final = "default"
ANY_NAME: Final = '"…"'
"""What is shown where there is no name."""
_PATH: Final = re.compile(r'((?:[A-Za-z_][\w-]*)(?:\.(?:[\w-]+|"(?:[^"\\]|\\.)*")|\[\d+\])*): ')
_KNOWN: Final = "there is no such key; known are "


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting for people: its value as TOML (secrets hidden) and where it comes from."""

    table: str
    key: str
    value: str | None
    """None: not set."""
    origin: str
    """`default`, `file:line`, or the environment variable."""
    about: str
    changes_results: bool = False
    """Whether it is the engine's. Then its default need not be in a file, and is not part of the fingerprint."""
    is_in_table: bool = True
    """Whether its table is there: some tables switch something on."""


@cache
def schema() -> tuple[Mapping[str, Any], ...]:
    """Every table of the engine: name, form, keys, each with default and meaning."""
    from tallystick._engine import config_schema

    return tuple(json.loads(config_schema()))


def settings(
    tables: Mapping[str, Any], source: SourceText, overrides: Mapping[str, Mapping[str, str]]
) -> Iterator[Setting]:
    """Yields every setting of the engine's tables, those that are not given with their defaults."""
    for table in schema():
        name, given = table["name"], tables.get(table["name"])
        if table["form"] == "table":
            yield from _rows(table, name, given, source, overrides.get(name, {}), name)
        elif table["form"] == "named":
            for key, entry in (given or {}).items():
                shown = f"{name}.{render_key(key)}"
                yield from _rows(table, shown, entry, source, {}, f"{name}.{json.dumps(key)}")
            if not given:
                yield from _rows(table, f"{name}.{ANY_NAME}", None, source, {}, name)
        else:
            for number, entry in enumerate(given or ()):
                yield from _rows(table, f"{name} {number + 1}", entry, source, {}, f"{name}[{number}]")
            if not given:
                yield from _rows(table, f"{name} 1", None, source, {}, name)


def _rows(
    table: Mapping[str, Any],
    shown: str,
    given: Mapping[str, Any] | None,
    source: SourceText,
    overrides: Mapping[str, str],
    path: str,
) -> Iterator[Setting]:
    for key in table["keys"]:
        name = key["name"]
        value, origin = key["default"], DEFAULT
        if given is not None and name in given:
            value = render(given[name])
            origin = variable(table["name"], name) if name in overrides else source.place_of_path(f"{path}.{name}")
        yield Setting(shown, name, value, origin, key["about"], changes_results=True, is_in_table=given is not None)


def variable(table: str, key: str) -> str:
    """The environment variable of a setting."""
    return f"{config_text.ENVIRONMENT_PREFIX}{table}_{key}".upper()


def mistake(message: str, source: SourceText, overrides: Mapping[str, Mapping[str, str]]) -> ConfigurationError:
    """What the engine refuses, with its place."""
    # Lines that a parser counted are those of a text that was made from the file.
    message = re.sub(r" at line \d+ column \d+$", "", message)
    found = _PATH.match(message)
    if found is None:
        word = re.search(r"`([^`]+)`", message)
        return ConfigurationError(f"{source.place_of_word(word[1] if word else '')}: {message}")
    path = found[1]
    table, _, key = path.partition(".")
    if _KNOWN in message:
        known = message.partition(_KNOWN)[2].split(", ")
        message = f"{path}: there is no such key; {did_you_mean(path.rpartition('.')[2], known)}"
    if key in overrides.get(table, {}):
        return ConfigurationError(f"environment: {variable(table, key)}: {message}")
    return ConfigurationError(f"{source.place_of_path(path)}: {message}")
