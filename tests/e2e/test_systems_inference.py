"""The five systems by their books: what a chat costs and refuses, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import Nexctl, Ran

PRICED = {
    "nextoken": "nex-pro",
    "nexrelay": "gpt-5.4",
    "deeptoken": "gpt-4.1-mini",
    "nexu": "gemini-3-flash-preview",
}
TEXT = "All happy families are alike; each unhappy family is unhappy in its own way."


def shop(nexctl: Nexctl, book: str, credits: str = "100000") -> None:
    """A gateway that obeys a book, with money in its customer's wallet."""
    made = nexctl("gateway", "init", "shop", "--book", book, "--use")
    assert made.exit == 0, made
    if credits != "0":
        code = nexctl("admin", "codes", "create", credits, "--yes", "-q").out.strip()
        assert nexctl("wallet", "redeem", stdin=code).exit == 0


def chat(nexctl: Nexctl, text: str, *more: str) -> Ran:
    return nexctl("chat", "-", "--no-stream", "-o", "json", *more, stdin=text)


@pytest.mark.parametrize("book", PRICED)
def test_a_chat_is_charged_to_the_last_unit_as_the_estimate_says(
    nexctl: Nexctl, tmp_path: Path, book: str
) -> None:
    shop(nexctl, book)
    model = PRICED[book]
    body = {"model": model, "max_tokens": 200, "messages": [{"role": "user", "content": TEXT}]}
    (tmp_path / "request.json").write_text(json.dumps(body))
    before = nexctl("wallet", "show", "-o", "json").data["balance"]
    got = nexctl("chat", "request.json", "--no-stream", "-o", "json")
    assert got.exit == 0, got
    used = got.data["usage"]
    quote = nexctl(
        *("estimate", "request.json", "--on", book, "-o", "json"),
        *("--output-tokens", str(used["completion_tokens"])),
    ).data["estimates"][0]
    assert quote["input_tokens"] == used["prompt_tokens"]
    assert quote["charge"]["expected"] == got.data["nex"]["charge"]
    assert quote["currency"] == got.data["nex"]["currency"]
    from decimal import Decimal

    after = nexctl("wallet", "show", "-o", "json").data["balance"]
    assert Decimal(before) - Decimal(after) == Decimal(got.data["nex"]["charge"])
    assert nexctl("gateway", "verify").exit == 0


@pytest.mark.parametrize("book", ["nexrelay", "deeptoken", "nexu", "tokenok"])
def test_a_plan_is_refused_where_nobody_chooses_one(nexctl: Nexctl, book: str) -> None:
    got = nexctl("gateway", "init", "shop", "--book", book, "--plan", "pro")
    assert got.exit == 2
    assert "plan" in got.err
    assert nexctl("gateway", "status", "-p", "shop").exit == 2


@pytest.mark.parametrize(
    ("book", "code"),
    [
        ("nexrelay", "insufficient_balance"),
        ("deeptoken", "org_wallet_empty"),
        ("nexu", "insufficient_credits"),
    ],
)
def test_an_empty_wallet_is_exit_5_however_the_system_spells_it(
    nexctl: Nexctl, book: str, code: str
) -> None:
    shop(nexctl, book, "0")
    got = chat(nexctl, TEXT, "-m", PRICED[book])
    assert got.exit == 5, got
    assert got.error["code"] in (code, "insufficient_balance")


def test_tokenok_sells_nothing_before_its_operator_sets_prices(nexctl: Nexctl) -> None:
    shop(nexctl, "tokenok")
    got = chat(nexctl, TEXT, "-m", "gpt-4.1-mini")
    assert got.exit == 2
    assert got.error["code"] == "unpriced"
    assert nexctl("models", "list", "-o", "json").data == []
    assert nexctl("wallet", "show", "-o", "json").data["held"] == "0"


def test_nexus_list_is_closed_and_a_sum_without_a_split_is_not_charged(nexctl: Nexctl) -> None:
    shop(nexctl, "nexu")
    assert chat(nexctl, TEXT, "-m", "gpt-4o").exit == 2
    got = chat(nexctl, TEXT, "-m", "glm-5-turbo")
    assert (got.exit, got.error["code"]) == (2, "unpriced")


def test_nexrelays_default_route_answers_where_auto_is_asked_for(nexctl: Nexctl) -> None:
    shop(nexctl, "nexrelay", "1000000")
    listed = nexctl("admin", "routes", "list", "-o", "json").data
    assert [row["source"] for row in listed] == ["plan starter", "plan pro", "plan business"]
    assert nexctl("admin", "routes", "set", "auto", "gpt-5.4", "gpt-5.2").exit == 0
    assert chat(nexctl, TEXT, "-m", "auto").data["model"] == "gpt-5.4"


def test_a_near_duplicate_on_nextoken_costs_five_per_cent(nexctl: Nexctl) -> None:
    shop(nexctl, "nextoken", "10")
    first = chat(nexctl, "What is the tallest mountain of Peru?", "-m", "nex-pro").data["nex"]
    again = chat(nexctl, "what's the tallest mountain of Peru", "-m", "nex-pro").data["nex"]
    assert (first["semantic_cache_hit"], again["semantic_cache_hit"]) == (False, True)
    assert nexctl("routes", "cache", "off", "--yes", "-o", "json").data["semantic_cache"] is False
    third = chat(nexctl, "What is the tallest mountain of Peru?", "-m", "nex-pro").data["nex"]
    assert third["semantic_cache_hit"] is False
    assert third["charge"] == first["charge"]
    assert nexctl("gateway", "verify").exit == 0


def test_rules_of_ones_own_from_the_command_line(nexctl: Nexctl) -> None:
    assert nexctl("routes", "show", "-o", "json").data["rules"] == []
    assert nexctl("routes", "set", "a", "nex-pro", "--for-model", "gpt-4o").exit == 0
    assert nexctl("routes", "set", "b", "gpt-4o-mini", "--tools", "--first").exit == 0
    assert nexctl("routes", "show", "-o", "name").out.split() == ["b", "a"]
    assert chat(nexctl, "hello", "-m", "gpt-4o").data["model"] == "nex-pro"
    planned = nexctl("routes", "remove", "a", "--dry-run", "-o", "json").data["requests"][0]
    assert (planned["method"], planned["path"]) == ("PUT", "/v1/routing-rules")
    assert nexctl("routes", "remove", "a").exit == 0
    gone = nexctl("routes", "remove", "a", "-o", "json")
    assert (gone.exit, gone.error["code"]) == (3, "not_found")
    assert nexctl("routes", "set", "x", "no-such-model").exit == 2
    assert nexctl("routes", "set", "x").exit == 2


def test_the_operators_models_and_routes_from_the_command_line(nexctl: Nexctl) -> None:
    nexctl("gateway", "status")
    assert nexctl("admin", "models", "set", "nex-pro", "--alias", "house").exit == 0
    assert chat(nexctl, "hello", "-m", "house").data["model"] == "nex-pro"
    assert nexctl("admin", "models", "set", "gpt-4o", "--disable").exit == 0
    assert chat(nexctl, "hello", "-m", "gpt-4o").exit == 2
    assert nexctl("admin", "models", "set", "gpt-4o").exit == 2
    assert nexctl("admin", "routes", "set", "fast", "gpt-4o-mini", "nex-pro").exit == 0
    assert chat(nexctl, "hello there", "-m", "fast").data["model"] == "gpt-4o-mini"
    gone = nexctl("admin", "routes", "remove", "fast", "--yes", "-o", "json").data
    assert gone["removed"] is True
    assert nexctl("admin", "routes", "remove", "fast", "--yes").exit == 3
