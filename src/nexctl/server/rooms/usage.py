"""Usage records within the plan's retention, and sums over them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nexctl.errors import UsageError
from nexctl.server.calls import Call
from nexctl.server.house import instant, micros
from nexctl.server.ledger import batches, entries, snapshots
from nexctl.server.ledger.clock import DAY
from nexctl.server.refusing import Refuse
from nexctl.server.rooms.files import who_of
from nexctl.server.shapes import sequence_of, usage_record
from nexctl.usage.summary import FIGURES, Seen, Sum, Summary, names_of
from nexctl.wire import usage as wire

if TYPE_CHECKING:
    from nexctl.server.ledger.port import Transaction
    from nexctl.server.ledger.types import UsageRow

PAGE = 1000
SCANNED = 2000


def listed(tx: Transaction, call: Call) -> wire.UsagePage:
    """Records in sequence order. A key sees its own, a management key all of the customer's."""
    query = call.query
    start = _start(tx, call, micros(query.from_))
    if query.batch_id is not None and batches.seen(tx, who_of(call), query.batch_id) is None:
        raise Refuse("not_found", "there is no such batch", param="batch_id")
    after = max(sequence_of(query.cursor), query.after_sequence or 0)
    page = entries.usage(
        tx,
        call.customer.id,
        after=after,
        # What no index finds is looked for in a bounded number of records; the cursor goes on.
        limit=SCANNED if _narrow(query) else query.limit,
        start=start,
        end=micros(query.to),
        model=query.model,
        key=_key(call, query.key_id),
        status=query.status,
        batch=query.batch_id,
    )
    rows, cursor = page.rows, page.after
    if _narrow(query):
        rows = tuple(row for row in rows if _fits(row, query))
        if len(rows) > query.limit:
            rows = rows[: query.limit]
            cursor = rows[-1].seq
    return wire.UsagePage(
        data=list(_records(tx, call, rows)),
        next_cursor=None if cursor is None else str(cursor),
        closed=page.closed,
    )


def shown(tx: Transaction, call: Call) -> wire.UsageRecord:
    """The record of one request."""
    row = entries.usage_of(tx, call.customer.id, call.id)
    if row is None or _key(call, row.key) != row.key:
        raise Refuse("not_found", "there is no such usage record")
    cutoff = _cutoff(call)
    if cutoff is not None and row.created_at < cutoff:
        raise _too_old(call)
    return next(_records(tx, call, (row,)))


def sums(tx: Transaction, call: Call) -> wire.UsageSummary:
    """Sums by the fields that are asked for, dearest first."""
    query, house = call.query, call.house
    try:
        found = Summary(names_of(query.by), house.scale)
    except UsageError as error:
        raise Refuse("invalid_request", error.message, param="by") from None
    start, end = _start(tx, call, micros(query.from_)), micros(query.to)
    for row in _every(tx, call, start, end):
        found.add(_seen(row, house.unit))
    total = found.totals() or [Sum({}, (0,) * len(FIGURES), "0", house.unit)]
    return wire.UsageSummary(
        data=[_sum(group) for group in found.groups()],
        total=_sum(total[0]),
        from_=query.from_,
        to=query.to,
        closed=entries.is_closed(tx, call.customer.id, end),
    )


def _every(tx: Transaction, call: Call, start: int | None, end: int | None) -> Iterator[UsageRow]:
    query = call.query
    after: int | None = 0
    while after is not None:
        page = entries.usage(
            tx,
            call.customer.id,
            after=after,
            limit=PAGE,
            start=start,
            end=end,
            model=query.model,
            key=_key(call, query.key_id),
            status=query.status,
        )
        yield from (row for row in page.rows if _fits(row, query))
        after = page.after


def _narrow(query: wire.UsageQuery) -> bool:
    return query.project is not None or query.label is not None


def _fits(row: UsageRow, query: wire.UsageQuery | wire.SummaryQuery) -> bool:
    if query.project is not None and row.record.get("project") != query.project:
        return False
    if query.label is None:
        return True
    name, _, value = query.label.partition("=")
    return bool(row.record.get("labels", {}).get(name) == value)


def _seen(row: UsageRow, unit: str) -> Seen:
    record, used = row.record, row.record.get("usage", {})
    meters = ("request", "input", "cached_input", "output", "reasoning")
    return Seen(
        str(instant(row.created_at)),
        row.model,
        record.get("key_name") or row.key,
        record.get("project"),
        record.get("provider"),
        row.status,
        record.get("labels", {}),
        tuple(used.get(name, 0) for name in meters),
        row.charge,
        unit,
    )


def _sum(found: Sum) -> wire.UsageSum:
    figures = dict(zip(FIGURES, found.figures, strict=True))
    return wire.UsageSum(group=found.group, charge=found.charge, currency=found.currency, **figures)


def _records(tx: Transaction, call: Call, rows: Any) -> Iterator[wire.UsageRecord]:
    kept: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row.snapshot not in kept:
            kept[row.snapshot] = snapshots.read(tx, row.snapshot) or {}
        yield usage_record(call.house, row, kept[row.snapshot])


def _key(call: Call, asked: str | None) -> str | None:
    """The key whose records are shown: a key's own, whatever it asks for."""
    if call.caller.kind == "management_key":
        return asked
    if asked not in (None, call.caller.id):
        raise Refuse("not_found", "there is no such key")
    return call.caller.id


def _cutoff(call: Call) -> int | None:
    days = call.plan.limit("retention_days") if call.plan is not None else None
    return None if days is None else call.house.now() - days * DAY


def _start(tx: Transaction, call: Call, start: int | None) -> int | None:
    """The window's start. Records older than the retention are refused, not silently missing."""
    cutoff = _cutoff(call)
    if cutoff is None or (start is not None and start >= cutoff):
        return start
    older = entries.usage(tx, call.customer.id, limit=1, start=start, end=cutoff)
    if older.rows:
        raise _too_old(call)
    return start


def _too_old(call: Call) -> Refuse:
    plan = call.plan
    days = plan.limit("retention_days") if plan is not None else None
    return Refuse(
        "plan_limit",
        f"the plan keeps records for {days} days; ask for a window that begins later",
        details={"limit": days, "oldest": instant(_cutoff(call))},
    )
