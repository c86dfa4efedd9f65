"""The reference's NFC, whatever Unicode this Python has."""

from __future__ import annotations

import unicodedata

import pytest
from bpe_corpus import documents

from nexctl.tokens.bpe import table

MARKS = "\u0301\u0323\u0334\u0345\u3099\u05b0\u0300"


@pytest.fixture(scope="module")
def reference() -> object:
    return pytest.importorskip("tokenizers", reason="needs tokenizers").normalizers.NFC()


def test_every_code_point_among_marks(reference: object) -> None:
    normal = table.open_table("qwen2.5").normalize
    for start in range(0, 0x110000, 64):
        text = "".join(
            f"q\u0301{chr(code)}\u0323{MARKS} {chr(code)}\u1161\u11a8 "
            for code in range(start, start + 64)
            if not 0xD800 <= code <= 0xDFFF
        )
        assert normal(text) == reference.normalize_str(text)  # type: ignore[attr-defined]


def test_documents(reference: object) -> None:
    normal = table.open_table("qwen2.5").normalize
    for _, text in documents(800):
        assert normal(text) == reference.normalize_str(text)  # type: ignore[attr-defined]


def test_python_alone_would_differ(reference: object) -> None:
    """U+07FD is a mark since Unicode 11: Python reorders it, the reference does not."""
    text = "q\u0301\u07fd\u0323"
    expected = reference.normalize_str(text)  # type: ignore[attr-defined]
    assert unicodedata.normalize("NFC", text) != expected
    assert table.open_table("qwen2.5").normalize(text) == expected
