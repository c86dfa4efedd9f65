"""The tokenizers that the others are held against, built without a network."""

from __future__ import annotations

import base64
import hashlib
from array import array
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import pytest

from nexctl.tokens.bpe import bulk, table
from nexctl.tokens.bpe.runs import NEVER

Encode = Callable[[list[str]], list["array[int]"]]


def encode_with_oracle(name: str) -> Encode:
    """What gives the reference's token ids of many texts; special-token text is text."""
    if name == "qwen2.5":
        tokenizer = qwen()

        def encode(texts: list[str]) -> list[array[int]]:
            # A few at a time: what it returns holds far more than the ids.
            return [
                array("I", found.ids)
                for start in range(0, len(texts), 200)
                for found in tokenizer.encode_batch(texts[start : start + 200])
            ]

        return encode
    encoding = openai(name)
    return lambda texts: [array("I", encoding.encode_ordinary(text)) for text in texts]


@lru_cache
def openai(name: str) -> Any:
    """tiktoken with the vocabulary that it would download, taken from our table instead.

    Its own pinned hash of the download is checked, and its own pattern is used.
    """
    pytest.importorskip("tiktoken", reason="needs tiktoken")
    import tiktoken
    from tiktoken_ext import openai_public

    def from_table(url: str, expected_hash: str) -> dict[bytes, int]:
        assert rank_file_sha256(name) == expected_hash, url
        return table.open_table(name).ranks()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(openai_public, "load_tiktoken_bpe", from_table)
        return tiktoken.Encoding(**getattr(openai_public, name)())


def rank_file_sha256(name: str) -> str:
    """SHA-256 of the table's ranks in the form of a .tiktoken file."""
    digest = hashlib.sha256()
    for token, rank in table.open_table(name).ranks().items():
        digest.update(base64.b64encode(token) + b" %d\n" % rank)
    return digest.hexdigest()


@lru_cache
def qwen() -> Any:
    """The `tokenizers` library with Qwen2.5's vocabulary, merges, pattern and NFC.

    The merges are those of the ranks: each token's last merge. test_parity holds this against the
    published tokenizer.json where a package carries it.
    """
    pytest.importorskip("tokenizers", reason="needs tokenizers")
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    ours = table.open_table("qwen2.5")
    ranks = ours.ranks()
    letters = byte_letters()

    def spelled(token: bytes) -> str:
        return "".join(letters[byte] for byte in token)

    merges = []
    for token, rank in ranks.items():
        if len(token) > 1:
            one, two = last_merge(token, rank, ranks)
            merges.append((spelled(one), spelled(two)))
    vocabulary = {spelled(token): rank for token, rank in ranks.items()}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(bulk.PATTERNS["qwen2.5"]), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    return tokenizer


def last_merge(token: bytes, below: int, ranks: dict[bytes, int]) -> list[bytes]:
    """The two tokens that merge into `token` when all merges of lower rank are done."""
    parts = [bytes([byte]) for byte in token]
    while len(parts) > 2:
        both = [ranks.get(parts[at] + parts[at + 1], NEVER) for at in range(len(parts) - 1)]
        at = both.index(min(both))
        assert both[at] < below
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return parts


def byte_letters() -> list[str]:
    """The letters that byte-level vocabularies write bytes with: GPT-2's bytes_to_unicode."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(byte) if byte in plain else chr(next(others)) for byte in range(256)]
