"""Proofs about money in that `verify` runs: billing tiers, fees, codes, papers.

What a tier earns is asked of the book's rules, where they were handed in (`Shared.tiering`).
"""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from nexctl.server.ledger import tiers
from nexctl.server.ledger.port import Row, Transaction


class Report(Protocol):
    """Where a proof says what it found."""

    def check(self, check: str, holds: bool, place: str, text: str) -> None:
        """One thing looked at."""


def count_month(report: Report, book: Any, row: Row, place: str) -> None:
    """Add a usage entry's gross and cut to its month."""
    record = msgspec.json.decode(row[18])
    gross, charge = record.get(tiers.GROSS), row[16]
    if gross is None:
        return
    report.check("tiers", charge <= gross, place, f"charged {charge} of a gross of {gross}")
    found = book.months.setdefault(row[10], [0, 0])
    found[0] += gross
    found[1] += gross - charge


def months(tx: Transaction, report: Report, book: Any, customer: str) -> None:
    """A customer's months against its debits and its credit entries, on the wallet's snapshot."""
    if book.wallet != customer:
        return  # the customer's first wallet stands for all of them
    tiering = tx.shared.tiering
    kept = {
        row[0]: row[1:]
        for row in tx.all(
            "SELECT month, gross, cut, credited FROM tier_months WHERE customer_id=?", customer
        )
    }
    if not kept:
        return
    if tiering is None:
        return
    made: dict[str, list[int]] = {}
    others = tx.value("SELECT count(*) FROM wallets WHERE customer_id=?", customer)
    if others == 1:
        for created, (gross, cut) in book.months.items():
            _add(made, tiering.month(created), gross, cut)
    else:
        for created, charge, text in tx.all(
            "SELECT created_at, charge, record FROM usage_records "
            "WHERE wallet IN (SELECT id FROM wallets WHERE customer_id=?)",
            customer,
        ):
            whole = msgspec.json.decode(text).get(tiers.GROSS)
            if whole is not None:
                _add(made, tiering.month(created), whole, whole - charge)
    for month, (gross, cut, credited) in kept.items():
        place = f"{customer} {month}"
        said, found = [gross, cut], made.pop(month, [0, 0])
        report.check("tiers", said == found, place, f"gross and cut are {said}, not {found}")
        _credits(tx, report, tiering, customer, month, gross, credited)
    for month in made:
        report.check("tiers", False, f"{customer} {month}", "the month has debits and no sum")


def _add(made: dict[str, list[int]], month: str, gross: int, cut: int) -> None:
    found = made.setdefault(month, [0, 0])
    found[0] += gross
    found[1] += cut


def _credits(
    tx: Transaction,
    report: Report,
    tiering: tiers.Tiering,
    customer: str,
    month: str,
    gross: int,
    credited: int,
) -> None:
    place = f"{customer} {month}"
    rows = tiers.credits_of(tx, customer, month)
    passed = [threshold for _, threshold in tiering.passed(0, gross)]
    settled = [row.threshold for row in rows]
    report.check("tiers", settled == passed, place, f"passed {passed}, settled {settled}")
    total = sum(row.amount for row in rows)
    report.check("tiers", total == credited, place, f"credited {credited}, entries make {total}")
    before = 0
    for row in rows:
        entry = tx.one(
            "SELECT kind, amount, reference FROM entries WHERE wallet=? AND seq=?",
            *(row.wallet, row.seq or 0),
        )
        wanted = (tiers.KIND, row.amount, f"{month}:{row.tier}") if row.amount else None
        where = f"{place} {row.tier}"
        report.check("tiers", entry == wanted, where, f"{row.amount} was posted as {entry}")
        told = row.percent if tiering.negotiable(row.tier) else None
        target, percent, _ = tiering.earned(row.tier, row.gross, told)
        before += row.amount
        holds = percent == row.percent and before <= target
        report.check("tiers", holds, where, f"credited {before} of {target} at {percent} %")


def money_in(tx: Transaction, report: Report) -> None:
    """Codes' uses, fees and papers."""
    for code, used, uses, counted in tx.all(
        "SELECT c.id, c.used, c.uses, count(u.customer_id) FROM codes c "
        "LEFT JOIN code_uses u ON u.code_id=c.id WHERE c.kind='promo' GROUP BY c.id, c.used, c.uses"
    ):
        report.check("codes", used == counted <= uses, code, f"{used} uses, {counted} orders")
    for wallet, seq, fee, tax, amount in tx.all(
        "SELECT f.wallet, f.seq, f.fee, f.tax, e.amount FROM subscription_fees f "
        "LEFT JOIN entries e ON e.wallet=f.wallet AND e.seq=f.seq AND e.kind='subscription_fee'"
    ):
        place = f"{wallet} {seq}"
        # A plan that costs nothing has no entry.
        wanted = -(fee + tax) or None
        report.check("fees", amount == wanted, place, f"a fee of {fee + tax} is {amount}")
    for series, last in tx.all("SELECT series, last FROM invoice_series"):
        found = tx.one("SELECT count(*), max(place) FROM invoices WHERE series=?", series)
        report.check(
            "papers", found == (last, last or None), series, f"{last} numbers, papers are {found}"
        )
