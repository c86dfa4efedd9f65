"""What lies between the exported records in the customer's ledger, and whether it adds up.

Usage shares its sequence with top-ups, grants and credits. Where a sequence is missing between two
records, the ledger is asked what it is. So a lost record is told from a top-up, and

    opening balance + credits - debits = closing balance

is proved page by page over every entry from the window's first to its last.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

import msgspec

from nexctl.usage.export.pages import BadPage, Batch, decoded, number, sum_text
from nexctl.usage.export.window import Window, order_of

if TYPE_CHECKING:
    from nexctl.wire.wallet import LedgerEntry

USAGE = "usage"
MOST_RANGES = 100_000


class Source(Protocol):
    """Where an export comes from."""

    def page(self, cursor: str | None, after: int | None) -> bytes:
        """One page of the records asked for, as JSON of a `UsagePage`."""

    def ledger(
        self, after: int, *, start: str | None = None, end: str | None = None
    ) -> Sequence[LedgerEntry] | None:
        """Entries behind a sequence, by time of posting; [] at the end, None where there is none.

        A page of them, in sequence order.
        """


class Found(msgspec.Struct):
    """The ledger's other entries, and the running balance; amounts are decimal text.

    `after` is the last sequence that is accounted for, `balance` what it should have left.
    `ranges` are the other entries' sequences, first and last.
    """

    opening: str
    after: int
    balance: str
    exported: str = "0"
    credits: str = "0"
    debits: str = "0"
    kinds: dict[str, list[str]] = msgspec.field(default_factory=dict)
    ranges: list[list[int]] = msgspec.field(default_factory=list)
    complete: bool = True
    wrong: str | None = None


class Ledger:
    """Follows an unfiltered export through the ledger."""

    def __init__(self, source: Source, window: Window, found: Found) -> None:
        self._source = source
        self._window = window
        self.found = found

    @classmethod
    def begin(
        cls, source: Source, window: Window, after: int | None, balance: str | None
    ) -> Ledger | None:
        """At the window's first entry, or behind the export that this one continues.

        None where the gateway shows no ledger, or none of its entries lies in the window.
        """
        if after is not None and balance is not None:
            return cls(source, window, Found(balance, after, balance))
        start = window.start if after is None else None
        entries = source.ledger(after or 0, start=start, end=window.end)
        if not entries:
            return None
        first = entries[0]
        opening = sum_text(number(first.balance_after) - number(first.amount))
        return cls(source, window, Found(opening, first.sequence - 1, opening))

    def page(self, batch: Batch) -> bool:
        """Account for a page; False where its records have no balance to follow."""
        sequences = batch.column("sequence")
        last = batch.column("balance_after")[-1]
        if batch.delta is None or last is None or sequences[0] is None:
            return False
        found = self.found
        if sequences[0] <= found.after:
            raise BadPage(
                f"its record {sequences[0]} lies before the ledger's first entry of the window"
            )
        others = Decimal(0)
        if sequences[-1] - found.after != len(sequences):
            others = self._between(sequences)
        found.exported = sum_text(Decimal(found.exported) + batch.delta)
        self._stands(Decimal(found.balance) + others + batch.delta, last, sequences[-1])
        return True

    def finish(self, *, closed: bool) -> None:
        """Account for what follows the last record: up to the window's end where it is closed.

        In an open window a later debit may be one that no page has shown yet, so there it stops.
        """
        closed = closed and self._window.end is not None
        checked = False
        while entries := self._source.ledger(self.found.after, end=self._window.end):
            for entry in entries:
                if entry.sequence != self.found.after + 1:
                    raise BadPage(f"its ledger does not show entry {self.found.after + 1}")
                if entry.kind == USAGE:
                    if not closed:
                        return
                    if not checked:
                        self._none_left()
                        checked = True
                self._other(entry)
                balance = Decimal(self.found.balance) + number(entry.amount)
                self._stands(balance, entry.balance_after, entry.sequence)

    def _stands(self, balance: Decimal, said: str, sequence: int) -> None:
        found = self.found
        if balance != number(said) and found.wrong is None:
            found.wrong = (
                f"up to sequence {sequence} the entries add up to {balance:f}, "
                f"the gateway says {said}"
            )
        found.balance, found.after = sum_text(number(said)), sequence

    def _between(self, sequences: Sequence[int]) -> Decimal:
        """The sum of the entries that lie before or between the records of a page."""
        found, known = self.found, set(sequences)
        first, last = _span(found.after, sequences)
        total, doubtful, after = Decimal(0), False, first - 1
        while after < last:
            entries = self._source.ledger(after)
            if not entries:
                raise BadPage(f"its ledger does not show entry {after + 1}")
            for entry in entries:
                if entry.sequence > last:
                    break
                if entry.sequence != after + 1:
                    raise BadPage(f"its ledger does not show entry {after + 1}")
                after = entry.sequence
                if after in known:
                    continue
                total += number(entry.amount)
                self._other(entry)
                doubtful = doubtful or self._may_belong(entry)
        if doubtful:
            self._none_between(known, first, last)
        return total

    def _may_belong(self, entry: LedgerEntry) -> bool:
        """Whether a debit could be of this window: none posted before it began is."""
        if entry.kind != USAGE:
            return False
        start = self._window.start
        return start is None or order_of(entry.created_at) >= order_of(start)

    def _none_between(self, known: set[int], first: int, last: int) -> None:
        """Ask for the records again behind the last one known: is there one that no page showed?"""
        after = first - 1
        while after < last:
            rows = decoded(self._source.page(None, after)).data
            lost = [r.sequence for r in rows if r.sequence not in known and r.sequence <= last]
            if lost:
                raise BadPage(f"its pages left out the record with sequence {lost[0]}")
            if not rows or rows[-1].sequence <= after:
                return
            after = rows[-1].sequence

    def _none_left(self) -> None:
        if decoded(self._source.page(None, self.found.after)).data:
            raise BadPage("its pages ended before the last record")

    def _other(self, entry: LedgerEntry) -> None:
        found, sequence = self.found, entry.sequence
        count, amount = found.kinds.get(entry.kind, ("0", "0"))
        moved = number(entry.amount)
        found.kinds[entry.kind] = [str(int(count) + 1), sum_text(Decimal(amount) + moved)]
        if moved > 0:
            found.credits = sum_text(Decimal(found.credits) + moved)
        else:
            found.debits = sum_text(Decimal(found.debits) - moved)
        if found.ranges and found.ranges[-1][1] == sequence - 1:
            found.ranges[-1][1] = sequence
        elif len(found.ranges) < MOST_RANGES:
            found.ranges.append([sequence, sequence])
        else:
            found.complete = False


def _span(after: int, sequences: Sequence[int]) -> tuple[int, int]:
    """From the first sequence that is missing to the last one."""
    first = last = 0
    before = after
    for sequence in sequences:
        if sequence != before + 1:
            first = first or before + 1
            last = sequence - 1
        before = sequence
    return first, last
