"""Runway: burn by weekday, what runs out or expires first, and what is not known."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexctl.errors import CheckFailed, UsageError
from nexctl.usage import runway
from nexctl.usage.runway import DAY, Credit, History, Limit
from nexctl.usage.runway_answer import Forecast, Funds, charges_of, credit

# A Monday, 00:00 UTC.
NOW = runway.seconds_of("2026-11-23T00:00:00Z")
TODAY = NOW // DAY
DOLLAR = 10**12


def stamp(day: int, clock: str = "12:00:00") -> str:
    return f"{runway.date_of(day * DAY)}T{clock}Z"


def days(*units: int, until: int = TODAY) -> list[tuple[str, int]]:
    """One charge a day, the last on the day before `until`."""
    return [(stamp(until - len(units) + i), n) for i, n in enumerate(units)]


def paid(units: int) -> tuple[Credit, ...]:
    return (Credit("p", "paid", units, None),)


def forecast(
    burns: tuple[int, ...], credits: tuple[Credit, ...], *, held: int = 0, now: int = NOW
) -> Forecast:
    past = History(now // DAY - len(burns), burns)
    balance = sum(one.units for one in credits)
    return Forecast(Funds("USD", balance, held, credits, ()), past, now)


def test_an_even_burn_lasts_as_long_as_division_says() -> None:
    found = forecast((2 * DOLLAR,) * 28, paid(60 * DOLLAR))
    assert found.data()["days_left"] == {"median": 30, "p90": 30}
    assert found.data()["runs_out"]["median"] == "2026-12-23T00:00:00Z"


def test_within_a_day_it_runs_out_by_the_clock() -> None:
    lasting = runway.lasts(paid(1), NOW + 6 * 3600, (2,) * 7)
    assert (lasting.seconds, lasting.cause) == (12 * 3600, "use")


def test_a_weekend_that_burns_nothing_makes_it_last_over_the_weekend() -> None:
    week = (10, 10, 10, 10, 10, 0, 0)
    found = forecast(tuple(n * DOLLAR for n in week * 4), paid(55 * DOLLAR))
    shares = [row["share"] for row in found.data()["weekdays"]]
    assert shares == ["1.4"] * 5 + ["0"] * 2
    # Five working days take 50; the other 5 last until noon of the next Monday.
    assert found.data()["runs_out"]["median"] == "2026-11-30T12:00:00Z"


def test_one_burst_moves_the_90th_percentile_no_further_than_a_tenth_of_days_may() -> None:
    quiet = forecast((DOLLAR,) * 27 + (50 * DOLLAR,), paid(100 * DOLLAR))
    assert quiet.data()["burn"]["median"] == "1"
    assert quiet.data()["burn"]["p90"] == "1"
    busy = forecast((DOLLAR,) * 24 + (5 * DOLLAR,) * 4, paid(100 * DOLLAR))
    assert busy.data()["burn"]["p90"] == "5"
    assert busy.data()["days_left"]["p90"] < busy.data()["days_left"]["median"]


def test_where_most_days_burn_nothing_the_mean_day_is_taken_and_said() -> None:
    burns = tuple(28 * DOLLAR if day == 3 else 0 for day in range(28))
    found = forecast(burns, paid(10 * DOLLAR))
    assert found.data()["burn"]["rests_on"] == "mean"
    assert found.data()["days_left"]["median"] is not None


def test_credits_that_expire_before_use_do_not_help() -> None:
    soon = Credit("g", "included", 100 * DOLLAR, NOW + 5 * DAY)
    found = forecast((2 * DOLLAR,) * 28, (soon, *paid(20 * DOLLAR)))
    # Ten of the hundred are used in five days, ninety are lost, the paid 20 last ten days more.
    assert found.data()["days_left"]["median"] == 15
    assert found.data()["credits"][0]["expires_unused"]["median"] == "90"
    assert found.data()["cause"]["median"] == "use"


def test_a_wallet_of_expiring_credits_alone_ends_with_them_even_unused() -> None:
    found = forecast((0,) * 28, (Credit("g", "included", DOLLAR, NOW + 5 * DAY),))
    assert found.data()["days_left"] == {"median": 5, "p90": 5}
    assert found.data()["cause"] == {"median": "expiry", "p90": "expiry"}


def test_paid_credits_without_any_burn_last_beyond_the_horizon() -> None:
    found = forecast((0,) * 28, paid(DOLLAR))
    assert found.data()["days_left"] == {"median": None, "p90": None}
    assert found.gate(30, "median")["passed"] is True


def test_what_is_held_is_gone_already() -> None:
    found = forecast((2 * DOLLAR,) * 28, paid(60 * DOLLAR), held=20 * DOLLAR)
    assert found.data()["available"] == "40"
    assert found.data()["days_left"]["median"] == 20


def test_history_is_whole_days_and_begins_after_the_first_day_seen() -> None:
    charges = [*days(1, 2, 3), (stamp(TODAY, "01:00:00"), 99)]
    past = runway.history(charges, NOW + 3600)
    assert past == History(TODAY - 2, (2, 3))
    # Usage before the window makes its first day whole, and a day without usage is a 0.
    older = [(stamp(TODAY - 29), 5), *days(1)]
    assert runway.history(older, NOW).burns == (0,) * 27 + (1,)
    assert runway.history([], NOW).burns == ()


def test_days_are_those_of_utc_and_what_is_no_time_is_refused() -> None:
    evening = runway.history([("2026-11-22T23:30:00-05:00", 1), (stamp(TODAY - 9), 1)], NOW + DAY)
    assert evening.burns[-1] == 1
    for text in ("yesterday", "", "2026-13-01T00:00:00Z", "2026-11-22T99:00:00+01:00"):
        with pytest.raises(UsageError):
            runway.history([(text, 1)], NOW)


def test_below_fourteen_whole_days_nothing_is_forecast() -> None:
    found = forecast((DOLLAR,) * 13, paid(100 * DOLLAR))
    data = found.data()
    assert data["burn"] is None
    assert data["days_left"] == {"median": None, "p90": None}
    assert (data["history"]["enough"], data["history"]["needed"]) == (False, 14)
    with pytest.raises(UsageError, match="13 whole days of usage, 14 are needed") as caught:
        found.check(7, "median")
    assert (caught.value.exit, caught.value.code) == (2, "not_enough_data")
    assert forecast((DOLLAR,) * 14, paid(100 * DOLLAR)).data()["history"]["enough"]


def test_without_history_an_empty_or_expiring_wallet_is_too_short_all_the_same() -> None:
    for given_credits in ((), (Credit("g", "code", DOLLAR, NOW + 2 * DAY),)):
        with pytest.raises(CheckFailed) as caught:
            forecast((), given_credits).check(7, "median")
        assert caught.value.exit == 9


@pytest.mark.parametrize(("wanted", "passes"), [(30, True), (31, False)])
def test_the_gate_is_exact_at_its_day(wanted: int, passes: bool) -> None:
    found = forecast((2 * DOLLAR,) * 28, paid(60 * DOLLAR))
    assert found.gate(wanted, "median")["passed"] is passes
    if not passes:
        with pytest.raises(CheckFailed) as caught:
            found.check(wanted, "median")
        assert caught.value.code == "runway_too_short"


def test_a_monthly_limit_stops_before_the_wallet_and_starts_anew() -> None:
    reset = runway.seconds_of("2026-12-01T00:00:00Z")
    assert runway.stops(Limit("key ci", 4, 100, reset), NOW, (2,) * 7) == 2 * DAY
    # What is left suffices for this month; the next one stops on its 51st day of burn.
    assert runway.stops(Limit("key ci", 20, 40, reset), NOW, (2,) * 7) == (8 + 20) * DAY
    assert runway.stops(Limit("key ci", 20, 100, reset), NOW, (2,) * 7) is None
    assert runway.stops(Limit("key ci", 4, 4, None), NOW, (0,) * 7) is None


def row(**given: Any) -> Any:
    fields = {"created_at": stamp(1), "charge": None, "balance_delta": None, "currency": "USD"}
    return SimpleNamespace(**{**fields, **given})


def test_what_left_the_wallet_counts_before_the_charge_and_the_unknown_is_told() -> None:
    odd: list[str] = []
    rows = [
        row(charge="3", balance_delta="-2.5"),
        row(charge="3"),
        row(charge="3", currency="EUR"),
        row(),
        row(charge="-20"),
    ]
    found = list(charges_of(rows, "USD", odd))
    assert [units for _, units in found] == [25 * DOLLAR // 10, 3 * DOLLAR]
    assert odd == ["EUR", "unknown", "refunds"]


def test_a_gateways_broken_time_is_refused() -> None:
    with pytest.raises(UsageError):
        credit("1", "paid", "1", "whenever")


burns = st.lists(st.integers(0, 10**13), min_size=14, max_size=60)
lots = st.lists(
    st.tuples(st.integers(0, 10**14), st.none() | st.integers(1, 400 * DAY)), max_size=5
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(burns, lots, st.integers(0, DAY - 1))
def test_every_unit_is_burned_or_expires_or_is_left(
    past: list[int], given_lots: list[tuple[int, int | None]], clock: int
) -> None:
    now = NOW + clock
    owned = tuple(
        Credit(str(i), "x", units, None if end is None else now + end)
        for i, (units, end) in enumerate(given_lots)
    )
    found = forecast(tuple(past), owned, now=now)
    for place, level in enumerate(("median", "p90")):
        lasting = found.lasts[level]
        assert lasting is not None
        if lasting.seconds is None:
            continue
        burned, time = Fraction(0), now
        while time < now + lasting.seconds:
            until = min((time // DAY + 1) * DAY, now + lasting.seconds)
            rate = found.rates(place)[(time // DAY + 3) % 7]
            burned += Fraction(rate * (until - time), DAY)
            time = until
        total = sum(one.units for one in owned)
        # To within one second of burn and the rounding of what expired.
        slack = Fraction(max(found.rates(place)), DAY) + len(owned)
        gap = total - burned - sum(lasting.unused.values())
        assert 0 - len(owned) <= gap <= slack


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(burns, st.integers(1, 10**14), st.integers(0, 10**14))
def test_more_credit_never_lasts_shorter(past: list[int], units: int, more: int) -> None:
    def seconds(amount: int) -> int:
        lasting = forecast(tuple(past), paid(amount)).lasts["median"]
        assert lasting is not None
        return 10**12 if lasting.seconds is None else lasting.seconds

    assert seconds(units + more) >= seconds(units)
