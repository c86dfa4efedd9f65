"""What an operator sets about money, and what its customers read of it: texts, fees, removals."""

from __future__ import annotations

import csv
import hashlib
from decimal import Decimal

from tests.systems.conftest import Open
from tests.systems.shop_kit import Shop

TERMS = """
[refund_policy]
version = "{version}"
text = '''{text}'''

[[payment_fees]]
method = "sandbox"
percent = "2.9"
fixed = "0.30"

[[tax]]
on = "usage_credits"
percent = "10"
name = "VAT"
"""


def set_terms(shop: Shop, version: str, text: str) -> None:
    (shop.home / "terms.toml").write_text(TERMS.format(version=version, text=text))
    shop.data("admin", "terms", "set", "terms.toml", "--yes")


def test_the_texts_that_an_order_was_made_under_stay_readable(open_shop: Open) -> None:
    shop = open_shop("tokenok", "--payments", "sandbox")
    rated(shop)
    assert shop.data("wallet", "policies") == []
    set_terms(shop, "2026-01", "Unspent credits go back.\nWithin 14 days.")
    order = shop.data("wallet", "topup", "20")
    set_terms(shop, "2026-02", "Nothing goes back.")
    (now,) = shop.data("wallet", "policies")
    assert (now["version"], now["text"], now["in_force"]) == ("2026-02", "Nothing goes back.", True)
    (then,) = shop.data("wallet", "policies", order["id"])
    assert (then["version"], then["in_force"]) == ("2026-01", False)
    assert then["text"] == "Unspent credits go back.\nWithin 14 days."
    assert then["sha256"] == hashlib.sha256(then["text"].encode()).hexdigest()
    printed = shop("wallet", "policies", order["id"], "-o", "table").out
    assert "Within 14 days." in printed
    assert shop("wallet", "policies", "ord_nothing").exit == 3


def test_the_fee_of_a_way_to_pay_is_shown_charged_and_invoiced(open_shop: Open) -> None:
    """20.00 with 2.9 % + 0.30 is 0.88 on top; tax is on what is bought, not on the fee."""
    shop = open_shop("tokenok", "--payments", "sandbox")
    rated(shop)
    set_terms(shop, "1", "Text")
    assert {row["id"]: row["fee_percent"] for row in shop.data("wallet", "packs")["data"]}[
        "sandbox"
    ] == "2.9"
    shown = shop("wallet", "topup", "20")
    assert "fee $0.88" in shown.err, shown
    assert "22.88" in shown.err, shown
    order = shop.buy("20")
    assert [Decimal(order[name]) for name in ("fee", "total")] == [
        Decimal("0.88"),
        Decimal("22.88"),
    ]
    assert shop.balance() == 2000, "the fee buys nothing"
    (paper,) = shop.data("invoices", "list")
    assert Decimal(paper["total"]) == Decimal("22.88")
    lines = [
        (line["text"], Decimal(line["gross"]))
        for line in shop.data("invoices", "show", paper["number"])["lines"]
    ]
    assert lines[1] == ("payment fee", Decimal("0.88"))
    assert sum(gross for _, gross in lines) == Decimal("22.88")
    done = shop("admin", "reconcile", "-o", "json")
    assert (done.exit, done.data["clean"]) == (0, True), done
    shop.data("admin", "payments", "refund", order["id"], "--yes")
    assert shop.balance() == 0
    notes = [row for row in shop.data("invoices", "list") if row["kind"] == "credit_note"]
    assert [Decimal(row["total"]) for row in notes] == [Decimal("22.88")]
    bad = TERMS.format(version="1", text="x").replace('"sandbox"', '"barter"')
    (shop.home / "bad.toml").write_text(bad)
    assert shop.refused("admin", "terms", "set", "bad.toml", "--yes") == (2, "invalid_request")
    shop.verified()


def test_a_draft_says_which_models_are_sold_no_more(open_shop: Open) -> None:
    shop = open_shop("nextoken", "--plan", "business")
    shop.data("admin", "providers", "cost", "echo", "--book", "openai")
    asked = ("--markup", "10%", "-m", "gpt-4o", "--remove", "o1", "--write", "draft.toml")
    made = shop.data("admin", "prices", "draft", *asked)
    assert (made["remove"], [row["id"] for row in made["models"]]) == (["o1"], ["gpt-4o"])
    shown = shop.data("admin", "prices", "diff", "draft.toml")
    gone = {row["model"] for row in shown["changes"] if row["after"] is None}
    assert gone == {"o1"}
    assert shop.refused("admin", "prices", "apply", "draft.toml", "--yes") == (
        *(9, "price_not_accepted"),
    )
    shop.data("admin", "prices", "apply", "draft.toml", "--yes", "--accept", shown["accept"])
    ask = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}
    done = shop.chat({"model": "o1", **ask})
    assert (done.exit, shop.error(done)["code"]) == (2, "model_not_found")
    assert shop.chat({"model": "gpt-4o", **ask}).exit == 0


def test_an_audit_follows_the_prices_that_an_update_brought(open_shop: Open) -> None:
    """Records of before and after a change of prices audit clean by the book that was kept."""
    shop = open_shop("nextoken", "--plan", "business")
    ask = {"messages": [{"role": "user", "content": "What does it cost?"}], "max_tokens": 50}
    assert shop.chat({"model": "gpt-4o", **ask}).exit == 0
    base = shop.data("admin", "prices", "list")[0]["hash"]
    (shop.home / "dearer.toml").write_text(
        f'base = "{base}"\n[[models]]\nid = "gpt-4o"\n[models.rates]\ninput = "3.00"\n'
    )
    shop.data("admin", "prices", "apply", "dearer.toml", "--yes")
    assert shop.chat({"model": "gpt-4o", **ask}).exit == 0
    shop.data("prices", "update", "--yes")
    assert shop.data("prices", "show", "gpt-4o")["rates"]["input"]["price"] == "3.00"
    assert shop("usage", "export", "usage.csv", "-q").exit == 0
    for source in ((), ("usage.csv",)):
        done = shop("usage", "audit", *source, "-o", "json")
        assert done.exit == 0, (source, done)
        assert done.data["findings"] == []
        assert done.data["rows"] == done.data["matched"] == 2
    # One unit too much in one of them is found.
    with (shop.home / "usage.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    rows[1]["charge"] = str(Decimal(rows[1]["charge"]) + Decimal("0.000000001"))
    with (shop.home / "wrong.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    done = shop("usage", "audit", "wrong.csv", "-o", "json")
    assert done.exit == 9, done


def test_a_restored_gateway_sends_nothing_that_waited_in_the_backup(open_shop: Open) -> None:
    shop = open_shop("nextoken", "--plan", "business")
    shop.data("webhooks", "endpoints", "add", "https://hook.invalid/x", "--event", "key.*")
    shop.key("told")
    assert shop("admin", "webhooks", "deliver").exit in (0, 9)
    (waiting,) = shop.data("admin", "webhooks", "deliveries")
    assert waiting["state"] == "pending"
    shop.key("not spread yet")
    assert shop("gateway", "backup", "copy.db").exit == 0
    done = shop.data("gateway", "restore", "copy.db", "--yes")
    assert done["dropped_deliveries"] == 1
    (dropped,) = shop.data("admin", "webhooks", "deliveries")
    assert dropped["state"] == "dropped"
    sent = shop.data("admin", "webhooks", "deliver")
    assert (sent["spread"], sent["delivered"], sent["failed"]) == (0, 0, 0)
    assert shop.data("admin", "webhooks", "replay", dropped["id"], "--yes")["id"] == dropped["id"]


def test_a_restore_names_the_orders_that_moved_money_since_the_backup(open_shop: Open) -> None:
    """Paid or paid back outside: what the backup does not know, the operator has to make good."""
    shop = open_shop("deeptoken", "--payments", "manual")

    def paid() -> str:
        order = str(shop.data("wallet", "topup", "50")["id"])
        shop.data("wallet", "submit", order, "--transaction", f"wire of {order}")
        shop.data("admin", "payments", "approve", order, "--yes")
        return order

    same, refunded = paid(), paid()
    assert shop("gateway", "backup", "copy.db").exit == 0
    shop.data("admin", "payments", "refund", refunded, "--amount", "20", "--yes")
    new = paid()
    assert shop("gateway", "restore", "copy.db", "--dry-run").exit == 0
    done = shop("gateway", "restore", "copy.db", "--yes")
    assert done.exit == 0
    assert same not in done.out
    assert "real money moved on 2 orders since" in done.out
    assert {refunded, new} <= set(done.out.split())
    again = shop.data("gateway", "restore", "copy.db", "--yes")
    assert again["orders_since"] == []
    shop.verified()


def rated(shop: Shop) -> None:
    """Sell a hundred credits for a dollar."""
    base = shop.data("admin", "prices", "list")[0]["hash"]
    (shop.home / "rate.toml").write_text(
        f'base = "{base}"\n[credit]\namount = "1"\ncurrency = "USD"\nper = "100"\n'
        '[[models]]\nid = "gpt-4o-mini"\nprovider = "openai"\n[models.rates]\n'
        'input = "100"\noutput = "400"\n'
    )
    shown = shop.data("admin", "prices", "diff", "rate.toml")
    more = ("--accept", shown["accept"]) if shown["needs_accept"] else ()
    shop.data("admin", "prices", "apply", "rate.toml", "--yes", *more)
