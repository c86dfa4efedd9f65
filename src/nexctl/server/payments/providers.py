"""The port to payment providers: which one a gateway has, and what each of them can do.

open_checkout   where an order is paid, None where it is not known yet
event           what a delivered webhook says, its signature checked; None where nothing
refund          tell the provider to pay back
pays_itself     whether an order may be paid without its buyer, from what was agreed before
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from nexctl.server.payments.sandbox import Sandbox
from nexctl.server.payments.stripe import Stripe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nexctl.server.house import House
    from nexctl.server.ledger.incoming import Event
    from nexctl.server.ledger.orders import Order


class PaymentProvider(Protocol):
    """One way in which money comes by itself."""

    id: str
    pays_itself: bool

    def offered(self, house: House) -> bool:
        """Whether it may be used here."""

    def is_ready(self, house: House) -> bool:
        """Whether this process has what an order needs to be paid there."""

    def step(self, currency: str) -> int:
        """10**-9 in the smallest amount that can be paid back."""

    def open_checkout(self, house: House, order: Order) -> str | None:
        """Where the buyer pays. Refused where the provider cannot be reached or says no."""

    def event(self, house: House, headers: Mapping[str, str], raw: bytes) -> Event | None:
        """Check and read a webhook. Refused `invalid_signature`; None for what is not for us."""

    def refund(self, house: House, call: str, order: Order, amount: int) -> str:
        """Pay back `amount` (10**-9), once a `call`; the provider's name for it."""

    def pay(self, house: House, order: Order) -> tuple[dict[str, str], bytes] | None:
        """Pay an order without its buyer: headers and body of the event that says so."""


KNOWN: dict[str, PaymentProvider] = {one.id: one for one in (Sandbox(), Stripe())}


def of_house(house: House) -> PaymentProvider | None:
    """The gateway's own provider, None where everything is paid by hand."""
    found = KNOWN.get(str(house.facts.get("payments")))
    return found if found is not None and found.offered(house) else None


def named(house: House, name: str) -> PaymentProvider | None:
    """The provider of an order or a webhook, where this gateway has it."""
    found = of_house(house)
    return found if found is not None and found.id == name else None
