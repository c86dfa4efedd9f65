"""The official OpenAI SDK's files and batches work unchanged against a served gateway."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from batch_kit import jsonl, line
from served_kit import Served

if TYPE_CHECKING:
    import openai


@pytest.fixture
def client(served: Served) -> openai.OpenAI:
    import openai

    return openai.OpenAI(base_url=f"{served.url}/v1", api_key=served.key, max_retries=0)


def ended(client: openai.OpenAI, batch: str) -> Any:
    until = time.monotonic() + 60
    while True:
        found = client.batches.retrieve(batch)
        if found.status in ("completed", "failed", "expired", "cancelled"):
            return found
        assert time.monotonic() < until, found
        time.sleep(0.05)


def test_a_batch_from_upload_to_results(client: openai.OpenAI, tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    path.write_bytes(jsonl([line(n) for n in range(12)]))
    file = client.files.create(file=path, purpose="batch")
    assert (file.filename, file.bytes, file.status) == (
        "requests.jsonl",
        path.stat().st_size,
        "processed",
    )
    batch = client.batches.create(
        input_file_id=file.id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        metadata={"job": "seven"},
    )
    assert batch.status == "validating"
    done = ended(client, batch.id)
    assert done.status == "completed"
    assert done.metadata == {"job": "seven"}
    assert (done.request_counts.total, done.request_counts.completed) == (12, 12)
    assert done.error_file_id is None
    assert done.usage.total_tokens == done.usage.input_tokens + done.usage.output_tokens
    text = client.files.content(done.output_file_id).text
    rows = [json.loads(row) for row in text.splitlines()]
    assert {row["custom_id"] for row in rows} == {f"line-{n}" for n in range(12)}
    from openai.types.chat import ChatCompletion

    for row in rows:
        answer = ChatCompletion.model_validate(row["response"]["body"])
        number = row["custom_id"].partition("-")[2]
        assert answer.choices[0].message.content == f"hello {number}"


def test_the_output_can_be_streamed_to_a_file(client: openai.OpenAI, tmp_path: Path) -> None:
    file = client.files.create(file=("in.jsonl", jsonl([line(1)])), purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    done = ended(client, batch.id)
    target = tmp_path / "out.jsonl"
    with client.files.with_streaming_response.content(done.output_file_id) as answer:
        answer.stream_to_file(target)
    assert json.loads(target.read_text())["custom_id"] == "line-1"


def test_lists_page_by_themselves(client: openai.OpenAI) -> None:
    made = [client.files.create(file=io.BytesIO(b"x\n"), purpose="batch").id for _ in range(3)]
    listed = [file.id for file in client.files.list(limit=2)]
    assert listed[:3] == made[::-1]
    client.batches.create(input_file_id=made[0], endpoint="/v1/embeddings", completion_window="24h")
    client.batches.create(input_file_id=made[1], endpoint="/v1/embeddings", completion_window="24h")
    assert len([batch.id for batch in client.batches.list(limit=1)]) >= 2


def test_a_failed_batch_says_why(client: openai.OpenAI) -> None:
    file = client.files.create(file=("in.jsonl", b"not json\n"), purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    done = ended(client, batch.id)
    assert done.status == "failed"
    assert (done.errors.data[0].code, done.errors.data[0].line) == ("invalid_json_line", 1)


def test_cancelling_and_deleting(client: openai.OpenAI) -> None:
    rows = [line(n, metadata={"echo.stall": "0.3"}) for n in range(200)]
    file = client.files.create(
        file=("in.jsonl", jsonl(rows)),
        purpose="batch",
        expires_after={"anchor": "created_at", "seconds": 3600},
    )
    assert file.expires_at is not None
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    assert client.batches.cancel(batch.id).status == "cancelling"
    done = ended(client, batch.id)
    assert done.status == "cancelled"
    assert done.request_counts.completed + done.request_counts.failed == 200
    assert client.files.delete(file.id).deleted
    import openai

    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(file.id)


def test_money_refuses_a_batch_as_it_refuses_a_request(client: openai.OpenAI) -> None:
    import openai

    rows = [line(n, max_tokens=30_000, n=128) for n in range(3_000)]
    file = client.files.create(file=("in.jsonl", jsonl(rows)), purpose="batch")
    with pytest.raises(openai.APIStatusError) as caught:
        client.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
    assert caught.value.status_code == 402


def test_nothing_is_left_held(served: Served) -> None:
    served.settled()
