"""A batch's lines: each is leased, held, and debited at most once.

A line that begins takes its part of the batch's hold into a hold of its own under a request id made
from batch and custom_id, which is unique for ever: so a line debits at most once. Its result is
kept in the very transaction that debits it. A line is leased to an owner (a process with a
heartbeat); when that owner is gone, whoever takes the line over goes on with the same hold.
"""

# ruff: noqa: S608 - only names of this program are put into SQL, values are parameters
from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from nexctl.records import Usage
from nexctl.server.ledger import budgets, holds, owners, rates
from nexctl.server.ledger.batches import Batch, get, open_lines
from nexctl.server.ledger.errors import Refused
from nexctl.server.ledger.port import Transaction
from nexctl.server.ledger.types import Limit, Outcome, Settled

_PLAIN_ID = re.compile(r"(?!h_)[A-Za-z0-9._:-]{1,80}", re.ASCII)
_PER_INSERT = 50


class NewLine(NamedTuple):
    """One line as it is admitted. `start` and `size` say where it stands in the input file.

    `input` is the counted input, `most` the most that the true count may be, `output` the maximum
    of one of its `answers`, `amount` its part of the quote. `refused` is the sealed result of a
    line that is not served at all.
    """

    n: int
    custom_id: str
    start: int
    size: int
    input: int = 0
    most: int = 0
    output: int = 0
    answers: int = 1
    amount: int = 0
    refused: bytes | None = None
    refused_size: int = 0


class Line(NamedTuple):
    """One line at work: what to send, and the hold that it settles."""

    batch: str
    n: int
    custom_id: str
    request_id: str
    start: int
    size: int
    input: int
    most: int
    output: int
    answers: int
    amount: int
    hold: int
    lease: str
    at: int


class Started(NamedTuple):
    """Lines that were begun; when to try for more, None at once; whether lines are left at all."""

    lines: tuple[Line, ...]
    retry_at: int | None
    left: bool


def request_id(batch: str, custom_id: str) -> str:
    """The one request id of a line: readable where the custom_id may stand in one."""
    if _PLAIN_ID.fullmatch(custom_id):
        return f"{batch}:{custom_id}"
    return f"{batch}:h_{hashlib.sha256(custom_id.encode()).hexdigest()[:40]}"


def add_lines(tx: Transaction, batch: str, lines: Sequence[NewLine]) -> None:
    """Keep some of a new batch's lines."""
    now = tx.clock.now()
    columns = (
        "batch_id, n, custom_id, request_id, state, start, size, input, most, output, answers, "
        "amount, ended_at, result_size, result"
    )
    for first in range(0, len(lines), _PER_INSERT):
        part = lines[first : first + _PER_INSERT]
        values: list[Any] = []
        for line in part:
            refused = line.refused is not None
            values += [
                *(batch, line.n, line.custom_id, request_id(batch, line.custom_id)),
                *("error" if refused else "waiting", line.start, line.size, line.input, line.most),
                *(line.output, line.answers, line.amount, now if refused else None),
                *(line.refused_size, line.refused),
            ]
        marks = ",".join(["(" + ",".join("?" * 15) + ")"] * len(part))
        tx.run(f"INSERT INTO batch_lines ({columns}) VALUES {marks}", *values)


_TAKEN = (
    "SELECT n, custom_id, request_id, start, size, input, most, output, answers, amount, hold "
    "FROM batch_lines WHERE batch_id=? AND state IN ('waiting', 'running') "
)
_WAITING = _TAKEN + "AND state='waiting' ORDER BY n LIMIT ?"
_ORPHANED = (
    _TAKEN + "AND state='running' AND lease NOT IN (SELECT id FROM owners) ORDER BY n LIMIT ?"
)


def start(
    tx: Transaction,
    batch: Batch,
    most: int,
    limits: tuple[Limit, ...],
    refuse: Callable[[Transaction, tuple[int, str, str], Refused], None],
) -> Started:
    """Lease up to `most` lines to this process, each with its hold, as the rates allow.

    `refuse(tx, (n, custom_id, request_id), why)` ends a line whose request id was billed already.
    The batch's row is locked, so that two processes take different lines.
    """
    found = get(tx, batch.id, tx.lock)
    if found is None or found.state != "in_progress" or found.hold is None:
        return Started((), None, False)
    owner = owners.ensure(tx)
    begun: list[Line] = []
    rows = tx.all(_ORPHANED, batch.id, most)
    rows += tx.all(_WAITING, batch.id, most - len(rows)) if len(rows) < most else []
    for row in rows:
        tx.run("SAVEPOINT line")
        try:
            line = _begin_line(tx, found, row, owner)
            if limits:
                rates.take(tx, limits, found.customer, tx.clock.now())
        except Refused as refused:
            tx.run("ROLLBACK TO SAVEPOINT line")
            tx.run("RELEASE SAVEPOINT line")
            if refused.code == "rate_limited":
                return Started(tuple(begun), refused.retry_at, True)
            refuse(tx, row[:3], refused)
            continue
        tx.run("RELEASE SAVEPOINT line")
        begun.append(line)
    return Started(tuple(begun), None, bool(rows) or open_lines(tx, batch.id) > 0)


def _begin_line(tx: Transaction, batch: Batch, row: tuple[Any, ...], owner: str) -> Line:
    n, custom_id, request, begin_at, size, into, most, output, answers, amount, hold = row
    created = tx.one(
        "SELECT wallet, amount, layers, facts, created_at, deadline, body_hash FROM holds "
        "WHERE id=?" + tx.lock,
        batch.hold,
    )
    if created is None:
        raise AssertionError("a batch at work has its hold")
    wallet, rest, layers, facts, at, deadline, body_hash = created
    if hold is not None:
        # Its owner is gone: the request is sent again, and the hold it had is settled.
        tx.run(
            "UPDATE holds SET state='dispatched', owner=? "
            "WHERE id=? AND state IN ('dispatched', 'unknown')",
            *(owner, hold),
        )
    else:
        worst = Usage(input=most, output=output * answers)
        _, most_of_all, seat = msgspec.json.decode(facts)
        waiting = Usage(*(whole - part for whole, part in zip(most_of_all, worst, strict=True)))
        mine, left = [], []
        for part in budgets.parts_of(layers):
            budget = budgets.by_id(tx, part.budget)
            need = 0 if budget is None else budgets.worst(budget, amount, worst)
            mine.append(part._replace(amount=need))
            left.append(part._replace(amount=part.amount - need))
        found = tx.one(
            holds.insert_of(1),
            *(batch.customer, None, None, wallet, request, body_hash),
            *(batch.key, batch.parent, batch.model),
            *("dispatched", amount, budgets.dumped(mine), owner, at, batch.snapshot, 0),
            *(holds.facts_text(Usage(), worst, seat), "operator", deadline),
        )
        if found is None:
            raise holds.repeated(tx, batch.customer, request, None)
        hold = found[0]
        tx.run(
            "UPDATE holds SET amount=?, layers=?, facts=? WHERE id=?",
            *(rest - amount, budgets.dumped(left)),
            *(holds.facts_text(Usage(), waiting, seat), batch.hold),
        )
    tx.run(
        "UPDATE batch_lines SET state='running', lease=?, hold=? WHERE batch_id=? AND n=?",
        *(owner, hold, batch.id, n),
    )
    return Line(
        *(batch.id, n, custom_id, request, begin_at, size, into, most, output, answers, amount),
        *(hold, owner, at),
    )


_END = (
    "UPDATE batch_lines SET state=?, lease=NULL, seq=?, charge=?, ended_at=?, result_size=?, "
    "result=? WHERE batch_id=? AND n=?"
)
_MINE = (
    "SELECT 1 FROM batch_lines WHERE batch_id=? AND n=? AND state='running' AND lease=? AND hold=?"
)


def answered(
    tx: Transaction, line: Line, outcome: Outcome, result: Callable[[Settled], tuple[bytes, int]]
) -> Settled | None:
    """Debit a line and keep its result, in one transaction; None where another process has it now.

    `result(settled)` answers the sealed line and its plain size.
    """
    if tx.one("SELECT id FROM batches WHERE id=?" + tx.lock, line.batch) is None:
        return None
    if tx.one(_MINE + tx.lock, line.batch, line.n, line.lease, line.hold) is None:
        return None
    settled = holds.settle(tx, line.hold, outcome)
    sealed, size = result(settled)
    tx.run(
        _END,
        *("ok", settled.seq, settled.charge, tx.clock.now(), size, sealed, line.batch, line.n),
    )
    used = outcome.usage
    tx.run(
        "UPDATE batches SET completed=completed+1, input=input+?, cached=cached+?, "
        "output=output+?, reasoning=reasoning+?, charge=charge+? WHERE id=?",
        *(used.input, used.cached_input, used.output, used.reasoning, settled.charge, line.batch),
    )
    return settled


def failed(tx: Transaction, line: Line, why: str, sealed: bytes, size: int) -> bool:
    """Give a line's hold back and keep its error; False where another process has it now."""
    if tx.one("SELECT id FROM batches WHERE id=?" + tx.lock, line.batch) is None:
        return False
    if tx.one(_MINE + tx.lock, line.batch, line.n, line.lease, line.hold) is None:
        return False
    holds.give_back(tx, line.hold, why, holds.OPEN)
    _close(tx, line.batch, line.n, "error", sealed, size)
    return True


def _close(tx: Transaction, batch: str, n: int, state: str, sealed: bytes, size: int) -> None:
    tx.run(_END, state, None, 0, tx.clock.now(), size, sealed, batch, n)
    tx.run("UPDATE batches SET failed=failed+1 WHERE id=?", batch)


def waiting(tx: Transaction, batch: str, most: int) -> list[tuple[int, str, str]]:
    """(n, custom_id, request_id) of lines that nobody has begun; the batch's row is locked."""
    get(tx, batch, tx.lock)
    return [row[:3] for row in tx.all(_WAITING, batch, most)]


def refuse(tx: Transaction, batch: str, n: int, sealed: bytes, size: int) -> None:
    """End a line that was never begun."""
    _close(tx, batch, n, "error", sealed, size)


def close_lines(
    tx: Transaction,
    batch: str,
    sealed: Callable[[int, str, str], tuple[bytes, int]],
    most: int = 200,
) -> int:
    """End lines that nobody works on, unbilled, some at a time; how many.

    `sealed(n, custom_id, request_id)` answers a line's sealed result and its plain size.
    """
    found = get(tx, batch, tx.lock)
    if found is None or found.state not in ("finalizing", "cancelling"):
        return 0
    state = "expired" if found.ending == "expired" else "cancelled"
    rows = tx.all(_ORPHANED, batch, most)
    rows += tx.all(_WAITING, batch, most - len(rows)) if len(rows) < most else []
    for row in rows:
        n, custom_id, request, hold = row[0], row[1], row[2], row[10]
        if hold is not None:
            holds.give_back(tx, hold, f"the batch was {state}", holds.OPEN)
        _close(tx, batch, n, state, *sealed(n, custom_id, request))
    return len(rows)
