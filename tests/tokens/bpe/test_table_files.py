"""The checked-in tables are what their generator writes."""

from __future__ import annotations

import base64
import importlib.util
import sys
import unicodedata
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

from nexctl.tokens.bpe import table

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    path = ROOT / "scripts" / "build_token_tables.py"
    if not path.exists():
        pytest.skip("needs scripts/build_token_tables.py")
    spec = importlib.util.spec_from_file_location("build_token_tables", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rank_file(name: str) -> bytes:
    """The source as it was published, written again from the table."""
    ranks = table.open_table(name).ranks()
    return b"".join(base64.b64encode(token) + b" %d\n" % rank for token, rank in ranks.items())


def test_a_table_is_rebuilt_from_its_source(generator: ModuleType) -> None:
    """The smallest one, with the classes it holds; all of it is in the slow test."""
    ours = table.open_table("cl100k_base")
    classes = bytes(ours.class_of(code) & ~generator.UNIT for code in range(0x110000))
    tokens = generator.read_ranks(rank_file("cl100k_base"))
    assert generator.build("cl100k_base", tokens, classes) == bytes(ours._data)


def test_sources_are_known_by_their_hash(generator: ModuleType, tmp_path: Path) -> None:
    """Whatever they are called, and inside packages; anything else is no source."""
    (tmp_path / "9b5ad71b2ce5302211f9c61530b329a4922fc6a4").write_bytes(rank_file("cl100k_base"))
    with zipfile.ZipFile(tmp_path / "some.whl", "w") as archive:
        archive.writestr("deep/inside.tiktoken", rank_file("qwen2.5"))
    (tmp_path / "o200k_base.tiktoken").write_bytes(rank_file("o200k_base") + b"\n")
    assert set(generator.find(tmp_path)) == {"cl100k_base", "qwen2.5"}


def test_a_missing_source_is_told(
    generator: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["build", "--source", str(tmp_path), "--check"])
    assert generator.main() == 1
    assert "cl100k_base, o200k_base, qwen2.5" in capsys.readouterr().err


@pytest.mark.slow
def test_check_finds_what_differs(
    generator: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All three files from their sources and from the classes of the references."""
    pytest.importorskip("tiktoken", reason="needs tiktoken")
    pytest.importorskip("tokenizers", reason="needs tokenizers")
    if unicodedata.unidata_version != "14.0.0":
        pytest.skip("needs Python 3.11")
    source = tmp_path / "source"
    source.mkdir()
    for name in table.NAMES:
        (source / name).write_bytes(rank_file(name))
    monkeypatch.setattr(sys, "argv", ["build", "--source", str(source), "--check"])
    assert generator.main() == 0
    other = tmp_path / "data"
    other.mkdir()
    monkeypatch.setattr(generator, "DATA", other)
    assert generator.main() == 1
