"""Whether anything has fallen due, asked before what does it is loaded."""

from __future__ import annotations

from nexctl.server.ledger import autotopup, settings
from nexctl.server.ledger.port import Transaction

# The setting that names the month whose included credits were given last.
GIVEN = "included_through"


def anything(tx: Transaction, month: str) -> bool:
    """Whether the credits of `month` (YYYY-MM), a fee or an automatic top-up waits."""
    return (
        (settings.get(tx, GIVEN) or "") < month
        or tx.one("SELECT 1 FROM subscriptions WHERE state='past_due' LIMIT 1") is not None
        or autotopup.has_due(tx)
    )
