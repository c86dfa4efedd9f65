"""Serving: where it may be done, who is believed, slow callers, and more than one process."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from served_kit import Served
from server_kit import BODY, Rig

from nexctl.errors import UsageError
from nexctl.server import bootstrap
from nexctl.server.batches import crew
from nexctl.server.ledger.errors import Unavailable
from nexctl.server.serve import PortTaken, Terms, options_of, serve


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    kit = Served(tmp_path)
    kit.fill()
    yield kit
    kit.close()


def post(kit: Served, key: str, **headers: str) -> httpx.Response:
    return httpx.post(
        f"{kit.url}/v1/chat/completions",
        json=BODY,
        headers={"authorization": f"Bearer {key}", **headers},
        timeout=20,
    )


def test_loopback_needs_nothing() -> None:
    for host in ("127.0.0.1", "localhost", "::1"):
        options = options_of(Terms(host=host))
        assert options.loopback
        assert options.hosts
        assert "localhost" in options.hosts


@pytest.mark.parametrize(
    "terms",
    [
        Terms(host="0.0.0.0"),
        Terms(host="::"),
        Terms(host="192.168.1.5", allowed_hosts=("gw.example.com",)),
        Terms(host="0.0.0.0", tls_cert="cert.pem"),
        Terms(host="0.0.0.0", behind_proxy=("10.0.0.0/8",)),
        Terms(behind_proxy=("not a network",)),
    ],
)
def test_elsewhere_needs_tls_or_a_proxy_and_names(terms: Terms) -> None:
    with pytest.raises(UsageError):
        options_of(terms)


def test_a_proxy_makes_even_loopback_public() -> None:
    options = options_of(Terms(behind_proxy=("127.0.0.1/32",), allowed_hosts=("gw.example.com",)))
    assert not options.loopback
    assert options.base_url == "https://gw.example.com"
    far = options_of(
        Terms(host="0.0.0.0", tls_cert="c.pem", allowed_hosts=("GW.example.com",), port=443)
    )
    assert far.hosts == frozenset({"gw.example.com"})


def test_play_money_is_not_served_to_others(rig: Rig) -> None:
    from nexctl.errors import ConfigError

    rig.close()
    terms = Terms(port=0, behind_proxy=("127.0.0.1",), allowed_hosts=("gw.example.com",))
    with pytest.raises(ConfigError, match="play money"):
        serve(rig.place, rig.secrets, terms)


def test_a_taken_port_is_said(rig: Rig) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=rf"{port} cannot be listened on: [^(]*$"):
            serve(rig.place, rig.secrets, Terms(port=port))


def test_allow_lists_look_at_the_peer(served: Served) -> None:
    kit = served
    auth = {"authorization": f"Bearer {kit.key}"}
    here = httpx.post(
        f"{kit.url}/v1/keys", json={"name": "a", "ip_allowlist": ["127.0.0.0/8"]}, headers=auth
    ).json()["secret"]
    far = httpx.post(
        f"{kit.url}/v1/keys", json={"name": "b", "ip_allowlist": ["10.1.0.0/16"]}, headers=auth
    ).json()["secret"]
    assert post(kit, here).status_code == 200
    assert post(kit, far).json()["error"]["code"] == "ip_not_allowed"
    # Nobody is believed who was not named as a proxy.
    lied = post(kit, far, **{"x-forwarded-for": "10.1.2.3"})
    assert lied.json()["error"]["code"] == "ip_not_allowed"


def test_a_named_proxy_is_believed(tmp_path: Path) -> None:
    kit = Served(tmp_path, proxies=("127.0.0.1/32", "10.9.0.0/16"))
    kit.fill()
    key = httpx.post(
        f"{kit.url}/v1/keys",
        json={"name": "b", "ip_allowlist": ["10.1.0.0/16"]},
        headers={"authorization": f"Bearer {kit.key}"},
    ).json()["secret"]
    for forwarded, status in (
        ("10.1.2.3", 200),
        ("6.6.6.6, 10.1.2.3", 200),
        ("10.1.2.3, 10.9.1.1", 200),
        ("10.1.2.3, 6.6.6.6", 403),
        ("not an address", 403),
        ("", 403),
    ):
        got = post(kit, key, **{"x-forwarded-for": forwarded})
        assert got.status_code == status, forwarded
    kit.close()


def test_a_slow_body_has_a_deadline(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nexctl.server.app.READING_SECONDS", 0.3)
    host = served.url.removeprefix("http://")
    with socket.create_connection((host.split(":")[0], int(host.split(":")[1]))) as slow:
        slow.sendall(
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer "
            f"{served.key}\r\ncontent-type: application/json\r\n"
            "content-length: 500\r\n\r\n{".encode()
        )
        slow.settimeout(10)
        answer = slow.recv(4096)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"request_timeout" in answer


def knock(served: Served) -> socket.socket:
    host, port = served.url.removeprefix("http://").split(":")
    knocking = socket.create_connection((host, int(port)))
    knocking.settimeout(10)
    return knocking


def test_an_endless_head_is_not_kept(served: Served) -> None:
    with knock(served) as endless:
        endless.sendall(b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nx-a: ")
        sent = 0
        with contextlib.suppress(OSError):
            for _ in range(1000):
                sent += endless.send(b"a" * 64 * 1024)
                time.sleep(0.002)
    assert sent < 16 * 1024 * 1024
    assert post(served, served.key).status_code == 200


def test_a_long_head_is_refused_in_words(served: Served) -> None:
    with knock(served) as long:
        long.sendall(b"GET /v1/models HTTP/1.1\r\nx-a: " + b"a" * 70_000)
        assert long.recv(4096).startswith(b"HTTP/1.1 431")
        assert long.recv(4096) == b""


@pytest.mark.parametrize("begun", [b"", b"GET /v1/models HTTP/1.1\r\nhost: loc", b"\r\n"])
def test_a_connection_that_brings_no_request_is_closed(
    served: Served, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr("nexctl.server.connections.READING_SECONDS", 0.3)
    with knock(served) as idle:
        idle.sendall(begun)
        assert idle.recv(100) == b""


def test_bytes_after_an_answer_do_not_keep_a_connection(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nexctl.server.connections.READING_SECONDS", 0.5)
    with knock(served) as trickling:
        trickling.sendall(
            b"POST /v1/keys HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9999999\r\n\r\n"
        )
        assert trickling.recv(4096).startswith(b"HTTP/1.1 413")
        ended = time.monotonic() + 10
        trickling.settimeout(0.01)
        closed = False
        while not closed and time.monotonic() < ended:
            time.sleep(0.05)
            try:
                trickling.sendall(b"x")
                closed = trickling.recv(4096) == b""
            except TimeoutError:
                pass
            except OSError:
                closed = True
        assert closed


@pytest.mark.parametrize("parser", ["httptools", "h11"])
@pytest.mark.parametrize("asked", ["h2c", "websocket"])
def test_an_upgrade_is_ignored_and_the_request_keeps_its_body(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parser: str, asked: str
) -> None:
    if parser == "h11":
        monkeypatch.setitem(sys.modules, "uvicorn.protocols.http.httptools_impl", None)
    kit = Served(tmp_path)
    kit.fill()
    body = json.dumps(BODY)
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer "
        f"{kit.key}\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: {asked}\r\n"
        f"http2-settings: AAMAAABkAAQ\r\n"
    )
    sized = f"{head}content-length: {len(body)}\r\n\r\n"
    chunked = f"{head}transfer-encoding: chunked\r\n\r\n{len(body):x}\r\n{body}\r\n0\r\n\r\n"
    last = f"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {kit.key}\r\n"
    sent = f"{sized}{body}{chunked}{sized}{body}{last}connection: close\r\n\r\n".encode()
    for size in (len(sent), len(sized), 7):  # in one piece, between head and body, anywhere
        with knock(kit) as caller:
            caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for start in range(0, len(sent), size):
                caller.sendall(sent[start : start + size])
            answer = b""
            while piece := caller.recv(65536):
                answer += piece
        assert answer.count(b"HTTP/1.1 200 OK") == 4, answer
        assert answer.count(b"HTTP/1.1 ") == 4
    kit.settled()
    assert len(kit.app.house.ledger.usage(kit.made.customer).rows) == 9
    kit.close()


def test_who_leaves_with_requests_in_line_is_seen_to_be_gone(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    body = json.dumps({**BODY, "metadata": {"echo.stall": "0.4"}})
    head = f"host: localhost\r\nauthorization: Bearer {served.key}\r\n"
    first = f"POST /v1/chat/completions HTTP/1.1\r\n{head}content-length: {len(body)}\r\n\r\n"
    with knock(served) as leaving:
        leaving.sendall(f"{first}{body}GET /v1/models HTTP/1.1\r\n{head}\r\n".encode())
        time.sleep(0.1)
        leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with knock(served) as wrong:
        wrong.sendall(f"{first}{body}GET /v1/models HTTP/1.1\r\n{head}\r\nnonsense\r\n".encode())
        while wrong.recv(4096):
            pass
    served.settled()
    assert len(served.app.house.ledger.usage(served.made.customer).rows) == 2
    assert not [record for record in caplog.records if record.exc_info]


def test_a_slow_reader_does_not_keep_its_stream(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nexctl.server.app.WRITING_SECONDS", 0.3)
    host = served.url.removeprefix("http://")
    text = "word " * 20_000
    body = json.dumps(
        {**BODY, "stream": True, "n": 20, "messages": [{"role": "user", "content": text}]}
    )
    body = body.replace('"nex-pro"', '"gemini-2.5-flash"')
    with socket.create_connection((host.split(":")[0], int(host.split(":")[1]))) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer "
            f"{served.key}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
            f"{body}".encode()
        )
        slow.recv(1)
        served.settled()
    (row,) = served.app.house.ledger.usage(served.made.customer).rows
    assert row.record["usage"]["output"] > 100_000


def test_revoked_in_one_process_is_refused_in_all(served: Served) -> None:
    auth = {"authorization": f"Bearer {served.key}"}
    made = httpx.post(f"{served.url}/v1/keys", json={"name": "a"}, headers=auth).json()
    assert post(served, made["secret"]).status_code == 200
    other = bootstrap.open_house(served.place, served.secrets)
    from nexctl.server.ledger import keys

    other.ledger.write(keys.revoke, made["id"])
    assert post(served, made["secret"]).status_code == 401
    other.ledger.close()


SCRIPT = """
import json, sys
from nexctl.server.serve import Terms, serve
class Kept(dict):
    def set(self, name, value): self[name] = value
secrets = Kept(json.loads(sys.argv[2]))
serve(sys.argv[1], secrets, Terms(port=0), ready=lambda url: print(url, flush=True))
"""
# From when it is served no module can be loaded, as where every file descriptor is in use.
NO_FILES = """
class Never:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("nexctl.server."):
            raise OSError(24, "Too many open files", name)
""" + SCRIPT.replace("lambda url: print", "lambda url: sys.meta_path.insert(0, Never()) or print")


def start(rig: Rig, script: str = SCRIPT) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, "-c", script, rig.place, json.dumps(rig.secrets)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_after_what_is_under_way(rig: Rig, stop: signal.Signals) -> None:
    process, url = start(rig)
    body = {**BODY, "metadata": {"echo.stall": "0.5"}}
    auth = {"authorization": f"Bearer {rig.management}"}
    with httpx.Client(timeout=20) as client:
        import threading

        got: list[Any] = []
        thread = threading.Thread(
            target=lambda: got.append(
                client.post(f"{url}/v1/chat/completions", json=body, headers=auth)
            )
        )
        thread.start()
        until = time.monotonic() + 60
        while rig.wallet()["held"] == "0":  # held before it stalls
            assert time.monotonic() < until
            time.sleep(0.01)
        process.send_signal(stop)
        thread.join()
    assert got[0].status_code == 200
    process.wait(20)
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()
    assert len(rig.usage()) == 1
    rig.settled()


def test_a_paid_call_loads_nothing_late(rig: Rig) -> None:
    process, url = start(rig, NO_FILES)
    try:
        for stream in (False, True):
            got = httpx.post(
                f"{url}/v1/chat/completions",
                json={**BODY, "stream": stream},
                headers={"authorization": f"Bearer {rig.management}"},
                timeout=20,
            )
            assert got.status_code == 200
            assert '"error"' not in got.text
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert rig.wallet()["held"] == "0"
    assert len(rig.usage()) == 2


def test_a_command_and_two_servers_on_one_ledger(rig: Rig) -> None:
    rig.key("a")
    (one, first), (two, second) = start(rig), start(rig)
    auth = {"authorization": f"Bearer {rig.management}"}
    try:
        for number in range(10):
            for url in (first, second):
                sent = {**BODY, "request_id": f"r{number}", "max_tokens": 5}
                got = httpx.post(f"{url}/v1/chat/completions", json=sent, headers=auth, timeout=20)
                assert got.status_code == (200 if url == first else 409)
            assert rig.chat(request_id=f"c{number}").status == 200
    finally:
        os.kill(one.pid, signal.SIGTERM)
        os.kill(two.pid, signal.SIGKILL)
        one.wait(20)
        two.wait(20)
    assert len(rig.usage()) == 20
    rig.settled()


@pytest.fixture
def on_file(tmp_path: Path) -> Iterator[Served]:
    kit = Served(tmp_path, place=str(tmp_path / "ledger.sqlite"))
    kit.fill()
    yield kit
    kit.close()


def test_a_lock_held_elsewhere_delays_who_writes_and_nobody_who_reads(on_file: Served) -> None:
    post(on_file, on_file.key).raise_for_status()
    other = sqlite3.connect(on_file.place, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    told: list[int] = []
    ledger = on_file.app.house.ledger
    waiting = [threading.Thread(target=lambda: told.append(post(on_file, on_file.key).status_code))]
    waiting.append(threading.Thread(target=lambda: told.append(ledger.beat() or 200)))
    for thread in waiting:
        thread.start()
    named = {"authorization": f"Bearer {on_file.key}"}
    caller = httpx.Client(base_url=on_file.url, headers=named)
    longest = 0.0
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        begun = time.monotonic()
        for path in ("/health", "/v1/wallet"):
            caller.get(path).raise_for_status()
        longest = max(longest, time.monotonic() - begun)
    assert told == [], "who writes waits for the lock"
    other.execute("ROLLBACK")
    for thread in waiting:
        thread.join(20)
    assert told == [200, 200]
    assert longest < 1, "it would be 1.5 if somebody waited on the loop"
    on_file.settled()


def test_batches_under_way_wait_for_a_lock_off_the_loop(
    on_file: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "LOOK_SECONDS", 0.0)
    named = {"authorization": f"Bearer {on_file.key}"}
    caller = httpx.Client(base_url=on_file.url, headers=named)
    stalled = {**BODY, "metadata": {"echo.stall": "0.2"}}
    line = {"method": "POST", "url": "/v1/chat/completions", "body": stalled}
    items = [{"custom_id": str(n), **line} for n in range(40)]
    batch = caller.post("/v1/batches", json={"items": items}).json()["id"]
    while not on_file.app.house.crew._under_way:
        time.sleep(0.01)
    other = sqlite3.connect(on_file.place, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    longest, until = 0.0, time.monotonic() + 1.5
    while time.monotonic() < until:
        begun = time.monotonic()
        caller.get("/health").raise_for_status()
        longest = max(longest, time.monotonic() - begun)
    other.execute("ROLLBACK")
    assert longest < 1
    done = caller.get(f"/v1/batches/{batch}?wait=30", timeout=40).json()
    assert done["request_counts"]["completed"] == 40


def test_a_hold_that_could_not_be_given_back_is_given_back_later(on_file: Served) -> None:
    ledger = on_file.app.house.ledger
    ledger.executor.database._timeout = 200_000_000  # type: ignore[attr-defined]
    failing = {**BODY, "metadata": {"echo.stall": "0.6", "echo.fail": "502"}}
    named = {"authorization": f"Bearer {on_file.key}"}
    told: list[int] = []

    def ask() -> None:
        url = f"{on_file.url}/v1/chat/completions"
        told.append(httpx.post(url, json=failing, headers=named).status_code)

    asking = threading.Thread(target=ask)
    asking.start()
    while not on_file.held():
        time.sleep(0.01)
    other = sqlite3.connect(on_file.place, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    asking.join(20)
    other.execute("ROLLBACK")
    assert told == [502]
    assert on_file.held() > 0
    assert ledger.owing
    post(on_file, on_file.key).raise_for_status()
    on_file.settled()
    assert not ledger.owing


def test_a_reserve_whose_commit_is_in_doubt_leaves_no_hold(
    on_file: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = on_file.app.house.ledger.executor.database
    write = database.write

    def lost(body: Any, **named: Any) -> Any:
        write(body, **named)
        monkeypatch.undo()
        raise Unavailable("the connection was lost during COMMIT")

    post(on_file, on_file.key).raise_for_status()
    monkeypatch.setattr(database, "write", lost)
    assert post(on_file, on_file.key).status_code == 503
    assert on_file.held() > 0
    post(on_file, on_file.key).raise_for_status()
    on_file.settled()


def test_who_waits_too_long_for_a_lock_is_told_and_owes_nothing(on_file: Served) -> None:
    before = on_file.app.house.ledger.wallet(on_file.made.customer)
    on_file.app.house.ledger.executor.database._timeout = 400_000_000  # type: ignore[attr-defined]
    other = sqlite3.connect(on_file.place, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    refused = post(on_file, on_file.key)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "ledger_unavailable")
    other.execute("ROLLBACK")
    post(on_file, on_file.key).raise_for_status()
    on_file.settled()
    after = on_file.app.house.ledger.wallet(on_file.made.customer)
    assert before.balance > after.balance
    assert len(on_file.app.house.ledger.usage(on_file.made.customer).rows) == 1


def test_the_databases_own_words_are_for_the_operator(
    on_file: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> Any:
        raise Unavailable('PostgreSQL does not answer: no entry for host "10.1.2.3", user "books"')

    database = on_file.app.house.ledger.executor.database
    monkeypatch.setattr(database, "write", away)
    monkeypatch.setattr(database, "read", away)
    for got in (
        post(on_file, on_file.key),
        post(on_file, on_file.key, authorization="Bearer nxt_sk_none"),
        httpx.get(f"{on_file.url}/v1/wallet", headers={"authorization": f"Bearer {on_file.key}"}),
    ):
        assert got.status_code == 503
        assert got.json()["error"]["code"] == "ledger_unavailable"
        assert "10.1.2.3" not in got.text
        assert "books" not in got.text


def test_a_stop_that_waits_no_longer_answers_in_the_envelope(tmp_path: Path) -> None:
    import httpx

    served = Served(tmp_path)
    served.fill()
    served.server.config.timeout_graceful_shutdown = 1
    body = {"model": "nex-pro", "messages": BODY["messages"], "metadata": {"echo.stall": "30"}}
    found: list[Any] = []

    def ask() -> None:
        head = {"authorization": f"Bearer {served.key}"}
        found.append(
            httpx.post(f"{served.url}/v1/chat/completions", json=body, headers=head, timeout=60)
        )

    caller = threading.Thread(target=ask)
    caller.start()
    until = time.monotonic() + 30
    while not served.held():
        assert time.monotonic() < until
        time.sleep(0.01)
    served.close()
    caller.join(30)
    (got,) = found
    assert (got.status_code, got.json()["error"]["code"]) == (503, "overloaded")
    assert "nobody knows what came of the request" in got.json()["error"]["message"]
