"""The page of the command line, from its commands: options, variables, examples, records and exit statuses.

`python -m tools.cli_page` writes docs/cli.md; tests/unit/test_cli_page.py holds the page to the code.
"""

import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import typer.main

from tallystick import errors
from tallystick.cli.app import app
from tallystick.cli.fields import FIELDS
from tallystick.cli.help import example_lines

PAGE: Final = Path(__file__).parents[1] / "docs" / "cli.md"
HEAD: Final = """\
# The command line

For whoever types `tallystick`, or calls it from a script. This page is made from the commands by
`python -m tools.cli_page`; do not edit it.

- **Options and variables.** Every option has an environment variable; what is typed wins. `-h` shows all of this.
- **Output.** Tables are as wide as `COLUMNS` says, else as the terminal is. Where there is neither, as in a pipe, a
  record is one line, however long. There are no colours and no blanks at the ends of lines.
- **`--json`.** One JSON object a line, one line for each record, and nothing where there is none. Quantities are exact
  numbers in units, times RFC 3339 in UTC. What was left out of a list is said on standard error.
- **Failures.** One line on standard error, and an exit status. One's own mistake is told before anything is sent.
- **`--timeout-s`** bounds the connection and each answer together; commands that only ask end when it is over.
"""


def commands() -> dict[str, Any]:
    """Every command by its words; groups are left out."""
    found: dict[str, Any] = {}

    def add(words: str, command: Any) -> None:
        children = getattr(command, "commands", {})
        if not children:
            found[words] = command
        for name, child in children.items():
            add(f"{words} {name}".strip(), child)

    add("", typer.main.get_command(app))
    return found


def page() -> str:
    """The page, as Markdown."""
    parts = [HEAD, _statuses()]
    for words, command in commands().items():
        parts.append("\n".join(_command(words, command)) + "\n")
    return "\n".join(parts)


def _statuses() -> str:
    rows = re.findall(r"^\| (\d+) \| [^|]*\| (.*) \|$", errors.__doc__ or "", re.MULTILINE)
    known = {"0": "all went well; refused events are data, not failure", "130": "interrupted"}
    told = {**dict(rows), **known}
    lines = [f"| {status} | {told[status]} |" for status in sorted(told, key=int)]
    return "\n".join(["## Exit statuses", "", "| exit status | meaning |", "|---|---|", *lines]) + "\n"


def _command(words: str, command: Any) -> Iterator[str]:
    context = command.make_context(words, [], resilient_parsing=True)
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option"]
    yield f"## tallystick {words}"
    yield ""
    usage = " ".join(["tallystick", words, *(one.metavar or one.name.upper() for one in arguments), "[OPTIONS]"])
    yield from ("```text", usage, "```", "")
    text = inspect.cleandoc(command.help or "")
    for paragraph in re.split(r"\n\s*\n", text):
        if not paragraph.startswith("    ") and not re.fullmatch(r"Examples?:", paragraph):
            yield from textwrap.wrap(" ".join(paragraph.split()), 118, break_long_words=False, break_on_hyphens=False)
            yield ""
    if examples := example_lines(text):
        yield from ("```sh", *examples, "```", "")
    yield from ("| option | variable | default | what it does |", "|---|---|---|---|")
    for option in options:
        yield f"| {' | '.join(map(_cell, _option(option, context)))} |"
    if fields := FIELDS.get(words):
        yield from ("", "| field of a record | meaning |", "|---|---|")
        yield from (f"| `{name}` | {_cell(about)} |" for name, about in fields.items())


def _option(option: Any, context: Any) -> tuple[str, str, str, str]:
    names, about = option.get_help_record(context)
    text, _, extra = about.rpartition("  [")
    default = re.search(r"default: \(?(.*?)\)?(?:;|\]$)", extra)
    needed = "needed" if "required" in extra else ""
    return f"`{names}`", f"`{option.envvar}`", default[1] if default else needed, text


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> None:
    """Writes the page."""
    PAGE.write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
