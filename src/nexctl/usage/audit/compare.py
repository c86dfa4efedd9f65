"""Two lists of usage side by side, or a list and the total of an invoice.

Joined by request id where both lists have it in every row, else by day, model and key. The lists
go into a temporary database, so that their length does not matter; amounts are added in Python.
"""

from __future__ import annotations

import heapq
import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any

from nexctl.errors import UsageError
from nexctl.usage.audit.terms import amount
from nexctl.usage.readers.blocks import utc
from nexctl.usage.readers.numbers import amounts
from nexctl.usage.reading import Row

MOST_GAPS = 1_000
_BY = ("day", "model", "key")


def with_amount(
    billed: int, currency: str, invoiced: int, *, unknown: bool = False
) -> dict[str, Any]:
    """A list's total against an invoice's, in pico. One with an unknown charge never agrees."""
    return {
        "kind": "amount",
        "by": "total",
        "billed": amount(billed),
        "against": amount(invoiced),
        "difference": amount(billed - invoiced),
        "currency": currency,
        "gaps": [],
        "gaps_left_out": 0,
        "differs": billed != invoiced or unknown,
    }


def lists(here: Iterable[Row], there: Iterable[Row], name: str) -> dict[str, Any]:
    """Two lists joined, the largest gaps first. A gap is (what is joined, here, there)."""
    with tempfile.TemporaryDirectory(prefix="nexctl-compare-") as folder:
        base = sqlite3.connect(os.path.join(folder, "lists.sqlite"))
        try:
            base.execute("PRAGMA journal_mode=OFF")
            base.execute("PRAGMA synchronous=OFF")
            base.execute(
                "CREATE TABLE rows (side INTEGER, request TEXT, day TEXT, model TEXT, key TEXT, "
                "charge TEXT, currency TEXT)"
            )
            rows = [_fill(base, 0, here, "the list audited"), _fill(base, 1, there, name)]
            _check_currency(base)
            by = "request" if _have_requests(base) else ", ".join(_BY)
            return _joined(base, by, rows, name)
        finally:
            base.close()


def _fill(base: sqlite3.Connection, side: int, rows: Iterable[Row], name: str) -> int:
    count = 0

    def cells() -> Iterator[tuple[Any, ...]]:
        nonlocal count
        for row in rows:
            count += 1
            try:
                (charge,) = amounts([row.charge])
            except ValueError:
                text = str(row.charge)[:40]
                raise UsageError(
                    f"record {count} of {name}: charge: {text!r} is not a plain decimal number",
                    hint="correct it, or export the list again",
                    code="malformed",
                ) from None
            yield (
                side,
                row.request_id,
                (utc(row.created_at or "") or "")[:10],
                row.model_served or row.model_requested or "",
                row.key_name or row.key_id or "",
                None if row.charge is None else str(charge),
                row.currency or "",
            )

    base.executemany("INSERT INTO rows VALUES (?,?,?,?,?,?,?)", cells())
    return count


def _check_currency(base: sqlite3.Connection) -> None:
    """Amounts of two currencies are neither compared nor added up."""
    found = base.execute(
        "SELECT min(currency) FROM rows WHERE currency <> '' GROUP BY lower(currency) ORDER BY 1"
    )
    units = [unit for (unit,) in found]
    if len(units) > 1:
        raise UsageError(
            f"--against: the lists are in {' and '.join(units)}, which cannot be compared",
            hint="name lists of one currency",
            code="several_currencies",
        )


def _have_requests(base: sqlite3.Connection) -> bool:
    (without,) = base.execute("SELECT count(*) FROM rows WHERE request IS NULL").fetchone()
    return bool(without == 0)


def _joined(base: sqlite3.Connection, by: str, rows: list[int], name: str) -> dict[str, Any]:
    if by != "request" and not _both_name_keys(base):
        by = "day, model"
    sums = [0, 0]
    gaps: list[tuple[int, int, tuple[str, ...], int | None, int | None]] = []
    count = 0
    for place, (key, known, unknown) in enumerate(_groups(base, by)):
        for side in (0, 1):
            sums[side] += known[side] or 0
        pair = [None if side in unknown else known[side] for side in (0, 1)]
        if pair[0] == pair[1] and None not in pair:
            continue
        count += 1
        size = abs((pair[0] or 0) - (pair[1] or 0))
        entry = (size, -place, key, pair[0], pair[1])
        if len(gaps) < MOST_GAPS:
            heapq.heappush(gaps, entry)
        else:
            heapq.heappushpop(gaps, entry)
    fields = [field.strip() for field in by.split(",")]
    return {
        "kind": "list",
        "with": name,
        "by": by.replace(", ", "+"),
        "rows": rows[0],
        "rows_against": rows[1],
        "billed": amount(sums[0]),
        "against": amount(sums[1]),
        "difference": amount(sums[0] - sums[1]),
        "gaps": [
            {
                **dict(zip(fields, key, strict=True)),
                "billed": amount(one),
                "against": amount(other),
                "difference": None
                if one is None and other is None
                else amount((one or 0) - (other or 0)),
            }
            for _, _, key, one, other in sorted(gaps, reverse=True)
        ],
        "gaps_left_out": count - len(gaps),
        "differs": count > 0,
    }


def _both_name_keys(base: sqlite3.Connection) -> bool:
    (sides,) = base.execute("SELECT count(DISTINCT side) FROM rows WHERE key <> ''").fetchone()
    return bool(sides == 2)


def _groups(
    base: sqlite3.Connection, by: str
) -> Iterator[tuple[tuple[str, ...], list[int | None], frozenset[int]]]:
    """Each key, the sums of both sides (None where a side has it not), sides without a charge."""
    held: tuple[str, ...] | None = None
    pair: list[int | None] = [None, None]
    unknown: frozenset[int] = frozenset()
    # `by` is one of two constants above.
    for *key, side, charge in base.execute(
        f"SELECT {by}, side, charge FROM rows ORDER BY {by}"  # noqa: S608
    ):
        if tuple(key) != held:
            if held is not None:
                yield held, pair, unknown
            held, pair, unknown = tuple(key), [None, None], frozenset()
        if charge is None:
            unknown |= {side}
        pair[side] = (pair[side] or 0) + int(charge or 0)
    if held is not None:
        yield held, pair, unknown
