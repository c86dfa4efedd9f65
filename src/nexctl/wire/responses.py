"""OpenAI's responses: the same models, another shape. Nothing is stored between requests.

Source of the shapes: https://platform.openai.com/docs/api-reference/responses
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from nexctl.wire.base import Answer, Labels, Request, RequestId
from nexctl.wire.chat import Model, Nex, Share, Temperature, Tokens, User


class InputPart(Request, kw_only=True):
    """A piece of a message: text, an image, or text that an answer contained."""

    type: Literal["input_text", "output_text", "input_image", "refusal"]
    text: str | None = None
    image_url: str | None = None
    detail: Literal["auto", "low", "high"] | None = None
    refusal: str | None = None
    annotations: list[Any] | None = None
    logprobs: list[Any] | None = None


class InputItem(Request):
    """A message, a call that an answer asked for, or what that call gave."""

    type: Literal["message", "function_call", "function_call_output"] | None = None
    role: Literal["user", "assistant", "system", "developer"] | None = None
    content: str | list[InputPart] | None = None
    id: str | None = None
    status: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    output: str | None = None


class FunctionTool(Request, kw_only=True):
    """A function that the model may ask to be called."""

    type: Literal["function"]
    name: Annotated[str, Meta(min_length=1, max_length=128)]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class FunctionChoice(Request, kw_only=True):
    """One function that must be called."""

    type: Literal["function"]
    name: str


class TextFormat(Request, kw_only=True):
    """Text, any JSON object, or JSON after a schema."""

    type: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    description: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class TextOptions(Request):
    """How the text is to be."""

    format: TextFormat | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class Reasoning(Request):
    """How much the model is to reason."""

    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None


class ResponseStreamOptions(Request):
    """Accepted without effect."""

    include_obfuscation: bool | None = None


class ResponseRequest(Request, kw_only=True):
    """One response; with `request_id` it is served and billed at most once."""

    model: Model | None = None
    input: Annotated[str, Meta(min_length=1)] | Annotated[list[InputItem], Meta(min_length=1)]
    instructions: str | None = None
    max_output_tokens: Tokens | None = None
    stream: bool | None = None
    stream_options: ResponseStreamOptions | None = None
    temperature: Temperature | None = None
    top_p: Share | None = None
    tools: Annotated[list[FunctionTool], Meta(max_length=512)] | None = None
    tool_choice: Literal["none", "auto", "required"] | FunctionChoice | None = None
    parallel_tool_calls: bool | None = None
    text: TextOptions | None = None
    reasoning: Reasoning | None = None
    user: User | None = None
    safety_identifier: User | None = None
    prompt_cache_key: User | None = None
    metadata: Labels | None = None
    store: Literal[False] | None = None
    truncation: Literal["disabled"] | None = None
    service_tier: Literal["auto", "default"] | None = None
    request_id: RequestId | None = None
    semantic_cache: bool | None = None


class InputDetails(Answer):
    """Parts of the input."""

    cached_tokens: int = 0


class OutputDetails(Answer):
    """Parts of the output."""

    reasoning_tokens: int = 0


class ResponseUsage(Answer):
    """Counted tokens."""

    input_tokens: int
    output_tokens: int
    total_tokens: int
    input_tokens_details: InputDetails
    output_tokens_details: OutputDetails


class Response(Answer):
    """A whole response: messages and calls in `output`."""

    id: str
    object: str
    created_at: int
    status: str
    model: str
    output: list[dict[str, Any]]
    usage: ResponseUsage | None = None
    incomplete_details: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    instructions: str | None = None
    max_output_tokens: int | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    parallel_tool_calls: bool = True
    temperature: Any = None
    top_p: Any = None
    tool_choice: Any = "auto"
    tools: list[Any] = field(default_factory=list)
    text: dict[str, Any] = field(default_factory=dict)
    store: bool = False
    truncation: str = "disabled"
    previous_response_id: str | None = None
    nex: Nex | None = None


class Event(Answer):
    """One event of a stream; its other fields follow from its type."""

    type: str
    sequence_number: int
    response: Response | None = None
    item: dict[str, Any] | None = None
    delta: str | None = None
