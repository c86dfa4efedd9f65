"""Price books by hash: the gateway charges by these only, and never edits one."""

# ruff: noqa: S608 - only names of this program are put into SQL, values are parameters
from __future__ import annotations

import hashlib
from typing import NamedTuple

from nexctl.server.ledger.clock import NEVER
from nexctl.server.ledger.port import Transaction


class StoredBook(NamedTuple):
    """One book as it was added; `body` is its text."""

    hash: str
    book_id: str
    version: str
    body: str
    in_force_from: int
    added_at: int


_FIELDS = "hash, book_id, version, body, in_force_from, added_at"


def add(
    tx: Transaction, book_id: str, version: str, body: str, in_force_from: int | None = None
) -> StoredBook:
    """Keep a book under the SHA-256 of its text; one that is there stays as it is."""
    hash_ = hashlib.sha256(body.encode()).hexdigest()
    now = tx.clock.now()
    start = now if in_force_from is None else in_force_from
    tx.run(
        f"INSERT INTO price_books ({_FIELDS}) SELECT ?,?,?,?,?,? "
        "WHERE NOT EXISTS (SELECT 1 FROM price_books WHERE hash=?)",
        *(hash_, book_id, version, body, start, now, hash_),
    )
    found = get(tx, hash_)
    if found is None:
        raise AssertionError("it was added in this very transaction")
    return found


def alone(tx: Transaction) -> None:
    """Keep others from adding a book until this transaction ends."""
    tx.one("SELECT name FROM settings WHERE name=?" + tx.lock, "gateway")


def get(tx: Transaction, hash_: str) -> StoredBook | None:
    """One book by its hash."""
    row = tx.one(f"SELECT {_FIELDS} FROM price_books WHERE hash=?", hash_)
    return None if row is None else StoredBook(*row)


def in_force(tx: Transaction, at: int | None = None) -> StoredBook | None:
    """The book that charges at an instant (now): the last one whose time has come."""
    row = tx.one(
        f"SELECT {_FIELDS} FROM price_books WHERE in_force_from<=? "
        "ORDER BY in_force_from DESC, added_at DESC, hash LIMIT 1",
        tx.clock.now() if at is None else at,
    )
    return None if row is None else StoredBook(*row)


def listed(tx: Transaction) -> list[StoredBook]:
    """All books, in the order in which they came into force."""
    rows = tx.all(f"SELECT {_FIELDS} FROM price_books ORDER BY in_force_from, added_at, hash")
    return [StoredBook(*row) for row in rows]


def schedule(tx: Transaction) -> list[tuple[int, int, str]]:
    """(in force from, added at, hash) of every book, without their texts."""
    rows = tx.all("SELECT in_force_from, added_at, hash FROM price_books")
    return [(row[0], row[1], row[2]) for row in rows]


def next_after(rows: list[tuple[int, int, str]], at: int) -> int:
    """When a schedule's next book comes into force after an instant; NEVER where none does."""
    return min((row[0] for row in rows if row[0] > at), default=NEVER)


def chosen(rows: list[tuple[int, int, str]], at: int) -> str | None:
    """Which of a schedule charges at an instant, as `in_force` chooses."""
    # Of equals the first hash counts: hence two steps.
    begun = [row for row in rows if row[0] <= at]
    if not begun:
        return None
    last = max(row[:2] for row in begun)
    return min(row[2] for row in begun if row[:2] == last)
