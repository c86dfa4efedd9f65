"""Gates compare exact figures; a gate that cannot look does not pass."""

from __future__ import annotations

import pytest

from nexctl.errors import UsageError
from nexctl.estimate import gate
from nexctl.estimate.lanes import Range


def test_expected_is_compared_where_it_is_known() -> None:
    assert gate.figure(Range(1, 5, 9), high_is_asked=True) == (5, gate.EXPECTED)


def test_high_is_compared_only_where_the_request_states_it() -> None:
    assert gate.figure(Range(1, None, 9), high_is_asked=True) == (9, gate.HIGH)
    assert gate.figure(Range(1, None, 9), high_is_asked=False) == (1, gate.INPUT_ONLY)


def test_an_unknown_charge_is_none_and_never_zero() -> None:
    assert gate.figure(Range(None, None, None), high_is_asked=False)[0] is None


def test_a_cost_equal_to_the_limit_passes_and_one_nano_more_does_not() -> None:
    limit = gate.parse_max_cost("0.5")
    assert gate.max_cost(500_000_000, 9, "USD", gate.EXPECTED, limit).passed
    over = gate.max_cost(500_000_001, 9, "USD", gate.EXPECTED, limit)
    assert not over.passed
    assert over.as_json() == {
        "passed": False,
        "compared": "0.500000001",
        "limit": "0.5",
        "rule": "expected",
        "unit": "USD",
    }


@pytest.mark.parametrize(
    "text", ["NaN", "inf", "-1", "1e3", "1_000", "", " ", "+1", "١", "0x10", "1,5", "$1", "1" * 13]
)
def test_a_limit_that_is_no_plain_amount_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        gate.parse_max_cost(text)
    with pytest.raises(UsageError):
        gate.parse_fail_over(text)


@pytest.mark.parametrize("text", ["%", "-5%", "5 %x", "NaN%", "5.55555%", "1e2%"])
def test_a_share_that_is_no_percentage_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        gate.parse_fail_over(text)


@pytest.mark.parametrize(
    ("before", "after", "passed"),
    [(100, 105, True), (100, 106, False), (100, 50, True), (0, 0, True), (0, 1, False)],
)
def test_growth_in_per_cent(before: int, after: int, passed: bool) -> None:
    result = gate.fail_over(before, after, 9, "USD", gate.parse_fail_over("5%"), "expected")
    assert result.passed is passed


def test_from_a_base_of_zero_only_money_can_pass() -> None:
    share = gate.fail_over(0, 10, 9, "USD", gate.parse_fail_over("1000%"), "expected")
    money = gate.fail_over(0, 10, 9, "USD", gate.parse_fail_over("0.00000001"), "expected")
    assert not share.passed
    assert money.passed


def test_growth_text_is_rounded_half_even_to_two_decimals() -> None:
    assert gate.percent_text(3, 4) == "33.33"
    assert gate.percent_text(80_000, 80_000 + 4) == "0"
    assert gate.percent_text(100, 90) == "-10"
    assert gate.percent_text(0, 5) is None
