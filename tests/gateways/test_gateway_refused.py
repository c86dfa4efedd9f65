"""What a refusal means: its code first, its status second, and money is never tried again."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from gateway_kit import MemoryTransport, refuses, says
from hypothesis import given
from hypothesis import strategies as st

from nexctl.gateways.port import Gateway
from nexctl.gateways.refused import SYNONYMS, Refused, canonical, judge, refusal_of
from nexctl.safety.http import Reply
from nexctl.wire.refusals import REFUSALS


def refused(status: int, body: Any, headers: dict[str, str] | None = None) -> Refused:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return refusal_of(raw, status, headers or {}, "home")


@pytest.mark.parametrize("code", sorted(REFUSALS))
def test_every_code_of_the_contract_has_its_exit_code_whatever_the_status(code: str) -> None:
    for status in (REFUSALS[code].status, 400, 429, 500):
        error = refused(status, {"error": {"code": code, "message": "m", "type": "user"}})
        assert (error.code, error.exit) == (code, REFUSALS[code].exit)


@pytest.mark.parametrize("code", [*sorted(REFUSALS), "theirs_alone"])
@pytest.mark.parametrize("status", [402, 429, 500])
def test_a_driver_of_calls_alone_names_no_command_that_it_lacks(code: str, status: int) -> None:
    for details in ({}, {"resets_at": "2026-12-01T00:00:00Z"}):
        body = json.dumps({"error": {"code": code, "details": details}}).encode()
        hint = refusal_of(body, status, {}, "home", calls_only=True).hint or ""
        named = set(re.findall(r"'nexctl (\w+)", hint))
        assert named <= {"auth", "models", "doctor"}, hint


@pytest.mark.parametrize(("here", "exit_code"), [(True, 1), (False, 7)])
def test_a_full_disk_is_the_callers_own_only_below_a_gateway_in_its_process(
    here: bool, exit_code: int
) -> None:
    told = {"code": "ledger_unavailable", "message": "full", "details": {"kind": "disk_full"}}
    body = json.dumps({"error": told}).encode()
    error = refusal_of(body, 503, {}, "home", here=here)
    assert (error.exit, error.code) == (exit_code, "ledger_unavailable")
    assert ("free some space" in (error.hint or "")) is here
    assert judge(Reply(503, {}, iter((body,)))) is False, "no time makes room"


@pytest.mark.parametrize(
    ("category", "status", "exit", "again"),
    [
        ("quota", 429, 5, False),
        ("quota_error", 429, 5, False),
        ("Quota_Error", 403, 5, False),
        ("upstream", 502, 7, False),
        ("platform_error", 503, 7, None),
        ("user", 429, 6, None),
        ("", 429, 6, None),
    ],
)
def test_the_category_decides_where_no_code_is_known(
    category: str, status: int, exit: int, again: bool | None
) -> None:
    headers = {"x-gateway-error-category": category}
    assert refused(status, {"message": "m"}, headers).exit == exit
    assert judge(Reply(status, headers, iter([b'{"message": "m"}']))) is again
    # A code that is known says more.
    known = b'{"error": {"code": "rate_limited", "message": "m"}}'
    assert refused(status, known, headers).exit == 6


WORDS = ["error", "code", "message", "type", "detail", "details", "layer", "param"]

# (gateway, status, body, exit code). Sources: the gateways' error pages.
FOREIGN = [
    ("nexrelay: empty", 402, {"error": {"message": "Insufficient balance"}}, 5),
    ("deeptoken, older: empty", 402, {"error": {"code": "wallet_empty", "type": "quota"}}, 5),
    ("deeptoken, newer: empty", 402, {"error": {"code": "org_wallet_empty"}}, 5),
    ("deeptoken, older: budget", 429, {"error": {"code": "budget_exceeded", "type": "quota"}}, 5),
    ("deeptoken, newer: budget", 403, {"error": {"code": "budget_limit_exceeded"}}, 5),
    ("deeptoken: no channel", 503, {"error": {"code": "no_available_channel"}}, 7),
    ("deeptoken: model", 403, {"error": {"code": "model_not_allowed"}}, 4),
    ("nexu: empty", 429, {"error": {"code": "insufficient_credits", "message": "x"}}, 5),
    ("nexu: limit", 429, {"error": {"code": "usage_limit_exceeded", "message": "x"}}, 5),
    ("nexu: tagged message", 429, {"error": {"message": "[code=insufficient_credits] none"}}, 5),
    ("nexu: revoked", 403, {"error": {"code": "forbidden_api_key"}}, 4),
    ("nexu: model", 400, {"error": {"code": "invalid_model"}}, 2),
    ("litellm: budget", 422, {"error": {"type": "budget_exceeded", "code": "422"}}, 5),
    ("litellm, older: budget", 429, {"error": {"type": "budget_exceeded", "code": "429"}}, 5),
    ("litellm: validation", 422, {"detail": [{"msg": "field required"}]}, 2),
    ("otari: budget as bare detail", 403, {"detail": "User 'a' has exceeded budget limit"}, 4),
    ("openai: quota", 429, {"error": {"code": "insufficient_quota", "type": "x"}}, 5),
    ("openai: rate", 429, {"error": {"code": "rate_limit_exceeded", "type": "requests"}}, 6),
    ("openai: key", 401, {"error": {"code": "invalid_api_key"}}, 4),
    ("anthropic: rate", 429, {"type": "error", "error": {"type": "rate_limit_error"}}, 6),
    ("anthropic: money", 400, {"type": "error", "error": {"type": "billing_error"}}, 5),
    ("anthropic: overloaded", 529, {"type": "error", "error": {"type": "overloaded_error"}}, 7),
    ("openrouter: empty", 402, {"error": {"code": 402, "message": "Insufficient credits"}}, 5),
    ("nexgate: status as code", 402, {"error": {"code": "402", "message": "x"}}, 5),
    ("tokenhub: bare text", 404, {"error": "no such key"}, 3),
    ("a proxy's page", 502, b"<html>Bad gateway</html>", 7),
    ("nothing at all", 429, b"", 6),
    ("a list", 400, [], 2),
    ("unknown code", 403, {"error": {"code": "something_new"}}, 4),
    ("unknown code", 418, {"error": {"code": "something_new"}}, 2),
]


@pytest.mark.parametrize(("who", "status", "body", "ends"), FOREIGN)
def test_refusals_of_other_gateways_end_in_the_same_exit_codes(
    who: str, status: int, body: Any, ends: int
) -> None:
    assert refused(status, body).exit == ends


@pytest.mark.parametrize(("who", "status", "body", "ends"), FOREIGN)
def test_money_is_never_tried_again_by_itself(who: str, status: int, body: Any, ends: int) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    verdict = judge(Reply(status, {}, iter([raw])))
    if ends == 5:
        assert verdict is False or (verdict is None and status in (402, 403))
    if ends == 6:
        assert verdict is not False


def test_synonyms_lead_to_codes_of_the_contract() -> None:
    assert set(SYNONYMS.values()) <= set(REFUSALS)
    assert not set(SYNONYMS) & (set(REFUSALS) - {"overloaded"})


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("Insufficient-Balance", "insufficient_balance"),
        ("upstream_error", "upstream_error"),
        ("permission_error", "not_permitted"),
        ("", None),
        ("429", None),
        (429, None),
        (None, None),
        (["budget_exceeded"], None),
    ],
)
def test_words_are_read_in_every_spelling(word: Any, code: str | None) -> None:
    assert canonical(word) == code


def test_a_code_that_a_book_restates_keeps_its_meaning() -> None:
    restated = {"code": "credits_gone", "details": {"contract_code": "insufficient_balance"}}
    assert refused(429, {"error": restated}).exit == 5
    assert judge(Reply(429, {}, iter([json.dumps({"error": restated}).encode()]))) is False


@pytest.mark.parametrize(
    ("ways", "named"),
    [
        (None, ["topup"]),
        (["claim"], ["grants"]),
        (["topup", "claim"], ["topup", "grants"]),
        (["a way of tomorrow"], ["topup"]),
        ("claim", ["topup"]),
        ([{}, None], ["topup"]),
    ],
)
def test_an_empty_wallet_is_filled_in_the_ways_that_its_gateway_has(
    ways: Any, named: list[str]
) -> None:
    error = {"code": "insufficient_balance", "details": {"ways": ways}}
    hint = refused(402, {"error": error}).hint or ""
    assert [word for word in ("topup", "grants") if f"nexctl wallet {word}" in hint] == named


def test_a_budget_names_its_layer_and_when_it_resets() -> None:
    error = refused(
        403,
        {
            "error": {
                "code": "budget_exceeded",
                "message": "the budget does not cover this.",
                "details": {
                    "layer": "parent",
                    "id": "key_1",
                    "name": "team",
                    "remaining": "0.25",
                    "currency": "USD",
                    "resets_at": "2026-12-01T00:00:00Z",
                },
            }
        },
        {"x-request-id": "req_1"},
    )
    assert error.message == (
        "home: the budget does not cover this (binding: parent team, 0.25 USD left)"
    )
    assert error.hint is not None
    assert error.hint.startswith("it resets at 2026-12-01T00:00:00Z")
    assert (error.details["layer"], error.details["currency"]) == ("parent", "USD")
    assert error.details["request_id"] == "req_1"
    assert error.details["status"] == 403


@pytest.mark.parametrize(
    ("headers", "hint"),
    [
        ({"retry-after": "12"}, "try again in 12 s"),
        ({"retry-after": "0.2"}, "try again in 1 s"),
        ({"retry-after": "9" * 400}, "try again in 100000000000 s"),
        ({"retry-after-ms": "9" * 400}, "try again in 100000000000 s"),
        ({}, "try again later"),
    ],
)
def test_a_rate_limit_says_when(headers: dict[str, str], hint: str) -> None:
    assert refused(429, {"error": {"code": "rate_limited"}}, headers).hint == hint


def test_a_wrong_field_is_named() -> None:
    body = {"code": "invalid_request", "message": "Expected `int` <= 9", "param": "overlap_seconds"}
    assert str(refused(400, {"error": body})) == "home: overlap_seconds: Expected `int` <= 9"
    body["message"] = "overlap_seconds is too long"
    assert str(refused(400, {"error": body})) == "home: overlap_seconds is too long"


def test_what_a_server_says_is_cut_and_holds_no_key() -> None:
    said = "bad key nxt_sk_CANARY0123456789 " + "x" * 10_000
    error = refused(401, {"error": {"code": "invalid_api_key", "message": said}})
    assert "CANARY" not in str(error)
    assert len(error.message) < 500


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(WORDS),
                inner,
                max_size=4,
            )
        ),
        max_leaves=10,
    ).map(lambda value: json.dumps(value).encode()),
    st.integers(min_value=400, max_value=599),
)
def test_any_body_ends_in_a_refusal_with_an_exit_code(body: bytes, status: int) -> None:
    error = refused(status, body)
    assert error.exit in range(1, 9)
    assert error.message.startswith("home: ")
    json.dumps(error.details)


# ------------------------------------------------------------------ through a driver


@pytest.mark.parametrize("status", [402, 403, 429])
def test_exhausted_money_is_asked_once(
    gateway: Gateway, wire: MemoryTransport, status: int
) -> None:
    wire.expect("GET", "/v1/wallet", refuses(status, "insufficient_credits"))
    with pytest.raises(Refused) as caught:
        gateway.wallet.show()
    assert caught.value.exit == 5
    assert len(wire.calls) == 1


def test_a_rate_limit_is_waited_for(gateway: Gateway, wire: MemoryTransport) -> None:
    wallet = {"currency": "USD", "balance": "1", "held": "0", "spendable": "1"}
    wire.expect("GET", "/v1/wallet", refuses(429, "rate_limited"), says(200, wallet))
    assert gateway.wallet.show().balance == "1"


def test_a_running_request_is_asked_for_again_though_it_is_a_409(
    gateway: Gateway, wire: MemoryTransport
) -> None:
    wire.expect(
        "POST",
        "/v1/wallet/redeem",
        refuses(409, "request_in_progress"),
        says(200, {"grant_id": "g", "amount": "5", "currency": "USD", "balance": "5"}),
    )
    assert gateway.wallet.redeem("ABCD-EFGH").amount == "5"
    keys = {call.headers["idempotency-key"] for call in wire.calls}
    assert len(keys) == 1


def test_a_name_that_is_taken_is_not_asked_for_again(
    gateway: Gateway, wire: MemoryTransport
) -> None:
    from nexctl.wire.keys import KeyCreate

    wire.expect("POST", "/v1/keys", refuses(409, "name_taken"))
    with pytest.raises(Refused) as caught:
        gateway.keys.create(KeyCreate(name="ci"))
    assert caught.value.exit == 1


@pytest.mark.parametrize("key", ["opaque/CANARY=value+1", "hunter22", "sk-CANARY12345678", "pw-7"])
def test_a_key_that_a_gateway_says_back_is_not_shown_whatever_its_spelling(key: str) -> None:
    body = {
        "message": f"Incorrect key {key}!",
        "param": f"{key}",
        "code": "budget_exceeded",
        "details": {"layer": "key", "name": key, "remaining": key, "usage": {"by": [key]}},
    }
    raw = json.dumps({"error": body}).replace("/", "\\/").encode()
    error = refusal_of(raw, 401, {"x-request-id": f"req {key}"}, "home", (key,))
    assert key not in f"{error.message} {error.hint} {error.details}"
    assert error.message.startswith("home: Incorrect key ")


def test_a_word_typed_where_no_key_is_asked_for_eats_no_message() -> None:
    raw = json.dumps({"error": {"message": "none exceeds the context"}}).encode()
    for key in ("x", "none", ""):
        said = refusal_of(raw, 400, {}, "home", (key,)).message
        assert said == "home: none exceeds the context"


def test_the_gateways_clients_name_their_key_to_the_redaction(wire: MemoryTransport) -> None:
    key = "opaqueCANARYvalue"
    from nexctl.gateways.client import connect
    from nexctl.safety.http import Key

    client = connect(wire, Key(key, "embedded"), "home")
    wire.expect("GET", "/v1/models", refuses(401, "invalid_api_key", f"not {key}"))
    with pytest.raises(Refused) as caught:
        client.ask("models.list")
    assert key not in str(caught.value)


def test_a_validation_error_of_fastapi_says_what_is_wrong() -> None:
    found = [{"type": "missing", "loc": ["body", "model"], "msg": "Field required"}]
    assert refused(422, {"detail": found}).message == "home: body.model: Field required"
    assert refused(422, {"detail": [{"msg": "bad"}]}).message == "home: bad"
    assert "without saying why" in refused(422, {"detail": [7]}).message
