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
from typing import Any, NamedTuple

import msgspec

from nexctl.server.ledger.errors import Broken, Refused
from nexctl.server.ledger.port import Transaction
from nexctl.server.ledger.state import digest

MOST = 2**63 - 1
GENESIS = bytes(32)
WALLET, DEBT = "wallet", "debt"

encode = msgspec.json.encode
Line = tuple[str, int | None, int]

_PLACES = {count: ",".join(["(?,?,?,?,?,?)"] * count) for count in range(1, 65)}


class Head(NamedTuple):
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


def post(
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
) -> Head:
    """Append one entry whose `lines` sum to zero, move the wallet's row, return the new head.

    Lines on account "wallet" move the balance, those on "debt" the debt (a negative line is owed);
    `held` is the change of what is held. Lots are the caller's to move.
    """
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
    seq = head.seq + 1
    hash_ = digest(
        head.head,
        encode(
            (head.wallet, seq, at, kind, amount, balance, reference, note, reverses, kept, usage)
        ),
    )
    expiry = head.next_expiry if next_expiry is None else next_expiry
    changed = tx.run(
        "UPDATE wallets SET balance=?, held=held+?, debt=?, lifetime=?, seq=?, head=?, mac=?, "
        "last_at=?, next_expiry=? WHERE id=? AND seq=?",
        *(balance, held, head.debt + debt, head.lifetime + lifetime, seq, hash_),
        *(tx.shared.mac(head.wallet, seq, hash_), at, expiry, head.wallet, head.seq),
    )
    if changed != 1:
        raise Broken(f"wallet {head.wallet} moved under its own lock")
    tx.run(
        "INSERT INTO entries (wallet, seq, at, kind, amount, balance, reference, note, reverses, "
        "hash) VALUES (?,?,?,?,?,?,?,?,?,?)",
        *(head.wallet, seq, at, kind, amount, balance, reference, note, reverses, hash_),
    )
    if kept:
        values: list[Any] = []
        for number, (account, lot, part) in enumerate(kept):
            values += (head.wallet, seq, number, account, lot, part)
        for first in range(0, len(kept), 64):
            some = values[first * 6 : (first + 64) * 6]
            tx.run(
                "INSERT INTO postings (wallet, seq, line, account, lot, amount) VALUES "
                + _PLACES[len(some) // 6],
                *some,
            )
    return head._replace(
        balance=balance,
        held=head.held + held,
        debt=head.debt + debt,
        lifetime=head.lifetime + lifetime,
        seq=seq,
        head=hash_,
        last_at=at,
        next_expiry=expiry,
    )
