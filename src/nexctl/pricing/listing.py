"""What price books hold, as rows and documents for showing: list, show, history."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from nexctl.errors import UsageError
from nexctl.pricing import tiers
from nexctl.pricing.book import Rate, covers
from nexctl.pricing.exact import decimal_text, plain, ratio_of, rounded

if TYPE_CHECKING:
    from nexctl.pricing.book import Book, Model, Source

SORTS = ("book", "model", "provider", "context", "input", "output")


def price_text(price: str | None) -> str | None:
    """A rate's price as decimal text; one that does not end is rounded to 12 decimals."""
    return decimal_text(*ratio_of(price)) if price is not None and "/" in price else price


def rows(
    book: Book,
    *,
    at: str | None = None,
    tag: str | None = None,
    kind: str | None = None,
    provider: str | None = None,
    capability: str | None = None,
    text: str | None = None,
    sort: str = "book",
    reverse: bool = False,
) -> list[dict[str, Any]]:
    """One row a model: gateway, model, aliases, kind, provider, context, rates, tags, status.

    `input`, `cached_input` and `output` are prices per million tokens as text, None where there is
    no number; `states` says why. Sorted by one of SORTS, unknown last; "book" keeps its order.
    """
    if sort not in SORTS:
        raise UsageError(f"cannot sort by {sort!r}", hint=f"one of {', '.join(SORTS)}")
    found = [
        _row(model, at)
        for model in book.models.values()
        if (tag is None or tag in model.tags)
        and (kind is None or kind == model.kind)
        and (provider is None or provider.lower() == (model.provider or "").lower())
        and (capability is None or capability in model.capabilities)
        and (text is None or _mentions(model, text.lower()))
    ]
    if sort == "book":
        return found[::-1] if reverse else found
    known = [row for row in found if row[sort] is not None]
    known.sort(key=lambda row: _key(row[sort], sort), reverse=reverse)
    return known + [row for row in found if row[sort] is None]


def _mentions(model: Model, text: str) -> bool:
    return any(text in name.lower() for name in (model.id, *model.aliases))


def _key(value: Any, sort: str) -> Any:
    return rounded(*ratio_of(value), 12) if sort in ("input", "output") else value


def _row(model: Model, at: str | None) -> dict[str, Any]:
    rates = model.rates_at(at)
    absent = Rate("unpublished", words=None if rates else "not in force")
    row: dict[str, Any] = {
        "gateway": model.book.id,
        "model": model.id,
        "title": model.data.get("title"),
        "aliases": list(model.aliases),
        "kind": model.kind,
        "provider": model.provider,
        "context": model.context,
        "max_output": model.max_output,
        "unit": model.book.unit,
        "tags": list(model.tags),
        "status": model.status,
        "capabilities": list(model.capabilities),
        "states": {},
    }
    for meter in ("input", "cached_input", "output"):
        rate = rates.get(meter, absent)
        row[meter] = per_million(rate)
        if rate.state != "number":
            row["states"][meter] = rate.words or rate.state
    return row


def per_million(rate: Rate) -> str | None:
    """Price of one million units of a rate as decimal text, None where it has no number."""
    if rate.price is None:
        return None
    top, bottom = ratio_of(rate.price)
    return decimal_text(top * 1_000_000, bottom * rate.per)


def show(book: Book, name: str, *, at: str | None = None) -> dict[str, Any]:
    """Everything that the book says about one model, each value with its source.

    Rates by meter are {price, per, unit, state, words, source}; a source is {tag, address, words}.
    Rules, multipliers, tiers and conflicts of the book that bear on the price come with it.
    """
    model = book.find(name)
    period = model.period(at)
    return {
        "gateway": book.id,
        "title": book.title,
        "model": model.id,
        "aliases": list(model.aliases),
        "kind": model.kind,
        "provider": model.provider,
        "context": model.context,
        "max_output": model.max_output,
        "capabilities": list(model.capabilities),
        "tags": list(model.tags),
        "status": model.status,
        "tokenizer": model.tokenizer,
        "unit": book.unit,
        "rates": {
            meter: _shown_rate(Rate(*rate), model.rate_source(meter))
            for meter, rate in period["rates"].items()
        },
        "batch_rates": _plain_rates(period.get("batch")),
        "batch_from": period.get("batch_from"),
        "context_tiers": [
            {
                "from" if inclusive else "above": bound,
                "rates": _plain_rates(rates),
                "batch_rates": _plain_rates(batch),
            }
            for bound, inclusive, rates, batch, _variants in period.get("tiers", ())
        ],
        "variants": {
            name: _plain_rates(rates) for name, rates in period.get("variants", {}).items()
        },
        "hours": [_hours(row) for row in model.periods if "hours" in row],
        "relative": _relative(model),
        "multipliers": _multipliers(book, model),
        "markup": model.markup,
        "billing_tiers": [
            {"tier": row.id, "above": plain(row.above, book.scale), "percent": row.percent}
            for row in tiers.tiers(book)
        ],
        "valid_from": period.get("from") or book.valid_from,
        "valid_to": period.get("to") or book.valid_to,
        "source": book.source,
        "retrieved": book.retrieved,
        "price_book": book.version,
        "sources": {
            key: _source(model.said(key))
            for key in ("id", "aliases", "provider", "context", "tokenizer", "reference", "match")
            if key in model.data
        },
        "rules": rules(book),
        "plans": plans(book),
        "conflicts": [_untied(row) for row in book.conflicts],
        "notes": [*model.notes, *book.notes],
    }


def plans(book: Book) -> list[dict[str, Any]]:
    """Every plan of the book, in its order; [] where it has none.

    {plan, title, fee, recharge, credits, limits, features, service, budgets, route, notes, source}:
    amounts as text or the page's word, limits and features as the page has them.
    """
    return [
        {
            "plan": plan.id,
            "title": plan.title,
            "fee": plan.data.get("fee"),
            "recharge": plan.data.get("recharge"),
            "credits": _untied(plan.credits) if plan.credits else None,
            "limits": plan.limits,
            "features": plan.features,
            "service": plan.service,
            "budgets": [_untied(row) for row in plan.budgets],
            "route": list(plan.route),
            "notes": list(plan.notes),
            "source": _source(plan.said("id")),
        }
        for plan in book.plans.values()
    ]


def rules(book: Book) -> dict[str, Any]:
    """Every rule of the book: {value, other readings, source}."""
    return {
        name: {
            "value": list(value) if isinstance(value, tuple) else value,
            "other": [list(one) if isinstance(one, tuple) else one for one in other],
            "source": _source(source),
        }
        for name, (value, other, source) in book.rules().items()
    }


def _source(source: Source) -> dict[str, str | None]:
    tag, address, words = source
    return {"tag": tag, "address": address, "words": words}


def _shown_rate(rate: Rate, source: Source) -> dict[str, Any]:
    return {
        "price": price_text(rate.price),
        "per": rate.per,
        "unit": rate.unit,
        "state": rate.state,
        "words": rate.words,
        "source": _source(source),
    }


def _plain_rates(rates: dict[str, Any] | None) -> dict[str, Any] | None:
    if rates is None:
        return None
    return {
        meter: {"price": price_text(rate[1]), "per": rate[2], "unit": rate[3], "state": rate[0]}
        for meter, rate in rates.items()
    }


def _hours(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "hours": [list(pair) for pair in row["hours"]],
        "days": list(row.get("days", ())),
        "valid_from": row.get("from"),
        "rates": _plain_rates(row["rates"]),
    }


def _multipliers(book: Book, model: Model) -> dict[str, Any]:
    """batch, semantic and cached multipliers: a number as text, else None, with sources."""
    table = book.data.get("multipliers", {})
    spoken = table.get("said")
    shares: dict[str, Any] = {}
    for key in ("batch", "semantic", "cached"):
        share = table.get(key)
        number = share if share and share[0].isdigit() else None
        shares[key] = {
            "value": number,
            "state": "number" if number else share or "unpublished",
            "source": _source(book.source_in(spoken, key)),
        }
    by_provider = table.get("cached_by_provider", {})
    if model.provider in by_provider:
        shares["cached"] = {
            "value": by_provider[model.provider],
            "state": "number",
            "source": _source(book.source_in(by_provider.get("said"), model.provider or "")),
        }
    return shares


def _relative(model: Model) -> dict[str, Any] | None:
    row = model.data.get("relative")
    return relative_row(model) if row else None


def relative_row(model: Model) -> dict[str, Any]:
    """One line of a relative-rate table, computed and as printed on the page.

    credits = round(rate x the default model's credits, 2); per_hundred = floor(100 / credits).
    """
    row = model.data["relative"]
    default = model.book.models[str(model.book.default_model)].data["relative"]
    top, bottom = ratio_of(row["rate"])
    base_top, base_bottom = ratio_of(default["credits"])
    cents = rounded(top * base_top, bottom * base_bottom, 2, "half_up")
    credit_text = f"{cents // 100}.{cents % 100:02d}"
    return {
        "model": model.id,
        "rate": row["rate"],
        "credits_per_conversation": credit_text,
        "conversations_per_100": 100 * 100 // cents,
        "printed": {"credits": row["credits"], "conversations": row["per_hundred"]},
        "split_known": model.period(None)["rates"]["input"][0] == "number",
    }


def history(versions: Iterable[Book], name: str) -> list[dict[str, Any]]:
    """The dated prices of a model over versions of its book, oldest first.

    Each row: price_book, model, valid_from, valid_to (None = open), rates by meter, batch_from and
    hours where they matter. Versions without the model are left out; none at all is a UsageError.
    """
    found: list[dict[str, Any]] = []
    missing: UsageError | None = None
    for book in versions:
        try:
            model = book.find(name)
        except UsageError as error:
            missing = error
            continue
        for period in model.periods:
            found.append(
                {
                    "price_book": book.version,
                    "model": model.id,
                    "unit": book.unit,
                    "valid_from": _later(period.get("from"), book.valid_from),
                    "valid_to": _earlier(period.get("to"), book.valid_to),
                    "rates": _plain_rates(period["rates"]),
                    "batch_rates": _plain_rates(period.get("batch")),
                    "batch_from": period.get("batch_from"),
                    "hours": [list(pair) for pair in period.get("hours", ())],
                    "days": list(period.get("days", ())),
                }
            )
    if not found and missing is not None:
        raise missing
    return sorted(found, key=lambda row: (row["valid_from"] or "", bool(row["hours"])))


def _later(one: str | None, other: str | None) -> str | None:
    return max(one, other) if one and other else one or other


def _earlier(one: str | None, other: str | None) -> str | None:
    return min(one, other) if one and other else one or other


def _untied(row: dict[str, Any]) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in row.items()}


def in_force(model: Model, at: str | None) -> list[dict[str, Any]]:
    """The periods that hold on the day of `at` (None: today): the plain one, then those by hour."""
    from nexctl.pricing.book import today

    day = at or today()
    timed = [row for row in model.periods if "hours" in row and covers(row, day)]
    return [model.period(at), *timed]
