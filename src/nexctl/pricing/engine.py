"""The one exact engine: a model's rates and multipliers, compiled once to integers.

Every price in the project goes through a Pricer: estimate, hold, debit, quote, audit. A charge is
the exact sum over meters, rounded once by the book's rule.
"""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from nexctl.errors import UnpricedError, UsageError
from nexctl.pricing.book import covers, today
from nexctl.pricing.exact import ratio_of, reduced, rounded, text_of_ratio
from nexctl.records import METERS, Usage

if TYPE_CHECKING:
    from nexctl.pricing.book import Book, Model

Ratio = tuple[int, int]
MOST = 2**63 - 1
_INTS = {int}
_ONE: Ratio = (1, 1)
_CACHED = METERS.index("cached_input")
_WRITE = METERS.index("cache_write")
_OUTPUT = METERS.index("output")
_REASONING = METERS.index("reasoning")
_REQUEST = METERS.index("request")
_CACHE_METERS = ("cached_input", "cache_write")


class Charge(NamedTuple):
    """An amount: `units` of 10**-scale of `currency`, and the exact sum before rounding.

    `exact` is (numerator, denominator) in whole `currency`, not reduced.
    """

    units: int
    exact: Ratio
    currency: str


class Line(NamedTuple):
    """One meter's part of a charge.

    `rate` is the price per `per` units (decimal text or N/D), `factor` what multiplies it, `exact`
    the part in whole currency as a ratio. `units` add up to the charge's units.
    """

    meter: str
    quantity: int
    rate: str
    per: int
    factor: str
    exact: Ratio
    units: int


class _Meter(NamedTuple):
    """One priced or unpriced meter of a coefficient set."""

    rate: str | None
    per: int
    factor: Ratio
    state: str


class _Set:
    """Integer coefficients of one context tier: amount = sum(quantity * c) / denominator."""

    __slots__ = ("coefficients", "denominator", "meters", "refused")

    def __init__(self, meters: tuple[_Meter, ...]) -> None:
        self.meters = meters
        exact: list[Ratio] = []
        for meter in meters:
            if meter.rate is None:
                exact.append((0, 1))
                continue
            top, bottom = ratio_of(meter.rate)
            exact.append(reduced(top * meter.factor[0], bottom * meter.per * meter.factor[1]))
        common = 1
        for _top, bottom in exact:
            common = common * bottom // gcd(common, bottom)
        self.denominator = common
        self.coefficients = tuple(top * (common // bottom) for top, bottom in exact)
        self.refused = tuple(
            index
            for index, meter in enumerate(meters)
            if meter.rate is None and not (index == _REQUEST and meter.state == "not_applicable")
        )


class _Options(NamedTuple):
    batch: bool
    semantic: bool
    tier: str | None
    tier_factor: Ratio
    cache_ttl: str | None
    group: Ratio


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
        forms: list[list[tuple[int, _Set]]],
        options: _Options,
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

    def explain(self, usage: Usage) -> tuple[Line, ...]:
        """Return one Line per meter used; their units add up to the charge's units exactly.

        Quantities are the billed ones: where input includes cached, the input line is what is left.
        """
        charge = self.charge(usage)
        chosen = self._tier(usage, self._forms[0])
        rows = []
        for index, quantity in enumerate(self._billed(usage)):
            meter = chosen.meters[index]
            if quantity and meter.rate is not None:
                share = (quantity * chosen.coefficients[index], chosen.denominator)
                rows.append((METERS[index], quantity, meter, share))
        units = _apportioned(charge.units, [row[3] for row in rows], self.book.scale)
        return tuple(
            Line(
                name,
                quantity,
                meter.rate or "",
                meter.per,
                text_of_ratio(*meter.factor),
                share,
                got,
            )
            for (name, quantity, meter, share), got in zip(rows, units, strict=True)
        )

    def multiplier(self) -> str:
        """Product of semantic, batch and billing-tier factors on the output meter, as text."""
        return text_of_ratio(*self._first.meters[_OUTPUT].factor)

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

    def _charge(self, usage: Usage, form: list[tuple[int, _Set]]) -> Charge:
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

    def _tier(self, usage: Usage, form: list[tuple[int, _Set]]) -> _Set:
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
    options = _Options(
        batch,
        semantic_hit,
        tier,
        _tier_factor(book, found, tier, negotiated),
        cache_ttl,
        _group(book, group),
    )
    periods = _periods(found, moment)
    forms: list[list[tuple[int, _Set]]] = []
    batch_priced = False
    for period in periods:
        sets, batch_priced = _compiled(book, found, period, options, moment)
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
    return _batch_stated(book, model.period(moment), moment)


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
            code="semantic_excluded",
        )


def _periods(model: Model, moment: str | None) -> list[dict[str, Any]]:
    """The price period at an instant; several where the hour decides and none is given."""
    base = model.period(moment)
    timed = [row for row in model.periods if "hours" in row]
    if not timed:
        return [base]
    weekday = _weekday(moment) if moment else None
    timed = [
        row
        for row in timed
        if covers(row, moment or today())
        and (weekday is None or weekday in row.get("days", (weekday,)))
    ]
    if moment is None or len(moment) == 10:
        return [base, *timed]
    clock = moment[11:16]
    for row in reversed(timed):
        if any(_within(clock, start, end) for start, end in row["hours"]):
            return [row]
    return [base]


def _within(clock: str, start: str, end: str) -> bool:
    if start < end:
        return start <= clock < end
    return clock >= start or clock < end


def _weekday(day: str) -> str:
    import datetime

    return ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[
        datetime.date.fromisoformat(day[:10]).weekday()
    ]


def _compiled(
    book: Book, model: Model, period: dict[str, Any], options: _Options, moment: str | None
) -> tuple[list[list[tuple[int, _Set]]], bool]:
    """Coefficient sets of one period by context tier, once for each end of an unknown split."""
    stated = _batch_stated(book, period, moment)
    if options.batch and not stated and book.rule("batch_without_price") != "normal_rate":
        raise UnpricedError(
            f"{book.id} publishes no batch price for {model.id}"
            + (f" at {moment}" if moment else ""),
            hint="price it without --batch",
            details={"book": book.id, "model": model.id, "state": "unpublished"},
        )
    rows = [(0, period["rates"], period.get("batch"), period.get("variants", {}))]
    for bound, inclusive, rates, batch, variants in period.get("tiers", ()):
        rows.append((bound if inclusive else bound + 1, rates, batch, variants))
    forms = []
    for ends in _split_ends(period):
        sets = []
        for first, rates, batch, variants in rows:
            kept, batched = _cache_variant(variants, options.cache_ttl)
            used = {**rates, **ends, **kept}
            reduced_rates = {**batch, **batched} if batch and stated else None
            meters = tuple(
                _meter(book, name, used, reduced_rates, options, stated) for name in METERS
            )
            sets.append((first, _Set(meters)))
        forms.append(sets)
    return forms, stated


def _cache_variant(
    variants: dict[str, Any], ttl: str | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(rates, batch rates) that replace the plain cache write for a longer-lived entry."""
    if ttl is None:
        return {}, {}
    unknown = {"cache_write": ("unpublished", None, 1, "token", None)}
    name = f"cache_{ttl}"
    return variants.get(name, unknown), variants.get(f"{name}_batch", unknown)


def _split_ends(period: dict[str, Any]) -> list[dict[str, Any]]:
    """Only input + output is published: either may be anything from nothing to all of it."""
    both = period.get("sum")
    if both is None or period["rates"]["input"][0] == "number":
        return [{}]
    whole = ("number", both[0], both[1], "token", "all of the published sum")
    none = ("number", "0", both[1], "token", "nothing of the published sum")
    return [{"input": whole, "output": none}, {"input": none, "output": whole}]


def _batch_stated(book: Book, period: dict[str, Any], moment: str | None) -> bool:
    if period.get("batch"):
        start = period.get("batch_from")
        return start is None or start <= (moment or today())
    share = book.data.get("multipliers", {}).get("batch")
    return bool(share) and share[0].isdigit()


def _meter(
    book: Book,
    name: str,
    rates: dict[str, Any],
    batch: dict[str, Any] | None,
    options: _Options,
    batch_stated: bool,
) -> _Meter:
    rate = rates.get(name)
    if rate is None:
        absent = "not_applicable" if name == "request" else "unpublished"
        return _Meter(None, 1, _ONE, absent)
    factors: list[Ratio] = [options.tier_factor]
    multipliers = book.data.get("multipliers", {})
    if options.group != _ONE:
        factors.append(options.group)
    if options.semantic:
        if name in _CACHE_METERS and book.rule("semantic_with_cached", "either") == "either":
            rate = rates.get("input", rate)
        factors.append(_semantic(book, multipliers))
    if options.batch and batch_stated:
        if batch:
            rate = batch.get(name, rate)
        elif name not in _CACHE_METERS or book.rule("batch_with_cached", True):
            factors.append(ratio_of(multipliers["batch"]))
    top = bottom = 1
    for numerator, denominator in factors:
        top, bottom = top * numerator, bottom * denominator
    state, price, per = rate[0], rate[1], rate[2]
    return _Meter(price, per, reduced(top, bottom), state)


def _semantic(book: Book, multipliers: dict[str, Any]) -> Ratio:
    share = multipliers.get("semantic")
    if not share or not share[0].isdigit():
        raise UnpricedError(
            f"{book.id} has no price for a semantic-cache hit",
            details={"book": book.id, "state": share or "unpublished"},
        )
    return ratio_of(share)


def _tier_factor(book: Book, model: Model, name: str | None, negotiated: str | None) -> Ratio:
    if name is None:
        return _ONE
    from nexctl.pricing.tiers import charge_factor

    return charge_factor(book, model, name, negotiated)


def _group(book: Book, name: str | None) -> Ratio:
    if name is None:
        return _ONE
    groups = book.data.get("groups", {})
    if name not in groups or name in ("said", "notes"):
        raise UsageError(f"{book.title} has no ratio group {name!r}", code="unknown_group")
    return ratio_of(groups[name])


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
    free = tuple(_Meter(charge if name == "request" else "0", 1, _ONE, "number") for name in METERS)
    options = _Options(batch, False, None, _ONE, cache_ttl, _ONE)
    return Pricer(
        book,
        model,
        [[(0, _Set(free))]],
        options,
        at=moment,
        context=None,
        batch_priced=False,
        provider=provider,
        byok=True,
    )


def _kept_rates(chosen: _Set) -> dict[str, dict[str, Any]]:
    return {
        name: {"price": meter.rate, "per": meter.per, "factor": text_of_ratio(*meter.factor)}
        for name, meter in zip(METERS, chosen.meters, strict=True)
        if meter.rate is not None
    }


def _apportioned(units: int, shares: list[Ratio], scale: int) -> list[int]:
    """Split `units` over exact shares so that they add up: the largest remainders get the rest."""
    floors = [top * 10**scale // bottom for top, bottom in shares]
    rests = [
        (top * 10**scale % bottom * 10**30 // bottom, -index)
        for index, (top, bottom) in enumerate(shares)
    ]
    missing = units - sum(floors)
    for _rest, index in sorted(rests, reverse=True):
        if missing <= 0:
            break
        floors[-index] += 1
        missing -= 1
    if missing and floors:
        floors[0] += missing
    return floors
