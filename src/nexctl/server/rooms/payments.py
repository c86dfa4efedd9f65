"""Orders of all customers, and what the operator decides about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexctl.money import NANO, text_of
from nexctl.server.calls import Call
from nexctl.server.house import instant
from nexctl.server.http import Answer
from nexctl.server.ledger import customers, orders, refunds
from nexctl.server.payments import outbox, providers
from nexctl.server.payments.figures import CENT_UNITS
from nexctl.server.payments.methods import MANUAL
from nexctl.server.refusing import Refuse
from nexctl.server.rooms.topups import fields, normal, outside, page, submitted, written
from nexctl.server.shapes import units_of
from nexctl.wire import admin as wire

if TYPE_CHECKING:
    from nexctl.server.ledger.orders import Order
    from nexctl.server.ledger.port import Transaction


def listed(tx: Transaction, call: Call) -> wire.PaymentPage:
    """One page of orders, newest first."""
    rows, cursor = page(tx, call, call.query.customer_id)
    return wire.PaymentPage(data=[_payment(tx, call, row) for row in rows], next_cursor=cursor)


def shown(tx: Transaction, call: Call) -> wire.Payment:
    """One order."""
    return _payment(tx, call, _there(tx, call))


async def approve(call: Call) -> Answer:
    """Credit a manual order whose money was seen; let an order under review be paid."""
    answer = await call.commit(_approve)
    house = call.house
    row = house.read(orders.get, call.id)
    provider = providers.of_house(house)
    if row is None or row.state != "opened" or row.checkout_url is not None:
        return answer
    if provider is None or row.provider != provider.id:
        return answer
    url = await outside(house, provider.open_checkout, row)
    await house.write(orders.shown_at, row.id, url)
    return Answer(house.read(shown, call), answer.status)


def _approve(tx: Transaction, call: Call) -> wire.Payment:
    found, body = _found(tx, call), call.body
    if found.state == "under_review" and (found.provider != MANUAL or not body.transaction):
        # Nobody has paid yet: what was looked at is the order, not its money.
        accepted = orders.accept(tx, found.id, by=call.caller.id, note=body.note)
        return _payment(tx, call, accepted)
    if found.provider != MANUAL:
        raise Refuse("state_conflict", "this order is credited by its provider's event")
    named: dict[str, str] = {}
    if body.transaction:
        named = {"transaction": normal(body.transaction), "written": written(body.transaction)}
    done, _ = orders.approve(tx, found.id, by=call.caller.id, note=body.note, **named)
    return _payment(tx, call, done)


def submit(tx: Transaction, call: Call) -> wire.Payment:
    """Note a payment that was seen for a customer; another operator approves it."""
    return _payment(tx, call, submitted(tx, call, _found(tx, call)))


def reject(tx: Transaction, call: Call) -> wire.Payment:
    """Refuse an order; the customer reads why."""
    found = _found(tx, call)
    done = orders.reject(tx, found.id, by=call.caller.id, reason=call.body.reason)
    return _payment(tx, call, done)


async def refund(call: Call) -> Answer:
    """Give back what is not spent. The provider is told once the ledger has it, until it hears."""
    answer = await call.commit(_refund)
    await outside(call.house, outbox.work)
    return answer


def _refund(tx: Transaction, call: Call) -> wire.Payment:
    found, body = _found(tx, call), call.body
    amount = units_of(body.amount, NANO) if body.amount is not None else None
    provider = providers.named(call.house, found.provider)
    # By hand: what a transfer can carry, cents, on a chain millionths.
    step = orders.MILLIONTH if found.network else CENT_UNITS
    if provider is not None:
        step = provider.step(found.currency)
    if amount is not None and amount % step:
        raise Refuse(
            "invalid_request", f"what goes back is a multiple of {text_of(step)}", param="amount"
        )
    done = refunds.refund(tx, found.id, amount, by=call.caller.id, note=body.reason, step=step)
    if found.provider != MANUAL:
        outbox.put(tx, found.provider, "refund", found.id, done.refunded - found.refunded)
    return _payment(tx, call, done)


def _found(tx: Transaction, call: Call) -> Order:
    """The order that is about to change, kept for the audit log as it is."""
    found = _there(tx, call)
    call.before = _payment(tx, call, found)
    return found


def _there(tx: Transaction, call: Call) -> Order:
    found = orders.get(tx, call.id)
    if found is None:
        raise Refuse("not_found", "there is no such order")
    return found


def _payment(tx: Transaction, call: Call, row: Order) -> wire.Payment:
    customer = customers.get(tx, row.customer)
    return wire.Payment(
        **fields(call.house, row),
        customer_id=row.customer,
        customer_name=customer.name if customer else None,
        provider=row.provider,
        provider_payment_id=row.payment_id,
        transaction=row.details.get("transaction") or row.transaction,
        sender=row.sender,
        submitted_by=row.submitted_by,
        submitted_at=instant(row.submitted_at),
        decided_by=row.decided_by,
        decided_at=instant(row.decided_at),
        note=row.note,
    )
