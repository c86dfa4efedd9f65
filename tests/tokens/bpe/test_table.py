"""One prompt, counted from the memory-mapped table."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexctl.tokens.bpe import table

LIMITS = {"o200k_base": 8, "cl100k_base": 3, "qwen2.5": 6}


@pytest.mark.parametrize("name", table.NAMES)
def test_known_ids(name: str) -> None:
    """As published: "hello world" is 24912 2375 in o200k_base, and so on."""
    known = {
        "o200k_base": [24912, 2375],
        "cl100k_base": [15339, 1917],
        "qwen2.5": [14990, 1879],
    }
    assert table.open_table(name).encode("hello world") == known[name]


@pytest.mark.parametrize("name", table.NAMES)
@given(text=st.text())
def test_tokens_spell_the_text(name: str, text: str) -> None:
    ours = table.open_table(name)
    ids = ours.encode(text)
    assert ours.count(text) == len(ids)
    assert b"".join(map(ours.token_bytes, ids)).decode() == ours.normalize(text)


@pytest.mark.parametrize("name", table.NAMES)
def test_nothing_has_no_tokens(name: str) -> None:
    assert table.open_table(name).count("") == 0
    assert table.open_table(name).encode("") == []


@pytest.mark.parametrize("name", table.NAMES)
def test_lone_surrogates_count_as_the_replacement_character(name: str) -> None:
    ours = table.open_table(name)
    assert ours.count("a\ud800b \udfff") == ours.count("a\ufffdb \ufffd")
    assert ours.encode("\ud83d\ude00") == ours.encode("😀")


def test_special_token_text_is_text() -> None:
    assert table.open_table("o200k_base").count("<|endoftext|>") > 1
    assert table.open_table("qwen2.5").count("<|im_start|>") > 1


def test_an_id_outside_the_vocabulary_is_refused() -> None:
    ours = table.open_table("cl100k_base")
    for token in (-1, ours.size):
        with pytest.raises(ValueError, match="no token"):
            ours.token_bytes(token)
    with pytest.raises(ValueError, match="no table"):
        table.open_table("p50k_base")


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.bpe"
    path.write_bytes(b"x" * 4096)
    with pytest.raises(ValueError, match="no token table"):
        table.Table(str(path))


@pytest.mark.parametrize("name", table.NAMES)
def test_every_token_is_what_its_bytes_merge_to(name: str) -> None:
    """Long pieces rely on it: then a piece that is a token needs no rule of its own."""
    ours = table.open_table(name)
    for token in list(ours.ranks())[::7]:
        assert ours.count_piece(token) == 1


def test_memory_of_pieces_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "_MEMO", 100)
    ours = table.Table(table.__file__.replace("bpe/table.py", "data/qwen2.5.bpe"))
    for number in range(50):
        ours.count(" ".join(f"word{number}x{other}" for other in range(40)))
    assert len(ours._counts) <= 100 + 200


@pytest.mark.parametrize("name", table.NAMES)
def test_tables_are_small(name: str) -> None:
    path = Path(table.__file__).parent.parent / "data" / f"{name}.bpe"
    assert path.stat().st_size < LIMITS[name] * 1_000_000


def test_counting_ascii_imports_nothing_heavy() -> None:
    code = (
        "import sys; from nexctl.tokens.bpe import table; "
        "table.open_table('qwen2.5').count('plain text'); print(*sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "nexctl.tokens.bpe.table" in loaded
    heavy = {"json", "tiktoken", "toktok", "splintr", "unicodedata", "dataclasses", "tomllib"}
    assert not heavy & set(loaded)
