"""A customer's own provider keys. What is stored is used for its provider and shown to nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexctl.server.calls import Call
from nexctl.server.house import instant
from nexctl.server.ledger import provider_keys, providers
from nexctl.server.refusing import Refuse
from nexctl.wire import provider_keys as wire
from nexctl.wire.budgets import Removed

if TYPE_CHECKING:
    from nexctl.server.ledger.port import Transaction


def listed(tx: Transaction, call: Call) -> wire.ProviderKeyPage:
    """The stored keys, and where one may be stored."""
    _need_offer(call)
    rows = {row.id: row for row in providers.listed(tx) if row.enabled}
    data = [
        _shown(own, rows.get(own.provider)) for own in provider_keys.listed(tx, call.customer.id)
    ]
    return wire.ProviderKeyPage(data=data, offered=sorted(rows))


def put(tx: Transaction, call: Call) -> wire.ProviderKey:
    """Store a key, in the place of one that is there."""
    _need_offer(call)
    body = call.body
    row = providers.get(tx, body.provider)
    if row is None or not row.enabled:
        raise Refuse("not_found", "there is no such provider", param="provider")
    if not (body.key.isascii() and body.key.isprintable() and " " not in body.key):
        raise Refuse("invalid_request", "a key is one line without blanks", param="key")
    call.before = _there(tx, call, row.id)
    return _shown(provider_keys.put(tx, call.customer.id, row.id, body.key), row)


def remove(tx: Transaction, call: Call) -> Removed:
    """Forget a key: requests use the gateway's again, and are charged."""
    _need_offer(call)
    call.before = _there(tx, call, call.id)
    if not provider_keys.remove(tx, call.customer.id, call.id):
        raise Refuse("not_found", "no key is stored for that provider")
    return Removed(id=call.id)


def _need_offer(call: Call) -> None:
    if not call.house.book.data.get("byok", {}).get("offered"):
        raise Refuse("not_offered", "this gateway takes no provider keys of your own")


def _there(tx: Transaction, call: Call, provider: str) -> wire.ProviderKey | None:
    """The key that is stored for a provider now."""
    for own in provider_keys.listed(tx, call.customer.id):
        if own.provider == provider:
            return _shown(own, providers.get(tx, provider))
    return None


def _shown(own: provider_keys.OwnKey, row: providers.Provider | None) -> wire.ProviderKey:
    return wire.ProviderKey(
        provider=own.provider,
        created_at=str(instant(own.created_at)),
        hint=own.hint or None,
        models=None if row is None or row.models is None else sorted(row.models),
    )
