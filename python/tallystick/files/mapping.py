"""Mapping: which columns of a table become which fields of an event, as a map file says (docs/files.md).

It reads the map and turns values into text; it opens no table and judges no event.
"""

import re
import tomllib
from collections.abc import Mapping as Values
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from string import Formatter
from typing import Any, Final

from tallystick.errors import UsageError
from tallystick.files.cells import Number, RowFault, Time, text_of

_FILE_KEYS: Final = ("delimiter", "encoding", "quote", "skip_lines")
_NUMBER_KEYS: Final = ("decimal", "thousands", "factor", "absolute")
_TIME_KEYS: Final = ("format", "zone", "repeated_hour")
_OTHER_KEYS: Final = ("from", "values", "default")
_NUMBERS: Final = frozenset({"quantity", "protected", "capped", "unit_cost", "safety_stock"})
_TIMES: Final = frozenset({"time", "due"})


@dataclass(frozen=True, slots=True)
class Template:
    """Text with columns in braces: the text before each column, and the text after the last."""

    parts: tuple[tuple[str, str], ...]
    tail: str
    bare: str | None = None
    """The column that it is, where there is but one and no text around it; as most are, so that they cost little."""

    @classmethod
    def parse(cls, text: str) -> "Template":
        """Reads `"{Order}-{Line}"`. Raises ValueError for what is none."""
        parts, before = [], ""
        for literal, column, spec, conversion in Formatter().parse(text):
            before += literal
            if column is None:
                continue
            if not column or spec or conversion:
                raise ValueError('name a column in the braces, such as "{Order}"; a brace itself is doubled')
            parts.append((before, column))
            before = ""
        is_bare = len(parts) == 1 and parts[0][0] == before == ""
        return cls(tuple(parts), before, parts[0][1] if is_bare else None)

    @property
    def columns(self) -> list[str]:
        """The columns that it names."""
        return [column for _, column in self.parts]

    def fill(self, row: Values[str, Any]) -> str:
        """Returns the text for a row; nothing where all of its columns are empty."""
        if self.bare is not None:
            return text_of(row[self.bare])
        if not self.parts:
            return self.tail
        filled = [(before, text_of(row[column])) for before, column in self.parts]
        if not any(text for _, text in filled):
            return ""
        return "".join(before + text for before, text in filled) + self.tail


@dataclass(frozen=True, slots=True)
class Field:
    """How one field comes about."""

    name: str
    template: Template
    values: Values[str, str | bool] | None = None
    default: str | None = None
    convert: Number | Time | None = None

    def value(self, row: Values[str, Any]) -> str | None:
        """Returns its text for a row, or None where the row is no event. Raises RowFault."""
        text = self._text(row)
        if self.values is not None and text:
            known = self.values.get(text, self.default)
            if known is None:
                raise self.fault(text, f"[fields.{self.name}.values] does not have it; add it, or a default")
            if known is False:
                return None
            return str(known)
        return text or self.default or ""

    def fault(self, value: str, said: str) -> RowFault:
        """What is wrong with a value of its columns."""
        return RowFault.of_value(", ".join(self.template.columns) or self.name, value, said)

    def _text(self, row: Values[str, Any]) -> str:
        if self.convert is None:
            return self.template.fill(row)
        bare = self.template.bare
        # A number or a time of its own type needs no text in between.
        value = self.template.fill(row) if bare is None else row[bare]
        try:
            return self.convert.text(value)
        except ValueError as error:
            raise self.fault(text_of(value), str(error)) from error


@dataclass(frozen=True, slots=True)
class Mapping:
    """A map file, checked."""

    fields: tuple[Field, ...]
    delimiter: str | None = None
    encoding: str = "utf-8"
    quote: str = '"'
    skip_lines: int = 0
    path: str = ""

    @property
    def columns(self) -> list[str]:
        """The columns that it reads, each once."""
        return list(dict.fromkeys(column for one in self.fields for column in one.template.columns))

    @property
    def texts(self) -> dict[str, str]:
        """The columns that become text as they are, each with its field."""
        return {column: one.name for one in self.fields if one.convert is None for column in one.template.columns}

    def event(self, row: Values[str, Any]) -> bytes | None:
        """Returns a row as an event, without line end; None where the row is none. Raises RowFault."""
        import orjson

        event = {}
        for one in self.fields:
            value = one.value(row)
            if value is None:
                return None
            if value:
                event[one.name] = value
        return orjson.dumps(event)

    def no_event(self, row: Values[str, Any], fault: RowFault) -> bytes:
        """Returns a row that is no event as a line that says why: without an id the engine refuses it, and keeps it."""
        import orjson

        [source] = (one for one in self.fields if one.name == "source")
        try:
            whose = {"source": said} if (said := source.value(row)) else {}
        except (RowFault, KeyError):  # it is what is wrong, or no value has its column
            whose = {}
        shown = {column: text_of(value) for column, value in row.items()}
        return orjson.dumps({**whose, "no_event": str(fault), "row": shown})

    def check_columns(self, name: str, columns: Sequence[str]) -> None:
        """Raises UsageError for a column that the table lacks, and for a constant that must have been meant as one."""
        read = self.columns
        for one in self.fields:
            # Whoever reads the column elsewhere knows the braces: a table with one column for each place does so.
            if not one.template.columns and one.template.tail in columns and one.template.tail not in read:
                said = one.template.tail
                raise UsageError(
                    f'{self.path}: [fields] {one.name}: "{said}" is a column of {name}; write "{{{said}}}", '
                    "or each row has that very text"
                )
        for column in read:
            if column not in columns:
                near = get_close_matches(column, columns, 1)
                meant = f'; did you mean "{near[0]}"?' if near else f"; it has {listed(columns)}"
                raise UsageError(f'{self.path}: "{column}" is no column of {name}{meant}')


def marked(mapping: Mapping, name: str, mark: str) -> Mapping:
    """Returns the mapping for a text that begins with a mark, which makes it Unicode, whatever others are written in.

    Raises UsageError where the map says something else: read so, each letter with an accent would be another.
    """
    if not re.match(r"utf[-_ ]?(8|16)", mapping.encoding, re.IGNORECASE):
        raise UsageError(
            f'{name} begins with the mark of {mark}, and {mapping.path} says encoding = "{mapping.encoding}"; '
            "leave encoding away"
        )
    return replace(mapping, encoding="utf-8")


def identity(columns: Sequence[str], known: Sequence[str]) -> Mapping | None:
    """Returns the mapping of a table whose columns are the fields themselves; None if it lacks id, source or type."""
    if not {"id", "source", "type"} <= set(columns):
        return None
    fields = [column for column in columns if column in known]
    return Mapping(tuple(_field(column, "{" + column + "}") for column in fields))


def load_mapping(path: Path, known: Sequence[str]) -> Mapping:
    """Reads a map file; `known` are the names of all fields. Raises UsageError with file, place and cure."""
    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; give a map file (docs/files.md)") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: is no TOML: {error}") from error
    try:
        return _mapping(found, str(path), known)
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from error


def listed(names: Sequence[str], most: int = 12) -> str:
    """Names in quotes, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(f'"{name}"' for name in names[:most]) + more


def _mapping(found: dict[str, Any], path: str, known: Sequence[str]) -> Mapping:
    if strange := found.keys() - {"file", "fields"}:
        raise ValueError(f"[{min(strange)}] is no table of a map; it has [file] and [fields]")
    file, fields = found.get("file", {}), found.get("fields", {})
    _check_keys("[file]", file, (*_FILE_KEYS, "decimal", "thousands", "zone"))
    shared = {key: file.pop(key) for key in ("decimal", "thousands", "zone") if key in file}
    for name in fields:
        if name not in known:
            near = get_close_matches(name, known, 1)
            cure = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise ValueError(f"[fields] {name}: is no field of an event; {cure}")
    if missing := [name for name in ("id", "source", "type") if name not in fields]:
        raise ValueError(f"[fields] {missing[0]}: is missing; every event has one")
    for key, kind in (("delimiter", str), ("encoding", str), ("quote", str), ("skip_lines", int)):
        if key in file and not isinstance(file[key], kind):
            raise ValueError(f"[file] {key}: is a {'text' if kind is str else 'number'}")
    if len(file.get("delimiter", ",")) != 1 or len(file.get("quote", '"')) != 1:
        raise ValueError('[file] delimiter, quote: each is one character, such as ";"')
    return Mapping(tuple(_field(name, said, shared) for name, said in fields.items()), **file, path=path)


def _field(name: str, said: Any, shared: Values[str, Any] | None = None) -> Field:
    place = f"[fields] {name}"
    said = {"from": said} if isinstance(said, str | int | float) and not isinstance(said, bool) else said
    if not isinstance(said, dict):
        raise ValueError(f'{place}: is a text such as "{{Column}}", or a table with `from`')  # noqa: TRY004
    _check_keys(place, said, (*_OTHER_KEYS, *_NUMBER_KEYS, *_TIME_KEYS))
    try:
        template = Template.parse(str(said["from"]))
    except KeyError as error:
        raise ValueError(f"{place}: `from` is missing: from which column?") from error
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error
    values, default = said.get("values"), said.get("default")
    if values is not None and not (
        isinstance(values, dict) and all(isinstance(value, str) or value is False for value in values.values())
    ):
        raise ValueError(f"{place}: `values` is a table of texts; false leaves out the row")
    if default is not None and not isinstance(default, str):
        raise ValueError(f"{place}: `default` is a text")
    return Field(name, template, values, default, _converter(name, place, said, shared or {}))


def _converter(name: str, place: str, said: Values[str, Any], shared: Values[str, Any]) -> Number | Time | None:
    as_number = name in _NUMBERS or any(key in said for key in _NUMBER_KEYS)
    as_time = name in _TIMES or any(key in said for key in _TIME_KEYS)
    if as_number and as_time:
        raise ValueError(f"{place}: is a number or a time, not both")
    keys = _NUMBER_KEYS if as_number else _TIME_KEYS
    options = {key: value for key, value in {**shared, **said}.items() if key in keys}
    try:
        if as_number:
            return Number.of(options)
        return Time.of(options, is_day_allowed=name == "due") if as_time else None
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error


def _check_keys(place: str, said: Any, keys: Sequence[str]) -> None:
    if not isinstance(said, dict):
        raise ValueError(f"{place}: is a table")  # noqa: TRY004 (a wrong value in somebody's file)
    for key in said:
        if key not in keys:
            raise ValueError(f"{place}: {key} means nothing here; known are {', '.join(keys)}")
