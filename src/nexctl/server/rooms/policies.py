"""What the operator allows a customer: models, providers, rates, a quota."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexctl.pricing.tiers import tiers
from nexctl.server.calls import Call
from nexctl.server.inference.policy import find
from nexctl.server.ledger import budgets, customers, providers
from nexctl.server.refusing import Refuse
from nexctl.server.shapes import units_of
from nexctl.wire import operators as wire
from nexctl.wire.base import UNSET

if TYPE_CHECKING:
    from nexctl.server.ledger.customers import Customer
    from nexctl.server.ledger.port import Transaction

QUOTA, DISCOUNT = "quota", "tier_percent"


def show(tx: Transaction, call: Call) -> wire.Policy:
    """A customer's policy."""
    return _shown(call, _there(tx, call.id))


def put(tx: Transaction, call: Call) -> wire.Policy:
    """Change a customer's policy; the next request meets it."""
    body, found = call.body, _there(tx, call.id)
    call.before = _shown(call, found)
    kept: dict[str, Any] = dict(found.policy)
    if body.models is not UNSET:
        kept["models"] = (
            None if body.models is None else [find(call.house, name).id for name in body.models]
        )
    for field in ("providers", "providers_denied"):
        names = getattr(body, field)
        if names is not UNSET:
            kept[field] = _known(tx, names, field)
    for field in ("rpm", "concurrency"):
        if getattr(body, field) is not UNSET:
            kept[field] = getattr(body, field)
    if body.discount_percent is not UNSET:
        kept[DISCOUNT] = _discount(call, body.discount_percent)
    if body.quota is not UNSET:
        kept[QUOTA] = _quota(tx, call, found.id)
    kept = {name: value for name, value in kept.items() if value not in (None, [])}
    return _shown(call, customers.change(tx, found.id, policy=kept))


def _known(tx: Transaction, names: list[str] | None, field: str) -> list[str] | None:
    if names is None:
        return None
    there = {row.id for row in providers.listed(tx)}
    if not set(names) <= there:
        raise Refuse("not_found", "there is no such provider", param=field)
    return sorted(set(names))


def _discount(call: Call, percent: str | None) -> str | None:
    """The percent agreed with a customer, for the tiers whose percent the book leaves open."""
    rows = tiers(call.house.book)
    if all(row.percent[0].isdigit() for row in rows):
        raise Refuse("not_offered", "this book leaves no discount to the operator")
    if percent is not None and units_of(percent, 6, zero=True) >= 100 * 10**6:
        raise Refuse("invalid_request", "a discount is below 100", param="discount_percent")
    return percent


def _quota(tx: Transaction, call: Call, customer: str) -> dict[str, str] | None:
    """Set the operator's budget, or take it away; as it is kept with the policy."""
    quota = call.body.quota
    wanted = []
    if quota is not None:
        wanted = [
            {
                "scope": "customer",
                "scope_id": customer,
                "name": QUOTA,
                "span": quota.window,
                "amount": units_of(quota.amount, call.house.scale, zero=True),
                "alert_at": [80, 100],
            }
        ]
    budgets.replace_all(tx, customer, budgets.OPERATOR, wanted)
    return None if quota is None else {"amount": quota.amount, "window": quota.window}


def _there(tx: Transaction, customer: str) -> Customer:
    found = customers.get(tx, customer)
    if found is None:
        raise Refuse("not_found", "there is no such customer")
    return found


def _shown(call: Call, customer: Customer) -> wire.Policy:
    kept = customer.policy
    quota = kept.get(QUOTA)
    return wire.Policy(
        customer_id=customer.id,
        models=kept.get("models"),
        providers=kept.get("providers"),
        providers_denied=list(kept.get("providers_denied", ())),
        rpm=kept.get("rpm"),
        concurrency=kept.get("concurrency"),
        quota=wire.QuotaSet(**quota) if quota else None,
        discount_percent=kept.get(DISCOUNT),
    )
