"""Top-ups, the wallet's binding layer, and a chat's charge beside its quote."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from gateway_kit import MemoryTransport, breaks, refuses, says, streams

from nexctl.account import chatting, topups, wallet
from nexctl.account.pending import Pending
from nexctl.errors import NexctlError
from nexctl.gateways.port import Gateway
from nexctl.gateways.refused import Refused
from nexctl.safety.http import NetworkError
from nexctl.wire.chat import ChatRequest, Message
from nexctl.wire.topups import FINAL, STATES, TopUp, TopUpCreate


def order(state: str = "created", **more: Any) -> dict[str, Any]:
    return {"id": "top_1", "state": state, "method": "card", "amount": "50", "currency": "USD",
            "credits": "50", "subtotal": "50", "tax": "4.5", "fee": "0", "bonus": "4",
            "total": "54.5", **more}  # fmt: skip


def test_a_preview_asks_for_figures_and_an_order_for_itself(
    gateway: Gateway, wire: MemoryTransport
) -> None:
    wire.expect("POST", "/v1/wallet/top-ups", says(200, order("preview", id=None)))
    seen = topups.preview(gateway, TopUpCreate(amount="50"))
    assert wire.body() == {"amount": "50", "preview": True}
    assert (seen.id, seen.total) == (None, "54.5")
    wire.expect("POST", "/v1/wallet/top-ups", says(200, order(checkout_url="https://pay.example")))
    made = topups.order(gateway, TopUpCreate(amount="50", preview=True), idempotency_key="k")
    assert wire.body() == {"amount": "50"}
    assert topups.public(made) == {
        "id": "top_1", "state": "created", "method": "card", "amount": "50", "currency": "USD",
        "credits": "50", "subtotal": "50", "tax": "4.5", "fee": "0", "bonus": "4", "total": "54.5",
        "pay_to": None, "checkout_url": "https://pay.example", "expires_at": None,
    }  # fmt: skip


def test_an_order_without_an_id_is_no_order(gateway: Gateway, wire: MemoryTransport) -> None:
    wire.expect("POST", "/v1/wallet/top-ups", says(200, order(id=None)))
    with pytest.raises(NexctlError) as caught:
        topups.order(gateway, TopUpCreate(amount="50"))
    assert caught.value.exit == 7


class Clock:
    """Time passes only in `sleep`."""

    def __init__(self) -> None:
        self.now = 0
        self.slept: list[int] = []

    def __call__(self) -> int:
        return self.now

    def sleep(self, seconds: int) -> None:
        self.slept.append(seconds)
        self.now += seconds


def followed(gateway: Gateway, wire: MemoryTransport, *states: str, seconds: int = 300) -> Any:
    wire.expect("GET", "/v1/wallet/top-ups/top_1", *[says(200, order(state)) for state in states])
    clock, told = Clock(), []
    try:
        topups.follow(
            gateway, "top_1", seconds=seconds, changed=lambda o: told.append(o.state),
            sleep=clock.sleep, clock=clock,
        )  # fmt: skip
    except NexctlError as error:
        return told, error, clock.slept
    return told, None, clock.slept


def test_an_order_is_followed_until_it_is_credited(gateway: Gateway, wire: MemoryTransport) -> None:
    states = ("created", "created", "opened", "opened", "paid", "credited")
    told, error, slept = followed(gateway, wire, *states)
    assert told == ["created", "opened", "paid", "credited"]
    assert error is None
    assert slept == [1, 1, 2, 2, 3]


@pytest.mark.parametrize("state", ["rejected", "expired", "refunded"])
def test_an_order_that_ended_otherwise_is_a_failure(
    gateway: Gateway, wire: MemoryTransport, state: str
) -> None:
    told, error, _ = followed(gateway, wire, "opened", state)
    assert told == ["opened", state]
    assert error.exit == 1
    assert error.code == "topup_failed"


@pytest.mark.parametrize("state", ["under_review", "submitted"])
def test_what_somebody_has_to_review_is_not_waited_for(
    gateway: Gateway, wire: MemoryTransport, state: str
) -> None:
    told, error, slept = followed(gateway, wire, state)
    assert (told, error.exit, slept) == ([state], 8, [])


def test_out_of_time_is_pending(gateway: Gateway, wire: MemoryTransport) -> None:
    _, error, slept = followed(gateway, wire, *["opened"] * 4, seconds=5)
    assert isinstance(error, Pending)
    assert error.details["state"] == "opened"
    assert sum(slept) <= 5


def test_every_state_of_an_order_leads_somewhere() -> None:
    assert topups.FAILED | {"credited"} == FINAL
    for state in STATES:
        found = TopUp(**order(state))
        if state in topups.FAILED:
            with pytest.raises(topups.TopUpFailed):
                topups.check_state(found)
        elif state == "under_review":
            with pytest.raises(Pending):
                topups.check_state(found)
        else:
            assert topups.check_state(found) is found


# ------------------------------------------------------------------ wallet


def layer(name: str, remaining: str, **more: Any) -> dict[str, Any]:
    return {"layer": name, "id": f"{name}_1", "remaining": remaining, **more}


def shown(**more: Any) -> dict[str, Any]:
    return {"currency": "USD", "balance": "30", "held": "1", "spendable": "7", **more}


LAYERS = [layer("wallet", "29"), layer("key", "7", resets_at="2026-12-01T00:00:00Z"),
          layer("parent", "7.5"), layer("customer", "100")]  # fmt: skip


def test_the_wallet_names_what_binds(gateway: Gateway, wire: MemoryTransport) -> None:
    wire.expect("GET", "/v1/wallet", says(200, shown(layers=LAYERS)))
    found = wallet.summary(gateway)
    assert found.notes == ()
    told = wallet.public(found)
    assert told["binding"] == {
        "layer": "key", "id": "key_1", "remaining": "7", "resets_at": "2026-12-01T00:00:00Z",
    }  # fmt: skip
    assert (told["balance"], told["held"], told["spendable"]) == ("30", "1", "7")
    assert [one["layer"] for one in told["layers"]] == ["wallet", "key", "parent", "customer"]


@pytest.mark.parametrize(
    ("more", "note"),
    [
        ({"spendable": "8", "layers": LAYERS}, "key leaves less"),
        ({"binding": LAYERS[0], "layers": LAYERS}, "names wallet"),
        ({"held": "31"}, "held"),
        ({"held": "-1"}, "held"),
    ],
)
def test_figures_that_do_not_fit_together_are_told(
    gateway: Gateway, wire: MemoryTransport, more: dict[str, Any], note: str
) -> None:
    wire.expect("GET", "/v1/wallet", says(200, shown(**more)))
    assert note in " ".join(wallet.summary(gateway).notes)


def test_a_gateway_without_layers_binds_by_what_it_says(
    gateway: Gateway, wire: MemoryTransport
) -> None:
    wire.expect("GET", "/v1/wallet", says(200, shown()))
    assert wallet.public(wallet.summary(gateway))["binding"] is None


def test_layers_that_only_warn_or_count_tokens_do_not_bind(
    gateway: Gateway, wire: MemoryTransport
) -> None:
    others = [layer("member", "1", hard=False), layer("org", "3", unit="tokens")]
    wire.expect("GET", "/v1/wallet", says(200, shown(layers=[*others, *LAYERS])))
    found = wallet.summary(gateway)
    assert found.binding is not None
    assert (found.binding.layer, found.notes) == ("key", ())


def test_an_amount_that_is_none_is_not_taken_for_zero(
    gateway: Gateway, wire: MemoryTransport
) -> None:
    wire.expect("GET", "/v1/wallet", says(200, shown(layers=[layer("odd", "NaN"), *LAYERS])))
    found = wallet.summary(gateway)
    assert found.binding is not None
    assert found.binding.layer == "key"


# ------------------------------------------------------------------ chat


HELLO = ChatRequest(model="nex-pro", messages=[Message(role="user", content="hi")], max_tokens=50)
NEX = {"request_id": "r", "charge": "0.0000042", "currency": "USD", "price_book": "nextoken@x"}
USAGE = {"prompt_tokens": 2, "completion_tokens": 10, "total_tokens": 12}


def chunk(*texts: str, **more: Any) -> dict[str, Any]:
    choices = [{"index": i, "delta": {"content": t}} for i, t in enumerate(texts)]
    return {"id": "c", "object": "x", "created": 1, "model": "nex-pro", "choices": choices, **more}


def test_the_quote_is_asked_for_the_same_request(gateway: Gateway, wire: MemoryTransport) -> None:
    known = {"low": "0.1", "expected": None, "high": "0.2"}
    row = {
        "gateway": "nextoken", "model": "nex-pro", "price_book": "b", "currency": "USD",
        "requests": 1, "input_tokens": 2, "cached_input_tokens": None,
        "count": {"exact": True, "method": "exact"}, "charge": known,
        "output_tokens": {"low": 0, "expected": None, "high": 50},
    }  # fmt: skip
    wire.expect("POST", "/v1/estimate-cost", says(200, row))
    found = chatting.quote(gateway, HELLO)
    assert found is not None
    assert found.charge.high == "0.2"
    assert wire.body() == {
        "model": "nex-pro", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 50,
    }  # fmt: skip


def test_a_gateway_without_quotes_gives_none(gateway: Gateway, wire: MemoryTransport) -> None:
    wire.expect("POST", "/v1/estimate-cost", refuses(404, "not_offered"))
    assert chatting.quote(gateway, HELLO) is None
    wire.expect("POST", "/v1/estimate-cost", refuses(404, "model_not_found"))
    with pytest.raises(Refused):
        chatting.quote(gateway, HELLO)


def test_a_streamed_answer_is_handed_on_as_it_comes_and_ends_with_its_charge(
    gateway: Gateway, wire: MemoryTransport
) -> None:
    end = chunk("", finish_reason=None)
    end["choices"][0]["finish_reason"] = "stop"
    last = chunk(usage=USAGE, nex=NEX)
    wire.expect(
        "POST", "/v1/chat/completions", streams(chunk("Hel", "other"), chunk("lo"), end, last)
    )
    heard: list[str] = []
    found = chatting.ask(gateway, HELLO, on_text=heard.append)
    assert heard == ["Hel", "lo"]
    assert (found.text, found.finish_reason) == ("Hello", "stop")
    assert found.nex is not None
    assert (found.nex.charge, found.nex.currency) == ("0.0000042", "USD")
    assert found.usage is not None
    assert found.usage.completion_tokens == 10
    sent = wire.body()
    assert sent["stream"] is True
    assert sent["stream_options"] == {"include_usage": True}
    assert sent["request_id"] == found.request_id


def test_a_stream_that_broke_off_is_told_with_what_is_known_of_its_charge(
    gateway: Gateway, wire: MemoryTransport
) -> None:
    fault = {"error": {"type": "upstream", "code": "upstream_error", "message": "it broke off"}}
    last = chunk(usage=USAGE, nex=NEX)
    asked = msgspec.structs.replace(HELLO, request_id="r-7")
    wire.expect("POST", "/v1/chat/completions", streams(chunk("Hel"), last, fault))
    wire.expect("POST", "/v1/chat/completions", streams(chunk("Hel"), fault))
    parts: list[chatting.Answered] = []

    def broken() -> str:
        with pytest.raises(Refused) as caught:
            chatting.ask(gateway, asked, on_text=lambda _: None, on_break=parts.append)
        assert caught.value.exit == 7
        return caught.value.hint or ""

    assert "may be charged" not in broken()
    (part,) = parts
    assert (part.text, part.request_id) == ("Hel", "r-7")
    assert part.nex is not None
    assert part.nex.charge == "0.0000042"
    assert broken().endswith("it may be charged: 'nexctl usage show r-7' tells")
    assert len(parts) == 1, "what is not known is not handed on"


def whole(**more: Any) -> dict[str, Any]:
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "nex-pro",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"},
                         "finish_reason": "stop"}], "usage": USAGE, "nex": NEX, **more}  # fmt: skip


def test_a_lost_connection_is_asked_again_under_the_same_id(
    gateway: Gateway, wire: MemoryTransport
) -> None:
    wire.expect("POST", "/v1/chat/completions", breaks(), says(200, whole()))
    found = chatting.ask(gateway, HELLO)
    assert found.text == "Hello"
    assert len({json.loads(call.body)["request_id"] for call in wire.calls}) == 1


def test_a_request_whose_end_was_not_seen_is_named_with_where_to_look(
    gateway: Gateway, wire: MemoryTransport
) -> None:
    asked = msgspec.structs.replace(HELLO, request_id="r-7")
    wire.expect(
        *("POST", "/v1/chat/completions", streams(chunk("Hel"), end=False)),
        *[breaks() for _ in range(4)],
        says(200, {"choices": []}),
        *[breaks("connect_failed", sent=False) for _ in range(4)],
    )
    look = "it may be charged: 'nexctl usage show r-7' tells"
    for on_text, hint in (
        (lambda _: None, look),
        (None, look),
        (None, f"check the profile's address and driver; {look}"),
    ):
        with pytest.raises(NetworkError) as caught:
            chatting.ask(gateway, asked, on_text=on_text)
        assert caught.value.hint == hint
        assert caught.value.details["request_id"] == "r-7"
    with pytest.raises(NetworkError) as caught:
        chatting.ask(gateway, asked)
    assert "charged" not in (caught.value.hint or "")


def test_an_answer_that_was_billed_and_lost_is_told_with_its_charge(
    gateway: Gateway, wire: MemoryTransport
) -> None:
    billed = refuses(409, "already_billed", details={"usage": {"charge": "0.0000042"}})
    wire.expect("POST", "/v1/chat/completions", breaks(), billed)
    with pytest.raises(Refused) as caught:
        chatting.ask(gateway, HELLO)
    assert caught.value.exit == 1
    assert caught.value.details["usage"]["charge"] == "0.0000042"
    assert len(wire.calls) == 2


def test_a_gateway_that_says_nothing_of_the_charge_leaves_it_unknown(
    gateway: Gateway, wire: MemoryTransport
) -> None:
    wire.expect("POST", "/v1/chat/completions", says(200, whole(nex=None, usage=None, choices=[])))
    found = chatting.ask(gateway, HELLO)
    assert (found.nex, found.usage, found.text) == (None, None, "")


def test_tool_calls_are_put_together_from_their_pieces() -> None:
    parts = [
        {"index": 1, "id": "b", "function": {"name": "g", "arguments": "{}"}},
        {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x"'}},
        {"index": 0, "function": {"arguments": ": 1}"}},
        {"index": 0, "function": {"arguments": None}},
    ]
    assert chatting.joined_calls(parts) == [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}},
        {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]
