"""An order whose answer was lost can be asked for again under the key that is printed."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import pytest

from tests.e2e.conftest import Nexctl

ORDER = {
    "state": "preview", "method": "card", "amount": "50", "currency": "USD", "credits": "50",
    "subtotal": "50", "tax": "4.5", "fee": "0", "bonus": "0", "total": "54.5",
}  # fmt: skip


class Loses(BaseHTTPRequestHandler):
    """Previews, and breaks off every answer to an order."""

    seen: ClassVar[list[str | None]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if not body.get("preview"):
            Loses.seen.append(self.headers["idempotency-key"])
            self.connection.close()
            return
        raw = json.dumps(ORDER).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    Loses.seen = []
    server = HTTPServer(("127.0.0.1", 0), Loses)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_the_key_is_made_once_and_printed(nexctl: Nexctl, url: str) -> None:
    at = {"NEXCTL_BASE_URL": url, "NEXCTL_DRIVER": "nexctl", "NEXCTL_API_KEY": "nxt_mk_CANARY"}
    done = nexctl("wallet", "topup", "50", "--timeout", "3", **at)
    assert done.exit == 7
    assert "total $54.5000" in done.err
    printed = re.search(r"--idempotency-key (\S+?)[:;]? ", done.err + " ")
    assert printed is not None, done
    assert set(Loses.seen) == {printed[1]}
    assert "CANARY" not in done.err
    again = nexctl(
        *("wallet", "topup", "50", "--timeout", "1", "--idempotency-key", printed[1], "--debug"),
        **at,
    )
    assert set(Loses.seen) == {printed[1]}
    assert "CANARY" not in again.err
