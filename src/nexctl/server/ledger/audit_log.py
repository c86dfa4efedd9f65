"""The audit log: who did what, before and after, append-only, one hash chain for each customer.

A row's hash is SHA-256(hash before + canonical text), where the canonical text is the JSON list
[chain, seq, at, actor, actor_id, actor_name, address, action, object, before, after, request_id].
The chain "gateway" holds what concerns no customer. Each chain keeps its head and, where a key is
given, the head's MAC, so that a chain that was rewritten or cut is found.

    audit_log.write(tx, customer, actor, "keys.revoke", "key_ab12", before=..., after=...)

Rows hold no secret: `before` and `after` go through `redacted`.
"""

# ruff: noqa: S608 - only names of this program are put into SQL, values are parameters
from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from nexctl.server.ledger.chain import GENESIS
from nexctl.server.ledger.errors import Broken
from nexctl.server.ledger.port import Row, Transaction
from nexctl.server.ledger.state import digest

GATEWAY = "gateway"
HIDDEN = "***"
# Fields that hold a secret wherever they stand, and parts of names that give one away.
_SECRET = frozenset(("secret", "code", "password", "proof", "authorization", "checkout_url"))
_PARTS = ("secret", "password", "private_key", "api_key")
_SPELLED = ("nxt_sk_", "nxt_sub_", "nxt_mk_", "nxt_op_", "whsec_", "sk_live_", "sk_test_")
MOST_TEXT = 20_000


class Actor(NamedTuple):
    """Who acts: `kind` as in the route table (management_key, operator:owner), or "gateway"."""

    kind: str
    id: str
    name: str | None = None
    address: str | None = None


class Entry(NamedTuple):
    """One row. `before` and `after` are JSON-safe or None."""

    chain: str
    seq: int
    at: int
    actor: str
    actor_id: str
    actor_name: str | None
    address: str | None
    action: str
    object: str | None
    before: Any
    after: Any
    request_id: str | None
    hash: bytes


_COLUMNS = (
    "chain, seq, at, actor, actor_id, actor_name, address, action, object, before, after, "
    "request_id, hash"
)


def _entry(row: Row) -> Entry:
    before, after = (None if text is None else msgspec.json.decode(text) for text in row[9:11])
    return Entry._make((*row[:9], before, after, row[11], bytes(row[12])))


def redacted(value: Any) -> Any:
    """A JSON-safe value without its secrets."""
    if isinstance(value, Mapping):
        return {
            str(name): HIDDEN
            if item is not None and _is_secret(str(name), item)
            else redacted(item)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [redacted(item) for item in value]
    if isinstance(value, str) and value.startswith(_SPELLED):
        return HIDDEN
    return value


def _is_secret(name: str, item: Any) -> bool:
    low = name.lower()
    if low == "key" and isinstance(item, str):
        return True
    return low in _SECRET or any(part in low for part in _PARTS)


def write(
    tx: Transaction,
    customer: str | None,
    actor: Actor,
    action: str,
    object: str | None = None,
    *,
    before: Any = None,
    after: Any = None,
    request_id: str | None = None,
) -> int:
    """Append one row to a customer's chain (None: the gateway's); its place in the chain.

    It locks the chain's head until commit, so call it last in a transaction.
    """
    chain = customer or GATEWAY
    at = tx.clock.now()
    head = tx.one("SELECT seq, head, last_at FROM audit_heads WHERE chain=?" + tx.lock, chain)
    if head is None:
        tx.run(
            "INSERT INTO audit_heads (chain, seq, head, mac, last_at) VALUES (?,0,?,?,0) "
            "ON CONFLICT (chain) DO NOTHING",
            *(chain, GENESIS, _mac(tx, chain, 0, GENESIS)),
        )
        head = tx.one("SELECT seq, head, last_at FROM audit_heads WHERE chain=?" + tx.lock, chain)
    if head is None:
        raise Broken(f"the audit log's chain {chain} has no head")
    seq, at = head[0] + 1, max(at, head[2])
    fields = (
        *(chain, seq, at, actor.kind, actor.id, actor.name, actor.address, action, object),
        *(_text(before), _text(after), request_id),
    )
    hash_ = row_hash(bytes(head[1]), fields)
    tx.run(f"INSERT INTO audit_log ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)", *fields, hash_)
    done = tx.run(
        "UPDATE audit_heads SET seq=?, head=?, mac=?, last_at=? WHERE chain=? AND seq=?",
        *(seq, hash_, _mac(tx, chain, seq, hash_), at, chain, seq - 1),
    )
    if done != 1:
        raise Broken(f"the audit log's chain {chain} moved under its own lock")
    return int(seq)


def row_hash(before: bytes, fields: Sequence[Any]) -> bytes:
    """A row's hash: of the hash before it and its fields, `before` and `after` as JSON text."""
    return digest(before, msgspec.json.encode(tuple(fields)))


def _mac(tx: Transaction, chain: str, seq: int, head: bytes) -> bytes:
    return tx.shared.mac(f"audit:{chain}", seq, head)


def _text(value: Any) -> str | None:
    if value is None:
        return None
    text = msgspec.json.encode(redacted(value)).decode()
    if len(text) > MOST_TEXT:
        text = msgspec.json.encode({"too_long": len(text)}).decode()
    return text


def listed(
    tx: Transaction,
    chain: str | None = None,
    *,
    after: tuple[int, str, int] | None = None,
    limit: int = 100,
    action: str | None = None,
    actor: str | None = None,
    start: int | None = None,
    end: int | None = None,
) -> list[Entry]:
    """Rows of one chain, or of all, in order of time; `after` is (at, chain, seq) of the last."""
    at, name, seq = after or (-1, "", 0)
    where = ["(at>? OR (at=? AND (chain>? OR (chain=? AND seq>?))))"]
    values: list[Any] = [at, at, name, name, seq]
    for clause, value in (
        ("chain=?", chain),
        ("action=?", action),
        ("actor_id=?", actor),
        ("at>=?", start),
        ("at<?", end),
    ):
        if value is not None:
            where.append(clause)
            values.append(value)
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM audit_log WHERE {' AND '.join(where)} "
        "ORDER BY at, chain, seq LIMIT ?",
        *(*values, limit),
    )
    return [_entry(row) for row in rows]


def chains(tx: Transaction) -> list[str]:
    """Every chain that there is."""
    rows = tx.all("SELECT chain FROM audit_heads UNION SELECT chain FROM audit_log ORDER BY chain")
    return [row[0] for row in rows]


def faults(tx: Transaction, chain: str, *, page: int = 2000) -> tuple[int, list[str]]:
    """(rows looked at, what does not hold) of one chain, read on the transaction's snapshot."""
    head, seq, last, found = GENESIS, 0, 0, []
    while True:
        rows = tx.all(
            f"SELECT {_COLUMNS} FROM audit_log WHERE chain=? AND seq>? ORDER BY seq LIMIT ?",
            *(chain, seq, page),
        )
        for row in rows:
            if row[1] != seq + 1:
                found.append(f"row {seq + 1} is missing")
            if row_hash(head, row[:12]) != bytes(row[12]):
                found.append(f"row {row[1]} is not what its hash says")
            if row[2] < last:
                found.append(f"row {row[1]} is older than the one before")
            seq, last, head = row[1], row[2], bytes(row[12])
        if len(rows) < page:
            break
    kept = tx.one("SELECT seq, head, mac FROM audit_heads WHERE chain=?", chain)
    if kept is None:
        found.append("its head is gone")
    else:
        if (kept[0], bytes(kept[1])) != (seq, head):
            found.append(f"the head says {kept[0]}, the log ends at {seq}")
        if tx.shared.anchor_key is not None and not hmac.compare_digest(
            _mac(tx, chain, kept[0], bytes(kept[1])), bytes(kept[2])
        ):
            found.append("the head is not proved by the key")
    return seq, found
