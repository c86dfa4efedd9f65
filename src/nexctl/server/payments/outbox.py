"""What payment providers are to be told: kept with the ledger's entry, told until they have heard.

A call is leased while it is made, so several servers make it once at a time; its own name is the
provider's idempotency key, so that made twice it happens once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from nexctl.server.ledger import ids, orders
from nexctl.server.ledger.clock import MINUTE, SECOND
from nexctl.server.payments import providers
from nexctl.server.refusing import Refuse

if TYPE_CHECKING:
    from nexctl.server.house import House
    from nexctl.server.ledger.port import Transaction

LEASE = 2 * MINUTE
TRIES = 20
BATCH = 20


class Waiting(NamedTuple):
    """One call that this process has leased."""

    id: str
    provider: str
    kind: str
    order: str
    amount: int
    tries: int


def put(tx: Transaction, provider: str, kind: str, order: str, amount: int) -> str:
    """Keep a call that is to be made."""
    name = ids.new("tell")
    now = tx.clock.now()
    tx.run(
        "INSERT INTO provider_calls (id, provider, kind, order_id, amount, state, next_at, "
        "created_at) VALUES (?,?,?,?,?,'waiting',?,?)",
        *(name, provider, kind, order, amount, now, now),
    )
    return name


def take(tx: Transaction, most: int = BATCH) -> list[Waiting]:
    """Lease what is due."""
    now = tx.clock.now()
    found = []
    for row in tx.all(
        "SELECT id, provider, kind, order_id, amount, tries FROM provider_calls "
        "WHERE state='waiting' AND next_at<=? AND lease_until<=? ORDER BY next_at, id LIMIT ?",
        *(now, now, most),
    ):
        if tx.run(
            "UPDATE provider_calls SET owner=?, lease_until=?, tries=tries+1 "
            "WHERE id=? AND state='waiting' AND lease_until<=?",
            *(tx.shared.owner, now + LEASE, row[0], now),
        ):
            found.append(Waiting._make((*row[:5], row[5] + 1)))
    return found


def finish(tx: Transaction, name: str, answer: str) -> None:
    """The provider has heard it."""
    tx.run(
        "UPDATE provider_calls SET state='done', answer=?, lease_until=0 WHERE id=?",
        *(answer[:200], name),
    )


def later(tx: Transaction, one: Waiting, why: str, *, final: bool) -> None:
    """It was not heard: tried again with growing pauses, given up where that cannot help."""
    pause = min(3600, 5 * 2 ** min(one.tries, 10)) * SECOND
    tx.run(
        "UPDATE provider_calls SET state=?, answer=?, lease_until=0, next_at=? WHERE id=?",
        *("failed" if final else "waiting", why[:200], tx.clock.now() + pause, one.id),
    )


def work(house: House) -> int:
    """Make the calls that are due; how many were heard."""
    if not house.read(_due):
        return 0
    heard = 0
    for one in house.ledger.write(take):
        provider = providers.named(house, one.provider)
        order = house.read(orders.get, one.order)
        try:
            if provider is None or order is None:
                raise Refuse("not_found", "the payment provider is not set up here any more")
            answer = provider.refund(house, one.id, order, one.amount)
        except Refuse as refuse:
            lasting = refuse.refusal.code == "upstream_refused" or one.tries >= TRIES
            house.ledger.write(later, one, refuse.message, final=lasting)
            if lasting:
                house.alarm(f"order {one.order}: its {one.kind} was not made: {refuse.message}")
            continue
        house.ledger.write(finish, one.id, answer)
        heard += 1
    return heard


def _due(tx: Transaction) -> bool:
    row = tx.one(
        "SELECT 1 FROM provider_calls WHERE state='waiting' AND next_at<=? AND lease_until<=? "
        "LIMIT 1",
        *(tx.clock.now(), tx.clock.now()),
    )
    return row is not None
