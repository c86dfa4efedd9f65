"""Adding money: what can be bought and how, and orders with their states."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from nexctl.wire.base import Amount, Answer, Currency, Id, Money, PageQuery, Request, Time

STATES = (
    "created",
    "opened",
    "submitted",
    "under_review",
    "approved",
    "paid",
    "credited",
    "rejected",
    "refunded",
    "expired",
)
FINAL = frozenset(("credited", "rejected", "refunded", "expired"))


class TopUpCreate(Request):
    """An order, or with `preview` only its figures. `amount` is what the credits cost before tax.

    A `pack` may fix the amount; then `amount` is left out or equal. `network` is a chain that the
    method names, `wallet` another wallet than the customer's first.
    """

    amount: Amount | None = None
    currency: Currency | None = None
    pack: Id | None = None
    method: Id | None = None
    promo_code: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    preview: bool = False
    network: Id | None = None
    wallet: Id | None = None


class TopUpSubmit(Request):
    """Proof of a manual payment: the transaction's hash or reference, and who sent it."""

    transaction: Annotated[str, Meta(min_length=4, max_length=200)]
    sender: Annotated[str, Meta(max_length=200)] | None = None


class TopUpQuery(PageQuery):
    """Orders in one state."""

    state: Annotated[str, Meta(max_length=32)] | None = None


class PayTo(Answer):
    """The exact transfer of a manual order."""

    amount: Money
    currency: str
    address: str | None = None
    network: str | None = None
    reference: str | None = None
    instructions: str | None = None


class PolicyVersion(Answer):
    """Which text of a policy was shown: its version and the SHA-256 of the text."""

    version: str
    sha256: str


class TopUp(Answer, kw_only=True):
    """An order; `id` is null in a preview. `credits` and `bonus` are in the wallet's unit.

    total = subtotal + tax + fee, in `currency`; the wallet gets credits + bonus.
    """

    id: str | None = None
    state: str
    method: str | None = None
    amount: Money
    currency: str
    credits: Money
    credit_unit: str | None = None
    rate: Money | None = None
    subtotal: Money
    tax: Money
    fee: Money
    bonus: Money
    total: Money
    pack: str | None = None
    promo_code: str | None = None
    pay_to: PayTo | None = None
    checkout_url: str | None = None
    created_at: Time | None = None
    expires_at: Time | None = None
    credited_at: Time | None = None
    refunded: Money | None = None
    reason: str | None = None
    sandbox: bool = False
    replayed: bool = False
    wallet: str | None = None
    network: str | None = None
    tax_note: str | None = None
    bonus_note: str | None = None
    policies: dict[str, PolicyVersion] = field(default_factory=dict)
    automatic: bool = False


class TopUpPage(Answer):
    """One page of orders, newest first."""

    data: list[TopUp]
    next_cursor: str | None = None


class Method(Answer):
    """A way to pay. One that is not `enabled` says why. Fees are on top of the amount."""

    id: str
    enabled: bool
    manual: bool = False
    title: str | None = None
    currency: str | None = None
    reason: str | None = None
    networks: list[str] = field(default_factory=list)
    fee_percent: str | None = None
    fee_fixed: Money | None = None


class Pack(Answer):
    """Something that can be bought. A null amount is the buyer's choice inside the limits."""

    id: str
    title: str | None = None
    amount: Money | None = None
    credits: Money | None = None
    minimum: Money | None = None
    maximum: Money | None = None
    note: str | None = None


class PaymentMethods(Answer):
    """Ways to pay, packs, and the limits of self-service (null: none stated)."""

    data: list[Method]
    packs: list[Pack] = field(default_factory=list)
    currency: str | None = None
    minimum: Money | None = None
    maximum: Money | None = None
    default_method: str | None = None
