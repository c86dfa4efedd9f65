"""The operator's reconciliation, and customers' plans."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from nexctl.wire.base import Answer, Money, PageQuery, Request, Time
from nexctl.wire.papers import Month


class ReconcileQuery(Request):
    """Which month; everything without one."""

    month: Month | None = None


class Checked(Answer):
    """One rule: what it says, and how many things it looked at."""

    rule: str
    says: str
    looked: int


class Finding(Answer):
    """What does not agree: an order, an entry, a paper, a wallet. Figures are in `currency`."""

    rule: str
    subject: str
    text: str
    customer_id: str | None = None
    expected: Money | None = None
    found: Money | None = None
    currency: str | None = None


class Reconciled(Answer):
    """Every rule with what it looked at, and everything that does not agree."""

    clean: bool
    checks: list[Checked]
    findings: list[Finding] = field(default_factory=list)
    month: str | None = None


class PlanQuery(PageQuery):
    """Customers' plans."""

    state: Literal["given", "active", "past_due", "cancelled", "none"] | None = None


class PlanOf(Answer):
    """A customer's plan. `state` given is one that the operator gave: it costs nothing."""

    customer_id: str
    name: str
    state: str
    currency: str
    plan: str | None = None
    fee: Money | None = None
    paid_period: str | None = None
    started_at: Time | None = None


class PlanPage(Answer):
    """One page of them."""

    data: list[PlanOf]
    next_cursor: str | None = None


class PlanSet(Request):
    """Another plan for a customer: given, or with `charge` its fee debited now and each month."""

    plan: Annotated[str, Meta(max_length=64)] | None
    charge: bool = False
