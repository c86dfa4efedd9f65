"""What an operator sees and does: customers, payments, providers, codes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from nexctl.wire.base import (
    UNSET,
    Amount,
    Answer,
    Id,
    Instant,
    Labels,
    Money,
    Name,
    Note,
    PageQuery,
    Percent,
    Request,
    Time,
    UnsetType,
)
from nexctl.wire.topups import TopUp


class CustomerCreate(Request):
    """A customer on a plan of the book (default: the gateway's own choice)."""

    name: Name
    plan: Id | None = None
    email: Annotated[str, Meta(max_length=254)] | None = None
    external_id: Id | None = None
    labels: Labels | None = None


class CustomerQuery(PageQuery):
    """Customers by exact name or state."""

    name: Name | None = None
    state: Annotated[str, Meta(max_length=32)] | None = None


class Customer(Answer):
    """A customer with its wallet's figures."""

    id: str
    name: str
    state: str
    created_at: Time
    plan: str | None = None
    email: str | None = None
    external_id: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    currency: str | None = None
    balance: Money | None = None
    held: Money | None = None


class CustomerCreated(Customer, kw_only=True):
    """The new customer with its first management key; `secret` is null with `replayed`."""

    key_id: str | None = None
    prefix: str | None = None
    secret: str | None = None
    replayed: bool = False


class CustomerPage(Answer):
    """One page of customers."""

    data: list[Customer]
    next_cursor: str | None = None


class Payment(TopUp, kw_only=True):
    """A customer's order as the operator sees it."""

    customer_id: str
    customer_name: str | None = None
    provider: str | None = None
    provider_payment_id: str | None = None
    transaction: str | None = None
    sender: str | None = None
    submitted_by: str | None = None
    submitted_at: Time | None = None
    decided_by: str | None = None
    decided_at: Time | None = None
    note: str | None = None


class PaymentQuery(PageQuery):
    """Orders of all customers, or of one; in one state or any."""

    state: Annotated[str, Meta(max_length=32)] | None = None
    customer_id: Id | None = None


class PaymentPage(Answer):
    """One page of orders, newest first."""

    data: list[Payment]
    next_cursor: str | None = None


class Approve(Request):
    """What was received, where it differs in spelling from the order: the hash, a remark."""

    transaction: Annotated[str, Meta(min_length=4, max_length=200)] | None = None
    note: Note | None = None


class Reject(Request):
    """Why the customer's order is refused; the customer reads it."""

    reason: Annotated[str, Meta(min_length=1, max_length=500)]


class Refund(Request):
    """How much of the order's total goes back (null: all that can); what for."""

    amount: Amount | None = None
    reason: Note | None = None


class ProviderSet(Request, kw_only=True):
    """A place where requests go. The key is given by value, or by the name of a variable.

    `key` is stored encrypted and never shown; `key_env` names a variable of the gateway's own
    environment. `models` maps this gateway's model ids to the provider's; null serves all.
    `options` are a kind's own (for echo: how to fail).
    """

    id: Id
    kind: Literal["echo", "openai"]
    base_url: Annotated[str, Meta(min_length=8, max_length=2048)] | None = None
    key: Annotated[str, Meta(min_length=1, max_length=8192)] | None = None
    key_env: Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}\Z")] | None = None
    models: Annotated[dict[str, str], Meta(max_length=2000)] | None = None
    priority: Annotated[int, Meta(ge=0, le=1_000_000)] = 100
    enabled: bool = True
    allow_private: bool = False
    timeout_seconds: Annotated[int, Meta(ge=1, le=3600)] | None = None
    options: dict[str, Any] | None = None


class ProviderUpdate(Request):
    """Only the fields that are given change."""

    base_url: Annotated[str, Meta(min_length=8, max_length=2048)] | UnsetType = UNSET
    key: Annotated[str, Meta(min_length=1, max_length=8192)] | UnsetType | None = UNSET
    key_env: Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}\Z")] | UnsetType | None = (
        UNSET
    )
    models: Annotated[dict[str, str], Meta(max_length=2000)] | UnsetType | None = UNSET
    priority: Annotated[int, Meta(ge=0, le=1_000_000)] | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    allow_private: bool | UnsetType = UNSET
    timeout_seconds: Annotated[int, Meta(ge=1, le=3600)] | UnsetType | None = UNSET
    options: dict[str, Any] | UnsetType | None = UNSET


class Provider(Answer):
    """`key_source` says where its key comes from ("stored", "env NAME", null), never the key."""

    id: str
    kind: str
    enabled: bool
    priority: int
    base_url: str | None = None
    key_source: str | None = None
    models: dict[str, str] | None = None
    allow_private: bool = False
    timeout_seconds: int | None = None
    options: dict[str, Any] = field(default_factory=dict)
    health: str | None = None
    created_at: Time | None = None


class ProviderPage(Answer):
    """All providers, by priority."""

    data: list[Provider]
    next_cursor: str | None = None


class CodesCreate(Request):
    """`count` codes of `amount` each, in the wallet's unit; each can be redeemed once.

    `kind` promo makes codes that go with a top-up: a bonus of `percent` of it, or of `amount`;
    `uses` customers may use one, each once.
    """

    amount: Amount | None = None
    kind: Literal["credit", "promo"] = "credit"
    percent: Percent | None = None
    uses: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    count: Annotated[int, Meta(ge=1, le=1000)] = 1
    expires_at: Instant | None = None
    credits_expire_at: Instant | None = None
    note: Note | None = None


class CodeQuery(PageQuery):
    """Codes in one state."""

    state: Literal["open", "redeemed", "expired", "void"] | None = None


class Code(Answer):
    """`code` is shown when it is made, later only its `prefix`."""

    id: str
    prefix: str
    amount: Money
    currency: str
    state: str
    created_at: Time
    code: str | None = None
    expires_at: Time | None = None
    credits_expire_at: Time | None = None
    redeemed_by: str | None = None
    redeemed_at: Time | None = None
    note: str | None = None
    kind: str = "credit"
    percent: str | None = None
    uses: int = 1
    used: int = 0


class CodePage(Answer):
    """One page of codes."""

    data: list[Code]
    next_cursor: str | None = None
    replayed: bool = False
