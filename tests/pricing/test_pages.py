"""Every number of the five pricing pages, typed here by hand from the pages.

nextoken: https://nextoken.biz/pricing.html · nexrelay: https://gpt-55-token-relay.vercel.app/pricing
deeptoken: https://www.deeptoken.app/pricing · nexu: https://docs.nexu.io/guide/model-pricing
tokenok: its pricing page.
"""

from __future__ import annotations

from fractions import Fraction

import pytest
from pricing_kit import charged

from nexctl.errors import UnpricedError, UsageError
from nexctl.pricing import books, engine, listing, tiers
from nexctl.records import Usage

MILLION = 10**6
NANO = 10**9

NEXTOKEN = """
nex-pro 32000 0.10 0.40 - stream,tools
nex-auto - 0.30 1.20 - stream,tools
nex-reasoning 128000 1.20 4.80 - stream
nex-embed-zh 512 0.01 - - embeddings
gpt-4o 128000 2.60 10.40 0.08 stream,vision,tools
gpt-4o-mini 128000 0.16 0.65 0.08 stream,vision,tools
o1 200000 16.20 64.80 0.08 tools
o3-mini 200000 1.13 4.40 0.08 stream,tools
claude-opus-4 200000 15.00 75.00 0.07 stream,vision,tools
claude-sonnet-4 200000 3.00 15.00 0.07 stream,vision,tools
claude-haiku-4 200000 0.80 4.00 0.07 stream,vision,tools
gemini-2.5-pro 1000000 1.25 10.00 0.08 stream,vision,tools
gemini-2.5-flash 1000000 0.075 0.30 0.08 stream,vision,tools
llama-3.3-70b 128000 0.59 0.79 0.10 stream,tools
deepseek-v3 64000 0.27 1.10 0.10 stream,tools
mistral-large-2 128000 2.00 6.00 0.10 stream,tools
"""
NEXTOKEN_ROWS = [line.split() for line in NEXTOKEN.strip().splitlines()]


@pytest.mark.parametrize("row", NEXTOKEN_ROWS, ids=lambda row: row[0])
def test_nextoken_price_table(row: list[str]) -> None:
    name, context, into, out, stated, capabilities = row
    model = books.load("nextoken").find(name)
    assert model.context == (None if context == "-" else int(context))
    assert list(model.capabilities) == capabilities.split(",")
    assert model.markup["stated"] == (None if stated == "-" else stated)
    assert charged("nextoken", name, Usage(input=MILLION)) == Fraction(into)
    if out == "-":
        assert model.rates["output"].state == "not_applicable"
        with pytest.raises(UnpricedError):
            charged("nextoken", name, Usage(input=1, output=1))
    else:
        assert charged("nextoken", name, Usage(output=MILLION)) == Fraction(out)


def test_nextoken_has_no_other_rows_and_its_default_and_aliases() -> None:
    book = books.load("nextoken")
    assert list(book.models) == [row[0] for row in NEXTOKEN_ROWS]
    assert book.default_model == "nex-pro"
    assert book.find("nex-smart") is book.find("nex-coder") is book.find("nex-pro")
    assert book.models["nex-embed-zh"].data["dimensions"] == 1024


def test_nextoken_batch_and_semantic_cache() -> None:
    both = Usage(input=MILLION, output=MILLION)
    assert charged("nextoken", "nex-pro", both) == Fraction("0.50")
    assert charged("nextoken", "nex-pro", both, batch=True) == Fraction("0.35")
    assert charged("nextoken", "nex-pro", both, semantic_hit=True) == Fraction("0.025")


@pytest.mark.parametrize(
    ("model", "share"),
    [
        ("gpt-4o", "0.50"),
        ("claude-sonnet-4", "0.10"),
        ("deepseek-v3", "0.10"),
        ("gemini-2.5-pro", "0.25"),
    ],
)
def test_nextoken_passes_cached_input_through(model: str, share: str) -> None:
    plain = charged("nextoken", model, Usage(input=MILLION))
    assert charged("nextoken", model, Usage(MILLION, MILLION)) == plain * Fraction(share)


@pytest.mark.parametrize("model", ["nex-pro", "llama-3.3-70b", "mistral-large-2"])
def test_nextoken_cached_input_of_other_providers_is_unpublished(model: str) -> None:
    with pytest.raises(UnpricedError, match="cached_input"):
        charged("nextoken", model, Usage(10, 5))


@pytest.mark.parametrize(
    ("gross", "tier", "percent", "credit"),
    [
        ("0", "developer", "0", "0"),
        ("500", "developer", "0", "0"),
        ("500.000000001", "pro", "1", "5.00000000001"),
        ("5000", "pro", "1", "50"),
        ("5000.01", "business", "2.5", "125.00025"),
        ("50000", "business", "2.5", "1250"),
    ],
)
def test_nextoken_billing_tiers(gross: str, tier: str, percent: str, credit: str) -> None:
    units = int(Fraction(gross) * NANO)
    settled = tiers.month_credit(books.load("nextoken"), units)
    assert settled[:2] == (tier, percent)
    assert abs(settled.credit - Fraction(credit) * NANO) <= Fraction(1, 2)
    assert not settled.alert


def test_nextoken_above_the_last_tier_takes_the_last_percent_and_alerts_the_operator() -> None:
    settled = tiers.month_credit(books.load("nextoken"), 60_000 * NANO)
    assert settled == ("enterprise", "2.5", 1500 * NANO, True)
    agreed = tiers.month_credit(books.load("nextoken"), 60_000 * NANO, negotiated="15")
    assert agreed == ("enterprise", "15", 9000 * NANO, False)


def test_nextoken_tier_cuts_a_charge() -> None:
    both = Usage(input=MILLION, output=MILLION)
    assert charged("nextoken", "nex-pro", both, tier="developer") == Fraction("0.5")
    assert charged("nextoken", "nex-pro", both, tier="pro") == Fraction("0.495")
    assert charged("nextoken", "nex-pro", both, tier="business") == Fraction("0.4875")


def test_nextoken_loyalty() -> None:
    """How it is given is proved on the gateway (`tests/systems`)."""
    (gold,) = books.load("nextoken").data["loyalty"]["levels"]
    assert (gold["id"], gold["bonus_percent"], gold["at_least"]) == ("gold", "8", "unpublished")


PLANS = {
    # credits, every, rpm, keys, sub-keys, context, retention, sla, response
    "developer": ("5", "once", 20, 3, 0, 128_000, 7, "none", "Best effort"),
    "pro": ("10", "month", 200, 20, 3, 200_000, 30, "none", "<48h"),
    "business": ("30", "month", 1000, "unlimited", 10, MILLION, 90, "99.9%", "<8h"),
    "enterprise": (
        "custom",
        "month",
        "custom",
        "unlimited",
        "unlimited",
        MILLION,
        365,
        "99.99%",
        "<2h",
    ),
}
FEATURES = {
    # Developer, Pro, Business, Enterprise
    "smart_routing": (True, True, True, True),
    "fallback": (False, True, True, True),
    "custom_routing": (False, False, True, True),
    "dedicated_cluster": (False, False, False, True),
    "streaming": (True, True, True, True),
    "per_key_budgets": (False, True, True, True),
    "auto_topup": (False, True, True, True),
    "spend_alerts": ("email_only", True, True, True),
    "multi_wallet": (False, False, True, True),
    "analytics": ("basic", "standard", "advanced", "advanced"),
    "analytics_export": (False, False, False, True),
    "cost_labels": (False, False, True, True),
    "po_invoicing": (False, False, False, True),
}


@pytest.mark.parametrize("name", PLANS)
def test_nextoken_plan_table(name: str) -> None:
    plan = books.load("nextoken").plan(name)
    service = plan.data["service"]
    assert plan.credits is not None
    limits = plan.limits
    assert (
        plan.credits["amount"],
        plan.credits["every"],
        limits["rpm"],
        limits["keys"],
        limits["sub_keys"],
        limits["context"],
        limits["retention_days"],
        service["sla"],
        service["response_time"],
    ) == PLANS[name]
    column = list(PLANS).index(name)
    for feature, row in FEATURES.items():
        assert plan.features[feature] == row[column], feature


def test_nextoken_tax_and_seller() -> None:
    tax = books.load("nextoken").data["tax"]
    assert tax["seller_id"] == "UEN 202421160G"
    fee, usage = tax["rates"]
    assert (fee["on"], fee["country"], fee["percent"]) == ("subscription_fee", "SG", "9")
    assert (usage["on"], usage["percent"]) == ("usage_credits", "0")


def test_nexrelay_deduction_example() -> None:
    book = books.load("nexrelay")
    usage = Usage(input=100_000, output=20_000, cached_input=50_000)
    charge = engine.pricer(book, "gpt-5.4").charge(usage)
    assert Fraction(charge.units, 10**book.scale) == 125_000
    assert charge.currency == "credits"
    money = engine.money_value(book, charge.units)
    assert money == (125_000_000, "USD")  # $0.1250


@pytest.mark.parametrize("model", ["gpt-5.2", "gpt-5.3", "gpt-5.4", "gpt-5.5"])
def test_nexrelay_meters(model: str) -> None:
    assert charged("nexrelay", model, Usage(input=MILLION)) == MILLION
    assert charged("nexrelay", model, Usage(output=MILLION)) == MILLION
    assert charged("nexrelay", model, Usage(cached_input=MILLION)) == MILLION // 10


NEXRELAY_PLANS = {
    # recharge, input, output, cached, context, cap, max output, rpm, concurrency, high cost, route
    "starter": (9, 3, "0.6", 6, 32, 10, 1, 20, 2, "1.2", "2345"),
    "pro": (29, 18, "4", 40, 128, 62, 4, 120, 10, "8", "3245"),
    "business": (99, 85, "18", 200, 256, 303, 8, 600, 50, "35", "4532"),
}


@pytest.mark.parametrize("name", NEXRELAY_PLANS)
def test_nexrelay_cards(name: str) -> None:
    recharge, into, out, cached, context, cap, most, rpm, slots, high, route = NEXRELAY_PLANS[name]
    book = books.load("nexrelay")
    plan = book.plans[name]
    assert plan.data["recharge"] == str(recharge)
    assert plan.credits == {"amount": str(recharge), "every": "recharge", "unit": "USD"}
    budgets = {row["name"]: row for row in plan.budgets}
    assert int(budgets["allowance_input"]["amount"]) == into * MILLION
    assert int(budgets["allowance_output"]["amount"]) == Fraction(out) * MILLION
    assert int(budgets["allowance_cached_input"]["amount"]) == cached * MILLION
    assert int(budgets["monthly_cap"]["amount"]) == cap * MILLION
    assert budgets["high_cost"]["amount"] == high
    assert budgets["high_cost"]["models"] == ("gpt-5.5",)
    assert all(row["hard"] and row["window"] == "month" for row in plan.budgets)
    assert plan.limits["context"] == context * 1000
    assert plan.limits["max_output"] == most * 1000
    assert (plan.limits["rpm"], plan.limits["concurrency"]) == (rpm, slots)
    assert plan.route == tuple(f"gpt-5.{minor}" for minor in route)


def test_nexrelay_caps_are_the_raw_sums_of_the_allowances() -> None:
    for name in ("pro", "business"):
        rows = {
            row["name"]: int(row["amount"])
            for row in books.load("nexrelay").plans[name].budgets
            if row["unit"] == "tokens"
        }
        assert rows.pop("monthly_cap") == sum(rows.values())


def test_nexrelay_recharges() -> None:
    """Which are refused is proved on the gateway (`tests/systems`)."""
    assert books.load("nexrelay").data["topup"]["exact"] == ("9", "29", "99")


def test_nexrelay_plan_is_not_chosen() -> None:
    with pytest.raises(UsageError, match="highest recharge"):
        books.load("nexrelay").plan("pro")


def test_deeptoken_grid() -> None:
    for name, into, cached, out in (
        ("gpt-4.1-mini", "0.40", "0.10", "1.60"),
        ("claude-sonnet-class", "3.00", "0.30", "15.00"),
    ):
        assert charged("deeptoken", name, Usage(input=MILLION)) == Fraction(into)
        assert charged("deeptoken", name, Usage(MILLION, MILLION)) == Fraction(cached)
        assert charged("deeptoken", name, Usage(output=MILLION)) == Fraction(out)
    book = books.load("deeptoken")
    reasoning = book.models["deepseek-reasoning-class"].rates
    assert {reasoning[meter].words for meter in ("input", "cached_input", "output")} == {
        "model based"
    }
    media = book.models["image-video-models"].rates
    assert media["input"].words == media["output"].words == "request based"
    assert (media["cached_input"].state, media["cached_input"].words) == ("not_applicable", "N/A")
    assert all(model.status == "example" for model in book.models.values())


@pytest.mark.parametrize(
    "usage", [Usage(input=1), Usage(image=1), Usage(video=1), Usage(gpu_second=1), Usage()]
)
def test_deeptoken_rows_that_vary_cannot_be_charged(usage: Usage) -> None:
    with pytest.raises(UnpricedError, match="varies"):
        charged("deeptoken", "image-video-models", usage)


def test_deeptoken_class_rows_match_listed_ids_only() -> None:
    book = books.load("deeptoken")
    assert book.find("claude-sonnet-4-5").id == "claude-sonnet-class"
    assert book.find("deepseek-r1").id == "deepseek-reasoning-class"
    for other in ("claude-sonnet-9", "claude-opus-4", "deepseek-v3"):
        with pytest.raises(UsageError):
            book.find(other)


def test_deeptoken_packs_and_limits() -> None:
    book = books.load("deeptoken")
    packs = {row["id"]: row["amount"] for row in book.data["topup"]["packs"]}
    assert packs == {
        "starter": "10",
        "builder": "50",
        "scale": "200",
        "growth": "1000",
        "business": "5000",
        "commit": "custom",
    }
    topup = book.data["topup"]
    assert (topup["minimum"], topup["maximum"]) == ("10", "5000")


NEXU = """
deepseek-v3.2 0.18 0.13 769 maximum_savings
minimax-m2.7 0.43 0.30 333 maximum_savings
gemini-3.1-flash-lite-preview 0.50 0.35 285 balanced
kimi-k2.5 0.60 0.42 238 balanced
glm-5 0.86 0.60 166 balanced
gemini-3-flash-preview 1.00 0.70 142 quality_first
mimo-v2-pro 1.14 0.80 125 quality_first
glm-5-turbo 1.49 1.04 96 quality_first
gpt-5.4-mini 1.50 1.05 95 quality_first
"""


def test_nexu_table_to_the_digit_and_in_order() -> None:
    book = books.load("nexu")
    rows = [
        (
            row["model"],
            row["rate"],
            row["credits_per_conversation"],
            str(row["conversations_per_100"]),
            book.models[row["model"]].tags[0],
        )
        for row in map(listing.relative_row, book.models.values())
    ]
    assert rows == [tuple(line.split()) for line in NEXU.strip().splitlines()]
    assert book.default_model == "gemini-3-flash-preview"


@pytest.mark.parametrize("line", NEXU.strip().splitlines(), ids=lambda line: line.split()[0])
def test_nexu_typical_conversation_costs_what_the_page_prints(line: str) -> None:
    name, _rate, printed, _hundred, _tag = line.split()
    assert charged("nexu", name, Usage(input=2000, output=2000)) == Fraction(printed)


def test_nexu_splits_the_sum_by_the_vendors_list_prices() -> None:
    # gemini-3-flash-preview lists 0.50 / 3.00: 1/7 and 6/7 of 350 credits per million and million.
    assert charged("nexu", "gemini-3-flash-preview", Usage(input=MILLION)) == 50
    assert charged("nexu", "gemini-3-flash-preview", Usage(output=MILLION)) == 300


def test_nexu_unknown_split_is_a_range_without_an_expectation() -> None:
    pricer = engine.pricer(books.load("nexu"), "mimo-v2-pro")
    usage = Usage(input=9000, output=1000)
    # The sum is 0.80 credits for 2,000 + 2,000: 400 a million. Either meter may carry all of it.
    assert pricer.charge_range(usage) == (400_000_000, None, 3_600_000_000)
    with pytest.raises(UnpricedError):
        pricer.charge(usage)
    assert pricer.charge_range(Usage(2000, 0, 0, 2000)) == (800_000_000,) * 3


def test_nexu_own_key_costs_no_credits_but_the_providers_fee() -> None:
    book = books.load("nexu")
    usage = Usage(input=MILLION, output=MILLION)
    pricer = engine.pricer(book, "gpt-5.4-mini", byok=True)
    assert pricer.charge(usage).units == 0
    fee = pricer.provider_fee(usage)
    assert fee is not None
    assert (fee.units, fee.currency) == (5_250_000_000, "USD")
    assert engine.pricer(book, "mimo-v2-pro", byok=True).provider_fee(usage) is None
    with pytest.raises(UsageError):
        engine.pricer(books.load("nextoken"), "nex-pro", byok=True)


def test_nexu_credit_has_no_published_money_value() -> None:
    assert engine.money_value(books.load("nexu"), 10**9) is None


def test_tokenok_publishes_nothing() -> None:
    book = books.load("tokenok")
    assert not book.models
    assert book.unit == "CREDITS"
    assert book.credit_value is None
    with pytest.raises(UnpricedError, match="publishes no prices"):
        book.find("gpt-4o")
    packs = {row["id"]: row["amount"] for row in book.data["topup"]["packs"]}
    assert packs == {
        "starter": "unpublished",
        "growth": "unpublished",
        "enterprise": "unpublished",
        "custom": "custom",
    }


@pytest.mark.parametrize(
    ("model", "upstream", "meter", "printed"),
    [
        ("nex-pro", "gpt-4o", "input", 95),
        ("nex-pro", "gpt-4o", "output", 95),
        ("nex-reasoning", "o1", "input", 90),
        ("nex-reasoning", "o1", "output", 90),
        ("nex-embed-zh", "text-embedding-3-small", "input", 50),
    ],
)
def test_nextoken_cheaper_than_claims_hold_against_the_vendors_list(
    model: str, upstream: str, meter: str, printed: int
) -> None:
    """The page: "~95% cheaper than GPT-4o", "~90% cheaper than o1", "~50% cheaper than ..."."""
    usage = Usage(input=MILLION) if meter == "input" else Usage(output=MILLION)
    share = charged("nextoken", model, usage) / charged("openai", upstream, usage)
    assert abs(100 * (1 - share) - printed) <= 3


def test_nextoken_tier_table_says_what_spend_unlocks() -> None:
    """3 keys and 20 RPM, 200 RPM, custom routing: the plans' numbers, said again; up to 15%+."""
    book = books.load("nextoken")
    developer, pro = book.plan("developer"), book.plan("pro")
    assert (developer.limits["keys"], developer.limits["rpm"], pro.limits["rpm"]) == (3, 20, 200)
    assert book.plan("business").features["custom_routing"] is True
    said = next(row for row in book.conflicts if row["about"] == "plan or spend tier")
    assert "3 keys, 20 RPM, 200 RPM" in " ".join(said["says"])
    agreed = tiers.month_credit(book, 100_000 * NANO, negotiated="15")
    assert agreed.credit == 15_000 * NANO


def test_nexrelay_meters_in_money() -> None:
    """The page: $1.00 / 1M credits; 9, 29, 99 USD credits added; a Business card's worth."""
    book = books.load("nexrelay")
    million = MILLION * 10**book.scale
    assert engine.money_value(book, million) == (NANO, "USD")
    for name, dollars in (("starter", 9), ("pro", 29), ("business", 99)):
        assert book.plans[name].credits == {
            "amount": str(dollars),
            "every": "recharge",
            "unit": "USD",
        }
        credits_ = dollars * million
        assert engine.money_value(book, credits_) == (dollars * NANO, "USD")
    # The allowances of the Business card cost more than the card, and Starter's add up to 9.6M.
    allowed = Usage(input=85 * MILLION, output=18 * MILLION, cached_input=200 * MILLION)
    assert charged("nexrelay", "gpt-5.4", allowed) == 123 * MILLION
    starter = {row["name"]: int(row["amount"]) for row in book.plans["starter"].budgets[:3]}
    assert sum(starter.values()) == 9_600_000


def test_nexu_rates_are_ratios_to_the_default_model() -> None:
    """The page: 0.50x means half the cost of the default model, 1.50x 1.5 times."""
    typical = Usage(input=2000, output=2000)
    default = charged("nexu", "gemini-3-flash-preview", typical)
    assert charged("nexu", "gemini-3.1-flash-lite-preview", typical) == default / 2
    assert charged("nexu", "gpt-5.4-mini", typical) == default * Fraction("1.5")


def test_nexrelay_formula_and_printed_meters() -> None:
    """The page: "cached read credits x 0.1" beside "$0.10 / 1M credits"; the 0.1 counts once."""
    book = books.load("nexrelay")
    printed = {row["meter"]: row["unit_price"] for row in book.data["printed"]["rows"]}
    assert printed == {
        "Input tokens": "$1.00 / 1M credits",
        "Output tokens": "$1.00 / 1M credits",
        "Cached read tokens": "$0.10 / 1M credits",
    }
    for into, out, cached in ((18_240, 912, 4_096), (1, 1, 1), (0, 0, 10)):
        usage = Usage(input=into, output=out, cached_input=cached)
        assert charged("nexrelay", "gpt-5.4", usage) == into + out + cached * Fraction("0.1")


def test_nexrelay_answers_402_without_a_balance() -> None:
    """The page: "Insufficient balance returns 402 and no upstream request is sent"."""
    refusal = books.load("nexrelay").data["refusals"]["insufficient_balance"]
    assert (refusal["status"], refusal["code"]) == (402, "insufficient_balance")


def test_deeptoken_business_is_5000_or_more() -> None:
    """The page: "$5,000+"; only that card has a plus."""
    packs = books.load("deeptoken").data["topup"]["packs"]
    assert [row["id"] for row in packs if row.get("or_more")] == ["business"]
