"""Messages: the page of them is up to date, and what they advise exists: commands, and options of these commands."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
import typer.main

from tallystick.cli.app import app
from tools.messages import PAGE, Message, collect, page

MESSAGES = collect()


def commands() -> dict[tuple[str, ...], Any]:
    found: dict[tuple[str, ...], Any] = {}

    def add(words: tuple[str, ...], command: Any) -> None:
        found[words] = command
        for name, child in getattr(command, "commands", {}).items():
            add((*words, name), child)

    add((), typer.main.get_command(app))
    return found


COMMANDS = commands()


def options(found: Iterable[Any]) -> set[str]:
    return {option for command in found for one in command.params for option in one.opts} | {"--help"}


def mentioned(text: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """The commands that a text names, each with what stands after it."""
    for found in re.finditer(r"\btallystick ((?:[a-z][a-z-]*)(?: [a-z][a-z-]*)?)([^;,.`]*)", text):
        words = tuple(found[1].split())
        if words[:1] in COMMANDS and not hasattr(COMMANDS[words[:1]], "commands"):
            words = words[:1]
        yield words, found[2]


def advised(message: Message) -> list[str]:
    """What a message advises that does not exist."""
    wrong = []
    own = re.search(r"/cli/(\w+)\.py$", message.path)
    defined = [
        one for one in COMMANDS.values() if own and one.callback and one.callback.__module__.endswith(f".{own[1]}")
    ]
    text = re.sub(r"(?:pip install|nats stream)[^;,]*", "", message.text)
    for words, rest in mentioned(text):
        if words not in COMMANDS:
            wrong.append(" ".join(words))
            continue
        known = options([COMMANDS[words]])
        wrong += [f"{' '.join(words)} {option}" for option in re.findall(r"--[a-z][\w-]*", rest) if option not in known]
        text = text.replace(rest, "")
    known = options(defined or COMMANDS.values())
    wrong += [option for option in re.findall(r"(?<![\w-])--[a-z][\w-]*", text) if option not in known]
    return wrong


@pytest.mark.parametrize("message", MESSAGES, ids=lambda one: f"{one.path}:{one.line}")
def test_what_is_advised_exists(message: Message) -> None:
    assert advised(message) == [], message.text


def test_wrong_advice_is_found() -> None:
    def wrong(text: str, path: str = "python/tallystick/cli/atp.py") -> list[str]:
        return advised(Message(path, 1, text))

    assert wrong("start one with: tallystick run --embedded; or give --group") == []
    assert wrong("use --embedded") == ["--embedded"]
    assert wrong("see: tallystick exception list") == ["exception list"]
    assert wrong("see: tallystick exceptions list --cod x") == ["exceptions list --cod"]
    assert wrong("with --nothing", "python/tallystick/bus/tap.py") == ["--nothing"]


def test_a_message_is_one_line_and_short_enough_to_be_read() -> None:
    for message in MESSAGES:
        sentences = re.split(r"(?<=[.:;])\s", message.text)
        assert max(len(sentence.split()) for sentence in sentences) <= 40, message


def test_the_page_is_up_to_date() -> None:
    assert len(MESSAGES) > 700
    made = page(MESSAGES)
    assert PAGE.read_text("utf-8") == made, "run: python -m tools.messages"
