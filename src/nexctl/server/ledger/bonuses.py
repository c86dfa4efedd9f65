"""Bonus at top-up: loyalty by what was topped up before, and promotional codes.

The order keeps the terms that it was made under (`details["bonus"]`):
`levels` [[id, units, percent], ...] of loyalty, `promo` {"code", "percent" | "units"}, `with_promo`
replaced or added. What it comes to is known when the order is credited, by the lifetime top-up
then: so a refund in between lowers it. A later refund of an earlier top-up takes back what the
later ones had only because of it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from nexctl.pricing.exact import ratio_of, rounded
from nexctl.server.ledger.port import Transaction

MOST_ORDERS = 10_000


class Bonus(NamedTuple):
    """What a top-up brings besides its credits. `facts` are kept with the order."""

    units: int
    facts: dict[str, Any]


class Excess(NamedTuple):
    """A later top-up's bonus that a refund takes back: `left` from its lot, the rest elsewhere."""

    order: str
    wallet: str
    lot: int
    left: int
    consumed: int
    details: dict[str, Any]


def lifetime(tx: Transaction, customer: str) -> int:
    """What a customer has topped up in all, refunds taken off."""
    return int(
        tx.value("SELECT coalesce(sum(lifetime), 0) FROM wallets WHERE customer_id=?", customer)
    )


def level_of(levels: list[list[Any]], units: int) -> list[Any] | None:
    """The highest level whose threshold is reached."""
    reached = [row for row in levels if row[1] <= units]
    return max(reached, key=lambda row: (row[1], ratio_of(row[2])[0])) if reached else None


def share(units: int, percent: str) -> int:
    """A percentage of some credits, rounded once, half-even."""
    top, bottom = ratio_of(percent)
    return rounded(units * top, bottom * 100, 0)


def due(credits: int, terms: dict[str, Any], before: int, *, promo: bool = True) -> Bonus:
    """The bonus of a top-up of `credits` after `before` units of earlier ones."""
    level = level_of(terms.get("levels") or [], before)
    given = terms.get("promo") if promo else None
    loyal = share(credits, level[2]) if level is not None else 0
    extra = 0
    if given is not None:
        extra = given["units"] if given.get("units") else share(credits, given["percent"])
        if terms.get("with_promo", "replaced") == "replaced":
            loyal = 0
    facts = {
        "level": level[0] if level is not None else None,
        "before": before,
        "loyalty": loyal,
        "promo": extra,
        "lost": 0,
        "taken": 0,
    }
    return Bonus(loyal + extra, facts)


def excess(
    tx: Transaction, customer: str, credited_at: int, order: str, units: int
) -> list[Excess]:
    """What later top-ups' loyalty bonuses lose when `units` of one before them go back."""
    found = []
    for name, wallet, lot, bought, text, remaining, free in tx.all(
        "SELECT o.id, o.wallet, o.bonus_lot, o.credits, o.details, l.remaining, w.balance-w.held "
        "FROM orders o JOIN lots l ON l.wallet=o.wallet AND l.lot=o.bonus_lot "
        "JOIN wallets w ON w.id=o.wallet "
        "WHERE o.customer_id=? AND o.credited_at>=? AND o.id<>? AND o.state='credited' "
        "AND o.refunded=0 ORDER BY o.credited_at, o.id LIMIT ?",
        *(customer, credited_at, order, MOST_ORDERS),
    ):
        details = msgspec.json.decode(text)
        facts = details.get("bonus_given")
        if not facts or not facts["loyalty"]:
            continue
        lost = facts["lost"] + units
        level = level_of(details["bonus"].get("levels") or [], facts["before"] - lost)
        still = share(bought, level[2]) if level is not None else 0
        over = facts["loyalty"] - facts["taken"] - still
        if over > 0 and is_ended(tx, wallet, lot):
            over = 0  # its own refund or dispute took all of it
        facts["lost"] = lost
        left = 0
        if over > 0:
            facts["taken"] += over
            left = min(over, remaining, free)
        found.append(Excess(name, wallet, lot, left, max(0, over) - left, details))
    return found


def is_ended(tx: Transaction, wallet: str, lot: int) -> bool:
    """Whether a refund or a dispute of its own top-up has ended a bonus, won back or not."""
    ended = "SELECT 1 FROM entries WHERE wallet=? AND kind='bonus_reversal' AND reverses=?"
    return tx.one(ended, wallet, lot) is not None


def keep(tx: Transaction, order: str, details: dict[str, Any]) -> None:
    """Write an order's details."""
    text = msgspec.json.encode(details).decode()
    tx.run("UPDATE orders SET details=? WHERE id=?", text, order)
