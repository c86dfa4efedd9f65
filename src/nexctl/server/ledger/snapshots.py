"""Price snapshots: what a debit was computed from, stored once under its SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from nexctl.server.ledger.port import Transaction
from nexctl.server.ledger.types import Snapshot

_encoder = msgspec.json.Encoder(order="deterministic")


def made(content: Mapping[str, Any]) -> Snapshot:
    """The snapshot of a pricer's facts (`Pricer.snapshot()` and what else the charge came from).

    Equal content gives an equal hash. Make it once a pricer, not once a request.
    """
    body = _encoder.encode(content)
    return Snapshot(hashlib.sha256(body).hexdigest(), body.decode())


def keep(tx: Transaction, snapshot: Snapshot) -> str:
    """Store a snapshot unless it is there; return its hash."""
    known = tx.shared.snapshots
    if snapshot.hash not in known:
        if tx.one("SELECT 1 FROM price_snapshots WHERE hash=?", snapshot.hash) is None:
            tx.run(
                "INSERT INTO price_snapshots (hash, body) VALUES (?,?) "
                "ON CONFLICT (hash) DO NOTHING",
                *snapshot,
            )
        tx.afterwards(lambda: known.add(snapshot.hash))
    return snapshot.hash


def read(tx: Transaction, hash_: str) -> dict[str, Any] | None:
    """A stored snapshot's content."""
    body = tx.value("SELECT body FROM price_snapshots WHERE hash=?", hash_)
    if body is None:
        return None
    content: dict[str, Any] = msgspec.json.decode(body)
    return content
