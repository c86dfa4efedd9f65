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
from nexctl.wire.chat import (
    ChatMessage,
    ChatUsage,
    Choice,
    Chunk,
    ChunkChoice,
    Completion,
    CompletionDetails,
    Delta,
    PromptDetails,
)
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


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class _Call(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    type: str | None = None
    function: _Function | None = None


class _Message(msgspec.Struct):
    """An answer, or what one event adds to it."""

    role: str | None = None
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[_Call] | None = None
    function_call: _Function | None = None
    annotations: list[Any] | None = None


class _Choice(msgspec.Struct):
    index: int | None = None
    message: _Message | None = None
    delta: _Message | None = None
    finish_reason: str | None = None
    logprobs: dict[str, Any] | None = None


class _Said(msgspec.Struct):
    """A completion or a chunk, whatever else stands in it."""

    choices: list[_Choice] | None = None
    usage: Any = None
    error: Any = None


class _Vector(msgspec.Struct):
    index: int
    embedding: list[float] | str  # not money: a vector


class _Vectors(msgspec.Struct):
    data: list[_Vector]
    usage: Any = None


class _Pictures(msgspec.Struct):
    data: list[Image]


_said = msgspec.json.Decoder(_Said)
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
        self._headers = [
            ("host", place.host if place.port in (80, 443) else f"{place.host}:{place.port}"),
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
            said = _said.decode(raw)
        except (msgspec.DecodeError, ValueError, RecursionError):
            raise Fault("upstream_error", "its answer is not one") from None
        if said.error is not None or not said.choices:
            raise Fault("upstream_error", "an error in an answer of 200")
        choices = [
            Choice(
                index=place if choice.index is None else choice.index,
                message=_answer(choice.message or _Message()),
                finish_reason=choice.finish_reason,
                logprobs=choice.logprobs,
            )
            for place, choice in enumerate(said.choices[: work.answers])
        ]
        return Completion(
            id=work.request_id,
            object="chat.completion",
            created=work.created,
            model=work.model,
            choices=choices,
            usage=_usage(said.usage),
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
                    said = _said.decode(data)
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
                        ChunkChoice(
                            index=choice.index or 0,
                            delta=_added(_numbered(choice, last)),
                            finish_reason=choice.finish_reason,
                            logprobs=choice.logprobs,
                        )
                        for choice in said.choices or ()
                        if 0 <= (choice.index or 0) < work.answers
                    ],
                    usage=_usage(said.usage),
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
        tokens = _whole(usage.get("prompt_tokens")) if isinstance(usage, dict) else None
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


def _answer(said: _Message) -> ChatMessage:
    return ChatMessage(
        role=said.role or "assistant",
        content=said.content,
        refusal=said.refusal,
        reasoning_content=said.reasoning_content,
        tool_calls=[{"type": "function", **call} for call in _calls(said) or ()] or None,
        function_call=_function(said.function_call),
        annotations=said.annotations,
    )


def _numbered(choice: _Choice, last: dict[int, int]) -> _Message:
    """What an event adds, its calls numbered where a provider does not; `last` is each choice's."""
    said, place = choice.delta or _Message(), choice.index or 0
    for call in said.tool_calls or ():
        if call.index is None:
            call.index = max(0, last.get(place, -1) + (call.id is not None))
        last[place] = call.index
    return said


def _added(said: _Message) -> Delta:
    return Delta(
        role=said.role,
        content=said.content,
        refusal=said.refusal,
        reasoning_content=said.reasoning_content,
        tool_calls=_calls(said),
        function_call=_function(said.function_call),
    )


def _calls(said: _Message) -> list[dict[str, Any]] | None:
    """The calls with what is known of them, and nothing that could not be handed back."""
    if said.tool_calls is None:
        return None
    fields = ("index", "id", "type")
    return [
        {name: value for name in fields if (value := getattr(call, name)) is not None}
        | ({"function": _function(call.function)} if call.function is not None else {})
        for call in said.tool_calls
    ]


def _function(said: _Function | None) -> dict[str, Any] | None:
    """What is called; arguments are JSON text, also where a provider wrote them out."""
    if said is None:
        return None
    given = said.arguments
    text = msgspec.json.encode(given).decode() if isinstance(given, dict) else given
    return {
        name: value
        for name, value in (("name", said.name), ("arguments", text))
        if value is not None
    }


def _usage(said: Any) -> ChatUsage | None:
    """What it counted. None where a number is none: then the caller takes its own count.

    An answer that is there is not thrown away for a sum or a detail that is missing or null.
    """
    if not isinstance(said, dict):
        return None
    prompt, completion = said.get("prompt_tokens_details"), said.get("completion_tokens_details")
    into, out = _whole(said.get("prompt_tokens")), _whole(said.get("completion_tokens"))
    cached = _whole((prompt.get("cached_tokens") if isinstance(prompt, dict) else None) or 0)
    reasoning = _whole(
        (completion.get("reasoning_tokens") if isinstance(completion, dict) else None) or 0
    )
    if into is None or out is None or cached is None or reasoning is None:
        return None
    return ChatUsage(
        prompt_tokens=into,
        completion_tokens=out,
        total_tokens=into + out,
        prompt_tokens_details=PromptDetails(cached_tokens=cached),
        completion_tokens_details=CompletionDetails(reasoning_tokens=reasoning),
    )


def _whole(number: Any) -> int | None:
    return number if type(number) is int else None


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
