"""Whether money, credits and papers agree, for operators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexctl.money import NANO, text_of
from nexctl.server.calls import Call
from nexctl.server.ledger import reconcile
from nexctl.server.ledger.months import month_in, start_of
from nexctl.wire import checks as wire

if TYPE_CHECKING:
    from nexctl.server.ledger.port import Transaction


def show(tx: Transaction, call: Call) -> wire.Reconciled:
    """Every rule over one month, or over everything."""
    house, month = call.house, call.query.month
    start = end = None
    if month is not None:
        zone = house.month_zone
        start = start_of(zone, month)
        end = month_in(zone, start)[2]
    found = reconcile.reconcile(tx, start, end)

    def shown(value: int | None, currency: str | None) -> str | None:
        if value is None:
            return None
        return text_of(value, house.scale if currency is None else NANO)

    return wire.Reconciled(
        month=month,
        clean=not found.findings,
        checks=[
            wire.Checked(rule=rule, says=says, looked=found.looked[rule])
            for rule, says in reconcile.RULES.items()
        ],
        findings=[
            wire.Finding(
                rule=one.rule,
                subject=one.subject,
                customer_id=one.customer,
                text=one.text,
                expected=shown(one.expected, one.currency),
                found=shown(one.found, one.currency),
                currency=(one.currency or house.unit) if one.expected is not None else None,
            )
            for one in found.findings
        ],
    )
