"""The text side of the configuration: reads TOML and the environment, finds the line of a key, guesses what was meant.

It knows the form of settings, not their meaning; `config` does.
"""

import difflib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tallystick.errors import ConfigurationError

ENVIRONMENT_PREFIX: Final = "TALLYSTICK_"
_TABLE_LINE: Final = re.compile(r"^\s*\[\[?\s*([^\]]+?)\s*\]\]?\s*(#.*)?$")
_PART: Final = re.compile(r'(?:("(?:[^"\\]|\\.)*")|([\w-]+))(?:\[(\d+)\])?')
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class SourceText:
    """A configuration file as it was read, or the lack of one."""

    path: Path | None
    text: str
    tables: Mapping[str, Any]

    def place(self, table: str, key: str | None = None) -> str:
        """Returns where a table or key is, as `file:line`; the file alone if it cannot be found."""
        return self._place(_line_of(self.text, table, key))

    def place_of_path(self, path: str) -> str:
        """Returns where a path such as `replenish[0].point` is, as `file:line`: its key, or the table that has it."""
        parts = [(quoted or name, number) for quoted, name, number in _PART.findall(path)]
        names = [json.loads(name) if name.startswith('"') else name for name, _ in parts]
        heads = [_header(names[:end]) for end in range(len(parts) + 1)]
        numbers = [None, *(int(number) if number else None for _, number in parts)]
        for end in range(len(parts) - 1, -1, -1):
            if line := _line_of(self.text, heads[end], names[end], numbers[end], exact=True):
                return self._place(line)
        found = (_line_of(self.text, heads[end], None, numbers[end]) for end in range(len(parts), 0, -1))
        return self._place(next((line for line in found if line), None))

    def place_of_word(self, word: str) -> str:
        """Returns where a word first is as a whole, as `file:line`."""
        found = re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", self.text) if word else None
        return self._place(self.text.count("\n", 0, found.start()) + 1 if found else None)

    def _place(self, line: int | None) -> str:
        if self.path is None:
            return "environment"
        return f"{self.path}:{line}" if line else str(self.path)


def read(path: Path | None) -> SourceText:
    """Reads a TOML file; no path is an empty file. Raises ConfigurationError."""
    if path is None:
        return SourceText(None, "", {})
    try:
        text = path.read_text("utf-8")
        return SourceText(path, text, tomllib.loads(text))
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}; name a readable TOML file") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        message, _, line = str(error).partition(" (at line ")
        place = f"{path}:{line.partition(',')[0] if line else len(text.splitlines())}"
        raise ConfigurationError(f"{place}: {message}; the file must be TOML") from error


def _header(names: Iterable[str]) -> str:
    """The name of a table as headers are compared."""
    return ".".join(names).replace('"', "").replace("'", "").replace(" ", "")


def _line_of(text: str, table: str, key: str | None, number: int | None = None, *, exact: bool = False) -> int | None:
    """The line of `key` within `[table]`, or of the table's header, unless it must be `exact`.

    Of several tables with that name it is the one with this number, from 0 on. Good for messages; it is no TOML parser.
    """
    inside, header, seen = not table, None, 0
    key_line = re.compile(rf'^\s*["\']?{re.escape(key)}["\']?\s*(=|\.)') if key else None
    for place, line in enumerate(text.splitlines(), 1):
        if found := _TABLE_LINE.match(line):
            name = _header([found[1]])
            inside = name == table and number in (None, seen)
            seen += name == table
            is_header = inside or (number is None and name.startswith(f"{table}."))
            header = header or (place if is_header else None)
        elif inside and key_line is not None and key_line.match(line):
            return place
    return None if exact else header


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Returns a suggestion to end a message with: the nearest known word, or all of them."""
    known = sorted(known)
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f'did you mean "{near[0]}"?' if near else f"known are {', '.join(known)}"


def from_environment(environment: Mapping[str, str], tables: Mapping[str, Iterable[str]]) -> dict[str, dict[str, str]]:
    """Returns `TALLYSTICK_<TABLE>_<KEY>` by table and key; a table without known keys takes any key.

    Variables of other tables are left alone, because commands have variables of their own. Raises ConfigurationError
    for an unknown key of a known table.
    """
    found: dict[str, dict[str, str]] = {}
    for variable in sorted(environment):
        for table, known in tables.items():
            prefix = f"{ENVIRONMENT_PREFIX}{table.upper()}_"
            if not variable.startswith(prefix):
                continue
            key = variable[len(prefix) :].lower()
            names = list(known)
            if names and key not in names:
                raise ConfigurationError(
                    f'environment: {variable}: [{table}] has no key "{key}"; {did_you_mean(key, names)}'
                )
            found.setdefault(table, {})[key] = environment[variable]
    return found


def toml_value(text: str) -> Any:
    """Reads an environment value as TOML where it is TOML (`12`, `true`, `["a"]`), else as text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def render(value: Any) -> str:
    """Writes a value as TOML."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case list() | tuple():
            return f"[{', '.join(render(item) for item in value)}]"
        case dict():
            return "{ " + ", ".join(f"{render_key(key)} = {render(item)}" for key, item in value.items()) + " }"
        case _:
            # A JSON string is a TOML basic string as long as DEL is escaped, which TOML asks for and JSON does not.
            return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def render_key(key: str) -> str:
    """Writes a key as TOML, quoted where it must be."""
    return key if _BARE_KEY.fullmatch(key) else render(key)
