"""Providers, as the operator sets them. A stored key goes in and never comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from nexctl.errors import UsageError
from nexctl.server.calls import Call
from nexctl.server.house import instant
from nexctl.server.http import Answer
from nexctl.server.ledger import providers
from nexctl.server.refusing import Refuse
from nexctl.wire import admin as wire
from nexctl.wire.base import UNSET
from nexctl.wire.budgets import Removed

if TYPE_CHECKING:
    from nexctl.server.ledger.port import Transaction
    from nexctl.server.ledger.providers import Provider


def listed(tx: Transaction, call: Call) -> wire.ProviderPage:
    """All providers, by priority."""
    found = []
    for row in providers.listed(tx):
        shown = _provider(row)
        shown.health = call.house.switchboard.health(row.id) or row.health
        found.append(shown)
    return wire.ProviderPage(data=found)


async def add(call: Call) -> Answer:
    """Add a provider, its address checked."""
    body = call.body
    _check(call, body.kind, body.base_url, body.allow_private, body.key, body.key_env)
    _check_models(call, body.models)
    _check_options(body.kind, body.options)
    answer = await call.commit(_add)
    call.house.switchboard.forget()
    return answer


def _add(tx: Transaction, call: Call) -> wire.Provider:
    body = call.body
    if providers.get(tx, body.id) is not None:
        raise Refuse("name_taken", "there is a provider of that id", param="id")
    made = providers.put(
        tx,
        body.id,
        body.kind,
        base_url=body.base_url,
        key=body.key.encode() if body.key else None,
        key_env=body.key_env,
        models=body.models,
        priority=body.priority,
        enabled=body.enabled,
        allow_private=body.allow_private,
        timeout_seconds=body.timeout_seconds,
        options=body.options,
    )
    return _provider(made)


async def update(call: Call) -> Answer:
    """Change a provider."""
    row = call.house.read(providers.get, call.id)
    if row is None:
        raise Refuse("not_found", "there is no such provider")
    body = call.body
    address = row.base_url if body.base_url is UNSET else body.base_url
    private = row.allow_private if body.allow_private is UNSET else body.allow_private
    env = row.key_env if body.key_env is UNSET else body.key_env
    moved = (address, private) != (row.base_url, row.allow_private)
    if moved or body.key is not UNSET or body.key_env is not UNSET:
        key = None if body.key is UNSET else body.key
        _check(call, row.kind, address, private, key, env if key is None else None, moved=moved)
    if body.models is not UNSET:
        _check_models(call, body.models)
    if body.options is not UNSET:
        _check_options(row.kind, body.options)
    answer = await call.commit(_update)
    call.house.switchboard.forget()
    return answer


def _update(tx: Transaction, call: Call) -> wire.Provider:
    given: dict[str, Any] = {
        name: value
        for name, value in msgspec.structs.asdict(call.body).items()
        if value is not UNSET
    }
    if given.get("key"):
        given["key"] = given["key"].encode()
        given.setdefault("key_env", None)
    elif given.get("key_env"):
        given["key"] = None
    before = providers.get(tx, call.id)
    if before is not None:
        call.before = _provider(before)
        # A key belongs to one origin: another address gets none until one is given for it.
        if given.get("base_url", before.base_url) != before.base_url:
            given.setdefault("key", None)
    return _provider(providers.change(tx, call.id, **given))


def remove(tx: Transaction, call: Call) -> Removed:
    """Remove a provider; the last one stays, for nothing could be served without it."""
    rows = {row.id: row for row in providers.listed(tx)}
    if call.id not in rows:
        raise Refuse("not_found", "there is no such provider")
    if len(rows) == 1:
        raise Refuse("state_conflict", "the last provider cannot be removed")
    call.before = _provider(rows[call.id])
    providers.remove(tx, call.id)
    tx.afterwards(call.house.switchboard.forget)
    return Removed(id=call.id)


def _check(
    call: Call,
    kind: str,
    base_url: str | None,
    allow_private: bool,
    key: str | None,
    key_env: str | None,
    *,
    moved: bool = True,
) -> None:
    if kind == "echo":
        if base_url is not None or key or key_env:
            raise Refuse("invalid_request", "echo takes no address and no key")
        return
    if base_url is None:
        raise Refuse("invalid_request", "an address is needed", param="base_url")
    if key and key_env:
        raise Refuse("invalid_request", "key or key_env, not both", param="key")
    if key is not None and not (key.isascii() and key.isprintable() and " " not in key):
        raise Refuse("invalid_request", "a key is one line without blanks", param="key")
    if not moved:
        return
    from nexctl.server.providers.addresses import place_of

    try:
        place_of(base_url, allow_private=allow_private, local=call.house.options.loopback)
    except UsageError as error:
        raise Refuse("invalid_request", error.message, param="base_url") from None


def _check_models(call: Call, models: dict[str, str] | None) -> None:
    known = call.house.book.models
    for name in models or {}:
        if name not in known:
            raise Refuse("invalid_request", "the book has no such model", param="models")


def _check_options(kind: str, options: dict[str, Any] | None) -> None:
    from nexctl.server.providers.echo import NAMES

    known = NAMES if kind == "echo" else ()
    for name in options or {}:
        if name not in known:
            said = f"it has {', '.join(known)}" if known else "it has none"
            raise Refuse(
                "invalid_request", f"{kind} has no option {name[:40]!r}: {said}", param="options"
            )


def _provider(row: Provider) -> wire.Provider:
    source = "stored" if row.has_key else None
    return wire.Provider(
        id=row.id,
        kind=row.kind,
        enabled=row.enabled,
        priority=row.priority,
        base_url=row.base_url,
        key_source=f"env {row.key_env}" if row.key_env else source,
        models=row.models,
        allow_private=row.allow_private,
        timeout_seconds=row.timeout_seconds,
        options=row.options,
        health=row.health,
        created_at=instant(row.created_at),
    )
