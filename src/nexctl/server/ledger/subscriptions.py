"""Plans that customers pay for: which one, whether it is paid, each month's fee once."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from nexctl.money import text_of
from nexctl.server.ledger import events, funds
from nexctl.server.ledger.port import Transaction


class Subscription(NamedTuple):
    """`state` is active, past_due (the fee could not be debited) or cancelled."""

    customer: str
    plan: str
    state: str
    started_at: int
    changed_at: int


class Fee(NamedTuple):
    """One month's fee of one plan, debited as `seq`. Figures in wallet units and in 10**-9."""

    customer: str
    period: str
    plan: str
    seq: int
    fee_money: int
    tax_money: int
    details: dict[str, Any]


def get(tx: Transaction, customer: str) -> Subscription | None:
    """A customer's subscription; None where its plan was given by the operator."""
    row = tx.one(
        "SELECT customer_id, plan, state, started_at, changed_at FROM subscriptions "
        "WHERE customer_id=?",
        customer,
    )
    return None if row is None else Subscription(*row)


def put(tx: Transaction, customer: str, plan: str, state: str = "active") -> None:
    """Set plan and state."""
    now = tx.clock.now()
    tx.run(
        "INSERT INTO subscriptions (customer_id, plan, state, started_at, changed_at) "
        "VALUES (?,?,?,?,?) ON CONFLICT (customer_id) DO UPDATE SET plan=excluded.plan, "
        "state=excluded.state, changed_at=excluded.changed_at",
        *(customer, plan, state, now, now),
    )
    if state == "past_due":
        events.emit(tx, "subscription.past_due", customer, {"plan": plan})


def paid(tx: Transaction, customer: str, period: str, plan: str) -> bool:
    """Whether a month's fee was debited."""
    row = tx.one(
        "SELECT 1 FROM subscription_fees WHERE customer_id=? AND period=? AND plan=?",
        *(customer, period, plan),
    )
    return row is not None


def last_period(tx: Transaction, customer: str, plan: str) -> str | None:
    """The last month that was paid."""
    found: str | None = tx.value(
        "SELECT max(period) FROM subscription_fees WHERE customer_id=? AND plan=?", customer, plan
    )
    return found


def charge(
    tx: Transaction,
    customer: str,
    period: str,
    plan: str,
    *,
    fee: int,
    tax: int,
    fee_money: int,
    tax_money: int,
    details: dict[str, Any],
) -> Fee | None:
    """Debit a month's fee with its tax, once; None where it was. Refused where it is not covered.

    The customer's row is the lock: two changes of plan at once are one after the other.
    """
    tx.run("UPDATE customers SET id=id WHERE id=?", customer)
    if paid(tx, customer, period, plan):
        return None
    seq = 0
    sandbox = False
    if fee + tax:
        made = funds.fee(
            tx,
            customer,
            fee + tax,
            reference=f"{period}:{plan}",
            note=f"plan {plan}, {period}",
        )
        seq = made.seq
        sandbox = _play_money(tx, customer, seq)
    told = {**details, "sandbox": sandbox}
    tx.run(
        "INSERT INTO subscription_fees (customer_id, period, plan, wallet, seq, fee, tax, details, "
        "created_at) VALUES (?,?,?,?,?,?,?,?,?)",
        *(customer, period, plan, customer, seq, fee, tax),
        *(msgspec.json.encode(told).decode(), tx.clock.now()),
    )
    data = {"plan": plan, "period": period, "fee": text_of(fee_money), "tax": text_of(tax_money)}
    events.emit(tx, "subscription.paid", customer, {**data, "currency": details.get("currency")})
    return Fee(customer, period, plan, seq, fee_money, tax_money, told)


def _play_money(tx: Transaction, wallet: str, seq: int) -> bool:
    """Whether an entry drew from credits that play money bought."""
    row = tx.one(
        "SELECT 1 FROM postings p JOIN lots l ON l.wallet=p.wallet AND l.lot=p.lot "
        "WHERE p.wallet=? AND p.seq=? AND l.sandbox=1",
        *(wallet, seq),
    )
    return row is not None


def past_due(tx: Transaction, after: str = "", most: int = 100) -> list[Subscription]:
    """Subscriptions of working customers whose fee is owed, those behind `after`."""
    rows = tx.all(
        "SELECT s.customer_id, s.plan, s.state, s.started_at, s.changed_at FROM subscriptions s "
        "JOIN customers c ON c.id=s.customer_id AND c.state='active' "
        "WHERE s.state='past_due' AND s.customer_id>? ORDER BY s.customer_id LIMIT ?",
        *(after, most),
    )
    return [Subscription(*row) for row in rows]
