"""Proofs about money in that `verify` runs: orders, grants, billing tiers, fees, codes, papers.

What a tier earns is asked of the book's rules, where they were handed in (`Shared.tiering`).
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol

import msgspec

from nexctl.money import NANO, parse_units
from nexctl.server.ledger import funds, invoices, lots, refunds, tiers
from nexctl.server.ledger.clock import NEVER
from nexctl.server.ledger.port import Row, Transaction

# the kind of the lot that an entry makes, and the entries that name an order
_LOTS = {
    "topup": "paid",
    "bonus": "bonus",
    "dispute_won": "paid",
    "adjustment": "adjustment",
    "reversal": "adjustment",
}
_OF_ORDERS = ("topup", "bonus", "dispute_won")
_ENDING = ("grant", "transfer")
_TELLING = len("grt_") + 32
_PAYER = f"{funds.PAYMENTS}:"


class Report(Protocol):
    """Where a proof says what it found."""

    def check(self, check: str, holds: bool, place: str, text: str) -> None:
        """One thing looked at."""

    def readable(self, check: str, place: str) -> AbstractContextManager[None]:
        """Name what cannot be read."""
        ...


def count_money_in(
    book: Any,
    seq: int,
    kind: str,
    amount: int,
    reference: str | None,
    postings: list[tuple[str, int | None, int]],
) -> None:
    """Keep what an entry that is no debit says, and what it moved from or to a payer."""
    book.money_in[seq] = (kind, amount, reference)
    paid = sum(part for account, _, part in postings if account.startswith(_PAYER))
    if paid:
        order = reference or ""
        book.paid_in[order] = book.paid_in.get(order, 0) - paid
        payers = {account for account, _, _ in postings if account.startswith(_PAYER)}
        book.payers.setdefault(order, set()).update(payers)


def wallet_money(tx: Transaction, report: Report, book: Any, owner: str) -> None:
    """A wallet's orders and grants against its entries, both ways, and whose it is."""
    place = book.wallet
    total = sum(book.paid_in.values())
    lifetime = tx.value("SELECT lifetime FROM wallets WHERE id=?", place)
    report.check("orders", lifetime == total, place, f"the lifetime is {lifetime}, not {total}")
    for caller in sorted(book.callers - {owner}):
        member = tx.one(
            "SELECT 1 FROM members WHERE org_id=? AND customer_id=?", caller, owner
        )  # an organisation's request may be paid by a member
        report.check("belongs", member is not None, place, f"{caller} paid from it")
    _orders(tx, report, book, owner)
    _grants(tx, report, book)


def _orders(tx: Transaction, report: Report, book: Any, owner: str) -> None:
    made: dict[str, dict[tuple[str, int], int]] = {}
    for seq, (kind, amount, reference) in book.money_in.items():
        if kind in ("topup", "bonus") and reference:
            made.setdefault(reference, {})[kind, seq] = amount
    told = _told(tx, book.wallet)
    for order, customer, state, bought, bonus, paid_lot, bonus_lot, total, back, *more in tx.all(
        "SELECT id, customer_id, state, credits, bonus, paid_lot, bonus_lot, total, "
        "refunded+disputed, subtotal+tax+fee, disputed, provider, currency, payment_id, "
        "paid_at IS NOT NULL FROM orders WHERE wallet=?",
        book.wallet,
    ):
        report.check("belongs", customer == owner, order, "its wallet is another's")
        parts, disputed, provider, *event = more
        report.check("orders", parts == total, order, f"its parts make {parts}, not {total}")
        payers = book.payers.get(order, set()) - {f"{_PAYER}{provider}"}
        report.check("orders", not payers, order, f"{provider}'s, but paid from {payers}")
        _events(report, order, told.get(order, []), (provider, total, *event), disputed)
        wanted: dict[tuple[str, int], int] = {}
        left = 0
        if state in ("credited", "refunded"):
            wanted["topup", paid_lot] = bought
            if bonus:
                wanted["bonus", bonus_lot] = bonus
            left = bought - refunds.upto(bought, total, back)
        else:
            report.check("orders", not back, order, f"{state}: {back} of it went back")
        named = {("topup", paid_lot), ("bonus", bonus_lot)} - {("topup", None), ("bonus", None)}
        report.check("orders", named == set(wanted), order, f"{state}: its lots are {named}")
        said = made.pop(order, {})
        report.check("orders", said == wanted, order, f"{state}: credited {said}")
        paid = book.paid_in.get(order, 0)
        report.check("orders", paid == left, order, f"{left} of it stay paid, entries make {paid}")
    for order in made:
        gone = order.startswith("ord_")  # who tops up without an order names what they like
        report.check("orders", not gone, order, "its credits are there, the order is gone")
    for lot, kind, order, priority, ends, play, paid_by_play in tx.all(
        "SELECT l.lot, l.kind, l.order_id, l.priority, l.expires_at, l.sandbox, "
        "coalesce(o.sandbox, l.sandbox) FROM lots l LEFT JOIN orders o ON o.id=l.order_id "
        "WHERE l.wallet=?",
        book.wallet,
    ):
        where = f"{book.wallet} lot {lot}"
        wanted_priority = lots.priority_of(kind)
        report.check("lots", priority == wanted_priority, where, f"it burns as {priority}")
        report.check("lots", play == paid_by_play, where, "play money and money are mixed up")
        entry, _, reference = book.money_in.get(lot, ("", 0, None))
        lasts = ends == NEVER or entry in _ENDING
        report.check("lots", lasts, where, f"{entry} credits do not expire")
        if entry == "transfer":
            came = tx.one(
                "SELECT 1 FROM lots WHERE wallet=? AND kind=? AND expires_at=?",
                *(reference, kind, ends),
            )
            report.check("lots", came is not None, where, "no such credits were where it is from")
        if entry in _LOTS:
            wanted_lot = (_LOTS[entry], reference if entry in _OF_ORDERS else None)
            report.check("lots", (kind, order) == wanted_lot, where, f"it is not {wanted_lot[0]}")


def _told(tx: Transaction, wallet: str) -> dict[str, list[Row]]:
    """What payment providers have told of each order that was acted on."""
    found: dict[str, list[Row]] = {}
    for order, *event in tx.all(
        "SELECT e.order_id, e.outcome, e.provider, e.amount, e.currency, e.payment_id "
        "FROM orders o JOIN payment_events e ON e.order_id=o.id WHERE o.wallet=?",
        wallet,
    ):
        found.setdefault(order, []).append(tuple(event))
    return found


def _events(
    report: Report, order: str, told: list[Row], of_order: tuple[Any, ...], disputed: int
) -> None:
    """A payment that a provider told of is the order's, once; so is what it disputes."""
    *payment, by_event = of_order
    paid = [[*event] for outcome, *event in told if outcome == "credited"]
    wanted = [payment] if by_event else []
    report.check("orders", paid == wanted, order, f"its payments are {paid}, not {wanted}")
    signs = {"disputed": 1, "dispute_won": -1}
    taken = sum(signs.get(outcome, 0) * amount for outcome, _, amount, *_ in told)
    report.check("orders", taken == disputed, order, f"disputed {disputed}, told {taken}")


def _grants(tx: Transaction, report: Report, book: Any) -> None:
    given = {seq for seq, row in book.money_in.items() if row[0] == "grant"}
    for grant, lot, *says, lot_kind, state, code in tx.all(
        "SELECT g.id, g.lot, g.kind, g.period, l.expires_at, g.note, l.kind, c.state, c.id "
        "FROM grants g LEFT JOIN lots l ON l.wallet=g.wallet AND l.lot=g.lot "
        "LEFT JOIN codes c ON c.grant_id=g.id WHERE g.wallet=?",
        book.wallet,
    ):
        kind = says[0]
        report.check("grants", lot in given, grant, f"there is no credit {lot}")
        given.discard(lot)
        report.check("grants", kind == lot_kind, grant, f"it is {kind}, its lot {lot_kind}")
        redeemed = kind != "code" or state == "redeemed"
        report.check("codes", redeemed, grant, "no redeemed code has this grant")
        *_, reference = book.money_in.get(lot, (None,))
        named = reference == (code if kind == "code" else grant)
        report.check("grants", named, grant, f"its credit is that of {reference}")
        # One that was given before names followed from grants has a shorter one.
        tells = len(grant) < _TELLING or grant == funds.grant_id(book.wallet, lot, *says)
        report.check("grants", tells, grant, f"it was not given as {says}")
    for lot in sorted(given):
        report.check("grants", False, f"{book.wallet} {lot}", "the credit's grant is gone")


_WALLETS_OF = """
WITH RECURSIVE named (wallet) AS (
    SELECT min(wallet) FROM {table}
    UNION ALL
    SELECT (SELECT min(t.wallet) FROM {table} t WHERE t.wallet > named.wallet) FROM named
    WHERE named.wallet IS NOT NULL
)
SELECT n.wallet FROM named n LEFT JOIN wallets w ON w.id = n.wallet
WHERE n.wallet IS NOT NULL AND w.id IS NULL
"""


def belonging(tx: Transaction, report: Report) -> None:
    """Nothing is left of a wallet, a customer, an entry or a budget whose row was taken away."""
    for wallet, owner, known, own in tx.all(
        "SELECT w.id, w.customer_id, c.id, o.id FROM wallets w "
        "LEFT JOIN customers c ON c.id=w.customer_id LEFT JOIN customers o ON o.id=w.id"
    ):
        report.check("belongs", known is not None, wallet, "its customer is gone")
        # A customer's first wallet bears the customer's name.
        report.check("belongs", own in (None, owner), wallet, f"it is said to be {owner}'s")
    for table in ("entries", "postings", "usage_records", "lots"):
        for (wallet,) in tx.all(_WALLETS_OF.format(table=table)):
            report.check("belongs", False, wallet, f"the wallet is gone, its {table} are not")
    for table in ("holds", "orders", "grants"):
        for (wallet,) in tx.all(
            f"SELECT DISTINCT t.wallet FROM {table} t "  # noqa: S608 - our own names
            "LEFT JOIN wallets w ON w.id=t.wallet WHERE w.id IS NULL"
        ):
            report.check("belongs", False, wallet, f"the wallet is gone, its {table} are not")
    for table in ("postings", "usage_records"):
        for wallet, last, seq in tx.all(
            f"SELECT w.id, (SELECT max(t.seq) FROM {table} t "  # noqa: S608 - our own names
            "WHERE t.wallet=w.id), w.seq FROM wallets w"
        ):
            fits = last is None or last <= seq
            report.check("belongs", fits, f"{wallet} {last}", f"{table} without an entry")
    for (budget,) in tx.all(
        "SELECT DISTINCT b.budget FROM buckets b LEFT JOIN budgets g ON g.id=b.budget "
        "WHERE g.id IS NULL"
    ):
        report.check("budgets", False, f"budget {budget}", "its buckets have no budget")


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
    """Codes, fees and papers."""
    for code, state, grant, amount, given, *terms in tx.all(
        "SELECT c.id, c.state, c.grant_id, c.amount, l.amount, c.redeemed_by, c.currency, "
        "coalesce(c.credits_expire_at, ?), w.customer_id, w.currency, l.expires_at FROM codes c "
        "LEFT JOIN grants g ON g.id=c.grant_id "
        "LEFT JOIN lots l ON l.wallet=g.wallet AND l.lot=g.lot "
        "LEFT JOIN wallets w ON w.id=g.wallet "
        "WHERE c.state='redeemed' OR c.grant_id IS NOT NULL",
        NEVER,
    ):
        fits = grant == "retired" or (state == "redeemed" and amount == given)
        report.check("codes", fits, code, f"{state}: {amount} was given as {given}")
        said, made = terms[:3], terms[3:]
        holds = grant == "retired" or said == made
        report.check("codes", holds, code, f"of {said}, its credits are of {made}")
    for code, customer, owner in tx.all(
        "SELECT u.code_id, u.customer_id, o.customer_id FROM code_uses u "
        "JOIN orders o ON o.id=u.order_id"
    ):
        report.check("codes", customer == owner, code, f"{customer}'s, used for {owner}'s order")
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
    for (series,) in tx.all(
        "SELECT DISTINCT i.series FROM invoices i "
        "LEFT JOIN invoice_series s ON s.series=i.series WHERE s.series IS NULL"
    ):
        report.check("papers", False, series, "there are papers, no series")
    for row in tx.all(_PAPERS):
        with report.readable("papers", str(row[0])):
            _paper(report, row)
    for order, back, noted in tx.all(
        "SELECT o.id, o.refunded, (SELECT coalesce(sum(n.total), 0) FROM invoices n "
        "WHERE n.subject=o.id AND n.kind='credit_note') FROM orders o WHERE EXISTS "
        "(SELECT 1 FROM invoices i WHERE i.subject=o.id AND i.kind='invoice')"
    ):
        report.check("papers", back == noted, order, f"{back} went back, credit notes say {noted}")
    for order, back, told in tx.all(
        "SELECT o.id, o.refunded, sum(c.amount) FROM provider_calls c "
        "JOIN orders o ON o.id=c.order_id AND o.provider=c.provider WHERE c.kind='refund' "
        "GROUP BY o.id, o.refunded"
    ):
        report.check("orders", told <= back, order, f"{back} went back, {told} is asked for")


_PAPERS = (
    "SELECT i.number, i.series, i.place, i.kind, i.total, i.body, i.customer_id, i.currency, "
    "o.customer_id, o.currency, o.total, n.subject FROM invoices i "
    "LEFT JOIN orders o ON o.id=i.subject "
    "LEFT JOIN invoices n ON n.number=i.corrects AND n.kind='invoice' AND n.subject=i.subject "
    "WHERE i.kind<>'void'"
)


def _paper(report: Report, row: Row) -> None:
    """A paper's parts make its total, and it is its order's."""
    number, series, place, kind, total, text, *whose = row
    wanted = invoices.numbered(series, place)
    report.check("papers", number == wanted, number, f"it is {wanted} by its place")
    body = msgspec.json.decode(text)
    lines = sum(parse_units(line["gross"], NANO) for line in body["lines"])
    parts = parse_units(body["net"], NANO) + parse_units(body["tax"], NANO)
    holds = lines == parts == total
    report.check("papers", holds, number, f"{total}, its lines {lines}, net and tax {parts}")
    customer, currency, owner, of_order, paid, corrected = whose
    if kind == invoices.NOTE:
        report.check("papers", corrected is not None, number, "it corrects no invoice of its order")
    if owner is not None:
        ours = (customer, currency) == (owner, of_order)
        report.check("papers", ours, number, f"{customer}'s, the order is {owner}'s")
        fits = kind == invoices.NOTE or total == paid
        report.check("papers", fits, number, f"it is of {total}, the order of {paid}")
