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


@pytest.mark.parametrize(
    ("option", "typed"),
    [
        ("--customer", ("payments", "list", "--customer", "no id!")),
        ("--customer", ("invoices", "list", "--customer", "no id!")),
        ("--model", ("prices", "draft", "--markup", "15%", "--model", "")),
        ("--credit-rate", ("prices", "draft", "--markup", "15%", "--credit-rate", "1e2/USD")),
    ],
)
def test_a_refusal_names_the_option_that_was_typed(
    shop: Shop, option: str, typed: tuple[str, ...]
) -> None:
    done = shop("admin", *typed)
    assert done.exit == 2
    assert done.err.startswith(f"error: {option}: "), done.err


def test_credits_have_no_money_rate_until_the_operator_sets_one(shop: Shop) -> None:
    refused = shop.refused("wallet", "topup", "10")
    assert refused == (1, "not_offered")
    assert shop.data("admin", "terms", "show")["unset"] == ["what a credit costs"]


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


CREDIT_RATE = '[credit]\namount = "1"\ncurrency = "USD"\nper = "100"\n'


@pytest.fixture(scope="module")
def till(open_shop: Open) -> Shop:
    """A gateway that sells a hundred credits for a dollar, with one model, served."""
    made = open_shop("tokenok", "--payments", "sandbox")
    base = made.data("admin", "prices", "list")[0]["hash"]
    draft = made.home / "prices.toml"
    draft.write_text(
        f'base = "{base}"\n{CREDIT_RATE}'
        '[[models]]\nid = "gpt-4o-mini"\nprovider = "openai"\ncontext = 100000\n'
        'capabilities = ["stream"]\n[models.rates]\ninput = "100"\noutput = "400"\n'
    )
    shown = made.data("admin", "prices", "diff", draft)
    more = ("--accept", shown["accept"]) if shown["needs_accept"] else ()
    made.data("admin", "prices", "apply", draft, "--yes", *more)
    made.serve()
    return made


def signed(shop: Shop, order: str, **change: Any) -> Any:
    """Deliver the provider's signed event about an order over HTTP, with something changed."""
    import httpx
    import msgspec

    from nexctl.safety import signing
    from nexctl.server.payments import sandbox
    from nexctl.wire import payments

    with shop.inside() as house:
        path, _, body = sandbox.signed_event(house, order)
        secret, now = house.read(sandbox.secret), house.now() // 1_000_000
    event = msgspec.json.decode(body, type=payments.PaymentEvent)
    kind, name = change.pop("type", event.type), change.pop("id", event.id)
    data = msgspec.structs.replace(event.data, **change)
    body = msgspec.json.encode(msgspec.structs.replace(event, id=name, type=kind, data=data))
    headers = signing.headers(secret, name, now, body)
    return httpx.post(shop.url + path, content=body, headers=headers, timeout=30)


def test_a_payment_of_another_amount_is_refused_and_told(till: Shop) -> None:
    """Credited after the signed event and only then; only the order's own amount and currency."""
    before = till.balance()
    order = till.data("wallet", "topup", "5")
    for number, change in enumerate(({"amount": "4.99"}, {"currency": "EUR"}, {"amount": "500"})):
        got = signed(till, order["id"], id=f"evt_wrong_{number}", **change)
        assert (got.status_code, got.json()["error"]["code"]) == (422, "payment_mismatch")
    assert till.balance() == before
    (row,) = (r for r in till.data("wallet", "topups") if r["id"] == order["id"])
    assert row["state"] == "opened"
    found = till("admin", "reconcile", "-o", "json")
    assert found.exit == 9, "a payment that fits no order is the operator's to look at"
    wrong = {row["found"] for row in found.data["findings"]}
    assert wrong >= {"4.99", "500"}
    assert till("gateway", "pay", order["id"]).exit == 0
    assert till.balance() == before + 500
    till.verified()


def test_a_payment_that_is_taken_back_freezes_the_wallet(till: Shop) -> None:
    order = till.buy("5")
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}]}
    assert till.chat(body).exit == 0
    (paid,) = (r for r in till.data("admin", "payments", "list") if r["id"] == order["id"])
    payment = {"payment_id": paid["provider_payment_id"]}
    got = signed(till, order["id"], id="evt_disputed", type="payment.disputed", **payment)
    assert got.status_code == 200, got.text
    done = till.chat(body)
    assert (done.exit, till.error(done)["code"]) == (5, "wallet_frozen")
    got = signed(till, order["id"], id="evt_won", type="payment.dispute_won", **payment)
    assert got.status_code == 200, got.text
    assert till.chat(body).exit == 0
    till.verified()


def test_a_frozen_wallet_is_reviewed_by_the_operator(till: Shop) -> None:
    """The bank kept the money: what was spent of it is owed until it is paid or written off."""
    till.buy("5")
    order = till.buy("7")
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}]}
    assert till.chat(body).exit == 0
    (paid,) = (r for r in till.data("admin", "payments", "list") if r["id"] == order["id"])
    payment = {"payment_id": paid["provider_payment_id"]}
    (customer,) = (one["id"] for one in till.data("admin", "customers", "list"))
    refused = ("admin", "customers", "review", customer, "--note", "case 17", "--yes")
    assert till.refused(*refused) == (1, "state_conflict")
    got = signed(till, order["id"], id="evt_kept", type="payment.disputed", **payment)
    assert got.status_code == 200, got.text
    assert till.chat(body).exit == 5
    told = till.data(*refused)
    assert (told["wallet"], told["forgiven"]) == (customer, "0")
    assert told["state"] == ("active" if told["debt"] == "0" else "blocked")
    if told["state"] == "blocked":
        told = till.data(*refused, "--forgive-debt")
        assert (told["state"], told["debt"]) == ("active", "0")
    assert till.chat(body).exit == 0
    till.verified()


def test_who_notes_a_payment_does_not_approve_it(open_shop: Open) -> None:
    """Manual orders: one operator notes what came in, another one credits it."""
    shop = open_shop("nextoken", "--plan", "business", "--payments", "manual")
    order = shop.data("wallet", "topup", "20", "--method", "usdt")["id"]
    before = shop.balance()
    note = ("--transaction", "cd" * 32, "--sender", "T-address")
    noted = shop.data("admin", "payments", "submit", order, *note)
    assert noted["state"] == "submitted"
    approve = ("admin", "payments", "approve", order, "--yes")
    assert shop.refused(*approve) == (4, "approver_is_submitter")
    assert shop.balance() == before
    second = shop("admin", "operators", "create", "second", "--role", "billing", "-q").out.strip()
    done = shop(*approve, "-o", "json", NEXCTL_OPERATOR_KEY=second)
    assert (done.exit, done.data["state"]) == (0, "credited"), done
    assert shop.balance() == before + 20
    shop.verified()
