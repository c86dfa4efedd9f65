"""`nexctl doctor`: it finds what stands in the way, says what to do, and changes nothing."""

from __future__ import annotations

import os
import re
import shutil
import signal
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import PROGRAM, Nexctl, Ran

NAMES = [
    "settings", "profile", "stores", "book", "address", "tls", "clock", "key", "operator",
    "capabilities", "health", "rotations", "extras",
]  # fmt: skip


def checks(done: Ran) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in done.data["checks"]}


@pytest.fixture
def served(nexctl: Nexctl) -> Iterator[str]:
    """The local gateway behind `gateway serve`."""
    nexctl("keys", "list")
    process = subprocess.Popen(
        [str(PROGRAM), "gateway", "serve", "--port", "0"],
        stderr=subprocess.PIPE, text=True, env=os.environ,
    )  # fmt: skip
    assert process.stderr is not None
    found = re.search(r"http://127\.0\.0\.1:\d+", process.stderr.readline())
    assert found is not None
    yield found[0]
    process.send_signal(signal.SIGTERM)
    process.wait(40)
    process.stderr.close()


def test_a_fresh_machine_is_in_order_and_stays_empty(nexctl: Nexctl, own_home: Path) -> None:
    done = nexctl("doctor", "-o", "json")
    assert done.exit == 0, done
    assert set(done.data) == {
        "version",
        "profile",
        "driver",
        "origin",
        "checks",
        "counts",
        "passed",
    }
    assert [row["name"] for row in done.data["checks"]] == NAMES
    for row in done.data["checks"]:
        assert set(row) == {"name", "status", "detail", "hint", "code", "exit"}
    assert (done.data["passed"], done.data["counts"]["fail"]) == (True, 0)
    assert sum(done.data["counts"].values()) == len(NAMES)
    assert list(own_home.iterdir()) == [], "nothing is made"


def test_the_embedded_gateway_is_asked(nexctl: Nexctl) -> None:
    nexctl("keys", "list")
    found = checks(nexctl("doctor", "-o", "json"))
    assert {n: found[n]["status"] for n in ("address", "clock", "key", "operator", "health")} == (
        dict.fromkeys(("address", "clock", "key", "operator", "health"), "ok")
    )
    assert found["key"]["detail"].startswith("management key")
    assert found["operator"]["detail"].startswith("operator (owner)")
    assert "wallet" in found["capabilities"]["detail"]
    report = nexctl("doctor").out
    wide = [line for line in report.splitlines() if len(line) > 80 and "/" not in line]
    assert wide == [], "only a path is longer than the screen"
    assert "\x1b" not in report


def test_a_clock_that_was_set_back_is_found_without_another_to_hold_it_against(
    nexctl: Nexctl, tmp_path: Path
) -> None:
    """The embedded gateway's clock is this machine's, and says nothing against it."""
    nexctl("keys", "list")
    (tmp_path / "sitecustomize.py").write_text("import time\ntime.time = lambda: 1_600_000_000.0\n")
    done = nexctl("doctor", "-o", "json", PYTHONPATH=str(tmp_path))
    found = checks(done)["clock"]
    assert (done.exit, found["status"]) == (0, "warn")
    assert found["detail"].startswith("this machine says 2020-09-13, before the price book")


def test_a_served_gateway_and_its_key(nexctl: Nexctl, served: str) -> None:
    address = {"NEXCTL_BASE_URL": served, "NEXCTL_DRIVER": "nexctl"}
    done = nexctl("doctor", "-o", "json", **address)
    assert (done.exit, done.error["code"]) == (4, "not_logged_in")
    found = checks(done)
    assert (found["address"]["status"], found["key"]["exit"]) == ("ok", 4)
    done = nexctl("doctor", "-o", "json", **address, NEXCTL_API_KEY="nxt_sk_wrong")
    assert (done.exit, checks(done)["key"]["status"]) == (4, "fail")
    secret = nexctl("keys", "create", "--name", "ci", "--expires", "3d", "-q").out.strip()
    done = nexctl("doctor", "-o", "json", **address, NEXCTL_API_KEY=secret)
    found = checks(done)
    assert (done.exit, found["key"]["status"]) == (0, "warn"), "it ends in three days"
    assert found["key"]["hint"] == "nexctl keys rotate ci"
    assert found["clock"]["detail"] == "within 30 s of the gateway's"
    assert secret not in done.out + done.err


def test_an_address_where_nobody_answers_is_the_network(nexctl: Nexctl) -> None:
    there = {"NEXCTL_BASE_URL": "http://127.0.0.1:9", "NEXCTL_DRIVER": "nexctl"}
    done = nexctl("doctor", "-o", "json", **there, NEXCTL_API_KEY="nxt_sk_some")
    assert (done.exit, done.error["exit"]) == (7, 7)
    found = checks(done)
    assert (found["address"]["status"], found["key"]["status"]) == ("fail", "skip")
    done = nexctl("doctor", "--offline", "-o", "json", **there, NEXCTL_API_KEY="nxt_sk_some")
    assert (done.exit, checks(done)["address"]["status"]) == (0, "skip")


def test_a_broken_configuration_is_told_first(nexctl: Nexctl, own_home: Path) -> None:
    folder = own_home / ".config/nexctl"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text("colour = 1\n")
    done = nexctl("doctor", "-o", "json")
    assert (done.exit, checks(done)["settings"]["status"]) == (78, "fail")
    assert [row["name"] for row in done.data["checks"]] == NAMES
    (folder / "config.toml").write_text('[profiles.x]\nbook = "nowhere"\n')
    done = nexctl("doctor", "-p", "x", "-o", "json")
    assert (done.exit, checks(done)["book"]["exit"]) == (78, 78)
    assert checks(done)["address"]["code"] == "no_gateway"
    assert nexctl("doctor", "-p", "nobody").exit == 78


def test_a_variable_that_is_no_value_is_found(nexctl: Nexctl) -> None:
    done = nexctl("doctor", "-o", "json", NEXCTL_TIMEOUT="soon")
    assert (done.exit, checks(done)["settings"]["exit"]) == (78, 78)
    assert "NEXCTL_TIMEOUT" in done.error["message"]


def test_secrets_that_others_may_read_are_not_used(nexctl: Nexctl, own_home: Path) -> None:
    nexctl("keys", "list")
    state = own_home / ".local/state/nexctl"
    state.chmod(0o755)
    done = nexctl("doctor", "-o", "json")
    assert (done.exit, checks(done)["stores"]["hint"]) == (78, f"chmod 700 '{state}'")
    state.chmod(0o700)
    (state / "secrets.json").chmod(0o644)
    done = nexctl("doctor", "-o", "name")
    assert (done.exit, done.out) == (78, "stores\n")


@pytest.fixture
def https(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A server with a certificate of its own for two days, which answers 401 to everything."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip

    class Refusing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"error":{"message":"no such key","code":"invalid_api_key"}}'
            self.send_response(401)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}", cert
    server.shutdown()
    server.server_close()


def test_a_certificate_is_checked_and_its_end_told(nexctl: Nexctl, https: tuple[str, Path]) -> None:
    url, cert = https
    there = {"NEXCTL_BASE_URL": url, "NEXCTL_DRIVER": "openai", "NEXCTL_API_KEY": "sk-some"}
    done = nexctl("doctor", "-o", "json", **there)
    found = checks(done)
    assert (done.exit, found["tls"]["code"], found["address"]["status"]) == (7, "tls", "ok")
    done = nexctl("doctor", "-o", "json", **there, SSL_CERT_FILE=str(cert))
    found = checks(done)
    assert (found["tls"]["status"], done.exit) == ("warn", 4), "two days are few"
    assert re.fullmatch(r"TLS 1\.\d, certificate valid until .*: [12] days", found["tls"]["detail"])
