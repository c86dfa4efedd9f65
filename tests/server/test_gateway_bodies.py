"""Whatever a body holds, the answer is one envelope with a status of 4xx, and nothing is held."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from server_kit import BODY, Rig

from nexctl.server import bodies
from nexctl.server.refusing import Refuse

DEEP = 200_000
TEXT = b'"messages":[{"role":"user","content":"x"}]'
BAD = {
    "nothing": b"",
    "half": b'{"model": "nex-pro", "mess',
    "not utf-8": b'{"model": "\xff\xfe"}',
    "repeated key": b'{"model": "nex-pro", "model": "nex-auto", "messages": []}',
    "repeated inside": b'{"model":"m","messages":[{"role":"user","content":"a","content":"b"}]}',
    "repeated by escape": b'{"model":"nex-pro","\\u006dodel":"nex-auto","messages":[]}',
    "NaN": b'{"model":"nex-pro","messages":[{"role":"user","content":"x"}],"temperature":NaN}',
    "infinity": b'{"model":"nex-pro","messages":[{"role":"user","content":"x"}],"top_p":1e999}',
    "2^63": b'{"model":"nex-pro","seed":9223372036854775808,' + TEXT + b"}",
    "2^63 tokens": b'{"model":"nex-pro","max_tokens":9223372036854775808,' + TEXT + b"}",
    "5,000 digits": b'{"model":"nex-pro","messages":[],"seed":' + b"9" * 5000 + b"}",
    "deep lists": b"[" * DEEP + b"]" * DEEP,
    "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "lone surrogate": b'{"model":"\\ud800","messages":[{"role":"user","content":"x"}]}',
    "null byte": b'{"model":"nex-pro\x00","messages":[]}',
    "a list": b"[]",
    "a number": b"7",
    "wrong type": b'{"model":"nex-pro","messages":"hi"}',
    "negative limit": b'{"model":"nex-pro","max_tokens":-1,' + TEXT + b"}",
    "unknown role": b'{"model":"nex-pro","messages":[{"role":"wizard","content":"x"}]}',
    "no content": b'{"model":"nex-pro","messages":[{"role":"user"}]}',
}


@pytest.mark.parametrize("what", BAD)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/tokenize", "/v1/keys"])
def test_bad_bodies_are_400(rig: Rig, what: str, path: str) -> None:
    got = rig.raw("POST", path, BAD[what], key=rig.management)
    over = len(BAD[what]) > 64 * 1024 and path == "/v1/keys"
    assert (
        (got.status, got.code) == (413, "payload_too_large") if over else (400, "invalid_request")
    )
    error = got.body["error"]
    assert error["type"] == "user"
    assert error["request_id"] == got.headers["x-request-id"]
    assert got.headers["x-gateway-error-category"] == "user"
    assert rig.wallet()["held"] == "0"


@pytest.mark.parametrize(("labels", "param"), [({"": "x"}, "labels"), ({"a": 1}, "labels[...]")])
def test_a_wrong_key_of_an_object_is_named_by_its_place(rig: Rig, labels: Any, param: str) -> None:
    got = rig.ask("POST", "/v1/keys", {"name": "x", "labels": labels})
    error = got.body["error"]
    assert (error["param"], "`key`" in error["message"]) == (param, False)


def test_a_body_over_its_limit_is_413_before_it_is_read(rig: Rig) -> None:
    assert rig.raw("POST", "/v1/keys", b" " * (64 * 1024 + 1), key=rig.management).status == 413
    assert rig.raw("POST", "/v1/keys", b" " * (64 * 1024 + 1)).status == 413


def test_compressed_and_foreign_bodies_are_415(rig: Rig) -> None:
    for headers in (
        {"content-encoding": "gzip"},
        {"content-type": "text/plain"},
        {"content-type": "application/json; charset=utf-16"},
    ):
        got = rig.raw("POST", "/v1/keys", b'{"name":"x"}', key=rig.management, headers=headers)
        assert (got.status, got.code) == (415, "unsupported_media_type")


def test_a_parameter_that_no_book_prices_is_named(rig: Rig) -> None:
    for field, value in (("web_search_options", {}), ("audio", {}), ("prediction", {})):
        got = rig.chat(**{field: value})
        assert (got.status, got.code) == (400, "unsupported_parameter")
        assert got.body["error"]["param"] == field
    got = rig.ask("POST", "/v1/keys", {"name": "x", "admin": True})
    assert (got.status, got.code, got.body["error"]["param"]) == (400, "invalid_request", "admin")


def test_a_repeated_header_that_matters_is_refused(rig: Rig) -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/v1/me",
        "query_string": b"",
        "headers": [
            (b"host", b"localhost"),
            (b"authorization", f"Bearer {rig.management}".encode()),
            (b"authorization", b"Bearer other"),
        ],
        "client": None,
    }
    work = rig.app(scope, receive, send)
    with pytest.raises(StopIteration):
        work.send(None)
    assert sent[0]["status"] == 400


def test_queries_are_strict(rig: Rig) -> None:
    for query in ("limit=0", "limit=1001", "limit=x", "limit=1&limit=2", "nonsense=1", "cursor="):
        got = rig.ask("GET", f"/v1/keys?{query}")
        assert (got.status, got.code) == (400, "invalid_request"), query
    assert rig.ask("GET", "/v1/usage?cursor=zz").status == 400
    assert rig.ask("GET", "/v1/usage?from=2026-13-45T00:00:00Z").status == 400


def test_only_known_hosts_are_served(rig: Rig) -> None:
    for host in ("evil.example", "localhost.evil.example", "", "127.0.0.1.nip.io", "[::2]:80"):
        assert _with_host(rig, host) == 421
    for host in ("localhost", "127.0.0.1:8787", "[::1]:99", "LOCALHOST"):
        assert _with_host(rig, host) == 200


def _with_host(rig: Rig, host: str) -> int:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    headers = [(b"authorization", f"Bearer {rig.management}".encode()), (b"host", host.encode())]
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/v1/me",
        "query_string": b"",
        "headers": headers,
        "client": None,
    }
    work = rig.app(scope, receive, send)
    with pytest.raises(StopIteration):
        work.send(None)
    return int(sent[0]["status"])


def test_a_million_spaces_are_counted_and_a_long_word_is_refused(rig: Rig) -> None:
    # A vocabulary with long runs of blanks takes them in few tokens: then they are just a prompt.
    spaces = rig.chat(messages=[{"role": "user", "content": " " * 1_000_000}], max_tokens=5)
    assert spaces.status in (200, 400)
    word = rig.chat(messages=[{"role": "user", "content": "x" * 15_000_000}])
    assert (word.status, word.code) == (400, "context_length_exceeded")
    assert rig.wallet()["held"] == "0"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(JSON, st.booleans())
@settings(max_examples=300, deadline=None)
def test_every_json_without_repeated_keys_is_read_as_it_is(value: Any, ascii_only: bool) -> None:
    raw = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    try:
        assert bodies.plain(raw) == value
    except Refuse:
        # Only lone surrogates have no spelling in UTF-8.
        assert re.search(r"\\ud[89a-f]", raw.decode("latin-1").lower()) or b"\xed" in raw


@given(st.dictionaries(st.text(min_size=1, max_size=5), st.integers(), min_size=1, max_size=5))
@settings(max_examples=200, deadline=None)
def test_every_repeated_key_is_seen(found: dict[str, int]) -> None:
    pairs = [*found.items(), next(iter(found.items()))]
    raw = "{" + ",".join(f"{json.dumps(k)}:{v}" for k, v in pairs) + "}"
    with pytest.raises(Refuse):
        bodies.plain(raw.encode())


def test_a_good_body_still_passes(rig: Rig) -> None:
    assert rig.chat(**BODY).status == 200
