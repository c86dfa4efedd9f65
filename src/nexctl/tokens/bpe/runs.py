"""Merging byte pairs: of one piece, and of a piece of any length in constant memory.

Why a long piece may be merged part by part: tokens t1 ... tn are the encoding of their bytes if and
only if each two neighbours are the encoding of theirs. For take the first merge, in all of it, that
crosses a boundary, say between ti and ti+1. Until then the bytes of ti and ti+1 have seen the same
merges as they see alone (lowest rank first, then leftmost, and nothing from outside), so alone they
would cross there too; and the other way round. So two encoded parts may be joined where the last
token of one and the first of the other are what their bytes encode to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

NEVER = 1 << 30

# A part is this many bytes; this share of it is kept, because its end does not know what follows.
_PART = 256
_KEEP = 176
_LARGEST = 1 << 14
_MEMO = 1 << 12


class Unjoinable(Exception):
    """No place was found where two parts join; the piece must be merged as a whole."""


def merge(piece: bytes, ranks: Mapping[bytes, int], pairs: Sequence[int]) -> list[int]:
    """Where the tokens of `piece` start, and its length at the end.

    `ranks` gives the rank of any bytes, NEVER for those that are no token; `pairs` that of two
    bytes by their 16-bit number. Time grows with the square of the length.
    """
    starts = list(range(len(piece) + 1))
    return _merge(piece, ranks, starts, [pairs[one << 8 | two] for one, two in pairwise(piece)])


def merge_units(piece: bytes, ranks: Mapping[bytes, int], starts: list[int]) -> list[int]:
    """The same, beginning with tokens that start at `starts`, which end with the length."""
    waiting = [ranks[piece[start:end]] for start, end in zip(starts, starts[2:], strict=False)]
    return _merge(piece, ranks, starts, waiting)


def _merge(
    piece: bytes, ranks: Mapping[bytes, int], starts: list[int], waiting: list[int]
) -> list[int]:
    while waiting:
        best = min(waiting)
        if best == NEVER:
            break
        at = waiting.index(best)
        del starts[at + 1], waiting[at]
        if at < len(waiting):
            waiting[at] = ranks[piece[starts[at] : starts[at + 2]]]
        if at:
            waiting[at - 1] = ranks[piece[starts[at - 1] : starts[at + 1]]]
    return starts


def merge_heap(piece: bytes, ranks: Mapping[bytes, int], pairs: Sequence[int]) -> list[int]:
    """The same as `merge`, in n log n time and some 300 bytes of memory for each byte."""
    from heapq import heapify, heappop, heappush

    size = len(piece)
    after = list(range(1, size + 2))
    before = list(range(-1, size))
    rank_at = [pairs[one << 8 | two] for one, two in pairwise(piece)]
    rank_at += [NEVER, NEVER]
    heap = [(rank, at) for at, rank in enumerate(rank_at) if rank != NEVER]
    heapify(heap)

    def renew(at: int) -> None:
        second = after[at]
        rank = ranks[piece[at : after[second]]] if second < size else NEVER
        rank_at[at] = rank
        if rank != NEVER:
            heappush(heap, (rank, at))

    while heap:
        rank, at = heappop(heap)
        if rank_at[at] != rank:
            continue
        gone = after[at]
        after[at] = after[gone]
        rank_at[gone] = NEVER
        if after[at] <= size:
            before[after[at]] = at
        renew(at)
        if before[at] >= 0:
            renew(before[at])
    starts, at = [0], 0
    while at < size:
        at = after[at]
        starts.append(at)
    return starts


class Run:
    """The encoding of one piece that arrives in parts: `feed` its bytes, then `finish`.

    Memory does not grow with the piece. With `collect` the tokens' bytes are kept as well.
    """

    __slots__ = (
        "_collected",
        "_last",
        "_memo",
        "_pairs",
        "_previous",
        "_ranks",
        "_rest",
        "_total",
    )

    def __init__(
        self, ranks: Mapping[bytes, int], pairs: Sequence[int], *, collect: bool = False
    ) -> None:
        self._ranks = ranks
        self._pairs = pairs
        self._rest = b""
        self._total = 0
        self._last = b""
        # The part before `_rest`: its bytes, its starts, how many of its tokens were taken, and
        # the token before it. A junction that does not hold is moved back into it.
        self._previous: tuple[bytes, list[int], int, bytes] | None = None
        self._memo: dict[bytes, list[int]] = {}
        self._collected: list[bytes] | None = [] if collect else None

    def feed(self, data: bytes) -> None:
        """Take the next bytes; Unjoinable where the piece cannot be taken in parts."""
        block = self._rest + data
        at = 0
        while len(block) - at >= _PART:
            part = block[at : at + _PART]
            starts = self._merged(part)
            if not self._holds(part, starts):
                block, at = self._step_back() + block[at:], 0
                continue
            at += self._take(part, starts, _KEEP)
        self._rest = block[at:]

    def finish(self) -> int:
        """The number of tokens of the whole piece."""
        while self._rest:
            part = self._rest
            starts = self._merged(part)
            if self._holds(part, starts):
                self._take(part, starts, len(part))
                self._rest = b""
            else:
                self._rest = self._step_back() + part
                if len(self._rest) > _LARGEST:
                    raise Unjoinable
        return self._total

    def tokens(self) -> list[bytes]:
        """The bytes of each token so far, where they were collected."""
        return self._collected or []

    def _merged(self, part: bytes) -> list[int]:
        starts = self._memo.get(part)
        if starts is None:
            if len(self._memo) >= _MEMO:
                self._memo.clear()
            how = merge if len(part) <= 2 * _PART else merge_heap
            starts = self._memo[part] = how(part, self._ranks, self._pairs)
        return starts

    def _holds(self, part: bytes, starts: list[int]) -> bool:
        if not self._last:
            return True
        both = self._last + part[: starts[1]]
        return self._merged(both) == [0, len(self._last), len(both)]

    def _take(self, part: bytes, starts: list[int], limit: int) -> int:
        """Take the tokens that end within `limit` bytes, at least one; how many bytes they have."""
        count = len(starts) - 1
        while count > 1 and starts[count] > limit:
            count -= 1
        self._previous = (part, starts, count, self._last)
        self._accept(part, starts, 0, count)
        return starts[count]

    def _accept(self, part: bytes, starts: list[int], first: int, last: int) -> None:
        self._total += last - first
        self._last = part[starts[last - 1] : starts[last]]
        if self._collected is not None:
            for at in range(first, last):
                self._collected.append(part[starts[at] : starts[at + 1]])

    def _step_back(self) -> bytes:
        """Give back the last token that was taken, if the part before still has one to spare."""
        if self._previous is None:
            raise Unjoinable
        part, starts, count, before = self._previous
        if count <= 1:
            raise Unjoinable
        given = part[starts[count - 1] : starts[count]]
        self._previous = (part, starts, count - 1, before)
        self._total -= 1
        self._last = part[starts[count - 2] : starts[count - 1]]
        if self._collected is not None:
            self._collected.pop()
        return given
