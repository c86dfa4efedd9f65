"""Answers that nobody bounded, asked for at once: each holds a share of what the others leave."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nexctl.records import Usage
from nexctl.server.inference import holding
from nexctl.server.inference.holding import SHARE, Wish
from nexctl.server.ledger import budgets
from nexctl.server.ledger.types import Ask
from tests.server.ledger.conftest import Opener, opening, place, postgres, wall
from tests.server.ledger.kit import BODY, PRICES, UNIT, Hands, Wall, proved

__all__ = ["opening", "place", "postgres", "wall"]


class Price:
    """One unit an output token, nothing for input."""

    def most(self, usage: Usage) -> int:
        return usage.output


def wish(hands: Hands, number: int, cap: int) -> Any:
    key = f"key of {hands.customer}"
    ask = Ask(hands.customer, f"w{number}", BODY, 0, "nex-pro", PRICES, key=key, dispatched=True)
    return Wish(ask, Price(), 10, 1, cap, asked=False, touch=False)  # type: ignore[arg-type]


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
@pytest.mark.parametrize("budget", [False, True])
def test_the_outputs_are_those_of_one_after_the_other(
    opening: Opener, wall: Wall, budget: bool
) -> None:
    ledger = opening(mode="loop")
    hands, other = Hands(ledger, wall, "ann", 0), Hands(ledger, wall, "ben", 0)
    for one in (hands, other):
        one.topup(1000 * UNIT)
        if budget:
            ledger.write(budgets.put, one.customer, "key", f"key of {one.customer}", 100 * UNIT)
    caps = [10**15, 50 * UNIT, 10**15, 10**15]
    expected = [
        ledger.write(holding._reserve_share, wish(other, number, cap))[1]
        for number, cap in enumerate(caps)
    ]
    share = (100 if budget else 1000) * UNIT // SHARE
    assert expected[0] == share
    assert expected[1] == min(50 * UNIT, ((100 if budget else 1000) * UNIT - share) // SHARE)

    async def at_once() -> list[Any]:
        return await asyncio.gather(
            *(
                ledger.later(holding._reserve_share, wish(hands, number, cap))
                for number, cap in enumerate(caps)
            )
        )

    assert [output for _, output in asyncio.run(at_once())] == expected
    assert hands.figures == other.figures
    assert proved(ledger)
