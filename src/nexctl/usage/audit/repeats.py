"""Requests that a file bills twice, found without holding the file in memory.

Each block's rows leave a 64-bit hash of (customer, request id) in one of some files by its last
bits. In the end each file is looked through alone. Hashes that come twice are only suspicions: the
blocks that hold them are read again and the rows themselves compared.
"""

from __future__ import annotations

import os
import tempfile
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from operator import attrgetter, xor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nexctl.usage.reading import Row

# A bucket's hashes are looked through in memory, so many of them take about 60 MB.
ROWS_A_BUCKET = 500_000
MOST_BUCKETS = 64
MOST_AT_ONCE = 200_000
_HEAD = 2  # each piece begins with its block's index and its number of hashes


def buckets_for(rows: int) -> int:
    """How many files the hashes of about so many rows go to: a power of two."""
    count = 1
    while count < MOST_BUCKETS and count * ROWS_A_BUCKET < rows:
        count *= 2
    return count


class Spill:
    """The bucket files, in a folder of their own that goes away on `close`."""

    def __init__(self, rows: int = 0, folder: str | None = None) -> None:
        self.buckets = buckets_for(rows)
        self._folder = tempfile.TemporaryDirectory(prefix="nexctl-audit-", dir=folder)
        self.path = self._folder.name

    def close(self) -> None:
        """Remove the files."""
        self._folder.cleanup()

    def suspects(self, left_out: set[int]) -> Iterator[dict[int, set[int]]]:
        """Block index -> hashes in it that come more than once, a bounded number at a time.

        `left_out` blocks do not count.
        """
        found: dict[int, set[int]] = {}
        held = 0
        for bucket in range(self.buckets):
            pieces = list(self._pieces(bucket, left_out))
            twice = _twice(pieces)
            if not twice:
                continue
            held += len(twice)
            for block, hashes in pieces:
                here = twice.intersection(hashes)
                if here:
                    found.setdefault(block, set()).update(here)
            if held > MOST_AT_ONCE:
                yield found
                found, held = {}, 0
        if found:
            yield found

    def _pieces(self, bucket: int, left_out: set[int]) -> Iterator[tuple[int, array[int]]]:
        try:
            with open(os.path.join(self.path, str(bucket)), "rb") as stream:
                held = array("q")
                held.frombytes(stream.read())
        except FileNotFoundError:
            return
        place = 0
        while place < len(held):
            block, count = held[place], held[place + 1]
            if block not in left_out:
                yield block, held[place + _HEAD : place + _HEAD + count]
            place += _HEAD + count


def _twice(pieces: list[tuple[int, array[int]]]) -> set[int]:
    """The hashes that come more than once: only pieces that bring a known one are looked into."""
    seen: set[int] = set()
    maybe: set[int] = set()
    for _, hashes in pieces:
        before = len(seen)
        seen.update(hashes)
        if len(seen) - before < len(hashes):
            maybe.update(hashes)
    seen.clear()
    counts: Counter[int] = Counter()
    if maybe:
        for _, hashes in pieces:
            counts.update(filter(maybe.__contains__, hashes))
    return {value for value, count in counts.items() if count > 1}


class Writer:
    """Appends hashes to the bucket files; one in each process."""

    def __init__(self, path: str, buckets: int) -> None:
        self._last = buckets - 1
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)
        self._files = [os.open(os.path.join(path, str(i)), flags, 0o600) for i in range(buckets)]

    def add(self, block: int, hashes: Iterable[int]) -> None:
        """Write one block's hashes, each piece in one write."""
        held = [array("q", (block, 0)) for _ in self._files]
        if self._last:
            put, last = [piece.append for piece in held], self._last
            for value in hashes:
                put[value & last](value)
        else:
            held[0].extend(hashes)
        for piece, handle in zip(held, self._files, strict=True):
            if len(piece) > _HEAD:
                piece[1] = len(piece) - _HEAD
                os.write(handle, piece.tobytes())

    def close(self) -> None:
        """Close the files."""
        for handle in self._files:
            os.close(handle)


def hashes(customers: Sequence[Any], requests: Sequence[Any]) -> Iterable[int]:
    """A hash for each row that has a request id: one function of both, as `hash_of` computes it."""
    if not all(requests):
        return [hash_of(*pair) for pair in zip(customers, requests, strict=True) if pair[1]]
    if customers and customers.count(customers[0]) == len(customers):
        return map(xor, repeat(hash(customers[0])), map(hash, requests))
    return map(xor, map(hash, customers), map(hash, requests))


def hash_of(customer: Any, request: Any) -> int:
    """The hash of one row. Two that differ may share it: it only raises a suspicion."""
    return hash(customer) ^ hash(request)


# What makes two rows with one request id the same: all that was metered and charged.
CONTENT = (
    "endpoint", "model_requested", "model_served", "status", "key_id", "requests", "input_tokens",
    "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens", "images",
    "videos", "seconds", "gpu_seconds", "semantic_cache_hit", "batch_id", "tier", "charge",
    "currency",
)  # fmt: skip
_content = attrgetter(*CONTENT)


def content(row: Row) -> tuple[Any, ...]:
    """What a row metered and charged."""
    found: tuple[Any, ...] = _content(row)
    return found
