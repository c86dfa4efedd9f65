"""`admin customers`, `admin keys`, `admin operators`: what an operator does, as it is typed."""

from __future__ import annotations

import csv
from pathlib import Path

from tests.e2e.conftest import Nexctl


def one(nexctl: Nexctl) -> str:
    """The first customer's id; makes the gateway."""
    nexctl("wallet", "show")
    return nexctl("admin", "customers", "list", "-o", "name").out.strip()


def test_a_customer_is_suspended_and_resumed(nexctl: Nexctl) -> None:
    customer = one(nexctl)
    assert nexctl("admin", "customers", "suspend", customer, "--no-input").exit == 10
    done = nexctl("admin", "customers", "suspend", customer, "--yes", "-o", "json")
    assert done.data["state"] == "suspended"
    assert nexctl("chat", "-m", "nex-pro", stdin="x").exit == 4
    nexctl("admin", "customers", "suspend", customer, "--resume")
    assert nexctl("chat", "-m", "nex-pro", stdin="x").exit == 0
    assert nexctl("admin", "customers", "suspend", "cus_none", "--yes").exit == 3


def test_credits_are_given_and_taken(nexctl: Nexctl) -> None:
    customer = one(nexctl)
    given = nexctl(
        *("admin", "customers", "credit", customer, "2.5", "--note", "outage", "--yes"),
        *("-o", "json"),
    ).data
    assert set(given) == {
        *("customer_id", "sequence", "amount", "balance", "currency", "reverses", "profile"),
    }
    assert (given["amount"], given["balance"]) == ("2.5", "32.5")
    assert nexctl("admin", "customers", "credit", customer, "1", "--yes").exit == 2, "no --note"
    take = ("admin", "customers", "credit", customer, "--take", "--note", "x", "--yes")
    assert nexctl(*take, "1000").exit == 5
    assert nexctl(*take, "2.5", "-o", "json").data["balance"] == "30"
    for text in ("x", "-1", "1e3"):
        assert nexctl(*take[:4], "--note", "x", "--yes", "--", text).exit == 2
    dry = nexctl(*take, "1", "--dry-run", "-o", "json").data
    assert dry["requests"][0]["body"] == {"amount": "-1", "note": "x"}


def test_a_policy_is_shown_and_changed(nexctl: Nexctl) -> None:
    customer = one(nexctl)
    policy = ("admin", "customers", "policy", customer)
    assert nexctl(*policy, "-o", "json").data["quota"] is None
    changed = nexctl(*policy, "--model", "gpt-4o", "--quota", "5/1d", "-o", "json").data
    assert (changed["models"], changed["quota"]) == (["gpt-4o"], {"amount": "5", "window": "1d"})
    assert nexctl("chat", "-m", "nex-pro", stdin="x").exit == 4
    nexctl(*policy, "--clear", "models", "--deny-provider", "echo")
    said = nexctl("chat", "-m", "nex-pro", "-o", "json", stdin="x")
    assert (said.exit, said.error["code"]) == (4, "provider_not_allowed")
    cleared = nexctl(*policy, "--clear", "denied", "--clear", "quota", "-o", "json").data
    assert (cleared["providers_denied"], cleared["quota"]) == ([], None)
    assert nexctl(*policy, "--provider", "none").exit == 3
    assert nexctl(*policy, "--clear", "everything").exit == 2


def test_many_customers_come_from_a_sheet_and_the_same_command_resumes(
    nexctl: Nexctl, tmp_path: Path
) -> None:
    sheet = tmp_path / "customers.csv"
    sheet.write_text("name,plan,labels\nann,pro,team=a\nbob,,\nbad,none,\n")
    command = ("admin", "customers", "import", "customers.csv", "--write", "keys.csv", "--yes")
    first = nexctl(*command, "-o", "json")
    assert first.exit == 9, first
    rows = list(csv.DictReader((tmp_path / "keys.csv").open()))
    assert [row["name"] for row in rows] == ["ann", "bob"]
    assert all(row["secret"].startswith("nxt_mk_") for row in rows)
    assert (tmp_path / "keys.csv").stat().st_mode & 0o777 == 0o600
    assert rows[0]["secret"] not in first.out
    sheet.write_text("name,plan,labels\nann,pro,team=a\nbob,,\nbad,developer,\n")
    second = nexctl(*command, "-o", "json")
    assert [row["name"] for row in second.data["customers"]] == ["bad"]
    assert len((tmp_path / "keys.csv").read_text().splitlines()) == 4
    sheet.write_text("name,colour\nann,red\n")
    assert nexctl(*command).exit == 2
    sheet.write_text("name\nx\nx\n")
    assert ":3: 'x' stands in line 2 too" in nexctl(*command).err


def test_customers_keys_are_stopped(nexctl: Nexctl) -> None:
    secret = nexctl("keys", "create", "--name", "ci", "-q").out.strip()
    rows = nexctl("admin", "keys", "list", "-o", "json").data
    key = next(row["id"] for row in rows if row["name"] == "ci")
    assert secret not in str(rows)
    disabled = nexctl("admin", "keys", "disable", key, "-o", "json").data
    assert disabled["state"] == "disabled"
    assert nexctl("admin", "keys", "enable", key, "-o", "json").data["state"] == "active"
    assert nexctl("admin", "keys", "revoke", key, "--no-input").exit == 10
    assert nexctl("admin", "keys", "revoke", key, "--yes", "-o", "json").data["state"] == "revoked"
    assert nexctl("admin", "keys", "enable", key).exit == 1
    assert nexctl("admin", "keys", "disable", "key_none").exit == 3


def test_operators_come_and_go_and_the_last_owner_stays(nexctl: Nexctl) -> None:
    one(nexctl)
    made = nexctl("admin", "operators", "create", "sam", "--role", "read-only", "-o", "json").data
    assert (made["role"], made["secret"][:7]) == ("read_only", "nxt_op_")
    look = nexctl("admin", "customers", "list", NEXCTL_OPERATOR_KEY=made["secret"])
    assert look.exit == 0, look
    refused = nexctl(
        *("admin", "operators", "create", "x", "--role", "owner"),
        NEXCTL_OPERATOR_KEY=made["secret"],
    )
    assert refused.exit == 4
    assert nexctl("admin", "operators", "create", "x", "--role", "king").exit == 2
    assert nexctl("admin", "operators", "revoke", made["id"], "--yes").exit == 0
    ended = nexctl("admin", "customers", "list", NEXCTL_OPERATOR_KEY=made["secret"])
    assert ended.exit == 4
    rows = nexctl("admin", "operators", "list", "-o", "json").data
    owner = next(row["id"] for row in rows if row["role"] == "owner")
    assert nexctl("admin", "operators", "revoke", owner, "--yes").exit == 1
