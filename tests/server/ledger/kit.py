"""Short names for what the ledger's tests do, and a clock that they move."""

from __future__ import annotations

from typing import Any

import pytest

from nexctl.money import text_of
from nexctl.records import Usage
from nexctl.server.ledger import audit_log, codes, customers, funds
from nexctl.server.ledger.errors import Refused
from nexctl.server.ledger.main import Ledger
from nexctl.server.ledger.types import Ask, Outcome, Reservation, Settled

KEY = b"k" * 32
UNIT = 10**9
BODY = b"b" * 32
START = 1_795_000_000  # 2026-11-18, a Wednesday
PRICES = Ledger.snapshot({"price_book": "test@2026-11-18", "unit": "USD", "scale": 9})


class Wall:
    """A wall clock and a steady one, in seconds; `jump` moves only the wall's."""

    def __init__(self) -> None:
        self.passed = 0
        self.offset = START

    def wall(self) -> int:
        return (self.passed + self.offset) * 10**9

    def steady(self) -> int:
        return self.passed * 10**9

    def wait(self, seconds: int) -> None:
        self.passed += seconds

    def jump(self, seconds: int) -> None:
        self.offset += seconds


class Hands:
    """One customer of one ledger."""

    def __init__(self, ledger: Ledger, wall: Wall, name: str = "ann", money: int = 100) -> None:
        self.ledger, self.wall = ledger, wall
        self.customer = ledger.write(customers.create, name, currency="USD").id
        self._count = 0
        if money:
            self.topup(money)

    def topup(self, amount: int, bonus: int = 0, **named: Any) -> Any:
        return self.ledger.write(
            funds.topup, self.customer, amount, bonus=bonus, provider="sandbox", **named
        )

    def ask(self, amount: int, request: str | None = None, **named: Any) -> Ask:
        self._count += 1
        name = request or f"{self.customer}-{self._count}"
        given: dict[str, Any] = {"body_hash": BODY, "model": "nex-pro", "snapshot": PRICES, **named}
        return Ask(self.customer, name, amount=amount, **given)

    def reserve(self, amount: int, request: str | None = None, **named: Any) -> Reservation:
        return self.ledger.reserve(self.ask(amount, request, **named))

    def sent(self, amount: int, request: str | None = None, **named: Any) -> int:
        return self.reserve(amount, request, dispatched=True, **named).hold

    def outcome(self, charge: int, usage: Usage | None = None, **named: Any) -> Outcome:
        given: dict[str, Any] = {
            "snapshot": PRICES,
            "status": "ok",
            "model": "nex-pro",
            "record": {"endpoint": "/v1/chat/completions"},
            **named,
        }
        return Outcome(charge, usage or Usage(10, output=5), **given)

    def settle(self, hold: int, charge: int, usage: Usage | None = None, **named: Any) -> Settled:
        return self.ledger.settle(hold, self.outcome(charge, usage, **named))

    def spend(self, charge: int, **named: Any) -> Settled:
        return self.settle(self.sent(charge, **named), charge)

    def refused(self, amount: int, request: str | None = None, **named: Any) -> Refused:
        """The refusal of a reserve that must be refused."""
        with pytest.raises(Refused) as caught:
            self.reserve(amount, request, **named)
        return caught.value

    @property
    def wallet(self) -> Any:
        return self.ledger.wallet(self.customer)

    @property
    def figures(self) -> tuple[int, int, int]:
        """(balance, held, debt)"""
        found = self.wallet
        return found.balance, found.held, found.debt


def new_code(ledger: Ledger, hash: bytes, prefix: str, amount: int, **named: Any) -> codes.Code:
    """A code in USD, with the audit log's row that the operator's making it leaves."""

    def make(tx: Any) -> codes.Code:
        made = codes.create(tx, hash, prefix, amount, "USD", **named)
        told = {"id": made.id, "amount": text_of(amount, 9), "currency": "USD", "kind": made.kind}
        told |= {"percent": made.percent, "uses": made.uses}
        told |= {"expires_at": None, "credits_expire_at": None}
        actor = audit_log.Actor("operator:owner", "op")
        audit_log.write(tx, None, actor, "codes.create", made.id, after=told)
        return made

    return ledger.write(make)


def proved(ledger: Ledger) -> bool:
    """Whether everything holds; fails naming what does not."""
    from nexctl.server.ledger.verify import verify

    proof = verify(ledger)
    assert proof.violations == ()
    return True
