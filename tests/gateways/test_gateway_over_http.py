"""The same driver across a real loopback connection: what a key meets on its way."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "safety"))

from http_kit import LoopbackGateway, endless, loopback_gateway, raw_bytes, reply

from nexctl.account import chatting
from nexctl.errors import NexctlError
from nexctl.gateways.drivers import network, open_gateway
from nexctl.gateways.port import Gateway
from nexctl.gateways.refused import Refused
from nexctl.safety.http import Key, NetworkError
from nexctl.wire.chat import ChatRequest, Message
from nexctl.wire.keys import KeyCreate

CANARY = "nxt_mk_CANARYcanary0123456789"
WALLET = '{"currency": "USD", "balance": "1", "held": "0", "spendable": "1"}'
PROMPT = "a PROMPTCANARY that nobody may read"


@pytest.fixture
def server() -> Iterator[LoopbackGateway]:
    with loopback_gateway() as running:
        yield running


def opened(server: LoopbackGateway, **more: Any) -> Gateway:
    transport = network(server.url + "/v1")
    key = Key(CANARY, transport.origin)
    settings: dict[str, Any] = {"seconds": 5, "sleep": lambda _: None, **more}
    return open_gateway("nexctl", transport, key, "work", **settings)


def envelope(code: str, message: str = "no") -> str:
    return json.dumps({"error": {"type": "quota", "code": code, "message": message}})


def test_a_call_goes_out_and_its_answer_comes_back(server: LoopbackGateway) -> None:
    server.expect("GET", "/v1/wallet", reply(200, WALLET))
    assert opened(server).wallet.show().spendable == "1"
    assert server.seen[0].headers["authorization"] == f"Bearer {CANARY}"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_the_key_never_reaches_the_place_that_a_redirect_names(
    server: LoopbackGateway, status: int
) -> None:
    with loopback_gateway() as other:
        server.expect("POST", "/v1/keys", reply(status, b"", Location=other.url + "/v1/keys"))
        with pytest.raises(NetworkError) as caught:
            opened(server).keys.create(KeyCreate(name="ci"))
        assert caught.value.code == "redirect_refused"
        assert other.seen == []


@pytest.mark.parametrize("status", [402, 403, 429])
def test_money_is_asked_once_even_when_told_to_come_back(
    server: LoopbackGateway, status: int
) -> None:
    answer = reply(status, envelope("budget_exceeded"), retry_after="0")
    server.expect("GET", "/v1/wallet", answer)
    with pytest.raises(Refused) as caught:
        opened(server).wallet.show()
    assert caught.value.exit == 5
    assert len(server.seen) == 1


def test_a_rate_limit_waits_as_long_as_it_is_told_and_no_longer(server: LoopbackGateway) -> None:
    waits: list[object] = []
    limited = reply(429, envelope("rate_limited"), retry_after="2")
    server.expect("GET", "/v1/wallet", limited, reply(200, WALLET))
    opened(server, sleep=waits.append).wallet.show()
    assert waits == [2.0]
    far = reply(429, envelope("rate_limited"), retry_after="3600")
    server.expect("GET", "/v1/wallet", far)
    with pytest.raises(Refused) as caught:
        opened(server, sleep=waits.append).wallet.show()
    assert (caught.value.exit, caught.value.hint) == (6, "try again in 3600 s")
    assert waits == [2.0]


SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunked(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def event(**more: Any) -> bytes:
    body = {"id": "c", "object": "x", "created": 1, "model": "m", "choices": [], **more}
    return b"data: " + json.dumps(body).encode() + b"\n\n"


HELLO = event(choices=[{"index": 0, "delta": {"content": "Hello"}}])


def asked(gateway: Gateway, heard: list[str]) -> chatting.Answered:
    request = ChatRequest(model="m", messages=[Message(role="user", content=PROMPT)])
    return chatting.ask(gateway, request, on_text=heard.append)


def test_a_stream_is_heard_while_it_comes(server: LoopbackGateway) -> None:
    nex = event(nex={"request_id": "r", "charge": "0.1", "currency": "USD"})
    whole = HELLO + nex + b"data: [DONE]\n\n"
    halves = (SSE, chunked(whole[:30]), chunked(whole[30:]), b"0\r\n\r\n")
    server.expect("POST", "/v1/chat/completions", raw_bytes(*halves, pause=0.02))
    heard: list[str] = []
    found = asked(opened(server), heard)
    assert heard == ["Hello"]
    assert found.nex is not None
    assert found.nex.charge == "0.1"


@pytest.mark.parametrize(
    ("ending", "code"),
    [(b"", "connection_lost"), (b"0\r\n\r\n", "connection_lost"), (b"zz\r\n", "connection_lost")],
    ids=["cut", "ended without its last line", "garbled"],
)
def test_a_stream_that_breaks_off_is_never_taken_for_an_answer(
    server: LoopbackGateway, ending: bytes, code: str
) -> None:
    server.expect("POST", "/v1/chat/completions", raw_bytes(SSE, chunked(HELLO), ending))
    heard: list[str] = []
    with pytest.raises(NetworkError) as caught:
        asked(opened(server), heard)
    assert heard == ["Hello"]
    assert (caught.value.code, caught.value.exit) == (code, 7)
    assert len(server.seen) == 1, "what was heard is not asked for again"


@pytest.mark.parametrize(
    "answer",
    [
        reply(401, envelope("invalid_api_key", f"no such key {CANARY}")),
        reply(500, f"<html>{CANARY}</html>"),
        reply(400, envelope("invalid_request", f"bad content: Bearer {CANARY}")),
        reply(200, f'{{"id": "{CANARY}", "choices": 7}}'),
        reply(302, b"", Location=f"https://x.example/?key={CANARY}"),
        raw_bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + CANARY.encode()),
        endless(SSE, b"", 0.05),
    ],
    ids=["echoed key", "page", "echoed bearer", "wrong type", "redirect", "cut", "silent"],
)
def test_neither_key_nor_prompt_stands_in_any_word_about_a_failure(
    server: LoopbackGateway, answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.expect("POST", "/v1/chat/completions", answer)
    lines: list[str] = []
    gateway = opened(server, tries=1, seconds=1, debug=lines.append)
    with pytest.raises(NexctlError) as caught:
        asked(gateway, [])
    error = caught.value
    told = "".join(traceback.format_exception(error)) + repr(vars(error)) + "".join(lines)
    assert lines
    assert "CANARY" not in told + caplog.text + repr(gateway)
