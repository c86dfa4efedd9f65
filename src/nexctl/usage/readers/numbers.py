"""Columns of amounts and counts as integers, a column at once where its texts are alike."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import msgspec

_AMOUNTS = b"0123456789.-"
_ONE = 10**12
_SCALES = tuple(10 ** (12 - places) for places in range(13))
# By the length of a text that begins with "0.", or is "0".
_BELOW_ONE = {1: _ONE, **{2 + places: scale for places, scale in enumerate(_SCALES)}}
_DIGITS = frozenset("0123456789")
_integers = msgspec.json.Decoder(list[int]).decode


def amounts(column: Sequence[str | None]) -> list[int]:
    """Decimal texts as pico; None counts as 0. ValueError where one is no plain decimal."""
    if not all(column):
        column = ["0" if text is None else text for text in column]
    texts: Sequence[str] = column  # type: ignore[assignment]
    if "".join(texts).encode().translate(None, _AMOUNTS):
        raise ValueError("amount")
    if texts:
        try:
            found = _alike(texts)
        except (KeyError, msgspec.DecodeError):
            found = None
        if found is not None:
            return found
    return _apart(texts)


def _alike(texts: Sequence[str]) -> list[int] | None:
    """Amounts that are all below 1, or all have their dot at one place; None where they are not.

    One list of JSON integers is read at once, and each brought to pico by the length of its text.
    """
    joined = f",{','.join(texts)},"
    if ",0," in joined:
        # Twice, for two of them share a comma.
        joined = joined.replace(",0,", ",0.,").replace(",0,", ",0.,")
    if joined.count(".") != len(texts):
        return None
    if joined.count(",0.") == len(texts):
        # 1 instead of "0.": JSON has no zeros before a number, and a one is easily taken away.
        numbers = _integers(f"[{joined.replace(',0.', ',1')[1:-1]}]")
        scales = _BELOW_ONE
        return [n * scales[size] - _ONE for n, size in zip(numbers, map(len, texts), strict=True)]
    place = texts[0].find(".")
    if place < 1 or ",-" in joined:
        return None
    try:
        if set(map(itemgetter(place), texts)) != {"."}:
            return None
    except IndexError:
        return None
    numbers = _integers(f"[{joined[1:-1].replace('.', '')}]")
    scales = {place + 1 + places: scale for places, scale in enumerate(_SCALES)}
    return [n * scales[size] for n, size in zip(numbers, map(len, texts), strict=True)]


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
