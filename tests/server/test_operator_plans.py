"""Plans that follow from recharges, plans that the operator sets, discounts that it agrees."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from operator_kit import operate
from server_kit import Rig
from test_gateway_money_in import deliver, order

from nexctl.cli.gateway_ledger import repricer
from nexctl.server.ledger import verify


@pytest.fixture
def relay(make: Callable[..., Rig]) -> Rig:
    return make(book="nexrelay", plan=None)


def plan(rig: Rig) -> str | None:
    found: str | None = rig.ask("GET", "/v1/me").body["customer"]["plan"]
    return found


def recharge(rig: Rig, amount: str) -> None:
    assert deliver(rig, order(rig, amount=amount)["id"]).body["credited"]


def test_the_highest_recharge_ever_credited_sets_the_plan(relay: Rig) -> None:
    assert plan(relay) is None
    for amount, wanted in (("29", "pro"), ("9", "pro"), ("99", "business"), ("29", "business")):
        recharge(relay, amount)
        assert plan(relay) == wanted


def test_an_order_that_nobody_paid_sets_no_plan(relay: Rig) -> None:
    order(relay, amount="99")
    assert plan(relay) is None


def test_before_the_first_recharge_nothing_is_served(relay: Rig) -> None:
    got = relay.chat(model="gpt-5.4")
    assert (got.status, got.code) == (402, "insufficient_balance")
    recharge(relay, "9")
    assert relay.chat(model="gpt-5.4").status == 200


def test_plans_that_follow_from_recharges_are_not_chosen(relay: Rig) -> None:
    path = f"/subscriptions/{relay.made.customer}"
    assert operate(relay, "PUT", path, {"plan": "pro"}).code == "plan_limit"


def test_the_operator_gives_a_plan_or_charges_its_fee(rig: Rig) -> None:
    path = f"/subscriptions/{rig.made.customer}"
    (row,) = operate(rig, "GET", "/subscriptions").body["data"]
    assert (row["plan"], row["state"], row["fee"]) == ("business", "given", None)
    assert operate(rig, "PUT", path, {"plan": "pro"}).body["state"] == "given"
    refused = operate(rig, "PUT", path, {"plan": "business", "charge": True})
    assert refused.code == "not_offered"
    operate(rig, "PUT", "/terms", {"plan_fees": {"business": "29"}})
    assert (
        operate(rig, "PUT", path, {"plan": "business", "charge": True}).code
        == "insufficient_balance"
    )
    deliver(rig, order(rig)["id"])
    paid = operate(rig, "PUT", path, {"plan": "business", "charge": True}).body
    assert (paid["state"], paid["fee"]) == ("active", "29")
    assert paid["paid_period"] is not None
    assert operate(rig, "GET", "/subscriptions?state=active").body["data"] == [paid]
    assert operate(rig, "GET", "/subscriptions?state=past_due").body["data"] == []
    ended = operate(rig, "PUT", path, {"plan": None}).body
    assert (ended["plan"], ended["state"]) == (None, "cancelled")
    rows = [
        row
        for row in operate(rig, "GET", "/audit-log").body["data"]
        if row["action"] == "admin_subscriptions.set"
    ]
    assert rows[-1]["before"]["plan"] == "business"


def charged(rig: Rig) -> Decimal:
    got: Any = rig.chat(model="gpt-4.1-mini")
    assert got.status == 200, got
    return Decimal(got.body["nex"]["charge"])


def test_a_discount_agreed_with_a_customer_is_cut_from_its_charges(
    make: Callable[..., Rig],
) -> None:
    rig = make(book="deeptoken", plan=None)
    deliver(rig, order(rig)["id"])
    path = f"/customers/{rig.made.customer}/policy"
    whole = charged(rig)
    assert operate(rig, "PUT", path, {"discount_percent": "12.5"}).body["discount_percent"] == (
        "12.5"
    )
    assert charged(rig) == (whole * Decimal("0.875")).quantize(Decimal("1e-9"))
    assert operate(rig, "PUT", path, {"discount_percent": None}).status == 200
    assert charged(rig) == whole
    assert operate(rig, "PUT", path, {"discount_percent": "100"}).code == "invalid_request"
    proof = verify.verify(rig.house.ledger, reprice=repricer(rig.house.ledger))
    assert proof.clean, proof.violations
    other = rig.customer("other")
    assert rig.ask("GET", "/v1/usage", key=other).body["data"] == []


def test_a_book_that_leaves_no_discount_open_takes_none(relay: Rig) -> None:
    path = f"/customers/{relay.made.customer}/policy"
    assert operate(relay, "PUT", path, {"discount_percent": "5"}).code == "not_offered"


def test_who_is_on_no_plan_has_what_the_least_one_unlocks(make: Callable[..., Rig]) -> None:
    """Taking a plan away opens nothing: 20 requests, 3 keys, none of the features; no credits."""
    rig = make(plan="business")
    path = f"/subscriptions/{rig.made.customer}"
    before = rig.wallet()["balance"]
    assert operate(rig, "PUT", path, {"plan": None}).body["plan"] is None
    assert rig.wallet()["balance"] == before
    for method, where, body in (
        ("PUT", "/v1/wallet/auto-top-up", {"below": "1", "amount": "10"}),
        ("POST", "/v1/wallets", {"name": "second"}),
        ("PUT", "/v1/routing-rules", {"rules": [{"name": "r", "use": ["nex-pro"]}]}),
    ):
        got = rig.ask(method, where, body)
        assert (got.status, got.code) == (403, "plan_limit"), where
    key = rig.key("a")
    codes = [rig.chat(key, max_tokens=1).status for _ in range(21)]
    assert codes == [200] * 20 + [429]
    rig.key("b")
    rig.key("c")
    assert rig.ask("POST", "/v1/keys", {"name": "d"}).code == "plan_limit"
