"""Keys: what they may do, and the hashes of their secrets. The secret itself is never here."""

# ruff: noqa: S608 - only names of this program are put into SQL, values are parameters
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from nexctl.server.ledger import events, ids
from nexctl.server.ledger.clock import MINUTE
from nexctl.server.ledger.errors import Refused
from nexctl.server.ledger.port import Row, Transaction


class Key(NamedTuple):
    """One key. `kind` is key, sub_key or management_key; `state` active, disabled or revoked.

    `models` and `ip_allowlist` None allow all. `previous_prefix` is the secret before the last
    rotation while it still works, until `previous_expires_at`.
    """

    id: str
    customer: str
    parent: str | None
    kind: str
    name: str
    state: str
    models: tuple[str, ...] | None
    ip_allowlist: tuple[str, ...] | None
    rpm: int | None
    concurrency: int | None
    labels: dict[str, str]
    created_at: int
    expires_at: int | None
    revoked_at: int | None
    last_used_at: int | None
    prefix: str = ""
    previous_prefix: str | None = None
    previous_expires_at: int | None = None
    project: str | None = None
    member: str | None = None


class Caller(NamedTuple):
    """A secret's key with its parent, its customer, and when the secret itself ends.

    `policy` is what the operator allows the customer, as it is kept; `is_org` says that the
    customer is an organisation.
    """

    key: Key
    parent: Key | None
    customer_state: str
    plan: str | None
    secret_expires_at: int | None
    prefix: str
    policy: str = "{}"
    is_org: bool = False


_FIELDS = (
    "id, customer_id, parent_id, kind, name, state, models, ip_allowlist, rpm, concurrency, "
    "labels, created_at, expires_at, revoked_at, last_used_at, project_id, member_id"
)
_OURS = ", ".join(f"k.{name}" for name in _FIELDS.split(", "))
_LISTS = msgspec.json.Decoder(tuple[str, ...])
_LABELS = msgspec.json.Decoder(dict[str, str])


def _key(row: Row, *more: Any) -> Key:
    models, addresses = row[6], row[7]
    return Key._make(
        (
            *row[:6],
            None if models is None else _LISTS.decode(models),
            None if addresses is None else _LISTS.decode(addresses),
            *row[8:10],
            _LABELS.decode(row[10]),
            *row[11:15],
            *(more or ("", None, None)),
            *row[15:17],
        )
    )


def create(
    tx: Transaction,
    customer: str,
    name: str,
    *,
    hash: bytes,
    prefix: str,
    kind: str = "key",
    parent: str | None = None,
    models: Sequence[str] | None = None,
    ip_allowlist: Sequence[str] | None = None,
    rpm: int | None = None,
    concurrency: int | None = None,
    labels: Mapping[str, str] | None = None,
    expires_at: int | None = None,
    project: str | None = None,
    member: str | None = None,
) -> Key:
    """Keep a new key under its secret's SHA-256; name_taken where the customer has that name."""
    if by_name(tx, customer, name) is not None:
        raise Refused("name_taken", f"there is a key {name!r} already", hint="choose another name")
    if parent is not None:
        above = get(tx, parent)
        if above is None or above.customer != customer or above.parent is not None:
            raise Refused("not_found", f"there is no key {parent} that can have sub-keys")
    now = tx.clock.now()
    made = ids.new("key")
    tx.run(
        f"INSERT INTO keys ({_FIELDS}) VALUES (?,?,?,?,?,'active',?,?,?,?,?,?,?,NULL,NULL,?,?)",
        *(made, customer, parent, kind, name, _list(models), _list(ip_allowlist), rpm),
        *(concurrency, _json(labels or {}), now, expires_at, project, member),
    )
    _keep(tx, made, hash, prefix, now)
    found = get(tx, made)
    if found is None:
        raise AssertionError("it was made in this very transaction")
    tell(tx, "created", found)
    return found


def _keep(tx: Transaction, key: str, hash: bytes, prefix: str, now: int) -> None:
    tx.run(
        "INSERT INTO key_secrets (hash, key_id, prefix, created_at) VALUES (?,?,?,?)",
        *(hash, key, prefix, now),
    )


def by_secret(tx: Transaction, hash: bytes) -> Caller | None:
    """Whose secret this is, whatever its state; the caller decides. None for an unknown one."""
    row = tx.one(
        f"SELECT {_OURS}, s.expires_at, s.prefix, c.state, c.plan, c.policy, "
        "CASE WHEN EXISTS (SELECT 1 FROM orgs o WHERE o.id=c.id) THEN 1 ELSE 0 END "
        "FROM key_secrets s JOIN keys k ON k.id=s.key_id JOIN customers c ON c.id=k.customer_id "
        "WHERE s.hash=?",
        hash,
    )
    if row is None:
        return None
    parent = None if row[2] is None else get(tx, row[2])
    ends, prefix, state, plan, policy, is_org = row[17:23]
    return Caller(
        *(_key(row[:17], prefix, None, None), parent, state, plan, ends, prefix, policy),
        bool(is_org),
    )


def get(tx: Transaction, key: str) -> Key | None:
    """One key with the prefixes of its secrets."""
    row = tx.one(f"SELECT {_FIELDS} FROM keys WHERE id=?", key)
    return None if row is None else _with_prefixes(tx, row)


def by_name(tx: Transaction, customer: str, name: str) -> Key | None:
    """The customer's key of that name that is not revoked."""
    row = tx.one(
        f"SELECT {_FIELDS} FROM keys WHERE customer_id=? AND name=? AND state<>'revoked'",
        *(customer, name),
    )
    return None if row is None else _with_prefixes(tx, row)


def _with_prefixes(tx: Transaction, row: Row) -> Key:
    secrets = tx.all(
        "SELECT prefix, expires_at FROM key_secrets WHERE key_id=? "
        "ORDER BY created_at DESC, CASE WHEN expires_at IS NULL THEN 0 ELSE 1 END, expires_at DESC",
        row[0],
    )
    now = tx.clock.now()
    older = [found for found in secrets[1:] if found[1] is not None and found[1] > now]
    return _key(row, secrets[0][0] if secrets else "", *(older[0] if older else (None, None)))


def listed(
    tx: Transaction,
    customer: str | None = None,
    *,
    after: str | None = None,
    limit: int = 100,
    name: str | None = None,
    parent: str | None = None,
    state: str | None = None,
) -> list[Key]:
    """Keys by id, of one customer or (for operators) of all; `state` may also be "expired"."""
    where, values = ["id>?"], [after or ""]
    expired = "(expires_at IS NOT NULL AND expires_at<=?)"
    for clause, value in (("customer_id=?", customer), ("name=?", name), ("parent_id=?", parent)):
        if value is not None:
            where.append(clause)
            values.append(value)
    now: Any = tx.clock.now()
    if state == "expired":
        where += ["state='active'", expired]
        values.append(now)
    elif state == "active":
        where += ["state='active'", f"NOT {expired}"]
        values.append(now)
    elif state is not None:
        where.append("state=?")
        values.append(state)
    rows = tx.all(
        f"SELECT {_FIELDS} FROM keys WHERE {' AND '.join(where)} ORDER BY id LIMIT ?",
        *(*values, limit),
    )
    return [_with_prefixes(tx, row) for row in rows]


def count(tx: Transaction, customer: str, kind: str, parent: str | None = None) -> int:
    """How many keys of a kind are not revoked (below one parent)."""
    return int(
        tx.value(
            "SELECT count(*) FROM keys WHERE customer_id=? AND kind=? AND state<>'revoked'"
            + ("" if parent is None else " AND parent_id=?"),
            *(customer, kind, *(() if parent is None else (parent,))),
        )
    )


def _kept(field: str, value: Any) -> Any:
    if field in ("models", "ip_allowlist"):
        return _list(value)
    if field == "labels":
        return _json(value or {})
    if field in ("name", "rpm", "concurrency", "expires_at", "project_id", "member_id"):
        return value
    raise TypeError(field)


def change(tx: Transaction, key: str, **fields: Any) -> Key:
    """Set some of a key's fields: what it is called, may do, counts for, and when it ends."""
    found = _usable(tx, key)
    name = fields.get("name", found.name)
    if name != found.name and by_name(tx, found.customer, name) is not None:
        raise Refused("name_taken", f"there is a key {name!r} already", hint="choose another name")
    for field, value in fields.items():
        tx.run(f"UPDATE keys SET {field}=? WHERE id=?", _kept(field, value), key)
    return _usable(tx, key)


def enable(tx: Transaction, key: str, *, enabled: bool) -> Key:
    """Let a key work, or not for now."""
    _usable(tx, key)
    tx.run("UPDATE keys SET state=? WHERE id=?", "active" if enabled else "disabled", key)
    return _usable(tx, key)


def revoke(tx: Transaction, key: str) -> Key:
    """End a key for ever, its sub-keys with it. Repeated, it changes nothing."""
    now = tx.clock.now()
    ended = tx.all(
        "SELECT id FROM keys WHERE (id=? OR parent_id=?) AND state<>'revoked' ORDER BY id",
        *(key, key),
    )
    tx.run(
        "UPDATE keys SET state='revoked', revoked_at=? "
        "WHERE (id=? OR parent_id=?) AND state<>'revoked'",
        *(now, key, key),
    )
    for (name,) in ended:
        _tell(tx, "revoked", name)
    found = get(tx, key)
    if found is None:
        raise Refused("not_found", f"there is no key {key}")
    return found


def _tell(tx: Transaction, what: str, key: str) -> None:
    found = get(tx, key)
    if found is not None:
        tell(tx, what, found)


def tell(tx: Transaction, what: str, key: Key) -> None:
    """Emit what has happened to a key: never its secret."""
    events.emit(
        tx,
        f"key.{what}",
        key.customer,
        {
            "id": key.id,
            "name": key.name,
            "kind": key.kind,
            "prefix": key.prefix,
            "state": key.state,
            "parent_id": key.parent,
        },
    )


def rotate(tx: Transaction, key: str, *, hash: bytes, prefix: str, overlap: int) -> Key:
    """Give a key a new secret; the old one works for `overlap` microseconds more.

    Secrets of earlier rotations end now. What the key has spent stays with it.
    """
    found = _usable(tx, key)
    now = tx.clock.now()
    tx.run(
        "UPDATE key_secrets SET expires_at=? "
        "WHERE key_id=? AND expires_at IS NOT NULL AND expires_at>?",
        *(now, found.id, now),
    )
    tx.run(
        "UPDATE key_secrets SET expires_at=? WHERE key_id=? AND expires_at IS NULL",
        *(now + overlap, found.id),
    )
    _keep(tx, found.id, hash, prefix, now)
    done = _usable(tx, key)
    tell(tx, "rotated", done)
    return done


def touch(tx: Transaction, key: str) -> None:
    """Note that a key was used, at most once a minute."""
    now = tx.clock.now()
    tx.run(
        "UPDATE keys SET last_used_at=? WHERE id=? AND (last_used_at IS NULL OR last_used_at<?)",
        *(now, key, now - MINUTE),
    )


def _usable(tx: Transaction, key: str) -> Key:
    found = get(tx, key)
    if found is None:
        raise Refused("not_found", f"there is no key {key}")
    if found.state == "revoked":
        raise Refused("state_conflict", "the key is revoked")
    return found


def _list(values: Sequence[str] | None) -> str | None:
    return None if values is None else _json(list(values))


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
