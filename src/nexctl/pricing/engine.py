"""The one exact engine: a model's rates and multipliers, compiled once to integers.

Every price in the project goes through a Pricer: estimate, hold, debit, quote, audit. A charge is
the exact sum over meters, rounded once by the book's rule. There is one formula: whatever changes a
charge stands here, and nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from nexctl.errors import UnpricedError, UsageError
from nexctl.pricing.coefficients import (
    ONE,
    MeterRate,
    Options,
    RateSet,
    batch_stated,
    compiled,
    group_ratio,
    periods,
    tier_factor,
)
from nexctl.pricing.exact import ratio_of, rounded, text_of_ratio
from nexctl.records import METERS, Usage

if TYPE_CHECKING:
    from nexctl.pricing.book import Book, Model

Ratio = tuple[int, int]
MOST = 2**63 - 1
_INTS = {int}
_CACHED = METERS.index("cached_input")
_WRITE = METERS.index("cache_write")
_OUTPUT = METERS.index("output")
_REASONING = METERS.index("reasoning")
_REQUEST = METERS.index("request")


class Charge(NamedTuple):
    """An amount: `units` of 10**-scale of `currency`, and the exact sum before rounding.

    `exact` is (numerator, denominator) in whole `currency`, not reduced.
    """

    units: int
    exact: Ratio
    currency: str


class Pricer:
    """Charges usage of one model of one book, in force at one instant, under fixed conditions."""

    __slots__ = (
        "_cached_in",
        "_component",
        "_context",
        "_first",
        "_forms",
        "_mode",
        "_multiplier",
        "_output",
        "_places",
        "_reasoning_in",
        "_simple",
        "_up",
        "_write_in",
        "at",
        "batch_priced",
        "book",
        "byok",
        "model",
        "options",
        "provider",
        "unit",
    )

    def __init__(
        self,
        book: Book,
        model: Model,
        forms: list[list[tuple[int, RateSet]]],
        options: Options,
        *,
        at: str | None,
        context: int | None,
        batch_priced: bool,
        provider: Pricer | None,
        byok: bool,
    ) -> None:
        self.book, self.model, self.at = book, model, at
        self.options, self.batch_priced = options, batch_priced
        self.byok, self.provider = byok, provider
        self.unit = book.unit
        self._forms, self._context = forms, context
        self._cached_in = book.input_includes_cached
        self._write_in = book.input_includes_cache_write
        self._reasoning_in = book.output_includes_reasoning
        places, self._mode, per = book.rounding
        self._component = per == "component"
        self._places, self._up = places, 10 ** (book.scale - places)
        self._first = first = forms[0][0][1]
        # A whole charge in one multiplication and one division, where nothing intervenes.
        self._simple = (
            len(forms) == 1
            and (len(forms[0]) == 1)
            and not self._component
            and self._mode == "half_even"
            and not {0, _OUTPUT, _REQUEST} & set(first.refused)
        )
        self._multiplier = 10**places
        self._output = first.coefficients[_OUTPUT]

    @property
    def known(self) -> bool:
        """Whether one rate set is known; False where only a range can be given."""
        return len(self._forms) == 1

    @property
    def forms(self) -> list[list[tuple[int, RateSet]]]:
        """The integer coefficients of the charge: (first total input, rate set) by context tier.

        One list, or one for each end where only a range is known. Do not change them.
        """
        return self._forms

    @property
    def additive(self) -> bool:
        """Whether rounding never does anything and no tier intervenes.

        Then the charges of many requests add up to the charge of their summed quantities.
        """
        if len(self._forms) != 1 or len(self._forms[0]) != 1:
            return False
        first = self._first
        return all(
            coefficient * self._multiplier % first.denominator == 0
            for coefficient in first.coefficients
        )

    def charge(self, usage: Usage) -> Charge:
        """Return the exact charge of one request, rounded once by the book's rule.

        Raises UnpricedError where a used meter has no number, UsageError for quantities that are
        not whole numbers >= 0, more cached than input where input includes it, or an amount that
        does not fit 64 bits.
        """
        into, cached, write, output, reasoning, request, image, second, video, gpu = usage
        if (
            self._simple
            and cached == write == reasoning == image == second == video == gpu == 0
            and type(into) is int
            and type(output) is int
            and type(request) is int
            and into >= 0
            and output >= 0
            and request >= 0
        ):
            first = self._first
            coefficients, denominator = first.coefficients, first.denominator
            total = into * coefficients[0] + output * coefficients[3] + request * coefficients[5]
            quotient, rest = divmod(total * self._multiplier, denominator)
            twice = rest + rest
            if twice > denominator or (twice == denominator and quotient & 1):
                quotient += 1
            units = quotient * self._up
            if units > MOST:
                self._too_large()
            return Charge(units, (total, denominator), self.unit)
        if len(self._forms) > 1:
            low, expected, _high = self.charge_range_exact(usage)
            if expected is None:
                self._unknown_split()
            return low
        return self._charge(usage, self._forms[0])

    def charge_range(self, usage: Usage) -> tuple[int, int | None, int]:
        """Return (low, expected, high) units; all equal where every rate used is known.

        Expected is None where the book publishes only what input and output cost together, or where
        the price depends on an hour that was not given.
        """
        low, expected, high = self.charge_range_exact(usage)
        return low.units, None if expected is None else expected.units, high.units

    def charge_range_exact(self, usage: Usage) -> tuple[Charge, Charge | None, Charge]:
        """The same as charge_range, as Charges."""
        charges = sorted(
            (self._charge(usage, form) for form in self._forms),
            key=lambda charge: (charge.units, charge.exact[0]),
        )
        low, high = charges[0], charges[-1]
        return low, low if low.units == high.units else None, high

    def multiplier(self) -> str:
        """Product of semantic, batch and billing-tier factors, as text.

        On the output meter; where no output is sold, on the first meter that is.
        """
        meters = self._first.meters
        sold = (meters[_OUTPUT], *meters)
        found = next((meter for meter in sold if meter.rate is not None), meters[_OUTPUT])
        return text_of_ratio(*found.factor)

    def snapshot(self) -> dict[str, Any]:
        """What a debit keeps so that it can be recomputed for ever: JSON-safe, no floats."""
        places, mode, per = self.book.rounding
        return {
            "price_book": self.book.version,
            "sha256": self.book.sha256,
            "model": self.model.id,
            "at": self.at,
            "unit": self.unit,
            "scale": self.book.scale,
            "rounding": {"places": places, "mode": mode, "per": per},
            "batch": self.options.batch,
            "semantic_hit": self.options.semantic,
            "tier": self.options.tier,
            "own_key": self.byok,
            "forms": [
                [{"from": first, "rates": _kept_rates(chosen)} for first, chosen in form]
                for form in self._forms
            ],
        }

    def provider_fee(self, usage: Usage) -> Charge | None:
        """With the customer's own key: the provider's fee by the reference book, None unknown."""
        if self.provider is None:
            return None
        try:
            return self.provider.charge(usage)
        except UnpricedError:
            return None

    def _charge(self, usage: Usage, form: list[tuple[int, RateSet]]) -> Charge:
        billed = self._billed(usage)
        chosen = self._tier(usage, form)
        for index in chosen.refused:
            if billed[index]:
                self._unpriced(METERS[index], chosen.meters[index].state)
        coefficients, denominator = chosen.coefficients, chosen.denominator
        total = sum(
            quantity * coefficient
            for quantity, coefficient in zip(billed, coefficients, strict=True)
        )
        if self._component:
            units = sum(
                rounded(quantity * coefficient, denominator, self._places, self._mode)
                for quantity, coefficient in zip(billed, coefficients, strict=True)
            )
        else:
            units = rounded(total, denominator, self._places, self._mode)
        units *= self._up
        if units > MOST:
            self._too_large()
        return Charge(units, (total, denominator), self.unit)

    def _billed(self, usage: Usage) -> tuple[int, ...]:
        """Check the quantities and split what lies inside input and output."""
        if set(map(type, usage)) != _INTS or min(usage) < 0:
            name, value = next(
                (name, value)
                for name, value in zip(METERS, usage, strict=True)
                if type(value) is not int or value < 0
            )
            raise UsageError(
                f"{name}: {str(value)[:40]!r} is not a quantity",
                hint="give a whole number of 0 or more",
                code="bad_quantity",
            )
        into, cached, write, output, reasoning, *others = usage
        inside = (cached if self._cached_in else 0) + (write if self._write_in else 0)
        if inside > into:
            raise UsageError(
                f"{inside} cached tokens exceed {into} input tokens, "
                f"and on {self.book.title} input includes them",
                hint="input must count all input tokens, the cached ones too",
                code="cached_exceeds_input",
            )
        if self._reasoning_in:
            if reasoning > output:
                raise UsageError(
                    f"{reasoning} reasoning tokens exceed {output} output tokens, "
                    f"and on {self.book.title} output includes them",
                    hint="output must count all output tokens, the reasoning ones too",
                    code="reasoning_exceeds_output",
                )
            if self._first.meters[_REASONING].rate is None:
                reasoning = 0
            output -= reasoning
        return (into - inside, cached, write, output, reasoning, *others)

    def _tier(self, usage: Usage, form: list[tuple[int, RateSet]]) -> RateSet:
        """The context tier of a request: chosen once, from all of its input, cached included."""
        if len(form) == 1:
            return form[0][1]
        total = self._context
        if total is None:
            total = usage[0]
            total += 0 if self._cached_in else usage[_CACHED]
            total += 0 if self._write_in else usage[_WRITE]
        chosen = form[0][1]
        for first, candidate in form[1:]:
            if total < first:
                break
            chosen = candidate
        return chosen

    def _unpriced(self, meter: str, state: str) -> NoReturn:
        raise UnpricedError(
            f"{self.book.id} has no price for {meter} of {self.model.id}: {state}",
            hint="name another book with --on, or give the price in a book of your own",
            details={
                "book": self.book.id,
                "model": self.model.id,
                "meter": meter,
                "state": state,
            },
        )

    def _unknown_split(self) -> NoReturn:
        raise UnpricedError(
            f"{self.book.id} prices {self.model.id} only as a range here",
            hint="set the split of its published sum, or the hour, to have one price",
            details={"book": self.book.id, "model": self.model.id, "state": "range"},
        )

    def _too_large(self) -> NoReturn:
        raise UsageError(
            f"this charge is more than {MOST} units of 10^-{self.book.scale} {self.unit}",
            hint="quantities this large are not real usage",
            code="amount_too_large",
        )

    def __repr__(self) -> str:
        return f"Pricer({self.book.version}/{self.model.id})"


def pricer(
    book: Book,
    model: Model | str,
    *,
    at: Any = None,
    batch: bool = False,
    semantic_hit: bool = False,
    tier: str | None = None,
    byok: bool = False,
    context_tokens: int | None = None,
    cache_ttl: str | None = None,
    group: str | None = None,
    negotiated: str | None = None,
) -> Pricer:
    """Compile the charge of `model` in `book` at an instant into integer coefficients.

    `at` is a date, datetime or ISO text; None is today, at no known hour.

    `tier` is a billing tier's id, `negotiated` the operator's percent where the book leaves it to
    him; `context_tokens` fixes the context tier instead of each
    request's own input; `cache_ttl` names a cache-write variant ("1h"); `group` a ratio group.
    Raises UsageError for conditions that the book does not have, UnpricedError where the condition
    has no number.
    """
    found = book.find(model) if isinstance(model, str) else model
    moment = None
    if at is not None:
        from nexctl.pricing.books import instant

        moment = instant(at)
    _check_semantic(book, found, batch, semantic_hit)
    if byok:
        return _own_key(book, found, moment, batch, context_tokens, cache_ttl)
    options = Options(
        batch,
        semantic_hit,
        tier,
        tier_factor(book, found, tier, negotiated),
        cache_ttl,
        group_ratio(book, group),
    )
    forms: list[list[tuple[int, RateSet]]] = []
    batch_priced = False
    for period in periods(found, moment):
        sets, batch_priced = compiled(book, found, period, options, moment)
        forms += sets
    return Pricer(
        book,
        found,
        forms,
        options,
        at=moment,
        context=context_tokens,
        batch_priced=batch_priced,
        provider=None,
        byok=False,
    )


def has_batch_price(book: Book, model: Model, *, at: Any = None) -> bool:
    """Whether the book states what `model` costs in a batch at an instant."""
    moment = None
    if at is not None:
        from nexctl.pricing.books import instant

        moment = instant(at)
    return batch_stated(book, model.period(moment), moment)


def money_value(book: Book, units: int) -> tuple[int, str] | None:
    """Return (10**-9 of a currency, currency) of `units` of a credit book, half-even.

    None where the value of a credit is not published. A currency book's units are its own value.
    """
    if not book.is_credit:
        return rounded(units, 10**book.scale, 9), book.unit
    value = book.credit_value
    if value is None:
        return None
    top, bottom = ratio_of(value[0])
    per_top, per_bottom = ratio_of(value[2])
    return rounded(units * top * per_bottom, 10**book.scale * bottom * per_top, 9), value[1]


def _check_semantic(book: Book, model: Model, batch: bool, semantic: bool) -> None:
    if not semantic:
        return
    never = book.rule("semantic_never", ())
    if (batch and "batch" in never) or model.kind in never:
        what = "a batch line" if batch and "batch" in never else f"an {model.kind} model"
        raise UsageError(
            f"on {book.title} {what} is never answered from the semantic cache",
            hint="leave the semantic cache out of this request",
            code="semantic_excluded",
        )


def _own_key(
    book: Book,
    model: Model,
    moment: str | None,
    batch: bool,
    context: int | None,
    cache_ttl: str | None,
) -> Pricer:
    """The customer's own provider key: the book's own charge, and the provider's fee beside it."""
    own = book.data.get("byok", {})
    if not own.get("offered"):
        raise UsageError(
            f"{book.title} does not offer your own provider key",
            hint="leave --byok out",
            code="not_offered",
        )
    provider = None
    if model.reference is not None:
        from nexctl.pricing import books

        try:
            reference = books.load(model.reference[0])
            provider = pricer(
                reference,
                model.reference[1],
                at=moment,
                batch=batch,
                context_tokens=context,
                cache_ttl=cache_ttl,
            )
        except UsageError:
            provider = None
    charge = own.get("charge", "0")
    free = tuple(
        MeterRate(charge if name == "request" else "0", 1, ONE, "number") for name in METERS
    )
    options = Options(batch, False, None, ONE, cache_ttl, ONE)
    return Pricer(
        book,
        model,
        [[(0, RateSet(free))]],
        options,
        at=moment,
        context=None,
        batch_priced=False,
        provider=provider,
        byok=True,
    )


def _kept_rates(chosen: RateSet) -> dict[str, dict[str, Any]]:
    return {
        name: {"price": meter.rate, "per": meter.per, "factor": text_of_ratio(*meter.factor)}
        for name, meter in zip(METERS, chosen.meters, strict=True)
        if meter.rate is not None
    }
