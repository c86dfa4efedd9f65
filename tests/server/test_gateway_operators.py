"""What operators do: roles, suspending, credits, policies, keys, allowances, the audit log."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from server_kit import Got, Rig

from nexctl.server.audit_export import faults
from nexctl.server.ledger import budgets, customers
from nexctl.server.ledger.verify import verify
from nexctl.server.policies import Policy, of, provider_allowed


def admin(rig: Rig, method: str, path: str, body: Any = None, key: str | None = None) -> Got:
    return rig.ask(method, f"/admin/v1{path}", body, key=key or rig.operator)


def me(rig: Rig) -> str:
    return f"/customers/{rig.made.customer}"


# operators ---------------------------------------------------------------------------------------


def test_an_operators_key_is_shown_once_works_and_ends(rig: Rig) -> None:
    made = admin(rig, "POST", "/operators", {"name": "sam", "role": "support"})
    secret = made.body["secret"]
    assert secret.startswith("nxt_op_")
    assert admin(rig, "GET", "/customers", key=secret).status == 200
    rows = admin(rig, "GET", "/operators").body["data"]
    assert {row["name"]: row["role"] for row in rows} == {"owner": "owner", "sam": "support"}
    assert secret not in json.dumps(rows)
    taken = admin(rig, "POST", "/operators", {"name": "sam", "role": "owner"})
    assert taken.code == "name_taken"
    gone = admin(rig, "POST", f"/operators/{made.body['id']}/revoke")
    assert gone.body["state"] == "revoked"
    assert admin(rig, "GET", "/customers", key=secret).status == 401


def test_the_last_owner_stays(rig: Rig) -> None:
    (owner,) = admin(rig, "GET", "/operators").body["data"]
    assert admin(rig, "POST", f"/operators/{owner['id']}/revoke").code == "state_conflict"
    assert admin(rig, "POST", "/operators/none/revoke").code == "not_found"


@pytest.mark.parametrize("role", ["billing", "support", "read_only"])
def test_only_owners_make_operators_and_policies(rig: Rig, role: str) -> None:
    key = rig.role(role)
    for method, path, body in (
        ("POST", "/operators", {"name": "x", "role": "owner"}),
        ("PUT", f"{me(rig)}/policy", {"rpm": 1}),
        ("POST", "/webhook-endpoints", {"url": "https://example.com/h"}),
    ):
        assert admin(rig, method, path, body, key=key).code == "not_permitted", (role, path)


def test_support_stops_but_does_not_give(rig: Rig) -> None:
    key = rig.role("support")
    credit = f"{me(rig)}/wallet/adjustments"
    assert admin(rig, "POST", credit, {"amount": "5", "note": "x"}, key).code == "not_permitted"
    assert admin(rig, "POST", f"{me(rig)}/suspend", {}, key).status == 200


# customers ---------------------------------------------------------------------------------------


def test_a_suspended_customer_looks_but_does_not_spend_or_change(rig: Rig) -> None:
    got = admin(rig, "POST", f"{me(rig)}/suspend", {"reason": "unpaid"})
    assert got.body["state"] == "suspended"
    assert rig.chat().code == "customer_suspended"
    assert rig.ask("POST", "/v1/keys", {"name": "x"}).code == "customer_suspended"
    assert rig.ask("GET", "/v1/wallet").status == 200
    admin(rig, "POST", f"{me(rig)}/suspend", {"suspended": False})
    assert rig.chat().status == 200
    assert admin(rig, "POST", "/customers/none/suspend", {}).code == "not_found"


def test_credits_are_given_and_taken_in_the_customers_book(rig: Rig) -> None:
    path = f"{me(rig)}/wallet/adjustments"
    got = admin(rig, "POST", path, {"amount": "12.5", "note": "outage"})
    assert (got.body["amount"], got.body["balance"], got.body["currency"]) == (
        *("12.5", "42.5"),
        "USD",
    )
    got = admin(rig, "POST", path, {"amount": "-2.5", "note": "correction"})
    assert got.body["balance"] == "40"
    rows = rig.ask("GET", "/v1/wallet/ledger?kind=adjustment").body["data"]
    assert [row["description"] for row in rows] == ["outage", "correction"]
    too_much = admin(rig, "POST", path, {"amount": "-1000", "note": "x"})
    assert too_much.code == "insufficient_balance"
    for amount in ("0", "x", "1e3", "--5", "9" * 13):
        got = admin(rig, "POST", path, {"amount": amount, "note": "x"})
        assert got.code == "invalid_request", amount
    assert verify(rig.house.ledger).violations == ()


def test_a_charge_is_given_back_by_an_entry_that_names_the_debit(rig: Rig) -> None:
    path = f"{me(rig)}/wallet/adjustments"
    answer = rig.chat().body
    charged = Decimal(answer["nex"]["charge"])
    before = Decimal(rig.wallet()["balance"])
    body = {"note": "billed twice", "request_id": answer["nex"]["request_id"]}
    part = charged / 4
    got = admin(rig, "POST", path, {**body, "amount": f"{part:f}"}).body
    (debit,) = rig.ask("GET", "/v1/wallet/ledger?kind=usage").body["data"]
    assert got["reverses"] == debit["sequence"]
    assert Decimal(got["balance"]) == before + part
    assert admin(rig, "POST", path, {**body, "amount": f"{charged:f}"}).code == "not_refundable"
    assert admin(rig, "POST", path, {**body, "amount": f"-{part:f}"}).code == "invalid_request"
    assert admin(rig, "POST", path, {**body, "amount": f"{charged - part:f}"}).status == 200
    assert Decimal(rig.wallet()["balance"]) == before + charged
    unknown = {**body, "amount": "1", "request_id": "no-such"}
    assert admin(rig, "POST", path, unknown).code == "not_found"
    rows = rig.ask("GET", "/v1/wallet/ledger?kind=reversal").body["data"]
    assert [(row["reverses"], row["description"]) for row in rows] == [
        (debit["sequence"], "billed twice")
    ] * 2
    assert verify(rig.house.ledger).violations == ()


def test_a_repeated_credit_is_given_once(rig: Rig) -> None:
    path = f"/admin/v1{me(rig)}/wallet/adjustments"
    for _ in range(3):
        rig.ask(
            *("POST", path, {"amount": "1", "note": "x"}),
            key=rig.operator,
            headers={"idempotency-key": "once"},
        )
    assert rig.wallet()["balance"] == "31"


def test_a_policy_of_models_providers_and_rates_is_met_by_the_next_request(rig: Rig) -> None:
    path = f"{me(rig)}/policy"
    admin(rig, "POST", "/providers", {"id": "lab", "kind": "echo", "priority": 200})
    assert admin(rig, "GET", path).body["providers"] is None
    admin(rig, "PUT", path, {"models": ["gpt-4o"]})
    assert rig.chat().code == "model_not_allowed"
    ids = {row["id"] for row in rig.ask("GET", "/v1/models").body["data"]}
    assert ids == {"gpt-4o"}
    admin(rig, "PUT", path, {"models": None, "providers_denied": ["echo", "lab"]})
    got = rig.chat()
    assert (got.status, got.code) == (403, "provider_not_allowed")
    assert rig.wallet()["held"] == "0"
    admin(rig, "PUT", path, {"providers_denied": [], "providers": ["lab"]})
    got = rig.chat()
    assert got.status == 200
    assert rig.usage()[-1]["provider"] == "lab"
    admin(rig, "PUT", path, {"rpm": 2})
    assert [rig.chat().status for _ in range(3)] == [200, 200, 429]
    shown = admin(rig, "PUT", path, {"rpm": None}).body
    assert (shown["rpm"], shown["providers"]) == (None, ["lab"])
    for body in ({"providers": ["none"]}, {"models": ["none"]}):
        assert admin(rig, "PUT", path, body).status == 404


def test_a_quota_binds_and_only_the_operator_moves_it(rig: Rig) -> None:
    path = f"{me(rig)}/policy"
    shown = admin(rig, "PUT", path, {"quota": {"amount": "0.000000001"}}).body
    assert shown["quota"] == {"amount": "0.000000001", "window": "month"}
    got = rig.chat()
    assert (got.code, got.details["name"]) == ("budget_exceeded", "quota")
    (row,) = rig.ask("GET", "/v1/budgets").body["data"]
    assert row["set_by"] == "operator"
    assert rig.ask("DELETE", f"/v1/budgets/{row['id']}").code == "not_permitted"
    admin(rig, "PUT", path, {"quota": None})
    assert rig.chat().status == 200
    assert rig.ask("GET", "/v1/budgets").body["data"] == []


def test_whether_a_provider_is_allowed_is_a_pure_function() -> None:
    assert provider_allowed(Policy(), "any")
    assert not provider_allowed(of({"providers_denied": ["a"]}), "a")
    assert not provider_allowed(of({"providers": ["a"]}), "b")
    assert not provider_allowed(of({"providers": ["a"], "providers_denied": ["a"]}), "a")


def test_customers_keys_are_listed_disabled_and_revoked(rig: Rig) -> None:
    secret = rig.key("ci")
    key = rig.key_id("ci")
    listed = admin(rig, "GET", f"/keys?customer_id={rig.made.customer}").body["data"]
    assert {row["name"] for row in listed} == {"management", "ci"}
    assert secret not in json.dumps(listed)
    assert admin(rig, "PATCH", f"/keys/{key}", {"disabled": True}).body["state"] == "disabled"
    assert rig.chat(secret).status == 401
    admin(rig, "PATCH", f"/keys/{key}", {"disabled": False})
    assert rig.chat(secret).status == 200
    assert admin(rig, "POST", f"/keys/{key}/revoke").body["state"] == "revoked"
    assert rig.chat(secret).status == 401
    assert admin(rig, "PATCH", f"/keys/{key}", {"disabled": False}).code == "state_conflict"
    assert admin(rig, "POST", "/keys/none/revoke").code == "not_found"


# allowances --------------------------------------------------------------------------------------


@pytest.fixture
def relay(make: Callable[..., Rig]) -> Rig:
    """NexRelay after a recharge of 9: the plan comes with it."""
    rig = make(book="nexrelay", plan=None)
    rig.house.ledger.write(customers.change, rig.made.customer, plan="starter")
    path = f"/customers/{rig.made.customer}/wallet/adjustments"
    admin(rig, "POST", path, {"amount": "9000000", "note": "recharge"})
    return rig


def test_a_plans_numbers_are_budgets_of_the_customer(relay: Rig) -> None:
    """Page 001, the Starter card."""
    rows = relay.ask("GET", "/v1/budgets").body["data"]
    shown = {row["name"]: (row["meter"], row["amount"], row["kind"], row["window"]) for row in rows}
    assert shown == {
        "allowance_input": ("input", "3000000", "hard", "month"),
        "allowance_output": ("output", "600000", "hard", "month"),
        "allowance_cached_input": ("cached_input", "6000000", "hard", "month"),
        "monthly_cap": ("cached_input,input,output", "10000000", "hard", "month"),
        "high_cost": ("money", "1200000", "hard", "month"),
    }
    assert {row["set_by"] for row in rows} == {"plan"}
    assert relay.ask("DELETE", f"/v1/budgets/{rows[0]['id']}").code == "not_permitted"


def used(rig: Rig, name: str, left: int) -> None:
    """Use an allowance up to what is left of it, as if by requests before the ledger began."""
    state = next(
        s for s in rig.house.ledger.read(budgets.listed, rig.made.customer) if s.budget.name == name
    )
    spent = state.budget.amount - left
    rig.house.ledger.write(
        lambda tx: tx.run(
            "INSERT INTO buckets (budget, start, opening, spent, held) VALUES (?,?,?,?,0) "
            "ON CONFLICT (budget, start) DO UPDATE SET opening=excluded.opening, "
            "spent=excluded.spent",
            *(state.budget.id, budgets.start_of("month", rig.house.now()), spent, spent),
        )
    )


@pytest.mark.parametrize("name", ["allowance_input", "allowance_output", "monthly_cap"])
def test_a_used_up_allowance_names_its_meter_and_reset(relay: Rig, name: str) -> None:
    assert relay.chat(model="gpt-5.2", max_tokens=20).status == 200
    used(relay, name, 3)
    got = relay.chat(model="gpt-5.2", max_tokens=20)
    assert (got.status, got.code) == (403, "allowance_exceeded")
    assert got.details["name"] == name
    assert got.details["resets_at"].endswith("-01T00:00:00Z")
    meter = {"allowance_input": "input", "allowance_output": "output"}
    assert got.details["meter"] == meter.get(name, "cached_input,input,output")


def test_an_explicit_request_for_a_dear_model_is_refused_when_its_budget_is_spent(
    relay: Rig,
) -> None:
    used(relay, "high_cost", 0)
    got = relay.chat(model="gpt-5.5", max_tokens=20)
    assert (got.status, got.code, got.details["name"]) == (403, "budget_exceeded", "high_cost")
    assert relay.chat(model="gpt-5.2", max_tokens=20).status == 200


def test_another_plan_brings_other_allowances(relay: Rig) -> None:
    relay.house.ledger.write(customers.change, relay.made.customer, plan="business")
    rows = relay.ask("GET", "/v1/budgets").body["data"]
    shown = {row["name"]: row["amount"] for row in rows}
    assert (shown["monthly_cap"], shown["high_cost"]) == ("303000000", "35000000")
    assert len(rows) == 5


# the audit log -----------------------------------------------------------------------------------


def test_every_write_of_a_customer_and_about_it_is_in_its_log(rig: Rig) -> None:
    rig.key("ci")
    key = rig.key_id("ci")
    rig.ask("PATCH", f"/v1/keys/{key}", {"rpm": 5})
    admin(rig, "POST", f"{me(rig)}/suspend", {"reason": "unpaid"})
    rows = rig.ask("GET", "/v1/audit-log").body["data"]
    assert [(row["action"], row["actor"]) for row in rows] == [
        ("keys.create", "management_key"),
        ("keys.update", "management_key"),
        ("customers.suspend", "operator:owner"),
    ]
    assert (rows[1]["object"], rows[1]["before"]["rpm"], rows[1]["after"]["rpm"]) == (key, None, 5)
    assert rows[2]["before"]["state"] == "active"
    assert rows[0]["request_id"].startswith("req_")


_PROFILE = {"name": "Acme", "country": "SG", "kind": "business"}
_RULE = {"name": "all", "use": ["nex-pro"]}
CHANGES = (
    ("routes.set", "PUT", "/admin/v1/routes/fast", {"models": ["gpt-4o"]}, "models"),
    ("served.update", "PATCH", "/admin/v1/models/gpt-4o", {"enabled": False}, "enabled"),
    ("providers.update", "PATCH", "/admin/v1/providers/echo", {"priority": 7}, "priority"),
    ("terms.set", "PUT", "/admin/v1/terms", {"minimum": "7"}, "terms"),
    ("billing_profile.set", "PUT", "/v1/billing-profile", _PROFILE, "kind"),
    ("routing.set", "PUT", "/v1/routing-rules", {"rules": [_RULE]}, "rules"),
    ("wallets.update", "PATCH", "/v1/wallets/{customer}", {"name": "house"}, "name"),
    (
        *("auto_topup.set", "PUT", "/v1/wallet/auto-top-up"),
        *({"below": "1", "amount": "10"}, "enabled"),
    ),
)


@pytest.mark.parametrize(("action", "method", "path", "body", "field"), CHANGES)
def test_a_change_says_what_stood_there_before(
    rig: Rig, action: str, method: str, path: str, body: Any, field: str
) -> None:
    key = rig.operator if path.startswith("/admin") else rig.management
    path = path.format(customer=rig.made.customer)
    if action == "routes.set":
        rig.ask(method, path, {"models": ["nex-pro"]}, key=key)
    if action == "billing_profile.set":
        rig.ask(method, path, {**_PROFILE, "kind": "consumer"}, key=key)
    done = rig.ask(method, path, body, key=key)
    assert done.status == 200, done
    row = admin(rig, "GET", f"/audit-log?action={action}").body["data"][-1]
    assert row["before"][field] != row["after"][field]
    assert row["before"].keys() == row["after"].keys()


def test_what_was_refused_did_not_happen(rig: Rig) -> None:
    rig.ask("POST", "/v1/keys", {"name": "x", "parent_id": "none"})
    assert rig.ask("GET", "/v1/audit-log").body["data"] == []


def test_a_customer_sees_its_own_log_alone_and_the_operator_all(rig: Rig) -> None:
    other = rig.customer("other")
    rig.ask("POST", "/v1/keys", {"name": "theirs"}, key=other)
    admin(rig, "POST", "/operators", {"name": "sam", "role": "support"})
    assert rig.ask("GET", "/v1/audit-log").body["data"] == []
    rows = admin(rig, "GET", "/audit-log").body["data"]
    assert [row["action"] for row in rows] == [
        "customers.create",
        "keys.create",
        "operators.create",
    ]
    own = admin(rig, "GET", "/audit-log?customer_id=gateway").body["data"]
    assert [row["action"] for row in own] == ["operators.create"]
    assert admin(rig, "GET", "/audit-log?action=keys.create").body["data"] == [rows[1]]


def test_pages_of_the_log_follow_each_other(rig: Rig) -> None:
    for number in range(7):
        rig.key(f"k{number}")
    found, cursor = [], ""
    while True:
        page = rig.ask("GET", f"/v1/audit-log?limit=3{cursor}").body
        found += [row["sequence"] for row in page["data"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert found == list(range(1, 8))
    assert rig.ask("GET", "/v1/audit-log?cursor=x").code == "invalid_request"


def test_no_secret_ever_stands_in_the_log(rig: Rig) -> None:
    secrets = [rig.key("ci"), rig.customer("other")]
    made = admin(rig, "POST", "/operators", {"name": "sam", "role": "support"})
    hook = rig.ask("POST", "/v1/webhook-endpoints", {"url": "https://example.com/h"})
    code = admin(rig, "POST", "/codes", {"amount": "1"}).body["data"][0]["code"]
    secrets += [made.body["secret"], hook.body["secret"], code]
    secrets.append("sk-CANARY-PROVIDER")
    admin(
        rig,
        *("POST", "/providers"),
        {"id": "p", "kind": "openai", "base_url": "https://example.com/v1", "key": secrets[-1]},
    )
    rig.ask("POST", "/v1/wallet/redeem", {"code": code})
    text = json.dumps(admin(rig, "GET", "/audit-log?limit=1000").body)
    for secret in secrets:
        assert secret not in text


def test_an_export_proves_itself_and_a_changed_one_does_not(rig: Rig) -> None:
    for number in range(4):
        rig.key(f"k{number}", labels={"team": "s\u00fcd"})
    rows = rig.ask("GET", "/v1/audit-log").body["data"]
    assert list(faults(rows)) == []
    assert list(faults(rows[2:])) == [], "an export may begin late"
    changed = json.loads(json.dumps(rows))
    changed[1]["after"]["rpm"] = 9
    assert "not what its hash says" in next(faults(changed))
    assert "missing" in next(faults([rows[0], *rows[2:]]))
    assert list(faults([{"chain": "x"}])) == ["line 1: not a row of the audit log"]
    proof = admin(rig, "GET", "/audit-log/verify").body
    assert (proof["rows"], proof["faults"]) == (4, [])
