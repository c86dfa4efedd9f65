"""Time: never below the last entry's, and a jump stops expiry and grants until `resume`."""

from __future__ import annotations

import pytest

from nexctl.server.ledger import funds
from nexctl.server.ledger.clock import Clock, month_of
from nexctl.server.ledger.errors import Refused
from tests.server.ledger.conftest import Opener
from tests.server.ledger.kit import START, Hands, Wall, proved

DAYS = 86_400


def test_the_clock_never_runs_backwards() -> None:
    wall = Wall()
    clock = Clock(wall.wall, wall.steady)
    first = clock.now()
    wall.jump(-3600)
    assert clock.now() == first
    wall.wait(3601)
    assert clock.now() == first + 1_000_000
    assert not clock.jumped


@pytest.mark.parametrize("days", [40, -40])
def test_a_jump_is_the_wall_against_the_monotonic_clock(days: int) -> None:
    wall = Wall()
    clock = Clock(wall.wall, wall.steady)
    wall.jump(days * DAYS)
    wall.wait(5)
    assert clock.now() == (START + 5) * 1_000_000
    assert clock.jumped


def test_idle_time_is_no_jump(opening: Opener, hands: Hands, wall: Wall) -> None:
    hands.ledger.write(funds.grant, hands.customer, 5, expires_at=(START + 10 * DAYS) * 1_000_000)
    hands.ledger.close()
    wall.jump(40 * DAYS)
    later = opening()
    assert later.sweep().expired == 1
    assert later.wallet(hands.customer).balance == 100


def test_entries_never_run_below_the_last_one(opening: Opener, hands: Hands, wall: Wall) -> None:
    last = hands.spend(1).at
    hands.ledger.close()
    wall.jump(-20 * 3600)
    hands.ledger = opening()
    assert hands.spend(1).at == last
    assert proved(hands.ledger)


def test_a_jump_stops_expiry_and_grants_until_resume(hands: Hands, wall: Wall) -> None:
    ledger = hands.ledger
    ledger.write(funds.grant, hands.customer, 5, expires_at=(START + 10 * DAYS) * 1_000_000)
    wall.jump(40 * DAYS)
    assert ledger.sweep().expired == 0
    with pytest.raises(Refused) as said:
        ledger.write(funds.grant, hands.customer, 30, kind="included", period="2026-12")
    assert said.value.code == "clock_stopped"
    hands.spend(1)  # requests go on
    assert ledger.resume()
    assert ledger.sweep().expired == 1
    assert ledger.write(funds.grant, hands.customer, 30, kind="included", period="2026-12")
    assert proved(ledger)


def test_one_processs_jump_stops_all_and_one_resume_frees_all(
    opening: Opener, hands: Hands, wall: Wall
) -> None:
    other = opening()
    other.write(funds.grant, hands.customer, 5, expires_at=(START + 10 * DAYS) * 1_000_000)
    wall.jump(40 * DAYS)
    assert hands.refused(1000).code == "insufficient_balance"  # only looks
    assert hands.ledger.sweep().expired == 0
    fresh = opening()  # started after the jump: sees none itself, but is told
    with pytest.raises(Refused):
        hands.ledger.write(funds.grant, hands.customer, 1, kind="included", period="x")
    assert fresh.sweep().expired == 0
    assert fresh.resume()
    assert other.sweep().expired == 1
    assert not other.clock.jumped


def test_months_are_utc() -> None:
    first, following = month_of(START * 1_000_000)
    assert (first, following) == (1_793_491_200_000_000, 1_796_083_200_000_000)
    assert month_of(following - 1) == (first, following)
    assert month_of(following)[0] == following
    assert month_of(1_709_164_800_000_000) == (1_706_745_600_000_000, 1_709_251_200_000_000)
