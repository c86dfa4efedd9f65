"""Connections to one upstream: HTTP/1.1, kept open, each with one exchange at a time.

h11 says what the bytes mean and asyncio carries them. A connection is made only to an address that
was checked. httpcore's pool takes four times the processor for this (`python -m benchmarks
upstream`): it looks at every connection with every call, which many calls at once pay for.
"""

from __future__ import annotations

import asyncio
import select
import socket
from collections import deque
from collections.abc import AsyncIterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import h11

from nexctl.server.providers.addresses import Place, checked
from nexctl.server.providers.port import Fault

if TYPE_CHECKING:
    import ssl

CONNECT_SECONDS = 10.0  # not money: seconds
IDLE_SECONDS = 60.0  # not money: seconds; what lies longer may be dead without a word
MOST_IDLE = 100
MOST_ADDRESSES = 4
MOST_HEAD = 100 * 1024
MOST_AHEAD = 256 * 1024  # bytes that are read before they are asked for


class Connections:
    """Those to one place. `headers` go with every request, and to this place alone."""

    def __init__(
        self, place: Place, headers: list[tuple[str, str]], *, allow_private: bool
    ) -> None:
        self._place, self._allow_private = place, allow_private
        shown = f"[{place.host}]" if ":" in place.host else place.host
        usual = 443 if place.scheme == "https" else 80
        host = shown if place.port == usual else f"{shown}:{place.port}"
        self._headers = [("host", host), *headers]
        self._idle: deque[Connection] = deque()  # who was used last is last
        self._sweeping: asyncio.TimerHandle | None = None
        self._answered = ""  # the address that was connected to last

    async def post(self, path: str, body: bytes) -> Connection:
        """Send a body and wait for the answer's head; `release` the connection afterwards.

        Fault `upstream_unavailable` where nothing could be sent, `upstream_error` where what came
        back is no answer. It waits without end: the caller bounds it.
        """
        connection = self._kept() or await self._connected()
        headers = [*self._headers, ("content-length", str(len(body)))]
        try:
            await connection.send(self._place.base + path, headers, body)
        except BaseException:
            connection.release()
            raise
        return connection

    def keep(self, connection: Connection) -> None:
        """Have a connection ready for the next request."""
        self._idle.append(connection)
        if len(self._idle) > MOST_IDLE:
            self._idle.popleft().end()
        if self._sweeping is None:
            self._sweep()

    def forget(self, connection: Connection) -> None:
        """A connection has ended while nobody used it."""
        if connection in self._idle:
            self._idle.remove(connection)

    def close(self) -> None:
        """End those that are not in use."""
        while self._idle:
            self._idle.pop().end()
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None

    def _sweep(self) -> None:
        """End what has lain too long, also where nobody asks any more; look again while any lies.

        A provider that was changed is made anew: what the old one kept would stay open for ever.
        """
        loop = asyncio.get_running_loop()
        while self._idle and self._idle[0].lies_long():
            self._idle.popleft().end()
        self._sweeping = loop.call_later(IDLE_SECONDS, self._sweep) if self._idle else None

    def _kept(self) -> Connection | None:
        """The one that was used last, if its other end has not closed it meanwhile."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable():
                return connection
            connection.end()
        return None

    async def _connected(self) -> Connection:
        """Look the name up once, check every address, connect to one that was checked."""
        host, port = self._place.host, self._place.port
        secure: dict[str, Any] = {}
        loop = asyncio.get_running_loop()
        why = "no address"
        try:
            if self._place.scheme == "https":
                secure = {"ssl": _trusting(), "server_hostname": host}
            rows = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found = checked(
                list(dict.fromkeys(str(row[4][0]) for row in rows)), self._allow_private
            )
        except (OSError, UnicodeError) as error:
            raise Fault("upstream_unavailable", type(error).__name__) from None
        # One that does not answer takes CONNECT_SECONDS: who has answered is asked first.
        found.sort(key=self._answered.__ne__)
        for address in found[:MOST_ADDRESSES]:
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    _, connection = await loop.create_connection(
                        lambda: Connection(self, loop), address, port, **secure
                    )
            except OSError as error:  # a name, a certificate, a time-out: each is one
                why = type(error).__name__
            else:
                self._answered = address
                return connection
        raise Fault("upstream_unavailable", why)


class Connection(asyncio.Protocol):
    """One connection. `status` is that of the answer that is being read."""

    status = 0

    def __init__(self, kept_by: Connections, loop: asyncio.AbstractEventLoop) -> None:
        self._kept_by, self._loop = kept_by, loop
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MOST_HEAD)
        self._waiter: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport = None  # type: ignore[assignment]  # set when made
        self._ended = self._busy = self._paused = False
        self._lost: Exception | None = None
        self._ahead = 0
        self._since = 0.0  # not money: seconds

    async def send(self, target: str, headers: list[tuple[str, str]], body: bytes) -> None:
        """Send a request and read the head of its answer."""
        self._busy = True
        http = self._http
        try:
            head = http.send(h11.Request(method="POST", target=target, headers=headers))
            parts = [head, http.send(h11.Data(body)), http.send(h11.EndOfMessage())]
        except h11.ProtocolError as error:
            raise Fault("upstream_error", type(error).__name__) from None
        self._transport.write(b"".join(part for part in parts if part))
        while isinstance(event := await self._event(None), h11.InformationalResponse):
            pass
        if not isinstance(event, h11.Response):
            raise Fault("upstream_error", "no answer")
        self.status = event.status_code

    async def pieces(
        self,
        seconds: float | None = None,  # not money: seconds
    ) -> AsyncIterator[bytes]:
        """The body as it comes. TimeoutError where nothing comes for so many seconds."""
        while isinstance(event := await self._event(seconds), h11.Data):
            yield bytes(event.data)

    def release(self) -> None:
        """Done with the answer: kept for the next one if both were passed on whole, else ended."""
        self._busy = False
        http = self._http
        whole = http.our_state is http.their_state is h11.DONE
        if (
            self._ended
            or not whole
            or http.trailing_data[0]  # more than was asked for
            or self._transport.get_write_buffer_size()  # it was answered before it was read
        ):
            self.end()
            return
        http.start_next_cycle()
        self._since = self._loop.time()
        self._kept_by.keep(self)

    def end(self) -> None:
        """Close it, whatever was being read."""
        self._ended = True
        if self._transport is not None:
            self._transport.abort()

    def is_usable(self) -> bool:
        """Whether the next request can go over it."""
        return not self._ended and not self.lies_long() and not _has_more(self._transport)

    def lies_long(self) -> bool:
        """Whether it has been idle for too long."""
        return self._loop.time() - self._since >= IDLE_SECONDS

    async def _event(self, seconds: float | None) -> Any:  # not money: seconds
        while True:
            try:
                event = self._http.next_event()
            except h11.ProtocolError as error:
                raise Fault("upstream_error", type(error).__name__) from None
            if event is not h11.NEED_DATA:
                return event
            if self._lost is not None:
                raise Fault("upstream_error", type(self._lost).__name__)
            await self._more(seconds)

    async def _more(self, seconds: float | None) -> None:  # not money: seconds
        self._ahead = 0
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        waiter = self._waiter = self._loop.create_future()
        late = None if seconds is None else self._loop.call_later(seconds, _late, waiter)
        try:
            await waiter
        finally:
            self._waiter = None
            if late is not None:
                late.cancel()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = transport  # type: ignore[assignment]  # of TCP or TLS

    def data_received(self, data: bytes) -> None:
        """Called by the loop: what nobody asked for ends the connection."""
        if not self._busy:
            self._kept_by.forget(self)
            self.end()
            return
        self._http.receive_data(data)
        self._ahead += len(data)
        if self._ahead > MOST_AHEAD and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """Called by the loop: the other end says no more."""
        self._close(None)

    def connection_lost(self, error: Exception | None) -> None:
        """Called by the loop."""
        self._close(error)

    def _close(self, error: Exception | None) -> None:
        self._ended = True
        self._lost = self._lost or error
        if self._lost is None:
            self._http.receive_data(b"")
        self._wake()
        if not self._busy:
            self._kept_by.forget(self)


def _late(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())


def _has_more(transport: asyncio.Transport) -> bool:
    """Whether something has come that the loop has not seen yet, such as an end."""
    if transport.is_closing():
        return True
    if not hasattr(select, "poll"):
        return False
    poller = select.poll()
    poller.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(poller.poll(0))


@lru_cache(maxsize=1)
def _trusting() -> ssl.SSLContext:
    """TLS 1.2 and later, certificates checked against this machine's list and certifi's."""
    import ssl

    import certifi

    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    return context
