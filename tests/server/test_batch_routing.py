"""A batch's lines go where requests go: by rules, routes and scores, at one quoted price."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from batch_kit import Batches, line, proved
from operator_kit import operate
from server_kit import Rig

Make = Callable[..., Rig]
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]


@pytest.fixture
def kit(make: Make) -> Batches:
    rig = make(plan="business")
    rig.house.ledger.adjust(rig.made.customer, 50 * 10**9, note="test", by="test")
    return Batches(rig)


def route(rig: Rig, name: str, models: list[str]) -> None:
    got = operate(rig, "PUT", f"/routes/{name}", {"models": models})
    assert got.status == 200, got


def rules(rig: Rig, *rows: dict[str, Any]) -> None:
    got = rig.ask("PUT", "/v1/routing-rules", {"rules": list(rows)})
    assert got.status == 200, got


def served(kit: Batches, batch: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(requested, charged as, served) of each line, and everything that was billed holds."""
    assert batch["status"] == "completed", batch
    found = []
    for row in sorted(kit.records(batch["id"]), key=lambda row: str(row["request_id"])):
        shown = kit.rig.ask("GET", f"/v1/usage/{row['request_id']}").body
        found.append((shown["model_requested"], shown["model_served"], shown["picked"]))
    proved(kit.rig)
    return found


def test_an_operators_route_serves_lines_too(kit: Batches) -> None:
    route(kit.rig, "cheap", ["nex-reasoning", "gpt-4o-mini"])
    tools = kit.run([line(n, model="cheap", tools=TOOLS) for n in range(2)])
    # nex-reasoning has no tools: the next of the route answers, and is what was quoted.
    assert served(kit, tools) == [("cheap", "gpt-4o-mini", "the route cheap")] * 2
    row = kit.records(tools["id"])[0]
    assert (row["rate_output"], row["multiplier"]) == ("0.65", "0.7")
    plain = kit.run([line(1, model="cheap")])
    assert served(kit, plain) == [("cheap", "nex-reasoning", "the route cheap")]


def test_a_customers_rule_serves_lines_too(kit: Batches) -> None:
    rules(kit.rig, {"name": "mini", "when": {"model": "gpt-4o"}, "use": ["gpt-4o-mini"]})
    batch = kit.run([line(n, model="gpt-4o") for n in range(2)])
    assert served(kit, batch) == [("gpt-4o", "gpt-4o-mini", "your rule mini")] * 2


def test_lines_that_rules_send_to_another_price_are_error_lines(kit: Batches) -> None:
    long = {"name": "long", "when": {"min_input_tokens": 500}, "use": ["gemini-2.5-flash"]}
    rules(kit.rig, long)
    rows = [line(0, model="gpt-4o-mini"), line(1, "word " * 600, model="gpt-4o-mini")]
    batch = kit.run(rows)
    assert batch["request_counts"] == {"total": 2, "completed": 1, "failed": 1}
    (fault,) = kit.lines(batch["error_file_id"])
    error = fault["response"]["body"]["error"]
    assert (error["code"], error["param"]) == ("invalid_request", "model")
    assert "gemini-2.5-flash" in error["message"]
    assert len(kit.records(batch["id"])) == 1
    proved(kit.rig)


def test_nex_auto_picks_by_score_and_never_what_cannot_do_it(kit: Batches) -> None:
    prove = "Prove step by step that if x > 2 then x*x > 4; derive each step and calculate"
    rows = [
        line(0, "Say hello", model="nex-auto"),
        line(1, prove, model="nex-auto"),
        line(2, prove, model="nex-auto", tools=TOOLS),
    ]
    batch = kit.run(rows)
    answers = {row["custom_id"]: row["response"]["body"] for row in kit.results(batch["id"])}
    routed = {name: body["nex"]["smart_router"] for name, body in answers.items()}
    targets = [routed[f"line-{n}"]["target_model"] for n in range(3)]
    assert targets == ["nex-pro", "nex-reasoning", "nex-pro"]
    assert all(row["score"] is not None for row in routed.values())
    # Whatever it picks, its own flat row is charged.
    for row in kit.records(batch["id"]):
        assert (row["rate_input"], row["rate_output"]) == ("0.3", "1.2")
    proved(kit.rig)


def test_what_was_quoted_stays_when_the_rules_change(make: Make) -> None:
    """Lines that wait for their turn keep the model of their quote."""
    rig = make(plan="business")
    rig.house.ledger.adjust(rig.made.customer, 50 * 10**9, note="test", by="test")
    route(rig, "cheap", ["gpt-4o-mini"])
    slow = Batches(rig, rig.key("slow", rpm=2))
    batch = slow.made([line(n, model="cheap") for n in range(3)])
    slow.show(batch["id"], 1)
    route(rig, "cheap", ["gpt-4o"])
    rig.house.ledger.write(lambda tx: tx.run("UPDATE rates SET slots='[]'"))
    done = slow.done(batch["id"])
    assert {row["model_served"] for row in slow.records(done["id"])} == {"gpt-4o-mini"}
    assert done["request_counts"]["completed"] == 3
    proved(rig)


def test_a_model_that_the_key_may_not_use_is_no_way_around(kit: Batches) -> None:
    route(kit.rig, "cheap", ["gpt-4o", "gpt-4o-mini"])
    narrow = Batches(kit.rig, kit.rig.key("narrow", models=["gpt-4o-mini"]))
    batch = narrow.run([line(0, model="cheap")])
    assert [row["model_served"] for row in narrow.records(batch["id"])] == ["gpt-4o-mini"]
    batch = narrow.run([line(0, model="gpt-4o")])
    (fault,) = narrow.lines(batch["error_file_id"])
    assert fault["response"]["body"]["error"]["code"] == "model_not_allowed"
