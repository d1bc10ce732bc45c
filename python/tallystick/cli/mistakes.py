"""Mistakes: what was typed wrong, in words of this program, and not of the libraries that read the command line."""

import re
from typing import Any, Final

_EXTRA: Final = re.compile(r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)")


def words(error: Any) -> str:
    """Returns what an error of the command line says, in one line; empty for one that says nothing."""
    message = str(error.format_message()).rstrip(".")
    if extra := _EXTRA.fullmatch(message):
        return f"unexpected {'argument' if ' ' not in extra[1] else 'arguments'} {extra[1]}"
    param, listed = getattr(error, "param", None), getattr(error.__cause__, "errors", None)
    if param is None or listed is None:
        return message
    name = param.opts[0] if param.param_type_name == "option" else (param.metavar or param.name).strip("[]…")
    return f"{name}: {_told(listed()[0])}".rstrip(".")


def _told(fault: Any) -> str:
    given, bounds = fault["input"], fault.get("ctx", {})
    known = {
        "int_parsing": f"{given} is no whole number",
        "int_from_float": f"{given} is no whole number",
        "float_parsing": f"{given} is no number",
        "bool_parsing": f"{given} is neither true nor false",
        "greater_than_equal": f"{given} is too small; give {bounds.get('ge')} or more",
        "less_than_equal": f"{given} is too large; give {bounds.get('le')} at most",
    }
    return known.get(fault["type"]) or str(fault["msg"]).removeprefix("Value error, ")
