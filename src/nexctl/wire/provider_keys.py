"""A customer's own provider keys: they go in and never come out."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from nexctl.wire.base import Answer, Id, Request, Time


class ProviderKeySet(Request):
    """The customer's key for one of the gateway's providers; it replaces one that is there."""

    provider: Id
    key: Annotated[str, Meta(min_length=1, max_length=8192)]


class ProviderKey(Answer):
    """A stored key: `hint` is its end, `models` what it is used for (null: all)."""

    provider: str
    created_at: Time
    hint: str | None = None
    models: list[str] | None = None


class ProviderKeyPage(Answer):
    """The stored keys, and the providers for which one can be stored."""

    data: list[ProviderKey]
    offered: list[str] = field(default_factory=list)
    next_cursor: str | None = None
