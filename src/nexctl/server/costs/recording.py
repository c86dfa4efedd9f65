"""The cost of a request, found when it is settled from the provider's cost profile."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from nexctl.errors import NexctlError
from nexctl.pricing import as_input, engine
from nexctl.pricing.book import today
from nexctl.pricing.compare import usage_of
from nexctl.records import METERS, Usage
from nexctl.server.kept_books import stored_book
from nexctl.server.ledger import costs, providers
from nexctl.server.ledger.costs import Cost

if TYPE_CHECKING:
    from nexctl.pricing.book import Book
    from nexctl.server.house import House
    from nexctl.server.ledger.port import Transaction
    from nexctl.server.ledger.types import Outcome

NOT_SENT, OWN_KEY, PROFILE = "not_sent", "own_key", "profile"


class BookCosts:
    """See `server.ledger.costs.Costing`."""

    def __init__(self, house: House) -> None:
        self._house = house

    def cost_of(self, tx: Transaction, outcome: Outcome, model: str) -> Cost:
        """What the provider takes for a request; none where nothing was sent with our key."""
        record, day = outcome.record, today()
        usage = _consumed(outcome)
        named = _named(usage)
        if record.get("own_key"):
            return Cost(0, self.currency, self.scale, OWN_KEY, None, None, named, day)
        if not any(usage[:5]) and not any(usage[6:]) and "quantities" in record:
            return Cost(0, self.currency, self.scale, NOT_SENT, None, None, named, day)
        provider = record.get("provider")
        kept = costs.profile(tx, provider) if provider else None
        if kept is None:
            why = "no_profile" if provider else "no_provider"
            return Cost(None, None, None, why, None, None, named, day)
        body = costs.body_of(tx, kept.book)
        row = providers.get(tx, str(provider))
        name = (row.models or {}).get(outcome.model, outcome.model) if row else outcome.model
        if body is None:
            return Cost(None, None, None, "no_profile", None, None, named, day)
        book = cost_book(body)
        try:
            theirs = as_counted(self._house.book, book, usage)
            units = charged(book, name, theirs, day)
        except NexctlError as error:
            return Cost(None, None, None, error.code, kept.book, name, named, day)
        return Cost(units, book.unit, book.scale, PROFILE, kept.book, name, _named(theirs), day)

    def again(self, body: str, model: str, usage: Mapping[str, int], at: str) -> int | None:
        """The cost from what was kept with it."""
        try:
            return charged(cost_book(body), model, Usage(request=0)._replace(**usage), at)
        except NexctlError:
            return None

    @property
    def currency(self) -> str:
        """What a cost of nothing is told in: the currency behind the wallet's unit."""
        value = self._house.book.credit_value
        return value[1] if value is not None else self._house.book.unit

    @property
    def scale(self) -> int:
        """Decimal places of a cost of nothing."""
        return 9


def cost_book(body: str) -> Book:
    """A cost book from its kept text."""
    return stored_book(body)


@lru_cache(maxsize=256)
def _pricer(book: Book, model: str, day: str) -> engine.Pricer:
    return engine.pricer(book, model, at=day)


def charged(book: Book, model: str, usage: Usage, day: str) -> int:
    """The cost of usage in units of the cost book, rounded as it says.

    A cached or written part that it has no price for is counted as plain input.
    """
    charge, _ = as_input.charge(_pricer(book, book.find(model).id, day), usage)
    return charge.units


def as_counted(ours: Book, theirs: Book, usage: Usage) -> Usage:
    """Usage as our book counts it, counted as another book does."""
    beside = 0 if ours.input_includes_cached else usage.cached_input
    beside += 0 if ours.input_includes_cache_write else usage.cache_write
    apart = 0 if ours.output_includes_reasoning else usage.reasoning
    tokens = usage_of(
        theirs,
        input_tokens=usage.input + beside,
        cached=usage.cached_input,
        cache_write=usage.cache_write,
        output=usage.output + apart,
        reasoning=usage.reasoning,
        requests=usage.request,
    )
    return tokens._replace(
        image=usage.image, second=usage.second, video=usage.video, gpu_second=usage.gpu_second
    )


def _consumed(outcome: Outcome) -> Usage:
    """What the provider has done, which after an answer out of the cache is nothing."""
    told = outcome.record.get("quantities")
    if not isinstance(told, Mapping) or "provider" not in told:
        return outcome.usage
    return Usage(request=0)._replace(**told["provider"])


def _named(usage: Usage) -> dict[str, int]:
    return {name: n for name, n in zip(METERS, usage, strict=True) if n}
