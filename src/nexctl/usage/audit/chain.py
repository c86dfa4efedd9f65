"""The chain of balances: what one entry leaves, the next one takes its charge from.

Only entries whose sequences follow one another are compared, for between others there may be
top-ups, grants and credits that an export of usage does not hold.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import compress, pairwise
from operator import add as add_up
from operator import ne as unlike
from operator import sub as subtract
from typing import Any

from nexctl.usage.audit.terms import Finding, amount
from nexctl.usage.readers.blocks import Batch
from nexctl.usage.readers.numbers import amounts, in_pico, read_amounts

Ends = list[Any]
Add = Callable[[Finding], None]


def links(
    batch: Batch, billed: list[int], unit: int, add: Add, *, gaps: bool
) -> tuple[dict[str | None, list[Ends]], list[Ends]]:
    """Check a block: (customer -> [first, last] end, to be joined with other blocks; gaps).

    `billed` is in a unit of so many pico; all that is given back is in pico. An end is [sequence,
    delta, balance after, row, error carried]; a gap [customer, last sequence before it, first after
    it, row]. Gaps are looked for only where they are asked for.
    """
    if batch.count == 0:
        return {}, []
    after, finest = read_amounts(batch.after) if any(batch.after) else (None, unit)
    delta, finer = _deltas(batch, billed, unit)
    if not unit == finest == finer:
        billed = in_pico(billed, unit)
        after = None if after is None else in_pico(after, finest)
        delta = None if delta is None else in_pico(delta, finer)
        unit = 1
    if delta is not None:
        _overdrawn(batch, billed, delta, unit, add)
    if after is None and not gaps:
        return {}, []
    if after is not None and all(batch.after) and all(batch.sequence):
        quick = _straight(batch, billed, delta, after, unit, gaps)
        if quick is not None:
            return quick
    moves = [-bill for bill in billed] if delta is None else delta
    return _walk(batch, in_pico(moves, unit), None if after is None else in_pico(after, unit), add)


def _straight(
    batch: Batch,
    billed: list[int],
    delta: list[int] | None,
    after: list[int],
    unit: int,
    gaps: bool,
) -> tuple[dict[str | None, list[Ends]], list[Ends]] | None:
    """The ends and gaps, a customer at once; None where some balance does not follow."""
    sequence: Sequence[int] = batch.sequence  # type: ignore[assignment]
    # What an entry left, and what the next one moved, against what that one left.
    follow, moved = (subtract, billed) if delta is None else (add_up, delta)
    ends: dict[str | None, list[Ends]] = {}
    found: list[Ends] = []
    for cell, rows in _by_customer(batch.customer):
        alone = len(rows) == batch.count
        own = sequence if alone else _chosen(sequence, rows)
        left = after if alone else _chosen(after, rows)
        step = moved if alone else _chosen(moved, rows)
        wanted = list(map(follow, left, step[1:]))
        here = left[1:]
        if wanted != here:
            for place in compress(range(1, len(rows)), map(unlike, wanted, here)):
                if own[place] == own[place - 1] + 1:
                    return None
        customer = batch.known(cell)
        if gaps and own[-1] != own[0] + len(rows) - 1:
            found += [
                [customer, low, high, rows[place]]
                for place, (low, high) in enumerate(pairwise(own), 1)
                if high > low + 1
            ]
        ends[customer] = [
            [
                own[at],
                (-step[at] if delta is None else step[at]) * unit,
                left[at] * unit,
                rows[at],
                0,
            ]
            for at in (0, -1)
        ]
    return ends, found


def _by_customer(customers: Sequence[Any]) -> Iterable[tuple[Any, Sequence[int]]]:
    """The rows of each customer, in order."""
    if customers.count(customers[0]) == len(customers):
        return [(customers[0], range(len(customers)))]
    places: defaultdict[Any, list[int]] = defaultdict(list)
    for place, customer in enumerate(customers):
        places[customer].append(place)
    return places.items()


def _chosen(column: Sequence[int], rows: Sequence[int]) -> list[int]:
    return [column[row] for row in rows]


def _walk(
    batch: Batch, moves: list[int], after: list[int] | None, add: Add
) -> tuple[dict[str | None, list[Ends]], list[Ends]]:
    """The same row by row, for any number of customers."""
    ends: dict[Any, list[Ends]] = {}
    gaps: list[Ends] = []
    last_customer: Any = object()
    last: Ends | None = None
    for index, (customer, sequence, moved) in enumerate(
        zip(batch.customer, batch.sequence, moves, strict=True)
    ):
        if sequence is None:
            continue
        left = None if after is None or batch.after[index] is None else after[index]
        if customer != last_customer:
            pair = ends.get(customer)
            last_customer, last = customer, None if pair is None else pair[1]
        if last is None:
            last = [sequence, moved, left, index, 0]
            ends[customer] = [list(last), last]
            continue
        if sequence == last[0] + 1:
            if left is not None and last[2] is not None and last[2] + moved != left:
                _broken(batch, index, last, moved, left, add)
            else:
                last[4] = 0
        elif sequence > last[0] + 1:
            gaps.append([customer, last[0], sequence, index])
        last[0], last[1], last[2], last[3] = sequence, moved, left, index
    return (
        {batch.known(customer): pair for customer, pair in ends.items()},
        [[batch.known(gap[0]), *gap[1:]] for gap in gaps],
    )


def _deltas(batch: Batch, billed: list[int], unit: int) -> tuple[list[int] | None, int]:
    """What each row moved the balance by, and its unit; None where that is just its charge."""
    column = batch.delta
    if not any(column):
        return None, unit
    try:
        # No charge holds a comma, so the texts are equal only where each of them is.
        if ",".join(column) == "-" + ",-".join(batch.charge):  # type: ignore[arg-type]
            return None, unit
    except TypeError:
        pass
    if all(column):
        return read_amounts(column)
    return [
        -bill * unit if text is None else moved
        for text, moved, bill in zip(column, amounts(column), billed, strict=True)
    ], 1


def _broken(batch: Batch, index: int, last: Ends, moved: int, left: int, add: Add) -> None:
    """The balance does not follow. A row that only shows a wrong balance is told once."""
    error = left - last[2] - moved
    if last[4] and error == -last[4]:
        last[4] = 0
        return
    last[4] = error
    row = batch.detail(index)
    add(broken(row, index, last[2] + moved, left, last[0]))


def broken(row: Any, index: int, expected: int, left: int, before: int) -> Finding:
    """The finding for a balance that does not follow from the entry before it."""
    return Finding(
        "balance",
        "error" if left < expected else "warning",
        index,
        row.request_id,
        left,
        expected,
        f"after entry {before} and this one the balance comes to {amount(expected)}; the row says "
        f"{amount(left)}",
        currency=row.currency,
        model=row.model_served,
        created_at=row.created_at,
        customer_id=row.customer_id,
    )


def _overdrawn(batch: Batch, billed: list[int], delta: list[int], unit: int, add: Add) -> None:
    """Rows that took more from the balance than they bill (less is a debt, and no fault)."""
    if delta == [-bill for bill in billed]:
        return
    for index, (bill, moved) in enumerate(zip(billed, delta, strict=True)):
        if -moved > bill and batch.charge[index] is not None:
            row = batch.detail(index)
            add(
                Finding(
                    "balance", "error", index, row.request_id, -moved * unit, bill * unit,
                    f"the balance was moved by {amount(-moved * unit)} for a charge of "
                    f"{amount(bill * unit)}",
                    currency=row.currency, model=row.model_served,
                    created_at=row.created_at, customer_id=row.customer_id,
                )
            )  # fmt: skip
