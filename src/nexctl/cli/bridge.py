"""A gateway inside this process as a transport: calls go to its ASGI application, over no socket.

A call that reaches no provider is one coroutine that never waits for anything, so it is driven by
hand, without an event loop. Calls that may wait (they reach a provider, or stream) run on a loop in
a thread of its own, where they go on to their end even when nobody reads any more.

A call says honestly what it is: it has no peer address, and brings its key as any other does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Generator, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from nexctl.safety.http import EMBEDDED, Call, NetworkError, Reply

if TYPE_CHECKING:
    import asyncio
    import queue
    import threading

HOST = b"localhost"
# What a stream that nobody reads may still take when the command ends.
CLOSING_SECONDS = 25.0

Message = dict[str, Any]
# What a loop's thread hands over: a message, None at the end, or what the call has failed with.
Told = Message | Exception | None


class Application(Protocol):
    """The ASGI application, and whether a call needs a loop."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Speak ASGI 3."""

    def waits(self, method: str, path: str) -> bool:
        """Whether a call may have to wait for something outside."""

    def close(self) -> None:
        """Let go of everything."""


class EmbeddedTransport:
    """Carries calls to one gateway in this process; see `safety.http.Transport`."""

    def __init__(self, application: Application) -> None:
        self.origin = EMBEDDED
        self._application = application
        self._loop: _Loop | None = None

    def __repr__(self) -> str:
        return "<EmbeddedTransport>"

    def send(self, call: Call, deadline: float) -> Reply:
        """Make one call. NetworkError `timeout` where it takes longer than until `deadline`."""
        path, _, query = call.target.partition("?")
        scope: Message = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": call.method,
            "scheme": "http",
            "path": _unquoted(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": _headers(call),
            "client": None,
            "server": None,
        }
        if not self._application.waits(call.method, scope["path"]):
            return _driven(self._application, scope, call)
        if self._loop is None:
            self._loop = _Loop()
        return self._loop.call(self._application, scope, call, deadline)

    def close(self) -> None:
        """Wait for streams that nobody reads, within a bound, then close the gateway."""
        loop, self._loop = self._loop, None
        if loop is not None:
            loop.close(self._application)
        self._application.close()


def _headers(call: Call) -> list[tuple[bytes, bytes]]:
    found = [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in call.headers.items()
    ]
    found.append((b"host", HOST))
    if call.size or call.method not in ("GET", "HEAD"):
        found.append((b"content-length", str(call.size).encode()))
    return found


def _given(call: Call) -> Iterator[Message]:
    """What is sent, piece by piece."""
    if call.upload is not None:
        for piece in call.upload.pieces():
            yield {"type": "http.request", "body": piece, "more_body": True}
        yield {"type": "http.request", "body": b"", "more_body": False}
    else:
        yield {"type": "http.request", "body": call.body, "more_body": False}


def _unquoted(path: str) -> str:
    if "%" not in path:
        return path
    from urllib.parse import unquote

    return unquote(path)


def _head(message: Message) -> tuple[int, dict[str, str]]:
    headers = {
        name.decode("latin-1").lower(): value.decode("latin-1")
        for name, value in message["headers"]
    }
    return message["status"], headers


def _failed() -> NetworkError:
    return NetworkError(
        "the embedded gateway broke off its answer",
        hint="try again; 'nexctl gateway verify' proves the ledger",
        code="connection_lost",
    )


# driven by hand ----------------------------------------------------------------------------------


def _driven(application: Application, scope: Message, call: Call) -> Reply:
    sent: list[Message] = []
    given = _given(call)

    async def receive() -> Message:
        return next(given, {"type": "http.disconnect"})

    async def send(message: Message) -> None:
        sent.append(message)
        if call.stream:
            # Handed on before the next one is made, so that a large answer is never held.
            await _Turn()

    work = application(scope, receive, send)
    if not call.stream:
        _drive(work)
        return _replied(sent, iter([message.get("body", b"") for message in sent[1:]]))
    more = _turned(work)

    def pieces() -> Iterator[bytes]:
        try:
            while bool(sent) or next(more, False):
                yield b"".join([message.get("body", b"") for message in sent])
                sent.clear()
        finally:
            work.close()

    next(more, False)
    first = sent[:1]
    del sent[:1]
    return _replied(first, pieces(), work.close)


def _replied(
    sent: list[Message], pieces: Iterator[bytes], close: Callable[[], object] | None = None
) -> Reply:
    if not sent or sent[0]["type"] != "http.response.start":
        raise _failed()
    return Reply(*_head(sent[0]), pieces, close)


class _Turn:
    """Gives the turn back to whoever drives the call."""

    def __await__(self) -> Generator[None, None, None]:
        yield None


def _turned(work: Coroutine[Any, Any, None]) -> Iterator[bool]:
    """Go on to where something was sent, one step a turn, until it has ended."""
    while True:
        try:
            work.send(None)
        except StopIteration:
            return
        yield True


def _drive(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that waits for nothing to its end."""
    try:
        work.send(None)
    except StopIteration:
        return
    work.close()
    raise AssertionError("a call that was said not to wait has waited")


# on a loop ---------------------------------------------------------------------------------------


class _Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        import asyncio
        import threading

        self._loop: asyncio.AbstractEventLoop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread: threading.Thread = threading.Thread(
            target=self._loop.run_forever, name="embedded-gateway", daemon=True
        )
        self._thread.start()

    def call(self, application: Application, scope: Message, call: Call, deadline: float) -> Reply:
        """Start a call; return when its head has come."""
        import queue

        messages: queue.SimpleQueue[Told] = queue.SimpleQueue()
        gone = self._started(application, scope, call, messages)
        first = self._next(messages, deadline, gone)
        if first is None:
            raise _failed()
        status, headers = _head(first)
        idle = call.seconds if call.stream and status < 400 else None
        pieces = self._pieces(messages, deadline, idle, gone)
        return Reply(status, headers, pieces, gone)

    def _started(
        self,
        application: Application,
        scope: Message,
        call: Call,
        messages: queue.SimpleQueue[Told],
    ) -> Callable[[], None]:
        """Begin on the loop; the answer makes the caller go away."""
        import asyncio

        loop = self._loop
        left = asyncio.Event()
        given = _given(call)

        async def receive() -> Message:
            following = next(given, None)
            if following is not None:
                return following
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if not left.is_set():
                messages.put(message)

        async def work() -> None:
            ended: Exception | None = None
            try:
                await application(scope, receive, send)
            except Exception as error:  # noqa: BLE001 - the caller's, as where no loop is between
                ended = error
            finally:
                messages.put(ended)

        def start() -> None:
            task = loop.create_task(work())
            self._tasks.add(task)
            task.add_done_callback(self._ended)

        loop.call_soon_threadsafe(start)

        def gone() -> None:
            loop.call_soon_threadsafe(left.set)

        return gone

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)

    def _next(
        self,
        messages: queue.SimpleQueue[Told],
        deadline: float,
        gone: Callable[[], None],
    ) -> Message | None:
        import queue

        try:
            told = messages.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            gone()
            raise NetworkError(
                "the embedded gateway did not answer in time",
                hint="try again, or give it longer with --timeout",
                code="timeout",
            ) from None
        if isinstance(told, Exception):
            raise told
        return told

    def _pieces(
        self,
        messages: queue.SimpleQueue[Told],
        deadline: float,
        idle: float | None,
        gone: Callable[[], None],
    ) -> Iterator[bytes]:
        while True:
            until = deadline if idle is None else time.monotonic() + idle
            message = self._next(messages, until, gone)
            if message is None:
                return
            body = message.get("body", b"")
            if body:
                yield body
            if not message.get("more_body", False):
                return

    def close(self, application: Application) -> None:
        """Let what is under way end, within a bound, then stop the loop."""
        import asyncio
        import concurrent.futures
        import contextlib

        async def end() -> None:
            pending = [*self._tasks, *getattr(application, "pending", tuple)()]
            if pending:
                await asyncio.wait(pending, timeout=CLOSING_SECONDS)
            finish = getattr(application, "finish", None)
            if finish is not None:
                await finish()

        with contextlib.suppress(concurrent.futures.TimeoutError):
            asyncio.run_coroutine_threadsafe(end(), self._loop).result(CLOSING_SECONDS + 5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        if not self._thread.is_alive():
            self._loop.close()
