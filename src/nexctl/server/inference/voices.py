"""The shapes in which an answer is told: one voice for each inference route.

Inside, everything is a chat completion and its chunks; a voice turns these into what the route's
callers understand, whole or as the events of a stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from nexctl.wire.base import encode

if TYPE_CHECKING:
    from nexctl.server.calls import Call
    from nexctl.server.inference.chat import Job
    from nexctl.wire.chat import ChatUsage, Chunk, Completion, Nex


class Teller(Protocol):
    """Tells one stream. Every method returns the bytes of its events, perhaps none."""

    def piece(self, chunk: Chunk) -> bytes:
        """One chunk that adds something."""
        ...

    def end(self, last: Chunk | None, usage: ChatUsage, nex: Nex, whole: bool) -> bytes:
        """The end, with the last chunk that was kept back; `whole` False where it broke off."""
        ...

    def error(self, envelope: dict[str, Any]) -> bytes:
        """A refusal inside the stream."""
        ...


class Voice(Protocol):
    """One shape."""

    def whole(self, job: Job, answer: Completion) -> Any:
        """The answer's body."""
        ...

    def teller(self, job: Job, first: Chunk) -> Teller:
        """What tells a stream that begins with this chunk."""
        ...


def event(value: Any) -> bytes:
    """One event without a name."""
    return b"data: " + encode(value) + b"\n\n"


def named(kind: str, value: Any) -> bytes:
    """One event with a name."""
    return b"event: " + kind.encode() + b"\n" + event(value)


class Calls:
    """Puts the pieces of several calls in order: one call at a time, the next when it is whole."""

    def __init__(self) -> None:
        self._now: Any = None
        self._text = ""
        self._waiting: dict[Any, list[dict[str, Any]]] = {}
        self._done: set[Any] = set()

    def take(self, called: dict[str, Any]) -> list[dict[str, Any]]:
        """The pieces that may be told, now that this one has come."""
        index = called.get("index", 0)
        if index in self._done:
            return []
        self._waiting.setdefault(index, []).append(called)
        told = self._pieces() if self._now in (None, index) else []
        while self._waiting and self._is_whole():
            told += self._pieces()
        return told

    def rest(self) -> list[dict[str, Any]]:
        """The pieces that still wait, at the end."""
        told: list[dict[str, Any]] = []
        while self._waiting:
            told += self._pieces()
        return told

    def _pieces(self) -> list[dict[str, Any]]:
        """What waits of the call under way, or else of the next one."""
        index = self._now if self._now in self._waiting else next(iter(self._waiting))
        if index != self._now:
            self._done.add(self._now)
            self._now, self._text = index, ""
        pieces = self._waiting.pop(index)
        for piece in pieces:
            self._text += (piece.get("function") or {}).get("arguments") or ""
        return pieces

    def _is_whole(self) -> bool:
        if not self._text.rstrip().endswith("}"):
            return False
        try:
            msgspec.json.decode(self._text)
        except (msgspec.DecodeError, ValueError, RecursionError):
            return False
        return True


class _ChatTeller:
    def __init__(self, job: Job, first: Chunk) -> None:
        self._first = first
        options = job.call.body.stream_options
        self._wants_usage = bool(options is not None and options.include_usage)

    def piece(self, chunk: Chunk) -> bytes:
        return event(chunk)

    def end(self, last: Chunk | None, usage: ChatUsage, nex: Nex, whole: bool) -> bytes:
        told = b""
        final = last or self._empty()
        if self._wants_usage:
            if last is not None:
                told = event(last)
            final = self._empty(silent=True)
            final.usage = usage
        final.nex = nex
        return told + event(final) + (b"data: [DONE]\n\n" if whole else b"")

    def error(self, envelope: dict[str, Any]) -> bytes:
        return event(envelope)

    def _empty(self, *, silent: bool = False) -> Chunk:
        from nexctl.wire.chat import Chunk, ChunkChoice, Delta

        first = self._first
        return Chunk(
            id=first.id,
            object="chat.completion.chunk",
            created=first.created,
            model=first.model,
            choices=[] if silent else [ChunkChoice(index=0, delta=Delta())],
        )


class _Chat:
    """OpenAI's chat completions."""

    def whole(self, job: Job, answer: Completion) -> Completion:
        return answer

    def teller(self, job: Job, first: Chunk) -> Teller:
        return _ChatTeller(job, first)


CHAT: Voice = _Chat()


def as_chat(call: Call, chat: dict[str, Any]) -> Call:
    """The same call with a chat request as its body, as its own route says it."""
    from nexctl.server import bodies
    from nexctl.server.calls import Call

    inner = Call(call.house, call.route, call.request, call.values, call.trace_id)
    inner.caller, inner.raw, inner.query = call.caller, call.raw, call.query
    inner.plain, inner.body = chat, bodies.typed(chat, "chat.ChatRequest")
    return inner
