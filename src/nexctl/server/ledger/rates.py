"""Rates: how many requests may start in a minute and be open at once, over all processes.

Starts are counted by second in one row a scope, so no 60 seconds ever see more than the limit.
Open requests are the holds themselves, so a killed process's slots lapse with its lease.
"""

# ruff: noqa: S608 - only names of this program are put into SQL, values are parameters
from __future__ import annotations

from collections.abc import Sequence

import msgspec

from nexctl.server.ledger import owners
from nexctl.server.ledger.clock import SECOND
from nexctl.server.ledger.errors import Refused
from nexctl.server.ledger.port import Transaction
from nexctl.server.ledger.types import Limit, Rate

_SLOTS = msgspec.json.Decoder(list[tuple[int, int]])


def take(tx: Transaction, limits: Sequence[Limit], customer: str, at: int) -> tuple[Rate, ...]:
    """Count one start against every limit, or raise Refused `rate_limited` with the time to try."""
    return tuple(
        _start(tx, limit.scope, limit.most, at, 60)
        if limit.kind == "rpm"
        else _open(tx, limit, customer, at)
        for limit in sorted(limits)
    )


def _start(tx: Transaction, scope: str, most: int, at: int, window: int) -> Rate:
    second = at // SECOND
    text = _locked(tx, scope)
    # A process whose clock is behind goes on where the others are; a clock that was far ahead and
    # is right now keeps nobody out.
    slots = [slot for slot in _SLOTS.decode(text) if abs(second - slot[0]) < window]
    second = max(second, slots[-1][0]) if slots else second
    used = sum(count for _, count in slots)
    if used >= most:
        freed = 0
        for start, count in slots:
            freed += count
            if used - freed < most:
                raise _refusal(scope, "rpm", most, (start + window) * SECOND, window)
        raise _refusal(scope, "rpm", most, (second + window) * SECOND, window)
    if slots and slots[-1][0] == second:
        slots[-1] = (second, slots[-1][1] + 1)
    else:
        slots.append((second, 1))
    tx.run("UPDATE rates SET slots=? WHERE scope=?", msgspec.json.encode(slots).decode(), scope)
    return Rate(scope, "rpm", most, most - used - 1, (slots[0][0] + window) * SECOND)


def _open(tx: Transaction, limit: Limit, customer: str, at: int) -> Rate:
    if tx.lock:
        _locked(tx, limit.scope)  # two that count at once would both see room
    kind, _, name = limit.scope.partition(":")
    whose = "h.customer_id=?" if kind == "customer" else "(h.key_id=? OR h.parent_id=?)"
    ours = tx.value(
        "SELECT count(*) FROM holds h JOIN owners o ON o.id=h.owner "
        f"WHERE h.customer_id=? AND h.state IN ('reserved', 'dispatched') AND {whose} "
        "AND o.lease_until>=?",
        *(customer, *[name] * whose.count("?"), owners.database_now(tx)),
    )
    if ours > limit.most:  # the new one is among them
        raise _refusal(limit.scope, "concurrency", limit.most, at + SECOND)
    return Rate(limit.scope, "concurrency", limit.most, limit.most - ours, at)


def _locked(tx: Transaction, scope: str) -> str:
    text = tx.value("SELECT slots FROM rates WHERE scope=?" + tx.lock, scope)
    if text is None:
        tx.run(
            "INSERT INTO rates (scope, slots) VALUES (?, '[]') ON CONFLICT (scope) DO NOTHING",
            scope,
        )
        text = tx.value("SELECT slots FROM rates WHERE scope=?" + tx.lock, scope)
    return str(text)


def _refusal(scope: str, kind: str, most: int, retry_at: int, window: int = 60) -> Refused:
    what = "requests at once"
    if kind == "rpm":
        what = "requests a minute" if window == 60 else f"tries in {window // 60} minutes"
    return Refused(
        "rate_limited",
        f"{scope.partition(':')[0]}: more than {most} {what}",
        hint="wait and try again",
        retry_at=retry_at,
        details={"layer": scope.partition(":")[0], "limit": most, "kind": kind},
    )


def attempt(tx: Transaction, scope: str, most: int, seconds: int) -> Rate:
    """Count one try of something that may be tried `most` times in so many seconds."""
    return _start(tx, scope, most, tx.clock.now(), seconds)
