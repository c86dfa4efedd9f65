"""Reading a customer's book: entries, usage records, and whether a window is closed."""

# ruff: noqa: S608 - only names of this program are put into SQL, values are parameters
from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from nexctl.server.ledger.clock import MINUTE
from nexctl.server.ledger.port import Row, Transaction
from nexctl.server.ledger.types import Entry, Posting, UsageRow

_ENTRY = (
    "e.wallet, e.seq, e.at, e.kind, e.amount, e.balance, e.reference, e.note, e.reverses, e.hash"
)
_USAGE = (
    "u.wallet, u.seq, u.created_at, e.at, u.customer_id, u.request_id, u.key_id, u.model, "
    "u.status, u.charge, e.amount, e.balance, u.snapshot, u.record"
)
SETTLING = MINUTE
_JOINED = "FROM usage_records u JOIN entries e ON e.wallet=u.wallet AND e.seq=u.seq"


class Page(NamedTuple):
    """Rows in `sequence` order; `after` continues behind the last one, None at the end.

    `closed` says that no entry can still come whose reservation lies before the window's end.
    """

    rows: tuple[Any, ...]
    after: int | None
    closed: bool


def entries(
    tx: Transaction,
    wallet: str,
    *,
    after: int = 0,
    limit: int = 100,
    start: int | None = None,
    end: int | None = None,
    kind: str | None = None,
) -> Page:
    """A page of entries with their postings, by time of posting: `start` inclusive, `end` not."""
    where, values = _where(
        ("e.wallet=?", wallet),
        ("e.seq>?", after),
        ("e.at>=?", start),
        ("e.at<?", end),
        ("e.kind=?", kind),
    )
    rows = tx.all(
        f"SELECT {_ENTRY} FROM entries e WHERE {where} ORDER BY e.seq LIMIT ?", *values, limit + 1
    )
    found = []
    for row in rows[:limit]:
        lines = tx.all(
            "SELECT account, lot, amount FROM postings WHERE wallet=? AND seq=? ORDER BY line",
            *row[:2],
        )
        found.append(Entry._make((*row, tuple(Posting(*line) for line in lines))))
    more = len(rows) > limit
    closed = is_closed(tx, _customer(tx, wallet), end)
    return Page(tuple(found), found[-1].seq if more else None, closed)


def usage(
    tx: Transaction,
    wallet: str,
    *,
    after: int = 0,
    limit: int = 100,
    start: int | None = None,
    end: int | None = None,
    model: str | None = None,
    key: str | None = None,
    status: str | None = None,
    request_id: str | None = None,
    batch: str | None = None,
) -> Page:
    """A page of usage records, by time of reservation: `start` inclusive, `end` not.

    `batch` is one of the wallet's own customer.
    """
    where, values = _where(
        ("u.wallet=?", wallet),
        ("u.seq>?", after),
        ("u.created_at>=?", start),
        ("u.created_at<?", end),
        ("u.model=?", model),
        ("u.key_id=?", key),
        ("u.status=?", status),
        ("u.request_id=?", request_id),
        ("u.hold IN (SELECT l.hold FROM batch_lines l WHERE l.batch_id=?)", batch),
    )
    rows = tx.all(
        f"SELECT {_USAGE} {_JOINED} WHERE {where} ORDER BY u.seq LIMIT ?", *values, limit + 1
    )
    found = tuple(_record(row) for row in rows[:limit])
    more = len(rows) > limit
    closed = is_closed(tx, _customer(tx, wallet), end)
    return Page(found, found[-1].seq if more else None, closed)


def usage_at(tx: Transaction, wallet: str, seq: int) -> UsageRow | None:
    """The usage record at one place in the book."""
    row = tx.one(f"SELECT {_USAGE} {_JOINED} WHERE u.wallet=? AND u.seq=?", wallet, seq)
    return None if row is None else _record(row)


def usage_of(tx: Transaction, customer: str, request_id: str) -> UsageRow | None:
    """The usage record of a request id, None where it was not billed."""
    row = tx.one(
        "SELECT wallet, seq FROM holds WHERE customer_id=? AND request_id=? AND state='settled'",
        *(customer, request_id),
    )
    return None if row is None else usage_at(tx, *row)


def is_closed(tx: Transaction, customer: str, end: int | None) -> bool:
    """Whether no hold of the customer reserved before `end` is open, and `end` has passed.

    It has passed for a minute: a reservation takes its time before it commits, so one of just
    before the end might not be seen yet, and other processes' clocks may be behind this one's.
    """
    if end is not None and end > tx.clock.now() - SETTLING:
        return False
    return (
        tx.one(
            "SELECT 1 FROM holds WHERE (customer_id=? "
            "OR customer_id IN (SELECT org_id FROM members WHERE customer_id=?)) "
            "AND state IN ('reserved', 'dispatched', 'unknown')"
            + ("" if end is None else " AND created_at<?")
            + " LIMIT 1",
            *(customer, customer, *(() if end is None else (end,))),
        )
        is None
    )


def _where(*terms: tuple[str, Any]) -> tuple[str, list[Any]]:
    given = [term for term in terms if term[1] is not None]
    return " AND ".join(term[0] for term in given), [term[1] for term in given]


def _customer(tx: Transaction, wallet: str) -> str:
    return str(tx.value("SELECT customer_id FROM wallets WHERE id=?", wallet))


def _record(row: Row) -> UsageRow:
    return UsageRow._make((*row[:13], msgspec.json.decode(row[13])))
