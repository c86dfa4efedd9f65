"""Top-up orders: a state machine from the customer's wish to credits, each credited once.

    created -> opened -> paid -> credited            a provider's checkout and its signed event
    created -> submitted -> approved -> credited     a manual transfer, approved by the operator
    created -> under_review -> approved | opened     above self-service
    any of these before payment -> rejected | expired;  credited -> refunded (all of it)

A payment event credits only where its amount and currency are the order's, once an event id and
once a payment id. The order's own row is locked first, so two deliveries come one after the other.
"""

# ruff: noqa: S608 - only names of this program are put into SQL, values are parameters
from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from nexctl.server.ledger import funds, ids, wallets
from nexctl.server.ledger.errors import Refused
from nexctl.server.ledger.port import Row, Transaction
from nexctl.server.ledger.types import Credit

NEXT = {
    "created": ("opened", "submitted", "under_review", "paid", "rejected", "expired"),
    "opened": ("paid", "submitted", "rejected", "expired"),
    "submitted": ("approved", "rejected", "under_review"),
    "under_review": ("opened", "approved", "rejected", "expired"),
    "approved": ("credited",),
    "paid": ("credited",),
    "credited": ("refunded",),
    # money that came too late is money all the same
    "expired": ("paid", "submitted"),
    "rejected": (),
    "refunded": (),
}


class Order(NamedTuple):
    """One order. `amount` .. `total` are in `currency` at 10**-9 (what is paid), `credits` and
    `bonus` in the wallet's units. `details` is what the server keeps with it (rates, pay_to, tax
    snapshot, promo code ...), JSON-safe and without secrets.
    """

    id: str
    customer: str
    wallet: str
    state: str
    method: str
    provider: str
    currency: str
    amount: int
    subtotal: int
    tax: int
    fee: int
    total: int
    credits: int
    bonus: int
    details: dict[str, Any]
    sandbox: bool
    checkout_url: str | None
    payment_id: str | None
    transaction: str | None
    sender: str | None
    submitted_by: str | None
    submitted_at: int | None
    decided_by: str | None
    decided_at: int | None
    reason: str | None
    note: str | None
    created_at: int
    expires_at: int | None
    paid_at: int | None
    credited_at: int | None
    paid_lot: int | None
    bonus_lot: int | None
    refunded: int
    disputed: int


class Event(NamedTuple):
    """A payment provider's event, its signature checked already."""

    provider: str
    id: str
    kind: str
    order: str
    payment: str
    amount: int
    currency: str


class Received(NamedTuple):
    """What an event did: `outcome` is credited, repeated, refunded, disputed, noted, or why not."""

    outcome: str
    order: Order | None
    credited: bool


_FIELDS = (
    "id, customer_id, wallet, state, method, provider, currency, amount, subtotal, tax, fee, "
    "total, credits, bonus, details, sandbox, checkout_url, payment_id, transaction_ref, sender, "
    "submitted_by, submitted_at, decided_by, decided_at, reason, note, created_at, expires_at, "
    "paid_at, credited_at, paid_lot, bonus_lot, refunded, disputed"
)


def _order(row: Row) -> Order:
    return Order._make((*row[:14], msgspec.json.decode(row[14]), bool(row[15]), *row[16:]))


def create(
    tx: Transaction,
    customer: str,
    *,
    method: str,
    provider: str,
    currency: str,
    amount: int,
    credits: int,
    subtotal: int,
    total: int,
    tax: int = 0,
    fee: int = 0,
    bonus: int = 0,
    wallet: str | None = None,
    details: Mapping[str, Any] | None = None,
    sandbox: bool = False,
    expires_at: int | None = None,
    state: str = "created",
    id: str | None = None,
) -> Order:
    """Make an order; nothing is paid or credited yet. `state` may be "under_review"."""
    if state not in ("created", "under_review") or total != subtotal + tax + fee:
        raise Refused("invalid_request", "an order's total is subtotal + tax + fee")
    target = wallet or customer
    if target not in wallets.of_customer(tx, customer):
        raise Refused("not_found", f"there is no wallet {target}")
    made = id or ids.new("ord")
    text = msgspec.json.encode(details or {}).decode()
    tx.run(
        "INSERT INTO orders (id, customer_id, wallet, state, method, provider, currency, amount, "
        "subtotal, tax, fee, total, credits, bonus, details, sandbox, created_at, expires_at) "
        "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        *(made, customer, target, state, method, provider, currency, amount),
        *(subtotal, tax, fee, total, credits, bonus, text, int(sandbox)),
        *(tx.clock.now(), expires_at),
    )
    return _there(tx, made)


def get(tx: Transaction, order: str) -> Order | None:
    """One order."""
    row = tx.one(f"SELECT {_FIELDS} FROM orders WHERE id=?", order)
    return None if row is None else _order(row)


def listed(
    tx: Transaction,
    customer: str | None = None,
    *,
    before: tuple[int, str] | None = None,
    limit: int = 100,
    state: str | None = None,
) -> list[Order]:
    """Orders, newest first; `before` = (created_at, id) of the last one seen."""
    where = ["1=1"]
    values: list[Any] = []
    for clause, value in (("customer_id=?", customer), ("state=?", state)):
        if value is not None:
            where.append(clause)
            values.append(value)
    if before is not None:
        where.append("(created_at<? OR (created_at=? AND id<?))")
        values += [before[0], *before]
    rows = tx.all(
        f"SELECT {_FIELDS} FROM orders WHERE {' AND '.join(where)} "
        "ORDER BY created_at DESC, id DESC LIMIT ?",
        *(*values, limit),
    )
    return [_order(row) for row in rows]


def open_checkout(
    tx: Transaction, order: str, url: str | None, payment: str | None = None
) -> Order:
    """The customer is shown where to pay."""
    found = _locked(tx, order)
    if found.state == "opened":
        return found
    _move(tx, found, "opened", checkout_url=url, payment_id=payment)
    return _there(tx, order)


def submit(tx: Transaction, order: str, *, transaction: str, sender: str | None, by: str) -> Order:
    """The customer says that a manual order is paid; `transaction` is already normalised.

    A transaction is good for one order: state_conflict where another has it.
    """
    found = _locked(tx, order)
    taken = tx.one(
        "SELECT 1 FROM orders WHERE method=? AND transaction_ref=? AND state<>'rejected' AND id<>?",
        *(found.method, transaction, order),
    )
    if taken is not None:
        raise Refused("state_conflict", "that transaction was given for another order")
    _move(
        tx,
        found,
        "submitted",
        transaction_ref=transaction,
        sender=sender,
        submitted_by=by,
        submitted_at=tx.clock.now(),
    )
    return _there(tx, order)


def review(tx: Transaction, order: str, reason: str) -> Order:
    """An order that somebody must look at."""
    _move(tx, _locked(tx, order), "under_review", reason=reason)
    return _there(tx, order)


def approve(
    tx: Transaction, order: str, *, by: str, transaction: str | None = None, note: str | None = None
) -> tuple[Order, Credit]:
    """The operator has seen the money of a manual order: credit it, now and once."""
    found = _locked(tx, order)
    if found.submitted_by is not None and by == found.submitted_by:
        raise Refused("approver_is_submitter", "who submitted a payment cannot approve it")
    fields: dict[str, Any] = {"decided_by": by, "decided_at": tx.clock.now(), "note": note}
    if transaction is not None:
        fields["transaction_ref"] = transaction
    _move(tx, found, "approved", **fields)
    made = _credit(tx, _locked(tx, order))
    return _there(tx, order), made


def reject(tx: Transaction, order: str, *, by: str, reason: str) -> Order:
    """The operator refuses an order; its transaction may be given again."""
    _move(
        tx, _locked(tx, order), "rejected", decided_by=by, decided_at=tx.clock.now(), reason=reason
    )
    return _there(tx, order)


def expire_due(tx: Transaction, most: int = 100) -> int:
    """Orders that nobody paid in time; how many."""
    now = tx.clock.now()
    names = tx.all(
        "SELECT id FROM orders WHERE state IN ('created', 'opened', 'under_review') "
        "AND expires_at<=? ORDER BY id LIMIT ?",
        *(now, most),
    )
    for (name,) in names:
        _move(tx, _locked(tx, name), "expired")
    return len(names)


def receive(tx: Transaction, event: Event) -> Received:
    """Act on a provider's event, once an event id and once a payment id, in any order.

    Kinds: payment.succeeded, payment.failed, payment.refunded, payment.disputed,
    payment.dispute_won. A payment whose amount or currency is not the order's credits nothing:
    outcome "mismatch".
    """
    row = tx.one(f"SELECT {_FIELDS} FROM orders WHERE id=?" + tx.lock, event.order)
    found = None if row is None else _order(row)
    if tx.one(
        "SELECT 1 FROM payment_events WHERE provider=? AND event_id=?", event.provider, event.id
    ):
        return Received("repeated", found, False)
    outcome = "unknown_order"
    if found is not None and found.provider == event.provider:
        outcome = _act(tx, found, event)
    tx.run(
        "INSERT INTO payment_events (provider, event_id, kind, order_id, payment_id, amount, "
        "currency, outcome, received_at) VALUES (?,?,?,?,?,?,?,?,?)",
        *(event.provider, event.id, event.kind, event.order, event.payment, event.amount),
        *(event.currency, outcome, tx.clock.now()),
    )
    return Received(outcome, get(tx, event.order), outcome == "credited")


def _act(tx: Transaction, found: Order, event: Event) -> str:
    if event.currency != found.currency:
        return "mismatch"
    if event.kind == "payment.succeeded":
        return _paid(tx, found, event)
    if event.kind == "payment.failed":
        return "noted"
    if found.payment_id != event.payment or found.credited_at is None:
        return "not_credited"
    left = found.total - found.refunded - found.disputed
    if event.kind == "payment.refunded":
        if not 0 < event.amount <= found.total - found.refunded:
            return "mismatch"
        _refunded_outside(tx, found, event.amount)
        return "refunded"
    if event.kind == "payment.disputed":
        if not 0 < event.amount <= left:
            return "mismatch"
        _disputed(tx, found, event.amount)
        return "disputed"
    if event.kind == "payment.dispute_won":
        if not 0 < event.amount <= found.disputed:
            return "mismatch"
        funds.dispute_won(
            tx,
            found.wallet,
            _in_credits(found, event.amount),
            provider=found.provider,
            reference=found.id,
            sandbox=found.sandbox,
        )
        tx.run("UPDATE orders SET disputed=disputed-? WHERE id=?", event.amount, found.id)
        return "dispute_won"
    return "noted"


def _paid(tx: Transaction, found: Order, event: Event) -> str:
    if event.amount != found.total:
        return "mismatch"
    if found.credited_at is not None:
        return "already_credited" if found.payment_id == event.payment else "paid_twice"
    other = tx.one(
        "SELECT 1 FROM orders WHERE provider=? AND payment_id=? AND id<>?",
        *(event.provider, event.payment, found.id),
    )
    if other is not None:
        return "paid_twice"
    if "paid" not in NEXT[found.state]:
        return f"order_{found.state}"
    _move(tx, found, "paid", payment_id=event.payment, paid_at=tx.clock.now())
    _credit(tx, _locked(tx, found.id))
    return "credited"


def _credit(tx: Transaction, found: Order) -> Credit:
    """The one place where an order becomes credits; the caller holds its row."""
    paid, bonus = funds.topup(
        tx,
        found.wallet,
        found.credits,
        provider=found.provider,
        bonus=found.bonus,
        reference=found.id,
        sandbox=found.sandbox,
    )
    _move(
        tx,
        found,
        "credited",
        credited_at=tx.clock.now(),
        paid_lot=paid.seq,
        bonus_lot=None if bonus is None else bonus.seq,
    )
    return paid


def refund(
    tx: Transaction, order: str, amount: int | None = None, *, by: str, note: str | None = None
) -> Order:
    """The operator pays back: `amount` of the order's total, None for all that can go back.

    What was spent, is held, or was consumed as bonus stays: Refused `not_refundable`.
    """
    found = _locked(tx, order)
    if found.credited_at is None or found.paid_lot is None or found.disputed:
        raise Refused("not_refundable", f"the order is {found.state}: there is nothing to refund")
    left = found.total - found.refunded
    most = min(left, _in_money(found, refundable(tx, found)))
    wanted = most if amount is None else amount
    if not 0 < wanted <= most:
        raise Refused(
            "not_refundable",
            "that much cannot be refunded any more",
            hint="what is spent or held, and consumed bonus, stays",
            details={"refundable_units": most},
        )
    funds.refund(
        tx,
        found.wallet,
        _in_credits(found, wanted),
        provider=found.provider,
        paid_lot=found.paid_lot,
        bonus_lot=found.bonus_lot,
        reference=order,
        note=note,
    )
    return _note_refund(tx, found, wanted, by, note)


def refundable(tx: Transaction, found: Order) -> int:
    """What of an order's credits can go back now."""
    if found.paid_lot is None:
        return 0
    return funds.refundable(tx, found.wallet, found.paid_lot, found.bonus_lot)


def _refunded_outside(tx: Transaction, found: Order, amount: int) -> None:
    """The provider has paid back already: take what can be taken, the rest is owed."""
    if found.paid_lot is None:
        raise AssertionError("a credited order has its lot")
    share = _in_credits(found, amount)
    if share <= refundable(tx, found):
        funds.refund(
            tx,
            found.wallet,
            share,
            provider=found.provider,
            paid_lot=found.paid_lot,
            bonus_lot=found.bonus_lot,
            reference=found.id,
        )
    else:
        funds.dispute(
            tx,
            found.wallet,
            share,
            provider=found.provider,
            paid_lot=found.paid_lot,
            bonus_lot=found.bonus_lot,
            reference=found.id,
            freeze=False,
        )
    _note_refund(tx, found, amount, found.provider, None)


def _note_refund(tx: Transaction, found: Order, amount: int, by: str, note: str | None) -> Order:
    tx.run(
        "UPDATE orders SET refunded=refunded+?, decided_by=?, decided_at=?, note=coalesce(?, note) "
        "WHERE id=?",
        *(amount, by, tx.clock.now(), note, found.id),
    )
    if found.refunded + amount == found.total and found.state == "credited":
        _move(tx, found, "refunded")
    return _there(tx, found.id)


def _disputed(tx: Transaction, found: Order, amount: int) -> None:
    if found.paid_lot is None:
        raise AssertionError("a credited order has its lot")
    funds.dispute(
        tx,
        found.wallet,
        _in_credits(found, amount),
        provider=found.provider,
        paid_lot=found.paid_lot,
        bonus_lot=found.bonus_lot,
        reference=found.id,
    )
    tx.run("UPDATE orders SET disputed=disputed+? WHERE id=?", amount, found.id)


def _in_credits(found: Order, money: int) -> int:
    """The share of the order's credits that a part of its total stands for, rounded up."""
    return -(-found.credits * money // found.total) if found.total else 0


def _in_money(found: Order, units: int) -> int:
    """The share of the order's total that some of its credits stand for, rounded down."""
    return found.total * units // found.credits


def _there(tx: Transaction, order: str) -> Order:
    found = get(tx, order)
    if found is None:
        raise Refused("not_found", f"there is no order {order}")
    return found


def _locked(tx: Transaction, order: str) -> Order:
    row = tx.one(f"SELECT {_FIELDS} FROM orders WHERE id=?" + tx.lock, order)
    if row is None:
        raise Refused("not_found", f"there is no order {order}")
    return _order(row)


def _move(tx: Transaction, found: Order, state: str, **fields: Any) -> None:
    """One step of the state machine, with what it brings."""
    if state not in NEXT[found.state]:
        raise Refused(
            "state_conflict",
            f"the order is {found.state}: it cannot become {state.replace('_', ' ')}",
        )
    given = {name: value for name, value in fields.items() if value is not None}
    names = "".join(f", {name}=?" for name in given)
    done = tx.run(
        f"UPDATE orders SET state=?{names} WHERE id=? AND state=?",
        *(state, *given.values(), found.id, found.state),
    )
    if not done:
        raise Refused("state_conflict", "the order changed in between", hint="try again")
