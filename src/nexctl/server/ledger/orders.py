"""Top-up orders: a state machine from the customer's wish to credits, each credited once.

    created -> opened -> paid -> credited            a provider's checkout and its signed event
    created -> submitted -> approved -> credited     a manual transfer, approved by the operator
    created -> under_review -> opened | approved     above self-service
    any of these before payment -> rejected | expired;  credited -> refunded (all of it)

Events of payment providers are in `incoming`, what goes back in `refunds`.
"""

# ruff: noqa: S608 - only names of this program are put into SQL, values are parameters
from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from nexctl.money import text_of
from nexctl.server.ledger import bonuses, codes, events, funds, ids, wallets
from nexctl.server.ledger.chain import locked
from nexctl.server.ledger.due import UNPAID
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
    network: str | None
    pay_amount: int | None
    automatic: bool


_FIELDS = (
    "id, customer_id, wallet, state, method, provider, currency, amount, subtotal, tax, fee, "
    "total, credits, bonus, details, sandbox, checkout_url, payment_id, transaction_ref, sender, "
    "submitted_by, submitted_at, decided_by, decided_at, reason, note, created_at, expires_at, "
    "paid_at, credited_at, paid_lot, bonus_lot, refunded, disputed, network, pay_amount, automatic"
)


def _order(row: Row) -> Order:
    decoded = msgspec.json.decode(row[14])
    return Order._make((*row[:14], decoded, bool(row[15]), *row[16:36], bool(row[36])))


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
    network: str | None = None,
    unique: bool = False,
    automatic: bool = False,
) -> Order:
    """Make an order; nothing is paid or credited yet. `state` may be "under_review".

    With `unique` the amount to transfer is the total and a few millionths, which no other open
    order of the method has. An `automatic` one is the only open one of its wallet: Refused
    `state_conflict`.
    """
    if state not in ("created", "under_review") or total != subtotal + tax + fee:
        raise Refused("invalid_request", "an order's total is subtotal + tax + fee")
    target = wallet or customer
    if target not in wallets.of_customer(tx, customer):
        raise Refused("not_found", f"there is no wallet {target}")
    if automatic and tx.one(_OPEN_AUTOMATIC, target) is not None:
        raise Refused("state_conflict", "an automatic top-up of this wallet is open already")
    made = id or ids.new("ord")
    pay_amount = _pay_amount(tx, method, total) if unique else None
    text = msgspec.json.encode(details or {}).decode()
    tx.run(
        "INSERT INTO orders (id, customer_id, wallet, state, method, provider, currency, amount, "
        "subtotal, tax, fee, total, credits, bonus, details, sandbox, created_at, expires_at, "
        "network, pay_amount, automatic) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        *(made, customer, target, state, method, provider, currency, amount),
        *(subtotal, tax, fee, total, credits, bonus, text, int(sandbox)),
        *(tx.clock.now(), expires_at, network, pay_amount, int(automatic)),
    )
    order = there(tx, made)
    _tell(tx, order, state)
    return order


_OPEN_AUTOMATIC = (
    "SELECT 1 FROM orders WHERE wallet=? AND automatic=1 "
    "AND state IN ('created', 'opened', 'submitted', 'under_review')"
)
MILLIONTH = 1000  # in 10**-9


def _pay_amount(tx: Transaction, method: str, total: int) -> int:
    """The total and 1 to 9,999 millionths that no open order of the method has."""
    for _ in range(64):
        wanted = total + (secrets.randbelow(9_999) + 1) * MILLIONTH
        taken = tx.one(
            "SELECT 1 FROM orders WHERE method=? AND pay_amount=? "
            "AND state IN ('created', 'opened', 'submitted', 'under_review')",
            *(method, wanted),
        )
        if taken is None:
            return wanted
    raise Refused("state_conflict", "too many orders of this amount are open", hint="try later")


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
    found = locked_one(tx, order)
    if found.state == "opened":
        return found
    move(tx, found, "opened", checkout_url=url, payment_id=payment)
    return there(tx, order)


def submit(
    tx: Transaction,
    order: str,
    *,
    transaction: str,
    sender: str | None,
    by: str,
    written: str | None = None,
) -> Order:
    """The customer says that a manual order is paid; `transaction` is already normalised.

    A transaction is good for one order: state_conflict where another has it. `written` is how
    people read it.
    """
    found = locked_one(tx, order)
    _not_taken(tx, found, transaction)
    move(
        tx,
        found,
        "submitted",
        **_referring(found, transaction, written),
        sender=sender,
        submitted_by=by,
        submitted_at=tx.clock.now(),
    )
    return there(tx, order)


def _referring(found: Order, transaction: str, written: str | None) -> dict[str, str]:
    details = {**found.details, "transaction": written}
    return {"transaction_ref": transaction, "details": msgspec.json.encode(details).decode()}


def _not_taken(tx: Transaction, found: Order, transaction: str) -> None:
    # Of any method: a transfer to one bank account may be said to be an invoice's or a top-up's.
    taken = tx.one(
        "SELECT 1 FROM orders "
        "WHERE provider=? AND transaction_ref=? AND state<>'rejected' AND id<>?",
        *(found.provider, transaction, found.id),
    )
    if taken is not None:
        raise Refused("state_conflict", "that transaction was given for another order")


def accept(tx: Transaction, order: str, *, by: str, note: str | None = None) -> Order:
    """The operator has looked at an order above self-service: it may be paid now."""
    found = locked_one(tx, order)
    if found.state != "under_review":
        raise Refused("state_conflict", f"the order is {found.state}: there is nothing to review")
    move(tx, found, "opened", decided_by=by, decided_at=tx.clock.now(), note=note)
    return there(tx, order)


def shown_at(tx: Transaction, order: str, url: str | None) -> Order:
    """Where an opened order is paid."""
    tx.run("UPDATE orders SET checkout_url=? WHERE id=? AND state='opened'", url, order)
    return there(tx, order)


def review(tx: Transaction, order: str, reason: str) -> Order:
    """An order that somebody must look at."""
    move(tx, locked_one(tx, order), "under_review", reason=reason)
    return there(tx, order)


def approve(
    tx: Transaction,
    order: str,
    *,
    by: str,
    transaction: str | None = None,
    written: str | None = None,
    note: str | None = None,
) -> tuple[Order, Credit]:
    """The operator has seen the money of a manual order: credit it, now and once."""
    found = locked_one(tx, order)
    if found.submitted_by is not None and by == found.submitted_by:
        raise Refused("approver_is_submitter", "who submitted a payment cannot approve it")
    fields: dict[str, Any] = {"decided_by": by, "decided_at": tx.clock.now(), "note": note}
    if transaction is not None:
        _not_taken(tx, found, transaction)
        fields |= _referring(found, transaction, written)
    move(tx, found, "approved", **fields)
    made = credit(tx, locked_one(tx, order))
    return there(tx, order), made


def reject(tx: Transaction, order: str, *, by: str, reason: str) -> Order:
    """The operator refuses an order; its transaction may be given again."""
    move(
        tx,
        locked_one(tx, order),
        "rejected",
        decided_by=by,
        decided_at=tx.clock.now(),
        reason=reason,
    )
    codes.give_back(tx, order)
    _ended(tx, order)
    return there(tx, order)


def expire_due(tx: Transaction, most: int = 100) -> int:
    """Orders that nobody paid in time; how many."""
    now = tx.clock.now()
    names = tx.all(
        f"SELECT id FROM orders WHERE {UNPAID} ORDER BY id LIMIT ?",
        *(now, most),
    )
    for (name,) in names:
        move(tx, locked_one(tx, name), "expired")
        codes.give_back(tx, name)
        _ended(tx, name)
    return len(names)


def _ended(tx: Transaction, order: str) -> None:
    if tx.shared.papers is not None:
        tx.shared.papers(tx, "ended", there(tx, order))


def credit(tx: Transaction, found: Order) -> Credit:
    """The one place where an order becomes credits; the caller holds its row."""
    terms = found.details.get("bonus")
    if terms is not None:
        for wallet in wallets.of_customer(tx, found.customer):
            locked(tx, wallet)  # two orders at once see each other's top-up
        before = bonuses.lifetime(tx, found.customer)
        given = bonuses.due(found.credits, terms, before, promo=codes.is_used(tx, found.id))
        found.details["bonus_given"] = given.facts
        found = found._replace(bonus=given.units)
        tx.run("UPDATE orders SET bonus=? WHERE id=?", given.units, found.id)
        bonuses.keep(tx, found.id, found.details)
    paid, bonus = funds.topup(
        tx,
        found.wallet,
        found.credits,
        provider=found.provider,
        bonus=found.bonus,
        reference=found.id,
        sandbox=found.sandbox,
    )
    move(
        tx,
        found,
        "credited",
        credited_at=tx.clock.now(),
        paid_lot=paid.seq,
        bonus_lot=None if bonus is None else bonus.seq,
    )
    if tx.shared.papers is not None:
        tx.shared.papers(tx, "order", there(tx, found.id))
    return paid


def there(tx: Transaction, order: str) -> Order:
    """An order that must be there."""
    found = get(tx, order)
    if found is None:
        raise Refused("not_found", f"there is no order {order}")
    return found


def locked_one(tx: Transaction, order: str) -> Order:
    """An order, its row locked until commit."""
    row = tx.one(f"SELECT {_FIELDS} FROM orders WHERE id=?" + tx.lock, order)
    if row is None:
        raise Refused("not_found", f"there is no order {order}")
    return _order(row)


def move(tx: Transaction, found: Order, state: str, **fields: Any) -> None:
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
    _tell(tx, found, state)


def _tell(tx: Transaction, order: Order, state: str) -> None:
    """Tell that an order is in a state now; amounts in its currency."""
    events.emit(
        tx,
        f"order.{state}",
        order.customer,
        {
            "id": order.id,
            "state": state,
            "method": order.method,
            "amount": text_of(order.amount),
            "total": text_of(order.total),
            "currency": order.currency,
            "wallet": order.wallet,
        },
    )


def locked_order(tx: Transaction, order: str) -> Order | None:
    """An order whose row is locked until commit, None where there is none."""
    row = tx.one(f"SELECT {_FIELDS} FROM orders WHERE id=?" + tx.lock, order)
    return None if row is None else _order(row)
