"""The wallet as the calling key sees it, its book, and credits that were given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexctl.server.calls import Call
from nexctl.server.house import instant, micros
from nexctl.server.ledger import entries, lots, wallets
from nexctl.server.ledger.months import month_in
from nexctl.server.shapes import layer_of, sequence_of
from nexctl.wire import wallet as wire

if TYPE_CHECKING:
    from nexctl.server.ledger.port import Transaction
    from nexctl.wire.funding import Claimed

GIVEN = ("included", "grant", "code", "bonus", "adjustment", "tier_credit")


def show(tx: Transaction, call: Call) -> wire.Wallet:
    """Balance, held, and what this key can spend now, with the layer that binds."""
    house, caller = call.house, call.caller
    parent = caller.parent.id if caller.parent else None
    seat = caller.seat
    found = wallets.show(
        tx,
        call.customer.id,
        wallet=seat.wallet if seat else None,
        key=caller.id,
        parent=parent,
        member=seat.member if seat else None,
        project=seat.project if seat else None,
    )
    return wire.Wallet(
        currency=found.currency,
        balance=str(house.money(found.balance)),
        held=str(house.money(found.held)),
        spendable=str(house.money(found.spendable)),
        binding=layer_of(house, found.binding) if found.binding else None,
        layers=[layer_of(house, layer) for layer in found.layers],
        lots=[
            wire.Lot(
                id=str(lot.lot),
                kind=lot.kind,
                amount=str(house.money(lot.amount)),
                remaining=str(house.money(lot.remaining)),
                created_at=str(instant(lot.created_at)),
                expires_at=instant(lot.expires_at),
                sandbox=lot.sandbox,
            )
            for lot in found.lots
        ],
        id=found.id,
        state=found.state,
        tier=_tier(tx, call),
        lifetime=house.money(found.lifetime),
        debt=house.money(found.debt),
    )


def _tier(tx: Transaction, call: Call) -> wire.Tier | None:
    """The billing tier of this month, where the book has some."""
    house, tiering = call.house, tx.shared.tiering
    if tiering is None:
        return None
    from nexctl.pricing.tiers import tiers as rows_of
    from nexctl.server.ledger import tiers

    zone = house.month_zone
    name, _, end = month_in(zone, tx.clock.now())
    month = tiers.month(tx, call.customer.id, name)
    rows = rows_of(house.book)
    current = tiering.tier_of(month.gross)
    place = next(n for n, row in enumerate(rows) if row.id == current)
    percent: str | None = rows[place].percent
    if tiering.negotiable(current):
        percent = tiers.negotiated(tx, call.customer.id)
        if percent is None and len(rows) == 1:
            return None  # a discount that may be agreed, and was not
    following = rows[place + 1] if place + 1 < len(rows) else None
    return wire.Tier(
        id=current,
        month=name,
        gross=str(house.money(month.gross)),
        saved=str(house.money(month.cut + month.credited)),
        percent=percent,
        next_tier=following.id if following else None,
        next_at=house.money(following.above) if following else None,
        resets_at=instant(end),
    )


def ledger(tx: Transaction, call: Call) -> wire.LedgerPage:
    """The customer's book in sequence order."""
    house, query = call.house, call.query
    from nexctl.server.rooms.whose import wallet_of

    page = entries.entries(
        tx,
        wallet_of(tx, call, query.wallet),
        after=max(sequence_of(query.cursor), query.after_sequence or 0),
        limit=query.limit,
        start=micros(query.from_),
        end=micros(query.to),
        kind=query.kind,
    )
    return wire.LedgerPage(
        data=[
            wire.LedgerEntry(
                sequence=row.seq,
                created_at=str(instant(row.at)),
                kind=row.kind,
                amount=str(house.money(row.amount)),
                currency=house.unit,
                balance_after=str(house.money(row.balance)),
                reference=row.reference,
                description=row.note,
                reverses=row.reverses,
                hash=bytes(row.hash).hex(),
            )
            for row in page.rows
        ],
        next_cursor=None if page.after is None else str(page.after),
        closed=page.closed,
    )


def grants(tx: Transaction, call: Call) -> wire.GrantPage:
    """Credits that were given, in the order in which they came; each is named by its entry."""
    house, query = call.house, call.query
    after, now = sequence_of(query.cursor), house.now()
    rows = sorted(lots.listed(tx, call.customer.id, spent=True), key=lambda lot: lot.lot)
    rows = [lot for lot in rows if lot.kind in GIVEN and lot.lot > after]
    shown = rows[: query.limit]
    data = []
    for lot in shown:
        ended = lot.expires_at is not None and lot.expires_at <= now
        state = "expired" if ended else "active" if lot.remaining else "spent"
        data.append(
            wire.Grant(
                id=str(lot.lot),
                kind=lot.kind,
                amount=str(house.money(lot.amount)),
                remaining="0" if ended else str(house.money(lot.remaining)),
                currency=house.unit,
                state=state,
                created_at=str(instant(lot.created_at)),
                expires_at=instant(lot.expires_at),
            )
        )
    cursor = str(shown[-1].lot) if len(rows) > query.limit else None
    from nexctl.server.payments import claims

    return wire.GrantPage(data=data, next_cursor=cursor, tasks=claims.tasks(tx, call))


def claim(tx: Transaction, call: Call) -> Claimed:
    """Claim the credits of a task."""
    from nexctl.server.payments import claims

    return claims.claim(tx, call)
