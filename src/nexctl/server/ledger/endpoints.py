"""Webhook endpoints: who asked to be told of which events, with secrets that are kept sealed."""

# ruff: noqa: S608 - only names of this program are put into SQL, values are parameters
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from nexctl.server.ledger import events, ids
from nexctl.server.ledger.errors import Refused
from nexctl.server.ledger.port import Row, Transaction

MOST = 20


class Endpoint(NamedTuple):
    """One endpoint. `customer` None is the operator's; `state` active, disabled or removed."""

    id: str
    customer: str | None
    url: str
    kinds: tuple[str, ...]
    prefix: str
    allow_private: bool
    state: str
    note: str | None
    created_at: int


_COLUMNS = "id, customer_id, url, kinds, prefix, allow_private, state, note, created_at"


def _endpoint(row: Row) -> Endpoint:
    return Endpoint._make(
        (*row[:3], tuple(msgspec.json.decode(row[3])), row[4], bool(row[5]), *row[6:])
    )


def add(
    tx: Transaction,
    customer: str | None,
    url: str,
    secret: str,
    *,
    kinds: Sequence[str] = (),
    allow_private: bool = False,
    note: str | None = None,
) -> Endpoint:
    """Keep an endpoint whose address was checked; at most MOST for each customer."""
    sealer = tx.shared.sealer
    if sealer is None:
        raise Refused("internal_error", "the ledger was opened without the key to its secrets")
    if len(listed(tx, customer)) >= MOST:
        raise Refused("state_conflict", f"there are {MOST} endpoints already", hint="remove one")
    made = Endpoint(
        *(ids.new("whe"), customer, url, tuple(events.wanted(kinds)), secret[:10]),
        *(allow_private, "active", note, tx.clock.now()),
    )
    tx.run(
        f"INSERT INTO webhook_endpoints ({_COLUMNS}, sealed_secret) VALUES (?,?,?,?,?,?,?,?,?,?)",
        *(made.id, customer, url, msgspec.json.encode(made.kinds).decode(), made.prefix),
        *(int(allow_private), made.state, note, made.created_at, sealer.seal(secret.encode())),
    )
    return made


def get(tx: Transaction, endpoint: str) -> Endpoint | None:
    """One endpoint, also a removed one."""
    row = tx.one(f"SELECT {_COLUMNS} FROM webhook_endpoints WHERE id=?", endpoint)
    return None if row is None else _endpoint(row)


def listed(tx: Transaction, customer: str | None) -> list[Endpoint]:
    """The endpoints of a customer, or with None the operator's own; removed ones left out."""
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM webhook_endpoints "
        "WHERE coalesce(customer_id, '')=? AND state<>'removed' ORDER BY id",
        customer or "",
    )
    return [_endpoint(row) for row in rows]


def every(tx: Transaction) -> list[Endpoint]:
    """All endpoints that are not removed, the operator's and the customers'."""
    rows = tx.all(f"SELECT {_COLUMNS} FROM webhook_endpoints WHERE state<>'removed' ORDER BY id")
    return [_endpoint(row) for row in rows]


def secret_of(tx: Transaction, endpoint: str) -> str:
    """An endpoint's secret, unsealed: to sign what is sent to it, and for nothing else."""
    sealed = tx.value("SELECT sealed_secret FROM webhook_endpoints WHERE id=?", endpoint)
    if sealed is None or tx.shared.sealer is None:
        raise Refused("not_found", "there is no such endpoint")
    return tx.shared.sealer.unseal(bytes(sealed)).decode()


def put_state(tx: Transaction, endpoint: str, state: str) -> bool:
    """Disable, enable or remove an endpoint; what waits for a removed one is dropped."""
    done = bool(
        tx.run(
            "UPDATE webhook_endpoints SET state=? WHERE id=? AND state<>'removed'",
            *(state, endpoint),
        )
    )
    if done and state == "removed":
        tx.run(
            "UPDATE deliveries SET state='dropped', ended_at=? "
            "WHERE channel='webhook' AND target=? AND state='pending'",
            *(tx.clock.now(), endpoint),
        )
    return done
