"""Batches: one hold for the whole quote, which their lines (`batch_lines`) cut into theirs.

    admitting -> validating -> in_progress -> finalizing -> completed | expired
                     |              |
                     v              v
                  failed        cancelling -> cancelled

The quote of all lines is one *lasting* hold, which no process owns.
"""

# ruff: noqa: S608 - only names of this program are put into SQL, values are parameters
from __future__ import annotations

from typing import NamedTuple

import msgspec

from nexctl.money import text_of
from nexctl.server.ledger import events, files, holds, owners
from nexctl.server.ledger.clock import DAY
from nexctl.server.ledger.errors import Refused
from nexctl.server.ledger.files import Who
from nexctl.server.ledger.port import Transaction
from nexctl.server.ledger.types import Reservation

LIVE = ("validating", "in_progress", "finalizing", "cancelling")
WINDOW = DAY
_LIVE = "('admitting', 'validating', 'in_progress', 'finalizing', 'cancelling')"


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


def open_lines(tx: Transaction, batch: str) -> int:
    """How many lines have not ended."""
    return int(
        tx.value(
            "SELECT count(*) FROM batch_lines WHERE batch_id=? AND state IN ('waiting', 'running')",
            batch,
        )
    )


# from one state to the next ----------------------------------------------------------------------


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
