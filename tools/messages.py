"""Messages: every sentence that people meet, from the sources: errors, log lines, answers, causes and cures.

`python -m tools.messages` writes docs/messages.md; tests/unit/test_messages.py holds the page to the sources. It finds
sentences by where they stand in the code, and judges none of them.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "messages.md"
PACKAGE: Final = ROOT / "python" / "tallystick"
HEAD: Final = """\
# Messages

For whoever met one, and for translators: every sentence that Tallystick says, by the part that says it. Words in
capitals, and `…`, stand for what is filled in. What begins with a verb follows the name of what it is about. This page
is made by `python -m tools.messages`; do not edit it.
"""
SECTIONS: Final = (
    ("The command line", ("python/tallystick/cli",)),
    ("Configuration", ("python/tallystick/config", "rust/contract/src/config", "rust/contract/src/ownership.rs",
                       "rust/contract/src/rules.rs")),
    ("Whoever asks and publishes", ("python/tallystick/client",)),
    ("Connection and streams", ("python/tallystick/bus",)),
    ("The daemon", ("python/tallystick/daemon",)),
    ("Files", ("python/tallystick/files",)),
    ("The library", ("python/tallystick", "rust/binding")),
    ("The demo", ("python/tallystick/demo",)),
    ("Cures of exceptions", ("rust/contract/src/codes.rs",)),
    ("Causes, refusals and answers of the engine", ("rust/engine/src", "rust/contract/src", "rust/tables/src")),
)  # fmt: skip
"""Headings, and the beginnings of the paths below each; the longest beginning that fits decides."""
_SPEAKING: Final = frozenset(
    {"echo", "print", "debug", "info", "warning", "error", "exception", "critical", "log", "append", "left_out"}
)
_RUST: Final = ("rust/contract/src", "rust/engine/src", "rust/tables/src", "rust/binding/src")
_LITERAL: Final = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_UNSAID: Final = re.compile(
    r"(?:expect|expect_err|unreachable!|panic!|assert!|assert_eq!|assert_ne!|debug_assert!|debug_assert_eq!|todo!)\s*\("
)


@dataclass(frozen=True, slots=True, order=True)
class Message:
    """A sentence, and the file that says it."""

    path: str
    line: int
    text: str


def collect() -> list[Message]:
    """Every message of the sources, by file and line."""
    paths = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "fields.py")  # They stand in docs/cli.md.
    found = [message for path in paths for message in _python(path)]
    for folder in _RUST:
        for path in sorted((ROOT / folder).rglob("*.rs")):
            if "test" not in path.stem and "tests" not in path.parts:
                found += _rust(path)
    return found


def page(messages: Iterable[Message]) -> str:
    """The page, as Markdown."""
    sections: dict[str, dict[str, list[str]]] = {title: {} for title, _ in SECTIONS}
    for message in messages:
        texts = sections[_section(message.path)].setdefault(message.path, [])
        if message.text not in texts:
            texts.append(message.text)
    parts = [HEAD]
    for title, files in sections.items():
        if files:
            rows = [f"| `{path}` | {_cell(text)} |" for path, texts in files.items() for text in texts]
            parts.append("\n".join([f"## {title}", "", "| where | what |", "|---|---|", *rows]) + "\n")
    return "\n".join(parts)


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def _section(path: str) -> str:
    fitting = [
        (len(start), title) for title, starts in SECTIONS for start in starts if path.startswith((f"{start}/", start))
    ]
    return max(fitting)[1]


def _python(path: Path) -> Iterator[Message]:
    tree = ast.parse(path.read_text("utf-8"))
    name = path.relative_to(ROOT).as_posix()
    seen: set[int] = set()
    for node in ast.walk(tree):
        for text in _said_by(node):
            for part in _strings(text):
                if id(part) not in seen:
                    seen.add(id(part))
                    words = _words(part).replace("[bold]", "").replace("[/bold]", "").strip()
                    words = words if "\n" in words else " ".join(words.split())
                    if _is_sentence(words):
                        yield Message(name, part.lineno, words)


def _said_by(node: ast.AST) -> list[ast.expr]:
    """What is said by a node: what an error is made with, what is printed, logged or kept to be said."""
    if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
        return [*node.exc.args, *(keyword.value for keyword in node.exc.keywords)]
    if isinstance(node, ast.Call):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called in _SPEAKING or called.endswith("Error") or called in _errors():
            return [*node.args, *(keyword.value for keyword in node.keywords)]
    if isinstance(node, ast.Return) and node.value is not None:
        return [node.value]
    if isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)) and node.value is not None:
        return [node.value]
    return []


def _errors() -> frozenset[str]:
    text = (PACKAGE / "errors.py").read_text("utf-8")
    return frozenset(re.findall(r"^class (\w+)", text, re.MULTILINE))


def _strings(node: ast.expr) -> Iterator[ast.Constant | ast.JoinedStr]:
    """The texts within an expression, each as a whole."""
    if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        yield node
        return
    if isinstance(node, ast.Call):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called in {"Option", "Argument", "_option", "_term", "_part", "compile", "field", "Question", "Typer"}:
            return  # What these say stands in --help, and in docs/cli.md.
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):
            yield from _strings(child)


def _words(node: ast.Constant | ast.JoinedStr) -> str:
    if isinstance(node, ast.Constant):
        return re.sub(r"%[sdr]|%\.\d+f|%g", "…", str(node.value))
    parts = []
    for part in node.values:
        if isinstance(part, ast.Constant):
            parts.append(str(part.value))
        elif isinstance(part, ast.FormattedValue):
            parts.append(_blank(ast.unparse(part.value)))
    return "".join(parts)


def _blank(expression: str) -> str:
    """What stands for something that is filled in: its name in capitals, if it has one."""
    name = re.fullmatch(r"(?:\w+\.)*(\w+)(?:\(.*\))?|.*\['(\w+)'\]", expression)
    word = (name[1] or name[2]) if name else ""
    return word.strip("_").upper() if word and word not in {"join", "len", "str"} else "…"


def _is_sentence(text: str) -> bool:
    """Whether a text is for people: some words, and neither a path, a pattern, a table of names nor a whole page."""
    words = re.findall(r"(?<![\w-])[A-Za-z]?[a-z']+(?![\w-])", text)
    is_code = re.search(r"\(\?|\[\\w|\\[dswb]|^\s*[\[{]\w*\"|^send \{|task\.fields", text)
    is_page = (
        text.count("\n") > 1 or "\n\n" in text or re.search(r"^\[\w+\]", text, re.MULTILINE) or "2026 snapshot" in text
    )
    return len(words) >= 2 and len(text.split()) >= 3 and not is_page and not is_code


def _rust(path: Path) -> Iterator[Message]:
    name = path.relative_to(ROOT).as_posix()
    text = path.read_text("utf-8")
    text = text.split("\n#[cfg(test)]\nmod ")[0]
    # Comments say nothing to users; attributes neither. A quote as a character begins no text.
    text = re.sub(r"^\s*//[^\n]*$|#!?\[[^\]]*\]", "", text, flags=re.MULTILINE)
    text = re.sub(r"b?'(?:\\.|[^'\\\n])'", "0", re.sub(r'(?<!\w)b?r#*"[^"]*"#*|(?<!\w)b"(?:[^"\\]|\\.)*"', "0", text))
    for found in _LITERAL.finditer(text):
        before = text[max(0, found.start() - 200) : found.start()]
        if _UNSAID.search(before[-60:].rpartition(";")[2]) and not re.search(r"format!\(\s*$", before):
            continue
        words = re.sub(r"\\\n\s*", "", found[1]).replace('\\"', '"').replace("\\n", " ").replace("\\\\", "\\")
        words = re.sub(r"\{(\w*)(?::[^}]*)?\}", lambda part: _blank(part[1]) if part[1] else "…", words)
        words = " ".join(words.replace("{{", "{").replace("}}", "}").split())
        if _is_sentence(words) and not words.startswith(("{", ",")) and ">>>" not in words and '":' not in words:
            yield Message(name, text.count("\n", 0, found.start()) + 1, words)


def main() -> None:
    """Writes the page."""
    PAGE.write_text(page(collect()), "utf-8")


if __name__ == "__main__":
    main()
