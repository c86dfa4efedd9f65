"""Credits that a customer can claim: the book's tasks, each once a period, ending as the book says.

Nobody here can see whether a star was given or a post shared: a claim is taken at its word, and a
period's credits are given once.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from nexctl.money import parse_units
from nexctl.server.calls import Call
from nexctl.server.house import instant
from nexctl.server.ledger import events, funds
from nexctl.server.ledger.clock import DAY, SECOND
from nexctl.server.ledger.months import month_in
from nexctl.server.payments.figures import number
from nexctl.server.refusing import Refuse
from nexctl.wire.funding import Claimed
from nexctl.wire.wallet import Task

if TYPE_CHECKING:
    from nexctl.server.ledger.port import Transaction

KIND = "grant"


def tasks(tx: Transaction, call: Call) -> list[Task]:
    """What can be had, and from when on."""
    house, now = call.house, tx.clock.now()
    found = []
    for row in house.book.data.get("grants", ()):
        known = number(row.get("amount")) is not None
        period, following = period_of(row["every"], now)
        had = _had(tx, call.customer.id, row["id"], period)
        found.append(
            Task(
                id=row["id"],
                title=row.get("title"),
                amount=str(row["amount"]) if known else None,
                currency=house.unit,
                every=row["every"],
                claim=bool(row.get("claim")),
                claimable=known and not had,
                next_at=instant(following) if had else None,
                expires=row.get("expires"),
            )
        )
    return found


def claim(tx: Transaction, call: Call) -> Claimed:
    """Give a task's credits for this period: not_found, not_offered, code_used."""
    house, customer = call.house, call.customer.id
    row: dict[str, Any] | None = next(
        (row for row in house.book.data.get("grants", ()) if row["id"] == call.id), None
    )
    if row is None:
        raise Refuse("not_found", "there is no such task")
    if number(row.get("amount")) is None:
        raise Refuse("not_offered", "what this task gives is not published")
    now = tx.clock.now()
    period, following = period_of(row["every"], now)
    made = funds.grant(
        tx,
        customer,
        parse_units(str(row["amount"]), house.scale),
        kind=KIND,
        period=f"{row['id']}:{period}",
        note=row.get("title") or row["id"],
        expires_at=ends(row.get("lasts"), now),
    )
    if made is None:
        again = instant(following)
        when = f" before {again}" if again else ""
        raise Refuse("code_used", f"it was claimed: no more of it{when}")
    name = tx.value("SELECT id FROM grants WHERE wallet=? AND lot=?", customer, made.seq)
    data = {"task": row["id"], "amount": house.money(made.amount), "currency": house.unit}
    events.emit(tx, "balance.claimed", customer, data)
    return Claimed(
        grant_id=str(name),
        task=row["id"],
        amount=str(house.money(made.amount)),
        currency=house.unit,
        balance=str(house.money(made.balance)),
        period=period,
        expires_at=instant(ends(row.get("lasts"), now)),
    )


def _had(tx: Transaction, customer: str, task: str, period: str) -> bool:
    row = tx.one(
        "SELECT 1 FROM grants WHERE wallet=? AND kind=? AND period=?",
        *(customer, KIND, f"{task}:{period}"),
    )
    return row is not None


def period_of(every: str, now: int) -> tuple[str, int | None]:
    """The period that an instant lies in, and when the next one begins (UTC)."""
    start = now // DAY * DAY
    if every == "day":
        return time.strftime("%Y-%m-%d", time.gmtime(start // SECOND)), start + DAY
    if every == "week":
        day = time.gmtime(start // SECOND)
        return time.strftime("%G-W%V", day), start + (7 - day.tm_wday) * DAY
    if every == "month":
        name, _, end = month_in("UTC", now)
        return name, end
    return "once", None


def ends(lasts: str | None, now: int) -> int | None:
    """When credits given now end: of the day, after seven days, on the same day of next month."""
    if lasts == "day_end":
        return now // DAY * DAY + DAY
    if lasts == "7d":
        return now + 7 * DAY
    if lasts == "month":
        import calendar

        end = month_in("UTC", now)[2]
        day = time.gmtime(now // SECOND)
        following = time.gmtime(end // SECOND)
        last = calendar.monthrange(following.tm_year, following.tm_mon)[1]
        return end + (min(day.tm_mday, last) - 1) * DAY + now % DAY
    return None
