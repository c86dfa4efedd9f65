"""Answers kept for near-duplicate prompts: sealed by the caller, for one customer, for a while."""

from __future__ import annotations

from nexctl.server.ledger.port import Transaction

# Entries of one scope that are compared, and kept: the newest ones.
MOST = 16


def look(tx: Transaction, customer: str, scope: bytes) -> list[bytes]:
    """The entries of a scope that still count, newest first, sealed."""
    rows = tx.all(
        "SELECT sealed FROM semantic_entries WHERE scope=? AND customer_id=? AND expires_at>? "
        "ORDER BY id DESC LIMIT ?",
        *(scope, customer, tx.clock.now(), MOST),
    )
    return [bytes(row[0]) for row in rows]


def add(
    tx: Transaction, customer: str, scope: bytes, sealed: bytes, lasts: int, full: bool
) -> None:
    """Keep an answer for `lasts` microseconds; of a `full` scope the oldest goes."""
    now = tx.clock.now()
    tx.run(
        "INSERT INTO semantic_entries (customer_id, scope, sealed, created_at, expires_at) "
        "VALUES (?,?,?,?,?)",
        *(customer, scope, sealed, now, now + lasts),
    )
    if full:
        tx.run(
            "DELETE FROM semantic_entries WHERE scope=? AND id NOT IN "
            "(SELECT id FROM semantic_entries WHERE scope=? ORDER BY id DESC LIMIT ?)",
            *(scope, scope, MOST),
        )


def forget(tx: Transaction, customer: str) -> int:
    """Take away all of a customer's entries; how many there were."""
    return tx.run("DELETE FROM semantic_entries WHERE customer_id=?", customer)


def expire(tx: Transaction) -> int:
    """Take away what has had its time."""
    return tx.run("DELETE FROM semantic_entries WHERE expires_at<=?", tx.clock.now())
