"""The chain of balances: what one entry leaves, the next one takes its charge from.

Only entries whose sequences follow one another are compared, for between others there may be
top-ups, grants and credits that an export of usage does not hold.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from operator import add as add_up
from operator import eq
from operator import sub as subtract
from typing import Any

from nexctl.usage.audit.terms import Finding, amount
from nexctl.usage.readers.blocks import Batch
from nexctl.usage.readers.numbers import amounts

Ends = list[Any]
Add = Callable[[Finding], None]


def links(
    batch: Batch, billed: list[int], add: Add
) -> tuple[dict[str | None, list[Ends]], list[Ends]]:
    """Check a block: (customer -> [first, last] end, to be joined with other blocks; gaps).

    An end is [sequence, delta, balance after, row, error carried]; a gap [customer, last sequence
    before it, first after it, row].
    """
    after = amounts(batch.after) if any(batch.after) else None
    delta = _deltas(batch, billed)
    if batch.count == 0:
        return {}, []
    if delta is not None:
        _overdrawn(batch, billed, delta, add)
    customers = batch.customer
    if (
        after is not None
        and customers.count(customers[0]) == batch.count
        and all(batch.after)
        and all(batch.sequence)
    ):
        quick = _straight(batch, billed, delta, after)
        if quick is not None:
            ends, gaps = quick
            customer = batch.known(customers[0])
            return {customer: ends}, [[customer, *gap] for gap in gaps]
    return _walk(batch, [-bill for bill in billed] if delta is None else delta, after, add)


def _straight(
    batch: Batch, billed: list[int], delta: list[int] | None, after: list[int]
) -> tuple[list[Ends], list[Ends]] | None:
    """The ends and gaps of one customer's block; None where some balance does not follow."""
    sequence = batch.sequence
    # What an entry left, and what the next one moved, against what that one left.
    follow, moved = (subtract, billed) if delta is None else (add_up, delta)
    for index, same in enumerate(map(eq, map(follow, after, moved[1:]), after[1:]), 1):
        if not same and sequence[index] == sequence[index - 1] + 1:  # type: ignore[operator]
            return None
    gaps: list[Ends] = []
    if sequence[-1] != sequence[0] + batch.count - 1:  # type: ignore[operator]
        gaps = [
            [low, high, index]
            for index, (low, high) in enumerate(pairwise(sequence), 1)
            if high > low + 1  # type: ignore[operator]
        ]
    ends = [
        [sequence[at], -billed[at] if delta is None else delta[at], after[at], at, 0]
        for at in (0, batch.count - 1)
    ]
    return ends, gaps


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


def _deltas(batch: Batch, billed: list[int]) -> list[int] | None:
    """What each row moved the balance by; None where that is its charge taken away, throughout."""
    column = batch.delta
    if not any(column):
        return None
    try:
        # No charge holds a comma, so the texts are equal only where each of them is.
        if ",".join(column) == "-" + ",-".join(batch.charge):  # type: ignore[arg-type]
            return None
    except TypeError:
        pass
    found = amounts(column)
    if all(column):
        return found
    return [
        -bill if text is None else moved
        for text, moved, bill in zip(column, found, billed, strict=True)
    ]


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


def _overdrawn(batch: Batch, billed: list[int], delta: list[int], add: Add) -> None:
    """Rows that took more from the balance than they bill (less is a debt, and no fault)."""
    if delta == [-bill for bill in billed]:
        return
    for index, (bill, moved) in enumerate(zip(billed, delta, strict=True)):
        if -moved > bill and batch.charge[index] is not None:
            row = batch.detail(index)
            add(
                Finding(
                    "balance", "error", index, row.request_id, -moved, bill,
                    f"the balance was moved by {amount(-moved)} for a charge of {amount(bill)}",
                    currency=row.currency, model=row.model_served,
                    created_at=row.created_at, customer_id=row.customer_id,
                )
            )  # fmt: skip
