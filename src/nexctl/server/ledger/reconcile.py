"""Whether money, credits and papers agree: order - payment - credit - tax - invoice, and debits -
statement, all from the one ledger.

Each rule is a function that yields findings; nothing is mended here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from nexctl.money import NANO, parse_units
from nexctl.server.ledger import invoices, orders
from nexctl.server.ledger.invoices import Paper
from nexctl.server.ledger.orders import Order
from nexctl.server.ledger.port import Transaction

RULES = {
    "paid_not_credited": "each paid or approved order is credited",
    "credited_without_event": "each credited order was paid by an event, or approved by somebody",
    "event_differs": "what was paid is the order's total, in its currency",
    "paid_twice": "no payment was left without an order that it credits",
    "credit_differs": "the wallet got the order's credits and bonus, once",
    "credit_without_order": "each top-up entry has its order",
    "tax_differs": "the order's tax is its tax snapshot's",
    "invoice_missing": "each credited order and each fee has its invoice",
    "invoice_differs": "the invoice is the order's customer, currency and total",
    "invoice_without_order": "each invoice that counts is about a credited order or a fee",
    "credit_note_differs": "credit notes are what was refunded",
    "number_gap": "each series of papers is without a gap",
    "statement_differs": "opening + entries = closing, and usage entries are the usage records",
}
PLAY_EVENTS = "payment.succeeded"


class Finding(NamedTuple):
    """What does not agree: the rule, what it is about, whose it is, in words and in figures.

    `expected` and `found` are in 10**-9 of `currency`, or wallet units where `currency` is None.
    """

    rule: str
    subject: str
    customer: str | None
    text: str
    expected: int | None = None
    found: int | None = None
    currency: str | None = None


class Report(NamedTuple):
    """What was looked at by rule, and what was found."""

    looked: dict[str, int]
    findings: list[Finding]


def reconcile(tx: Transaction, start: int | None = None, end: int | None = None) -> Report:
    """Look at everything whose order, entry or paper lies in a window; at all without one."""
    window = (0 if start is None else start, 2**62 if end is None else end)
    looked = dict.fromkeys(RULES, 0)
    findings: list[Finding] = []
    for row in tx.all(
        "SELECT id FROM orders WHERE (created_at>=? AND created_at<?) "
        "OR (credited_at>=? AND credited_at<?) OR (paid_at>=? AND paid_at<?) ORDER BY id",
        *(*window, *window, *window),
    ):
        order = orders.there(tx, row[0])
        for rule in _ORDER:
            looked[rule] += 1
        findings += _order(tx, order)
    findings += _entries(tx, window, looked)
    findings += _fees(tx, window, looked)
    findings += _papers(tx, window, looked)
    findings += _series(tx, looked)
    findings += _statements(tx, window, looked)
    return Report(looked, findings)


_ORDER = (
    *("paid_not_credited", "credited_without_event", "event_differs", "paid_twice"),
    *("credit_differs", "tax_differs", "invoice_missing", "invoice_differs", "credit_note_differs"),
)


def _order(tx: Transaction, order: Order) -> Iterator[Finding]:
    def found(rule: str, text: str, *figures: Any) -> Finding:
        return Finding(rule, order.id, order.customer, text, *figures)

    events = tx.all(
        "SELECT event_id, amount, currency, outcome FROM payment_events "
        "WHERE order_id=? AND kind=? ORDER BY received_at, event_id",
        *(order.id, PLAY_EVENTS),
    )
    credited = order.credited_at is not None
    paying = [row for row in events if row[3] == "credited"]
    if not credited and (order.state in ("paid", "approved") or order.paid_at is not None):
        yield found("paid_not_credited", f"the order is {order.state} and not credited")
    elif not credited and paying:
        yield found("paid_not_credited", "a payment is noted as credited, the order is not")
    if credited and not paying and order.decided_by is None and order.paid_at is None:
        yield found("credited_without_event", "nobody has paid or approved it")
    elif credited and order.paid_at is not None and not paying:
        yield found("credited_without_event", "it is marked as paid, no event says so")
    for name, amount, currency, outcome in events:
        if outcome == "credited" and (amount, currency) != (order.total, order.currency):
            text = f"event {name} is not the order's total"
            yield found("event_differs", text, order.total, amount, currency)
        if outcome == "mismatch":
            text = f"event {name} paid another amount, nothing was credited"
            yield found("event_differs", text, order.total, amount, currency)
        if outcome == "paid_twice" or outcome.startswith("order_"):
            yield found("paid_twice", f"event {name} paid an order that took no more payment")
    yield from _credits(tx, order)
    yield from _tax(order)
    yield from _invoice(tx, order)


def _credits(tx: Transaction, order: Order) -> Iterator[Finding]:
    rows = tx.all(
        "SELECT kind, sum(amount), count(*) FROM entries WHERE wallet=? AND reference=? "
        "AND kind IN ('topup', 'bonus') GROUP BY kind",
        *(order.wallet, order.id),
    )
    made = {kind: (int(amount), count) for kind, amount, count in rows}
    for kind, wanted in (("topup", order.credits), ("bonus", order.bonus)):
        amount, count = made.get(kind, (0, 0))
        due = wanted if order.credited_at is not None else 0
        if amount != due or count > 1:
            yield Finding(
                *("credit_differs", order.id, order.customer),
                f"{kind}: {count} entries, not the order's",
                *(due, amount),
            )


def _tax(order: Order) -> Iterator[Finding]:
    kept = order.details.get("tax")
    units = int(kept.get("units", 0)) if isinstance(kept, dict) else 0
    if units != order.tax:
        text = "the tax is not its snapshot's" if kept else "a tax without a snapshot"
        yield Finding(
            "tax_differs", order.id, order.customer, text, units, order.tax, order.currency
        )
    if order.total != order.subtotal + order.tax + order.fee:
        parts = order.subtotal + order.tax + order.fee
        yield Finding(
            *("tax_differs", order.id, order.customer),
            "the total is not subtotal + tax + fee",
            *(parts, order.total, order.currency),
        )


def _invoice(tx: Transaction, order: Order) -> Iterator[Finding]:
    paper = invoices.about(tx, order.id)
    if paper is None:
        if order.credited_at is not None:
            text = "the order is credited and has no invoice"
            yield Finding("invoice_missing", order.id, order.customer, text)
        return
    if order.credited_at is not None and paper.void is not None:
        text = f"invoice {paper.number} is void, the order is credited"
        yield Finding("invoice_missing", order.id, order.customer, text)
    said = (paper.customer, paper.currency, paper.total)
    printed = _printed(paper)
    if said != (order.customer, order.currency, order.total):
        text = f"invoice {paper.number} is not the order's"
        yield Finding(
            *("invoice_differs", order.id, order.customer, text),
            *(order.total, paper.total, order.currency),
        )
    elif printed != (order.total, order.tax):
        text = f"what invoice {paper.number} prints is not the order's total"
        yield Finding(
            *("invoice_differs", order.id, order.customer, text),
            *(order.total, printed[0] if printed else None, order.currency),
        )
    given = sum(note.total or 0 for note in invoices.notes(tx, order.id))
    if given != order.refunded:
        text = f"credit notes of {paper.number} are not what was refunded"
        yield Finding(
            *("credit_note_differs", order.id, order.customer, text),
            *(order.refunded, given, order.currency),
        )


def _printed(paper: Paper) -> tuple[int, int] | None:
    """(total, tax) that the customer reads, None where the lines do not make them."""
    body = paper.body
    try:
        lines = [
            tuple(parse_units(line[name], NANO) for name in ("net", "tax", "gross"))
            for line in body["lines"]
        ]
        net, tax = parse_units(body["net"], NANO), parse_units(body["tax"], NANO)
    except (KeyError, TypeError, ValueError):
        return None
    sums = tuple(sum(line[place] for line in lines) for place in range(3))
    return (net + tax, tax) if sums == (net, tax, net + tax) else None


def _entries(tx: Transaction, window: tuple[int, int], looked: dict[str, int]) -> Iterator[Finding]:
    for wallet, seq, amount, customer, order in tx.all(
        "SELECT e.wallet, e.seq, e.amount, w.customer_id, o.id FROM entries e "
        "JOIN wallets w ON w.id=e.wallet LEFT JOIN orders o ON o.id=e.reference "
        "AND o.wallet=e.wallet WHERE e.kind='topup' AND e.at>=? AND e.at<? ORDER BY 1, 2",
        *window,
    ):
        looked["credit_without_order"] += 1
        if order is None:
            text = "credits were bought without an order"
            yield Finding("credit_without_order", f"{wallet}:{seq}", customer, text, 0, amount)


def _fees(tx: Transaction, window: tuple[int, int], looked: dict[str, int]) -> Iterator[Finding]:
    for customer, period, plan, fee, tax in tx.all(
        "SELECT customer_id, period, plan, fee, tax FROM subscription_fees "
        "WHERE created_at>=? AND created_at<? ORDER BY 1, 2, 3",
        *window,
    ):
        looked["invoice_missing"] += 1
        subject = f"fee:{customer}:{period}:{plan}"
        if fee + tax and invoices.about(tx, subject) is None:
            text = f"the fee of {plan} for {period} has no invoice"
            yield Finding("invoice_missing", subject, customer, text)


def _papers(tx: Transaction, window: tuple[int, int], looked: dict[str, int]) -> Iterator[Finding]:
    for number, subject, customer, state in tx.all(
        "SELECT i.number, i.subject, i.customer_id, o.state FROM invoices i "
        "LEFT JOIN invoice_voids v ON v.number=i.number LEFT JOIN orders o ON o.id=i.subject "
        "WHERE i.kind='invoice' AND v.number IS NULL AND i.issued_at>=? AND i.issued_at<? "
        "ORDER BY i.number",
        *window,
    ):
        looked["invoice_without_order"] += 1
        if subject is not None and subject.startswith("fee:"):
            continue
        if state is None:
            text = f"invoice {number} is about no order"
            yield Finding("invoice_without_order", number, customer, text)


def _series(tx: Transaction, looked: dict[str, int]) -> Iterator[Finding]:
    """Numbers 1 to the last of each series, whatever the month: a gap belongs to none."""
    for series, last in tx.all("SELECT series, last FROM invoice_series ORDER BY series"):
        looked["number_gap"] += 1
        places = [
            row[0]
            for row in tx.all("SELECT place FROM invoices WHERE series=? ORDER BY place", series)
        ]
        wanted = 1
        for place in (*places, last + 1):
            if place > wanted:
                text = f"numbers {wanted} to {place - 1} of series {series} are missing"
                yield Finding("number_gap", series, None, text)
            wanted = max(wanted, place + 1)
        if places and places[-1] > last:
            text = f"series {series} has given {last} numbers, there is one {places[-1]}"
            yield Finding("number_gap", series, None, text)


def _statements(
    tx: Transaction, window: tuple[int, int], looked: dict[str, int]
) -> Iterator[Finding]:
    for wallet, customer, balance in tx.all(
        "SELECT id, customer_id, balance FROM wallets ORDER BY id"
    ):
        looked["statement_differs"] += 1
        opening, closing = (_balance(tx, wallet, at) for at in window)
        end = _balance(tx, wallet, 2**62)
        if balance != end:
            text = "the wallet's balance is not its last entry's"
            yield Finding("statement_differs", wallet, customer, text, end, balance)
        moved = tx.value(
            "SELECT coalesce(sum(amount), 0) FROM entries WHERE wallet=? AND at>=? AND at<?",
            *(wallet, *window),
        )
        if opening + int(moved) != closing:
            text = "opening and entries do not make the closing balance"
            yield Finding(
                "statement_differs", wallet, customer, text, opening + int(moved), closing
            )
        charged = tx.value(
            "SELECT coalesce(sum(u.charge), 0) FROM usage_records u JOIN entries e "
            "ON e.wallet=u.wallet AND e.seq=u.seq WHERE u.wallet=? AND e.at>=? AND e.at<?",
            *(wallet, *window),
        )
        booked = tx.value(
            "SELECT coalesce(sum(p.amount), 0) FROM postings p JOIN entries e "
            "ON e.wallet=p.wallet AND e.seq=p.seq WHERE p.wallet=? AND e.kind='usage' "
            "AND p.account='usage' AND e.at>=? AND e.at<?",
            *(wallet, *window),
        )
        if int(charged) != int(booked):
            text = "usage entries are not the usage records' charges"
            yield Finding("statement_differs", wallet, customer, text, int(charged), int(booked))


def _balance(tx: Transaction, wallet: str, before: int) -> int:
    found = tx.value(
        "SELECT balance FROM entries WHERE wallet=? AND at<? ORDER BY seq DESC LIMIT 1",
        *(wallet, before),
    )
    return int(found or 0)
