"""The audit log, for the customer whose account it is about and for operators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexctl.server.calls import Call
from nexctl.server.house import instant, micros
from nexctl.server.ledger import audit_log
from nexctl.server.refusing import Refuse
from nexctl.wire import alerts as wire

if TYPE_CHECKING:
    from nexctl.server.ledger.audit_log import Entry
    from nexctl.server.ledger.port import Transaction


def listed(tx: Transaction, call: Call) -> wire.AuditPage:
    """One page of the customer's own chain, oldest first."""
    return _page(tx, call, call.customer.id)


def every(tx: Transaction, call: Call) -> wire.AuditPage:
    """One page of all chains, or of one, oldest first."""
    return _page(tx, call, call.query.customer_id)


def verify(tx: Transaction, call: Call) -> wire.AuditProof:
    """Walk every chain."""
    rows, found, chains = 0, [], audit_log.chains(tx)
    for chain in chains:
        looked, faults = audit_log.faults(tx, chain)
        rows += looked
        found += [f"{chain}: {text}" for text in faults]
    return wire.AuditProof(chains=len(chains), rows=rows, faults=found[:1000])


def _page(tx: Transaction, call: Call, chain: str | None) -> wire.AuditPage:
    query = call.query
    rows = audit_log.listed(
        tx,
        chain,
        after=_cursor(query.cursor),
        limit=query.limit + 1,
        action=query.action,
        actor=query.actor_id,
        start=micros(query.from_),
        end=micros(query.to),
    )
    shown = rows[: query.limit]
    cursor = None
    if len(rows) > query.limit:
        last = shown[-1]
        cursor = f"{last.at}:{last.seq}:{last.chain}"
    return wire.AuditPage(data=[_entry(row) for row in shown], next_cursor=cursor)


def _cursor(text: str | None) -> tuple[int, str, int] | None:
    if text is None:
        return None
    at, _, rest = text.partition(":")
    seq, _, chain = rest.partition(":")
    if not all(part.isascii() and part.isdigit() and len(part) < 19 for part in (at, seq)):
        raise Refuse("invalid_request", "there is no such cursor", param="cursor")
    return int(at), chain, int(seq)


def _entry(row: Entry) -> wire.AuditEntry:
    known: dict[str, Any] = {
        name: getattr(row, name)
        for name in ("chain", "actor", "actor_id", "actor_name", "address", "action", "object")
    }
    return wire.AuditEntry(
        **known,
        sequence=row.seq,
        created_at=str(instant(row.at)),
        before=row.before,
        after=row.after,
        request_id=row.request_id,
        hash=row.hash.hex(),
    )
