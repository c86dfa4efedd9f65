"""Each kind of event that is declared happens: driven through the gateway, read in its outbox."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from batch_kit import Batches, line
from operator_kit import operate
from server_kit import Got, Rig

from nexctl.server.ledger import events, orders
from nexctl.server.ledger.event_kinds import FAMILIES, KINDS
from nexctl.server.payments import included
from tests.server.test_gateway_funding import next_month
from tests.server.test_gateway_money_in import deliver, order

Make = Callable[..., Rig]


def good(got: Got) -> Any:
    assert got.status == 200, got
    return got.body


def customer(rig: Rig) -> str:
    return str(rig.made.customer)


def told(rig: Rig) -> set[str]:
    """Kinds that stand in the outbox; whatever happened stands there with its customer."""
    rows = rig.house.read(events.listed)
    assert all(row.customer is not None for row in rows)
    return {row.kind for row in rows}


def paid_by_a_provider(make: Make) -> Rig:
    rig = make()
    deliver(rig, order(rig)["id"], type="payment.failed")
    made = order(rig)
    assert deliver(rig, made["id"], amount="49").status == 422
    assert deliver(rig, made["id"]).body["credited"]
    deliver(rig, made["id"], payment_id="pay_again")
    good(operate(rig, "POST", f"/payments/{made['id']}/refund", {}))
    bad = order(rig)
    deliver(rig, bad["id"])
    paid = orders_of(rig, bad["id"])["payment_id"]
    for kind in ("payment.disputed", "payment.dispute_won"):
        signed(rig, bad["id"], kind, paid)
    return rig


def orders_of(rig: Rig, name: str) -> dict[str, Any]:
    return rig.house.read(orders.there, name)._asdict()


def signed(rig: Rig, name: str, kind: str, payment: str) -> None:
    """An event about a payment that was credited, as its provider would sign it."""
    import msgspec

    from nexctl.safety import signing
    from nexctl.server.payments import sandbox
    from nexctl.wire import payments

    path, headers, body = sandbox.signed_event(rig.house, name)
    event = msgspec.json.decode(body, type=payments.PaymentEvent)
    data = msgspec.structs.replace(event.data, payment_id=payment)
    body = msgspec.json.encode(
        msgspec.structs.replace(event, id=f"evt_{kind[8:]}", type=kind, data=data)
    )
    now = rig.house.now() // 1_000_000
    headers = signing.headers(rig.house.read(sandbox.secret), f"evt_{kind[8:]}", now, body)
    good(rig.raw("POST", path, body, headers=headers))


def paid_by_hand(make: Make) -> Rig:
    rig = make(book="deeptoken", plan=None, payments="manual")
    order(rig, amount="5000.01")
    for answer in ("approve", "reject"):
        made = order(rig)
        path = f"/v1/wallet/top-ups/{made['id']}"
        good(rig.ask("POST", path, {"transaction": f"ref-{answer}"}))
        good(operate(rig, "POST", f"/payments/{made['id']}/{answer}", {"reason": "no"} if (
            answer == "reject") else {}))  # fmt: skip
    late = order(rig, amount="5000", method="invoice")
    order(rig)
    rig.house.ledger.write(
        lambda tx: tx.run("UPDATE orders SET expires_at=1 WHERE state='created'")
    )
    rig.house.ledger.write(orders.expire_due)
    assert orders_of(rig, late["id"])["state"] == "expired"
    contract = {"amount": "60000", "starts": "2020-01-01", "ends": "2099-01-01"}
    good(operate(rig, "PUT", f"/customers/{customer(rig)}/contract", contract))
    good(operate(rig, "DELETE", f"/customers/{customer(rig)}/contract"))
    return rig


def plan_and_keys(make: Make) -> Rig:
    rig = make(plan="business")
    good(operate(rig, "PUT", "/terms", {"plan_fees": {"pro": "29"}}))
    deliver(rig, order(rig, amount="40")["id"])
    good(rig.ask("PUT", "/v1/subscription", {"plan": "pro"}))
    rig.key("ci")
    path = f"/v1/keys/{rig.key_id('ci')}"
    good(rig.ask("PATCH", path, {"rpm": 5}))
    good(rig.ask("POST", f"{path}/rotate", {}))
    good(rig.ask("POST", f"{path}/revoke", {}))
    good(rig.ask("PUT", "/v1/alerts", {"balance_below": rig.wallet()["balance"]}))
    good(rig.ask("PUT", "/v1/budgets", {"scope": "customer", "amount": "0.000001", "hard": False}))
    good(rig.chat())
    budget = rig.ask("GET", "/v1/budgets").body["data"][0]["id"]
    good(rig.ask("DELETE", f"/v1/budgets/{budget}"))
    code = good(operate(rig, "POST", "/codes", {"amount": "5", "count": 1}))["data"][0]["code"]
    good(rig.ask("POST", "/v1/wallet/redeem", {"code": code}))
    rig.customer("other")
    path = f"/customers/{customer(rig)}"
    for suspended in (True, False):
        good(operate(rig, "POST", f"{path}/suspend", {"suspended": suspended}))
    note = {"amount": "1", "note": "sorry"}
    good(operate(rig, "POST", f"{path}/wallet/adjustments", note))
    rig.house.ledger.clock._floor = next_month(rig)
    good(operate(rig, "POST", f"{path}/wallet/adjustments", {"amount": "-6", "note": "back"}))
    included.grant_due(rig.house)
    return rig


def in_an_organisation(make: Make) -> Rig:
    rig = make(book="deeptoken", plan=None)
    good(rig.ask("POST", "/v1/orgs", {"slug": "acme", "wallet_mode": "strict"}))
    other = good(rig.ask("GET", "/v1/me", key=rig.customer("member")))["customer"]["id"]
    path = "/v1/orgs/acme/members"
    member = good(rig.ask("POST", path, {"customer_id": other, "role": "member"}))["id"]
    good(rig.ask("PATCH", f"{path}/{member}", {"role": "billing"}))
    good(rig.ask("DELETE", f"{path}/{member}"))
    return rig


def earned(make: Make) -> Rig:
    rig = make(book="nexu", plan=None)
    good(rig.ask("POST", "/v1/wallet/grants/daily_bonus/claim"))
    return rig


def in_batches(make: Make) -> Rig:
    rig = make(plan="business")
    kit = Batches(rig)
    kit.run([line(1)])
    assert kit.run([b"{not JSON"])["status"] == "failed"
    slow = Batches(rig, rig.key("slow", rpm=1))
    for status in ("cancelled", "expired"):
        batch = slow.made([line(n) for n in range(3)])["id"]
        if status == "cancelled":
            good(rig.ask("POST", f"/v1/batches/{batch}/cancel"))
        else:
            slow.show(batch, 1)
            rig.house.ledger.write(lambda tx: tx.run("UPDATE batches SET expires_at=created_at"))
        assert kit.done(batch)["status"] == status
    return rig


SCENES = (paid_by_a_provider, paid_by_hand, plan_and_keys, in_an_organisation, earned, in_batches)


def test_every_declared_kind_happens_and_no_other(make: Make) -> None:
    seen = set().union(*(told(scene(make)) for scene in SCENES))
    assert sorted(set(KINDS) - seen) == [], "declared, and nothing emits it"
    assert seen <= set(KINDS)


def test_an_undeclared_kind_is_no_event(rig: Rig) -> None:
    with pytest.raises(ValueError, match="no kind of event"):
        rig.house.ledger.write(events.emit, "order.lost", None, {})
    body = {"url": "https://example.com/hook", "kinds": ["order.lost"]}
    got = rig.ask("POST", "/v1/webhook-endpoints", body)
    assert (got.status, got.code) == (400, "invalid_request")


def test_the_families_are_those_of_the_contract() -> None:
    contract = {
        *("order", "payment", "subscription", "payout", "key", "budget", "balance"),
        *("batch", "invoice"),
    }
    assert contract <= set(FAMILIES)
    assert all(text.endswith(".") for text in KINDS.values())


def test_events_come_with_the_change_or_not_at_all(rig: Rig) -> None:
    """A refund that fails after its money moved leaves neither money nor event."""
    made = order(rig)
    deliver(rig, made["id"])
    before = (rig.wallet()["balance"], len(rig.house.read(events.listed)))

    def broken(tx: Any) -> None:
        from nexctl.server.ledger import refunds

        refunds.refund(tx, made["id"], by="test")
        raise RuntimeError("in the middle of it")

    with pytest.raises(RuntimeError):
        rig.house.ledger.write(broken)
    assert (rig.wallet()["balance"], len(rig.house.read(events.listed))) == before
