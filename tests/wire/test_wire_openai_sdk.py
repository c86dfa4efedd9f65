"""Requests of the official OpenAI SDK fit the contract, and our answers are answers to it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "safety"))

from http_kit import LoopbackGateway, loopback_gateway, reply

from nexctl.wire import base, chat, embeddings, models

openai = pytest.importorskip("openai", reason="needs openai")

NEX = chat.Nex(request_id="r", charge="0.0000042", currency="USD", price_book="nextoken@x")
USAGE = chat.ChatUsage(prompt_tokens=2, completion_tokens=3, total_tokens=5)


@pytest.fixture
def server() -> Iterator[LoopbackGateway]:
    with loopback_gateway() as running:
        yield running


@pytest.fixture
def sdk(server: LoopbackGateway) -> Any:
    return openai.OpenAI(api_key="nxt_sk_x", base_url=f"{server.url}/v1", max_retries=0)


def completion(**message: Any) -> bytes:
    told = chat.ChatMessage(role="assistant", **message)
    return base.encode(
        chat.Completion(
            id="c",
            object="chat.completion",
            created=1,
            model="nex-pro",
            choices=[chat.Choice(index=0, message=told, finish_reason="stop")],
            usage=USAGE,
            nex=NEX,
        )
    )


EVERY_PARAMETER: dict[str, Any] = {
    "model": "nex-pro",
    "messages": [
        {"role": "system", "content": "be brief"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "what is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
            ],
        },
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "t", "content": "4"},
    ],
    "max_completion_tokens": 50,
    "temperature": 0.5,
    "top_p": 1,
    "n": 2,
    "stop": ["\n"],
    "presence_penalty": 0.1,
    "frequency_penalty": -0.1,
    "logit_bias": {"50256": -100},
    "logprobs": True,
    "top_logprobs": 2,
    "seed": 7,
    "user": "u",
    "metadata": {"team": "search"},
    "response_format": {"type": "json_schema", "json_schema": {
        "name": "s", "schema": {"type": "object"}, "strict": True}},
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "parallel_tool_calls": False,
    "reasoning_effort": "low",
    "verbosity": "low",
    "store": False,
    "service_tier": "auto",
    "extra_body": {"request_id": "order-17"},
}  # fmt: skip


def test_a_chat_with_every_parameter_is_read_and_answered(
    server: LoopbackGateway, sdk: Any
) -> None:
    server.expect("POST", "/v1/chat/completions", reply(200, completion(content="Hello")))
    answer = sdk.chat.completions.create(**EVERY_PARAMETER)
    assert answer.choices[0].message.content == "Hello"
    assert answer.usage.total_tokens == 5
    assert answer.model_extra["nex"]["charge"] == "0.0000042"
    request = base.decode(chat.ChatRequest, server.seen[0].body)
    assert (request.request_id, request.n, request.seed) == ("order-17", 2, 7)
    sent = {**EVERY_PARAMETER, **EVERY_PARAMETER["extra_body"]}
    assert set(base.plain(request)) == set(sent) - {"extra_body"}


def test_an_answer_handed_back_by_the_sdk_is_read(server: LoopbackGateway, sdk: Any) -> None:
    call = {"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    first = completion(content=None, tool_calls=[call])
    server.expect(
        "POST", "/v1/chat/completions", reply(200, first), reply(200, completion(content="4"))
    )
    user = {"role": "user", "content": "2+2?"}
    said = sdk.chat.completions.create(model="m", messages=[user]).choices[0].message
    tool = {"role": "tool", "tool_call_id": "t", "content": "4"}
    sdk.chat.completions.create(model="m", messages=[user, said, tool])
    again = base.decode(chat.ChatRequest, server.seen[1].body)
    assert again.messages[1].tool_calls is not None
    assert again.messages[1].tool_calls[0].function.name == "f"


def test_a_stream_is_read_to_its_metadata(server: LoopbackGateway, sdk: Any) -> None:
    def chunk(**more: Any) -> bytes:
        more.setdefault("choices", [])
        found = chat.Chunk(
            id="c", object="chat.completion.chunk", created=1, model="nex-pro", **more
        )
        return b"data: " + base.encode(found) + b"\n\n"

    parts = [
        chunk(choices=[chat.ChunkChoice(index=0, delta=chat.Delta(role="assistant", content=t))])
        for t in ("Hel", "lo")
    ]
    raw = b"".join((*parts, chunk(usage=USAGE, nex=NEX), b"data: [DONE]\n\n"))
    server.expect("POST", "/v1/chat/completions", reply(200, raw, Content_Type="text/event-stream"))
    stream = sdk.chat.completions.create(
        model="nex-pro",
        messages=[{"role": "user", "content": "hi"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    found = list(stream)
    assert "".join(c.choices[0].delta.content for c in found if c.choices) == "Hello"
    assert found[-1].usage.total_tokens == 5
    assert found[-1].model_extra["nex"]["charge"] == "0.0000042"
    request = base.decode(chat.ChatRequest, server.seen[0].body)
    assert request.stream is True


def test_embeddings_come_as_the_sdk_asks_for_them(server: LoopbackGateway, sdk: Any) -> None:
    """It asks for base64 without being told to."""
    import base64
    import struct

    packed = base64.b64encode(struct.pack("<2f", 0.5, -1.0)).decode()
    answer = embeddings.Embeddings(
        model="m",
        data=[embeddings.Embedding(index=0, embedding=packed)],
        usage=embeddings.EmbeddingUsage(prompt_tokens=1, total_tokens=1),
        nex=NEX,
    )
    server.expect("POST", "/v1/embeddings", reply(200, base.encode(answer)))
    found = sdk.embeddings.create(model="m", input=["a"])
    assert list(found.data[0].embedding) == [0.5, -1.0]
    request = base.decode(embeddings.EmbeddingsRequest, server.seen[0].body)
    assert request.encoding_format == "base64"


def test_models_and_refusals_are_what_the_sdk_expects(server: LoopbackGateway, sdk: Any) -> None:
    known = models.ModelList(data=[models.Model(id="nex-pro", owned_by="nextoken")])
    server.expect("GET", "/v1/models", reply(200, base.encode(known)))
    assert [model.id for model in sdk.models.list()] == ["nex-pro"]
    refusal = b'{"error": {"type": "quota", "code": "insufficient_balance", "message": "empty"}}'
    server.expect("GET", "/v1/models/x", reply(402, refusal))
    with pytest.raises(openai.APIStatusError) as caught:
        sdk.models.retrieve("x")
    assert (caught.value.status_code, caught.value.code) == (402, "insufficient_balance")
