"""What is remembered between requests is forgotten as soon as anybody may have changed it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nexctl.server.ledger import budgets, customers
from nexctl.server.ledger.errors import Refused
from nexctl.server.ledger.main import Ledger, open_ledger
from nexctl.server.ledger.port import Transaction
from tests.server.ledger.conftest import Opener
from tests.server.ledger.kit import KEY, Hands


def number_of_budgets(ledger: Ledger, customer: str) -> int:
    return len(ledger.read(budgets.applying, customer, "key_1", None, "m"))


def test_a_budget_set_after_a_request_binds_the_next_one(hands: Hands) -> None:
    hands.spend(5, key="key_1")
    hands.ledger.put_budget(hands.customer, "key", "key_1", 3, span="lifetime")
    assert hands.refused(4, key="key_1").code == "budget_exceeded"


def test_a_budget_set_by_another_process_binds_the_next_request(
    hands: Hands, opening: Opener
) -> None:
    hands.spend(5, key="key_1")
    opening().put_budget(hands.customer, "key", "key_1", 3, span="lifetime")
    assert hands.refused(4, key="key_1").code == "budget_exceeded"


def test_what_a_failed_write_had_read_is_forgotten(hands: Hands) -> None:
    ledger, customer = hands.ledger, hands.customer
    assert number_of_budgets(ledger, customer) == 0

    def set_and_fail(tx: Transaction) -> None:
        budgets.put(tx, customer, "key", "key_1", 3, span="lifetime")
        assert len(budgets.applying(tx, customer, "key_1", None, "m")) == 1
        raise Refused("state_conflict", "on purpose")

    with pytest.raises(Refused):
        ledger.write(set_and_fail)
    assert number_of_budgets(ledger, customer) == 0


def test_recall_answers_from_memory_until_something_else_is_written(hands: Hands) -> None:
    asked = 0

    def look(tx: Transaction) -> Any:
        nonlocal asked
        asked += 1
        return customers.get(tx, hands.customer)

    for _ in range(3):
        found = hands.ledger.recall("me", look)
    assert found.name == "ann"
    if hands.ledger.executor.database.dialect == "sqlite":
        hands.spend(1)
        hands.ledger.recall("me", look)
        assert asked == 1, "a request changes nothing that is remembered"
    before = asked
    hands.ledger.write(customers.create, "bob", currency="USD")
    hands.ledger.recall("me", look)
    assert asked == before + 1


def test_in_one_commit_a_request_after_a_new_budget_meets_it(place: str, hands: Hands) -> None:
    """Together in one transaction, in the order in which they came; the refused one alone."""
    if hands.ledger.executor.database.dialect != "sqlite":
        pytest.skip("the loop commits SQLite's")
    ledger = open_ledger(place, mode="loop", anchor_key=KEY)

    async def together() -> list[Any]:
        return await asyncio.gather(
            ledger.reserve_later(hands.ask(10, key="key_1")),
            ledger.later(budgets.put, hands.customer, "key", "key_1", 3, span="lifetime"),
            ledger.reserve_later(hands.ask(10, key="key_1")),
            ledger.reserve_later(hands.ask(10, key="key_2")),
            return_exceptions=True,
        )

    first, put, refused, other = asyncio.run(together())
    assert first.held == 10
    assert put.amount == 3
    assert refused.code == "budget_exceeded"
    assert other.held == 20
    ledger.close()
