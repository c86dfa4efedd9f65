"""Answers kept for near-duplicate prompts: sealed, for one customer, for a while."""

from __future__ import annotations

from typing import NamedTuple

from nexctl.server.ledger.errors import Refused
from nexctl.server.ledger.port import Transaction

# Entries of one scope that are compared, and kept: the newest ones.
MOST = 16


class Kept(NamedTuple):
    """One entry: its prompt and answer as they were."""

    id: int
    prompt: bytes
    answer: bytes


def look(tx: Transaction, customer: str, scope: bytes) -> list[Kept]:
    """The entries of a scope that still count, newest first, prompts and answers still sealed."""
    rows = tx.all(
        "SELECT id, prompt, answer FROM semantic_entries WHERE scope=? AND customer_id=? "
        "AND expires_at>? ORDER BY id DESC LIMIT ?",
        *(scope, customer, tx.clock.now(), MOST),
    )
    return [Kept(row[0], bytes(row[1]), bytes(row[2])) for row in rows]


def unsealed(tx: Transaction, sealed: bytes) -> bytes:
    """What was sealed."""
    if tx.shared.sealer is None:
        raise Refused("internal_error", "the ledger was opened without the key to its secrets")
    return tx.shared.sealer.unseal(sealed)


def add(
    tx: Transaction, customer: str, scope: bytes, prompt: bytes, answer: bytes, lasts: int
) -> None:
    """Keep an answer for `lasts` microseconds; the oldest of a full scope goes."""
    if tx.shared.sealer is None:
        return
    seal, now = tx.shared.sealer.seal, tx.clock.now()
    tx.run(
        "INSERT INTO semantic_entries "
        "(customer_id, scope, prompt, answer, created_at, expires_at) VALUES (?,?,?,?,?,?)",
        *(customer, scope, seal(prompt), seal(answer), now, now + lasts),
    )
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
