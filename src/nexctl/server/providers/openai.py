"""The provider for everything that speaks OpenAI's chat completions and embeddings.

What it says is read leniently and told strictly: its answers become the contract's types, its error
texts go nowhere, its numbers are checked by the caller. Usage is always asked for in streams.
"""

from __future__ import annotations

import asyncio
import codecs
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from nexctl.server.providers.addresses import Place, is_loopback
from nexctl.server.providers.connections import Connection, Connections
from nexctl.server.providers.port import Fault, MediaDone, MediaWork, Work
from nexctl.wire import heard
from nexctl.wire.chat import Chunk, Completion
from nexctl.wire.embeddings import Embedding, Embeddings, EmbeddingUsage
from nexctl.wire.media import Image

DEFAULT_SECONDS = 120
MOST_BYTES = 64 * 1024 * 1024
MOST_EVENT = 16 * 1024 * 1024


class _Whole(bytes):
    """A whole answer where events were asked for."""


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
        headers = [
            ("content-type", "application/json"),
            ("accept-encoding", "identity"),
            ("user-agent", "nexctl-gateway"),
        ]
        if key:
            headers.append(("authorization", f"Bearer {key}"))
        self._connections = Connections(
            place, headers, allow_private=allow_private or is_loopback(place.host)
        )

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
        last: dict[int, int] = {}
        try:
            async with asyncio.timeout(self._seconds):
                answer = await self._post("/chat/completions", body)
        except TimeoutError:
            raise Fault("upstream_timeout", "no answer") from None
        try:
            if answer.status != 200:
                raise _refused(answer.status)
            async for data in _events(answer, self._seconds):
                if data == b"[DONE]":
                    return
                try:
                    said = heard.read(data)
                except (msgspec.DecodeError, ValueError, RecursionError):
                    raise Fault("upstream_error", "an event that is none") from None
                whole = isinstance(data, _Whole)
                if said.error is not None or (whole and not said.choices):
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
                if whole:
                    return
            raise Fault("upstream_error", "its stream broke off")
        except TimeoutError:
            raise Fault("upstream_timeout", "its stream stood still") from None
        finally:
            answer.release()

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
        """Close all connections that are not in use."""
        self._connections.close()

    async def _post(self, path: str, body: Any) -> Connection:
        return await self._connections.post(path, msgspec.json.encode(body))

    async def _whole(self, path: str, work: Work | MediaWork) -> bytes:
        try:
            async with asyncio.timeout(self._seconds):
                answer = await self._post(path, work.body)
                try:
                    if answer.status != 200:
                        raise _refused(answer.status)
                    pieces: list[bytes] = []
                    size = 0
                    async for piece in answer.pieces():
                        size += len(piece)
                        if size > MOST_BYTES:
                            raise Fault("upstream_error", "its answer is too large")
                        pieces.append(piece)
                finally:
                    answer.release()
        except TimeoutError:
            raise Fault("upstream_timeout", "no whole answer") from None
        return b"".join(pieces)


def _refused(status: int) -> Fault:
    """A status as the contract's code. The body is not read: it is the provider's, not ours."""
    why = f"status {status}"
    if status in (408, 504):
        return Fault("upstream_timeout", why)
    if status in (400, 404, 405, 413, 415, 422):
        return Fault("upstream_refused", why, elsewhere=status == 404)
    return Fault("upstream_error", why)


async def _events(
    answer: Connection,
    seconds: float,  # not money: seconds
) -> AsyncIterator[bytes]:
    """The data of each server-sent event; comments keep nobody waiting longer for the first.

    A server that knows no streams answers whole: a body that begins as an object is one.
    """
    until = time.monotonic() + seconds
    waiting = True
    rest, begun, whole = b"", False, False
    data: list[bytes] = []
    size = 0
    async for piece in answer.pieces(seconds):
        if waiting and time.monotonic() > until:
            raise TimeoutError
        rest += piece
        if len(rest) > MOST_EVENT:
            raise Fault("upstream_error", "an event that is too large")
        if not begun:
            rest = rest.removeprefix(codecs.BOM_UTF8)
            start = rest.lstrip()[:1]
            whole = start == b"{"
            if whole or not start or codecs.BOM_UTF8.startswith(rest):
                continue
            begun = True
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
    if whole:
        yield _Whole(rest)
    elif data:
        yield b"\n".join(data)
