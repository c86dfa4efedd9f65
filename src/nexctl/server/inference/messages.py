"""POST /v1/messages: Claude's shape over the same conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from nexctl.server.calls import Call
from nexctl.server.http import Answer, Streamed
from nexctl.server.inference.chat import answered
from nexctl.server.inference.voices import Calls, as_chat, named
from nexctl.server.refusing import Refuse
from nexctl.wire import messages as wire

if TYPE_CHECKING:
    from nexctl.server.inference.chat import Job
    from nexctl.wire.chat import ChatUsage, Chunk, Completion, Nex

_SAME = ("model", "stream", "temperature", "top_p", "max_tokens", "request_id", "semantic_cache")
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}
_STOPS = {"length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
_ERRORS = {"platform": "api_error", "upstream": "api_error", "quota": "rate_limit_error"}


async def create(call: Call) -> Answer | Streamed:
    """Answer in the shape of Claude's messages."""
    return await answered(as_chat(call, chat_of(call.body)), VOICE)


def chat_of(body: wire.MessageRequest) -> dict[str, Any]:
    """The chat request that a message request means."""
    given: dict[str, Any] = msgspec.to_builtins(body)
    chat = {name: given[name] for name in _SAME if name in given}
    messages: list[dict[str, Any]] = []
    if body.system:
        system: Any = body.system
        if not isinstance(system, str):
            system = [{"type": "text", "text": part.text} for part in system]
        messages.append({"role": "system", "content": system})
    for place, message in enumerate(body.messages):
        if isinstance(message.content, str):
            messages.append({"role": message.role, "content": message.content})
        elif message.role == "user":
            _add_user(messages, message.content, f"messages[{place}].content")
        else:
            _add_assistant(messages, message.content, f"messages[{place}].content")
    chat["messages"] = messages
    if body.stop_sequences:
        chat["stop"] = list(body.stop_sequences)
    if body.metadata is not None and body.metadata.user_id is not None:
        chat["user"] = body.metadata.user_id
    _add_tools(chat, body)
    return chat


def _add_tools(chat: dict[str, Any], body: wire.MessageRequest) -> None:
    if body.tools:
        chat["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "parameters": tool.input_schema,
                    **({} if tool.description is None else {"description": tool.description}),
                },
            }
            for tool in body.tools
        ]
    choice = body.tool_choice
    if choice is None:
        return
    if choice.type == "tool":
        if choice.name is None:
            raise Refuse("invalid_request", "name the tool", param="tool_choice.name")
        chat["tool_choice"] = {"type": "function", "function": {"name": choice.name}}
    else:
        chat["tool_choice"] = _CHOICES[choice.type]
    if choice.disable_parallel_tool_use is not None:
        chat["parallel_tool_calls"] = not choice.disable_parallel_tool_use


def _add_user(messages: list[dict[str, Any]], blocks: list[wire.Block], place: str) -> None:
    """A user's turn: what tools gave comes first, each as a message of its own."""
    parts = []
    for block in blocks:
        if block.type == "tool_result":
            if block.tool_use_id is None:
                raise Refuse("invalid_request", "a result has tool_use_id", param=place)
            messages.append(
                {
                    "role": "tool",
                    "tool_call_id": block.tool_use_id,
                    "content": _result(block, place),
                }
            )
        else:
            parts.append(_part(block, place))
    if parts:
        messages.append({"role": "user", "content": parts})
    elif not blocks:
        raise Refuse("invalid_request", "the content is empty", param=place)


def _result(block: wire.Block, place: str) -> str | list[dict[str, Any]]:
    if block.content is None or isinstance(block.content, str):
        return block.content or ""
    return [_part(part, place) for part in block.content]


def _add_assistant(messages: list[dict[str, Any]], blocks: list[wire.Block], place: str) -> None:
    texts, calls = [], []
    for block in blocks:
        if block.type == "text" and block.text is not None:
            texts.append(block.text)
        elif block.type == "tool_use" and block.id is not None and block.name is not None:
            written = msgspec.json.encode(block.input or {}).decode()
            function = {"name": block.name, "arguments": written}
            calls.append({"id": block.id, "type": "function", "function": function})
        else:
            raise Refuse("invalid_request", "an assistant says text or tool_use", param=place)
    message: dict[str, Any] = {"role": "assistant", "content": "".join(texts) or None}
    if calls:
        message["tool_calls"] = calls
    elif not texts:
        raise Refuse("invalid_request", "the content is empty", param=place)
    messages.append(message)


def _part(block: wire.Block, place: str) -> dict[str, Any]:
    if block.type == "text" and block.text is not None:
        return {"type": "text", "text": block.text}
    source = block.source
    if block.type == "image" and source is not None:
        if source.type == "url" and source.url is not None:
            return {"type": "image_url", "image_url": {"url": source.url}}
        if source.data is not None and source.media_type is not None:
            address = f"data:{source.media_type};base64,{source.data}"
            return {"type": "image_url", "image_url": {"url": address}}
    raise Refuse("invalid_request", "that block lacks what its type says", param=place)


def _usage(usage: ChatUsage | None) -> wire.MessageUsage:
    if usage is None:
        return wire.MessageUsage(input_tokens=0, output_tokens=0)
    cached = usage.prompt_tokens_details.cached_tokens if usage.prompt_tokens_details else 0
    return wire.MessageUsage(
        input_tokens=usage.prompt_tokens - cached,
        output_tokens=usage.completion_tokens,
        cache_read_input_tokens=cached,
    )


def _stop(reason: str | None) -> str | None:
    return None if reason is None else _STOPS.get(reason, "end_turn")


class _Voice:
    def whole(self, job: Job, answer: Completion) -> wire.MessageAnswer:
        """The whole answer."""
        choice = answer.choices[0]
        message = choice.message
        content: list[dict[str, Any]] = []
        text = message.content or message.refusal
        if text or not message.tool_calls:
            content.append({"type": "text", "text": text or ""})
        for number, called in enumerate(message.tool_calls or ()):
            function = called.get("function") or {}
            content.append(
                {
                    "type": "tool_use",
                    "id": called.get("id") or f"toolu_{number}",
                    "name": function.get("name") or "",
                    "input": _arguments(function.get("arguments")),
                }
            )
        return wire.MessageAnswer(
            id="msg_" + answer.id.removeprefix("chatcmpl-"),
            type="message",
            role="assistant",
            model=answer.model,
            content=content,
            stop_reason=_stop(choice.finish_reason),
            stop_sequence=None,
            usage=_usage(answer.usage),
            nex=answer.nex,
        )

    def teller(self, job: Job, first: Chunk) -> _Teller:
        """What tells a stream."""
        return _Teller(first, job.count.tokens)


def _arguments(text: Any) -> dict[str, Any]:
    """What a model wrote as arguments; where it is no object it is handed on as it stands."""
    try:
        found = msgspec.json.decode(str(text or "{}"))
    except msgspec.DecodeError:
        return {"_raw": str(text)}
    return found if isinstance(found, dict) else {"_raw": str(text)}


VOICE = _Voice()


class _Teller:
    """The events of one message: blocks open one after the other."""

    def __init__(self, first: Chunk, counted: int) -> None:
        self._begun = False
        self._message = wire.MessageAnswer(
            id="msg_" + first.id.removeprefix("chatcmpl-"),
            type="message",
            role="assistant",
            model=first.model,
            content=[],
            stop_reason=None,
            stop_sequence=None,
            usage=wire.MessageUsage(input_tokens=counted, output_tokens=0),
        )
        self._index = -1
        self._open: Any = None
        self._reason: str | None = None
        self._calls = Calls()

    def piece(self, chunk: Chunk) -> bytes:
        told = self._begin()
        for choice in chunk.choices:
            if choice.index != 0:
                continue
            self._reason = choice.finish_reason or self._reason
            text = choice.delta.content or choice.delta.refusal
            if text:
                told += self._block("text", {"type": "text", "text": ""})
                told += self._delta({"type": "text_delta", "text": text})
            for called in choice.delta.tool_calls or ():
                told += b"".join(map(self._called, self._calls.take(called)))
        return told

    def end(self, last: Chunk | None, usage: ChatUsage, nex: Nex, whole: bool) -> bytes:
        told = self._begin() if last is None else self.piece(last)
        told += b"".join(map(self._called, self._calls.rest()))
        if self._index < 0:
            told += self._block("text", {"type": "text", "text": ""})
        told += self._close()
        delta = {"stop_reason": _stop(self._reason), "stop_sequence": None}
        told += named(
            "message_delta",
            {"type": "message_delta", "delta": delta, "usage": _usage(usage), "nex": nex},
        )
        if whole:
            told += named("message_stop", {"type": "message_stop"})
        return told

    def error(self, envelope: dict[str, Any]) -> bytes:
        problem = envelope["error"]
        kind = _ERRORS.get(problem["type"], "invalid_request_error")
        error = {"type": kind, "message": problem["message"], "code": problem["code"]}
        return named("error", {"type": "error", "error": error})

    def _begin(self) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        return named("message_start", {"type": "message_start", "message": self._message})

    def _block(self, mark: Any, content: dict[str, Any]) -> bytes:
        """Open a block unless it is the one that is open."""
        if self._open == mark:
            return b""
        told = self._close()
        self._index += 1
        self._open = mark
        return told + named(
            "content_block_start",
            {"type": "content_block_start", "index": self._index, "content_block": content},
        )

    def _called(self, called: dict[str, Any]) -> bytes:
        function = called.get("function") or {}
        mark = ("tool", called.get("index", 0))
        content: dict[str, Any] = {
            "type": "tool_use",
            "id": called.get("id") or f"toolu_{mark[1]}",
            "name": function.get("name") or "",
            "input": {},
        }
        told = self._block(mark, content)
        piece = function.get("arguments") or ""
        if piece:
            told += self._delta({"type": "input_json_delta", "partial_json": piece})
        return told

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return named(
            "content_block_delta",
            {"type": "content_block_delta", "index": self._index, "delta": delta},
        )

    def _close(self) -> bytes:
        if self._open is None:
            return b""
        self._open = None
        return named("content_block_stop", {"type": "content_block_stop", "index": self._index})
