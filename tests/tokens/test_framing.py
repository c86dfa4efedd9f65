"""Requests in every API's shape, against the numbers that vendors published."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexctl.errors import UsageError
from nexctl.tokens import framing, registry

# openai-cookbook, "How to count tokens with tiktoken": the messages, and what the API counted.
JARGON = [
    {
        "role": "system",
        "content": "You are a helpful, pattern-following assistant that translates corporate "
        "jargon into plain English.",
    },
    {
        "role": "system",
        "name": "example_user",
        "content": "New synergies will help drive top-line growth.",
    },
    {
        "role": "system",
        "name": "example_assistant",
        "content": "Things working well together will increase revenue.",
    },
    {
        "role": "system",
        "name": "example_user",
        "content": "Let's circle back when we have more bandwidth to touch base on opportunities "
        "for increased leverage.",
    },
    {
        "role": "system",
        "name": "example_assistant",
        "content": "Let's talk later when we're less busy about how to do better.",
    },
    {
        "role": "user",
        "content": "This late pivot means we don't have time to boil the ocean for the client "
        "deliverable.",
    },
]
WEATHER_TOOL = {
    "type": "function",
    "function": {
        "name": "get_current_weather",
        "description": "Get the current weather in a given location",
        "parameters": {
            "type": "object",
            "properties": {
                "location": {
                    "type": "string",
                    "description": "The city and state, e.g. San Francisco, CA",
                },
                "unit": {
                    "type": "string",
                    "description": "The unit of temperature to return",
                    "enum": ["celsius", "fahrenheit"],
                },
            },
            "required": ["location"],
        },
    },
}
WEATHER = [
    {
        "role": "system",
        "content": "You are a helpful assistant that can answer to questions about the weather.",
    },
    {"role": "user", "content": "What's the weather like in San Francisco?"},
]


def count(model: str, request: dict, **options) -> framing.RequestCount:
    return framing.count_request(registry.choose(model), request, **options)


def text(model: str, content: str) -> int:
    return registry.counter(registry.choose(model)).count(content)


# -- OpenAI chat


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("gpt-3.5-turbo-0301", 127),
        ("gpt-3.5-turbo-0613", 129),
        ("gpt-4-0314", 129),
        ("gpt-4-0613", 129),
        ("gpt-4", 129),
        ("gpt-4o", 124),
        ("gpt-4o-mini", 124),
    ],
)
def test_chat_framing_gives_the_cookbooks_numbers_exactly(model, tokens):
    found = count(model, {"model": model, "messages": JARGON})
    assert found == (tokens, "exact", None, ())


@pytest.mark.parametrize(("model", "tokens"), [("gpt-4o", 101), ("gpt-4", 105)])
def test_tools_give_the_cookbooks_numbers_as_an_estimate(model, tokens):
    found = count(model, {"messages": WEATHER, "tools": [WEATHER_TOOL]})
    assert found.input_tokens == tokens
    assert found.method == "estimated"
    assert float(found.error["low_percent"]) < 0 < float(found.error["high_percent"])


@pytest.mark.parametrize("model", ["gpt-5", "gpt-5.2", "o1", "o3-mini", "gpt-4.1"])
def test_newer_models_use_the_same_formula_with_a_stated_doubt(model):
    found = count(model, {"messages": JARGON})
    assert found.input_tokens == 124
    assert found.method == "reconstructed"
    assert found.error == {"low_percent": "0", "high_percent": "0", "tokens": 2}


def test_one_user_message_around_a_text_is_the_same_as_its_request():
    prompt = "How much does this cost?"
    for model in ("gpt-4o", "gpt-5", "gpt-4", "claude-sonnet-4", "claude-opus-4-7", "qwen2.5-7b"):
        choice = registry.choose(model)
        framed = framing.frame_text(choice, registry.counter(choice).count(prompt))
        request = {"messages": [{"role": "user", "content": prompt}]}
        assert framed == framing.count_request(choice, request), model


def test_a_counter_that_one_caller_brings_counts_for_no_other():
    class Nothing:
        def count(self, text: str) -> int:
            return 0

    choice = registry.choose("gpt-4o")
    request = {"messages": [{"role": "user", "content": "Hello"}]}
    before = framing.count_request(choice, request)
    nothing = framing.count_request(choice, request, registry.Counter(choice, Nothing()))
    assert nothing.input_tokens == before.input_tokens - 2  # the role and the text
    assert framing.count_request(choice, request) == before
    assert framing.count_request(choice, request, registry.counter(choice)) == before


def test_functions_and_the_responses_shape_of_a_tool_count_as_the_chat_shape():
    function = WEATHER_TOOL["function"]
    chat = count("gpt-4o", {"messages": WEATHER, "tools": [WEATHER_TOOL]}).input_tokens
    flat = [{"type": "function", **function}]
    assert count("gpt-4o", {"messages": WEATHER, "functions": [function]}).input_tokens == chat
    assert count("gpt-4o", {"input": WEATHER, "tools": flat}).input_tokens == chat


def test_text_parts_count_as_their_text():
    parts = [{"type": "text", "text": "What's the weather"}, {"type": "text", "text": " like?"}]
    whole = count("gpt-4o", {"messages": [{"role": "user", "content": "What's the weather like?"}]})
    split = count("gpt-4o", {"messages": [{"role": "user", "content": parts}]})
    assert split.input_tokens == whole.input_tokens
    assert split.method == "exact"


def test_earlier_tool_calls_and_their_results_are_counted():
    asked = {"name": "get_current_weather", "arguments": '{"location":"Rome"}'}
    call = {"id": "c1", "type": "function", "function": asked}
    talk = [
        *WEATHER,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "18 degrees"},
    ]
    found = count("gpt-4o", {"messages": talk})
    alone = count("gpt-4o", {"messages": WEATHER})
    least = text("gpt-4o", '{"location":"Rome"}') + text("gpt-4o", "18 degrees")
    assert found.input_tokens >= alone.input_tokens + least
    assert found.method == "estimated"


def test_nested_schemas_and_answer_schemas_cost_more_than_none():
    nested = {
        "type": "object",
        "properties": {
            "items": {"type": "array", "items": {"type": "object", "properties": {
                "sku": {"type": ["string", "null"]}, "count": {"anyOf": [{"type": "integer"}]}}}},
            "where": {"type": "object", "properties": {"street": {"type": "string"}}},
        },
    }  # fmt: skip
    flat = {
        "type": "object",
        "properties": {"items": {"type": "array"}, "where": {"type": "object"}},
    }
    sizes = []
    for parameters in (flat, nested):
        tool = {"type": "function", "function": {"name": "order", "parameters": parameters}}
        sizes.append(count("gpt-4o", {"messages": WEATHER, "tools": [tool]}).input_tokens)
    assert sizes[0] < sizes[1]
    wanted = {"type": "json_schema", "json_schema": {"name": "order", "schema": nested}}
    with_schema = count("gpt-4o", {"messages": WEATHER, "response_format": wanted})
    assert with_schema.input_tokens > count("gpt-4o", {"messages": WEATHER}).input_tokens + 40
    plain = {"messages": WEATHER, "response_format": {"type": "json_object"}}
    assert count("gpt-4o", plain) == count("gpt-4o", {"messages": WEATHER})


def test_a_built_in_tool_is_never_free():
    found = count("gpt-4o", {"messages": WEATHER, "tools": [{"type": "web_search"}]})
    assert found.method == "estimated"
    assert float(found.error["high_percent"]) > 1000


# -- responses, completions, embeddings


def test_responses_count_instructions_and_items():
    talk = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
    chat = count("gpt-4o", {"messages": talk}).input_tokens
    shaped = {
        "instructions": "Be brief.",
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "Hello"}]}],
    }
    found = count("gpt-4o", shaped)
    role = text("gpt-4o", "developer") - text("gpt-4o", "system")
    assert found.input_tokens == chat - role
    assert count("gpt-4o", {"input": "Hello"}).input_tokens == 3 + 1 + 1 + 3


def test_what_a_responses_request_leaves_on_the_server_is_said():
    for left, word in {
        "previous_response_id": "previous_response_id", "conversation": "conversation",
        "prompt": "stored prompt",
    }.items():  # fmt: skip
        found = count("gpt-4o", {"input": "And now?", left: {"id": "one"}})
        assert found.method == "estimated"
        assert word in found.notes[-1]
    with pytest.raises(UsageError, match="a stored prompt cannot be counted"):
        count("gpt-4o", {"prompt": {"id": "one"}})


def test_an_answers_schema_is_counted_wherever_an_api_has_it():
    chat = {"messages": [{"role": "user", "content": "Hi"}]}
    wanted = {"type": "json_schema", "schema": {"type": "object"}}
    for shape in (
        {"output_format": wanted},
        {"output_config": {"effort": "low", "format": wanted}},
    ):
        found = count("claude-sonnet-4-5", {**chat, **shape})
        assert found.method == "estimated"
        assert found.input_tokens > count("claude-sonnet-4-5", chat).input_tokens + 10
    effort = count("claude-sonnet-4-5", {**chat, "output_config": {"effort": "low"}})
    assert effort == count("claude-sonnet-4-5", chat)


def test_completions_and_embeddings_count_texts_and_token_ids():
    assert count("gpt-3.5-turbo-instruct", {"prompt": "Say hello"}).input_tokens == 2
    assert count("gpt-3.5-turbo-instruct", {"prompt": ["Say", "Say hello"]}).input_tokens == 3
    model = "text-embedding-3-small"
    for texts, tokens in (
        ("Say hello", 2),
        (["Say", "hello"], 2),
        ([1, 2, 3], 3),
        ([[1], [2, 3]], 3),
    ):
        assert count(model, {"input": texts}) == (tokens, "exact", None, ())


def test_the_endpoint_settles_what_a_bare_input_is():
    given = {"input": "Say hello"}
    assert count("gpt-4o", given, endpoint="/v1/embeddings").input_tokens == 2
    assert count("gpt-4o", given, endpoint="/v1/responses").input_tokens == 2 + 7


# -- Claude


def test_claude_frames_are_the_measured_ones():
    for model, frame in (("claude-sonnet-4", 7), ("claude-opus-4-7", 11), ("claude-opus-4-8", 6)):
        found = count(model, {"messages": [{"role": "user", "content": "hello, world"}]})
        assert found.input_tokens == text(model, "hello, world") + frame
        assert found.method == "reconstructed"


def test_claude_gives_the_number_of_anthropics_counting_page():
    # docs.anthropic.com, "Token counting": {"input_tokens": 14}.
    request = {
        "system": "You are a scientist",
        "messages": [{"role": "user", "content": "Hello, Claude"}],
    }
    assert count("claude-opus-4", request).input_tokens == 14
    moved = {"messages": [{"role": "system", "content": "You are a scientist"},
                          {"role": "user", "content": "Hello, Claude"}]}  # fmt: skip
    assert count("claude-opus-4", moved).input_tokens == 14


def test_claude_tools_carry_their_system_prompt_once_within_the_band_of_the_page():
    # docs.anthropic.com, "Token counting", with tools: {"input_tokens": 403}.
    tool = {
        "name": "get_weather",
        "description": "Get the current weather in a given location",
        "input_schema": {
            "type": "object",
            "properties": {
                "location": {
                    "type": "string",
                    "description": "The city and state, e.g. San Francisco, CA",
                }
            },
            "required": ["location"],
        },
    }
    question = "What's the weather like in San Francisco?"
    request = {"tools": [tool], "messages": [{"role": "user", "content": question}]}
    found = count("claude-opus-4", request)
    low = found.input_tokens * (1 + float(found.error["low_percent"]) / 100)
    high = found.input_tokens * (1 + float(found.error["high_percent"]) / 100)
    assert low <= 403 <= high
    twice = count("claude-opus-4", {**request, "tools": [tool, tool]}).input_tokens
    assert twice - found.input_tokens < 150
    forced = count("claude-opus-4", {**request, "tool_choice": {"type": "any"}}).input_tokens
    assert found.input_tokens - forced == 346 - 313


def test_claude_blocks_are_counted():
    blocks = [
        {"type": "text", "text": "Look at this."},
        {"type": "tool_use", "id": "t", "name": "find", "input": {"query": "weather in Rome"}},
        {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "18"}]},
        {"type": "thinking", "thinking": "Hmm, 18.", "signature": "x"},
        {"type": "document", "source": {"type": "text", "data": "A page of text."}},
    ]
    found = count("claude-opus-4", {"messages": [{"role": "user", "content": blocks}]})
    assert found.input_tokens > 30


# -- images


def png(width: int, height: int) -> str:
    head = b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4, "big") + b"IHDR"
    data = (
        head + width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\0\0\0" + b"\0" * 40
    )
    return "data:image/png;base64," + base64.b64encode(data).decode()


def image_tokens(model: str, url: str, detail: str | None = None) -> int:
    picture = {"url": url} | ({"detail": detail} if detail else {})
    with_it = [{"type": "text", "text": "See"}, {"type": "image_url", "image_url": picture}]
    plain = count(model, {"messages": [{"role": "user", "content": "See"}]}).input_tokens
    return count(model, {"messages": [{"role": "user", "content": with_it}]}).input_tokens - plain


@pytest.mark.parametrize(
    ("model", "size", "detail", "tokens"),
    [
        # platform.openai.com, "Images and vision": the page's own examples.
        ("gpt-4o", (1024, 1024), "high", 765),
        ("gpt-4o", (2048, 4096), "high", 1105),
        ("gpt-4o", (4096, 8192), "low", 85),
        ("gpt-4o", (512, 512), "auto", 255),
        ("gpt-4o-mini", (1024, 1024), "high", 2833 + 4 * 5667),
        ("gpt-5", (1024, 1024), "high", 70 + 4 * 140),
        ("o1", (1024, 1024), "high", 75 + 4 * 150),
        ("gpt-4.1-mini", (1024, 1024), None, 1659),  # 1024 patches x 1.62
        ("o4-mini", (1800, 2400), None, 2498),  # 1452 patches x 1.72
        # docs.anthropic.com, "Vision": patches of 28 pixels.
        ("claude-sonnet-4", (200, 200), None, 64),
        ("claude-sonnet-4", (1000, 1000), None, 1296),
        ("claude-sonnet-4", (1092, 1092), None, 1521),
        ("claude-opus-4-7", (1920, 1080), None, 69 * 39),
        ("gemini-2.5-flash", (384, 384), None, 258),
        ("gemini-2.5-flash", (1536, 768), None, 516),
        ("gemini-3-pro", (4000, 3000), None, 1120),
        ("gemini-3-pro", (4000, 3000), "low", 280),
    ],
)
def test_an_image_costs_what_the_vendors_page_says(model, size, detail, tokens):
    assert image_tokens(model, png(*size), detail) == tokens


def test_a_large_image_never_costs_more_than_the_cap():
    assert image_tokens("claude-sonnet-4", png(8000, 8000)) <= 1568
    assert image_tokens("claude-opus-4-7", png(8000, 4000)) <= 4784
    assert image_tokens("gpt-4.1-mini", png(9000, 300)) <= 1536 * 1.62 + 1


def test_an_image_at_a_url_is_never_fetched_and_counted_at_its_largest():
    url = "https://example.com/cat.png"
    content = [{"type": "image_url", "image_url": {"url": url}}]
    found = count("gpt-4o", {"messages": [{"role": "user", "content": content}]})
    assert found.notes == ("an image at a URL is not fetched: counted at its largest",)
    assert float(found.error["low_percent"]) < -70
    assert image_tokens("gpt-4o", url) == 85 + 8 * 170
    assert image_tokens("gpt-4o", url, "low") == 85


JPEG = bytes.fromhex(
    "ffd8ffe000104a46494600010100000100010000ffdb0004"
    "0000ffc0001108012c01900301220002110103110100ffd9"
)


@pytest.mark.parametrize(
    "data",
    [
        b"GIF89a" + (400).to_bytes(2, "little") + (300).to_bytes(2, "little") + b"\0\0\0",
        JPEG,
        b"\xff\xd8\xff\xe1\xff\xff" + b"\0" * 65533 + JPEG[2:],
        b"RIFF\x1a\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\x8f\x01\0" + b"\x2b\x01\0" + b"\0" * 8,
        b"RIFF\x1a\0\0\0WEBPVP8L\x0a\0\0\0\x2f"
        + (399 | 299 << 14).to_bytes(4, "little")
        + b"\0" * 9,
        b"RIFF\x1a\0\0\0WEBPVP8 \x0a\0\0\0\0\0\0\x9d\x01\x2a" + b"\x90\x01\x2c\x01" + b"\0" * 8,
    ],
)
def test_every_image_format_gives_its_size(data):
    from nexctl.tokens.framing.images import size_of_base64

    assert size_of_base64(base64.b64encode(data).decode(), "image") == (400, 300)


@given(
    st.binary(max_size=80),
    st.sampled_from([b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"RIFF....WEBP"]),
)
def test_no_bytes_break_the_reading_of_an_images_size(data, head):
    from nexctl.tokens.framing.images import size_of

    size = size_of(head + data)
    assert size is None or len(size) == 2


# -- what is refused


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        ({}, "the request"),
        ([], "the request"),
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": ["hello"]}, "messages[0]"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": 1, "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": ["user"], "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
            "messages[0].content[0].text",
        ),
        ({"messages": [{"role": "user", "content": [7]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": "x", "name": 3}]}, "messages[0].name"),
        ({"messages": WEATHER, "tools": {}}, None),
        ({"messages": WEATHER, "tools": {"a": 1}}, "tools"),
        ({"messages": WEATHER, "tools": [5]}, "tools[0]"),
        (
            {"messages": WEATHER, "tools": [{"type": "function", "function": {}}]},
            "tools[0].function.name",
        ),
        ({"messages": WEATHER, "response_format": "json"}, "response_format"),
        ({"input": 5}, "input"),
        ({"input": [{"role": "user", "content": None}]}, "input[0].content"),
        ({"prompt": {"text": "x"}}, "prompt"),
        ({"prompt": [True]}, "prompt[0]"),
    ],
)  # fmt: skip
def test_a_malformed_request_is_one_line_with_the_json_path(request_, path):
    if path is None:
        count("gpt-4o", request_)
        return
    with pytest.raises(UsageError) as caught:
        count("gpt-4o", request_)
    assert caught.value.message.startswith(f"{path} must be ")
    assert caught.value.exit == 2


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}},
        {"type": "file", "file": {"file_id": "f"}},
        {"type": "document", "source": {"type": "base64", "data": "JVBERi0="}},
    ],
)
def test_what_no_formula_counts_is_refused_and_never_free(part):
    with pytest.raises(UsageError) as caught:
        count("gpt-4o", {"messages": [{"role": "user", "content": [part]}]})
    assert caught.value.code == "uncountable_content"


@pytest.mark.parametrize(
    "url", ["data:image/png;base64,!!!", "data:image/png,raw", "data:", png(0, 5)]
)
def test_a_broken_image_is_refused(url):
    content = [{"type": "image_url", "image_url": {"url": url}}]
    with pytest.raises(UsageError, match="image_url"):
        count("gpt-4o", {"messages": [{"role": "user", "content": content}]})


@pytest.mark.parametrize("value", [True, 0.5, "5", -1, [1]])
@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens", "max_output_tokens"])
def test_an_output_limit_is_a_whole_number(name, value):
    with pytest.raises(UsageError, match=name):
        framing.max_output_of({name: value})


@pytest.mark.parametrize("value", [0, True, -1, 1.0, "2"])
def test_n_is_one_or_more(value):
    with pytest.raises(UsageError, match="n must be"):
        framing.answers_of({"n": value})


def test_limits_and_model_are_read_from_the_request():
    assert framing.max_output_of({"max_tokens": 7, "max_completion_tokens": 5}) == 5
    assert framing.max_output_of({"max_output_tokens": 9, "max_tokens": None}) == 9
    assert framing.max_output_of({}) is None
    assert framing.answers_of({"n": 3}) == 3
    assert framing.answers_of({"n": 2, "prompt": ["a", "b"]}) == 4
    assert framing.answers_of({"n": 2, "best_of": 5, "prompt": ["a", [1, 2]]}) == 10
    assert framing.answers_of({"best_of": 5, "prompt": [1, 2, 3]}) == 5
    assert framing.answers_of({"best_of": 5, "prompt": "a"}) == 5
    assert framing.answers_of({"n": 2, "best_of": 5, "messages": [], "prompt": ["a", "b"]}) == 2
    assert framing.answers_of({"n": None}) == framing.answers_of({}) == 1
    assert framing.model_of({"model": "gpt-4o"}) == "gpt-4o"
    assert framing.model_of({}) is None
    for model in ("", 5, ["gpt-4o"]):
        with pytest.raises(UsageError, match="model"):
            framing.model_of({"model": model})


FIELDS = ["messages", "input", "prompt", "tools", "functions", "system", "instructions",
          "response_format", "tool_choice", "text"]  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["type", "text", "role", "content", "name", "tool_calls", "function",
                         "image_url", "url", "source", "data", "input", "properties"]),
        inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_any_json_is_counted_or_refused_and_never_breaks(request_):
    try:
        found = count("gpt-4o", request_)
    except UsageError:
        return
    assert found.input_tokens >= 0
    json.dumps(found.error)


@settings(max_examples=100)
@given(st.lists(st.text(max_size=40), min_size=1, max_size=6))
def test_a_message_more_costs_its_text_and_its_framing(texts):
    messages = [{"role": "user", "content": content} for content in texts]
    total = count("gpt-4o", {"messages": messages}).input_tokens
    assert total == 3 + sum(4 + text("gpt-4o", content) for content in texts)
