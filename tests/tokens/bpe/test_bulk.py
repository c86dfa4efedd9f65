"""The bulk engine: the fastest that agrees, and what is kept from it."""

from __future__ import annotations

import random

import pytest

from nexctl.tokens.bpe import bulk, table
from tests.scaling import grows_at_most

NEW_IN_17 = "\u088f"  # a letter in Unicode 17, unassigned in 16
LONG_S = "it'ſ he'ſ"


def test_the_fastest_engine_is_taken() -> None:
    pytest.importorskip("toktok", reason="needs toktok-rs")
    pytest.importorskip("splintr", reason="needs splintr-rs")
    assert bulk.engine("o200k_base").name == "toktok"
    assert bulk.engine("cl100k_base").name == "toktok"
    assert bulk.engine("qwen2.5").name == "splintr"


@pytest.mark.parametrize("name", table.NAMES)
def test_without_the_optional_ones(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for package in ("toktok", "toktok._toktok", "splintr"):
        monkeypatch.setitem(sys.modules, package, None)
    fallback = bulk.engine.__wrapped__(name)
    assert fallback.name == "tiktoken"
    monkeypatch.setitem(sys.modules, "tiktoken", None)
    assert bulk.engine.__wrapped__(name).name == "table"


def test_an_engine_that_disagrees_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(name: str) -> bulk.Engine:
        ours = table.open_table(name)
        return bulk._Guarded(ours, "wrong", lambda text: len(text) // 4, ours.encode, pinned=True)

    def broken(name: str) -> bulk.Engine:
        ours = table.open_table(name)
        return bulk._Guarded(ours, "broken", lambda text: 1 // 0, ours.encode, pinned=True)

    makers = {"wrong": wrong, "broken": broken, "table": bulk._table}
    monkeypatch.setattr(bulk, "_MAKERS", makers)
    assert bulk.engine.__wrapped__("o200k_base").name == "table"


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match="no table"):
        bulk.engine("p50k_base")
    with pytest.raises(ValueError, match="does not count"):
        bulk.engine("o200k_base", "splintr")


@pytest.mark.parametrize("name", ["o200k_base", "cl100k_base"])
def test_what_a_later_unicode_changed(name: str) -> None:
    pytest.importorskip("toktok", reason="needs toktok-rs")
    engine, ours = bulk.engine(name, "toktok"), table.open_table(name)
    odd = f"a{NEW_IN_17}{NEW_IN_17}b {NEW_IN_17}1. {LONG_S} x"
    assert engine.count(odd) == ours.count(odd)
    filler = "plain words of a long text, " * 2000
    assert engine.count(filler + odd + filler) == ours.count(filler + odd + filler)


def test_special_token_text_is_text() -> None:
    """splintr's fast call would match these as special tokens."""
    pytest.importorskip("splintr", reason="needs splintr-rs")
    engine, ours = bulk.engine("qwen2.5", "splintr"), table.open_table("qwen2.5")
    for text in ("<|im_start|>user", "<tool_call>{}</tool_call>", "<think>x</think>", "<|user|>"):
        assert engine.count(text) == ours.count(text)


@pytest.mark.parametrize("name", table.NAMES)
def test_lone_surrogates(name: str) -> None:
    ours = table.open_table(name)
    for using in ("toktok", "splintr", "tiktoken", "table"):
        try:
            engine = bulk.engine(name, using)
        except ValueError:
            continue
        assert engine.count("a\ud800b \udfff é") == ours.count("a\ufffdb \ufffd é")


def run_of(kind: str, size: int) -> str:
    rng = random.Random(size)
    if kind == "a-z":
        return "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=size))
    if kind == "base64":
        import base64

        return base64.b64encode(rng.randbytes(size)).decode()[:size]
    if kind == "white":
        return "".join(rng.choices(" \t\n", k=size // 8)) * 8
    return kind * size


KINDS = [
    "a",
    "Q",
    " ",
    "\t",
    "\n",
    "\u3000",
    "-",
    "'",
    "0",
    "的",
    "😀",
    "é",
    "base64",
    "white",
    "a-z",
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", table.NAMES)
def test_a_long_run_is_counted_and_takes_no_square_of_time(name: str, kind: str) -> None:
    """Four times the text takes nowhere near sixteen times as long; tiktoken would panic on
    a million spaces."""
    engine = bulk.engine(name)
    engine.count("warm")
    small, large = run_of(kind, 250_000), run_of(kind, 1_000_000)
    assert 0 < engine.count(large) <= 4 * len(large)
    assert grows_at_most(engine.count, small, large, factor=10)


@pytest.mark.parametrize("using", ["tiktoken", "table"])
@pytest.mark.parametrize("name", table.NAMES)
def test_a_million_spaces_do_not_overflow_a_stack(name: str, using: str) -> None:
    engine, ours = bulk.engine(name, using), table.open_table(name)
    text = "a" + " " * 1_200_000 + "b"
    # The last space goes with the letter, the others are one piece.
    assert engine.count(text) == 2 + ours.count_piece(b" " * 1_199_999)


@pytest.mark.parametrize("kind", ["a", "Q", "-", "的", "a-z"])
@pytest.mark.parametrize("name", table.NAMES)
def test_an_endless_word_in_parts(name: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parts of one word, joined, are the tokens of the whole word."""
    monkeypatch.setattr(bulk, "_BLOCK", 3000)
    for using in ("toktok", "splintr", "tiktoken", "table"):
        try:
            engine = bulk.engine(name, using)
        except ValueError:
            continue
        text = run_of(kind, 40_000)
        parts = [text[at : at + 1111] for at in range(0, len(text), 1111)]
        assert engine.endless(iter(parts)) == table.open_table(name).count_piece(text.encode())


def test_no_seam_no_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "_BLOCK", 3000)
    assert bulk.engine("o200k_base", "table").endless(iter(["'" * 9000])) is None


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", table.NAMES)
def test_sixteen_megabytes_of_it(name: str, kind: str) -> None:
    engine = bulk.engine(name)
    engine.count("warm")
    small, large = run_of(kind, 1 << 21), run_of(kind, 1 << 24)
    assert grows_at_most(engine.count, small, large, factor=24)
