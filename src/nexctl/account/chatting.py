"""One prompt: its quote before, the answer, and the real charge beside the quote."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from nexctl.gateways.refused import Refused
from nexctl.safety.http import NetworkError

if TYPE_CHECKING:
    from nexctl.gateways.port import Gateway
    from nexctl.wire.chat import ChatRequest, ChatUsage, Nex
    from nexctl.wire.counts import Estimate


class Answered(NamedTuple):
    """What came back. `nex` and `usage` are None where the gateway said nothing of them."""

    request_id: str
    model: str
    text: str
    refusal: str | None
    tool_calls: list[dict[str, Any]]
    finish_reason: str | None
    usage: ChatUsage | None
    nex: Nex | None
    quote: Estimate | None


def quote(gateway: Gateway, request: ChatRequest) -> Estimate | None:
    """The gateway's own quote; None where it makes none (then the caller estimates)."""
    from nexctl.wire.base import plain
    from nexctl.wire.counts import EstimateRequest

    given = plain(request)
    given.pop("request_id", None)
    import msgspec

    from nexctl.gateways.lacking import Lacking

    try:
        return gateway.chat.estimate(msgspec.convert(given, EstimateRequest))
    except Lacking:
        return None
    except Refused as error:
        if error.code in ("not_offered", "not_found", "method_not_allowed"):
            return None
        raise


def identified(gateway: Gateway, request: ChatRequest) -> ChatRequest:
    """A request with an id under which it is billed at most once, where the gateway has such ids.

    So repeating it after a lost connection cannot be billed twice: the repetition is refused as
    `already_billed`, with the charge. Lacking for an id of its own where the gateway has none.
    """
    import msgspec

    from nexctl.gateways.lacking import Lacking

    if not gateway.chat.once:
        if request.request_id is None:
            return request
        raise Lacking(
            gateway.name,
            "request ids that are billed once",
            hint="leave the request id out",
        )
    made = request.request_id or f"nexctl-{os.urandom(12).hex()}"
    return msgspec.structs.replace(request, request_id=made)


def charged_perhaps(request: ChatRequest) -> str:
    """Where to look after a request whose end was not seen."""
    if request.request_id is None:
        return "it may be charged"
    return f"it may be charged: 'nexctl usage show {request.request_id}' tells"


def ask(
    gateway: Gateway,
    request: ChatRequest,
    *,
    quoted: Estimate | None = None,
    on_text: Callable[[str], object] | None = None,
    on_break: Callable[[Answered], object] = lambda part: None,
) -> Answered:
    """Send a request; with `on_text` the answer's first choice is handed on as it comes.

    It goes `identified`; without such ids the answer is known by its own. A stream that broke off
    is handed to `on_break` where the gateway said what the part is charged. Where the end was not
    seen, the error says where to look for a charge.
    """
    request = identified(gateway, request)
    try:
        if on_text is None:
            return _whole(gateway, request, quoted)
        return _streamed(gateway, request, quoted, on_text, on_break)
    except NetworkError as error:
        if error.sent:
            perhaps = charged_perhaps(request)
            lost = error.code == "connection_lost"
            error.hint = perhaps if lost else f"{error.hint}; {perhaps}"
            if request.request_id is not None:
                error.details["request_id"] = request.request_id
        raise


def _whole(gateway: Gateway, request: ChatRequest, quoted: Estimate | None) -> Answered:
    found = gateway.chat.complete(request)
    choice = found.choices[0] if found.choices else None
    return Answered(
        request.request_id or found.id,
        found.model,
        (choice.message.content or "") if choice else "",
        choice.message.refusal if choice else None,
        (choice.message.tool_calls or []) if choice else [],
        choice.finish_reason if choice else None,
        found.usage,
        found.nex,
        quoted,
    )


def _streamed(
    gateway: Gateway,
    request: ChatRequest,
    quoted: Estimate | None,
    on_text: Callable[[str], object],
    on_break: Callable[[Answered], object],
) -> Answered:
    import msgspec

    from nexctl.wire.chat import StreamOptions

    # Usage comes in the last chunk only where it is asked for.
    options = StreamOptions(include_usage=True)
    events = gateway.chat.stream(
        msgspec.structs.replace(request, stream=True, stream_options=options)
    )
    text: list[str] = []
    refused: list[str] = []
    calls: list[dict[str, Any]] = []
    model, finish, usage, nex = request.model or "", None, None, None
    request_id = request.request_id or ""

    def so_far() -> Answered:
        return Answered(
            request_id,
            model,
            "".join(text),
            "".join(refused) or None,
            joined_calls(calls),
            finish,
            usage,
            nex,
            quoted,
        )

    try:
        for chunk in events:
            model, usage, nex = chunk.model or model, chunk.usage or usage, chunk.nex or nex
            request_id = request_id or chunk.id
            for choice in chunk.choices:
                if choice.index != 0:
                    continue
                if choice.delta.content:
                    text.append(choice.delta.content)
                    on_text(choice.delta.content)
                refused.append(choice.delta.refusal or "")
                calls.extend(choice.delta.tool_calls or [])
                finish = choice.finish_reason or finish
    except Refused as error:
        if nex is not None:
            on_break(so_far())
        elif text or calls:
            error.hint = "; ".join(filter(None, (error.hint, charged_perhaps(request))))
        raise
    finally:
        events.close()
    return so_far()


def joined_calls(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Tool calls put together from the pieces of a stream, in the order of their index."""
    found: dict[int, dict[str, Any]] = {}
    for part in parts:
        index = part.get("index")
        at = found.setdefault(
            index if isinstance(index, int) else 0,
            {"id": None, "type": "function", "function": {"name": "", "arguments": ""}},
        )
        at["id"] = part.get("id") or at["id"]
        function = part.get("function")
        if isinstance(function, dict):
            for name in ("name", "arguments"):
                piece = function.get(name)
                at["function"][name] += piece if isinstance(piece, str) else ""
    return [found[index] for index in sorted(found)]
