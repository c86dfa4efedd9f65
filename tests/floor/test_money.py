"""Amounts are exact from the first character to the last."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexctl.errors import UsageError
from nexctl.money import parse_units, round_half_even, text_of

units = st.integers(min_value=-(10**23), max_value=10**23)


@given(units, st.integers(min_value=0, max_value=12))
def test_text_is_plain_and_reads_back(value: int, scale: int) -> None:
    text = text_of(value, scale)
    assert "E" not in text.upper()
    assert Fraction(text) == Fraction(value, 10**scale)


@given(st.integers(min_value=-(10**12) + 1, max_value=10**12 - 1), st.integers(0, 12))
def test_what_is_written_is_what_is_read(value: int, scale: int) -> None:
    assert parse_units(text_of(value, scale), scale) == value


@given(units, st.integers(min_value=1, max_value=10**15))
def test_rounding_is_half_even_as_fractions_say(numerator: int, denominator: int) -> None:
    assert round_half_even(numerator, denominator) == round(Fraction(numerator, denominator))


@pytest.mark.parametrize(
    ("value", "scale", "places", "text"),
    [
        (125_000_000, 9, 4, "0.1250"),
        (0, 9, 2, "0.00"),
        (20, 0, 0, "20"),
        (-1, 9, 0, "-0.000000001"),
    ],
)
def test_golden_texts(value: int, scale: int, places: int, text: str) -> None:
    assert text_of(value, scale, places=places) == text


@pytest.mark.parametrize(
    "text", ["", "1.", ".5", "1e5", "NaN", "Infinity", "١٢", "1_0", "+1", " 1", "1\n", "0x1"]
)
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_units(text)


def test_more_decimals_than_the_scale_holds_are_refused_not_cut() -> None:
    assert parse_units("0.5000", 1) == 5
    with pytest.raises(UsageError, match="more than 2 decimals"):
        parse_units("0.125", 2)
