"""Who is told when a budget or the balance passes a threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexctl.server.calls import Call
from nexctl.server.ledger import alerts
from nexctl.server.rooms import plans
from nexctl.server.shapes import units_of
from nexctl.wire import alerts as wire
from nexctl.wire.base import UNSET

if TYPE_CHECKING:
    from nexctl.server.ledger.port import Transaction

FEATURE = "spend_alerts"
EMAIL_ONLY = "email_only"


def show(tx: Transaction, call: Call) -> wire.Alerts:
    """What the customer wants to be told of."""
    return _shown(call, alerts.get(tx, call.customer.id))


def put(tx: Transaction, call: Call) -> wire.Alerts:
    """Change it; what the plan lacks is refused by its name."""
    house, body = call.house, call.body
    plans.need_feature(call, FEATURE, "alerts")
    wish = alerts.get(tx, call.customer.id)
    call.before = _shown(call, wish)
    if body.webhooks is True:
        need_webhooks(call)
    if body.email is not UNSET:
        wish = wish._replace(email=body.email)
    if body.webhooks is not UNSET:
        wish = wish._replace(webhooks=body.webhooks)
    if body.percents is not UNSET:
        wish = wish._replace(percents=tuple(sorted(set(body.percents))))
    if body.balance_below is not UNSET:
        below = body.balance_below
        units = 0 if below is None else units_of(below, house.scale, zero=True)
        wish = wish._replace(balance_below=units)
    alerts.put(tx, wish)
    return _shown(call, alerts.get(tx, call.customer.id))


def need_webhooks(call: Call) -> None:
    """Refuse alerts by webhook where the plan sends e-mails only; the plan that does is named."""
    plans.need_more(call, FEATURE, EMAIL_ONLY, "alerts by webhook")


def _shown(call: Call, wish: alerts.Wish) -> wire.Alerts:
    house, plan = call.house, call.plan
    mail_only = plan is not None and plan.features.get(FEATURE) in (False, EMAIL_ONLY)
    return wire.Alerts(
        percents=list(wish.percents),
        webhooks=wish.webhooks and not mail_only,
        email=wish.email,
        balance_below=house.money(wish.balance_below) if wish.balance_below else None,
        currency=house.unit,
    )
