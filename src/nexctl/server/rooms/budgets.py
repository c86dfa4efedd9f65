"""Budgets of a customer and of its keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexctl.server.calls import Call
from nexctl.server.house import instant
from nexctl.server.ledger import budgets, keys
from nexctl.server.refusing import Refuse
from nexctl.server.rooms import plans
from nexctl.server.rooms.keys import check_within_parent
from nexctl.server.shapes import page_of, units_of
from nexctl.wire import budgets as wire

if TYPE_CHECKING:
    from nexctl.server.ledger.budgets import State
    from nexctl.server.ledger.port import Transaction


def listed(tx: Transaction, call: Call) -> wire.BudgetPage:
    """One page of budgets with what is left of them."""
    query = call.query
    states = budgets.listed(tx, call.customer.id, scope=query.scope, scope_id=query.scope_id)
    states = sorted(states, key=lambda state: state.budget.id)
    if query.cursor is not None:
        states = [state for state in states if state.budget.id > query.cursor]
    shown, _ = page_of(states, query.limit, "budget")
    cursor = shown[-1].budget.id if len(states) > query.limit else None
    return wire.BudgetPage(data=[_budget(tx, call, state) for state in shown], next_cursor=cursor)


def shown(tx: Transaction, call: Call) -> wire.Budget:
    """One budget."""
    return _budget(tx, call, _owned(tx, call))


def put(tx: Transaction, call: Call) -> wire.Budget:
    """Set the budget of a scope and window."""
    body, customer = call.body, call.customer
    amount = units_of(body.amount, call.house.scale, zero=True)
    if body.scope == "key":
        key = keys.get(tx, body.scope_id) if body.scope_id else None
        if key is None or key.customer != customer.id:
            raise Refuse("not_found", "there is no such key", param="scope_id")
        plans.need_feature(call, "per_key_budgets", "budgets for single keys")
        parent = keys.get(tx, key.parent) if key.parent else None
        check_within_parent(tx, call, parent, amount, body.window)
        scope_id = key.id
    else:
        if body.scope_id not in (None, customer.id):
            raise Refuse("not_found", param="scope_id")
        scope_id = customer.id
    made = budgets.put(tx, customer.id, body.scope, scope_id, amount, span=body.window)
    return _budget(tx, call, budgets.state(tx, made, call.house.now()))


def remove(tx: Transaction, call: Call) -> wire.Removed:
    """Take a budget away."""
    found = _owned(tx, call)
    if found.budget.scope == "customer" and found.budget.name in call.house.plan_budgets:
        raise Refuse("not_permitted", "the plan sets that budget")
    budgets.remove(tx, call.customer.id, found.budget.id)
    return wire.Removed(id=found.budget.id)


def _owned(tx: Transaction, call: Call) -> State:
    for state in budgets.listed(tx, call.customer.id):
        if state.budget.id == call.id:
            return state
    raise Refuse("not_found", "there is no such budget")


def _budget(tx: Transaction, call: Call, state: State) -> wire.Budget:
    house, budget = call.house, state.budget
    tokens = budget.unit == budgets.TOKENS

    def figure(units: int) -> str:
        return str(units) if tokens else str(house.money(units))

    name = None
    if budget.scope == "key":
        key = keys.get(tx, budget.scope_id)
        name = key.name if key else None
    return wire.Budget(
        id=budget.id,
        scope=budget.scope,
        window=budget.span,
        amount=figure(budget.amount),
        currency="tokens" if tokens else house.unit,
        scope_id=budget.scope_id,
        scope_name=name,
        meter=",".join(budget.meters) if budget.meters else "money",
        kind="hard" if budget.hard else "soft",
        spent=figure(state.spent),
        held=figure(state.held),
        remaining=figure(state.remaining),
        resets_at=instant(state.resets_at),
        created_at=instant(budget.created_at),
    )
