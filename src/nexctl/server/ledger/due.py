"""Whether anything has fallen due, asked before what does it is loaded."""

# ruff: noqa: S608 - only names of this program are put into SQL, values are parameters

from __future__ import annotations

from nexctl.server.ledger import autotopup, settings, wallets
from nexctl.server.ledger.port import Transaction

# The setting that names the month whose included credits were given last.
GIVEN = "included_through"
# Orders that nobody paid in time: those of before the instant.
UNPAID = "state IN ('created', 'opened', 'under_review') AND expires_at<=?"


def anything(tx: Transaction, month: str) -> bool:
    """Whether the credits of `month` (YYYY-MM), a fee, an end or an automatic top-up waits."""
    return (
        (settings.get(tx, GIVEN) or "") < month
        or tx.one("SELECT 1 FROM subscriptions WHERE state='past_due' LIMIT 1") is not None
        or autotopup.has_due(tx)
        or wallets.has_due(tx)
        or tx.one(f"SELECT 1 FROM orders WHERE {UNPAID} LIMIT 1", tx.clock.now()) is not None
    )
