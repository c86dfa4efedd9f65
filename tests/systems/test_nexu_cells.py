"""nexu (https://docs.nexu.io/guide/model-pricing), as its customers meet it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.systems.conftest import Open
from tests.systems.shop_kit import Shop, said

# model, rate, credits a conversation, conversations per 100 credits, group
TABLE = [
    ("deepseek-v3.2", "0.18", "0.13", 769, "maximum_savings"),
    ("minimax-m2.7", "0.43", "0.30", 333, "maximum_savings"),
    ("gemini-3.1-flash-lite-preview", "0.50", "0.35", 285, "balanced"),
    ("kimi-k2.5", "0.60", "0.42", 238, "balanced"),
    ("glm-5", "0.86", "0.60", 166, "balanced"),
    ("gemini-3-flash-preview", "1.00", "0.70", 142, "quality_first"),
    ("mimo-v2-pro", "1.14", "0.80", 125, "quality_first"),
    ("glm-5-turbo", "1.49", "1.04", 96, "quality_first"),
    ("gpt-5.4-mini", "1.50", "1.05", 95, "quality_first"),
]
CONVERSATION = {"metadata": {"echo.usage": "input=2000,output=2000,cached=0"}, "max_tokens": 4000}


@pytest.fixture(scope="module")
def shop(open_shop: Open) -> Shop:
    """After one task that earns credits."""
    made = open_shop("nexu")
    made.data("wallet", "grants", "claim", "github_star")
    return made


def test_credits_are_earned_by_tasks_and_without_them_it_is_429(open_shop: Open) -> None:
    """Refused with 429 there, which is exit 5 here; then a task is claimed, once, and expires."""
    import openai

    fresh = open_shop("nexu")
    request = {"model": "gemini-3-flash-preview", "messages": said("hello")}
    with pytest.raises(openai.RateLimitError) as refused:
        fresh.sdk(fresh.key("sdk")).chat.completions.create(**request)
    assert (refused.value.status_code, refused.value.code) == (429, "insufficient_credits")
    poor = fresh.chat(request)
    assert poor.exit == 5
    assert fresh.error(poor)["hint"] == "'nexctl wallet grants' shows what can be claimed"
    got = fresh.data("wallet", "grants", "claim", "github_star")
    listed = fresh.data("wallet", "grants")
    assert len(listed["tasks"]) > 1
    assert [row["amount"] for row in listed["grants"]] == [got["amount"]]
    assert fresh.refused("wallet", "grants", "claim", "github_star") == (1, "code_used")
    assert fresh.balance() == Decimal(got["amount"])
    assert fresh.chat(request).exit == 0
    fresh.verified()


def test_the_table_is_printed_to_the_digit_and_in_its_order(shop: Shop) -> None:
    listed = shop.data("prices", "list", "--on", "nexu")
    assert [row["model"] for row in listed] == [row[0] for row in TABLE]
    for model, rate, each, hundred, group in TABLE:
        shown = shop.data("prices", "show", model, "--on", "nexu")
        relative = shown["relative"]
        assert relative["rate"] == rate
        assert relative["credits_per_conversation"] == each
        assert relative["conversations_per_100"] == hundred
        assert group in shown["tags"]
    fresh = shop.data("estimate", "-", "--on", "nexu", stdin="hello")["estimates"][0]
    assert fresh["model"] == "gemini-3-flash-preview"
    text = shop("prices", "show", "glm-5", "--on", "nexu").out
    assert "rate 0.86x, 0.60 credits a conversation, 166 conversations per 100" in text
    assert "approximate" in text
    assert "system prompt" in text


@pytest.mark.parametrize("row", [TABLE[0], TABLE[5], TABLE[8]], ids=lambda row: row[0])
def test_the_typical_conversation_costs_what_the_page_prints(
    shop: Shop, key: str, row: tuple[str, ...]
) -> None:
    answer = shop.sdk(key).chat.completions.create(
        model=row[0], messages=said("word " * 2000), **CONVERSATION
    )
    assert Decimal(answer.model_extra["nex"]["charge"]) == Decimal(row[2])
    assert shop.record(answer.model_extra["nex"]["request_id"])["currency"] == "credits"
    shop.verified()


def test_an_unknown_split_is_a_range_in_the_estimate_and_never_charged(shop: Shop) -> None:
    asked = ("estimate", "-", "--on", "nexu", "-m", "mimo-v2-pro", "--output-tokens", "100")
    charge = shop.data(*asked, stdin="hello")["estimates"][0]["charge"]
    assert charge["expected"] is None
    assert Decimal(charge["low"]) < Decimal(charge["high"])
    done = shop.chat({"model": "mimo-v2-pro", "messages": said("hello")})
    assert (done.exit, shop.error(done)["code"]) == (2, "unpriced")
    done = shop.chat({"model": "gpt-4o", "messages": said("hello")})
    assert done.exit == 2


def test_an_own_key_is_no_credits_and_the_providers_fee_or_unknown(shop: Shop) -> None:
    asked = ("estimate", "-", "--on", "nexu", "--byok", "--output-tokens", "100", "-m")
    known = shop.data(*asked, "gpt-5.4-mini", stdin="hello")["estimates"][0]
    assert Decimal(known["charge"]["expected"]) == 0
    assert Decimal(known["provider_fee"]["charge"]["expected"]) > 0
    unknown = shop.data(*asked, "mimo-v2-pro", stdin="hello")["estimates"][0]
    assert set(unknown["provider_fee"]["charge"].values()) == {None}
    text = shop(*asked, "mimo-v2-pro", stdin="hello").out
    assert "free" not in text
    assert "unknown" in text


def test_a_credit_has_no_money_value(shop: Shop) -> None:
    estimate = shop.data("estimate", "-", "--on", "nexu", stdin="hello")["estimates"][0]
    assert (estimate["currency"], estimate["money"]) == ("credits", None)
