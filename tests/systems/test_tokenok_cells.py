"""TokenOK (its pricing page publishes no price), as its customers and its operator meet it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.systems.conftest import Open
from tests.systems.shop_kit import Shop


@pytest.fixture(scope="module")
def shop(open_shop: Open) -> Shop:
    return open_shop("tokenok", "--payments", "sandbox")


def said(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def test_without_prices_a_row_is_null_and_last_and_nothing_priced_is_exit_2(shop: Shop) -> None:
    asked = ("estimate", "-", "-m", "gpt-4o", "--on", "tokenok", "--on", "nextoken")
    rows = shop.data(*asked, stdin="hello")["estimates"]
    assert [row["gateway"] for row in rows] == ["nextoken", "tokenok"]
    assert set(rows[1]["charge"].values()) == {None}
    assert any("publishes no prices" in note for note in rows[1]["notes"])
    alone = shop("estimate", "-", "-m", "gpt-4o", "--on", "tokenok", stdin="hello")
    assert alone.exit == 2
    gate = shop(*asked, "--max-cost", "1", stdin="hello")
    assert gate.exit == 2
    assert shop("prices", "show", "gpt-4o", "--on", "tokenok").exit == 2


def test_nothing_is_sold_before_the_operator_sets_prices(shop: Shop) -> None:
    shop.give("100")
    assert shop.data("models", "list") == []
    done = shop.chat({"model": "gpt-4.1-mini", "messages": said("hello")})
    assert (done.exit, shop.error(done)["code"]) == (2, "unpriced")
    assert (shop.balance(), shop.wallet()["held"]) == (Decimal(100), "0")


def test_credits_have_no_money_rate_until_the_operator_sets_one(shop: Shop) -> None:
    refused = shop.refused("wallet", "topup", "10")
    assert refused == (1, "not_offered")


def test_packages_are_named_and_their_prices_are_not_made_up(shop: Shop) -> None:
    packs = {row["id"]: row for row in shop.data("wallet", "packs")["packs"]}
    assert list(packs) == ["starter", "growth", "enterprise", "custom"]
    assert {row["amount"] for row in packs.values()} == {None}


def test_provider_keys_stay_apart_from_customers_keys(shop: Shop) -> None:
    secret = "sk-CANARY-0123456789abcdef"
    shop.data(
        *("admin", "providers", "add", "main", "--url", "https://api.example.com/v1"),
        *("--key-file", "-"),
        stdin=secret,
    )
    listed = shop("admin", "providers", "list", "-o", "json")
    assert "https://api.example.com/v1" in listed.out
    assert secret not in listed.out
    own = shop.key("customer")
    assert shop("admin", "providers", "list", NEXCTL_OPERATOR_KEY=own).exit == 4
    shop.verified()
