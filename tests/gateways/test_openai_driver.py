"""The OpenAI-compatible driver: what it sends, what it reads, what it says it lacks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from gateway_kit import MemoryTransport, breaks, refuses, says, streams

from nexctl.account import chatting
from nexctl.errors import ConfigError, NexctlError, UsageError
from nexctl.gateways.drivers import open_gateway
from nexctl.gateways.lacking import Lacking
from nexctl.gateways.openai import LACKED, OpenAIGateway
from nexctl.gateways.port import Gateway
from nexctl.safety.http import Call, Key, NetworkError, Reply
from nexctl.wire.batches import BatchCreate
from nexctl.wire.chat import ChatRequest

FILE = {"id": "file-1", "object": "file", "bytes": 12, "created_at": 1, "filename": "a.jsonl",
        "purpose": "batch", "status": "processed"}  # fmt: skip
BATCH = {"id": "batch_1", "object": "batch", "endpoint": "/v1/chat/completions",
         "input_file_id": "file-1", "completion_window": "24h", "status": "in_progress",
         "created_at": 1, "request_counts": None, "metadata": None, "usage": None,
         "a_field_of_tomorrow": 1}  # fmt: skip


CHOICE = {"index": 0, "message": {"role": "assistant", "content": "hi"}}


def asking(**more: Any) -> ChatRequest:
    given = {"model": "m", "messages": [{"role": "user", "content": "x"}], **more}
    return msgspec.convert(given, ChatRequest)


@pytest.fixture
def openai(wire: MemoryTransport) -> Gateway:
    key = Key("sk-CANARY0123456789", "embedded")
    return open_gateway("openai", wire, key, "work", sleep=lambda _: None)


def test_models_come_from_one_list_and_ids_may_hold_slashes(
    wire: MemoryTransport, openai: Gateway
) -> None:
    listed = {"object": "list", "data": [{"id": "org/m", "object": "model", "created": 1}]}
    wire.expect("GET", "/v1/models", says(200, listed), says(200, listed))
    assert openai.models.show("org/m").id == "org/m"
    with pytest.raises(NexctlError, match="serves no model") as caught:
        openai.models.show("other")
    assert caught.value.exit == 2


def test_a_chat_request_goes_without_what_only_nexctl_gateways_know(
    wire: MemoryTransport, openai: Gateway
) -> None:
    answer = {"id": "c", "object": "chat.completion", "created": 1, "model": "m",
              "choices": [CHOICE]}  # fmt: skip
    wire.expect("POST", "/v1/chat/completions", says(200, answer))
    request = asking(request_id="r1")
    found = openai.chat.complete(request)
    assert found.choices[0].message.content == "hi"
    assert found.nex is None
    assert wire.body() == {"model": "m", "messages": [{"role": "user", "content": "x"}]}


def test_a_chat_request_that_may_have_arrived_is_not_sent_again(
    wire: MemoryTransport, openai: Gateway
) -> None:
    wire.expect("POST", "/v1/chat/completions", breaks())
    with pytest.raises(NetworkError):
        openai.chat.complete(asking())


def test_a_stream_is_read_chunk_by_chunk(wire: MemoryTransport, openai: Gateway) -> None:
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
             "choices": [{"index": 0, "delta": {"content": "a"}}]}  # fmt: skip
    wire.expect("POST", "/v1/chat/completions", streams(chunk, chunk))
    request = asking()
    text = [chunk.choices[0].delta.content for chunk in openai.chat.stream(request)]
    assert text == ["a", "a"]
    assert wire.body()["stream"] is True


BARE = {"choices": [{"delta": {"content": "a"}}]}
LAST = {"choices": [{"delta": {}, "finish_reason": "stop"}]}


@pytest.mark.parametrize(
    "around",
    [
        {},
        {"id": None, "object": None, "created": 1.5, "model": None},
        {"usage": {"prompt_tokens": 1}, "nex": {"charge": 1}, "choices_of_tomorrow": []},
    ],
)
def test_a_chunk_is_read_whatever_stands_around_its_text(
    wire: MemoryTransport, openai: Gateway, around: dict[str, Any]
) -> None:
    wire.expect("POST", "/v1/chat/completions", streams({**BARE, **around}, {**LAST, **around}))
    chunks = list(openai.chat.stream(asking()))
    assert [chunk.choices[0].delta.content for chunk in chunks] == ["a", None]
    assert {(chunk.usage, chunk.nex) for chunk in chunks} == {(None, None)}


def test_an_id_that_is_billed_once_is_not_promised_where_there_is_none(
    wire: MemoryTransport, openai: Gateway
) -> None:
    with pytest.raises(Lacking, match="request ids that are billed once"):
        chatting.ask(openai, asking(request_id="r1"))
    wire.expect("POST", "/v1/chat/completions", streams({"id": "theirs", **LAST}))
    assert chatting.ask(openai, asking(), on_text=lambda _: None).request_id == "theirs"


def test_a_stream_without_its_last_line_is_whole_where_the_answer_is(
    wire: MemoryTransport, openai: Gateway
) -> None:
    wire.expect(
        *("POST", "/v1/chat/completions", streams(BARE, LAST, end=False)),
        streams(BARE, end=False),
    )
    assert len(list(openai.chat.stream(asking()))) == 2
    with pytest.raises(NetworkError, match="broke off"):
        list(openai.chat.stream(asking()))


def test_a_server_that_does_not_stream_has_answered_all_the_same(
    wire: MemoryTransport, openai: Gateway
) -> None:
    calls = [{"id": f"c{at}", "function": {"name": "f", "arguments": {"n": at}}} for at in (0, 1)]
    message = {"content": "hi", "tool_calls": calls}
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    whole = {"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}
    wire.expect("POST", "/v1/chat/completions", says(200, whole), says(200, whole))
    (chunk,) = openai.chat.stream(asking())
    assert chunk.choices[0].delta.content == "hi"
    assert [call["index"] for call in chunk.choices[0].delta.tool_calls or ()] == [0, 1]
    assert chunk.usage is not None
    assert chunk.usage.total_tokens == 5
    assert openai.chat.complete(asking()).choices[0].message.content == "hi"


def test_an_error_in_an_answer_of_200_is_told(wire: MemoryTransport, openai: Gateway) -> None:
    error = {"error": {"code": "insufficient_quota", "message": "nothing left"}}
    wire.expect("POST", "/v1/chat/completions", says(200, error), says(200, error), says(200, {}))
    for ask in (openai.chat.complete, openai.chat.stream):
        with pytest.raises(NexctlError, match="nothing left") as caught:
            ask(asking())
        assert caught.value.exit == 5
    with pytest.raises(NetworkError, match="no choices"):
        openai.chat.complete(asking())


def test_models_are_read_by_the_fields_that_are_the_contracts(
    wire: MemoryTransport, openai: Gateway
) -> None:
    rows = [
        {"id": "m", "created": None, "owned_by": None, "capabilities": {"vision": True}},
        {"id": "n", "object": None, "context": 9, "rates": "free", "aliases": ["o"]},
    ]
    wire.expect("GET", "/v1/models", says(200, {"data": rows}), says(200, {"data": [{"id": ""}]}))
    first, second = openai.models.list()
    assert (first.id, first.created, first.capabilities) == ("m", 0, [])
    assert (second.context, second.rates, second.aliases) == (9, {}, ["o"])
    with pytest.raises(NetworkError, match="without an id"):
        list(openai.models.list())


def uploaded(call: Call) -> Reply:
    assert call.upload is not None
    raw = b"".join(call.upload.pieces())
    assert len(raw) == call.upload.size
    assert b'name="purpose"\r\n\r\nbatch\r\n' in raw
    assert b'filename="mine.jsonl"' in raw
    assert b"\r\n\r\n{}\n\r\n--" in raw
    assert call.headers["content-type"].startswith("multipart/form-data; boundary=")
    return Reply(200, {"content-type": "application/json"}, iter([json.dumps(FILE).encode()]))


def test_an_upload_is_a_form_of_purpose_and_file(
    wire: MemoryTransport, openai: Gateway, tmp_path: Path
) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"{}\n")
    wire.expect("POST", "/v1/files", uploaded)
    assert openai.files.upload(str(path), name="mine.jsonl").id == "file-1"


def test_a_batch_is_created_with_its_window_and_never_twice(
    wire: MemoryTransport, openai: Gateway
) -> None:
    wire.expect("POST", "/v1/batches", says(200, BATCH), says(500, {"error": {"message": "x"}}))
    wanted = BatchCreate(
        input_file_id="file-1", endpoint="/v1/chat/completions", metadata={"a": "b"}
    )
    found = openai.batches.create(wanted, idempotency_key="k-1")
    assert (found.id, found.request_counts) == ("batch_1", None)
    assert wire.body() == {
        "input_file_id": "file-1",
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
        "metadata": {"a": "b"},
    }
    assert wire.calls[0].headers["idempotency-key"] == "k-1"
    # A 500 may come after the work: whoever knows the marks looks before creating again.
    with pytest.raises(NexctlError) as caught:
        openai.batches.create(wanted, idempotency_key="k-1")
    assert caught.value.exit == 7
    assert openai.batches.idempotent is False


def test_lists_go_on_after_the_last_id(wire: MemoryTransport, openai: Gateway) -> None:
    two = {**BATCH, "id": "batch_2"}
    wire.expect("GET", "/v1/batches?limit=100", says(200, {"data": [BATCH], "has_more": True}))
    wire.expect(
        "GET", "/v1/batches?limit=100&after=batch_1", says(200, {"data": [two], "has_more": False})
    )
    assert [batch.id for batch in openai.batches.list()] == ["batch_1", "batch_2"]


def test_a_list_that_comes_back_to_where_it_was_is_refused(
    wire: MemoryTransport, openai: Gateway
) -> None:
    page = says(200, {"data": [FILE], "has_more": True})
    wire.expect("GET", "/v1/files?purpose=batch&limit=100", page)
    wire.expect("GET", "/v1/files?purpose=batch&limit=100&after=file-1", page)
    with pytest.raises(NetworkError, match="comes back to where it was"):
        list(openai.files.list())


def test_a_gateway_without_a_list_lacks_it(wire: MemoryTransport, openai: Gateway) -> None:
    wire.expect("GET", "/v1/batches?limit=100", refuses(404, "not_found"))
    with pytest.raises(Lacking, match="a list of batches"):
        list(openai.batches.list())


def test_content_comes_in_pieces(wire: MemoryTransport, openai: Gateway) -> None:
    wire.expect("GET", "/v1/files/file-1/content", says(200, b"abc\n"))
    assert b"".join(openai.files.content("file-1")) == b"abc\n"
    assert wire.calls[-1].stream
    assert wire.calls[-1].headers["accept"] == "*/*"


def test_a_batch_is_shown_and_cancelled(wire: MemoryTransport, openai: Gateway) -> None:
    wire.expect("GET", "/v1/batches/batch_1", says(200, BATCH))
    wire.expect("POST", "/v1/batches/batch_1/cancel", says(200, {**BATCH, "status": "cancelling"}))
    assert openai.batches.show("batch_1", wait=9).status == "in_progress"
    assert openai.batches.cancel("batch_1").status == "cancelling"


@pytest.mark.parametrize("bad", ["", "..", "a/b"])
def test_an_id_never_changes_the_path(openai: Gateway, bad: str) -> None:
    with pytest.raises(UsageError, match="is not an id"):
        openai.batches.show(bad)


@pytest.mark.parametrize("answer", [says(200, b"<html>"), says(200, {"id": 5})])
def test_another_kind_of_answer_is_told_as_such(
    wire: MemoryTransport, openai: Gateway, answer: Any
) -> None:
    wire.expect("GET", "/v1/batches/batch_1", answer)
    with pytest.raises(NetworkError, match="as an OpenAI-compatible gateway does"):
        openai.batches.show("batch_1")


def test_what_openai_has_no_endpoint_for_is_lacking_not_made_up(openai: Gateway) -> None:
    asked = [
        lambda: openai.wallet.show(),
        lambda: openai.keys.list(),
        lambda: openai.budgets.list(),
        lambda: openai.topups.list(),
        lambda: openai.usage.list(),
        lambda: openai.prices.list(),
        lambda: openai.customers.list(),
        lambda: openai.payments.list(),
        lambda: openai.providers.list(),
        lambda: openai.codes.list(),
        lambda: openai.health(),
        lambda: openai.batches.results("batch_1"),
        lambda: openai.batches.create(BatchCreate(items=[])),
    ]
    for ask in asked:
        with pytest.raises(Lacking, match="work does not offer") as caught:
            ask()
        assert caught.value.exit == 1


def test_every_noun_of_the_port_is_offered_or_lacking(openai: Gateway) -> None:
    nouns = {
        name
        for part in Gateway.__mro__
        for name, member in vars(part).items()
        if isinstance(member, property) and name != "name"
    }
    assert {"keys", "papers", "orgs", "editions"} <= nouns
    offered = {noun for noun in nouns if noun in vars(OpenAIGateway)}
    assert nouns == offered | set(LACKED)
    assert not offered & set(LACKED)
    for noun in LACKED:
        with pytest.raises(Lacking) as caught:
            getattr(openai, noun).list()
        assert caught.value.hint


def test_a_key_is_proven_by_the_list_of_models_and_nothing_is_made_up_about_it(
    wire: MemoryTransport, openai: Gateway
) -> None:
    wire.expect("GET", "/v1/models", says(200, {"data": []}), refuses(401, "invalid_api_key"))
    found = openai.me()
    assert (found.gateway, found.key.kind, found.key.id, found.customer) == (
        "work",
        "key",
        "",
        None,
    )
    with pytest.raises(NexctlError) as caught:
        openai.me()
    assert caught.value.exit == 4


def test_an_unknown_driver_names_the_known_ones(wire: MemoryTransport) -> None:
    with pytest.raises(ConfigError, match="there is no driver 'nobody'") as caught:
        open_gateway("nobody", wire, None, "x")
    assert "openai" in (caught.value.hint or "")
