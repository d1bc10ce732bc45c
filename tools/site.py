"""Site: puts the pages of the documentation in one folder, builds the site from them, and looks for what is broken.

`make docs` runs it. Pages link to files of the repository as they do on a forge; here each such file is brought along
under its own path, so that a link leads somewhere in the site, too. It writes no page.
"""

import os
import posixpath
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = ROOT / ".pages"
SITE: Final = ROOT / "site"
_LINK: Final = re.compile(r"(\]\()([^)\s#]+)((?:#[^)\s]*)?\))")
_FENCE: Final = re.compile(r"(^```.*?^```[^\n]*$)", re.DOTALL | re.MULTILINE)
_ROW: Final = re.compile(r"^\|.*$", re.MULTILINE)
_SCHEMES: Final = ("http", "https", "mailto")


def stage(pages: Path = PAGES) -> list[str]:
    """Puts all pages, and what they link to, in a folder; returns the paths there. `docs/` is its top."""
    shutil.rmtree(pages, ignore_errors=True)
    waiting = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*") if path.is_file())
    done: dict[str, str] = {}
    while waiting:
        name = waiting.pop()
        if name in done:
            continue
        done[name] = place(name)
        target = pages / done[name]
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.suffix != ".md":
            shutil.copy(ROOT / name, target)
            continue
        text, linked = _for_the_site(name, (ROOT / name).read_text("utf-8"))
        target.write_text(text, "utf-8")
        waiting += linked
    return sorted(done.values())


def place(name: str) -> str:
    """Where a file of the repository stands among the pages."""
    return name.removeprefix("docs/")


def _for_the_site(name: str, text: str) -> tuple[str, list[str]]:
    """A page with links that hold among the pages, and the files that it links to."""
    linked: list[str] = []

    def moved(found: re.Match[str]) -> str:
        if urlsplit(found[2]).scheme in _SCHEMES:
            return found[0]
        target = posixpath.normpath(posixpath.join(posixpath.dirname(name), found[2]))
        if not (ROOT / target).is_file():
            raise SystemExit(f"docs: {name} links to {found[2]}, which is no file; name one")
        linked.append(target)
        here = posixpath.dirname(place(name)) or "."
        return f"{found[1]}{posixpath.relpath(place(target), here)}{found[3]}"

    parts = _FENCE.split(text)
    parts[::2] = [_ROW.sub(_bare_pipes, _LINK.sub(moved, part)) for part in parts[::2]]
    return "".join(parts), linked


def _bare_pipes(row: re.Match[str]) -> str:
    """A row of a table: a forge wants pipes within code escaped, the site does not."""
    return re.sub(r"`[^`]*`", lambda code: code[0].replace("\\|", "|"), row[0])


class _Page(HTMLParser):
    """What a page of the site points to, what can be pointed to in it, and what a browser would fetch by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.fetched: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes what a tag says."""
        given = {name: value for name, value in attrs if value}
        if "mermaid" in given.get("class", "").split():
            self.fetched.add("https://unpkg.com/mermaid")  # The theme fetches it where a page has a diagram.
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.add(given["href"])
        elif tag == "link" and given.get("rel") not in ("canonical", "next", "prev"):
            self.fetched.add(given.get("href", ""))
        elif "src" in given:
            self.fetched.add(given["src"])


def faults(site: Path = SITE) -> list[str]:
    """Links and anchors of the site that lead nowhere, and what would be fetched from elsewhere."""
    return sorted(_faults(site.resolve()))


def _faults(site: Path) -> Iterator[str]:
    pages: dict[Path, _Page] = {}
    for path in sorted(site.rglob("*.html")):
        pages[path] = _Page()
        pages[path].feed(path.read_text("utf-8"))
    for path, page in pages.items():
        name = path.relative_to(site).as_posix()
        for link in page.links | page.fetched:
            parts = urlsplit(link)
            if parts.netloc or parts.scheme:
                if link in page.fetched:
                    yield f"{name}: fetches {link}"
                continue
            if path.name == "404.html":
                continue  # It may be shown for any path, so its links begin at the top of a server.
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file():
                yield f"{name}: {link} leads nowhere"
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                yield f"{name}: {link} has no such anchor"
    for style in site.rglob("*.css"):
        for found in re.findall(r"(?:url\(|@import)\s*['\"]?((?:https?:)?//[^)'\";]+)", style.read_text("utf-8")):
            yield f"{style.relative_to(site).as_posix()}: fetches {found}"


def build(site: Path = SITE, pages: Path = PAGES) -> None:
    """Builds the site; ends with what is wrong, if anything is. It needs no network."""
    stage(pages)
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(site)]
    environment = os.environ | {"TALLYSTICK_PAGES": str(pages)}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if built.returncode:
        raise SystemExit(f"docs: {built.stdout}{built.stderr}")
    if found := faults(site):
        raise SystemExit("\n".join(f"docs: {fault}" for fault in found))


def main() -> None:
    """Builds the site into `site/`."""
    build()
    sys.stdout.write(f"docs: open {SITE / 'index.html'}\n")


if __name__ == "__main__":
    main()
