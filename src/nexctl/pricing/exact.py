"""Exact numbers without decimal or fractions: `12.5` and `500/7` as pairs of integers."""

from __future__ import annotations

from math import gcd

PLACES = 12


def ratio_of(text: str) -> tuple[int, int]:
    """Return the reduced (numerator, denominator) of a decimal text or of `N/D`."""
    top, slash, bottom = text.partition("/")
    if slash:
        return reduced(int(top), int(bottom))
    whole, _, fraction = top.partition(".")
    return reduced(int(whole + fraction), int(10 ** len(fraction)))


def reduced(top: int, bottom: int) -> tuple[int, int]:
    """Return top/bottom in lowest terms."""
    common = gcd(top, bottom) or 1
    return top // common, bottom // common


def times(*texts: str) -> str:
    """Return the product of decimal texts or ratios, as text_of_ratio writes it."""
    top = bottom = 1
    for text in texts:
        numerator, denominator = ratio_of(text)
        top, bottom = top * numerator, bottom * denominator
    return text_of_ratio(top, bottom)


def text_of_ratio(top: int, bottom: int) -> str:
    """Write top/bottom as a plain decimal where it ends within 12 decimals, else as `N/D`."""
    top, bottom = reduced(top, bottom)
    if 10**PLACES % bottom:
        return f"{top}/{bottom}"
    return plain(top * (10**PLACES // bottom), PLACES)


def plain(units: int, scale: int) -> str:
    """Write units * 10**-scale as plain decimal text without needless zeros."""
    sign = "-" if units < 0 else ""
    digits = str(abs(units)).rjust(scale + 1, "0")
    whole, fraction = (digits[:-scale], digits[-scale:].rstrip("0")) if scale else (digits, "")
    return f"{sign}{whole}.{fraction}" if fraction else sign + whole


def rounded(top: int, bottom: int, places: int, mode: str = "half_even") -> int:
    """Return top/bottom (bottom > 0) as an integer of 10**-places, rounded by `mode`.

    half_even, half_up (ties away from zero), up (away from zero), down (towards zero).
    """
    negative = top < 0
    quotient, rest = divmod(abs(top) * int(10**places), bottom)
    twice = rest * 2
    if mode == "half_even":
        more = bool(twice > bottom or (twice == bottom and quotient & 1))
    elif mode == "half_up":
        more = twice >= bottom
    else:
        more = mode == "up" and rest > 0
    quotient += 1 if more else 0
    return -quotient if negative else quotient


def decimal_text(top: int, bottom: int, places: int = PLACES) -> str:
    """Write top/bottom as a plain decimal, rounded half-even to `places`."""
    return plain(rounded(top, bottom, places), places)
