"""Spending whole dollars on NexToken's book, and a process that does it.

python -m tests.server.ledger.tier_kit PLACE CUSTOMER NUMBER DOLLARS TIMES
"""

from __future__ import annotations

import json
import sys
from typing import Any

from nexctl.pricing import books, engine
from nexctl.records import Usage
from nexctl.server.ledger.main import Ledger, open_ledger
from nexctl.server.ledger.types import Ask, Outcome
from nexctl.server.payments import tiering
from tests.server.ledger.kit import BODY, KEY, UNIT

BOOK = books.load("nextoken")
PRICER = engine.pricer(BOOK, "nex-pro", at="2026-11-20")
PRICES = Ledger.snapshot(PRICER.snapshot())
TOKENS = 10_000_000  # of nex-pro's input are 1 USD


def with_tiers(ledger: Ledger, told: list[str] | None = None, book: Any = BOOK) -> Ledger:
    alerts = told if told is not None else []
    ledger.shared.tiering = tiering.of_book(book, alert=alerts.append)
    return ledger


def spend(ledger: Ledger, customer: str, cents: int, request: str) -> Any:
    """A request whose gross charge is so many cents."""
    usage = Usage(input=TOKENS // 100 * cents)
    gross = PRICER.charge(usage).units
    assert gross == cents * UNIT // 100
    held = ledger.reserve(
        Ask(customer, request, BODY, gross, "nex-pro", PRICES, usage=usage, dispatched=True)
    )
    outcome = Outcome(gross, usage, PRICES, "ok", "nex-pro", {})
    return ledger.settle(held.hold, outcome)


def reprice(snapshot: dict[str, Any], usage: Usage) -> int:
    found = engine.pricer(
        BOOK,
        snapshot["model"],
        at=snapshot["at"],
        tier=snapshot.get("tier"),
        negotiated=snapshot.get("negotiated"),
    )
    return found.charge(usage).units


def main(place: str, customer: str, number: str, dollars: str, times: str) -> None:
    ledger = with_tiers(open_ledger(place, anchor_key=KEY, timeout=30_000))
    charged = 0
    for count in range(int(times)):
        charged += spend(ledger, customer, int(dollars) * 100, f"{number}-{count}").charge
    print(json.dumps({"charged": charged}), flush=True)
    ledger.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
