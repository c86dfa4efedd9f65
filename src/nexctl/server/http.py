"""A request as it comes over ASGI, and the answers that go back: nothing but plain values.

The route table already says everything that a framework would (methods, body types, limits), so
these few lines stand where one would cost a command in this process three interpreter starts.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from msgspec import Struct

from nexctl.server.refusing import Refuse

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

# Headers that mean one thing only once.
_SINGLE = frozenset(
    ("authorization", "host", "content-length", "content-type", "idempotency-key", "x-request-id")
)
MOST_QUERY = 8 * 1024


class Disconnected(Exception):
    """The caller went away before its request was whole."""


class Request:
    """One request. Header names are lower case; a repeated one that matters is refused."""

    __slots__ = ("headers", "method", "path", "peer", "query", "receive", "scheme")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: bytes = scope.get("query_string", b"")
        self.scheme: str = scope.get("scheme", "http")
        client = scope.get("client")
        self.peer: str | None = client[0] if client else None
        self.receive = receive
        found: dict[str, str] = {}
        for raw_name, raw_value in scope["headers"]:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            if name in found:
                if name in _SINGLE:
                    raise Refuse("invalid_request", f"the header {name} stands there twice")
                value = f"{found[name]}, {value}"
            found[name] = value
        self.headers = found

    def pairs(self) -> dict[str, str]:
        """The query's fields; each may stand there once."""
        if len(self.query) > MOST_QUERY:
            raise Refuse("invalid_request", "the query is too long")
        try:
            found = parse_qsl(
                self.query.decode("ascii"),
                keep_blank_values=True,
                errors="strict",
                max_num_fields=64,
            )
        except (ValueError, UnicodeError):
            raise Refuse("invalid_request", "the query is not readable") from None
        fields = dict(found)
        if len(fields) != len(found):
            raise Refuse("invalid_request", "a field of the query stands there twice")
        return fields

    def declared_length(self) -> int | None:
        """What Content-Length says."""
        text = self.headers.get("content-length")
        if text is None:
            return None
        if not (text.isascii() and text.isdigit() and len(text) < 16):
            raise Refuse("invalid_request", "Content-Length is not a number")
        return int(text)

    async def body(self, limit: int) -> bytes:
        """The whole body; refused as soon as it is known to be over `limit` bytes."""
        if (self.declared_length() or 0) > limit:
            raise _too_large(limit)
        first = await self.receive()
        pieces: list[bytes] = []
        size = 0
        message = first
        while True:
            if message["type"] == "http.disconnect":
                raise Disconnected
            piece = message.get("body", b"")
            size += len(piece)
            if size > limit:
                raise _too_large(limit)
            pieces.append(piece)
            if not message.get("more_body", False):
                return pieces[0] if len(pieces) == 1 else b"".join(pieces)
            message = await self.receive()


def _too_large(limit: int) -> Refuse:
    return Refuse("payload_too_large", f"the body is larger than {limit:,} bytes")


class Answer(Struct, frozen=True):
    """A whole answer. `body` is a Struct or plain value for JSON, or bytes as they are."""

    body: Any
    status: int = 200
    headers: tuple[tuple[bytes, bytes], ...] = ()
    media: bytes = b"application/json"


class Streamed(NamedTuple):
    """An answer in pieces. `pieces` is closed when the caller goes away."""

    pieces: AsyncIterator[bytes]
    headers: tuple[tuple[bytes, bytes], ...] = ()
    media: bytes = b"text/event-stream; charset=utf-8"
