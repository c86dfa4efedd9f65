"""A plan's budgets: allowances of tokens, a monthly cap, money for dear models.

They are budgets of the customer like any other, set by the plan and by nobody else. They come with
the plan; a customer's first request in a process sees that they are those of the book in force.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexctl.server.ledger import customers

if TYPE_CHECKING:
    from nexctl.server.calls import Call
    from nexctl.server.house import Terms


async def ensure(call: Call, plan: Terms) -> None:
    """See that the customer's budgets are those of its plan."""
    house, customer = call.house, call.customer.id
    if house.allowed.get(customer) == plan.id:
        return
    if not house.read(customers.has_plan_budgets, customer, plan.id):
        await house.write(customers.set_plan_budgets, customer, plan.id)
    house.allowed[customer] = plan.id
