"""A circuit: when it opens, how long it rests, who probes it, when it closes."""

from __future__ import annotations

from nexctl.server.providers.breaker import CLOSED, HALF_OPEN, LONGEST_REST, OPEN, Breaker


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def opened(clock: Clock) -> Breaker:
    one = Breaker(clock)
    for _ in range(3):
        one.failed()
    return one


def test_three_faults_in_a_row_open_it() -> None:
    one = Breaker(Clock())
    one.failed()
    one.failed()
    assert (one.state, one.offers()) == (CLOSED, True)
    one.failed()
    assert (one.state, one.offers()) == (OPEN, False)


def test_a_success_in_between_starts_the_row_anew() -> None:
    one = Breaker(Clock())
    for _ in range(4):
        one.failed()
        one.failed()
        for _ in range(3):
            one.succeeded()
    assert one.state == CLOSED


def test_half_of_ten_within_a_minute_open_it() -> None:
    clock = Clock()
    one = Breaker(clock)
    for _ in range(5):
        one.succeeded()
        one.failed()
    assert one.state == OPEN


def test_faults_of_an_older_minute_do_not_count() -> None:
    clock = Clock()
    one = Breaker(clock)
    for _ in range(4):
        one.succeeded()
        one.failed()
    clock.now += 61
    one.succeeded()
    one.failed()
    assert one.state == CLOSED
    assert one.counts == (2, 1)


def test_after_its_rest_one_request_probes_it() -> None:
    clock = Clock()
    one = opened(clock)
    clock.now += 4.9
    assert one.state == OPEN
    clock.now += 0.2
    assert (one.state, one.offers()) == (HALF_OPEN, True)
    one.begin()
    assert not one.offers()
    one.succeeded()
    assert (one.state, one.offers(), one.counts) == (CLOSED, True, (1, 0)) or one.counts == (0, 0)


def test_a_probe_that_fails_doubles_the_rest_up_to_a_minute() -> None:
    clock = Clock()
    one = opened(clock)
    rest = 5.0
    for _ in range(6):
        clock.now += rest + 0.1
        one.begin()
        one.failed()
        rest = min(LONGEST_REST, rest * 2)
        assert one.state == OPEN
        clock.now += rest - 0.2
        assert one.state == OPEN
        clock.now += 0.3
        assert one.state == HALF_OPEN
        clock.now -= rest + 0.1
    assert rest == LONGEST_REST


def test_a_probe_that_tells_nothing_leaves_room_for_another() -> None:
    clock = Clock()
    one = opened(clock)
    clock.now += 6
    one.begin()
    one.end()
    assert (one.state, one.offers()) == (HALF_OPEN, True)


def test_its_memory_does_not_grow() -> None:
    clock = Clock()
    one = Breaker(clock)
    for _ in range(1000):
        one.succeeded()
        clock.now += 7
    assert len(one._slices) <= 7
