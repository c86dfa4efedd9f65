"""One prompt: its quote before, the answer, and the real charge beside the quote."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from nexctl.gateways.refused import Refused

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


def new_request_id() -> str:
    """An id under which a request is served and billed at most once."""
    return f"nexctl-{os.urandom(12).hex()}"


def ask(
    gateway: Gateway,
    request: ChatRequest,
    *,
    quoted: Estimate | None = None,
    on_text: Callable[[str], object] | None = None,
) -> Answered:
    """Send a request; with `on_text` the answer's first choice is handed on as it comes.

    Without an id of its own the request gets one, so that repeating it after a lost connection
    cannot be billed twice: the repetition is refused as `already_billed`, with the charge.
    """
    import msgspec

    request_id = request.request_id or new_request_id()
    request = msgspec.structs.replace(request, request_id=request_id)
    if on_text is None:
        return _whole(gateway, request, request_id, quoted)
    return _streamed(gateway, request, request_id, quoted, on_text)


def _whole(
    gateway: Gateway, request: ChatRequest, request_id: str, quoted: Estimate | None
) -> Answered:
    found = gateway.chat.complete(request)
    choice = found.choices[0] if found.choices else None
    return Answered(
        request_id,
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
    request_id: str,
    quoted: Estimate | None,
    on_text: Callable[[str], object],
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
    try:
        for chunk in events:
            model, usage, nex = chunk.model or model, chunk.usage or usage, chunk.nex or nex
            for choice in chunk.choices:
                if choice.index != 0:
                    continue
                if choice.delta.content:
                    text.append(choice.delta.content)
                    on_text(choice.delta.content)
                refused.append(choice.delta.refusal or "")
                calls.extend(choice.delta.tool_calls or [])
                finish = choice.finish_reason or finish
    finally:
        events.close()
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
