"""The one way to a gateway: calls, replies, and the client that makes a call hold.

A `Transport` carries one call to one origin: over the network (`network.HttpTransport`) or inside
this process. Everything above it is the same for both: the key that belongs to one origin, the
total deadline, limits on size, repetition of what may be repeated, no redirects, redaction.
This module imports no HTTP library.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, Protocol

from nexctl.errors import EXIT_NETWORK, ConfigError, NexctlError
from nexctl.safety import redaction, retry

ANSWER_LIMIT = 32 * 1024 * 1024
ERROR_LIMIT = 1024 * 1024
EVENT_LIMIT = 16 * 1024 * 1024
DEFAULT_SECONDS = 60.0
CONNECT_SECONDS = 10.0
LONGEST_STREAM_SECONDS = 3600.0
TRIES = 4

NOTHING: Mapping[str, str] = {}


class NetworkError(NexctlError):
    """No usable answer came (exit 7). `sent`: the call may have reached the gateway."""

    code = "network"
    exit = EXIT_NETWORK

    def __init__(
        self, message: str, *, code: str, hint: str | None = None, sent: bool = True
    ) -> None:
        super().__init__(message, hint=hint, code=code)
        self.sent = sent


class Key:
    """A secret for one origin. It never shows in a representation."""

    __slots__ = ("origin", "value")

    def __init__(self, value: str, origin: str) -> None:
        self.value = value
        self.origin = origin

    def __repr__(self) -> str:
        return f"<Key for {self.origin}>"


class Upload(NamedTuple):
    """A body of `size` bytes that is read as it is sent; `pieces()` begins it anew each time."""

    size: int
    pieces: Callable[[], Iterator[bytes]]


class Call(NamedTuple):
    """One call. `target` is path and query, beginning with "/": never another host.

    `repeatable` says that making it twice does what making it once does (reads, and writes with
    an idempotency key or a request id). `stream` leaves the body of a good answer unread.
    `limit` is the largest answer in bytes. `seconds` is the total time, with `stream` the time to
    the first byte and between two pieces (default: the client's). `upload` is sent instead of
    `body` where that is too large to be held.
    """

    method: str
    target: str
    headers: Mapping[str, str] = NOTHING
    body: bytes = b""
    repeatable: bool = False
    stream: bool = False
    limit: int = ANSWER_LIMIT
    seconds: float | None = None
    upload: Upload | None = None

    @property
    def size(self) -> int:
        """The length of what is sent."""
        return len(self.body) if self.upload is None else self.upload.size


class Reply:
    """An answer: `status`, `headers` (lower-case names), the body read once, in pieces or whole.

    Made by transports. `pieces` may raise NetworkError; `close` may be called at any time.
    """

    __slots__ = ("_body", "_close", "_pieces", "headers", "status")

    def __init__(
        self,
        status: int,
        headers: Mapping[str, str],
        pieces: Iterator[bytes],
        close: Callable[[], object] | None = None,
    ) -> None:
        self.status = status
        self.headers = headers
        self._pieces = pieces
        self._close = close
        self._body: bytes | None = None

    def __enter__(self) -> Reply:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def pieces(self) -> Iterator[bytes]:
        """The body as it comes, once."""
        try:
            yield from self._pieces
        finally:
            self.close()

    def read(self, limit: int = ANSWER_LIMIT, seconds: float | None = None) -> bytes:
        """The whole body; NetworkError `answer_too_large` above `limit` bytes.

        `seconds` is for an answer whose pieces alone are timed: NetworkError `timeout` after them.
        """
        if self._body is None:
            found: list[bytes] = []
            size = 0
            started = time.monotonic()
            for piece in self.pieces():
                size += len(piece)
                if size > limit:
                    self.close()
                    raise too_large(limit)
                if seconds is not None and time.monotonic() - started > seconds:
                    self.close()
                    raise late("the gateway", sent=True)
                found.append(piece)
            self._body = b"".join(found)
        return self._body

    def close(self) -> None:
        """Let go of the connection. Harmless when done twice."""
        close, self._close = self._close, None
        if close is not None:
            close()


EMBEDDED = "embedded"


class Transport(Protocol):
    """Carries calls to one origin; that of a gateway in this process is EMBEDDED."""

    @property
    def origin(self) -> str:
        """`scheme://host:port`, or EMBEDDED."""

    def send(self, call: Call, deadline: float) -> Reply:
        """Make one try. NetworkError where no answer came by `deadline` (time.monotonic())."""

    def close(self) -> None:
        """Let go of everything."""


Judge = Callable[[Reply], bool | None]


class Client:
    """Makes calls hold over a transport: one origin, deadline, limits, repetition, redaction.

    `key` must belong to the transport's origin. `judge` is asked about every answer of 400 and
    more whether to try again, before its status is looked at: None leaves it to the status.
    `on_retry(reason, seconds)` and `debug(line)` are told what happens, redacted. `headers` go with
    every call.
    """

    def __init__(
        self,
        transport: Transport,
        key: Key | None = None,
        *,
        seconds: float = DEFAULT_SECONDS,
        tries: int = TRIES,
        judge: Judge | None = None,
        on_retry: Callable[[str, float], object] | None = None,
        debug: Callable[[str], object] | None = None,
        sleep: Callable[[float], object] = time.sleep,
        user_agent: str = "nexctl",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        if key is not None and key.origin != transport.origin:
            raise ConfigError(
                f"the key belongs to {key.origin}, not to {transport.origin}",
                hint="log in to this gateway with a key of its own",
                code="key_origin",
            )
        self.transport = transport
        self.seconds = seconds
        self._key = key
        self._tries = max(1, tries)
        self._judge = judge
        self._on_retry = on_retry
        self._debug = debug
        self._sleep = sleep
        self._user_agent = user_agent
        self._always = dict(headers or {})

    def __repr__(self) -> str:
        return f"<Client of {self.transport.origin}>"

    def close(self) -> None:
        """Let go of the transport."""
        self.transport.close()

    def send(self, call: Call) -> Reply:
        """Make a call, and again where that is safe and may help; return the last answer.

        The body is read unless `call.stream` asks for a good answer's pieces. An answer of 400
        and more is returned, not raised. NetworkError where none came in time, for a redirect,
        and for an answer over `call.limit`.
        """
        if not call.target.startswith("/") or call.target.startswith("//"):
            raise ValueError("a call goes to a path of the client's own origin")
        call = call._replace(headers=self._headers(call))
        seconds = self.seconds if call.seconds is None else call.seconds
        deadline = time.monotonic() + seconds
        attempt = 1
        while True:
            reply, error, delay = self._attempt(call, deadline, attempt)
            left = deadline - time.monotonic()
            if delay is None or attempt >= self._tries or delay >= left:
                if error is not None:
                    raise error
                if reply is None:
                    raise AssertionError("neither an answer nor an error")
                return reply
            if self._on_retry is not None:
                self._on_retry(error.message if error else f"status {_status(reply)}", delay)
            self._sleep(delay)
            attempt += 1

    def _attempt(
        self, call: Call, deadline: float, attempt: int
    ) -> tuple[Reply | None, NetworkError | None, float | None]:
        """One try: its answer or error, and the seconds until another one where that may help."""
        started = time.monotonic()
        try:
            reply = self.transport.send(call, deadline)
            if 300 <= reply.status < 400:
                raise self._redirect(reply)
            if reply.status >= 400 or not call.stream:
                reply.read(ERROR_LIMIT if reply.status >= 400 else call.limit)
        except NetworkError as error:
            self._note(call, attempt, f"{error.code}: {error.message}", started)
            again = error.code in REPEATED_FAULTS and (call.repeatable or not error.sent)
            return None, self._redacted(error), retry.back_off(attempt) if again else None
        self._note(call, attempt, f"status {reply.status}", started, reply.headers)
        return reply, None, self._delay(call, reply, attempt)

    def _delay(self, call: Call, reply: Reply, attempt: int) -> float | None:
        if reply.status < 400 or not call.repeatable:
            return None
        verdict = self._judge(reply) if self._judge is not None else None
        if verdict is None:
            verdict = retry.retried_status(reply.status)
        if not verdict:
            return None
        asked = retry.retry_after(reply.headers)
        if asked is None:
            return retry.back_off(attempt)
        return asked if asked <= retry.RETRY_AFTER_CAP else None

    def _headers(self, call: Call) -> dict[str, str]:
        headers = {
            "accept": "text/event-stream" if call.stream else "application/json",
            # What is not compressed cannot be a bomb.
            "accept-encoding": "identity",
            "user-agent": self._user_agent,
            **self._always,
        }
        if call.size:
            headers["content-type"] = "application/json"
        headers.update(call.headers)
        if self._key is not None:
            headers["authorization"] = f"Bearer {self._key.value}"
        return headers

    def _redirect(self, reply: Reply) -> NetworkError:
        reply.close()
        # Redacted before it is cut: half a key would not be known as one.
        target = redaction.redact(reply.headers.get("location", "nowhere"), self.known)
        return NetworkError(
            f"{self.transport.origin} redirects to {target[:200]}; a key goes to one origin only",
            hint="if that is the gateway's new address, put it into the profile",
            code="redirect_refused",
        )

    @property
    def known(self) -> tuple[str, ...]:
        """The secrets that go with every call: what is shown of an answer has them masked."""
        return (self._key.value,) if self._key is not None else ()

    def _redacted(self, error: NetworkError) -> NetworkError:
        error.message = redaction.redact(error.message, self.known)
        error.args = (error.message,)
        return error

    def _note(
        self,
        call: Call,
        attempt: int,
        outcome: str,
        started: float,
        headers: Mapping[str, str] = NOTHING,
    ) -> None:
        """One line for --debug: never a body, never a secret."""
        if self._debug is None:
            return
        took = int((time.monotonic() - started) * 1000)
        shown = {
            name: headers[name]
            for name in ("x-request-id", "x-gateway-error-category", "retry-after", "content-type")
            if name in headers
        }
        sent = redaction.headers(call.headers, self.known)
        line = (
            f"{call.method} {self.transport.origin}{call.target} try {attempt}: {outcome} "
            f"in {took} ms; sent {call.size} bytes, {sent}; got {shown}"
        )
        self._debug(redaction.redact(line, self.known))


REPEATED_FAULTS = frozenset(("connect_failed", "timeout", "connection_lost"))


def late(origin: str, *, sent: bool) -> NetworkError:
    """The error of an answer that did not come in time; `sent` where it was asked for."""
    what = "did not answer in time" if sent else "could not be reached in time"
    return NetworkError(
        f"{origin} {what}",
        hint="try again, or give it longer with --timeout",
        code="timeout",
        sent=sent,
    )


def too_large(limit: int) -> NetworkError:
    """The error of an answer over its limit in bytes."""
    return NetworkError(
        f"the gateway's answer is larger than {limit:,} bytes",
        hint="ask for less at once",
        code="answer_too_large",
    )


def new_idempotency_key() -> str:
    """A key for one call, made once and used for all its tries."""
    return f"nexctl-{os.urandom(16).hex()}"


def _status(reply: Reply | None) -> int:
    return reply.status if reply is not None else 0
