"""The one way to a gateway: what it sends where, how long it waits, and what it never tells."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from email.utils import formatdate
from typing import Any

import pytest
from http_kit import LoopbackGateway, endless, free_port, loopback_gateway, raw_bytes, reply
from hypothesis import given
from hypothesis import strategies as st

from nexctl.errors import ConfigError, NexctlError
from nexctl.safety import retry
from nexctl.safety.http import Call, Client, Key, NetworkError, Reply, new_idempotency_key
from nexctl.safety.network import HttpTransport

CANARY = "nxt_sk_CANARYcanary0123456789"
GET = Call("GET", "/v1/me", repeatable=True)


@pytest.fixture
def gateway() -> Iterator[LoopbackGateway]:
    with loopback_gateway() as running:
        yield running


class Sleeper:
    """Counts the waits instead of waiting."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.waits.append(seconds)


def client_of(gateway: LoopbackGateway, **more: Any) -> Client:
    transport = HttpTransport(gateway.url)
    more.setdefault("sleep", Sleeper())
    more.setdefault("seconds", 20)
    return Client(transport, Key(CANARY, transport.origin), **more)


# ------------------------------------------------------------------ where a key goes


@pytest.mark.parametrize(
    "address",
    [
        "http://gateway.example.com",
        "http://10.0.0.1",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "http://0.0.0.0:80",
        "http://[::2]",
        "ftp://127.0.0.1",
        "file:///etc/passwd",
        "gateway.example.com",
        "https://",
        "https://user:pass@gateway.example.com",
        "https://gateway.example.com?key=1",
        "https://gateway.example.com#x",
        "https://gateway.example.com:port",
        "https://gateway.example.com:99999",
        "",
    ],
)
def test_no_key_is_sent_to_such_an_address(address: str) -> None:
    with pytest.raises(ConfigError):
        HttpTransport(address)


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://localhost", "http://localhost:80"),
        ("http://[::1]:9/v1/", "http://[::1]:9"),
        ("https://Gateway.Example.com/api", "https://gateway.example.com:443"),
    ],
)
def test_an_origin_is_scheme_host_and_port(address: str, origin: str) -> None:
    assert HttpTransport(address).origin == origin


def test_a_key_of_another_origin_is_refused_before_anything_is_sent(
    gateway: LoopbackGateway,
) -> None:
    transport = HttpTransport(gateway.url)
    with pytest.raises(ConfigError, match="belongs to"):
        Client(transport, Key(CANARY, "https://gateway.example.com:443"))
    assert gateway.seen == []


@pytest.mark.parametrize("target", ["//evil.example.com/", "https://evil.example.com", "v1/me", ""])
def test_a_call_cannot_name_another_host(gateway: LoopbackGateway, target: str) -> None:
    with pytest.raises(ValueError, match="own origin"):
        client_of(gateway).send(Call("GET", target))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_never_followed(gateway: LoopbackGateway, status: int) -> None:
    """The other port would get the key; with 307 and 308 the body too."""
    with loopback_gateway() as other:
        gateway.expect("GET", "/v1/me", reply(status, b"", Location=f"{other.url}/v1/me"))
        with pytest.raises(NetworkError) as caught:
            client_of(gateway).send(GET)
        assert other.seen == []
    assert caught.value.code == "redirect_refused"
    assert str(other.port) in caught.value.message
    assert caught.value.exit == 7


def test_the_key_goes_as_a_bearer_to_its_own_origin(gateway: LoopbackGateway) -> None:
    gateway.expect("GET", "/v1/me", reply(200, '{"ok": 1}'))
    assert client_of(gateway).send(GET).read() == b'{"ok": 1}'
    headers = gateway.seen[0].headers
    assert headers["authorization"] == f"Bearer {CANARY}"
    assert headers["accept-encoding"] == "identity"
    assert "cookie" not in headers


def test_cookies_are_not_kept(gateway: LoopbackGateway) -> None:
    gateway.expect("GET", "/v1/me", reply(200, Set_Cookie="session=1"), reply(200))
    client = client_of(gateway)
    client.send(GET)
    client.send(GET)
    assert "cookie" not in gateway.seen[1].headers


def test_a_path_in_the_address_goes_before_every_target(gateway: LoopbackGateway) -> None:
    gateway.expect("GET", "/api/v1/me?a=b%2Fc", reply(200))
    transport = HttpTransport(gateway.url + "/api/")
    Client(transport).send(Call("GET", "/v1/me?a=b%2Fc"))
    assert gateway.seen[0].target == "/api/v1/me?a=b%2Fc"


def test_the_environments_proxy_is_not_used_for_loopback(
    gateway: LoopbackGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    with loopback_gateway() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        gateway.expect("GET", "/v1/me", reply(200))
        assert client_of(gateway).send(GET).status == 200
        assert proxy.seen == []


def test_an_address_of_ipv6_is_called() -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    with loopback_gateway("::1") as gateway:
        gateway.expect("GET", "/v1/me", reply(200))
        assert client_of(gateway).send(GET).status == 200
        assert gateway.seen[0].headers["host"] == f"[::1]:{gateway.port}"


@pytest.mark.parametrize(
    "proxy",
    ["http://", "http://[::1", "http://127.0.0.1:port", "127.0.0.1:0", "socks5://127.0.0.1:9"],
)
def test_a_proxy_that_is_none_is_bad_configuration(
    proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    with pytest.raises(ConfigError, match="the proxy of the environment"):
        HttpTransport("https://gateway.invalid")


def test_the_environments_proxy_is_asked_for_other_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets a CONNECT with its own password; the key stays inside the tunnel."""
    with loopback_gateway() as proxy:
        lines: list[bytes] = []

        def refuse(handler: Any) -> None:
            lines.append(bytes(handler.requestline, "ascii"))
            lines.append(str(dict(handler.headers)).encode())
            reply(403)(handler)

        handler = proxy.server.RequestHandlerClass
        handler.do_CONNECT = refuse  # type: ignore[attr-defined]
        monkeypatch.setenv("https_proxy", f"http://me:hunter2secret@127.0.0.1:{proxy.port}")
        transport = HttpTransport("https://gateway.invalid")
        client = Client(transport, Key(CANARY, transport.origin), tries=1)
        with pytest.raises(NetworkError) as caught:
            client.send(GET)
    assert lines[0].startswith(b"CONNECT gateway.invalid:443")
    assert b"Proxy-Authorization" in lines[1]
    assert CANARY.encode() not in lines[1]
    assert "hunter2secret" not in str(caught.value)


# ------------------------------------------------------------------ time


def took(call: Call, client: Client) -> tuple[float, NetworkError]:
    started = time.monotonic()
    with pytest.raises(NetworkError) as caught:
        client.send(call)
    return time.monotonic() - started, caught.value


OK_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "slow",
    [
        endless(b"", b"", 0.05),
        endless(b"HTTP/1.1 200 OK\r\n", b"X-Drip: 1\r\n", 0.05),
        endless(OK_HEAD + b"Content-Length: 100000\r\n\r\n", b" ", 0.05),
    ],
    ids=["silence", "dripping headers", "dripping body"],
)
def test_the_total_time_holds_however_the_answer_drips(gateway: LoopbackGateway, slow: Any) -> None:
    gateway.expect("GET", "/v1/me", slow)
    seconds, error = took(GET, client_of(gateway, seconds=0.5, tries=1))
    assert error.code == "timeout"
    assert error.exit == 7
    assert 0.4 < seconds < 30  # 100,000 bytes at this pace would last over an hour


def test_silence_after_a_late_beginning_does_not_get_the_whole_time_again(
    gateway: LoopbackGateway,
) -> None:
    late = raw_bytes(b"", OK_HEAD + b"Content-Length: 9\r\n\r\n", b"", b"", b"", pause=1.5)
    gateway.expect("GET", "/v1/me", late)
    seconds, error = took(GET, client_of(gateway, seconds=2.0, tries=1))
    assert error.code == "timeout"
    assert 1.9 < seconds < 3.4  # the whole time again would be 3.5


def test_tries_share_one_total_time(gateway: LoopbackGateway) -> None:
    gateway.expect("GET", "/v1/me", *[reply(503, retry_after="0.8")] * 3)
    client = client_of(gateway, seconds=2.2, tries=10, sleep=time.sleep)
    started = time.monotonic()
    assert client.send(GET).status == 503
    assert time.monotonic() - started < 3.5


def test_a_stream_may_last_longer_than_the_time_between_its_pieces(
    gateway: LoopbackGateway,
) -> None:
    head = OK_HEAD + b"Connection: close\r\n\r\n"
    gateway.expect("POST", "/v1/s", raw_bytes(head, *[b"x"] * 8, pause=0.2))
    client = client_of(gateway, seconds=1.2)
    found = client.send(Call("POST", "/v1/s", body=b"{}", stream=True))
    assert b"".join(found.pieces()) == b"x" * 8


def test_a_stream_that_falls_silent_ends(gateway: LoopbackGateway) -> None:
    head = OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"
    gateway.expect("POST", "/v1/s", endless(head, b"", 0.05))
    found = client_of(gateway, seconds=1.0).send(Call("POST", "/v1/s", stream=True))
    pieces = found.pieces()
    assert next(pieces) == b"x"
    with pytest.raises(NetworkError) as caught:
        next(pieces)
    assert caught.value.code == "timeout"


def test_a_stream_that_breaks_off_is_not_a_whole_one(gateway: LoopbackGateway) -> None:
    head = OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"
    gateway.expect("POST", "/v1/s", raw_bytes(head))
    found = client_of(gateway).send(Call("POST", "/v1/s", stream=True))
    with pytest.raises(NetworkError) as caught:
        list(found.pieces())
    assert caught.value.code == "connection_lost"


# ------------------------------------------------------------------ size and shape


@pytest.mark.parametrize("stated", [True, False], ids=["length stated", "length unknown"])
def test_an_answer_over_the_limit_ends_early(gateway: LoopbackGateway, stated: bool) -> None:
    size = 50_000_000
    head = OK_HEAD + (b"Content-Length: %d\r\n\r\n" % size if stated else b"\r\n")
    gateway.expect("GET", "/v1/me", endless(head, b"x" * 65_536, 0.0))
    seconds, error = took(GET._replace(limit=100_000), client_of(gateway))
    assert error.code == "answer_too_large"
    assert "100,000" in error.message
    assert seconds < 5


def test_a_stream_has_a_limit_too(gateway: LoopbackGateway) -> None:
    gateway.expect("POST", "/v1/s", endless(OK_HEAD + b"\r\n", b"x" * 1000, 0.0))
    found = client_of(gateway).send(Call("POST", "/v1/s", stream=True, limit=50_000))
    with pytest.raises(NetworkError, match="50,000"):
        list(found.pieces())


def test_an_endless_error_is_cut_as_well(gateway: LoopbackGateway) -> None:
    gateway.expect("GET", "/v1/me", endless(b"HTTP/1.1 400 No\r\n\r\n", b"x" * 65_536, 0.0))
    _, error = took(GET, client_of(gateway))
    assert error.code == "answer_too_large"


def test_compressed_answers_are_refused_unread(gateway: LoopbackGateway) -> None:
    gateway.expect("GET", "/v1/me", reply(200, b"\x1f\x8b", Content_Encoding="gzip"))
    _, error = took(GET, client_of(gateway, tries=1))
    assert error.code == "bad_coding"


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "connection_lost"),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "bad_answer"),
        (b"HTTP/1.1 abc\r\n\r\n", "bad_answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "connection_lost"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "bad_answer"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 40_000, "bad_answer"),
    ],
    ids=["nothing", "not HTTP", "no status", "cut short", "negative length", "huge headers"],
)
def test_what_is_no_answer_is_named(gateway: LoopbackGateway, raw: bytes, code: str) -> None:
    gateway.expect("GET", "/v1/me", raw_bytes(raw))
    _, error = took(GET, client_of(gateway, tries=1))
    assert (error.code, error.exit) == (code, 7)


def test_nobody_listening_is_told_with_the_address_and_tried_again() -> None:
    transport = HttpTransport(f"http://127.0.0.1:{free_port()}")
    sleeper = Sleeper()
    client = Client(transport, tries=3, sleep=sleeper)
    _, error = took(Call("POST", "/v1/keys", body=b"{}"), client)
    assert error.code == "connect_failed"
    assert not error.sent
    assert transport.origin in error.message
    assert len(sleeper.waits) == 2


def test_a_certificate_that_nobody_trusts_is_an_error_of_its_own(gateway: LoopbackGateway) -> None:
    """http where TLS is expected: the port answers something that is no handshake."""
    transport = HttpTransport(gateway.url.replace("http:", "https:"))
    gateway.unmatched.clear()
    _, error = took(GET, Client(transport, tries=1))
    assert error.code == "tls"
    assert not error.sent


# ------------------------------------------------------------------ once more


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 529])
def test_a_read_is_tried_again_when_the_status_says_so(
    gateway: LoopbackGateway, status: int
) -> None:
    gateway.expect("GET", "/v1/me", reply(status), reply(200, '"yes"'))
    sleeper = Sleeper()
    assert client_of(gateway, sleep=sleeper).send(GET).read() == b'"yes"'
    assert len(sleeper.waits) == 1


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 413, 422, 501])
def test_other_refusals_are_final(gateway: LoopbackGateway, status: int) -> None:
    gateway.expect("GET", "/v1/me", reply(status, retry_after="0"))
    assert client_of(gateway).send(GET).status == status


def test_a_write_is_tried_again_only_with_its_own_key(gateway: LoopbackGateway) -> None:
    gateway.expect("POST", "/v1/keys", reply(503))
    assert client_of(gateway).send(Call("POST", "/v1/keys", body=b"{}")).status == 503
    key = new_idempotency_key()
    gateway.expect("POST", "/v1/keys", reply(503), raw_bytes(b""), reply(200))
    call = Call("POST", "/v1/keys", {"idempotency-key": key}, b"{}", repeatable=True)
    assert client_of(gateway).send(call).status == 200
    assert {seen.headers.get("idempotency-key") for seen in gateway.seen[1:]} == {key}
    assert len(gateway.seen) == 4


def test_a_lost_answer_of_a_plain_write_is_told_as_possibly_done(gateway: LoopbackGateway) -> None:
    gateway.expect("POST", "/v1/keys", raw_bytes(b""))
    _, error = took(Call("POST", "/v1/keys", body=b"{}"), client_of(gateway))
    assert error.sent


def test_the_judge_is_asked_before_the_status(gateway: LoopbackGateway) -> None:
    """A 429 that means money is final, a 409 that means "still running" is not."""

    def judge(answer: Reply) -> bool | None:
        return {b'"money"': False, b'"running"': True}.get(answer.read())

    gateway.expect("GET", "/v1/me", reply(429, '"money"', retry_after="0"))
    assert client_of(gateway, judge=judge).send(GET).status == 429
    gateway.expect("GET", "/v1/me", reply(409, '"running"'), reply(200))
    assert client_of(gateway, judge=judge).send(GET).status == 200


def test_tries_end(gateway: LoopbackGateway) -> None:
    gateway.expect("GET", "/v1/me", *[reply(500)] * 4)
    sleeper = Sleeper()
    assert client_of(gateway, sleep=sleeper).send(GET).status == 500
    assert len(sleeper.waits) == 3
    assert all(0.25 <= wait <= 8 for wait in sleeper.waits)


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry_after": "3"}, 3.0),
        ({"retry_after": "1.5"}, 1.5),
        ({"retry_after": "0"}, 0.0),
        ({"retry_after_ms": "250"}, 0.25),
        ({"retry_after_ms": "250", "retry_after": "9"}, 0.25),
    ],
)
def test_retry_after_is_waited_for(
    gateway: LoopbackGateway, headers: dict[str, str], wait: float
) -> None:
    gateway.expect("GET", "/v1/me", reply(429, **headers), reply(200))
    sleeper = Sleeper()
    assert client_of(gateway, sleep=sleeper).send(GET).status == 200
    assert sleeper.waits == [wait]


def test_retry_after_as_a_date_counts_from_the_gateways_own_clock(
    gateway: LoopbackGateway,
) -> None:
    then = 1_000_000_000  # the gateway's clock may be years away from ours
    headers = {"date": formatdate(then, usegmt=True), "retry-after": formatdate(then + 7)}
    assert retry.retry_after(headers) == 7.0
    assert retry.retry_after({"retry-after": formatdate(then + 7)}, now=then) == 7.0
    assert retry.retry_after({"retry-after": formatdate(then - 7)}, now=then) == 0.0


@pytest.mark.parametrize(
    "value", ["", "soon", "-5", "nan", "inf", "1e9", "+3", "१", "٣", "3 4", "0x10", "1,5"]
)
def test_a_retry_after_that_says_nothing_is_no_retry_after(value: str) -> None:
    assert retry.retry_after({"retry-after": value}) is None
    assert retry.retry_after({"retry-after-ms": value}) is None


@given(st.text(max_size=40))
def test_any_retry_after_gives_seconds_or_nothing(value: str) -> None:
    found = retry.retry_after({"retry-after": value, "date": value})
    assert found is None or 0 <= found < 10**12


@pytest.mark.parametrize(
    "asked", ["61", "86400", "999999999", "9" * 10, "9" * 400, "9" * 20 + ".5"]
)
def test_a_long_retry_after_is_told_not_slept(gateway: LoopbackGateway, asked: str) -> None:
    gateway.expect("GET", "/v1/me", reply(429, retry_after=asked))
    sleeper = Sleeper()
    client = client_of(gateway, sleep=sleeper, seconds=10**6)
    assert client.send(GET).headers["retry-after"] == asked
    assert sleeper.waits == []


def test_back_off_doubles_and_never_falls_together() -> None:
    for attempt, whole in ((1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (5, 8.0), (50, 8.0)):
        found = {retry.back_off(attempt) for _ in range(40)}
        assert len(found) > 5
        assert all(whole / 2 <= wait <= whole for wait in found)


# ------------------------------------------------------------------ what is never told


def every_word(error: BaseException) -> str:
    rendered = "".join(traceback.format_exception(error))
    chain: list[str] = []
    at: BaseException | None = error
    while at is not None:
        chain.append(
            f"{at!r} {at} {at.args} {getattr(at, 'details', '')} {getattr(at, 'hint', '')}"
        )
        at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)
    return rendered + " ".join(chain)


@pytest.mark.parametrize(
    "answer",
    [
        raw_bytes(b""),
        raw_bytes(b"nonsense\r\n"),
        reply(302, b"", Location=f"https://evil.example.com/?key={CANARY}"),
        reply(200, b"x", Content_Encoding="br"),
        endless(b"", b"", 0.05),
    ],
    ids=["lost", "nonsense", "redirect that echoes", "compressed", "late"],
)
def test_a_key_stands_in_no_error_and_no_debug_line(
    gateway: LoopbackGateway, answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    gateway.expect("GET", "/v1/me", answer)
    lines: list[str] = []
    client = client_of(gateway, tries=1, seconds=0.5, debug=lines.append)
    with pytest.raises(NexctlError) as caught:
        client.send(GET)
    assert lines
    told = every_word(caught.value) + repr(client) + repr(vars(client)) + "".join(lines)
    assert "CANARY" not in told + caplog.text


def test_debug_lines_hold_no_body_and_no_secret(
    gateway: LoopbackGateway, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    gateway.expect(
        "POST", "/v1/keys?x=1", reply(200, f'{{"secret": "{CANARY}"}}', X_Request_Id="r7")
    )
    lines: list[str] = []
    client = client_of(gateway, debug=lines.append)
    client.send(Call("POST", "/v1/keys?x=1", body=b'{"prompt": "CANARY prompt"}'))
    assert "CANARY" not in "".join(lines) + caplog.text
    assert "r7" in lines[0]
    assert "try 1: status 200" in lines[0]


def test_the_person_is_told_why_it_waits(gateway: LoopbackGateway) -> None:
    gateway.expect("GET", "/v1/me", reply(503), reply(200))
    told: list[tuple[str, float]] = []
    client_of(gateway, on_retry=lambda why, wait: told.append((why, wait))).send(GET)
    assert [why for why, _ in told] == ["status 503"]


# ------------------------------------------------------------------ what it costs


def loaded_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_a_client_without_a_network_loads_no_http_library() -> None:
    loaded = loaded_after("import nexctl.safety.http, nexctl.safety.retry")
    assert not loaded & {"httpx", "httpcore", "ssl", "socket", "msgspec", "email", "json", "random"}


def test_the_network_brings_neither_httpx_nor_what_it_brings() -> None:
    loaded = loaded_after("import nexctl.safety.network")
    assert "httpcore" in loaded
    assert not loaded & {"httpx", "rich", "click", "pygments", "http.cookiejar", "msgspec"}


def test_httpx_where_it_is_needed_brings_neither_rich_nor_click() -> None:
    pytest.importorskip("rich", reason="needs rich")
    loaded = loaded_after(
        "from nexctl.safety.quiet_httpx import httpx\nassert callable(httpx.main)\n"
        "assert sys.modules.get('httpx._main', 1) is not None"
    )
    assert "httpx" in loaded
    assert not loaded & {"rich", "click", "pygments", "httpx._main"}
