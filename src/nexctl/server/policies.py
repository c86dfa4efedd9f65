"""What an operator allows a customer, and an organisation its members, before any key's own rules.

Pure functions over what the caller brings: whoever routes asks `provider_allowed` of each provider
it would choose, whoever checks a model asks `model_allowed`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

import msgspec

from nexctl.server.ledger.types import Limit
from nexctl.server.refusing import Refuse

if TYPE_CHECKING:
    from nexctl.server.ledger.orgs import Seat


class Policy(NamedTuple):
    """A customer's policy. None allows everything."""

    models: frozenset[str] | None = None
    providers: frozenset[str] | None = None
    denied: frozenset[str] = frozenset()
    rpm: int | None = None
    concurrency: int | None = None


EVERYTHING = Policy()


@lru_cache(maxsize=4096)
def parsed(text: str) -> Policy:
    """A policy as the ledger keeps it with the customer."""
    if text == "{}":
        return EVERYTHING
    return of(msgspec.json.decode(text))


def of(kept: Mapping[str, Any]) -> Policy:
    """A policy from its fields."""
    models, providers = kept.get("models"), kept.get("providers")
    return Policy(
        None if models is None else frozenset(models),
        None if providers is None else frozenset(providers),
        frozenset(kept.get("providers_denied", ())),
        kept.get("rpm"),
        kept.get("concurrency"),
    )


class Subject(Protocol):
    """The part of a caller that rules look at."""

    @property
    def policy(self) -> Policy:
        """The operator's word."""

    @property
    def seat(self) -> Seat | None:
        """The organisation's."""


def model_allowed(subject: Subject, model: str) -> bool:
    """Whether operator and organisation let a caller use a model of the book."""
    allowed = subject.policy.models
    if allowed is not None and model not in allowed:
        return False
    own = subject.seat.org.models if subject.seat is not None else None
    return own is None or model in own


def provider_allowed(policy: Policy, provider: str) -> bool:
    """Whether a customer's requests may go to a provider."""
    if provider in policy.denied:
        return False
    return policy.providers is None or provider in policy.providers


class _Line(Protocol):
    @property
    def provider(self) -> Any: ...


L = TypeVar("L", bound=_Line)


def lines_allowed(policy: Policy, lines: Iterable[L]) -> list[L]:
    """The lines whose provider is allowed; Refuse provider_not_allowed where none is left."""
    known = list(lines)
    found = [line for line in known if provider_allowed(policy, line.provider.id)]
    if known and not found:
        raise Refuse("provider_not_allowed")
    return found


def limits(policy: Policy, customer: str) -> list[Limit]:
    """The rates that the operator sets for a customer, beside its plan's."""
    found = []
    if policy.rpm:  # counted apart from the plan's, whose scope is the customer's name
        found.append(Limit(f"operator:{customer}", "rpm", policy.rpm))
    if policy.concurrency:
        found.append(Limit(f"customer:{customer}", "concurrency", policy.concurrency))
    return found
