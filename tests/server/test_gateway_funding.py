"""Review, transfers, automatic top-up, wallets, claims, plans' fees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from server_kit import Rig
from test_gateway_bonuses import ordered, paid, proved, set_terms, topup

from nexctl.server import upkeep
from nexctl.server.ledger import autotopup, customers, funds, subscriptions
from nexctl.server.ledger.clock import HOUR
from nexctl.server.payments import auto, included, sandbox, subscribing

UNIT = 10**9


def burn(rig: Rig, amount: int, customer: str | None = None) -> None:
    """Spend without a provider."""
    rig.house.ledger.write(
        funds.adjust, customer or rig.made.customer, -amount, note="stands for usage", by="test"
    )


# ---------------------------------------------------------------- limits, review, transfers


def test_below_the_minimum_is_refused_and_above_self_service_is_reviewed(
    make: Callable[..., Rig],
) -> None:
    """deeptoken.app/pricing: 10+ self-serve minimum, up to 5000 before enterprise review."""
    rig = make(book="deeptoken", plan=None)
    for amount, code in (("9.99", "topup_below_minimum"), ("0.01", "topup_below_minimum")):
        got = rig.ask("POST", "/v1/wallet/top-ups", {"amount": amount})
        assert (got.status, got.code) == (400, code)
    assert ordered(rig, "10")["state"] == "opened"
    assert ordered(rig, "5000")["state"] == "opened"
    high = ordered(rig, "5000.01")
    assert high["state"] == "under_review"
    path, headers, body = sandbox.signed_event(rig.house, high["id"])
    assert rig.raw("POST", path, body, headers=headers).body["credited"] is False
    admin = f"/admin/v1/payments/{high['id']}/approve"
    assert rig.ask("POST", admin, {}, key=rig.operator).body["state"] == "opened"
    assert rig.wallet()["balance"] == "0"
    assert paid(rig, high)["state"] == "credited"
    assert rig.wallet()["balance"] == "5000.01"
    assert proved(rig)


def test_a_review_of_a_transfer_lets_it_be_paid_and_credits_nothing(
    make: Callable[..., Rig],
) -> None:
    rig = make(book="deeptoken", plan=None, payments="manual")
    high = ordered(rig, "6000", method="manual")
    admin = f"/admin/v1/payments/{high['id']}/approve"
    assert rig.ask("POST", admin, {}, key=rig.operator).body["state"] == "opened"
    assert rig.wallet()["balance"] == "0"
    proof = {"transaction": "wire-2026-1"}
    path = f"/v1/wallet/top-ups/{high['id']}"
    assert rig.ask("POST", path, proof).body["state"] == "submitted"
    assert rig.ask("POST", admin, {}, key=rig.operator).body["state"] == "credited"
    assert proved(rig)


def test_an_invoice_order_is_for_the_business_pack(make: Callable[..., Rig]) -> None:
    """deeptoken.app/pricing: Business, 5,000+, invoice path."""
    rig = make(book="deeptoken", plan=None, payments="manual")
    got = rig.ask("POST", "/v1/wallet/top-ups", {"amount": "50", "method": "invoice"})
    assert (got.status, got.code) == (400, "payment_method_unavailable")
    made = ordered(rig, "5000", pack="business", method="invoice")
    (paper,) = rig.ask("GET", "/v1/invoices").body["data"]
    assert (paper["state"], paper["total"], paper["subject"]) == ("issued", "5000", made["id"])
    rig.ask("POST", f"/v1/wallet/top-ups/{made['id']}", {"transaction": "wire-77"})
    approve = f"/admin/v1/payments/{made['id']}/approve"
    assert rig.ask("POST", approve, {}, key=rig.operator).body["state"] == "credited"
    (paper,) = rig.ask("GET", "/v1/invoices").body["data"]
    assert paper["state"] == "paid"
    # The same transfer is no other order's money, whatever way to pay that was made with.
    same = ordered(rig, "5000", method="manual")["id"]
    got = rig.ask("POST", f"/v1/wallet/top-ups/{same}", {"transaction": "wire-77"})
    assert (got.status, got.code) == (409, "state_conflict")
    other = ordered(rig, "5000", method="invoice")
    reject = f"/admin/v1/payments/{other['id']}/reject"
    rig.ask("POST", reject, {"reason": "not paid"}, key=rig.operator)
    states = {row["state"] for row in rig.ask("GET", "/v1/invoices").body["data"]}
    assert states == {"paid", "void"}
    assert proved(rig)


@pytest.mark.parametrize("ended", ["expired", "voided"])
def test_an_invoice_order_that_is_paid_after_all_has_an_invoice_that_counts(
    make: Callable[..., Rig], ended: str
) -> None:
    """Its first paper is void: the money that came late has one of its own, and reconciles."""
    rig = make(book="deeptoken", plan=None, payments="manual")
    made = ordered(rig, "5000", pack="business", method="invoice")
    if ended == "expired":
        clock(rig, rig.house.now() + 31 * 24 * HOUR)
        upkeep.once(rig.house)
    else:
        (paper,) = rig.ask("GET", "/v1/invoices").body["data"]
        path = f"/admin/v1/invoices/{paper['number']}/void"
        got = rig.ask("POST", path, {"reason": "typing error"}, key=rig.operator)
        assert got.status == 200, got
    (paper,) = rig.ask("GET", "/v1/invoices").body["data"]
    assert paper["state"] == "void"
    rig.ask("POST", f"/v1/wallet/top-ups/{made['id']}", {"transaction": "wire-late"})
    approve = f"/admin/v1/payments/{made['id']}/approve"
    assert rig.ask("POST", approve, {}, key=rig.operator).body["state"] == "credited"
    papers = rig.ask("GET", "/v1/invoices").body["data"]
    assert [row["state"] for row in papers] == ["paid", "void"]
    assert {row["subject"] for row in papers} == {made["id"]}
    refund = f"/admin/v1/payments/{made['id']}/refund"
    assert rig.ask("POST", refund, {"amount": "1000"}, key=rig.operator).status == 200
    note = rig.ask("GET", "/v1/invoices").body["data"][0]
    assert (note["kind"], note["corrects"]) == ("credit_note", papers[0]["number"])
    found = rig.ask("GET", "/admin/v1/reconcile", key=rig.operator).body
    assert (found["clean"], found["findings"]) == (True, [])
    assert proved(rig)


def test_each_open_usdt_order_has_an_amount_of_its_own(make: Callable[..., Rig]) -> None:
    rig = make(book="nexrelay", plan=None, payments="manual")
    made = [ordered(rig, "29", method="usdt", network="TRC20") for _ in range(40)]
    amounts = {row["pay_to"]["amount"] for row in made}
    assert len(amounts) == 40
    for row in made:
        assert row["total"] == "29"
        assert row["pay_to"]["network"] == "TRC20"
        assert row["pay_to"]["amount"].startswith("29.00")
    got = rig.ask("POST", "/v1/wallet/top-ups", {"amount": "29", "network": "SOL"})
    assert (got.status, got.code) == (400, "invalid_request")


def test_one_hash_pays_one_order_however_it_is_spelled(make: Callable[..., Rig]) -> None:
    rig = make(book="nexrelay", plan=None, payments="manual")
    first, second = (ordered(rig, "9", method="usdt") for _ in range(2))
    digits = "AbCd" * 16
    one = rig.ask("POST", f"/v1/wallet/top-ups/{first['id']}", {"transaction": "0x" + digits})
    assert one.body["state"] == "submitted"
    wide = "".join(chr(ord(digit) + 0xFEE0) for digit in digits)
    page = "https://tronscan.org/#/transaction/" + digits
    for spelled in (digits.lower(), " 0X" + digits.upper(), digits, wide, page, page + "?lang=en"):
        got = rig.ask("POST", f"/v1/wallet/top-ups/{second['id']}", {"transaction": spelled})
        assert (got.status, got.code) == (409, "state_conflict"), spelled
    # Nor does who approves give it to another order.
    got = rig.ask("POST", f"/v1/wallet/top-ups/{second['id']}", {"transaction": "cd" * 32})
    assert got.body["state"] == "submitted"
    got = rig.ask(
        "POST",
        f"/admin/v1/payments/{second['id']}/approve",
        {"transaction": "0X" + digits},
        key=rig.operator,
    )
    assert (got.status, got.code) == (409, "state_conflict")
    assert "for another order" in got.body["error"]["message"]


# ---------------------------------------------------------------- automatic top-up


def agree(rig: Rig, **fields: Any) -> Any:
    return rig.ask("PUT", "/v1/wallet/auto-top-up", {"below": "10", "amount": "50", **fields})


def test_a_wallet_that_runs_low_is_topped_up_once(make: Callable[..., Rig]) -> None:
    rig = make()
    got = agree(rig)
    assert (got.status, got.body["enabled"], got.body["open_order"]) == (200, True, None)
    burn(rig, 21 * UNIT)
    for _ in range(3):
        upkeep.once(rig.house)
    assert rig.wallet()["balance"] == "59"
    (order,) = rig.ask("GET", "/v1/wallet/top-ups").body["data"]
    assert (order["automatic"], order["state"]) == (True, "credited")
    assert proved(rig)


def test_a_target_buys_what_is_missing_and_setting_it_tops_up_at_once(
    make: Callable[..., Rig],
) -> None:
    rig = make()
    burn(rig, 25 * UNIT)
    got = rig.ask("PUT", "/v1/wallet/auto-top-up", {"below": "10", "target": "100"})
    assert got.body["ordered_this_month"] == "95"
    assert rig.wallet()["balance"] == "100"


@pytest.mark.parametrize(
    ("book", "terms", "budget", "said"),
    [
        ("nextoken", {"amount": "50"}, "49", "50"),
        ("nextoken", {"amount": None, "target": "100"}, "89.99", "90"),
        ("deeptoken", {"amount": None, "target": "11"}, "9", "10"),  # its least purchase
    ],
)
def test_a_months_budget_that_no_top_up_fits_is_refused(
    make: Callable[..., Rig], book: str, terms: dict[str, str], budget: str, said: str
) -> None:
    rig = make() if book == "nextoken" else make(book=book, plan=None)
    got = agree(rig, **terms, monthly_budget=budget)
    assert (got.status, got.body["error"]["param"]) == (400, "monthly_budget")
    assert f"one top-up is {said}, more than" in got.body["error"]["message"]
    assert rig.ask("GET", "/v1/wallet/auto-top-up").body["enabled"] is False
    assert agree(rig, **terms, monthly_budget=said).status == 200


def test_the_months_budget_stops_automatic_orders(make: Callable[..., Rig]) -> None:
    rig = make()
    agree(rig, monthly_budget="100")
    for _ in range(4):
        free = rig.house.read(autotopup.free_of, rig.made.customer)
        if free > UNIT:
            burn(rig, free - UNIT)
        auto.work(rig.house)
    shown = rig.ask("GET", "/v1/wallet/auto-top-up").body
    assert shown["ordered_this_month"] == "100"
    assert "budget has 0 left" in shown["note"]
    assert rig.wallet()["balance"] == "1"


def test_by_transfer_one_automatic_order_is_open_at_a_time(make: Callable[..., Rig]) -> None:
    rig = make(payments="manual")
    burn(rig, 25 * UNIT)
    first = agree(rig).body["open_order"]
    assert first is not None
    for _ in range(3):
        upkeep.once(rig.house)
    orders = rig.ask("GET", "/v1/wallet/top-ups").body["data"]
    assert [row["id"] for row in orders] == [first]
    off = rig.ask("DELETE", "/v1/wallet/auto-top-up")
    assert off.body["enabled"] is False


def test_automatic_top_up_is_the_plans_and_the_books(make: Callable[..., Rig]) -> None:
    """nextoken.biz/pricing.html: auto top-up from Pro on; NexRelay has none."""
    got = agree(make(plan="developer"))
    assert (got.status, got.code) == (403, "plan_limit")
    assert got.details["plan"] == "pro"
    got = agree(make(book="nexrelay", plan=None))
    assert (got.status, got.code) == (404, "not_offered")
    rig = make(book="deeptoken", plan=None)
    got = agree(rig, amount="9")
    assert (got.status, got.code) == (400, "topup_below_minimum")
    assert rig.ask("GET", "/v1/wallet/auto-top-up").body["enabled"] is False


def test_automatic_top_up_ends_with_the_plan_that_has_it(make: Callable[..., Rig]) -> None:
    """nextoken.biz/pricing.html: auto top-up from Pro on, whatever was agreed before."""
    rig = make(plan="pro")
    agree(rig)
    change_plan(rig, "developer")
    burn(rig, 9 * UNIT)
    upkeep.once(rig.house)
    assert rig.ask("GET", "/v1/wallet/top-ups").body["data"] == []
    assert "Developer" in rig.ask("GET", "/v1/wallet/auto-top-up").body["note"]
    change_plan(rig, "business")
    burn(rig, 1 * UNIT)
    clock(rig, rig.house.now() + HOUR)
    upkeep.once(rig.house)
    (order,) = rig.ask("GET", "/v1/wallet/top-ups").body["data"]
    assert (order["automatic"], order["state"]) == (True, "credited")


def test_nothing_is_bought_for_a_suspended_customer(make: Callable[..., Rig]) -> None:
    rig = make()
    agree(rig)
    suspend(rig, True)
    burn(rig, 21 * UNIT)
    upkeep.once(rig.house)
    assert rig.wallet()["balance"] == "9"
    suspend(rig, False)
    upkeep.once(rig.house)
    assert rig.wallet()["balance"] == "59"


# ---------------------------------------------------------------- wallets


def test_a_key_spends_from_the_wallet_that_it_was_given(make: Callable[..., Rig]) -> None:
    rig = make()
    secret = rig.key("team")
    made = rig.ask("POST", "/v1/wallets", {"name": "team", "keys": [rig.key_id("team")]})
    assert (made.status, made.body["first"], made.body["balance"]) == (200, False, "0")
    assert rig.chat(secret).code == "insufficient_balance"
    assert rig.wallet(secret)["balance"] == "0"
    paid(rig, ordered(rig, "5", wallet=made.body["id"]))
    assert rig.wallet(secret)["balance"] == "5"
    assert rig.chat(secret).status == 200
    assert rig.wallet()["balance"] == "30"
    assert rig.wallet(secret)["balance"] != "5"
    sub = rig.ask("POST", "/v1/keys", {"name": "s", "parent_id": rig.key_id("team")})
    assert rig.wallet(sub.body["secret"])["id"] == made.body["id"]
    back = rig.ask("PATCH", f"/v1/wallets/{made.body['id']}", {"keys": [], "name": "old"})
    assert (back.body["name"], back.body["keys"]) == ("old", [])
    assert rig.wallet(secret)["balance"] == "30"
    assert proved(rig)


def test_more_wallets_are_the_plans(make: Callable[..., Rig]) -> None:
    """nextoken.biz/pricing.html: multi-wallet from Business on."""
    rig = make(plan="pro")
    got = rig.ask("POST", "/v1/wallets", {"name": "team"})
    assert (got.status, got.code, got.details["plan"]) == (403, "plan_limit", "business")
    rig = make()
    assert rig.ask("POST", "/v1/wallets", {"name": "a"}).status == 200
    assert rig.ask("POST", "/v1/wallets", {"name": "a"}).code == "name_taken"
    assert len(rig.ask("GET", "/v1/wallets").body["data"]) == 2


def test_another_customers_wallet_and_keys_are_not_there(make: Callable[..., Rig]) -> None:
    rig = make()
    other = rig.customer("other")
    mine = rig.ask("POST", "/v1/wallets", {"name": "mine"}).body["id"]
    key = rig.ask("POST", "/v1/keys", {"name": "mine"}).body["id"]
    assert rig.ask("PATCH", f"/v1/wallets/{mine}", {"name": "x"}, key=other).status == 404
    assert rig.ask("POST", "/v1/wallets", {"name": "y", "keys": [key]}, key=other).status == 404
    body = {"amount": "5", "wallet": mine}
    assert rig.ask("POST", "/v1/wallet/top-ups", body, key=other).status == 404


# ---------------------------------------------------------------- claims


def test_nexus_credits_are_claimed_once_a_period_and_end(make: Callable[..., Rig]) -> None:
    rig = make(book="nexu", plan=None)
    got = rig.ask("POST", "/v1/wallet/grants/daily_bonus/claim")
    assert (got.status, got.body["amount"]) == (200, "100")
    assert got.body["expires_at"].endswith("T00:00:00Z")
    again = rig.ask("POST", "/v1/wallet/grants/daily_bonus/claim")
    assert (again.status, again.code) == (409, "code_used")
    assert rig.ask("POST", "/v1/wallet/grants/nothing/claim").status == 404
    tasks = {row["id"]: row for row in rig.ask("GET", "/v1/wallet/grants").body["tasks"]}
    assert len(tasks) == 9
    assert (tasks["daily_bonus"]["claimable"], tasks["github_star"]["claimable"]) == (False, True)
    assert rig.ask("POST", "/v1/wallet/grants/github_star/claim").body["amount"] == "700"
    assert rig.wallet()["balance"] == "800"
    assert proved(rig)


# ---------------------------------------------------------------- plans' fees


FEES = {"plan_fees": {"pro": "29", "business": "99"}}
SELLER_RULE = {"name": "Acme", "country": "SG", "kind": "business", "tax_id": "M90312345A"}


def test_a_plans_fee_is_debited_with_gst_for_singapore_and_none_elsewhere(
    make: Callable[..., Rig],
) -> None:
    """nextoken.biz/pricing.html: 9 % GST on subscription fees for Singapore customers only."""
    rig = make(plan="developer")
    set_terms(rig, FEES)
    topup(rig, "100")
    assert rig.ask("PUT", "/v1/billing-profile", SELLER_RULE).body["version"] == 1
    got = rig.ask("PUT", "/v1/subscription", {"plan": "pro"})
    assert (got.status, got.body["fee"], got.body["tax"], got.body["total"]) == (
        *(200, "29", "2.61"),
        "31.61",
    )
    # 5 once, 100 paid, 10 of the plan, less 29 and 9 % of it.
    assert rig.wallet()["balance"] == "83.39"
    fee = next(
        row for row in rig.ask("GET", "/v1/invoices").body["data"] if row["total"] == "31.61"
    )
    (line,) = fee["lines"]
    assert (line["net"], line["tax"], line["tax_percent"], line["tax_name"]) == (
        *("29", "2.61", "9"),
        "GST",
    )
    assert fee["seller"]["id"] == "UEN 202421160G"
    assert fee["customer"]["tax_id"] == "M90312345A"
    abroad = {**SELLER_RULE, "country": "DE"}
    assert rig.ask("PUT", "/v1/billing-profile", abroad).body["version"] == 2
    got = rig.ask("PUT", "/v1/subscription", {"plan": "business"})
    assert (got.body["tax"], got.body["total"]) == ("0", "99") if got.status == 200 else True
    assert proved(rig)


def test_a_fee_that_nobody_has_said_is_no_zero(make: Callable[..., Rig]) -> None:
    rig = make(plan="developer")
    topup(rig, "100")
    got = rig.ask("PUT", "/v1/subscription", {"plan": "pro"})
    assert (got.status, got.code) == (404, "not_offered")
    assert rig.ask("GET", "/v1/subscription").body["fee"] is None


def test_a_fee_has_no_part_of_a_cent(make: Callable[..., Rig]) -> None:
    rig = make()
    got = rig.ask("PUT", "/admin/v1/terms", {"plan_fees": {"pro": "5.001"}}, key=rig.operator)
    assert (got.status, got.code, got.body["error"]["param"]) == (
        *(400, "invalid_request", "plan_fees"),
    )


def test_a_fee_of_nothing_is_no_entry(make: Callable[..., Rig]) -> None:
    rig = make(plan="developer")
    set_terms(rig, {"plan_fees": {"pro": "0"}})
    assert rig.ask("PUT", "/v1/subscription", {"plan": "pro"}).body["fee"] == "0"
    assert rig.wallet()["balance"] == "15"
    assert proved(rig)


def test_given_credits_pay_no_fee(make: Callable[..., Rig]) -> None:
    rig = make(plan="business")
    set_terms(rig, {"plan_fees": {"pro": "20"}})
    got = rig.ask("PUT", "/v1/subscription", {"plan": "pro"})
    assert (got.status, got.code) == (402, "insufficient_balance")
    assert rig.ask("GET", "/v1/me").body["customer"]["plan"] == "business"


def test_a_plan_is_paid_and_its_credits_given_once_a_month(make: Callable[..., Rig]) -> None:
    rig = make(plan="developer")
    set_terms(rig, FEES)
    topup(rig, "300")
    for plan in ("pro", "business", "pro", "business"):
        assert rig.ask("PUT", "/v1/subscription", {"plan": plan}).status == 200
    # 5 + 300 - 29 - 99, and one month's included credits: those of the plan that came first.
    assert rig.wallet()["balance"] == "187"
    assert proved(rig)


def test_a_month_that_cannot_be_paid_waits_with_its_credits(make: Callable[..., Rig]) -> None:
    rig = make(plan="developer")
    set_terms(rig, FEES)
    topup(rig, "40")
    assert rig.ask("PUT", "/v1/subscription", {"plan": "pro"}).status == 200
    following = next_month(rig)
    rig.house.ledger.clock._floor = following
    included.grant_due(rig.house)
    shown = rig.ask("GET", "/v1/subscription").body
    assert (shown["state"], shown["plan"]) == ("past_due", "pro")
    topup(rig, "40")
    assert subscribing.renew_due(rig.house) == 1
    assert rig.ask("GET", "/v1/subscription").body["state"] == "active"
    kinds = [row["kind"] for row in rig.ask("GET", "/v1/wallet/ledger").body["data"]]
    assert kinds.count("subscription_fee") == 2
    assert proved(rig)


def clock(rig: Rig, at: int) -> None:
    rig.house.ledger.clock._floor = at


def change_plan(rig: Rig, plan: str) -> None:
    path = f"/admin/v1/subscriptions/{rig.made.customer}"
    assert rig.ask("PUT", path, {"plan": plan}, key=rig.operator).status == 200


def suspend(rig: Rig, suspended: bool) -> None:
    path = f"/admin/v1/customers/{rig.made.customer}/suspend"
    assert rig.ask("POST", path, {"suspended": suspended}, key=rig.operator).status == 200


def next_month(rig: Rig) -> int:
    from nexctl.server.ledger.months import month_in

    return month_in("UTC", rig.house.now())[2] + 3_600_000_000


def test_a_fee_that_is_said_no_more_is_owed_and_stops_nobody(make: Callable[..., Rig]) -> None:
    """The operator's next terms leave a fee out: the gateway goes on, for the others too."""
    rig = make(plan="developer")
    set_terms(rig, FEES)
    topup(rig, "100")
    assert rig.ask("PUT", "/v1/subscription", {"plan": "pro"}).status == 200
    other = rig.customer("zoe", plan="pro")
    set_terms(rig, {"minimum": "5"})
    clock(rig, next_month(rig))
    upkeep.once(rig.house)
    assert rig.ask("GET", "/v1/subscription").body["state"] == "past_due"
    assert rig.wallet(other)["balance"] == "10"
    assert any("pro" in alarm and "not published" in alarm for alarm in rig.house.alarms)
    assert len(rig.house.alarms) == 1
    upkeep.once(rig.house)
    assert len(rig.house.alarms) == 1, "told once"
    set_terms(rig, FEES)
    upkeep.once(rig.house)
    assert rig.ask("GET", "/v1/subscription").body["state"] == "active"
    assert rig.wallet()["balance"] == "52", "100 - 29 - 29 and this month's 10"
    assert proved(rig)


def test_a_month_that_began_while_suspended_is_charged_and_given_afterwards(
    make: Callable[..., Rig],
) -> None:
    rig = make(plan="developer")
    set_terms(rig, FEES)
    topup(rig, "100")
    assert rig.ask("PUT", "/v1/subscription", {"plan": "pro"}).status == 200
    suspend(rig, True)
    clock(rig, next_month(rig))
    upkeep.once(rig.house)
    assert rig.wallet()["balance"] == "71", "100 - 29, and nothing of the new month"
    suspend(rig, False)
    assert rig.wallet()["balance"] == "52"
    suspend(rig, True)
    suspend(rig, False)
    assert rig.wallet()["balance"] == "52", "once"
    assert proved(rig)


def test_fees_are_tried_again_for_everybody_and_for_nobody_who_is_suspended(
    make: Callable[..., Rig],
) -> None:
    rig = make(plan="developer")
    set_terms(rig, FEES)

    def owe(tx: Any) -> None:
        for number in range(103):
            made = customers.create(tx, f"c{number}", currency="USD", plan="pro")
            subscriptions.put(tx, made.id, "pro", "past_due")

    rig.house.ledger.write(owe)
    rows = rig.house.read(lambda tx: subscriptions.past_due(tx, most=999))
    owing = [row.customer for row in rows]
    for able in (*owing[-2:], owing[0]):
        rig.house.ledger.write(funds.adjust, able, 50 * UNIT, note="paid in", by="test")
    rig.house.ledger.write(customers.change, owing[-1], state="suspended")
    assert subscribing.renew_due(rig.house) == 2
    assert rig.house.read(autotopup.free_of, owing[-1]) == 50 * UNIT


def test_automatic_top_up_is_paid_by_invoice_only_where_an_order_may_be(
    make: Callable[..., Rig],
) -> None:
    """deeptoken.app/pricing: the invoice path is the Business pack's, from 5,000 on."""
    rig = make(book="deeptoken", plan=None, payments="manual")
    for terms in ({"amount": "50"}, {"amount": None, "target": "100"}):
        got = agree(rig, method="invoice", **terms)
        assert (got.status, got.code) == (400, "payment_method_unavailable")
    assert rig.ask("GET", "/v1/invoices").body["data"] == []
    assert agree(rig, amount="5000", method="invoice").status == 200
    (paper,) = rig.ask("GET", "/v1/invoices").body["data"]
    assert (paper["total"], paper["state"]) == ("5000", "issued")


@pytest.mark.parametrize("state", ["rejected", "under_review"])
def test_money_for_an_order_that_takes_none_is_told_to_the_operator(
    make: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    """A payment page stays open at its provider after an order was refused here."""
    rig = make(book="deeptoken", plan=None)
    told: list[str] = []
    monkeypatch.setattr(rig.house, "alarm", told.append)
    order = ordered(rig, "100" if state == "rejected" else "6000")
    if state == "rejected":
        path = f"/admin/v1/payments/{order['id']}/reject"
        assert rig.ask("POST", path, {"reason": "no"}, key=rig.operator).status == 200
    path, headers, body = sandbox.signed_event(rig.house, order["id"])
    assert rig.raw("POST", path, body, headers=headers).body["credited"] is False
    assert rig.wallet()["balance"] == "0"
    (text,) = told
    assert f"order_{state}" in text
    assert order["id"] in text
