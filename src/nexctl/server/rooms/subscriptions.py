"""Customers' plans, as the operator sees and sets them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexctl.money import text_of
from nexctl.server.calls import Call
from nexctl.server.house import instant
from nexctl.server.ledger import customers, subscriptions
from nexctl.server.payments import included, subscribing
from nexctl.server.payments.rules import Rules, rules_of
from nexctl.server.refusing import Refuse
from nexctl.server.rooms.customers import plan_named
from nexctl.wire import checks as wire

if TYPE_CHECKING:
    from nexctl.server.ledger.customers import Customer
    from nexctl.server.ledger.port import Transaction


def listed(tx: Transaction, call: Call) -> wire.PlanPage:
    """Customers with their plans, by id."""
    query = call.query
    rules = rules_of(tx, call.house)
    found: list[wire.PlanOf] = []
    after = query.cursor
    while len(found) <= query.limit:
        rows = customers.listed(tx, after=after, limit=query.limit + 1)
        for row in rows:
            shown = _plan(tx, rules, row)
            if query.state in (None, shown.state):
                found.append(shown)
        if len(rows) <= query.limit:
            break
        after = rows[-1].id
    more = len(found) > query.limit
    found = found[: query.limit]
    return wire.PlanPage(data=found, next_cursor=found[-1].customer_id if more else None)


def put(tx: Transaction, call: Call) -> wire.PlanOf:
    """Put a customer on a plan: as a gift, or for its fee. The fee of the one before ends."""
    body, house = call.body, call.house
    row = customers.get(tx, call.id)
    if row is None:
        raise Refuse("not_found", "there is no such customer")
    rules = rules_of(tx, house)
    call.account, call.before = row.id, _plan(tx, rules, row)
    if not house.book.plans:
        raise Refuse("not_offered", "this gateway has no plans")
    plan = plan_named(house, body.plan) if body.plan is not None else None
    if body.charge:
        if plan is None:
            raise Refuse("invalid_request", "only a plan has a fee", param="charge")
        subscribing.charge(tx, house, row.id, plan)
        subscriptions.put(tx, row.id, plan)
    elif subscriptions.get(tx, row.id) is not None:
        subscriptions.put(tx, row.id, plan or "", "cancelled")
    changed = customers.change(tx, row.id, plan=plan)
    included.grant_now(tx, house, row.id, plan)
    return _plan(tx, rules, changed)


def _plan(tx: Transaction, rules: Rules, row: Customer) -> wire.PlanOf:
    found = subscriptions.get(tx, row.id)
    state = "none" if row.plan is None else "given"
    fee = None
    if found is not None and found.state != "cancelled" and found.plan == row.plan:
        state = found.state
        cost = subscribing.cost_of(tx, rules, row.id, found.plan)
        fee = None if cost is None else text_of(cost.fee)
    elif found is not None and row.plan is None:
        state = "cancelled"
    return wire.PlanOf(
        customer_id=row.id,
        name=row.name,
        state=state,
        currency=rules.house.unit,
        plan=row.plan,
        fee=fee,
        paid_period=subscriptions.last_period(tx, row.id, row.plan) if row.plan else None,
        started_at=instant(found.started_at) if found is not None else None,
    )
