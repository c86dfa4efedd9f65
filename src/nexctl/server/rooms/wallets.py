"""A customer's wallets: its first one, and more where the plan has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexctl.server.calls import Call
from nexctl.server.house import instant
from nexctl.server.ledger import ids, wallets
from nexctl.server.refusing import Refuse
from nexctl.server.rooms import plans
from nexctl.wire import funding as wire
from nexctl.wire.base import UNSET

if TYPE_CHECKING:
    from nexctl.server.ledger.port import Transaction

MOST = 100


def listed(tx: Transaction, call: Call) -> wire.WalletList:
    """Every wallet, the first one first."""
    names = wallets.of_customer(tx, call.customer.id)
    return wire.WalletList(data=[_facts(tx, call, name) for name in names])


def create(tx: Transaction, call: Call) -> wire.WalletFacts:
    """One more wallet in the same unit."""
    plans.need_feature(call, "multi_wallet", "more than one wallet")
    customer, house = call.customer.id, call.house
    if len(wallets.of_customer(tx, customer)) >= MOST:
        raise Refuse("plan_limit", f"a customer has at most {MOST} wallets")
    made = wallets.create(tx, customer, house.unit, house.scale, wallet=ids.new("wal"), name="")
    wallets.rename(tx, customer, made, call.body.name)
    if call.body.keys:
        wallets.bind(tx, customer, made, call.body.keys)
    return _facts(tx, call, made)


def update(tx: Transaction, call: Call) -> wire.WalletFacts:
    """Rename a wallet, or choose its keys."""
    customer, body = call.customer.id, call.body
    if call.id not in wallets.of_customer(tx, customer):
        raise Refuse("not_found", "there is no such wallet")
    call.before = _facts(tx, call, call.id)
    if body.name is not UNSET:
        wallets.rename(tx, customer, call.id, body.name)
    if body.keys is not UNSET:
        plans.need_feature(call, "multi_wallet", "more than one wallet")
        wallets.bind(tx, customer, call.id, body.keys)
    return _facts(tx, call, call.id)


def _facts(tx: Transaction, call: Call, wallet: str) -> wire.WalletFacts:
    row = tx.one(
        "SELECT name, currency, balance, held, state, debt, created_at FROM wallets WHERE id=?",
        wallet,
    )
    if row is None:
        raise Refuse("not_found", "there is no such wallet")
    house = call.house
    state = "blocked" if row[4] == "active" and row[5] else row[4]
    return wire.WalletFacts(
        id=wallet,
        name=row[0],
        currency=row[1],
        balance=str(house.money(row[2])),
        held=str(house.money(row[3])),
        state=state,
        first=wallet == call.customer.id,
        keys=wallets.keys_of(tx, wallet),
        created_at=instant(row[6]),
    )
