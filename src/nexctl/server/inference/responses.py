"""POST /v1/responses: OpenAI's other shape over the same conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from nexctl.server.calls import Call
from nexctl.server.http import Answer, Streamed
from nexctl.server.inference.chat import answered
from nexctl.server.inference.voices import Calls, as_chat, named
from nexctl.server.refusing import Refuse
from nexctl.wire import responses as wire

if TYPE_CHECKING:
    from nexctl.server.inference.chat import Job
    from nexctl.wire.chat import ChatUsage, Chunk, Completion, Nex

_SAME = (
    *("model", "stream", "temperature", "top_p", "parallel_tool_calls", "user"),
    *("safety_identifier", "prompt_cache_key", "metadata", "service_tier", "request_id"),
    "semantic_cache",
)


async def create(call: Call) -> Answer | Streamed:
    """Answer in the shape of a response."""
    return await answered(as_chat(call, chat_of(call.body)), _Voice(call.body))


def chat_of(body: wire.ResponseRequest) -> dict[str, Any]:
    """The chat request that a response request means."""
    given: dict[str, Any] = msgspec.to_builtins(body)
    chat = {name: given[name] for name in _SAME if name in given}
    messages: list[dict[str, Any]] = []
    if body.instructions is not None:
        messages.append({"role": "system", "content": body.instructions})
    if isinstance(body.input, str):
        messages.append({"role": "user", "content": body.input})
    else:
        for place, item in enumerate(body.input):
            _add(messages, item, f"input[{place}]")
    chat["messages"] = messages
    if body.max_output_tokens is not None:
        chat["max_completion_tokens"] = body.max_output_tokens
    if body.tools:
        chat["tools"] = [
            {"type": "function", "function": {k: v for k, v in tool.items() if k != "type"}}
            for tool in given["tools"]
        ]
    if isinstance(body.tool_choice, wire.FunctionChoice):
        chat["tool_choice"] = {"type": "function", "function": {"name": body.tool_choice.name}}
    elif body.tool_choice is not None:
        chat["tool_choice"] = body.tool_choice
    if body.reasoning is not None and body.reasoning.effort is not None:
        chat["reasoning_effort"] = body.reasoning.effort
    _add_text(chat, body)
    return chat


def _add_text(chat: dict[str, Any], body: wire.ResponseRequest) -> None:
    if body.text is None:
        return
    if body.text.verbosity is not None:
        chat["verbosity"] = body.text.verbosity
    form = body.text.format
    if form is None:
        return
    chat["response_format"] = {"type": form.type}
    if form.type == "json_schema":
        if form.name is None:
            raise Refuse("invalid_request", "a schema needs a name", param="text.format.name")
        given = {k: v for k, v in msgspec.to_builtins(form).items() if k != "type"}
        chat["response_format"]["json_schema"] = given


def _add(messages: list[dict[str, Any]], item: wire.InputItem, place: str) -> None:
    """One input item as a message."""
    if item.type == "function_call":
        if item.call_id is None or item.name is None or item.arguments is None:
            raise Refuse("invalid_request", "a call has call_id, name, arguments", param=place)
        function = {"name": item.name, "arguments": item.arguments}
        called = {"id": item.call_id, "type": "function", "function": function}
        if messages and messages[-1].get("tool_calls"):
            messages[-1]["tool_calls"].append(called)
        else:
            messages.append({"role": "assistant", "content": None, "tool_calls": [called]})
        return
    if item.type == "function_call_output":
        if item.call_id is None or item.output is None:
            raise Refuse("invalid_request", "an output has call_id, output", param=place)
        messages.append({"role": "tool", "tool_call_id": item.call_id, "content": item.output})
        return
    if item.role is None or item.content is None:
        raise Refuse("invalid_request", "a message has role and content", param=place)
    content: Any = item.content
    if not isinstance(content, str):
        content = [_part(part, place) for part in content]
    messages.append({"role": item.role, "content": content})


def _part(part: wire.InputPart, place: str) -> dict[str, Any]:
    if part.type in ("input_text", "output_text") and part.text is not None:
        return {"type": "text", "text": part.text}
    if part.type == "input_image" and part.image_url is not None:
        image: dict[str, Any] = {"url": part.image_url}
        if part.detail is not None:
            image["detail"] = part.detail
        return {"type": "image_url", "image_url": image}
    if part.type == "refusal" and part.refusal is not None:
        return {"type": "refusal", "refusal": part.refusal}
    raise Refuse("invalid_request", "that part lacks what its type says", param=place)


def _usage(usage: ChatUsage | None) -> wire.ResponseUsage | None:
    if usage is None:
        return None
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    return wire.ResponseUsage(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        total_tokens=usage.total_tokens,
        input_tokens_details=wire.InputDetails(cached_tokens=prompt.cached_tokens if prompt else 0),
        output_tokens_details=wire.OutputDetails(
            reasoning_tokens=completion.reasoning_tokens if completion else 0
        ),
    )


def _message(id: str, text: str, status: str = "completed") -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": []}
    return {
        "id": id,
        "type": "message",
        "role": "assistant",
        "status": status,
        "content": [part] if text or status == "completed" else [],
    }


def _call(id: str, called: dict[str, Any], status: str = "completed") -> dict[str, Any]:
    function = called.get("function") or {}
    return {
        "id": id,
        "type": "function_call",
        "call_id": called.get("id") or id,
        "name": function.get("name") or "",
        "arguments": function.get("arguments") or "",
        "status": status,
    }


class _Voice:
    def __init__(self, body: wire.ResponseRequest) -> None:
        self._body = body

    def response(self, id: str, created: int, model: str, status: str) -> wire.Response:
        """A response with what the request said of it."""
        body = self._body
        given: dict[str, Any] = msgspec.to_builtins(body)
        return wire.Response(
            id=id,
            object="response",
            created_at=created,
            status=status,
            model=model,
            output=[],
            instructions=body.instructions,
            max_output_tokens=body.max_output_tokens,
            metadata=body.metadata or {},
            parallel_tool_calls=body.parallel_tool_calls is not False,
            temperature=body.temperature,
            top_p=body.top_p,
            tool_choice=given.get("tool_choice", "auto"),
            tools=given.get("tools", []),
            text=given.get("text") or {"format": {"type": "text"}},
        )

    def whole(self, job: Job, answer: Completion) -> wire.Response:
        """The whole answer."""
        choice = answer.choices[0]
        name = answer.id.removeprefix("chatcmpl-")
        status, why = _status(choice.finish_reason)
        told = self.response(f"resp_{name}", answer.created, answer.model, status)
        told.incomplete_details = why
        message = choice.message
        if message.refusal:
            item = _message(f"msg_{name}", "")
            item["content"] = [{"type": "refusal", "refusal": message.refusal}]
            told.output.append(item)
        elif message.content is not None or not message.tool_calls:
            told.output.append(_message(f"msg_{name}", message.content or ""))
        for number, called in enumerate(message.tool_calls or ()):
            told.output.append(_call(f"fc_{name}_{number}", called))
        told.usage, told.nex = _usage(answer.usage), answer.nex
        return told

    def teller(self, job: Job, first: Chunk) -> _Teller:
        """What tells a stream."""
        return _Teller(self, first)


def _status(reason: str | None) -> tuple[str, dict[str, Any] | None]:
    if reason == "length":
        return "incomplete", {"reason": "max_output_tokens"}
    if reason == "content_filter":
        return "incomplete", {"reason": "content_filter"}
    return "completed", None


class _Teller:
    """The events of one response: items open one after the other, each closed before the next."""

    def __init__(self, voice: _Voice, first: Chunk) -> None:
        self._name = first.id.removeprefix("chatcmpl-")
        self._response = voice.response(
            f"resp_{self._name}", first.created, first.model, "in_progress"
        )
        self._sequence = 0
        self._open: dict[str, Any] | None = None
        self._open_call: Any = None
        self._reason: str | None = None
        self._calls = Calls()

    def piece(self, chunk: Chunk) -> bytes:
        told = b"" if self._sequence else self._begin()
        for choice in chunk.choices:
            if choice.index != 0:
                continue
            self._reason = choice.finish_reason or self._reason
            text = choice.delta.content or choice.delta.refusal
            if text:
                told += self._text(text)
            for called in choice.delta.tool_calls or ():
                told += b"".join(map(self._called, self._calls.take(called)))
        return told

    def end(self, last: Chunk | None, usage: ChatUsage, nex: Nex, whole: bool) -> bytes:
        told = b"" if last is None else self.piece(last)
        told += b"" if self._sequence else self._begin()
        told += b"".join(map(self._called, self._calls.rest()))
        if self._open is None and not self._response.output:
            told += self._text("")
        told += self._close()
        response = self._response
        response.status, response.incomplete_details = _status(self._reason)
        if not whole:
            response.status = "failed"
            response.error = {"code": "server_error", "message": "the provider broke off"}
        response.usage, response.nex = _usage(usage), nex
        return told + self._event(f"response.{response.status}", response=response)

    def error(self, envelope: dict[str, Any]) -> bytes:
        problem = envelope["error"]
        fields = {name: problem.get(name) for name in ("code", "message", "param")}
        return self._event("error", **fields)

    def _begin(self) -> bytes:
        return self._event("response.created", response=self._response) + self._event(
            "response.in_progress", response=self._response
        )

    def _event(self, kind: str, **fields: Any) -> bytes:
        told = named(kind, {"type": kind, "sequence_number": self._sequence, **fields})
        self._sequence += 1
        return told

    def _at(self) -> dict[str, Any]:
        assert self._open is not None  # noqa: S101 - only called with an open item
        return {"item_id": self._open["id"], "output_index": len(self._response.output)}

    def _text(self, text: str) -> bytes:
        told = b""
        if self._open is None or self._open["type"] != "message":
            told += self._close()
            item = self._open = _message(f"msg_{self._name}", "", "in_progress")
            place = len(self._response.output)
            told += self._event("response.output_item.added", output_index=place, item=item)
            part = {"type": "output_text", "text": "", "annotations": []}
            item["content"] = [dict(part)]
            told += self._event(
                "response.content_part.added", **self._at(), content_index=0, part=part
            )
        self._open["content"][0]["text"] += text
        if text:
            told += self._event(
                "response.output_text.delta",
                **self._at(),
                content_index=0,
                delta=text,
                logprobs=[],
            )
        return told

    def _called(self, called: dict[str, Any]) -> bytes:
        told = b""
        function = called.get("function") or {}
        index = called.get("index", 0)
        if (
            self._open is None
            or self._open["type"] != "function_call"
            or (index != self._open_call)
        ):
            told += self._close()
            self._open_call = index
            fresh = {**called, "function": {**function, "arguments": ""}}
            place = len(self._response.output)
            self._open = _call(f"fc_{self._name}_{place}", fresh, "in_progress")
            told += self._event("response.output_item.added", output_index=place, item=self._open)
        piece = function.get("arguments") or ""
        if piece:
            self._open["arguments"] += piece
            told += self._event("response.function_call_arguments.delta", **self._at(), delta=piece)
        return told

    def _close(self) -> bytes:
        item = self._open
        if item is None:
            return b""
        item["status"] = "completed"
        if item["type"] == "message":
            part = item["content"][0]
            told = self._event(
                "response.output_text.done",
                **self._at(),
                content_index=0,
                text=part["text"],
                logprobs=[],
            )
            told += self._event(
                "response.content_part.done", **self._at(), content_index=0, part=part
            )
        else:
            told = self._event(
                "response.function_call_arguments.done",
                **self._at(),
                arguments=item["arguments"],
                name=item["name"],
            )
        place = len(self._response.output)
        told += self._event("response.output_item.done", output_index=place, item=item)
        self._response.output.append(item)
        self._open = None
        return told
