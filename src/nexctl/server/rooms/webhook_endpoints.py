"""Webhook endpoints of customers and of the operator, and what was delivered to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from nexctl.errors import UsageError
from nexctl.safety.signing import new_secret
from nexctl.server.calls import Call
from nexctl.server.events import sending
from nexctl.server.house import instant
from nexctl.server.http import Answer
from nexctl.server.ledger import deliveries, endpoints
from nexctl.server.refusing import Refuse
from nexctl.server.shapes import page_of
from nexctl.wire import alerts as wire
from nexctl.wire.base import encode
from nexctl.wire.budgets import Removed

if TYPE_CHECKING:
    from nexctl.server.ledger.deliveries import Delivery
    from nexctl.server.ledger.endpoints import Endpoint
    from nexctl.server.ledger.port import Transaction

P = ParamSpec("P")
T = TypeVar("T")


def listed(tx: Transaction, call: Call) -> wire.EndpointPage:
    """The caller's endpoints: a customer's own, or the operator's."""
    found = [e for e in endpoints.listed(tx, _owner(call)) if e.id > (call.query.cursor or "")]
    shown, cursor = page_of(found, call.query.limit, "id")
    return wire.EndpointPage(data=[_endpoint(row) for row in shown], next_cursor=cursor)


def add(tx: Transaction, call: Call) -> wire.EndpointSecret:
    """Keep an endpoint. Its secret is in this answer and nowhere else."""
    body, owner = call.body, _owner(call)
    if owner is not None:
        if body.allow_private:
            raise Refuse("not_permitted", "only an operator allows private addresses")
        if call.house.book.data.get("events", {}).get("offered", True) is False:
            raise Refuse("not_offered", "this gateway sends no webhooks")
    try:
        sending.checked_place(body.url, allow_private=body.allow_private)
    except UsageError as error:
        raise Refuse("invalid_request", error.message, param="url") from None
    secret = new_secret()
    made = endpoints.add(
        tx,
        owner,
        body.url,
        secret,
        kinds=body.kinds,
        allow_private=body.allow_private,
        note=body.note,
    )
    shown = _endpoint(made)
    return wire.EndpointSecret(
        id=shown.id,
        url=shown.url,
        kinds=shown.kinds,
        state=shown.state,
        prefix=shown.prefix,
        created_at=shown.created_at,
        note=shown.note,
        customer_id=shown.customer_id,
        allow_private=shown.allow_private,
        secret=secret,
    )


def remove(tx: Transaction, call: Call) -> Removed:
    """Forget an endpoint; what waits for it is dropped."""
    found = endpoints.get(tx, call.id)
    if found is None or found.customer != _owner(call) or found.state == "removed":
        raise Refuse("not_found", "there is no such endpoint")
    call.before = _endpoint(found)
    endpoints.put_state(tx, found.id, "removed")
    return Removed(id=found.id)


def _owner(call: Call) -> str | None:
    return None if call.caller.is_operator else call.customer.id


def _endpoint(row: Endpoint) -> wire.Endpoint:
    return wire.Endpoint(
        id=row.id,
        url=row.url,
        kinds=list(row.kinds),
        state=row.state,
        prefix=row.prefix,
        created_at=str(instant(row.created_at)),
        note=row.note,
        customer_id=row.customer,
        allow_private=row.allow_private,
    )


# deliveries ------------------------------------------------------------------------------------


def delivered(tx: Transaction, call: Call) -> wire.DeliveryPage:
    """What was told to whom, and what still has to be."""
    query = call.query
    rows = deliveries.listed(
        tx,
        after=query.cursor,
        limit=query.limit + 1,
        state=query.state,
        target=query.endpoint_id,
        customer=query.customer_id,
    )
    shown, cursor = page_of(rows, query.limit, "id")
    return wire.DeliveryPage(data=[_delivery(row) for row in shown], next_cursor=cursor)


async def send(call: Call) -> Answer:
    """Send what is due, now; a served gateway does so by itself."""
    first = await call.commit(_noted)
    if call.before is None:
        return first
    done = await _aside(call, sending.due, call.house)
    answer = wire.Sent(spread=done.spread, delivered=done.delivered, failed=done.failed)
    return Answer(encode(answer))


def _noted(tx: Transaction, call: Call) -> wire.Sent:
    """What a repetition under the same Idempotency-Key is told: it sends nothing."""
    nothing = wire.Sent(spread=0, delivered=0, failed=0)
    call.before = nothing
    return nothing


async def replay(call: Call) -> Answer:
    """Send one delivery again, whatever came of it, and answer what comes of it now."""
    first = await call.commit(_again)
    if call.before is None:
        return first
    found = call.house.read(deliveries.get, call.id)
    if found is not None and await call.house.write(deliveries.take_one, call.id):
        await _aside(call, sending.send, call.house, found)
        found = call.house.read(deliveries.get, call.id)
    return first if found is None else Answer(encode(_delivery(found)))


def _again(tx: Transaction, call: Call) -> wire.Delivery:
    found = deliveries.get(tx, call.id)
    if found is None:
        raise Refuse("not_found", "there is no such delivery")
    call.before = _delivery(found)
    deliveries.again(tx, found.id)
    return _delivery(deliveries.get(tx, call.id) or found)


async def _aside(call: Call, work: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
    """Wait for the network beside the loop where one is served; in this process, here."""
    if call.house.options.served:
        return await asyncio.to_thread(work, *args, **named)
    return work(*args, **named)


def _delivery(row: Delivery) -> wire.Delivery:
    return wire.Delivery(
        id=row.id,
        event_id=row.event,
        kind=row.kind,
        channel=row.channel,
        target=row.target,
        state=row.state,
        attempts=row.attempts,
        created_at=str(instant(row.created_at)),
        customer_id=row.customer,
        due_at=instant(row.due_at) if row.state == "pending" else None,
        ended_at=instant(row.ended_at),
        log=[
            wire.Attempt(
                at=str(instant(one.at)),
                status=one.status,
                error=one.error,
                milliseconds=one.milliseconds,
            )
            for one in row.log
        ],
    )
