"""What goes back of a top-up: the operator's refunds, the provider's, and disputes.

A refund is at most what is left of the pack, less the bonus that was consumed, its own and that of
later top-ups which they had only because of this one. It lowers the lifetime top-up.
"""

from __future__ import annotations

from typing import Any

from nexctl.money import text_of
from nexctl.server.ledger import bonuses, events, funds, orders, wallets
from nexctl.server.ledger.chain import locked
from nexctl.server.ledger.errors import Refused
from nexctl.server.ledger.orders import Order
from nexctl.server.ledger.port import Transaction


def refund(
    tx: Transaction,
    order: str,
    amount: int | None = None,
    *,
    by: str,
    note: str | None = None,
    step: int = 1,
) -> Order:
    """The operator pays back: `amount` of the order's total, None for all that can go back.

    What was spent, is held, or was consumed as bonus stays: Refused `not_refundable`. `step` is the
    smallest amount that can be paid back.
    """
    found = orders.locked_one(tx, order)
    if found.credited_at is None or found.paid_lot is None or found.disputed:
        raise Refused("not_refundable", f"the order is {found.state}: there is nothing to refund")
    left = found.total - found.refunded
    most = min(left, in_money(found, refundable(tx, found)))
    wanted = most - most % step if amount is None else amount
    units = in_credits(found, wanted)
    over = _later(tx, found, units)
    if not 0 < wanted <= most or units + _consumed(over) > _own(tx, found):
        raise Refused(
            "not_refundable",
            "that much cannot be refunded any more",
            hint="what is spent or held, and consumed bonus, stays",
            details={"refundable": text_of(max(0, most)), "currency": found.currency},
        )
    _claw(tx, found, over)
    funds.refund(
        tx,
        found.wallet,
        units,
        provider=found.provider,
        paid_lot=found.paid_lot,
        bonus_lot=found.bonus_lot,
        reference=order,
        note=note,
        clawed=_clawed(found),
    )
    return _note_refund(tx, found, wanted, by, note)


def refundable(tx: Transaction, found: Order) -> int:
    """What of an order's credits can go back now, later top-ups' bonuses that end with it paid."""
    most = _own(tx, found)
    units = most
    for _ in range(8):
        fits = max(0, most - _consumed(_later(tx, found, units)))
        if fits >= units:
            break
        units = fits
    return units


def _own(tx: Transaction, found: Order) -> int:
    if found.paid_lot is None:
        return 0
    return funds.refundable(
        tx, found.wallet, found.paid_lot, found.bonus_lot, clawed=_clawed(found)
    )


def _clawed(found: Order) -> int:
    """What an earlier top-up's refund has taken back of this order's bonus."""
    return int((found.details.get("bonus_given") or {}).get("taken", 0))


def _later(tx: Transaction, found: Order, units: int) -> list[bonuses.Excess]:
    if not units or found.credited_at is None:
        return []
    return bonuses.excess(tx, found.customer, found.credited_at, found.id, units)


def _consumed(over: list[bonuses.Excess]) -> int:
    return sum(row.consumed for row in over)


def _claw(tx: Transaction, found: Order, over: list[bonuses.Excess]) -> None:
    """Take back later bonuses: from their lots, what was consumed of them from this order's."""
    for row in over:
        if row.left:
            funds.claw(tx, row.wallet, row.lot, row.left, reference=found.id, reverses=row.lot)
        if row.consumed and found.paid_lot is not None:
            funds.claw(
                tx, found.wallet, found.paid_lot, row.consumed, reference=row.order, reverses=None
            )
        bonuses.keep(tx, row.order, row.details)


def outside(tx: Transaction, found: Order, amount: int) -> None:
    """The provider has paid back already: take what can be taken, the rest is owed."""
    if found.paid_lot is None:
        raise AssertionError("a credited order has its lot")
    share = in_credits(found, amount)
    over = _later(tx, found, share)
    named: dict[str, Any] = {
        "provider": found.provider,
        "paid_lot": found.paid_lot,
        "bonus_lot": found.bonus_lot,
        "reference": found.id,
        "clawed": _clawed(found),
    }
    if share + _consumed(over) <= _own(tx, found):
        _claw(tx, found, over)
        funds.refund(tx, found.wallet, share, **named)
    else:
        funds.dispute(tx, found.wallet, share, freeze=False, **named)
        _claw(tx, found, over)
    _note_refund(tx, found, amount, found.provider, None)


def _note_refund(tx: Transaction, found: Order, amount: int, by: str, note: str | None) -> Order:
    tx.run(
        "UPDATE orders SET refunded=refunded+?, decided_by=?, decided_at=?, note=coalesce(?, note) "
        "WHERE id=?",
        *(amount, by, tx.clock.now(), note, found.id),
    )
    if found.refunded + amount == found.total and found.state == "credited":
        orders.move(tx, found, "refunded")
    done = orders.there(tx, found.id)
    data = {"order_id": found.id, "amount": text_of(amount), "currency": found.currency}
    events.emit(tx, "payout.refunded", found.customer, {**data, "refunded": text_of(done.refunded)})
    if tx.shared.papers is not None:
        tx.shared.papers(tx, "refund", done)
    return done


def disputed(tx: Transaction, found: Order, amount: int) -> None:
    """A bank has taken a payment back: its credits go, the account's wallets are frozen."""
    if found.paid_lot is None:
        raise AssertionError("a credited order has its lot")
    for wallet in wallets.of_customer(tx, found.customer):
        locked(tx, wallet)  # in the one order in which everybody locks them
    funds.dispute(
        tx,
        found.wallet,
        in_credits(found, amount),
        provider=found.provider,
        paid_lot=found.paid_lot,
        bonus_lot=found.bonus_lot,
        reference=found.id,
        clawed=_clawed(found),
    )
    _claw(tx, found, _later(tx, found, in_credits(found, amount)))
    tx.run("UPDATE orders SET disputed=disputed+? WHERE id=?", amount, found.id)
    events.emit(
        tx, "balance.frozen", found.customer, {"wallet": found.wallet, "order_id": found.id}
    )


def in_credits(found: Order, money: int) -> int:
    """The order's credits that the next part of its total stands for.

    Counted from what went back before, rounded up: so all parts together are all of its credits.
    """
    base = found.refunded + found.disputed
    return _upto(found, base + money) - _upto(found, base)


def won_back(found: Order, money: int) -> int:
    """The credits of a part of the total that a dispute had taken and that came back."""
    base = found.refunded + found.disputed
    return _upto(found, base) - _upto(found, base - money)


def in_money(found: Order, units: int) -> int:
    """The most of the order's total whose credits are at most `units`."""
    base = found.refunded + found.disputed
    return max(0, (_upto(found, base) + units) * found.total // found.credits - base)


def _upto(found: Order, money: int) -> int:
    return upto(found.credits, found.total, money)


def upto(credits: int, total: int, money: int) -> int:
    """The credits of an order that `money` of its total stands for, rounded up."""
    return -(-credits * money // total) if total else 0
