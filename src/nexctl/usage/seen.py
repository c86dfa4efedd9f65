"""Lists of usage that overlap: a request that stands in two of them is counted once.

What stands twice in one list stays twice: that is what the list says was billed.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Any

ROWS_A_CHUNK = 1 << 18


class _Chunk:
    """Hashes of records, eight bytes each, and the times between which they were made."""

    __slots__ = ("first", "hashes", "last")

    def __init__(self) -> None:
        self.first, self.last = "~", ""
        self.hashes = array("q")

    def add(self, at: str, value: int) -> None:
        self.first, self.last = min(self.first, at), max(self.last, at)
        self.hashes.append(value)

    def sort(self) -> None:
        self.hashes = array("q", sorted(self.hashes))

    def has(self, at: str, value: int) -> bool:
        if not self.first <= at <= self.last:
            return False
        place = bisect_left(self.hashes, value)
        return place < len(self.hashes) and self.hashes[place] == value


class Seen:
    """Passes the records of each list on, without those that a list before it had.

    `again` counts what was left out of the last one. The same are records of one customer, request
    id and time that both charge, or both give back; one without a request id is always passed on.
    """

    def __init__(self) -> None:
        self._before: list[_Chunk] = []
        self.again = 0

    def new(self, rows: Iterable[Any]) -> Iterator[Any]:
        """The records of one list that are in none before it."""
        self.again = 0
        here = [_Chunk()]
        for row in rows:
            if row.request_id:
                at = row.created_at or ""
                back = str(row.charge or "").startswith("-")
                value = hash((row.customer_id, row.request_id, at, back))
                if any(chunk.has(at, value) for chunk in self._before):
                    self.again += 1
                    continue
                if len(here[-1].hashes) == ROWS_A_CHUNK:
                    here.append(_Chunk())
                here[-1].add(at, value)
            yield row
        for chunk in here:
            chunk.sort()
        self._before += here
