"""Keys of a customer: made, changed, rotated, revoked; sub-keys inside their parents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from nexctl.safety.addresses import network_of
from nexctl.server.calls import Call
from nexctl.server.house import COST_LABELS, instant
from nexctl.server.inference.policy import find
from nexctl.server.ledger import alerts, budgets, keys, orgs
from nexctl.server.refusing import Refuse
from nexctl.server.rooms import plans, secrets
from nexctl.server.shapes import future, page_of, units_of
from nexctl.wire import keys as wire
from nexctl.wire.base import UNSET

if TYPE_CHECKING:
    from nexctl.server.house import House
    from nexctl.server.ledger.budgets import Budget, State
    from nexctl.server.ledger.keys import Key
    from nexctl.server.ledger.port import Transaction

SECOND = 1_000_000
DEFAULT_OVERLAP_HOURS = 24
_WINDOWS = ("month", "lifetime")


def listed(tx: Transaction, call: Call) -> wire.KeyPage:
    """One page of the customer's keys."""
    query = call.query
    rows = keys.listed(
        tx,
        call.customer.id,
        after=query.cursor,
        limit=query.limit + 1,
        name=query.name,
        parent=query.parent_id,
        state=query.state,
    )
    shown, cursor = page_of(rows, query.limit, "id")
    own = _budgets_by_key(tx, call)
    now = call.house.now()
    return wire.KeyPage(
        data=[_key(call, row, own.get(row.id), now) for row in shown], next_cursor=cursor
    )


def shown(tx: Transaction, call: Call) -> wire.Key:
    """One key."""
    return _shown(tx, call, _owned(tx, call, call.id))


def create(tx: Transaction, call: Call) -> wire.KeySecret:
    """Make a key or a sub-key; its secret is in this answer and nowhere else."""
    body, customer = call.body, call.customer
    kind, parent = "key", None
    if body.parent_id is not None:
        kind, parent = "sub_key", _owned(tx, call, body.parent_id)
        if parent.kind != "key" or parent.state == "revoked":
            raise Refuse("invalid_request", "that key cannot have sub-keys", param="parent_id")
    what = "sub-keys" if parent else "keys"
    count = keys.count(tx, customer.id, kind)
    plans.need_room(call, "sub_keys" if parent else "keys", count, what)
    if body.labels:
        plans.need_feature(call, COST_LABELS, "cost labels")
    models = _models(tx, call, body.models)
    addresses = _addresses(body.ip_allowlist)
    expires_at = _end(call, body)
    _inside_parent(parent, models, addresses, body.rpm, expires_at)
    project, member = _place(tx, call, parent)
    secret = secrets.new(kind)
    made = keys.create(
        tx,
        customer.id,
        body.name,
        hash=secret.hash,
        prefix=secret.prefix,
        kind=kind,
        parent=parent.id if parent else None,
        models=models,
        ip_allowlist=addresses,
        rpm=body.rpm,
        labels=body.labels,
        expires_at=expires_at,
        project=project,
        member=member,
    )
    if body.budget is not None:
        _set_budget(tx, call, made, body.budget, parent)
    known = msgspec.structs.asdict(_shown(tx, call, made))
    return wire.KeySecret(**known, secret=secret.value)


def update(tx: Transaction, call: Call) -> wire.Key:
    """Change the fields that are given."""
    body = call.body
    found = _owned(tx, call, call.id)
    if found.id == call.caller.id:
        raise Refuse("not_permitted", "a key does not change its own limits")
    if found.state == "revoked":
        raise Refuse("state_conflict", "the key is revoked")
    call.before = _shown(tx, call, found)
    parent = keys.get(tx, found.parent) if found.parent else None
    changes = _changes(tx, call, body, parent)
    if changes:
        found = keys.change(tx, found.id, **changes)
    if body.disabled is not UNSET:
        found = keys.enable(tx, found.id, enabled=not body.disabled)
    if body.budget is None:
        _drop_budgets(tx, call, found)
    elif body.budget is not UNSET:
        _set_budget(tx, call, found, body.budget, parent)
    keys.tell(tx, "updated", found)
    return _shown(tx, call, found)


def rotate(tx: Transaction, call: Call) -> wire.KeySecret:
    """Give a key a new secret; the old one works on for the overlap. Spent amounts stay."""
    found = _owned(tx, call, call.id)
    overlap = call.body.overlap_seconds
    if overlap is None:
        hours = call.house.book.data.get("keys", {}).get(
            "rotation_overlap_hours", DEFAULT_OVERLAP_HOURS
        )
        overlap = int(hours) * 3600
    call.before = _shown(tx, call, found)
    secret = secrets.new(found.kind)
    done = keys.rotate(
        tx, found.id, hash=secret.hash, prefix=secret.prefix, overlap=overlap * SECOND
    )
    known = msgspec.structs.asdict(_shown(tx, call, done))
    return wire.KeySecret(**known, secret=secret.value, created=False)


def revoke(tx: Transaction, call: Call) -> wire.Key:
    """End a key for ever, its sub-keys with it."""
    found = _owned(tx, call, call.id)
    if found.id == call.caller.id:
        raise Refuse("not_permitted", "a key does not revoke itself")
    call.before = _shown(tx, call, found)
    done = keys.revoke(tx, found.id)
    return _shown(tx, call, done)


def _place(tx: Transaction, call: Call, parent: Key | None) -> tuple[str | None, str | None]:
    """(project, member) that an organisation's new key counts for."""
    body, account = call.body, call.customer.id
    if body.project is None and body.member_id is None:
        return (parent.project, parent.member) if parent is not None else (None, None)
    given = "project" if body.project is not None else "member_id"
    if parent is not None:
        raise Refuse("invalid_request", "a sub-key counts as its parent does", param=given)
    if orgs.get(tx, account) is None:
        why = "only an organisation's keys count for a project or a member"
        raise Refuse("invalid_request", why, param=given)
    project = None
    if body.project is not None:
        found = orgs.project(tx, account, body.project)
        if found.state != "active":
            raise Refuse("state_conflict", "the project is archived")
        project = found.id
    member = None
    if body.member_id is not None:
        seat = orgs.member(tx, account, body.member_id)
        if seat.state != "active":
            raise Refuse("state_conflict", "that member was removed")
        member = seat.id
    return project, member


# what is checked -------------------------------------------------------------------------------


def _owned(tx: Transaction, call: Call, key: str) -> Key:
    """A key of the caller's customer; another customer's is not there."""
    found = keys.get(tx, key)
    if found is None or found.customer != call.customer.id:
        raise Refuse("not_found", "there is no such key")
    return found


def _models(tx: Transaction, call: Call, names: Sequence[str] | None) -> list[str] | None:
    """Model ids of the book; an alias allows the model that it means."""
    if names is None:
        return None
    call.house.rulebook.see(tx)
    return list(dict.fromkeys(find(call.house, name).id for name in names))


def _addresses(texts: Sequence[str] | None) -> list[str] | None:
    if texts is None:
        return None
    try:
        return [str(network_of(text)) for text in texts]
    except ValueError:
        raise Refuse(
            "invalid_request", "not an address or a network", param="ip_allowlist"
        ) from None


def _end(call: Call, body: Any) -> int | None:
    if body.expires_at is not None and body.expires_in_seconds is not None:
        raise Refuse("invalid_request", "expires_at or expires_in_seconds, not both")
    if body.expires_in_seconds is not None:
        return int(call.house.now() + body.expires_in_seconds * SECOND)
    return future(call.house, body.expires_at, "expires_at")


def _inside_parent(
    parent: Key | None,
    models: Sequence[str] | None,
    addresses: Sequence[str] | None,
    rpm: int | None,
    expires_at: int | None,
) -> None:
    """Refuse a sub-key that is wider than its parent in any way."""
    if parent is None:
        return
    wider = None
    if models is not None and parent.models is not None and not set(models) <= set(parent.models):
        wider = "models"
    elif addresses is not None and not _within(addresses, parent.ip_allowlist):
        wider = "ip_allowlist"
    elif rpm is not None and parent.rpm is not None and rpm > parent.rpm:
        wider = "rpm"
    elif expires_at is not None and parent.expires_at is not None:
        wider = "expires_at" if expires_at > parent.expires_at else None
    if wider:
        raise Refuse("wider_than_parent", param=wider)


def _within(addresses: Sequence[str], allowed: Sequence[str] | None) -> bool:
    if allowed is None:
        return True
    networks = [network_of(text) for text in allowed]
    return all(
        any(one.version == other.version and one.subnet_of(other) for other in networks)
        for one in (network_of(text) for text in addresses)
    )


def _changes(tx: Transaction, call: Call, body: Any, parent: Key | None) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if body.name is not UNSET:
        changes["name"] = body.name
    if body.models is not UNSET:
        changes["models"] = _models(tx, call, body.models)
    if body.ip_allowlist is not UNSET:
        changes["ip_allowlist"] = _addresses(body.ip_allowlist)
    if body.rpm is not UNSET:
        changes["rpm"] = body.rpm
    if body.expires_at is not UNSET:
        changes["expires_at"] = future(call.house, body.expires_at, "expires_at")
    if body.labels is not UNSET:
        if body.labels:
            plans.need_feature(call, COST_LABELS, "cost labels")
        changes["labels"] = body.labels
    # Only what changes: a parent may have been narrowed since, and rules each request anyhow.
    _inside_parent(
        parent,
        changes.get("models"),
        changes.get("ip_allowlist"),
        changes.get("rpm"),
        changes.get("expires_at"),
    )
    return changes


# a key's own budget ----------------------------------------------------------------------------


def own_budget(states: Sequence[State]) -> State | None:
    """The budget in money that was set for a key itself.

    Of several the one without a name of its own comes first, then one of a calendar window.
    """
    money = [s for s in states if s.budget.unit == budgets.MONEY and s.budget.models is None]
    return min(
        money,
        key=lambda s: (not _is_usual(s.budget), s.budget.span not in _WINDOWS),
        default=None,
    )


def _is_usual(budget: Budget) -> bool:
    """Whether it is what a key's terms set: in money, for all models, without a name of its own."""
    usual = budgets.usual_name("key", budget.span)
    return budget.unit == budgets.MONEY and budget.models is None and budget.name == usual


def check_within_parent(
    tx: Transaction, call: Call, parent: Key | None, amount: int, window: str
) -> None:
    """Refuse a sub-key's budget above its parent's of the same window."""
    if parent is None:
        return
    for state in budgets.listed(tx, call.customer.id, scope="key", scope_id=parent.id):
        budget = state.budget
        limits = budget.unit == budgets.MONEY and budget.models is None and budget.span == window
        if limits and amount > budget.amount:
            raise Refuse("wider_than_parent", param="budget")


def _set_budget(
    tx: Transaction, call: Call, key: Key, terms: wire.BudgetTerms, parent: Key | None
) -> None:
    plans.need_feature(call, "per_key_budgets", "budgets for single keys")
    amount = units_of(terms.amount, call.house.scale, zero=True)
    check_within_parent(tx, call, parent, amount, terms.window)
    there = _replaceable(tx, call, key)
    before = own_budget(there)
    levels = alerts.get(tx, call.customer.id).percents
    for state in there:
        if state.budget.span == terms.window:
            levels = state.budget.alert_at
        elif before is not None and state.budget.id == before.budget.id:
            budgets.remove(tx, call.customer.id, state.budget.id)
    budgets.put(tx, call.customer.id, "key", key.id, amount, span=terms.window, alert_at=levels)


def _drop_budgets(tx: Transaction, call: Call, key: Key) -> None:
    for state in _replaceable(tx, call, key):
        budgets.remove(tx, call.customer.id, state.budget.id)


def _replaceable(tx: Transaction, call: Call, key: Key) -> list[State]:
    """The budgets that a key's terms stand for; 'budgets set' may have set others beside them."""
    states = budgets.listed(tx, call.customer.id, scope="key", scope_id=key.id)
    return [s for s in states if s.budget.origin == budgets.OWN and _is_usual(s.budget)]


def _budgets_by_key(tx: Transaction, call: Call) -> dict[str, State | None]:
    by_key: dict[str, list[State]] = {}
    for state in budgets.listed(tx, call.customer.id, scope="key"):
        by_key.setdefault(state.budget.scope_id, []).append(state)
    return {key: own_budget(states) for key, states in by_key.items()}


# how it is shown -------------------------------------------------------------------------------


def _shown(tx: Transaction, call: Call, key: Key) -> wire.Key:
    found = keys.get(tx, key.id) or key
    states = budgets.listed(tx, call.customer.id, scope="key", scope_id=key.id)
    return _key(call, found, own_budget(states), call.house.now())


def _key(call: Call, key: Key, state: State | None, now: int) -> wire.Key:
    return key_of(call.house, key, state, now)


def key_of(house: House, key: Key, state: State | None, now: int) -> wire.Key:
    """A key as it is answered, with the budget that was set for it."""
    budget = None
    if state is not None:
        budget = wire.KeyBudget(
            amount=str(house.money(state.budget.amount)),
            currency=house.unit,
            window=state.budget.span,
            id=state.budget.id,
            spent=house.money(state.spent),
            held=house.money(state.held),
            remaining=house.money(state.remaining),
            resets_at=instant(state.resets_at),
        )
    expired = key.state == "active" and key.expires_at is not None and key.expires_at <= now
    return wire.Key(
        id=key.id,
        name=key.name,
        prefix=key.prefix,
        state="expired" if expired else key.state,
        created_at=str(instant(key.created_at)),
        kind=key.kind,
        expires_at=instant(key.expires_at),
        budget=budget,
        models=None if key.models is None else list(key.models),
        ip_allowlist=None if key.ip_allowlist is None else list(key.ip_allowlist),
        rpm=key.rpm,
        parent_id=key.parent,
        labels=key.labels,
        project_id=key.project,
        member_id=key.member,
        last_used_at=instant(key.last_used_at),
        revoked_at=instant(key.revoked_at),
        previous_prefix=key.previous_prefix,
        previous_expires_at=instant(key.previous_expires_at),
    )
