"""Usage records within the plan's retention, and sums over them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nexctl.errors import UsageError
from nexctl.safety.sheets import csv_row
from nexctl.server.calls import Call
from nexctl.server.house import instant, micros
from nexctl.server.ledger import entries, snapshots, wallets
from nexctl.server.ledger.clock import DAY
from nexctl.server.refusing import Refuse
from nexctl.server.rooms.plans import need_feature
from nexctl.server.rooms.whose import wallet_of, who_of
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
    if query.batch_id is not None:
        from nexctl.server.ledger import batches

        if batches.seen(tx, who_of(call), query.batch_id) is None:
            raise Refuse("not_found", "there is no such batch", param="batch_id")
    wallet, place, others = _place(tx, call)
    page = entries.usage(
        tx,
        wallet,
        after=max(place, query.after_sequence or 0),
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
    following = None if cursor is None else f"{wallet}:{cursor}"
    if cursor is None and others:
        following = f"{others[0]}:0"
    return wire.UsagePage(
        data=list(_records(tx, call, rows)),
        next_cursor=following,
        closed=page.closed,
    )


def _place(tx: Transaction, call: Call) -> tuple[str, int, list[str]]:
    """The wallet and the place in it where a page begins, and the wallets that follow."""
    query = call.query
    names = _wallets(tx, call)
    if query.after_sequence is not None:
        names = names[:1]
    wallet, _, place = (query.cursor or "").rpartition(":")
    wallet = wallet or names[0]
    if wallet not in names:
        raise Refuse("invalid_request", "there is no such cursor", param="cursor")
    return wallet, sequence_of(place or None), names[names.index(wallet) + 1 :]


def _wallets(tx: Transaction, call: Call) -> list[str]:
    """The wallets whose records are asked for: one, or all of the customer's."""
    if call.query.wallet is not None:
        return [wallet_of(tx, call, call.query.wallet)]
    return wallets.of_customer(tx, call.customer.id)


def shown(tx: Transaction, call: Call) -> wire.UsageDetail:
    """The record of one request, with how its model was chosen."""
    row = entries.usage_of(tx, call.customer.id, call.id)
    if row is None or _key(call, row.key) != row.key:
        raise Refuse("not_found", "there is no such usage record")
    cutoff = _cutoff(call)
    if cutoff is not None and row.created_at < cutoff:
        raise _too_old(call)
    record, kept = next(_records(tx, call, (row,))), row.record
    return wire.UsageDetail(
        **{name: getattr(record, name) for name in record.__struct_fields__},
        picked=kept.get("picked"),
        score=kept.get("score"),
        tries=kept.get("tries", []),
        quantities=kept.get("quantities"),
        own_key=bool(kept.get("own_key")),
        wallet=row.wallet,
    )


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


def summary_file(tx: Transaction, call: Call) -> bytes:
    """The same sums as a CSV file, for plans that have analytics to take away."""
    need_feature(call, "analytics_export", "the analytics summary as a file")
    found = sums(tx, call)
    names = names_of(call.query.by)
    lines = [csv_row((*names, *FIGURES, "charge", "currency"))]
    for one in found.data:
        figures = (getattr(one, name) for name in FIGURES)
        groups = (one.group.get(name) for name in names)
        lines.append(csv_row((*groups, *figures, one.charge, one.currency)))
    return "".join(lines).encode()


def _every(tx: Transaction, call: Call, start: int | None, end: int | None) -> Iterator[UsageRow]:
    query = call.query
    for wallet in _wallets(tx, call):
        after: int | None = 0
        while after is not None:
            page = entries.usage(
                tx,
                wallet,
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
    for wallet in _wallets(tx, call):
        if entries.usage(tx, wallet, limit=1, start=start, end=cutoff).rows:
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
