"""Whose things a call is about: files and batches by key, a customer's wallet by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexctl.server.ledger import wallets
from nexctl.server.ledger.files import Who
from nexctl.server.refusing import Refuse

if TYPE_CHECKING:
    from nexctl.server.calls import Call
    from nexctl.server.ledger.port import Transaction


def who_of(call: Call) -> Who:
    """Whose files and batches the caller sees: all of the customer's with a management key."""
    whole = call.caller.kind == "management_key"
    return Who(call.customer.id, None if whole else call.caller.id)


def wallet_of(tx: Transaction, call: Call, name: str | None) -> str:
    """One of the customer's wallets, its first where none is named."""
    if name is None or name == call.customer.id:
        return call.customer.id
    if name not in wallets.of_customer(tx, call.customer.id):
        raise Refuse("not_found", "there is no such wallet")
    return name
