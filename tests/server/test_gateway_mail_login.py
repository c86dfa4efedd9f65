"""A mail server that asks for a login: the password goes over TLS or not at all."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nexctl.server.events import mail
from nexctl.server.ledger.events import Event

EVENT = Event(
    "evt_1", "cus_1", "balance.low", {"balance": "1", "currency": "USD", "below": "5"}, 10**15
)


class Plain(socketserver.StreamRequestHandler):
    """Enough of RFC 5321 to log in and take a letter, without TLS."""

    def handle(self) -> None:
        heard: list[bytes] = self.server.heard  # type: ignore[attr-defined]
        self.wfile.write(b"220 here\r\n")
        for line in self.rfile:
            heard.append(line)
            verb = line[:4].upper()
            if verb == b"EHLO":
                self.wfile.write(b"250-here\r\n250 AUTH PLAIN LOGIN\r\n")
            elif verb == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                while (row := self.rfile.readline()) not in (b".\r\n", b""):
                    heard.append(row)
                self.wfile.write(b"250 kept\r\n")
            elif verb == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                self.wfile.write(b"250 fine\r\n")


@pytest.fixture
def server() -> Iterator[Any]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Plain) as running:
        running.heard = []  # type: ignore[attr-defined]
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        yield running
        running.shutdown()


def house(environ: dict[str, str]) -> Any:
    return SimpleNamespace(title="shop", options=SimpleNamespace(environ=environ))


def test_a_password_is_not_sent_without_tls(server: Any) -> None:
    environ = {
        "NEXCTL_MAIL": f"smtp://127.0.0.1:{server.server_address[1]}",
        "NEXCTL_MAIL_USER": "user",
        "NEXCTL_MAIL_PASSWORD": "CANARY-password",
    }
    outcome = mail.send(house(environ), "b@example.com", EVENT, "d1")
    assert (outcome[0], outcome[2]) == (False, "ValueError")
    assert not [line for line in server.heard if b"AUTH" in line or b"CANARY" in line]
    del environ["NEXCTL_MAIL_USER"]
    assert mail.send(house(environ), "b@example.com", EVENT, "d1")[0], "without a user: no login"


def test_the_sender_is_the_one_that_the_variable_names(tmp_path: Path) -> None:
    box = tmp_path / "box"
    environ = {"NEXCTL_MAIL": f"file:{box}", "NEXCTL_MAIL_FROM": "billing@example.com"}
    assert mail.send(house(environ), "b@example.com", EVENT, "d1")[0]
    assert "From: billing@example.com\n" in box.read_text()
