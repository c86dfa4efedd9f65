"""DeepToken (https://www.deeptoken.app/pricing), as its customers meet it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.systems.conftest import Open
from tests.systems.shop_kit import Shop

MILLION = 10**6


@pytest.fixture(scope="module")
def shop(open_shop: Open) -> Shop:
    made = open_shop("deeptoken", "--payments", "sandbox")
    made.buy("--pack", "builder")
    made.serve()
    return made


@pytest.fixture(scope="module")
def key(shop: Shop) -> str:
    return shop.key("sdk")


def said(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


@pytest.mark.parametrize(
    ("asked", "row", "into", "cached", "out"),
    [
        ("gpt-4.1-mini", "gpt-4.1-mini", "0.40", "0.10", "1.60"),
        ("claude-sonnet-4-5", "claude-sonnet-class", "3.00", "0.30", "15.00"),
    ],
)
def test_the_grids_rows_are_charged_and_the_price_used_is_recorded(
    shop: Shop, key: str, asked: str, row: str, into: str, cached: str, out: str
) -> None:
    before = shop.balance()
    answer = shop.sdk(key).chat.completions.create(
        model=asked,
        messages=said("Tell me again what you told me before, please"),
        max_completion_tokens=30,
        metadata={"echo.usage": "input=20,output=10,cached=8"},
    )
    wanted = (12 * Decimal(into) + 8 * Decimal(cached) + 10 * Decimal(out)) / MILLION
    assert Decimal(answer.model_extra["nex"]["charge"]) == wanted
    assert before - shop.balance() == wanted
    record = shop.record(answer.model_extra["nex"]["request_id"])
    rates = [record[f"rate_{name}"] for name in ("input", "cached_input", "output")]
    assert [Decimal(rate) for rate in rates] == [Decimal(into), Decimal(cached), Decimal(out)]
    assert shop.data("prices", "show", row, "--on", "deeptoken")["status"] == "example"
    shop.verified()


def test_rows_without_a_number_are_shown_and_never_charged(shop: Shop) -> None:
    media = shop.data("prices", "show", "image-video-models", "--on", "deeptoken")["rates"]
    assert {media[meter]["state"] for meter in ("image", "video", "gpu_second")} == {"varies"}
    assert media["input"]["words"] == "request based"
    assert (media["cached_input"]["state"], media["cached_input"]["words"]) == (
        *("not_applicable", "N/A"),
    )
    reasoning = shop.data("prices", "show", "deepseek-reasoning-class", "--on", "deeptoken")
    assert reasoning["rates"]["output"]["words"] == "model based"
    done = shop.chat({"model": "deepseek-r1", "messages": said("hello")})
    assert (done.exit, shop.error(done)["code"]) == (2, "unpriced")
    done = shop.chat({"model": "claude-sonnet-9", "messages": said("hello")})
    assert (done.exit, shop.error(done)["code"]) == (2, "model_not_found")
    assert shop.wallet()["held"] == "0"


def test_packs_and_custom_amounts_from_10_to_5000(shop: Shop) -> None:
    packs = {row["id"]: row["amount"] for row in shop.data("wallet", "packs")["packs"]}
    assert list(packs) == ["starter", "builder", "scale", "growth", "business", "commit"]
    assert [packs[name] for name in list(packs)[:4]] == ["10", "50", "200", "1000"]
    assert shop.data("wallet", "topup", "10")["amount"] == "10"
    assert shop.data("wallet", "topup", "5000")["state"] == "opened"
    assert shop.refused("wallet", "topup", "9.99") == (2, "topup_below_minimum")
    above = shop("wallet", "topup", "5000.01", "-o", "json")
    assert (above.exit, above.data["state"]) == (8, "under_review")


def test_auto_recharge_takes_a_threshold_and_a_refill_amount(shop: Shop) -> None:
    before = shop.balance()
    terms = ("--below", str(before + 5), "--amount", "20", "--monthly-budget", "60")
    made = shop.data("wallet", "auto-topup", "set", *terms, "--yes")
    assert (made["enabled"], made["amount"]) == (True, "20")
    assert shop.balance() == before + 20
    assert shop("wallet", "auto-topup", "off").exit == 0
    assert shop.refused(
        "wallet", "auto-topup", "set", "--below", "5", "--amount", "5", "--yes"
    ) == (*(2, "topup_below_minimum"),)


@pytest.mark.parametrize("window", ["5h", "1d", "7d"])
def test_a_keys_rolling_windows_are_hard_caps(shop: Shop, window: str) -> None:
    name = f"ci-{window}"
    secret = shop.key(name)
    shop.data("budgets", "set", f"0.000001/{window}", "--key", name)
    done = shop.chat({"model": "gpt-4.1-mini", "messages": said("hello")}, NEXCTL_API_KEY=secret)
    error = shop.error(done)
    assert done.exit == 5
    assert error["code"] in ("budget_exceeded", "budget_limit_exceeded")
    assert error["layer"] == "key"


def test_a_soft_budget_lets_pass(shop: Shop) -> None:
    secret = shop.key("soft")
    shop.data("budgets", "set", "0.000001/1d", "--key", "soft", "--soft", "--alert-at", "50")
    request = {"model": "gpt-4.1-mini", "messages": said("hello")}
    assert shop.chat(request, NEXCTL_API_KEY=secret).exit == 0


def test_nothing_is_gated_and_no_plan_is_chosen(shop: Shop) -> None:
    assert shop("gateway", "init", "other", "--book", "deeptoken", "--plan", "pro").exit == 2
    for command in (
        ("keys", "create", "--name", "b", "--budget", "5/month"),
        ("keys", "create", "--name", "l", "--label", "team=x"),
        ("wallet", "create", "research"),
        ("routes", "set", "a", "gpt-4.1-mini", "--for-model", "claude-sonnet-4-5"),
    ):
        done = shop(*command)
        assert done.exit == 0, done
    assert shop("routes", "remove", "a", "--yes").exit == 0
