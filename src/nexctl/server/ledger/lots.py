"""Lots: packs and grants, burned in one total order (priority, earliest expiry, first in).

What open holds keep is not bound to lots. So an expired lot gives up what no hold keeps, and the
rest when the holds are settled or released.
"""

# ruff: noqa: S608 - only names of this program are put into SQL, values are parameters
from __future__ import annotations

from msgspec.structs import replace

from nexctl.server.ledger import settings
from nexctl.server.ledger.chain import WALLET, Head, Line, post
from nexctl.server.ledger.clock import NEVER
from nexctl.server.ledger.port import Row, Transaction
from nexctl.server.ledger.types import Draw, Lot

# lower burns first; a lot with an earlier end goes before a later one of the same priority
PRIORITIES = {"included": 10, "grant": 10, "code": 20, "bonus": 30, "paid": 50, "adjustment": 50}

_ORDER = "FROM lots WHERE wallet=? AND live=1 ORDER BY priority, expires_at, lot"
_BURN = f"SELECT lot, remaining {_ORDER}"
# From the lot that burns first, where it has more than that: nearly always, so in one statement.
_TOP = (
    "UPDATE lots SET remaining=remaining-? "
    f"WHERE wallet=? AND lot=(SELECT lot {_ORDER} LIMIT 1) AND remaining>? RETURNING lot"
)
_PART = "UPDATE lots SET remaining=remaining-? WHERE wallet=? AND lot=? AND remaining>?"
_REST = "UPDATE lots SET remaining=remaining-?, live=0 WHERE wallet=? AND lot=?"


def burn(tx: Transaction, wallet: str, amount: int) -> tuple[Draw, ...]:
    """Take `amount` (at most the balance) from the lots in order."""
    if not amount:
        return ()
    top = tx.one(_TOP, amount, wallet, wallet, amount)
    if top is not None:
        return (Draw(top[0], amount),)
    draws, left = [], amount
    for lot, remaining in tx.all(_BURN, wallet):
        part = min(remaining, left)
        draws.append(take(tx, wallet, lot, part))
        left -= part
        if not left:
            break
    return tuple(draws)


def first(tx: Transaction, wallet: str) -> Row | None:
    """(lot, remaining) of the lot that burns first, None where none has anything left."""
    return tx.one(_BURN + " LIMIT 1", wallet)


def take(tx: Transaction, wallet: str, lot: int, amount: int) -> Draw:
    """Take from one lot. The table itself refuses less than nothing."""
    if not tx.run(_PART, amount, wallet, lot, amount):
        tx.run(_REST, amount, wallet, lot)
    return Draw(lot, amount)


def lines(draws: tuple[Draw, ...], account: str) -> list[Line]:
    """The postings that move draws to a system account."""
    moved: list[Line] = [(WALLET, draw.lot, -draw.amount) for draw in draws]
    moved.append((account, None, sum(draw.amount for draw in draws)))
    return moved


def open_lot(
    tx: Transaction,
    head: Head,
    kind: str,
    amount: int,
    at: int,
    *,
    priority: int | None = None,
    expires_at: int | None = None,
    order_id: str | None = None,
    sandbox: bool = False,
) -> int:
    """Make the lot that the next entry of `head` will credit; return its name."""
    lot = head.seq + 1
    tx.run(
        "INSERT INTO lots (wallet, lot, kind, priority, amount, remaining, expires_at, order_id, "
        "sandbox, created_at) VALUES (?,?,?,?,?,?,?,?,?,?)",
        *(head.wallet, lot, kind, PRIORITIES.get(kind, 40) if priority is None else priority),
        *(amount, amount, NEVER if expires_at is None else expires_at, order_id),
        *(int(sandbox), at),
    )
    return lot


def next_expiry(tx: Transaction, wallet: str) -> int:
    """The earliest end of a lot that has something left."""
    found = tx.value("SELECT min(expires_at) FROM lots WHERE wallet=? AND live=1", wallet)
    return NEVER if found is None else int(found)


def expire(tx: Transaction, head: Head, now: int) -> Head:
    """Write off what ended lots have left and no hold keeps; nothing while the clock is stopped."""
    if head.next_expiry > now or settings.clock_stopped(tx):
        return head
    free = head.balance - head.held
    for lot, remaining, ends in tx.all(
        "SELECT lot, remaining, expires_at FROM lots "
        "WHERE wallet=? AND live=1 AND expires_at<=? ORDER BY expires_at, lot",
        *(head.wallet, now),
    ):
        part = min(remaining, free)
        if not part:
            break
        draw = take(tx, head.wallet, lot, part)
        head = post(
            tx, head, "expiry", lines((draw,), "expired"), reverses=lot, reference=str(ends)
        )
        free -= part
    following = next_expiry(tx, head.wallet)
    if following != head.next_expiry:
        tx.run("UPDATE wallets SET next_expiry=? WHERE id=?", following, head.wallet)
        head = replace(head, next_expiry=following)
    return head


def listed(tx: Transaction, wallet: str, *, spent: bool = False) -> tuple[Lot, ...]:
    """A wallet's lots in burning order; with `spent` the empty ones too."""
    rows = tx.all(
        "SELECT lot, kind, priority, amount, remaining, created_at, expires_at, order_id, sandbox "
        "FROM lots WHERE wallet=? "
        + ("" if spent else "AND live=1 ")
        + "ORDER BY priority, expires_at, lot",
        wallet,
    )
    return tuple(
        Lot._make((*row[:6], None if row[6] == NEVER else row[6], row[7], bool(row[8])))
        for row in rows
    )
