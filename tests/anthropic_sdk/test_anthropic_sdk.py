"""The official Anthropic SDK against /v1/messages, unchanged."""

from __future__ import annotations

from typing import Any

import pytest
from served_kit import Served

anthropic = pytest.importorskip("anthropic", reason="needs anthropic")
HELLO = [{"role": "user", "content": "Hello there"}]


@pytest.fixture
def sdk(served: Served) -> Any:
    return anthropic.Anthropic(api_key=served.key, base_url=served.url, max_retries=0)


def test_a_message(served: Served, sdk: Any) -> None:
    got = sdk.messages.create(model="claude-sonnet-4", max_tokens=50, messages=HELLO, system="hi")
    assert got.content[0].text == "Hello there"
    assert (got.role, got.stop_reason) == ("assistant", "end_turn")
    assert got.usage.input_tokens > 0
    assert float(got.nex["charge"]) > 0
    served.settled()


def test_a_streamed_message(served: Served, sdk: Any) -> None:
    text = "a text that is longer than one piece of it, by far"
    asked = [{"role": "user", "content": [{"type": "text", "text": text}]}]
    with sdk.messages.stream(model="nex-pro", max_tokens=50, messages=asked) as stream:
        pieces = list(stream.text_stream)
        final = stream.get_final_message()
    assert len(pieces) > 1
    assert "".join(pieces) == text
    assert final.content[0].text == text
    assert final.stop_reason == "end_turn"
    assert final.usage.output_tokens > 0
    served.settled()


def test_a_token_as_bearer_works_too(served: Served) -> None:
    sdk = anthropic.Anthropic(auth_token=served.key, base_url=served.url, max_retries=0)
    assert sdk.messages.create(model="nex-pro", max_tokens=9, messages=HELLO).content[0].text


def test_refusals_are_the_sdks_own_errors(served: Served, sdk: Any) -> None:
    with pytest.raises(anthropic.NotFoundError):
        sdk.messages.create(model="nobody", max_tokens=9, messages=HELLO)
    wrong = anthropic.Anthropic(api_key="nxt_sk_wrong", base_url=served.url, max_retries=0)
    with pytest.raises(anthropic.AuthenticationError):
        wrong.messages.create(model="nex-pro", max_tokens=9, messages=HELLO)
