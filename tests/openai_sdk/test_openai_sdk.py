"""The official OpenAI SDK works unchanged against a served gateway."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from served_kit import Served

from nexctl.money import text_of
from nexctl.pricing import books, engine
from nexctl.records import Usage

if TYPE_CHECKING:
    import openai

HELLO: Any = [{"role": "user", "content": "Hello there"}]


@pytest.fixture
def client(served: Served) -> openai.OpenAI:
    import openai

    return openai.OpenAI(base_url=f"{served.url}/v1", api_key=served.key, max_retries=0)


def charge(into: int, out: int, model: str = "nex-pro") -> str:
    pricer = engine.pricer(books.load("nextoken"), model)
    return text_of(pricer.charge(Usage(input=into, output=out)).units)


def test_a_conversation(client: openai.OpenAI) -> None:
    got = client.chat.completions.create(model="nex-pro", messages=HELLO)
    assert got.choices[0].message.content == "Hello there"
    assert got.choices[0].finish_reason == "stop"
    assert got.usage is not None
    nex: Any = got.nex  # type: ignore[attr-defined]
    assert nex["charge"] == charge(got.usage.prompt_tokens, got.usage.completion_tokens)


def test_a_stream_as_every_program_reads_one(client: openai.OpenAI) -> None:
    text = "one two three four five six seven eight nine ten eleven twelve"
    messages: Any = [{"role": "user", "content": text}]
    chunks = list(client.chat.completions.create(model="nex-pro", messages=messages, stream=True))
    # Programs that did not ask for usage read choices[0] of every chunk.
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == text
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert chunks[-1].nex["status"] == "ok"  # type: ignore[attr-defined]


def test_a_stream_with_usage(client: openai.OpenAI) -> None:
    *_, last = client.chat.completions.create(
        model="nex-pro", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.total_tokens == last.usage.prompt_tokens + last.usage.completion_tokens


def test_the_streaming_helper(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(model="nex-pro", messages=HELLO) as stream:
        for _ in stream:
            pass
        final = stream.get_final_completion()
    assert final.choices[0].message.content == "Hello there"


def test_the_asynchronous_client(served: Served) -> None:
    import openai

    async def work() -> list[str]:
        async with openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key=served.key) as client:
            found = await asyncio.gather(
                *(client.chat.completions.create(model="nex-pro", messages=HELLO) for _ in range(8))
            )
            stream = await client.chat.completions.create(
                model="nex-pro", messages=HELLO, stream=True
            )
            texts = [chunk.choices[0].delta.content or "" async for chunk in stream]
        return [str(one.choices[0].message.content) for one in found] + ["".join(texts)]

    assert asyncio.run(work()) == ["Hello there"] * 9


def test_many_answers_and_tools(client: openai.OpenAI) -> None:
    got = client.chat.completions.create(
        model="nex-pro",
        messages=HELLO,
        n=3,
        tools=[{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        temperature=0.2,
        seed=5,
        user="somebody",
    )
    assert len(got.choices) == 3


def test_embeddings(client: openai.OpenAI) -> None:
    # The SDK asks for base64 and decodes it itself.
    got = client.embeddings.create(model="nex-embed-zh", input=["你好", "再见"], dimensions=16)
    assert [len(row.embedding) for row in got.data] == [16, 16]
    again = client.embeddings.create(
        model="nex-embed-zh", input="你好", dimensions=16, encoding_format="float"
    )
    assert again.data[0].embedding == pytest.approx(got.data[0].embedding, abs=1e-6)


def test_models(client: openai.OpenAI) -> None:
    assert "nex-pro" in [model.id for model in client.models.list()]
    assert client.models.retrieve("nex-smart").id == "nex-pro"


def test_errors_are_the_sdks_own(client: openai.OpenAI, served: Served) -> None:
    import openai

    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="gpt-9", messages=HELLO)
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as large:
        client.chat.completions.create(model="nex-pro", messages=HELLO, max_tokens=99_999)
    assert large.value.code == "context_length_exceeded"
    wrong = openai.OpenAI(base_url=f"{served.url}/v1", api_key="nxt_sk_wrong", max_retries=0)
    with pytest.raises(openai.AuthenticationError) as refused:
        wrong.chat.completions.create(model="nex-pro", messages=HELLO)
    assert refused.value.code == "invalid_api_key"
    assert refused.value.request_id
    told: Any = {"echo.fail": "500"}
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model="nex-pro", messages=HELLO, metadata=told)
    with pytest.raises(openai.APIError, match="broke off"):
        list(
            client.chat.completions.create(
                model="nex-pro",
                messages=[{"role": "user", "content": "word " * 100}],
                metadata={"echo.break": "2"},
                stream=True,
            )
        )


@pytest.mark.parametrize("after", [1, 5, -1])
def test_leaving_a_stream_is_no_free_ride(
    client: openai.OpenAI, served: Served, after: int
) -> None:
    served.settled()
    before = served.app.house.ledger.wallet(served.made.customer).balance
    words = "word" + " word" * 99
    stream = client.chat.completions.create(
        model="nex-pro",
        messages=[{"role": "user", "content": words}],
        metadata={"echo.pause": "0.005"},
        stream=True,
    )
    for number, chunk in enumerate(stream, 1):
        if number == after or (after < 0 and chunk.choices[0].delta.content == "d word word"):
            break
    stream.close()
    time.sleep(0.05)
    served.settled()
    rows = served.app.house.ledger.usage(served.made.customer, limit=1000).rows
    paid = before - served.app.house.ledger.wallet(served.made.customer).balance
    assert rows[-1].charge == paid
    assert text_of(paid) == charge(rows[-1].record["usage"]["input"], 100)


def test_one_id_by_twenty_clients_at_once(client: openai.OpenAI, served: Served) -> None:
    import openai

    def call(_: int) -> str:
        try:
            client.chat.completions.create(
                model="nex-pro",
                messages=HELLO,
                metadata={"echo.stall": "0.2"},
                extra_body={"request_id": "same-id"},
            )
        except openai.ConflictError as error:
            return str(error.code)
        return "served"

    with ThreadPoolExecutor(20) as pool:
        found = sorted(pool.map(call, range(20)))
    assert found.count("served") == 1
    assert set(found) <= {"served", "request_in_progress", "already_billed"}
    served.settled()


def test_nothing_is_left_held(served: Served) -> None:
    served.settled()
    from nexctl.server.ledger import verify

    report = verify.verify(served.app.house.ledger)
    assert not report.violations, report.violations
