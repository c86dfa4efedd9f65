"""Auto top-up, several wallets, claims, subscriptions, and the terms that the operator sets."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from nexctl.wire.base import (
    UNSET,
    Amount,
    Answer,
    Day,
    Id,
    Money,
    Name,
    Note,
    Percent,
    Request,
    Time,
    UnsetType,
)

# ---------------------------------------------------------------- auto top-up


class AutoTopUpQuery(Request):
    """Of which wallet; the customer's first where none is named."""

    wallet: Id | None = None


class AutoTopUpSet(Request, kw_only=True):
    """Top up when less than `below` is free: by `amount`, or up to `target`.

    `below` and `target` are in the wallet's unit; `amount` and `monthly_budget` are what is paid
    before tax, in the currency of top-ups.
    """

    below: Amount
    amount: Amount | None = None
    target: Amount | None = None
    monthly_budget: Amount | None = None
    method: Id | None = None
    wallet: Id | None = None


class AutoTopUp(Answer, kw_only=True):
    """How a wallet is topped up by itself. `open_order` waits to be paid; `note` says what held it.

    `ordered_this_month` counts against `monthly_budget`.
    """

    enabled: bool
    wallet: str
    unit: str
    currency: str
    below: Money | None = None
    amount: Money | None = None
    target: Money | None = None
    monthly_budget: Money | None = None
    ordered_this_month: Money | None = None
    method: str | None = None
    open_order: str | None = None
    note: str | None = None
    changed_at: Time | None = None
    replayed: bool = False


# ---------------------------------------------------------------- wallets


class WalletFacts(Answer):
    """One of a customer's wallets. `keys` spend from it; all others from the first one."""

    id: str
    name: str
    currency: str
    balance: Money
    held: Money
    state: str
    first: bool
    keys: list[str] = field(default_factory=list)
    created_at: Time | None = None
    replayed: bool = False


class WalletList(Answer):
    """Every wallet of a customer, its first one first."""

    data: list[WalletFacts]
    next_cursor: str | None = None


class WalletCreate(Request):
    """One more wallet."""

    name: Name
    keys: Annotated[list[Id], Meta(max_length=1000)] | None = None


class WalletUpdate(Request):
    """Its name, or which keys spend from it; only what is given changes."""

    name: Name | UnsetType = UNSET
    keys: Annotated[list[Id], Meta(max_length=1000)] | UnsetType = UNSET


# ---------------------------------------------------------------- claims and plans


class Claimed(Answer):
    """What a claim gave."""

    grant_id: str
    task: str
    amount: Money
    currency: str
    balance: Money
    period: str
    expires_at: Time | None = None
    replayed: bool = False


class SubscriptionSet(Request):
    """The plan to be on."""

    plan: Id


class Subscription(Answer, kw_only=True):
    """The customer's plan. `fee` is null where nobody has set it; `tax` is on the fee.

    `state` is active, past_due, or none where the gateway has no plans.
    """

    plan: str | None
    state: str
    currency: str
    fee: Money | None = None
    tax: Money | None = None
    tax_note: str | None = None
    total: Money | None = None
    started_at: Time | None = None
    paid_period: str | None = None
    renews_at: Time | None = None
    replayed: bool = False


class ContractSet(Request, kw_only=True):
    """What is agreed with a customer. `amount` is committed before tax; `ends` is the last day."""

    amount: Amount
    starts: Day
    ends: Day
    sla: Note | None = None
    capacity: Note | None = None
    note: Note | None = None


class Contract(Answer, kw_only=True):
    """A contract. `state` is none, upcoming, in_force or ended; days are UTC, `ends` included.

    `paid` is what orders credited within the term have paid, `remaining` what is still committed.
    """

    customer_id: str
    state: str
    amount: Money | None = None
    paid: Money | None = None
    remaining: Money | None = None
    currency: str | None = None
    starts: str | None = None
    ends: str | None = None
    sla: str | None = None
    capacity: str | None = None
    note: str | None = None
    replayed: bool = False


# ---------------------------------------------------------------- the operator's terms


class LoyaltyLevel(Request):
    """A level of loyalty: from `at_least` of lifetime top-up on, a bonus of `bonus_percent`."""

    id: Id
    at_least: Amount
    bonus_percent: Percent
    title: Name | None = None


class TaxRule(Request):
    """A tax on `on` for customers in `country` (null: all), of a `kind` (null: both).

    `wording` is printed on invoices.
    """

    on: Literal["usage_credits", "subscription_fee"]
    percent: Percent
    name: Name
    country: Annotated[str, Meta(pattern=r"^[A-Z]{2}\Z")] | None = None
    kind: Literal["business", "consumer"] | None = None
    wording: Annotated[str, Meta(max_length=500)] | None = None


class Seller(Request):
    """Who stands on the invoices."""

    name: Name
    id: Name | None = None
    address: Annotated[str, Meta(max_length=500)] | None = None
    country: Annotated[str, Meta(pattern=r"^[A-Z]{2}\Z")] | None = None
    tax_id: Name | None = None
    tax_status: Name | None = None


class Policy(Request):
    """A text that is shown before a purchase."""

    version: Name
    text: Annotated[str, Meta(min_length=1, max_length=20_000)]


class PaymentFee(Request, kw_only=True):
    """What paying by a method costs on top: a percent of the amount, and a fixed part."""

    method: Id
    percent: Percent = "0"
    fixed: Amount = "0"


class Terms(Request):
    """What a price book leaves to the operator; what is not given is as the book says."""

    loyalty: Annotated[list[LoyaltyLevel], Meta(max_length=50)] | None = None
    plan_fees: dict[str, Amount] | None = None
    minimum: Amount | None = None
    maximum: Amount | None = None
    tax: Annotated[list[TaxRule], Meta(max_length=200)] | None = None
    payment_fees: Annotated[list[PaymentFee], Meta(max_length=50)] | None = None
    seller: Seller | None = None
    invoice_series: Annotated[str, Meta(pattern=r"^[A-Z][A-Z0-9-]{0,15}\Z")] | None = None
    refund_policy: Policy | None = None
    terms_of_sale: Policy | None = None


class PolicyText(Answer, kw_only=True):
    """A text shown before a purchase. `in_force` is false where another has taken its place."""

    name: str
    version: str
    sha256: str
    text: str
    in_force: bool


class PolicyTexts(Answer):
    """Texts, the refund policy before the terms of sale."""

    data: list[PolicyText]
    next_cursor: str | None = None


class TermsInForce(Answer):
    """The operator's terms, and what of the book still is nobody's word."""

    terms: Terms
    unset: list[str] = field(default_factory=list)
    changed_at: Time | None = None
    replayed: bool = False
