"""The provider that answers what it was asked: offline, deterministic, with true token counts.

It can be told to misbehave, by its options or for one request by `metadata` fields that begin with
"echo.", so that every path of the gateway can be seen without a real provider:

    fail = "500"        answer with that status instead (429, 401, ...); "timeout", "refused"
    stall = "0.5"       wait so many seconds before the first piece
    pause = "0.05"      wait so many seconds between two pieces of a stream
    break = "3"         break the stream off after so many pieces
    usage = "omit"      send no usage
    usage = "input=5,output=-1,cached=9"   send these numbers instead of the true ones; a video's
                        is "gpu_second=7"
    answer = "..."      answer this instead of the last user message
    tokens = "100"      answer about that many tokens
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Mapping
from hashlib import shake_256
from typing import Any

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

PREFIX = "echo."
NAMES = ("fail", "stall", "pause", "break", "usage", "answer", "tokens")
LONGEST_WAIT = 600.0  # not money: seconds
PIECE = 24
DIMENSIONS = 256
WORD = "echo "


class Echo:
    """See the module's words. `options` hold the names without "echo."."""

    def __init__(self, id: str, options: Mapping[str, Any]) -> None:
        self.id = id
        self._options = {name: str(options[name]) for name in NAMES if name in options}

    async def complete(self, work: Work) -> Completion:
        """The last user message, `answers` times."""
        told = self._told(work)
        await _begin(told)
        text, reason = _answer(work, told)
        choices = [
            Choice(
                index=index,
                message=ChatMessage(role="assistant", content=text),
                finish_reason=reason,
            )
            for index in range(work.answers)
        ]
        return Completion(
            id=work.request_id,
            object="chat.completion",
            created=work.created,
            model=work.model,
            choices=choices,
            usage=_usage(work, told, text),
        )

    async def stream(self, work: Work) -> AsyncIterator[Chunk]:
        """The same in pieces of a few characters."""
        told = self._told(work)
        await _begin(told)
        text, reason = _answer(work, told)
        left = int(told["break"]) if "break" in told else -1
        pause = _seconds(told.get("pause", "0"))
        pieces = [text[at : at + PIECE] for at in range(0, len(text), PIECE)]
        for index in range(work.answers):
            yield _chunk(work, index, Delta(role="assistant", content=""))
        for piece in pieces:
            for index in range(work.answers):
                if left == 0:
                    raise Fault("upstream_error", "told to break off")
                left -= 1
                if pause:
                    await _wait(pause)
                yield _chunk(work, index, Delta(content=piece))
        for index in range(work.answers):
            yield _chunk(work, index, Delta(), reason)
        usage = _usage(work, told, text)
        if usage is not None:
            yield Chunk(
                id=work.request_id,
                object="chat.completion.chunk",
                created=work.created,
                model=work.model,
                choices=[],
                usage=usage,
            )

    async def embed(self, work: Work) -> Embeddings:
        """Vectors made from the texts' hashes: the same text gives the same vector."""
        told = self._told(work)
        await _begin(told)
        given = work.body["input"]
        texts = [given] if isinstance(given, str) or _is_tokens(given) else given
        size = work.body.get("dimensions") or work.dimensions or DIMENSIONS
        coded = work.body.get("encoding_format") == "base64"
        data = [
            Embedding(index=index, embedding=_vector(text, size, coded))
            for index, text in enumerate(texts)
        ]
        told_usage = _usage(work, told, "")
        tokens = work.input_tokens if told_usage is None else told_usage.prompt_tokens
        usage = EmbeddingUsage(prompt_tokens=tokens, total_tokens=tokens)
        return Embeddings(model=work.model, data=data, usage=usage)

    async def images(self, work: MediaWork) -> MediaDone:
        """Small pictures made from the prompt's hash: the same prompt gives the same ones."""
        await _begin(self._told(work))
        coded = work.body.get("response_format") == "b64_json"
        items = []
        for number in range(work.number):
            picture = _base64(_picture(f"{number} {work.body['prompt']}"))
            items.append(
                Image(b64_json=picture) if coded else Image(url=f"data:image/png;base64,{picture}")
            )
        return MediaDone(items)

    async def video(self, work: MediaWork) -> MediaDone:
        """A film of one frame a second (YUV4MPEG2), as many GPU seconds as it lasts."""
        told = self._told(work)
        await _begin(told)
        frames = b"".join(
            b"FRAME\n" + shake_256(f"{number} {work.body['prompt']}".encode()).digest(384)
            for number in range(work.seconds)
        )
        film = b"YUV4MPEG2 W16 H16 F1:1 Ip A1:1 C420\n" + frames
        gpu: int | None = work.seconds
        lie = told.get("usage")
        if lie is not None:
            name, _, value = lie.partition("=")
            known = name == "gpu_second" and value.lstrip("-").isdigit()
            gpu = int(value[:20]) if known else None
        return MediaDone([Image(b64_json=_base64(film))], gpu)

    async def close(self) -> None:
        """Nothing is open."""

    def _told(self, work: Work | MediaWork) -> dict[str, str]:
        asked = {
            name.removeprefix(PREFIX): value
            for name, value in work.hints.items()
            if name.startswith(PREFIX)
        }
        return {**self._options, **asked}


async def _begin(told: Mapping[str, str]) -> None:
    if "stall" in told:
        await _wait(_seconds(told["stall"]))
    fail = told.get("fail")
    if fail is None:
        return
    if fail == "timeout":
        raise Fault("upstream_timeout", "told to time out")
    if fail == "refused" or (fail.isdigit() and fail.startswith("4") and fail != "429"):
        raise Fault("upstream_refused", f"told to fail with {fail[:10]}", elsewhere=False)
    raise Fault("upstream_error", f"told to fail with {fail[:10]}")


def _seconds(text: str) -> float:  # not money: seconds
    try:
        return min(LONGEST_WAIT, max(0.0, float(text)))  # not money: seconds
    except ValueError:
        return 0.0  # not money: seconds


async def _wait(seconds: float) -> None:  # not money: seconds
    import asyncio

    await asyncio.sleep(seconds)


def _answer(work: Work, told: Mapping[str, str]) -> tuple[str, str]:
    """The text, and why it ends: "stop", or "length" where the maximum cut it."""
    text = told.get("answer") or _last_words(work.body.get("messages", ()))
    if told.get("tokens", "").isdigit():
        text = WORD * min(int(told["tokens"][:8]), work.max_output)
    text = text or "(nothing was said)"
    if len(text.encode()) > work.max_output and work.count(text) > work.max_output:
        return work.cut(text, work.max_output), "length"
    return text, "stop"


def _last_words(messages: Any) -> str:
    """The text of the last user message, else of the last message with text."""
    last = ""
    for message in reversed(messages):
        content = message.get("content")
        if isinstance(content, list):
            content = "".join(part.get("text", "") for part in content)
        if content and message.get("role") == "user":
            return str(content)
        last = last or str(content or "")
    return last


def _usage(work: Work, told: Mapping[str, str], text: str) -> ChatUsage | None:
    lie = told.get("usage")
    if lie == "omit":
        return None
    into, output, cached, reasoning = work.input_tokens, 0, 0, 0
    if text:
        output = work.count(text) * work.answers
    for part in (lie or "").split(","):
        name, _, value = part.partition("=")
        if value.lstrip("-").isdigit():
            number = int(value[:20])
            into = number if name == "input" else into
            output = number if name == "output" else output
            cached = number if name == "cached" else cached
            reasoning = number if name == "reasoning" else reasoning
    return ChatUsage(
        prompt_tokens=into,
        completion_tokens=output,
        total_tokens=into + output,
        prompt_tokens_details=PromptDetails(cached_tokens=cached) if cached else None,
        completion_tokens_details=CompletionDetails(reasoning_tokens=reasoning)
        if reasoning
        else None,
    )


def _chunk(work: Work, index: int, delta: Delta, reason: str | None = None) -> Chunk:
    return Chunk(
        id=work.request_id,
        object="chat.completion.chunk",
        created=work.created,
        model=work.model,
        choices=[ChunkChoice(index=index, delta=delta, finish_reason=reason)],
    )


def _base64(raw: bytes) -> str:
    import base64

    return base64.b64encode(raw).decode("ascii")


def _picture(seed: str) -> bytes:
    """A PNG of 8 by 8 pixels in colours that follow from a text."""
    import zlib

    pixels = shake_256(seed.encode("utf-8", "replace")).digest(8 * 24)
    rows = b"".join(b"\0" + pixels[at : at + 24] for at in range(0, len(pixels), 24))

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def _is_tokens(given: Any) -> bool:
    return bool(given) and all(type(token) is int for token in given)


def _vector(text: Any, size: int, coded: bool) -> list[float] | str:  # not money: seconds
    """Numbers between -1 and 1 from a hash, of length one together."""
    raw = shake_256(repr(text).encode("utf-8", "replace")).digest(2 * size)
    values = [number / 32768 for number in struct.unpack(f"<{size}h", raw)]  # not money: seconds
    length = sum(value * value for value in values) ** 0.5 or 1.0  # not money: seconds
    values = [value / length for value in values]  # not money: seconds
    if not coded:
        return values
    import base64

    return base64.b64encode(struct.pack(f"<{size}f", *values)).decode("ascii")
