"""Requests that a file bills twice, found without holding the file in memory.

Each block's rows leave a 64-bit hash of (customer, request id) in a temporary file, sorted into
buckets by its last bits: a bucket is looked through in the processor's own memory. Hashes that
come twice are only suspicions: the blocks that hold them are read again and the rows compared.
"""

from __future__ import annotations

import errno
import os
import tempfile
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain, pairwise, repeat
from operator import attrgetter, xor
from typing import TYPE_CHECKING, Any, NamedTuple

from nexctl.usage.audit.terms import Finding

if TYPE_CHECKING:
    from nexctl.usage.reading import Row

ROWS_A_BUCKET = 16_000
MOST_BUCKETS = 64
# Hashes looked through in one pass over the file: 32 MB.
ROWS_A_PASS = 4_000_000
MOST_AT_ONCE = 200_000
_WORD = 8


def buckets_for(rows: int) -> int:
    """How many buckets the hashes of about so many rows go to: a power of two."""
    count = 1
    while count < MOST_BUCKETS and count * ROWS_A_BUCKET < rows:
        count *= 2
    return count


class Piece(NamedTuple):
    """One block's hashes in the file: the byte at which each bucket begins, and where all end."""

    block: int
    edges: tuple[int, ...]


class Spill:
    """The hashes' file, in a folder of its own that goes away on `close`."""

    def __init__(self, rows: int = 0, folder: str | None = None) -> None:
        self.buckets = buckets_for(rows)
        self._folder = tempfile.TemporaryDirectory(prefix="nexctl-audit-", dir=folder)
        self.path = os.path.join(self._folder.name, "hashes")

    def close(self) -> None:
        """Remove the file."""
        self._folder.cleanup()

    def suspects(self, left_out: set[int]) -> Iterator[dict[int, set[int]]]:
        """Block index -> hashes in it that come more than once, a bounded number at a time.

        `left_out` blocks do not count.
        """
        try:
            handle = os.open(self.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except FileNotFoundError:
            return
        try:
            yield from self._suspects(handle, left_out)
        finally:
            os.close(handle)

    def _suspects(self, handle: int, left_out: set[int]) -> Iterator[dict[int, set[int]]]:
        size = os.fstat(handle).st_size
        pieces = [one for one in self._pieces(handle, size) if one.block not in left_out]
        at_once = max(1, self.buckets * ROWS_A_PASS * _WORD // max(1, size))
        found: dict[int, set[int]] = {}
        held = 0
        for low in range(0, self.buckets, at_once):
            for bucket, hashes in _read(handle, pieces, low, min(low + at_once, self.buckets)):
                if len(set(hashes)) == len(hashes):
                    continue
                twice = {value for value, count in Counter(hashes).items() if count > 1}
                held += len(twice)
                for piece in pieces:
                    here = twice.intersection(_part(handle, piece, bucket, bucket + 1))
                    if here:
                        found.setdefault(piece.block, set()).update(here)
                if held > MOST_AT_ONCE:
                    yield found
                    found, held = {}, 0
        if found:
            yield found

    def _pieces(self, handle: int, size: int) -> Iterator[Piece]:
        place, head = 0, (1 + self.buckets) * _WORD
        while place < size:
            numbers = array("q", os.pread(handle, head, place))
            counts = (_WORD * count for count in numbers[1:])
            piece = Piece(numbers[0], tuple(accumulate(counts, initial=place + head)))
            yield piece
            place = piece.edges[-1]


def _part(handle: int, piece: Piece, low: int, high: int) -> array[int]:
    """A piece's hashes in the buckets from `low` up to `high`."""
    start, end = piece.edges[low], piece.edges[high]
    return array("q", os.pread(handle, end - start, start))


def _read(
    handle: int, pieces: list[Piece], low: int, high: int
) -> Iterator[tuple[int, array[int]]]:
    """Each bucket from `low` up to `high` with its hashes, read in one pass."""
    held = [array("q") for _ in range(low, high)]
    for piece in pieces:
        edges = piece.edges[low : high + 1]
        data = os.pread(handle, edges[-1] - edges[0], edges[0])
        for bucket, (start, end) in zip(held, pairwise(edges), strict=True):
            bucket.frombytes(data[start - edges[0] : end - edges[0]])
    yield from enumerate(held, low)


class Writer:
    """Appends hashes to the file; forked processes share one."""

    def __init__(self, path: str, buckets: int) -> None:
        self._last = buckets - 1
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)
        self._file = os.open(path, flags | getattr(os, "O_BINARY", 0), 0o600)

    def add(self, block: int, hashes: Iterable[int]) -> None:
        """Write one block's hashes in one write, so that processes do not mix theirs."""
        held: list[list[int]] = [[] for _ in range(self._last + 1)]
        if self._last:
            put, last = [bucket.append for bucket in held], self._last
            for value in hashes:
                put[value & last](value)
        else:
            held[0].extend(hashes)
        piece = array("q", (block, *map(len, held)))
        piece.extend(chain.from_iterable(held))
        data = piece.tobytes()
        if os.write(self._file, data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


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


# What a list that has a line for each meter of a request puts on lines of its own.
_METERED = (
    "input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "images",
    "videos", "seconds", "gpu_seconds",
)  # fmt: skip


class Others:
    """Charged rows with one request id whose counts or charges differ.

    Suspicious is only a second row of one customer and model that bills a meter which another one
    bills: not a line for each meter, a sum of several requests, a batch's line, what was given
    back, or a list without customers, of whom two may use one id.
    """

    def __init__(self) -> None:
        self._rows: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
        self._refunded: set[tuple[Any, Any]] = set()

    def add(self, place: int, row: Row, billed: int) -> None:
        """One row that is no copy of another; rows come in the file's order."""
        if row.customer_id is None:
            return
        if billed < 0:
            self._refunded.add((row.customer_id, row.request_id))
        elif billed and row.requests in (None, 1) and not row.batch_id and row.status != "error":
            model = row.model_served or row.model_requested
            key = (row.customer_id, row.request_id, row.endpoint, model)
            meters = sum(1 << n for n, name in enumerate(_METERED) if getattr(row, name))
            kept = (place, meters, billed, row.currency, row.created_at)
            self._rows.setdefault(key, []).append(kept)

    def suspicious(self) -> Iterator[Finding]:
        """What is worth a question. Its price may be right: what it comes to is not known."""
        for (customer, request, _, model), rows in self._rows.items():
            if (customer, request) in self._refunded:
                continue
            known, first = 0, rows[0][0]
            for place, meters, billed, currency, created_at in rows:
                if meters & known:
                    yield Finding(
                        "duplicate",
                        "warning",
                        place,
                        request,
                        billed,
                        None,
                        f"the same request is billed in row {first} already, with other counts or "
                        "another charge; whether both are owed cannot be told from the list",
                        currency=currency,
                        model=model,
                        created_at=created_at,
                        customer_id=customer,
                    )
                known |= meters
