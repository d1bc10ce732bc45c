"""Help: how `--help` is laid out: examples as they are typed, names of variables whole, at any width, no colours."""

import inspect
import re
import textwrap
import types
from collections.abc import Iterable, Iterator
from typing import Any, Final

from tallystick.cli import tables

_NAMES: Final = 26
"""Columns for names of options; a longer one has a line of its own."""
_WIDTH_MAX: Final = 120
_INDENT: Final = "  "


def teach(command: Any) -> Any:
    """Returns the command, which from now on, and with all below it, lays out its help as this module does."""
    command.format_help = types.MethodType(_format_help, command)
    for child in getattr(command, "commands", {}).values():
        teach(child)
    return command


def example_lines(text: str) -> list[str]:
    """The examples of a help text, as they are typed.

    >>> example_lines(chr(10).join(["Does it.", "", "    tallystick run --embedded"]))
    ['tallystick run --embedded']
    """
    return [line.strip() for line in text.splitlines() if line.startswith("    ") and line.strip()]


def _format_help(command: Any, context: Any, formatter: Any) -> None:
    width = min(tables.width(), _WIDTH_MAX)
    for line in _lines(command, context, width):
        formatter.write(f"{line.rstrip()}\n")


def _lines(command: Any, context: Any, width: int) -> Iterator[str]:
    parameters = command.get_params(context)
    arguments = [one for one in parameters if one.param_type_name == "argument"]
    options = [one for one in parameters if one.param_type_name == "option"]
    commands = getattr(command, "commands", {})
    last = "COMMAND …" if commands else ""
    pieces = [context.command_path, "[OPTIONS]", *(one.metavar or one.name.upper() for one in arguments), last]
    yield f"Usage: {' '.join(piece for piece in pieces if piece)}"
    yield ""
    yield from _text(inspect.cleandoc(command.help or ""), width)
    yield from _section(
        "Arguments", ((one.metavar or one.name.upper(), _about(one, context)) for one in arguments), width
    )
    yield from _section("Options", ((_name(one, context), _about(one, context)) for one in options), width)
    yield from _section("Commands", ((name, _first_sentence(one.help)) for name, one in commands.items()), width)
    if command.epilog:
        yield ""
        yield from _text(inspect.cleandoc(command.epilog), width)


def _text(text: str, width: int) -> Iterator[str]:
    """Paragraphs wrapped, examples as they are."""
    was_example = False
    for number, part in enumerate(re.split(r"\n\s*\n", text.replace("**", ""))):
        is_example = part.startswith("    ")
        if number and not (is_example and was_example):
            yield ""
        if is_example:
            yield from (f"{_INDENT}{line.strip()}" for line in part.splitlines())
        else:
            yield from _wrapped(part, width)
        was_example = is_example


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(" ".join(text.split()), width, break_long_words=False, break_on_hyphens=False)


def _section(title: str, rows: Iterable[tuple[str, str]], width: int) -> Iterator[str]:
    found = list(rows)
    if not found:
        return
    names = min(max(len(name) for name, _ in found), _NAMES)
    yield from ("", f"{title}:")
    for name, about in found:
        beside = f"{_INDENT}{name:<{names}}{_INDENT}"
        first, *rest = _wrapped(about, max(width - names - 2 * len(_INDENT), 20)) or [""]
        if len(name) > names:
            yield f"{_INDENT}{name}"
            beside = " " * (names + 2 * len(_INDENT))
        yield beside + first
        yield from (" " * (names + 2 * len(_INDENT)) + line for line in rest)


def _name(option: Any, context: Any) -> str:
    record = option.get_help_record(context)
    return str(record[0]) if record else ", ".join(option.opts)


def _about(parameter: Any, context: Any) -> str:
    record = parameter.get_help_record(context)
    return str(record[1]) if record else ""


def _first_sentence(text: str | None) -> str:
    first = " ".join(inspect.cleandoc(text or "").split("\n\n", 1)[0].split())
    return re.split(r"(?<=\.)\s", first, maxsplit=1)[0]
