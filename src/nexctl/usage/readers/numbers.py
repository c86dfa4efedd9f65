"""Columns of amounts and counts as integers, a column at once where its texts are alike."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import msgspec

_AMOUNTS = b"0123456789.-,"
_SCALES = tuple(10 ** (12 - places) for places in range(13))
# An amount of at most 14 characters has at most 12 decimals.
_SHORT = 14
# So many characters with the dot are at most nine decimals.
_NANO = 10
_EXACT = 2**53
# Amounts with more digits before the dot would be too large for it in pico.
_WHOLE = 5
_DIGITS = frozenset("0123456789")
_integers = msgspec.json.Decoder(list[int]).decode
_doubles = msgspec.json.Decoder(list[float]).decode


def amounts(column: Sequence[str | None]) -> list[int]:
    """Decimal texts as pico; None counts as 0. ValueError where one is no plain decimal."""
    return read_amounts(column)[0]


def read_amounts(column: Sequence[str | None]) -> tuple[list[int], int]:
    """The same, and how many characters the longest text has."""
    if not column:
        return [], 0
    if not all(column):
        column = ["0" if text is None else text for text in column]
    texts: Sequence[str] = column  # type: ignore[assignment]
    joined = ",".join(texts)
    if joined.encode().translate(None, _AMOUNTS) or joined.count(",") != len(texts) - 1:
        raise ValueError("amount")
    longest = max(map(len, texts))
    try:
        found = _at_once(texts, joined, longest)
    except msgspec.DecodeError:
        found = None
    return _apart(texts) if found is None else found, longest


def _at_once(texts: Sequence[str], joined: str, longest: int) -> list[int] | None:
    """Amounts that are whole numbers below 2**53 once moved to pico, or else to nano.

    The parser of JSON reads `0.25e12` as the nearest double, which is that whole number itself.
    None where they are too large for that, or may have more decimals.
    """
    place = texts[0].find(".")
    if longest <= _SHORT and place < _WHOLE:
        moved = _doubles(f"[{joined.replace(',', 'e12,')}e12]")
        if _below(moved, joined):
            return list(map(int, moved))
    if longest > place + _NANO:
        return None
    try:
        alike = set(map(itemgetter(place), texts)) == {"."}
    except IndexError:
        alike = False
    if alike:
        moved = _doubles(f"[{joined.replace(',', 'e9,')}e9]")
        if _below(moved, joined):
            return [int(nano) * 1000 for nano in moved]
    return None


def _below(moved: list[float], joined: str) -> bool:
    """Whether each number is small enough to be exact. Of positive ones their sum may tell it."""
    if "-" not in joined and sum(moved) < _EXACT:
        return True
    return max(moved) < _EXACT and min(moved) > -_EXACT


def _apart(texts: Sequence[str]) -> list[int]:
    """Any amounts, one by one."""
    try:
        return [
            int(whole + part) * _SCALES[len(part)]
            for whole, _, part in [text.partition(".") for text in texts]
        ]
    except IndexError:
        raise ValueError("amount") from None


def counts(column: Sequence[Any]) -> Sequence[int | None]:
    """Counts from cells; None where a cell is empty. ValueError where one is no whole number."""
    if not column or column[0] is None:
        return column
    first = column[0]
    if first in _DIGITS and column.count(first) == len(column):
        return [int(first)] * len(column)
    joined = "".join(column)
    if not joined:
        return [None] * len(column)
    if not (joined.isascii() and joined.isdigit()):
        raise ValueError("count")
    try:
        return _integers(f"[{','.join(column)}]")
    except msgspec.DecodeError:
        # Empty cells, or zeros before a number.
        return [int(cell) if cell else None for cell in column]
