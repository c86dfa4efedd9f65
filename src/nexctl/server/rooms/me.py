"""Whose key this is and what it may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexctl._version import __version__
from nexctl.server.calls import Call
from nexctl.server.house import instant
from nexctl.server.ledger import customers
from nexctl.wire import me as wire

if TYPE_CHECKING:
    from nexctl.server.ledger.port import Transaction

FEATURES = (
    "chat",
    "embeddings",
    "tokenize",
    "estimate",
    "files",
    "batches",
    "keys",
    "sub_keys",
    "rotation_overlap",
    "budgets",
    "wallet",
    "topups",
    "codes",
    "grants",
    "usage",
    "prices",
    "alerts",
    "webhooks",
    "audit_log",
)


def show(tx: Transaction, call: Call) -> wire.Me:
    """The calling key, its customer, and the gateway."""
    house, caller = call.house, call.caller
    customer = None
    if caller.customer is not None:
        found = customers.get(tx, caller.customer.id)
        if found is not None:
            customer = wire.CustomerFacts(
                id=found.id,
                name=found.name,
                plan=found.plan,
                state=found.state,
                created_at=instant(found.created_at),
            )
    role = caller.kind.partition(":")[2] or None
    key = wire.KeyFacts(
        id=caller.id,
        kind="operator" if caller.is_operator else caller.kind,
        prefix=caller.prefix,
        name=caller.name,
        role=role,
        parent_id=caller.key.parent if caller.key else None,
        expires_at=instant(caller.key.expires_at) if caller.key else None,
    )
    return wire.Me(
        gateway=house.title,
        key=key,
        customer=customer,
        price_book=house.book.version,
        currency=house.unit,
        features=[*FEATURES, *(("orgs",) if "organisations" in house.book.data else ())],
        server_time=instant(house.now()),
        version=__version__,
    )
