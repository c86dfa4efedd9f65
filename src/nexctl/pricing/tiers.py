"""Discounts and bonuses over time: billing tiers by the month's spend, loyalty by top-ups."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from nexctl.errors import UnpricedError, UsageError
from nexctl.money import parse_units
from nexctl.pricing.exact import ratio_of, rounded

if TYPE_CHECKING:
    from nexctl.pricing.book import Book, Model

Ratio = tuple[int, int]


class Tier(NamedTuple):
    """A billing tier: spend over `above` up to and with `up_to` (units), `percent` or a word."""

    id: str
    title: str
    above: int
    up_to: int | None
    percent: str


class Settlement(NamedTuple):
    """What a month's gross earns: the tier, its percent, the credit in units of the book.

    `alert` says that the operator must set a negotiated percent; the last published one was used.
    """

    tier: str
    percent: str
    credit: int
    alert: bool


@lru_cache(maxsize=64)
def tiers(book: Book) -> tuple[Tier, ...]:
    """The book's billing tiers, lowest first; () where it has none."""
    rows = book.data.get("billing_tiers", {}).get("tiers", ())
    return tuple(
        Tier(
            row["id"],
            row.get("title", row["id"]),
            parse_units(row["above"], book.scale),
            parse_units(row["up_to"], book.scale) if "up_to" in row else None,
            row["percent"],
        )
        for row in rows
    )


def tier(book: Book, name: str) -> Tier:
    """Return one billing tier by id; UsageError where the book has none such."""
    rows = {row.id: row for row in tiers(book)}
    if name.lower() not in rows:
        from nexctl.pricing.shape import near

        told = f"{book.title} has no billing tier {name!r}{near(name.lower(), rows)}"
        hint = f"tiers: {', '.join(rows)}" if rows else "leave --tier out"
        raise UsageError(told, hint=hint, code="unknown_tier")
    return rows[name.lower()]


def tier_for(book: Book, gross: int) -> Tier:
    """The tier of a month's gross spend in units: intervals (above, up_to]."""
    rows = tiers(book)
    if not rows:
        raise UsageError(f"{book.title} has no billing tiers", code="unknown_tier")
    return next((row for row in reversed(rows) if gross > row.above), rows[0])


def percent_of(book: Book, name: str, negotiated: str | None = None) -> tuple[str, bool]:
    """(percent, alert) of a tier. A negotiated one is `negotiated`, else by `tier_above_last`."""
    row = tier(book, name)
    if row.percent[0].isdigit():
        return row.percent, False
    if negotiated is not None:
        return negotiated, False
    if book.rule("tier_above_last") != "last_published":
        raise UnpricedError(
            f"{book.id}: the percent of tier {row.id} is {row.percent}",
            hint="the operator sets it for the customer",
        )
    published = [one.percent for one in tiers(book) if one.percent[0].isdigit()]
    return published[-1], True


def charge_factor(book: Book, model: Model, name: str, negotiated: str | None = None) -> Ratio:
    """What a tier makes of a charge, as a ratio, by the book's `tier_effect` and `tier_scope`.

    percent_of_charge: 1 - p; points_of_markup: (1 + m - p) / (1 + m); percent_of_markup:
    (1 + m(1 - p)) / (1 + m), where m is the model's stated markup. UnpricedError without it.
    """
    top, bottom = ratio_of(percent_of(book, name, negotiated)[0])
    bottom *= 100
    scope = book.rule("tier_scope", "all")
    if scope != "all" and scope not in model.tags:
        return 1, 1
    effect = book.rule("tier_effect", "percent_of_charge")
    if effect == "percent_of_charge":
        return bottom - top, bottom
    stated = model.markup["stated"]
    if stated is None:
        raise UnpricedError(
            f"{book.id}: tier {name} cuts the markup, and that of {model.id} is not stated"
        )
    above, below = ratio_of(stated)
    if effect == "points_of_markup":
        return (below + above) * bottom - top * below, (below + above) * bottom
    return below * bottom + above * (bottom - top), (below + above) * bottom


def month_credit(book: Book, gross: int, *, negotiated: str | None = None) -> Settlement:
    """The credit that a month's gross charges (units, before any tier cut) have earned in all.

    Whole-month basis: the tier's percent of everything; marginal: of the part within each tier.
    Rounded half-even to the unit. `negotiated` is the operator's percent above the last tier.
    """
    if gross < 0:
        raise UsageError("a month's gross spend cannot be negative", code="bad_amount")
    current = tier_for(book, gross)
    percent, alert = percent_of(book, current.id, negotiated)
    if book.rule("tier_basis", "whole_month") == "whole_month":
        top, bottom = ratio_of(percent)
        return Settlement(current.id, percent, rounded(gross * top, bottom * 100, 0), alert)
    total, common = 0, 1
    for row in tiers(book):
        part = min(gross, row.up_to if row.up_to is not None else gross) - row.above
        if part > 0:
            top, bottom = ratio_of(percent_of(book, row.id, negotiated)[0])
            total, common = total * bottom * 100 + part * top * common, common * bottom * 100
    return Settlement(current.id, percent, rounded(total, common, 0), alert)


def crossings(book: Book, before: int, after: int) -> tuple[tuple[str, int], ...]:
    """(tier id, gross at which it begins) of each threshold passed from `before` to `after`."""
    return tuple(
        (row.id, row.above) for row in tiers(book) if row.above > 0 and before <= row.above < after
    )
