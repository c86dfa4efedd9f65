"""Organisations: accounts with members, projects, pools and rules that come before keys'."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from nexctl.wire.base import (
    UNSET,
    Amount,
    Answer,
    Id,
    Money,
    Name,
    PageQuery,
    Request,
    Time,
    UnsetType,
)
from nexctl.wire.keys import Addresses, Models

Slug = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{1,62}\Z")]
Role = Literal["owner", "admin", "member", "billing"]
Mode = Literal["strict", "fallback"]


class OrgCreate(Request):
    """A new organisation; the calling customer is its owner.

    `wallet_mode` strict: only its own wallet pays; fallback: where that has not enough, the wallet
    of the member whose own key calls.
    """

    slug: Slug
    name: Name | None = None
    wallet_mode: Mode = "strict"


class OrgUpdate(Request):
    """Only the fields that are given change."""

    wallet_mode: Mode | UnsetType = UNSET


class Org(Answer):
    """`id` is also the id of its account and wallet; `role` is the caller's, null for itself."""

    id: str
    slug: str
    name: str
    state: str
    wallet_mode: str
    created_at: Time
    role: str | None = None
    currency: str | None = None
    balance: Money | None = None
    held: Money | None = None


class OrgCreated(Org, kw_only=True):
    """The new organisation with its management key; `secret` is null with `replayed`."""

    key_id: str | None = None
    prefix: str | None = None
    secret: str | None = None
    replayed: bool = False


class OrgPage(Answer):
    """One page of organisations."""

    data: list[Org]
    next_cursor: str | None = None


class MemberAdd(Request):
    """A customer by its id, in a role."""

    customer_id: Id
    role: Role = "member"


class MemberUpdate(Request):
    """Another role."""

    role: Role


class Member(Answer):
    """A customer in an organisation; `state` is active or removed."""

    id: str
    customer_id: str
    role: str
    state: str
    created_at: Time
    name: str | None = None


class MemberPage(Answer):
    """One page of members."""

    data: list[Member]
    next_cursor: str | None = None


class ProjectCreate(Request):
    """A project; `pool` (id or name) pays for it, null the organisation's own wallet."""

    name: Name
    pool: Id | None = None


class ProjectUpdate(Request):
    """Only the fields that are given change; `pool` null is the organisation's own wallet."""

    name: Name | UnsetType = UNSET
    pool: Id | UnsetType | None = UNSET


class Project(Answer):
    """What keys may count for; `wallet` is the id of the wallet that pays."""

    id: str
    name: str
    state: str
    wallet: str
    created_at: Time


class ProjectPage(Answer):
    """One page of projects."""

    data: list[Project]
    next_cursor: str | None = None


class PoolCreate(Request):
    """A further wallet of the organisation, which projects share."""

    name: Name


class Pool(Answer):
    """A wallet of the organisation; its own one is named main."""

    id: str
    name: str
    currency: str
    balance: Money
    held: Money


class PoolPage(Answer):
    """Every wallet of the organisation."""

    data: list[Pool]
    next_cursor: str | None = None


class Transfer(Request):
    """Move credits from one wallet of the organisation to another, each with its end."""

    to: Id
    amount: Amount
    from_: Id | None = field(name="from", default=None)


class Transferred(Answer):
    """Both wallets after it."""

    data: list[Pool]


class DefaultBudget(Request):
    """What each member or project gets, in the wallet's unit."""

    scope: Literal["member", "project"]
    amount: Amount
    window: Literal["month", "lifetime", "5h", "1d", "7d"] = "month"
    hard: bool = True


class PoliciesSet(Request):
    """Rules before keys'; only the fields that are given change, null takes a rule away."""

    models: Models | UnsetType | None = UNSET
    addresses: Addresses | UnsetType | None = UNSET
    default_budgets: Annotated[list[DefaultBudget], Meta(max_length=10)] | UnsetType = UNSET


class GivenBudget(Answer):
    """A budget that each member or project has by the organisation's rules."""

    scope: str
    amount: Money
    window: str
    hard: bool


class Policies(Answer):
    """Null allows what keys allow."""

    org_id: str
    models: list[str] | None = None
    addresses: list[str] | None = None
    default_budgets: list[GivenBudget] = field(default_factory=list)


class OrgQuery(PageQuery):
    """Every one that the caller is in."""
