"""What a gateway's listed price implies over the vendor's own: markup on cost, margin on price."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexctl.errors import UsageError
from nexctl.pricing import listing
from nexctl.pricing.exact import decimal_text, ratio_of, rounded, times

if TYPE_CHECKING:
    from nexctl.pricing.book import Book, Model

Ratio = tuple[int, int]
METERS = ("input", "cached_input", "output")


def implied(book: Book, model: Model, *, at: str | None = None) -> list[dict[str, Any]]:
    """One row a meter of a model with a known vendor's list price.

    A row: meter, price and upstream (per million, in the vendor's currency, decimal text),
    markup_percent = (price - upstream) / upstream x 100 (on cost), margin_percent = (price -
    upstream) / price x 100 (on price), stated_percent, and agrees: exact, rounded (at the decimals
    that the page prints), no, or None where nothing is stated. [] where no reference is known.
    """
    from nexctl.pricing import books

    if model.reference is None:
        return []
    name, upstream_model = model.reference
    try:
        upstream = books.load(name).find(upstream_model)
    except UsageError:
        return []
    own, theirs = model.rates_at(at), list_price(upstream, at)
    stated = model.markup["stated"]
    found = []
    for meter in METERS:
        rate = own.get(meter)
        if rate is None or rate.price is None or meter not in theirs:
            continue
        if rate.words is not None and meter == "cached_input":
            continue  # derived from the input price by a multiplier: no listed price of its own
        price = _in_money(book, rate.price, rate.per)
        if price is None:
            continue
        cost = theirs[meter]
        found.append(
            {
                "gateway": book.id,
                "model": model.id,
                "upstream_book": name,
                "upstream_model": upstream.id,
                "meter": meter,
                "price": decimal_text(*price),
                "upstream": decimal_text(*cost),
                "markup_percent": _percent(price, cost, of=cost),
                "margin_percent": _percent(price, cost, of=price),
                "stated_percent": times(stated, "100") if stated else None,
                "agrees": _agrees(rate.price, price, cost, stated),
            }
        )
    return found


def table(book: Book, *, at: str | None = None) -> list[dict[str, Any]]:
    """Every implied row of a book, in its order."""
    return [row for model in book.models.values() for row in implied(book, model, at=at)]


def list_price(model: Model, at: str | None) -> dict[str, Ratio]:
    """A vendor's price per million by meter, as a ratio: the dearest of the day's hours."""
    best: dict[str, Ratio] = {}
    for period in listing.in_force(model, at):
        for meter, (_state, price, per, _unit, _words) in period["rates"].items():
            if price is None:
                continue
            top, bottom = ratio_of(price)
            offered = (top * 1_000_000, bottom * per)
            kept = best.get(meter)
            if kept is None or offered[0] * kept[1] > kept[0] * offered[1]:
                best[meter] = offered
    return best


def _in_money(book: Book, price: str, per: int) -> Ratio | None:
    """A rate per million tokens in money: a credit's value where it has one, else None."""
    top, bottom = ratio_of(price)
    top, bottom = top * 1_000_000, bottom * per
    if not book.is_credit:
        return top, bottom
    value = book.credit_value
    if value is None:
        return None
    (amount, below), (credits_top, credits_bottom) = ratio_of(value[0]), ratio_of(value[2])
    return top * amount * credits_bottom, bottom * below * credits_top


def _percent(price: Ratio, cost: Ratio, *, of: Ratio) -> str | None:
    """(price - cost) / of, in per cent as decimal text; None over zero."""
    if of[0] == 0:
        return None
    difference = price[0] * cost[1] - cost[0] * price[1]
    return decimal_text(difference * 100 * of[1], price[1] * cost[1] * of[0])


def _agrees(printed: str, price: Ratio, cost: Ratio, stated: str | None) -> str | None:
    if stated is None:
        return None
    above, below = ratio_of(stated)
    wanted = (cost[0] * (below + above), cost[1] * below)
    if wanted[0] * price[1] == price[0] * wanted[1]:
        return "exact"
    places = len(printed.partition(".")[2])
    close = {rounded(*wanted, places, mode) for mode in ("half_up", "half_even")}
    return "rounded" if rounded(*price, places) in close else "no"
