"""The index, the site's menu and the house's table are complete, and name only what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

DOCS = ROOT / "docs"
PAGES = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")} - {"README.md"}


def test_the_index_links_every_page() -> None:
    text = (DOCS / "README.md").read_text()
    linked = set(re.findall(r"\]\(([a-z/-]+\.md)\)", text))
    assert linked == PAGES
    headings = re.findall(r"^## (.*)$", text, re.M)
    assert [heading.split(",")[0] for heading in headings] == [
        "Tutorial", "How to", "Reference", "Explanation",
    ]  # fmt: skip


def test_the_menu_of_the_site_names_every_page_once() -> None:
    named = re.findall(r": ([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.M)
    assert sorted(named) == sorted({*PAGES, "README.md"})


def test_the_house_has_a_row_for_every_room() -> None:
    text = (DOCS / "explanation/house.md").read_text()
    package = ROOT / "src/nexctl"
    rooms = {path.parent.name for path in package.glob("*/__init__.py")}
    files = {path.name for path in package.glob("*.py") if not path.name.startswith("_")}
    rows = "\n".join(line for line in text.splitlines() if line.startswith("|"))
    assert {room for room in rooms if f"`{room}/`" not in rows} == set()
    assert {name for name in files if f"`{name}`" not in rows} == set()


@pytest.mark.parametrize("page", ["docs/explanation/house.md", "CONTRIBUTING.md"])
def test_every_file_that_is_named_is_there(page: str) -> None:
    text = (ROOT / page).read_text()
    named = re.findall(r"`([a-z_/]+\.(?:py|toml|md))`", text)
    places = (ROOT, ROOT / "src/nexctl", ROOT / "src/nexctl/estimate")
    inference = ROOT / "src/nexctl/server/inference"
    for name in named:
        assert any((place / name).exists() for place in (*places, inference)), name


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 150


def test_the_readme_names_every_group_of_commands() -> None:
    from nexctl.cli.tree import TREE

    text = (ROOT / "README.md").read_text() + Path(DOCS / "reference/commands.md").read_text()
    assert {entry.name for entry in TREE if f"nexctl {entry.name}" not in text} == set()
