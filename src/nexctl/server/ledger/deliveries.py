"""Deliveries: one event on its way to one who is told, tried again until it arrives or is given up.

Whoever sends takes a delivery by moving its `due_at` ahead, so that one process sends it at a time;
should that process die, the delivery falls due again. So an event arrives at least once.
"""

# ruff: noqa: S608 - only names of this program are put into SQL, values are parameters
from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from nexctl.server.ledger import ids
from nexctl.server.ledger.clock import HOUR, MINUTE, SECOND
from nexctl.server.ledger.port import Row, Transaction

LEASE = 2 * MINUTE
# The waits after each try, as Standard Webhooks suggests: about three days in all.
WAITS = (
    *(5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR),
    *(14 * HOUR, 20 * HOUR, 24 * HOUR),
)
MOST_LOG = 20


class Try(NamedTuple):
    """One try: when, the status that came back (None: no answer), why it failed, how long."""

    at: int
    status: int | None
    error: str | None
    milliseconds: int


class Delivery(NamedTuple):
    """`channel` is webhook (`target` an endpoint's id) or email (`target` the address)."""

    id: str
    event: str
    channel: str
    target: str
    state: str
    attempts: int
    due_at: int
    log: tuple[Try, ...]
    created_at: int
    ended_at: int | None
    kind: str = ""
    customer: str | None = None


_COLUMNS = (
    "d.id, d.event_id, d.channel, d.target, d.state, d.attempts, d.due_at, d.log, d.created_at, "
    "d.ended_at, e.kind, e.customer_id"
)
_JOINED = "FROM deliveries d JOIN events e ON e.id=d.event_id"
_LOG = msgspec.json.Decoder(tuple[tuple[int, int | None, str | None, int], ...])


def _delivery(row: Row) -> Delivery:
    return Delivery._make((*row[:7], tuple(Try(*one) for one in _LOG.decode(row[7])), *row[8:]))


def add(tx: Transaction, event: str, channel: str, target: str) -> None:
    """Have an event told to somebody, once."""
    now = tx.clock.now()
    tx.run(
        "INSERT INTO deliveries (id, event_id, channel, target, state, attempts, due_at, log, "
        "created_at) VALUES (?,?,?,?,'pending',0,?,'[]',?) "
        "ON CONFLICT (event_id, channel, target) DO NOTHING",
        *(ids.new("dlv"), event, channel, target, now, now),
    )


def take(tx: Transaction, most: int = 20) -> list[Delivery]:
    """Take what is due: nobody else sends these until the lease ends."""
    now = tx.clock.now()
    taken = []
    for (name,) in tx.all(
        "SELECT id FROM deliveries WHERE state='pending' AND due_at<=? ORDER BY due_at, id LIMIT ?",
        *(now, most),
    ):
        if take_one(tx, name):
            found = get(tx, name)
            if found is not None:
                taken.append(found)
    return taken


def take_one(tx: Transaction, delivery: str) -> bool:
    """Take one delivery that is due; False where somebody else has it."""
    now = tx.clock.now()
    return bool(
        tx.run(
            "UPDATE deliveries SET due_at=? WHERE id=? AND state='pending' AND due_at<=?",
            *(now + LEASE, delivery, now),
        )
    )


def ended(tx: Transaction, delivery: str, made: Try, *, arrived: bool, last: bool = False) -> str:
    """Write down a try: delivered, or due again later, or failed after the last one."""
    row = tx.one("SELECT attempts, log, state FROM deliveries WHERE id=?" + tx.lock, delivery)
    if row is None or row[2] not in ("pending", "failed"):
        return str(row[2]) if row else "dropped"
    attempts = row[0] + 1
    log = [*_LOG.decode(row[1]), made][-MOST_LOG:]
    state = "delivered" if arrived else "failed" if last or attempts > len(WAITS) else "pending"
    due = made.at + WAITS[min(attempts, len(WAITS)) - 1]
    tx.run(
        "UPDATE deliveries SET state=?, attempts=?, due_at=?, log=?, ended_at=? WHERE id=?",
        *(state, attempts, due, msgspec.json.encode(log).decode()),
        *(None if state == "pending" else made.at, delivery),
    )
    return state


def again(tx: Transaction, delivery: str) -> bool:
    """Replay: send once more now, whatever came of it; False where there is no such delivery."""
    return bool(
        tx.run(
            "UPDATE deliveries SET state='pending', attempts=0, due_at=?, ended_at=NULL WHERE id=?",
            *(tx.clock.now(), delivery),
        )
    )


def get(tx: Transaction, delivery: str) -> Delivery | None:
    """One delivery."""
    row = tx.one(f"SELECT {_COLUMNS} {_JOINED} WHERE d.id=?", delivery)
    return None if row is None else _delivery(row)


def listed(
    tx: Transaction,
    *,
    after: str | None = None,
    limit: int = 100,
    state: str | None = None,
    target: str | None = None,
    customer: str | None = None,
) -> list[Delivery]:
    """Deliveries by id; `after` continues behind one."""
    where: list[tuple[str, Any]] = [("d.id>?", after or "")]
    where += [
        (clause, value)
        for clause, value in (
            ("d.state=?", state),
            ("d.target=?", target),
            ("e.customer_id=?", customer),
        )
        if value is not None
    ]
    rows = tx.all(
        f"SELECT {_COLUMNS} {_JOINED} WHERE {' AND '.join(term[0] for term in where)} "
        "ORDER BY d.id LIMIT ?",
        *(*(term[1] for term in where), limit),
    )
    return [_delivery(row) for row in rows]


def has_due(tx: Transaction) -> bool:
    """Whether anything waits to be spread or sent now."""
    return (
        tx.one("SELECT 1 FROM events WHERE spread=0 LIMIT 1") is not None
        or tx.one(
            "SELECT 1 FROM deliveries WHERE state='pending' AND due_at<=? LIMIT 1", tx.clock.now()
        )
        is not None
    )
