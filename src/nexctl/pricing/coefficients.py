"""From a model's price period to integer coefficients: multipliers, tiers, splits, hours."""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING, Any, NamedTuple

from nexctl.errors import UnpricedError, UsageError
from nexctl.pricing.book import covers, today
from nexctl.pricing.exact import ratio_of, reduced
from nexctl.records import METERS

if TYPE_CHECKING:
    from nexctl.pricing.book import Book, Model

Ratio = tuple[int, int]
ONE: Ratio = (1, 1)
_REQUEST = METERS.index("request")
_CACHE_METERS = ("cached_input", "cache_write")


class MeterRate(NamedTuple):
    """One priced or unpriced meter of a coefficient set."""

    rate: str | None
    per: int
    factor: Ratio
    state: str


class RateSet:
    """Integer coefficients of one context tier: amount = sum(quantity * c) / denominator."""

    __slots__ = ("coefficients", "denominator", "meters", "refused")

    def __init__(self, meters: tuple[MeterRate, ...]) -> None:
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


class Options(NamedTuple):
    """Conditions of a pricer that change its rates."""

    batch: bool
    semantic: bool
    tier: str | None
    tier_factor: Ratio
    cache_ttl: str | None
    group: Ratio


def periods(model: Model, moment: str | None) -> list[dict[str, Any]]:
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


def compiled(
    book: Book, model: Model, period: dict[str, Any], options: Options, moment: str | None
) -> tuple[list[list[tuple[int, RateSet]]], bool]:
    """Coefficient sets of one period by context tier, once for each end of an unknown split."""
    stated = batch_stated(book, period, moment)
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
            sets.append((first, RateSet(meters)))
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


def batch_stated(book: Book, period: dict[str, Any], moment: str | None) -> bool:
    """Whether the book has a batch price in this period, by rates or by a multiplier."""
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
    options: Options,
    stated: bool,
) -> MeterRate:
    rate = rates.get(name)
    if rate is None:
        absent = "not_applicable" if name == "request" else "unpublished"
        return MeterRate(None, 1, ONE, absent)
    factors: list[Ratio] = [options.tier_factor]
    multipliers = book.data.get("multipliers", {})
    if options.group != ONE:
        factors.append(options.group)
    if options.semantic:
        if name in _CACHE_METERS and book.rule("semantic_with_cached", "either") == "either":
            rate = rates.get("input", rate)
        factors.append(_semantic(book, multipliers))
    if options.batch and stated:
        if batch:
            rate = batch.get(name, rate)
        elif name not in _CACHE_METERS or book.rule("batch_with_cached", True):
            factors.append(ratio_of(multipliers["batch"]))
    top = bottom = 1
    for numerator, denominator in factors:
        top, bottom = top * numerator, bottom * denominator
    state, price, per = rate[0], rate[1], rate[2]
    return MeterRate(price, per, reduced(top, bottom), state)


def _semantic(book: Book, multipliers: dict[str, Any]) -> Ratio:
    share = multipliers.get("semantic")
    if not share or not share[0].isdigit():
        raise UnpricedError(
            f"{book.id} has no price for a semantic-cache hit",
            details={"book": book.id, "state": share or "unpublished"},
        )
    return ratio_of(share)


def tier_factor(book: Book, model: Model, name: str | None, negotiated: str | None) -> Ratio:
    """Factor of a billing tier on the model's charges, 1 without one."""
    if name is None:
        return ONE
    from nexctl.pricing.tiers import charge_factor

    return charge_factor(book, model, name, negotiated)


def group_ratio(book: Book, name: str | None) -> Ratio:
    """Factor of a ratio group; UsageError where the book has none such."""
    if name is None:
        return ONE
    groups = book.data.get("groups", {})
    if name not in groups or name in ("said", "notes"):
        raise UsageError(f"{book.title} has no ratio group {name!r}", code="unknown_group")
    return ratio_of(groups[name])
