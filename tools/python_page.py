"""The page of the Python library, from its docstrings and its stub: classes, what they have, functions, examples.

It makes one of the pages of `tools.reference`. The engine is compiled, so signatures and types are read from
`_engine.pyi`; the words are those of `help()`.
"""

import ast
import inspect
import re
import textwrap
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import tallystick

ROOT: Final = Path(__file__).parents[1]
STUB: Final = ROOT / "python" / "tallystick" / "_engine.pyi"
HEAD: Final = """\
# Python

For whoever builds it into Python. [library.md](../library.md) is the guide, `help(tallystick.Engine)` says the same.
This page is made by `python -m tools.reference`; do not edit it.

Everything here is imported from `tallystick`. Quantities are `Decimal` in units; what is named `…_thousandths` is a
whole number of thousandths.
"""


def page() -> str:
    """The page, as Markdown."""
    stub = _stub()
    parts = [HEAD]
    named: list[tuple[str, Any]] = [(name, getattr(tallystick, name)) for name in tallystick.__all__]
    errors = [(name, one) for name, one in named if inspect.isclass(one) and issubclass(one, Exception)]
    classes = [(name, one) for name, one in named if inspect.isclass(one) and (name, one) not in errors]
    functions: list[tuple[str, Any]] = [(name, one) for name, one in named if inspect.isroutine(one)]
    for name, one in classes:
        parts += [f"## {name}\n", *_words(one), *_members(name, one, stub)]
    parts.append("## Functions\n")
    for name, one in functions:
        parts += [f"### {name}\n", _signature(name, str(inspect.signature(one))), *_words(one)]
    parts.append("## Errors\n")
    for name, one in errors:
        parts += [f"### {name}\n", *_words(one)]
    return "\n".join(parts)


def _stub() -> dict[str, dict[str, ast.FunctionDef]]:
    """The functions of each class of the stub."""
    tree = ast.parse(STUB.read_text("utf-8"))
    return {
        node.name: {one.name: one for one in node.body if isinstance(one, ast.FunctionDef)}
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }


def _members(name: str, one: Any, stub: dict[str, dict[str, ast.FunctionDef]]) -> Iterator[str]:
    rows, methods = [], []
    for member in vars(one):
        if member.startswith("_") or issubclass(one, int):
            continue
        value = inspect.getattr_static(one, member)
        known = stub.get(name, {}).get(member)
        if isinstance(value, (types.GetSetDescriptorType, types.MemberDescriptorType, property)):
            returns = ast.unparse(known.returns) if known and known.returns else _annotation(one, member)
            about = " ".join((inspect.getdoc(value) or "").split("\n\n")[0].split())
            rows.append(f"| `{member}` | {_cell(f'`{returns}`') if returns else ''} | {_cell(about)} |")
        elif callable(getattr(one, member)):
            arguments = _arguments(known) if known else str(inspect.signature(getattr(one, member)))
            methods.append(
                "\n".join(
                    [
                        f"### {name}.{member}\n",
                        _signature(f"{name}.{member}", arguments),
                        *_words(getattr(one, member)),
                    ]
                )
            )
    if rows:
        yield (
            "\n".join(["| attribute | type | meaning |", "|---|---|---|", *sorted(rows)]).replace("|  |", "| |") + "\n"
        )
    yield from sorted(methods)


def _annotation(one: Any, member: str) -> str:
    found = getattr(one, "__annotations__", {}).get(member, "")
    if isinstance(prop := inspect.getattr_static(one, member), property) and prop.fget:
        found = prop.fget.__annotations__.get("return", "")
    return (
        found if isinstance(found, str) else getattr(found, "__name__", "") if isinstance(found, type) else str(found)
    )


def _arguments(function: ast.FunctionDef) -> str:
    given = function.args
    is_static = any(ast.unparse(decorator) == "staticmethod" for decorator in function.decorator_list)
    if not is_static:
        (given.posonlyargs or given.args)[:1] = []
    text = f"({ast.unparse(given)})"
    return text + (f" -> {ast.unparse(function.returns)}" if function.returns else "")


def _signature(name: str, arguments: str) -> str:
    text = name + re.sub(r"(?<=[\w\]])=(?=\S)", " = ", arguments.replace("tallystick._engine.", ""))
    if len(text) > 110:
        inside, _, returns = text[len(name) + 1 :].rpartition(")")
        parts = re.split(r", (?![^\[]*\])", inside)
        text = "\n".join([f"{name}(", *(f"    {part}," for part in parts), f"){returns}"])
    return f"```python\n{text}\n```\n"


def _words(one: Any) -> Iterator[str]:
    """A docstring as Markdown: its examples become code."""
    doc = inspect.getdoc(one) or ""
    for paragraph in re.split(r"\n\s*\n", doc.strip()):
        lines = inspect.cleandoc(paragraph) if paragraph.startswith(" ") else paragraph
        if lines.startswith(">>>"):
            yield f"```pycon\n{lines}\n```\n"
        elif lines:
            yield wrapped(lines)


def wrapped(text: str) -> str:
    """A paragraph in lines as long as those of the other pages."""
    return textwrap.fill(" ".join(text.split()), 118, break_long_words=False, break_on_hyphens=False) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
