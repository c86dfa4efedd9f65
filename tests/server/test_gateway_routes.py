"""Every route has a handler and every handler a route; who may call is the table's word."""

from __future__ import annotations

import json
from typing import Any

import pytest
from server_kit import Rig

from nexctl.server.handlers import HANDLERS, bound
from nexctl.server.router import Router
from nexctl.wire.routes import BY_NAME, CALLERS, NOBODY, ROUTES, Route


def test_each_route_is_bound_once() -> None:
    assert set(HANDLERS) == set(BY_NAME)


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_each_handler_is_there(name: str) -> None:
    mode, function = bound(name)
    assert mode in ("read", "write", "async")
    assert callable(function)
    assert mode == "async" or (mode == "write") == BY_NAME[name].writes


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_the_router_finds_each_route(route: Route) -> None:
    path = route.path.replace("{id:path}", "a/b").replace("{", "").replace("}", "")
    found = Router().find(path)
    assert found is not None
    assert found.routes[route.method].name == route.name
    assert len(found.values) == len(route.parameters)


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/keys/", "/v1/keys//rotate", "/v1/models/", "/x"])
def test_other_paths_lead_nowhere(path: str) -> None:
    assert Router().find(path) is None


# One body a route that its types take; what it does is another test's matter.
BODIES: dict[str, Any] = {
    "chat.create": {"model": "nex-pro", "messages": [{"role": "user", "content": "x"}]},
    "embeddings.create": {"model": "nex-embed-zh", "input": "x"},
    "tokenize.create": {"model": "nex-pro", "messages": [{"role": "user", "content": "x"}]},
    "estimates.create": {"model": "nex-pro", "messages": [{"role": "user", "content": "x"}]},
    "batches.create": {
        "items": [
            {
                "custom_id": "a",
                "method": "POST",
                "url": "/v1/embeddings",
                "body": {"model": "nex-embed-zh", "input": "x"},
            }
        ]
    },
    "keys.create": {"name": "n"},
    "keys.update": {"name": "m"},
    "keys.rotate": {},
    "budgets.set": {"scope": "customer", "amount": "5"},
    "topups.create": {"amount": "5"},
    "topups.submit": {"transaction": "abcdef"},
    "wallet.redeem": {"code": "AAAA-BBBB"},
    "customers.create": {"name": "c"},
    "payments.submit": {"transaction": "abcdef"},
    "payments.approve": {},
    "payments.reject": {"reason": "no"},
    "payments.refund": {},
    "providers.add": {"id": "p", "kind": "echo"},
    "providers.update": {"priority": 5},
    "codes.create": {"amount": "1"},
    "provider_costs.set": {"book": "openai"},
    "editions.draft": {"markup": "15"},
    "editions.apply": {"base": "0" * 64, "preview": True},
    "margin.opening": {},
    "admin_subscriptions.set": {"plan": None},
    "responses.create": {"model": "nex-pro", "input": "x"},
    "messages.create": {
        "model": "nex-pro",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "x"}],
    },
    "images.create": {"model": "nex-pro", "prompt": "x"},
    "videos.create": {"model": "nex-pro", "prompt": "x"},
    "routing.set": {"rules": []},
    "provider_keys.set": {"provider": "echo", "key": "k"},
    "routes.set": {"models": ["nex-pro"]},
    "served.update": {"enabled": True},
    "orgs.create": {"slug": "acme"},
    "orgs.update": {"wallet_mode": "strict"},
    "members.add": {"customer_id": "cus_x"},
    "members.update": {"role": "member"},
    "projects.create": {"name": "p"},
    "projects.update": {"name": "q"},
    "policies.set": {"models": None},
    "pools.create": {"name": "p"},
    "pools.transfer": {"to": "pool_x", "amount": "1"},
    "alerts.set": {"percents": [50]},
    "webhook_endpoints.add": {"url": "https://example.com/hook"},
    "operator_endpoints.add": {"url": "https://example.com/hook"},
    "customers.suspend": {"suspended": False},
    "customers.adjust": {"amount": "1", "note": "n"},
    "customers.review": {"note": "n"},
    "customers.set_policy": {"rpm": 5},
    "customers.set_contract": {"amount": "5", "starts": "2026-01-01", "ends": "2026-12-31"},
    "customer_keys.update": {"disabled": True},
    "operators.create": {"name": "o", "role": "support"},
    "auto_topup.set": {"below": "1", "amount": "20"},
    "wallets.create": {"name": "w"},
    "wallets.update": {"name": "v"},
    "subscription.set": {"plan": "pro"},
    "billing_profile.set": {"name": "Ann", "country": "SG"},
    "terms.set": {},
    "admin_invoices.void": {"reason": "no"},
}
QUERIES = {"statements.show": "?month=2026-11"}


def path_of(route: Route) -> str:
    """A path that leads to the route, with ids of nothing."""
    path = route.path.replace("{id:path}", "none")
    for name in route.parameters:
        path = path.replace(f"{{{name}}}", "none")
    return path


@pytest.fixture
def secrets(rig: Rig) -> dict[str, str]:
    parent = rig.key("parent")
    sub = rig.ask("POST", "/v1/keys", {"name": "sub", "parent_id": rig.key_id("parent")})
    found = {
        "key": parent,
        "sub_key": sub.body["secret"],
        "management_key": rig.management,
        "operator:owner": rig.operator,
    }
    for role in ("billing", "support", "read_only"):
        found[f"operator:{role}"] = rig.role(role)
    return found


def test_each_route_lets_in_whom_the_table_names(rig: Rig, secrets: dict[str, str]) -> None:
    checked = 0
    for route in ROUTES:
        if NOBODY in route.callers:
            continue
        path = path_of(route) + QUERIES.get(route.name, "")
        body = BODIES.get(route.name)
        raw = b"" if body is None else json.dumps(body).encode()
        assert (route.request is None) == (body is None), route.name
        for caller in CALLERS:
            if caller == NOBODY:
                got = rig.raw(route.method, path, raw)
                assert (got.status, got.code) == (401, "invalid_api_key"), (route.name, got)
                continue
            got = rig.raw(route.method, path, raw, key=secrets[caller])
            if caller in route.callers:
                assert got.status not in (401, 500), (route.name, caller, got)
                assert got.status != 403 or got.code != "not_permitted", (route.name, caller, got)
            else:
                assert (got.status, got.code) == (403, "not_permitted"), (route.name, caller, got)
            checked += 1
    assert checked > 200


def test_a_wrong_key_is_refused_everywhere(rig: Rig) -> None:
    for route in ROUTES:
        if NOBODY in route.callers:
            continue
        path = path_of(route)
        for key in ("nxt_sk_wrong", "nxt_op_wrong", "x" * 300, rig.management[:-1] + "\u00e9"):
            try:
                key.encode("latin-1")
            except UnicodeEncodeError:
                continue
            got = rig.raw(route.method, path, b"", key=key)
            assert (got.status, got.code) == (401, "invalid_api_key"), (route.name, key)


def test_routes_without_a_key_answer_strangers(rig: Rig) -> None:
    assert rig.raw("GET", "/health").body["status"] == "ok"
    assert rig.raw("POST", "/webhooks/payments/sandbox", b"{}").code == "invalid_signature"
    assert rig.raw("POST", "/webhooks/payments/stripe", b"{}").status == 404
    assert rig.raw("GET", "/sandbox/checkout/ord_x.000").status == 404


def test_another_customers_objects_are_not_there(rig: Rig) -> None:
    other = rig.customer("other")
    key = rig.ask("POST", "/v1/keys", {"name": "mine"}).body["id"]
    budget = rig.ask("PUT", "/v1/budgets", {"scope": "customer", "amount": "9"}).body["id"]
    order = rig.ask("POST", "/v1/wallet/top-ups", {"amount": "5"}).body["id"]
    request = rig.chat().body["nex"]["request_id"]
    batch = rig.ask("POST", "/v1/batches", BODIES["batches.create"]).body
    file, batch = batch["input_file_id"], batch["id"]
    for method, path, body in (
        ("GET", f"/v1/keys/{key}", None),
        ("PATCH", f"/v1/keys/{key}", {"name": "stolen"}),
        ("POST", f"/v1/keys/{key}/rotate", {}),
        ("POST", f"/v1/keys/{key}/revoke", None),
        ("POST", "/v1/keys", {"name": "below", "parent_id": key}),
        ("PUT", "/v1/budgets", {"scope": "key", "scope_id": key, "amount": "1"}),
        ("PUT", "/v1/budgets", {"scope": "customer", "scope_id": rig.made.customer, "amount": "1"}),
        ("GET", f"/v1/budgets/{budget}", None),
        ("DELETE", f"/v1/budgets/{budget}", None),
        ("GET", f"/v1/wallet/top-ups/{order}", None),
        ("POST", f"/v1/wallet/top-ups/{order}", {"transaction": "abcdef"}),
        ("GET", f"/v1/usage/{request}", None),
        ("GET", f"/v1/usage?batch_id={batch}", None),
        ("GET", f"/v1/files/{file}", None),
        ("GET", f"/v1/files/{file}/content", None),
        ("DELETE", f"/v1/files/{file}", None),
        ("POST", "/v1/batches", {"input_file_id": file, "endpoint": "/v1/embeddings"}),
        ("GET", f"/v1/batches/{batch}", None),
        ("POST", f"/v1/batches/{batch}/cancel", None),
        ("GET", f"/v1/batches/{batch}/results", None),
    ):
        got = rig.ask(method, path, body, key=other)
        assert (got.status, got.code) == (404, "not_found"), (method, path, got)
    assert rig.ask("GET", f"/v1/keys/{key}").body["name"] == "mine"
    assert rig.ask("GET", "/v1/usage", key=other).body["data"] == []


def test_method_and_path(rig: Rig) -> None:
    got = rig.ask("PUT", "/v1/keys")
    assert (got.code, got.headers["allow"]) == ("method_not_allowed", "GET, POST")
    assert rig.ask("GET", "/v1/nothing").code == "not_found"
    assert rig.ask("HEAD", "/v1/keys").status == 405
