"""Wrong charges that other projects shipped, each as a rule that must not break here."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest
from pricing_kit import Edit, charged

from nexctl.errors import UnpricedError, UsageError
from nexctl.pricing import as_input, books, engine
from nexctl.pricing.book import Book
from nexctl.pricing.compare import usage_of
from nexctl.records import Usage

MILLION = 10**6


def test_cached_tokens_are_not_counted_twice_where_input_includes_them() -> None:
    # LiteLLM #6215, #14849, #9812, #6575, #5443, #14874, #15945; aider #5516; pi #2148
    plain = charged("openai", "gpt-4o", Usage(2000))
    cached = charged("openai", "gpt-4o", Usage(10_000, 8000))
    assert cached == plain + 8000 * Fraction("1.25") / MILLION


def test_cached_tokens_are_not_subtracted_where_input_leaves_them_out() -> None:
    # the same bugs the other way round
    beside = charged("anthropic", "claude-sonnet-4-5", Usage(2000, 8000))
    assert beside == 2000 * Fraction(3) / MILLION + 8000 * Fraction("0.3") / MILLION
    assert usage_of(books.load("anthropic"), input_tokens=10_000, cached=8000).input == 2000


def test_cache_writes_have_their_own_price() -> None:
    # LiteLLM #9812
    assert charged("anthropic", "claude-sonnet-4-5", Usage(0, 0, MILLION // 10)) == Fraction(
        "0.375"
    )


def test_batch_is_discounted() -> None:
    # LiteLLM #9077, #38341; dust #23702
    assert charged("openai", "gpt-4o", Usage(MILLION), batch=True) == Fraction("1.25")


def test_batch_is_never_zero() -> None:
    # LiteLLM #37219: Bedrock batches at $0
    for book in books.shipped():
        loaded = books.load(book)
        for model in loaded.models.values():
            try:
                units = (
                    engine.pricer(loaded, model, batch=True).charge(Usage(MILLION, 0, 0, 0)).units
                )
            except UnpricedError:
                continue
            assert units > 0, model


def test_batch_and_cached_stack_only_where_the_vendor_stacks_them() -> None:
    # loreai #503: Anthropic halves cache reads in batches too, OpenAI does not
    openai = charged("openai", "gpt-4o", Usage(MILLION // 10, MILLION // 10), batch=True)
    assert openai == Fraction("0.125")
    anthropic = charged("anthropic", "claude-sonnet-4-5", Usage(0, MILLION // 10), batch=True)
    assert anthropic == Fraction("0.015")


def test_stacking_is_data(edited: Edit) -> None:
    usage = Usage(MILLION, MILLION)
    assert charged("nextoken", "gpt-4o", usage, batch=True) == Fraction("1.3") * Fraction("0.7")
    apart = edited(
        "nextoken", ("batch_with_cached = { value = true", "batch_with_cached = { value = false")
    )
    assert charged(apart, "gpt-4o", usage, batch=True) == Fraction("1.3")


def test_reasoning_tokens_are_not_added_on_top_of_output() -> None:
    # opencode #17566, browser-use #4075, llmgateway #3486, model-hotel #991, LiteLLM #39850
    with_thoughts = charged("openai", "o3", Usage(0, output=5000, reasoning=4000))
    assert with_thoughts == charged("openai", "o3", Usage(0, output=5000))


def test_reasoning_tokens_are_charged_where_the_vendor_reports_them_apart() -> None:
    # Gemini reports thoughts beside the output
    apart = charged("google", "gemini-2.5-pro", Usage(0, output=1000, reasoning=4000))
    assert apart == charged("google", "gemini-2.5-pro", Usage(0, output=5000))


def test_more_reasoning_than_output_is_refused() -> None:
    with pytest.raises(UsageError) as refused:
        charged("openai", "o3", Usage(0, output=10, reasoning=11))
    assert refused.value.code == "reasoning_exceeds_output"


def test_a_context_tier_is_a_cliff_for_the_whole_request() -> None:
    # genai-prices #241, opik #6982, LiteLLM #30135, #34729: not marginal
    below = charged("openai", "gpt-5.4", Usage(272_000))
    above = charged("openai", "gpt-5.4", Usage(272_001))
    assert below == 272_000 * Fraction("2.5") / MILLION
    assert above == 272_001 * Fraction("5") / MILLION


def test_a_context_tier_is_chosen_from_all_input_not_by_bucket() -> None:
    # tokscale #862: 270,540 uncached + 7,936 cached cross 272,000
    crossing = charged("openai", "gpt-5.4", Usage(278_476, 7936, 0, 1000))
    expected = 270_540 * Fraction(5) + 7936 * Fraction("0.5") + 1000 * Fraction("22.5")
    assert crossing == expected / MILLION


def test_a_context_tier_counts_cached_tokens_that_stand_beside_the_input() -> None:
    crossing = charged("anthropic", "claude-sonnet-4-5", Usage(100_000, 100_001))
    expected = 100_000 * Fraction(6) + 100_001 * Fraction("0.6")
    assert crossing == expected / MILLION


def test_no_float_dust() -> None:
    # LiteLLM #8867, llmgateway #1193, #2255, agentops #284, posthog #50294
    tenth = charged("nextoken", "nex-pro", Usage(1))
    assert sum([tenth] * 3) == Fraction("0.0000003")
    charge = engine.pricer(books.load("nextoken"), "gemini-2.5-flash").charge(Usage(1))
    assert Fraction(*charge.exact) == Fraction("0.075") / MILLION


def test_a_stream_without_usage_is_an_error_not_a_free_request() -> None:
    # Conduit #767, ferro #281, LiteLLM #40100, #37924, langchain #39330
    with pytest.raises(UsageError):
        charged("openai", "gpt-4o", Usage(None, None, None, None))  # type: ignore[arg-type]


def test_a_semantic_hit_costs_its_share_of_everything_and_never_in_batches() -> None:
    # LiteLLM #39057, #39960; llmgateway #2518
    usage = Usage(MILLION, MILLION // 2, 0, MILLION)
    plain = Fraction("2.60") + Fraction("10.40")
    assert charged("nextoken", "gpt-4o", usage, semantic_hit=True) == plain * Fraction("0.05")
    for model, conditions in (("gpt-4o", {"batch": True}), ("nex-embed-zh", {})):
        with pytest.raises(UsageError):
            charged("nextoken", model, Usage(1), semantic_hit=True, **conditions)
    with pytest.raises(UnpricedError):
        charged("openai", "gpt-4o", Usage(1), semantic_hit=True)


@pytest.mark.parametrize("meter", ["image", "second", "video", "gpu_second", "cache_write"])
def test_a_used_meter_without_a_price_is_refused_not_free(meter: str) -> None:
    # genai-prices #354
    with pytest.raises(UnpricedError, match=meter) as refused:
        charged("nextoken", "gpt-4o", Usage(10)._replace(**{meter: 1}))
    assert refused.value.details["meter"] == meter
    assert refused.value.details["model"] == "gpt-4o"
    assert refused.value.details["book"] == "nextoken"


def test_no_reference_price_is_zero() -> None:
    # models.dev uses 0 as a placeholder for subscriptions
    for name in books.shipped():
        for model in books.load(name).models.values():
            for period in model.periods:
                for meter, rate in period["rates"].items():
                    assert rate[1] is None or Fraction(rate[1]) > 0, (name, model.id, meter)


def test_retired_models_keep_their_price() -> None:
    # a map that drops retired models bills old usage at $0.00
    assert charged("anthropic", "claude-sonnet-4-20250514", Usage(MILLION // 10)) == Fraction("0.3")


def test_a_huge_amount_is_refused_not_wrapped() -> None:
    with pytest.raises(UsageError) as refused:
        charged("openai", "gpt-4o", Usage(2**63))
    assert refused.value.code == "amount_too_large"


@pytest.mark.parametrize("inside", [True, False])
def test_only_the_part_without_a_price_of_its_own_is_plain_input(
    book_of: Callable[..., Book], inside: bool
) -> None:
    """Written tokens without a price took the cached ones' with them, or were charged nothing."""
    said = str(inside).lower()
    value = f'{{ value = {said}, said = "ours" }}'
    rules = f"[rules]\ninput_includes_cached = {value}\ninput_includes_cache_write = {value}\n"
    rates = '{ input = "10", cached_input = "1", output = "20" }'
    book = book_of(f'{rules}[[models]]\nid = "m"\nrates = {rates}\n')
    pricer = engine.pricer(book, book.find("m"))
    into = 1000 if inside else 400
    usage = Usage(into, 500, 100, 10)
    charge, used = as_input.charge(pricer, usage)
    assert used == Usage(1000 if inside else 500, 500, 0, 10)
    assert Fraction(charge.units, 10**9) == Fraction(500 * 10 + 500 * 1 + 10 * 20, MILLION)
    with pytest.raises(UnpricedError):
        as_input.charge(pricer, usage._replace(image=1))
