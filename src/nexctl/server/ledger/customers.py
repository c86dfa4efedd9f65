"""Customers: who has a wallet here."""

# ruff: noqa: S608 - only names of this program are put into SQL, values are parameters
from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from nexctl.server.ledger import budgets, events, ids, wallets
from nexctl.server.ledger.errors import Refused
from nexctl.server.ledger.port import Row, Transaction


class Customer(NamedTuple):
    """`state` is active or suspended; `policy` is the operator's own data about the customer."""

    id: str
    name: str
    state: str
    plan: str | None
    email: str | None
    external_id: str | None
    labels: dict[str, str]
    policy: dict[str, Any]
    created_at: int


_COLUMNS = "id, name, state, plan, email, external_id, labels, policy, created_at"


def _customer(row: Row) -> Customer:
    decode = msgspec.json.decode
    return Customer._make((*row[:6], decode(row[6]), decode(row[7]), row[8]))


def create(
    tx: Transaction,
    name: str,
    *,
    currency: str,
    scale: int = 9,
    plan: str | None = None,
    email: str | None = None,
    external_id: str | None = None,
    labels: Mapping[str, str] | None = None,
    policy: Mapping[str, Any] | None = None,
    id: str | None = None,
) -> Customer:
    """Make a customer and its wallet, which bears the customer's id."""
    if tx.one("SELECT 1 FROM customers WHERE name=?", name) is not None:
        raise Refused("name_taken", f"there is a customer {name!r} already", hint="choose another")
    if external_id is not None and tx.one(
        "SELECT 1 FROM customers WHERE external_id=?", external_id
    ):
        raise Refused("name_taken", "there is a customer with that external id already")
    row = (
        *(id or ids.new("cus"), name, "active", plan, email, external_id),
        *(_json(labels), _json(policy), tx.clock.now()),
    )
    tx.run(f"INSERT INTO customers ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?)", *row)
    wallets.create(tx, row[0], currency, scale)
    set_plan_budgets(tx, row[0], plan)
    return _customer(row)


def set_plan_budgets(tx: Transaction, customer: str, plan: str | None) -> None:
    """A plan's allowances are budgets of the customer's; another plan brings others.

    A budget of the customer's own makes room for one of the plan's that bears its name.
    """
    terms = _plan_terms(tx, customer, plan)
    if terms is None:
        return
    names = {(row["name"], row["span"]) for row in terms}
    for found in budgets.listed(tx, customer, scope="customer", scope_id=customer):
        one = found.budget
        if one.origin == budgets.OWN and (one.name, one.span) in names:
            budgets.remove(tx, customer, one.id)
    budgets.replace_all(tx, customer, budgets.PLAN, terms)


def has_plan_budgets(tx: Transaction, customer: str, plan: str | None) -> bool:
    """Whether the budgets that the plan sets for a customer are those of the book in force."""
    terms = _plan_terms(tx, customer, plan)
    if terms is None:
        return True
    there = [found.budget for found in budgets.listed(tx, customer)]
    mine = [one for one in there if one.origin == budgets.PLAN]
    return len(mine) == len(terms) and all(
        any(budgets.is_as(one, **row) for one in mine) for row in terms
    )


def _plan_terms(tx: Transaction, customer: str, plan: str | None) -> list[dict[str, Any]] | None:
    of_plan = tx.shared.plan_budgets
    if of_plan is None:
        return None
    return [{"scope": "customer", "scope_id": customer, **row} for row in of_plan(plan)]


def get(tx: Transaction, customer: str) -> Customer | None:
    """One customer by id."""
    row = tx.one(f"SELECT {_COLUMNS} FROM customers WHERE id=?", customer)
    return None if row is None else _customer(row)


def listed(
    tx: Transaction,
    *,
    after: str | None = None,
    limit: int = 100,
    name: str | None = None,
    state: str | None = None,
) -> list[Customer]:
    """Customers by id; `after` continues behind one."""
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM customers WHERE id>? AND (name=? OR ?=1) AND (state=? OR ?=1) "
        "ORDER BY id LIMIT ?",
        *(after or "", name or "", int(name is None), state or "", int(state is None), limit),
    )
    return [_customer(row) for row in rows]


def change(tx: Transaction, customer: str, **fields: Any) -> Customer:
    """Set name, state, plan (with its budgets), email, external_id, labels or policy."""
    for field, value in fields.items():
        if field not in ("name", "state", "plan", "email", "external_id", "labels", "policy"):
            raise TypeError(field)
        kept = _json(value) if field in ("labels", "policy") else value
        if field == "plan":
            before = tx.value("SELECT plan FROM customers WHERE id=?", customer)
            if before != value:
                data = {"plan": value, "before": before}
                events.emit(tx, "subscription.changed", customer, data)
        tx.run(f"UPDATE customers SET {field}=? WHERE id=?", kept, customer)
        if field == "plan":
            set_plan_budgets(tx, customer, value)
    found = get(tx, customer)
    if found is None:
        raise Refused("not_found", f"there is no customer {customer}")
    return found


def _json(value: Mapping[str, Any] | None) -> str:
    return msgspec.json.encode(value or {}).decode()
