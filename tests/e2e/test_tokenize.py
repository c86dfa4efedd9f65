"""`nexctl tokenize`: counts, ids and pieces, and which tokenizer said so."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import Nexctl


def test_the_json_fields_are_these(nexctl: Nexctl, tmp_path: Path) -> None:
    file = tmp_path / "a.md"
    file.write_text("Hello wörld")
    (row,) = nexctl("tokenize", file, "-m", "gpt-4o", "-o", "json").data["files"]
    assert row == {
        "path": str(file),
        "bytes": 12,
        "characters": 11,
        "tokens": 4,
        "exact": True,
        "method": "exact",
        "tokenizer": "o200k_base",
    }


def test_ids_and_pieces_join_to_the_text(nexctl: Nexctl) -> None:
    text = "Hello wörld 你好 <|endoftext|>"
    (row,) = nexctl(
        "tokenize", "-", "-m", "gpt-4o", "--ids", "--pieces", "-o", "json", stdin=text
    ).data["files"]
    assert len(row["ids"]) == len(row["pieces"]) == row["tokens"]
    assert "".join(row["pieces"]).startswith("Hello wörld ")


def test_pieces_for_a_person_show_their_ids(nexctl: Nexctl) -> None:
    out = nexctl("tokenize", "-", "--tokenizer", "cl100k_base", "--pieces", stdin="Hello").out
    assert "exact (cl100k_base)" in out
    assert "'Hello'" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--tokenizer", "o200k"], "o200k_base"),
        (["-m", "no-such-model-at-all"], "no-such-model-at-all"),
        (["-m", "gpt-4o", "--tokenizer", "o200k_base"], "twice"),
        (["-m", "claude-sonnet-4-5", "--ids"], "without token ids"),
    ],
)
def test_wrong_words_are_refused(nexctl: Nexctl, arguments: list[str], said: str) -> None:
    ran = nexctl("tokenize", "-", *arguments, stdin="x")
    assert ran.exit == 2, ran
    assert said in ran.err, ran


def test_a_model_needs_no_price_to_be_counted(nexctl: Nexctl) -> None:
    ran = nexctl("tokenize", "-", "-m", "gpt-5", "-o", "json", stdin="Hello")
    assert ran.data["files"][0]["tokenizer"] == "o200k_base"


def test_a_model_of_a_class_is_counted_as_itself_as_in_an_estimate(nexctl: Nexctl) -> None:
    asked = ("-", "-m", "claude-sonnet-4-5", "--on", "deeptoken", "-o", "json")
    (row,) = nexctl("tokenize", *asked, stdin="Hello").data["files"]
    (estimate,) = nexctl("estimate", *asked, stdin="Hello").data["estimates"]
    assert row["method"] == estimate["count"]["method"] == "reconstructed"


def test_bad_utf8_names_the_offset(nexctl: Nexctl, tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(b"ab\xff")
    ran = nexctl("tokenize", file)
    assert ran.exit == 2
    assert "offset 2" in ran.err
