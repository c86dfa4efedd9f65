"""Orders, the sandbox, manual payments, codes, included credits, refunds, and repeated writes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from server_kit import Calendar, Got, Rig

from nexctl.safety import signing
from nexctl.server import upkeep
from nexctl.server.ledger import funds, verify
from nexctl.server.ledger.clock import Clock
from nexctl.server.payments import included, sandbox
from nexctl.wire.base import encode


def deliver(rig: Rig, order: str, **change: Any) -> Got:
    """Deliver the signed event that pays an order, with something changed."""
    from nexctl.wire import payments

    path, headers, body = sandbox.signed_event(rig.house, order)
    if change:
        import msgspec

        event = msgspec.json.decode(body, type=payments.PaymentEvent)
        kept = {k: v for k, v in change.items() if k in ("amount", "currency", "payment_id")}
        data = msgspec.structs.replace(event.data, **kept)
        event = msgspec.structs.replace(event, data=data, type=change.get("type", event.type))
        body = encode(event)
        secret = rig.house.read(sandbox.secret)
        now = rig.house.now() // 1_000_000
        headers = signing.headers(secret, event.id, now, body)
    return rig.raw("POST", path, body, headers=headers)


def order(rig: Rig, **fields: Any) -> dict[str, Any]:
    got = rig.ask("POST", "/v1/wallet/top-ups", {"amount": "50", **fields})
    assert got.status == 200, got
    return dict(got.body)


def test_a_preview_makes_nothing(rig: Rig) -> None:
    got = order(rig, preview=True)
    assert (got["id"], got["state"], got["total"]) == (None, "preview", "50")
    for part in ("credits", "rate", "subtotal", "tax", "fee", "bonus", "total"):
        assert got[part] is not None, part
    assert rig.ask("GET", "/v1/wallet/top-ups").body["data"] == []


def test_the_sandbox_credits_once_after_its_signed_event(rig: Rig) -> None:
    made = order(rig)
    assert (made["state"], made["sandbox"]) == ("opened", True)
    assert rig.wallet()["balance"] == "30"
    path, headers, body = sandbox.signed_event(rig.house, made["id"])
    assert rig.raw("POST", path, body, headers=headers).body == {"received": True, "credited": True}
    assert rig.raw("POST", path, body, headers=headers).body["credited"] is False
    assert deliver(rig, made["id"]).body["credited"] is False
    wallet = rig.wallet()
    assert wallet["balance"] == "80"
    assert [(lot["kind"], lot["sandbox"]) for lot in wallet["lots"]] == [
        ("included", False),
        ("paid", True),
    ]
    assert rig.ask("GET", f"/v1/wallet/top-ups/{made['id']}").body["state"] == "credited"


def test_concurrent_deliveries_credit_once(rig: Rig) -> None:
    made = order(rig)
    path, headers, body = sandbox.signed_event(rig.house, made["id"])
    threads = [
        threading.Thread(target=rig.raw, args=("POST", path, body), kwargs={"headers": headers})
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rig.wallet()["balance"] == "80"


@pytest.mark.parametrize(
    "change", [{"amount": "49"}, {"amount": "5000"}, {"currency": "EUR"}, {"amount": "50.01"}]
)
def test_only_the_orders_own_amount_and_currency_credit(rig: Rig, change: dict[str, str]) -> None:
    made = order(rig)
    got = deliver(rig, made["id"], **change)
    assert (got.status, got.code) == (422, "payment_mismatch")
    assert rig.wallet()["balance"] == "30"
    assert deliver(rig, made["id"]).body["credited"] is True


def test_events_that_are_not_signed_now_are_refused(rig: Rig) -> None:
    made = order(rig)
    path, headers, body = sandbox.signed_event(rig.house, made["id"])
    old = {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) - 301)}
    other = signing.headers(
        signing.new_secret(), headers["webhook-id"], int(headers["webhook-timestamp"]), body
    )
    for sent, raw in ((old, body), (other, body), (headers, body + b" "), ({}, body)):
        got = rig.raw("POST", path, raw, headers=sent)
        assert (got.status, got.code) == (401, "invalid_signature")
    assert rig.wallet()["balance"] == "30"


def test_play_money_stands_alone_and_stays_here(make: Callable[..., Rig]) -> None:
    from nexctl.server.house import Options

    rig = make()
    methods = rig.ask("GET", "/v1/wallet/payment-methods").body["data"]
    assert [m["id"] for m in methods if m["enabled"]] == ["sandbox"]
    got = rig.ask("POST", "/v1/wallet/top-ups", {"amount": "5", "method": "usdt"})
    assert (got.status, got.code) == (400, "payment_method_unavailable")
    manual = make(payments="manual")
    methods = manual.ask("GET", "/v1/wallet/payment-methods").body["data"]
    assert "sandbox" not in [m["id"] for m in methods]
    assert manual.raw("POST", sandbox.WEBHOOK, b"{}").status == 404
    assert manual.raw("GET", "/sandbox/checkout/x.y").code == "not_offered"
    far = make(options=Options(loopback=False))
    assert far.raw("POST", sandbox.WEBHOOK, b"{}").status == 404


def test_the_checkout_page(make: Callable[..., Rig]) -> None:
    from nexctl.server.house import Options

    rig = make(options=Options(base_url="http://127.0.0.1:8787"))
    made = order(rig)
    path = made["checkout_url"].removeprefix("http://127.0.0.1:8787")
    page = rig.raw("GET", path)
    assert b"50.00 USD" in page.body
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert rig.raw("GET", path[:-1] + ("0" if path[-1] != "0" else "1")).status == 404
    assert b"paid" in rig.raw("POST", path).body
    assert b"paid" in rig.raw("POST", path).body
    assert rig.wallet()["balance"] == "80"


def test_manual_orders_need_an_operator(make: Callable[..., Rig]) -> None:
    rig = make(payments="manual")
    made = order(rig, method="usdt")
    assert (made["state"], made["pay_to"]["reference"]) == ("created", made["id"])
    path = f"/v1/wallet/top-ups/{made['id']}"
    admin = f"/admin/v1/payments/{made['id']}"
    assert rig.ask("POST", f"{admin}/approve", {}, key=rig.operator).code == "state_conflict"
    proof = {"transaction": " 0x" + "AB" * 32 + " ", "sender": "T-address"}
    assert rig.ask("POST", path, proof).body["state"] == "submitted"
    again = order(rig, method="usdt")
    spelled = {"transaction": "ab" * 32, "sender": "T-address"}
    got = rig.ask("POST", f"/v1/wallet/top-ups/{again['id']}", spelled)
    assert (got.status, got.code) == (409, "state_conflict")
    assert rig.wallet()["balance"] == "30"
    got = rig.ask("POST", f"{admin}/approve", {"note": "seen"}, key=rig.operator)
    assert got.body["state"] == "credited"
    assert got.body["decided_by"] != got.body["submitted_by"]
    assert rig.wallet()["balance"] == "80"
    assert rig.ask("POST", f"{admin}/approve", {}, key=rig.operator).code == "state_conflict"
    no = rig.ask(
        "POST", f"/admin/v1/payments/{again['id']}/reject", {"reason": "no"}, key=rig.operator
    )
    assert (no.body["state"], no.body["reason"]) == ("rejected", "no")


def test_a_chains_hash_needs_the_sender_where_the_amount_is_no_orders_own(
    make: Callable[..., Rig],
) -> None:
    """Whoever sees a transfer on a chain could else give it for an order of the same amount."""
    rig = make(payments="manual")
    hash_ = "ab" * 32
    path = f"/v1/wallet/top-ups/{order(rig, method='usdt')['id']}"
    got = rig.ask("POST", path, {"transaction": f"0x{hash_}"})
    assert (got.status, got.body["error"]["param"]) == (400, "sender")
    assert rig.ask("POST", path, {"transaction": f"0x{hash_}", "sender": "T"}).status == 200
    path = f"/v1/wallet/top-ups/{order(rig, method='usdt')['id']}"
    twice = {"transaction": f"{hash_}, 0x{hash_.upper()}", "sender": "T"}
    assert rig.ask("POST", path, twice).code == "state_conflict"
    assert rig.ask("POST", path, {"transaction": "our bank's 17"}).status == 200


def test_a_reference_is_kept_as_it_was_written_and_still_pays_one_order(
    make: Callable[..., Rig],
) -> None:
    rig = make(payments="manual")

    def submitted(text: str) -> Got:
        path = f"/v1/wallet/top-ups/{order(rig, method='usdt')['id']}"
        return rig.ask("POST", path, {"transaction": text, "sender": "T"})

    def shown(made: str) -> str:
        path = f"/admin/v1/payments/{made}"
        return str(rig.ask("GET", path, key=rig.operator).body["transaction"])

    first = submitted(" Statement 17,  line 4 ").body["id"]
    assert shown(first) == "Statement 17, line 4"
    for other in ("statement17,line4", "STATEMENT 17, LINE 4"):
        assert submitted(other).code == "state_conflict"
    path = f"/admin/v1/payments/{first}/approve"
    got = rig.ask("POST", path, {"transaction": "Statement 18, line 1"}, key=rig.operator)
    assert (got.body["state"], got.body["transaction"]) == ("credited", "Statement 18, line 1")
    hash_ = submitted("0x" + "AB" * 32).body["id"]
    assert shown(hash_) == "ab" * 32, "a hash has one spelling"


def test_who_submitted_cannot_approve(make: Callable[..., Rig]) -> None:
    from nexctl.server.ledger import orders

    rig = make(payments="manual")
    made = order(rig)
    me = rig.ask("GET", "/v1/me", key=rig.operator).body["key"]["id"]
    rig.house.ledger.write(orders.submit, made["id"], transaction="abcd", sender=None, by=me)
    got = rig.ask("POST", f"/admin/v1/payments/{made['id']}/approve", {}, key=rig.operator)
    assert (got.status, got.code) == (403, "approver_is_submitter")


@pytest.mark.parametrize("amount", ["4700000000", "9223372036.86", "999999999999.99"])
@pytest.mark.parametrize("fields", [{}, {"preview": True}])
def test_an_amount_that_64_bits_do_not_hold_is_refused(
    rig: Rig, amount: str, fields: dict[str, Any]
) -> None:
    got = rig.ask("POST", "/v1/wallet/top-ups", {"amount": amount, **fields})
    assert (got.status, got.code) == (400, "invalid_request")
    assert "too large" in got.body["error"]["message"]


def test_limits_of_self_service(make: Callable[..., Rig]) -> None:
    rig = make(book="deeptoken", plan=None, payments="manual")
    low = rig.ask("POST", "/v1/wallet/top-ups", {"amount": "9.99"})
    assert (low.status, low.code, low.details["minimum"]) == (400, "topup_below_minimum", "10")
    assert order(rig, amount="10")["state"] == "created"
    assert order(rig, amount="5000")["state"] == "created"
    assert order(rig, amount="5000.01")["state"] == "under_review"
    assert order(rig, amount=None, pack="builder")["amount"] == "50"
    wrong = rig.ask("POST", "/v1/wallet/top-ups", {"amount": "51", "pack": "builder"})
    assert wrong.code == "invalid_request"


def test_credits_at_the_books_rate(make: Callable[..., Rig]) -> None:
    rig = make(book="nexrelay", plan=None, payments="manual")
    got = order(rig, amount="9", preview=True)
    assert (got["credits"], got["credit_unit"], got["rate"]) == ("9000000", "credits", "1000000")
    assert rig.ask("POST", "/v1/wallet/top-ups", {"amount": "10"}).code == "invalid_request"
    assert (
        rig.ask("POST", "/v1/wallet/top-ups", {"amount": "9", "method": "paypal"}).code
        == "payment_method_unavailable"
    )


@pytest.mark.parametrize("amount", ["0", "-5", "1e3", "0.001", "abc", "9" * 13, "1_000", "١٢"])
def test_amounts_that_are_none(rig: Rig, amount: str) -> None:
    got = rig.ask("POST", "/v1/wallet/top-ups", {"amount": amount})
    assert got.status == 400, got
    got = rig.ask("PUT", "/v1/budgets", {"scope": "customer", "amount": amount})
    assert got.status == 400 or amount in ("0", "0.001"), got


def test_refunds_give_back_what_is_not_spent(rig: Rig) -> None:
    made = order(rig)
    deliver(rig, made["id"])
    admin = f"/admin/v1/payments/{made['id']}/refund"
    over = rig.ask("POST", admin, {"amount": "51"}, key=rig.operator)
    assert (over.status, over.code) == (409, "not_refundable")
    part = rig.ask("POST", admin, {"amount": "20"}, key=rig.operator).body
    assert (part["state"], part["refunded"]) == ("credited", "20")
    rest = rig.ask("POST", admin, {}, key=rig.operator).body
    assert (rest["state"], rest["refunded"]) == ("refunded", "50")
    assert rig.wallet()["balance"] == "30"


@pytest.mark.parametrize(
    ("book", "left", "finer"),
    [("deeptoken", "49.99", "0.001"), ("nexrelay", "28.999999", "0.0000001")],
)
def test_what_goes_back_by_hand_is_an_amount_that_a_transfer_carries(
    make: Callable[..., Rig], book: str, left: str, finer: str
) -> None:
    """Cents, or a chain's millionths: an operator cannot send billionths."""
    rig = make(book=book, plan=None, payments="manual")
    made = order(rig, amount="29" if book == "nexrelay" else "50")
    path = f"/admin/v1/payments/{made['id']}"
    submitted = {"transaction": "our bank's 17", "sender": "T"}
    assert rig.ask("POST", f"/v1/wallet/top-ups/{made['id']}", submitted).status == 200
    assert rig.ask("POST", f"{path}/approve", {}, key=rig.operator).status == 200
    rig.house.ledger.write(funds.adjust, rig.made.customer, -1, note="spent", by="test")
    got = rig.ask("POST", f"{path}/refund", {"amount": finer}, key=rig.operator)
    assert (got.status, got.body["error"]["param"]) == (400, "amount")
    assert rig.ask("POST", f"{path}/refund", {}, key=rig.operator).body["refunded"] == left
    assert rig.ask("GET", "/v1/invoices").body["data"][0]["total"] == left


def test_what_a_bank_took_back_is_not_paid_under_a_contract(make: Callable[..., Rig]) -> None:
    rig = make(book="deeptoken", plan=None)
    path = f"/admin/v1/customers/{rig.made.customer}/contract"
    terms = {"amount": "60000", "starts": "2020-01-01", "ends": "2099-01-01"}
    assert rig.ask("PUT", path, terms, key=rig.operator).status == 200
    made = order(rig, amount="6000", pack="commit")["id"]
    deliver(rig, made)
    assert rig.ask("GET", path, key=rig.operator).body["paid"] == "6000"
    for kind, paid in (("payment.disputed", "0"), ("payment.dispute_won", "6000")):
        target, headers, body = sandbox.signed_event(rig.house, made, kind)
        assert rig.raw("POST", target, body, headers=headers).status == 200
        assert rig.ask("GET", path, key=rig.operator).body["paid"] == paid


def test_codes_are_redeemed_once(rig: Rig) -> None:
    made = rig.ask("POST", "/admin/v1/codes", {"amount": "5", "count": 3}, key=rig.operator).body
    first, second, third = (row["code"] for row in made["data"])
    got = rig.ask("POST", "/v1/wallet/redeem", {"code": f" {first.lower().replace('-', ' ')} "})
    assert got.body["balance"] == "35"
    assert rig.ask("POST", "/v1/wallet/redeem", {"code": first}).code == "code_used"
    other = rig.customer("other")
    assert rig.ask("POST", "/v1/wallet/redeem", {"code": first}, key=other).code == "code_used"
    assert rig.ask("POST", "/v1/wallet/redeem", {"code": second}, key=other).status == 200
    assert rig.ask("POST", "/v1/wallet/redeem", {"code": "AAAAA-AAAAA"}).code == "code_not_found"
    listed = rig.ask("GET", "/admin/v1/codes", key=rig.operator).body["data"]
    assert all(row["code"] is None for row in listed)
    assert sorted(row["state"] for row in listed) == ["open", "redeemed", "redeemed"]
    assert third


def test_a_code_whose_credits_have_ended_gives_none(rig: Rig) -> None:
    calendar = Calendar(rig)

    def made(**fields: Any) -> Got:
        return rig.ask("POST", "/admin/v1/codes", {"amount": "5", **fields}, key=rig.operator)

    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(calendar.now + 60))
    code = made(credits_expire_at=soon).body["data"][0]["code"]
    calendar.passed += 60
    got = rig.ask("POST", "/v1/wallet/redeem", {"code": code})
    assert (got.code, got.body["error"]["message"]) == ("code_used", "the code is expired")
    assert rig.wallet()["balance"] == "30"
    listed = rig.ask("GET", "/admin/v1/codes?state=expired", key=rig.operator).body["data"]
    assert [row["state"] for row in listed] == ["expired"]
    # Nor is one made that could never give anything, or whose end nobody would keep.
    for field in ("expires_at", "credits_expire_at"):
        got = made(**{field: soon})
        assert (got.status, got.body["error"]["param"]) == (400, field)
    got = made(kind="promo", credits_expire_at="2090-01-01T00:00:00Z")
    assert (got.status, got.body["error"]["param"]) == (400, "credits_expire_at")


def test_each_code_is_held_against_the_audit_log(rig: Rig) -> None:
    """Many at once too, and of a percentage: what was made is in a row of its own."""
    terms = {"expires_at": "2090-01-01T00:00:00.5Z", "credits_expire_at": "2091-01-01T00:00:00Z"}
    for body in (
        {"amount": "5.25", "count": 200, "note": "n" * 100, **terms},
        {"kind": "promo", "percent": "8", "uses": 3},
    ):
        rig.ask("POST", "/admin/v1/codes", body, key=rig.operator)
    logged = rig.ask("GET", "/admin/v1/audit-log?action=codes.create", key=rig.operator).body
    assert logged["data"][0]["object"] == logged["data"][0]["after"]["id"]

    def found() -> list[str]:
        return [row.text for row in verify.verify(rig.house.ledger).violations]

    assert found() == []
    rig.house.ledger.write(
        lambda tx: tx.run("UPDATE codes SET amount=amount+1 WHERE percent IS NULL")
    )
    assert len(found()) == 200
    assert "it was made as 5.25 " in found()[0]


def test_guessing_codes_ends(rig: Rig) -> None:
    answers = [
        rig.ask("POST", "/v1/wallet/redeem", {"code": f"GUESS-{number}"}).code
        for number in range(12)
    ]
    assert answers[0] == "code_not_found"
    assert answers[-1] == "rate_limited"
    other = rig.customer("other")
    assert rig.ask("POST", "/v1/wallet/redeem", {"code": "GUESS-1"}, key=other).code == (
        "code_not_found"
    )


@pytest.mark.parametrize(
    ("plan", "credit"), [("developer", "5"), ("pro", "10"), ("business", "30")]
)
def test_included_credits_come_with_the_plan(
    make: Callable[..., Rig], plan: str, credit: str
) -> None:
    rig = make(plan=plan)
    assert rig.wallet()["balance"] == credit
    (grant,) = rig.ask("GET", "/v1/wallet/grants").body["data"]
    assert (grant["kind"], grant["amount"], grant["state"]) == ("included", credit, "active")
    assert grant["expires_at"].endswith("-01T00:00:00Z")
    assert included.grant_due(rig.house) == 0
    rig.again()
    assert rig.wallet()["balance"] == credit
    assert rig.customer("other", plan=plan)


def test_a_clock_that_was_set_back_gives_and_charges_no_month_that_is_over(
    make: Callable[..., Rig],
) -> None:
    rig = make(plan="pro")
    calendar = Calendar(rig)
    calendar.passed += 40 * 86_400
    upkeep.once(rig.house)
    late = rig.customer("late", plan="pro")  # she was not there in the month before
    before = rig.wallet(late)["balance"]
    rig.again()  # another process, whose clock is right by no calendar but its own
    assert included.grant_due(rig.house) == 0
    assert rig.wallet(late)["balance"] == before


def test_what_has_ended_is_written_off_before_the_next_command_looks(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No server's upkeep ran meanwhile: credits of November and an unpaid order of it."""
    order = rig.ask("POST", "/v1/wallet/top-ups", {"amount": "50"}).body
    later = Clock(lambda: time.time_ns() + 40 * 86_400 * 10**9)
    monkeypatch.setattr("nexctl.server.ledger.main.Clock", lambda: later)
    rig.again()
    shown = rig.wallet()
    assert shown["balance"] == shown["spendable"]
    kinds = [row["kind"] for row in rig.ask("GET", "/v1/wallet/ledger").body["data"]]
    assert kinds == ["grant", "expiry", "grant"]
    (seen,) = rig.ask("GET", "/v1/wallet/top-ups").body["data"]
    assert (seen["id"], seen["state"]) == (order["id"], "expired")


def test_a_months_credits_are_there_with_its_first_request(make: Callable[..., Rig]) -> None:
    """The upkeep comes by every half minute; who has nothing else does not wait for it."""
    rig = make(plan="pro")
    calendar = Calendar(rig)
    calendar.passed += 40 * 86_400
    assert rig.chat(max_tokens=5).status == 200
    given = [row["kind"] for row in rig.ask("GET", "/v1/wallet/ledger").body["data"]]
    assert given == ["grant", "grant", "expiry", "usage"]
    upkeep.once(rig.house)
    assert len(rig.ask("GET", "/v1/wallet/ledger").body["data"]) == len(given)
    assert rig.chat(max_tokens=5).status == 200


def test_a_custom_plan_gives_nothing_by_itself(rig: Rig) -> None:
    other = rig.customer("big", plan="enterprise")
    assert rig.wallet(other)["balance"] == "0"
    got = rig.ask("POST", "/admin/v1/customers", {"name": "x", "plan": "no"}, key=rig.operator)
    assert got.code == "invalid_request"
    assert rig.ask("POST", "/admin/v1/customers", {"name": "big"}, key=rig.operator).code == (
        "name_taken"
    )


# repeated writes -------------------------------------------------------------------------------


def test_a_repeated_write_gets_the_first_answer_without_the_secret(rig: Rig) -> None:
    sent = {"idempotency-key": "abc"}
    first = rig.ask("POST", "/v1/keys", {"name": "a"}, headers=sent).body
    again = rig.ask("POST", "/v1/keys", {"name": "a"}, headers=sent).body
    assert first["secret"].startswith("nxt_sk_")
    assert (again["secret"], again["replayed"], again["id"]) == (None, True, first["id"])
    other = rig.ask("POST", "/v1/keys", {"name": "b"}, headers=sent)
    assert (other.status, other.code) == (422, "idempotency_conflict")
    assert len(rig.ask("GET", "/v1/keys").body["data"]) == 2


def test_a_refused_write_leaves_its_key_free(rig: Rig) -> None:
    rig.key("a")
    sent = {"idempotency-key": "abc"}
    assert rig.ask("POST", "/v1/keys", {"name": "a"}, headers=sent).code == "name_taken"
    assert rig.ask("POST", "/v1/keys", {"name": "b"}, headers=sent).status == 200


def test_idempotency_keys_are_scoped(rig: Rig) -> None:
    sent = {"idempotency-key": "abc"}
    other = rig.customer("other")
    one = rig.ask("POST", "/v1/keys", {"name": "a"}, headers=sent).body
    two = rig.ask("POST", "/v1/keys", {"name": "a"}, headers=sent, key=other).body
    assert one["id"] != two["id"]
    made = rig.ask("POST", "/v1/wallet/top-ups", {"amount": "5"}, headers=sent)
    assert made.status == 200
    again = rig.ask("POST", "/v1/wallet/top-ups", {"amount": "5"}, headers=sent).body
    assert (again["id"], again["replayed"]) == (made.body["id"], True)
    assert rig.ask("POST", "/v1/keys", {"name": "z"}, headers={"idempotency-key": ""}).status == 400


def test_a_query_is_part_of_what_was_asked(rig: Rig) -> None:
    second = rig.ask("POST", "/v1/wallets", {"name": "second"}).body["id"]
    agreed = {"below": "10", "amount": "50"}
    for wallet in (None, second):
        got = rig.ask("PUT", "/v1/wallet/auto-top-up", {**agreed, "wallet": wallet})
        assert got.status == 200, got
    off = {"headers": {"idempotency-key": "off"}}
    assert rig.ask("DELETE", "/v1/wallet/auto-top-up", **off).body["enabled"] is False
    got = rig.ask("DELETE", f"/v1/wallet/auto-top-up?wallet={second}", **off)
    assert (got.status, got.code) == (422, "idempotency_conflict")


def test_codes_are_not_answered_twice(rig: Rig) -> None:
    sent = {"idempotency-key": "abc"}
    body = {"amount": "5", "count": 2}
    first = rig.ask("POST", "/admin/v1/codes", body, key=rig.operator, headers=sent).body
    again = rig.ask("POST", "/admin/v1/codes", body, key=rig.operator, headers=sent).body
    assert all(row["code"] for row in first["data"])
    assert all(row["code"] is None for row in again["data"])
    assert again["replayed"] is True
