"""The book: entries with their postings, one hash chain a wallet.

An entry's hash is SHA-256(hash before + canonical text), where the canonical text is the JSON list
[wallet, seq, at, kind, amount, balance, reference, note, reverses, postings, usage]; postings are
[account, lot, amount], usage is null or [hold, created_at, customer, request_id, key, model,
status, charge, snapshot, record]. Each wallet keeps its head and, where a key is given, the head's
MAC (keyed BLAKE2b). A posting is signed from the account's side: a top-up of 5 is wallet +5,
payments -5.
"""

# ruff: noqa: S608 - only names of this program are put into SQL, values are parameters
from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec
from msgspec import Struct

from nexctl.server.ledger.errors import Broken, Refused
from nexctl.server.ledger.port import Transaction
from nexctl.server.ledger.state import digest

MOST = 2**63 - 1
GENESIS = bytes(32)
WALLET, DEBT = "wallet", "debt"

encode = msgspec.json.encode
Line = tuple[str, int | None, int]

ENTRIES = "wallet, seq, at, kind, amount, balance, reference, note, reverses, hash"
POSTINGS = "wallet, seq, line, account, lot, amount"
MOST_ROWS = 64


class Head(Struct, frozen=True):
    """A locked wallet row: what the next entry follows."""

    wallet: str
    customer: str
    balance: int
    held: int
    debt: int
    seq: int
    head: bytes
    last_at: int
    state: str
    next_expiry: int
    lifetime: int
    alert_below: int = 0


_LOCKED = (
    "SELECT id, customer_id, balance, held, debt, seq, head, last_at, state, next_expiry, "
    "lifetime, alert_below FROM wallets WHERE id=?"
)


def locked(tx: Transaction, wallet: str) -> Head:
    """Lock a wallet's row until commit and return it; not_found where there is none."""
    row = tx.one(_LOCKED + tx.lock, wallet)
    if row is None:
        raise Refused("not_found", f"there is no wallet {wallet}")
    return Head(*row)


class Entry(Struct, frozen=True):
    """One entry that follows a head: its row, its postings, and the head after it."""

    head: Head
    row: tuple[Any, ...]
    postings: list[Any]
    held: int


def follow(
    tx: Transaction,
    head: Head,
    kind: str,
    lines: Sequence[Line],
    *,
    held: int = 0,
    reference: str | None = None,
    note: str | None = None,
    reverses: int | None = None,
    usage: Sequence[Any] | None = None,
    lifetime: int = 0,
    next_expiry: int | None = None,
) -> Entry:
    """The entry that `post` appends, computed and not yet written."""
    amount = debt = total = 0
    kept = []
    for line in lines:
        if line[2]:
            kept.append(line)
            total += line[2]
            if line[0] == WALLET:
                amount += line[2]
            elif line[0] == DEBT:
                debt -= line[2]
    if total:
        raise Broken(f"postings of a {kind} entry sum to {total}, not 0")
    balance = head.balance + amount
    if balance > MOST:
        raise Refused("amount_too_large", "the balance would not fit the ledger's 64 bits")
    at = tx.clock.now()
    if at < head.last_at:
        at = head.last_at
    wallet, seq = head.wallet, head.seq + 1
    hash_ = digest(
        head.head,
        encode((wallet, seq, at, kind, amount, balance, reference, note, reverses, kept, usage)),
    )
    postings: list[Any] = []
    for number, (account, lot, part) in enumerate(kept):
        postings += (wallet, seq, number, account, lot, part)
    after = Head(
        *(wallet, head.customer, balance, head.held + held, head.debt + debt, seq, hash_, at),
        *(head.state, head.next_expiry if next_expiry is None else next_expiry),
        *(head.lifetime + lifetime, head.alert_below),
    )
    row = (wallet, seq, at, kind, amount, balance, reference, note, reverses, hash_)
    return Entry(after, row, postings, held)


def write(tx: Transaction, before: Head, entries: Sequence[Entry]) -> None:
    """Move the wallet's row from `before` over entries that follow each other; keep them all."""
    after = entries[-1].head
    changed = tx.run(
        "UPDATE wallets SET balance=?, held=held+?, debt=?, lifetime=?, seq=?, head=?, mac=?, "
        "last_at=?, next_expiry=? WHERE id=? AND seq=?",
        *(after.balance, sum(entry.held for entry in entries), after.debt, after.lifetime),
        *(after.seq, after.head, tx.shared.mac(after.wallet, after.seq, after.head)),
        *(after.last_at, after.next_expiry, before.wallet, before.seq),
    )
    if changed != 1:
        raise Broken(f"wallet {before.wallet} moved under its own lock")
    rows: list[Any] = []
    postings: list[Any] = []
    for entry in entries:
        rows += entry.row
        postings += entry.postings
    insert(tx, "entries", ENTRIES, rows)
    insert(tx, "postings", POSTINGS, postings)


def insert(tx: Transaction, table: str, columns: str, values: list[Any]) -> None:
    """Insert rows, given one after the other as flat `values`, with as few statements as can be."""
    statements = _inserts(table, columns)
    width = columns.count(",") + 1
    for first in range(0, len(values), width * MOST_ROWS):
        some = values[first : first + width * MOST_ROWS]
        tx.run(statements[len(some) // width], *some)


@cache
def _inserts(table: str, columns: str) -> tuple[str, ...]:
    """The statement for each number of rows."""
    row = f"({','.join('?' * (columns.count(',') + 1))})"
    begin = f"INSERT INTO {table} ({columns}) VALUES "
    return tuple(begin + ",".join([row] * count) for count in range(MOST_ROWS + 1))


def post(tx: Transaction, head: Head, kind: str, lines: Sequence[Line], **more: Any) -> Head:
    """Append one entry whose `lines` sum to zero, move the wallet's row, return the new head.

    Lines on account "wallet" move the balance, those on "debt" the debt (a negative line is owed);
    `held` is the change of what is held. Lots are the caller's to move. See `follow` for the rest.
    """
    entry = follow(tx, head, kind, lines, **more)
    write(tx, head, (entry,))
    return entry.head
