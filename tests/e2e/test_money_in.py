"""Money in from the command line: terms, bonus, plan, papers, automatic top-up, wallets, claims."""

from __future__ import annotations

import csv
import json
import stat
from decimal import Decimal
from pathlib import Path

import pytest

from tests.e2e.conftest import Nexctl

TERMS = """
invoice_series = "NT"
[[loyalty]]
id = "gold"
at_least = "1000"
bonus_percent = "8"
[plan_fees]
pro = "29"
[refund_policy]
version = "1"
text = "Unspent credits are refunded within 30 days."
"""


def topup(nexctl: Nexctl, amount: str, *more: str) -> dict[str, str]:
    made = nexctl("wallet", "topup", amount, *more, "-o", "json")
    assert made.exit == 0, made
    assert nexctl("gateway", "pay", made.data["id"]).exit == 0
    return dict(made.data)


@pytest.fixture
def shop(nexctl: Nexctl, tmp_path: Path) -> Nexctl:
    (tmp_path / "terms.toml").write_text(TERMS)
    assert nexctl("admin", "terms", "set", "terms.toml", "--yes").exit == 0
    return nexctl


def test_gold_receives_1080_and_the_paper_and_the_statement_say_so(
    shop: Nexctl, tmp_path: Path
) -> None:
    topup(shop, "1000")
    second = topup(shop, "1000")
    assert (second["bonus"], second["total"]) == ("80", "1000")
    rows = shop("invoices", "list", "-o", "json").data
    assert [row["total"] for row in rows] == ["1000", "1000"]
    number = rows[0]["number"]
    shown = shop("invoices", "show", number)
    assert "Cete Ventures" in shown.out
    assert "play money" in shown.out
    assert "refund policy" in shown.out
    got = shop("invoices", "download", number, "paper.pdf")
    assert got.exit == 0, got
    paper = tmp_path / "paper.pdf"
    assert paper.read_bytes().startswith(b"%PDF-")
    assert stat.S_IMODE(paper.stat().st_mode) == 0o600
    assert shop("invoices", "download", number, "paper.pdf").exit == 2
    assert shop("invoices", "show", "NT-000099").exit == 3
    said = shop("statement", "--entries", "november.csv", "-o", "json").data
    assert set(said) >= {
        *("month", "wallet", "currency", "opening", "credits", "debits", "expired", "closing"),
        *("entries", "closed", "from", "to", "sums", "tier", "tier_saved", "profile"),
    }
    with (tmp_path / "november.csv").open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert sum(Decimal(row["amount"]) for row in lines) == Decimal(said["closing"])
    wallet = shop("wallet", "show", "-o", "json").data
    assert wallet["balance"] == said["closing"] == "2110"
    assert (wallet["tier"]["id"], wallet["lifetime"]) == ("developer", "2000")
    assert shop("gateway", "verify").exit == 0


def test_a_plan_is_asked_for_paid_with_tax_and_refused_without_a_fee(shop: Nexctl) -> None:
    topup(shop, "100")
    profile = shop(
        *("billing-profile", "set", "--name", "Acme", "--country", "sg", "--tax-id", "M9-1")
    )
    assert profile.exit == 0, profile
    assert shop("subscription", "set", "pro").exit == 10
    done = shop("subscription", "set", "pro", "--yes", "-o", "json").data
    assert (done["plan"], done["fee"], done["tax"], done["total"]) == ("pro", "29", "2.61", "31.61")
    refused = shop("subscription", "set", "business", "--yes", "-o", "json")
    assert (refused.exit, refused.error["code"]) == (1, "not_offered")
    assert shop("billing-profile", "set", "--name", "A", "--country", "Singapore").exit == 2


def test_automatic_top_up_is_agreed_to_shown_and_stopped(nexctl: Nexctl) -> None:
    terms = ("--below", "40", "--amount", "50", "--monthly-budget", "120")
    asked = nexctl("wallet", "auto-topup", "set", *terms)
    assert asked.exit == 10
    assert "by $50.0000 whenever less than $40.0000 is free, at most $120.0000 a month" in asked.err
    said = nexctl("wallet", "auto-topup", "set", *terms, "--yes", "-o", "json").data
    assert (said["enabled"], said["below"], said["ordered_this_month"]) == (True, "40", "50")
    assert nexctl("wallet", "show", "-o", "json").data["balance"] == "80"
    assert nexctl("wallet", "auto-topup", "off").exit == 0
    assert nexctl("wallet", "auto-topup", "show", "-o", "json").data["enabled"] is False
    for wrong in (("--below", "5"), ("--below", "5", "--amount", "1", "--target", "9")):
        assert nexctl("wallet", "auto-topup", "set", *wrong, "--yes").exit == 2


def test_another_wallet_is_made_topped_up_and_listed(nexctl: Nexctl) -> None:
    made = nexctl("wallet", "create", "research", "-o", "json").data
    topup(nexctl, "7", "--wallet", made["id"])
    rows = nexctl("wallet", "list", "-o", "json").data
    assert [(row["name"], row["balance"]) for row in rows] == [("main", "30"), ("research", "7")]
    assert nexctl("wallet", "create", "research").exit == 1
    said = nexctl("statement", "--wallet", made["id"], "--entries", "r.csv", "-o", "json").data
    assert (said["closing"], said["entries"]) == ("7", 1)


def test_a_wallet_gets_another_name_and_other_keys(nexctl: Nexctl) -> None:
    made = nexctl("wallet", "create", "research", "-o", "json").data["id"]
    one, two = (
        nexctl("keys", "create", "--name", name, "-o", "json").data["id"] for name in ("a", "b")
    )
    for keys in ((one, two), (two,), ()):
        words = [word for key in keys for word in ("--key", key)] or ["--no-keys"]
        done = nexctl("wallet", "set", made, *words, "-o", "json")
        assert sorted(done.data["keys"]) == sorted(keys)
    assert nexctl("wallet", "set", made, "--name", "lab", "-o", "json").data["name"] == "lab"
    assert [row["name"] for row in nexctl("wallet", "list", "-o", "json").data] == ["main", "lab"]
    taken = nexctl("wallet", "set", made, "--name", "main", "-o", "json")
    assert (taken.exit, taken.error["code"]) == (1, "name_taken")
    for wrong in ((), ("--key", one, "--no-keys")):
        assert nexctl("wallet", "set", made, *wrong).exit == 2
    assert nexctl("wallet", "set", "wal_none", "--name", "x").exit == 3
    assert nexctl("wallet", "set", made, "--key", "key_none").exit == 3


def test_a_charge_is_given_back_for_the_request_that_it_names(nexctl: Nexctl) -> None:
    assert nexctl("chat", "-", "--request-id", "r-1", stdin="Hello there").exit == 0
    charged = nexctl("usage", "list", "-o", "json").data[0]["charge"]
    (customer,) = nexctl("admin", "customers", "list", "-o", "name").out.split()
    credit = ("admin", "customers", "credit", customer)
    done = nexctl(*credit, charged, "--request-id", "r-1", "--note", "ours", "--yes", "-o", "json")
    assert done.data["reverses"]
    assert nexctl("wallet", "show", "-o", "json").data["balance"] == "30"
    again = nexctl(*credit, charged, "--request-id", "r-1", "--note", "ours", "--yes", "-o", "json")
    assert (again.exit, again.error["code"]) == (1, "not_refundable")
    both = nexctl(*credit, "1", "--take", "--request-id", "r-1", "--note", "x", "--yes")
    assert both.exit == 2
    assert nexctl("gateway", "verify").exit == 0
    said = nexctl("usage", "export", "u.jsonl", "-o", "json").data
    assert said["balance"]["matches"] is True
    assert nexctl("usage", "audit", "u.jsonl").exit == 0


def test_a_promotional_code_is_made_and_used_once(nexctl: Nexctl) -> None:
    made = nexctl("admin", "codes", "create", "10%", "--promo", "--yes", "-q")
    assert made.exit == 0, made
    code = made.out.strip()
    assert topup(nexctl, "50", "--promo", code)["bonus"] == "5"
    again = nexctl("wallet", "topup", "50", "--promo", code, "-o", "json")
    assert (again.exit, again.error["code"]) == (1, "code_used")
    assert nexctl("wallet", "topup", "50", "--promo", "NOPE-NOPE").exit == 3
    assert nexctl("admin", "codes", "create", "10%", "--yes").exit == 2
    assert nexctl("admin", "codes", "create", "10", "--uses", "3", "--yes").exit == 2


def test_no_play_money_is_lost_on_an_order_that_takes_none(nexctl: Nexctl) -> None:
    init = ("gateway", "init", "d", "--book", "deeptoken", "--payments", "sandbox", "--use")
    assert nexctl(*init, NEXCTL_KEYRING="0").exit == 0
    asked = nexctl("wallet", "topup", "5000.01")
    assert asked.exit == 8, asked
    order = nexctl("wallet", "topups", "-o", "name").out.strip()
    done = nexctl("gateway", "pay", order)
    assert (done.exit, done.out) == (8, "")
    assert "the order is under review: it cannot be paid" in done.err
    assert f"nexctl admin payments approve {order}" in done.err
    assert nexctl("admin", "payments", "reject", order, "--reason", "no", "-y").exit == 0
    done = nexctl("gateway", "pay", order)
    assert done.exit == 1
    assert "rejected" in done.err
    assert nexctl("admin", "reconcile").exit == 0, "no payment was left without an order"


def test_codes_are_tried_ten_times_an_hour(nexctl: Nexctl) -> None:
    for _ in range(10):
        assert nexctl("wallet", "redeem", "WRONG-CODE").exit == 3
    done = nexctl("wallet", "redeem", "WRONG-CODE")
    assert done.exit == 6
    assert "more than 10 tries in 60 minutes" in done.err


def test_nexus_grants_are_listed_and_claimed(nexctl: Nexctl) -> None:
    assert nexctl("gateway", "init", "n", "--book", "nexu").exit == 0
    at = ("-p", "n")
    got = nexctl("wallet", "grants", "claim", "github_star", "-o", "json", *at).data
    assert (got["amount"], got["task"]) == ("700", "github_star")
    again = nexctl("wallet", "grants", "claim", "github_star", "-o", "json", *at)
    assert (again.exit, again.error["code"]) == (1, "code_used")
    listed = nexctl("wallet", "grants", "-o", "json", *at).data
    assert len(listed["tasks"]) == 9
    assert listed["grants"][0]["amount"] == "700"
    assert nexctl("wallet", "grants", "claim", "nothing", *at).exit == 3
    assert nexctl("wallet", "grants", "take").exit == 2


def test_stripe_is_set_up_by_names_of_variables_and_says_what_is_missing(nexctl: Nexctl) -> None:
    made = nexctl(
        *("gateway", "init", "s", "--payments", "stripe"),
        *("--stripe-url", "http://127.0.0.1:9", "--stripe-key-env", "MY_KEY"),
    )
    assert made.exit == 0, made
    assert nexctl("gateway", "init", "t", "--stripe-url", "https://x.example").exit == 2
    asked = nexctl("wallet", "topup", "50", "-p", "s", "-o", "json")
    assert (asked.exit, asked.error["code"]) == (2, "payment_method_unavailable")
    down = nexctl("wallet", "topup", "50", "-p", "s", "-o", "json", MY_KEY="sk_test_canary")
    assert down.exit == 7, down
    assert "canary" not in down.err


@pytest.mark.parametrize(
    "words",
    [
        ("admin", "terms", "set", "nowhere.toml", "--yes"),
        ("statement", "--month", "2026-13"),
        ("invoices", "download", "../../x"),
        ("admin", "invoices", "void", "NT-000001", "--reason", ""),
    ],
)
def test_wrong_words_are_refused_in_two_lines(nexctl: Nexctl, words: tuple[str, ...]) -> None:
    got = nexctl(*words, "-o", "json")
    assert got.exit == 2, got
    assert got.out == ""
    assert set(json.loads(got.err)["error"]) >= {"code", "message", "hint"}
