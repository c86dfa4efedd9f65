"""One workload on many books: cheapest first, unknown last."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from nexctl.errors import UnpricedError, UsageError
from nexctl.pricing import engine
from nexctl.pricing.exact import plain
from nexctl.records import Usage

if TYPE_CHECKING:
    from nexctl.pricing.book import Book


def usage_of(
    book: Book,
    *,
    input_tokens: int,
    cached: int = 0,
    cache_write: int = 0,
    output: int = 0,
    reasoning: int = 0,
    requests: int = 1,
    inside: bool = True,
) -> Usage:
    """Return the Usage of a request as `book` counts it.

    `inside` says how the caller counts: `input_tokens` has the cached tokens in it, or beside it.
    `output` is all output. A book that counts cached tokens the other way, or reasoning beside the
    output, gets them so. Raises UsageError where more is cached than there is input to be in.
    """
    if not inside:
        input_tokens += cached + cache_write
    elif cached + cache_write > input_tokens:
        raise UsageError(
            f"{cached + cache_write:,} cached tokens exceed {input_tokens:,} input tokens",
            hint="the input counts all input tokens, the cached ones too",
            code="cached_exceeds_input",
        )
    beside = 0 if book.input_includes_cached else cached
    beside += 0 if book.input_includes_cache_write else cache_write
    apart = 0 if book.output_includes_reasoning else reasoning
    return Usage(
        input=input_tokens - beside,
        cached_input=cached,
        cache_write=cache_write,
        output=output - apart,
        reasoning=reasoning,
        request=requests,
    )


def compare(
    pairs: Iterable[tuple[Book, str]],
    *,
    input_tokens: int,
    cached: int = 0,
    output: int = 0,
    requests: int = 1,
    batch: bool = False,
    at: Any = None,
    tier: str | None = None,
) -> list[dict[str, Any]]:
    """Price `requests` equal requests on each (book, model name), one row each.

    The cached tokens lie inside the input or beside it as the first book counts them; the other
    books get the same request counted their way.

    A row: gateway, model, price_book, currency, charge {low, expected, high} as text or None,
    money {amount, currency} where a credit has a value, why (the reason where a charge is None).
    Order: by money (expected, else high), then credits without a money value, then unpriced.
    """
    found: list[tuple[tuple[int, str, int], int, dict[str, Any]]] = []
    inside: bool | None = None
    for book, name in pairs:
        inside = book.input_includes_cached if inside is None else inside
        row: dict[str, Any] = {
            "gateway": book.id,
            "model": name,
            "price_book": book.version,
            "currency": book.unit,
            "charge": None,
            "money": None,
            "why": None,
        }
        order = (2, "", 0)
        try:
            model = book.find(name)
            row["model"] = model.id
            used_tier = tier if tier and "billing_tiers" in book.data else None
            pricer = engine.pricer(book, model, at=at, batch=batch, tier=used_tier)
            usage = usage_of(
                book, input_tokens=input_tokens, cached=cached, output=output, inside=inside
            )
            low, expected, high = pricer.charge_range(usage)
        except (UnpricedError, UsageError) as error:
            if not isinstance(error, UnpricedError) and error.code not in _MISSING:
                raise
            row["why"] = error.message
        else:
            row["charge"] = {
                "low": plain(low * requests, book.scale),
                "expected": None if expected is None else plain(expected * requests, book.scale),
                "high": plain(high * requests, book.scale),
            }
            shown = (high if expected is None else expected) * requests
            money = engine.money_value(book, shown)
            order = (0, money[1], money[0]) if money else (1, book.unit, shown)
            if money:
                row["money"] = {"amount": plain(money[0], 9), "currency": money[1]}
        found.append((order, len(found), row))
    return [row for _order, _index, row in sorted(found, key=lambda item: item[:2])]


_MISSING = ("unknown_model", "before_first_price", "after_last_price")
