"""Any program of top-ups with loyalty, spending with tiers, and refunds, on both databases.

The model knows what each order was, and from that what every later bonus may still be.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from nexctl.pricing.tiers import month_credit
from nexctl.server.ledger import bonuses, customers, incoming, orders, refunds, tiers
from nexctl.server.ledger.clock import Clock
from nexctl.server.ledger.errors import Refused
from nexctl.server.ledger.incoming import Event
from nexctl.server.ledger.main import open_ledger
from nexctl.server.ledger.verify import verify
from tests.server.ledger.conftest import Server
from tests.server.ledger.kit import KEY, UNIT, Wall
from tests.server.ledger.tier_kit import BOOK, reprice, spend, with_tiers

LEVELS = [["silver", 500 * UNIT, "3"], ["gold", 1000 * UNIT, "8"]]
MONTH = "2026-11"
DOLLARS = st.integers(1, 1500)


class MoneyMachine(RuleBasedStateMachine):
    """Orders by name: credits, refunded, and in which order they were credited."""

    server: Server | None = None
    made = Bundle("made")
    paid = Bundle("paid")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp()
        self.wall = Wall()
        self.place = self.server.fresh() if self.server else f"{self.folder}/gateway.db"
        clock = Clock(self.wall.wall, self.wall.steady)
        self.ledger = with_tiers(open_ledger(self.place, create=True, anchor_key=KEY, clock=clock))
        self.names = itertools.count()
        self.credited: list[str] = []
        self.disputed: set[str] = set()
        self.gross = self.debits = 0

    @initialize()
    def customer(self) -> None:
        self.who = self.ledger.write(customers.create, "ann", currency="USD").id

    def order_of(self, name: str) -> orders.Order:
        found = self.ledger.read(orders.get, name)
        assert found is not None
        return found

    @rule(target=made, dollars=DOLLARS)
    def order(self, dollars: int) -> str:
        units = dollars * UNIT
        row = self.ledger.write(
            orders.create,
            self.who,
            method="card",
            provider="stripe",
            currency="USD",
            amount=units,
            credits=units,
            subtotal=units,
            total=units,
            details={"bonus": {"levels": LEVELS, "with_promo": "replaced"}},
        )
        return row.id

    def tell(self, order: str, kind: str, amount: int, name: str | None = None) -> str:
        event = Event(
            "stripe",
            name or f"ev{next(self.names)}",
            f"payment.{kind}",
            order,
            f"pi_{order}",
            amount,
            "USD",
        )
        outcome: str = self.ledger.write(incoming.receive, event).outcome
        return outcome

    @rule(target=paid, order=made, wrong=st.sampled_from([0, 0, 0, 1, -1]))
    def pay(self, order: str, wrong: int) -> Any:
        self.wall.wait(1)
        found = self.order_of(order)
        outcome = self.tell(order, "succeeded", found.total + wrong)
        if wrong:
            assert outcome == "mismatch"
            return multiple()
        if order in self.credited:
            assert outcome == "already_credited"
            return multiple()
        assert outcome == "credited"
        self.credited.append(order)
        return order

    @rule(order=made)
    def tell_a_refund_too_early_or_again(self, order: str) -> None:
        found = self.order_of(order)
        if order not in self.credited:
            assert self.tell(order, "refunded", found.total * 5) == "not_credited"

    @rule(order=paid, percent=st.integers(1, 100))
    def refund(self, order: str, percent: int) -> None:
        found = self.order_of(order)
        if found.disputed:
            return
        most = self.ledger.write(refunds.refundable, found)
        amount = most * percent // 100
        if not amount:
            return
        self.ledger.write(refunds.refund, order, amount, by="op")

    @rule(order=paid, percent=st.integers(1, 100))
    def provider_refunds(self, order: str, percent: int) -> None:
        found = self.order_of(order)
        amount = (found.total - found.refunded) * percent // 100
        if amount and not found.disputed:
            name = f"ev{next(self.names)}"
            assert self.tell(order, "refunded", amount, name) == "refunded"
            assert self.tell(order, "refunded", amount, name) == "repeated"

    @rule(cents=st.integers(1, 90_000))
    def use(self, cents: int) -> None:
        try:
            settled = spend(self.ledger, self.who, cents, f"r{next(self.names)}")
        except Refused:
            return
        self.gross += cents * UNIT // 100
        self.debits += 1
        assert settled.charge <= cents * UNIT // 100

    @invariant()
    def a_later_bonus_is_what_is_left_of_the_earlier_topups_earns(self) -> None:
        """Refunded top-ups earn nothing, whenever they went back."""
        before = 0
        for name in self.credited:
            found = self.order_of(name)
            given = found.details["bonus_given"]
            if not found.refunded:
                level = bonuses.level_of(LEVELS, before)
                due = bonuses.share(found.credits, level[2]) if level else 0
                assert given["loyalty"] - given["taken"] == due
            before += found.credits - found.refunded

    @invariant()
    def the_month_saves_its_tiers_percent(self) -> None:
        if not hasattr(self, "who"):
            return
        found = self.ledger.read(tiers.month, self.who, MONTH)
        assert found.gross == self.gross
        due = month_credit(BOOK, self.gross).credit
        assert abs(found.cut + found.credited - due) <= self.debits

    @invariant()
    def lifetime_is_what_was_paid_and_not_given_back(self) -> None:
        if not hasattr(self, "who"):
            return
        rows = [self.order_of(name) for name in self.credited]
        wanted = sum(row.credits - row.refunded for row in rows)
        assert self.ledger.read(bonuses.lifetime, self.who) == wanted

    def teardown(self) -> None:
        if hasattr(self, "who"):
            assert verify(self.ledger, reprice=reprice).violations == ()
        self.ledger.close()
        shutil.rmtree(self.folder, ignore_errors=True)


SETTINGS: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck)}


def test_any_program_of_money_in_on_sqlite() -> None:
    run_state_machine_as_test(
        MoneyMachine, settings=settings(max_examples=40, stateful_step_count=25, **SETTINGS)
    )


def test_any_program_of_money_in_on_postgresql(postgres: Server) -> None:
    machine = type("OnPostgres", (MoneyMachine,), {"server": postgres})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=6, stateful_step_count=20, **SETTINGS)
    )
