"""Claude's messages: the same models, another shape.

Source of the shapes: https://docs.anthropic.com/en/api/messages
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from nexctl.wire.base import Answer, Request, RequestId
from nexctl.wire.chat import Model, Nex, Share, Stop, Tokens

Degree = Annotated[float, Meta(ge=0, le=1)]  # not money: sampling


class ImageSource(Request, kw_only=True):
    """An image in the request, or its address, which the gateway never fetches."""

    type: Literal["base64", "url"]
    media_type: Literal["image/jpeg", "image/png", "image/gif", "image/webp"] | None = None
    data: str | None = None
    url: str | None = None


class Block(Request, kw_only=True):
    """One block of a message's content."""

    type: Literal["text", "image", "tool_use", "tool_result"]
    text: str | None = None
    source: ImageSource | None = None
    id: str | None = None
    name: str | None = None
    input: dict[str, Any] | None = None
    tool_use_id: str | None = None
    content: str | list[Block] | None = None
    is_error: bool | None = None
    cache_control: dict[str, Any] | None = None
    citations: None = None


class SystemText(Request, kw_only=True):
    """A piece of the system prompt."""

    type: Literal["text"]
    text: str
    cache_control: dict[str, Any] | None = None


class InputMessage(Request, kw_only=True):
    """One turn."""

    role: Literal["user", "assistant"]
    content: str | list[Block]


class ClaudeTool(Request, kw_only=True):
    """A tool of the caller's own; what a provider runs itself has prices of its own."""

    name: Annotated[str, Meta(min_length=1, max_length=128)]
    input_schema: dict[str, Any]
    description: str | None = None
    type: Literal["custom"] | None = None
    cache_control: dict[str, Any] | None = None


class ClaudeToolChoice(Request, kw_only=True):
    """Whether and which tool is to be used."""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class ClaudeMetadata(Request):
    """Who the caller's user is, in the caller's own terms."""

    user_id: Annotated[str, Meta(max_length=512)] | None = None


class MessageRequest(Request, kw_only=True):
    """One message; with `request_id` it is served and billed at most once."""

    model: Model | None = None
    messages: Annotated[list[InputMessage], Meta(min_length=1)]
    max_tokens: Tokens
    system: str | list[SystemText] | None = None
    stream: bool | None = None
    stop_sequences: Annotated[list[Stop], Meta(max_length=16)] | None = None
    temperature: Degree | None = None
    top_p: Share | None = None
    tools: Annotated[list[ClaudeTool], Meta(max_length=512)] | None = None
    tool_choice: ClaudeToolChoice | None = None
    metadata: ClaudeMetadata | None = None
    service_tier: Literal["auto", "standard_only"] | None = None
    request_id: RequestId | None = None
    semantic_cache: bool | None = None


class MessageUsage(Answer):
    """Counted tokens: cached ones stand beside the input."""

    input_tokens: int
    output_tokens: int
    cache_read_input_tokens: int = 0
    cache_creation_input_tokens: int = 0


class MessageAnswer(Answer):
    """A whole message."""

    id: str
    type: str
    role: str
    model: str
    content: list[dict[str, Any]]
    stop_reason: str | None
    stop_sequence: str | None
    usage: MessageUsage
    nex: Nex | None = None


class Event(Answer):
    """One event of a stream; its other fields follow from its type."""

    type: str
    message: MessageAnswer | None = None
    index: int | None = None
    content_block: dict[str, Any] | None = None
    delta: dict[str, Any] | None = None
    usage: dict[str, Any] | None = None
    nex: Nex | None = None
