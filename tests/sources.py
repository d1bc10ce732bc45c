"""Reads the project's own sources for the tests that hold them to the architecture. It judges nothing.

Rust is read by its surface: comments and literals are blanked, then words and braces are looked at. That is exact
enough for the questions asked here, and needs no Rust parser in Python.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
PACKAGE: Final = ROOT / "python" / "tallystick"
CONTRACT: Final = ROOT / "rust" / "contract"
TABLES: Final = ROOT / "rust" / "tables"
ENGINE: Final = ROOT / "rust" / "engine"
REFERENCE: Final = ROOT / "rust" / "reference"
FRAMES: Final = ROOT / "rust" / "frames"
BINDING: Final = ROOT / "rust" / "binding"
CODE_FOLDERS: Final = ("python", "rust", "tests", "benches", "examples", "wheels")

_RUST_NOISE: Final = re.compile(
    r"""//[^\n]*|/\*.*?\*/|b?r(#*)".*?"\1|b?"(?:\\.|[^"\\])*"|b?'(?:\\[^\n]|[^'\\\n])[^'\n]{0,9}'(?!\w)""", re.DOTALL
)
_RUST_FUNCTION: Final = re.compile(
    r"^[ \t]*(?:pub(?:\([^)]*\))? )?(?:const )?(?:async )?(?:unsafe )?fn (\w+)", re.MULTILINE
)
_RUST_TEST_ITEM: Final = re.compile(r"#\[cfg\(test\)\]")
_RUST_TEST_FILE: Final = re.compile(r"#\[cfg\(test\)\]\s*(?:pub(?:\([^)]*\))?\s+)?mod\s+(\w+)\s*;")
_RUST_PATH: Final = re.compile(r"\b(crate|super(?:\s*::\s*super)*)\s*::\s*")
_RUST_BRACE_OR_TYPE: Final = re.compile(
    r"[{}]|^[ \t]*(?:pub(?:\([^)]*\))?\s+)?(?:unsafe\s+)?(struct|enum|union|trait|type)\s+(\w+)", re.MULTILINE
)
_RUST_BLOCK_OF_TYPE: Final = re.compile(r"^[ \t]*(?:pub(?:\([^)]*\))?\s+)?(?:unsafe\s+)?(?:impl|trait)\b", re.MULTILINE)
_RUST_PUBLIC: Final = re.compile(r"^pub (?:use ([^;]+)|(?:\w+ )+(\w+))", re.MULTILINE)

Module = tuple[str, ...]
"""A module of a crate by its path; the crate's front door is the empty one."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function of a source file: its name and how many lines it takes, signature included, docstring excluded."""

    name: str
    lines: int


def files(*suffixes: str) -> list[Path]:
    """All code files with one of the suffixes, as they stand in the checkout, build results left out."""
    found = (path for folder in CODE_FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in suffixes)
    return sorted(path for path in found if "target" not in path.parts)


def label(path: Path) -> str:
    """The path as a reader of the repository knows it."""
    return path.relative_to(ROOT).as_posix()


def rust_surface(source: str) -> str:
    """The source with comments and literals blanked; lines stay where they were."""
    return _RUST_NOISE.sub(lambda noise: "\n" * noise[0].count("\n") or " ", source)


def rust_functions(source: str) -> Iterator[Function]:
    """Every function with a body, nested ones too."""
    surface = rust_surface(source)
    for found in _RUST_FUNCTION.finditer(surface):
        end = _closing_brace(surface, found.end())
        if end is not None:
            start = found.start() + len(found[0]) - len(found[0].lstrip())
            yield Function(found[1], surface.count("\n", start, end) + 1)


def rust_code(source: str) -> str:
    """The surface without what only tests compile: the items under `#[cfg(test)]`."""
    surface = rust_surface(source)
    kept, place = "", 0
    for found in _RUST_TEST_ITEM.finditer(surface):
        if found.start() >= place:
            kept += surface[place : found.start()]
            place = _item_end(surface, found.end()) + 1
    return kept + surface[place:]


def rust_modules(crate: Path) -> dict[Module, str]:
    """The source of every module of a crate, those left out that only tests compile."""
    paths = {path: path.relative_to(crate / "src").with_suffix("").parts for path in (crate / "src").rglob("*.rs")}
    modules = {name[:-1] if name[-1] in {"lib", "mod"} else name: path.read_text() for path, name in paths.items()}
    surfaces = {name: rust_surface(source) for name, source in modules.items()}
    tests = {(*name, test) for name, surface in surfaces.items() for test in _RUST_TEST_FILE.findall(surface)}
    return {name: modules[name] for name in sorted(modules) if not any(name[: len(test)] == test for test in tests)}


def rust_roots(module: Module, source: str) -> set[str]:
    """What a module names right below its crate's root, by `crate::` or by as many `super::` as lead there."""
    code = rust_code(source)
    found = set[str]()
    for path in _RUST_PATH.finditer(code):
        if path[1] == "crate" or path[1].count("super") >= len(module):
            found.update(_heads(code, path.end()))
    return found


def rust_types(source: str) -> list[str]:
    """The types that a source defines, by their short names. The associated ones of an `impl` or a trait are left out,
    since they are named by what they belong to, and so are those that only tests compile.
    """
    code = rust_code(source)
    names, blocks, head = [], [False], 0
    for found in _RUST_BRACE_OR_TYPE.finditer(code):
        if found[0] == "{":
            blocks.append(_RUST_BLOCK_OF_TYPE.search(code, head, found.start()) is not None)
        elif found[0] == "}":
            blocks.pop()
        elif found[1] != "type" or not blocks[-1]:
            names.append(found[2])
        if found[0] in "{}":
            head = found.end()
    return names


def rust_front_door(source: str) -> list[str]:
    """The public names of a crate's `lib.rs`, with `*` where it passes on all that a module has."""
    names = []
    for found in _RUST_PUBLIC.finditer(rust_code(source)):
        leaves = re.split(r"[{},]", found[1] or found[2])
        names += [re.split(r"::|\bas\b", leaf)[-1].strip() for leaf in leaves]
    return [name for name in names if name]


def _heads(code: str, start: int) -> list[str]:
    """With which names the rest of a path begins: one, or several in braces."""
    if code[start : start + 1] != "{":
        return re.findall(r"^[\w*]+", code[start : start + 100])
    inside = code[start + 1 : _item_end(code, start)]
    while "{" in inside:
        inside = re.sub(r"\{[^{}]*\}", "", inside)
    return re.findall(r"(?:^|,)\s*([\w*]+)", inside)


def _closing_brace(surface: str, start: int) -> int | None:
    """Where the body that follows ends; nothing for a declaration without a body."""
    end = _item_end(surface, start)
    return end if surface[end : end + 1] == "}" else None


def _item_end(surface: str, start: int) -> int:
    """Where the item that begins there ends: at the brace that closes its body, or at its semicolon."""
    depth = 0
    for place in range(start, len(surface)):
        letter = surface[place]
        if letter in "({[":
            depth += 1
        elif letter in ")}]":
            depth -= 1
            if depth < 0 or (depth == 0 and letter == "}"):
                return place
        elif letter == ";" and depth == 0:
            return place
    return len(surface)


def python_functions(source: str) -> Iterator[Function]:
    """Every function and method, nested ones too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            documented = ast.get_docstring(node) is not None
            docstring = (first.end_lineno or first.lineno) - first.lineno + 1 if documented else 0
            yield Function(node.name, (node.end_lineno or node.lineno) - node.lineno + 1 - docstring)


def python_imports(source: str) -> set[str]:
    """Dotted names of all modules that the source imports anywhere; `from a import b` gives `a` and `a.b`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the architecture"
            found.add(node.module or "")
            found.update(f"{node.module}.{name.name}" for name in node.names)
    return found


def python_modules() -> dict[str, str]:
    """The source of every module of the Python package, by its dotted name; `__init__.py` is its folder's."""
    names = {path: path.relative_to(PACKAGE.parent).with_suffix("").parts for path in PACKAGE.rglob("*.py")}
    return {".".join(name).removesuffix(".__init__"): path.read_text() for path, name in names.items()}


def import_graph(sources: Mapping[str, str]) -> dict[str, set[str]]:
    """Which of the modules each of them imports when it runs, at its top or inside a function.

    `from a import b` is an import of `a.b` if that is a module, else of `a`. That a module's folder is imported before
    it is not counted: only the command line's `__init__.py` imports anything, and only once it is called.
    """
    graph: dict[str, set[str]] = {}
    for name, source in sources.items():
        found = set[str]()
        for node in _run_time_nodes(ast.parse(source)):
            if isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                inside = [f"{node.module}.{alias.name}" for alias in node.names]
                found.update(name if name in sources else node.module or "" for name in inside)
        graph[name] = found & sources.keys()
    return graph


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """Modules that import each other around a circle, the first one again at the end; empty if there is no circle."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def _run_time_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """The node and all below it, without what only type checkers read."""
    yield node
    children: Iterable[ast.AST] = ast.iter_child_nodes(node)
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        children = node.orelse
    for child in children:
        yield from _run_time_nodes(child)


def python_names(source: str) -> set[str]:
    """Every name and dotted attribute that the source uses: `sys.exit`, `print`, `os.environ`."""
    return {
        ast.unparse(node) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name | ast.Attribute)
    } | python_imports(source)
