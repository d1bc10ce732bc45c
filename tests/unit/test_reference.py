"""The pages of docs/reference are up to date, and the site has nothing that leads nowhere, or comes from elsewhere."""

import re
from pathlib import Path

import pytest

from tests.sources import ROOT
from tools import reference, site


@pytest.mark.parametrize("name", reference.PAGES)
def test_the_page_is_up_to_date(name: str) -> None:
    assert (reference.FOLDER / name).read_text("utf-8") == reference.PAGES[name](), "run: python -m tools.reference"


def test_there_are_no_other_pages() -> None:
    assert {path.name for path in reference.FOLDER.iterdir()} == {*reference.PAGES, "index.md"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, as `make docs` builds it. It ends with what is wrong with links, anchors, places."""
    folder = tmp_path_factory.mktemp("docs")
    site.build(folder / "site", folder / "pages")
    return folder / "site"


def test_the_site_is_built_and_can_be_searched(built: Path) -> None:
    assert "sixty seconds" in (built / "index.html").read_text().lower()
    index = (built / "search" / "search_index.json").read_text()
    assert "negative_stock" in index
    assert list((built / "assets" / "javascripts").rglob("search.*.js"))


def test_every_page_has_its_place_in_the_navigation(built: Path) -> None:
    named = re.findall(r"([\w/.-]+)\.md$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    found = {path.relative_to(built).with_suffix("").as_posix() for path in built.rglob("*.html")} - {"404"}
    assert sorted(page.replace("README", "index") for page in named) == sorted(found)


@pytest.mark.parametrize(
    ("page", "fault"),
    [
        ('<a href="b.html">b</a>', "a.html: b.html leads nowhere"),
        ('<a href="#there">b</a>', "a.html: #there has no such anchor"),
        ('<script src="https://example.org/a.js"></script>', "a.html: fetches https://example.org/a.js"),
        ('<link rel="stylesheet" href="https://example.org/a.css">', "a.html: fetches https://example.org/a.css"),
        ('<pre class="mermaid">a</pre>', "a.html: fetches https://unpkg.com/mermaid"),
        ('<h1 id="here"></h1><a href="a.html#here">a</a><a href="https://example.org">b</a>', None),
    ],
)
def test_what_is_wrong_with_a_site_is_found(page: str, fault: str | None, tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(page)
    assert site.faults(tmp_path) == ([fault] if fault else [])


def test_styles_that_fetch_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text("@font-face { src: url('https://example.org/a.woff') } a { b: url(data:x) }")
    assert site.faults(tmp_path) == ["a.css: fetches https://example.org/a.woff"]
