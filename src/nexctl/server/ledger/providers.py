"""Providers: where requests go. Their keys are sealed by the port that the gateway was given."""

# ruff: noqa: S608 - only names of this program are put into SQL, values are parameters
from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from nexctl.server.ledger.errors import Refused
from nexctl.server.ledger.port import Row, Transaction


class Provider(NamedTuple):
    """One provider; `has_key` says that a sealed key is stored, `key_env` names a variable."""

    id: str
    kind: str
    base_url: str | None
    key_env: str | None
    models: dict[str, str] | None
    priority: int
    enabled: bool
    allow_private: bool
    timeout_seconds: int | None
    options: dict[str, Any]
    health: str | None
    created_at: int
    has_key: bool


_FIELDS = (
    "id, kind, base_url, key_env, models, priority, enabled, allow_private, timeout_seconds, "
    "options, health, created_at"
)


def _provider(row: Row) -> Provider:
    decode = msgspec.json.decode
    return Provider._make(
        (
            *row[:4],
            None if row[4] is None else decode(row[4]),
            row[5],
            bool(row[6]),
            bool(row[7]),
            row[8],
            decode(row[9]),
            *row[10:12],
            bool(row[12]),
        )
    )


_SELECT = f"SELECT {_FIELDS}, CASE WHEN sealed_key IS NULL THEN 0 ELSE 1 END FROM providers "


def put(
    tx: Transaction,
    id: str,
    kind: str,
    *,
    base_url: str | None = None,
    key: bytes | None = None,
    key_env: str | None = None,
    models: Mapping[str, str] | None = None,
    priority: int = 100,
    enabled: bool = True,
    allow_private: bool = False,
    timeout_seconds: int | None = None,
    options: Mapping[str, Any] | None = None,
) -> Provider:
    """Add a provider, or set all of one that is there. `key` is stored sealed."""
    tx.run(
        f"INSERT INTO providers ({_FIELDS}, sealed_key) VALUES (?,?,?,?,?,?,?,?,?,?,NULL,?,?) "
        "ON CONFLICT (id) DO UPDATE SET kind=excluded.kind, base_url=excluded.base_url, "
        "key_env=excluded.key_env, models=excluded.models, priority=excluded.priority, "
        "enabled=excluded.enabled, allow_private=excluded.allow_private, "
        "timeout_seconds=excluded.timeout_seconds, options=excluded.options, "
        "sealed_key=excluded.sealed_key",
        *(id, kind, base_url, key_env, _models(models), priority, int(enabled)),
        *(int(allow_private), timeout_seconds, _json(options or {}), tx.clock.now()),
        _sealed(tx, key),
    )
    return _there(tx, id)


def _kept(field: str, value: Any) -> Any:
    if field == "models":
        return _models(value)
    if field in ("enabled", "allow_private"):
        return int(value)
    if field == "options":
        return _json(value or {})
    if field in ("base_url", "key_env", "priority", "timeout_seconds", "health"):
        return value
    raise TypeError(field)


def change(tx: Transaction, id: str, **fields: Any) -> Provider:
    """Set some fields; `key` (bytes or None) is stored sealed."""
    _there(tx, id)
    for field, value in fields.items():
        if field == "key":
            tx.run("UPDATE providers SET sealed_key=? WHERE id=?", _sealed(tx, value), id)
        else:
            tx.run(f"UPDATE providers SET {field}=? WHERE id=?", _kept(field, value), id)
    return _there(tx, id)


def key_of(tx: Transaction, id: str) -> bytes | None:
    """A provider's stored key, unsealed: for the request that carries it, and nothing else."""
    sealed = tx.value("SELECT sealed_key FROM providers WHERE id=?", id)
    if sealed is None:
        return None
    if tx.shared.sealer is None:
        raise Refused("internal_error", "the ledger was opened without the key to its secrets")
    return tx.shared.sealer.unseal(bytes(sealed))


def get(tx: Transaction, id: str) -> Provider | None:
    """One provider."""
    row = tx.one(_SELECT + "WHERE id=?", id)
    return None if row is None else _provider(row)


def listed(tx: Transaction) -> list[Provider]:
    """All providers, by priority."""
    return [_provider(row) for row in tx.all(_SELECT + "ORDER BY priority, id")]


def remove(tx: Transaction, id: str) -> bool:
    """Forget a provider; whether it was there."""
    return bool(tx.run("DELETE FROM providers WHERE id=?", id))


def _there(tx: Transaction, id: str) -> Provider:
    found = get(tx, id)
    if found is None:
        raise Refused("not_found", f"there is no provider {id}")
    return found


def _sealed(tx: Transaction, key: bytes | None) -> bytes | None:
    if key is None:
        return None
    if tx.shared.sealer is None:
        raise Refused("internal_error", "the ledger was opened without the key to its secrets")
    return tx.shared.sealer.seal(key)


def _models(models: Mapping[str, str] | None) -> str | None:
    return None if models is None else _json(models)


def _json(value: Mapping[str, Any]) -> str:
    return msgspec.json.encode(value).decode()
