"""One line of a batch as a call of its own: the same policy and count as if it came alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from nexctl.server import bodies
from nexctl.server.calls import Call, Caller
from nexctl.server.http import Request
from nexctl.server.inference import embeddings, own_keys, policy, routing
from nexctl.server.inference.policy import Target
from nexctl.server.refusing import Refuse
from nexctl.wire.base import encode
from nexctl.wire.lines import EMBEDDINGS, SERVED, LineError, LineResponse, ResultLine
from nexctl.wire.routes import BY_NAME

if TYPE_CHECKING:
    from nexctl.pricing.book import Model
    from nexctl.server.house import House
    from nexctl.server.inference.metering import Count, Priced


class Weighed(NamedTuple):
    """What a line would be: where it goes, its prices, its counted input, its maximum output.

    `asked` is the maximum that the line itself states, None where it states none.
    """

    target: Target
    priced: Priced
    counted: Count
    cap: int
    asked: int | None
    answers: int


async def _nothing() -> NoReturn:
    raise AssertionError("a line has nothing more to receive")


def call_of(house: House, caller: Caller, endpoint: str, raw: bytes, body: Any) -> Call:
    """A line as a call. Refuse where its body is not one of that endpoint."""
    request = Request({"method": "POST", "path": endpoint, "headers": []}, _nothing)
    call = Call(house, BY_NAME[SERVED[endpoint]], request, (), "")
    call.caller, call.raw, call.plain = caller, raw, body
    call.body = bodies.request(body, call.route)
    if call.body.request_id is not None:
        raise Refuse("invalid_request", "a line has its custom_id instead", param="request_id")
    return call


def weigh(call: Call) -> Weighed:
    """Check a line as a request alone would be checked. Refuse where that would be refused.

    Rules, routes and scores choose its model as they would for a request; it stays with the first
    that can do it, for that is what it is quoted at.
    """
    house, body = call.house, call.body
    endpoint = call.request.path

    def count(model: Model, name: str) -> Count:
        return house.meters.counted(model, name, call.plain, len(call.raw), endpoint)

    if endpoint == EMBEDDINGS:
        model = policy.served(house, body.model)
        policy.check_model(call.caller, model)
        policy.check_capabilities(model, (), "embedding")
        own_keys.refuse_in_batch(call, model.id)
        priced = house.meters.priced(model, batch=True)
        counted = count(model, body.model)
        embeddings.check_sizes(call, model, embeddings.inputs_of(body.input))
        return Weighed(Target(body.model, model, model), priced, counted, 0, 0, 1)
    needs, asked = policy.needs_of(body), policy.asked_output(body)
    way = routing.way_of_line(call, count)
    target, counted, cap = routing.picked(call, way, needs, asked, count)
    own_keys.refuse_in_batch(call, target.served.id)
    priced = house.meters.priced(target.charged, batch=True)
    return Weighed(target, priced, counted, cap, asked, body.n or 1)


def refused(house: House, custom_id: str, request_id: str, refuse: Refuse) -> bytes:
    """The result of a line that was refused: what the request alone would have been answered."""
    status, _, body = house.words.envelope(refuse, request_id)
    return encode(
        ResultLine(
            custom_id=custom_id,
            id=request_id,
            response=LineResponse(status_code=status, request_id=request_id, body=body),
        )
    )


def answered(custom_id: str, request_id: str, body: Any) -> bytes:
    """The result of a line that was answered."""
    response = LineResponse(status_code=200, request_id=request_id, body=body)
    return encode(ResultLine(custom_id=custom_id, id=request_id, response=response))


def unanswered(custom_id: str, request_id: str, code: str, message: str) -> bytes:
    """The result of a line that was never sent: nothing is charged for it."""
    error = LineError(code=code, message=message)
    return encode(ResultLine(custom_id=custom_id, id=request_id, error=error))
