"""The same requests that were put to three other price libraries, against the published prices.

Amounts were worked out by hand from the vendors' published rates. Where a price of that day cannot
be verified the answer is "unpriced", never another day's price.
"""

from __future__ import annotations

from fractions import Fraction

import pytest
from pricing_kit import charged

from nexctl.errors import UnpricedError, UsageError
from nexctl.pricing import books
from nexctl.pricing.compare import usage_of
from nexctl.records import Usage


@pytest.mark.parametrize(
    ("book", "model", "tokens", "conditions", "expected"),
    [
        ("openai", "gpt-4o-mini", {"input_tokens": 1000, "output": 500}, {}, "0.00045"),
        ("openai", "gpt-4o", {"input_tokens": 10_000, "cached": 8000, "output": 1000}, {}, "0.025"),
        (
            "anthropic",
            "claude-sonnet-4-20250514",
            {"input_tokens": 4765, "cache_write": 4735, "output": 250},
            {},
            "0.02159625",
        ),
        (
            "anthropic",
            "claude-sonnet-4-5",
            {"input_tokens": 10_000, "cache_write": 10_000},
            {"cache_ttl": "1h"},
            "0.06",
        ),
        ("google", "gemini-2.5-pro", {"input_tokens": 250_000, "output": 10_000}, {}, "0.775"),
        (
            "google",
            "gemini-2.5-pro",
            {"input_tokens": 250_000, "cached": 230_000, "output": 1000},
            {},
            "0.1225",
        ),
        ("openai", "o3", {"input_tokens": 1000, "output": 5000, "reasoning": 4000}, {}, "0.042"),
        ("openai", "o3", {"input_tokens": 10**6, "output": 10**6}, {"batch": True}, "5"),
        (
            "anthropic",
            "claude-sonnet-4-5",
            {"input_tokens": 100_000, "cached": 90_000, "output": 1000},
            {"batch": True},
            "0.036",
        ),
        (
            "openai",
            "gpt-4o",
            {"input_tokens": 100_000, "cached": 80_000, "output": 1000},
            {"batch": True},
            "0.13",
        ),
        ("openai", "o3", {"input_tokens": 1000, "output": 1000}, {"at": "2025-06-01"}, "0.05"),
        ("openai", "text-embedding-3-small", {"input_tokens": 1_234_567}, {}, "0.02469134"),
        ("openai", "gpt-5.4", {"input_tokens": 300_000, "output": 1000}, {}, "1.5225"),
    ],
    ids=["1", "2", "3", "4", "5", "6", "7", "8", "9", "9b", "10", "12", "15"],
)
def test_published_price(
    book: str, model: str, tokens: dict[str, int], conditions: dict[str, object], expected: str
) -> None:
    usage = usage_of(books.load(book), **tokens)
    assert charged(book, model, usage, **conditions) == Fraction(expected)


def test_2b_uncached_input_alone_beside_more_cached_tokens_is_refused() -> None:
    with pytest.raises(UsageError) as refused:
        charged("openai", "gpt-4o", Usage(input=2000, cached_input=8000, output=1000))
    assert refused.value.code == "cached_exceeds_input"


def test_8b_no_batch_price_is_verified_before_its_day() -> None:
    with pytest.raises(UnpricedError, match="no batch price"):
        charged("openai", "o3", Usage(10**6, output=10**6), batch=True, at="2026-09-01")


def test_8c_a_misspelt_condition_is_an_error_not_the_standard_price() -> None:
    with pytest.raises(TypeError):
        charged("openai", "o3", Usage(1), processing="Batch")
    with pytest.raises(UsageError):
        charged("nextoken", "nex-pro", Usage(1), tier="Bussiness")
    with pytest.raises(UnpricedError):
        charged("anthropic", "claude-sonnet-4-5", Usage(cache_write=1), cache_ttl="2h")


def test_11_audio_tokens_hidden_in_text_meters_are_refused() -> None:
    with pytest.raises(UnpricedError, match="unsupported"):
        charged("openai", "gpt-4o-audio-preview", Usage(input=500, output=300))
    with pytest.raises(UnpricedError, match="unsupported"):
        charged("openai", "gpt-realtime", Usage(input=500, output=300))


@pytest.mark.parametrize("name", ["nex-pro", "gpt-4o-foo", "claude-foo-9", "gpt-4o-2024", ""])
def test_13_unknown_models(name: str) -> None:
    for book in ("openai", "anthropic"):
        with pytest.raises(UsageError) as refused:
            books.load(book).find(name)
        assert refused.value.code == "unknown_model"


def test_17_more_cached_than_input() -> None:
    with pytest.raises(UsageError) as refused:
        charged("openai", "gpt-4o", Usage(input=1000, cached_input=2000))
    assert refused.value.code == "cached_exceeds_input"


def test_18_missing_usage_is_an_error() -> None:
    for missing in (Usage(input=None), Usage(10, output=None), Usage(10, None)):  # type: ignore[arg-type]
        with pytest.raises(UsageError) as refused:
            charged("openai", "gpt-4o", missing)
        assert refused.value.code == "bad_quantity"


def test_14_and_16_zero_quantities_truly_given_cost_nothing() -> None:
    assert charged("openai", "gpt-4o", Usage(input=0, output=0)) == 0
