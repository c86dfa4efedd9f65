"""Calls come from the route table; answers are read strictly; what is not one is named."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from gateway_kit import MemoryTransport, breaks, says, streams
from hypothesis import given
from hypothesis import strategies as st

from nexctl.errors import ConfigError, NexctlError, UsageError
from nexctl.gateways import client
from nexctl.gateways.client import event_data, root_of, target_of
from nexctl.gateways.drivers import network, open_gateway
from nexctl.gateways.lacking import Absent, Lacking
from nexctl.gateways.nexctl import NexctlGateway
from nexctl.gateways.port import Gateway
from nexctl.gateways.refused import Refused
from nexctl.safety.http import NetworkError
from nexctl.wire import chat, keys, usage
from nexctl.wire.routes import BY_NAME, ROUTES

KEY = {
    "id": "key_1",
    "name": "ci",
    "prefix": "nxt_sk_ab",
    "state": "active",
    "created_at": "2026-11-21T00:00:00Z",
}
HELLO = chat.ChatRequest(model="nex-pro", messages=[chat.Message(role="user", content="hi")])


def chunk(text: str | None = None, **more: Any) -> dict[str, Any]:
    choices = [] if text is None else [{"index": 0, "delta": {"content": text}}]
    return {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "nex-pro",
        "choices": choices,
        **more,
    }


def test_a_call_is_made_as_the_table_says(gateway: Gateway, wire: MemoryTransport) -> None:
    wire.expect("POST", "/v1/keys", says(200, {**KEY, "secret": "s"}))
    made = gateway.keys.create(
        keys.KeyCreate(name="ci", budget=keys.BudgetTerms(amount="20")), idempotency_key="mine"
    )
    assert (made.id, made.secret, made.created) == ("key_1", "s", True)
    call = wire.calls[0]
    assert wire.body() == {"name": "ci", "budget": {"amount": "20"}}
    assert call.headers["idempotency-key"] == "mine"
    assert call.headers["authorization"] == "Bearer nxt_mk_CANARY0123456789"
    assert call.headers["content-type"] == "application/json"


def test_ids_are_quoted_and_never_change_the_path() -> None:
    route = BY_NAME["keys.show"]
    assert target_of(route, ("a/b?c#d e",), None) == "/v1/keys/a%2Fb%3Fc%23d%20e"
    for wrong in ("", ".", "..", "x" * 300):
        with pytest.raises(UsageError):
            target_of(route, (wrong,), None)
    models = BY_NAME["models.show"]
    assert target_of(models, ("meta/llama-3",), None) == "/v1/models/meta/llama-3"
    for wrong in ("../keys", "a//b", "a/./b", "/a"):
        with pytest.raises(UsageError):
            target_of(models, (wrong,), None)


@given(st.text(min_size=1, max_size=60))
def test_no_id_leaves_its_place_in_the_path(value: str) -> None:
    try:
        target = target_of(BY_NAME["keys.rotate"], (value,), None)
    except (UsageError, UnicodeEncodeError):
        return
    assert target.startswith("/v1/keys/")
    assert target.endswith("/rotate")
    assert target.count("/") == 4
    assert "?" not in target


def test_a_query_holds_what_was_given(gateway: Gateway, wire: MemoryTransport) -> None:
    wire.expect(
        "GET", "/v1/usage?from=2026-11-01T00%3A00%3A00Z&model=nex-pro", says(200, {"data": []})
    )
    query = usage.UsageQuery(from_="2026-11-01T00:00:00Z", model="nex-pro")
    assert list(gateway.usage.list(query)) == []


def test_lists_are_asked_for_page_by_page_as_they_are_used(
    gateway: Gateway, wire: MemoryTransport
) -> None:
    wire.expect("GET", "/v1/keys?name=ci", says(200, {"data": [KEY], "next_cursor": "2"}))
    found = gateway.keys.list(keys.KeyQuery(name="ci"))
    assert wire.calls == []
    assert next(found).id == "key_1"
    assert len(wire.calls) == 1
    second = {"data": [{**KEY, "id": "key_2"}], "next_cursor": None}
    wire.expect("GET", "/v1/keys?cursor=2&name=ci", says(200, second))
    assert [key.id for key in found] == ["key_2"]


def test_a_list_that_goes_in_circles_ends(gateway: Gateway, wire: MemoryTransport) -> None:
    wire.expect("GET", "/v1/keys", says(200, {"data": [KEY], "next_cursor": "a"}))
    wire.expect("GET", "/v1/keys?cursor=a", says(200, {"data": [KEY], "next_cursor": "b"}))
    wire.expect("GET", "/v1/keys?cursor=b", says(200, {"data": [KEY], "next_cursor": "a"}))
    with pytest.raises(NetworkError, match="comes back"):
        list(gateway.keys.list())


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"null", b'{"data": [{"id": 7}]}', b"\xff", b"[" * 100_000],
)
def test_what_is_no_answer_is_told_without_quoting_it(
    gateway: Gateway, wire: MemoryTransport, body: bytes
) -> None:
    wire.expect("GET", "/v1/keys", says(200, body))
    with pytest.raises(NetworkError) as caught:
        list(gateway.keys.list())
    assert (caught.value.code, caught.value.exit) == ("bad_answer", 7)
    assert "html" not in str(caught.value)


def test_a_lost_answer_to_a_write_names_the_key_to_ask_again_with(
    gateway: Gateway, wire: MemoryTransport
) -> None:
    wire.expect("POST", "/v1/wallet/redeem", *[breaks()] * 4)
    with pytest.raises(NetworkError) as caught:
        gateway.wallet.redeem("ABCD")
    key = wire.calls[0].headers["idempotency-key"]
    assert {call.headers["idempotency-key"] for call in wire.calls} == {key}
    assert caught.value.details["idempotency_key"] == key
    assert key in (caught.value.hint or "")


def test_a_chat_is_repeated_only_with_a_request_id(gateway: Gateway, wire: MemoryTransport) -> None:
    wire.expect("POST", "/v1/chat/completions", breaks())
    with pytest.raises(NetworkError):
        gateway.chat.complete(HELLO)
    whole = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": []}
    wire.expect("POST", "/v1/chat/completions", breaks(), says(200, whole))
    named = chat.ChatRequest(model="m", messages=HELLO.messages, request_id="r1")
    assert gateway.chat.complete(named).id == "c"


@pytest.mark.parametrize("key", ["a b", "a\r\nX: y", "é", "x" * 256])
def test_an_idempotency_key_cannot_smuggle_a_header(gateway: Gateway, key: str) -> None:
    with pytest.raises(UsageError):
        gateway.keys.create(keys.KeyCreate(name="x"), idempotency_key=key)


def test_a_request_over_the_routes_limit_is_not_sent(gateway: Gateway) -> None:
    with pytest.raises(UsageError) as caught:
        gateway.keys.create(keys.KeyCreate(name="x" * 70_000))
    assert caught.value.code == "payload_too_large"


# ------------------------------------------------------------------ streams


@pytest.mark.parametrize("cut", [1, 2, 3, 7, 1000])
def test_a_stream_is_read_in_whatever_pieces_it_comes(
    gateway: Gateway, wire: MemoryTransport, cut: int
) -> None:
    last = chunk(None, nex={"request_id": "r", "charge": "0.0001", "currency": "USD"})
    wire.expect("POST", "/v1/chat/completions", streams(chunk("Hel"), chunk("lo é"), last, cut=cut))
    found = list(gateway.chat.stream(HELLO))
    assert "".join(c.choices[0].delta.content or "" for c in found if c.choices) == "Hello é"
    assert found[-1].nex is not None
    assert found[-1].nex.charge == "0.0001"


def test_a_stream_without_its_end_is_broken(gateway: Gateway, wire: MemoryTransport) -> None:
    wire.expect("POST", "/v1/chat/completions", streams(chunk("Hel"), end=False))
    found = iter(gateway.chat.stream(HELLO))
    assert next(found).choices[0].delta.content == "Hel"
    with pytest.raises(NetworkError) as caught:
        next(found)
    assert caught.value.exit == 7
    assert "may be charged" in (caught.value.hint or "")


def test_an_error_inside_a_stream_is_the_refusal_that_it_is(
    gateway: Gateway, wire: MemoryTransport
) -> None:
    error = {"error": {"type": "upstream", "code": "upstream_error", "message": "it failed"}}
    wire.expect("POST", "/v1/chat/completions", streams(chunk("Hel"), error))
    with pytest.raises(Refused) as caught:
        list(gateway.chat.stream(HELLO))
    assert (caught.value.code, caught.value.exit) == ("upstream_error", 7)


def test_text_that_speaks_of_errors_is_text(gateway: Gateway, wire: MemoryTransport) -> None:
    text = '{"error": {"message": "quoted"}}'
    wire.expect("POST", "/v1/chat/completions", streams(chunk(text)))
    assert next(iter(gateway.chat.stream(HELLO))).choices[0].delta.content == text


def test_an_answer_that_is_no_stream_is_named(gateway: Gateway, wire: MemoryTransport) -> None:
    wire.expect("POST", "/v1/chat/completions", says(200, {}))
    with pytest.raises(NetworkError, match="instead of a stream"):
        gateway.chat.stream(HELLO)


@pytest.mark.parametrize(
    ("raw", "events"),
    [
        (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"]),
        (b"data: a\r\rdata: b\r\r", [b"a", b"b"]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b"data: a\r\ndata: b\r\n\r\n", [b"a\nb"]),
        (b"data: a\rdata: b\r\r", [b"a\nb"]),
        (b"data:a\n\ndata:  b\n\n", [b"a", b" b"]),
        (b": ping\n\n: ping\n\nevent: x\nid: 1\ndata: a\n\n", [b"a"]),
        (b"data\n\n\n\ndata: a\n\n", [b"", b"a"]),
        (b"data: unfinished", []),
        (b"data: unfinished\n", []),
        (b"datax: a\n\n", []),
    ],
)
def test_events_are_read_as_the_standard_says(raw: bytes, events: list[bytes]) -> None:
    for cut in (1, 2, 3, 100):
        pieces = (raw[at : at + cut] for at in range(0, len(raw), cut))
        assert list(event_data(pieces)) == events


@given(
    st.lists(st.binary(max_size=12).map(lambda b: b.replace(b"\r", b"").replace(b"\n", b""))),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
    st.integers(min_value=1, max_value=9),
)
def test_whatever_was_sent_as_events_comes_back(sent: list[bytes], ending: bytes, cut: int) -> None:
    raw = b"".join(b"data: " + data + ending * 2 for data in sent)
    pieces = (raw[at : at + cut] for at in range(0, len(raw), cut))
    assert list(event_data(pieces)) == sent


def test_an_endless_event_is_cut() -> None:
    with pytest.raises(NetworkError):
        list(event_data(iter([b"data: "] + [b"x" * 100] * 100), limit=1000))
    with pytest.raises(NetworkError):
        list(event_data(iter([b"data: " + b"x" * 100 + b"\n"] * 100), limit=1000))


# ------------------------------------------------------------------ drivers


def test_an_address_may_end_in_v1_as_openais_clients_want_it() -> None:
    assert root_of("http://127.0.0.1:8787/v1/") == "http://127.0.0.1:8787"
    assert root_of("https://x.example/api") == "https://x.example/api"
    assert network("http://127.0.0.1:8787/v1").origin == "http://127.0.0.1:8787"


def test_an_unknown_driver_is_a_fault_of_the_configuration(wire: MemoryTransport) -> None:
    for name in ("lightllm", None):
        with pytest.raises(ConfigError):
            open_gateway(name, wire, None, "home")


def test_what_a_gateway_lacks_is_said_with_its_name() -> None:
    budgets = Absent("nexu", "budgets")
    with pytest.raises(Lacking) as caught:
        budgets.list()
    assert caught.value.exit == 1
    assert str(caught.value) == "nexu does not offer budgets"
    assert isinstance(caught.value, NexctlError)


def test_every_route_that_a_client_may_call_has_a_method_in_the_driver() -> None:
    """Whoever adds a route is told here that the driver does not speak it yet."""
    import inspect

    from nexctl.gateways import editions, funding

    parts = [part for part in NexctlGateway.__mro__ if part is not object]
    modules = [*(sys.modules[part.__module__] for part in parts), editions, funding]
    source = "".join(map(inspect.getsource, modules))
    without = {"budgets.show", "health.live", "webhooks.payment", "sandbox.page", "sandbox.pay"}
    missing = [r.name for r in ROUTES if f'"{r.name}"' not in source and r.name not in without]
    assert missing == []


def test_an_in_process_command_loads_no_http_library() -> None:
    code = (
        "import sys, nexctl.gateways.drivers, nexctl.gateways.nexctl, nexctl.gateways.client\n"
        "import nexctl.wire.keys\nprint(' '.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"httpx", "httpcore", "h11", "ssl", "asyncio", "email", "rich", "sqlite3"}
    assert not {m for m in loaded if m.startswith("nexctl.server")}
    assert "nexctl.wire.admin" not in loaded, "only the types of the command's own noun"


def test_the_client_knows_its_own_free_routes() -> None:
    assert set(client.FREE) <= set(BY_NAME)
