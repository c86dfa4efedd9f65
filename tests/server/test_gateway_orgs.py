"""Organisations at work: who may do what, what counts, which wallet pays, whose rules lead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from server_kit import Got, Rig

from nexctl.server.ledger.verify import verify
from nexctl.wire.routes import ROUTES

HEADER = "x-deeptoken-org"
MODEL = "gpt-4.1-mini"


class Acme:
    """An organisation with an owner (the first customer) and members of every other role."""

    def __init__(self, make: Callable[..., Rig], wallet_mode: str = "strict") -> None:
        self.rig = rig = make(book="deeptoken", plan=None)
        got = rig.ask("POST", "/v1/orgs", {"slug": "acme", "wallet_mode": wallet_mode})
        assert got.status == 200, got
        self.id, self.key = got.body["id"], got.body["secret"]
        self.people: dict[str, str] = {"owner": rig.management}
        self.members: dict[str, str] = {}
        for role in ("admin", "member", "billing"):
            secret = rig.customer(role)
            customer = rig.ask("GET", "/v1/me", key=secret).body["customer"]["id"]
            added = self.ask("POST", "/members", {"customer_id": customer, "role": role})
            assert added.status == 200, added
            self.people[role], self.members[role] = secret, added.body["id"]

    def ask(self, method: str, path: str = "", body: Any = None, key: str | None = None) -> Got:
        return self.rig.ask(method, f"/v1/orgs/acme{path}", body, key=key)

    def as_member(self, role: str, method: str, path: str, body: Any = None) -> Got:
        return self.rig.ask(method, path, body, key=self.people[role], headers={HEADER: "acme"})

    def chat(self, key: str, *, org: bool = False, **fields: Any) -> Got:
        headers = {HEADER: "acme"} if org else {}
        body = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], **fields}
        return self.rig.ask("POST", "/v1/chat/completions", body, key=key, headers=headers)

    def credit(self, customer: str, amount: str) -> None:
        got = self.rig.ask(
            "POST",
            f"/admin/v1/customers/{customer}/wallet/adjustments",
            {"amount": amount, "note": "test"},
            key=self.rig.operator,
        )
        assert got.status == 200, got

    def customer(self, role: str) -> str:
        return str(self.rig.ask("GET", "/v1/me", key=self.people[role]).body["customer"]["id"])

    def balance(self, key: str) -> str:
        return str(self.rig.wallet(key)["balance"])

    def proved(self) -> None:
        assert verify(self.rig.house.ledger).violations == ()


@pytest.fixture
def acme(make: Callable[..., Rig]) -> Acme:
    return Acme(make)


def test_a_book_without_organisations_offers_none(rig: Rig) -> None:
    for method, path, body in (
        ("GET", "/v1/orgs", None),
        ("POST", "/v1/orgs", {"slug": "acme"}),
        ("GET", "/v1/orgs/acme", None),
        ("PUT", "/v1/budgets", {"scope": "org", "amount": "5"}),
    ):
        got = rig.ask(method, path, body)
        assert (got.status, got.code) == (404, "not_offered"), (path, got)


def test_strangers_do_not_see_an_organisation(acme: Acme) -> None:
    other = acme.rig.customer("other")
    for method, path, body in (
        ("GET", "", None),
        ("PATCH", "", {"wallet_mode": "fallback"}),
        ("DELETE", "", None),
        ("GET", "/members", None),
        ("POST", "/members", {"customer_id": acme.customer("admin")}),
        ("GET", "/projects", None),
        ("POST", "/projects", {"name": "p"}),
        ("GET", "/policies", None),
        ("PATCH", "/policies", {"models": None}),
        ("GET", "/pools", None),
        ("POST", "/transfers", {"to": "main", "amount": "1"}),
    ):
        got = acme.ask(method, path, body, key=other)
        assert (got.status, got.code) == (404, "not_found"), (method, path, got)
    got = acme.rig.ask("GET", "/v1/wallet", key=other, headers={HEADER: "acme"})
    assert (got.status, got.code) == (403, "not_permitted")
    assert acme.rig.ask("GET", "/v1/orgs", key=other).body["data"] == []


MANAGING = (
    ("PATCH", "", {"wallet_mode": "strict"}),
    ("POST", "/projects", {"name": "p"}),
    ("PATCH", "/policies", {"models": None}),
    ("POST", "/pools", {"name": "pool"}),
    ("POST", "/members", {"customer_id": "cus_none"}),
)


@pytest.mark.parametrize("role", ["member", "billing"])
def test_only_owners_and_admins_manage(acme: Acme, role: str) -> None:
    for method, path, body in MANAGING:
        got = acme.ask(method, path, body, key=acme.people[role])
        assert (got.status, got.code) == (403, "not_permitted"), (method, path, got)
    for path in ("", "/members", "/projects", "/policies", "/pools"):
        assert acme.ask("GET", path, key=acme.people[role]).status == 200


def test_admins_manage_but_do_not_touch_owners(acme: Acme) -> None:
    admin = acme.people["admin"]
    assert acme.ask("POST", "/projects", {"name": "p"}, key=admin).status == 200
    owner = next(
        row["id"] for row in acme.ask("GET", "/members").body["data"] if row["role"] == "owner"
    )
    me = acme.members["admin"]
    for method, member, body in (
        ("PATCH", me, {"role": "owner"}),
        ("PATCH", owner, {"role": "member"}),
        ("DELETE", owner, None),
    ):
        got = acme.ask(method, f"/members/{member}", body, key=admin)
        assert (got.status, got.code) == (403, "not_permitted"), (method, member, got)
    assert acme.ask("DELETE", "", key=admin).code == "not_permitted"
    assert acme.ask("DELETE", f"/members/{owner}").code == "state_conflict"


def test_each_role_calls_for_the_organisation_what_its_role_allows(acme: Acme) -> None:
    """The whole route table, a member's own key with the header."""
    from test_gateway_routes import BODIES, path_of

    from nexctl.server.access import is_counted
    from nexctl.server.seats import may

    checked = 0
    for route in ROUTES:
        if "management_key" not in route.callers:
            continue
        for role in ("member", "billing"):
            got = acme.as_member(role, route.method, path_of(route), BODIES.get(route.name))
            if may(route, role, infers=is_counted(route)):
                assert got.status != 403 or got.code != "not_permitted", (route.name, role, got)
            else:
                assert (got.status, got.code) == (403, "not_permitted"), (route.name, role, got)
                checked += 1
    assert checked > 60
    for name in ("chat.create", "wallet.show"):
        route = next(route for route in ROUTES if route.name == name)
        assert may(route, "member", infers=name == "chat.create")
    assert not may(next(r for r in ROUTES if r.name == "chat.create"), "billing", infers=True)
    assert not may(next(r for r in ROUTES if r.name == "keys.create"), "member", infers=False)


def test_records_carry_organisation_project_and_member(acme: Acme) -> None:
    acme.credit(acme.id, "5")
    project = acme.ask("POST", "/projects", {"name": "search"}).body["id"]
    made = acme.rig.ask(
        "POST",
        "/v1/keys",
        {"name": "k", "project": "search", "member_id": acme.members["member"]},
        key=acme.key,
    )
    assert (made.status, made.body["project_id"]) == (200, project), made
    sub = acme.rig.ask(
        "POST", "/v1/keys", {"name": "s", "parent_id": made.body["id"]}, key=acme.key
    )
    for secret in (made.body["secret"], sub.body["secret"]):
        assert acme.chat(secret).status == 200
    assert acme.chat(acme.people["member"], org=True).status == 200
    rows = acme.rig.ask("GET", "/v1/usage", key=acme.key).body["data"]
    assert [(row["org_id"], row["project"], row["member_id"]) for row in rows] == [
        (acme.id, "search", acme.members["member"]),
        (acme.id, "search", acme.members["member"]),
        (acme.id, None, acme.members["member"]),
    ]
    assert acme.rig.ask("GET", "/v1/usage", key=acme.people["member"]).body["data"] == []
    acme.proved()


def test_budgets_of_member_project_and_organisation_refuse_by_their_name(acme: Acme) -> None:
    acme.credit(acme.id, "5")
    project = acme.ask("POST", "/projects", {"name": "search"}).body["id"]
    made = acme.rig.ask("POST", "/v1/keys", {"name": "k", "project": "search"}, key=acme.key)
    for scope, scope_id, secret, org in (
        ("project", project, made.body["secret"], False),
        ("member", acme.members["member"], acme.people["member"], True),
        ("org", acme.id, acme.people["admin"], True),
    ):
        body = {"scope": scope, "scope_id": scope_id, "amount": "0.000000001", "window": "1d"}
        budget = acme.rig.ask("PUT", "/v1/budgets", body)
        assert (budget.status, budget.body["scope"]) == (200, scope), budget
        got = acme.chat(secret, org=org)
        assert (got.status, got.code) == (403, "budget_limit_exceeded"), (scope, got)
        assert got.details["contract_code"] == "budget_exceeded"
        assert (got.details["layer"], got.details["window"]) == (scope, "1d")
        gone = acme.rig.ask("DELETE", f"/v1/budgets/{budget.body['id']}")
        assert gone.status == 200
        assert acme.chat(secret, org=org).status == 200
    acme.proved()


def test_only_who_manages_sets_an_organisations_budgets(acme: Acme) -> None:
    body = {"scope": "member", "scope_id": acme.members["member"], "amount": "5"}
    got = acme.rig.ask("PUT", "/v1/budgets", body, key=acme.people["member"])
    assert got.code == "not_permitted"
    assert acme.rig.ask("PUT", "/v1/budgets", body, key=acme.rig.customer("x")).code == "not_found"
    budget = acme.rig.ask("PUT", "/v1/budgets", body, key=acme.people["admin"]).body["id"]
    path = f"/v1/budgets/{budget}"
    assert acme.rig.ask("DELETE", path, key=acme.people["member"]).code == "not_found"
    assert acme.rig.ask("GET", path, key=acme.people["billing"]).status == 200
    assert acme.rig.ask("DELETE", path, key=acme.people["billing"]).code == "not_permitted"


def test_a_strict_organisation_is_refused_at_zero_and_the_member_pays_nothing(acme: Acme) -> None:
    acme.credit(acme.customer("member"), "5")
    got = acme.chat(acme.people["member"], org=True)
    assert (got.status, got.code) == (402, "org_wallet_empty")
    assert acme.balance(acme.people["member"]) == "5"


def test_with_fallback_the_members_own_wallet_pays_and_the_switch_takes_effect_at_once(
    acme: Acme,
) -> None:
    acme.credit(acme.customer("member"), "5")
    assert acme.ask("PATCH", "", {"wallet_mode": "fallback"}).status == 200
    got = acme.chat(acme.people["member"], org=True)
    assert got.status == 200, got
    assert acme.balance(acme.people["member"]) != "5"
    (row,) = acme.rig.ask("GET", "/v1/usage", key=acme.people["member"]).body["data"]
    assert (row["org_id"], row["member_id"]) == (acme.id, acme.members["member"])
    # An organisation's own key never reaches for a member's wallet.
    own = acme.rig.ask(
        "POST", "/v1/keys", {"name": "k", "member_id": acme.members["member"]}, key=acme.key
    ).body["secret"]
    assert acme.chat(own).status == 402
    assert acme.ask("PATCH", "", {"wallet_mode": "strict"}).status == 200
    assert acme.chat(acme.people["member"], org=True).status == 402
    acme.proved()


def test_rules_of_the_organisation_come_before_a_keys_own(acme: Acme) -> None:
    acme.credit(acme.id, "5")
    secret = acme.rig.ask("POST", "/v1/keys", {"name": "k"}, key=acme.key).body["secret"]
    rules = {"models": ["claude-sonnet-4"], "addresses": ["192.0.2.0/24"]}
    assert acme.ask("PATCH", "/policies", {"models": rules["models"]}).status == 200
    assert acme.chat(secret).code == "model_not_allowed"
    assert acme.chat(acme.people["member"], org=True).code == "model_not_allowed"
    assert acme.ask("PATCH", "/policies", {"models": None}).body["models"] is None
    assert acme.chat(secret).status == 200
    acme.ask("PATCH", "/policies", {"addresses": rules["addresses"]})
    assert acme.chat(secret).code == "ip_not_allowed"
    acme.credit(acme.customer("member"), "1")
    assert acme.chat(acme.people["member"]).status == 200, "its own account has no such rule"


def test_default_budgets_are_given_to_those_there_and_those_who_come(acme: Acme) -> None:
    budgets = [{"scope": "member", "amount": "7", "window": "month"}]
    assert acme.ask("PATCH", "/policies", {"default_budgets": budgets}).status == 200
    other = acme.rig.ask("GET", "/v1/me", key=acme.rig.customer("late")).body["customer"]["id"]
    late = acme.ask("POST", "/members", {"customer_id": other}).body["id"]
    rows = acme.rig.ask("GET", "/v1/budgets?scope=member").body["data"]
    by_member = {row["scope_id"]: row for row in rows}
    assert set(acme.members.values()) < set(by_member)
    assert (by_member[late]["amount"], by_member[late]["set_by"]) == ("7", "policy")
    gone = acme.rig.ask("DELETE", f"/v1/budgets/{by_member[late]['id']}")
    assert gone.code == "not_permitted"
    acme.ask("PATCH", "/policies", {"default_budgets": []})
    assert acme.rig.ask("GET", "/v1/budgets?scope=member").body["data"] == []


def test_a_project_is_paid_from_its_pool(acme: Acme) -> None:
    acme.credit(acme.id, "5")
    pool = acme.ask("POST", "/pools", {"name": "research"}).body["id"]
    acme.ask("POST", "/projects", {"name": "search", "pool": "research"})
    made = acme.rig.ask("POST", "/v1/keys", {"name": "k", "project": "search"}, key=acme.key)
    secret = made.body["secret"]
    assert acme.chat(secret).status == 402
    moved = acme.ask("POST", "/transfers", {"to": "research", "amount": "2"})
    assert [row["balance"] for row in moved.body["data"]] == ["3", "2"]
    assert acme.chat(secret).status == 200
    shown = {row["id"]: row["balance"] for row in acme.ask("GET", "/pools").body["data"]}
    assert shown[acme.id] == "3"
    assert shown[pool] < "2"
    assert acme.rig.wallet(secret)["id"] == pool
    acme.proved()


def test_a_batch_counts_for_its_keys_project_and_is_paid_from_its_pool(acme: Acme) -> None:
    acme.credit(acme.id, "5")
    pool = acme.ask("POST", "/pools", {"name": "research"}).body["id"]
    acme.ask("POST", "/transfers", {"to": pool, "amount": "2"})
    project = acme.ask("POST", "/projects", {"name": "search", "pool": pool}).body["id"]
    limit = {"scope": "project", "scope_id": project, "amount": "0.000000001"}
    budget = acme.rig.ask("PUT", "/v1/budgets", limit).body["id"]
    made = acme.rig.ask("POST", "/v1/keys", {"name": "k", "project": "search"}, key=acme.key)
    body = {"model": MODEL, "max_tokens": 20, "messages": [{"role": "user", "content": "Hi"}]}
    item = {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": body}

    def submit() -> Got:
        return acme.rig.ask("POST", "/v1/batches", {"items": [item]}, key=made.body["secret"])

    assert submit().details["contract_code"] == "budget_exceeded"
    acme.rig.ask("DELETE", f"/v1/budgets/{budget}")
    got = submit()
    assert got.status == 200, got
    balance = {row["id"]: row for row in acme.ask("GET", "/pools").body["data"]}
    assert balance[acme.id]["held"] == "0"
    assert balance[pool]["held"] != "0" or balance[pool]["balance"] != "2"
    acme.proved()


def test_a_suspended_members_batch_for_the_organisation_begins_nothing_more(acme: Acme) -> None:
    from nexctl.server.batches import working
    from nexctl.server.ledger import batches

    acme.credit(acme.id, "5")
    body = {"model": MODEL, "max_tokens": 20, "messages": [{"role": "user", "content": "Hi"}]}
    item = {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": body}
    made = acme.as_member("admin", "POST", "/v1/batches", {"items": [item]}).body["id"]

    def why() -> str | None:
        house = acme.rig.house
        batch = house.read(batches.get, made)
        assert batch is not None
        stopped = working.standing(house.read(working.caller_of, batch), house.now())
        return None if stopped is None else stopped.refusal.code

    assert why() is None
    path = f"/admin/v1/customers/{acme.customer('admin')}/suspend"
    for suspended, code in ((True, "customer_suspended"), (False, None)):
        terms = {"suspended": suspended, "reason": "test"}
        assert acme.rig.ask("POST", path, terms, key=acme.rig.operator).status == 200
        assert why() == code


def test_a_budget_set_while_a_batch_of_its_project_is_under_way_counts_it(acme: Acme) -> None:
    acme.credit(acme.id, "5")
    project = acme.ask("POST", "/projects", {"name": "search"}).body["id"]
    fields = {"name": "k", "project": "search", "rpm": 1}
    made = acme.rig.ask("POST", "/v1/keys", fields, key=acme.key).body
    body = {"model": MODEL, "max_tokens": 20, "messages": [{"role": "user", "content": "Hi"}]}
    item = {"method": "POST", "url": "/v1/chat/completions", "body": body}
    items = {"items": [{**item, "custom_id": str(n)} for n in range(3)]}
    batch = acme.rig.ask("POST", "/v1/batches", items, key=made["secret"]).body["id"]
    limit = {"scope": "project", "scope_id": project, "amount": "1"}
    budget = f"/v1/budgets/{acme.rig.ask('PUT', '/v1/budgets', limit).body['id']}"
    acme.rig.ask("PATCH", f"/v1/keys/{made['id']}", {"rpm": None}, key=acme.key)
    done = acme.rig.ask("GET", f"/v1/batches/{batch}?wait=30", key=made["secret"]).body
    shown = acme.rig.ask("GET", budget).body
    assert (done["status"], shown["spent"]) == ("completed", done["nex"]["charge"])
    assert shown["held"] == "0"
    acme.proved()


def test_who_is_let_go_acts_no_more(acme: Acme) -> None:
    acme.credit(acme.id, "5")
    own = acme.rig.ask(
        "POST", "/v1/keys", {"name": "k", "member_id": acme.members["member"]}, key=acme.key
    ).body["secret"]
    assert acme.chat(own).status == 200
    left = acme.ask("DELETE", f"/members/{acme.members['member']}", key=acme.people["member"])
    assert (left.status, left.body["state"]) == (200, "removed"), "who is in may leave"
    assert acme.chat(own).status == 401
    assert acme.chat(acme.people["member"], org=True).code == "not_permitted"


def test_a_closed_organisation_is_closed(acme: Acme) -> None:
    acme.credit(acme.id, "5")
    assert acme.ask("DELETE", "").code == "state_conflict", "there are credits left"
    acme.rig.ask(
        "POST",
        f"/admin/v1/customers/{acme.id}/wallet/adjustments",
        {"amount": "-5", "note": "paid out"},
        key=acme.rig.operator,
    )
    assert acme.rig.ask("DELETE", f"/v1/orgs/{acme.id}", key=acme.key).code == "not_permitted"
    assert acme.ask("DELETE", "").body["state"] == "closed"
    assert acme.rig.ask("GET", "/v1/wallet", key=acme.key).status == 401
    assert acme.as_member("admin", "GET", "/v1/wallet").code == "not_permitted"
    assert acme.ask("POST", "/projects", {"name": "p"}).code == "state_conflict"
    acme.proved()


def test_what_is_done_to_an_organisation_stands_in_its_log(acme: Acme) -> None:
    acme.ask("POST", "/projects", {"name": "search"}, key=acme.people["admin"])
    acme.ask("PATCH", f"/members/{acme.members['billing']}", {"role": "member"})
    rows = acme.rig.ask("GET", "/v1/audit-log", key=acme.key).body["data"]
    assert [row["action"] for row in rows][-2:] == ["projects.create", "members.update"]
    assert (rows[-1]["before"]["role"], rows[-1]["after"]["role"]) == ("billing", "member")
    assert "secret" not in str(rows)


def test_a_key_of_an_archived_project_is_no_key_any_more(acme: Acme) -> None:
    project = acme.ask("POST", "/projects", {"name": "search"}).body["id"]
    made = acme.rig.ask("POST", "/v1/keys", {"name": "k", "project": "search"}, key=acme.key)
    assert acme.rig.ask("GET", "/v1/me", key=made.body["secret"]).status == 200
    assert acme.ask("DELETE", f"/projects/{project}").status == 200
    assert acme.rig.ask("GET", "/v1/me", key=made.body["secret"]).code == "invalid_api_key"


@pytest.mark.parametrize("field", ["project", "member_id"])
def test_a_key_outside_an_organisation_is_told_which_of_its_fields_cannot_be(
    rig: Rig, field: str
) -> None:
    got = rig.ask("POST", "/v1/keys", {"name": "k", field: "x"})
    assert (got.status, got.code, got.body["error"]["param"]) == (400, "invalid_request", field)
    assert "organisation" in got.body["error"]["message"]
    parent = rig.ask("POST", "/v1/keys", {"name": "p"}).body["id"]
    got = rig.ask("POST", "/v1/keys", {"name": "k", "parent_id": parent, field: "x"})
    assert (got.status, got.body["error"]["param"]) == (400, field)
