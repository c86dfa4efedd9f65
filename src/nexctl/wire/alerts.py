"""Who is told of what: soft alerts, webhook endpoints, deliveries."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from nexctl.wire.base import (
    UNSET,
    Amount,
    Answer,
    Id,
    Instant,
    Money,
    Note,
    PageQuery,
    Request,
    Time,
    UnsetType,
)
from nexctl.wire.budgets import Percents

Email = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._%+'-]{1,64}@[A-Za-z0-9.-]{1,190}\Z")]
Url = Annotated[str, Meta(min_length=8, max_length=2048)]
Kinds = Annotated[list[Annotated[str, Meta(min_length=1, max_length=64)]], Meta(max_length=50)]


class AlertsSet(Request):
    """Only the fields that are given change; null takes one away.

    `webhooks` sends alerts to the customer's own endpoints. `percents` are the thresholds of
    budgets that are set without their own. `balance_below` is in the wallet's unit.
    """

    email: Email | UnsetType | None = UNSET
    webhooks: bool | UnsetType = UNSET
    percents: Percents | UnsetType = UNSET
    balance_below: Amount | UnsetType | None = UNSET


class Alerts(Answer):
    """How a customer is told that a budget or the balance passes a threshold."""

    percents: list[int]
    webhooks: bool
    email: str | None = None
    balance_below: Money | None = None
    currency: str | None = None


class EndpointCreate(Request):
    """An https address that is told of events, signed as Standard Webhooks says.

    `kinds` are `order.paid`, `order.*` or `*` (nothing means everything). `allow_private` is for
    operators' endpoints alone.
    """

    url: Url
    kinds: Kinds = field(default_factory=list)
    note: Note | None = None
    allow_private: bool = False


class Endpoint(Answer):
    """`state` is active or disabled; `prefix` is how its secret begins."""

    id: str
    url: str
    kinds: list[str]
    state: str
    prefix: str
    created_at: Time
    note: str | None = None
    customer_id: str | None = None
    allow_private: bool = False


class EndpointSecret(Endpoint, kw_only=True):
    """The new endpoint with its secret, answered once; null with `replayed`."""

    secret: str | None = None
    replayed: bool = False


class EndpointPage(Answer):
    """One page of endpoints."""

    data: list[Endpoint]
    next_cursor: str | None = None


class DeliveryQuery(PageQuery):
    """Deliveries in one state, to one endpoint, about one customer."""

    state: Literal["pending", "delivered", "failed", "dropped"] | None = None
    endpoint_id: Id | None = None
    customer_id: Id | None = None


class Attempt(Answer):
    """One try: the status that came back, or why none did."""

    at: Time
    status: int | None = None
    error: str | None = None
    milliseconds: int = 0


class Delivery(Answer):
    """An event on its way to somebody. The body that came back is not kept."""

    id: str
    event_id: str
    kind: str
    channel: str
    target: str
    state: str
    attempts: int
    created_at: Time
    customer_id: str | None = None
    due_at: Time | None = None
    ended_at: Time | None = None
    log: list[Attempt] = field(default_factory=list)


class DeliveryPage(Answer):
    """One page of deliveries."""

    data: list[Delivery]
    next_cursor: str | None = None


class Sent(Answer):
    """What was sent now: events spread, deliveries that arrived, and those that did not."""

    spread: int
    delivered: int
    failed: int


class AuditQuery(PageQuery, kw_only=True):
    """Rows by time; `from` inclusive, `to` exclusive."""

    action: Annotated[str, Meta(max_length=64)] | None = None
    actor_id: Id | None = None
    from_: Instant | None = field(name="from", default=None)
    to: Instant | None = None


class AuditAllQuery(AuditQuery, kw_only=True):
    """The same, of one customer's chain, of the gateway's (`gateway`), or of all."""

    customer_id: Id | None = None


class AuditEntry(Answer):
    """Who did what, before and after, without secrets.

    `hash` is SHA-256 over the hash before it in its `chain` and the row.
    """

    chain: str
    sequence: int
    created_at: Time
    actor: str
    actor_id: str
    action: str
    hash: str
    actor_name: str | None = None
    address: str | None = None
    object: str | None = None
    before: Any = None
    after: Any = None
    request_id: str | None = None


class AuditPage(Answer):
    """One page of the audit log."""

    data: list[AuditEntry]
    next_cursor: str | None = None


class AuditProof(Answer):
    """Every chain walked: how many rows, and what does not hold."""

    chains: int
    rows: int
    faults: list[str] = field(default_factory=list)
