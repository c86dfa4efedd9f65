"""What a connection may cost before there is a request on it: bytes and time.

The application's own limits begin with a request's head. Before it, and where a request has been
answered and bytes still come, uvicorn waits for ever and keeps every byte of an endless header.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

from nexctl.server.house import READING_SECONDS

if TYPE_CHECKING:
    import asyncio

# As much as the heads of a request, its trailers or a chunk's extensions may have, nearly: what
# comes with the bytes that end them is not counted.
MOST_HEAD = 64 * 1024


class _Guard:
    """Closes a connection on which no request is under way for READING_SECONDS though bytes come,
    or that never brings one. Whole heads in one piece, as all clients send them, set no timer.
    """

    cycle: Any
    transport: Any
    loop: asyncio.AbstractEventLoop

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)  # type: ignore[misc]
        self._late = self.loop.call_later(READING_SECONDS, self._end)

    def connection_lost(self, exc: Exception | None) -> None:
        self._in_time()
        super().connection_lost(exc)  # type: ignore[misc]

    def data_received(self, data: bytes) -> None:
        super().data_received(data)  # type: ignore[misc]
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            self._in_time()
        elif self._late is None:
            self._late = self.loop.call_later(READING_SECONDS, self._end)

    def _unsupported_upgrade_warning(self) -> None:
        """No other protocol is spoken here: who asks for one is answered in this one (RFC 9110)."""

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _end(self) -> None:
        self._late = None
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            self.transport.close()


class _Parsed(_Guard):
    """Bounds heads, ignores upgrades, and tells who waits in line that the caller is gone."""

    parser: Any
    headers: list[tuple[bytes, bytes]]
    url: bytes

    _silent = 0
    _heard = False
    _running: Any = None
    _upgrade_at: int | None = None

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)  # type: ignore[misc]

    def connection_lost(self, exc: Exception | None) -> None:
        # uvicorn tells only the last request of the connection that its caller is gone, and
        # that one may still wait in line behind the one that is answered.
        running = self._running
        if running is not None and not running.response_complete:
            running.disconnected = True
            running.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._heard = False
        super().data_received(data)
        rest = memoryview(data)
        while self._upgrade_at is not None:
            rest, self._upgrade_at = rest[self._upgrade_at :], None
            for piece in (self._asked_plainly(), rest):
                if not self.transport.is_closing():
                    super().data_received(piece)  # type: ignore[arg-type]
        self._silent = 0 if self._heard else self._silent + len(data)
        if self._silent > MOST_HEAD and not self.transport.is_closing():
            self._refuse_head()

    def on_headers_complete(self) -> None:
        self._heard = True
        if not self._asks_upgrade():
            super().on_headers_complete()  # type: ignore[misc]

    def _asks_upgrade(self) -> bool:
        return bool(self.parser.should_upgrade()) and self.parser.get_method() != b"CONNECT"

    def on_message_complete(self) -> None:
        if not self._asks_upgrade():
            super().on_message_complete()  # type: ignore[misc]

    def _unsupported_upgrade_warning(self) -> None:
        if self._asks_upgrade():
            (self._upgrade_at,) = sys.exception().args  # type: ignore[union-attr]

    def _asked_plainly(self) -> bytes:
        """The head again without the wish, for a parser that reads the body then."""
        asked, version = self.parser, self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (asked.get_method(), self.url, version)]
        lines += [b"%b: %b" % line for line in self.headers if line[0] != b"upgrade"]
        self.parser = type(asked)(self)
        with contextlib.suppress(AttributeError):  # httptools before 0.6.3 has none
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def on_body(self, body: bytes) -> None:
        self._heard = True
        super().on_body(body)  # type: ignore[misc]

    def _refuse_head(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(
                b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
                b"content-length: 0\r\nconnection: close\r\n\r\n"
            )
        self.transport.close()


def protocol() -> type[asyncio.Protocol]:
    """The protocol that uvicorn would choose, guarded."""
    try:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
    except ImportError:
        from uvicorn.protocols.http.h11_impl import H11Protocol

        class Plain(_Guard, H11Protocol):  # bounds heads by itself
            pass

        return Plain

    class Guarded(_Parsed, HttpToolsProtocol):
        pass

    return Guarded
