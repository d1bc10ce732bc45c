"""The sixty seconds of the README, typed as they stand there, beside a daemon that was really started."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.shell import Shell, commands, fits
from tests.sources import ROOT

BLOCK = re.findall(r"^```console\n(.*?)^```", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)[0]


def test_sixty_seconds_go_as_the_readme_shows(tmp_path: Path) -> None:
    install, rest = BLOCK.split("\n", 1)
    extras = re.fullmatch(r"\$ pip install '\.\[([a-z,]+)\]'", install)
    assert extras is not None, "installing is not tried here, for it compiles the engine"
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(extras[1].split(",")) <= known.keys()
    with Shell(tmp_path) as shell:
        shell.show(rest)
        status, printed = shell.type("wait; cat tallystick.log")
    assert status == 0
    assert "Traceback" not in printed
    assert re.search(r"stopped cleanly at log sequence 5: 5 events", printed), printed


def test_the_home_page_shows_the_same() -> None:
    assert BLOCK in (ROOT / "docs" / "index.md").read_text()


def test_commands_are_read_with_what_they_show() -> None:
    assert list(commands("$ a \\\n  b\n1\n2\n$ c\n")) == [("a b", "1\n2\n"), ("c", "")]


@pytest.mark.parametrize(
    ("shown", "printed", "fit"),
    [
        ("", "", True),
        ("", "1\n", False),
        ("a … b\n", "a 7 b\n", True),
        ("a … b\n", "a 7\nb\n", False),
        ("a\n…\nb\n", "a\nb\n", True),
        ("a\n…\nb\n", "a\n\n1\n2\nb\n", True),
        ("a\n…\nb\n", "a\n1\n", False),
        ("a.\n", "ab\n", False),
    ],
)
def test_what_is_printed_is_compared(shown: str, printed: str, fit: bool) -> None:
    assert fits(shown, printed) == fit
