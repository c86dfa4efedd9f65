"""What holds for any usage: exactness against fractions, additivity, order, scale, permutation."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexctl.errors import UnpricedError
from nexctl.pricing import books, engine
from nexctl.pricing.exact import decimal_text, ratio_of, rounded, text_of_ratio, times
from nexctl.records import METERS, Usage

QUANTITY = st.integers(0, 2_000_000)
FLAT = [
    ("nextoken", "nex-pro", {}),
    ("nextoken", "gpt-4o", {}),
    ("nextoken", "gpt-4o", {"batch": True, "tier": "business"}),
    ("nextoken", "gemini-2.5-flash", {"semantic_hit": True}),
    ("nexrelay", "gpt-5.5", {}),
    ("nexu", "glm-5", {}),
    ("deeptoken", "gpt-4.1-mini", {}),
    ("anthropic", "claude-opus-4-0", {}),
]
TIERED = [
    ("openai", "gpt-5.4", {}),
    ("google", "gemini-2.5-pro", {}),
    ("google", "gemini-2.5-pro", {"batch": True}),
    ("anthropic", "claude-sonnet-4-5", {}),
]


def pricer_of(case: tuple[str, str, dict[str, object]]) -> engine.Pricer:
    book, model, conditions = case
    return engine.pricer(books.load(book), model, **conditions)  # type: ignore[arg-type]


def priced(pricer: engine.Pricer) -> set[str]:
    """Meters that this pricer has a number for."""
    usable = set()
    for meter in ("input", "cached_input", "cache_write", "output"):
        probe = Usage(request=0)._replace(**{"input": 1, meter: 1})
        try:
            pricer.charge(probe)
        except UnpricedError:
            continue
        else:
            usable.add(meter)
    return usable


def usage_from(draw: st.DrawFn, pricer: engine.Pricer) -> Usage:
    usable = priced(pricer)
    values = {meter: draw(QUANTITY) if meter in usable else 0 for meter in METERS[:4]}
    if pricer.book.input_includes_cached:
        values["input"] += values["cached_input"]
    if pricer.book.input_includes_cache_write:
        values["input"] += values["cache_write"]
    return Usage(**values)


@st.composite
def flat_usages(draw: st.DrawFn) -> tuple[engine.Pricer, list[Usage]]:
    pricer = pricer_of(draw(st.sampled_from(FLAT)))
    return pricer, [usage_from(draw, pricer) for _ in range(draw(st.integers(1, 5)))]


@st.composite
def any_usage(draw: st.DrawFn) -> tuple[engine.Pricer, Usage]:
    pricer = pricer_of(draw(st.sampled_from([*FLAT, *TIERED])))
    return pricer, usage_from(draw, pricer)


def by_fractions(pricer: engine.Pricer, usage: Usage) -> Fraction:
    """The charge by the sentence: quantity x price / per, times the factors; nothing compiled."""
    book, options = pricer.book, pricer.options
    period = pricer.model.period(None)
    total = usage.input
    total += 0 if book.input_includes_cached else usage.cached_input
    total += 0 if book.input_includes_cache_write else usage.cache_write
    rates, batch = period["rates"], period.get("batch")
    for bound, inclusive, higher, higher_batch, _variants in period.get("tiers", ()):
        if total > bound or (inclusive and total == bound):
            rates, batch = higher, higher_batch
    left = usage.input
    left -= usage.cached_input if book.input_includes_cached else 0
    left -= usage.cache_write if book.input_includes_cache_write else 0
    quantities = {
        "input": left,
        "cached_input": usage.cached_input,
        "cache_write": usage.cache_write,
        "output": usage.output,
    }
    amount = Fraction(0)
    for meter, quantity in quantities.items():
        if quantity == 0:
            continue
        name = "input" if options.semantic and meter == "cached_input" else meter
        rate = rates[name]
        share = Fraction(1)
        if options.batch:
            if batch:
                rate = batch[name]
            else:
                share *= Fraction(book.data["multipliers"]["batch"])
        if options.semantic:
            share *= Fraction(book.data["multipliers"]["semantic"])
        if options.tier:
            share *= 1 - Fraction("2.5") / 100
        amount += quantity * Fraction(rate[1]) / rate[2] * share
    return amount


@given(any_usage())
def test_exact_against_fractions_and_rounded_once_half_even(
    case: tuple[engine.Pricer, Usage],
) -> None:
    pricer, usage = case
    charge = pricer.charge(usage)
    expected = by_fractions(pricer, usage)
    assert Fraction(*charge.exact) == expected
    assert charge.units == round(expected * 10**pricer.book.scale)


@given(flat_usages())
def test_additive_over_rows_where_no_tier_intervenes(
    case: tuple[engine.Pricer, list[Usage]],
) -> None:
    pricer, usages = case
    whole = Usage(*(sum(column) for column in zip(*usages, strict=True)))
    assert Fraction(*pricer.charge(whole).exact) == sum(
        Fraction(*pricer.charge(usage).exact) for usage in usages
    )


@given(flat_usages(), st.randoms(use_true_random=False))
def test_order_of_rows_changes_no_sum(
    case: tuple[engine.Pricer, list[Usage]], chance: random.Random
) -> None:
    pricer, usages = case
    shuffled = list(usages)
    chance.shuffle(shuffled)
    assert sum(pricer.charge(one).units for one in usages) == sum(
        pricer.charge(one).units for one in shuffled
    )


@given(flat_usages(), st.integers(1, 1000))
def test_scale(case: tuple[engine.Pricer, list[Usage]], times_more: int) -> None:
    pricer, usages = case
    scaled = Usage(*(quantity * times_more for quantity in usages[0]))
    assert Fraction(*pricer.charge(scaled).exact) == times_more * Fraction(
        *pricer.charge(usages[0]).exact
    )


@given(any_usage(), st.sampled_from(["input", "output"]), QUANTITY)
def test_more_tokens_never_cost_less(
    case: tuple[engine.Pricer, Usage], meter: str, more: int
) -> None:
    pricer, usage = case
    larger = usage._replace(**{meter: getattr(usage, meter) + more})
    assert pricer.charge(larger).units >= pricer.charge(usage).units


@given(st.integers(0, 10**7), st.integers(0, 10**7))
def test_unknown_split_encloses_every_split(into: int, out: int) -> None:
    pricer = engine.pricer(books.load("nexu"), "glm-5-turbo")
    low, expected, high = pricer.charge_range(Usage(input=into, output=out))
    both = Fraction("1.04") / 2000
    for share in (Fraction(0), Fraction(1, 7), Fraction(1, 2), Fraction(1)):
        amount = round((into * both * share + out * both * (1 - share)) * 10**9)
        assert low <= amount <= high
    assert (expected is None) == (low != high)
    assert low == round(min(into, out) * both * 10**9)
    assert high == round(max(into, out) * both * 10**9)


@settings(max_examples=300)
@given(
    st.integers(-(10**12), 10**12),
    st.integers(1, 10**6),
    st.integers(0, 6),
    st.sampled_from(["half_even", "half_up", "up", "down"]),
)
def test_rounding_modes_against_decimal(top: int, bottom: int, places: int, mode: str) -> None:
    import decimal

    value = Fraction(top, bottom) * 10**places
    nearest = {
        "half_even": decimal.ROUND_HALF_EVEN,
        "half_up": decimal.ROUND_HALF_UP,
        "up": decimal.ROUND_UP,
        "down": decimal.ROUND_DOWN,
    }[mode]
    with decimal.localcontext(decimal.Context(prec=60)):
        # 60 digits hold the quotient; a tie has few digits and is exact.
        exact = decimal.Decimal(value.numerator) / decimal.Decimal(value.denominator)
        expected = int(exact.to_integral_value(nearest))
    assert rounded(top, bottom, places, mode) == expected


@given(st.integers(0, 10**15), st.integers(1, 10**9))
def test_ratio_texts_come_back(top: int, bottom: int) -> None:
    assert Fraction(*ratio_of(text_of_ratio(top, bottom))) == Fraction(top, bottom)
    assert abs(Fraction(decimal_text(top, bottom)) - Fraction(top, bottom)) <= Fraction(
        1, 2 * 10**12
    )


def test_products_of_texts() -> None:
    assert times("0.30", "0.10") == "0.03"
    assert times("1", "1/7") == "1/7"


@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_both_boundary_semantics_at_the_threshold(offset: int, book_of: object) -> None:
    book = book_of(  # type: ignore[operator]
        """
[[models]]
id = "over"
rates = { input = "1", cached_input = "0.1", output = "1" }
context_tiers = [{ above = 1000, rates = { input = "2", cached_input = "0.2", output = "2" } }]
[[models]]
id = "from"
rates = { input = "1", cached_input = "0.1", output = "1" }
context_tiers = [{ from = 1000, rates = { input = "2", cached_input = "0.2", output = "2" } }]
"""
    )
    usage = Usage(input=1000 + offset)
    for model, higher in (("over", offset > 0), ("from", offset >= 0)):
        units = engine.pricer(book, model).charge(usage).units
        assert units == (1000 + offset) * 1000 * (2 if higher else 1), model
    fixed = engine.pricer(book, "over", context_tokens=2000)
    assert fixed.charge(Usage(input=10)).units == 10 * 2000
