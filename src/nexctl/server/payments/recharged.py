"""Plans that follow from recharges: the highest one ever credited sets the plan, for good."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexctl.server.ledger import customers
from nexctl.server.payments.figures import number

if TYPE_CHECKING:
    from nexctl.pricing.book import Book
    from nexctl.server.house import House
    from nexctl.server.ledger.orders import Order
    from nexctl.server.ledger.port import Transaction

BY_RECHARGE = "highest_recharge"


def applies(book: Book) -> bool:
    """Whether the book's plans follow from recharges."""
    return bool(book.rule("plan_source") == BY_RECHARGE)


def credited(tx: Transaction, house: House, order: Order) -> None:
    """Set the plan that an order just credited brings, unless a higher one is there."""
    book = house.book
    if not applies(book):
        return
    rows = [(number(plan.data.get("recharge")), name) for name, plan in book.plans.items()]
    known = sorted((price, name) for price, name in rows if price is not None)
    reached = [row for row in known if row[0] <= order.amount]
    row = customers.get(tx, order.customer)
    if row is None or not reached:
        return
    before = next((price for price, name in known if name == row.plan), -1)
    if reached[-1][0] > before:
        customers.change(tx, order.customer, plan=reached[-1][1])
