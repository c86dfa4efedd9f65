"""Chat completions in OpenAI's shape, and what the gateway adds to them.

The request knows exactly the parameters that a price book prices or that are free; others are
refused by name, because a gateway that passed them on would sell what it cannot price.
Source of the shapes: https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from nexctl.wire.base import Answer, Labels, Money, Request, RequestId

Model = Annotated[str, Meta(min_length=1, max_length=128)]
Tokens = Annotated[int, Meta(ge=1, le=100_000_000)]
Choices = Annotated[int, Meta(ge=1, le=128)]
User = Annotated[str, Meta(max_length=512)]
# Sampling parameters, which carry no amount.
Temperature = Annotated[float, Meta(ge=0, le=2)]  # not money: sampling
Share = Annotated[float, Meta(ge=0, le=1)]  # not money: sampling
Penalty = Annotated[float, Meta(ge=-2, le=2)]  # not money: sampling
Strength = Annotated[float, Meta(ge=-100, le=100)]  # not money: sampling
Bias = Annotated[dict[str, Strength], Meta(max_length=1024)]
Stop = Annotated[str, Meta(max_length=4096)]


class TextPart(Request, tag="text", tag_field="type"):
    """A piece of text; `cache_control` is accepted and has no effect here."""

    text: str
    cache_control: dict[str, Any] | None = None


class ImageUrl(Request):
    """An image as a data: URL or an address; the gateway never fetches it to count."""

    url: Annotated[str, Meta(min_length=1)]
    detail: Literal["auto", "low", "high"] | None = None


class ImagePart(Request, tag="image_url", tag_field="type"):
    """An image among the text."""

    image_url: ImageUrl


class RefusalPart(Request, tag="refusal", tag_field="type"):
    """An assistant's earlier refusal, handed back."""

    refusal: str


Part = TextPart | ImagePart | RefusalPart


class FunctionCall(Request):
    """What a model asked to be called."""

    name: str
    arguments: str


class ToolCall(Request):
    """One call that an assistant's message asked for."""

    id: str
    function: FunctionCall
    type: Literal["function"]
    index: int | None = None


class Message(Request):
    """One message. An answer's message can be handed back as it came."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None
    name: Annotated[str, Meta(max_length=128)] | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    refusal: str | None = None
    function_call: FunctionCall | None = None
    reasoning_content: str | None = None
    annotations: list[Any] | None = None
    audio: None = None


class Function(Request):
    """A function that the model may ask to be called; `parameters` is a JSON Schema."""

    name: Annotated[str, Meta(min_length=1, max_length=128)]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(Request):
    """A tool. Only functions: what a provider runs itself has prices of its own."""

    type: Literal["function"]
    function: Function


class Named(Request):
    """The name of the function to call."""

    name: str


class ToolChoice(Request):
    """One tool that must be called."""

    type: Literal["function"]
    function: Named


class Schema(Request):
    """The schema that the answer must follow."""

    name: str
    description: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class ResponseFormat(Request):
    """Text, any JSON object, or JSON after a schema."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: Schema | None = None


class StreamOptions(Request):
    """Whether the last chunk carries usage. Never sent upstream as the caller gave it."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class Prompt(Request, kw_only=True):
    """What counts and prices a chat request: shared by chat, tokenize and estimate-cost.

    Without a model, or with `auto` where the gateway has default routes, the gateway picks one.
    """

    model: Model | None = None
    messages: Annotated[list[Message], Meta(min_length=1)]
    max_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    n: Choices | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Temperature | None = None
    top_p: Share | None = None
    stop: Stop | Annotated[list[Stop], Meta(max_length=16)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    logit_bias: Bias | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    tools: Annotated[list[Tool], Meta(max_length=512)] | None = None
    tool_choice: Literal["none", "auto", "required"] | ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    functions: Annotated[list[Function], Meta(max_length=512)] | None = None
    function_call: Literal["none", "auto"] | Named | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    user: User | None = None
    safety_identifier: User | None = None
    prompt_cache_key: User | None = None
    metadata: Labels | None = None
    # Accepted only at the value that costs nothing and keeps nothing.
    store: Literal[False] | None = None
    modalities: Annotated[list[Literal["text"]], Meta(max_length=1)] | None = None
    service_tier: Literal["auto", "default"] | None = None


class ChatRequest(Prompt, kw_only=True):
    """A chat completion; with `request_id` it is served and billed at most once.

    `semantic_cache` false neither takes a kept answer of a near-duplicate prompt nor keeps one.
    """

    request_id: RequestId | None = None
    semantic_cache: bool | None = None


class SmartRouter(Answer):
    """Which model a routing model picked, and why."""

    target_model: str
    reason: str | None = None
    score: str | None = None


class OwnKey(Answer):
    """The request went to `provider` with the customer's own key; its fee is that provider's bill.

    `fee` is by the list prices of `price_book`, null where they are not known: it is never 0.
    """

    provider: str
    fee: Money | None = None
    currency: str | None = None
    price_book: str | None = None


class Nex(Answer):
    """What the gateway says beside an answer: the exact charge and how it came about.

    `charge` is null while it is not known. `status` is ok or partial, `counted_by` upstream or
    gateway. `own_key` is there where the customer's own provider key was used.
    """

    request_id: str
    charge: Money | None = None
    currency: str | None = None
    cached_input_tokens: int | None = None
    semantic_cache_hit: bool = False
    smart_router: SmartRouter | None = None
    price_book: str | None = None
    status: str | None = None
    counted_by: str | None = None
    own_key: OwnKey | None = None


class PromptDetails(Answer, omit_defaults=True):
    """Parts of the input."""

    cached_tokens: int = 0
    audio_tokens: int | None = None


class CompletionDetails(Answer, omit_defaults=True):
    """Parts of the output."""

    reasoning_tokens: int = 0
    audio_tokens: int | None = None
    accepted_prediction_tokens: int | None = None
    rejected_prediction_tokens: int | None = None


class ChatUsage(Answer, omit_defaults=True):
    """Counted tokens as OpenAI spells them: cached tokens lie inside the input, reasoning inside
    the output.
    """

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None


class ChatMessage(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An assistant's answer."""

    role: str
    content: str | None
    refusal: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    function_call: dict[str, Any] | None = None
    annotations: list[Any] | None = None


class Choice(Answer):
    """One of the `n` answers."""

    index: int
    message: ChatMessage
    finish_reason: str | None = None
    logprobs: dict[str, Any] | None = None


class Completion(Answer, omit_defaults=True):
    """A whole chat completion."""

    id: str
    object: str
    created: int
    model: str
    choices: list[Choice]
    usage: ChatUsage | None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None
    nex: Nex | None = None


class Delta(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What one chunk adds to an answer."""

    role: str | None = None
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    function_call: dict[str, Any] | None = None


class ChunkChoice(Answer):
    """One answer's share of a chunk."""

    index: int
    delta: Delta
    finish_reason: str | None = None
    logprobs: dict[str, Any] | None = None


class Chunk(Answer, omit_defaults=True):
    """One event of a stream. The last one has no choices and carries `usage` and `nex`."""

    id: str
    object: str
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: ChatUsage | None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None
    nex: Nex | None = None
