"""The provider for everything that speaks OpenAI's chat completions and embeddings.

What it says is read leniently and told strictly: its answers become the contract's types, its error
texts go nowhere, its numbers are checked by the caller. Usage is always asked for in streams.
It stands on httpcore, with a network that connects only to addresses that were checked.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterable
from typing import Any, NoReturn

import httpcore
import msgspec

from nexctl.server.providers.addresses import Place, checked, is_loopback
from nexctl.server.providers.port import Fault, MediaDone, MediaWork, Work
from nexctl.wire import heard
from nexctl.wire.chat import Chunk, Completion
from nexctl.wire.embeddings import Embedding, Embeddings, EmbeddingUsage
from nexctl.wire.media import Image

CONNECT_SECONDS = 10.0  # not money: seconds
DEFAULT_SECONDS = 120
MOST_BYTES = 64 * 1024 * 1024
MOST_EVENT = 16 * 1024 * 1024


_FAULTS = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.UnsupportedProtocol,
    TimeoutError,
    OSError,
)


class _Vector(msgspec.Struct):
    index: int
    embedding: list[float] | str  # not money: a vector


class _Vectors(msgspec.Struct):
    data: list[_Vector]
    usage: Any = None


class _Pictures(msgspec.Struct):
    data: list[Image]


_pictures = msgspec.json.Decoder(_Pictures)
_vectors = msgspec.json.Decoder(_Vectors)


class OpenAI:
    """One upstream. `key` goes to its origin alone and is never shown."""

    def __init__(
        self, id: str, place: Place, key: str | None, *, seconds: int | None, allow_private: bool
    ) -> None:
        self.id = id
        self._place = place
        self._seconds = float(seconds or DEFAULT_SECONDS)  # not money: seconds
        network = _Network(allow_private or is_loopback(place.host))
        self._pool = httpcore.AsyncConnectionPool(
            max_connections=1000, max_keepalive_connections=100, network_backend=network
        )
        shown = f"[{place.host}]" if ":" in place.host else place.host
        self._headers = [
            ("host", shown if place.port in (80, 443) else f"{shown}:{place.port}"),
            ("content-type", "application/json"),
            ("accept-encoding", "identity"),
            ("user-agent", "nexctl-gateway"),
        ]
        if key:
            self._headers.append(("authorization", f"Bearer {key}"))

    def __repr__(self) -> str:
        return f"<OpenAI {self.id}>"

    async def complete(self, work: Work) -> Completion:
        """One whole answer."""
        raw = await self._whole("/chat/completions", work)
        try:
            said = heard.read(raw)
        except (msgspec.DecodeError, ValueError, RecursionError):
            raise Fault("upstream_error", "its answer is not one") from None
        if said.error is not None or not said.choices:
            raise Fault("upstream_error", "an error in an answer of 200")
        return Completion(
            id=work.request_id,
            object="chat.completion",
            created=work.created,
            model=work.model,
            choices=heard.choices(said)[: work.answers],
            usage=heard.usage(said.usage),
        )

    async def stream(self, work: Work) -> AsyncIterator[Chunk]:
        """The events of a stream."""
        body = {**work.body, "stream": True, "stream_options": {"include_usage": True}}
        request = self._request("/chat/completions", body)
        last: dict[int, int] = {}
        try:
            response = await self._pool.handle_async_request(request)
        except _FAULTS as error:
            _fail(error)
        try:
            if response.status != 200:
                raise _refused(response.status)
            async for data in _events(response, self._seconds):
                if data == b"[DONE]":
                    return
                try:
                    said = heard.read(data)
                except (msgspec.DecodeError, ValueError, RecursionError):
                    raise Fault("upstream_error", "an event that is none") from None
                if said.error is not None:
                    raise Fault("upstream_error", "an error in its stream")
                yield Chunk(
                    id=work.request_id,
                    object="chat.completion.chunk",
                    created=work.created,
                    model=work.model,
                    choices=[
                        choice
                        for choice in heard.changes(said, last)
                        if 0 <= choice.index < work.answers
                    ],
                    usage=heard.usage(said.usage),
                )
            raise Fault("upstream_error", "its stream broke off")
        except _FAULTS as error:
            _fail(error)
        finally:
            await response.aclose()

    async def embed(self, work: Work) -> Embeddings:
        """Vectors, in the order of the input."""
        raw = await self._whole("/embeddings", work)
        try:
            said = _vectors.decode(raw)
        except (msgspec.DecodeError, ValueError, RecursionError):
            raise Fault("upstream_error", "its answer is not one") from None
        usage = said.usage
        tokens = heard.number(usage.get("prompt_tokens")) if isinstance(usage, dict) else None
        # -1 is what no provider counts: the caller takes its own count then.
        tokens = -1 if tokens is None else tokens
        return Embeddings(
            model=work.model,
            data=[Embedding(index=row.index, embedding=row.embedding) for row in said.data],
            usage=EmbeddingUsage(prompt_tokens=tokens, total_tokens=tokens),
        )

    async def images(self, work: MediaWork) -> MediaDone:
        """Images, as many as were asked for at most."""
        raw = await self._whole("/images/generations", work)
        try:
            found = _pictures.decode(raw).data
        except (msgspec.DecodeError, ValueError, RecursionError):
            raise Fault("upstream_error", "its answer is not one") from None
        items = [one for one in found if one.b64_json is not None or one.url is not None]
        return MediaDone(items[: work.number])

    async def video(self, work: MediaWork) -> MediaDone:
        """Such providers make videos as jobs that are asked for later: not served through here."""
        raise Fault("upstream_refused", "videos of this kind of provider are not served")

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.aclose()

    def _request(self, path: str, body: Any) -> httpcore.Request:
        place, raw = self._place, msgspec.json.encode(body)
        return httpcore.Request(
            "POST",
            httpcore.URL(
                scheme=place.scheme, host=place.host, port=place.port, target=place.base + path
            ),
            headers=[*self._headers, ("content-length", str(len(raw)))],
            content=raw,
            extensions={
                "timeout": {
                    "connect": CONNECT_SECONDS,
                    "read": self._seconds,
                    "write": self._seconds,
                    "pool": CONNECT_SECONDS,
                }
            },
        )

    async def _whole(self, path: str, work: Work | MediaWork) -> bytes:
        request = self._request(path, work.body)
        try:
            async with asyncio.timeout(self._seconds):
                response = await self._pool.handle_async_request(request)
                try:
                    if response.status != 200:
                        raise _refused(response.status)
                    pieces: list[bytes] = []
                    size = 0
                    async for piece in response.aiter_stream():
                        size += len(piece)
                        if size > MOST_BYTES:
                            raise Fault("upstream_error", "its answer is too large")
                        pieces.append(piece)
                finally:
                    await response.aclose()
        except _FAULTS as error:
            _fail(error)
        return b"".join(pieces)


def _refused(status: int) -> Fault:
    """A status as the contract's code. The body is not read: it is the provider's, not ours."""
    why = f"status {status}"
    if status in (408, 504):
        return Fault("upstream_timeout", why)
    if status in (400, 404, 405, 413, 415, 422):
        return Fault("upstream_refused", why, elsewhere=status == 404)
    return Fault("upstream_error", why)


def _fail(error: Exception) -> NoReturn:
    kind = type(error).__name__
    if isinstance(error, httpcore.ConnectTimeout | httpcore.PoolTimeout | httpcore.ConnectError):
        raise Fault("upstream_unavailable", kind) from None
    if isinstance(error, httpcore.TimeoutException | TimeoutError):
        raise Fault("upstream_timeout", kind) from None
    if isinstance(error, OSError):
        raise Fault("upstream_unavailable", kind) from None
    raise Fault("upstream_error", kind) from None


async def _events(
    response: httpcore.Response,
    seconds: float,  # not money: seconds
) -> AsyncIterator[bytes]:
    """The data of each server-sent event; comments keep nobody waiting longer for the first."""
    until = time.monotonic() + seconds
    waiting = True
    rest = b""
    data: list[bytes] = []
    size = 0
    async for piece in response.aiter_stream():
        if waiting and time.monotonic() > until:
            raise TimeoutError
        rest += piece
        if len(rest) > MOST_EVENT:
            raise Fault("upstream_error", "an event that is too large")
        *lines, rest = rest.replace(b"\r\n", b"\n").split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                data.append(line[5:].strip())
                size += len(line)
                if size > MOST_EVENT:
                    raise Fault("upstream_error", "an event that is too large")
            elif not line and data:
                waiting = False
                yield b"\n".join(data)
                data, size = [], 0
    if data:
        yield b"\n".join(data)


class _Network(httpcore.AsyncNetworkBackend):
    """Looks a name up once, checks every address, connects to one that was checked."""

    def __init__(self, allow_private: bool) -> None:
        from httpcore._backends.anyio import AnyIOBackend

        self._inner = AnyIOBackend()
        self._allow_private = allow_private

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # not money: seconds
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            rows = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found = checked(
                list(dict.fromkeys(str(row[4][0]) for row in rows)), self._allow_private
            )
        except OSError as error:
            raise httpcore.ConnectError(type(error).__name__) from None
        fault: Exception = httpcore.ConnectError("no address")
        for address in found[:4]:
            try:
                return await self._inner.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                fault = error
        raise fault

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # not money: seconds
        socket_options: Iterable[Any] | None = None,  # not money: seconds
    ) -> httpcore.AsyncNetworkStream:
        raise httpcore.ConnectError("not over a file")

    async def sleep(self, seconds: float) -> None:  # not money: seconds
        await asyncio.sleep(seconds)
