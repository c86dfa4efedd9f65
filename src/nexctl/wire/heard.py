"""Chat answers of servers that speak OpenAI's shape more or less, read leniently.

What may be missing, null or of another type in an answer is said here once, for the gateway's
providers and for the driver alike: an answer that is there is not thrown away for a field that
nobody needs. Numbers that money depends on are taken whole or not at all.
"""

from __future__ import annotations

import codecs
import contextlib
from collections.abc import Iterator
from typing import Any

import msgspec

from nexctl.wire.chat import (
    ChatMessage,
    ChatUsage,
    Choice,
    ChunkChoice,
    CompletionDetails,
    Delta,
    Nex,
    PromptDetails,
)
from nexctl.wire.models import Model


class Function(msgspec.Struct):
    """What is called."""

    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class Call(msgspec.Struct):
    """One call that a model asks for, or a piece of it."""

    index: int | None = None
    id: str | None = None
    type: str | None = None
    function: Function | None = None


class Message(msgspec.Struct):
    """An answer, or what one event adds to it."""

    role: str | None = None
    content: str | list[Any] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[Call] | None = None
    function_call: Function | None = None
    annotations: list[Any] | None = None


class Answer(msgspec.Struct):
    """One of the answers, whole or one event's share of it."""

    index: int | None = None
    message: Message | None = None
    delta: Message | None = None
    finish_reason: str | None = None
    logprobs: dict[str, Any] | None = None


class Said(msgspec.Struct):
    """A completion or a chunk, whatever else stands in it."""

    choices: list[Answer] | None = None
    usage: Any = None
    error: Any = None
    id: Any = None
    model: Any = None
    created: Any = None
    nex: Any = None


class Listed(msgspec.Struct):
    """A list of models: each has an id, and whatever else."""

    data: list[dict[str, Any]]


_said = msgspec.json.Decoder(Said)


def read(raw: bytes) -> Said:
    """A completion or a chunk. msgspec.DecodeError, ValueError or RecursionError for none."""
    return _said.decode(raw.removeprefix(codecs.BOM_UTF8))


def choices(said: Said) -> list[Choice]:
    """The answers of a completion."""
    return [
        Choice(
            index=place if answer.index is None else answer.index,
            message=_message(answer.message or Message()),
            finish_reason=answer.finish_reason,
            logprobs=answer.logprobs,
        )
        for place, answer in enumerate(said.choices or ())
    ]


def changes(said: Said, last: dict[int, int]) -> list[ChunkChoice]:
    """What a chunk adds to each answer, calls numbered where a server does not.

    A whole answer adds all of itself. `last` is the number of each answer's last call; it belongs
    to one stream.
    """
    return [
        ChunkChoice(
            index=answer.index or 0,
            delta=_delta(answer.delta or answer.message or Message(), answer.index or 0, last),
            finish_reason=answer.finish_reason,
            logprobs=answer.logprobs,
        )
        for answer in said.choices or ()
    ]


def usage(said: Any) -> ChatUsage | None:
    """What it counted. None where a number is none: then the caller takes its own count.

    An answer that is there is not thrown away for a sum or a detail that is missing or null.
    """
    if not isinstance(said, dict):
        return None
    prompt, completion = said.get("prompt_tokens_details"), said.get("completion_tokens_details")
    into, out = number(said.get("prompt_tokens")), number(said.get("completion_tokens"))
    cached = number((prompt.get("cached_tokens") if isinstance(prompt, dict) else None) or 0)
    reasoning = number(
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


def nex(said: Any) -> Nex | None:
    """What a gateway says of the charge; None where that is not in the contract's words."""
    try:
        return msgspec.convert(said, Nex) if isinstance(said, dict) else None
    except msgspec.ValidationError:
        return None


def models(said: Listed) -> Iterator[Model]:
    """Each model with those of its fields that are the contract's. ValueError without an id."""
    fields = msgspec.structs.fields(Model)
    for row in said.data:
        found: dict[str, Any] = {}
        for field in fields:
            with contextlib.suppress(KeyError, msgspec.ValidationError):
                found[field.name] = msgspec.convert(row[field.name], field.type)
        if not found.get("id"):
            raise ValueError("a model without an id")
        yield Model(**found)


def number(said: Any) -> int | None:
    """A whole number; None for anything else."""
    return said if type(said) is int else None


def text(said: Any) -> str:
    """A text; nothing for anything else."""
    return said if isinstance(said, str) else ""


def _message(said: Message) -> ChatMessage:
    return ChatMessage(
        role=said.role or "assistant",
        content=_content(said.content),
        refusal=said.refusal,
        reasoning_content=said.reasoning_content,
        tool_calls=[{"type": "function", **call} for call in _calls(said) or ()] or None,
        function_call=_function(said.function_call),
        annotations=said.annotations,
    )


def _delta(said: Message, place: int, last: dict[int, int]) -> Delta:
    for call in said.tool_calls or ():
        if call.index is None:
            call.index = max(0, last.get(place, -1) + (call.id is not None))
        last[place] = call.index
    return Delta(
        role=said.role,
        content=_content(said.content),
        refusal=said.refusal,
        reasoning_content=said.reasoning_content,
        tool_calls=_calls(said),
        function_call=_function(said.function_call),
    )


def _content(said: str | list[Any] | None) -> str | None:
    """The text of an answer; of one that is told in parts, the text of all that are text."""
    if not isinstance(said, list):
        return said
    return "".join(text(part.get("text")) for part in said if isinstance(part, dict))


def _calls(said: Message) -> list[dict[str, Any]] | None:
    """The calls with what is known of them, and nothing that could not be handed back."""
    if said.tool_calls is None:
        return None
    fields = ("index", "id", "type")
    return [
        {name: value for name in fields if (value := getattr(call, name)) is not None}
        | ({"function": _function(call.function)} if call.function is not None else {})
        for call in said.tool_calls
    ]


def _function(said: Function | None) -> dict[str, Any] | None:
    """What is called; arguments are JSON text, also where a server wrote them out."""
    if said is None:
        return None
    given = said.arguments
    written = msgspec.json.encode(given).decode() if isinstance(given, dict) else given
    return {
        name: value
        for name, value in (("name", said.name), ("arguments", written))
        if value is not None
    }
