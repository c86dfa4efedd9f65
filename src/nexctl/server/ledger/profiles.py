"""Billing profiles: who is invoiced, each version kept, the last one in force."""

from __future__ import annotations

from typing import Any

import msgspec

from nexctl.server.ledger.port import Transaction


def current(tx: Transaction, customer: str) -> tuple[dict[str, Any] | None, int]:
    """(profile, version); (None, 0) where there is none yet."""
    row = tx.one(
        "SELECT body, version FROM billing_profiles WHERE customer_id=? "
        "ORDER BY version DESC LIMIT 1",
        customer,
    )
    return (None, 0) if row is None else (msgspec.json.decode(row[0]), row[1])


def changed_at(tx: Transaction, customer: str, version: int) -> int | None:
    """When a version came into force."""
    found: int | None = tx.value(
        "SELECT created_at FROM billing_profiles WHERE customer_id=? AND version=?",
        *(customer, version),
    )
    return found


def put(tx: Transaction, customer: str, body: dict[str, Any]) -> int:
    """A new version, unless it is the one in force; its number."""
    # The customer's row is the lock: two changes at once are two versions.
    tx.run("UPDATE customers SET id=id WHERE id=?", customer)
    before, version = current(tx, customer)
    if before == body:
        return version
    tx.run(
        "INSERT INTO billing_profiles (customer_id, version, body, created_at) VALUES (?,?,?,?)",
        *(customer, version + 1, msgspec.json.encode(body).decode(), tx.clock.now()),
    )
    return version + 1


def version(tx: Transaction, customer: str, number: int) -> dict[str, Any] | None:
    """One version."""
    text = tx.value(
        "SELECT body FROM billing_profiles WHERE customer_id=? AND version=?", customer, number
    )
    return None if text is None else msgspec.json.decode(text)
