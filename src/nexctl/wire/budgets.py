"""Limits on money or metered tokens at a scope over a window."""

from __future__ import annotations

from typing import Literal

from nexctl.wire.base import Amount, Answer, Id, Money, PageQuery, Request, Time

Scope = Literal["key", "customer"]
Window = Literal["month", "lifetime"]


class BudgetSet(Request):
    """Set the budget of a scope and window; one that is there is changed, what is spent stays.

    `scope_id` is a key's id; null for the customer. A parent's budget is its own key's.
    """

    scope: Scope
    amount: Amount
    window: Window = "month"
    scope_id: Id | None = None


class BudgetQuery(PageQuery):
    """Budgets of one scope, or of one key."""

    scope: Scope | None = None
    scope_id: Id | None = None


class Budget(Answer):
    """`kind` is hard or soft, `meter` is money or a meter counted in tokens."""

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


class BudgetPage(Answer):
    """One page of budgets."""

    data: list[Budget]
    next_cursor: str | None = None


class Removed(Answer):
    """What is gone now."""

    id: str
    removed: bool = True
