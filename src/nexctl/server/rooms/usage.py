"""Usage records within the plan's retention, and sums over them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nexctl.money import text_of
from nexctl.server.calls import Call
from nexctl.server.house import instant, micros
from nexctl.server.ledger import batches, entries, snapshots
from nexctl.server.ledger.clock import DAY
from nexctl.server.refusing import Refuse
from nexctl.server.rooms.files import who_of
from nexctl.server.shapes import sequence_of, usage_record
from nexctl.wire import usage as wire

if TYPE_CHECKING:
    from nexctl.server.ledger.port import Transaction
    from nexctl.server.ledger.types import UsageRow

PAGE = 1000
GROUPS = ("model", "key", "day", "status")


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
        limit=query.limit,
        start=start,
        end=micros(query.to),
        model=query.model,
        key=_key(call, query.key_id),
        status=query.status,
        batch=query.batch_id,
    )
    return wire.UsagePage(
        data=list(_records(tx, call, page.rows)),
        next_cursor=None if page.after is None else str(page.after),
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
    query = call.query
    names = [name.strip() for name in query.by.split(",") if name.strip()]
    if not names or any(n not in GROUPS and not n.startswith("label:") for n in names):
        raise Refuse("invalid_request", "sum by model, key, day, status or label:NAME", param="by")
    start, end = _start(tx, call, micros(query.from_)), micros(query.to)
    found: dict[tuple[str | None, ...], list[int]] = {}
    total = [0] * 6
    for row in _every(tx, call, start, end):
        used = row.record.get("usage", {})
        figures = [
            used.get("request", 0),
            *(used.get(name, 0) for name in ("input", "cached_input", "output", "reasoning")),
            row.charge,
        ]
        group = tuple(_value(row, name) for name in names)
        kept = found.setdefault(group, [0] * 6)
        for place, figure in enumerate(figures):
            kept[place] += figure
            total[place] += figure
    rows = sorted(found.items(), key=lambda item: (-item[1][5], repr(item[0])))
    return wire.UsageSummary(
        data=[_sum(call, dict(zip(names, group, strict=True)), sums) for group, sums in rows],
        total=_sum(call, {}, total),
        from_=query.from_,
        to=query.to,
        closed=entries.is_closed(tx, call.customer.id, end),
    )


def _every(tx: Transaction, call: Call, start: int | None, end: int | None) -> Iterator[UsageRow]:
    after: int | None = 0
    while after is not None:
        page = entries.usage(
            tx,
            call.customer.id,
            after=after,
            limit=PAGE,
            start=start,
            end=end,
            key=_key(call, None),
        )
        yield from page.rows
        after = page.after


def _value(row: UsageRow, name: str) -> str | None:
    if name == "model":
        return row.model
    if name == "key":
        return str(row.record.get("key_name") or row.key)
    if name == "day":
        return str(instant(row.created_at))[:10]
    if name == "status":
        return row.status
    labels: dict[str, str] = row.record.get("labels", {})
    return labels.get(name.removeprefix("label:"))


def _sum(call: Call, group: dict[str, str | None], sums: list[int]) -> wire.UsageSum:
    house = call.house
    return wire.UsageSum(
        group=group,
        requests=sums[0],
        input_tokens=sums[1],
        cached_input_tokens=sums[2],
        output_tokens=sums[3],
        reasoning_tokens=sums[4],
        charge=text_of(sums[5], house.scale),
        currency=house.unit,
    )


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
