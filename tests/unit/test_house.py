"""Holds the folders of each crate, and of the Python package, to their places. Each rule is shown what breaks it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.sources import (
    CONTRACT,
    ENGINE,
    ROOT,
    TABLES,
    Module,
    circle,
    label,
    python_imports,
    python_modules,
    rust_front_door,
    rust_modules,
    rust_roots,
)

# The foundation of the engine, and what each room of it knows of the others. A row names rows above it only.
ROOMS: Final[dict[str, set[str]]] = {
    "shards": set(),
    "atp": set(),
    "calendar": set(),
    "master": set(),
    "read": {"calendar", "master"},
    "diagnostics": {"read"},
    "keys": {"diagnostics"},
    "order": {"diagnostics", "read"},
    "stock": {"diagnostics", "read"},
    "output": {"atp", "diagnostics", "read", "stock"},
    "core": {"atp", "calendar", "diagnostics", "keys", "master", "order", "read", "stock"},
    "schedule": {"atp", "calendar", "core", "output", "read", "stock"},
}
# What the engine is able to do. Each knows rooms, and neither another one nor the spine.
CAPABILITIES: Final[dict[str, str]] = {
    "approval": "variances and feeds that wait for a decision",
    "claims": "what order lines claim",
    "correction": "events that are taken back or put right",
    "promise": "reservations, and what is kept for channels",
    "receipts": "receipts against what was announced",
    "replenish": "positions that are to be filled up, until they are covered",
    "shadow": "a policy that is tried beside the one that acts",
    "sources": "what is known of each source",
    "suspects": "events under different keys that say the same",
    "transfers": "what is on its way for too long",
    "waiting": "directives that came before their target",
    "work": "exceptions that people work on",
}
# What alone knows all capabilities.
SPINE: Final = "spine"
# How many names the front doors of these crates may have. The engine's shows what it is for; the others list modules.
NAMES_MAX: Final = {ENGINE: 16, CONTRACT: 19, TABLES: 10}
CRATES: Final = sorted(path.parent for path in (ROOT / "rust").glob("*/src"))

Graph = dict[str, set[str]]


def rust_graph(modules: Mapping[Module, str]) -> Graph:
    """What each folder, or file, at the top of a crate names of the others. The front door names all, and is left out.

    A name that is no folder or file of the crate stands for the front door.
    """
    places = {module[0] for module in modules if module}
    graph: Graph = {place: set() for place in sorted(places)}
    for module, source in modules.items():
        if module:
            named = rust_roots(module, source) - {module[0]}
            graph[module[0]] |= {name if name in places else "lib.rs" for name in named}
    return graph


def python_graph(modules: Mapping[str, str]) -> Graph:
    """The parts of a Python package that each of its parts imports. What only type checkers read counts too."""
    paths = {name: name.split(".") for name in modules}
    graph: Graph = {path[1]: set() for path in paths.values() if path[1:]}
    for name, source in modules.items():
        package, *below = paths[name]
        inside = {used.split(".")[1] for used in python_imports(source) if used.startswith(f"{package}.")}
        if below:
            graph[below[0]] |= inside & graph.keys() - {below[0]}
    return graph


def climbing(rooms: Graph) -> list[str]:
    """The rows of a table that name themselves, or a row that is not above them."""
    above = [*rooms]
    return [room for place, room in enumerate(above) if not rooms[room] <= set(above[:place])]


def strays(graph: Graph) -> Graph:
    """What folders of the engine know beyond what they may. The spine may know all."""
    may = ROOMS | {capability: {*ROOMS} for capability in CAPABILITIES} | {SPINE: {*ROOMS, *CAPABILITIES}}
    beyond = {place: known - may.get(place, set()) for place, known in graph.items()}
    return {place: known for place, known in beyond.items() if known}


def without_a_row(graph: Graph) -> set[str]:
    """Folders that stand in no table, and rows of the tables that are no folder."""
    return graph.keys() ^ {*ROOMS, *CAPABILITIES, SPINE}


def is_too_wide(source: str, names_max: int) -> bool:
    """Whether a front door has too many public names, or passes on names that nobody counted."""
    names = rust_front_door(source)
    return "*" in names or len(names) > names_max


# No circles.


@pytest.mark.parametrize("crate", CRATES, ids=label)
def test_folders_of_a_crate_know_each_other_in_no_circle(crate: Path) -> None:
    graph = rust_graph(rust_modules(crate))
    assert graph
    assert circle(graph) == []


@pytest.mark.parametrize("crate", CRATES, ids=label)
def test_no_module_goes_through_the_front_door_of_its_crate(crate: Path) -> None:
    graph = rust_graph(rust_modules(crate))
    assert [place for place, known in graph.items() if "lib.rs" in known] == []


def test_folders_of_the_package_know_each_other_in_no_circle() -> None:
    graph = python_graph(python_modules())
    assert graph.keys() >= {"bus", "cli", "client", "daemon", "demo", "files"}
    assert circle(graph) == []


# The engine.


def test_every_folder_of_the_engine_has_one_row() -> None:
    assert without_a_row(rust_graph(rust_modules(ENGINE))) == set()
    assert ROOMS.keys().isdisjoint(CAPABILITIES)


def test_rooms_know_what_their_row_says() -> None:
    graph = rust_graph(rust_modules(ENGINE))
    assert {room: graph[room] for room in ROOMS} == ROOMS
    assert climbing(ROOMS) == []


def test_no_room_or_capability_knows_a_capability_or_the_spine() -> None:
    assert strays(rust_graph(rust_modules(ENGINE))) == {}


def test_spine_knows_every_capability() -> None:
    assert rust_graph(rust_modules(ENGINE))[SPINE] >= CAPABILITIES.keys()


# The front doors.


@pytest.mark.parametrize("crate", NAMES_MAX, ids=label)
def test_front_door_is_narrow(crate: Path) -> None:
    source = (crate / "src" / "lib.rs").read_text()
    assert rust_front_door(source)
    assert not is_too_wide(source, NAMES_MAX[crate])


# Each rule can fail.


@pytest.mark.parametrize(
    "back",
    [
        "use crate::a;",
        "pub(in crate::a) fn f() {}",
        "fn f() -> crate::a::A { panic!() }",
        "use crate::{c, a::{A, B}};",
        "use crate::{\n    c::{A, B},\n    a,\n};",
        "use super::a::A;",
        "use super::{c, a};",
        "#[cfg(test)]\nmod tests {\n    use super::*;\n}\nuse crate::a;",
        "#[cfg(test)]\nuse crate::c::{A, B};\nuse crate::a;",
    ],
)
def test_circles_of_folders_are_found(back: str) -> None:
    modules = {(): "mod a;", ("a", "deep"): "use super::super::b::B;", ("b",): back, ("c",): ""}
    assert rust_graph(modules)["a"] == {"b"}
    assert set(circle(rust_graph(modules))) == {"a", "b"}


@pytest.mark.parametrize(
    "apart",
    [
        "// use crate::a;",
        "/// See [`crate::a::A`].",
        'const PATH: &str = "crate::a";',
        "#[cfg(test)]\nuse crate::a;",
        "#[cfg(test)]\nmod tests {\n    fn f() {}\n    use crate::a;\n}",
        "use crate::b::a;",
        "use crate::{c::a, c::{d, a}};",
        "use super::b::{a, B};",
        "mod inside;\nuse inside::a;",
    ],
)
def test_what_is_no_import_closes_no_circle(apart: str) -> None:
    modules = {("a", "deep"): "use crate::b::B;\nuse super::c;", ("b",): apart, ("c",): ""}
    assert rust_graph(modules)["a"] == {"b"}
    assert circle(rust_graph(modules)) == []


def test_files_of_tests_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "src" / "a" / "tests").mkdir(parents=True)
    door = "mod a;\n#[cfg(test)]\nmod random;\n"
    for name, source in {
        "lib.rs": door,
        "random.rs": "",
        "a/mod.rs": "mod b;\n#[cfg(test)]\nmod tests;\n",
        "a/b.rs": "",
        "a/tests/mod.rs": "mod c;",
        "a/tests/c.rs": "",
    }.items():
        (tmp_path / "src" / name).write_text(source)
    assert rust_modules(tmp_path).keys() == {(), ("a",), ("a", "b")}


def test_the_front_door_is_known_from_outside_only() -> None:
    modules = {("a",): "use crate::Engine;", ("b",): "use super::*;", ("c", "deep"): "use super::*;"}
    assert rust_graph(modules) == {"a": {"lib.rs"}, "b": {"lib.rs"}, "c": set()}


def test_circles_of_the_package_are_found() -> None:
    modules = {"p": "from p import a", "p.a": "", "p.a.b": "from p.c import d", "p.c": "import os\nimport p.c.d"}
    assert python_graph(modules) == {"a": {"c"}, "c": set()}
    assert circle(python_graph(modules)) == []
    checked = modules | {"p.c.d": "if TYPE_CHECKING:\n    from p.a import b"}
    assert set(circle(python_graph(checked))) == {"a", "c"}


@pytest.mark.parametrize(
    ("place", "source", "beyond"),
    [
        (("waiting",), "use crate::order::Track;", set()),
        (("waiting",), "use crate::spine::engine::Engine;", {"spine"}),
        (("waiting",), "use super::spine::engine::Engine;", {"spine"}),
        (("claims", "tell"), "use crate::{order, promise::Promises};", {"promise"}),
        (("claims", "tell"), "use crate::Engine;", {"lib.rs"}),
        (("stock", "post"), "use crate::read::event::Event;", set()),
        (("stock", "post"), "fn f(engine: &mut crate::spine::engine::Engine) {}", {"spine"}),
        (("core",), "use crate::claims::Claims;", {"claims"}),
        (("atp",), "use crate::calendar;", {"calendar"}),
        (("spine", "wave"), "use crate::{atp, work};", set()),
    ],
)
def test_strays_are_found(place: Module, source: str, beyond: set[str]) -> None:
    modules = {(name,): "" for name in (*ROOMS, *CAPABILITIES, SPINE)} | {place: source}
    assert strays(rust_graph(modules)) == ({place[0]: beyond} if beyond else {})


def test_folders_without_a_row_are_found() -> None:
    graph: Graph = {name: set() for name in (*ROOMS, *CAPABILITIES, SPINE)}
    assert without_a_row(graph) == set()
    assert without_a_row(graph | {"cellar": set()}) == {"cellar"}
    assert without_a_row({name: graph[name] for name in graph if name != "work"}) == {"work"}


def test_rows_that_climb_are_found() -> None:
    assert climbing({"a": set(), "b": {"a"}}) == []
    assert climbing({"a": {"b"}, "b": {"b"}, "c": {"a"}}) == ["a", "b"]


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("pub mod a;\nmod b;\npub(crate) mod c;", ["a"]),
        ("pub use a::{B, c::{self, D}, E as F};\nuse g::H;", ["B", "self", "D", "F"]),
        ("pub use a::{\n    B,\n    C,\n};", ["B", "C"]),
        ("pub struct A<'a>(&'a str);\nimpl A<'_> {\n    pub fn f() {}\n}\npub const fn g() {}", ["A", "g"]),
        ("// pub mod a;\n#[cfg(test)]\npub mod b;\npub mod c;", ["c"]),
    ],
)
def test_names_of_a_front_door_are_counted(source: str, names: list[str]) -> None:
    assert rust_front_door(source) == names
    assert not is_too_wide(source, len(names))
    assert is_too_wide(source, len(names) - 1)


def test_a_front_door_passes_on_nothing_uncounted() -> None:
    assert is_too_wide("pub use a::*;", 16)
    assert is_too_wide("pub use a::{B, c::*};", 16)
