"""https for real: a certificate is trusted where its issuer is, and for its own name only."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from http_kit import LoopbackGateway, endless, loopback_gateway, reply

from nexctl.errors import ConfigError
from nexctl.safety.http import Call, Client, Key, NetworkError
from nexctl.safety.network import HttpTransport

GET = Call("GET", "/v1/me", repeatable=True)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that vouches for itself, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key


@pytest.fixture
def server(certificate: tuple[Path, Path]) -> Iterator[LoopbackGateway]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with loopback_gateway() as running:
        listening = running.server.socket
        running.server.socket = context.wrap_socket(listening, server_side=True)
        running.url = running.url.replace("http:", "https:")
        yield running


def client(url: str, **more: float) -> Client:
    transport = HttpTransport(url)
    return Client(transport, Key("nxt_sk_CANARY012345", transport.origin), tries=1, **more)


def test_a_trusted_certificate_lets_the_call_through(
    server: LoopbackGateway, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    server.expect("GET", "/v1/me", reply(200, '"hello"'))
    assert client(server.url).send(GET).read() == b'"hello"'
    assert server.seen[0].headers["authorization"] == "Bearer nxt_sk_CANARY012345"


def test_an_unknown_issuer_gets_no_key(server: LoopbackGateway) -> None:
    with pytest.raises(NetworkError) as caught:
        client(server.url).send(GET)
    assert (caught.value.code, caught.value.sent) == ("tls", False)
    assert "SSL_CERT_FILE" in (caught.value.hint or "")
    assert server.seen == []


def test_a_certificate_for_another_name_gets_no_key(
    server: LoopbackGateway, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with pytest.raises(NetworkError) as caught:
        client(server.url.replace("127.0.0.1", "localhost")).send(GET)
    assert caught.value.code == "tls"
    assert server.seen == []


def test_the_total_time_holds_inside_tls_too(
    server: LoopbackGateway, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
    server.expect("GET", "/v1/me", endless(head, b" ", 0.05))
    started = time.monotonic()
    with pytest.raises(NetworkError) as caught:
        client(server.url, seconds=0.6).send(GET)
    assert caught.value.code == "timeout"
    assert time.monotonic() - started < 30  # the body would last over an hour


def test_certificates_that_cannot_be_read_are_a_fault_of_the_configuration(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    with pytest.raises(ConfigError):
        HttpTransport("https://gateway.example.com")
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    monkeypatch.setenv("SSL_CERT_FILE", str(empty))
    with pytest.raises(ConfigError):
        HttpTransport("https://gateway.example.com")
