"""Automatic top-up: what a customer has agreed to, and which wallets have run low.

A wallet that is due is leased while its order is made, and has one open automatic order at most
(the table of orders itself refuses a second one).
"""

# ruff: noqa: S608 - only names of this program are put into SQL, values are parameters
from __future__ import annotations

from typing import NamedTuple

from nexctl.server.ledger.clock import MINUTE
from nexctl.server.ledger.port import Transaction

LEASE = 2 * MINUTE
BATCH = 50


class Agreed(NamedTuple):
    """Below so many free units, order `amount` (10**-9 of the currency) or up to `target` units.

    `cap` is the most that one month's automatic orders may cost before tax.
    """

    wallet: str
    customer: str
    below: int
    amount: int | None
    target: int | None
    cap: int | None
    method: str | None
    enabled: bool
    note: str | None
    changed_at: int


_FIELDS = "wallet, customer_id, below, amount, target, cap, method, enabled, note, changed_at"


def put(
    tx: Transaction,
    wallet: str,
    customer: str,
    *,
    below: int,
    amount: int | None,
    target: int | None,
    cap: int | None,
    method: str | None,
) -> Agreed:
    """Agree to it, in place of what was agreed before."""
    tx.run(
        "INSERT INTO auto_topups (wallet, customer_id, below, amount, target, cap, method, "
        "enabled, changed_at) VALUES (?,?,?,?,?,?,?,1,?) "
        "ON CONFLICT (wallet) DO UPDATE SET below=excluded.below, amount=excluded.amount, "
        "target=excluded.target, cap=excluded.cap, method=excluded.method, enabled=1, note=NULL, "
        "lease_until=0, changed_at=excluded.changed_at",
        *(wallet, customer, below, amount, target, cap, method, tx.clock.now()),
    )
    found = get(tx, wallet)
    if found is None:
        raise AssertionError("it was kept in this very transaction")
    return found


def get(tx: Transaction, wallet: str) -> Agreed | None:
    """What was agreed for a wallet."""
    row = tx.one(f"SELECT {_FIELDS} FROM auto_topups WHERE wallet=?", wallet)
    return None if row is None else Agreed._make((*row[:7], bool(row[7]), *row[8:]))


def off(tx: Transaction, wallet: str) -> None:
    """Agree to nothing any more; an open order stays open."""
    tx.run("UPDATE auto_topups SET enabled=0, changed_at=? WHERE wallet=?", tx.clock.now(), wallet)


_DUE = (
    "FROM auto_topups a JOIN wallets w ON w.id=a.wallet "
    "JOIN customers c ON c.id=a.customer_id AND c.state='active' "
    "WHERE a.enabled=1 AND a.lease_until<=? AND w.state='active' "
    "AND w.balance-w.held<a.below AND NOT EXISTS ("
    "SELECT 1 FROM orders o WHERE o.wallet=a.wallet AND o.automatic=1 "
    "AND o.state IN ('created', 'opened', 'submitted', 'under_review'))"
)


def has_due(tx: Transaction) -> bool:
    """Whether `take` would find something."""
    return tx.one(f"SELECT 1 {_DUE} LIMIT 1", tx.clock.now()) is not None


def take(tx: Transaction, most: int = BATCH) -> list[str]:
    """Lease wallets that have run low and have no open automatic order."""
    now = tx.clock.now()
    found = []
    for (wallet,) in tx.all(f"SELECT a.wallet {_DUE} ORDER BY a.wallet LIMIT ?", now, most):
        if tx.run(
            "UPDATE auto_topups SET owner=?, lease_until=? WHERE wallet=? AND lease_until<=?",
            *(tx.shared.owner, now + LEASE, wallet, now),
        ):
            found.append(wallet)
    return found


def give_back(tx: Transaction, wallet: str, note: str | None, *, pause: int = 0) -> None:
    """The lease ends; `note` says what stood in the way, `pause` when to look again."""
    tx.run(
        "UPDATE auto_topups SET note=?, lease_until=? WHERE wallet=?",
        *(note, tx.clock.now() + pause if pause else 0, wallet),
    )


def free_of(tx: Transaction, wallet: str) -> int:
    """What no hold keeps."""
    return int(tx.value("SELECT balance-held FROM wallets WHERE id=?", wallet) or 0)


def ordered(tx: Transaction, wallet: str, start: int, end: int) -> int:
    """What a window's automatic orders cost before tax, without those that ended unpaid."""
    return int(
        tx.value(
            "SELECT coalesce(sum(amount), 0) FROM orders WHERE wallet=? AND automatic=1 "
            "AND created_at>=? AND created_at<? AND state NOT IN ('rejected', 'expired')",
            *(wallet, start, end),
        )
    )


def open_order(tx: Transaction, wallet: str) -> str | None:
    """The automatic order that waits to be paid."""
    found: str | None = tx.value(
        "SELECT id FROM orders WHERE wallet=? AND automatic=1 "
        "AND state IN ('created', 'opened', 'submitted', 'under_review')",
        wallet,
    )
    return found
