"""API keys and their verbs."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from nexctl.wire.base import (
    UNSET,
    Amount,
    Answer,
    Count,
    Id,
    Instant,
    Labels,
    Money,
    Name,
    PageQuery,
    Request,
    Time,
    UnsetType,
)

Models = Annotated[list[Id], Meta(max_length=200)]
Addresses = Annotated[list[Annotated[str, Meta(min_length=2, max_length=64)]], Meta(max_length=100)]
Seconds = Annotated[int, Meta(ge=1, le=3_650 * 86_400)]
Overlap = Annotated[int, Meta(ge=0, le=90 * 86_400)]


class BudgetTerms(Request):
    """A hard limit on what a key may spend: an amount in the wallet's currency in a window."""

    amount: Amount
    window: Literal["month", "lifetime", "5h", "1d", "7d"] = "month"


class KeyCreate(Request):
    """`expires_at` or `expires_in_seconds`, not both; a sub-key names its `parent_id`.

    An organisation's key may count for a `project` (id or name) and a `member_id`; a sub-key counts
    as its parent does.
    """

    name: Name
    budget: BudgetTerms | None = None
    models: Models | None = None
    ip_allowlist: Addresses | None = None
    rpm: Count | None = None
    expires_at: Instant | None = None
    expires_in_seconds: Seconds | None = None
    parent_id: Id | None = None
    labels: Labels | None = None
    project: Id | None = None
    member_id: Id | None = None


class KeyUpdate(Request):
    """Only the fields that are given change; null takes a limit away."""

    name: Name | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET
    budget: BudgetTerms | UnsetType | None = UNSET
    models: Models | UnsetType | None = UNSET
    ip_allowlist: Addresses | UnsetType | None = UNSET
    rpm: Count | UnsetType | None = UNSET
    expires_at: Instant | UnsetType | None = UNSET
    labels: Labels | UnsetType | None = UNSET


class KeyRotate(Request):
    """How long the old secret stays valid beside the new one; null is the gateway's default."""

    overlap_seconds: Overlap | None = None


class KeyQuery(PageQuery):
    """Keys by exact name, parent or state."""

    name: Name | None = None
    parent_id: Id | None = None
    state: Literal["active", "disabled", "revoked", "expired"] | None = None


class KeyBudget(Answer):
    """A key's own budget with what is left of it; `resets_at` is null for a lifetime."""

    amount: Money
    currency: str
    window: str
    id: str | None = None
    spent: Money | None = None
    held: Money | None = None
    remaining: Money | None = None
    resets_at: Time | None = None


class Key(Answer):
    """`state` is active, disabled, revoked or expired; null limits are none.

    While a rotated secret still works beside the new one, `previous_prefix` and
    `previous_expires_at` name it and its end.
    """

    id: str
    name: str
    prefix: str
    state: str
    created_at: Time
    kind: str = "key"
    expires_at: Time | None = None
    budget: KeyBudget | None = None
    models: list[str] | None = None
    ip_allowlist: list[str] | None = None
    rpm: int | None = None
    parent_id: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    last_used_at: Time | None = None
    revoked_at: Time | None = None
    project_id: str | None = None
    member_id: str | None = None
    previous_prefix: str | None = None
    previous_expires_at: Time | None = None


class KeySecret(Key):
    """The answer to creation and rotation: `secret` once; null with `replayed` on a repetition."""

    secret: str | None = None
    created: bool = True
    replayed: bool = False


class KeyPage(Answer):
    """One page of keys."""

    data: list[Key]
    next_cursor: str | None = None
