"""Pools: further wallets of one account, and credits moved between them.

A transfer moves what is left of lots in the order in which they burn, each with its end, priority
and kind; it is two entries in two books, whose postings to "transfers" cancel each other.
"""

from __future__ import annotations

from typing import NamedTuple

from nexctl.server.ledger import ids, lots, wallets
from nexctl.server.ledger.chain import WALLET, locked, post
from nexctl.server.ledger.clock import NEVER
from nexctl.server.ledger.errors import Refused
from nexctl.server.ledger.port import Transaction

TRANSFERS = "transfers"


class Pool(NamedTuple):
    """A wallet by its figures."""

    id: str
    name: str
    balance: int
    held: int


def listed(tx: Transaction, account: str) -> list[Pool]:
    """Every wallet of an account, its own first."""
    rows = tx.all(
        "SELECT id, name, balance, held FROM wallets WHERE customer_id=? "
        "ORDER BY CASE WHEN id=customer_id THEN 0 ELSE 1 END, created_at, id",
        account,
    )
    return [Pool(*row) for row in rows]


def find(tx: Transaction, account: str, name: str) -> Pool:
    """A wallet of an account by id or name; Refused not_found where it has none such."""
    for pool in listed(tx, account):
        if name in (pool.id, pool.name):
            return pool
    raise Refused("not_found", "there is no such pool")


def create(tx: Transaction, account: str, name: str) -> Pool:
    """Make a pool in the unit of the account's own wallet."""
    if any(pool.name == name for pool in listed(tx, account)):
        raise Refused("name_taken", f"there is a pool {name!r} already")
    row = tx.one("SELECT currency, scale FROM wallets WHERE id=?", account)
    if row is None:
        raise Refused("not_found", f"there is no wallet {account}")
    made = wallets.create(tx, account, row[0], row[1], wallet=ids.new("pool"), name=name)
    return Pool(made, name, 0, 0)


def transfer(tx: Transaction, account: str, source: str, target: str, amount: int) -> None:
    """Move credits that no hold keeps. Refused insufficient_balance where there is less."""
    start, end = find(tx, account, source).id, find(tx, account, target).id
    if start == end or amount <= 0:
        raise Refused("invalid_request", "a transfer goes from one wallet to another")
    for name in sorted((start, end)):  # one order for everybody
        locked(tx, name)
    head = lots.expire(tx, locked(tx, start), tx.clock.now())
    into = lots.expire(tx, locked(tx, end), tx.clock.now())
    if head.debt or into.debt or "frozen" in (head.state, into.state):
        raise Refused("state_conflict", "a wallet with debt, or a frozen one, is not moved from")
    if amount > head.balance - head.held:
        raise Refused("insufficient_balance", "that is more than is there and not held")
    known = {lot.lot: lot for lot in lots.listed(tx, start)}
    for draw in lots.burn(tx, start, amount):
        lot = known[draw.lot]
        head = post(
            tx,
            head,
            "transfer",
            lots.lines((draw,), TRANSFERS),
            reference=end,
        )
        made = lots.open_lot(
            tx,
            into,
            lot.kind,
            draw.amount,
            tx.clock.now(),
            priority=lot.priority,
            expires_at=lot.expires_at,
            sandbox=lot.sandbox,
        )
        into = post(
            tx,
            into,
            "transfer",
            [(WALLET, made, draw.amount), (TRANSFERS, None, -draw.amount)],
            reference=start,
            next_expiry=min(into.next_expiry, lot.expires_at or NEVER),
        )
