"""Any program of operations, crashes and clock jumps, against a model of a few integers."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from nexctl.records import Usage
from nexctl.server.ledger import customers, funds, holds
from nexctl.server.ledger.clock import Clock
from nexctl.server.ledger.errors import Refused
from nexctl.server.ledger.main import open_ledger
from nexctl.server.ledger.types import Ask, Outcome
from nexctl.server.ledger.verify import verify
from tests.server.ledger.conftest import Server
from tests.server.ledger.kit import BODY, KEY, PRICES, Wall

AMOUNTS = st.integers(0, 60)
BUDGET = 150
HOUR, DAY = 3600, 86_400


class LedgerMachine(RuleBasedStateMachine):
    """The model: what was credited, and what each hold and debit took."""

    server: Server | None = None
    open_holds = Bundle("open_holds")
    packs = Bundle("packs")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp()
        self.wall = Wall()
        place = self.server.fresh() if self.server else f"{self.folder}/gateway.db"
        self.place = place
        self.ledger = self.opened(create=True)
        self.names = itertools.count()
        # the model
        self.balance = self.debt = self.spent = 0
        self.held: dict[int, int] = {}
        self.unknown: set[int] = set()
        self.expiring: list[tuple[int, int]] = []
        self.frozen = self.stopped = False

    def opened(self, **named: Any) -> Any:
        clock = Clock(self.wall.wall, self.wall.steady)
        return open_ledger(self.place, clock=clock, anchor_key=KEY, **named)

    @initialize()
    def customer(self) -> None:
        self.who = self.ledger.write(customers.create, "ann", currency="USD").id
        self.ledger.put_budget(self.who, "key", "key_1", BUDGET, span="lifetime")

    @property
    def free(self) -> int:
        return self.balance - sum(self.held.values())

    def _repay(self, amount: int) -> None:
        paid = min(self.debt, amount)
        self.debt -= paid
        self.balance -= paid

    @rule(target=packs, amount=st.integers(1, 80), bonus=st.integers(0, 9))
    def topup(self, amount: int, bonus: int) -> Any:
        paid, extra = self.ledger.write(
            funds.topup, self.who, amount, bonus=bonus, provider="p", reference="o"
        )
        for part in (amount, bonus):
            self.balance += part
            self._repay(part)
        return paid.seq, None if extra is None else extra.seq, amount

    @rule(amount=st.integers(1, 20), hours=st.integers(1, 200))
    def grant(self, amount: int, hours: int) -> None:
        if self.debt:
            return  # debt is paid from it, and what expires then is the lots' own arithmetic
        end = self.ledger.clock.now() + hours * HOUR * 1_000_000
        self.ledger.write(funds.grant, self.who, amount, expires_at=end)
        self.balance += amount

    @rule(target=open_holds, amount=AMOUNTS, sent=st.booleans(), keyed=st.booleans())
    def reserve(self, amount: int, sent: bool, keyed: bool) -> Any:
        ask = Ask(
            self.who,
            f"r{next(self.names)}",
            BODY,
            amount,
            "m",
            PRICES,
            key="key_1" if keyed else "key_2",
            dispatched=sent,
            floor=amount // 3,
        )
        self.look()
        try:
            made = self.ledger.reserve(ask)
        except Refused as said:
            code = said.code
            self.look()
            reasons = {
                "insufficient_balance": amount > self.free - self.ended(),
                "wallet_frozen": bool(self.frozen or self.debt),
                "budget_exceeded": keyed,
            }
            assert reasons[code]
            return multiple()
        assert not self.frozen
        assert not self.debt
        self.look()
        self.held[made.hold] = amount
        assert self.free >= 0
        return made.hold

    @rule(hold=open_holds)
    def dispatch(self, hold: int) -> None:
        found = self.state_of(hold)
        if found in ("reserved", "dispatched"):
            self.ledger.dispatch(hold)
        else:
            with pytest.raises(Refused, match="do not send"):
                self.ledger.dispatch(hold)

    @rule(hold=open_holds, charge=AMOUNTS)
    def settle(self, hold: int, charge: int) -> None:
        before = self.state_of(hold)
        outcome = Outcome(charge, Usage(1), PRICES, "ok", "m", {})
        self.look()
        settled = self.ledger.settle(hold, outcome)
        if before == "settled":
            assert settled.replayed
            return
        held = self.held.pop(hold, 0)
        self.unknown.discard(hold)
        paid = min(
            charge, self.free if before == "released" else self.balance - sum(self.held.values())
        )
        assert (settled.paid, settled.debt) == (paid, charge - paid)
        assert held >= 0
        self.balance -= paid
        self.debt += charge - paid
        self.spent += charge
        self.look()

    @rule(hold=consumes(open_holds))
    def release(self, hold: int) -> None:
        before = self.state_of(hold)
        if before in ("settled", "unknown"):
            with pytest.raises(Refused):
                self.ledger.release(hold, "failed")
        else:
            assert self.ledger.release(hold, "failed") == (before != "released")
            self.held.pop(hold, None)

    @rule(hold=open_holds)
    def lose_the_answer(self, hold: int) -> None:
        if self.ledger.unknown(hold, "the line broke"):
            self.unknown.add(hold)

    @rule(pack=packs, part=st.integers(1, 100))
    def refund(self, pack: Any, part: int) -> None:
        paid, bonus, _ = pack
        most = self.ledger.write(funds.refundable, self.who, paid, bonus)
        amount = most * part // 100
        if not amount:
            return
        before = self.ledger.wallet(self.who).balance
        self.ledger.write(
            funds.refund,
            self.who,
            amount,
            provider="p",
            paid_lot=paid,
            bonus_lot=bonus,
            reference="o",
        )
        after = self.ledger.wallet(self.who).balance
        assert before - after >= amount
        self.balance -= before - after

    @rule(pack=consumes(packs))
    def dispute(self, pack: Any) -> None:
        paid, bonus, amount = pack
        before = self.ledger.wallet(self.who)
        self.ledger.write(
            funds.dispute,
            self.who,
            amount,
            provider="p",
            paid_lot=paid,
            bonus_lot=bonus,
            reference="o",
        )
        after = self.ledger.wallet(self.who)
        taken = before.balance - after.balance
        owed = after.debt - before.debt
        assert taken + owed >= amount
        self.balance -= taken
        self.debt += owed
        self.frozen = True

    @rule()
    def thaw(self) -> None:
        from nexctl.server.ledger import wallets

        self.ledger.write(wallets.freeze, self.who, frozen=False)
        self.frozen = False

    @rule(hours=st.integers(1, 40))
    def time_passes(self, hours: int) -> None:
        self.wall.wait(hours * HOUR)
        self.sweep()

    def sweep(self) -> None:
        """What falls due, with what the model can say of it."""
        before = {
            hold.id: (hold.amount, hold.floor)
            for hold in self.ledger.read(holds.listed, self.who, ("unknown",))
        }
        self.look()
        self.ledger.sweep()
        still = {hold.id for hold in self.ledger.read(holds.listed, self.who, ("unknown",))}
        for hold, (_, floor) in before.items():
            if hold not in still:
                self.held.pop(hold)
                self.unknown.discard(hold)
                self.balance -= floor
                self.spent += floor
        self.look()

    def look(self) -> None:
        """Expiry is the ledger's own: take its word for how much, verify proves it."""
        wrote_off = sum(
            -entry.amount
            for entry in self.ledger.entries(self.who, kind="expiry", limit=10_000).rows
        )
        known = getattr(self, "_written_off", 0)
        self.balance -= wrote_off - known
        self._written_off = wrote_off

    @rule(back=st.integers(1, 20))
    def clock_goes_back_a_little(self, back: int) -> None:
        self.wall.jump(-back * 60)

    @rule(days=st.sampled_from([-40, 2, 40]))
    def clock_jumps(self, days: int) -> None:
        expired = self._expired()
        self.wall.jump(days * DAY)
        self.ledger.sweep()
        if self.ledger.clock.jumped:
            assert self._expired() == expired, "a jump must not expire anything"
        self.wall.jump(-days * DAY)
        self.ledger.resume()
        self.sweep()

    def _expired(self) -> int:
        return len(self.ledger.entries(self.who, kind="expiry", limit=10_000).rows)

    @rule()
    def crash(self) -> None:
        """The process dies without a word; the next one recovers."""
        reserved = {hold.id for hold in self.ledger.read(holds.listed, self.who, ("reserved",))}
        sent = {hold.id for hold in self.ledger.read(holds.listed, self.who, ("dispatched",))}
        owner = self.ledger.shared.owner
        self.ledger.write(lambda tx: tx.run("UPDATE owners SET lease_until=0 WHERE id=?", owner))
        self.ledger.close()
        self.ledger = self.opened()
        for hold in reserved:
            self.held.pop(hold)
        self.unknown |= sent
        left = {hold.id for hold in self.ledger.read(holds.listed, self.who, ("unknown",))}
        assert left == self.unknown

    def ended(self) -> int:
        """What a refused request has not written off: its undoing takes that back too."""
        left: int = self.ledger.read(
            lambda tx: tx.value(
                "SELECT coalesce(sum(remaining), 0) FROM lots "
                "WHERE wallet=? AND live=1 AND expires_at<=?",
                *(self.who, tx.clock.now()),
            )
        )
        return left

    def state_of(self, hold: int) -> str:
        state: str = self.ledger.read(
            lambda tx: tx.value("SELECT state FROM holds WHERE id=?", hold)
        )
        return state

    @invariant()
    def the_wallet_is_the_models(self) -> None:
        if not hasattr(self, "who"):
            return
        self.look()
        found = self.ledger.wallet(self.who)
        assert (found.balance, found.held, found.debt) == (
            self.balance,
            sum(self.held.values()),
            self.debt,
        )
        assert 0 <= found.held <= found.balance
        charged = sum(row.charge for row in self.ledger.usage(self.who, limit=10_000).rows)
        assert charged == self.spent

    def teardown(self) -> None:
        if hasattr(self, "who"):
            proof = verify(self.ledger)
            assert proof.violations == ()
        self.ledger.close()
        shutil.rmtree(self.folder, ignore_errors=True)


SETTINGS = {
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
}


def test_any_program_on_sqlite_keeps_every_invariant() -> None:
    run_state_machine_as_test(
        LedgerMachine, settings=settings(max_examples=40, stateful_step_count=30, **SETTINGS)
    )


def test_any_program_on_postgresql_keeps_every_invariant(postgres: Server) -> None:
    machine = type("OnPostgres", (LedgerMachine,), {"server": postgres})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=8, stateful_step_count=25, **SETTINGS)
    )


@pytest.mark.slow
def test_many_programs_on_sqlite() -> None:
    run_state_machine_as_test(
        LedgerMachine, settings=settings(max_examples=600, stateful_step_count=50, **SETTINGS)
    )


@pytest.mark.slow
def test_many_programs_on_postgresql(postgres: Server) -> None:
    machine = type("OnPostgres", (LedgerMachine,), {"server": postgres})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=60, stateful_step_count=40, **SETTINGS)
    )
