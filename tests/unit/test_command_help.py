"""Help: every command teaches with examples that can be copied and run, at any width, and names its variables whole."""

import re
import shlex
from typing import Any

import pytest
import typer.main

from tallystick.cli.app import app, execute
from tallystick.cli.help import example_lines

WIDTHS = (80, 200)


def commands() -> dict[tuple[str, ...], Any]:
    """Every command of the command line by its words, groups included."""
    found: dict[tuple[str, ...], Any] = {}

    def add(words: tuple[str, ...], command: Any) -> None:
        found[words] = command
        for name, child in getattr(command, "commands", {}).items():
            add((*words, name), child)

    add((), typer.main.get_command(app))
    return found


ALL = commands()
LEAVES = {words: command for words, command in ALL.items() if not hasattr(command, "commands")}


def help_of(words: tuple[str, ...], width: int, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    assert execute([*words, "--help"]) == 0
    return capsys.readouterr().out


def options(command: Any) -> list[Any]:
    return [one for one in command.params if one.param_type_name == "option" and one.envvar]


def names_of(option: Any) -> list[str]:
    return [option.envvar] if isinstance(option.envvar, str) else list(option.envvar)


@pytest.mark.parametrize("words", ALL, ids=" ".join)
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_cut_or_coloured(
    words: tuple[str, ...], width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = help_of(words, width, capsys, monkeypatch)
    command = ALL[words]
    variables = [name for one in options(command) for name in names_of(one)]
    assert all(re.search(rf"(?<!\w){variable}(?!\w)", shown) for variable in variables), shown
    assert " ".join(shown.split()).count("default: ") >= len(options(command))
    lines = shown.splitlines()
    assert [line for line in lines if line != line.rstrip()] == []
    assert "\x1b" not in shown
    examples = example_lines(command.help or "")
    assert [f"  {example}" for example in examples if f"  {example}" not in lines] == []
    # What is longer than the terminal is an example, or a single word.
    long = [line for line in lines if len(line) > width and line.strip() not in examples]
    assert [line for line in long if " " in line.strip()] == []


@pytest.mark.parametrize("words", LEAVES, ids=" ".join)
def test_every_command_has_examples_that_it_understands(words: tuple[str, ...]) -> None:
    examples = example_lines(LEAVES[words].help or "")
    assert examples
    for example in examples:
        parts = shlex.split(next(part for part in example.split(" | ") if "tallystick" in part))
        parts = parts[parts.index("tallystick") + 1 :]
        assert tuple(parts[: len(words)]) == words, example
        rest = [part for part in parts[len(words) :] if part != ">"]
        context = LEAVES[words].make_context(" ".join(words), rest, resilient_parsing=True)
        assert context.params is not None


@pytest.mark.parametrize("words", LEAVES, ids=" ".join)
def test_every_option_has_a_variable_of_its_own_and_every_command_answers_in_json(words: tuple[str, ...]) -> None:
    command = LEAVES[words]
    assert [one.name for one in command.params if one.param_type_name == "option" and not one.envvar] == []
    variables = [name for one in options(command) for name in names_of(one)]
    assert [name for name in variables if not name.startswith("TALLYSTICK_")] == []
    assert len(set(variables)) == len(variables)
    if words not in IS_JSON:
        assert any("--json" in one.opts for one in options(command)), words


IS_JSON = {("schema",)}
"""What they print is JSON in any case."""
