"""Operators: who runs the gateway, and in which role."""

# ruff: noqa: S608 - only names of this program are put into SQL, values are parameters
from __future__ import annotations

from typing import NamedTuple

from nexctl.server.ledger import ids
from nexctl.server.ledger.errors import Refused
from nexctl.server.ledger.port import Transaction


class Operator(NamedTuple):
    """`role` is owner, billing, support or read_only; `state` active or revoked."""

    id: str
    name: str
    role: str
    state: str
    prefix: str
    created_at: int
    revoked_at: int | None


_FIELDS = "id, name, role, state, prefix, created_at, revoked_at"


def create(tx: Transaction, name: str, role: str, *, hash: bytes, prefix: str) -> Operator:
    """Keep a new operator under its key's SHA-256."""
    there = tx.one("SELECT 1 FROM operators WHERE name=? AND state<>'revoked'", name)
    if there is not None:
        raise Refused("name_taken", f"there is an operator {name!r} already")
    made = Operator(ids.new("opr"), name, role, "active", prefix, tx.clock.now(), None)
    tx.run(f"INSERT INTO operators ({_FIELDS}, hash) VALUES (?,?,?,?,?,?,?,?)", *made, hash)
    return made


def by_secret(tx: Transaction, hash: bytes) -> Operator | None:
    """Whose key this is, whatever its state."""
    row = tx.one(f"SELECT {_FIELDS} FROM operators WHERE hash=?", hash)
    return None if row is None else Operator(*row)


def get(tx: Transaction, operator: str) -> Operator | None:
    """One operator, whatever its state."""
    row = tx.one(f"SELECT {_FIELDS} FROM operators WHERE id=?", operator)
    return None if row is None else Operator(*row)


def listed(tx: Transaction) -> list[Operator]:
    """All operators, oldest first."""
    return [
        Operator(*row) for row in tx.all(f"SELECT {_FIELDS} FROM operators ORDER BY created_at, id")
    ]


def revoke(tx: Transaction, operator: str) -> bool:
    """End an operator's key; the last active owner's cannot be ended. Whether it was active."""
    row = tx.one(f"SELECT {_FIELDS} FROM operators WHERE id=?", operator)
    if row is None:
        raise Refused("not_found", f"there is no operator {operator}")
    if tx.lock:  # two owners that revoke each other must not both succeed
        owners = "SELECT id FROM operators WHERE role='owner' AND state='active' ORDER BY id"
        tx.all(owners + tx.lock)
    others = tx.value(
        "SELECT count(*) FROM operators WHERE role='owner' AND state='active' AND id<>?", operator
    )
    if row[2] == "owner" and row[3] == "active" and not others:
        raise Refused("state_conflict", "that is the last owner's key", hint="make another first")
    return bool(
        tx.run(
            "UPDATE operators SET state='revoked', revoked_at=? WHERE id=? AND state='active'",
            *(tx.clock.now(), operator),
        )
    )
