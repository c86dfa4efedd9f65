"""Calls made from the route table: a name, ids, a query, a body; an answer in the contract's type.

The same code serves a gateway in this process and one across the network: only the transport
under `safety.http.Client` differs.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from nexctl.errors import UsageError
from nexctl.gateways import refused
from nexctl.safety import http
from nexctl.safety.http import Call, NetworkError, Reply
from nexctl.wire import base
from nexctl.wire.routes import BY_NAME, Route, type_named

AnyStruct = TypeVar("AnyStruct", bound=msgspec.Struct)

# A batch file on a slow line, and what of results is still believed.
UPLOAD_SECONDS = 3600.0  # not money: seconds
LARGEST_DOWNLOAD = 8 * 1024**3
PIECE = 256 * 1024
# A list is finished long before; a gateway that never ends one is broken.
MOST_PAGES = 1_000_000


class GatewayClient:
    """Speaks the contract to one gateway. `name` is what messages call it."""

    def __init__(self, client: http.Client, name: str) -> None:
        self.http = client
        self.name = name
        self.here = client.transport.origin == http.EMBEDDED

    def ask(
        self,
        route_name: str,
        *ids: str,
        query: msgspec.Struct | None = None,
        body: msgspec.Struct | None = None,
        idempotency_key: str | None = None,
        seconds: float | None = None,  # not money: seconds
    ) -> Any:
        """Make one call and return its answer, decoded; in `seconds` where that is not as usual.

        Refused (its exit code by the code of the refusal) where the gateway says no, NetworkError
        where no usable answer came. A write gets an idempotency key, made once for all its tries;
        where its outcome is unknown the error names that key in `details`.
        """
        route = BY_NAME[route_name]
        call = self._call(route, ids, query, body, idempotency_key)
        with _unsure(call):
            reply = self._sent(call._replace(seconds=seconds))
            return self._decoded(route.response, reply.read())

    def raw(self, route_name: str, query: msgspec.Struct | None = None) -> bytes:
        """Make one reading call and return its answer as it came."""
        route = BY_NAME[route_name]
        return self._sent(self._call(route, (), query, None, None)).read()

    def stream(self, route_name: str, body: msgspec.Struct) -> Events:
        """Make a call whose answer comes in events."""
        route = BY_NAME[route_name]
        call = self._call(route, (), None, body, None)._replace(stream=True)
        reply = self._sent(call)
        kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "text/event-stream":
            reply.close()
            raise self._no_gateway(f"it answered {kind[:60] or 'nothing'} instead of a stream")
        event: type[msgspec.Struct] = type_named(route.streaming or "")
        return Events(self, reply, lambda data: base.decode(event, data))

    def upload(self, route_name: str, path: str, name: str, fields: Mapping[str, str]) -> Any:
        """Send a file in a form, read as it is sent; UsageError where it cannot be read.

        A try that broke off is made again: under its idempotency key the file is kept once.
        """
        route = BY_NAME[route_name]
        upload, kind = form_of(path, name, fields)
        if upload.size > route.body_limit:
            raise UsageError(
                f"{path} is larger than {route.body_limit:,} bytes",
                hint="split it into several batches",
                code="payload_too_large",
            )
        headers = {"content-type": kind, "idempotency-key": http.new_idempotency_key()}
        call = Call(route.method, route.path, headers, repeatable=True, upload=upload)
        call = call._replace(seconds=UPLOAD_SECONDS)
        with _unsure(call):
            return self._decoded(route.response, self._sent(call).read())

    def download(self, route_name: str, *ids: str) -> Iterator[bytes]:
        """Make a call whose answer is a file; its pieces as they come, once."""
        route = BY_NAME[route_name]
        call = Call(
            route.method,
            target_of(route, ids, None),
            {"accept": "*/*"},
            repeatable=True,
            stream=True,
            limit=LARGEST_DOWNLOAD,
        )
        return self._sent(call).pieces()

    def pages(self, route_name: str, query: Any = None, *ids: str) -> Iterator[Any]:
        """Every page of a list below `ids`; each is asked for when the one before is used up."""
        seen: set[str] = set()
        route = BY_NAME[route_name]
        asked = query
        for _ in range(MOST_PAGES):
            page = self.ask(route_name, *ids, query=asked)
            yield page
            cursor = page.next_cursor
            if cursor is None:
                return
            if cursor in seen or route.query is None:
                raise self._no_gateway("its list comes back to where it was")
            seen.add(cursor)
            asked = msgspec.structs.replace(query or type_named(route.query)(), cursor=cursor)
        raise self._no_gateway("its list does not end")

    def every(self, route_name: str, query: Any = None, *ids: str) -> Iterator[Any]:
        """Every item of a list below `ids`."""
        for page in self.pages(route_name, query, *ids):
            yield from page.data

    def close(self) -> None:
        """Let go of connections."""
        self.http.close()

    def _call(
        self,
        route: Route,
        ids: tuple[str, ...],
        query: msgspec.Struct | None,
        body: msgspec.Struct | None,
        idempotency_key: str | None,
    ) -> Call:
        raw = base.encode(body) if body is not None else b""
        headers: dict[str, str] = {}
        repeatable = not route.writes
        if route.idempotent:
            headers["idempotency-key"] = _header_safe(idempotency_key or http.new_idempotency_key())
            repeatable = True
        elif getattr(body, "request_id", None) is not None or route.name in FREE:
            repeatable = True
        if raw and len(raw) > route.body_limit:
            raise UsageError(
                f"the request is larger than {route.body_limit:,} bytes",
                hint="send less at once",
                code="payload_too_large",
            )
        return Call(route.method, target_of(route, ids, query), headers, raw, repeatable)

    def _sent(self, call: Call) -> Reply:
        reply = self.http.send(call)
        if reply.status >= 400:
            error_ = refused.refusal(reply, self.name, self.http.known, here=self.here)
            key = call.headers.get("idempotency-key")
            if key is not None and error_.exit in (7, 8):
                error_.details["idempotency_key"] = key
            raise error_
        return reply

    def _decoded(self, type_name: str | None, raw: bytes) -> Any:
        if type_name is None:
            return raw
        body: type[msgspec.Struct] = type_named(type_name)
        return decoded(body, raw, self._no_gateway)

    def _no_gateway(self, why: str) -> NetworkError:
        return no_gateway(f"{self.name} does not answer as this kind of gateway does", why)


@contextlib.contextmanager
def _unsure(call: Call) -> Iterator[None]:
    """An error after which nobody knows whether a write was done names what to ask for again."""
    try:
        yield
    except NetworkError as error:
        key = call.headers.get("idempotency-key")
        if key is not None and error.sent:
            error.details["idempotency_key"] = key
            again = f"whether it was done is not known; --idempotency-key {key} asks again"
            error.hint = f"{error.hint}; {again}" if error.code == "bad_answer" else again
        raise


def decoded(body: type[AnyStruct], raw: bytes, fault: Callable[[str], NetworkError]) -> AnyStruct:
    """An answer as a type; where it is none, what `fault` makes of the reason is raised."""
    try:
        return base.decode(body, raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # The place (`$.data[0].id`) helps; the content might be anything.
        raise fault(f"its answer is not one: {str(error)[:200]}") from None


def no_gateway(says: str, why: str) -> NetworkError:
    """The error of an answer that no such gateway gives."""
    return NetworkError(
        f"{says}: {why}",
        code="bad_answer",
        hint="check the profile's address and driver",
    )


# Inference that charges nothing may be made twice.
FREE = frozenset(("tokenize.create", "estimates.create"))


class Events:
    """The events of one stream, read once, to the end or closed; `read` decodes one.

    Where `ended` says so after the last one, no [DONE] is missed.
    """

    def __init__(
        self,
        client: GatewayClient,
        reply: Reply,
        read: Callable[[bytes], Any],
        ended: Callable[[], bool] = lambda: False,
    ) -> None:
        self._client = client
        self._reply = reply
        self._read = read
        self._ended = ended

    def close(self) -> None:
        """Stop listening."""
        self._reply.close()

    def __iter__(self) -> Iterator[Any]:
        """Each event. Refused for an error inside the stream, NetworkError where it breaks off."""
        try:
            for data in event_data(self._reply.pieces()):
                if data == b"[DONE]":
                    return
                yield self._event(data)
        finally:
            self.close()
        if self._ended():
            return
        raise NetworkError(
            f"{self._client.name} broke off its answer",
            code="connection_lost",
            hint="what was delivered may be charged",
        )

    def _event(self, data: bytes) -> Any:
        if b'"error"' in data[:4096]:
            parts = refused.parts_of(data)
            if parts.message is not None or parts.code is not None:
                headers, client = self._reply.headers, self._client
                raise refused.refusal_of(
                    data, 0, headers, client.name, client.http.known, here=client.here
                )
        try:
            return self._read(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self._client._no_gateway(f"an event is not one: {str(error)[:200]}") from None


def event_data(pieces: Iterator[bytes], limit: int = http.EVENT_LIMIT) -> Iterator[bytes]:
    """The data of each server-sent event, comments and other fields left out.

    Lines end in LF, CR LF or CR; an event ends with an empty line; several `data` lines are joined
    by LF. An event over `limit` bytes is refused. Source: the WHATWG's HTML standard, section
    "Server-sent events".
    """
    waiting: list[bytes] = []
    size = 0
    for line in _lines(pieces, limit):
        if not line:
            if waiting:
                yield b"\n".join(waiting)
            waiting, size = [], 0
            continue
        name, _, value = line.partition(b":")
        if name != b"data":
            continue
        value = value.removeprefix(b" ")
        size += len(value) + 1
        if size > limit:
            raise http.too_large(limit)
        waiting.append(value)
    # An event that no empty line ended is incomplete, by the standard.


def _lines(pieces: Iterator[bytes], limit: int) -> Iterator[bytes]:
    rest: list[bytes] = []
    size = 0
    after_return = False
    for piece in pieces:
        if not piece:
            continue
        if after_return:
            piece = piece.removeprefix(b"\n")
        after_return = piece.endswith(b"\r")
        lines = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        for line in lines[:-1]:
            rest.append(line)
            yield b"".join(rest)
            rest, size = [], 0
        rest.append(lines[-1])
        size += len(lines[-1])
        if size > limit:
            raise http.too_large(limit)


def form_of(path: str, name: str, fields: Mapping[str, str]) -> tuple[http.Upload, str]:
    """A multipart form with one file, and its content type. Source: RFC 7578."""
    boundary = f"nexctl-{os.urandom(16).hex()}"
    head = "".join(
        f'--{boundary}\r\ncontent-disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'
        for field, value in fields.items()
    )
    shown = name.replace("\\", "\\\\").replace('"', '\\"').replace("\r", " ").replace("\n", " ")
    head += (
        f'--{boundary}\r\ncontent-disposition: form-data; name="file"; filename="{shown}"\r\n'
        "content-type: application/octet-stream\r\n\r\n"
    )
    first, last = head.encode("utf-8", "replace"), f"\r\n--{boundary}--\r\n".encode()
    try:
        size = os.stat(path).st_size
    except OSError as error:
        raise _unreadable(path, error) from None

    def pieces() -> Iterator[bytes]:
        yield first
        left = size
        try:
            with open(path, "rb") as stream:
                while left and (piece := stream.read(min(PIECE, left))):
                    left -= len(piece)
                    yield piece
        except OSError as error:
            raise _unreadable(path, error) from None
        if left:
            raise UsageError(f"{path} has become shorter", hint="try again", code="file_changed")
        yield last

    upload = http.Upload(len(first) + size + len(last), pieces)
    return upload, f"multipart/form-data; boundary={boundary}"


def _unreadable(path: str, error: OSError) -> UsageError:
    return UsageError(f"{path}: {error.strerror}", hint="name a file", code="unreadable")


def target_of(route: Route, ids: tuple[str, ...], query: msgspec.Struct | None) -> str:
    """Path and query of a call. UsageError for an id that would change the path."""
    names = route.parameters
    if len(ids) != len(names):
        raise ValueError(f"{route.name} takes {len(names)} ids")
    path = route.path
    for name, value in zip(names, ids, strict=True):
        whole = f"{{{name}:path}}"
        deep = whole in path
        segments = value.split("/") if deep else [value]
        if any(segment in ("", ".", "..") for segment in segments) or len(value) > 256:
            raise UsageError(f"{value[:40]!r} is not an id", code="bad_id", hint="check the id")
        quoted = quote(value, safe="/" if deep else "")
        path = path.replace(whole if deep else f"{{{name}}}", quoted)
    pairs = base.plain(query) if query is not None else {}
    return f"{path}?{urlencode(pairs)}" if pairs else path


def root_of(base_url: str) -> str:
    """An address without the `/v1` that OpenAI's clients want at its end."""
    return base_url.rstrip("/").removesuffix("/v1")


def connect(
    transport: http.Transport, key: http.Key | None, name: str, **more: Any
) -> GatewayClient:
    """A client over a transport; `more` are the settings of `safety.http.Client`."""
    return GatewayClient(http.Client(transport, key, judge=refused.judge, **more), name)


def _header_safe(key: str) -> str:
    if not (0 < len(key) <= 255 and key.isascii() and key.isprintable() and " " not in key):
        raise UsageError(
            "an idempotency key is 1 to 255 printable ASCII characters without blanks",
            hint="leave --idempotency-key out: one is made",
            code="bad_idempotency_key",
        )
    return key
