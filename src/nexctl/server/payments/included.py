"""Credits that come with a plan: given when it starts and on each first of the month after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexctl.money import parse_units
from nexctl.server.ledger import customers, funds, settings
from nexctl.server.ledger.due import GIVEN
from nexctl.server.ledger.months import month_in

if TYPE_CHECKING:
    from nexctl.server.house import House
    from nexctl.server.ledger.port import Transaction

KIND = "included"
PAGE = 500


def grant_now(tx: Transaction, house: House, customer: str, plan: str | None) -> bool:
    """Give one customer what is due to its plan now; whether anything was given.

    At most once for a customer and period, whoever asks how often.
    """
    found = house.plan_of(plan)
    terms = found.credits if found is not None else None
    if terms is None or terms.get("unit") != house.unit:
        return False
    amount = str(terms.get("amount"))
    if not amount.replace(".", "", 1).isdigit():
        return False  # custom: the operator gives it
    month, _, end = month_in(house.month_zone, tx.clock.now())
    period = month if terms.get("every") == "month" else "once"
    expires = house.book.rule("included_credits_expire", "never") == "month_end"
    made = funds.grant(
        tx,
        customer,
        parse_units(amount, house.scale),
        kind=KIND,
        period=period,
        expires_at=end if expires else None,
        note=f"included in the plan {plan}",
    )
    return made is not None


def due(house: House) -> bool:
    """Whether this month's credits have not been given out yet.

    A month before the last one is over, whatever a clock that was set back says: its credits and
    its fees are not for a second time.
    """
    seen = house.read(settings.get, GIVEN)
    return seen is None or seen < month_in(house.month_zone, house.now())[0]


def grant_due(house: House) -> int:
    """Give every customer what this month brings; how many got some. Safe to repeat.

    A subscription's fee is debited first; where it is not covered, its credits wait for it.
    """
    if not due(house):
        return 0
    month = month_in(house.month_zone, house.now())[0]
    given, after = 0, None
    while True:
        rows = house.read(customers.listed, after=after, limit=PAGE, state="active")
        for row in rows:
            given += house.ledger.write(month_of, house, row.id, row.plan)
        if len(rows) < PAGE:
            break
        after = rows[-1].id
    house.ledger.write(settings.put, GIVEN, month)
    return given


def month_of(tx: Transaction, house: House, customer: str, plan: str | None) -> bool:
    """Debit one customer's fee of this month and give what comes with it, each once."""
    from nexctl.server.payments import subscribing

    if not subscribing.renew(tx, house, customer):
        return False
    return grant_now(tx, house, customer, plan)
