"""POST /webhooks/payments/{provider}: signature over the raw bytes, then the ledger decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexctl.money import NANO
from nexctl.safety import signing
from nexctl.server import bodies
from nexctl.server.calls import Call
from nexctl.server.http import Answer
from nexctl.server.ledger import orders
from nexctl.server.ledger.orders import Event
from nexctl.server.payments import sandbox
from nexctl.server.refusing import Refuse
from nexctl.server.shapes import units_of
from nexctl.wire.payments import Received

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nexctl.server.house import House


async def receive(call: Call) -> Answer:
    """An event of a payment provider."""
    if call.id != sandbox.PROVIDER or not sandbox.offered(call.house):
        raise Refuse("not_found", "there is no such payment provider")
    return Answer(await accept(call.house, call.id, call.request.headers, call.raw))


async def accept(house: House, provider: str, headers: Mapping[str, str], raw: bytes) -> Received:
    """Verify an event and act on it; repeated deliveries are received and change nothing."""
    secret = house.read(sandbox.secret)
    try:
        signing.verify(secret, headers, raw, now=house.now() // 1_000_000)
    except signing.SignatureError:
        raise Refuse("invalid_signature") from None
    plain = bodies.plain(raw)
    if isinstance(plain, dict):
        # Senders may add fields; only ours are read.
        known = ("id", "type", "data", "created_at")
        plain = {name: plain[name] for name in known if name in plain}
    event = bodies.typed(plain, "payments.PaymentEvent")
    done = await house.write(
        orders.receive,
        Event(
            provider,
            event.id,
            event.type,
            event.data.order_id,
            event.data.payment_id,
            units_of(event.data.amount, NANO),
            event.data.currency,
        ),
    )
    if done.outcome == "unknown_order":
        raise Refuse("not_found", "there is no such order")
    if done.outcome == "mismatch":
        house.alarm(f"payment {event.data.payment_id}: not the order's amount or currency")
        raise Refuse("payment_mismatch")
    return Received(credited=done.credited)
