"""Amounts: read strictly from outside, kept as exact integers, written as plain decimal text.

An amount inside nexctl is an integer count of `10**-scale` of a currency or credit unit. The
ledger's scale for currencies is nano (9). A float never takes part.
"""

from __future__ import annotations

import re

from nexctl.errors import UsageError

NANO = 9

_AMOUNT = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,12})?", re.ASCII)


def parse_units(text: str, scale: int = 12, *, what: str = "amount") -> int:
    """Return the integer `text * 10**scale` of a decimal amount from outside.

    Accepts `-?\\d{1,12}(\\.\\d{1,12})?` in ASCII digits and nothing else: no exponent, NaN,
    infinity, sign `+`, underscore, blank, thousands separator or other script's digits. Raises
    UsageError, also where the amount has more decimals than `scale` can hold.
    """
    if not isinstance(text, str) or _AMOUNT.fullmatch(text) is None:
        shown = text if isinstance(text, str) and len(text) <= 40 else "that"
        raise UsageError(
            f"{what}: {shown!r} is not a plain decimal number",
            hint="write it like 12 or 0.0375: digits, one dot, at most 12 decimals",
            code="bad_amount",
        )
    whole, _, fraction = text.partition(".")
    if len(fraction.rstrip("0")) > scale:
        raise UsageError(
            f"{what}: {text!r} has more than {scale} decimals",
            hint=f"round it to {scale} decimals",
            code="bad_amount",
        )
    negative = whole.startswith("-")
    units = int(whole.lstrip("-") + fraction[:scale].ljust(scale, "0"))
    return -units if negative else units


def round_half_even(numerator: int, denominator: int) -> int:
    """Return the integer nearest to numerator/denominator (denominator > 0), ties to even."""
    quotient, remainder = divmod(numerator, denominator)
    twice = remainder * 2
    if twice > denominator or (twice == denominator and quotient & 1):
        quotient += 1
    return quotient


def text_of(units: int, scale: int = NANO, *, places: int = 0) -> str:
    """Return `units * 10**-scale` as plain decimal text: exact, no exponent, no needless zeros.

    At least `places` decimals are kept: `text_of(125_000_000)` is "0.125", with places=4 "0.1250".
    """
    sign = "-" if units < 0 else ""
    digits = str(abs(units)).rjust(scale + 1, "0")
    whole, fraction = (digits[:-scale], digits[-scale:]) if scale else (digits, "")
    fraction = fraction.rstrip("0").ljust(places, "0")
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"
