"""`nexctl wallet`: from a top-up to its balance, and what binds."""

from __future__ import annotations

from tests.e2e.conftest import Nexctl

SHOWN = {"currency", "balance", "held", "spendable", "binding", "layers"}
ORDERED = {
    "id", "state", "method", "amount", "currency", "credits", "subtotal", "tax", "fee", "bonus",
    "total", "pay_to", "checkout_url", "expires_at",
}  # fmt: skip


def test_a_top_up_is_ordered_paid_and_in_the_balance(nexctl: Nexctl) -> None:
    assert nexctl("wallet", "show", "-o", "json").data["balance"] == "30"
    ordered = nexctl("wallet", "topup", "50", "-o", "json")
    assert set(ordered.data) >= ORDERED
    assert (ordered.data["state"], ordered.data["total"]) == ("opened", "50")
    # Ordering alone moves nothing.
    assert nexctl("wallet", "show", "-o", "json").data["balance"] == "30"
    paid = nexctl("gateway", "pay", ordered.data["id"], "-o", "json")
    assert (paid.exit, paid.data["state"], paid.data["balance"]) == (0, "credited", "80")
    # A second delivery credits nothing more.
    again = nexctl("gateway", "pay", ordered.data["id"], "-o", "json")
    assert again.data["balance"] == "80"
    listed = nexctl("wallet", "topups", "-o", "json").data
    assert [row["state"] for row in listed] == ["credited"]
    kinds = [row["kind"] for row in nexctl("wallet", "ledger", "-o", "json").data]
    assert kinds == ["grant", "topup"]


def test_recharge_is_another_name(nexctl: Nexctl) -> None:
    done = nexctl("recharge", "12.50", "-o", "json")
    assert (done.exit, done.data["amount"]) == (0, "12.5")
    assert nexctl("wallet", "topups", "-o", "name").out.strip() == done.data["id"]


def test_the_preview_names_every_part_of_the_total(nexctl: Nexctl) -> None:
    done = nexctl("wallet", "topup", "50")
    for word in ("credits", "tax", "fee", "bonus", "total"):
        assert word in done.err.partition("preview")[2]
        assert f"\n  {word}" in done.out
    assert "profile local" in done.out.splitlines()[0]
    assert "nexctl gateway pay ord_" in done.out


def test_waiting_out_of_time_is_pending(nexctl: Nexctl) -> None:
    done = nexctl("wallet", "topup", "50", "--wait", "--timeout", "1", "-o", "json")
    assert done.exit == 8
    assert done.data["state"] == "opened"


def test_the_same_idempotency_key_orders_once(nexctl: Nexctl) -> None:
    first = nexctl("wallet", "topup", "50", "--idempotency-key", "k1", "-o", "json")
    second = nexctl("wallet", "topup", "50", "--idempotency-key", "k1", "-o", "json")
    assert first.data["id"] == second.data["id"]
    assert nexctl("wallet", "topup", "60", "--idempotency-key", "k1").exit == 2
    assert len(nexctl("wallet", "topups", "-o", "json").data) == 1


def test_the_fields_of_the_wallet_are_an_api(nexctl: Nexctl) -> None:
    data = nexctl("wallet", "show", "-o", "json").data
    assert set(data) >= SHOWN
    assert set(data["binding"]) == {"layer", "id", "remaining", "resets_at"}


def test_the_binding_layer_is_named(nexctl: Nexctl) -> None:
    nexctl("budgets", "set", "7/month")
    done = nexctl("wallet", "show", "-o", "json")
    assert (done.data["spendable"], done.data["binding"]["layer"]) == ("7", "customer")
    text = nexctl("wallet", "show").out
    assert "bound by customer" in text
    assert text.splitlines()[0].startswith("nextoken · price book nextoken@2026-11-20 · ")
    key = nexctl("keys", "create", "--name", "ci", "--budget", "2/month", "-q").out.strip()
    seen = nexctl("wallet", "show", "-o", "json", NEXCTL_API_KEY=key).data
    assert (seen["spendable"], seen["binding"]["layer"]) == ("2", "key")


def test_a_code_gives_its_credits_once(nexctl: Nexctl) -> None:
    assert nexctl("admin", "codes", "create", "5").exit == 10
    code = nexctl("admin", "codes", "create", "5", "--yes", "-q").out.strip()
    given = nexctl("wallet", "redeem", "-", "-o", "json", stdin=code.lower())
    assert (given.exit, given.data["amount"], given.data["balance"]) == (0, "5", "35")
    assert nexctl("wallet", "redeem", code).exit == 1
    assert nexctl("wallet", "redeem", "WRONG-WRONG-WRONG").exit == 3


def test_the_book_streams_in_every_format(nexctl: Nexctl) -> None:
    nexctl("chat", "-m", "nex-pro", stdin="hello")
    rows = nexctl("wallet", "ledger", "-o", "jsonl").out.splitlines()
    assert len(rows) == 2
    assert nexctl("wallet", "ledger", "--kind", "usage", "-o", "name").out == "2\n"
    assert nexctl("wallet", "ledger", "--limit", "1", "-o", "csv").out.count("\n") == 2
    assert nexctl("wallet", "ledger", "--from", "2999-01-01", "-o", "json").data == []
    assert nexctl("wallet", "ledger", "--from", "yesterday").exit == 2
