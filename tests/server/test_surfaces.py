"""Other shapes and other things: responses, messages, images, videos, own provider keys."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from server_kit import Kept, Rig

from nexctl.cli.gateway_ledger import repricer
from nexctl.pricing import books
from nexctl.server import bootstrap
from nexctl.server.inference import messages, responses
from nexctl.server.ledger import verify
from nexctl.wire.base import decode
from nexctl.wire.messages import MessageRequest
from nexctl.wire.responses import ResponseRequest

Make = Callable[..., Rig]


def clean(rig: Rig) -> None:
    rig.settled()
    proof = verify.verify(rig.house.ledger, reprice=repricer(rig.house.ledger))
    assert proof.clean, proof.violations


# shapes ------------------------------------------------------------------------------------------


def test_the_same_request_costs_the_same_in_each_shape(rig: Rig) -> None:
    chat = rig.chat(messages=[{"role": "user", "content": "Tell me"}], max_tokens=50).body
    response = rig.ask(
        "POST", "/v1/responses", {"model": "nex-pro", "input": "Tell me", "max_output_tokens": 50}
    ).body
    message = rig.ask(
        "POST",
        "/v1/messages",
        {
            "model": "nex-pro",
            "max_tokens": 50,
            "messages": [{"role": "user", "content": "Tell me"}],
        },
    ).body
    charges = {one["nex"]["charge"] for one in (chat, response, message)}
    assert len(charges) == 1
    assert response["output"][0]["content"][0]["text"] == "Tell me"
    assert response["usage"]["input_tokens"] == chat["usage"]["prompt_tokens"]
    assert message["content"] == [{"type": "text", "text": "Tell me"}]
    assert (message["stop_reason"], response["status"]) == ("end_turn", "completed")
    assert [row["endpoint"] for row in rig.usage()] == [
        *("/v1/chat/completions", "/v1/responses", "/v1/messages")
    ]
    clean(rig)


def test_an_answer_that_is_cut_says_so(rig: Rig) -> None:
    body = {"model": "nex-pro", "input": "one two three four five six", "max_output_tokens": 3}
    got = rig.ask("POST", "/v1/responses", body).body
    assert got["status"] == "incomplete"
    assert got["incomplete_details"] == {"reason": "max_output_tokens"}
    body = {
        "model": "nex-pro",
        "max_tokens": 3,
        "messages": [{"role": "user", "content": "one two three four five six"}],
    }
    assert rig.ask("POST", "/v1/messages", body).body["stop_reason"] == "max_tokens"


def test_what_a_response_request_means() -> None:
    body = {
        "model": "m",
        "instructions": "be brief",
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "weather?"}]},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "rain"},
        ],
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}],
        "tool_choice": {"type": "function", "name": "f"},
        "reasoning": {"effort": "low"},
        "text": {"format": {"type": "json_schema", "name": "s", "schema": {}}},
    }
    chat = responses.chat_of(decode(ResponseRequest, json.dumps(body).encode()))
    assert [m["role"] for m in chat["messages"]] == ["system", "user", "assistant", "tool"]
    assert chat["messages"][2]["tool_calls"][0]["id"] == "c1"
    assert chat["messages"][3] == {"role": "tool", "tool_call_id": "c1", "content": "rain"}
    assert chat["tools"] == [
        {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    ]
    assert chat["tool_choice"] == {"type": "function", "function": {"name": "f"}}
    assert chat["reasoning_effort"] == "low"
    assert chat["response_format"]["json_schema"]["name"] == "s"


def test_what_a_message_request_means() -> None:
    body = {
        "model": "m",
        "max_tokens": 9,
        "system": [{"type": "text", "text": "be brief"}],
        "stop_sequences": ["END"],
        "metadata": {"user_id": "u"},
        "tools": [{"name": "f", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
        "messages": [
            {"role": "user", "content": "weather?"},
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "I look"},
                    {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "t1", "content": "rain"},
                    {"type": "text", "text": "so?"},
                ],
            },
        ],
    }
    chat = messages.chat_of(decode(MessageRequest, json.dumps(body).encode()))
    roles = [message["role"] for message in chat["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "user"]
    assert chat["messages"][2]["tool_calls"][0]["function"] == {
        "name": "f",
        "arguments": '{"a":1}',
    }
    assert (chat["stop"], chat["user"], chat["tool_choice"]) == (["END"], "u", "required")
    assert chat["parallel_tool_calls"] is False


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/v1/responses", {"model": "nex-pro", "input": []}, "invalid_request"),
        ("/v1/responses", {"model": "none", "input": "x"}, "model_not_found"),
        ("/v1/responses", {"model": "nex-pro", "input": "x", "top_k": 1}, "unsupported_parameter"),
        ("/v1/responses", {"model": "nex-pro", "input": "x", "store": True}, "invalid_request"),
        (
            "/v1/responses",
            {"model": "nex-pro", "input": [{"type": "function_call"}]},
            "invalid_request",
        ),
        ("/v1/messages", {"model": "nex-pro", "messages": []}, "invalid_request"),
        (
            "/v1/messages",
            {"model": "nex-pro", "max_tokens": 5, "messages": [{"role": "user", "content": []}]},
            "invalid_request",
        ),
        (
            "/v1/messages",
            {
                "model": "nex-pro",
                "max_tokens": 99_999,
                "messages": [{"role": "user", "content": "x"}],
            },
            "context_length_exceeded",
        ),
    ],
)
def test_refused_before_anything_is_held(rig: Rig, path: str, body: Any, code: str) -> None:
    got = rig.ask("POST", path, body)
    assert got.code == code
    assert rig.wallet()["held"] == "0"
    assert rig.usage() == []


def test_a_key_may_come_as_claudes_callers_bring_it(rig: Rig) -> None:
    body = json.dumps(
        {"model": "nex-pro", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}
    ).encode()
    sent = {"x-api-key": rig.management}
    assert rig.raw("POST", "/v1/messages", body, headers=sent).status == 200
    assert rig.raw("POST", "/v1/messages", body, headers={"x-api-key": "no"}).status == 401


# images and videos -------------------------------------------------------------------------------

ROWS = """
[[models]]
id = "picture-1"
kind = "image"
rates = { image = { price = "0.04", per = 1, unit = "image" }, request = { price = "0.001", per = 1, unit = "request" } }

[[models]]
id = "film-1"
kind = "video"
rates = { video = { price = "0.10", per = 1, unit = "video" }, gpu_second = { price = "0.002", per = 1, unit = "gpu_second" } }
"""  # noqa: E501


@pytest.fixture
def studio(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """A gateway whose operator has set rates for images and videos."""
    shipped = Path(books.__file__).parent / "books" / "deeptoken.toml"
    own = tmp_path / "studio.toml"
    text = shipped.read_text()
    own.write_text(text.replace("[topup]", ROWS + "\n[topup]", 1))
    rig = make(book=str(own), plan=None)
    rig.house.ledger.adjust(rig.made.customer, 10 * 10**9, note="test", by="test")
    return rig


def test_images_are_charged_by_the_image_and_request(studio: Rig) -> None:
    body = {"model": "picture-1", "prompt": "a cat", "n": 3, "response_format": "b64_json"}
    got = studio.ask("POST", "/v1/images/generations", body).body
    assert len(got["data"]) == 3
    for row in got["data"]:
        assert base64.b64decode(row["b64_json"]).startswith(b"\x89PNG")
    assert got["quantities"] == {"requests": 1, "images": 3}
    assert got["nex"]["charge"] == "0.121"
    row = studio.usage()[0]
    assert (row["images"], row["charge"], row["input_tokens"]) == (3, "0.121", 0)
    clean(studio)


def test_a_video_is_charged_by_the_gpu_seconds_that_were_reported(studio: Rig) -> None:
    body = {"model": "film-1", "prompt": "a cat", "seconds": 6}
    got = studio.ask("POST", "/v1/videos", body).body
    assert (got["status"], got["seconds"]) == ("completed", "6")
    assert base64.b64decode(got["b64"]).startswith(b"YUV4MPEG2")
    assert got["nex"]["charge"] == "0.112"
    row = studio.usage()[0]
    assert (row["videos"], row["gpu_seconds"], row["seconds"]) == (1, 6, 0)
    clean(studio)


@pytest.mark.parametrize("lie", ["gpu_second=999", "gpu_second=-1", "omit"])
def test_gpu_seconds_beyond_what_was_allowed_settle_at_the_bound(studio: Rig, lie: str) -> None:
    body = {
        "model": "film-1",
        "prompt": "a cat",
        "max_gpu_seconds": 20,
        "metadata": {"echo.usage": lie},
    }
    got = studio.ask("POST", "/v1/videos", body).body
    assert (got["nex"]["charge"], got["nex"]["counted_by"]) == ("0.14", "gateway")
    assert any("GPU seconds" in text for text in studio.house.alarms)
    clean(studio)


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/v1/images/generations", {"model": "image-video-models"}, "unpriced"),
        ("/v1/videos", {"model": "image-video-models"}, "unpriced"),
        ("/v1/images/generations", {"model": "gpt-4.1-mini"}, "unsupported_capability"),
        ("/v1/videos", {"model": "picture-1"}, "unpriced"),
        ("/v1/images/generations", {"model": "none"}, "model_not_found"),
        ("/v1/images/generations", {"model": "picture-1", "n": 11}, "invalid_request"),
    ],
)
def test_what_has_no_price_makes_no_picture(studio: Rig, path: str, body: Any, code: str) -> None:
    got = studio.ask("POST", path, {"prompt": "a cat", **body})
    assert got.code == code
    assert studio.wallet()["held"] == "0"
    assert studio.usage() == []


def test_an_image_that_cannot_be_paid_or_made_leaves_no_hold(studio: Rig) -> None:
    poor = studio.customer("poor")
    body = {"model": "picture-1", "prompt": "a cat"}
    assert studio.ask("POST", "/v1/images/generations", body, key=poor).status == 402
    failing = {**body, "metadata": {"echo.fail": "500"}}
    assert studio.ask("POST", "/v1/images/generations", failing).code == "upstream_error"
    clean(studio)


# own provider keys -------------------------------------------------------------------------------


@pytest.fixture
def nexu(make: Make) -> Rig:
    return make(book="nexu", plan=None)


def own_key(rig: Rig, **fields: Any) -> Any:
    body = {"provider": "echo", "key": "sk-canary-1234567890", **fields}
    return rig.ask("PUT", "/v1/provider-keys", body)


def test_with_an_own_key_no_credit_is_charged_and_the_providers_fee_is_told(nexu: Rig) -> None:
    assert nexu.chat(model="gpt-5.4-mini").status == 429  # no credits, as that gateway spells it
    assert own_key(nexu).body["hint"] == "7890"
    got = nexu.chat(model="gpt-5.4-mini").body
    assert got["nex"]["charge"] == "0"
    own = got["nex"]["own_key"]
    assert (own["provider"], own["currency"]) == ("echo", "USD")
    assert Decimal(own["fee"]) > 0
    assert own["price_book"].startswith("openai@")
    row = nexu.usage()[0]
    assert (row["charge"], row["currency"]) == ("0", "credits")
    clean(nexu)


def test_a_fee_that_nobody_knows_is_null_and_not_free(nexu: Rig) -> None:
    own_key(nexu)
    got = nexu.chat(model="mimo-v2-pro").body
    assert (got["nex"]["charge"], got["nex"]["own_key"]["fee"]) == ("0", None)


def test_a_model_whose_split_is_unknown_is_not_charged_at_all(nexu: Rig) -> None:
    nexu.house.ledger.adjust(nexu.made.customer, 100 * 10**9, note="test", by="test")
    assert nexu.chat(model="mimo-v2-pro").code == "unpriced"
    assert nexu.chat(model="gemini-3-flash-preview").status == 200
    assert nexu.chat(model="gpt-4o").code == "model_not_found"


def test_an_own_key_never_falls_back_to_the_operators(nexu: Rig) -> None:
    nexu.house.ledger.adjust(nexu.made.customer, 100 * 10**9, note="test", by="test")
    body = {"id": "mine", "kind": "echo", "priority": 500, "options": {"fail": "500"}}
    assert nexu.ask("POST", "/admin/v1/providers", body, key=nexu.operator).status == 200
    own_key(nexu, provider="mine")
    before = nexu.wallet()["balance"]
    assert nexu.chat(model="gpt-5.4-mini").code == "upstream_error"
    assert nexu.wallet()["balance"] == before
    other = nexu.customer("other")
    assert nexu.chat(other, model="gpt-5.4-mini").status == 429
    assert nexu.ask("DELETE", "/v1/provider-keys/mine").status == 200
    got = nexu.chat(model="gpt-5.4-mini", messages=[{"role": "user", "content": "now"}]).body
    assert Decimal(got["nex"]["charge"]) > 0
    assert got["nex"]["own_key"] is None
    clean(nexu)


def test_a_batch_never_goes_out_with_the_operators_key_in_the_place_of_an_own_one(
    nexu: Rig,
) -> None:
    nexu.house.ledger.adjust(nexu.made.customer, 100 * 10**9, note="test", by="test")
    own_key(nexu)
    body = {"model": "gpt-5.4-mini", "messages": [{"role": "user", "content": "x"}]}
    item = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}
    made = nexu.ask("POST", "/v1/batches", {"items": [item]})
    assert made.status == 200, made
    assert nexu.wallet()["held"] == "0"
    assert nexu.usage() == []


def test_what_no_own_key_pays_for_does_not_go_out_with_the_operators(
    make: Make, tmp_path: Path
) -> None:
    """Embeddings, images and videos: refused while a key of the customer's is stored."""
    offer = '\n[byok]\noffered = true\ncharge = "0"\nsaid = "ours"\n'
    rigs = []
    for name in ("nextoken", "deeptoken"):
        text = (Path(books.__file__).parent / "books" / f"{name}.toml").read_text()
        own = tmp_path / f"{name}-own.toml"
        own.write_text(text.replace("[topup]", ROWS + "\n[topup]", name == "deeptoken") + offer)
        rigs.append(make(book=str(own), plan="business" if name == "nextoken" else None))
    texts, studio = rigs
    studio.house.ledger.adjust(studio.made.customer, 10 * 10**9, note="test", by="test")
    asked = (
        (texts, "/v1/embeddings", {"model": "nex-embed-zh", "input": "hello"}),
        (studio, "/v1/images/generations", {"model": "picture-1", "prompt": "a cat"}),
        (studio, "/v1/videos", {"model": "film-1", "prompt": "a cat", "seconds": 1}),
    )
    for rig, path, body in asked:
        assert own_key(rig).status == 200
        assert rig.ask("POST", path, body).code == "not_offered"
        assert (rig.wallet()["held"], rig.usage()) == ("0", [])
        rig.ask("DELETE", "/v1/provider-keys/echo")
    for rig, path, body in asked:
        assert rig.ask("POST", path, body).status == 200


def test_a_stored_key_is_shown_to_nobody_and_sealed(nexu: Rig) -> None:
    own_key(nexu)
    shown = json.dumps(nexu.ask("GET", "/v1/provider-keys").body)
    assert "canary" not in shown
    assert json.loads(shown)["offered"] == ["echo"]
    raw = Path(nexu.place).read_bytes() + Path(f"{nexu.place}-wal").read_bytes()
    assert b"sk-canary" not in raw
    assert nexu.ask("DELETE", "/v1/provider-keys/echo").body["removed"] is True
    assert nexu.ask("DELETE", "/v1/provider-keys/echo").code == "not_found"
    assert own_key(nexu, provider="nobody").code == "not_found"
    assert own_key(nexu, key="two words").code == "invalid_request"


def test_a_book_without_own_keys_says_so(rig: Rig) -> None:
    assert own_key(rig).code == "not_offered"
    assert rig.ask("GET", "/v1/provider-keys").code == "not_offered"


# plans that a book does not have -----------------------------------------------------------------


@pytest.mark.parametrize("book", ["nexrelay", "deeptoken", "nexu", "tokenok"])
def test_a_plan_is_refused_where_the_book_lets_nobody_choose_one(tmp_path: Path, book: str) -> None:
    from nexctl.errors import UsageError

    with pytest.raises(UsageError, match="plan"):
        bootstrap.create(str(tmp_path / "x" / "db"), Kept(), book=books.load(book), plan="pro")


def test_a_video_may_be_asked_for_by_a_form(studio: Rig) -> None:
    """OpenAI's SDK sends `multipart/form-data` here, with or without a file."""

    def asked(*parts: tuple[str, str]) -> Any:
        lines = [
            f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in parts
        ]
        kind = {"content-type": "multipart/form-data; boundary=b"}
        body = "".join((*lines, "--b--\r\n")).encode()
        return studio.raw("POST", "/v1/videos", body, key=studio.management, headers=kind)

    good = (("model", "film-1"), ("prompt", "a cat\r\n--c"), ("seconds", "4"))
    got = asked(*good)
    assert (got.status, got.body["status"]) == (200, "completed")
    assert asked(*good, ("seconds", "4")).code == "invalid_request"
    assert asked(*good, ("metadata[a]", "b")).status == 400
    assert asked(("model", "film-1"), ("prompt", "\x00")).code == "invalid_request"
    picture = ('input_reference"; filename="a.png', "PNG")
    assert asked(*good, picture).code == "unsupported_parameter"
    json_only = {"content-type": "multipart/form-data; boundary=b"}
    got = studio.raw("POST", "/v1/tokenize", b"--b--", key=studio.management, headers=json_only)
    assert got.status == 415
