"""What payment providers say: each event acted on once, in whatever order it comes.

An event credits only where its amount and currency are the order's, once an event id and once a
payment id. The order's own row is locked first, so two deliveries come one after the other.
"""

from __future__ import annotations

from typing import NamedTuple

from nexctl.money import text_of
from nexctl.server.ledger import events, funds, orders, refunds, wallets
from nexctl.server.ledger.orders import NEXT, Order
from nexctl.server.ledger.port import Transaction


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


def receive(tx: Transaction, event: Event) -> Received:
    """Act on a provider's event, once an event id and once a payment id, in any order.

    Kinds: payment.succeeded, payment.failed, payment.refunded (a part) or payment.refunded_to (all
    of it so far), payment.disputed, payment.dispute_won. What comes before its payment is acted on
    when that has come. A payment whose amount or currency is not the order's credits nothing:
    outcome "mismatch".
    """
    if not event.order:
        event = event._replace(order=_order_of(tx, event))
    found = orders.locked_order(tx, event.order)
    if tx.one(
        "SELECT 1 FROM payment_events WHERE provider=? AND event_id=?", event.provider, event.id
    ):
        return Received("repeated", found, False)
    if found is None:
        return Received("unknown_order", None, False)  # told again, it may be known
    outcome = "unknown_order"
    if found.provider == event.provider:
        outcome = _act(tx, found, event)
        _tell(tx, found, event, outcome)
    _keep(tx, event, outcome)
    if outcome == "disputed":
        _won_before(tx, event)
    return Received(outcome, orders.get(tx, event.order), outcome == "credited")


def _order_of(tx: Transaction, event: Event) -> str:
    """The order that a payment was made for, where the event does not name it."""
    found = tx.value(
        "SELECT id FROM orders WHERE provider=? AND payment_id=?", event.provider, event.payment
    )
    return str(found or "")


def _keep(tx: Transaction, event: Event, outcome: str) -> None:
    tx.run(
        "INSERT INTO payment_events (provider, event_id, kind, order_id, payment_id, amount, "
        "currency, outcome, received_at) VALUES (?,?,?,?,?,?,?,?,?)",
        *(event.provider, event.id, event.kind, event.order, event.payment, event.amount),
        *(event.currency, outcome, tx.clock.now()),
    )


_TOLD = {
    "credited": "payment.succeeded",
    "disputed": "payment.disputed",
    "dispute_won": "payment.dispute_won",
    "mismatch": "payment.mismatch",
    "paid_twice": "payment.paid_twice",
}


def _tell(tx: Transaction, found: Order, event: Event, outcome: str) -> None:
    """Tell what came of a provider's event, where it is about money that moved or should have."""
    kind = _TOLD.get(outcome)
    if outcome == "noted" and event.kind == "payment.failed":
        kind = event.kind
    if kind is not None:
        data = {"order_id": found.id, "provider": event.provider, "payment_id": event.payment}
        money = {"amount": text_of(event.amount), "currency": event.currency}
        events.emit(tx, kind, found.customer, {**data, **money})


def _act(tx: Transaction, found: Order, event: Event) -> str:
    if event.currency != found.currency:
        return "mismatch"
    if event.kind == "payment.succeeded":
        return _paid(tx, found, event)
    if event.kind == "payment.failed":
        return "noted"
    if found.payment_id != event.payment or found.credited_at is None:
        return "not_credited"
    if event.kind == "payment.refunded_to":
        # A sum of all refunds so far: told twice or too late it says nothing new.
        if event.amount <= found.refunded:
            return "noted"
        event = event._replace(kind="payment.refunded", amount=event.amount - found.refunded)
    return _gone_back(tx, found, event)


def _gone_back(tx: Transaction, found: Order, event: Event) -> str:
    # Each within the order's total by itself: a bank may take back what was refunded before, and
    # that is owed then.
    if event.kind == "payment.refunded":
        if not 0 < event.amount <= found.total - found.refunded:
            return "mismatch"
        refunds.outside(tx, found, event.amount)
        return "refunded"
    if event.kind == "payment.disputed":
        if not 0 < event.amount <= found.total - found.disputed:
            return "mismatch"
        refunds.disputed(tx, found, event.amount)
        return "disputed"
    if event.kind == "payment.dispute_won":
        if not 0 < event.amount <= found.disputed:
            return "not_disputed" if _is_early(tx, event) else "mismatch"
        funds.dispute_won(
            tx,
            found.wallet,
            refunds.won_back(found, event.amount),
            provider=found.provider,
            reference=found.id,
            sandbox=found.sandbox,
        )
        tx.run("UPDATE orders SET disputed=disputed-? WHERE id=?", event.amount, found.id)
        # Only disputes freeze wallets: the last one that is won lets them go.
        open_ = "SELECT 1 FROM orders WHERE customer_id=? AND disputed>0 LIMIT 1"
        if tx.one(open_, found.customer) is None:
            for wallet in wallets.of_customer(tx, found.customer):
                wallets.freeze(tx, wallet, frozen=False)
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
    orders.move(tx, found, "paid", payment_id=event.payment, paid_at=tx.clock.now())
    orders.credit(tx, orders.locked_one(tx, found.id))
    _catch_up(tx, found)
    return "credited"


_TAKEN, _WON = ":payment.disputed", ":payment.dispute_won"


def _is_early(tx: Transaction, event: Event) -> bool:
    """Whether a dispute that its provider names was won here before it was told."""
    name = event.id.removesuffix(_WON)
    taken = "SELECT 1 FROM payment_events WHERE provider=? AND event_id=?"
    return name != event.id and tx.one(taken, event.provider, name + _TAKEN) is None


def _won_before(tx: Transaction, event: Event) -> None:
    """Act on what was told too early: that the dispute which has come now was won."""
    name = event.id.removesuffix(_TAKEN)
    _late(tx, event.order, event.provider, "not_disputed", name + _WON)


def _catch_up(tx: Transaction, found: Order) -> None:
    """Refunds and disputes that were told before the payment that they are about."""
    _late(tx, found.id, found.provider, "not_credited")


def _late(
    tx: Transaction, order: str, provider: str, outcome: str, only: str | None = None
) -> None:
    """Act on events that came too early, a dispute before that it was won."""
    for id_, kind, payment, amount, currency in tx.all(
        "SELECT event_id, kind, payment_id, amount, currency FROM payment_events "
        "WHERE order_id=? AND provider=? AND outcome=? AND event_id=coalesce(?, event_id) "
        "ORDER BY CASE kind WHEN 'payment.dispute_won' THEN 1 ELSE 0 END, received_at, event_id",
        *(order, provider, outcome, only),
    ):
        event = Event(provider, f"{id_}:late", kind, order, payment, amount, currency)
        found = orders.locked_one(tx, order)
        done = _act(tx, found, event)
        _tell(tx, found, event, done)
        _keep(tx, event, done)
