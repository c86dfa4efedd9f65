"""What a file holds is found out once; every fault names the file and the place."""

from __future__ import annotations

import io
import json

import pytest

from nexctl.errors import UsageError
from nexctl.estimate import readers

CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}


def test_a_chat_request_is_one_request() -> None:
    assert readers.document(json.dumps(CHAT), "a.json") == [readers.Request(CHAT, None)]


def test_a_list_of_requests_and_inline_batch_items_are_many() -> None:
    items = [{"custom_id": str(n), "method": "POST", "url": "/v1/x", "body": CHAT} for n in (1, 2)]
    assert len(readers.document(json.dumps([CHAT, CHAT, CHAT]), "a.json") or []) == 3
    inline = readers.document(json.dumps({"items": items}), "a.json")
    assert [request.body for request in inline or []] == [CHAT, CHAT]


@pytest.mark.parametrize("value", [{"name": "settings"}, [], [1, 2], "text", 5, None])
def test_other_json_is_plain_text(value: object) -> None:
    assert readers.document(json.dumps(value), "a.json") is None


def test_a_list_that_mixes_requests_with_something_else_is_refused() -> None:
    with pytest.raises(UsageError, match="item 1"):
        readers.document(json.dumps([CHAT, {"name": "x"}]), "a.json")


def test_jsonl_lines_are_requests_or_batch_lines_and_blank_lines_are_skipped() -> None:
    batch = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": CHAT}
    text = f"{json.dumps(CHAT)}\n\n{json.dumps(batch)}\r\n  \n"
    assert [request.line for request in readers.lines(text, "a.jsonl")] == [1, 3]
    assert all(request.body == CHAT for request in readers.lines(text, "a.jsonl"))


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('{"messages": [', "broken JSON"),
        ('{"messages": NaN}', "NaN is not JSON"),
        ("[1]", "not a request"),
        ('{"custom_id": "a", "body": 5}', "not a request"),
        ("[" * 200_000, "nested too deeply"),
        ('{"messages": ' + "9" * 5000 + "}", "broken JSON"),
    ],
)
def test_a_broken_line_is_named(line: str, what: str) -> None:
    with pytest.raises(UsageError, match=what) as caught:
        list(readers.lines(f"{json.dumps(CHAT)}\n{line}\n", "a.jsonl"))
    assert "a.jsonl:2" in caught.value.message


def test_broken_json_in_a_document_names_its_line() -> None:
    with pytest.raises(UsageError, match=r"a\.json:3: broken JSON"):
        readers.document('{"messages":\n [],\n ]', "a.json")


def test_text_must_be_utf8_and_names_the_offset() -> None:
    assert readers.decode(b"\xef\xbb\xbfHi", "a.md") == "Hi"
    with pytest.raises(UsageError, match="offset 2"):
        readers.decode(b"ab\xff", "a.md")
    with pytest.raises(UsageError, match=r"a\.md: a binary file.*offset 1"):
        readers.decode(b"a\0b", "a.md")


LONG = {**CHAT, "messages": [{"role": "user", "content": "long " * 200_000}]}
BATCH = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": LONG}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f"{json.dumps(LONG)}\n{json.dumps(CHAT)}\n", "jsonl"),
        (f"{json.dumps(BATCH)}\n{json.dumps(BATCH)}", "jsonl"),
        (f"\n\n{json.dumps(CHAT)}\n" * 9000, "jsonl"),
        (json.dumps(LONG), "json"),
        (json.dumps(LONG, indent=1), "json"),
        (json.dumps([LONG, CHAT]), "json"),
        (json.dumps({"items": [BATCH]}) + "\n", "json"),
        (json.dumps({"notes": "long " * 200_000}, indent=1), "text"),
        ('{"level": "info"}\n' * 60_000, "text"),
        ("[2026-11-27] started\n" * 60_000, "text"),
        ("{{ name }} is asked. " * 60_000, "text"),
        ('{"messages": [' + "long " * 200_000, "text"),
    ],
)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_something_large_is_told_as_something_small_is(text: str, kind: str, mark: str) -> None:
    raw = (mark + text).encode()
    stream = io.BytesIO(raw)
    told, head = readers.sniff_stream(stream)
    assert told == kind == readers.sniff(text, "")
    assert readers.Joined(head, stream).read() == raw


def test_what_was_read_ahead_is_read_again_in_any_pieces() -> None:
    joined = readers.Joined(b"abcdef", io.BytesIO(b"ghij"))
    assert [joined.read(2), joined.read(3), joined.read(3), joined.read()] == [
        b"ab", b"cde", b"fgh", b"ij",
    ]  # fmt: skip
    assert joined.read() == b""
