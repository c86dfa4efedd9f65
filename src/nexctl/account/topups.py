"""Adding money: what it would cost, the order, and following it until it is credited.

Nothing here pays. An order waits for somebody to open its checkout or to make its transfer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nexctl.account.pending import Pending
from nexctl.errors import NexctlError

if TYPE_CHECKING:
    from nexctl.gateways.port import Gateway
    from nexctl.wire.topups import TopUp, TopUpCreate

# Seconds between two looks: often at first, when somebody sits at the checkout.
LOOKS = (1, 1, 2, 2, 3, 5, 5, 10)
# What a person has to wait for elsewhere: following the order does not bring it nearer.
REVIEWED = frozenset(("under_review", "submitted", "approved"))
FAILED = frozenset(("rejected", "expired", "refunded"))
JSON_FIELDS = (
    *("id", "state", "method", "amount", "currency", "credits", "subtotal", "tax", "fee", "bonus"),
    *("total", "pay_to", "checkout_url", "expires_at"),
)


class TopUpFailed(NexctlError):
    """The order ended without credits (exit 1)."""

    code = "topup_failed"


def preview(gateway: Gateway, wanted: TopUpCreate) -> TopUp:
    """The order's figures; nothing is created."""
    from msgspec.structs import replace

    return gateway.topups.create(replace(wanted, preview=True))


def order(gateway: Gateway, wanted: TopUpCreate, *, idempotency_key: str | None = None) -> TopUp:
    """A new, unpaid order."""
    from msgspec.structs import replace

    made = gateway.topups.create(replace(wanted, preview=False), idempotency_key=idempotency_key)
    if made.id is None:
        raise NexctlError(
            f"{gateway.name} answered an order without an id", code="bad_answer", exit=7
        )
    return made


def follow(
    gateway: Gateway,
    order_id: str,
    *,
    seconds: int,
    changed: Callable[[TopUp], object] = lambda _: None,
    sleep: Callable[[int], object] = time.sleep,
    clock: Callable[[], Any] = time.monotonic,
) -> TopUp:
    """Look at an order until it is credited, and return it; each new state goes to `changed`.

    TopUpFailed (exit 1) for one that was rejected, refunded or has expired. Pending (exit 8) after
    `seconds`, and at once for one that somebody has to review.
    """
    end = clock() + seconds
    state: str | None = None
    looks = 0
    while True:
        found = gateway.topups.show(order_id)
        if found.state != state:
            state = found.state
            changed(found)
        if state == "credited":
            return found
        if state in FAILED:
            raise _failed(found)
        pause = LOOKS[min(looks, len(LOOKS) - 1)]
        looks += 1
        if state in REVIEWED or clock() + pause > end:
            raise pending(found)
        sleep(pause)


def pending(order: TopUp) -> Pending:
    """The error of an order that is not credited yet."""
    why = {
        "under_review": "waits for the gateway's review",
        "submitted": "waits for the operator's approval",
        "approved": "is approved and waits to be credited",
        "paid": "is paid and waits to be credited",
    }.get(order.state, "waits for its payment")
    return Pending(
        f"top-up {order.id} {why}",
        hint="'nexctl wallet topups' shows its state",
        details={"id": order.id, "state": order.state, "checkout_url": order.checkout_url},
    )


def check_state(order: TopUp) -> TopUp:
    """The order where it can go on; Pending for one under review, TopUpFailed for an ended one."""
    if order.state in FAILED:
        raise _failed(order)
    if order.state == "under_review":
        raise pending(order)
    return order


def public(order: TopUp) -> dict[str, Any]:
    """The fields of `wallet topup -o json`."""
    from nexctl.wire.base import plain

    found: dict[str, Any] = plain(order)
    return {name: found.get(name) for name in JSON_FIELDS}


def _failed(order: TopUp) -> TopUpFailed:
    reason = f": {order.reason}" if order.reason else ""
    return TopUpFailed(
        f"top-up {order.id} was {order.state}{reason}"
        if order.state != "expired"
        else f"top-up {order.id} has expired",
        hint="order again; a payment that was made all the same is the gateway's to find",
        details={"id": order.id, "state": order.state},
    )
