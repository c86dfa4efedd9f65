"""Text may be cut at every place that `cuts` finds."""

from __future__ import annotations

import itertools
import random

import pytest
from bpe_corpus import documents, words

from nexctl.tokens.bpe import cuts, table


@pytest.mark.parametrize("name", table.NAMES)
def test_every_cut_of_many_documents(name: str) -> None:
    ours = table.open_table(name)
    rng = random.Random(11)
    tried = 0
    for _, text in documents(600):
        whole = ours.count(text)
        place = 0
        while (place := cuts.find(text, place)) >= 0:
            # Each cut of a short text, some of a long one.
            if len(text) < 300 or rng.random() < 0.05:
                assert ours.count(text[:place]) + ours.count(text[place:]) == whole, text[:place]
                tried += 1
    assert tried > 2_000


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("one\n\n two", 3),  # a letter, then a line feed
        ("\n\ntwo", 2),  # the last line feed of several
        ("\n /", -1),
        ("\n/", -1),  # o200k_base takes '/' after line feeds into one piece
        ("it's", -1),  # a contraction
        ("a1", 1),
        ("1a", 1),
        ("12", -1),
        ("1\u0301", -1),  # a mark may join with what is before it
        ("e\u0301", -1),
        ("---", -1),
        ("- x", 1),
        ("中文。", 2),
        ("中文", -1),
    ],
)
def test_where_cuts_are(text: str, place: int) -> None:
    assert cuts.find(text, 0) == place


def test_blocks_are_the_text() -> None:
    text = "".join(text for _, text in documents(200))
    parts = list(cuts.blocks(text, 1000))
    assert "".join(parts) == text
    assert len(parts) > 50
    assert list(cuts.blocks("a" * 5000, 1000)) == ["a" * 5000]


@pytest.mark.parametrize(
    ("text", "at", "expected"),
    [
        ("some words", 2, True),
        ("it'll", 4, False),  # within a contraction
        ("中文字", 1, True),
        ("e\u0301", 1, False),
        (" QQQQQQ", 4, True),
        ("aQQQQQQ", 4, True),
        ("'LLLLLL", 2, False),
        ("中QQQQQQ", 5, False),  # all of it if a small letter follows, else only the first
        ("-----", 2, True),
        ("-----a", 4, False),  # the last one goes with the letter
        ("/////", 2, False),
        ("a b", 1, False),
    ],
)
def test_places_within_a_piece(text: str, at: int, expected: bool) -> None:
    assert cuts.inside(text, 0, at) is expected


@pytest.mark.parametrize("name", table.NAMES)
def test_tokens_of_a_piece_that_is_cut_inside(name: str) -> None:
    """Where the tokens at a place within a piece join, both sides add up to the whole."""
    ours = table.open_table(name)
    tried = 0
    for _, text in itertools.islice(words(), 40):
        text = ours.normalize(text[:300])
        for at in range(1, min(len(text), 60)):
            if not cuts.inside(text, 0, at):
                continue
            left, right = ours.encode(text[:at]), ours.encode(text[at:])
            if ours.joins(ours.token_bytes(left[-1]), ours.token_bytes(right[0])):
                assert left + right == ours.encode(text), (text, at)
                tried += 1
    assert tried > 100
