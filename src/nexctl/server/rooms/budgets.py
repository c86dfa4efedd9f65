"""Budgets of a customer, its keys, and the organisations that it manages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexctl.server.calls import Call
from nexctl.server.house import instant
from nexctl.server.inference.policy import find
from nexctl.server.ledger import alerts, budgets, events, keys, orgs
from nexctl.server.refusing import Refuse
from nexctl.server.rooms import plans
from nexctl.server.rooms.keys import check_within_parent
from nexctl.server.rooms.orgs import managed, need_organisations
from nexctl.server.shapes import page_of, units_of
from nexctl.wire import budgets as wire

if TYPE_CHECKING:
    from nexctl.server.ledger.budgets import State
    from nexctl.server.ledger.port import Transaction

_ORG_SCOPES = ("org", "project", "member")


def listed(tx: Transaction, call: Call) -> wire.BudgetPage:
    """One page of budgets with what is left of them, those of managed organisations too."""
    query = call.query
    scope = "key" if query.scope == "parent_key" else query.scope
    states = [
        state
        for account in _accounts(tx, call)
        for state in budgets.listed(tx, account, scope=scope, scope_id=query.scope_id)
    ]
    states.sort(key=lambda state: state.budget.id)
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
    body = call.body
    tokens = body.unit == "tokens"
    amount = _tokens(body.amount) if tokens else units_of(body.amount, call.house.scale, zero=True)
    account, scope, scope_id = _scope(tx, call, amount)
    levels = body.alert_at
    if levels is None:
        levels = list(alerts.get(tx, account).percents)
    name = body.name or budgets.usual_name(scope, body.window)
    for state in budgets.listed(tx, account, scope=scope, scope_id=scope_id):
        if (state.budget.name, state.budget.span) == (name, body.window):
            call.before = _budget(tx, call, state)
    made = budgets.put(
        tx,
        account,
        scope,
        scope_id,
        amount,
        span=body.window,
        name=name,
        unit=budgets.TOKENS if tokens else budgets.MONEY,
        meters=body.meters,
        models=[find(call.house, model).id for model in body.models] if body.models else None,
        hard=body.hard,
        alert_at=levels,
    )
    shown = _budget(tx, call, budgets.state(tx, made, call.house.now()))
    events.emit(tx, "budget.set", account, _told(shown))
    return shown


def remove(tx: Transaction, call: Call) -> wire.Removed:
    """Take a budget away."""
    found = _owned(tx, call)
    call.before = _budget(tx, call, found)
    budgets.remove(tx, found.budget.customer, found.budget.id)
    events.emit(tx, "budget.removed", found.budget.customer, _told(call.before))
    return wire.Removed(id=found.budget.id)


def _told(shown: wire.Budget) -> dict[str, object]:
    return {
        "id": shown.id,
        "name": shown.name,
        "scope": shown.scope,
        "scope_id": shown.scope_id,
        "window": shown.window,
        "amount": shown.amount,
        "unit": shown.currency,
    }


def _tokens(text: str) -> int:
    if not text.isdigit():
        raise Refuse("invalid_request", "tokens are whole", param="amount")
    return int(text)


def _scope(tx: Transaction, call: Call, amount: int) -> tuple[str, str, str]:
    """(account, scope, scope id) of what a body names, if the caller may limit it."""
    body, customer = call.body, call.customer
    if body.scope in ("key", "parent_key"):
        key = keys.get(tx, body.scope_id) if body.scope_id else None
        if key is None or key.customer != customer.id:
            raise Refuse("not_found", "there is no such key", param="scope_id")
        plans.need_feature(call, "per_key_budgets", "budgets for single keys")
        if body.unit == "money":
            parent = keys.get(tx, key.parent) if key.parent else None
            check_within_parent(tx, call, parent, amount, body.window)
        return customer.id, "key", key.id
    if body.scope not in _ORG_SCOPES:
        if body.scope_id not in (None, customer.id):
            raise Refuse("not_found", param="scope_id")
        return customer.id, "customer", customer.id
    need_organisations(call)
    org, scope_id = _place(tx, call, body.scope, body.scope_id)
    return org.id, body.scope, scope_id


def _place(tx: Transaction, call: Call, scope: str, name: str | None) -> tuple[orgs.Org, str]:
    """The organisation that a scope id lies in, and the id itself."""
    if scope == "org":
        org = managed(tx, call, name or call.customer.id)
        return org, org.id
    table = "projects" if scope == "project" else "members"
    org_id = tx.value(f"SELECT org_id FROM {table} WHERE id=?", name)  # noqa: S608 - our own names
    if org_id is None:
        raise Refuse("not_found", f"there is no such {scope}", param="scope_id")
    return managed(tx, call, org_id), str(name)


def _accounts(tx: Transaction, call: Call) -> list[str]:
    """The customer, and the organisations whose budgets it may see."""
    own = call.customer.id
    found = [own]
    for org in orgs.of_customer(tx, own):
        seat = orgs.seat_of(tx, org.id, own)
        if org.id != own and seat is not None and seat.role != orgs.MEMBER:
            found.append(org.id)
    return found


def _owned(tx: Transaction, call: Call) -> State:
    for account in _accounts(tx, call):
        for state in budgets.listed(tx, account):
            if state.budget.id == call.id:
                if account != call.customer.id and call.route.writes:
                    managed(tx, call, account)
                return state
    raise Refuse("not_found", "there is no such budget")


def _budget(tx: Transaction, call: Call, state: State) -> wire.Budget:
    house, budget = call.house, state.budget
    tokens = budget.unit == budgets.TOKENS

    def figure(units: int) -> str:
        return str(units) if tokens else str(house.money(units))

    return wire.Budget(
        id=budget.id,
        scope=budget.scope,
        window=budget.span,
        amount=figure(budget.amount),
        currency="tokens" if tokens else house.unit,
        scope_id=budget.scope_id,
        scope_name=_name(tx, budget.scope, budget.scope_id),
        meter=",".join(budget.meters) if budget.meters else "money",
        kind="hard" if budget.hard else "soft",
        spent=figure(state.spent),
        held=figure(state.held),
        remaining=figure(state.remaining),
        resets_at=instant(state.resets_at),
        created_at=instant(budget.created_at),
        name=budget.name,
        models=list(budget.models) if budget.models else None,
        alert_at=list(budget.alert_at),
        set_by=budget.origin,
    )


_NAMES = {
    "key": "SELECT name FROM keys WHERE id=?",
    "project": "SELECT name FROM projects WHERE id=?",
    "member": "SELECT c.name FROM members m JOIN customers c ON c.id=m.customer_id WHERE m.id=?",
    "org": "SELECT slug FROM orgs WHERE id=?",
}


def _name(tx: Transaction, scope: str, scope_id: str) -> str | None:
    found: str | None = tx.value(_NAMES[scope], scope_id) if scope in _NAMES else None
    return found
