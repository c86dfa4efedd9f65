"""Who is invoiced: the profile that tax follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexctl.server.calls import Call
from nexctl.server.house import instant
from nexctl.server.ledger import profiles
from nexctl.wire import papers as wire
from nexctl.wire.base import plain

if TYPE_CHECKING:
    from nexctl.server.ledger.port import Transaction


def show(tx: Transaction, call: Call) -> wire.BillingProfile:
    """The profile in force; version 0 where there is none."""
    found, version = profiles.current(tx, call.customer.id)
    if found is None:
        return wire.BillingProfile()
    at = profiles.changed_at(tx, call.customer.id, version)
    return wire.BillingProfile(**found, version=version, changed_at=instant(at))


def put(tx: Transaction, call: Call) -> wire.BillingProfile:
    """A new version; papers that were issued keep theirs."""
    call.before = show(tx, call)
    profiles.put(tx, call.customer.id, {**plain(call.body), "kind": call.body.kind})
    return show(tx, call)
