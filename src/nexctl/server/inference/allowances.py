"""A plan's budgets: allowances of tokens, a monthly cap, money for dear models.

They are budgets of the customer like any other, set by the plan and by nobody else. They are put in
place with the first request under a plan, and again when the plan has changed; what a month has
seen before counts in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexctl.money import parse_units
from nexctl.pricing.exact import ratio_of
from nexctl.server.ledger import budgets

if TYPE_CHECKING:
    from nexctl.pricing.book import Book
    from nexctl.server.calls import Call
    from nexctl.server.house import House, Terms
    from nexctl.server.ledger.port import Transaction

SCOPE = "customer"


async def ensure(call: Call, plan: Terms) -> None:
    """See that the customer's budgets are those of its plan."""
    house, customer = call.house, call.customer.id
    if house.allowed.get(customer) == plan.id:
        return
    wanted = {row["name"]: wish_of(house.book, row) for row in plan.budgets}
    if house.read(_there, customer, house) != wanted:
        await house.write(_put, customer, wanted, house)
    house.allowed[customer] = plan.id


def wish_of(book: Book, row: dict[str, Any]) -> tuple[Any, ...]:
    """A plan's budget as the ledger keeps it: span, unit, amount, meters, models, hard, alerts."""
    tokens = row["unit"] == budgets.TOKENS
    amount = int(row["amount"]) if tokens else units_of(book, row["amount"], row["unit"])
    return (
        row["window"],
        budgets.TOKENS if tokens else budgets.MONEY,
        amount,
        tuple(sorted(row.get("meters", ()))) or None,
        tuple(sorted(row.get("models", ()))) or None,
        bool(row["hard"]),
        tuple(
            int(ratio_of(share)[0] * 100 // ratio_of(share)[1]) for share in row.get("alert_at", ())
        ),
    )


def _percent(share: str) -> int:
    top, bottom = ratio_of(share)
    return int(top * 100 // bottom)


def units_of(book: Book, amount: str, unit: str) -> int:
    """Money of a plan in units of the wallet: through the credit's value where it is another."""
    if unit == book.unit:
        return parse_units(amount, book.scale)
    value = book.credit_value
    if value is None or value[1] != unit:
        raise ValueError(f"{book.id}: {unit} has no value in {book.unit}")
    top, bottom = ratio_of(amount)
    worth_top, worth_bottom = ratio_of(value[0])
    per_top, per_bottom = ratio_of(value[2])
    worth = top * per_top * worth_bottom * 10**book.scale
    return int(worth // (bottom * per_bottom * worth_top))


def names_of(house: House) -> frozenset[str]:
    """Every name that a plan's budget has here: nobody else sets or removes one of these."""
    return house.plan_budgets


def _there(tx: Transaction, customer: str, house: House) -> dict[str, tuple[Any, ...]]:
    names = names_of(house)
    found = {}
    for state in budgets.listed(tx, customer, scope=SCOPE, scope_id=customer):
        one = state.budget
        if one.name in names:
            found[one.name] = (
                *(one.span, one.unit, one.amount, one.meters, one.models, one.hard),
                one.alert_at,
            )
    return found


def _put(tx: Transaction, customer: str, wanted: dict[str, Any], house: House) -> None:
    names = names_of(house)
    for state in budgets.listed(tx, customer, scope=SCOPE, scope_id=customer):
        one = state.budget
        if one.name in names and wanted.get(one.name, (None,))[0] != one.span:
            budgets.remove(tx, customer, one.id)
    for name, (span, unit, amount, meters, models, hard, alert_at) in wanted.items():
        budgets.put(
            tx,
            *(customer, SCOPE, customer, amount),
            span=span,
            name=name,
            unit=unit,
            meters=meters,
            models=models,
            hard=hard,
            alert_at=alert_at,
        )
