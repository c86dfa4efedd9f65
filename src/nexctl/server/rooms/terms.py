"""What a price book leaves to the operator: loyalty levels, fees, limits, tax, seller, policies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from nexctl.money import NANO
from nexctl.server.calls import Call
from nexctl.server.ledger import settings
from nexctl.server.payments.figures import CENT_UNITS
from nexctl.server.payments.methods import methods_of
from nexctl.server.payments.papers import PLAY
from nexctl.server.payments.rules import POLICY, TERMS, Rules, rules_of
from nexctl.server.refusing import Refuse
from nexctl.server.shapes import units_of
from nexctl.wire import funding as wire
from nexctl.wire.base import plain

if TYPE_CHECKING:
    from nexctl.server.ledger.port import Transaction


def show(tx: Transaction, call: Call) -> wire.TermsInForce:
    """The terms, and what still is nobody's word."""
    return _shown(rules_of(tx, call.house))


def put(tx: Transaction, call: Call) -> wire.TermsInForce:
    """New terms, in place of the ones before. Orders keep those that they were made under."""
    body = call.body
    _check_plan_fees(call)
    levels = [row.id for row in body.loyalty or ()]
    if len(set(levels)) != len(levels):
        raise Refuse("invalid_request", "a level stands there twice", param="loyalty")
    for row in (*(body.loyalty or ()), *(body.tax or ())):
        percent = str(getattr(row, "bonus_percent", None) or getattr(row, "percent", "0"))
        if units_of(percent, 6, zero=True) > 100 * 10**6:
            raise Refuse("invalid_request", "a percentage is at most 100")
    known = {method.id for method in methods_of(call.house)}
    ways = [row.method for row in body.payment_fees or ()]
    if len(set(ways)) != len(ways) or not known.issuperset(ways):
        shown = ", ".join(sorted(known))
        text = f"the ways to pay are {shown}, each with one fee"
        raise Refuse("invalid_request", text, param="payment_fees")
    for fee in body.payment_fees or ():
        if units_of(fee.percent, 6, zero=True) > 100 * 10**6:
            raise Refuse("invalid_request", "a percentage is at most 100", param="payment_fees")
        if units_of(fee.fixed, NANO, zero=True) % CENT_UNITS:
            raise Refuse("invalid_request", "a fee has at most two decimals", param="payment_fees")
    if body.invoice_series == PLAY:
        raise Refuse("invalid_request", "that series is play money's", param="invoice_series")
    least = units_of(body.minimum, NANO, zero=True) if body.minimum else 0
    if body.maximum is not None and units_of(body.maximum, NANO) < least:
        raise Refuse("invalid_request", "the maximum is below the minimum", param="maximum")
    call.before = show(tx, call)
    kept: dict[str, Any] = plain(body)
    settings.put(tx, TERMS, kept)
    for name, row in Rules(call.house, kept).texts():
        settings.put(tx, POLICY + row["sha256"], {"name": name, **row})
    return _shown(Rules(call.house, kept))


def _check_plan_fees(call: Call) -> None:
    for name, amount in (call.body.plan_fees or {}).items():
        if name not in call.house.book.plans:
            raise Refuse("invalid_request", "there is no such plan", param="plan_fees")
        if units_of(amount, NANO, zero=True) % CENT_UNITS:
            raise Refuse("invalid_request", "a fee has at most two decimals", param="plan_fees")


def _shown(rules: Rules) -> wire.TermsInForce:
    return wire.TermsInForce(terms=msgspec.convert(rules.terms, wire.Terms), unset=rules.unset())
