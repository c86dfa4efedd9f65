"""Which model answers: the scored router, routes, rules, circuits, and what that costs."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from server_kit import Rig

from nexctl.cli.gateway_ledger import repricer
from nexctl.pricing import books, engine
from nexctl.records import Usage
from nexctl.server.ledger import verify

Make = Callable[..., Rig]
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def words(count: int) -> list[dict[str, str]]:
    return user("word" + " word" * (count - 1))


def fill(rig: Rig, amount: str, plan: str | None = None) -> None:
    """Money into the first customer's wallet, and its plan."""
    units = int(Decimal(amount) * 10**rig.house.scale)
    rig.house.ledger.adjust(rig.made.customer, units, note="test", by="test")
    if plan is not None:
        rig.house.ledger.write(
            lambda tx: tx.run("UPDATE customers SET plan=? WHERE id=?", plan, rig.made.customer)
        )


def provider(rig: Rig, id: str, priority: int = 50, **fields: Any) -> None:
    body = {"id": id, "kind": "echo", "priority": priority, **fields}
    assert rig.ask("POST", "/admin/v1/providers", body, key=rig.operator).status == 200


def route(rig: Rig, name: str, models: list[str], **fields: Any) -> Any:
    path = f"/admin/v1/routes/{name}"
    return rig.ask("PUT", path, {"models": models, **fields}, key=rig.operator)


def price(book: str, model: str, usage: dict[str, int]) -> int:
    used = Usage(input=usage["prompt_tokens"], output=usage["completion_tokens"])
    return engine.pricer(books.load(book), model).charge(used).units


def charged(rig: Rig, got: Any) -> int:
    return int(Decimal(got.body["nex"]["charge"]) * 10**rig.house.scale)


def clean(rig: Rig) -> None:
    """No hold is left, and the ledger proves itself."""
    rig.settled()
    proof = verify.verify(rig.house.ledger, reprice=repricer(rig.house.ledger))
    assert proof.clean, proof.violations


# the router of the book -----------------------------------------------------------------------

HARD = "Prove step by step that the sum of 17 + 25 is at least 40, and explain why."


def test_the_router_tells_target_reason_and_score(rig: Rig) -> None:
    plain = rig.chat(model="nex-auto").body["nex"]["smart_router"]
    assert plain == {"target_model": "nex-pro", "reason": "a plain prompt", "score": "0.00"}
    hard = rig.chat(model="nex-auto", messages=user(HARD)).body["nex"]["smart_router"]
    assert hard == {
        "target_model": "nex-reasoning",
        "reason": "asks for steps, sets conditions, calculates",
        "score": "0.65",
    }
    again = rig.chat(model="nex-auto", messages=user(HARD)).body["nex"]["smart_router"]
    assert again == hard


def test_whatever_the_router_picks_its_own_flat_row_is_charged(rig: Rig) -> None:
    for text in ("Hello", HARD):
        got = rig.chat(model="nex-auto", messages=user(text))
        assert charged(rig, got) == price("nextoken", "nex-auto", got.body["usage"])
    served = {row["model_served"] for row in rig.usage()}
    assert served == {"nex-pro", "nex-reasoning"}
    assert {row["model_requested"] for row in rig.usage()} == {"nex-auto"}
    clean(rig)


def test_in_a_rule_and_a_route_the_router_stands_for_what_it_picks_from(rig: Rig) -> None:
    """No provider has a model of its name, and what its targets cannot do they are not sent."""
    assert (
        rules(rig, {"name": "any", "when": {"model": "gpt-4o"}, "use": ["nex-auto"]}).status == 200
    )
    route(rig, "house", ["nex-auto", "gpt-4o-mini"])
    route(rig, "auto", ["nex-auto"])
    for name, why in (("gpt-4o", "your rule any"), ("house", "the route house"), ("auto", "")):
        for text, target in (("Hello", "nex-pro"), (HARD, "nex-reasoning")):
            got = rig.chat(model=name, messages=user(text))
            told = got.body["nex"]["smart_router"]
            assert (told["target_model"], got.body["model"]) == (target, "nex-auto"), name
            assert told["reason"].startswith(why)
            assert charged(rig, got) == price("nextoken", "nex-auto", got.body["usage"])
    got = rig.chat(model="gpt-4o", messages=words(40_000), max_tokens=10)
    assert got.body["nex"]["smart_router"]["target_model"] == "nex-reasoning"
    assert rig.chat(model="gpt-4o", messages=user(HARD), tools=TOOLS).body["nex"]["smart_router"][
        "target_model"
    ] == ("nex-pro")
    got = rig.chat(model="house", messages=words(40_000), tools=TOOLS, max_tokens=10)
    assert got.body["model"] == "gpt-4o-mini", "neither of its targets can"
    assert {row["model_served"] for row in rig.usage()} == {
        *("nex-pro", "nex-reasoning", "gpt-4o-mini"),
    }
    clean(rig)


def test_tools_never_go_to_the_reasoning_model(rig: Rig) -> None:
    got = rig.chat(model="nex-auto", messages=user(HARD), tools=TOOLS).body["nex"]["smart_router"]
    assert (got["target_model"], got["score"]) == ("nex-pro", "0.65")


def test_long_input_never_goes_to_the_short_model(rig: Rig) -> None:
    got = rig.chat(model="nex-auto", messages=words(40_000), max_tokens=10)
    assert got.body["nex"]["smart_router"]["target_model"] == "nex-reasoning"


def test_tools_and_long_input_together_are_refused(rig: Rig) -> None:
    got = rig.chat(model="nex-auto", messages=words(40_000), tools=TOOLS, max_tokens=10)
    assert (got.status, got.code) == (400, "context_length_exceeded")
    assert "with tools" in got.body["error"]["message"]
    assert rig.wallet()["held"] == "0"
    assert rig.usage() == []


def test_asking_for_reasoning_is_enough(rig: Rig) -> None:
    got = rig.chat(model="nex-auto", reasoning_effort="high").body["nex"]["smart_router"]
    assert (got["target_model"], got["reason"]) == ("nex-reasoning", "reasoning_effort high")


@pytest.mark.parametrize("alias", ["nex-smart", "nex-coder"])
def test_an_alias_is_transparent_and_the_record_keeps_both_names(rig: Rig, alias: str) -> None:
    got = rig.chat(model=alias)
    assert got.body["model"] == "nex-pro"
    assert got.body["nex"]["smart_router"] is None
    row = rig.usage()[0]
    assert (row["model_requested"], row["model_served"]) == (alias, "nex-pro")
    assert charged(rig, got) == price("nextoken", "nex-pro", got.body["usage"])


# the operator's routes and models -------------------------------------------------------------


def test_a_route_is_a_name_with_an_order(rig: Rig) -> None:
    provider(rig, "broken", models={"gpt-4o": "x"}, options={"fail": "500"})
    rig.ask("PATCH", "/admin/v1/providers/echo", {"models": {"gpt-4o-mini": "gpt-4o-mini"}},
            key=rig.operator)  # fmt: skip
    assert route(rig, "team/fast", ["gpt-4o", "gpt-4o-mini"]).status == 200
    got = rig.chat(model="team/fast")
    assert got.body["model"] == "gpt-4o-mini"
    assert got.body["nex"]["smart_router"] == {
        "target_model": "gpt-4o-mini",
        "reason": "the route team/fast",
        "score": None,
    }
    row = rig.usage()[0]
    assert (row["model_requested"], row["model_served"]) == ("team/fast", "gpt-4o-mini")
    assert charged(rig, got) == price("nextoken", "gpt-4o-mini", got.body["usage"])
    (kept,) = rig.house.ledger.usage(rig.made.customer).rows
    assert kept.record["tries"] == [
        {"provider": "broken", "model": "gpt-4o", "code": "upstream_error"}
    ]
    clean(rig)


def test_a_route_without_fallback_tries_its_first_alone(rig: Rig) -> None:
    provider(rig, "broken", models={"gpt-4o": "x"}, options={"fail": "500"})
    rig.ask("PATCH", "/admin/v1/providers/echo", {"models": {"gpt-4o-mini": "m"}}, key=rig.operator)
    route(rig, "strict", ["gpt-4o", "gpt-4o-mini"], fallback=False)
    assert rig.chat(model="strict").code == "upstream_error"
    clean(rig)
    assert rig.usage() == []


def test_routes_are_listed_and_removed(rig: Rig) -> None:
    route(rig, "b", ["nex-pro"])
    route(rig, "a", ["nex-smart", "gpt-4o"])
    rows = rig.ask("GET", "/admin/v1/routes", key=rig.operator).body["data"]
    assert [(row["name"], row["models"]) for row in rows] == [
        ("a", ["nex-pro", "gpt-4o"]),
        ("b", ["nex-pro"]),
    ]
    assert rig.ask("DELETE", "/admin/v1/routes/a", key=rig.operator).status == 200
    assert rig.ask("DELETE", "/admin/v1/routes/a", key=rig.operator).code == "not_found"
    assert rig.chat(model="a").code == "model_not_found"


@pytest.mark.parametrize(
    ("name", "models", "code"),
    [
        ("x", ["nobody"], "model_not_found"),
        ("x", ["nex-pro", "nex-smart"], "invalid_request"),
        ("x", [], "invalid_request"),
        ("gpt-4o", ["nex-pro"], "invalid_request"),
    ],
)
def test_a_route_that_cannot_be(rig: Rig, name: str, models: list[str], code: str) -> None:
    assert route(rig, name, models).code == code


def test_the_route_called_auto_is_the_default_one_on_any_book(rig: Rig) -> None:
    nameless = {"messages": user("no name")}
    assert rig.ask("POST", "/v1/chat/completions", nameless).body["model"] == "nex-pro"
    route(rig, "auto", ["gpt-4o-mini"])
    for body in (nameless, {"model": "auto", **nameless}):
        assert rig.ask("POST", "/v1/chat/completions", body).body["model"] == "gpt-4o-mini"


def test_a_model_that_is_not_served(rig: Rig) -> None:
    path = "/admin/v1/models/gpt-4o"
    got = rig.ask("PATCH", path, {"enabled": False, "aliases": ["big"]}, key=rig.operator)
    assert got.body["enabled"] is False
    assert rig.chat(model="gpt-4o").code == "model_not_found"
    assert rig.chat(model="big").code == "model_not_found"
    rig.ask("PATCH", path, {"enabled": True}, key=rig.operator)
    got = rig.chat(model="big")
    assert got.body["model"] == "gpt-4o"
    assert rig.usage()[0]["model_requested"] == "big"
    (shown,) = [
        row
        for row in rig.ask("GET", "/admin/v1/models", key=rig.operator).body["data"]
        if row["id"] == "gpt-4o"
    ]
    assert (shown["own_aliases"], shown["providers"]) == (["big"], ["echo"])


def test_a_keys_models_may_be_named_by_the_operators_names(rig: Rig) -> None:
    rig.ask("PATCH", "/admin/v1/models/gpt-4o", {"aliases": ["big"]}, key=rig.operator)
    rig.again()
    key = rig.key("k", models=["big", "nex-smart"])
    assert rig.chat(key, model="big").body["model"] == "gpt-4o"
    assert rig.chat(key, model="o1").code == "model_not_allowed"


@pytest.mark.parametrize("alias", ["nex-pro", "NEX-SMART", "auto"])
def test_an_alias_that_is_a_name_already(rig: Rig, alias: str) -> None:
    got = rig.ask("PATCH", "/admin/v1/models/gpt-4o", {"aliases": [alias]}, key=rig.operator)
    assert got.code == "name_taken"


def test_an_alias_and_a_route_of_one_name_mean_one_model(rig: Rig) -> None:
    """A key that may use the alias may use what the name leads to."""
    path = "/admin/v1/models/nex-pro"
    assert rig.ask("PATCH", path, {"aliases": ["house"]}, key=rig.operator).status == 200
    assert route(rig, "House", ["gpt-4o"]).code == "invalid_request"
    assert route(rig, "house", ["gpt-4o", "nex-pro"]).status == 200
    assert route(rig, "other", ["gpt-4o"]).status == 200
    got = rig.ask("PATCH", path, {"aliases": ["other"]}, key=rig.operator)
    assert got.code == "name_taken"


# customers' rules -----------------------------------------------------------------------------


def rules(rig: Rig, *given: Any) -> Any:
    return rig.ask("PUT", "/v1/routing-rules", {"rules": list(given)})


def test_a_customers_rules_come_first(rig: Rig) -> None:
    got = rules(
        rig,
        {"name": "tools", "when": {"tools": True}, "use": ["gpt-4o-mini"]},
        {"name": "long", "when": {"min_input_tokens": 1000}, "use": ["gemini-2.5-flash"]},
        {"name": "cheap", "when": {"model": "gpt-4o", "label": "team=a"}, "use": ["nex-pro"]},
    )
    assert got.status == 200
    shown = rig.ask("GET", "/v1/routing-rules").body
    assert [row["name"] for row in shown["rules"]] == ["tools", "long", "cheap"]
    assert rig.chat(model="gpt-4o").body["model"] == "gpt-4o"
    assert rig.chat(model="gpt-4o", tools=TOOLS).body["model"] == "gpt-4o-mini"
    assert rig.chat(model="gpt-4o", messages=words(2000)).body["model"] == "gemini-2.5-flash"
    got = rig.chat(model="gpt-4o", metadata={"team": "a"})
    assert got.body["model"] == "nex-pro"
    assert got.body["nex"]["smart_router"]["reason"] == "your rule cheap"
    assert charged(rig, got) == price("nextoken", "nex-pro", got.body["usage"])
    clean(rig)


def test_rules_need_a_plan_that_has_them(make: Make) -> None:
    rig = make(plan="pro")
    got = rules(rig, {"name": "a", "use": ["nex-pro"]})
    assert (got.status, got.code) == (403, "plan_limit")
    assert got.details["plan"] == "business"
    assert rules(rig).status == 200
    assert rig.ask("GET", "/v1/routing-rules").body["offered"] is False


def test_a_rule_never_leads_around_a_keys_models(rig: Rig) -> None:
    rules(rig, {"name": "all", "use": ["gpt-4o", "nex-pro"]})
    key = rig.key("only", models=["nex-pro"])
    assert rig.chat(key, model="nex-pro").body["model"] == "nex-pro"
    other = rig.key("none", models=["o1"])
    assert rig.chat(other, model="o1").code == "model_not_allowed"


def test_a_rule_that_nothing_fits_is_refused(rig: Rig) -> None:
    when = {"min_input_tokens": 10, "max_input_tokens": 9}
    assert rules(rig, {"name": "a", "when": when, "use": ["nex-pro"]}).code == "invalid_request"
    when["max_input_tokens"] = 10
    assert rules(rig, {"name": "a", "when": when, "use": ["nex-pro"]}).status == 200


def test_one_customers_rules_are_not_anothers(rig: Rig) -> None:
    rules(rig, {"name": "all", "use": ["gpt-4o"]})
    other = rig.customer("other")
    assert rig.chat(other, model="nex-pro").body["model"] == "nex-pro"


# health ---------------------------------------------------------------------------------------


def test_a_circuit_opens_and_its_provider_is_passed_over(rig: Rig) -> None:
    provider(rig, "bad", priority=1, options={"fail": "500"})
    for number in range(5):
        got = rig.chat(messages=user(f"number {number}"))
        assert got.status == 200
    rows = rig.house.ledger.usage(rig.made.customer).rows
    assert [len(row.record.get("tries", ())) for row in rows] == [1, 1, 1, 0, 0]
    shown = rig.ask("GET", "/admin/v1/providers", key=rig.operator).body["data"]
    health = {row["id"]: row["health"] for row in shown}
    assert health["bad"].startswith("open (nex-pro), 3 of 3 failed")
    assert health["echo"].startswith("closed, 0 of 5 failed")
    checks = rig.ask("GET", "/admin/v1/health", key=rig.operator).body["checks"]
    assert checks["providers"].startswith("bad: open (nex-pro)")


def test_where_every_circuit_is_open_the_request_is_tried_all_the_same(rig: Rig) -> None:
    rig.ask("PATCH", "/admin/v1/providers/echo", {"options": {"fail": "500"}}, key=rig.operator)
    for _ in range(5):
        assert rig.chat().code == "upstream_error"
    rig.ask("PATCH", "/admin/v1/providers/echo", {"options": {}}, key=rig.operator)
    assert rig.chat().status == 200
    clean(rig)


@pytest.mark.parametrize(("plan", "status"), [("developer", 502), ("pro", 200)])
def test_fallback_begins_with_the_plan_that_has_it(make: Make, plan: str, status: int) -> None:
    rig = make(plan=plan)
    provider(rig, "bad", priority=1, options={"fail": "500"})
    assert rig.chat().status == status
    clean(rig)


@pytest.mark.parametrize("stream", [False, True])
def test_fallback_charges_once(rig: Rig, stream: bool) -> None:
    for number in range(3):
        provider(rig, f"bad{number}", priority=number, options={"fail": "500"})
    before = Decimal(rig.wallet()["balance"])
    body: dict[str, Any] = {"stream": stream, "request_id": "one"}
    if stream:
        *_, last, _ = list(rig.events(**body))
        charge = last["nex"]["charge"]
    else:
        charge = rig.chat(**body).body["nex"]["charge"]
    assert before - Decimal(rig.wallet()["balance"]) == Decimal(charge)
    assert len(rig.usage()) == 1
    assert rig.chat(**body).code == "already_billed"
    clean(rig)


# nexrelay: default routes, allowances, the budget for dear models -----------------------------

STARTER = ["gpt-5.2", "gpt-5.3", "gpt-5.4", "gpt-5.5"]
PRO = ["gpt-5.3", "gpt-5.2", "gpt-5.4", "gpt-5.5"]


@pytest.fixture
def relay(make: Make) -> Rig:
    rig = make(book="nexrelay", plan=None)
    fill(rig, "9000000", "starter")
    return rig


@pytest.mark.parametrize("name", [None, "auto"])
@pytest.mark.parametrize(("plan", "order"), [("starter", STARTER), ("pro", PRO)])
def test_the_plans_route_answers_where_no_model_is_named(
    make: Make, name: str | None, plan: str, order: list[str]
) -> None:
    rig = make(book="nexrelay", plan=None)
    fill(rig, "1000000", plan)
    got = rig.chat(model=name) if name else rig.ask(
        "POST", "/v1/chat/completions", {"messages": user("Hello")}
    )  # fmt: skip
    assert got.body["model"] == order[0]
    row = rig.usage()[0]
    assert (row["model_requested"], row["model_served"]) == ("auto", order[0])
    shown = rig.ask("GET", "/v1/routing-rules").body
    assert shown["default_route"] == order


def test_the_route_follows_a_failure_in_the_plans_order(relay: Rig) -> None:
    serves = {name: name for name in ("gpt-5.4", "gpt-5.3")}
    relay.ask("PATCH", "/admin/v1/providers/echo", {"models": serves}, key=relay.operator)
    got = relay.chat(model="gpt-5.4")
    assert got.body["model"] == "gpt-5.4"
    provider(relay, "bad", priority=1, models={"gpt-5.4": "x"}, options={"fail": "500"})
    relay.ask("PATCH", "/admin/v1/providers/echo", {"models": {"gpt-5.3": "x"}}, key=relay.operator)
    got = relay.chat(model="gpt-5.4", messages=user("Again"))
    row = relay.usage()[-1]
    assert (row["model_requested"], row["model_served"]) == ("gpt-5.4", "gpt-5.3")
    clean(relay)


def test_credits_count_one_by_one_and_cached_reads_stand_beside(relay: Rig) -> None:
    fill(relay, "90000000", "business")
    told = {"echo.usage": "input=150000,output=20000,cached=50000"}
    key = {"model": "gpt-5.4", "messages": words(150_000), "metadata": told, "max_tokens": 8000}
    got = relay.ask("POST", "/v1/chat/completions", key)
    assert got.status == 200, got
    row = relay.usage()[0]
    # More output than was allowed is cut at what was sent; the split of input is the page's.
    assert (row["input_tokens"], row["cached_input_tokens"]) == (100_000, 50_000)
    assert row["charge"] == str(100_000 + 8_000 + 5_000)
    assert row["currency"] == "credits"
    clean(relay)


def test_an_empty_wallet_is_402_and_nothing_is_sent(make: Make) -> None:
    rig = make(book="nexrelay", plan=None)
    got = rig.chat(model="gpt-5.2")
    assert (got.status, got.code) == (402, "insufficient_balance")
    assert rig.usage() == []


def test_limits_of_the_starter_card(relay: Rig) -> None:
    assert relay.chat(model="gpt-5.2", max_tokens=1001).code == "max_output_exceeded"
    got = relay.chat(model="gpt-5.2", messages=words(32_001), max_tokens=10)
    assert got.code == "context_length_exceeded"
    names = {row["meter"]: row["amount"] for row in relay.ask("GET", "/v1/budgets").body["data"]}
    assert names["input"] == "3000000"
    assert names["output"] == "600000"
    assert names["cached_input"] == "6000000"
    assert names["money"] == "1200000"


def test_an_allowance_that_is_used_up_names_its_meter_and_reset(relay: Rig) -> None:
    relay.chat(model="gpt-5.2")
    relay.house.ledger.write(
        lambda tx: tx.run(
            "UPDATE buckets SET spent=2999999, opening=2999999 WHERE budget="
            "(SELECT id FROM budgets WHERE name='allowance_input')"
        )
    )
    got = relay.chat(model="gpt-5.2", messages=user("More of it"))
    assert (got.status, got.code) == (403, "allowance_exceeded")
    assert got.details["name"] == "allowance_input"
    assert got.details["resets_at"].endswith("-01T00:00:00Z")


def spend_high_cost(rig: Rig) -> None:
    rig.chat(model="gpt-5.5", max_tokens=5)
    rig.house.ledger.write(
        lambda tx: tx.run(
            "UPDATE buckets SET spent=1200000000, opening=1200000000 WHERE budget="
            "(SELECT id FROM budgets WHERE name='high_cost')"
        )
    )


def test_the_default_route_skips_dear_models_whose_budget_is_spent(relay: Rig) -> None:
    spend_high_cost(relay)
    provider(relay, "bad", priority=1, options={"fail": "500"},
             models={name: name for name in STARTER[:3]})  # fmt: skip
    relay.ask("PATCH", "/admin/v1/providers/echo", {"models": {"gpt-5.5": "x"}}, key=relay.operator)
    got = relay.chat(model="auto")
    assert got.code == "upstream_error"
    explicit = relay.chat(model="gpt-5.5", max_tokens=5, messages=user("now"))
    assert (explicit.status, explicit.code) == (403, "budget_exceeded")
    assert explicit.details["name"] == "high_cost"
    relay.settled()


def test_only_what_a_dear_model_served_counts_in_its_budget(relay: Rig) -> None:
    relay.chat(model="auto")
    relay.chat(model="gpt-5.5", messages=user("dear"), max_tokens=9)
    rows = relay.ask("GET", "/v1/budgets").body["data"]
    (high,) = [row for row in rows if row["meter"] == "money"]
    (dear,) = [row for row in relay.usage() if row["model_served"] == "gpt-5.5"]
    assert high["spent"] == dear["charge"]
    assert high["held"] == "0"
    clean(relay)


def test_a_plans_budget_is_not_the_customers_to_remove(relay: Rig) -> None:
    relay.chat(model="auto")
    for row in relay.ask("GET", "/v1/budgets").body["data"]:
        assert relay.ask("DELETE", f"/v1/budgets/{row['id']}").code == "not_permitted"


def test_another_plan_brings_its_own_allowances(relay: Rig) -> None:
    relay.chat(model="auto")
    fill(relay, "1000000", "business")
    assert relay.chat(model="auto", messages=user("more")).body["model"] == "gpt-5.4"
    amounts = {r["meter"]: r["amount"] for r in relay.ask("GET", "/v1/budgets").body["data"]}
    assert amounts["input"] == "85000000"
    assert amounts["money"] == "35000000"
    clean(relay)


def test_repeated_failures_are_slowed_down_and_flagged(relay: Rig) -> None:
    fill(relay, "1", "business")
    relay.ask("PATCH", "/admin/v1/providers/echo", {"options": {"fail": "500"}}, key=relay.operator)
    codes = [relay.chat(model="gpt-5.2").code for _ in range(22)]
    assert codes == ["upstream_error"] * 20 + ["rate_limited"] * 2
    assert any("repeated failures" in text for text in relay.house.alarms)
    clean(relay)


# deeptoken: the dearest is held, the served one is charged ------------------------------------


def test_the_hold_takes_the_dearest_and_the_debit_the_served_row(make: Make) -> None:
    rig = make(book="deeptoken", plan=None)
    route(rig, "best", ["gpt-4.1-mini", "claude-sonnet-4"])
    seen: list[int] = []
    fill(rig, "1")
    holding = __import__("nexctl.server.inference.holding", fromlist=["hold"])
    hold = holding.hold

    async def noted(*args: Any, **named: Any) -> Any:
        held = await hold(*args, **named)
        seen.append(held.reservation.amount)
        return held

    holding.hold = noted
    try:
        cheap = rig.chat(model="best", max_tokens=100)
        alone = rig.chat(model="claude-sonnet-4", max_tokens=100)
    finally:
        holding.hold = hold
    assert cheap.body["model"] == "gpt-4.1-mini"
    assert seen[0] >= seen[1] > 0
    assert charged(rig, cheap) == price("deeptoken", "gpt-4.1-mini", cheap.body["usage"])
    assert charged(rig, alone) == price("deeptoken", "claude-sonnet-class", alone.body["usage"])
    clean(rig)


def test_a_dear_fallback_refuses_nobody_who_can_pay_the_first(make: Make) -> None:
    rig = make(book="deeptoken", plan=None)
    route(rig, "best", ["gpt-4.1-mini", "claude-sonnet-4"])
    fill(rig, "0.0001")
    got = rig.chat(model="best", max_tokens=16)
    assert got.body["model"] == "gpt-4.1-mini"
    clean(rig)


def test_a_class_row_prices_only_the_ids_that_are_listed_for_it(make: Make) -> None:
    rig = make(book="deeptoken", plan=None)
    fill(rig, "1")
    assert rig.chat(model="claude-sonnet-4-5").body["model"] == "claude-sonnet-class"
    assert rig.chat(model="claude-3-opus").code == "model_not_found"
    got = rig.chat(model="deepseek-r1", messages=user("What it costs is not a number"))
    assert got.code == "unpriced"
    clean(rig)


def test_a_record_tells_how_its_model_was_chosen(rig: Rig) -> None:
    provider(rig, "bad", priority=1, options={"fail": "500"})
    rig.chat(model="nex-auto", messages=user(HARD), request_id="one")
    got = rig.ask("GET", "/v1/usage/one").body
    assert (got["picked"], got["score"]) == ("asks for steps, sets conditions, calculates", "0.65")
    assert got["tries"] == [{"provider": "bad", "model": "nex-reasoning", "code": "upstream_error"}]
    assert got["quantities"] is None


def test_a_batchs_lines_know_the_operators_names_and_what_is_not_served(rig: Rig) -> None:
    path = "/admin/v1/models/nex-pro"
    rig.ask("PATCH", path, {"aliases": ["house"]}, key=rig.operator)
    rig.ask("PATCH", "/admin/v1/models/gpt-4o", {"enabled": False}, key=rig.operator)
    assert "gpt-4o" not in {m["id"] for m in rig.ask("GET", "/v1/models").body["data"]}
    assert rig.ask("GET", "/v1/models/gpt-4o").code == "model_not_found"
    assert rig.ask("GET", "/v1/models/house").body["id"] == "nex-pro"


# every refusal comes before anything is sent --------------------------------------------------


def test_no_model_and_no_default(make: Make, tmp_path: Path) -> None:
    rig = make(book="tokenok", plan=None)
    got = rig.ask("POST", "/v1/chat/completions", {"messages": user("x")})
    assert (got.status, got.code) == (400, "invalid_request")
    assert got.body["error"]["param"] == "model"
    assert rig.chat(model="gpt-4o").code == "unpriced"
    assert json.dumps(rig.usage()) == "[]"
