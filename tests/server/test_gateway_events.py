"""Alerts, webhooks and e-mails: who is told, how it is signed, tried again, and kept from harm."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hook_kit import Hook, Mail
from server_kit import Got, Rig

from nexctl.errors import NexctlError
from nexctl.safety import signing
from nexctl.server.events import sending
from nexctl.server.house import LOOPBACK, Options
from nexctl.server.ledger import deliveries, events
from nexctl.server.ledger.verify import verify


@pytest.fixture
def hook() -> Iterator[Hook]:
    found = Hook()
    yield found
    found.close()


def listen(rig: Rig, hook: Hook, *kinds: str) -> dict[str, Any]:
    """An operator's endpoint: only those may lie on this machine."""
    got = rig.ask(
        "POST",
        "/admin/v1/webhook-endpoints",
        {"url": hook.url, "kinds": list(kinds), "allow_private": True},
        key=rig.operator,
    )
    assert got.status == 200, got
    send(rig)  # what was before the endpoint is for nobody
    return dict(got.body)


def send(rig: Rig) -> dict[str, int]:
    got = rig.ask("POST", "/admin/v1/webhook-deliveries", key=rig.operator)
    assert got.status == 200, got
    return dict(got.body)


def delivered(rig: Rig) -> list[dict[str, Any]]:
    return list(rig.ask("GET", "/admin/v1/webhook-deliveries", key=rig.operator).body["data"])


def later(rig: Rig) -> None:
    """Let what waits fall due now."""
    rig.house.ledger.write(lambda tx: tx.run("UPDATE deliveries SET due_at=0"))


def verified(hook: Hook, secret: str, number: int = -1) -> dict[str, Any]:
    headers, raw = hook.got[number]
    signing.verify(secret, headers, raw, now=int(time.time()))
    return dict(json.loads(raw))


# webhooks ----------------------------------------------------------------------------------------


def test_what_happens_to_keys_and_budgets_is_told_signed(rig: Rig, hook: Hook) -> None:
    secret = listen(rig, hook, "key.*", "budget.set")["secret"]
    key = rig.key("ci")
    rig.ask("PUT", "/v1/budgets", {"scope": "customer", "amount": "5"})
    rig.ask("POST", f"/v1/keys/{rig.key_id('ci')}/rotate", {})
    assert send(rig) == {"spread": 3, "delivered": 3, "failed": 0}
    told = [verified(hook, secret, number) for number in range(3)]
    assert {row["type"] for row in told} == {"key.created", "budget.set", "key.rotated"}
    assert {row["customer_id"] for row in told} == {rig.made.customer}
    assert all(key not in raw.decode() for _, raw in hook.got)
    assert send(rig) == {"spread": 0, "delivered": 0, "failed": 0}
    assert len(hook.got) == 3
    assert verify(rig.house.ledger).violations == ()


def test_each_step_of_an_order_is_told(make: Callable[..., Rig], hook: Hook) -> None:
    rig = make(options=Options(base_url="http://127.0.0.1:8787"))
    secret = listen(rig, hook, "order.*")["secret"]
    order = rig.ask("POST", "/v1/wallet/top-ups", {"amount": "50", "method": "sandbox"}).body
    path = order["checkout_url"].removeprefix("http://127.0.0.1:8787")
    assert rig.raw("POST", path).status == 200
    send(rig)
    told = [verified(hook, secret, number) for number in range(len(hook.got))]
    assert {row["data"]["id"] for row in told} == {order["id"]}
    assert "order.credited" in {row["type"] for row in told}


def test_a_forged_or_changed_event_does_not_verify(rig: Rig, hook: Hook) -> None:
    secret = listen(rig, hook)["secret"]
    rig.key("ci")
    send(rig)
    headers, raw = hook.got[0]
    with pytest.raises(signing.SignatureError):
        signing.verify(secret, headers, raw + b" ", now=int(time.time()))
    with pytest.raises(signing.SignatureError):
        signing.verify(signing.new_secret(), headers, raw, now=int(time.time()))


def test_an_endpoint_is_told_only_what_it_asked_for(rig: Rig, hook: Hook) -> None:
    listen(rig, hook, "order.*")
    rig.key("ci")
    assert send(rig) == {"spread": 1, "delivered": 0, "failed": 0}
    assert hook.got == []


def test_what_fails_is_tried_again_later_under_the_same_id(rig: Rig) -> None:
    hook = Hook(500, 503)
    secret = listen(rig, hook)["secret"]
    rig.key("ci")
    assert send(rig)["failed"] == 1
    assert send(rig) == {"spread": 0, "delivered": 0, "failed": 0}, "not before its time"
    later(rig)
    assert send(rig)["failed"] == 1
    (row,) = delivered(rig)
    assert (row["state"], row["attempts"]) == ("pending", 2)
    assert [one["status"] for one in row["log"]] == [500, 503]
    later(rig)
    assert send(rig)["delivered"] == 1
    (row,) = delivered(rig)
    assert (row["state"], row["attempts"], row["due_at"]) == ("delivered", 3, None)
    assert len({headers["webhook-id"] for headers, _ in hook.got}) == 1
    verified(hook, secret)
    hook.close()


def test_the_waits_grow_and_end(rig: Rig) -> None:
    assert list(deliveries.WAITS) == sorted(deliveries.WAITS)
    hook = Hook(*[500] * 20)
    listen(rig, hook)
    rig.key("ci")
    for _ in deliveries.WAITS:
        send(rig)
        later(rig)
        assert delivered(rig)[0]["state"] == "pending"
    send(rig)
    assert delivered(rig)[0]["state"] == "failed"
    assert any("given up" in alarm for alarm in rig.house.alarms)
    later(rig)
    assert send(rig)["failed"] == 0
    hook.close()


def test_a_delivery_can_be_replayed(rig: Rig, hook: Hook) -> None:
    secret = listen(rig, hook)["secret"]
    rig.key("ci")
    send(rig)
    (row,) = delivered(rig)
    path = f"/admin/v1/webhook-deliveries/{row['id']}/replay"
    again = rig.ask("POST", path, key=rig.operator, headers={"idempotency-key": "k1"})
    assert (again.status, again.body["state"], len(hook.got)) == (200, "delivered", 2)
    first, second = (headers["webhook-id"] for headers, _ in hook.got)
    assert first == second
    verified(hook, secret)
    rig.ask("POST", path, key=rig.operator, headers={"idempotency-key": "k1"})
    assert len(hook.got) == 2, "the same key sends once"
    missing = rig.ask("POST", "/admin/v1/webhook-deliveries/none/replay", key=rig.operator)
    assert missing.code == "not_found"


def test_a_redirect_is_not_followed(rig: Rig, hook: Hook) -> None:
    bait = Hook(302, location=hook.url)
    listen(rig, bait)
    rig.key("ci")
    assert send(rig)["failed"] == 1
    assert (len(bait.got), hook.got) == (1, [])
    assert delivered(rig)[0]["log"][0]["status"] == 302
    bait.close()


def test_an_endpoint_that_says_gone_is_told_nothing_more(rig: Rig) -> None:
    hook = Hook(410)
    listen(rig, hook)
    rig.key("ci")
    send(rig)
    assert delivered(rig)[0]["state"] == "failed"
    (row,) = rig.ask("GET", "/admin/v1/webhook-endpoints", key=rig.operator).body["data"]
    assert row["state"] == "disabled"
    rig.key("two")
    assert send(rig)["delivered"] == 0
    hook.close()


def test_a_removed_endpoint_is_told_nothing_more(rig: Rig, hook: Hook) -> None:
    made = listen(rig, hook)
    rig.key("ci")
    rig.house.ledger.write(
        lambda tx: [sending._spread(tx, rig.house, event) for event in events.waiting(tx)]
    )
    gone = rig.ask("DELETE", f"/admin/v1/webhook-endpoints/{made['id']}", key=rig.operator)
    assert gone.status == 200
    send(rig)
    assert (hook.got, delivered(rig)[0]["state"]) == ([], "dropped")
    assert verify(rig.house.ledger).violations == ()


ADDRESSES = (
    "http://example.com/hook",
    "https://127.0.0.1/hook",
    "https://localhost.localdomain@10.0.0.1/",
    "https://10.0.0.8/hook",
    "https://192.168.1.1/hook",
    "https://169.254.169.254/latest/meta-data",
    "https://[::1]/hook",
    "https://[::ffff:10.0.0.1]/hook",
    "https://0.0.0.0/hook",
    "https://user:pw@example.com/hook",
    "ftp://example.com/hook",
    "https://example.com/hook?token=1",
    "not an address",
)


@pytest.mark.parametrize("url", ADDRESSES)
def test_private_and_odd_addresses_are_refused(rig: Rig, url: str) -> None:
    got = rig.ask("POST", "/v1/webhook-endpoints", {"url": url})
    assert (got.status, got.code) == (400, "invalid_request"), url
    assert "pw" not in str(got.body)


def test_a_customer_cannot_allow_private_addresses(rig: Rig) -> None:
    body = {"url": "https://10.0.0.8/hook", "allow_private": True}
    assert rig.ask("POST", "/v1/webhook-endpoints", body).code == "not_permitted"


@pytest.mark.parametrize("found", ["10.0.0.8", "127.0.0.1", "169.254.169.254", "::1"])
def test_a_name_that_resolves_to_a_private_address_is_not_called(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, found: str
) -> None:
    made = rig.ask("POST", "/v1/webhook-endpoints", {"url": "https://hooks.example.com/x"})
    assert made.status == 200
    asked = []

    def lookup(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(2, 1, 6, "", (found, port))]

    monkeypatch.setattr(sending.socket, "getaddrinfo", lookup)
    rig.key("ci")
    assert send(rig)["failed"] == 1
    assert asked == ["hooks.example.com"], "looked up once"
    assert delivered(rig)[0]["log"][0]["error"] == "ConnectError"


def test_secrets_and_answers_are_kept_nowhere(rig: Rig, hook: Hook, tmp_path: Path) -> None:
    secret = listen(rig, hook)["secret"]
    own = rig.ask("POST", "/v1/webhook-endpoints", {"url": "https://example.com/h"})
    assert own.body["secret"].startswith("whsec_")
    rig.key("ci")
    send(rig)
    shown = rig.ask("GET", "/v1/webhook-endpoints").body["data"][0]
    assert "secret" not in shown
    with sqlite3.connect(rig.place) as raw:
        text = "\n".join(raw.iterdump())
    for canary in (secret, own.body["secret"], "CANARY-ANSWER"):
        assert canary not in text
        assert canary.removeprefix("whsec_") not in text


def test_another_customers_endpoint_is_not_there(rig: Rig) -> None:
    mine = rig.ask("POST", "/v1/webhook-endpoints", {"url": "https://example.com/h"}).body["id"]
    other = rig.customer("other")
    assert rig.ask("DELETE", f"/v1/webhook-endpoints/{mine}", key=other).code == "not_found"
    admin = rig.ask("DELETE", f"/admin/v1/webhook-endpoints/{mine}", key=rig.operator)
    assert admin.code == "not_found"
    assert rig.ask("GET", "/v1/webhook-endpoints", key=other).body["data"] == []


def test_a_repeated_creation_tells_no_secret(rig: Rig) -> None:
    body, headers = {"url": "https://example.com/h"}, {"idempotency-key": "once"}
    first = rig.ask("POST", "/v1/webhook-endpoints", body, headers=headers)
    second = rig.ask("POST", "/v1/webhook-endpoints", body, headers=headers)
    assert first.body["secret"]
    assert (second.body["id"], second.body["secret"]) == (first.body["id"], None)
    assert second.body["replayed"] is True


@pytest.mark.parametrize("kind", ["weather.*", "order", "order.*.x", "ORDER.PAID", ""])
def test_kinds_that_nothing_has_are_refused(rig: Rig, kind: str) -> None:
    got = rig.ask("POST", "/v1/webhook-endpoints", {"url": "https://e.com/h", "kinds": [kind]})
    assert got.code == "invalid_request"


def test_a_process_that_died_while_sending_does_not_lose_an_event(rig: Rig, hook: Hook) -> None:
    listen(rig, hook)
    rig.key("ci")
    ledger = rig.house.ledger
    ledger.write(lambda tx: [sending._spread(tx, rig.house, e) for e in events.waiting(tx)])
    (taken,) = ledger.write(deliveries.take)
    assert ledger.write(deliveries.take) == [], "leased"
    assert taken.due_at > rig.house.now()
    later(rig)
    assert send(rig)["delivered"] == 1


# alerts ------------------------------------------------------------------------------------------


def spend(rig: Rig) -> Got:
    return rig.chat(max_tokens=50)


def test_a_threshold_is_told_by_webhook_and_by_e_mail_once(
    make: Callable[..., Rig], hook: Hook
) -> None:
    mail = Mail()
    options = Options(hosts=LOOPBACK, environ={"NEXCTL_MAIL": mail.url})
    rig = make(options=options)
    secret = listen(rig, hook, "budget.alert")["secret"]
    rig.ask("PUT", "/v1/alerts", {"email": "ops@example.com"})
    body = {"scope": "customer", "amount": "0.00001", "hard": False, "alert_at": [10, 20]}
    assert rig.ask("PUT", "/v1/budgets", body).status == 200
    for _ in range(6):
        assert spend(rig).status == 200
    send(rig)
    told = [verified(hook, secret, number) for number in range(len(hook.got))]
    assert sorted(row["data"]["percent"] for row in told) == [10, 20]
    assert {row["data"]["scope"] for row in told} == {"customer"}
    assert len(mail.letters) == 2
    letter = mail.letters[0]
    assert "To: ops@example.com" in letter
    assert "of budget customer-month is spent" in letter
    assert send(rig)["delivered"] == 0
    mail.close()


def test_a_low_balance_is_told_into_a_file(make: Callable[..., Rig], tmp_path: Path) -> None:
    box = tmp_path / "mail.mbox"
    options = Options(hosts=LOOPBACK, environ={"NEXCTL_MAIL": f"file:{box}"})
    rig = make(options=options)
    rig.ask("PUT", "/v1/alerts", {"email": "ops@example.com", "balance_below": "30"})
    for _ in range(3):
        assert spend(rig).status == 200
    send(rig)
    text = box.read_text()
    assert text.count("From nexctl ") == 1
    assert "below 30" in text
    assert box.stat().st_mode & 0o777 == 0o600


def test_an_e_mail_waits_where_nothing_carries_it(rig: Rig) -> None:
    rig.ask("PUT", "/v1/alerts", {"email": "ops@example.com", "balance_below": "30"})
    spend(rig)
    assert send(rig)["failed"] == 1
    (row,) = delivered(rig)
    assert (row["channel"], row["state"]) == ("email", "pending")
    assert row["log"][0]["error"] == "NEXCTL_MAIL is not set"


def test_a_name_cannot_write_headers_of_an_e_mail() -> None:
    from nexctl.server.events.mail import message_of

    data = {"percent": 80, "name": "x\r\nBcc: evil@example.com", "spent": "1", "amount": "2"}
    event = events.Event("evt_1", "cus_1", "budget.alert", data, 1_795_000_000_000_000)
    raw = message_of("g", "a@example.com", "b@example.com", event).as_bytes()
    assert b"\nBcc:" not in raw


def test_the_developer_plan_has_alerts_by_e_mail_only(make: Callable[..., Rig]) -> None:
    """Page 000: 'Spend alerts ... Developer: e-mail only'."""
    rig = make(plan="developer")
    shown = rig.ask("GET", "/v1/alerts").body
    assert shown["webhooks"] is False
    got = rig.ask("PUT", "/v1/alerts", {"webhooks": True})
    assert (got.status, got.code) == (403, "plan_limit")
    assert got.details == {"plan": "pro", "current_plan": "developer"}
    assert rig.ask("PUT", "/v1/alerts", {"email": "a@example.com"}).status == 200
    rig.ask("POST", "/v1/webhook-endpoints", {"url": "https://example.com/h"})
    rig.ask("PUT", "/v1/alerts", {"balance_below": "5"})
    spend(rig)
    send(rig)
    assert {row["channel"] for row in delivered(rig) if row["kind"] == "balance.low"} == {"email"}


@pytest.mark.parametrize(
    "body",
    [
        {"email": "not one"},
        {"email": "a@b\nBcc: x@y.z"},
        {"percents": [0]},
        {"percents": [2000]},
        {"balance_below": "-1"},
        {"webhooks": "yes"},
    ],
)
def test_alerts_that_mean_nothing_are_refused(rig: Rig, body: dict[str, Any]) -> None:
    got = rig.ask("PUT", "/v1/alerts", body)
    assert (got.status, got.code) == (400, "invalid_request")


def test_budgets_take_the_alerts_thresholds_unless_they_say_their_own(rig: Rig) -> None:
    rig.ask("PUT", "/v1/alerts", {"percents": [33, 66]})
    own = {"scope": "customer", "amount": "5"}
    assert rig.ask("PUT", "/v1/budgets", own).body["alert_at"] == [33, 66]
    assert rig.ask("PUT", "/v1/budgets", {**own, "alert_at": []}).body["alert_at"] == []


def test_nothing_is_sent_before_it_is_committed(rig: Rig, hook: Hook) -> None:
    listen(rig, hook)
    with pytest.raises(NexctlError):
        rig.house.ledger.write(_emits_and_fails)
    assert send(rig) == {"spread": 0, "delivered": 0, "failed": 0}


def _emits_and_fails(tx: Any) -> None:
    events.emit(tx, "order.paid", None, {})
    raise NexctlError("no")
