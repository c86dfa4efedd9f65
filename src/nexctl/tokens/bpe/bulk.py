"""The fastest engine at hand that counts as the table does, for gigabytes.

toktok-rs (o200k_base, cl100k_base) and splintr-rs (qwen2.5) are optional; tiktoken, built from the
table's own ranks so that it never downloads, is always there. An engine that is found is asked for
a few texts on which tokenizers are known to differ, and left alone unless it agrees with the table.
What an engine is known to get wrong never reaches it: see `_Guarded`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from nexctl.tokens.bpe import cuts
from nexctl.tokens.bpe.table import MOVES, NAMES, UNASSIGNED, Table, open_table

# An engine gets at most about this many characters at once, so that its memory stays small.
_BLOCK = 1 << 19
# What surrounds an odd character and goes to the table with it.
_SMALL = 1 << 12
# tiktoken's regular expressions overflow their stack on a run of 1,000,000 white spaces, others
# slow down: half of that goes to the table.
_WHITE = re.compile(r"\s{400000}")

_ASCII = bytes(range(128))
# Not every engine takes the long s of a contraction for an s.
_LONG_S = "'\u017f"

# https://github.com/openai/tiktoken/blob/main/tiktoken_ext/openai_public.py and
# https://huggingface.co/Qwen/Qwen2.5-7B-Instruct/blob/main/tokenizer.json
PATTERNS = {
    "o200k_base": "|".join(
        (
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
            r"\p{N}{1,3}",
            r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
            r"\s*[\r\n]+",
            r"\s+(?!\S)",
            r"\s+",
        )
    ),
    "cl100k_base": (
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
        r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
    ),
    "qwen2.5": (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
        r"|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
}

# Contractions, case, white space, marks, digits, special-token text, NFC, long runs: one text for
# each way in which tokenizers were seen to differ.
_PROBES = (
    "It's I'LL WE'VE don't 'tis ''s x'RE\n",
    "HTTPServer iPhone XMLHttpRequest ǅenan STRAẞE ⅣⅧ x² ½ ٣٤٥ 1234567",
    " \n \n\n\t x\r\n\r\n   y \u3000\u3000z\u00a0\u2003 \x0b\x0c\x1c\x1f\x85 ",
    "a\u0301\u0323 \u0958 हिन्दी ไทย한국어\u1100\u1161 ʰʱ々ー゛ नमस्ते",
    "<|endoftext|><|im_start|>user<|im_end|><tool_call></think><|fim_prefix|>",
    "//\n/\n-\n\n  x ... !!!\r\n/",
    "彩票中文字符，測試。日本語カタカナ 😀👩‍👩‍👧‍👦🇩🇪 \U00020bb7",
    "aaaa" * 40 + "ACGTGATTACA" * 20 + "=" * 100 + " " * 90,
    "привет МИР ελληνικά שלום مرحبا ქართული Ⴀ አማርኛ",
)


@lru_cache(maxsize=16)
def engine(name: str, using: str | None = None) -> Engine:
    """The engine for vocabulary `name` (one of table.NAMES), loaded once.

    `using` names the one to take ("toktok", "splintr", "tiktoken", "table"); ValueError where it
    is not there or does not agree with the table.
    """
    if name not in NAMES:
        raise ValueError(f"no table {name!r}")
    for label, make in _MAKERS.items():
        if using in (None, label):
            made = make(name)
            if made is not None and made.agrees():
                return made
    raise ValueError(f"{using} does not count {name} here")


class Engine:
    """Counts one vocabulary; `name` is what counts. Special-token text counts as text."""

    name = "table"

    def __init__(self, table: Table) -> None:
        self.table = table

    def count(self, text: str) -> int:
        """Number of tokens; lone surrogates count as U+FFFD."""
        return self.table.count(text)

    def encode(self, text: str) -> list[int]:
        """Token ids of `text`."""
        return self.table.encode(text)

    def token_bytes(self, token: int) -> bytes:
        """The bytes of one token id."""
        return self.table.token_bytes(token)

    def agrees(self) -> bool:
        """Whether it counts the probes as the table does."""
        return True

    def endless(self, parts: Iterable[str]) -> int | None:
        """Count text that has no cuts and comes in parts, in constant memory.

        It is cut within a piece. `runs` proves when the tokens of two parts of a piece may be
        joined, `cuts.inside` that the pattern takes each part for a piece of its own. None where
        no such place is found.
        """
        coming = iter(parts)
        rest, total, last, more = "", 0, b"", True
        while more or rest:
            while more and len(rest) <= 2 * _BLOCK:
                part = next(coming, None)
                more = part is not None
                rest += part or ""
            if _WHITE.search(rest, 0, _BLOCK):
                return None
            if len(rest) > _BLOCK:
                seam = self._seam(rest)
                if seam is None:
                    return None
                ids, stop = seam
            else:
                ids, stop = self.encode(rest), len(rest)
            if last and ids and not self.table.joins(last, self.token_bytes(ids[0])):
                return None
            total += len(ids)
            last = self.token_bytes(ids[-1]) if ids else b""
            rest = rest[stop:]
        return total

    def _seam(self, text: str) -> tuple[list[int], int] | None:
        """A place in `text` where its piece may be cut, near _BLOCK, and the tokens before it."""
        part = text[:_BLOCK]
        if self.table.normalize(part) != part:
            return None
        ids, at = self.encode(part), len(part)
        for back in range(1, min(64, len(ids))):
            token = self.token_bytes(ids[-back])
            at -= sum(byte & 0xC0 != 0x80 for byte in token)
            if token[0] & 0xC0 != 0x80 and cuts.inside(text, 0, at):
                coming = self.encode(text[at : at + 512])
                if self.table.joins(self.token_bytes(ids[-back - 1]), self.token_bytes(coming[0])):
                    return ids[:-back], at
        return None


class _Guarded(Engine):
    """An engine in another package, kept from what it is known to get wrong.

    `count` and `encode` of the package take text of bounded length without lone surrogates, for
    qwen2.5 in NFC. With `pinned` the engine's Unicode is another than the vocabulary's: characters
    that may differ go to the table, with the text around them up to the next cuts.
    """

    def __init__(
        self,
        table: Table,
        name: str,
        count: Callable[[str], int],
        encode: Callable[[str], list[int]],
        *,
        pinned: bool,
    ) -> None:
        super().__init__(table)
        self.name = name
        self._count = count
        self._encode = encode
        self._pinned = pinned
        normal = MOVES if table.name == "qwen2.5" else 0
        flags = normal | (UNASSIGNED if pinned else 0)
        self._unusual = _finder(table.name, flags) if flags else None
        self._unassigned = _finder(table.name, UNASSIGNED) if normal and pinned else None

    def count(self, text: str) -> int:
        if not text.isascii():
            try:
                wide = text.encode()
            except UnicodeEncodeError:
                text = self.table.normalize(text)
                wide = text.encode()
            if self._unusual is not None and (
                self._unusual(wide.translate(None, _ASCII).decode()) or _LONG_S in text
            ):
                text = self.table.normalize(text)
                if self._odd(text):
                    return sum(map(self._careful, cuts.blocks(text, _SMALL)))
        if len(text) <= _BLOCK:
            return self._count(text)
        return sum(map(self._block, cuts.blocks(text, _BLOCK)))

    def encode(self, text: str) -> list[int]:
        text = self.table.normalize(text)
        if len(text) > 2 * _BLOCK or self._odd(text):
            return self.table.encode(text)
        return self._encode(text)

    def _odd(self, text: str) -> bool:
        """Whether the engine may see other characters in `text` than the vocabulary does."""
        if not self._pinned or text.isascii():
            return False
        find = self._unassigned or self._unusual
        return _LONG_S in text or (find is not None and find(text) is not None)

    def agrees(self) -> bool:
        try:
            return all(self.count(text) == self.table.count(text) for text in _PROBES)
        except Exception:  # noqa: BLE001 - another package's engine may fail in any way of its own
            return False

    def _careful(self, block: str) -> int:
        return self.table.count(block) if self._odd(block) else self._block(block)

    def _block(self, block: str) -> int:
        if len(block) < 2 * _BLOCK:
            if self.name == "tiktoken" and len(block) >= 400_000 and _WHITE.search(block):
                return self.table.count(block)
            return self._count(block)
        if self.name == "toktok" and len(block) <= 32 * _BLOCK:
            # Its time and memory grow in step with the text, whatever that is.
            return self._count(block)
        size = _BLOCK
        total = self.endless(block[at : at + size] for at in range(0, len(block), size))
        return self.table.count(block) if total is None else total


def _toktok(name: str) -> Engine | None:
    if name == "qwen2.5":
        return None
    try:
        from importlib import import_module

        Tokenizer = import_module("toktok._toktok").Tokenizer  # noqa: N806 - a class
    except ImportError:
        return None
    tokenizer: Any = Tokenizer(name)
    table = open_table(name)
    # Its classes are a later Unicode's, and it does not take the long s for an s.
    return _Guarded(table, "toktok", tokenizer.count, tokenizer.encode_ordinary, pinned=True)


def _splintr(name: str) -> Engine | None:
    if name != "qwen2.5":
        return None
    try:
        import splintr
    except ImportError:
        return None
    tokenizer = splintr.Tokenizer.from_pretrained("qwen3")
    table = open_table(name)
    ordinary, flat = tokenizer.encode_ordinary, tokenizer.encode_flat
    special = _special(tokenizer, table.size).search

    def count(text: str) -> int:
        # The flat call makes no list, but it matches special tokens: only where there are none.
        if special(text):
            return len(ordinary(text))
        return len(flat(text)) >> 2

    return _Guarded(table, "splintr", count, ordinary, pinned=True)


def _tiktoken(name: str) -> Engine | None:
    try:
        import tiktoken
    except ImportError:
        return None
    table = open_table(name)
    encoding = tiktoken.Encoding(
        name, pat_str=PATTERNS[name], mergeable_ranks=table.ranks(), special_tokens={}
    )
    ordinary = encoding.encode_ordinary
    return _Guarded(table, "tiktoken", lambda text: len(ordinary(text)), ordinary, pinned=False)


def _table(name: str) -> Engine:
    return Engine(open_table(name))


_MAKERS: dict[str, Callable[[str], Engine | None]] = {
    "toktok": _toktok,
    "splintr": _splintr,
    "tiktoken": _tiktoken,
    "table": _table,
}


def _special(tokenizer: Any, size: int) -> re.Pattern[str]:
    """What may be one of the special tokens of splintr, beyond the `size` tokens of text."""
    found = {"<|"}
    for token in range(size, tokenizer.vocab_size):
        try:
            found.add(tokenizer.decode_with_special([token]))
        except ValueError:
            continue
    return re.compile("|".join(sorted(re.escape(text) for text in found if text)))


@lru_cache(maxsize=8)
def _finder(name: str, flags: int) -> Callable[[str], object]:
    """What finds a character with any of `flags` in the table of `name`."""
    ranges = open_table(name).ranges_without(flags)
    # Those beyond the first plane are tried one after another: emoji first, then Han.
    ranges.sort(key=lambda run: (run[0] > 0xFFFF, run[0] // 0x1000 not in (0x1F, 0x20), run))
    return re.compile(f"[^{''.join(map(_escaped, ranges))}]").search


def _escaped(run: tuple[int, int]) -> str:
    return f"\\U{run[0]:08x}-\\U{run[1]:08x}"
