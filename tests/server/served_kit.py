"""A gateway served on a socket, and an upstream that speaks OpenAI's shapes, both in threads."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from server_kit import Kept

from nexctl.pricing import books
from nexctl.server import bootstrap
from nexctl.server.app import Gateway
from nexctl.server.house import Options
from nexctl.server.serve import Terms, how
from tests import places


class Served:
    """One served gateway: `url`, its keys, and its house for a look inside."""

    def __init__(self, folder: Path, upstream: bootstrap.Upstream | None = None, **terms: Any):
        chosen = terms.pop("place", None) or places.fresh()
        self.place = chosen or str(folder / "served" / "ledger.sqlite")
        self.secrets = Kept()
        self.made = bootstrap.create(
            self.place,
            self.secrets,
            book=books.load(terms.pop("book", "nextoken")),
            plan=terms.pop("plan", "enterprise"),
            payments="sandbox",
            upstream=upstream,
            semantic_cache=terms.pop("semantic_cache", False),
        )
        self.key, self.operator = self.made.management_key, self.made.operator_key
        self._options = Options(served=True, **terms)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(60)

    def _run(self) -> None:
        import uvicorn

        listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        options = self._options._replace(base_url=self.url)
        self.app = Gateway(lambda: bootstrap.open_house(self.place, self.secrets, options))
        kit = self

        class Server(uvicorn.Server):
            async def startup(self, sockets: Any = None) -> None:
                await super().startup(sockets)
                kit._ready.set()

        config = uvicorn.Config(self.app, **how(Terms()))
        self.server = Server(config)
        with contextlib.suppress(asyncio.CancelledError):
            self.server.run(sockets=[listening])
        listening.close()

    def fill(self, amount: int = 1_000) -> None:
        """Put money into the first customer's wallet."""
        self.app.house.ledger.adjust(self.made.customer, amount * 10**9, note="test", by="test")

    def held(self) -> int:
        return self.app.house.ledger.wallet(self.made.customer).held

    def settled(self) -> None:
        until = time.monotonic() + 60
        while self.held() or self.app.pending():
            assert time.monotonic() < until, "a hold is left"
            time.sleep(0.01)

    def close(self) -> None:
        self.server.should_exit = True
        self._thread.join(30)


class Upstream:
    """An upstream with a script: `told` decides what the next answers are; `seen` what came."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.told: dict[str, Any] = {}
        kit = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["content-length"]))
                kit.seen.append(json.loads(raw))
                kit.headers.append({k.lower(): v for k, v in self.headers.items()})
                kit.answer(self, kit.seen[-1])

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def answer(self, handler: Any, body: dict[str, Any]) -> None:
        told = self.told
        status = told.get("status", 200)
        if "body" in told or status != 200:
            self._send(handler, status, told.get("body", b'{"error": {"message": "SECRET-WORDS"}}'))
        elif body.get("stream"):
            self._stream(handler, told)
        elif "input" in body:
            count = len(body["input"]) if isinstance(body["input"], list) else 1
            data = [{"index": i, "embedding": [0.5, 0.25]} for i in range(count)]
            self._send(
                handler, 200, json.dumps({"data": data, "usage": told.get("usage")}).encode()
            )
        else:
            message = {"role": "assistant", "content": told.get("text", "An answer from afar")}
            message = told.get("message", message)
            choices = [
                {"index": i, "message": message, "finish_reason": "stop"}
                for i in range(body.get("n", 1))
            ]
            answer = {"id": "up-1", "object": "chat.completion", "model": "their-name", "extra": 1}
            answer |= {"choices": choices, "usage": told.get("usage")}
            self._send(handler, 200, json.dumps(answer).encode())

    def _send(self, handler: Any, status: int, raw: bytes) -> None:
        handler.send_response(status)
        for name, value in self.told.get("headers", {}).items():
            handler.send_header(name, value)
        handler.send_header("content-length", str(len(raw)))
        handler.end_headers()
        handler.wfile.write(raw)

    def _stream(self, handler: Any, told: dict[str, Any]) -> None:
        handler.send_response(200)
        handler.send_header("content-type", "text/event-stream")
        handler.send_header("connection", "close")
        handler.end_headers()
        handler.close_connection = True
        events: list[Any] = [{"choices": [{"index": 0, "delta": {"role": "assistant"}}]}]
        for word in told.get("text", "An answer from afar").split(" "):
            events.append({"choices": [{"index": 0, "delta": {"content": word + " "}}]})
        events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        if told.get("usage"):
            events.append({"choices": [], "usage": told["usage"]})
        for number, event in enumerate(told.get("events", events)):
            if told.get("break") == number:
                return
            with contextlib.suppress(OSError):
                named = b": " if isinstance(event, str) else b"data: "
                handler.wfile.write(named + json.dumps(event).encode() + b"\n\n")
                handler.wfile.flush()
            time.sleep(told.get("pause", 0))
        handler.wfile.write(b"data: [DONE]\n\n")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def upstream() -> Iterator[Upstream]:
    kit = Upstream()
    try:
        yield kit
    finally:
        kit.close()
