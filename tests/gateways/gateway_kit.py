"""A gateway in memory: it answers what was scripted, and anything else fails the test."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from nexctl.safety.http import Call, NetworkError, Reply

Answer = Callable[[Call], Reply]


def says(status: int = 200, body: Any = None, **headers: str) -> Answer:
    """An answer in JSON (bytes go as they are); `retry_after="1"` is the header retry-after."""
    raw = body if isinstance(body, bytes) else json.dumps({} if body is None else body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    def answer(_: Call) -> Reply:
        return Reply(status, {"content-type": "application/json", **named}, iter([raw]))

    return answer


def refuses(status: int, code: str, message: str = "no", **more: Any) -> Answer:
    """A refusal in the envelope."""
    error = {"type": "user", "code": code, "message": message, **more}
    return says(status, {"error": error}, x_request_id="req_7")


def streams(*events: Any, end: bool = True, cut: int = 7) -> Answer:
    """A stream of events, in pieces of `cut` bytes, with or without its last line."""
    raw = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
    raw += b"data: [DONE]\n\n" if end else b""

    def answer(_: Call) -> Reply:
        pieces = (raw[at : at + cut] for at in range(0, len(raw), cut))
        return Reply(200, {"content-type": "text/event-stream; charset=utf-8"}, pieces)

    return answer


def breaks(code: str = "connection_lost", *, sent: bool = True) -> Answer:
    """No answer at all."""

    def answer(_: Call) -> Reply:
        raise NetworkError("the connection was lost", code=code, sent=sent)

    return answer


class MemoryTransport:
    """A transport with a script. Every call must be in it; `check` says that all were made."""

    origin = "embedded"

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._script: dict[tuple[str, str], list[Answer]] = {}

    def expect(self, method: str, target: str, *answers: Answer) -> MemoryTransport:
        self._script.setdefault((method, target), []).extend(answers)
        return self

    def send(self, call: Call, deadline: float) -> Reply:
        self.calls.append(call)
        waiting = self._script.get((call.method, call.target))
        assert waiting, f"unexpected request: {call.method} {call.target}"
        return waiting.pop(0)(call)

    def close(self) -> None:
        pass

    def check(self) -> None:
        left = [f"{m} {t}" for (m, t), answers in self._script.items() if answers]
        assert not left, f"never asked for: {left}"

    def body(self, number: int = -1) -> Any:
        """The JSON that the call with this number sent."""
        return json.loads(self.calls[number].body)


def script() -> Iterator[MemoryTransport]:
    """A transport whose whole script must have been used at the end."""
    transport = MemoryTransport()
    yield transport
    transport.check()
