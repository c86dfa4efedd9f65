"""What an operator does about customers, their keys, and other operators."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from nexctl.wire.base import (
    UNSET,
    Amount,
    Answer,
    Count,
    Id,
    Money,
    Name,
    Note,
    PageQuery,
    Percent,
    Request,
    RequestId,
    Time,
    UnsetType,
)
from nexctl.wire.keys import Key, Models

OperatorRole = Literal["owner", "billing", "support", "read_only"]
Providers = Annotated[list[Id], Meta(max_length=200)]
Signed = Annotated[str, Meta(pattern=r"^-?[0-9]{1,12}(\.[0-9]{1,12})?\Z")]


class OperatorCreate(Request):
    """Somebody who runs the gateway, in a role."""

    name: Name
    role: OperatorRole


class Operator(Answer):
    """`state` is active or revoked."""

    id: str
    name: str
    role: str
    state: str
    prefix: str
    created_at: Time
    revoked_at: Time | None = None


class OperatorSecret(Operator, kw_only=True):
    """The new operator with its key, answered once; null with `replayed`."""

    secret: str | None = None
    replayed: bool = False


class OperatorPage(Answer):
    """One page of operators."""

    data: list[Operator]
    next_cursor: str | None = None


class Suspend(Request):
    """Stop a customer's keys from spending and changing anything, or let them again."""

    suspended: bool = True
    reason: Note | None = None


class Adjustment(Request):
    """Add credits to a customer's wallet, or with a minus take some away; what for.

    With `request_id` it corrects what that request was charged: it gives back at most that, to the
    wallet that paid.
    """

    amount: Signed
    note: Annotated[str, Meta(min_length=1, max_length=500)]
    request_id: RequestId | None = None


class Adjusted(Answer):
    """The entry that it made in the customer's book, and the balance after it.

    `reverses` is the sequence of the debit that it corrects.
    """

    customer_id: str
    sequence: int
    amount: Money
    balance: Money
    currency: str
    reverses: int | None = None


class Review(Request):
    """Let a wallet that a dispute froze spend again; `forgive_debt` writes its debt off."""

    note: Annotated[str, Meta(min_length=1, max_length=500)]
    wallet: Id | None = None
    forgive_debt: bool = False


class Reviewed(Answer):
    """The wallet after its review: active, or blocked while it still owes."""

    customer_id: str
    wallet: str
    state: str
    forgiven: Money
    debt: Money
    balance: Money
    currency: str


class Quota(Request):
    """A hard budget that the operator sets for a customer."""

    amount: Amount
    window: Literal["month", "lifetime", "5h", "1d", "7d"] = "month"


class PolicySet(Request):
    """What the operator allows a customer; only the fields that are given change, null allows all.

    `providers` are the only ones that its requests go to, `providers_denied` those they never do.
    `discount_percent` is what was agreed with it, where the book leaves that to the operator.
    """

    models: Models | UnsetType | None = UNSET
    providers: Providers | UnsetType | None = UNSET
    providers_denied: Providers | UnsetType = UNSET
    rpm: Count | UnsetType | None = UNSET
    concurrency: Count | UnsetType | None = UNSET
    quota: Quota | UnsetType | None = UNSET
    discount_percent: Percent | UnsetType | None = UNSET


class QuotaSet(Answer):
    """The hard budget that the operator has set."""

    amount: Money
    window: str


class Policy(Answer):
    """A customer's policy as it is in force."""

    customer_id: str
    models: list[str] | None = None
    providers: list[str] | None = None
    providers_denied: list[str] = field(default_factory=list)
    rpm: int | None = None
    concurrency: int | None = None
    quota: QuotaSet | None = None
    discount_percent: str | None = None


class CustomerKeyQuery(PageQuery):
    """Keys of one customer, or in one state."""

    customer_id: Id | None = None
    state: Literal["active", "disabled", "revoked", "expired"] | None = None


class CustomerKey(Key, kw_only=True):
    """A key as the operator sees it."""

    customer_id: str


class CustomerKeyPage(Answer):
    """One page of keys."""

    data: list[CustomerKey]
    next_cursor: str | None = None


class KeyState(Request):
    """Disable a customer's key, or enable it again."""

    disabled: bool
