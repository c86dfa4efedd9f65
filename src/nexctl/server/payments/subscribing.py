"""Plans' fees: what a plan costs a customer, and debiting it when it starts and each month."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from nexctl.money import NANO, round_half_even
from nexctl.server.ledger import customers, profiles, settings, subscriptions
from nexctl.server.ledger.errors import Refused
from nexctl.server.ledger.months import month_in
from nexctl.server.payments import included
from nexctl.server.payments.rules import FEE, Rules, Tax, rules_of
from nexctl.server.refusing import Refuse

if TYPE_CHECKING:
    from nexctl.server.house import House
    from nexctl.server.ledger.port import Transaction


class Cost(NamedTuple):
    """A plan's monthly fee (10**-9 of the currency) and the tax on it."""

    fee: int
    tax: Tax


def cost_of(tx: Transaction, rules: Rules, customer: str, plan: str) -> Cost | None:
    """What a plan costs a customer; None where nobody has said its fee."""
    fee = rules.fee(plan)
    if fee is None:
        return None
    profile, version = profiles.current(tx, customer)
    return Cost(fee, rules.tax(FEE, fee, profile, version))


def charge(tx: Transaction, house: House, customer: str, plan: str) -> bool:
    """Debit this month's fee of a plan where that was not done; whether it was done now.

    Refused `not_offered` where nobody has said the fee, `insufficient_balance` where what was paid
    in does not cover it.
    """
    if house.book.is_credit:
        raise Refuse("not_offered", "plans are not sold for credits here")
    rules = rules_of(tx, house)
    cost = cost_of(tx, rules, customer, plan)
    known = house.book.plans.get(plan)
    title = known.title if known is not None else plan
    if cost is None:
        raise Refuse(
            "not_offered", f"the fee of {title} is not published: the operator sets it first"
        )
    period = month_in(house.month_zone, tx.clock.now())[0]

    def units(money: int) -> int:
        return round_half_even(money * 10**house.scale, 10**NANO)

    done = subscriptions.charge(
        tx,
        customer,
        period,
        plan,
        fee=units(cost.fee),
        tax=units(cost.tax.units),
        fee_money=cost.fee,
        tax_money=cost.tax.units,
        details={"tax": cost.tax.snapshot(), "title": title, "currency": house.unit},
    )
    if done is not None and cost.fee and tx.shared.papers is not None:
        tx.shared.papers(tx, "fee", done)
    return done is not None


def renew(tx: Transaction, house: House, customer: str) -> bool:
    """Debit the month's fee of a subscription; whether its plan is paid for.

    Plans that the operator gave are nobody's debt. A stopped clock charges nothing. A fee that
    nobody says any more is owed until somebody does.
    """
    found = subscriptions.get(tx, customer)
    if found is None or found.state == "cancelled":
        return True
    if settings.clock_stopped(tx):
        return found.state == "active"
    try:
        charge(tx, house, customer, found.plan)
    except (Refused, Refuse) as refused:
        if found.state != "past_due":
            subscriptions.put(tx, customer, found.plan, "past_due")
            if isinstance(refused, Refuse):
                text = f"the plan {found.plan} of {customer} is not charged: {refused.message}"
                tx.afterwards(lambda: house.alarm(text))
        return False
    if found.state != "active":
        subscriptions.put(tx, customer, found.plan)
    return True


def renew_due(house: House) -> int:
    """Try again where a fee was owed, and give the month's credits with it; how many were paid."""
    done, after = 0, ""
    while True:
        rows = house.read(subscriptions.past_due, after)
        for row in rows:
            done += house.ledger.write(_again, house, row.customer)
        if not rows:
            return done
        after = rows[-1].customer


def _again(tx: Transaction, house: House, customer: str) -> bool:
    if not renew(tx, house, customer):
        return False
    row = customers.get(tx, customer)
    if row is not None:
        included.grant_now(tx, house, customer, row.plan)
    return True
