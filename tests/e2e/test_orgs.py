"""`orgs`, `projects`, `members`, `alerts`, `webhooks`, `audit-log` as a person types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import Nexctl

ORG_FIELDS = {
    *("id", "slug", "name", "state", "wallet_mode", "created_at", "role", "currency", "balance"),
    "held",
}


@pytest.fixture
def deep(nexctl: Nexctl) -> Nexctl:
    """A gateway whose book has organisations."""
    made = nexctl("gateway", "init", "deep", "--book", "deeptoken", "--payments", "sandbox")
    assert made.exit == 0, made

    def run(*arguments: str | Path, **more: str) -> object:
        return nexctl(*arguments, NEXCTL_PROFILE="deep", **more)

    return run  # type: ignore[return-value]


def test_an_organisation_from_its_making_to_a_refusal_by_its_budget(
    deep: Nexctl, tmp_path: Path
) -> None:
    made = deep("orgs", "create", "acme", "--write", "acme.key", "-o", "json")
    assert made.exit == 0, made
    assert set(made.data) >= ORG_FIELDS | {"key_id", "prefix", "secret", "profile"}
    assert made.data["secret"] is None, "it is in the file"
    assert (tmp_path / "acme.key").stat().st_mode & 0o777 == 0o600
    listed = deep("orgs", "list", "-o", "json").data
    assert [set(row) for row in listed] == [ORG_FIELDS]
    deep("projects", "create", "search", "--org", "acme")
    assert deep("projects", "list", "--org", "acme").out.split("\t")[1] == "search"
    budget = deep("budgets", "set", "50/7d", "--project", "search", "--org", "acme", "-o", "json")
    assert (budget.data["scope"], budget.data["window"]) == ("project", "7d")
    assert budget.data["scope_name"] == "search"
    credit = deep("admin", "customers", "credit", made.data["id"], "5", "--note", "x", "--yes")
    assert credit.exit == 0, credit
    assert deep("orgs", "show", "acme", "-o", "json").data["balance"] == "5"
    assert deep("budgets", "set", "0.000001/1d", "--org", "acme").exit == 0
    key = (tmp_path / "acme.key").read_text().strip()
    counted = deep(
        *("keys", "create", "--name", "web", "--project", "search", "-o", "json"),
        NEXCTL_API_KEY=key,
    )
    assert counted.data["name"] == "web", counted
    said = deep("chat", "-m", "gpt-4.1-mini", "--no-input", stdin="hello", NEXCTL_API_KEY=key)
    assert said.exit == 5, said
    assert "org" in said.err
    assert deep("orgs", "close", "acme", "--no-input").exit == 10
    assert deep("orgs", "close", "acme", "--yes").exit == 1, "there are credits left"
    assert deep("gateway", "verify").exit == 0


def test_members_come_change_and_go(deep: Nexctl) -> None:
    deep("orgs", "create", "acme", "--write", "acme.key")
    customer = deep("admin", "customers", "create", "bob", "-o", "json").data["id"]
    member = deep("members", "add", customer, "--org", "acme", "-o", "json").data
    assert (member["role"], member["name"]) == ("member", "bob")
    changed = deep("members", "set", member["id"], "--org", "acme", "--role", "admin", "-o", "json")
    assert changed.data["role"] == "admin"
    assert deep("members", "remove", member["id"], "--org", "acme", "--yes").exit == 0
    owner = deep("members", "list", "--org", "acme", "-o", "name").out.strip()
    last = deep("members", "remove", owner, "--org", "acme", "--yes")
    assert (last.exit, "needs an owner" in last.err) == (1, True)


def test_rules_and_pools(deep: Nexctl) -> None:
    made = deep("orgs", "create", "acme", "--write", "acme.key", "-o", "json").data
    rules = deep("orgs", "policy", "acme", "--model", "gpt-4.1-mini", "--member-budget", "5/month")
    assert "gpt-4.1-mini" in rules.out
    assert "window=month,hard=true" in deep("orgs", "policy", "acme").out
    shown = deep("orgs", "policy", "acme", "-o", "json").data
    assert shown["default_budgets"] == [
        {"scope": "member", "amount": "5", "window": "month", "hard": True}
    ]
    assert deep("orgs", "policy", "acme", "--model", "x", "--all-models").exit == 2
    deep("admin", "customers", "credit", made["id"], "5", "--note", "x", "--yes")
    deep("orgs", "pools", "create", "acme", "research")
    asked = deep("orgs", "pools", "transfer", "acme", "2", "--to", "research")
    assert (asked.exit, "Move $2.0000 from main to research" in asked.err) == (10, True)
    moved = deep("orgs", "pools", "transfer", "acme", "2", "--to", "research", "--yes")
    assert [line.split("\t")[1:3] for line in moved.out.splitlines()] == [
        ["main", "3"],
        ["research", "2"],
    ]
    over = deep("orgs", "pools", "transfer", "acme", "9", "--to", "research", "--yes")
    assert over.exit == 5


def test_a_book_without_organisations_says_so(nexctl: Nexctl) -> None:
    for command in (("orgs", "list"), ("projects", "list", "--org", "x"), ("orgs", "create", "x1")):
        said = nexctl(*command)
        assert said.exit == 1, said
        assert "no organisations" in said.err


@pytest.mark.parametrize("slug", ["A", "x y", "../x", "", "-x"])
def test_slugs_are_checked_before_anything_is_sent(deep: Nexctl, slug: str) -> None:
    assert deep("orgs", "create", "--", slug).exit == 2


def test_alerts_are_shown_and_set(nexctl: Nexctl) -> None:
    shown = nexctl("alerts", "show", "-o", "json").data
    assert set(shown) == {"percents", "webhooks", "email", "balance_below", "currency", "profile"}
    changed = nexctl(
        *("alerts", "set", "--email", "ops@example.com", "--percent", "50", "--below", "5"),
        *("-o", "json"),
    ).data
    assert (changed["email"], changed["percents"], changed["balance_below"]) == (
        *("ops@example.com", [50]),
        "5",
    )
    assert nexctl("alerts", "set", "--below", "0", "-o", "json").data["balance_below"] is None
    assert nexctl("alerts", "set").exit == 2
    assert nexctl("alerts", "set", "--email", "not one").exit == 2
    assert nexctl("alerts", "set", "--email", "a@b.c", "--no-email").exit == 2


def test_an_alert_is_written_into_a_file_when_it_is_delivered(
    nexctl: Nexctl, tmp_path: Path
) -> None:
    nexctl("alerts", "set", "--email", "ops@example.com")
    nexctl("budgets", "set", "0.000001/month", "--soft", "--alert-at", "50")
    assert nexctl("chat", "-m", "nex-pro", stdin="hello").exit == 0
    box = f"file:{tmp_path / 'box'}"
    sent = nexctl("admin", "webhooks", "deliver", "-o", "json", NEXCTL_MAIL=box)
    assert sent.data["delivered"] == 1, sent
    assert "50 % of budget customer-month is spent" in (tmp_path / "box").read_text()
    again = nexctl("admin", "webhooks", "deliver", "-o", "json", NEXCTL_MAIL=box)
    assert again.data["delivered"] == 0
    rows = nexctl("admin", "webhooks", "deliveries", "-o", "json").data
    assert [(row["channel"], row["state"]) for row in rows] == [("email", "delivered")]


def test_webhook_endpoints_are_added_and_removed(nexctl: Nexctl) -> None:
    added = nexctl("webhooks", "endpoints", "add", "https://example.com/h", "-q")
    assert added.out.startswith("whsec_")
    assert len(added.out.split()) == 1
    (row,) = nexctl("webhooks", "endpoints", "list", "-o", "json").data
    assert set(row) == {
        *("id", "url", "kinds", "state", "prefix", "created_at", "note", "customer_id"),
        "allow_private",
    }
    assert nexctl("webhooks", "endpoints", "add", "https://10.0.0.1/h").exit == 2
    assert nexctl("webhooks", "endpoints", "add", "https://e.com/h", "--event", "x").exit == 2
    assert nexctl("webhooks", "endpoints", "add", "https://e.com/h", "-o", "name").exit == 2
    assert nexctl("webhooks", "endpoints", "remove", row["id"]).exit == 10
    assert nexctl("webhooks", "endpoints", "remove", row["id"], "--yes").exit == 0
    assert nexctl("webhooks", "endpoints", "remove", row["id"], "--yes").exit == 3


def test_the_audit_log_is_listed_exported_and_proved(nexctl: Nexctl, tmp_path: Path) -> None:
    secret = nexctl("keys", "create", "--name", "ci", "-q").out.strip()
    nexctl("keys", "disable", "ci", "--yes")
    own = nexctl("audit-log", "list", "-o", "json").data
    assert [row["action"] for row in own] == ["keys.create", "keys.update"]
    assert set(own[0]) == {
        *("chain", "sequence", "created_at", "actor", "actor_id", "action", "hash", "actor_name"),
        *("address", "object", "before", "after", "request_id"),
    }
    assert nexctl("audit-log", "list", "--action", "keys.create", "-o", "json").data == own[:1]
    assert nexctl("audit-log", "list", "--from", "2999-01-01", "-o", "json").data == []
    assert nexctl("audit-log", "list", "--from", "soon").exit == 2
    assert nexctl("admin", "audit-log", "verify").exit == 0
    done = nexctl("admin", "audit-log", "export", "audit.jsonl", "-o", "json")
    assert done.data["rows"] == 2
    text = (tmp_path / "audit.jsonl").read_text()
    assert secret not in text
    assert (tmp_path / "audit.jsonl").stat().st_mode & 0o777 == 0o600
    assert nexctl("admin", "audit-log", "verify", "audit.jsonl").exit == 0
    rows = [json.loads(line) for line in text.splitlines()]
    rows[0]["after"]["name"] = "other"
    (tmp_path / "changed.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = nexctl("admin", "audit-log", "verify", "changed.jsonl", "-o", "json")
    assert (found.exit, len(found.data["faults"])) == (9, 1)
    (tmp_path / "late.jsonl").write_text(text.splitlines()[1])
    late = nexctl("admin", "audit-log", "verify", "late.jsonl")
    assert (late.exit, "begins at row 2, which is taken as it stands" in late.err) == (0, True)
    (tmp_path / "junk").write_text("not\njson")
    assert nexctl("admin", "audit-log", "verify", "junk").exit == 2
    assert nexctl("admin", "audit-log", "verify", "missing").exit == 2


def test_a_member_acts_for_an_organisation_by_option_variable_and_profile(deep: Nexctl) -> None:
    made = deep("orgs", "create", "acme", "--write", "acme.key", "-o", "json").data
    deep("admin", "customers", "credit", made["id"], "5", "--note", "x", "--yes")

    def balance(*arguments: str, **environ: str) -> str:
        shown = deep("wallet", "show", "-o", "json", *arguments, **environ)
        assert shown.exit == 0, shown
        return str(shown.data["balance"])

    assert balance() == "0"
    assert balance("--org", "acme") == "5"
    assert balance("--org", made["id"]) == "5"
    assert balance(NEXCTL_ORG="acme") == "5"
    said = deep("chat", "-m", "gpt-4.1-mini", "--org", "acme", "-o", "json", stdin="hello")
    assert said.exit == 0, said
    assert float(balance("--org", "acme")) < 5
    assert balance() == "0", "the member paid nothing"
    assert deep("config", "set", "profiles.deep.org", "acme").exit == 0
    assert balance() != "0"
    # The option stands over the variable, and that over the profile.
    assert deep("wallet", "show", "--org", "other", NEXCTL_ORG="acme").exit == 4
    assert deep("wallet", "show", NEXCTL_ORG="other").exit == 4
    for name in ("two words", "line\nbreak", "ö"):
        assert deep("wallet", "show", "--org", name).exit == 2
    # An operator acts for nobody.
    assert deep("admin", "customers", "list", NEXCTL_ORG="other").exit == 0


def test_an_organisation_where_the_book_has_none_is_refused(nexctl: Nexctl) -> None:
    said = nexctl("wallet", "show", "--org", "acme")
    assert said.exit == 2, said
    assert "no members who act for organisations" in said.err
