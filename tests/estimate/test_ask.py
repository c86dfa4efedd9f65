"""Options that carry numbers are read strictly."""

from __future__ import annotations

import pytest

from nexctl.errors import UsageError
from nexctl.estimate.ask import parse_cached, parse_volume


@pytest.mark.parametrize(
    ("text", "input_tokens", "cached"),
    [
        ("1024", 10, 1024),
        ("0", 10, 0),
        ("80%", 1000, 800),
        ("12.5%", 1000, 125),
        ("33.3333%", 3, 0),
        ("100%", 7, 7),
        ("0%", 7, 0),
    ],
)
def test_cached_is_tokens_or_a_share_rounded_down(
    text: str, input_tokens: int, cached: int
) -> None:
    assert parse_cached(text).of(input_tokens) == cached


@pytest.mark.parametrize("text", ["-1", "1.5", "101%", "100.01%", "NaN", "%", "", "1e3", "50 %%"])
def test_other_cached_values_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_cached(text)


def test_a_month_has_thirty_days() -> None:
    assert parse_volume("500/day").per_month == 15_000
    assert parse_volume("20000/month").per_month == 20_000


@pytest.mark.parametrize("text", ["500", "500/week", "-1/day", "1.5/day", "/day", "1e3/day"])
def test_other_volumes_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_volume(text)
