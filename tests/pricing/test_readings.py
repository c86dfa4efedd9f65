"""A reading is a field of the book: another reading is one edit, and changes what it should."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest
from pricing_kit import Edit, charged

from nexctl.errors import UnpricedError, UsageError
from nexctl.pricing import books, engine, listing, tiers
from nexctl.records import Usage

MILLION = 10**6
NANO = 10**9


def value(name: str, before: str, after: str) -> tuple[str, str]:
    return f"{name} = {{ value = {before}", f"{name} = {{ value = {after}"


def test_tier_basis_marginal(edited: Edit) -> None:
    book = edited("nextoken", value("tier_basis", '"whole_month"', '"marginal"'))
    # 1 % of the 4,500 above 500, then 2.5 % of the 45,000 above 5,000
    assert tiers.month_credit(book, 5000 * NANO).credit == 45 * NANO
    assert tiers.month_credit(book, 50_000 * NANO).credit == 45 * NANO + 1125 * NANO


def test_tier_effect_points_of_markup(edited: Edit) -> None:
    book = edited("nextoken", value("tier_effect", '"percent_of_charge"', '"points_of_markup"'))
    # 8 % becomes 7 %
    got = charged(book, "o1", Usage(MILLION), tier="pro")
    assert abs(got - Fraction("16.20") * Fraction(107, 108)) < Fraction(1, NANO)
    with pytest.raises(UnpricedError, match="not stated"):
        charged(book, "nex-pro", Usage(MILLION), tier="pro")


def test_tier_effect_percent_of_markup(edited: Edit) -> None:
    book = edited("nextoken", value("tier_effect", '"percent_of_charge"', '"percent_of_markup"'))
    got = charged(book, "o1", Usage(MILLION), tier="business")
    wanted = Fraction("16.20") * (1 + Fraction("0.08") * Fraction("0.975")) / Fraction("1.08")
    assert abs(got - wanted) < Fraction(1, NANO)


def test_tier_scope_routed_models_only(edited: Edit) -> None:
    book = edited("nextoken", value("tier_scope", '"all"', '"routed"'))
    assert charged(book, "nex-pro", Usage(MILLION), tier="pro") == Fraction("0.10")
    assert charged(book, "gpt-4o", Usage(MILLION), tier="pro") == Fraction("2.574")


def test_tier_above_the_last_may_refuse(edited: Edit) -> None:
    book = edited("nextoken", value("tier_above_last", '"last_published"', '"refuse"'))
    with pytest.raises(UnpricedError):
        tiers.month_credit(book, 50_001 * NANO)


def test_crossings_are_named_once() -> None:
    book = books.load("nextoken")
    assert tiers.crossings(book, 0, 500 * NANO) == ()
    assert tiers.crossings(book, 500 * NANO, 500 * NANO + 1) == (("pro", 500 * NANO),)
    assert [name for name, _ in tiers.crossings(book, 0, 60_000 * NANO)] == [
        "pro",
        "business",
        "enterprise",
    ]


def test_input_includes_cached_or_not(edited: Edit) -> None:
    beside = edited("nextoken", value("input_includes_cached", "true", "false"))
    assert charged(beside, "gpt-4o", Usage(0, MILLION)) == Fraction("1.3")
    inside = edited("nexrelay", value("input_includes_cached", "false", "true"))
    assert charged(inside, "gpt-5.4", Usage(100_000, 50_000, 0, 20_000)) == 75_000
    with pytest.raises(UsageError):
        charged(inside, "gpt-5.4", Usage(10, 20))


def test_output_includes_reasoning_or_not(edited: Edit) -> None:
    book = edited("nextoken", value("output_includes_reasoning", "true", "false"))
    with pytest.raises(UnpricedError, match="reasoning"):
        charged(book, "o1", Usage(0, output=10, reasoning=5))


def test_a_cached_multiplier_is_one_edit(edited: Edit) -> None:
    book = edited("nextoken", ('anthropic = "0.10"', 'anthropic = "0.90"'))
    assert charged(book, "claude-sonnet-4", Usage(MILLION, MILLION)) == Fraction("2.7")


def test_semantic_hit_may_keep_the_cached_rate(edited: Edit) -> None:
    book = edited("nextoken", value("semantic_with_cached", '"either"', '"both"'))
    got = charged(book, "gpt-4o", Usage(MILLION, MILLION), semantic_hit=True)
    assert got == Fraction("1.3") * Fraction("0.05")


def test_batches_without_a_price_go_at_the_normal_rate_only_where_the_book_says_so(
    edited: Edit,
) -> None:
    usage = Usage(MILLION)
    pricer = engine.pricer(books.load("deeptoken"), "gpt-4.1-mini", batch=True)
    assert not pricer.batch_priced
    assert pricer.charge(usage).units == 400_000_000
    assert engine.pricer(books.load("nextoken"), "nex-pro", batch=True).batch_priced
    strict = edited("deeptoken", value("batch_without_price", '"normal_rate"', '"refuse"'))
    with pytest.raises(UnpricedError):
        engine.pricer(strict, "gpt-4.1-mini", batch=True)


def test_nexu_sum_by_rate_instead_of_the_printed_credits(edited: Edit) -> None:
    book = edited("nexu", value("published_sum", '"credits_column"', '"rate_times_default"'))
    assert charged(book, "deepseek-v3.2", Usage(2000, output=2000)) == Fraction("0.126")


def test_nexu_split_unknown_gives_ranges_everywhere(edited: Edit) -> None:
    book = edited("nexu", value("split", '"vendor_list_ratio"', '"unknown"'))
    pricer = engine.pricer(book, "gpt-5.4-mini")
    assert pricer.charge_range(Usage(4000, output=0)) == (0, None, 2_100_000_000)


def test_nexu_split_set_by_the_operator(edited: Edit) -> None:
    book = edited(
        "nexu", ('credits = "0.80", ', 'credits = "0.80", split = { input = "1", output = "3" }, ')
    )
    assert charged(book, "mimo-v2-pro", Usage(MILLION)) == 100
    assert charged(book, "mimo-v2-pro", Usage(output=MILLION)) == 300


def test_what_is_a_reading_is_never_called_the_vendors_word() -> None:
    for name in books.shipped()[:5]:
        for rule, (_value, other, (tag, _address, _words)) in books.load(name).rules().items():
            if other and rule not in ("input_includes_cached",):
                assert tag in ("reading", "ours"), (name, rule)


def test_prices_show_prints_each_value_with_its_source_and_both_markup_readings() -> None:
    shown = listing.show(books.load("nextoken"), "gpt-4o")
    assert shown["markup"] == {"stated": "0.08", "included": "unknown"}
    assert shown["rules"]["markup_included"]["other"] == ["yes", "no"]
    assert shown["rates"]["cached_input"]["source"]["tag"] == "reading"
    assert shown["rates"]["input"]["source"] == {
        "tag": "page",
        "address": "https://nextoken.biz/pricing.html",
        "words": None,
    }
    assert any(row["about"] == "markup" for row in shown["conflicts"])


ROUNDING = """
[[models]]
id = "m"
rates = { input = "0.5", output = "0.5" }
"""


@pytest.mark.parametrize(
    ("rule", "units"),
    [
        # 1 + 1 tokens at 0.5 per token, charged in whole units: 1 exactly, or 0.5 twice
        ('places = 0, mode = "half_even"', 1),
        ('places = 0, mode = "half_even", per = "component"', 0),
        ('places = 0, mode = "half_up", per = "component"', 2),
        ('places = 0, mode = "up", per = "component"', 2),
        ('places = 0, mode = "down", per = "component"', 0),
    ],
)
def test_rounding_rules(book_of: object, rule: str, units: int) -> None:
    rest = ROUNDING.replace('"0.5"', '{ price = "0.5", per = 1 }')
    book = book_of(rest, f"rounding = {{ {rule} }}")  # type: ignore[operator]
    assert engine.pricer(book, "m").charge(Usage(1, output=1)).units == units * NANO


@pytest.mark.parametrize(
    ("mode", "units"), [("half_even", 2), ("half_up", 3), ("up", 3), ("down", 2)]
)
def test_rounding_of_a_tie_at_two_decimals(book_of: object, mode: str, units: int) -> None:
    rest = ROUNDING.replace('"0.5"', '{ price = "0.005", per = 1 }')
    head = f'rounding = {{ places = 2, mode = "{mode}" }}'
    book = book_of(rest, head)  # type: ignore[operator]
    assert engine.pricer(book, "m").charge(Usage(5)).units == units * 10**7


def test_reasoning_with_a_price_of_its_own_is_taken_out_of_the_output(book_of: object) -> None:
    book = book_of('[[models]]\nid = "m"\nrates = { output = "2", reasoning = "3" }\n')  # type: ignore[operator]
    usage = Usage(output=MILLION, reasoning=MILLION // 4)
    assert charged(book, "m", usage) == Fraction("1.5") + Fraction("0.75")


def test_hours_across_midnight(book_of: object) -> None:
    book = book_of(  # type: ignore[operator]
        """
[[models]]
id = "m"
[[models.periods]]
rates = { input = "2" }
[[models.periods]]
hours = [["16:30", "00:30"]]
rates = { input = "1" }
"""
    )
    for clock, price in (("16:29", 2), ("16:30", 1), ("23:59", 1), ("00:29", 1), ("00:30", 2)):
        at = f"2026-11-20T{clock}:00Z"
        assert charged(book, "m", Usage(MILLION), at=at) == price, clock


def test_a_negotiated_percent_is_the_operators(edited: Edit) -> None:
    usage = Usage(MILLION, output=MILLION)
    got = charged("nextoken", "nex-pro", usage, tier="enterprise", negotiated="15")
    assert got == Fraction("0.5") * Fraction("0.85")
    assert charged("nextoken", "nex-pro", usage, tier="enterprise") == Fraction("0.4875")


def test_a_snapshot_recomputes_the_charge() -> None:
    pricer = engine.pricer(books.load("nextoken"), "gpt-4o", batch=True, tier="pro")
    kept = json.loads(json.dumps(pricer.snapshot()))
    usage = Usage(1000, 300, 0, 777)
    (row,) = kept["forms"][0]
    quantities = {"input": 700, "cached_input": 300, "output": 777}
    amount = sum(
        quantity
        * Fraction(row["rates"][meter]["price"])
        / row["rates"][meter]["per"]
        * Fraction(row["rates"][meter]["factor"])
        for meter, quantity in quantities.items()
    )
    assert round(amount * NANO) == pricer.charge(usage).units
    assert kept["price_book"] == "nextoken@2026-11-20"
    assert len(kept["sha256"]) == 64


def test_ratio_product_of_imported_ratios(book_of: object) -> None:
    book = book_of(  # type: ignore[operator]
        """
[groups]
default = "1"
pro = "0.8"
[[models]]
id = "m"
ratios = { model = "2.5", completion = "4" }
"""
    )
    usage = Usage(1000, output=100)
    # (prompt + completion x 4) x 2.5 x group
    assert charged(book, "m", usage) == 3500
    assert charged(book, "m", usage, group="pro") == 2800
    with pytest.raises(UsageError):
        charged(book, "m", usage, group="team")
    with pytest.raises(UnpricedError):
        charged(book, "m", Usage(10, 5))


def test_units_other_than_tokens_and_a_price_per_request(book_of: object) -> None:
    book = book_of(  # type: ignore[operator]
        """
[[models]]
id = "m"
[models.rates]
request = "0.001"
image = "0.04"
video = "0.5"
gpu_second = "0.0002"
second = { price = "0.36", per = 3600 }
"""
    )
    usage = Usage(request=2, image=3, second=60, video=1, gpu_second=10)
    expected = Fraction("0.002") + Fraction("0.12") + Fraction("0.5") + Fraction("0.002")
    assert charged(book, "m", usage) == expected + Fraction("0.006")
