"""Any list of usage by a map: `charge=Cost,created_at=Date` names the columns that it has."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Mapping
from typing import Any

from nexctl.errors import UsageError
from nexctl.usage.columns import COLUMNS
from nexctl.usage.readers.foreign import (
    Record,
    delimiter_of,
    inner,
    moment,
    money,
    opened,
    text_lines,
    whole,
)
from nexctl.usage.reading import BOM, Row, says_failed

_KINDS = {column.name: column.kind for column in COLUMNS}


def parse_map(given: tuple[str, ...]) -> dict[str, str]:
    """`charge=Cost,created_at=Date` as column -> name there; `currency=@USD` is a fixed value."""
    found: dict[str, str] = {}
    for part in ",".join(given).split(","):
        name, equals, column = part.partition("=")
        if not equals or name.strip() not in _KINDS or not column:
            raise UsageError(
                f"--map: {part[:60]!r} is not COLUMN=NAME with a column of 'usage export'",
                hint="write it like charge=Cost,created_at=Date,model_served=Model,currency=@USD",
            )
        if found.setdefault(name.strip(), column) != column:
            raise UsageError(
                f"--map: {name.strip()} is mapped twice, to {found[name.strip()]} and {column}",
                hint="leave one of them out",
            )
    return found


def check_map(mapped: Mapping[str, str], first: Record, path: str) -> None:
    """UsageError where the first record lacks a mapped column."""
    missing = [name for name in mapped.values() if not name.startswith("@") and name not in first]
    if missing:
        raise UsageError(
            f"--map: {os.path.basename(path)} has no column {missing[0]!r}",
            hint=f"it has {', '.join(list(first)[:30])}",
        )


def check_header(mapped: Mapping[str, str], path: str, head: bytes) -> None:
    """No mapped column may stand twice: nothing tells which of the two is meant."""
    if head.removeprefix(BOM).lstrip()[:1] in (b"[", b"{"):
        return
    with opened(path) as stream:
        names = next(csv.reader(text_lines(stream, path), delimiter=delimiter_of(head)))
    names = [name.strip() for name in names]
    twice = next((name for name in mapped.values() if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(
            f"--map: {os.path.basename(path)} has two columns {twice!r}",
            hint="give one of them another name in its first line",
        )


class Commas:
    """The numbers of a file whose cells semicolons part: 1,50, and 1.000 for a thousand.

    There a point may be a decimal sign too, as Switzerland writes it, but not beside commas.
    """

    def __init__(self) -> None:
        self._sign: str | None = None

    def plain(self, value: Any, kind: str) -> Any:
        """A cell with a decimal point. ValueError where it may be read in two ways."""
        if not isinstance(value, str) or kind not in ("decimal", "whole"):
            return value
        if kind == "whole":
            if _THOUSANDS.fullmatch(value.strip()):
                raise ValueError(f"{value[:40]!r} may be thousands or decimals")
            return value
        sign = next((sign for sign in ",." if sign in value), None)
        if sign is None:
            return value
        self._sign = self._sign or sign
        if sign != self._sign or ("," in value and "." in value):
            raise ValueError(f"{value[:40]!r} is written otherwise than the amounts before it")
        return value.replace(",", ".")


_THOUSANDS = re.compile(r"[0-9]{1,3}(\.[0-9]{3})+", re.ASCII)


def row_of(record: Record, mapped: Mapping[str, str], commas: Commas | None) -> Row:
    """A record as a row. ValueError naming the column where a value is none of its kind."""
    found: dict[str, Any] = {}
    for name, column in mapped.items():
        value = column[1:] if column.startswith("@") else record.get(column)
        kind = _KINDS[name]
        try:
            if commas is not None:
                value = commas.plain(value, kind)
            found[name] = _READ[kind](value)
        except ValueError as error:
            raise ValueError(f"{column}: {error}") from None
    if found.get("created_at") is None:
        raise ValueError("created_at is not mapped")
    status = found.get("status") or "ok"
    found["status"] = "error" if says_failed(status) else status
    return Row(**found)


def _truth(value: Any) -> bool | None:
    if value is None or value == "":
        return None
    text = str(value).strip().lower()
    if text in ("true", "1", "yes", "hit"):
        return True
    if text in ("false", "0", "no", "miss"):
        return False
    raise ValueError(f"{str(value)[:40]!r} is neither true nor false")


def _text(value: Any) -> str | None:
    return None if value in (None, "") else str(value)


_READ: dict[str, Callable[[Any], Any]] = {
    "text": _text,
    "time": moment,
    "decimal": money,
    "whole": whole,
    "truth": _truth,
    "json": lambda value: inner(value) or None,
}
