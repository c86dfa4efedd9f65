"""What payment providers send, and the sandbox's own event."""

from __future__ import annotations

from typing import Literal

from nexctl.wire.base import Amount, Answer, Currency, Id, Time


class PaymentFacts(Answer):
    """The payment that an event is about; amount and currency must be those of the order."""

    order_id: Id
    payment_id: Id
    amount: Amount
    currency: Currency


class PaymentEvent(Answer):
    """The sandbox's event, signed as Standard Webhooks say; unknown fields are ignored.

    Other providers have shapes of their own, read by their handlers after the signature check.
    """

    id: Id
    type: Literal[
        "payment.succeeded",
        "payment.failed",
        "payment.refunded",
        "payment.disputed",
        "payment.dispute_won",
    ]
    data: PaymentFacts
    created_at: Time | None = None


class Received(Answer):
    """The event is stored; `credited` says whether it added money now."""

    received: bool = True
    credited: bool = False
