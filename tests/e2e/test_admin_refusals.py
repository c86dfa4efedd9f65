"""Every refusal of the contract that a command can meet ends with the exit code of its row."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Nexctl, Ran


def error_of(done: Ran) -> dict[str, Any]:
    """The machine-readable error: the last line of standard error; notices may stand before it."""
    found: dict[str, Any] = json.loads(done.err.splitlines()[-1])["error"]
    return found


def key_of(nexctl: Nexctl, name: str, *more: str) -> dict[str, str]:
    """The environment in which a new key speaks."""
    done = nexctl("keys", "create", "--name", name, "-q", *more)
    assert done.exit == 0, done
    return {"NEXCTL_API_KEY": done.out.strip()}


def says(done: Ran, exit: int, code: str) -> Ran:
    """The run ended with this exit code and code, on standard error alone."""
    assert done.exit == exit, done
    assert done.out == ""
    assert error_of(done)["code"] == code, done
    assert error_of(done)["exit"] == exit
    return done


def chat(nexctl: Nexctl, *more: str, stdin: str = "hello", **environ: str) -> Ran:
    return nexctl("chat", "-m", "nex-pro", "-o", "json", *more, stdin=stdin, **environ)


# who ---------------------------------------------------------------------------------------------


def test_a_wrong_a_revoked_and_an_expired_key_are_refused(nexctl: Nexctl) -> None:
    says(chat(nexctl, NEXCTL_API_KEY="nxt_sk_wrong"), 4, "invalid_api_key")
    revoked = key_of(nexctl, "one")
    nexctl("keys", "revoke", "one", "--yes")
    says(chat(nexctl, **revoked), 4, "invalid_api_key")
    expired = key_of(nexctl, "two", "--expires", "1s")
    time.sleep(1.2)
    says(chat(nexctl, **expired), 4, "invalid_api_key")


def test_a_key_for_calls_manages_no_keys(nexctl: Nexctl) -> None:
    key = key_of(nexctl, "ci")
    says(nexctl("keys", "list", "-o", "json", **key), 4, "not_permitted")
    says(nexctl("wallet", "topup", "5", "-o", "json", **key), 4, "not_permitted")


def test_models_and_addresses_outside_the_lists_are_refused(nexctl: Nexctl) -> None:
    says(chat(nexctl, **key_of(nexctl, "a", "--model", "gpt-4o")), 4, "model_not_allowed")
    # A call in this process comes from no address, so no list of addresses lets it in.
    says(chat(nexctl, **key_of(nexctl, "b", "--ip", "127.0.0.1")), 4, "ip_not_allowed")


def test_what_the_plan_lacks_is_refused_with_the_plan_that_has_it(nexctl: Nexctl) -> None:
    made = nexctl("admin", "customers", "create", "small", "--plan", "developer", "-q")
    own = {"NEXCTL_API_KEY": made.out.strip()}
    done = nexctl("keys", "create", "--name", "k", "--budget", "5", "-o", "json", **own)
    says(done, 4, "plan_limit")
    assert "Pro" in error_of(done)["message"]


# what was asked ----------------------------------------------------------------------------------


def test_unknown_models_abilities_and_sizes_are_usage_errors(
    nexctl: Nexctl, tmp_path: Path
) -> None:
    says(nexctl("chat", "-m", "nope", "-o", "json", stdin="hi"), 2, "model_not_found")
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    request = {"model": "nex-pro", "messages": [{"role": "user", "content": [image]}]}
    (tmp_path / "image.json").write_text(json.dumps(request))
    says(nexctl("chat", "image.json", "-o", "json"), 2, "unsupported_capability")
    says(chat(nexctl, stdin="word " * 40_000), 2, "context_length_exceeded")
    says(chat(nexctl, "--max-tokens", "32000"), 2, "context_length_exceeded")


def test_unknown_ids_are_3(nexctl: Nexctl) -> None:
    for command in (
        ("keys", "show", "nope"),
        ("keys", "revoke", "nope", "--yes"),
        ("keys", "rotate", "nope"),
        ("keys", "update", "nope", "--rpm", "3"),
        ("keys", "list", "--parent", "nope"),
        ("budgets", "remove", "nope", "--yes"),
        ("budgets", "set", "5", "--key", "nope"),
        ("wallet", "topups", "nope"),
        ("gateway", "pay", "nope"),
        ("admin", "payments", "approve", "nope", "--yes"),
        ("admin", "providers", "remove", "nope", "--yes"),
    ):
        done = nexctl(*command, "-o", "json")
        assert done.exit == 3, (command, done)


def test_a_name_and_a_state_conflict_are_1(nexctl: Nexctl) -> None:
    key_of(nexctl, "ci")
    says(nexctl("keys", "create", "--name", "ci", "-o", "json"), 1, "name_taken")
    shown = nexctl("keys", "show", "ci", "-o", "json").data["id"]
    nexctl("keys", "revoke", "ci", "--yes")
    says(nexctl("keys", "enable", shown, "-o", "json"), 1, "state_conflict")


def test_a_sub_key_cannot_be_wider(nexctl: Nexctl) -> None:
    key_of(nexctl, "parent", "--rpm", "3", "--budget", "5/month")
    for more in (("--rpm", "9"), ("--budget", "6/month")):
        done = nexctl("keys", "create", "--name", "sub", "--parent", "parent", *more, "-o", "json")
        says(done, 2, "wider_than_parent")


# money -------------------------------------------------------------------------------------------


def test_an_empty_wallet_is_5_and_nothing_is_sent(nexctl: Nexctl) -> None:
    assert nexctl("gateway", "init", "bare", "--book", "deeptoken").exit == 0
    done = nexctl("chat", "-p", "bare", "-m", "gpt-4.1-mini", "-o", "json", stdin="hi")
    says(done, 5, "insufficient_balance")
    assert "wallet" in error_of(done)["message"]
    assert nexctl("wallet", "ledger", "-p", "bare", "-o", "json").data == []


@pytest.mark.parametrize("scope", ["key", "customer"])
def test_a_budget_is_5_with_its_layer_and_reset(nexctl: Nexctl, scope: str) -> None:
    key = key_of(nexctl, "ci")
    target = ("--key", "ci") if scope == "key" else ()
    assert nexctl("budgets", "set", "0.000001/month", *target).exit == 0
    done = says(chat(nexctl, **key), 5, "budget_exceeded")
    assert error_of(done)["layer"] == scope
    assert error_of(done)["resets_at"] in error_of(done)["hint"]


def test_limits_of_top_ups(nexctl: Nexctl) -> None:
    nexctl("gateway", "init", "shop", "--book", "deeptoken", "--payments", "manual")
    low = nexctl("wallet", "topup", "5", "-p", "shop", "-o", "json")
    says(low, 2, "topup_below_minimum")
    high = nexctl("wallet", "topup", "6000", "-p", "shop", "-o", "json")
    assert (high.exit, high.data["state"]) == (8, "under_review")
    method = nexctl("wallet", "topup", "50", "--method", "paypal", "-p", "shop", "-o", "json")
    says(method, 2, "payment_method_unavailable")
    play = nexctl("gateway", "pay", high.data["id"], "-p", "shop", "-o", "json")
    says(play, 1, "not_offered")


# rates, ids, upstream ----------------------------------------------------------------------------


def test_too_many_requests_are_6(nexctl: Nexctl) -> None:
    key = key_of(nexctl, "ci", "--rpm", "1")
    assert chat(nexctl, **key).exit == 0
    done = says(chat(nexctl, "--timeout", "20", **key), 6, "rate_limited")
    assert "try again in" in error_of(done)["hint"]


def test_one_request_id_is_billed_once(nexctl: Nexctl) -> None:
    assert chat(nexctl, "--request-id", "r1").exit == 0
    balance = nexctl("wallet", "show", "-o", "json").data["balance"]
    says(chat(nexctl, "--request-id", "r1"), 1, "already_billed")
    says(chat(nexctl, "--request-id", "r1", stdin="other"), 2, "idempotency_conflict")
    assert nexctl("wallet", "show", "-o", "json").data["balance"] == balance


def test_a_running_request_id_is_8(nexctl: Nexctl) -> None:
    nexctl("admin", "providers", "set", "echo", "--option", "stall=8")
    first: list[Ran] = []
    thread = threading.Thread(
        target=lambda: first.append(chat(nexctl, "--request-id", "r1")), daemon=True
    )
    thread.start()
    until = time.monotonic() + 60
    while nexctl("wallet", "show", "-o", "json").data["held"] == "0":
        assert time.monotonic() < until
    says(chat(nexctl, "--request-id", "r1", "--timeout", "2"), 8, "request_in_progress")
    thread.join(60)
    assert first[0].exit == 0


def test_a_failing_provider_is_7_and_unbilled(nexctl: Nexctl) -> None:
    nexctl("admin", "providers", "set", "echo", "--option", "fail=500")
    done = chat(nexctl, "--timeout", "2")
    assert done.exit == 7
    assert error_of(done)["code"].startswith("upstream_")
    shown = nexctl("wallet", "show", "-o", "json").data
    assert (shown["balance"], shown["held"]) == ("30", "0")


# this side ---------------------------------------------------------------------------------------


def test_no_key_no_gateway_no_network(nexctl: Nexctl) -> None:
    away = {"NEXCTL_BASE_URL": "http://127.0.0.1:9", "NEXCTL_DRIVER": "nexctl"}
    says(nexctl("wallet", "show", "-o", "json", **away), 4, "not_logged_in")
    done = nexctl(
        *("wallet", "show", "--timeout", "1", "-o", "json"), **away, NEXCTL_API_KEY="nxt_sk_x"
    )
    assert done.exit == 7
    nexctl("profile", "add", "books", "--book", "nexrelay")
    says(nexctl("keys", "list", "-p", "books", "-o", "json"), 78, "no_gateway")
    nexctl("profile", "add", "later", "--driver", "embedded", "--book", "nextoken")
    says(nexctl("keys", "list", "-p", "later", "-o", "json"), 78, "no_gateway")


def test_questions_that_nobody_can_answer_are_10(nexctl: Nexctl) -> None:
    key_of(nexctl, "ci")
    budget = nexctl("budgets", "set", "5/month", "-o", "json").data["id"]
    order = nexctl("wallet", "topup", "5", "-o", "json").data["id"]
    assert nexctl("gateway", "backup", "x.db").exit == 0
    for command in (
        ("keys", "revoke", "ci"),
        ("keys", "rotate", "ci", "--overlap", "0"),
        ("budgets", "remove", budget),
        ("admin", "payments", "approve", order),
        ("admin", "payments", "reject", order, "--reason", "x"),
        ("admin", "payments", "refund", order),
        ("admin", "providers", "remove", "echo"),
        ("admin", "codes", "create", "5"),
        ("auth", "logout"),
        ("gateway", "resume"),
        ("gateway", "restore", "x.db"),
        ("gateway", "migrate"),
    ):
        done = nexctl(*command, "-o", "json")
        assert done.exit == 10, (command, done)
        assert "--yes" in error_of(done)["hint"]
        assert "local" in error_of(done)["message"], command
