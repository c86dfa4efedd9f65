"""Plans that follow from recharges, plans that the operator sets, discounts that it agrees."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from operator_kit import operate, put
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
    mine = rig.ask("GET", "/v1/subscription").body
    assert (mine["state"], mine["paid_period"]) == ("active", paid["paid_period"])
    assert mine["renews_at"] is not None
    for name in ("pro", "business"):
        assert operate(rig, "PUT", path, {"plan": name}).body["state"] == "given"
        mine = rig.ask("GET", "/v1/subscription").body
        assert (mine["plan"], mine["state"], mine["renews_at"]) == (name, "active", None)
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


def test_a_plans_budgets_follow_the_book_in_force_and_refuse_nobody(relay: Rig) -> None:
    """Its money budgets are worth what a credit is worth: another rate is another amount."""
    recharge(relay, "9")
    assert relay.chat(model="gpt-5.2").status == 200
    spent = {row["name"]: row["spent"] for row in relay.ask("GET", "/v1/budgets").body["data"]}
    put(relay, {}, credit={"amount": "1", "currency": "USD", "per": "500000"})
    assert relay.chat(model="gpt-5.2").status == 200
    rows = {row["name"]: row for row in relay.ask("GET", "/v1/budgets").body["data"]}
    assert (rows["high_cost"]["amount"], rows["high_cost"]["set_by"]) == ("600000", "plan")
    assert int(rows["allowance_input"]["spent"]) == 2 * int(spent["allowance_input"]) > 0
    for path in ("high_cost", "allowance_input"):
        assert refused(relay, "DELETE", f"/v1/budgets/{rows[path]['id']}") == "not_permitted"
    own = {"scope": "customer", "name": "high_cost", "window": "month", "amount": "5"}
    assert refused(relay, "PUT", "/v1/budgets", own) == "not_permitted"


def refused(rig: Rig, method: str, path: str, body: Any = None) -> str:
    return rig.ask(method, path, body).code


def test_a_plans_budget_takes_the_place_of_the_customers_own_of_its_name(relay: Rig) -> None:
    own = {"scope": "customer", "name": "high_cost", "window": "month", "amount": "5"}
    assert relay.ask("PUT", "/v1/budgets", own).status == 200
    recharge(relay, "9")
    assert relay.chat(model="gpt-5.2").status == 200
    rows = {row["name"]: row for row in relay.ask("GET", "/v1/budgets").body["data"]}
    assert (rows["high_cost"]["amount"], rows["high_cost"]["set_by"]) == ("1200000", "plan")


def test_a_plans_alerts_are_shares(relay: Rig) -> None:
    from nexctl.server.allowances import plan_budgets

    plan = relay.house.book.plans["starter"]
    row = {**plan.budgets[0], "alert_at": ["0.8", "1"]}
    book = type("B", (), {"plans": {"p": type("P", (), {"budgets": [row]})}, "unit": "credits"})
    assert plan_budgets(book, "p")[0]["alert_at"] == [80, 100]  # type: ignore[arg-type]


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
