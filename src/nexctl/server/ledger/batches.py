"""Batches and their lines: one hold for the whole quote, cut line by line.

    admitting -> validating -> in_progress -> finalizing -> completed | expired
                     |              |
                     v              v
                  failed        cancelling -> cancelled

The quote of all lines is one *lasting* hold, which no process owns. A line that begins takes its
part of it into a hold of its own under a request id made from batch and custom_id, which is unique
for ever: so a line debits at most once. Its result is kept in the very transaction that debits it.
A line is leased to an owner (a process with a heartbeat); when that owner is gone, whoever takes
the line over goes on with the same hold.
"""

# ruff: noqa: S608 - only names of this program are put into SQL, values are parameters
from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from nexctl.money import text_of
from nexctl.records import Usage
from nexctl.server.ledger import budgets, events, files, holds, owners, rates
from nexctl.server.ledger.clock import DAY
from nexctl.server.ledger.errors import Refused
from nexctl.server.ledger.files import Who
from nexctl.server.ledger.port import Transaction
from nexctl.server.ledger.types import Limit, Outcome, Reservation, Settled

LIVE = ("validating", "in_progress", "finalizing", "cancelling")
WINDOW = DAY
_LIVE = "('admitting', 'validating', 'in_progress', 'finalizing', 'cancelling')"
_PLAIN_ID = re.compile(r"(?!h_)[A-Za-z0-9._:-]{1,80}", re.ASCII)
_PER_INSERT = 50


class Batch(NamedTuple):
    """One batch. `quote` is what was held for it, `model` the one that is charged."""

    id: str
    customer: str
    key: str
    parent: str | None
    state: str
    ending: str | None
    endpoint: str
    model: str | None
    input_file: str
    output_file: str | None
    error_file: str | None
    hold: int | None
    quote: int
    snapshot: str | None
    total: int
    completed: int
    failed: int
    input: int
    cached: int
    output: int
    reasoning: int
    charge: int
    metadata: str | None
    faults: bytes | None
    keep_seconds: int
    created_at: int
    expires_at: int
    in_progress_at: int | None
    finalizing_at: int | None
    cancelling_at: int | None
    ended_at: int | None


_COLUMNS = (
    "id, customer_id, key_id, parent_id, state, ending, endpoint, model, input_file, output_file, "
    "error_file, hold, quote, snapshot, total, completed, failed, input, cached, output, "
    "reasoning, charge, metadata, faults, keep_seconds, created_at, expires_at, in_progress_at, "
    "finalizing_at, cancelling_at, ended_at"
)


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


# making one --------------------------------------------------------------------------------------


def begin(
    tx: Transaction,
    batch: str,
    who: tuple[str, str, str | None],
    *,
    endpoint: str,
    input_file: str,
    metadata: str | None,
    keep_seconds: int,
) -> None:
    """Make a batch that nobody sees yet; `who` is (customer, key, parent)."""
    now = tx.clock.now()
    tx.run(
        "INSERT INTO batches (id, customer_id, key_id, parent_id, state, owner, endpoint, "
        "input_file, quote, total, completed, failed, input, cached, output, reasoning, charge, "
        "metadata, keep_seconds, created_at, expires_at) "
        "VALUES (?,?,?,?,'admitting',?,?,?,0,0,0,0,0,0,0,0,0,?,?,?,?)",
        *(batch, *who, owners.ensure(tx), endpoint, input_file, metadata, keep_seconds),
        *(now, now + WINDOW),
    )


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


def admit(
    tx: Transaction,
    batch: str,
    *,
    total: int,
    refused: int,
    model: str | None,
    reserved: Reservation | None,
    snapshot: str | None,
    faults: bytes | None,
) -> Batch:
    """The new batch is whole, its quote held (or its faults found): from now on it is seen."""
    file = tx.value("SELECT input_file FROM batches WHERE id=?", batch)
    if files.get(tx, file) is None:
        raise Refused("not_found", "the input file is gone")
    now = tx.clock.now()
    tx.run(
        "UPDATE batches SET state='validating', total=?, failed=?, model=?, hold=?, quote=?, "
        "snapshot=?, faults=?, created_at=?, expires_at=? WHERE id=? AND state='admitting'",
        *(total, refused, model, reserved.hold if reserved else None),
        *(reserved.amount if reserved else 0, snapshot, faults, now, now + WINDOW, batch),
    )
    found = get(tx, batch)
    if found is None or found.state != "validating":
        raise Refused("state_conflict", "the batch was given up")
    _tell(tx, found, "created")
    return found


def discard(tx: Transaction, batch: str, most: int = 5000) -> bool:
    """Take away a batch that never came to be, some lines at a time; True when it is gone."""
    if tx.one("SELECT 1 FROM batches WHERE id=? AND state='admitting'", batch) is None:
        return True
    gone = tx.run(
        "DELETE FROM batch_lines WHERE batch_id=? AND n IN "
        "(SELECT n FROM batch_lines WHERE batch_id=? ORDER BY n LIMIT ?)",
        *(batch, batch, most),
    )
    if gone == most:
        return False
    tx.run("DELETE FROM batches WHERE id=? AND state='admitting'", batch)
    return True


def abandoned(tx: Transaction) -> list[str]:
    """Batches that a process had begun to admit when it ended."""
    rows = tx.all(
        f"SELECT id FROM batches WHERE state IN {_LIVE} AND state='admitting' "
        "AND owner NOT IN (SELECT id FROM owners)"
    )
    return [row[0] for row in rows]


# looking -----------------------------------------------------------------------------------------


def get(tx: Transaction, batch: str, lock: str = "") -> Batch | None:
    """One batch."""
    row = tx.one(f"SELECT {_COLUMNS} FROM batches WHERE id=?" + lock, batch)
    return None if row is None else Batch(*row)


def seen(tx: Transaction, who: Who, batch: str) -> Batch | None:
    """One batch, for whoever may see it."""
    found = get(tx, batch)
    if found is None or found.customer != who.customer or found.state == "admitting":
        return None
    return found if who.key in (None, found.key, found.parent) else None


def listed(tx: Transaction, who: Who, *, limit: int, after: Batch | None = None) -> list[Batch]:
    """Batches, newest first."""
    where, values = "customer_id=? AND state<>'admitting'", [who.customer]
    if who.key is not None:
        where += " AND (key_id=? OR parent_id=?)"
        values += [who.key, who.key]
    if after is not None:
        where += " AND (created_at<? OR (created_at=? AND id<?))"
        values += [after.created_at, after.created_at, after.id]  # type: ignore[list-item]
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM batches WHERE {where} ORDER BY created_at DESC, id DESC LIMIT ?",
        *(*values, limit),
    )
    return [Batch(*row) for row in rows]


def live(tx: Transaction, only: str | None = None, most: int = 100) -> list[Batch]:
    """Batches with work to do, oldest first."""
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM batches WHERE state IN {_LIVE} AND state<>'admitting'"
        + ("" if only is None else " AND id=?")
        + " ORDER BY created_at, id LIMIT ?",
        *(*(() if only is None else (only,)), most),
    )
    return [Batch(*row) for row in rows]


def held(tx: Transaction, batch: Batch) -> int:
    """What is held of a batch's quote now, its lines at work included."""
    if batch.hold is None or batch.ended_at is not None:
        return 0
    rest = tx.value("SELECT amount FROM holds WHERE id=? AND state='reserved'", batch.hold)
    running = tx.value(
        "SELECT coalesce(sum(amount), 0) FROM batch_lines WHERE batch_id=? "
        "AND state IN ('waiting', 'running') AND state='running'",
        batch.id,
    )
    return int(rest or 0) + int(running)


# the lines ---------------------------------------------------------------------------------------


def check(tx: Transaction, batch: str) -> Batch | None:
    """Leave `validating`: begin, or fail with what was found."""
    found = get(tx, batch, tx.lock)
    if found is None or found.state != "validating":
        return found
    now = tx.clock.now()
    if found.faults is not None:
        tx.run("UPDATE batches SET state='failed', ended_at=? WHERE id=?", now, batch)
    else:
        tx.run("UPDATE batches SET state='in_progress', in_progress_at=? WHERE id=?", now, batch)
    return _told(tx, batch)


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


def open_lines(tx: Transaction, batch: str) -> int:
    """How many lines have not ended."""
    return int(
        tx.value(
            "SELECT count(*) FROM batch_lines WHERE batch_id=? AND state IN ('waiting', 'running')",
            batch,
        )
    )


def _begin_line(tx: Transaction, batch: Batch, row: tuple[Any, ...], owner: str) -> Line:
    n, custom_id, request, begin_at, size, into, most, output, answers, amount, hold = row
    created = tx.one(
        "SELECT wallet, amount, layers, created_at, deadline, body_hash FROM holds WHERE id=?"
        + tx.lock,
        batch.hold,
    )
    if created is None:
        raise AssertionError("a batch at work has its hold")
    wallet, rest, layers, at, deadline, body_hash = created
    if hold is not None:
        # Its owner is gone: the request is sent again, and the hold it had is settled.
        tx.run(
            "UPDATE holds SET state='dispatched', owner=? "
            "WHERE id=? AND state IN ('dispatched', 'unknown')",
            *(owner, hold),
        )
    else:
        worst = Usage(input=most, output=output * answers)
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
            *(holds.facts_text(Usage(), worst, {}), "operator", deadline),
        )
        if found is None:
            raise holds.repeated(tx, batch.customer, request, None)
        hold = found[0]
        tx.run(
            "UPDATE holds SET amount=?, layers=? WHERE id=?",
            *(rest - amount, budgets.dumped(left), batch.hold),
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


# the end -----------------------------------------------------------------------------------------


def cancel(tx: Transaction, batch: str) -> Batch | None:
    """Begin no further line; those that are at work end as they would. None where it has ended."""
    found = get(tx, batch, tx.lock)
    if found is None or found.state not in LIVE:
        return None
    if found.state in ("validating", "in_progress"):
        tx.run(
            "UPDATE batches SET state='cancelling', ending='cancelled', cancelling_at=? WHERE id=?",
            *(tx.clock.now(), batch),
        )
    return get(tx, batch)


def conclude(tx: Transaction, batch: str, ending: str) -> None:
    """No further line begins: all are done, or the window is over."""
    tx.run(
        "UPDATE batches SET state='finalizing', ending=?, finalizing_at=? "
        "WHERE id=? AND state='in_progress'",
        *(ending, tx.clock.now(), batch),
    )


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


def end(tx: Transaction, batch: str) -> Batch | None:
    """Give back what is left of the quote, and make the files that show the results.

    Nothing happens while a line is open.
    """
    found = get(tx, batch, tx.lock)
    if found is None or found.state not in ("finalizing", "cancelling"):
        return found
    if open_lines(tx, batch):
        return found
    if found.hold is not None:
        holds.give_back(tx, found.hold, "the batch has ended", ("reserved",))
    who = (found.customer, found.key, found.parent)
    made: dict[str, str | None] = {}
    for part, states in files.PARTS.items():
        count, size = tx.one(  # type: ignore[misc]
            "SELECT count(*), coalesce(sum(result_size), 0) FROM batch_lines "
            f"WHERE batch_id=? AND state IN {states}",
            batch,
        )
        made[part] = None
        if count:
            keep = found.keep_seconds * 1_000_000
            made[part] = files.of_batch(tx, who, batch, part, int(size), keep=keep)
    tx.run(
        "UPDATE batches SET state=ending, output_file=?, error_file=?, ended_at=? WHERE id=?",
        *(made["output"], made["error"], tx.clock.now(), batch),
    )
    return _told(tx, batch)


def _told(tx: Transaction, batch: str) -> Batch | None:
    """The batch, in a state that its customer is told of."""
    found = get(tx, batch)
    if found is not None:
        _tell(tx, found, found.state)
    return found


def _tell(tx: Transaction, batch: Batch, what: str) -> None:
    scale, unit = tx.one("SELECT scale, currency FROM wallets WHERE id=?", batch.customer) or (
        0,
        "",
    )
    events.emit(
        tx,
        f"batch.{what}",
        batch.customer,
        {
            "id": batch.id,
            "state": batch.state,
            "model": batch.model,
            "total": batch.total,
            "completed": batch.completed,
            "failed": batch.failed,
            "charge": text_of(batch.charge, scale),
            "currency": unit,
        },
    )


def metadata_of(batch: Batch) -> dict[str, str] | None:
    """The customer's own words about a batch."""
    return None if batch.metadata is None else msgspec.json.decode(batch.metadata)
