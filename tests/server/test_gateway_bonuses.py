"""Loyalty, promotional codes, and what becomes of them when money goes back."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from server_kit import Got, Rig

from nexctl.cli.gateway_ledger import repricer
from nexctl.server.ledger.verify import verify
from nexctl.server.payments import sandbox

GOLD = {"loyalty": [{"id": "gold", "at_least": "1000", "bonus_percent": "8"}]}


@pytest.fixture
def shop(make: Callable[..., Rig]) -> Rig:
    """NexToken's book, its Gold level from 1,000 of lifetime top-up on by the operator's word."""
    rig = make(plan="developer")
    set_terms(rig, GOLD)
    return rig


def set_terms(rig: Rig, terms: dict[str, Any]) -> Got:
    got = rig.ask("PUT", "/admin/v1/terms", terms, key=rig.operator)
    assert got.status == 200, got
    return got


def ordered(rig: Rig, amount: str, **fields: Any) -> dict[str, Any]:
    got = rig.ask("POST", "/v1/wallet/top-ups", {"amount": amount, **fields})
    assert got.status == 200, got
    return dict(got.body)


def paid(rig: Rig, order: dict[str, Any]) -> dict[str, Any]:
    path, headers, body = sandbox.signed_event(rig.house, order["id"])
    assert rig.raw("POST", path, body, headers=headers).body["credited"] is True
    return dict(rig.ask("GET", f"/v1/wallet/top-ups/{order['id']}").body)


def told(rig: Rig, order: dict[str, Any], kind: str) -> None:
    path, headers, body = sandbox.signed_event(rig.house, order["id"], kind)
    assert rig.raw("POST", path, body, headers=headers).status == 200


def topup(rig: Rig, amount: str, **fields: Any) -> dict[str, Any]:
    return paid(rig, ordered(rig, amount, **fields))


def refund(rig: Rig, order: dict[str, Any], **fields: Any) -> Got:
    return rig.ask("POST", f"/admin/v1/payments/{order['id']}/refund", fields, key=rig.operator)


def promo(rig: Rig, **fields: Any) -> str:
    got = rig.ask("POST", "/admin/v1/codes", {"kind": "promo", **fields}, key=rig.operator)
    assert got.status == 200, got
    return str(got.body["data"][0]["code"])


def proved(rig: Rig) -> bool:
    ledger = rig.house.ledger
    proof = verify(ledger, reprice=repricer(ledger))
    assert proof.violations == ()
    return True


def test_gold_tops_up_1000_and_receives_1080(shop: Rig) -> None:
    """nextoken.biz/pricing.html: Gold user tops up $1,000 -> receives $1,080 (+8 %)."""
    first = topup(shop, "1000")
    assert first["bonus"] == "0"
    preview = ordered(shop, "1000", preview=True)
    assert (preview["bonus"], preview["bonus_note"]) == ("80", "loyalty level gold")
    second = topup(shop, "1000")
    assert (second["credits"], second["bonus"], second["total"]) == ("1000", "80", "1000")
    assert shop.wallet()["balance"] == "2085"
    assert shop.wallet()["lifetime"] == "2000"
    assert proved(shop)


def test_an_unpublished_threshold_gives_nothing_until_the_operator_sets_it(
    make: Callable[..., Rig],
) -> None:
    rig = make(plan="developer")
    unset = rig.ask("GET", "/admin/v1/terms", key=rig.operator).body["unset"]
    assert "loyalty level gold: from which lifetime top-up on" in unset
    topup(rig, "5000")
    assert topup(rig, "1000")["bonus"] == "0"


def test_orders_made_together_do_not_all_count_as_the_later_one(shop: Rig) -> None:
    """The level is that of the lifetime top-up when each is credited, not when it was ordered."""
    topup(shop, "1000")
    gold, lost = ordered(shop, "100"), ordered(shop, "100")
    assert paid(shop, gold)["bonus"] == "8"
    first = shop.ask("GET", "/v1/wallet/top-ups").body["data"][-1]
    assert refund(shop, first).status == 200
    assert paid(shop, lost)["bonus"] == "0"
    assert proved(shop)


def test_loyalty_by_a_refunded_topup_is_taken_back(shop: Rig) -> None:
    lifting = topup(shop, "1000")
    bonus = topup(shop, "1000")
    assert bonus["bonus"] == "80"
    assert refund(shop, lifting).body["refunded"] == "1000"
    wallet = shop.wallet()
    assert (wallet["balance"], wallet["lifetime"]) == ("1005", "1000")
    assert "bonus" not in [lot["kind"] for lot in wallet["lots"]]
    assert refund(shop, bonus).body["refunded"] == "1000"
    assert shop.wallet()["balance"] == "5"
    assert proved(shop)


def test_loyalty_that_was_burnt_comes_off_the_refund_that_ends_it(shop: Rig) -> None:
    lifting = topup(shop, "1000")
    topup(shop, "1000")
    from nexctl.server.ledger import funds

    customer = shop.made.customer
    # The included 5 and the bonus of 80 burn first: 50 of the bonus are gone.
    shop.house.ledger.write(funds.adjust, customer, -55 * 10**9, note="stands for usage", by="test")
    got = refund(shop, lifting, amount="1000")
    assert (got.status, got.code) == (409, "not_refundable")
    assert (got.details["refundable"], got.details["currency"]) == ("950", "USD")
    assert refund(shop, lifting).body["refunded"] == "950"
    assert shop.wallet()["balance"] == "1000"
    assert proved(shop)


@pytest.mark.parametrize("won", [False, True])
def test_a_bonus_that_a_dispute_has_ended_is_not_taken_again(shop: Rig, won: bool) -> None:
    lifting, bonus = topup(shop, "1000"), topup(shop, "1000")
    told(shop, bonus, "payment.disputed")
    if won:
        told(shop, bonus, "payment.dispute_won")
    assert refund(shop, lifting).body["refunded"] == "1000"
    wallet = shop.wallet()
    assert (wallet["balance"], wallet["debt"]) == ("1005" if won else "5", "0")
    assert proved(shop)


def test_a_bonus_that_was_burnt_comes_off_its_own_refund(shop: Rig) -> None:
    topup(shop, "1000")
    second = topup(shop, "1000")
    from nexctl.server.ledger import funds

    shop.house.ledger.write(
        funds.adjust, shop.made.customer, -85 * 10**9, note="stands for usage", by="test"
    )
    got = refund(shop, second)
    assert got.body["refunded"] == "920"
    assert shop.wallet()["balance"] == "1000"
    assert proved(shop)


def test_a_promotional_code_replaces_the_loyalty_bonus(shop: Rig) -> None:
    topup(shop, "1000")
    code = promo(shop, percent="20")
    preview = ordered(shop, "100", promo_code=code, preview=True)
    assert (preview["bonus"], preview["promo_code"][:5]) == ("20", code[:5])
    done = topup(shop, "100", promo_code=code)
    assert (done["bonus"], done["bonus_note"]) == ("20", f"promotional code {code[:5]}")
    assert topup(shop, "100")["bonus"] == "8"
    assert proved(shop)


def test_a_promotional_code_is_used_once_a_customer_and_given_back_unpaid(shop: Rig) -> None:
    code = promo(shop, amount="7", uses=2)
    first = ordered(shop, "50", promo_code=code)
    again = shop.ask("POST", "/v1/wallet/top-ups", {"amount": "50", "promo_code": code})
    assert (again.status, again.code) == (409, "code_used")
    admin = f"/admin/v1/payments/{first['id']}/reject"
    assert shop.ask("POST", admin, {"reason": "test"}, key=shop.operator).status == 200
    assert topup(shop, "50", promo_code=code)["bonus"] == "7"
    other = shop.customer("other")
    body = {"amount": "50", "promo_code": code}
    assert shop.ask("POST", "/v1/wallet/top-ups", body, key=other).body["bonus"] == "7"
    third = shop.customer("third")
    assert shop.ask("POST", "/v1/wallet/top-ups", body, key=third).code == "code_used"
    assert proved(shop)


def test_codes_of_credits_and_promotional_codes_are_not_each_others(shop: Rig) -> None:
    made = shop.ask("POST", "/admin/v1/codes", {"amount": "5"}, key=shop.operator)
    plain = made.body["data"][0]["code"]
    got = shop.ask("POST", "/v1/wallet/top-ups", {"amount": "50", "promo_code": plain})
    assert (got.status, got.code) == (404, "code_not_found")
    code = promo(shop, percent="5")
    got = shop.ask("POST", "/v1/wallet/redeem", {"code": code})
    assert (got.status, got.code) == (404, "code_not_found")


def test_a_promotional_code_that_is_used_up_says_so(shop: Rig) -> None:
    """Until an order ends unpaid: then it can be used again."""

    def states(query: str = "") -> list[str]:
        got = shop.ask("GET", f"/admin/v1/codes{query}", key=shop.operator)
        return [row["state"] for row in got.body["data"]]

    code = promo(shop, amount="7")
    promo(shop, amount="7", uses=2)
    made = ordered(shop, "50", promo_code=code)
    assert sorted(states()) == ["open", "redeemed"]
    assert (states("?state=open"), states("?state=redeemed")) == (["open"], ["redeemed"])
    other = shop.customer("other")
    body = {"amount": "50", "promo_code": code}
    got = shop.ask("POST", "/v1/wallet/top-ups", body, key=other)
    assert (got.code, got.body["error"]["message"]) == ("code_used", "the code is redeemed")
    path = f"/admin/v1/payments/{made['id']}/reject"
    assert shop.ask("POST", path, {"reason": "no"}, key=shop.operator).status == 200
    assert states() == ["open", "open"]


def test_guessing_codes_is_limited(shop: Rig) -> None:
    body = {"amount": "50", "promo_code": "AAAAA-BBBBB", "preview": True}
    codes = [shop.ask("POST", "/v1/wallet/top-ups", body).code for _ in range(12)]
    assert codes[0] == "code_not_found"
    assert codes[-1] == "rate_limited"


def test_twenty_at_once_use_a_code_once(shop: Rig) -> None:
    code = promo(shop, percent="10")
    keys = [shop.customer(f"c{number}") for number in range(20)]
    body = {"amount": "50", "promo_code": code}
    with ThreadPoolExecutor(20) as pool:
        told = list(
            pool.map(lambda key: shop.ask("POST", "/v1/wallet/top-ups", body, key=key), keys)
        )
    assert sorted(got.status for got in told) == [200] + [409] * 19
    assert proved(shop)


def test_only_what_the_terms_can_mean_is_taken(shop: Rig) -> None:
    for terms in (
        {"loyalty": [{"id": "a", "at_least": "1", "bonus_percent": "101"}]},
        {"loyalty": [GOLD["loyalty"][0], GOLD["loyalty"][0]]},
        {"plan_fees": {"nope": "5"}},
        {"minimum": "10", "maximum": "5"},
        {"unknown": 1},
    ):
        got = shop.ask("PUT", "/admin/v1/terms", terms, key=shop.operator)
        assert (got.status, got.code) == (400, "invalid_request"), terms
