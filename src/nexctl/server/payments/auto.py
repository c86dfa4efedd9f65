"""Automatic top-up at work: an order for each wallet that has run low, paid where agreed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexctl.errors import NexctlError
from nexctl.money import NANO, text_of
from nexctl.server.ledger import autotopup, contracts, customers, incoming, orders
from nexctl.server.ledger.clock import HOUR
from nexctl.server.ledger.months import month_in
from nexctl.server.payments import providers, webhooks
from nexctl.server.payments.figures import Figures, figures, money_for, number
from nexctl.server.payments.methods import may_pay, method_named
from nexctl.server.payments.rules import rules_of
from nexctl.server.refusing import Refuse

if TYPE_CHECKING:
    from nexctl.server.house import House
    from nexctl.server.ledger.autotopup import Agreed
    from nexctl.server.ledger.orders import Order
    from nexctl.server.ledger.port import Transaction
    from nexctl.wire.topups import Method

FEATURE = "auto_topup"


def work(house: House) -> int:
    """Order for every wallet that is due; how many orders were made."""
    if not house.read(autotopup.has_due):
        return 0
    made = 0
    for wallet in house.ledger.write(autotopup.take):
        try:
            order = house.ledger.write(_order, house, wallet)
        except (Refuse, NexctlError) as error:
            note = error.message
            house.alarm(f"automatic top-up of {wallet}: {note}")
            house.ledger.write(autotopup.give_back, wallet, note, pause=HOUR)
            continue
        if order is None:
            continue
        made += 1
        settle(house, order)
    return made


def settle(house: House, order: Order) -> None:
    """Open or pay an automatic order, as its provider can."""
    provider = providers.named(house, order.provider)
    if provider is None:
        return
    try:
        if order.state == "created":
            url = provider.open_checkout(house, order)
            order = house.ledger.write(orders.open_checkout, order.id, url)
        told = provider.pay(house, order) if provider.pays_itself else None
        if told is not None:
            event = webhooks.checked(house, provider.id, *told)
            if event is not None:
                webhooks.judged(house, event, house.ledger.write(incoming.receive, event))
    except Refuse as refuse:
        house.alarm(f"automatic top-up {order.id}: {refuse.message}")


def _order(tx: Transaction, house: House, wallet: str) -> Order | None:
    """One order where it is still wanted and the month's budget has room; else the lease ends."""
    from nexctl.server.rooms import plans, topups

    agreed = autotopup.get(tx, wallet)
    if agreed is None or not agreed.enabled or autotopup.open_order(tx, wallet):
        autotopup.give_back(tx, wallet, None)
        return None
    if autotopup.free_of(tx, wallet) >= agreed.below:
        autotopup.give_back(tx, wallet, None)
        return None
    customer = customers.get(tx, agreed.customer)
    plan = house.plan_of(customer.plan) if customer is not None else None
    if plan is not None and plans.lacks(plan, FEATURE):
        note = f"the plan {plan.title} does not include automatic top-up"
        autotopup.give_back(tx, wallet, note, pause=HOUR)
        return None
    method = method_named(house, agreed.method)
    asked = sized(tx, house, agreed, method, autotopup.free_of(tx, wallet))
    start, end = month_in(house.month_zone, tx.clock.now())[1:]
    spent = autotopup.ordered(tx, wallet, start, end)
    if agreed.cap is not None and spent + asked.amount > agreed.cap:
        left = text_of(max(0, agreed.cap - spent))
        note = f"the month's budget has {left} left, {text_of(asked.amount)} is needed"
        autotopup.give_back(tx, wallet, note, pause=min(HOUR, max(1, end - tx.clock.now())))
        return None
    ready = topups.wanted(tx, house, agreed.customer, asked, method)
    made = topups.make(tx, house, agreed.customer, ready, method, wallet=wallet, automatic=True)
    autotopup.give_back(tx, wallet, None)
    return made


def sized(tx: Transaction, house: House, agreed: Agreed, method: Method, free: int) -> Figures:
    """The order's figures where `free` is left: the amount agreed, or what the target lacks.

    Never below what can be bought nor above self-service. Refused where nothing can, and where the
    method is not for such an order.
    """
    table = rules_of(tx, house).topup
    money = str(table.get("currency") or house.unit)
    units = agreed.amount
    if units is None:
        missing = (agreed.target or 0) - free
        units = money_for(house.book, max(1, missing), money, house.scale)
    least, most = number(table.get("minimum")), number(table.get("maximum"))
    units = max(units, least or 0)
    if most is not None:
        units = min(units, most)
    exact = sorted(found for one in table.get("exact", ()) if (found := number(one)) is not None)
    if exact:
        units = next((one for one in exact if one >= units), exact[-1])
    contract = contracts.open_amount(tx, agreed.customer)
    may_pay(house, table, method, units, contract)
    return figures(
        house.book,
        table,
        amount=text_of(units, NANO),
        pack=None,
        currency=None,
        scale=house.scale,
    )
