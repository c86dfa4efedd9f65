"""Limits on money or metered tokens at a scope over a window."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from nexctl.wire.base import Amount, Answer, Id, Money, Name, PageQuery, Request, Time

Scope = Literal["key", "parent_key", "project", "member", "org", "customer"]
Window = Literal["month", "lifetime", "5h", "1d", "7d"]
Percents = Annotated[list[Annotated[int, Meta(ge=1, le=1000)]], Meta(max_length=10)]
Meters = Annotated[list[Annotated[str, Meta(max_length=32)]], Meta(min_length=1, max_length=12)]


class BudgetSet(Request):
    """Set the budget of a scope and window; one that is there is changed, what is spent stays.

    `scope_id` is the id of a key, project, member or organisation; null for the customer. A key's
    budget binds its sub-keys too (`parent_key` says the same). `name` tells several budgets of one
    scope and window apart; null is SCOPE-WINDOW. `unit` tokens counts `meters`. `hard` false only
    warns. `alert_at` are per cent; null takes those of the alerts.
    """

    scope: Scope
    amount: Amount
    window: Window = "month"
    scope_id: Id | None = None
    name: Name | None = None
    unit: Literal["money", "tokens"] = "money"
    meters: Meters | None = None
    models: Annotated[list[Id], Meta(min_length=1, max_length=200)] | None = None
    hard: bool = True
    alert_at: Percents | None = None


class BudgetQuery(PageQuery):
    """Budgets of one scope, or of one key, project, member or organisation."""

    scope: Scope | None = None
    scope_id: Id | None = None


class Budget(Answer):
    """`kind` is hard or soft, `meter` is money or the meters counted in tokens.

    `set_by` says who set it: set (its owner), plan, policy (the organisation's), operator; only
    that one changes it.
    """

    id: str
    scope: str
    window: str
    amount: Money
    currency: str
    scope_id: str | None = None
    scope_name: str | None = None
    meter: str = "money"
    kind: str = "hard"
    spent: Money | None = None
    held: Money | None = None
    remaining: Money | None = None
    resets_at: Time | None = None
    created_at: Time | None = None
    name: str | None = None
    models: list[str] | None = None
    alert_at: list[int] = field(default_factory=list)
    set_by: str = "set"


class BudgetPage(Answer):
    """One page of budgets."""

    data: list[Budget]
    next_cursor: str | None = None


class Removed(Answer):
    """What is gone now."""

    id: str
    removed: bool = True
