"""POST /webhooks/payments/{provider}: signature over the raw bytes, then the ledger decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexctl.server.calls import Call
from nexctl.server.http import Answer
from nexctl.server.ledger import incoming
from nexctl.server.payments import providers
from nexctl.server.refusing import Refuse
from nexctl.wire.payments import Received

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nexctl.server.house import House
    from nexctl.server.ledger.incoming import Event
    from nexctl.server.ledger.incoming import Received as Told


async def receive(call: Call) -> Answer:
    """An event of a payment provider."""
    return Answer(await accept(call.house, call.id, call.request.headers, call.raw))


async def accept(house: House, provider: str, headers: Mapping[str, str], raw: bytes) -> Received:
    """Verify an event and act on it; repeated deliveries are received and change nothing."""
    event = checked(house, provider, headers, raw)
    if event is None:
        return Received(credited=False)
    return judged(house, event, await house.write(incoming.receive, event))


def checked(house: House, provider: str, headers: Mapping[str, str], raw: bytes) -> Event | None:
    """The event of a delivery whose signature holds; None where it is not about our money."""
    found = providers.named(house, provider)
    if found is None:
        raise Refuse("not_found", "there is no such payment provider")
    return found.event(house, headers, raw)


def judged(house: House, event: Event, done: Told) -> Received:
    """What the provider is answered; an event that does not fit is the operator's to look at."""
    if done.outcome == "unknown_order":
        raise Refuse("not_found", "there is no such order")
    # Money that credits nothing: of another amount, a second time, or for an order in a state that
    # takes none ("order_rejected").
    if done.outcome in ("mismatch", "paid_twice") or done.outcome.startswith("order_"):
        house.alarm(f"payment {event.payment}: {done.outcome} (order {event.order})")
    if done.outcome == "mismatch":
        raise Refuse("payment_mismatch")
    return Received(credited=done.credited)
