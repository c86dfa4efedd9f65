"""A loopback gateway for tests: it answers what was scripted, and anything else is a failure."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

Act = Callable[[BaseHTTPRequestHandler], None]


class Seen(NamedTuple):
    """A request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


def reply(status: int = 200, body: bytes | str = b"{}", **headers: str) -> Act:
    """An ordinary answer; `retry_after="1"` is the header Retry-After."""
    raw = body.encode() if isinstance(body, str) else body

    def act(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named.setdefault("Content-Type", "application/json")
        named.setdefault("Content-Length", str(len(raw)))
        for name, value in named.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(raw)

    return act


def raw_bytes(*pieces: bytes, pause: float = 0.0) -> Act:
    """Bytes straight on the socket, with a pause after each, then the connection ends."""

    def act(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        stop = handler.server.stopping  # type: ignore[attr-defined]
        with contextlib.suppress(OSError):
            for piece in pieces:
                handler.wfile.write(piece)
                handler.wfile.flush()
                if pause and stop.wait(pause):
                    return

    return act


def endless(head: bytes, piece: bytes, pause: float) -> Act:
    """A head, then one piece again and again until nobody listens."""

    def act(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        stop = handler.server.stopping  # type: ignore[attr-defined]
        with contextlib.suppress(OSError):
            handler.wfile.write(head)
            while not stop.wait(pause):
                handler.wfile.write(piece)
                handler.wfile.flush()

    return act


class LoopbackGateway:
    """A server on 127.0.0.1 with a script: each expected call has its answers, used in order."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.seen: list[Seen] = []
        self.unmatched: list[str] = []
        self._script: dict[tuple[str, str], list[Act]] = {}
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                size = int(self.headers.get("Content-Length", "0"))
                body = self.rfile.read(size)
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.take(Seen(self.command, self.path, headers, body))(self)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

        self.server = Server((host, 0), Handler)
        self.server.daemon_threads = True
        self.server.stopping = threading.Event()  # type: ignore[attr-defined]
        self.port: int = self.server.server_address[1]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def expect(self, method: str, target: str, *answers: Act) -> None:
        """Script the answers to one call, in order; each must be used."""
        self._script.setdefault((method, target), []).extend(answers)

    def take(self, seen: Seen) -> Act:
        """The next answer to a call; an unexpected one is remembered."""
        with self._lock:
            self.seen.append(seen)
            waiting = self._script.get((seen.method, seen.target))
            if not waiting:
                self.unmatched.append(f"{seen.method} {seen.target}")
                return reply(418, '{"error": {"code": "unexpected_request"}}')
            return waiting.pop(0)

    def close(self) -> None:
        self.server.stopping.set()  # type: ignore[attr-defined]
        self.server.shutdown()
        self.server.server_close()

    def unused(self) -> list[str]:
        return [f"{m} {t}" for (m, t), left in self._script.items() if left]


@contextlib.contextmanager
def loopback_gateway(host: str = "127.0.0.1") -> Iterator[LoopbackGateway]:
    """A running gateway; at the end every call was expected and every answer used."""
    gateway = LoopbackGateway(host)
    try:
        yield gateway
        assert not gateway.unmatched, f"unexpected requests: {gateway.unmatched}"
        assert not gateway.unused(), f"answers never asked for: {gateway.unused()}"
    finally:
        gateway.close()


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
