"""The customer's plan: what it costs, and changing it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexctl.money import text_of
from nexctl.server.calls import Call
from nexctl.server.house import instant
from nexctl.server.ledger import customers, subscriptions
from nexctl.server.ledger.months import month_in
from nexctl.server.payments import included, subscribing
from nexctl.server.payments.rules import rules_of
from nexctl.server.refusing import Refuse
from nexctl.server.rooms.customers import plan_named
from nexctl.wire import funding as wire

if TYPE_CHECKING:
    from nexctl.server.ledger.port import Transaction


def show(tx: Transaction, call: Call) -> wire.Subscription:
    """The plan, its fee with tax, and whether it is paid."""
    house, customer = call.house, call.customer.id
    row = customers.get(tx, customer)
    plan = row.plan if row is not None else None
    money = house.unit
    if plan is None or plan not in house.book.plans:
        return wire.Subscription(plan=plan, state="none", currency=money)
    cost = subscribing.cost_of(tx, rules_of(tx, house), customer, plan)
    found = subscriptions.get(tx, customer)
    if found is not None and (found.state == "cancelled" or found.plan != plan):
        found = None  # the operator gave the plan since: nothing of the old one is owed or renewed
    end = month_in(house.month_zone, tx.clock.now())[2]
    return wire.Subscription(
        plan=plan,
        state=found.state if found is not None else "active",
        currency=money,
        fee=None if cost is None else text_of(cost.fee),
        tax=None if cost is None else text_of(cost.tax.units),
        tax_note=None if cost is None else cost.tax.note,
        total=None if cost is None else text_of(cost.fee + cost.tax.units),
        started_at=instant(found.started_at) if found is not None else None,
        paid_period=subscriptions.last_period(tx, customer, plan),
        renews_at=instant(end) if found is not None and cost is not None else None,
    )


def put(tx: Transaction, call: Call) -> wire.Subscription:
    """Be on another plan from now on: its fee is debited, its credits are given, once a month."""
    house, customer = call.house, call.customer.id
    if not house.book.plans:
        raise Refuse("not_offered", "this gateway has no plans")
    plan = plan_named(house, call.body.plan)
    if plan is None:
        raise Refuse("not_offered", "plans are not chosen on this gateway")
    call.before = show(tx, call)
    subscribing.charge(tx, house, customer, plan)
    customers.change(tx, customer, plan=plan)
    subscriptions.put(tx, customer, plan)
    included.grant_now(tx, house, customer, plan)
    return show(tx, call)
