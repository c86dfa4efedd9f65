"""What one of many processes does with the one code that all of them have."""

from __future__ import annotations

from typing import Any

from nexctl.server.ledger import codes, orders
from nexctl.server.ledger.errors import Refused
from nexctl.server.ledger.main import open_ledger
from tests.server.ledger.kit import KEY

HASH = b"h" * 32


def redeem(place: str, customer: str, how: str) -> str:
    """One try of one process; what came of it."""
    ledger = open_ledger(place, anchor_key=KEY, timeout=60_000)
    try:
        if how == "credit":
            ledger.write(codes.redeem, customer, customer, HASH)
        else:
            ledger.write(use, customer)
    except Refused as said:
        return said.code
    finally:
        ledger.close()
    return "given"


def use(tx: Any, customer: str) -> None:
    found = codes.promo(tx, customer, "USD", HASH)
    made = orders.create(
        tx,
        customer,
        method="card",
        provider="p",
        currency="USD",
        amount=1,
        credits=1,
        subtotal=1,
        total=1,
    )
    codes.use(tx, found, customer, made.id)
