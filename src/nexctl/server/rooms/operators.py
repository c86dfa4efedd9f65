"""Operators and their roles, and what they do about customers' keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from nexctl.server.calls import Call
from nexctl.server.house import instant
from nexctl.server.ledger import budgets, keys, operators
from nexctl.server.refusing import Refuse
from nexctl.server.rooms import secrets
from nexctl.server.rooms.keys import key_of, own_budget
from nexctl.server.shapes import page_of
from nexctl.wire import operators as wire

if TYPE_CHECKING:
    from nexctl.server.ledger.keys import Key
    from nexctl.server.ledger.operators import Operator
    from nexctl.server.ledger.port import Transaction


def listed(tx: Transaction, call: Call) -> wire.OperatorPage:
    """Everybody who runs the gateway, or did."""
    rows = sorted(operators.listed(tx), key=lambda row: row.id)
    rows = [row for row in rows if row.id > (call.query.cursor or "")]
    shown, cursor = page_of(rows, call.query.limit, "id")
    return wire.OperatorPage(data=[_operator(row) for row in shown], next_cursor=cursor)


def create(tx: Transaction, call: Call) -> wire.OperatorSecret:
    """A new operator; its key is in this answer and nowhere else."""
    secret = secrets.new("operator")
    made = operators.create(
        tx, call.body.name, call.body.role, hash=secret.hash, prefix=secret.prefix
    )
    return wire.OperatorSecret(**msgspec.structs.asdict(_operator(made)), secret=secret.value)


def revoke(tx: Transaction, call: Call) -> wire.Operator:
    """End an operator's key for ever; the last owner's stays."""
    found = _there(tx, call.id)
    call.before = _operator(found)
    operators.revoke(tx, found.id)
    return _operator(_there(tx, found.id))


def _there(tx: Transaction, operator: str) -> Operator:
    found = operators.get(tx, operator)
    if found is None:
        raise Refuse("not_found", "there is no such operator")
    return found


def _operator(row: Operator) -> wire.Operator:
    return wire.Operator(
        id=row.id,
        name=row.name,
        role=row.role,
        state=row.state,
        prefix=row.prefix,
        created_at=str(instant(row.created_at)),
        revoked_at=instant(row.revoked_at),
    )


# customers' keys -------------------------------------------------------------------------------


def customer_keys(tx: Transaction, call: Call) -> wire.CustomerKeyPage:
    """Keys of one customer or of all."""
    query = call.query
    rows = keys.listed(
        tx, query.customer_id, after=query.cursor, limit=query.limit + 1, state=query.state
    )
    shown, cursor = page_of(rows, query.limit, "id")
    return wire.CustomerKeyPage(data=[_key(tx, call, row) for row in shown], next_cursor=cursor)


def update_key(tx: Transaction, call: Call) -> wire.CustomerKey:
    """Disable a customer's key, or enable it."""
    found = _key_there(tx, call.id)
    call.before = _key(tx, call, found)
    done = keys.enable(tx, found.id, enabled=not call.body.disabled)
    keys.tell(tx, "updated", done)
    return _key(tx, call, done)


def revoke_key(tx: Transaction, call: Call) -> wire.CustomerKey:
    """End a customer's key, its sub-keys with it."""
    found = _key_there(tx, call.id)
    call.before = _key(tx, call, found)
    done = keys.revoke(tx, found.id)
    return _key(tx, call, done)


def _key_there(tx: Transaction, key: str) -> Key:
    found = keys.get(tx, key)
    if found is None:
        raise Refuse("not_found", "there is no such key")
    return found


def _key(tx: Transaction, call: Call, key: Key) -> wire.CustomerKey:
    states = budgets.listed(tx, key.customer, scope="key", scope_id=key.id)
    shown = key_of(call.house, key, own_budget(states), call.house.now())
    return wire.CustomerKey(**msgspec.structs.asdict(shown), customer_id=key.customer)
