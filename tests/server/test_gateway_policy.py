"""Every refusal with its status, code, layer and reset; nothing goes upstream after one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from server_kit import Rig

from nexctl.server import access
from nexctl.server.providers.echo import Echo


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The models of the requests that reached a provider."""
    seen: list[str] = []
    complete = Echo.complete

    async def watched(self: Echo, work: Any) -> Any:
        seen.append(work.body["model"])
        return await complete(self, work)

    monkeypatch.setattr(Echo, "complete", watched)
    return seen


def test_key_states(rig: Rig, sent: list[str]) -> None:
    key = rig.key("a")
    key_id = rig.key_id("a")
    assert rig.chat(key).status == 200
    rig.ask("PATCH", f"/v1/keys/{key_id}", {"disabled": True})
    assert rig.chat(key).code == "invalid_api_key"
    rig.ask("PATCH", f"/v1/keys/{key_id}", {"disabled": False})
    assert rig.chat(key).status == 200
    rig.ask("POST", f"/v1/keys/{key_id}/revoke")
    got = rig.chat(key)
    assert (got.status, got.code) == (401, "invalid_api_key")
    assert len(sent) == 2


def test_an_expired_key(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    key = rig.key("a", expires_in_seconds=60)
    assert rig.chat(key).status == 200
    now = rig.house.ledger.clock.now
    monkeypatch.setattr(type(rig.house.ledger.clock), "now", lambda self: now() + 61_000_000)
    assert rig.chat(key).code == "invalid_api_key"
    assert rig.ask("GET", "/v1/keys?state=expired").body["data"][0]["state"] == "expired"


def test_a_disabled_parent_stops_its_sub_keys(rig: Rig) -> None:
    rig.key("parent")
    parent = rig.key_id("parent")
    sub = rig.key("sub", parent_id=parent)
    assert sub.startswith("nxt_sub_")
    assert rig.chat(sub).status == 200
    rig.ask("PATCH", f"/v1/keys/{parent}", {"disabled": True})
    assert rig.chat(sub).code == "invalid_api_key"
    rig.ask("PATCH", f"/v1/keys/{parent}", {"disabled": False})
    rig.ask("POST", f"/v1/keys/{parent}/revoke")
    assert rig.chat(sub).code == "invalid_api_key"


def test_model_lists_of_key_and_parent(rig: Rig, sent: list[str]) -> None:
    rig.key("parent", models=["nex-smart", "gpt-4o"])
    parent = rig.key_id("parent")
    assert rig.ask("GET", f"/v1/keys/{parent}").body["models"] == ["nex-pro", "gpt-4o"]
    sub = rig.key("sub", parent_id=parent)
    assert rig.chat(sub).status == 200
    assert rig.chat(sub, model="nex-coder").status == 200
    got = rig.chat(sub, model="nex-reasoning")
    assert (got.status, got.code, got.body["error"]["param"]) == (403, "model_not_allowed", "model")
    assert rig.ask("GET", "/v1/models/o1", key=sub).code == "model_not_allowed"
    models = [m["id"] for m in rig.ask("GET", "/v1/models", key=sub).body["data"]]
    assert models == ["nex-pro", "gpt-4o"]
    wider = rig.ask("POST", "/v1/keys", {"name": "w", "parent_id": parent, "models": ["o1"]})
    assert (wider.status, wider.code) == (400, "wider_than_parent")
    assert sent == ["nex-pro", "nex-pro"]


@pytest.mark.parametrize(
    ("field", "parent", "sub"),
    [
        ("ip_allowlist", ["10.0.0.0/8"], ["0.0.0.0/0"]),
        ("ip_allowlist", ["10.0.0.0/8"], ["2001:db8::/32"]),
        ("rpm", 10, 11),
        ("expires_at", "2030-01-01T00:00:00Z", "2031-01-01T00:00:00Z"),
        ("budget", {"amount": "5"}, {"amount": "6"}),
    ],
)
def test_a_sub_key_is_never_wider(rig: Rig, field: str, parent: Any, sub: Any) -> None:
    rig.key("parent", **{field: parent})
    parent_id = rig.key_id("parent")
    got = rig.ask("POST", "/v1/keys", {"name": "sub", "parent_id": parent_id, field: sub})
    assert (got.status, got.code, got.body["error"]["param"]) == (400, "wider_than_parent", field)
    rig.key("sub", parent_id=parent_id, **{field: parent})
    got = rig.ask("PATCH", f"/v1/keys/{rig.key_id('sub')}", {field: sub})
    assert got.code == "wider_than_parent"


def test_no_sub_keys_of_sub_keys(rig: Rig) -> None:
    rig.key("parent")
    rig.key("sub", parent_id=rig.key_id("parent"))
    got = rig.ask("POST", "/v1/keys", {"name": "deep", "parent_id": rig.key_id("sub")})
    assert (got.status, got.code) == (400, "invalid_request")


def test_a_call_in_this_process_has_no_address(rig: Rig) -> None:
    key = rig.key("a", ip_allowlist=["127.0.0.1/32", "::/0", "0.0.0.0/0"])
    got = rig.chat(key)
    assert (got.status, got.code) == (403, "ip_not_allowed")


def test_an_address_of_ipv4_in_ipv6s_form_is_ipv4s(rig: Rig) -> None:
    rig.key("a", ip_allowlist=["::ffff:10.1.2.3", "::ffff:192.168.0.0/112", "::/0", "10.0.0.1/8"])
    kept = rig.ask("GET", f"/v1/keys/{rig.key_id('a')}").body["ip_allowlist"]
    assert kept == ["10.1.2.3/32", "192.168.0.0/16", "::/0", "10.0.0.0/8"]
    assert access.inside("10.1.2.3", ("::ffff:10.1.2.3/128",))
    assert access.inside("::ffff:10.1.2.3", ("10.1.2.0/24",))
    assert not access.inside("10.1.2.3", ("::/0",))
    got = rig.ask("POST", "/v1/keys", {"name": "b", "ip_allowlist": ["fe80::1%eth0"]})
    assert (got.status, got.body["error"]["param"]) == (400, "ip_allowlist")


def test_a_suspended_customer_may_read_and_not_spend(rig: Rig) -> None:
    from nexctl.server.ledger import customers

    key = rig.key("a")
    rig.house.ledger.write(customers.change, rig.made.customer, state="suspended")
    got = rig.chat(key)
    assert (got.status, got.code) == (403, "customer_suspended")
    assert rig.ask("POST", "/v1/keys", {"name": "b"}).code == "customer_suspended"
    assert rig.ask("GET", "/v1/wallet").status == 200


def test_an_empty_wallet_is_402(make: Callable[..., Rig], sent: list[str]) -> None:
    rig = make(plan="developer")
    other = rig.customer("poor", plan="enterprise")
    got = rig.chat(other, max_tokens=100)
    assert (got.status, got.code) == (402, "insufficient_balance")
    assert got.body["error"]["type"] == "quota"
    assert got.details["layer"] == "wallet"
    assert got.details["remaining"] == "0"
    assert rig.chat(other).code == "insufficient_balance"
    assert sent == []


@pytest.mark.parametrize("window", ["month", "lifetime"])
@pytest.mark.parametrize("scope", ["key", "parent", "customer"])
def test_each_budget_refuses_with_its_layer(
    rig: Rig, sent: list[str], scope: str, window: str
) -> None:
    key = rig.key("a")
    if scope == "parent":
        key = rig.key("sub", parent_id=rig.key_id("a"))
    wanted = {"scope": "customer" if scope == "customer" else "key", "amount": "0.000001"}
    wanted["window"] = window
    if scope != "customer":
        wanted["scope_id"] = rig.key_id("a")
    assert rig.ask("PUT", "/v1/budgets", wanted).status == 200
    got = rig.chat(key)
    assert (got.status, got.code) == (403, "budget_exceeded"), got
    assert got.details["layer"] == scope
    assert got.details["amount"] == "0.000001"
    assert got.details["window"] == window
    assert ("resets_at" in got.details) == (window == "month")
    assert sent == []
    binding = rig.wallet(key)["binding"]
    assert (binding["layer"], binding["remaining"]) == (scope, "0.000001")


def test_a_request_is_shortened_to_what_is_affordable(rig: Rig) -> None:
    key = rig.key("a", budget={"amount": "0.0001"})
    got = rig.chat(key, max_tokens=20_000, metadata={"echo.tokens": "20000"})
    assert got.status == 200
    assert got.body["choices"][0]["finish_reason"] == "length"
    assert 0 < got.body["usage"]["completion_tokens"] < 250
    assert float(got.body["nex"]["charge"]) <= 0.0001


def test_an_unbounded_answer_takes_at_most_a_quarter(rig: Rig) -> None:
    key = rig.key("a", budget={"amount": "0.001"})
    got = rig.chat(key, metadata={"echo.tokens": "20000"})
    assert got.status == 200
    assert float(got.body["nex"]["charge"]) <= 0.00025


@pytest.mark.parametrize("where", ["key", "parent", "plan"])
def test_requests_a_minute(make: Callable[..., Rig], where: str, sent: list[str]) -> None:
    rig = make(plan="developer" if where == "plan" else "business")
    key = rig.key("a", **({} if where == "plan" else {"rpm": 3}))
    if where == "parent":
        key = rig.key("sub", parent_id=rig.key_id("a"))
    most = 20 if where == "plan" else 3
    for left in range(most, 0, -1):
        got = rig.chat(key, max_tokens=5)
        assert got.status == 200
        assert got.headers["x-ratelimit-limit-requests"] == str(most)
        assert got.headers["x-ratelimit-remaining-requests"] == str(left - 1)
    got = rig.chat(key, max_tokens=5)
    assert (got.status, got.code) == (429, "rate_limited")
    assert 0 < int(got.headers["retry-after"]) <= 60
    assert got.headers["x-ratelimit-limit-requests"] == str(most)
    assert got.headers["x-ratelimit-remaining-requests"] == "0"
    assert got.headers["x-ratelimit-reset-requests"] == got.headers["retry-after"] + "s"
    assert got.details["limit"] == most
    assert got.headers["x-ratelimit-limit-requests"] == str(most)
    assert got.headers["x-ratelimit-remaining-requests"] == "0"
    assert got.headers["x-ratelimit-reset-requests"] == f"{got.headers['retry-after']}s"
    assert len(sent) == most


def test_a_caller_far_over_its_rate_is_not_even_parsed(rig: Rig) -> None:
    key = rig.key("a", rpm=1)
    codes = [
        rig.raw("POST", "/v1/tokenize", b"not json", key=key).code for _ in range(2 * 1 + 20 + 1)
    ]
    assert codes[0] == "invalid_request"
    assert codes[-1] == "rate_limited"


def test_context_and_output(rig: Rig, sent: list[str]) -> None:
    got = rig.chat(max_tokens=40_000)
    assert (got.status, got.code) == (400, "context_length_exceeded")
    assert got.details["limit"] == 32_000
    long = [{"role": "user", "content": "word " * 33_000}]
    assert rig.chat(messages=long).code == "context_length_exceeded"
    assert sent == []


def test_the_plan_narrows_the_context(make: Callable[..., Rig]) -> None:
    rig = make(plan="developer")
    got = rig.chat(model="gemini-2.5-pro", max_tokens=130_000)
    assert got.code == "context_length_exceeded"
    assert got.details["limit"] == 128_000
    assert rig.chat(model="gemini-2.5-flash", max_tokens=1000).status == 200


def test_the_most_output_of_the_plan(rig: Rig) -> None:
    from nexctl.pricing.book import Plan
    from nexctl.server.inference.policy import output_cap
    from nexctl.server.refusing import Refuse

    book = rig.house.book
    plan = Plan(book, {"id": "small", "limits": {"max_output": 100, "context": 1000}})
    model = book.find("nex-pro")
    assert output_cap(model, plan, 10, None) == 100
    assert output_cap(model, plan, 950, None) == 50
    assert output_cap(model, plan, 10, 7) == 7
    for counted, asked, code in (
        (10, 101, "max_output_exceeded"),
        (990, 11, "context_length_exceeded"),
    ):
        with pytest.raises(Refuse) as refused:
            output_cap(model, plan, counted, asked)
        assert refused.value.refusal.code == code


@pytest.mark.parametrize(
    ("model", "fields", "param"),
    [
        ("o1", {"stream": True}, "stream"),
        ("nex-reasoning", {"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        (
            "nex-pro",
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
                        ],
                    }
                ]
            },
            "messages",
        ),
        ("nex-embed-zh", {}, "model"),
    ],
)
def test_capabilities(rig: Rig, model: str, fields: dict[str, Any], param: str) -> None:
    got = rig.chat(model=model, **fields)
    assert (got.status, got.code) == (400, "unsupported_capability")
    assert got.body["error"]["param"] == param


def test_unknown_models(rig: Rig) -> None:
    got = rig.chat(model="gpt-9")
    assert (got.status, got.code) == (404, "model_not_found")
    assert rig.ask("GET", "/v1/models/gpt-9").status == 404
    assert rig.ask("POST", "/v1/keys", {"name": "x", "models": ["gpt-9"]}).status == 404


def test_nex_auto_picks_by_constraints_alone(rig: Rig, sent: list[str]) -> None:
    short = rig.chat(model="nex-auto").body
    assert short["model"] == "nex-auto"
    assert short["nex"]["smart_router"]["target_model"] == "nex-pro"
    long = [{"role": "user", "content": "word " * 40_000}]
    got = rig.chat(model="nex-auto", messages=long, max_tokens=10).body
    assert got["nex"]["smart_router"]["target_model"] == "nex-reasoning"
    tools = [{"type": "function", "function": {"name": "f"}}]
    assert rig.chat(model="nex-auto", tools=tools).status == 200
    both = rig.chat(model="nex-auto", tools=tools, messages=long)
    assert (both.status, both.code) == (400, "context_length_exceeded")
    assert sent == ["nex-pro", "nex-reasoning", "nex-pro"]
    record = rig.usage()[1]
    assert (record["model_requested"], record["model_served"]) == ("nex-auto", "nex-reasoning")
    assert record["rate_output"] == "1.2"


def test_aliases_are_transparent(rig: Rig) -> None:
    got = rig.chat(model="nex-smart")
    assert got.body["model"] == "nex-pro"
    record = rig.usage()[0]
    assert (record["model_requested"], record["model_served"]) == ("nex-smart", "nex-pro")


def test_an_embedding_over_its_context(rig: Rig) -> None:
    got = rig.ask("POST", "/v1/embeddings", {"model": "nex-embed-zh", "input": "word " * 600})
    assert (got.status, got.code) == (400, "context_length_exceeded")
    mixed = {"model": "nex-embed-zh", "input": ["a", 5]}
    assert rig.ask("POST", "/v1/embeddings", mixed).code == "invalid_request"


def test_plans_gate_keys_and_budgets(make: Callable[..., Rig]) -> None:
    rig = make(plan="developer")
    got = rig.ask("POST", "/v1/keys", {"name": "b", "budget": {"amount": "5"}})
    assert (got.status, got.code, got.details["plan"]) == (403, "plan_limit", "pro")
    for number in range(3):
        rig.key(f"k{number}")
    got = rig.ask("POST", "/v1/keys", {"name": "one too many"})
    assert (got.code, got.details["limit"], got.details["plan"]) == ("plan_limit", 3, "pro")
    sub = {"name": "s", "parent_id": rig.key_id("k0")}
    got = rig.ask("POST", "/v1/keys", sub)
    assert (got.code, got.details["plan"]) == ("plan_limit", "pro")
    rig.ask("POST", f"/v1/keys/{rig.key_id('k2')}/revoke")
    assert rig.ask("POST", "/v1/keys", {"name": "again"}).status == 200


def test_a_key_does_not_change_itself(rig: Rig) -> None:
    own = rig.ask("GET", "/v1/me").body["key"]["id"]
    assert rig.ask("PATCH", f"/v1/keys/{own}", {"rpm": 5}).code == "not_permitted"
    assert rig.ask("POST", f"/v1/keys/{own}/revoke").code == "not_permitted"


def test_names_are_unique_until_revoked(rig: Rig) -> None:
    rig.key("a")
    assert rig.ask("POST", "/v1/keys", {"name": "a"}).code == "name_taken"
    rig.ask("POST", f"/v1/keys/{rig.key_id('a')}/revoke")
    rig.key("a")


def test_books_restate_refusals(make: Callable[..., Rig]) -> None:
    rig = make(book="deeptoken", plan=None, payments="manual")
    model = next(
        m.id
        for m in rig.house.book.models.values()
        if m.kind == "chat"
        and {r.state for n, r in m.rates.items() if n in ("input", "output")} == {"number"}
    )
    got = rig.chat(model=model, max_tokens=5)
    assert (got.status, got.code) == (402, "org_wallet_empty")
    assert got.details["contract_code"] == "insufficient_balance"


def test_rotation_keeps_spent_amounts_and_the_old_secret_for_a_while(rig: Rig) -> None:
    old = rig.key("a", budget={"amount": "1"})
    key_id = rig.key_id("a")
    charge = rig.chat(old).body["nex"]["charge"]
    got = rig.ask("POST", f"/v1/keys/{key_id}/rotate", {"overlap_seconds": 3600}).body
    assert got["secret"] != old
    assert got["previous_prefix"] == old[: len(got["previous_prefix"])]
    assert rig.ask("GET", f"/v1/keys/{key_id}").body["budget"]["spent"] == charge
    assert rig.chat(old).status == 200
    assert rig.chat(got["secret"]).status == 200
    now = rig.ask("POST", f"/v1/keys/{key_id}/rotate", {"overlap_seconds": 0}).body
    assert rig.chat(old).status == 401
    assert rig.chat(got["secret"]).status == 401
    assert rig.chat(now["secret"]).status == 200


def test_a_sub_key_whose_parent_was_narrowed_is_still_stopped_and_renamed(rig: Rig) -> None:
    rig.key("parent", rpm=10)
    parent = rig.key_id("parent")
    key = rig.key("sub", parent_id=parent, rpm=10)
    sub = rig.key_id("sub")
    rig.ask("PATCH", f"/v1/keys/{parent}", {"rpm": 5})
    assert rig.ask("PATCH", f"/v1/keys/{sub}", {"disabled": True}).status == 200
    assert rig.chat(key).code == "invalid_api_key"
    assert rig.ask("PATCH", f"/v1/keys/{sub}", {"name": "other"}).body["rpm"] == 10
    assert rig.ask("PATCH", f"/v1/keys/{sub}", {"rpm": 6}).code == "wider_than_parent"


def own_budgets(rig: Rig, key: str) -> list[tuple[str, str, str]]:
    rows = rig.ask("GET", f"/v1/budgets?scope=key&scope_id={key}").body["data"]
    return sorted((row["name"], row["window"], row["amount"]) for row in rows)


def test_a_keys_terms_replace_its_own_budget_and_no_other(rig: Rig) -> None:
    rig.key("a", budget={"amount": "20", "window": "month"})
    key = rig.key_id("a")
    beside = [("cap", "lifetime", "100"), ("key-5h", "5h", "5"), ("pro", "month", "3")]
    for name, window, amount in beside:
        body: dict[str, Any] = {"scope": "key", "scope_id": key, "window": window}
        body |= {"amount": amount} if name.startswith("key-") else {"amount": amount, "name": name}
        body |= {"models": ["nex-pro"]} if name == "pro" else {}
        assert rig.ask("PUT", "/v1/budgets", body).status == 200
    rig.ask("PUT", "/v1/budgets", {"scope": "key", "scope_id": key, "amount": "20",
                                   "window": "month", "alert_at": [42]})  # fmt: skip

    def change(amount: str, window: str) -> None:
        terms = {"budget": {"amount": amount, "window": window}}
        shown = rig.ask("PATCH", f"/v1/keys/{key}", terms).body["budget"]
        assert (shown["amount"], shown["window"]) == (amount, window)
        listed = rig.ask("GET", "/v1/keys?name=a").body["data"][0]["budget"]
        assert listed == shown, "a list and one key tell the same"

    change("30", "month")
    rows = rig.ask("GET", f"/v1/budgets?scope=key&scope_id={key}").body["data"]
    assert [row["alert_at"] for row in rows if row["name"] == "key-month"] == [[42]]
    change("40", "lifetime")
    assert own_budgets(rig, key) == sorted([*beside, ("key-lifetime", "lifetime", "40")])
    change("7", "5h")
    beside[1] = ("key-5h", "5h", "7")
    assert own_budgets(rig, key) == sorted(beside)
    change("20", "month")
    assert own_budgets(rig, key) == sorted([beside[0], ("key-month", "month", "20"), beside[2]])
    rig.ask("PATCH", f"/v1/keys/{key}", {"budget": None})
    assert own_budgets(rig, key) == [beside[0], beside[2]]


def test_a_parents_budget_for_one_model_does_not_bind_its_sub_keys_budget(rig: Rig) -> None:
    rig.key("parent")
    parent = rig.key_id("parent")
    body = {"scope": "key", "scope_id": parent, "amount": "3", "models": ["nex-pro"], "name": "pro"}
    assert rig.ask("PUT", "/v1/budgets", body).status == 200
    rig.key("sub", parent_id=parent, budget={"amount": "5", "window": "month"})
    assert own_budgets(rig, rig.key_id("sub")) == [("key-month", "month", "5")]
