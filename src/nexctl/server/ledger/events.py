"""Events: the outbox, in which what has happened stands in the transaction that made it happen.

    from nexctl.server.ledger import events

    events.emit(tx, "order.credited", customer, {"id": order.id, "amount": "50", "currency": "USD"})

The row commits with the change or not at all; upkeep then spreads it to the endpoints that want it
(`server.events`). `kind` is one of `event_kinds.KINDS`. `data` is what the receiver reads:
JSON-safe, amounts as decimal text, never a secret. `once` names a thing of which there is one event
ever (an alert's threshold and window): a repetition is dropped, in whatever process.
"""

# ruff: noqa: S608 - only names of this program are put into SQL, values are parameters
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from nexctl.server.ledger import ids
from nexctl.server.ledger.clock import DAY
from nexctl.server.ledger.errors import Refused
from nexctl.server.ledger.event_kinds import FAMILIES, KINDS
from nexctl.server.ledger.port import Row, Transaction

KEEP = 90 * DAY


class Event(NamedTuple):
    """One event. `customer` None is the gateway's own: only the operator is told."""

    id: str
    customer: str | None
    kind: str
    data: dict[str, Any]
    at: int


_COLUMNS = "id, customer_id, kind, data, at"


def _event(row: Row) -> Event:
    return Event(row[0], row[1], row[2], msgspec.json.decode(row[3]), row[4])


def emit(
    tx: Transaction,
    kind: str,
    customer: str | None,
    data: Mapping[str, Any],
    *,
    once: str | None = None,
) -> str | None:
    """Write one event into the outbox; its id, None where `once` has been there before.

    Call it in the transaction of the change itself, after the change. It costs one insert, takes
    no lock that others wait for, and sends nothing.
    """
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is no kind of event: see event_kinds")
    made = ids.new("evt")
    done = tx.run(
        f"INSERT INTO events ({_COLUMNS}, once, spread) VALUES (?,?,?,?,?,?,0) "
        "ON CONFLICT (once) DO NOTHING",
        *(made, customer, kind, msgspec.json.encode(data).decode(), tx.clock.now(), once),
    )
    return made if done else None


def wanted(kinds: Sequence[str]) -> list[str]:
    """What an endpoint asks for, checked: `*`, `order.*` or `order.paid`; nothing is everything."""
    found = sorted(set(kinds)) or ["*"]
    known = {"*", *(f"{family}.*" for family in FAMILIES), *KINDS}
    if not known.issuperset(found):
        raise Refused(
            "invalid_request",
            "there is no such kind of event",
            hint=f"*, a kind like order.credited, or FAMILY.* of {', '.join(FAMILIES)}",
        )
    return found


def fits(kinds: Sequence[str], kind: str) -> bool:
    """Whether an endpoint that asks for `kinds` is told of an event."""
    family = kind.partition(".")[0]
    return any(want in ("*", f"{family}.*", kind) for want in kinds)


def waiting(tx: Transaction, most: int = 200) -> list[Event]:
    """Events that nobody has been told of yet, oldest first."""
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM events WHERE spread=0 ORDER BY at, id LIMIT ?",
        most,
    )
    return [_event(row) for row in rows]


def claim(tx: Transaction, event: str) -> bool:
    """Take an event to spread it: True for one process alone."""
    return bool(tx.run("UPDATE events SET spread=1 WHERE id=? AND spread=0", event))


def get(tx: Transaction, event: str) -> Event | None:
    """One event."""
    row = tx.one(f"SELECT {_COLUMNS} FROM events WHERE id=?", event)
    return None if row is None else _event(row)


def listed(tx: Transaction, customer: str | None = None, kind: str | None = None) -> list[Event]:
    """Events of a customer (None: of all), oldest first."""
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM events WHERE (customer_id=? OR ?=1) AND (kind=? OR ?=1) "
        "ORDER BY at, id",
        *(customer or "", int(customer is None), kind or "", int(kind is None)),
    )
    return [_event(row) for row in rows]


def forget(tx: Transaction, older_than: int = KEEP) -> int:
    """Drop events and deliveries that ended so long ago; how many events."""
    before = tx.clock.now() - older_than
    tx.run(
        "DELETE FROM deliveries WHERE state<>'pending' "
        "AND event_id IN (SELECT id FROM events WHERE at<?)",
        before,
    )
    return tx.run(
        "DELETE FROM events WHERE at<? AND spread=1 AND once IS NULL "
        "AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.event_id=events.id)",
        before,
    )
