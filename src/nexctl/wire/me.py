"""Who calls."""

from __future__ import annotations

from msgspec import field

from nexctl.wire.base import Answer, Time


class CustomerFacts(Answer):
    """The customer that a key belongs to."""

    id: str
    name: str
    plan: str | None = None
    state: str = "active"
    created_at: Time | None = None


class KeyFacts(Answer):
    """The calling key. `kind` is key, sub_key, management_key or operator."""

    id: str
    kind: str
    prefix: str
    name: str | None = None
    role: str | None = None
    parent_id: str | None = None
    expires_at: Time | None = None


class Me(Answer):
    """`customer` is null for an operator's key; `features` are what the gateway offers."""

    gateway: str
    key: KeyFacts
    customer: CustomerFacts | None = None
    price_book: str | None = None
    currency: str | None = None
    features: list[str] = field(default_factory=list)
    server_time: Time | None = None
    version: str | None = None


class Health(Answer):
    """`status` is ok, degraded or failing; `checks` name what was looked at."""

    status: str
    checks: dict[str, str] = field(default_factory=dict)
    version: str | None = None
