"""The recipes of docs/cookbook, as they stand there: their files are written, their commands typed, beside a daemon."""

import re
from pathlib import Path

import pytest

from tests.shell import Shell
from tests.sources import ROOT

pytestmark = pytest.mark.slow

COOKBOOK = ROOT / "docs" / "cookbook"
RECIPES = sorted(path for path in COOKBOOK.glob("*.md") if path.name != "index.md")
LINES_MAX = 120
_BLOCK = re.compile(r'^```(\w+)(?: title="([\w.-]+)")?\n(.*?)^```$', re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_the_recipe_does_what_it_shows(recipe: Path, tmp_path: Path) -> None:
    typed = 0
    with Shell(tmp_path) as shell:
        for language, name, text in _BLOCK.findall(recipe.read_text("utf-8")):
            if name:
                (tmp_path / name).write_text(text, "utf-8")
            elif language == "console":
                shell.show(text)
                typed += 1
    assert typed, "a recipe has something to type"


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_the_recipe_is_short(recipe: Path) -> None:
    assert len(recipe.read_text("utf-8").splitlines()) <= LINES_MAX


def test_every_recipe_stands_in_the_list() -> None:
    listed = re.findall(r"\]\((\w+\.md)\)", (COOKBOOK / "index.md").read_text("utf-8"))
    assert sorted(listed) == [path.name for path in RECIPES]
