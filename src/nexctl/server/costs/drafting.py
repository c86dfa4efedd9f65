"""Prices made from costs: cost x (1 + markup), exact, rounded up where a price must end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexctl.errors import NexctlError
from nexctl.pricing import engine
from nexctl.pricing.exact import plain, ratio_of
from nexctl.records import METERS
from nexctl.server.costs.margins import AS, Source, cost_for, dearest
from nexctl.wire.prices import ContextTier, NoPrice, PricedModel

if TYPE_CHECKING:
    from nexctl.pricing.book import Book, Model
    from nexctl.pricing.coefficients import RateSet
    from nexctl.server.costs.margins import Ratio

_KINDS = ("chat", "embedding", "image", "video", "audio", "rerank", "other")


class Drafter:
    """Makes the prices of one draft; `rounded` counts those that did not end in time."""

    def __init__(
        self, book: Book, sources: list[Source], markup: str, places: int, day: str
    ) -> None:
        self.book, self.sources, self.places, self.day = book, sources, places, day
        top, bottom = ratio_of(markup)
        self.factor: Ratio = (100 * bottom + top, 100 * bottom)
        self.rounded = 0

    def draft(self, names: list[str]) -> tuple[list[PricedModel], list[NoPrice]]:
        """A price for each of the names, or why there is none."""
        made: list[PricedModel] = []
        unknown: list[NoPrice] = []
        for name in names or self._every():
            found = self._model(name)
            if isinstance(found, str):
                unknown.append(NoPrice(model=name, why=found))
            else:
                made.append(found)
        return made, unknown

    def _every(self) -> list[str]:
        """The book's models; where it has none, all that the cost profiles know."""
        if self.book.models:
            return list(self.book.models)
        known: dict[str, None] = {}
        for source in self.sources:
            for name in source.provider.models or (source.book.models if source.book else ()):
                known.setdefault(name)
        return list(known)

    def _model(self, name: str) -> PricedModel | str:
        """The dearest of all providers that may be asked decides."""
        asked = [source for source in self.sources if source.serves(name)]
        if not asked:
            return "no provider serves it"
        forms: list[list[tuple[int, RateSet]]] = []
        model: Model | None = None
        for source in asked:
            if source.book is None:
                return f"provider {source.provider.id} has no cost profile"
            rate = self._rate(source.book)
            if isinstance(rate, str):
                return rate
            try:
                pricer = engine.pricer(source.book, source.named(name), at=self.day)
            except NexctlError as error:
                return error.message
            forms += [[(f, r) for f, r in form] for form in pricer.forms]
            model = model or pricer.model
        starts = sorted({first for form in forms for first, _ in form})
        rate = self._rate(asked[0].book)
        if isinstance(rate, str) or model is None:
            return str(rate)
        tables = [self._table(forms, start, rate) for start in starts]
        if not tables[0]:
            return "no meter of it has a known cost"
        return PricedModel(
            id=name,
            kind=model.kind if model.kind in _KINDS else "other",  # type: ignore[arg-type]
            provider=model.provider,
            context=model.context,
            max_output=model.max_output,
            capabilities=list(model.capabilities) or None,  # type: ignore[arg-type]
            rates=tables[0],
            context_tiers=[
                ContextTier(above=start - 1, rates=table)
                for start, table in zip(starts[1:], tables[1:], strict=True)
            ],
        )

    def _table(
        self, forms: list[list[tuple[int, RateSet]]], start: int, rate: Ratio
    ) -> dict[Any, str]:
        """Prices by meter for inputs from `start` on, of what some provider prices by itself.

        None for a meter of which it is not known what one of them takes.
        """
        sets = [[rates for first, rates in form if first <= start][-1] for form in forms]
        table: dict[Any, str] = {}
        for index, meter in enumerate(METERS):
            if all(rates.meters[index].rate is None for rates in sets):
                continue
            best = dearest([cost_for(rates, index, meter) for rates in sets])
            if best is None:
                continue
            price = self._price(best, rate)
            # What one of them counts as plain tokens and is no dearer needs no price of its own.
            if all(rates.meters[index].rate for rates in sets) or price != table.get(AS.get(meter)):
                table[meter] = price
        return table

    def _price(self, cost: Ratio, rate: Ratio) -> str:
        top = cost[0] * self.factor[0] * rate[0] * 10**self.places
        bottom = cost[1] * self.factor[1] * rate[1]
        units, rest = divmod(top, bottom)
        if rest:
            self.rounded += 1
            units += 1
        return plain(units, self.places)

    def _rate(self, cost: Book | None) -> Ratio | str:
        """Units of the book for one unit of the cost's currency."""
        if cost is None:
            return "there is no cost profile"
        if not self.book.is_credit:
            if cost.unit == self.book.unit:
                return 1, 1
            return f"no rate from {cost.unit} to {self.book.unit} is set"
        value = self.book.credit_value
        if value is None or value[1] != cost.unit:
            return f"no rate from {cost.unit} to {self.book.unit} is set"
        (top, below), (many, under) = ratio_of(value[0]), ratio_of(value[2])
        return many * below, under * top
