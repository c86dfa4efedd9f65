"""What requests cost the operator: profiles by provider, and a cost beside each usage record.

Nothing here is ever shown to a customer. How a cost follows from a request is handed in
(`Costing`): the ledger knows no price book.
"""

# ruff: noqa: S608 - only names of this program are put into SQL, values are parameters
from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import msgspec

from nexctl.server.ledger.port import Row, Transaction
from nexctl.server.ledger.types import Outcome


class Cost(NamedTuple):
    """What one request cost: `units` of 10**-scale of `currency`, None where it is not known.

    `why` says how it is known (profile, not_sent, own_key) or why it is not; `book` is the hash of
    the cost book, `model` its model, `usage` the quantities as that book counts them and `at` the
    day: from these the figure follows again.
    """

    units: int | None
    currency: str | None
    scale: int | None
    why: str
    book: str | None
    model: str | None
    usage: Mapping[str, int]
    at: str


class Costing(Protocol):
    """How costs are found."""

    def cost_of(self, tx: Transaction, outcome: Outcome, model: str) -> Cost:
        """The cost of a request that was charged as `model`. It never raises."""

    def again(self, body: str, model: str, usage: Mapping[str, int], at: str) -> int | None:
        """The units that follow from what a cost has kept; None where none follow."""


class Profile(NamedTuple):
    """A provider's cost profile: where its rates come from and the book they are kept as."""

    id: int
    provider: str
    source: str
    book: str
    set_by: str
    set_at: int


class CostRow(NamedTuple):
    """One usage record with its cost, as the operator sees it."""

    wallet: str
    seq: int
    created_at: int
    customer: str
    request_id: str
    key: str | None
    model: str
    status: str
    charge: int
    record: dict[str, Any]
    cost: int | None
    cost_currency: str | None
    cost_scale: int | None
    why: str | None


_PROFILE = "id, provider, source, book, set_by, set_at"


def put(
    tx: Transaction, provider: str, source: str, title: str, body: str, *, set_by: str
) -> Profile:
    """Set a provider's profile; those before stay and explain older costs."""
    hash_ = hashlib.sha256(body.encode()).hexdigest()
    now = tx.clock.now()
    tx.run(
        "INSERT INTO cost_books (hash, title, body, added_at) SELECT ?,?,?,? "
        "WHERE NOT EXISTS (SELECT 1 FROM cost_books WHERE hash=?)",
        *(hash_, title, body, now, hash_),
    )
    tx.run(
        "INSERT INTO cost_profiles (provider, source, book, set_by, set_at) VALUES (?,?,?,?,?)",
        *(provider, source, hash_, set_by, now),
    )
    found = profile(tx, provider)
    if found is None:
        raise AssertionError("it was added in this very transaction")
    return found


def profile(tx: Transaction, provider: str) -> Profile | None:
    """The profile in force of a provider."""

    def found() -> Profile | None:
        row = tx.one(
            f"SELECT {_PROFILE} FROM cost_profiles WHERE provider=? ORDER BY id DESC LIMIT 1",
            provider,
        )
        return None if row is None else Profile(*row)

    return tx.remember(("cost profile", provider), found)


def body_of(tx: Transaction, hash_: str) -> str | None:
    """The text of a cost book."""
    found: str | None = tx.remember(
        ("cost book", hash_), lambda: tx.value("SELECT body FROM cost_books WHERE hash=?", hash_)
    )
    return found


COLUMNS = "wallet, seq, cost, currency, scale, why, book, model, usage, at"


def row_of(tx: Transaction, wallet: str, seq: int, outcome: Outcome, model: str) -> list[Any]:
    """The values of a request's cost, which is written in the transaction that settles it."""
    costing = tx.shared.costing
    if costing is None:
        return []
    cost = costing.cost_of(tx, outcome, model)
    return [
        *(wallet, seq, cost.units, cost.currency, cost.scale, cost.why, cost.book, cost.model),
        *(msgspec.json.encode(dict(cost.usage)).decode(), cost.at),
    ]


_SELECT = (
    "SELECT u.wallet, u.seq, u.created_at, u.customer_id, u.request_id, u.key_id, u.model, "
    "u.status, u.charge, u.record, c.cost, c.currency, c.scale, c.why FROM usage_records u "
    "LEFT JOIN usage_costs c ON c.wallet=u.wallet AND c.seq=u.seq "
)


def page(
    tx: Transaction,
    *,
    after: tuple[str, int] = ("", 0),
    limit: int = 100,
    customer: str | None = None,
    start: int | None = None,
    end: int | None = None,
    model: str | None = None,
) -> list[CostRow]:
    """Usage records of all wallets with their costs, by wallet and place: `limit` after one."""
    where = ["(u.wallet>? OR (u.wallet=? AND u.seq>?))"]
    values: list[Any] = [after[0], after[0], after[1]]
    for term, value in (
        ("u.customer_id=?", customer),
        ("u.created_at>=?", start),
        ("u.created_at<?", end),
        ("u.model=?", model),
    ):
        if value is not None:
            where.append(term)
            values.append(value)
    rows = tx.all(
        _SELECT + f"WHERE {' AND '.join(where)} ORDER BY u.wallet, u.seq LIMIT ?", *values, limit
    )
    return [_row(row) for row in rows]


def _row(row: Row) -> CostRow:
    return CostRow._make((*row[:9], msgspec.json.decode(row[9]), *row[10:]))
