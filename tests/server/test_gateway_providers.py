"""An upstream behind the gateway: what goes to it, what comes of its answers, where it may be."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from served_kit import Served, Upstream, upstream
from server_kit import Rig

from nexctl.errors import UsageError
from nexctl.server.bootstrap import Upstream as Terms
from nexctl.server.providers.addresses import checked, may_call, place_of

USAGE = {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14}
HELLO = [{"role": "user", "content": "Hello there"}]


@pytest.fixture
def far() -> Iterator[Upstream]:
    with upstream() as kit:
        yield kit


@pytest.fixture
def served(tmp_path: Path, far: Upstream) -> Iterator[Served]:
    terms = Terms(far.url, key_env="UPSTREAM_KEY")
    kit = Served(tmp_path, terms, environ={"UPSTREAM_KEY": "sk-upstream-canary"})
    kit.fill()
    yield kit
    kit.close()


def ask(served: Served, **fields: Any) -> Any:
    import httpx

    return httpx.post(
        f"{served.url}/v1/chat/completions",
        json={"model": "nex-pro", "messages": HELLO, **fields},
        headers={"authorization": f"Bearer {served.key}"},
        timeout=30,
    )


def test_what_goes_upstream_is_rebuilt(served: Served, far: Upstream) -> None:
    far.told = {"usage": USAGE}
    got = ask(
        served,
        model="nex-smart",
        request_id="mine",
        metadata={"team": "a"},
        temperature=0.5,
        max_tokens=77,
        stream_options=None,
        messages=[
            {"role": "user", "content": [{"type": "text", "text": "x", "cache_control": {"a": 1}}]}
        ],
    ).json()
    assert far.seen == [
        {
            "model": "nex-pro",
            "max_tokens": 77,
            "temperature": 0.5,
            "messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}],
        }
    ]
    assert far.headers[0]["authorization"] == "Bearer sk-upstream-canary"
    assert served.key not in json.dumps(far.headers)
    assert got["model"] == "nex-pro"
    assert "extra" not in got
    assert got["id"] == "chatcmpl-mine"
    assert got["choices"][0]["message"]["content"] == "An answer from afar"
    assert got["nex"]["counted_by"] == "upstream"


def test_a_maximum_is_always_sent(served: Served, far: Upstream) -> None:
    far.told = {"usage": USAGE}
    ask(served)
    ask(served, max_completion_tokens=9)
    assert 0 < far.seen[0]["max_tokens"] <= 32_000
    assert far.seen[1]["max_completion_tokens"] == 9
    assert "max_tokens" not in far.seen[1]


def test_usage_is_always_asked_for_in_streams(served: Served, far: Upstream) -> None:
    far.told = {"usage": USAGE}
    got = ask(served, stream=True, stream_options={"include_usage": False})
    assert far.seen[0]["stream_options"] == {"include_usage": True}
    events = [line[6:] for line in got.text.split("\n\n") if line]
    assert events[-1] == "[DONE]"
    last = json.loads(events[-2])
    assert last["nex"]["counted_by"] == "upstream"
    assert "usage" not in last
    text = "".join(
        json.loads(event)["choices"][0]["delta"].get("content") or "" for event in events[:-1]
    )
    assert text == "An answer from afar "


@pytest.mark.parametrize(
    ("told", "status", "code"),
    [
        ({"status": 500}, 502, "upstream_error"),
        ({"status": 503}, 502, "upstream_error"),
        ({"status": 429}, 502, "upstream_error"),
        ({"status": 401}, 502, "upstream_error"),
        ({"status": 400}, 502, "upstream_refused"),
        (
            {"status": 302, "headers": {"location": "http://169.254.169.254/"}},
            502,
            "upstream_error",
        ),
        ({"body": b"not json SECRET-WORDS"}, 502, "upstream_error"),
        ({"body": b"[" * 100_000}, 502, "upstream_error"),
        ({"body": b'{"error": {"message": "SECRET-WORDS"}}'}, 502, "upstream_error"),
        ({"body": b'{"choices": []}'}, 502, "upstream_error"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_upstream_errors_are_mapped_and_not_passed_on(
    served: Served, far: Upstream, told: dict[str, Any], status: int, code: str, stream: bool
) -> None:
    far.told = told
    got = ask(served, stream=stream)
    assert got.status_code == status
    assert got.json()["error"]["code"] == code
    assert "SECRET-WORDS" not in got.text
    assert "SECRET-WORDS" not in repr(served.app.house.alarms)
    assert served.held() == 0
    assert served.app.house.ledger.usage(served.made.customer).rows == ()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("usage", "by", "shown"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 4}, "upstream", (10, 4)),
        (
            {
                **USAGE,
                "prompt_tokens_details": {"cached_tokens": None},
                "completion_tokens_details": {"reasoning_tokens": None, "audio_tokens": None},
            },
            "upstream",
            (10, 4),
        ),
        ({**USAGE, "completion_tokens": 4.5}, "gateway", None),
        ({**USAGE, "prompt_tokens": None}, "gateway", None),
        ({**USAGE, "prompt_tokens_details": {"cached_tokens": "9"}}, "gateway", None),
        ("ten", "gateway", None),
        ({"prompt_tokens": 0, "completion_tokens": 4}, "gateway", (10, 4)),
        ({"prompt_tokens": 10, "completion_tokens": 0}, "gateway", None),
    ],
)
def test_an_answer_is_not_lost_for_its_usage(
    served: Served, far: Upstream, stream: bool, usage: Any, by: str, shown: Any
) -> None:
    far.told = {"usage": usage}
    more = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    got = ask(served, **more)
    assert got.status_code == 200
    if stream:
        rows = [line[6:] for line in got.text.split("\n") if line.startswith("data: {")]
        bodies = [json.loads(row) for row in rows]
        assert not any("error" in body for body in bodies)
        (nex,) = (body["nex"] for body in bodies if body.get("nex"))
        (told,) = (body["usage"] for body in bodies if body.get("usage"))
    else:
        nex, told = got.json()["nex"], got.json()["usage"]
    assert nex["counted_by"] == by
    assert told["prompt_tokens"] == 10
    assert told["completion_tokens"] >= 4
    if shown is not None:
        assert (told["prompt_tokens"], told["completion_tokens"]) == shown
    assert told["total_tokens"] == told["prompt_tokens"] + told["completion_tokens"]


PARTS = [{"type": "text", "text": "An "}, {"type": "other"}, {"type": "text", "text": "answer"}]
CALL = {"id": "call_1", "function": {"name": "look", "arguments": {"at": 1}}}


@pytest.mark.parametrize(
    ("message", "field", "told"),
    [
        ({"content": "An answer"}, "content", "An answer"),
        ({"content": PARTS}, "content", "An answer"),
        (
            {"role": "assistant", "tool_calls": [{**CALL, "more": 1}]},
            "tool_calls",
            [
                {
                    "type": "function",
                    "id": "call_1",
                    "function": {"name": "look", "arguments": '{"at":1}'},
                }
            ],
        ),
    ],
)
def test_an_answer_is_not_lost_for_what_it_leaves_out(
    served: Served, far: Upstream, message: dict[str, Any], field: str, told: Any
) -> None:
    far.told = {"usage": USAGE, "message": message}
    got = ask(served).json()["choices"][0]["message"]
    assert (got["role"], got[field]) == ("assistant", told)
    back = ask(
        served, messages=[*HELLO, got, {"role": "tool", "tool_call_id": "call_1"} | HELLO[0]]
    )
    assert back.status_code == 200, "an answer can be handed back as it came"


def said(content: Any = "", **more: Any) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": content}}], **more}


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b"\n \n"])
@pytest.mark.parametrize("finish", [None, "stop"])
def test_a_server_that_knows_no_streams_is_told_as_one_piece(
    served: Served, far: Upstream, before: bytes, finish: str | None
) -> None:
    choice = {"index": 0, "message": {"content": "An answer"}, "finish_reason": finish}
    answer = json.dumps({"choices": [choice], "usage": USAGE}, indent=1).encode()
    far.told = {"body": before + answer, "headers": {"content-type": "application/json"}}
    whole = ask(served).json()
    events = [line[6:] for line in ask(served, stream=True).text.split("\n\n") if line]
    assert events.pop() == "[DONE]"
    chunks = [json.loads(event) for event in events]
    texts = [one["delta"].get("content") or "" for chunk in chunks for one in chunk["choices"]]
    assert "".join(texts) == "An answer"
    nex = chunks[-1]["nex"]
    assert (nex["charge"], nex["counted_by"]) == (whole["nex"]["charge"], "upstream")
    rows = served.app.house.ledger.usage(served.made.customer).rows
    assert [row.status for row in rows] == ["ok", "ok"]
    assert served.held() == 0


def test_half_of_a_whole_answer_is_no_stream(served: Served, far: Upstream) -> None:
    far.told = {"body": b'{"choices": [{"message": {"content": "An ans'}
    got = ask(served, stream=True)
    assert (got.status_code, got.json()["error"]["code"]) == (502, "upstream_error")
    assert served.held() == 0


@pytest.mark.parametrize("stream", [False, True])
def test_a_mark_of_byte_order_hides_nothing(served: Served, far: Upstream, stream: bool) -> None:
    whole = {"choices": [{"message": {"content": "An answer"}}], "usage": USAGE}
    raw = json.dumps(said("An answer", usage=USAGE) if stream else whole).encode()
    far.told = {
        "body": b"\xef\xbb\xbf" + (b"data: %s\n\ndata: [DONE]\n\n" % raw if stream else raw)
    }
    got = ask(served, stream=stream)
    assert "An answer" in got.text
    (row,) = served.app.house.ledger.usage(served.made.customer).rows
    assert (row.status, row.record["usage"]["output"]) == ("ok", 4)


@pytest.mark.parametrize("stream", [False, True])
def test_half_a_character_costs_no_answer(served: Served, far: Upstream, stream: bool) -> None:
    """As servers leave it that cut a text between the two halves of an emoji."""
    text = "hi \\ud83d \\ud83d\\ude00 \\\\ud83d"
    if stream:
        raw = f'data: {{"choices": [{{"delta": {{"content": "{text}"}}}}]}}\n\ndata: [DONE]\n\n'
    else:
        raw = f'{{"choices": [{{"message": {{"content": "{text}"}}}}]}}'
    far.told = {"body": raw.encode()}
    got = ask(served, stream=stream)
    assert got.status_code == 200
    body = json.loads(got.text.split("\n")[0].removeprefix("data: "))["choices"][0]
    assert body["delta" if stream else "message"]["content"] == "hi \ufffd \U0001f600 \\ud83d"


def counted(output: int) -> dict[str, int]:
    return {"prompt_tokens": 9, "completion_tokens": output, "total_tokens": 9 + output}


@pytest.mark.parametrize(
    ("events", "usage", "by"),
    [
        ([said("a b"), said(" c"), {"choices": None, "usage": counted(4)}], (9, 4), "upstream"),
        ([said(PARTS), said(" c", usage=counted(3))], (9, 3), "upstream"),
        ([said("a b", usage=counted(2)), said(" c", usage=counted(3))], (9, 3), "upstream"),
        ([said(usage=counted(1)), said("a b c d e")], (10, 5), "gateway"),
    ],
)
def test_usage_counts_for_what_came_before_it(
    served: Served, far: Upstream, events: list[Any], usage: tuple[int, int], by: str
) -> None:
    far.told = {"events": events}
    assert "error" not in ask(served, stream=True).text
    (row,) = served.app.house.ledger.usage(served.made.customer).rows
    found = row.record["usage"]
    assert (found["input"], found["output"]) == usage
    assert (row.status, row.record["counted_by"]) == ("ok", by)


@pytest.mark.parametrize(
    "events",
    [
        [said("", usage=counted(0)), {"error": {"message": "boom"}}],
        [said("", usage=counted(7)), "broken"],
        [{"choices": [], "usage": counted(4)}],
        [{"choices": [{"index": 7, "delta": {"content": "for nobody"}}]}],
    ],
)
def test_usage_of_a_stream_that_brings_nothing_is_not_billed(
    served: Served, far: Upstream, events: list[Any]
) -> None:
    if events[-1] == "broken":
        far.told = {"break": 1}
    far.told["events"] = events
    assert '"upstream_error"' in ask(served, stream=True).text
    served.settled()
    assert served.app.house.ledger.usage(served.made.customer).rows == ()


def begun(name: str, **more: Any) -> dict[str, Any]:
    return {"id": f"id_{name}", "function": {"name": name, "arguments": ""}, **more}


def more_of(index: int, text: str) -> dict[str, Any]:
    return {"index": index, "function": {"arguments": text}}


def whole_call(name: str, text: str) -> dict[str, Any]:
    return {"id": f"id_{name}", "function": {"name": name, "arguments": text}}


@pytest.mark.parametrize("path", ["chat/completions", "responses", "messages"])
@pytest.mark.parametrize(
    "steps",
    [
        [
            [begun("f", index=0), begun("g", index=1)],
            [more_of(1, '{"b":')],
            [more_of(0, '{"a":1')],
            [more_of(1, "2}")],
            [more_of(0, "}")],
        ],
        [[whole_call("f", '{"a":1}'), whole_call("g", '{"b":2}')]],
        [[whole_call("f", '{"a":1}')], [whole_call("g", '{"b":2}')]],
        [[begun("f")], [{"function": {"arguments": '{"a":1}'}}], [whole_call("g", '{"b":2}')]],
    ],
)
def test_calls_are_told_apart_however_they_come(
    served: Served, far: Upstream, path: str, steps: list[Any]
) -> None:
    import httpx

    far.told = {
        "usage": USAGE,
        "events": [
            *({"choices": [{"delta": {"tool_calls": calls}}]} for calls in steps),
            {"choices": [{"delta": {}, "finish_reason": "tool_calls"}], "usage": USAGE},
        ],
    }
    asked = {"input": "Hello there"} if path == "responses" else {"messages": HELLO}
    got = httpx.post(
        f"{served.url}/v1/{path}",
        json={"model": "nex-pro", "stream": True, "max_tokens": 90, **asked}
        if path != "responses"
        else {"model": "nex-pro", "stream": True, **asked},
        headers={"authorization": f"Bearer {served.key}"},
        timeout=10,
    )
    rows = [line[6:] for line in got.text.split("\n") if line.startswith("data: {")]
    found: dict[Any, list[str]] = {}
    for row in map(json.loads, rows):
        if path == "responses" and row["type"] == "response.output_item.done":
            item = row["item"]
            found[row["output_index"]] = [item["call_id"], item["name"], item["arguments"]]
        elif path == "messages" and row["type"] == "content_block_start":
            block = row["content_block"]
            found[row["index"]] = [block["id"], block["name"], ""]
        elif path == "messages" and row["type"] == "content_block_delta":
            assert row["index"] == max(found), "one block is open at a time"
            found[row["index"]][2] += row["delta"]["partial_json"]
        elif path == "chat/completions":
            for call in row["choices"][0]["delta"].get("tool_calls") or ():
                kept = found.setdefault(call["index"], ["", "", ""])
                kept[0] += call.get("id") or ""
                kept[1] += call["function"].get("name") or ""
                kept[2] += call["function"].get("arguments") or ""
    assert found == {0: ["id_f", "f", '{"a":1}'], 1: ["id_g", "g", '{"b":2}']}


@pytest.mark.parametrize("path", ["responses", "messages"])
def test_an_event_that_tells_nothing_ends_no_stream(
    served: Served, far: Upstream, path: str
) -> None:
    import httpx

    thought = {"choices": [{"delta": {"reasoning_content": "hm"}}]}
    far.told = {"events": [said(), thought, said(), said("the answer")]}
    asked = {"input": "Hello"} if path == "responses" else {"messages": HELLO, "max_tokens": 90}
    got = httpx.post(
        f"{served.url}/v1/{path}",
        json={"model": "nex-pro", "stream": True, **asked},
        headers={"authorization": f"Bearer {served.key}"},
        timeout=10,
    )
    assert "the answer" in got.text
    ended = "response.completed" if path == "responses" else "message_stop"
    assert f"event: {ended}\n" in got.text


BAD_CALLS = [
    [{"index": 0, "function": "look"}],
    [{"index": 0, "function": {"name": "look", "arguments": [1]}}],
    [{"index": 0, "id": 5, "function": {"name": 7}}],
]


@pytest.mark.parametrize("path", ["chat/completions", "responses", "messages"])
@pytest.mark.parametrize("calls", BAD_CALLS)
def test_a_call_that_is_none_breaks_a_stream_and_leaves_no_hold(
    served: Served, far: Upstream, path: str, calls: list[Any]
) -> None:
    import httpx

    asked = {"input": "Hello there"} if path == "responses" else {"messages": HELLO}
    far.told = {"events": [said("a b"), {"choices": [{"delta": {"tool_calls": calls}}]}]}
    got = httpx.post(
        f"{served.url}/v1/{path}",
        json={"model": "nex-pro", "stream": True, **asked}
        | ({"max_tokens": 20} if path == "messages" else {}),
        headers={"authorization": f"Bearer {served.key}"},
        timeout=10,
    )
    assert '"upstream_error"' in got.text
    served.settled()
    (row,) = served.app.house.ledger.usage(served.made.customer).rows
    assert (row.status, row.record["usage"]["output"]) == ("partial", 2)


def test_a_fault_of_our_own_in_a_stream_leaves_no_hold(
    served: Served, far: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nexctl.server.inference import streaming

    def broken(delta: Any) -> list[str]:
        if delta.content == "three":
            raise ZeroDivisionError
        return [delta.content]

    monkeypatch.setattr(streaming, "texts_of", broken)
    far.told = {"events": [said("one"), said(" two"), said("three")]}
    assert '"internal_error"' in ask(served, stream=True).text
    served.settled()
    (row,) = served.app.house.ledger.usage(served.made.customer).rows
    assert (row.status, row.record["usage"]["output"]) == ("partial", 2)


def test_usage_in_each_event_draws_no_stream_out(tmp_path: Path, far: Upstream) -> None:
    import httpx

    kit = Served(tmp_path, Terms(far.url), draining_seconds=0.3)
    kit.fill()
    try:
        far.told = {"pause": 0.1, "events": [said("w ", usage=counted(i + 1)) for i in range(100)]}
        with httpx.stream(
            "POST",
            f"{kit.url}/v1/chat/completions",
            json={"model": "nex-pro", "messages": HELLO, "stream": True},
            headers={"authorization": f"Bearer {kit.key}"},
        ) as got:
            next(got.iter_lines())
        left = time.monotonic()
        kit.settled()
        assert time.monotonic() - left < 5, "what is drained has a bound"
        (row,) = kit.app.house.ledger.usage(kit.made.customer).rows
        assert (row.status, row.record["counted_by"]) == ("partial", "upstream")
    finally:
        kit.close()


def test_comments_keep_nobody_waiting_for_ever(served: Served, far: Upstream) -> None:
    (line,) = served.app.house.switchboard.lines("nex-pro")
    line.provider._seconds = 0.5  # type: ignore[attr-defined]
    far.told = {"pause": 0.1, "events": ["still working"] * 100}
    begun = time.monotonic()
    got = ask(served, stream=True)
    assert (got.status_code, got.json()["error"]["code"]) == (504, "upstream_timeout")
    assert time.monotonic() - begun < 5
    assert served.held() == 0


def test_a_stream_that_ends_without_its_end(served: Served, far: Upstream) -> None:
    far.told = {"text": "a b c d e f g h", "break": 5}
    got = ask(served, stream=True)
    assert '"upstream_error"' in got.text
    (row,) = served.app.house.ledger.usage(served.made.customer).rows
    assert (row.status, row.record["counted_by"]) == ("partial", "gateway")
    assert row.record["usage"]["output"] == 5
    served.settled()


def test_an_upstream_that_is_gone(served: Served, far: Upstream) -> None:
    far.close()
    got = ask(served)
    assert (got.status_code, got.json()["error"]["code"]) == (502, "upstream_unavailable")
    assert served.held() == 0


def test_the_next_provider_answers_where_the_first_fails(served: Served, far: Upstream) -> None:
    import httpx

    added = httpx.post(
        f"{served.url}/admin/v1/providers",
        json={"id": "echo", "kind": "echo", "priority": 200},
        headers={"authorization": f"Bearer {served.operator}"},
    )
    assert added.status_code == 200
    far.told = {"status": 500}
    got = ask(served).json()
    assert got["choices"][0]["message"]["content"] == "Hello there"
    (row,) = served.app.house.ledger.usage(served.made.customer).rows
    assert row.record["provider"] == "echo"
    far.told = {"usage": USAGE, "text": "An answer of four"}
    assert ask(served).json()["choices"][0]["message"]["content"] == "An answer of four"


def pieces(text: str) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in text.split("\n\n") if line.startswith("data: {")]


def test_usage_is_told_once_and_only_what_was_checked(served: Served, far: Upstream) -> None:
    lie = {"prompt_tokens": -1, "completion_tokens": 10**12, "total_tokens": 5}
    far.told = {
        "events": [
            {"choices": [{"index": 0, "delta": {"content": "An "}}], "usage": lie},
            {"choices": [{"index": 0, "delta": {"content": "answer"}}], "usage": USAGE},
            {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": USAGE},
        ]
    }
    plain = pieces(ask(served, stream=True).text)
    assert [piece.get("usage") for piece in plain] == [None] * len(plain)
    asked = pieces(ask(served, stream=True, stream_options={"include_usage": True}).text)
    assert [piece.get("usage") for piece in asked] == [None] * (len(asked) - 1) + [USAGE]
    assert asked[-1]["nex"]["counted_by"] == "upstream"
    served.settled()


def test_what_comes_after_an_end_is_told_after_it(served: Served, far: Upstream) -> None:
    def said(text: str, reason: str | None = None) -> dict[str, Any]:
        return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": reason}]}

    far.told = {"events": [said("a", "stop"), said("b"), said("c", "stop"), said("d")]}
    told = pieces(ask(served, stream=True).text)
    text = "".join(c["delta"].get("content") or "" for piece in told for c in piece["choices"])
    assert text == "abcd"
    assert [piece.get("nex") is not None for piece in told] == [False] * (len(told) - 1) + [True]


@pytest.mark.parametrize(
    ("route", "model", "body"),
    [
        ("embeddings", "nex-embed-zh", {"input": "Hello"}),
        ("chat/completions", "nex-pro", {"messages": HELLO, "max_tokens": 5}),
    ],
)
def test_an_answer_names_the_book_that_it_was_charged_by(
    served: Served, far: Upstream, route: str, model: str, body: dict[str, Any]
) -> None:
    """Prices change while a provider answers: charge and book are those of the start."""
    import httpx

    def operate(method: str, body: Any = None) -> Any:
        head = {"authorization": f"Bearer {served.operator}"}
        url = f"{served.url}/admin/v1/prices"
        return httpx.request(method, url, json=body, headers=head, timeout=30).json()

    def answer(handler: Any, asked: dict[str, Any]) -> None:
        (base,) = [row["hash"] for row in operate("GET")["data"] if row["state"] == "in_force"]
        dear = [{"id": model, "rates": {"input": "1000"}}]
        change = {"base": base, "models": dear}
        accept = operate("POST", {**change, "preview": True})["accept"]
        assert operate("POST", {**change, "accept": accept})["applied"]
        operate("GET")  # any later call has the gateway take the new book
        first(handler, asked)

    first, far.answer = far.answer, answer  # type: ignore[method-assign]
    far.told = {"usage": {"prompt_tokens": 2, "total_tokens": 2}}
    before = served.app.house.book.version
    got = httpx.post(
        f"{served.url}/v1/{route}",
        json={"model": model, **body},
        headers={"authorization": f"Bearer {served.key}"},
        timeout=30,
    ).json()
    assert served.app.house.book.version != before
    assert got["nex"]["price_book"] == before
    assert Decimal(got["nex"]["charge"]) < Decimal("0.0001")  # by the new one 0.002 and more


def test_input_is_checked_against_all_that_our_count_allows(served: Served) -> None:
    """An image at an address is counted at its largest: a small one is no lie."""
    from nexctl.server.inference.metering import checked as held_to
    from nexctl.wire.chat import ChatUsage

    def charged(into: int, error: Any) -> int:
        said = ChatUsage(prompt_tokens=into, completion_tokens=3, total_tokens=into + 3)
        found = held_to(
            *(served.app.house, said),
            counted=1455,
            most_output=10,
            size=3,
            output=lambda: 3,
            error=lambda: error,
        )
        return found.usage.input

    wide = {"low_percent": "-81.8", "high_percent": "0", "tokens": 0}
    assert [charged(into, wide) for into in (265, 95, 16, 15, 0, -1)] == [265, 95, 16, *[1455] * 3]
    assert [charged(into, None) for into in (313, 312)] == [313, 1455]
    assert charged(5870, wide) == 5870
    assert charged(5871, wide) == 1455


PICTURE = [
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": "https://example.com/small.png"}},
        ],
    }
]


def test_a_small_image_at_an_address_is_charged_as_the_provider_counts_it(rig: Rig) -> None:
    """Ours is the count of the largest image that may stand there."""
    from batch_kit import Batches, line

    asked = {"model": "claude-sonnet-4", "messages": PICTURE, "max_tokens": 20}
    asked["metadata"] = {"echo.usage": "input=268,output=3"}
    got = rig.ask("POST", "/v1/chat/completions", asked).body
    assert (got["usage"]["prompt_tokens"], got["nex"]["counted_by"]) == (268, "upstream")
    batches = Batches(rig)
    made = batches.run([line(1, **asked)])
    (row,) = batches.lines(made["output_file_id"])
    told = row["response"]["body"]
    assert (told["usage"]["prompt_tokens"], told["nex"]["counted_by"]) == (268, "upstream")
    assert rig.app.house.alarms == []


@pytest.mark.parametrize(
    ("meters", "amount", "fields", "sent"),
    [
        (["output"], 5000, {"max_tokens": 6000}, 5000),
        (["output"], 5000, {}, 1250),
        (["output"], 40, {"max_tokens": 100}, 40),
        (["input"], 4000, {"max_tokens": 6000}, 6000),
        (["input", "output"], 5000, {"max_tokens": 6000}, None),
    ],
)
def test_an_allowance_in_tokens_bounds_an_answer_by_what_it_counts(
    served: Served,
    far: Upstream,
    meters: list[str],
    amount: int,
    fields: dict[str, int],
    sent: int | None,
) -> None:
    import httpx

    head = {"authorization": f"Bearer {served.key}"}
    key = httpx.post(f"{served.url}/v1/keys", json={"name": "k"}, headers=head).json()
    budget = {"scope": "key", "scope_id": key["id"], "amount": str(amount), "unit": "tokens"}
    budget |= {"window": "lifetime", "meters": meters}
    assert httpx.put(f"{served.url}/v1/budgets", json=budget, headers=head).status_code == 200
    far.told = {"usage": {"prompt_tokens": 3000, "completion_tokens": 4, "total_tokens": 3004}}
    served.key = key["secret"]
    assert ask(served, messages=[{"role": "user", "content": "word " * 3000}], **fields).is_success
    (held,) = [row["max_tokens"] for row in far.seen]
    if sent is None:  # what the input leaves
        assert 1900 < held < 2000
    else:
        assert held == sent


def test_vectors_from_upstream(served: Served, far: Upstream) -> None:
    import httpx

    far.told = {"usage": {"prompt_tokens": 2, "total_tokens": 2}}
    got = httpx.post(
        f"{served.url}/v1/embeddings",
        json={"model": "nex-embed-zh", "input": ["a", "b"]},
        headers={"authorization": f"Bearer {served.key}"},
    ).json()
    assert [row["embedding"] for row in got["data"]] == [[0.5, 0.25]] * 2
    assert far.seen[0] == {"model": "nex-embed-zh", "input": ["a", "b"]}


# where a provider may be -------------------------------------------------------------------------

PRIVATE = [
    "10.0.0.1",
    "192.168.1.1",
    "172.16.0.1",
    "127.0.0.1",
    "::1",
    "fd00::1",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "100.64.0.1",
    "2002:0a00:0001::",
]
NEVER = ["169.254.169.254", "::ffff:169.254.169.254", "0.0.0.0", "::", "fe80::1", "224.0.0.1"]


@pytest.mark.parametrize("address", [*PRIVATE, *NEVER])
def test_private_addresses_are_not_called(address: str) -> None:
    import ipaddress

    assert not may_call(ipaddress.ip_address(address), allow_private=False)
    with pytest.raises(OSError, match="may not be called"):
        checked(["93.184.216.34", address], allow_private=False)


@pytest.mark.parametrize("address", NEVER)
def test_some_addresses_are_never_called(address: str) -> None:
    import ipaddress

    assert not may_call(ipaddress.ip_address(address), allow_private=True)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com",
        "https://10.0.0.1",
        "https://[::1]:8443",
        "https://169.254.169.254/latest",
        "ftp://example.com",
        "https://user:pass@example.com",
        "https://example.com?x=1",
        "https://example.com#x",
        "//example.com",
        "https://",
        "https://example.com:99999",
        "http://127.0.0.1.nip.io",
        "http://localhost",
    ],
)
def test_addresses_that_no_provider_may_have(url: str) -> None:
    with pytest.raises(UsageError):
        place_of(url, allow_private=False, local=False)


def test_a_loopback_address_that_was_typed_needs_no_flag() -> None:
    place = place_of("http://127.0.0.1:11434/v1/", allow_private=False, local=True)
    assert place == ("http", "127.0.0.1", 11434, "/v1")
    assert place_of("http://localhost:1/v1", allow_private=False, local=True).host == "localhost"


def test_providers_are_set_without_showing_keys(rig: Rig) -> None:
    def ask(method: str, path: str, body: Any = None) -> Any:
        return rig.ask(method, path, body, key=rig.operator)

    secret = "sk-provider-canary-1234567890"
    body = {"id": "up", "kind": "openai", "base_url": "https://api.example.com/v1", "key": secret}
    got = ask("POST", "/admin/v1/providers", body)
    assert (got.status, got.body["key_source"]) == (200, "stored")
    assert secret not in json.dumps(got.body)
    assert ask("POST", "/admin/v1/providers", body).code == "name_taken"
    other = "https://evil.example.com/v1"
    moved = ask("PATCH", "/admin/v1/providers/up", {"base_url": other}).body
    assert (moved["base_url"], moved["key_source"]) == (other, None)
    named = ask("PATCH", "/admin/v1/providers/up", {"key_env": "UP_KEY"}).body
    assert named["key_source"] == "env UP_KEY"
    told = ask("GET", "/admin/v1/health").body
    assert told["status"] == "degraded"
    assert told["checks"]["providers"] == "up: the variable UP_KEY is not set"
    private = {"id": "in", "kind": "openai", "base_url": "https://10.0.0.1/v1"}
    assert ask("POST", "/admin/v1/providers", private).code == "invalid_request"
    assert ask("POST", "/admin/v1/providers", {**private, "allow_private": True}).status == 200
    assert ask("DELETE", "/admin/v1/providers/in").body == {"id": "in", "removed": True}
    assert ask("DELETE", "/admin/v1/providers/in").status == 404
    assert ask("DELETE", "/admin/v1/providers/up").status == 200
    assert ask("DELETE", "/admin/v1/providers/echo").code == "state_conflict"


def test_a_stored_key_reaches_its_provider_alone(rig: Rig, far: Upstream) -> None:
    body = {"id": "up", "kind": "openai", "base_url": far.url, "key": "sk-stored-canary"}
    body["priority"] = 1
    assert rig.ask("POST", "/admin/v1/providers", body, key=rig.operator).status == 200
    far.told = {"usage": USAGE}
    assert rig.chat().status == 200
    assert far.headers[0]["authorization"] == "Bearer sk-stored-canary"


def test_a_loopback_provider_stays_usable_where_others_reach_the_gateway(
    tmp_path: Path, far: Upstream
) -> None:
    far.told = {"usage": USAGE}
    kit = Served(tmp_path, Terms(far.url), loopback=False)
    kit.fill()
    assert ask(kit).status_code == 200
    import httpx

    operator = {"authorization": f"Bearer {kit.operator}"}
    path = f"{kit.url}/admin/v1/providers"
    changed = httpx.patch(f"{path}/upstream", json={"priority": 5}, headers=operator)
    assert changed.status_code == 200
    more = {"id": "more", "kind": "openai", "base_url": "http://127.0.0.1:1/v1"}
    assert httpx.post(path, json=more, headers=operator).status_code == 400
    kit.close()
