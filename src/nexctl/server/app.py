"""The ASGI application: a router made from the route table and one chain in front of it.

Order: Host, route, body limit by its declared length, key and role, the rough rate brake, body,
types, handler. What costs something comes after what can refuse cheaply.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

from nexctl.errors import NexctlError
from nexctl.server import access, bodies, handlers
from nexctl.server.calls import Call
from nexctl.server.deadline import within
from nexctl.server.house import READING_SECONDS, WRITING_SECONDS, House
from nexctl.server.http import (
    Answer,
    Disconnected,
    Headers,
    Receive,
    Request,
    Scope,
    Send,
    Streamed,
)
from nexctl.server.ledger.clock import MINUTE
from nexctl.server.ledger.errors import Refused, Unavailable
from nexctl.server.refusing import Refuse, of_error
from nexctl.server.router import Router
from nexctl.wire.base import encode
from nexctl.wire.refusals import REFUSALS
from nexctl.wire.routes import NOBODY, Route

if TYPE_CHECKING:
    import asyncio

    from nexctl.server.house import Options

_TRACE = re.compile(r"[A-Za-z0-9._:-]{1,128}", re.ASCII)
# Answers are for the caller alone, and never anything but what their type says.
_ALWAYS: Headers = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]
LONGEST_ID = 256
# Calls during which the gateway does work that is due, where nothing else would do it.
WORKING = frozenset(("batches.show",))
_JSON = ("", "application/json")
# What was sent on keeps its hold, and is settled by its rule.
STOPPED = "the gateway is being stopped, and nobody knows what came of the request"


class Gateway:
    """One gateway over ASGI. `open_house` is called at lifespan start (or with the first call)."""

    def __init__(self, open_house: Callable[[], House]) -> None:
        self._open = open_house
        self._house: House | None = None
        self._router = Router()
        self._open_calls = 0
        self._told_busy = 0

    @property
    def house(self) -> House:
        """What the gateway has; opened when first needed."""
        if self._house is None:
            self._house = self._open()
        return self._house

    def waits(self, method: str, path: str) -> bool:
        """Whether a call may have to wait for something outside: for a provider."""
        found = self._router.find(path)
        route = found.routes.get(method) if found is not None else None
        return route is not None and (access.is_paid(route) or route.name in WORKING)

    def pending(self) -> tuple[asyncio.Future[None], ...]:
        """Streams that still have to settle."""
        return tuple(self._house.pumps) if self._house is not None else ()

    async def finish(self) -> None:
        """Let go of providers' connections."""
        house = self._house
        if house is not None and "switchboard" in house.__dict__:
            await house.switchboard.close()

    def close(self) -> None:
        """Let go of the ledger."""
        house, self._house = self._house, None
        if house is not None:
            house.ledger.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Speak ASGI 3."""
        if scope["type"] == "http":
            self._open_calls += 1
            try:
                await self._serve(scope, receive, send)
            finally:
                self._open_calls -= 1
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1003})

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    _ = self.house
                except NexctlError as error:
                    await send({"type": "lifespan.startup.failed", "message": error.message})
                    raise
                if self.house.options.served:
                    self.house.crew.start()
                await send({"type": "lifespan.startup.complete"})
            else:
                await self._drain()
                await self.finish()
                self.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _drain(self) -> None:
        house = self._house
        if house is not None and "crew" in house.__dict__:
            await house.crew.stop(house.options.draining_seconds)
        pending = self.pending()
        if pending and self._house is not None:
            import asyncio

            await asyncio.wait(pending, timeout=self._house.options.draining_seconds + 2)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        trace_id = "req_" + os.urandom(12).hex()
        house = self.house
        try:
            request = Request(scope, receive)
            asked = request.headers.get("x-request-id")
            if asked and _TRACE.fullmatch(asked):
                trace_id = asked
            answer = await self._answer(house, request, trace_id)
        except Disconnected:
            return
        except BaseException as error:
            if isinstance(error, Exception):
                refuse = refusal_of(house, error)
            elif _is_cancelled(error):
                refuse = Refuse("overloaded", STOPPED)
            else:
                raise
            status, headers, body = house.words.envelope(refuse, trace_id)
            answer = Answer(body, status, tuple(headers))
        await _send(house.options, send, answer, trace_id)

    async def _answer(self, house: House, request: Request, trace_id: str) -> Answer | Streamed:
        access.check_host(house, request)
        house.renew()
        route, values = self._routed(request)
        self._check_room(house, route)
        call = Call(house, route, request, values, trace_id)
        if (request.declared_length() or 0) > route.body_limit:
            raise Refuse("payload_too_large", f"the body is larger than {route.body_limit:,} bytes")
        if NOBODY not in route.callers:
            call.caller = access.authenticate(house, route, request)
            access.brake(house, call)
        await self._read(house, call)
        mode, handler = handlers.bound(route.name)
        if mode == "read":
            found = house.read(handler, call)
            return Answer(found, route.status, media=route.media.encode())
        if mode == "write":
            return await call.commit(handler)
        answer: Answer | Streamed = await handler(call)
        return answer

    def _check_room(self, house: House, route: Route) -> None:
        """Refuse what would be one call too many, before anything of it is read or held."""
        most = house.options.most_calls
        if most is None or self._open_calls <= most or route.name == "health.live":
            return
        minute = house.now() // MINUTE
        if minute != self._told_busy:
            self._told_busy = minute
            house.alarm(f"more than {most:,} calls at once: some are refused")
        raise Refuse("overloaded", seconds=1, details={"limit": most})

    def _routed(self, request: Request) -> tuple[Route, tuple[str, ...]]:
        found = self._router.find(request.path)
        if found is None:
            raise Refuse("not_found", "there is no such path")
        route = found.routes.get(request.method)
        if route is None:
            raise Refuse("method_not_allowed", details={"allowed": sorted(found.routes)})
        if not all(value.isprintable() and len(value) <= LONGEST_ID for value in found.values):
            raise Refuse("not_found")
        return route, found.values

    async def _read(self, house: House, call: Call) -> None:
        """The query and the body, as the route's types."""
        route, request = call.route, call.request
        if route.query is not None:
            call.query = bodies.query(request.pairs(), route.query)
        if not (route.request or route.raw or route.form):
            if route.writes:
                # A body that nobody wants is still read, so that the connection stays usable.
                await house.within(
                    READING_SECONDS, request.body(route.body_limit), "request_timeout"
                )
            return
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise Refuse("unsupported_media_type")
        if route.form is not None:
            return
        call.raw = await house.within(
            READING_SECONDS, request.body(route.body_limit), "request_timeout"
        )
        if route.raw:
            return
        if not call.raw and route.optional_body:
            call.plain = {}
        elif route.form_too and _is_form(request):
            from nexctl.server.batches import forms

            call.plain = forms.fields(request.headers["content-type"], call.raw)
        else:
            _check_media(request)
            call.plain = bodies.plain(call.raw)
            if not access.is_counted(route) and b"\\u0000" in call.raw:
                # No database keeps that character in a text.
                raise Refuse("invalid_request", "a text holds the character U+0000")
        call.body = bodies.request(call.plain, route)


def _is_form(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0]
    return kind.strip().lower() == "multipart/form-data"


def _check_media(request: Request) -> None:
    kind, _, rest = request.headers.get("content-type", "").partition(";")
    charset = rest.lower().replace(" ", "").replace('"', "")
    if kind.strip().lower() not in _JSON or charset not in ("", "charset=utf-8"):
        raise Refuse("unsupported_media_type")


def refusal_of(house: House, error: Exception) -> Refuse:
    """Any exception as the refusal that the caller is told."""
    if isinstance(error, Refuse):
        return error
    if isinstance(error, Refused):
        return _of_ledger(house, error)
    if isinstance(error, NexctlError):
        refuse = of_error(error)
        if refuse.refusal.code == "ledger_unavailable":
            refuse.seconds = 1
            if house.options.served and type(error) is Unavailable:
                # The database's own words name hosts and logins. The upkeep tells the operator.
                refuse.message = refuse.refusal.message
    else:
        refuse = Refuse("internal_error")
    if refuse.refusal.code == "internal_error":
        _log(error)
    return refuse


def _of_ledger(house: House, error: Refused) -> Refuse:
    """What the ledger said: the layer, what is left of it, when it resets."""
    from nexctl.server.shapes import layer_details, usage_details

    code = error.code if error.code in REFUSALS else "state_conflict"
    if error.code == "hold_lost":
        code = "ledger_unavailable"
    details: dict[str, Any] = dict(error.details)
    if error.layer is not None:
        details.update(layer_details(house, error.layer))
    if error.record is not None:
        details["usage"] = usage_details(house, error.record)
    seconds = None
    if error.retry_at is not None and REFUSALS[code].retry:
        seconds = max(1, -((house.now() - error.retry_at) // 1_000_000))
        details["retry_after_seconds"] = seconds
    elif REFUSALS[code].retry:
        seconds = 1
    return Refuse(code, error.message, details=details or None, seconds=seconds)


def _log(error: Exception) -> None:
    """Type and place of a fault. Its words may hold anything, so they stay out of the log."""
    import traceback

    from nexctl.server import telling

    frames = traceback.extract_tb(error.__traceback__)[-4:]
    places = " < ".join(f"{os.path.basename(f.filename)}:{f.lineno}" for f in reversed(frames))
    telling.fault(f"{type(error).__name__} at {places}")


def _is_cancelled(error: BaseException) -> bool:
    """Whether a stopping server's patience has ended; by name, for asyncio may not be loaded."""
    return type(error).__name__ == "CancelledError"


async def _send(options: Options, send: Send, answer: Answer | Streamed, trace_id: str) -> None:
    headers: Headers = [
        (b"content-type", answer.media),
        (b"x-request-id", trace_id.encode()),
        *_ALWAYS,
        *answer.headers,
    ]
    try:
        if isinstance(answer, Answer):
            body = answer.body if isinstance(answer.body, bytes) else encode(answer.body)
            headers.append((b"content-length", str(len(body)).encode()))
            start = {"type": "http.response.start", "status": answer.status, "headers": headers}
            await _sent(options, send, start, {"type": "http.response.body", "body": body})
        else:
            await _send_pieces(options, send, answer.pieces, headers)
    except Slow:
        return


async def _send_pieces(
    options: Options, send: Send, pieces: AsyncIterator[bytes], headers: Headers
) -> None:
    try:
        await _sent(
            options, send, {"type": "http.response.start", "status": 200, "headers": headers}
        )
        async for piece in pieces:
            await _sent(
                options, send, {"type": "http.response.body", "body": piece, "more_body": True}
            )
        await _sent(options, send, {"type": "http.response.body", "body": b""})
    finally:
        close = getattr(pieces, "aclose", None)
        if close is not None:
            await close()


class Slow(Exception):
    """The caller reads too slowly: it is treated as gone."""


async def _sent(options: Options, send: Send, *messages: dict[str, Any]) -> None:
    work = send(messages[0]) if len(messages) == 1 else _in_turn(send, messages)
    if not options.served:
        await work
        return
    try:
        await within(WRITING_SECONDS, work)
    except (TimeoutError, OSError):
        raise Slow from None


async def _in_turn(send: Send, messages: tuple[dict[str, Any], ...]) -> None:
    for message in messages:
        await send(message)
