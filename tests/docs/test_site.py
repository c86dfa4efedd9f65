"""The site of the documentation: built strictly, every link and picture in it leads somewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

MKDOCS = Path(sys.executable).with_name("mkdocs")


class Page(HTMLParser):
    """What one page links to, fetches, and can be linked to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if given.get("id"):
            self.anchors.add(given["id"] or "")
        if tag == "a" and given.get("href"):
            self.links.append(given["href"] or "")
        if tag in ("script", "img", "link") and (given.get("src") or given.get("href")):
            self.fetched.append(given.get("src") or given.get("href") or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not MKDOCS.exists():
        pytest.skip("needs mkdocs")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [MKDOCS, "build", "--strict", "-f", ROOT / "mkdocs.yml", "-d", folder],
        capture_output=True, text=True, timeout=300, check=False, env=dict(os.environ),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def test_every_link_of_the_site_leads_somewhere(site: Path) -> None:
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    assert len(pages) > 35
    missing = []
    for path, page in pages.items():
        if path.name == "404.html":
            continue
        for link in [*page.links, *page.fetched]:
            if "://" in link or link.startswith(("mailto:", "data:")):
                continue
            place, _, anchor = link.partition("#")
            target = (path.parent / place).resolve() if place else path
            if target.is_dir():
                target /= "index.html"
            inside = pages.get(target)
            if not target.is_file() or (anchor and inside and anchor not in inside.anchors):
                missing.append(f"{path.relative_to(site)} -> {link}")
    assert missing == []


def test_the_site_fetches_nothing_from_elsewhere(site: Path) -> None:
    fetched = {
        link
        for path in site.rglob("*.html")
        for link in Page(path.read_text(encoding="utf-8")).fetched
        if link.startswith(("http:", "https:", "//"))
    }
    assert fetched == set()


def test_the_pictures_are_on_the_site(site: Path) -> None:
    drawn = {path.name for path in (ROOT / "docs/pictures").glob("*.svg")}
    assert {path.name for path in (site / "pictures").glob("*.svg")} == drawn
