"""Columns of amounts and counts as integers, a column at once where its texts are alike."""

from __future__ import annotations

import re
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import msgspec

from nexctl.usage.reading import plain

_AMOUNTS = b"0123456789.-,"
_SCALES = tuple(10 ** (12 - places) for places in range(13))
NANO = 1000
# JSON's parser reads `0.25e9` as the nearest double, which below 2**53 is that whole number itself.
# An amount of so many characters has at most 9 decimals, or at most 12, so that it is whole.
_NANO_LENGTH, _PICO_LENGTH = 11, 14
_EXACT = 2**53
_DIGITS = frozenset("0123456789")
_PLAIN = re.compile(r"-?[0-9]*\.?[0-9]*").fullmatch
_integers = msgspec.json.Decoder(list[int]).decode
_doubles = msgspec.json.Decoder(list[float]).decode  # not money: whole numbers, exact


def amounts(column: Sequence[str | None]) -> list[int]:
    """Decimal texts as pico; None counts as 0. ValueError where one is no amount."""
    return in_pico(*read_amounts(column))


def in_pico(numbers: list[int], unit: int) -> list[int]:
    """Amounts in a unit (in pico) as pico."""
    return numbers if unit == 1 else [number * unit for number in numbers]


def read_amounts(column: Sequence[str | None]) -> tuple[list[int], int]:
    """The same in nano (1000) where all are whole then, else in pico (1); and which of the two."""
    if not column:
        return [], NANO
    if not all(column):
        column = ["0" if text is None else text for text in column]
    texts: Sequence[str] = column  # type: ignore[assignment]
    joined = ",".join(texts)
    if joined.encode().translate(None, _AMOUNTS) or joined.count(",") != len(texts) - 1:
        return _apart(_plain_all(texts)), 1
    longest = max(map(len, texts))
    try:
        if longest <= _NANO_LENGTH or _alike(texts, longest):
            moved = _doubles(f"[{joined.replace(',', 'e9,')}e9]")
            if _below(moved, joined):
                return list(map(int, moved)), NANO
        elif longest <= _PICO_LENGTH:
            moved = _doubles(f"[{joined.replace(',', 'e12,')}e12]")
            if _below(moved, joined):
                return list(map(int, moved)), 1
    except msgspec.DecodeError:
        pass
    return _apart(texts), 1


def _plain_all(texts: Sequence[str]) -> list[str]:
    plainly = [plain(text) for text in texts]
    if not all(map(_PLAIN, plainly)):
        raise ValueError("amount")
    return plainly


def _alike(texts: Sequence[str], longest: int) -> bool:
    """Whether all have their dot at one place, and at most nine decimals."""
    place = texts[0].find(".")
    if place < 0 or longest > place + 10:
        return False
    try:
        return set(map(itemgetter(place), texts)) == {"."}
    except IndexError:
        return False


def _below(moved: Any, joined: str) -> bool:
    """Whether each number is small enough to be exact. Of positive ones their sum may tell it."""
    if "-" not in joined and sum(moved) < _EXACT:
        return True
    return bool(max(moved) < _EXACT and min(moved) > -_EXACT)


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
