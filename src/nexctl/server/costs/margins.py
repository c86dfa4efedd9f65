"""Prices beside costs, meter by meter, before anything is sold; and sums of what was."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from nexctl.errors import NexctlError
from nexctl.pricing import engine
from nexctl.pricing.coefficients import batch_stated
from nexctl.pricing.exact import decimal_text, ratio_of
from nexctl.pricing.tiers import tiers
from nexctl.records import METERS
from nexctl.wire.prices import OpeningRow

if TYPE_CHECKING:
    from nexctl.pricing.book import Book, Model
    from nexctl.pricing.coefficients import RateSet
    from nexctl.server.ledger.providers import Provider

Ratio = tuple[int, int]
TOKENS = METERS[:5]
_REQUEST = METERS.index("request")
# What a meter without a rate of its own is counted as.
AS = {"cached_input": "input", "cache_write": "input", "reasoning": "output"}


class Source(NamedTuple):
    """A provider that may answer, and the book of what it takes (None: nobody has said)."""

    provider: Provider
    book: Book | None

    def serves(self, model: str) -> bool:
        """Whether it may be asked for a model."""
        return self.provider.enabled and (
            self.provider.models is None or model in self.provider.models
        )

    def named(self, model: str) -> str:
        """What it calls a model."""
        return (self.provider.models or {}).get(model, model)


def opening(
    book: Book,
    sources: Iterable[Source],
    day: str,
    *,
    off: frozenset[str] = frozenset(),
    agreed: str | None = None,
) -> tuple[list[OpeningRow], list[str]]:
    """Every (model, provider, way of selling, context tier, meter), and models without a price.

    `agreed` is the most per cent that a customer has been promised where the book leaves it open.
    """
    rows: list[OpeningRow] = []
    unpriced: list[str] = []
    sources = list(sources)
    for name, model in book.models.items():
        if name in off:
            continue
        lanes = list(_lanes(book, model, day, agreed))
        if not lanes:
            unpriced.append(name)
        for source in sources:
            if source.serves(name):
                for lane, pricer in lanes:
                    rows += _compared(book, name, lane, pricer, source, day)
    return rows, unpriced


def _lanes(
    book: Book, model: Model, day: str, agreed: str | None
) -> Iterator[tuple[str, engine.Pricer]]:
    """The ways in which a model is sold: the normal one, and each that is cheaper."""
    wanted: list[tuple[str, bool, str | None]] = [("sync", False, None)]
    try:
        batched = batch_stated(book, model.period(day), day)
    except NexctlError:
        return
    if batched:
        wanted.append(("batch", True, None))
    rows = tiers(book)
    cuts = [(f"tier {row.id}", row.id) for row in rows if row.percent[0].isdigit()][-1:]
    if agreed is not None:
        cuts += [(f"agreed {agreed} %", r.id) for r in rows if not r.percent[0].isdigit()][-1:]
    for words, name in cuts:
        wanted.append((words, False, name))
        if batched:
            wanted.append((f"batch, {words}", True, name))
    for lane, batch, tier in wanted:
        try:
            pricer = engine.pricer(book, model, at=day, batch=batch, tier=tier, negotiated=agreed)
        except NexctlError:
            continue
        if pricer.known and any(pricer.forms[0][0][1].coefficients):
            yield lane, pricer


def _compared(
    book: Book, name: str, lane: str, pricer: engine.Pricer, source: Source, day: str
) -> Iterator[OpeningRow]:
    cost, why = _cost_pricer(source, name, day)
    forms = pricer.forms[0]
    theirs = cost.forms if cost is not None else []
    starts = sorted({first for first, _ in forms} | {f for form in theirs for f, _ in form})
    for start in starts:
        prices = _at(forms, start)
        taken = [_at(form, start) for form in theirs]
        for index, meter in enumerate(METERS):
            listed = _listed(prices, index, meter, taken)
            if listed is None:
                continue
            price = _worth(book, listed)
            paid = [cost_for(rates, index, meter) for rates in taken]
            fits = cost is None or book.credit_value is None or _same(book, cost.book)
            if cost is not None and not book.is_credit:
                fits = book.unit == cost.book.unit
            yield _row(
                (name, source.provider.id, lane, meter, start),
                price if price is not None and fits else None,
                listed,
                dearest(paid),
                why,
                (book.unit, cost.book.unit if cost is not None else None),
            )


def _same(book: Book, cost: Book) -> bool:
    value = book.credit_value
    return value is not None and value[1] == cost.unit


def _row(
    what: tuple[str, str, str, str, int],
    price: Ratio | None,
    listed: Ratio,
    cost: Ratio | None,
    why: str | None,
    units: tuple[str, str | None],
) -> OpeningRow:
    name, provider, lane, meter, start = what
    row = OpeningRow(
        model=name,
        provider=provider,
        lane=lane,
        meter=meter,
        price=decimal_text(*(price if price is not None else listed)),
        state="ok",
        currency=units[1] if price is not None and units[1] else units[0],
        from_input=start,
        cost=decimal_text(*cost) if cost is not None else None,
    )
    if cost is None:
        row.state, row.why = "unknown_cost", why or f"the cost profile has no {meter} rate"
    elif price is None:
        row.state, row.why = "unknown_rate", f"no rate from {units[0]} to {units[1]} is set"
    else:
        row.markup_percent = share(price, cost, of=cost)
        row.margin_percent = share(price, cost, of=price)
        if price[0] * cost[1] < cost[0] * price[1]:
            row.state = "below_cost"
    return row


def share(price: Ratio, cost: Ratio, *, of: Ratio) -> str | None:
    """(price - cost) / of in per cent, to six decimals; None over nothing."""
    if not of[0]:
        return None
    difference = price[0] * cost[1] - cost[0] * price[1]
    return decimal_text(difference * 100 * of[1], price[1] * cost[1] * of[0], 6)


def _cost_pricer(source: Source, name: str, day: str) -> tuple[engine.Pricer | None, str | None]:
    if source.book is None:
        return None, "the provider has no cost profile"
    try:
        return engine.pricer(source.book, source.named(name), at=day), None
    except NexctlError as error:
        return None, error.message


def _at(form: list[tuple[int, RateSet]], start: int) -> RateSet:
    return [rates for first, rates in form if first <= start][-1]


def _for_unit(rates: RateSet, index: int, meter: str) -> Ratio:
    times = 1_000_000 if meter in TOKENS else 1
    return rates.coefficients[index] * times, rates.denominator


def _listed(prices: RateSet, index: int, meter: str, taken: list[RateSet]) -> Ratio | None:
    """What is charged for a meter, None where it is not sold or nothing is to be said of it.

    A meter without a price of its own is sold all the same where the provider takes something for
    it: a cache write as plain input, reasoning as output, a request for nothing.
    """
    if prices.meters[index].rate is not None:
        return _for_unit(prices, index, meter)
    if not any(_apart(rates, index) for rates in taken):
        return None
    if meter in AS:
        sold = METERS.index(AS[meter])
        return _for_unit(prices, sold, meter) if prices.meters[sold].rate is not None else None
    return None if index in prices.refused else (0, 1)


def _apart(rates: RateSet, index: int) -> bool:
    """Whether a provider prices a meter by itself, or may: a request's fee that nobody knows."""
    return rates.meters[index].rate is not None or (index == _REQUEST and index in rates.refused)


def cost_for(rates: RateSet, index: int, meter: str) -> Ratio | None:
    """The cost of a meter; what the provider does not price apart is counted as plain tokens."""
    if rates.meters[index].rate is None and meter in AS:
        index = METERS.index(AS[meter])
    if rates.meters[index].rate is None:
        if rates.meters[index].state == "not_applicable":
            return 0, 1
        return None
    return _for_unit(rates, index, meter)


def dearest(found: list[Ratio | None]) -> Ratio | None:
    """The highest of some costs, None where one is not known."""
    best: Ratio | None = None
    for one in found:
        if one is None:
            return None
        if best is None or one[0] * best[1] > best[0] * one[1]:
            best = one
    return best


def _worth(book: Book, amount: Ratio) -> Ratio | None:
    """An amount of the book's unit in money, None where nobody has said what a credit is worth."""
    if not book.is_credit:
        return amount
    value = book.credit_value
    if value is None:
        return None
    (top, below), (many, under) = ratio_of(value[0]), ratio_of(value[2])
    return amount[0] * top * under, amount[1] * below * many


worth = _worth
