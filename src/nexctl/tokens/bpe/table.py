"""A vocabulary in a memory-mapped file: nothing is loaded, only what a text needs is looked at.

The files are written by scripts/build_token_tables.py, which describes them. Counts equal those of
tiktoken (o200k_base, cl100k_base) and of the `tokenizers` library (qwen2.5), with special-token
text counted as text.
"""

from __future__ import annotations

import mmap
import os
import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from zlib import crc32

from nexctl.tokens.bpe import cuts, split
from nexctl.tokens.bpe.runs import NEVER, Run, Unjoinable, merge, merge_heap, merge_units

NAMES = ("o200k_base", "cl100k_base", "qwen2.5")

_MAGIC = b"nexctl bpe 2\n"
UNASSIGNED = 16
MOVES = 64
_UNIT = 32
# Pieces longer than this many bytes are merged part by part.
_LONG = 384
# Text longer than this is cut first, so that lists of its pieces stay small.
_BLOCK = 1 << 18
_MEMO = 1 << 17


@lru_cache(maxsize=4)
def open_table(name: str) -> Table:
    """The table of `name`, one of NAMES; ValueError for another. It stays open."""
    if name not in NAMES:
        raise ValueError(f"no table {name!r}")
    return Table(os.path.join(os.path.dirname(os.path.dirname(__file__)), "data", f"{name}.bpe"))


class Table:
    """Counts and encodes with one vocabulary. Text may hold lone surrogates: they count as U+FFFD,
    which is what a request can carry of them."""

    __slots__ = (
        "_counts",
        "_data",
        "_first_class",
        "_offsets",
        "_pairs",
        "_ragged",
        "_ranks",
        "_shadow",
        "_widths",
        "name",
        "size",
        "source_sha256",
    )

    def __init__(self, path: str) -> None:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        try:
            self._data = data = mmap.mmap(handle, 0, access=mmap.ACCESS_READ)
        finally:
            os.close(handle)
        if data[: len(_MAGIC)] != _MAGIC:
            raise ValueError(f"{path} is no token table")
        numbers = data[len(_MAGIC) + 3 : len(_MAGIC) + 35]
        self.size, slots, slots_at, pairs_at, ragged_at, offsets_at, blob_at, first_class = (
            int.from_bytes(numbers[at : at + 4], "little") for at in range(0, 32, 4)
        )
        #: Name of the vocabulary, number of its tokens, SHA-256 of the file it was made from.
        self.name, source = data[len(_MAGIC) + 36 : slots_at].rstrip(b"\0\n").decode().split("\n")
        self.source_sha256 = source.rpartition(" ")[2]
        self._first_class = first_class
        self._ragged = data[ragged_at:offsets_at]
        words = _words(data)
        self._offsets = words[offsets_at // 4 : blob_at // 4 + 1]
        self._pairs = words[pairs_at // 4 : ragged_at // 4]
        self._ranks = _Ranks(data, words[slots_at // 4 : pairs_at // 4], self._offsets, slots - 1)
        self._shadow = split.Shadow(self.class_of)
        self._widths = _Widths(self.class_of)
        self._counts = _Counts(self, self._ranks.find)

    def count(self, text: str) -> int:
        """Number of tokens of `text`."""
        if not text.isascii():
            text = self.normalize(text)
        if len(text) <= _BLOCK:
            return self._count(text)
        return sum(map(self._count, cuts.blocks(text, _BLOCK)))

    def encode(self, text: str) -> list[int]:
        """Token ids of `text` (for qwen2.5 of its NFC)."""
        ranks, ids = self._ranks, []
        for piece in self._split(text):
            token = piece.encode()
            rank = ranks.find(token)
            if rank != NEVER:
                ids.append(rank)
            elif len(token) > _LONG:
                ids.extend(map(ranks.find, self._long_tokens(token)))
            else:
                starts = self.starts(piece, token)
                ids.extend(ranks.find(token[a:b]) for a, b in pairwise(starts))
        return ids

    def token_bytes(self, token: int) -> bytes:
        """The bytes of one token id; ValueError for an id that the vocabulary does not have."""
        if not 0 <= token < self.size:
            raise ValueError(f"{self.name} has no token {token}")
        return self._data[self._offsets[token] : self._offsets[token + 1]]

    def ranks(self) -> dict[bytes, int]:
        """Every token's rank, as tiktoken takes them; reads the whole vocabulary."""
        offsets, data = self._offsets, self._data
        return {data[offsets[rank] : offsets[rank + 1]]: rank for rank in range(self.size)}

    def class_of(self, code: int) -> int:
        """The class byte of a code point: see `character_classes` of the generator."""
        data, first = self._data, self._first_class
        at = first + (code >> 8) * 2
        return data[first + 0x2200 + (data[at] << 8) + (data[at + 1] << 16) + (code & 255)]

    def ranges_without(self, flags: int) -> list[tuple[int, int]]:
        """First and last of each run of code points that have none of `flags`."""
        import re

        data, first = self._data, self._first_class
        blocks = first + 0x2200
        flat = b"".join(
            data[at : at + 256]
            for at in (
                blocks + (data[index] << 8) + (data[index + 1] << 16)
                for index in range(first, blocks, 2)
            )
        )
        marked = flat.translate(bytes(bool(value & flags) for value in range(256)))
        return [(run.start(), run.end() - 1) for run in re.finditer(b"\0+", marked)]

    def normalize(self, text: str) -> str:
        """What the reference encodes in place of `text`: no surrogates, for qwen2.5 its NFC."""
        try:
            text.encode()
        except UnicodeEncodeError:
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if self.name == "qwen2.5":
            from nexctl.tokens.bpe.nfc import normalize

            return normalize(text, self.class_of)
        return text

    def joins(self, one: bytes, two: bytes) -> bool:
        """Whether tokens `one` and `two` are what their bytes together encode to."""
        both = one + two
        return merge(both, self._ranks, self._pairs) == [0, len(one), len(both)]

    def starts(self, piece: str, token: bytes) -> list[int]:
        """Where the tokens of a short piece start in its bytes (`token`), and where it ends."""
        if piece.isascii():
            return merge(token, self._ranks, self._pairs)
        ragged, widths, size = self._ragged, self._widths, len(token)
        starts: list[int] = []
        at, free = 0, True
        for character in piece:
            width = widths[character]
            end = at + abs(width)
            was_free = free
            free = end == size or not ragged[token[end - 1] << 8 | token[end]]
            if width == 1 or (width > 0 and was_free and free):
                starts.append(at)
            else:
                starts.extend(range(at, end))
            at = end
        starts.append(size)
        return merge_units(token, self._ranks, starts)

    def count_piece(self, piece: bytes) -> int:
        """Number of tokens of one piece of any length, without looking for it whole first."""
        run = Run(self._ranks, self._pairs)
        try:
            run.feed(piece)
            return run.finish()
        except Unjoinable:
            return len(merge_heap(piece, self._ranks, self._pairs)) - 1

    def _long_tokens(self, piece: bytes) -> list[bytes]:
        run = Run(self._ranks, self._pairs, collect=True)
        try:
            run.feed(piece)
            run.finish()
        except Unjoinable:
            starts = merge_heap(piece, self._ranks, self._pairs)
            return [piece[a:b] for a, b in pairwise(starts)]
        return run.tokens()

    def _split(self, text: str) -> list[str]:
        if not text.isascii():
            text = self.normalize(text)
        return split.pieces(self.name, text, self._shadow)

    def _count(self, text: str) -> int:
        counts = self._counts
        total = sum(map(counts.__getitem__, split.pieces(self.name, text, self._shadow)))
        if len(counts) > _MEMO:
            counts.clear()
            self._ranks.clear()
        return total


class _Ranks(dict[bytes, int]):
    """Ranks by bytes, NEVER for what is no token; remembers what was asked of the file."""

    __slots__ = ("find",)

    def __init__(
        self, data: mmap.mmap, slots: Sequence[int], offsets: Sequence[int], mask: int
    ) -> None:
        # A closure: its names are read faster than attributes, and this is the hottest place.
        def find(token: bytes) -> int:
            crc = crc32(token)
            at, tag = crc & mask, crc >> 18
            while slot := slots[at]:
                if slot >> 18 == tag:
                    rank = (slot & 0x3FFFF) - 1
                    if data[offsets[rank] : offsets[rank + 1]] == token:
                        return rank
                at = (at + 1) & mask
            return NEVER

        self.find: Callable[[bytes], int] = find

    def __missing__(self, token: bytes) -> int:
        rank = self[token] = self.find(token)
        return rank


class _Counts(dict[str, int]):
    """Number of tokens by piece, remembered."""

    __slots__ = ("_find", "_table")

    def __init__(self, table: Table, find: Callable[[bytes], int]) -> None:
        self._table = table
        self._find = find

    def __missing__(self, piece: str) -> int:
        token = piece.encode()
        if self._find(token) != NEVER:
            count = 1
        elif len(token) > _LONG:
            # Not remembered: it may be as large as the text itself.
            return self._table.count_piece(token)
        else:
            count = len(self._table.starts(piece, token)) - 1
        self[piece] = count
        return count


class _Widths(dict[str, int]):
    """How many bytes a character has; negative where merging may not begin with it whole."""

    __slots__ = ("_class_of",)

    def __init__(self, class_of: Callable[[int], int]) -> None:
        self._class_of = class_of

    def __missing__(self, character: str) -> int:
        width = len(character.encode())
        if width > 1 and not self._class_of(ord(character)) & _UNIT:
            width = -width
        self[character] = width
        return width


def _words(data: mmap.mmap) -> Sequence[int]:
    """The file as 32-bit numbers, up to the last whole one."""
    view = memoryview(data)
    view = view[: len(data) // 4 * 4]
    if sys.byteorder == "little":
        return view.cast("I")
    from array import array

    words = array("I", view.tobytes())
    words.byteswap()
    return words
