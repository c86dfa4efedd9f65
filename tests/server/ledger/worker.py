"""A process that works on a ledger until money, time or a signal ends it.

    python -m tests.server.ledger.worker PLACE CUSTOMER NUMBER JOB [SECONDS]

Prints one line of JSON: what it charged, what was refused, its longest wait and its mean one.
"""

from __future__ import annotations

import json
import random
import sys
import time
from typing import Any

from nexctl.records import Usage
from nexctl.server.ledger import deliveries, events
from nexctl.server.ledger.errors import Refused, Unavailable
from nexctl.server.ledger.main import Ledger, open_ledger
from nexctl.server.ledger.port import Transaction
from nexctl.server.ledger.types import Ask, Outcome
from tests.server.ledger.kit import BODY, KEY, PRICES

# Refusals in a row until a worker believes that all is spent: one of ten keys may be left.
PATIENCE = 15


def main(place: str, customer: str, number: str, job: str, seconds: str = "60") -> None:
    print(json.dumps(work(place, customer, int(number), job, int(seconds))), flush=True)


def work(place: str, customer: str, number: int, job: str, seconds: int = 60) -> dict[str, Any]:
    """Do a job; what is told of it."""
    ledger = open_ledger(place, anchor_key=KEY, timeout=30_000)
    told = JOBS[job](ledger, customer, number, time.monotonic() + seconds)
    ledger.close()
    return told


def spend(ledger: Ledger, customer: str, number: int, end: float) -> dict[str, object]:
    """Reserve 3, settle up to 3, now and then twice, release or repeat, until refused."""
    chance = random.Random(number)
    charged = refused = count = 0
    layers: set[str] = set()
    longest = waited = 0.0
    reserved = 0
    dry = 0
    while time.monotonic() < end and dry < PATIENCE:
        count += 1
        sub = f"sub_{chance.randrange(10)}"
        ask = Ask(
            customer,
            f"{number}-{count}",
            BODY,
            3,
            "m",
            PRICES,
            key=sub,
            parent="parent",
            member="member",
            project="project",
            usage=Usage(1),
            dispatched=chance.random() < 0.5,
        )
        started = time.monotonic()
        try:
            held = ledger.reserve(ask)
        except Refused as said:
            refused += 1
            dry += 1
            layers.add(said.layer.layer if said.layer else said.code)
            time.sleep(0.01)
            continue
        took = time.monotonic() - started
        longest, waited, reserved = max(longest, took), waited + took, reserved + 1
        dry = 0
        if not ask.dispatched:
            ledger.dispatch(held.hold)
        if chance.random() < 0.1:
            ledger.release(held.hold, "failed")
            continue
        charge = chance.randrange(1, 4)
        outcome = Outcome(charge, Usage(1), PRICES, "ok", "m", {})
        ledger.settle(held.hold, outcome)
        charged += charge
        if chance.random() < 0.2:
            assert ledger.settle(held.hold, outcome).replayed
        if chance.random() < 0.2:
            assert again(ledger, ask) == "already_billed"
    return {
        "charged": charged,
        "refused": refused,
        "layers": sorted(layers),
        "longest": longest,
        "mean": waited / max(reserved, 1),
    }


def again(ledger: Ledger, ask: Ask) -> str:
    """What the same request is told when it comes a second time."""
    try:
        ledger.reserve(ask)
    except Refused as said:
        return said.code
    return "it ran twice"


def same(ledger: Ledger, customer: str, number: int, end: float) -> dict[str, object]:
    """Everybody sends the same 50 request ids; each is billed once by whoever wins it."""
    charged = 0
    codes: dict[str, int] = {}
    for count in range(50):
        try:
            held = ledger.reserve(
                Ask(customer, f"same-{count}", BODY, 2, "m", PRICES, dispatched=True)
            )
        except Refused as said:
            codes[said.code] = codes.get(said.code, 0) + 1
            continue
        ledger.settle(held.hold, Outcome(1, Usage(1), PRICES, "ok", "m", {}))
        charged += 1
    return {"charged": charged, "codes": codes}


def load(ledger: Ledger, customer: str, number: int, end: float) -> dict[str, object]:
    """Requests for ever, in every state, until killed."""
    chance = random.Random(number)
    count = 0
    while time.monotonic() < end:
        count += 1
        if count == 10:
            print("at work", flush=True)
        try:
            held = ledger.reserve(
                Ask(
                    customer,
                    f"{number}-{count}",
                    BODY,
                    3,
                    "m",
                    PRICES,
                    key=f"key_{number % 3}",
                    floor=1,
                    dispatched=chance.random() < 0.4,
                )
            )
            if chance.random() < 0.1:
                continue  # left reserved, or sent
            ledger.dispatch(held.hold)
            if chance.random() < 0.1:
                continue
            if chance.random() < 0.1:
                ledger.release(held.hold, "failed")
                continue
            ledger.settle(held.hold, Outcome(2, Usage(1), PRICES, "ok", "m", {}))
        except Unavailable:
            continue
    return {}


def storm(ledger: Ledger, customer: str, number: int, end: float) -> dict[str, object]:
    """Spend 40 each, one at a time, so that all cross the same thresholds together."""
    for count in range(40):
        ask = Ask(customer, f"{number}-{count}", BODY, 1, "m", PRICES, dispatched=True)
        held = ledger.reserve(ask)
        ledger.settle(held.hold, Outcome(1, Usage(1), PRICES, "ok", "m", {}))
    return {}


def deliver(ledger: Ledger, customer: str, number: int, end: float) -> dict[str, object]:
    """Spread what waits, and take what is due, as long as there is something."""
    spread = 0
    taken: list[str] = []
    while time.monotonic() < end and ledger.read(deliveries.has_due):
        for event in ledger.read(events.waiting, 5):
            spread += ledger.write(_spread, event.id)
        taken += [found.id for found in ledger.write(deliveries.take, 3)]
    return {"spread": spread, "taken": taken}


def _spread(tx: Transaction, event: str) -> int:
    if not events.claim(tx, event):
        return 0
    deliveries.add(tx, event, "email", "a@example.com")
    return 1


JOBS = {"spend": spend, "same": same, "load": load, "storm": storm, "deliver": deliver}

if __name__ == "__main__":
    main(*sys.argv[1:])
