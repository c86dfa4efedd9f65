"""Stripe: what is sent to it, what its signed events do, proved by Stripe's own library."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from server_kit import Got, Kept, Rig
from test_gateway_bonuses import proved

from nexctl.cli.bridge import EmbeddedTransport
from nexctl.pricing import books
from nexctl.server import bootstrap
from nexctl.server.house import Options
from nexctl.server.payments import outbox, stripe
from nexctl.server.refusing import Refuse
from tests import places

SECRET = "whsec_" + "k" * 32
KEY = "sk_test_" + "4" * 24


class Peer:
    """What Stripe's API answers, and what it was asked; on loopback, by its documented shapes."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str], dict[str, str]]] = []
        self.status = 200
        self.sessions: dict[str, str] = {}
        peer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["content-length"])).decode()
                form = {name: values[0] for name, values in parse_qs(raw).items()}
                headers = {name.lower(): value for name, value in self.headers.items()}
                peer.asked.append((self.path, headers, form))
                once = headers.get("idempotency-key", "")
                name = peer.sessions.setdefault(once, f"cs_test_{len(peer.sessions)}")
                answer: dict[str, Any] = {"id": name, "object": "checkout.session"}
                if self.path.endswith("/refunds"):
                    answer = {"id": f"re_{once}", "object": "refund", "status": "succeeded"}
                else:
                    answer["url"] = f"https://checkout.stripe.com/c/pay/{name}"
                if peer.status != 200:
                    answer = {"error": {"type": "api_error", "message": "sk_live_canary"}}
                body = json.dumps(answer).encode()
                self.send_response(peer.status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def peer() -> Iterator[Peer]:
    found = Peer()
    yield found
    found.server.shutdown()
    found.server.server_close()


class StripeRig(Rig):
    """A gateway that takes payments by Stripe."""

    def __init__(self, folder: Any, url: str) -> None:
        self.place = places.fresh() or str(folder / "gateway" / "ledger.sqlite")
        self.secrets = Kept()
        self.made = bootstrap.create(
            self.place,
            self.secrets,
            book=books.load("nextoken"),
            plan="developer",
            payments="stripe",
            stripe={"url": url},
        )
        environ = {"STRIPE_API_KEY": KEY, "STRIPE_WEBHOOK_SECRET": SECRET}
        self.options = Options(environ=environ)
        self.app = bootstrap.gateway(self.place, self.secrets, self.options)
        self.transport = EmbeddedTransport(self.app)
        self.management, self.operator = self.made.management_key, self.made.operator_key


@pytest.fixture
def rig(tmp_path: Any, peer: Peer) -> Iterator[StripeRig]:
    found = StripeRig(tmp_path, peer.url)
    yield found
    found.close()


def signed(raw: bytes, secret: str = SECRET, at: int | None = None) -> dict[str, str]:
    """The header as Stripe's own library signs it."""
    import stripe as sdk

    stamp = int(time.time()) if at is None else at
    signature = sdk.WebhookSignature._compute_signature(f"{stamp}.{raw.decode()}", secret)
    return {"stripe-signature": f"t={stamp},v1={signature},v0=" + "0" * 64}


def deliver(rig: Rig, event: dict[str, Any], **more: Any) -> Got:
    raw = json.dumps(event).encode()
    return rig.raw("POST", "/webhooks/payments/stripe", raw, headers=signed(raw, **more))


def ordered(rig: Rig, amount: str = "50") -> dict[str, Any]:
    got = rig.ask("POST", "/v1/wallet/top-ups", {"amount": amount})
    assert got.status == 200, got
    return dict(got.body)


def completed(order: dict[str, Any], name: str = "evt_1", **change: Any) -> dict[str, Any]:
    """checkout.session.completed, by the fields of Stripe's API reference."""
    found = {
        "id": "cs_test_0",
        "object": "checkout.session",
        "client_reference_id": order["id"],
        "metadata": {"order_id": order["id"]},
        "payment_intent": f"pi_{order['id']}",
        "payment_status": "paid",
        "amount_total": int(order["total"]) * 100,
        "currency": "usd",
        **change,
    }
    return event("checkout.session.completed", found, name)


def event(kind: str, found: dict[str, Any], name: str) -> dict[str, Any]:
    return {"id": name, "object": "event", "type": kind, "data": {"object": found}}


def refunded(order: dict[str, Any], cents: int, name: str = "evt_r") -> dict[str, Any]:
    charge = {
        "id": "ch_1",
        "object": "charge",
        "payment_intent": f"pi_{order['id']}",
        "metadata": {"order_id": order["id"]},
        "amount_refunded": cents,
        "currency": "usd",
    }
    return event("charge.refunded", charge, name)


def test_an_order_opens_a_checkout_session(rig: StripeRig, peer: Peer) -> None:
    made = ordered(rig)
    assert (made["state"], made["sandbox"], made["method"]) == ("opened", False, "card")
    assert made["checkout_url"].startswith("https://checkout.stripe.com/c/pay/")
    ((path, headers, form),) = peer.asked
    assert path == "/v1/checkout/sessions"
    assert headers["authorization"] == f"Bearer {KEY}"
    assert headers["idempotency-key"] == f"checkout-{made['id']}"
    assert headers["content-type"] == "application/x-www-form-urlencoded"
    assert form["mode"] == "payment"
    assert form["client_reference_id"] == made["id"]
    assert form["line_items[0][price_data][unit_amount]"] == "5000"
    assert form["line_items[0][price_data][currency]"] == "usd"
    assert form["payment_intent_data[metadata][order_id]"] == made["id"]


def test_the_parameters_are_those_of_stripes_own_library(rig: StripeRig, peer: Peer) -> None:
    """Each name that is sent is a parameter of the library's typed call."""
    from stripe.params.checkout._session_create_params import SessionCreateParams

    ordered(rig)
    known = set(SessionCreateParams.__annotations__)
    sent = {name.partition("[")[0] for name in peer.asked[0][2]}
    assert sent <= known


def test_a_paid_session_credits_once(rig: StripeRig) -> None:
    made = ordered(rig)
    assert deliver(rig, completed(made)).body == {"received": True, "credited": True}
    assert deliver(rig, completed(made)).body["credited"] is False
    assert deliver(rig, completed(made, "evt_2")).body["credited"] is False
    assert rig.wallet()["balance"] == "55"
    assert proved(rig)


def test_an_unpaid_session_credits_when_its_payment_arrives(rig: StripeRig) -> None:
    made = ordered(rig)
    assert deliver(rig, completed(made, payment_status="unpaid")).body["credited"] is False
    later = completed(made, "evt_2")
    later["type"] = "checkout.session.async_payment_succeeded"
    assert deliver(rig, later).body["credited"] is True


@pytest.mark.parametrize(
    "change",
    [{"amount_total": 4999}, {"amount_total": 5001}, {"currency": "eur"}, {"currency": "jpy"}],
)
def test_a_wrong_amount_or_currency_credits_nothing(rig: StripeRig, change: dict[str, Any]) -> None:
    made = ordered(rig)
    got = deliver(rig, completed(made, **change))
    assert (got.status, got.code) == (422, "payment_mismatch")
    assert rig.wallet()["balance"] == "5"
    assert deliver(rig, completed(made, "evt_right")).body["credited"] is True


def test_a_refund_that_is_told_before_its_payment_is_not_lost(rig: StripeRig) -> None:
    made = ordered(rig)
    assert deliver(rig, refunded(made, 2000)).status == 200
    assert deliver(rig, completed(made)).body["credited"] is True
    assert rig.wallet()["balance"] == "35"
    assert deliver(rig, refunded(made, 2000, "evt_again")).status == 200
    assert rig.wallet()["balance"] == "35"
    deliver(rig, refunded(made, 5000, "evt_more"))
    assert rig.wallet()["balance"] == "5"
    deliver(rig, refunded(made, 3000, "evt_late"))
    assert rig.wallet()["balance"] == "5"
    assert proved(rig)


def test_a_dispute_freezes_and_one_that_is_won_gives_back(rig: StripeRig) -> None:
    made = ordered(rig)
    deliver(rig, completed(made))
    dispute = {
        "id": "dp_1",
        "object": "dispute",
        "payment_intent": f"pi_{made['id']}",
        "amount": 5000,
        "currency": "usd",
        "status": "needs_response",
        "metadata": {},
    }
    assert deliver(rig, event("charge.dispute.created", dispute, "evt_d")).status == 200
    assert rig.wallet()["state"] == "frozen"
    assert rig.chat().code == "wallet_frozen"
    won = {**dispute, "status": "won"}
    deliver(rig, event("charge.dispute.closed", won, "evt_w"))
    assert (rig.wallet()["balance"], rig.wallet()["state"]) == ("55", "active")
    assert rig.chat().status == 200
    assert proved(rig)


def test_events_about_other_things_are_received_and_unknown_orders_told_again(
    rig: StripeRig,
) -> None:
    made = ordered(rig)
    assert deliver(rig, event("customer.created", {"id": "cus_1"}, "evt_c")).status == 200
    nobody = {**made, "id": "ord_nobody"}
    assert deliver(rig, completed(nobody)).status == 404
    lost = {"id": "dp_x", "payment_intent": "pi_x", "amount": 1, "currency": "usd", "status": "x"}
    assert deliver(rig, event("charge.dispute.created", lost, "evt_x")).status == 404


def test_forged_and_stale_events_are_refused(rig: StripeRig) -> None:
    made = ordered(rig)
    body = json.dumps(completed(made)).encode()
    now = int(time.time())
    good = signed(body)["stripe-signature"]
    for header in (
        signed(body, at=now - 301)["stripe-signature"],
        signed(body, at=now + 400)["stripe-signature"],
        signed(body, secret="whsec_other")["stripe-signature"],
        good.replace("v1=", "v0="),
        good.replace("t=", "t=0"),
        good + f",t={now}",
        "",
        "t=,v1=",
        "v1=" + "0" * 64,
    ):
        got = rig.raw(
            "POST", "/webhooks/payments/stripe", body, headers={"stripe-signature": header}
        )
        assert (got.status, got.code) == (401, "invalid_signature"), header
    changed = rig.raw(
        "POST", "/webhooks/payments/stripe", body + b" ", headers={"stripe-signature": good}
    )
    assert changed.status == 401
    assert rig.wallet()["balance"] == "5"


def test_signed_nonsense_is_no_fault_of_ours(rig: StripeRig) -> None:
    for raw in (b"{}", b"[]", b"7", b"null", b"{", b'{"type":"charge.refunded","data":{}}'):
        got = rig.raw("POST", "/webhooks/payments/stripe", raw, headers=signed(raw))
        assert (got.status, got.code) == (400, "invalid_request"), raw


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    body=st.binary(max_size=200).filter(lambda raw: _is_text(raw)),
    age=st.integers(-600, 600),
    secret=st.sampled_from([SECRET, "whsec_x", "other"]),
    junk=st.sampled_from(["", ",v0=ab", ",v1=" + "0" * 64, ",x=y"]),
)
def test_what_we_take_stripes_library_takes_too(
    body: bytes, age: int, secret: str, junk: str
) -> None:
    """Never laxer than the vendor's own check, and as strict about the future as about the past."""
    import stripe as sdk

    now = int(time.time())
    header = signed(body, secret, now - age)["stripe-signature"] + junk
    try:
        stripe.verify(SECRET, header, body, now)
        ours = True
    except Refuse:
        ours = False
    try:
        sdk.WebhookSignature.verify_header(body.decode(), header, SECRET, tolerance=300)
        theirs = True
    except sdk.SignatureVerificationError:
        theirs = False
    if abs(abs(age) - 300) > 5:
        assert ours == (theirs and age >= -300)


def _is_text(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_where_stripe_is_down_the_order_stays_and_opens_later(rig: StripeRig, peer: Peer) -> None:
    peer.status = 503
    again = {"idempotency-key": "one"}
    got = rig.ask("POST", "/v1/wallet/top-ups", {"amount": "50"}, headers=again)
    assert got.code in ("upstream_unavailable", "upstream_error")
    assert "canary" not in json.dumps(got.body)
    peer.status = 200
    got = rig.ask("POST", "/v1/wallet/top-ups", {"amount": "50"}, headers=again)
    assert got.body["checkout_url"]
    assert len(rig.ask("GET", "/v1/wallet/top-ups").body["data"]) == 1


def test_a_refund_is_told_to_stripe_until_it_has_heard(rig: StripeRig, peer: Peer) -> None:
    made = ordered(rig)
    deliver(rig, completed(made))
    peer.status = 500
    path = f"/admin/v1/payments/{made['id']}/refund"
    got = rig.ask("POST", path, {"amount": "20"}, key=rig.operator)
    assert (got.status, got.body["refunded"]) == (200, "20")
    peer.status = 200
    clock = rig.house.ledger.clock
    clock._floor = clock.now() + 3_600_000_000
    assert outbox.work(rig.house) == 1
    assert outbox.work(rig.house) == 0
    told = [(headers["idempotency-key"], form) for path, headers, form in peer.asked[1:]]
    assert len({key for key, _ in told}) == 1
    assert told[-1][1] == {
        "payment_intent": f"pi_{made['id']}",
        "amount": "2000",
        "metadata[order_id]": made["id"],
    }
    assert rig.wallet()["balance"] == "35"
    assert proved(rig)


def test_keys_of_the_provider_are_nowhere_in_the_database(rig: StripeRig) -> None:
    ordered(rig)
    raw = Path(rig.place).read_bytes()
    for secret in (KEY, SECRET):
        assert secret.encode() not in raw


def test_without_its_secret_nothing_is_taken(tmp_path: Any, peer: Peer) -> None:
    rig = StripeRig(tmp_path, peer.url)
    rig.options = Options(environ={})
    rig.again()
    got = rig.ask("POST", "/v1/wallet/top-ups", {"amount": "50"})
    assert (got.status, got.code) == (400, "payment_method_unavailable")
    got = rig.ask("POST", "/v1/wallet/top-ups", {"amount": "50", "method": "card"})
    assert (got.status, got.code) == (400, "payment_method_unavailable")
    assert rig.ask("GET", "/v1/wallet/top-ups").body["data"] == [], "an order nobody can pay"
    ways = rig.ask("GET", "/v1/wallet/payment-methods").body["data"]
    assert {row["id"]: row["enabled"] for row in ways}["card"] is False
    got = rig.raw("POST", "/webhooks/payments/stripe", b"{}", headers={"stripe-signature": "t=1"})
    assert got.status == 400
    rig.close()


def test_amounts_are_exact_in_stripes_smallest_unit() -> None:
    assert stripe.minor(50 * 10**9, "USD") == 5000
    assert stripe.minor(50 * 10**9, "JPY") == 50
    assert stripe.minor(50 * 10**9, "KWD") == 50_000
    with pytest.raises(Refuse):
        stripe.minor(10**7 // 10, "USD")


def dispute(order: dict[str, Any], what: str, status: str, name: str) -> dict[str, Any]:
    """charge.dispute.*, by the fields of Stripe's API reference: the order is not named."""
    found = {
        "id": "dp_1",
        "object": "dispute",
        "payment_intent": f"pi_{order['id']}",
        "amount": 5000,
        "currency": "usd",
        "status": status,
        "metadata": {},
    }
    return event(f"charge.dispute.{what}", found, name)


def test_an_inquiry_takes_nothing_until_its_funds_are_withdrawn(rig: StripeRig) -> None:
    """Stripe: `warning_...` is no chargeback; it ends as `warning_closed` or takes the funds."""
    made = ordered(rig)
    deliver(rig, completed(made))
    deliver(rig, dispute(made, "created", "warning_needs_response", "evt_1a"))
    assert (rig.wallet()["balance"], rig.wallet()["state"]) == ("55", "active")
    deliver(rig, dispute(made, "closed", "warning_closed", "evt_1b"))
    assert (rig.wallet()["balance"], rig.wallet()["state"]) == ("55", "active")
    deliver(rig, dispute(made, "funds_withdrawn", "needs_response", "evt_1c"))
    assert (rig.wallet()["balance"], rig.wallet()["state"]) == ("5", "frozen")
    assert proved(rig)


def test_a_dispute_told_by_several_events_is_one(rig: StripeRig) -> None:
    made = ordered(rig)
    deliver(rig, completed(made))
    for name, what in (("evt_a", "created"), ("evt_b", "funds_withdrawn"), ("evt_c", "created")):
        assert deliver(rig, dispute(made, what, "needs_response", name)).status == 200
    assert rig.wallet()["balance"] == "5"
    for name, what in (("evt_d", "closed"), ("evt_e", "funds_reinstated")):
        assert deliver(rig, dispute(made, what, "won", name)).status == 200
    assert (rig.wallet()["balance"], rig.wallet()["state"]) == ("55", "active")
    assert proved(rig)


def test_a_dispute_that_is_won_before_it_is_told_leaves_nothing_frozen(rig: StripeRig) -> None:
    made = ordered(rig)
    deliver(rig, completed(made))
    assert deliver(rig, dispute(made, "closed", "won", "evt_w")).status == 200
    assert rig.wallet()["balance"] == "55"
    assert deliver(rig, dispute(made, "created", "needs_response", "evt_d")).status == 200
    assert (rig.wallet()["balance"], rig.wallet()["state"]) == ("55", "active")
    deliver(rig, dispute(made, "closed", "won", "evt_w2"))
    assert rig.wallet()["balance"] == "55"
    assert proved(rig)


def test_a_won_dispute_told_before_its_payment_leaves_the_credits(rig: StripeRig) -> None:
    made = ordered(rig)
    # Where the order is named these wait for the payment; in the worst order.
    for what, status in (("closed", "won"), ("created", "needs_response")):
        early = dispute(made, what, status, f"evt_{what}")
        early["data"]["object"]["metadata"] = {"order_id": made["id"]}
        assert deliver(rig, early).status == 200
    assert deliver(rig, completed(made)).body["credited"] is True
    assert (rig.wallet()["balance"], rig.wallet()["state"]) == ("55", "active")
    assert proved(rig)
