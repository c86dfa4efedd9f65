"""What a connection may cost before there is a request on it: bytes and time.

The application's own limits begin with a request's head. Before it, and where a request has been
answered and bytes still come, uvicorn waits for ever and keeps every byte of an endless header.
"""

from __future__ import annotations

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

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _end(self) -> None:
        self._late = None
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
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

    class Guarded(_Guard, HttpToolsProtocol):
        _silent = 0
        _heard = False
        _running: Any = None

        def _start_asgi_task(self, cycle: Any, app: Any) -> None:
            self._running = cycle
            super()._start_asgi_task(cycle, app)

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
            self._silent = 0 if self._heard else self._silent + len(data)
            if self._silent > MOST_HEAD and not self.transport.is_closing():
                self._refuse_head()

        def on_headers_complete(self) -> None:
            self._heard = True
            super().on_headers_complete()

        def on_body(self, body: bytes) -> None:
            self._heard = True
            super().on_body(body)

        def _refuse_head(self) -> None:
            if self.cycle is None or self.cycle.response_complete:
                self.transport.write(
                    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
                    b"content-length: 0\r\nconnection: close\r\n\r\n"
                )
            self.transport.close()

    return Guarded
