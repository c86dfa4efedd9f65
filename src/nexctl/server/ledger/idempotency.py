"""Answers kept under an Idempotency-Key, so that a repetition gets the first one again."""

# ruff: noqa: S608 - only names of this program are put into SQL, values are parameters
from __future__ import annotations

from typing import NamedTuple

from nexctl.server.ledger.clock import DAY
from nexctl.server.ledger.errors import Refused
from nexctl.server.ledger.port import Row, Transaction

_SCOPE = "customer_id=? AND key_id=? AND method=? AND path=? AND idempotency_key=?"


class Kept(NamedTuple):
    """The first answer: its status and its body, without secrets."""

    status: int
    response: bytes


def begin(
    tx: Transaction, customer: str, key: str, method: str, path: str, name: str, body_hash: bytes
) -> Kept | None:
    """Claim a name in its scope; None where it is new, else the first answer.

    Raises Refused: idempotency_conflict for another body, request_in_progress where the first is
    still running (claimed in an earlier transaction and not finished).
    """
    scope = (customer, key, method, path, name)
    if tx.run(
        "INSERT INTO idempotency (customer_id, key_id, method, path, idempotency_key, body_hash, "
        "owner, created_at) VALUES (?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING",
        *(*scope, body_hash, tx.shared.owner, tx.clock.now()),
    ):
        return None
    row = tx.one(f"SELECT body_hash, status, response FROM idempotency WHERE {_SCOPE}", *scope)
    if row is None:
        raise Refused("request_in_progress", "a request with this key has just ended", hint="retry")
    return _kept(row, body_hash)


def _kept(row: Row, body_hash: bytes) -> Kept:
    if bytes(row[0]) != body_hash:
        raise Refused(
            "idempotency_conflict",
            "this Idempotency-Key was used with another body",
            hint="use a new key for a new request",
        )
    if row[1] is None:
        raise Refused("request_in_progress", "a request with this Idempotency-Key is still running")
    return Kept(row[1], bytes(row[2]))


def known(
    tx: Transaction, customer: str, key: str, method: str, path: str, name: str, body_hash: bytes
) -> Kept | None:
    """The first answer under a name, None where there is none yet; nothing is claimed.

    Raises Refused as `begin` does.
    """
    row = tx.one(
        f"SELECT body_hash, status, response FROM idempotency WHERE {_SCOPE}",
        *(customer, key, method, path, name),
    )
    return None if row is None else _kept(row, body_hash)


def finish(
    tx: Transaction,
    customer: str,
    key: str,
    method: str,
    path: str,
    name: str,
    status: int,
    response: bytes,
) -> None:
    """Keep the first answer. It must hold no secret."""
    tx.run(
        f"UPDATE idempotency SET status=?, response=? WHERE {_SCOPE}",
        *(status, response, customer, key, method, path, name),
    )


def forget(tx: Transaction, older_than: int = 30 * DAY) -> int:
    """Drop answers older than this; how many."""
    return tx.run("DELETE FROM idempotency WHERE created_at<?", tx.clock.now() - older_than)
