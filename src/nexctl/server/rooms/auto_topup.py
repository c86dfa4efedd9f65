"""Automatic top-up: set, shown, switched off. What is due is ordered at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexctl.money import NANO, text_of
from nexctl.server.calls import Call
from nexctl.server.house import instant
from nexctl.server.http import Answer
from nexctl.server.ledger import autotopup
from nexctl.server.ledger.months import month_in
from nexctl.server.payments import auto
from nexctl.server.payments.methods import method_named
from nexctl.server.payments.rules import rules_of
from nexctl.server.refusing import Refuse
from nexctl.server.rooms import plans, topups
from nexctl.server.rooms.whose import wallet_of
from nexctl.server.shapes import units_of
from nexctl.wire import funding as wire

if TYPE_CHECKING:
    from nexctl.server.ledger.port import Transaction


def show(tx: Transaction, call: Call) -> wire.AutoTopUp:
    """What was agreed for a wallet, and what came of it this month."""
    return _shown(tx, call, wallet_of(tx, call, call.query.wallet))


async def put(call: Call) -> Answer:
    """Agree to it. Where the wallet is low already its order is made now."""
    answer = await call.commit(_put)
    await topups.outside(call.house, auto.work)
    body = call.body
    return Answer(call.house.read(_again, call, body.wallet), answer.status)


def _again(tx: Transaction, call: Call, name: str | None) -> wire.AutoTopUp:
    return _shown(tx, call, wallet_of(tx, call, name))


def off(tx: Transaction, call: Call) -> wire.AutoTopUp:
    """Agree to nothing any more."""
    wallet = wallet_of(tx, call, call.query.wallet)
    call.before = _shown(tx, call, wallet)
    autotopup.off(tx, wallet)
    return _shown(tx, call, wallet)


def _put(tx: Transaction, call: Call) -> wire.AutoTopUp:
    house, body = call.house, call.body
    plans.need_feature(call, auto.FEATURE, "automatic top-up")
    if house.book.data.get("auto_topup", {}).get("offered") is False:
        raise Refuse("not_offered", "this gateway tops up nothing by itself")
    if (body.amount is None) == (body.target is None):
        raise Refuse("invalid_request", "either an amount or a target", param="amount")
    method = method_named(house, body.method)
    below = units_of(body.below, house.scale)
    target = units_of(body.target, house.scale) if body.target is not None else None
    if target is not None and target <= below:
        raise Refuse("invalid_request", "the target lies above the threshold", param="target")
    wallet = wallet_of(tx, call, body.wallet)
    call.before = _shown(tx, call, wallet)
    agreed = autotopup.put(
        tx,
        wallet,
        call.customer.id,
        below=below,
        amount=units_of(body.amount, NANO) if body.amount is not None else None,
        target=target,
        cap=units_of(body.monthly_budget, NANO) if body.monthly_budget is not None else None,
        method=method.id if body.method is not None else None,
    )
    asked = auto.sized(tx, house, agreed, method, below)  # the smallest that will be ordered
    if agreed.amount is not None and asked.amount != agreed.amount:
        code = "topup_below_minimum" if asked.amount > agreed.amount else "invalid_request"
        raise Refuse(code, f"{text_of(asked.amount)} can be bought", param="amount")
    if agreed.cap is not None and asked.amount > agreed.cap:
        said = f"one top-up is {text_of(asked.amount)}, more than the month's budget"
        raise Refuse("invalid_request", said, param="monthly_budget")
    return _shown(tx, call, wallet)


def _shown(tx: Transaction, call: Call, wallet: str) -> wire.AutoTopUp:
    house = call.house
    found = autotopup.get(tx, wallet)
    money = str(rules_of(tx, house).topup.get("currency") or house.unit)
    if found is None:
        return wire.AutoTopUp(enabled=False, wallet=wallet, unit=house.unit, currency=money)
    start, end = month_in(house.month_zone, tx.clock.now())[1:]
    return wire.AutoTopUp(
        enabled=found.enabled,
        wallet=wallet,
        unit=house.unit,
        currency=money,
        below=house.money(found.below),
        amount=None if found.amount is None else text_of(found.amount),
        target=house.money(found.target),
        monthly_budget=None if found.cap is None else text_of(found.cap),
        ordered_this_month=text_of(autotopup.ordered(tx, wallet, start, end)),
        method=found.method,
        open_order=autotopup.open_order(tx, wallet),
        note=found.note,
        changed_at=instant(found.changed_at),
    )
