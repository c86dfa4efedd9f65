"""Rates: starts in a minute and requests at once, shared over processes."""

from __future__ import annotations

import pytest

from nexctl.server.ledger.clock import Clock
from nexctl.server.ledger.errors import Refused
from nexctl.server.ledger.types import Limit
from tests.server.ledger.conftest import Opener
from tests.server.ledger.kit import Hands


def test_no_minute_ever_sees_more_starts_than_the_limit(hands: Hands) -> None:
    rpm = (Limit("key:k1", "rpm", 3),)
    for _ in range(3):
        hands.reserve(1, limits=rpm)
        hands.wall.wait(10)
    said = hands.refused(1, limits=rpm)
    assert said.code == "rate_limited"
    assert said.retry_at is not None
    wait = said.retry_at // 1_000_000 - hands.wall.wall() // 10**9
    assert wait == 30
    hands.wall.wait(wait - 1)
    hands.refused(1, limits=rpm)
    hands.wall.wait(1)
    hands.reserve(1, limits=rpm)
    hands.refused(1, limits=rpm)


def test_a_refused_request_is_not_counted(hands: Hands) -> None:
    rpm = (Limit("key:k1", "rpm", 1),)
    assert hands.refused(1000, limits=rpm).code == "insufficient_balance"
    hands.reserve(1, limits=rpm)


def test_a_failed_request_was_started_all_the_same(hands: Hands) -> None:
    rpm = (Limit("key:k1", "rpm", 1),)
    hands.ledger.release(hands.sent(1, limits=rpm), "failed")
    hands.refused(1, limits=rpm)


def test_scopes_are_counted_apart_and_all_must_have_room(hands: Hands) -> None:
    both = (Limit("key:k1", "rpm", 5), Limit("customer:c", "rpm", 2))
    rates = [hands.reserve(1, limits=both).rates for _ in range(2)]
    assert [[rate.remaining for rate in found] for found in rates] == [[1, 4], [0, 3]]
    assert hands.refused(1, limits=both).details["layer"] == "customer"
    hands.reserve(1, limits=both[:1])


def test_processes_share_the_count(hands: Hands, opening: Opener) -> None:
    other = opening()
    rpm = (Limit("key:k1", "rpm", 2),)
    hands.reserve(1, limits=rpm)
    other.reserve(hands.ask(1, limits=rpm))
    hands.refused(1, limits=rpm)


def test_a_process_whose_clock_is_behind_counts_with_the_others(
    hands: Hands, opening: Opener
) -> None:
    wall, rpm = hands.wall, (Limit("key:k1", "rpm", 3),)
    behind = opening(clock=Clock(lambda: wall.wall() - 5 * 10**9, wall.steady))
    hands.reserve(1, limits=rpm)
    behind.reserve(hands.ask(1, limits=rpm))
    hands.reserve(1, limits=rpm)
    assert hands.refused(1, limits=rpm).code == "rate_limited"
    with pytest.raises(Refused, match="more than 3 requests a minute"):
        behind.reserve(hands.ask(1, limits=rpm))
    # A clock that was set wrong for a while leaves nobody waiting for its time.
    ahead = opening(clock=Clock(lambda: wall.wall() + 3600 * 10**9, wall.steady))
    ahead.reserve(hands.ask(1, limits=rpm))
    hands.wall.wait(60)
    hands.reserve(1, limits=rpm)


@pytest.mark.parametrize("end", ["settle", "release", "unknown"])
def test_a_slot_is_free_again_when_its_request_ends(hands: Hands, end: str) -> None:
    most = (Limit("key:k1", "concurrency", 1),)
    hold = hands.sent(5, key="k1", limits=most)
    assert hands.refused(5, key="k1", limits=most).code == "rate_limited"
    hands.reserve(5, key="k2", limits=(Limit("key:k2", "concurrency", 1),))
    if end == "settle":
        hands.settle(hold, 1)
    elif end == "release":
        hands.ledger.release(hold, "failed")
    else:
        hands.ledger.unknown(hold, "the line broke")
    hands.reserve(5, key="k1", limits=most)
