"""Contracts that an operator has agreed with a customer: amount, term, service, capacity.

One a customer. What was paid towards it follows from the orders credited within its term.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from nexctl.server.ledger import settings
from nexctl.server.ledger.port import Transaction

_NAME = "contract:"


class Contract(NamedTuple):
    """`amount` is what the customer has committed to pay, before tax, in 10**-9 of `currency`.

    It is in force from `starts` up to, not with, `ends` (microseconds since 1970 UTC).
    """

    customer: str
    amount: int
    currency: str
    starts: int
    ends: int
    sla: str | None
    capacity: str | None
    note: str | None

    def state(self, now: int) -> str:
        """upcoming, in_force or ended."""
        return "upcoming" if now < self.starts else "in_force" if now < self.ends else "ended"


def get(tx: Transaction, customer: str) -> Contract | None:
    """A customer's contract, in force or not."""
    kept: dict[str, Any] | None = settings.get(tx, _NAME + customer)
    return None if kept is None else Contract(customer, **kept)


def put(tx: Transaction, contract: Contract) -> None:
    """Agree on a contract, in place of the one before."""
    kept = contract._asdict()
    settings.put(tx, _NAME + kept.pop("customer"), kept)


def remove(tx: Transaction, customer: str) -> None:
    """There is no contract any more."""
    settings.put(tx, _NAME + customer, None)


def paid(tx: Transaction, contract: Contract) -> int:
    """What the customer's orders credited within the term have paid, before tax.

    An order that was refunded or disputed in part counts by the share that stayed.
    """
    rows = tx.all(
        "SELECT amount, total, refunded+disputed FROM orders WHERE customer_id=? AND currency=? "
        "AND credited_at>=? AND credited_at<?",
        *(contract.customer, contract.currency, contract.starts, contract.ends),
    )
    return sum(amount * max(0, total - back) // total for amount, total, back in rows if total)


def open_amount(tx: Transaction, customer: str) -> int | None:
    """What is still to be paid under a contract in force; None where none is in force."""
    found = get(tx, customer)
    if found is None or found.state(tx.clock.now()) != "in_force":
        return None
    return max(0, found.amount - paid(tx, found))
