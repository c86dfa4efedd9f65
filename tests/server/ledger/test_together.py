"""What group commit does for many at once leaves the rows that one after the other leave."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexctl.records import Usage
from nexctl.server.ledger import budgets, customers, funds, schema, together
from nexctl.server.ledger.clock import Clock
from nexctl.server.ledger.errors import Refused
from nexctl.server.ledger.main import Ledger, open_ledger
from nexctl.server.ledger.types import Ask, Limit, Outcome
from tests.server.ledger.conftest import Opener
from tests.server.ledger.kit import BODY, KEY, UNIT, Hands, Wall, proved
from tests.server.ledger.tier_kit import PRICER, PRICES, TOKENS, with_tiers

CUSTOMERS = ("cus_a", "cus_b")
numbers = itertools.count()


def opened(folder: Path, wall: Wall, **more: Any) -> Ledger:
    """A ledger of two customers: one with a small pack before a large one, one with a budget."""
    clock = Clock(wall.wall, wall.steady)
    ledger = open_ledger(
        str(folder / f"{next(numbers)}.db"), create=True, anchor_key=KEY, clock=clock, **more
    )
    with_tiers(ledger)
    for name in CUSTOMERS:
        ledger.write(customers.create, name, currency="USD", id=name)
        ledger.write(funds.topup, name, 20_000 * UNIT, provider="sandbox")
    ledger.write(funds.grant, "cus_a", 3 * UNIT)
    ledger.write(
        budgets.put, "cus_b", "key", "key_b", 900 * UNIT, name="b", unit="money", span="month"
    )
    return ledger


def ask(number: int, customer: str, dollars: int, limited: bool) -> Ask:
    limits = (Limit(f"customer:{customer}", "rpm", 30),) if limited else ()
    return Ask(
        *(customer, f"r{number}", BODY, (dollars + 1) * UNIT, "nex-pro", PRICES),
        usage=Usage(input=TOKENS * (dollars + 1)),
        key="key_b" if customer == "cus_b" else "key_a",
        limits=limits,
        dispatched=True,
    )


def outcome(dollars: int) -> Outcome:
    usage = Usage(input=TOKENS * dollars)
    charge = PRICER.charge(usage).units
    assert charge == dollars * UNIT
    return Outcome(charge, usage, PRICES, "ok", "nex-pro", {"provider": "echo"})


Asked = list[tuple[str, int, bool]]


def one_by_one(ledger: Ledger, rows: Asked, first: int) -> list[Any]:
    told: list[Any] = []
    holds = []
    for number, (customer, dollars, limited) in enumerate(rows, first):
        try:
            holds.append((ledger.reserve(ask(number, customer, dollars, limited)), dollars))
            told.append(holds[-1][0])
        except Refused as refused:
            told.append(refused.code)
    return told + [ledger.settle(held.hold, outcome(dollars)) for held, dollars in holds]


async def at_once(ledger: Ledger, rows: Asked, first: int) -> list[Any]:
    found = await asyncio.gather(
        *(
            ledger.reserve_later(ask(number, customer, dollars, limited))
            for number, (customer, dollars, limited) in enumerate(rows, first)
        ),
        return_exceptions=True,
    )
    told = [one.code if isinstance(one, Refused) else one for one in found]
    held = [
        (one, row[1]) for one, row in zip(found, rows, strict=True) if not isinstance(one, Refused)
    ]
    return told + list(
        await asyncio.gather(
            *(ledger.settle_later(one.hold, outcome(dollars)) for one, dollars in held)  # type: ignore[union-attr]
        )
    )


# Names that are drawn by lot, and what follows from them.
RANDOM = {"owner", "id", "budget", "layers", "reference", "hash", "head", "mac", "once", "data"}


def rows_of(ledger: Ledger) -> dict[str, list[Any]]:
    """Everything that is kept, but for who a process is and random names."""

    def read(tx: Any) -> Iterator[tuple[str, list[Any]]]:
        for table in schema.tables():
            columns = [row[1] for row in tx.all(f"PRAGMA table_info({table})")]
            kept = [name for name in columns if name not in RANDOM]
            if kept and table not in ("owners", "schema_info"):
                yield table, sorted(map(repr, tx.all(f"SELECT {', '.join(kept)} FROM {table}")))

    return dict(ledger.read(lambda tx: list(read(tx))))


wanted = st.lists(
    st.tuples(st.sampled_from(CUSTOMERS), st.integers(0, 400), st.booleans()), max_size=12
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(wanted, min_size=1, max_size=4))
def test_the_same_rows_and_answers(tmp_path: Path, turns: list[Asked]) -> None:
    """Packs that end, budgets that refuse, limits, thresholds passed: whatever comes along."""
    wall = Wall()
    alone, grouped = opened(tmp_path, wall), opened(tmp_path, wall, mode="loop")
    try:
        first = 0
        for rows in turns:
            expected = one_by_one(alone, rows, first)
            assert asyncio.run(at_once(grouped, rows, first)) == expected
            first += len(rows)
            wall.wait(1)
        assert rows_of(grouped) == rows_of(alone)
        assert proved(grouped)
    finally:
        alone.close()
        grouped.close()


@pytest.mark.parametrize("mode", ["loop", "thread"])
def test_ordinary_requests_are_done_together_on_both_databases(
    opening: Opener, hands: Hands, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    hands.topup(10**6)
    ledger = opening(mode=mode)
    sizes: list[tuple[str, int]] = []
    for name in ("reserve", "settle"):
        of = getattr(together, name)

        def counted(tx: Any, calls: Any, name: str = name, of: Any = of) -> Any:
            answers = of(tx, calls)
            sizes.append((name, len(answers)))
            return answers

        monkeypatch.setattr(together, name, counted)

    async def all_of_them() -> list[Any]:
        held = await asyncio.gather(*(ledger.reserve_later(hands.ask(9)) for _ in range(20)))
        return await asyncio.gather(
            *(
                ledger.settle_later(one.hold, hands.outcome(number % 5))
                for number, one in enumerate(held)
            )
        )

    settled = asyncio.run(all_of_them())
    assert [one.charge for one in settled] == [0, 1, 2, 3, 4] * 4
    assert max((size for name, size in sizes if name == "settle"), default=0) > 1
    assert max((size for name, size in sizes if name == "reserve"), default=0) > 1
    assert hands.figures == (100 + 10**6 - 40, 0, 0)
    assert proved(hands.ledger)


def test_what_is_not_ordinary_is_done_one_by_one(tmp_path: Path) -> None:
    """A hold settled twice in one turn is debited once; both are told the same figures."""
    ledger = opened(tmp_path, Wall(), mode="loop")

    async def twice() -> list[Any]:
        held = await ledger.reserve_later(ask(1, "cus_a", 5, False))
        other = await ledger.reserve_later(ask(2, "cus_a", 5, False))
        return await asyncio.gather(
            ledger.settle_later(held.hold, outcome(5)),
            ledger.settle_later(held.hold, outcome(5)),
            ledger.settle_later(other.hold, outcome(4)),
        )

    first, again, other = asyncio.run(twice())
    assert (first.seq, first.charge, again.seq, again.replayed) == (
        first.seq,
        5 * UNIT,
        first.seq,
        True,
    )
    assert other.charge == 4 * UNIT
    assert proved(ledger)
    ledger.close()
