"""Merging in parts gives what merging the whole gives."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexctl.tokens.bpe import runs, table

ALPHABETS = [b"a", b"ab", b"ACGT", b" \n", b"abcdefghijklmnopqrstuvwxyz", bytes(range(256))]


def by_definition(piece: bytes, ranks: dict[bytes, int]) -> list[bytes]:
    """Byte-pair merging as it is defined, in the plainest way."""
    parts = [bytes([byte]) for byte in piece]
    while True:
        both = [ranks[a + b] for a, b in pairwise(parts)]
        if not both or min(both) == runs.NEVER:
            return parts
        at = both.index(min(both))
        parts[at : at + 2] = [parts[at] + parts[at + 1]]


def cut(piece: bytes, starts: list[int]) -> list[bytes]:
    return [piece[a:b] for a, b in pairwise(starts)]


@pytest.mark.parametrize("name", table.NAMES)
@given(data=st.data())
def test_three_ways_of_merging(name: str, data: st.DataObject) -> None:
    ours = table.open_table(name)
    letters = data.draw(st.sampled_from(ALPHABETS))
    piece = bytes(data.draw(st.lists(st.sampled_from(list(letters)), max_size=80)))
    expected = by_definition(piece, ours._ranks)
    assert cut(piece, runs.merge(piece, ours._ranks, ours._pairs)) == expected
    assert cut(piece, runs.merge_heap(piece, ours._ranks, ours._pairs)) == expected


@pytest.mark.parametrize("name", table.NAMES)
@pytest.mark.parametrize("letters", ALPHABETS)
def test_parts_of_any_size_give_the_whole(name: str, letters: bytes) -> None:
    ours = table.open_table(name)
    rng = random.Random(len(letters))
    for size in (1, 255, 256, 257, 511, 3000, 9000):
        piece = bytes(rng.choices(letters, k=size))
        run = runs.Run(ours._ranks, ours._pairs, collect=True)
        at = 0
        while at < size:
            step = rng.choice((1, 7, 100, 300, 5000))
            run.feed(piece[at : at + step])
            at += step
        expected = cut(piece, runs.merge_heap(piece, ours._ranks, ours._pairs))
        assert run.finish() == len(expected)
        assert run.tokens() == expected


class _Sticky(dict[bytes, int]):
    """Ranks by which any bytes are a token: no two parts ever join."""

    def __missing__(self, token: bytes) -> int:
        return len(token)


def test_a_piece_without_a_seam_is_said_to_be_so() -> None:
    run = runs.Run(_Sticky(), [2] * 65536)
    with pytest.raises(runs.Unjoinable):
        run.feed(b"x" * 100_000)


def test_such_a_piece_is_merged_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_seam(self: runs.Run, data: bytes) -> None:
        raise runs.Unjoinable

    ours = table.Table(table.__file__.replace("bpe/table.py", "data/o200k_base.bpe"))
    text = "".join(random.Random(1).choices("abcdefgh", k=2000))
    expected = ours.encode(text)
    monkeypatch.setattr(runs.Run, "feed", no_seam)
    ours._counts.clear()
    assert ours.encode(text) == expected
    assert ours.count(text) == len(expected)
