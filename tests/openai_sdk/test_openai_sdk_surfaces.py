"""The official OpenAI SDK against responses and images, unchanged."""

from __future__ import annotations

from typing import Any

import pytest
from served_kit import Served

openai = pytest.importorskip("openai", reason="needs openai")


@pytest.fixture
def sdk(served: Served) -> Any:
    return openai.OpenAI(api_key=served.key, base_url=f"{served.url}/v1", max_retries=0)


def test_a_response(served: Served, sdk: Any) -> None:
    got = sdk.responses.create(model="nex-pro", input="Hello there", instructions="be brief")
    assert got.output_text == "Hello there"
    assert got.status == "completed"
    assert got.usage.output_tokens > 0
    assert float(got.nex["charge"]) > 0
    served.settled()


def test_a_streamed_response(served: Served, sdk: Any) -> None:
    text = "a text that is longer than one piece of it, by far"
    with sdk.responses.stream(model="nex-pro", input=text) as stream:
        events = list(stream)
        final = stream.get_final_response()
    kinds = [event.type for event in events]
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert kinds.count("response.output_text.delta") > 1
    assert final.output_text == text
    numbers = [event.sequence_number for event in events if hasattr(event, "sequence_number")]
    assert numbers == sorted(numbers)
    served.settled()


def test_a_conversation_can_be_handed_back(sdk: Any) -> None:
    first = sdk.responses.create(model="nex-pro", input="one")
    items = [{"role": "user", "content": "one"}]
    items += [item.model_dump(exclude_none=True) for item in first.output]
    items.append({"role": "user", "content": "two"})
    assert sdk.responses.create(model="nex-pro", input=items).output_text == "two"


def test_a_refusal_of_a_response(sdk: Any) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        sdk.responses.create(model="nobody", input="x")
    assert caught.value.code == "model_not_found"


def test_images_of_a_model_that_makes_none(sdk: Any) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.images.generate(model="nex-pro", prompt="a cat")
    assert caught.value.code == "unsupported_capability"


def test_a_model_that_routes(sdk: Any) -> None:
    got = sdk.chat.completions.create(
        model="nex-auto", messages=[{"role": "user", "content": "Prove it step by step: 1 + 1 = 2"}]
    )
    assert got.model == "nex-auto"
    assert set(got.nex["smart_router"]) == {"target_model", "reason", "score"}
