"""The pictures of the terminal: on a page each, with words for who cannot see them, and safe."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from tests.docs.pages import ROOT, pages

PICTURES = sorted((ROOT / "docs/pictures").glob("*.svg"))
SHOWN = {
    (page.parent / target).resolve(): words
    for page in pages()
    for words, target in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
}


def test_every_picture_is_on_a_page_and_the_other_way_round() -> None:
    assert {path.resolve() for path in PICTURES} == set(SHOWN)


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
def test_a_picture_says_in_words_what_it_shows(path: object) -> None:
    assert len(SHOWN[path].split()) >= 6


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
def test_a_picture_fetches_nothing_runs_nothing_and_follows_the_theme(path: object) -> None:
    text = path.read_text(encoding="utf-8")  # type: ignore[attr-defined]
    root = ElementTree.fromstring(text)
    assert {node.tag.rpartition("}")[2] for node in root.iter()} == {
        "svg", "style", "rect", "g", "text",
    }  # fmt: skip
    assert "url(" not in text
    assert text.count("http") == text.count("http://www.w3.org/2000/svg")
    assert "@media (prefers-color-scheme: dark)" in text


def contrast(one: str, other: str) -> float:
    """How far two colours are apart, as WCAG 2.2 counts: 4.5 is enough for text."""

    def light(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (
            p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
def test_every_colour_can_be_read_in_both_dresses(path: object) -> None:
    style = path.read_text(encoding="utf-8").split("</style>")[0]  # type: ignore[attr-defined]
    for dress in style.split("@media"):
        paper = re.search(r"\.frame { fill: (#\w{6})", dress)
        assert paper is not None
        inks = re.findall(r"-r\d+ { fill: (#\w{6})", dress)
        assert inks
        for ink in inks:
            assert contrast(ink, paper[1]) >= 4, (ink, paper[1])


def test_a_terminal_of_eighty_columns_holds_them() -> None:
    from nexctl.cli.tables import display_width

    for path in PICTURES:
        rows: dict[str, str] = {}
        for node in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text"):
            y = node.get("y") or ""
            rows[y] = rows.get(y, "") + (node.text or "").rstrip("\n")
        assert rows
        assert max(display_width(row) for row in rows.values()) <= 80
