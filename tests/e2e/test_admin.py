"""`nexctl admin`: customers, payments, providers and codes by the operator's key."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.conftest import Nexctl


def test_a_customer_is_made_with_its_own_key(nexctl: Nexctl, tmp_path: Path) -> None:
    done = nexctl("admin", "customers", "create", "acme", "--plan", "pro", "-q")
    assert done.out.startswith("nxt_mk_")
    assert done.out.count("\n") == 1
    own = {"NEXCTL_API_KEY": done.out.strip()}
    assert nexctl("wallet", "show", "-o", "json", **own).data["balance"] == "10"
    assert [key["name"] for key in nexctl("keys", "list", "-o", "json", **own).data] == [
        "management"
    ]
    names = [row["name"] for row in nexctl("admin", "customers", "list", "-o", "json").data]
    assert sorted(names) == ["acme", "me"]
    kept = nexctl("admin", "customers", "create", "b", "--write", "b.key", "-o", "json")
    assert kept.data["secret"] is None
    assert (tmp_path / "b.key").read_text().startswith("nxt_mk_")
    # A customer's key operates nothing.
    assert nexctl("admin", "customers", "list", NEXCTL_OPERATOR_KEY=done.out.strip()).exit == 4


def test_a_manual_order_is_submitted_approved_and_refunded(nexctl: Nexctl) -> None:
    nexctl("gateway", "init", "shop", "--plan", "pro")
    at = ("-p", "shop", "-o", "json")
    order = nexctl("wallet", "topup", "50", *at).data
    assert order["pay_to"]["reference"] == order["id"]
    assert order["pay_to"]["amount"] == "50"
    early = nexctl("admin", "payments", "approve", order["id"], "--yes", "-p", "shop")
    assert early.exit == 1
    assert f"nexctl wallet submit {order['id']} --transaction REF" in early.err
    submitted = nexctl(
        *("wallet", "submit", order["id"], "--transaction", "abc-12345", "--sender", "me"), *at
    )
    assert submitted.data["state"] == "submitted", submitted
    waiting = nexctl("admin", "payments", "list", "--state", "submitted", *at).data
    assert [row["id"] for row in waiting] == [order["id"]]
    asked = nexctl("admin", "payments", "approve", order["id"], "-p", "shop")
    assert asked.exit == 10
    for part in ("$50.0000", "profile shop", order["id"]):
        assert part in asked.err
    done = nexctl("admin", "payments", "approve", order["id"], "--yes", *at)
    assert (done.exit, done.data["state"]) == (0, "credited")
    assert nexctl("wallet", "show", *at).data["balance"] == "60"
    back = nexctl("admin", "payments", "refund", order["id"], "--amount", "20", "--yes", *at)
    assert back.exit == 0, back
    assert nexctl("wallet", "show", *at).data["balance"] == "40"


def test_a_manual_order_can_be_rejected(nexctl: Nexctl) -> None:
    nexctl("gateway", "init", "shop")
    at = ("-p", "shop", "-o", "json")
    order = nexctl("wallet", "topup", "50", *at).data["id"]
    nexctl("wallet", "submit", order, "--transaction", "abc-12345", "--sender", "me", *at)
    done = nexctl(
        *("admin", "payments", "reject", order, "--reason", "nothing has come", "--yes"), *at
    )
    assert (done.data["state"], done.data["reason"]) == ("rejected", "nothing has come")
    assert nexctl("admin", "payments", "approve", order, "--yes", *at).exit == 1


def test_providers_are_added_changed_and_removed_without_showing_a_key(
    nexctl: Nexctl, tmp_path: Path
) -> None:
    secret = "sk-CANARY-0123456789abcdef"
    done = nexctl(
        *("admin", "providers", "add", "main", "--url", "https://api.example.com/v1"),
        *("--key-file", "-", "--serves", "nex-pro=their-model", "--priority", "5"),
        *("-o", "json"),
        stdin=secret,
    )
    assert done.exit == 0, done
    assert (done.data["key_source"], done.data["models"]) == (
        "stored",
        {"nex-pro": "their-model"},
    )
    dry = nexctl(
        *("admin", "providers", "set", "main", "--key-file", "-", "--dry-run"), stdin=secret
    )
    assert secret not in done.out + done.err + dry.out + dry.err
    assert (
        nexctl("admin", "providers", "set", "main", "--disable", "-o", "json").data["enabled"]
        is False
    )
    ids = nexctl("admin", "providers", "list", "-o", "name").out.split()
    assert ids == ["main", "echo"]
    assert nexctl("admin", "providers", "remove", "main", "--yes").exit == 0
    assert nexctl("admin", "providers", "remove", "echo", "--yes").exit == 1
    private = ("admin", "providers", "add", "lan", "--url", "http://192.168.0.9/v1")
    assert nexctl(*private).exit == 2


def test_codes_are_shown_once(nexctl: Nexctl, tmp_path: Path) -> None:
    made = nexctl("admin", "codes", "create", "5", "--count", "3", "--yes", "--write", "c.txt")
    codes = (tmp_path / "c.txt").read_text().split()
    assert len(set(codes)) == 3
    listed = nexctl("admin", "codes", "list", "-o", "json")
    for code in codes:
        assert code not in made.out + made.err + listed.out
    nexctl("wallet", "redeem", codes[0])
    states = [row["state"] for row in nexctl("admin", "codes", "list", "-o", "json").data]
    assert sorted(states) == ["open", "open", "redeemed"]


def test_an_option_that_a_provider_does_not_have_is_refused(nexctl: Nexctl) -> None:
    done = nexctl("admin", "providers", "set", "echo", "--option", "delay=1")
    assert done.exit == 2
    assert "echo has no option 'delay': it has fail, stall" in done.err
    url = "https://api.example.com/v1"
    done = nexctl("admin", "providers", "add", "far", "--url", url, "--option", "fail=500")
    assert done.exit == 2
    assert "openai has no option 'fail': it has none" in done.err
