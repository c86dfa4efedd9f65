"""What falls due with time: holds of the dead, ended lots and orders, included credits, fees.

A served gateway does it every few seconds (`upkeep`); in a process without a server it is done when
the gateway is opened, where `ledger/due.py` says that something waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexctl.server.ledger import orders
from nexctl.server.payments import auto, included, subscribing

if TYPE_CHECKING:
    from nexctl.server.house import House


def work(house: House) -> None:
    """Everything of money that is due now. What ends is written off before more is given."""
    house.ledger.sweep()
    house.ledger.write(orders.expire_due)
    included.grant_due(house)
    subscribing.renew_due(house)
    auto.work(house)
