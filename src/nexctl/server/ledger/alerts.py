"""Soft alerts: who wants to know of what, and the events that tell it, once a threshold and window.

An alert is an event of the outbox. Who crosses a threshold sees it under the lock of the row that
counts, and the event's `once` names threshold and window; so eight processes that cross it together
make one event, whatever comes after.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from nexctl.money import text_of
from nexctl.server.ledger import events
from nexctl.server.ledger.chain import Head
from nexctl.server.ledger.clock import DAY
from nexctl.server.ledger.port import Transaction
from nexctl.server.ledger.types import Alert

PERCENTS = (80, 100)


class Wish(NamedTuple):
    """What a customer wants. `balance_below` in the wallet's units, 0 for none.

    `percents` are the thresholds of budgets that are set without their own.
    """

    customer: str
    email: str | None = None
    webhooks: bool = True
    percents: tuple[int, ...] = PERCENTS
    balance_below: int = 0


def get(tx: Transaction, customer: str) -> Wish:
    """A customer's wishes; the default where none were told."""
    below = tx.value("SELECT alert_below FROM wallets WHERE id=?", customer) or 0
    row = tx.one("SELECT email, webhooks, percents FROM alerts WHERE customer_id=?", customer)
    if row is None:
        return Wish(customer, balance_below=below)
    percents = tuple(msgspec.json.decode(row[2]))
    return Wish(customer, row[0], bool(row[1]), percents, below)


def put(tx: Transaction, wish: Wish) -> None:
    """Set a customer's wishes."""
    tx.run(
        "INSERT INTO alerts (customer_id, email, webhooks, percents, changed_at) "
        "VALUES (?,?,?,?,?) ON CONFLICT (customer_id) DO UPDATE SET email=excluded.email, "
        "webhooks=excluded.webhooks, percents=excluded.percents, changed_at=excluded.changed_at",
        *(wish.customer, wish.email, int(wish.webhooks)),
        *(msgspec.json.encode(sorted(set(wish.percents))).decode(), tx.clock.now()),
    )
    tx.run("UPDATE wallets SET alert_below=? WHERE id=?", wish.balance_below, wish.customer)


def budgets_passed(tx: Transaction, passed: Sequence[Alert]) -> None:
    """Tell that budgets have passed thresholds."""
    for alert in passed:
        money = alert.unit == "money"
        scale, unit = _unit(tx, alert.customer) if money else (0, "tokens")
        events.emit(
            tx,
            "budget.alert",
            alert.customer,
            {
                "budget_id": alert.budget,
                "name": alert.name,
                "scope": alert.scope,
                "scope_id": alert.scope_id,
                "window": alert.span,
                "percent": alert.percent,
                "spent": text_of(alert.spent, scale),
                "amount": text_of(alert.amount, scale),
                "unit": unit,
            },
            once=f"{alert.budget}:{alert.window}:{alert.percent}:{alert.amount}",
        )


def balance_low(tx: Transaction, head: Head) -> None:
    """Tell that a balance has fallen below what its owner set, once a day."""
    scale, unit = _unit(tx, head.wallet)
    events.emit(
        tx,
        "balance.low",
        head.customer,
        {
            "wallet": head.wallet,
            "balance": text_of(head.balance, scale),
            "below": text_of(head.alert_below, scale),
            "currency": unit,
        },
        once=f"{head.wallet}:{head.alert_below}:{tx.clock.now() // DAY}",
    )


def _unit(tx: Transaction, wallet: str) -> tuple[int, str]:
    row = tx.one("SELECT scale, currency FROM wallets WHERE id=?", wallet)
    return (row[0], row[1]) if row else (0, "units")
