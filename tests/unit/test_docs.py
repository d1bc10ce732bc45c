"""Holds the documents to what they describe: links, file maps, tables, examples, commands and statuses."""

import inspect
import re
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest

from tallystick import OUTCOMES, Engine, config, errors
from tallystick.cli.app import app
from tests.sources import BINDING, CONTRACT, ENGINE, FRAMES, PACKAGE, REFERENCE, ROOT, TABLES, label

DOCUMENTS: Final = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "deploy").glob("*.md"),
        *(ROOT / "tests").rglob("README.md"),
    ]
)
README: Final = (ROOT / "README.md").read_text()
DAEMON: Final = (ROOT / "docs" / "daemon.md").read_text()
LIBRARY: Final = (ROOT / "docs" / "library.md").read_text()
ARCHITECTURE: Final = (ROOT / "ARCHITECTURE.md").read_text()
EVENTS: Final = (ROOT / "docs" / "events.md").read_text()

README_BYTES_MAX: Final = 7 * 1024
LINE_MAX: Final = 120
SENTENCE_WORDS_MAX: Final = 40
FOLDERS: Final = {
    "bus/",
    "cli/",
    "client/",
    "daemon/",
    "demo/",
    "doctor/",
    "files/",
    "http/",
    "tests/",
    "benches/",
    "examples/",
    "wheels/",
    "scenarios/",
    "rust/",
    "unit/",
    "integration/",
}


def blocks(text: str, language: str) -> list[str]:
    """The fenced examples in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the first table under a heading, header left out."""
    section = text.split(f"\n{heading}\n", 1)[1]
    table = re.search(r"(?:^\|.*\|\n)+", section, re.MULTILINE)
    assert table is not None, heading
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[0].splitlines()[2:]]


def anchors(document: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a document."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def package_files(room: str = "") -> set[str]:
    """The modules of one folder of the Python package that a reader is to find; of the package itself without one."""
    return {path.name for path in (PACKAGE / room).glob("*.py*")} - {"__init__.py", "__main__.py", "py.typed"}


def rooms() -> list[str]:
    """The folders of the Python package whose files the map names one by one."""
    found = {path.parent.name for path in PACKAGE.glob("*/__init__.py")} - {"cli", "demo"}
    return sorted(found)


def map_of(room: str) -> set[str]:
    """The files that the map names in the table of one folder of the Python package."""
    table = re.search(rf"^`python/tallystick/{room}`: .*\n\n((?:\|.*\|\n)+)", ARCHITECTURE, re.MULTILINE)
    assert table is not None, room
    return set(re.findall(r"`(\w+\.py)`", table[1]))


def prose(text: str) -> str:
    """A document without its fenced examples, tables, headings and pictures."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"^(?:[ >]*\||#|<|!\[).*$", "", text, flags=re.MULTILINE)


def long_lines(text: str) -> list[str]:
    return [line for line in prose(text).splitlines() if len(line) > LINE_MAX]


def long_sentences(text: str) -> list[str]:
    """Sentences, and their parts before a colon or semicolon that a new thought follows. Code counts as one word."""
    items = re.sub(r"^\s*(?:[-*]|\d+\.)\s", "\n\n", prose(text), flags=re.MULTILINE)
    found = []
    for paragraph in re.split(r"\n\s*\n", items):
        plain = re.sub(r"`[^`]*`", "`code`", " ".join(paragraph.split()))
        plain = re.sub(r"\]\([^)]*\)", "]", plain)
        found += re.split(r"(?<=[.!?:;])\s+(?=[A-Z0-9*`(\"\[])", plain)
    return [sentence for sentence in found if len(sentence.split()) > SENTENCE_WORDS_MAX]


def broken_links(document: Path) -> list[str]:
    broken = []
    for link in re.findall(r"\]\(([^)]+)\)", document.read_text()):
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        if "://" not in link and (not target.exists() or (anchor and anchor not in anchors(target))):
            broken.append(link)
    return broken


@pytest.mark.parametrize("document", DOCUMENTS, ids=label)
def test_links_lead_somewhere(document: Path) -> None:
    assert broken_links(document) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=label)
def test_lines_and_sentences_are_short(document: Path) -> None:
    text = document.read_text()
    assert long_lines(text) == []
    # What was changed is told release by release, and stays as it was written. Docstrings are the code's.
    assert document.name in ("CHANGELOG.md", "python.md") or long_sentences(text) == []


def test_long_lines_and_sentences_are_found() -> None:
    words = " ".join(["word"] * SENTENCE_WORDS_MAX)
    assert long_sentences(f"Say {words}.\n\n{words}: More; and `{words}`.") == [f"Say {words}."]
    assert long_lines(f"| {words} |\n```\n{words}\n```\n# {words}\n{words}\n") == [words]


def test_broken_links_are_found(tmp_path: Path) -> None:
    document = tmp_path / "a.md"
    document.write_text("# One two\n[a](#one-two) [b](a.md#one) [c](b.md) [d](https://example.org)\n")
    assert broken_links(document) == ["a.md#one", "b.md"]


def test_file_map_is_complete_and_true() -> None:
    section = ARCHITECTURE.split("\n## The files, by rooms\n")[1]
    named = set(re.findall(r"`(\w+(?:\.(?:rs|toml|pyi?)|/))`", section))
    crates = [crate / "src" for crate in (CONTRACT, TABLES, ENGINE, REFERENCE, FRAMES, BINDING)]
    folders = {f"{path.name}/" for crate in crates for path in crate.iterdir() if path.is_dir()}
    modules = {path.name for crate in crates for path in crate.glob("*.*")} - {"lib.rs"}
    package = package_files().union(*map(package_files, rooms()))
    assert named == modules | folders | package | FOLDERS


def test_every_room_of_the_package_has_its_own_table() -> None:
    assert {room: map_of(room) for room in rooms()} == {room: package_files(room) for room in rooms()}


@pytest.mark.parametrize("document", [README, LIBRARY], ids=["README", "library"])
def test_library_example_runs(document: str) -> None:
    examples = blocks(document, "python")
    assert examples
    for example in examples:  # each by itself: a reader copies one
        exec(compile(example, "example", "exec"), {"__name__": "__main__"})  # noqa: S102 (our own example)


def test_readme_is_short() -> None:
    assert len(README.encode()) <= README_BYTES_MAX


def test_configuration_example_is_accepted(tmp_path: Path) -> None:
    (example,) = blocks(DAEMON, "toml")
    path = tmp_path / "tallystick.toml"
    path.write_text(example)
    loaded = config.load(path, {})
    assert loaded.fingerprint != config.load(None, {}).fingerprint
    assert loaded.output.publish_interval_ms == 100


def test_contract_examples_are_accepted() -> None:
    types, order, log_time = blocks(EVENTS, "toml")
    Engine(order)
    Engine(log_time)
    received, same = blocks(EVENTS, "json")[0].split("\n\n")
    engine = Engine(types)
    log_time_ns = 1_772_354_400_000_000_000  # ten minutes after the events' own time
    batch = engine.apply([received.encode(), same.encode()], first_sequence=1, log_time_ns=log_time_ns)
    assert batch.outcomes.tolist() == [OUTCOMES["applied"], OUTCOMES["duplicate"]]


def test_outcome_tables_are_true() -> None:
    contract = {name.strip("`"): int(number) for number, name, _ in rows(EVENTS, "## 8. Outcomes")}
    assert contract == OUTCOMES
    shown = {row[0].strip("`"): int(row[1]) for row in rows(DAEMON, "## What becomes of an event")}
    assert shown.items() <= OUTCOMES.items()


def test_type_table_is_true() -> None:
    heading = "## 4. Types and their postings (the default rule table)"
    named = {name for row in rows(EVENTS, heading) for name in re.findall(r"`((?:stock|transfer)\.\w+)`", row[0])}
    assert named == set(tomllib.loads((CONTRACT / "src" / "default_rules.toml").read_text())["types"])


def test_exit_statuses_are_true() -> None:
    section = DAEMON.split("\n| exit status | meaning |")[1].split("\n\n")[0]
    documented = {int(status) for status in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)}
    classes = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)]
    assert documented == {kind.exit_code for kind in classes if hasattr(kind, "exit_code")} | {0, 130}


def commands() -> dict[str, set[str]]:
    """Every command of the command line with its options."""
    from typer.main import get_command

    found: dict[str, set[str]] = {}

    def add(prefix: str, command: Any) -> None:
        found[prefix] = {option for parameter in command.params for option in parameter.opts}
        for name, child in getattr(command, "commands", {}).items():
            add(f"{prefix} {name}".strip(), child)

    add("", get_command(app))
    return found


def test_commands_and_options_exist() -> None:
    known = commands()
    section = DAEMON.split("\n## The command line\n")[1]
    shown = re.findall(r"^\| `tallystick .*$", section, re.MULTILINE)
    named = set()
    for usage in re.findall(r"`tallystick ([^`]+)`", "\n".join(shown)):
        words = re.match(r"[a-z]+(?: [a-z-]+)?", usage)
        assert words is not None
        named.add(words[0])
        assert set(re.findall(r"--[\w-]+", usage)) <= known[words[0]], usage
    groups = {name.rpartition(" ")[0] for name in known}
    assert named == set(known) - groups


def unknown_commands(text: str, known: dict[str, set[str]]) -> list[str]:
    """What a document shows of the command line, and the command line does not have."""
    shown = re.findall(r"`tallystick ([^`]+)`", text)
    shown += re.findall(r"^(?:\$ )?tallystick ((?!:)[^#|;\n]+)", "".join(blocks(text, "(?:sh|console)")), re.MULTILINE)
    unknown = []
    for usage in (" ".join(usage.split()) for usage in shown):
        words = re.match(r"[a-z-]*(?: [a-z-]+)?", usage)
        names = [words[0], words[0].split(" ")[0]] if words else []
        command = next((name for name in names if name in known), None)
        if command is None or not set(re.findall(r"(?<!\S)--[\w-]+", usage)) <= known[command] | {
            "--help",
            "--version",
        }:
            unknown.append(usage)
    return unknown


@pytest.mark.parametrize("document", DOCUMENTS, ids=label)
def test_commands_that_are_shown_exist(document: Path) -> None:
    assert document.name == "CHANGELOG.md" or unknown_commands(document.read_text(), commands()) == []


def test_commands_that_are_unknown_are_found() -> None:
    examples = "```sh\ntallystick a b --d   # d\n```\n```console\n$ tallystick a --c\n```\n"
    found = unknown_commands(f"`tallystick a b --c`\n`tallystick z`\n{examples}", {"a b": {"--c"}, "a": set()})
    assert found == ["z", "a b --d", "a --c"]


def test_no_figure_waits_to_be_measured() -> None:
    assert [path for path in DOCUMENTS if "<!-- figure: " in path.read_text()] == []
