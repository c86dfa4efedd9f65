"""Customers' own provider keys: sealed, one for a customer and provider, never the operator's."""

from __future__ import annotations

from typing import NamedTuple

from nexctl.server.ledger.errors import Refused
from nexctl.server.ledger.port import Transaction


class OwnKey(NamedTuple):
    """One stored key as it may be shown: `hint` is its last four characters."""

    provider: str
    hint: str
    created_at: int


def put(tx: Transaction, customer: str, provider: str, key: str) -> OwnKey:
    """Store a customer's key for a provider, in the place of one that is there."""
    if tx.shared.sealer is None:
        raise Refused("internal_error", "the ledger was opened without the key to its secrets")
    now = tx.clock.now()
    hint = key[-4:] if len(key) >= 16 else ""
    tx.run(
        "INSERT INTO provider_keys (customer_id, provider, sealed_key, hint, created_at) "
        "VALUES (?,?,?,?,?) ON CONFLICT (customer_id, provider) DO UPDATE SET "
        "sealed_key=excluded.sealed_key, hint=excluded.hint, created_at=excluded.created_at",
        *(customer, provider, tx.shared.sealer.seal(key.encode()), hint, now),
    )
    return OwnKey(provider, hint, now)


def listed(tx: Transaction, customer: str) -> list[OwnKey]:
    """A customer's stored keys, without the keys."""
    rows = tx.all(
        "SELECT provider, hint, created_at FROM provider_keys WHERE customer_id=? "
        "ORDER BY provider",
        customer,
    )
    return [OwnKey(*row) for row in rows]


def sealed(tx: Transaction, customer: str) -> dict[str, bytes]:
    """A customer's keys by provider, still sealed."""
    rows = tx.all("SELECT provider, sealed_key FROM provider_keys WHERE customer_id=?", customer)
    return {row[0]: bytes(row[1]) for row in rows}


def remove(tx: Transaction, customer: str, provider: str) -> bool:
    """Forget a key; whether it was there."""
    return bool(
        tx.run("DELETE FROM provider_keys WHERE customer_id=? AND provider=?", customer, provider)
    )
