"""What reaches a terminal or a pull request is text and nothing else."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexctl.safety.text import clean, markdown
from tests.scaling import grows_at_most

any_text = st.text(st.characters(exclude_categories=()), max_size=60)
# Mostly the characters that matter, so that sequences really form.
hostile = st.text(
    st.sampled_from(
        "\x1b\x9b\x9d\x90\x9c\x07[]P\\;m0 a\n\r\t\u202e\u200b\ufe0f\ud800\x7f|`<>@#&:/"
    ),
    max_size=60,
)


@pytest.mark.parametrize(
    ("dirty", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x9b31mred", "red"),
        ("\x1b]0;new title\x07x", "x"),
        ("\x1b]8;;http://evil\x1b\\click\x1b]8;;\x1b\\", "click"),
        ("\x9d52;c;cm0gLXJm\x9cx", "x"),
        ("\x1bP1$r0m\x1b\\x", "x"),
        ("\x1b_apc\x1b\\x\x1b^pm\x1b\\y\x1bXsos\x1b\\z", "xyz"),
        ("\x1b(0lqk\x1b(B", "lqk"),
        ("\x1bc\x1b7\x1b8x", "x"),
        ("unfinished \x1b]0;title", "unfinished 0;title"),
        ("end \x1b[", "end "),
        ("\x1b\x1b[m[31mnot put together", "[31mnot put together"),
        ("bell\x07 back\x08space null\x00 del\x7f", "bell backspace null del"),
        ("a\u202egpj.exe", "agpj.exe"),
        ("zero\u200b\u200c\u200d\u2060\ufeffwidth", "zerowidth"),
        ("filler\u3164\u115f\uffa0\u034f", "filler"),
        ("tag\U000e0041\U000e007f", "tag"),
        ("soft\u00adhyphen", "softhyphen"),
        ("two\nlines\r\nthree\u2028four\x85five", "two lines three four five"),
        ("over\rwritten", "over written"),
        ("bad \udcff byte", "bad \ufffd byte"),
        ("日本語 ünï 🙂 العربية", "日本語 ünï 🙂 العربية"),
        ("\u0600 visible number sign", "\u0600 visible number sign"),
    ],
)
def test_clean_leaves_only_what_can_be_seen(dirty: str, shown: str) -> None:
    assert clean(dirty) == shown


def test_line_breaks_and_tabs_stay_only_when_asked_for() -> None:
    assert clean("a\r\nb\tc\rd\ne", keep_newlines=True) == "a\nb\tc d\ne"


@given(any_text | hostile)
def test_no_control_format_or_surrogate_character_survives(s: str) -> None:
    for keep in (False, True):
        shown = clean(s, keep_newlines=keep)
        allowed = "\n\t" if keep else ""
        assert not [
            c for c in shown if unicodedata.category(c) in {"Cc", "Cs"} and c not in allowed
        ]
        assert not [
            c
            for c in shown
            if unicodedata.bidirectional(c)
            in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
        ]
        assert clean(shown, keep_newlines=keep) == shown
        shown.encode()


@pytest.mark.parametrize(
    "unit", ["\x1b]", "\x9d", "\x1b[0;", "\x1b", "\x1b[1", "\x90a", "\r", "\u200b"]
)
def test_clean_takes_linear_time(unit: str) -> None:
    # 16x the text; a square would be 256x
    assert grows_at_most(clean, unit * 80_000, unit * 1_280_000, factor=60)


def cell_of(source: str) -> str:
    """The text of the one cell that a Markdown parser finds in a table around `source`."""
    parser = pytest.importorskip("markdown_it", reason="needs markdown-it-py").MarkdownIt
    tokens = (
        parser("commonmark")
        .enable(["table", "strikethrough"])
        .parse(f"|head|tail|\n|-|-|\n|{source}|end|\n\nafter\n")
    )
    cells = [t for before, t in pairwise(tokens) if before.type == "td_open"]
    assert [t.type for t in tokens].count("tr_open") == 2
    assert len(cells) == 2
    assert cells[1].content == "end"
    assert {c.type for c in cells[0].children or ()} <= {"text"}
    return "".join(c.content for c in cells[0].children or ())


def line_of(source: str) -> str:
    parser = pytest.importorskip("markdown_it", reason="needs markdown-it-py").MarkdownIt
    tokens = parser("commonmark").enable(["table", "strikethrough"]).parse(source + "\n")
    if not source:
        return ""
    assert [t.type for t in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    assert {c.type for c in tokens[1].children or ()} <= {"text"}
    return "".join(c.content for c in tokens[1].children or ())


@given(any_text | hostile | st.text(st.sampled_from("-+=1.)#>*_~[]()!|\\` \n<a&;:/@")))
def test_markdown_shows_the_plain_text_in_one_cell_and_in_one_paragraph(s: str) -> None:
    shown = clean(s).strip()
    written = markdown(s)
    assert "\n" not in written
    assert cell_of(written).replace("\u200b", "") == shown
    assert line_of(written).replace("\u200b", "") == shown


@pytest.mark.parametrize(
    "s",
    [
        "@octocat",
        "mail me@example.com",
        "@org/team",
        "#123",
        "owner/repo#7",
        "GH-26",
        "https://evil.example",
        "HTTP://evil.example",
        "www.evil.example",
        ":tada:",
    ],
)
def test_markdown_neither_pings_nor_links(s: str) -> None:
    import re

    rendered = cell_of(markdown(s))
    active = r"@\w|#\d|(?i:gh)-\d|://|(?i:www\.)|:\w+:"
    assert re.search(active, s)
    assert not re.search(active, rendered)
    assert rendered.replace("\u200b", "") == s


def test_a_model_id_with_a_colon_stays_fit_to_copy() -> None:
    assert markdown("qwen2.5:7b") == "qwen2.5:7b"
