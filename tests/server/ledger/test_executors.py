"""Group commit: many operations in one transaction, each undone alone, nobody told too early."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from typing import Any

import pytest

from nexctl.server.ledger import budgets, holds
from nexctl.server.ledger.errors import Refused, Unavailable
from nexctl.server.ledger.main import Ledger
from tests.server.ledger.conftest import Opener
from tests.server.ledger.kit import Hands, proved
from tests.server.ledger.test_faults import Failing, io_error

# "alone": on the loop, and told that nobody else is there, so that nothing is waited for.
MODES = ("thread", "loop", "alone")


@pytest.fixture(params=MODES)
def grouped(request: pytest.FixtureRequest, opening: Opener, hands: Hands) -> Ledger:
    if request.param != "alone":
        return opening(mode=request.param)
    ledger = opening(mode="loop")
    ledger.alone(lambda: True)
    return ledger


async def one(ledger: Ledger, hands: Hands, amount: int, charge: int, **named: Any) -> str:
    try:
        held = await ledger.reserve_later(hands.ask(amount, **named))
    except Refused as said:
        return said.code
    await ledger.dispatch_later(held.hold)
    settled = await ledger.settle_later(held.hold, hands.outcome(charge))
    return str(settled.seq)


def test_fifty_at_once_spend_what_is_there_and_no_more(grouped: Ledger, hands: Hands) -> None:
    async def all_of_them() -> list[str]:
        return await asyncio.gather(*(one(grouped, hands, 3, 3) for _ in range(50)))

    told = asyncio.run(all_of_them())
    assert told.count("insufficient_balance") == 50 - 33
    assert len(set(told)) == 34
    assert hands.figures == (1, 0, 0)
    assert proved(hands.ledger)


def test_a_refusal_undoes_only_its_own_statements(grouped: Ledger, hands: Hands) -> None:
    hands.ledger.put_budget(hands.customer, "key", "poor", 1)

    async def both() -> list[str]:
        return await asyncio.gather(
            one(grouped, hands, 5, 5, key="poor"),
            one(grouped, hands, 5, 5, key="rich"),
            one(grouped, hands, 5, 5, key="poor"),
            one(grouped, hands, 5, 5, key="rich"),
        )

    told = asyncio.run(both())
    assert told[::2] == ["budget_exceeded"] * 2
    assert hands.figures == (90, 0, 0)
    (state,) = hands.ledger.read(budgets.listed, hands.customer)
    assert (state.spent, state.held) == (0, 0)
    assert proved(hands.ledger)


def test_an_unexpected_error_reaches_only_its_caller(grouped: Ledger, hands: Hands) -> None:
    async def both() -> list[Any]:
        return await asyncio.gather(
            grouped.later(lambda tx: 1 // 0),
            one(grouped, hands, 5, 5),
            return_exceptions=True,
        )

    broken, fine = asyncio.run(both())
    assert isinstance(broken, ZeroDivisionError)
    assert fine.isdigit()


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
@pytest.mark.parametrize("at", ["BEGIN IMMEDIATE", "COMMIT"])
def test_a_failed_commit_is_told_to_all_and_nothing_happened(
    grouped: Ledger, hands: Hands, at: str
) -> None:
    executor: Any = grouped.executor
    writer = getattr(executor, "_writer", executor.database)

    class At(Failing):
        def execute(self, sql: str, *rest: Any) -> Any:
            if sql == at and self.failed is None:
                self.failed = sql
                raise io_error()
            return self._raw.execute(sql, *rest)

    async def five() -> list[Any]:
        return await asyncio.gather(
            *(grouped.reserve_later(hands.ask(5)) for _ in range(5)), return_exceptions=True
        )

    raw = writer.raw
    writer.raw = At(raw, 0, False, io_error)
    told = asyncio.run(five())
    writer.raw = raw
    failed = [error for error in told if isinstance(error, Unavailable)]
    assert failed
    assert hands.figures == (100, 5 * (5 - len(failed)), 0)
    assert proved(hands.ledger)


def test_an_owed_settle_is_posted_before_new_work(
    grouped: Ledger, hands: Hands, place: str
) -> None:
    hold = hands.sent(5)
    grouped._owe(hold, hands.outcome(4))
    with pytest.raises(Refused):
        grouped.release(hold, "no")

    async def reserve() -> None:
        await grouped.reserve_later(hands.ask(5))

    asyncio.run(reserve())
    assert grouped.unsettled == 0
    assert hands.figures == (96, 5, 0)


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_who_is_alone_is_answered_in_the_same_turn(
    opening: Opener, hands: Hands, place: str
) -> None:
    ledger = opening(mode="loop")

    async def asked() -> tuple[bool, bool]:
        found = []
        for alone in (False, True):
            ledger.alone(lambda alone=alone: alone)  # type: ignore[misc]
            told = ledger.executor.later(holds.reserve, hands.ask(5))  # type: ignore[attr-defined]
            found.append(told.done())
            await told
        return found[0], found[1]

    assert asyncio.run(asked()) == (False, True)
    assert hands.figures == (100, 10, 0)


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_the_loop_goes_on_while_another_process_has_the_lock(
    opening: Opener, hands: Hands, place: str, alone: bool
) -> None:
    ledger = opening(mode="loop")
    ledger.alone(lambda: alone)
    other = sqlite3.connect(place, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")

    async def busy() -> int:
        waiting = asyncio.ensure_future(ledger.reserve_later(hands.ask(5)))
        turns = 0
        while not waiting.done():
            turns += 1
            if turns == 20:
                other.execute("ROLLBACK")
            await asyncio.sleep(0.001)
        return turns

    assert asyncio.run(busy()) >= 20


def test_threads_may_call_the_blocking_methods(grouped: Ledger, hands: Hands) -> None:
    faults: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(5):
                held = grouped.reserve(hands.ask(1, dispatched=True))
                grouped.settle(held.hold, hands.outcome(1))
        except Exception as error:  # noqa: BLE001 - shown below
            faults.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert hands.figures == (70, 0, 0)
    assert proved(hands.ledger)
