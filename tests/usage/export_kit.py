"""A gateway's list of usage and its ledger, in memory: records that add up, with a few oddities."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from nexctl.usage.export.run import Ask
from nexctl.usage.export.window import Filters, Window
from nexctl.wire.wallet import LedgerEntry

OCTOBER = Window("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z")
RATES = {
    "input": {"price": "0.10", "per": 1_000_000, "factor": "1"},
    "output": {"price": "0.40", "per": 1_000_000, "factor": "1"},
}
NASTY = (
    '=HYPERLINK("http://x","y")',
    "+1-2",
    "@sum",
    "-2+3",
    "'quoted",
    "''=1",
    'a "b", c;d',
    "two\nlines\r\nand\ttabs",
    "😀 naïve Ünïcode 漢字",
    " padded ",
    "123456789012345678",
    "2026-10-01",
    "1E5",
)


def plain(amount: Decimal) -> str:
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


class Book:
    """A customer's ledger: `usage` and other entries share one sequence and one balance."""

    def __init__(self) -> None:
        self.balance = Decimal(0)
        self.records: list[dict[str, Any]] = []
        self.entries: list[LedgerEntry] = []

    @property
    def sequence(self) -> int:
        return len(self.entries)

    def entry(self, kind: str, amount: str, at: str) -> None:
        self.balance += Decimal(amount)
        self.entries.append(
            LedgerEntry(
                sequence=self.sequence + 1,
                created_at=at,
                kind=kind,
                amount=amount,
                currency="USD",
                balance_after=plain(self.balance),
            )
        )

    def use(self, charge: str = "0.000123", at: str | None = None, **fields: Any) -> None:
        """One metered request, posted when it was reserved."""
        number = self.sequence + 1
        at = at or f"2026-10-{number % 28 + 1:02d}T10:{number % 60:02d}:00.5Z"
        delta = plain(-Decimal(charge))
        self.entry("usage", delta, at)
        self.records.append(
            {
                "created_at": at,
                "request_id": f"req-{number}",
                "gateway": "nextoken",
                "customer_id": "cus_1",
                "key_id": "key_1",
                "key_name": "ci",
                "labels": {"team": "search"},
                "endpoint": "/v1/chat/completions",
                "model_requested": "nex-pro",
                "model_served": "nex-pro",
                "provider": "echo",
                "status": "ok",
                "requests": 1,
                "input_tokens": 830,
                "cached_input_tokens": 0,
                "output_tokens": 100,
                "semantic_cache_hit": False,
                "rate_input": "0.1",
                "rate_output": "0.4",
                "rates": RATES,
                "multiplier": "1",
                "charge": charge,
                "currency": "USD",
                "balance_delta": delta,
                "balance_after": plain(self.balance),
                "sequence": number,
                "price_book": "nextoken@2026-11-20",
                **fields,
            }
        )


def book_of(records: int = 25) -> Book:
    """A book with a top-up before and between, awkward names, a repeated request id, a refund."""
    book = Book()
    book.entry("topup", "100", "2026-10-01T00:00:00Z")
    for number in range(records):
        if number == 7:
            book.entry("grant", "5.5", "2026-10-02T00:00:00Z")
        if number == 11:
            book.use(charge="-12.50", request_id="req-3")
        name = NASTY[number % len(NASTY)]
        book.use(f"0.{number + 1:09d}", key_name=name, project=name, labels={"who": name})
    return book


class Recorded:
    """A source (`usage.export.gaps.Source`) over a book. `spoil` may change or refuse a page."""

    def __init__(
        self,
        book: Book,
        *,
        limit: int = 4,
        closed: bool | None = True,
        ledger: bool = True,
        spoil: Callable[[int, dict[str, Any]], Any] | None = None,
    ) -> None:
        self.book = book
        self.limit = limit
        self.closed = closed
        self.has_ledger = ledger
        self.spoil = spoil
        self.asked = 0

    def page(self, cursor: str | None, after: int | None) -> bytes:
        self.asked += 1
        behind = max(int(cursor or 0), after or 0)
        rows = [row for row in self.book.records if row["sequence"] > behind]
        page = {
            "data": rows[: self.limit],
            "next_cursor": str(rows[self.limit - 1]["sequence"])
            if len(rows) > self.limit
            else None,
            "closed": self.closed,
        }
        if self.spoil is not None:
            page = self.spoil(self.asked, page) or page
        return json.dumps(page, ensure_ascii=False, indent=1).encode()

    def ledger(
        self, after: int, *, start: str | None = None, end: str | None = None
    ) -> list[LedgerEntry] | None:
        if not self.has_ledger:
            return None
        found: Iterable[LedgerEntry] = (e for e in self.book.entries if e.sequence > after)
        return [
            e
            for e in found
            if (start is None or e.created_at >= start) and (end is None or e.created_at < end)
        ][:3]


def ask(**more: Any) -> Ask:
    return Ask(**{
        "gateway": "nextoken", "customer": "cus_1", "window": OCTOBER, "filters": Filters(), **more
    })  # fmt: skip
