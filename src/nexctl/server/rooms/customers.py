"""Customers, as operators make and list them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexctl.money import parse_units
from nexctl.server.calls import Call
from nexctl.server.house import instant
from nexctl.server.ledger import customers, entries, events, funds, keys, settings, wallets
from nexctl.server.payments import included
from nexctl.server.refusing import Refuse
from nexctl.server.rooms import secrets
from nexctl.server.shapes import MOST_UNITS, page_of
from nexctl.wire import admin as wire
from nexctl.wire import operators as wire_operators

if TYPE_CHECKING:
    from nexctl.server.house import House
    from nexctl.server.ledger.customers import Customer
    from nexctl.server.ledger.port import Transaction
    from nexctl.server.ledger.types import Wallet

MANAGEMENT = "management"


def listed(tx: Transaction, call: Call) -> wire.CustomerPage:
    """One page of customers with their wallets' figures."""
    query = call.query
    rows = customers.listed(
        tx, after=query.cursor, limit=query.limit + 1, name=query.name, state=query.state
    )
    shown, cursor = page_of(rows, query.limit, "id")
    data = [wire.Customer(**_fields(tx, call.house, row)) for row in shown]
    return wire.CustomerPage(data=data, next_cursor=cursor)


def create(tx: Transaction, call: Call) -> wire.CustomerCreated:
    """A customer on a plan, with its included credits and its first management key."""
    house, body = call.house, call.body
    made, secret, key = new(
        tx,
        house,
        body.name,
        plan=plan_named(house, body.plan),
        email=body.email,
        external_id=body.external_id,
        labels=body.labels,
    )
    data = {"id": made.id, "name": made.name, "plan": made.plan}
    events.emit(tx, "customer.created", made.id, data)
    return wire.CustomerCreated(
        **_fields(tx, house, made), key_id=key, prefix=secret.prefix, secret=secret.value
    )


def new(
    tx: Transaction, house: House, name: str, *, plan: str | None, **more: Any
) -> tuple[Customer, secrets.NewSecret, str]:
    """Make a customer, its wallet, its grants and its management key, in one transaction."""
    made = customers.create(tx, name, currency=house.unit, scale=house.scale, plan=plan, **more)
    included.grant_now(tx, house, made.id, plan)
    secret = secrets.new("management_key")
    key = keys.create(
        tx,
        made.id,
        MANAGEMENT,
        hash=secret.hash,
        prefix=secret.prefix,
        kind="management_key",
    )
    return made, secret, key.id


def suspend(tx: Transaction, call: Call) -> wire.Customer:
    """Stop a customer's keys from spending and changing anything, or let them again."""
    found = _there(tx, call.id)
    body = call.body
    call.before = wire.Customer(**_fields(tx, call.house, found))
    state = "suspended" if body.suspended else "active"
    done = customers.change(tx, found.id, state=state)
    if found.state != state:
        what = "suspended" if body.suspended else "resumed"
        events.emit(tx, f"customer.{what}", found.id, {"id": found.id, "reason": body.reason})
        if not body.suspended and not settings.clock_stopped(tx):
            # The month may have begun while it was suspended.
            included.month_of(tx, call.house, found.id, found.plan)
    return wire.Customer(**_fields(tx, call.house, done))


def adjust(tx: Transaction, call: Call) -> wire_operators.Adjusted:
    """Give credits, or take some that no hold keeps; or correct what one request was charged."""
    house, body = call.house, call.body
    found = _there(tx, call.id)
    units = parse_units(body.amount, house.scale)
    if not units or abs(units) > MOST_UNITS:
        raise Refuse("invalid_request", "an adjustment is not nothing and fits", param="amount")
    debit = None
    if body.request_id is None:
        made = funds.adjust(tx, found.id, units, note=body.note, by=call.caller.id)
    else:
        debit = entries.usage_of(tx, found.id, body.request_id)
        if debit is None:
            raise Refuse("not_found", "no such request was charged", param="request_id")
        if units < 0:
            raise Refuse("invalid_request", "a correction only gives back", param="amount")
        made = funds.reverse_usage(
            tx, debit.wallet, debit.seq, units, note=body.note, by=call.caller.id
        )
    events.emit(
        tx,
        "balance.adjusted",
        found.id,
        {"sequence": made.seq, "amount": house.money(made.amount), "currency": house.unit},
    )
    return wire_operators.Adjusted(
        customer_id=found.id,
        sequence=made.seq,
        amount=str(house.money(made.amount)),
        balance=str(house.money(made.balance)),
        currency=house.unit,
        reverses=None if debit is None else debit.seq,
    )


def review(tx: Transaction, call: Call) -> wire_operators.Reviewed:
    """Let a wallet that a dispute froze spend again, its debt written off where that is asked."""
    house, body = call.house, call.body
    found = _there(tx, call.id)
    name = body.wallet or found.id
    if name not in wallets.of_customer(tx, found.id):
        raise Refuse("not_found", "there is no such wallet", param="wallet")
    before = wallets.show(tx, found.id, wallet=name)
    if before.state == "active":
        raise Refuse("state_conflict", "the wallet is active: there is nothing to review")
    call.before = _reviewed(house, found.id, before)
    forgiven = 0
    if body.forgive_debt:
        forgiven = funds.forgive_debt(tx, name, note=body.note, by=call.caller.id)
    wallets.freeze(tx, name, frozen=False)
    return _reviewed(house, found.id, wallets.show(tx, found.id, wallet=name), forgiven)


def _reviewed(
    house: House, customer: str, wallet: Wallet, forgiven: int = 0
) -> wire_operators.Reviewed:
    return wire_operators.Reviewed(
        customer_id=customer,
        wallet=wallet.id,
        state=wallet.state,
        forgiven=str(house.money(forgiven)),
        debt=str(house.money(wallet.debt)),
        balance=str(house.money(wallet.balance)),
        currency=house.unit,
    )


def _there(tx: Transaction, customer: str) -> Customer:
    found = customers.get(tx, customer)
    if found is None:
        raise Refuse("not_found", "there is no such customer")
    return found


def plan_named(house: House, name: str | None) -> str | None:
    """The id of the plan that is asked for, or the gateway's own default."""
    wanted = name or house.facts.get("plan")
    if wanted is None:
        return None
    plans = house.book.plans
    if not plans or house.book.rule("plan_source") == "highest_recharge":
        if name is None:
            return None
        raise Refuse("plan_limit", "plans are not chosen on this gateway", param="plan")
    if wanted.lower() not in plans:
        raise Refuse("invalid_request", f"there is no such plan: {', '.join(plans)}", param="plan")
    return str(wanted.lower())


def _fields(tx: Transaction, house: House, row: Customer) -> dict[str, Any]:
    found = wallets.show(tx, row.id)
    return {
        "id": row.id,
        "name": row.name,
        "state": row.state,
        "created_at": instant(row.created_at),
        "plan": row.plan,
        "email": row.email,
        "external_id": row.external_id,
        "labels": row.labels,
        "currency": found.currency,
        "balance": house.money(found.balance),
        "held": house.money(found.held),
    }
