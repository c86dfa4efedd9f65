"""The gateway's pages, decoded and checked before a byte of them is written.

Decoding is the inner loop of an export, so a page is handled by columns: msgspec makes the rows,
`zip` turns them, and every check or sum runs over a whole column in C.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Any

import msgspec

from nexctl.errors import EXIT_NETWORK, NexctlError
from nexctl.usage.columns import COLUMNS, NAMES

# Amounts have at most 12 digits on either side of the point (`money.parse_units`); a sum of all
# records that could ever be written has some more. What would be rounded raises.
EXACT = Context(prec=60, traps=[InvalidOperation, Inexact])
DECIMALS = 12

_TYPES: dict[str, Any] = {
    "text": str | None,
    "time": str | None,
    "whole": int | None,
    "truth": bool | None,
    "json": msgspec.Raw,
    "decimal": str | None,
}
_EMPTY = msgspec.Raw(b"{}")
Line: Any = msgspec.defstruct(
    "Line",
    [
        (column.name, _TYPES[column.kind], _EMPTY if column.kind == "json" else None)
        for column in COLUMNS
    ],
    module=__name__,
)


class Page(msgspec.Struct):
    """One page of records as a gateway answers it; `closed` where it says so."""

    data: list[Line]
    next_cursor: str | None = None
    closed: bool | None = None


PLACE = {name: i for i, name in enumerate(NAMES)}
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?Z\Z", re.ASCII
)
_NUMBER = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,12})?\Z", re.ASCII)
_RATES = ("rate_input", "rate_cached_input", "rate_output", "multiplier")
_MONEY = ("charge", "credits", "balance_delta", "balance_after")
_decode = msgspec.json.Decoder(Page).decode
_tuple = msgspec.structs.astuple


class BadPage(NexctlError):
    """The gateway's answer cannot be right (exit 7); nothing of that page is written."""

    code = "bad_answer"
    exit = EXIT_NETWORK

    def __init__(self, why: str) -> None:
        super().__init__(
            f"the gateway's list of usage is not right: {why}",
            hint="what came before is kept; --resume continues when the gateway is mended",
        )


class Batch:
    """Checked rows of one page, by columns. `sums` = charges by currency, `delta` = all deltas.

    Column values are as they came: text, int, bool or None; `labels` and `rates` are JSON bytes.
    """

    __slots__ = ("columns", "delta", "rows", "sums")

    def __init__(self, rows: list[Any]) -> None:
        self.rows = rows
        self.columns: list[Sequence[Any]] = list(zip(*map(_tuple, rows), strict=True))
        self.sums: dict[str | None, Decimal] = {}
        self.delta: Decimal | None = None
        self._check()

    def column(self, name: str) -> Sequence[Any]:
        """The values of one column."""
        return self.columns[PLACE[name]]

    def _check(self) -> None:
        match = _TIME.match
        for text in self.column("created_at"):
            if text is None or match(text) is None:
                raise BadPage("a record has no time that is one")
        for name in _RATES:
            for value in set(self.column(name)):
                if value is not None and _NUMBER.match(value) is None:
                    raise BadPage(f"{name} is not a plain number in some record")
        for name in _MONEY:
            numbers = self._numbers(name)
            if name == "charge":
                self._add_up(numbers)
            elif name == "balance_delta" and None not in numbers:
                self.delta = _sum(numbers)

    def _numbers(self, name: str) -> list[Decimal | None]:
        """A column of money. Text that is no plain number never reaches a sheet unguarded."""
        values = self.column(name)
        known = values if None not in values else [v for v in values if v is not None]
        if not known:
            return [None] * len(values)
        joined = f",{','.join(known)},"
        # Digits, one sign, one point: Decimal sees to their order, but would take `.5` and `5.`.
        plain = (
            joined.isascii()
            and not joined.encode().translate(None, b"0123456789.,-")
            and ",." not in joined
            and ".," not in joined
            and "-." not in joined
        )
        try:
            if not plain:
                raise InvalidOperation
            found = list(map(Decimal, known))
        except InvalidOperation:
            raise BadPage(f"{name} is not a plain number in some record") from None
        # Up to 13 characters fit however they are made.
        if max(map(len, known)) > 13 and not all(map(_fits, known)):
            raise BadPage(f"{name} has more than {DECIMALS} digits before or after the point")
        if len(known) == len(values):
            return list(found)
        left = iter(found)
        return [None if value is None else next(left) for value in values]

    def _add_up(self, charges: list[Decimal | None]) -> None:
        currencies = self.column("currency")
        only = set(currencies)
        if len(only) == 1 and None not in charges:
            self.sums[only.pop()] = _sum(charges)
            return
        for currency, charge in zip(currencies, charges, strict=True):
            if charge is not None:
                before = self.sums.get(currency, Decimal(0))
                self.sums[currency] = EXACT.add(before, charge)


def number(text: str) -> Decimal:
    """An amount from a gateway's ledger. BadPage where it is none."""
    if _NUMBER.match(text) is None:
        raise BadPage("an amount of its ledger is not a plain number")
    return Decimal(text)


def sum_text(amount: Decimal) -> str:
    """A sum as plain text without needless zeros: 12.450 and 0.050 are "12.5"."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _fits(text: str) -> bool:
    return _NUMBER.match(text) is not None


def _sum(numbers: list[Any]) -> Decimal:
    """An exact sum, in the context that `run` sets."""
    return sum(numbers, Decimal(0))


def decoded(raw: bytes) -> Page:
    """Decode a page. BadPage where it is none."""
    try:
        return _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadPage(str(error)[:200]) from None


class Order:
    """Sees to it that records come once, in ascending sequence, and that the list gets on.

    A record is the same as another only where its sequence is: a repeated request id stays.
    """

    def __init__(self, last: int | None, repeated: int = 0) -> None:
        self.last = last
        self.repeated = repeated
        self._cursors: set[int] = set()

    def fresh(self, page: Page) -> list[Any]:
        """The rows of a page that were not seen yet."""
        rows = page.data
        sequences = [row.sequence for row in rows]
        if rows and None in sequences:
            # A gateway without a ledger's order: its cursors alone say what was seen.
            if self.last is not None or any(s is not None for s in sequences):
                raise BadPage("some records have no sequence")
        elif not all(map(operator.lt, sequences, sequences[1:])):
            raise BadPage("its records do not come in the order of their sequence")
        elif rows:
            if self.last is not None and sequences[0] <= self.last:
                kept = [row for row in rows if row.sequence > self.last]
                self.repeated += len(rows) - len(kept)
                if not kept and page.next_cursor is not None:
                    raise BadPage("it comes back to where it was")
                rows = kept
            self.last = max(sequences[-1], self.last or 0)
        self._get_on(page.next_cursor)
        return rows

    def _get_on(self, cursor: str | None) -> None:
        if cursor is None:
            return
        mark = hash(cursor)
        if mark in self._cursors:
            raise BadPage("it comes back to where it was")
        self._cursors.add(mark)


class Memory(dict[Any, str]):
    """Cells made once for each value. Where there are too many it begins anew: the common ones
    are soon back, and rare ones cannot keep them out.
    """

    def __init__(self, make: Callable[[Any], str], most: int = 32_768) -> None:
        super().__init__()
        self._make = make
        self._most = most

    def __missing__(self, value: Any) -> str:
        made = self._make(value)
        if len(self) >= self._most:
            self.clear()
        self[value] = made
        return made


def json_cell(raw: bytes) -> str:
    """An object of labels or rates as compact JSON text, whatever blanks the gateway put in."""
    try:
        found = msgspec.json.decode(raw)
    except msgspec.DecodeError as error:
        raise BadPage(str(error)[:200]) from None
    return msgspec.json.encode(found).decode()
