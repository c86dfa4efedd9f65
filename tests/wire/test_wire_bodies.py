"""Field names are the API: those that scripts rely on are pinned, and bodies are read strictly."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexctl.errors import UsageError
from nexctl.money import parse_units
from nexctl.wire import base, budgets, chat, embeddings, keys, topups, usage, wallet

CHAT = b'{"model": "m", "messages": [{"role": "user", "content": "hi"}]%s}'


def names(body: type[msgspec.Struct]) -> tuple[str, ...]:
    return tuple(field.encode_name for field in msgspec.structs.fields(body))


def test_a_new_key_has_the_fields_of_keys_create() -> None:
    assert set(names(keys.KeySecret)) >= {
        "id",
        "name",
        "created",
        "secret",
        "prefix",
        "created_at",
        "expires_at",
        "budget",
        "models",
        "ip_allowlist",
        "rpm",
        "parent_id",
        "labels",
        "replayed",
    }


def test_the_wallet_has_the_fields_of_wallet_show() -> None:
    assert set(names(wallet.Wallet)) >= {
        "currency",
        "balance",
        "held",
        "spendable",
        "binding",
        "layers",
    }
    assert set(names(wallet.Layer)) >= {"layer", "id", "remaining", "resets_at"}


def test_an_order_has_the_fields_of_wallet_topup() -> None:
    assert set(names(topups.TopUp)) >= {
        "id",
        "state",
        "method",
        "amount",
        "currency",
        "credits",
        "rate",
        "subtotal",
        "tax",
        "fee",
        "bonus",
        "total",
        "pay_to",
        "checkout_url",
        "expires_at",
    }


def test_a_usage_record_has_the_columns_of_usage_export_in_their_order() -> None:
    columns = (
        "created_at, request_id, gateway, customer_id, org_id, project, member_id, key_id, "
        "key_name, parent_key_id, labels, endpoint, model_requested, model_served, provider, "
        "status, requests, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, "
        "reasoning_tokens, images, videos, seconds, gpu_seconds, semantic_cache_hit, batch_id, "
        "rate_input, rate_cached_input, rate_output, rates, multiplier, tier, charge, currency, "
        "credits, balance_delta, balance_after, sequence, price_book, latency_ms, ttft_ms"
    )
    assert names(usage.UsageRecord) == tuple(columns.split(", "))


def test_the_metadata_of_an_answer_has_the_fields_of_the_contract() -> None:
    assert set(names(chat.Nex)) >= {
        "request_id",
        "charge",
        "currency",
        "cached_input_tokens",
        "semantic_cache_hit",
        "smart_router",
        "price_book",
    }
    assert set(names(chat.SmartRouter)) == {"target_model", "reason", "score"}


@pytest.mark.parametrize(
    "more",
    [
        b', "audio": {"voice": "alloy"}',
        b', "web_search_options": {}',
        b', "prediction": {"type": "content", "content": "x"}',
        b', "service_tier": "priority"',
        b', "store": true',
        b', "modalities": ["audio"]',
        b', "tools": [{"type": "web_search"}]',
        b', "made_up": 1',
        b', "max_tokens": 0',
        b', "max_tokens": -5',
        b', "max_tokens": 9223372036854775808',
        b', "max_tokens": "5"',
        b', "max_tokens": 1.5',
        b', "n": 129',
        b', "n": true',
        b', "temperature": 2.1',
        b', "temperature": 1e999',
        b', "request_id": "a b"',
        b', "request_id": "line\\n"',
        b', "request_id": ""',
        b', "stream": "yes"',
    ],
)
def test_what_the_book_cannot_price_or_read_is_refused(more: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        base.decode(chat.ChatRequest, CHAT % more)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff\xfe",
        b'{"model": "\xff"}',
        CHAT % b', "temperature": NaN',
        CHAT % b', "temperature": Infinity',
        b'{"model": "m", "messages": []}',
        b'{"model": "m", "messages": [{"role": "boss", "content": "hi"}]}',
        b'{"model": "m", "messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}',
        CHAT % b"" + b"x",
    ],
)
def test_what_is_no_request_is_refused_by_name(raw: bytes) -> None:
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        base.decode(chat.ChatRequest, raw)


def test_absurd_nesting_ends_in_an_error_not_in_a_crash() -> None:
    deep = b"[" * 200_000 + b"]" * 200_000
    tool = b', "tools": [{"type": "function", "function": {"name": "f", "parameters": {"a": %s}}}]'
    with pytest.raises(RecursionError):
        base.decode(chat.ChatRequest, CHAT % (tool % deep))


def test_a_duplicate_key_counts_once_and_the_rebuilt_request_has_one() -> None:
    request = base.decode(chat.ChatRequest, CHAT % b', "n": 100, "n": 1')
    assert base.encode(request).count(b'"n"') == 1
    assert request.n == 1


def test_an_assistants_answer_can_be_handed_back() -> None:
    body = b"""{"model": "m", "messages": [
      {"role": "user", "content": "hi"},
      {"role": "assistant", "content": null, "refusal": null, "annotations": [], "audio": null,
       "function_call": null, "tool_calls": [
        {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
      {"role": "tool", "tool_call_id": "c1", "content": "4"}]}"""
    request = base.decode(chat.ChatRequest, body)
    assert base.plain(request)["messages"][1]["tool_calls"][0]["type"] == "function"


def test_the_request_that_is_passed_on_holds_what_was_given_and_nothing_else() -> None:
    given_ = b'{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":false,"n":1}'
    assert base.encode(base.decode(chat.ChatRequest, given_)) == (
        b'{"model":"m","messages":[{"role":"user","content":"hi"}],"n":1,"stream":false}'
    )


@pytest.mark.parametrize(
    ("raw", "length"),
    [(b'"text"', 4), (b'["a","b"]', 2), (b"[1,2,3]", 3), (b"[[1,2],[3]]", 2)],
)
def test_embeddings_take_every_shape_of_input(raw: bytes, length: int) -> None:
    request = base.decode(embeddings.EmbeddingsRequest, b'{"model":"m","input":' + raw + b"}")
    assert len(request.input) == length


def test_a_key_can_lose_a_limit_by_null_and_keep_it_by_silence() -> None:
    silent = base.decode(keys.KeyUpdate, b"{}")
    assert silent.rpm is base.UNSET
    assert base.encode(silent) == b"{}"
    lifted = base.decode(keys.KeyUpdate, b'{"rpm": null, "models": null}')
    assert lifted.rpm is None
    assert base.encode(lifted) == b'{"models":null,"rpm":null}'


@given(st.text(max_size=30) | st.from_regex(r"-?[0-9]{1,14}(\.[0-9]{1,14})?\n?", fullmatch=True))
def test_a_body_takes_the_amounts_that_the_parser_takes_and_no_negative_one(text: str) -> None:
    raw = msgspec.json.encode({"scope": "customer", "amount": text})
    try:
        parse_units(text)
        fine = not text.startswith("-")
    except UsageError:
        fine = False
    try:
        base.decode(budgets.BudgetSet, raw)
        taken = True
    except msgspec.ValidationError:
        taken = False
    assert taken == fine


def test_clients_ignore_what_a_newer_gateway_adds() -> None:
    raw = b'{"currency":"USD","balance":"1","held":"0","spendable":"1","colour":"blue"}'
    assert base.decode(wallet.Wallet, raw).spendable == "1"


def test_times_and_windows_are_spelled_as_the_contract_says() -> None:
    query = msgspec.convert(
        {"from": "2026-11-01T00:00:00Z", "limit": "5"}, usage.UsageQuery, strict=False
    )
    assert (query.from_, query.limit) == ("2026-11-01T00:00:00Z", 5)
    for wrong in ("2026-11-01", "2026-11-01T00:00:00+01:00", "2026-11-01T00:00:00Z\n"):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"from": wrong}, usage.UsageQuery)
