"""A month of a wallet, added up from its book."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexctl.server.calls import Call
from nexctl.server.house import instant
from nexctl.server.ledger import entries, tiers
from nexctl.server.ledger.months import month_in, start_of
from nexctl.server.rooms.whose import wallet_of
from nexctl.wire import papers as wire

if TYPE_CHECKING:
    from nexctl.server.ledger.port import Transaction


def show(tx: Transaction, call: Call) -> wire.Statement:
    """opening + credits - debits - expiry = closing, by the book's zone."""
    house, month = call.house, call.query.month
    wallet = wallet_of(tx, call, call.query.wallet)
    zone = house.month_zone
    start = start_of(zone, month)
    end = month_in(zone, start)[2]
    sums = []
    credits_ = debits = expired = count = 0
    for kind, number, plus, minus in tx.all(
        "SELECT kind, count(*), sum(CASE WHEN amount>0 THEN amount ELSE 0 END), "
        "sum(CASE WHEN amount<0 THEN amount ELSE 0 END) FROM entries "
        "WHERE wallet=? AND at>=? AND at<? GROUP BY kind ORDER BY kind",
        *(wallet, start, end),
    ):
        amount = int(plus) + int(minus)
        count += number
        credits_ += int(plus)
        if kind == "expiry":
            expired -= int(minus)
        else:
            debits -= int(minus)
        money = str(house.money(amount))
        sums.append(wire.StatementSum(kind=kind, entries=number, amount=money))
    opening = _balance(tx, wallet, start)
    found = tiers.month(tx, call.customer.id, month)
    tiering = tx.shared.tiering
    return wire.Statement(
        month=month,
        wallet=wallet,
        currency=house.unit,
        opening=str(house.money(opening)),
        credits=str(house.money(credits_)),
        debits=str(house.money(debits)),
        expired=str(house.money(expired)),
        closing=str(house.money(_balance(tx, wallet, end))),
        entries=count,
        closed=end <= tx.clock.now() and entries.is_closed(tx, call.customer.id, end),
        from_=str(instant(start)),
        to=str(instant(end)),
        sums=sums,
        tier=tiering.tier_of(found.gross) if tiering is not None else None,
        tier_saved=house.money(found.cut + found.credited) if tiering is not None else None,
    )


def _balance(tx: Transaction, wallet: str, before: int) -> int:
    """The balance after the last entry that was posted before an instant."""
    found = tx.value(
        "SELECT balance FROM entries WHERE wallet=? AND at<? ORDER BY seq DESC LIMIT 1",
        *(wallet, before),
    )
    return int(found or 0)
