"""A customer's contract: what the operator has agreed with it, as both of them see it."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from nexctl.money import NANO, text_of
from nexctl.server.calls import Call
from nexctl.server.ledger import contracts, customers, events
from nexctl.server.ledger.clock import DAY
from nexctl.server.ledger.contracts import Contract
from nexctl.server.payments.rules import rules_of
from nexctl.server.refusing import Refuse
from nexctl.server.shapes import units_of
from nexctl.wire import funding as wire

if TYPE_CHECKING:
    from nexctl.server.ledger.port import Transaction

_EPOCH = datetime.date(1970, 1, 1)


def show(tx: Transaction, call: Call) -> wire.Contract:
    """The caller's own contract."""
    return _shown(tx, call.customer.id)


def of_customer(tx: Transaction, call: Call) -> wire.Contract:
    """A customer's contract, for the operator."""
    return _shown(tx, _there(tx, call))


def put(tx: Transaction, call: Call) -> wire.Contract:
    """Agree on a contract: larger orders and invoices are open to the customer while it lasts."""
    body, customer = call.body, _there(tx, call)
    call.before = _shown(tx, customer)
    starts, ends = _day(body.starts, "starts"), _day(body.ends, "ends") + DAY
    if ends <= starts:
        raise Refuse("invalid_request", "a contract ends after it starts", param="ends")
    table = rules_of(tx, call.house).topup
    contracts.put(
        tx,
        Contract(
            customer,
            units_of(body.amount, NANO),
            str(table.get("currency") or call.house.book.unit),
            *(starts, ends, body.sla, body.capacity, body.note),
        ),
    )
    shown = _shown(tx, customer)
    told = {"amount": shown.amount, "currency": shown.currency}
    events.emit(
        tx,
        "subscription.contract_set",
        customer,
        {**told, "starts": shown.starts, "ends": shown.ends},
    )
    return shown


def remove(tx: Transaction, call: Call) -> wire.Contract:
    """End a contract now; what was bought under it stays."""
    customer = _there(tx, call)
    call.before = _shown(tx, customer)
    if call.before.state == "none":
        raise Refuse("not_found", "there is no contract with this customer")
    contracts.remove(tx, customer)
    told = {"amount": call.before.amount, "currency": call.before.currency}
    events.emit(tx, "subscription.contract_ended", customer, told)
    return _shown(tx, customer)


def _there(tx: Transaction, call: Call) -> str:
    if customers.get(tx, call.values[0]) is None:
        raise Refuse("not_found", "there is no such customer")
    return call.values[0]


def _day(text: str, param: str) -> int:
    try:
        found = datetime.date.fromisoformat(text)
    except ValueError:
        raise Refuse("invalid_request", "there is no such day", param=param) from None
    return (found - _EPOCH).days * DAY


def _date(at: int) -> str:
    return (_EPOCH + datetime.timedelta(days=at // DAY)).isoformat()


def _shown(tx: Transaction, customer: str) -> wire.Contract:
    found = contracts.get(tx, customer)
    if found is None:
        return wire.Contract(customer_id=customer, state="none")
    paid = contracts.paid(tx, found)
    return wire.Contract(
        customer_id=customer,
        state=found.state(tx.clock.now()),
        amount=text_of(found.amount),
        paid=text_of(paid),
        remaining=text_of(max(0, found.amount - paid)),
        currency=found.currency,
        starts=_date(found.starts),
        ends=_date(found.ends - DAY),
        sla=found.sla,
        capacity=found.capacity,
        note=found.note,
    )
