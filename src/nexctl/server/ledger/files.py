"""Files: what was uploaded, in sealed pieces, and what came of batches. Their content is sealed
before it gets here; nothing in this module can read it.
"""

# ruff: noqa: S608 - only names of this program are put into SQL, values are parameters
from __future__ import annotations

from typing import NamedTuple

from nexctl.server.ledger import ids
from nexctl.server.ledger.clock import HOUR
from nexctl.server.ledger.errors import Refused
from nexctl.server.ledger.port import Transaction

PARTS = {"output": "('ok')", "error": "('error', 'cancelled', 'expired')"}
_AT_WORK = "('admitting', 'validating', 'in_progress', 'finalizing', 'cancelling')"
# An upload that has not ended after this long has no caller any more.
STALE = 2 * HOUR
CHECKED_EVERY = 32


class File(NamedTuple):
    """One file. `batch` and `part` (output, error) say whose lines' results it shows."""

    id: str
    customer: str
    key: str
    parent: str | None
    purpose: str
    name: str
    state: str
    bytes: int
    sha256: str | None
    batch: str | None
    part: str | None
    created_at: int
    expires_at: int


class Who(NamedTuple):
    """Whose files and batches are seen: a key's own and its sub-keys', all with `key` None."""

    customer: str
    key: str | None = None


_COLUMNS = (
    "id, customer_id, key_id, parent_id, purpose, name, state, bytes, sha256, batch_id, part, "
    "created_at, expires_at"
)


def begin(
    tx: Transaction,
    customer: str,
    key: str,
    parent: str | None,
    name: str,
    *,
    keep: int,
) -> str:
    """Make a file that is being uploaded; `keep` is how long it stays, in microseconds."""
    made, now = ids.new("file"), tx.clock.now()
    tx.run(
        f"INSERT INTO files ({_COLUMNS}) VALUES (?,?,?,?,'batch',?,'uploading',0,NULL,NULL,NULL,"
        "?,?)",
        *(made, customer, key, parent, name, now, now + keep),
    )
    return made


def append(tx: Transaction, file: str, n: int, size: int, sealed: bytes, quota: int) -> None:
    """Add the `n`th piece (from 0) of `size` bytes. Refused where the customer's files get too big.

    `quota` is in bytes. It is asked for often enough that no file gets far beyond it.
    """
    customer = tx.value("SELECT customer_id FROM files WHERE id=? AND state='uploading'", file)
    if customer is None:
        raise Refused("not_found", "the upload was given up")
    tx.run("UPDATE files SET bytes=bytes+? WHERE id=?", size, file)
    if n % CHECKED_EVERY == 0:
        check_quota(tx, customer, quota)
    tx.run("INSERT INTO file_chunks (file_id, n, sealed) VALUES (?,?,?)", file, n, sealed)


def check_quota(tx: Transaction, customer: str, quota: int) -> None:
    """Refused where a customer's files take more than `quota` bytes."""
    if used(tx, customer) > quota:
        raise Refused(
            "plan_limit",
            f"files may take {quota:,} bytes together",
            hint="delete files that are not needed any more",
            details={"limit": quota},
        )


def finish(
    tx: Transaction, file: str, sha256: str, *, name: str | None = None, keep: int | None = None
) -> File:
    """The upload is whole; its name and how long it stays are known at last."""
    tx.run(
        "UPDATE files SET state='ready', sha256=? WHERE id=? AND state='uploading'", sha256, file
    )
    if name is not None:
        tx.run("UPDATE files SET name=? WHERE id=?", name, file)
    if keep is not None:
        tx.run("UPDATE files SET expires_at=created_at+? WHERE id=?", keep, file)
    found = get(tx, file)
    if found is None:
        raise Refused("not_found", "the upload was given up")
    return found


def of_batch(
    tx: Transaction,
    like: tuple[str, str, str | None],
    batch: str,
    part: str,
    size: int,
    *,
    keep: int,
) -> str:
    """Make the file that shows a batch's results; `like` is (customer, key, parent)."""
    made, now = ids.new("file"), tx.clock.now()
    tx.run(
        f"INSERT INTO files ({_COLUMNS}) VALUES (?,?,?,?,'batch_output',?,'ready',?,NULL,?,?,?,?)",
        *(made, *like, f"{batch}_{part}.jsonl", size, batch, part, now, now + keep),
    )
    return made


def used(tx: Transaction, customer: str) -> int:
    """Bytes of a customer's files."""
    return int(
        tx.value(
            "SELECT coalesce(sum(bytes), 0) FROM files WHERE customer_id=? AND state<>'deleted'",
            customer,
        )
    )


def get(tx: Transaction, file: str) -> File | None:
    """One file that can be read; None where it is not there, not whole, deleted or expired."""
    row = tx.one(
        f"SELECT {_COLUMNS} FROM files WHERE id=? AND state='ready' AND expires_at>?",
        *(file, tx.clock.now()),
    )
    return None if row is None else File(*row)


def seen(tx: Transaction, who: Who, file: str) -> File | None:
    """One file, for whoever may see it."""
    found = get(tx, file)
    if found is None or found.customer != who.customer:
        return None
    return found if who.key in (None, found.key, found.parent) else None


def listed(
    tx: Transaction,
    who: Who,
    *,
    limit: int,
    after: File | None = None,
    newest: bool = True,
    purpose: str | None = None,
) -> list[File]:
    """Files that can be read, by age."""
    order, sign = ("DESC", "<") if newest else ("ASC", ">")
    where, values = (
        "customer_id=? AND state<>'deleted' AND state='ready' AND expires_at>?",
        [
            who.customer,
            tx.clock.now(),
        ],
    )
    if who.key is not None:
        where += " AND (key_id=? OR parent_id=?)"
        values += [who.key, who.key]
    if purpose is not None:
        where += " AND purpose=?"
        values.append(purpose)
    if after is not None:
        where += f" AND (created_at{sign}? OR (created_at=? AND id{sign}?))"
        values += [after.created_at, after.created_at, after.id]
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM files WHERE {where} ORDER BY created_at {order}, id {order} "
        "LIMIT ?",
        *(*values, limit),
    )
    return [File(*row) for row in rows]


def chunk(tx: Transaction, file: str, n: int) -> bytes | None:
    """The `n`th sealed piece of an upload."""
    found = tx.value("SELECT sealed FROM file_chunks WHERE file_id=? AND n=?", file, n)
    return None if found is None else bytes(found)


def results(
    tx: Transaction, batch: str, part: str | None, after: int, most: int
) -> list[tuple[int, bytes]]:
    """Sealed results of lines behind line `after`, in order, up to about `most` bytes."""
    states = "" if part is None else f" AND state IN {PARTS[part]}"
    end, size = None, 0
    for n, length in tx.all(
        f"SELECT n, result_size FROM batch_lines WHERE batch_id=? AND n>?{states} "
        "AND result_size>0 ORDER BY n LIMIT 500",
        *(batch, after),
    ):
        if end is not None and size + length > most:
            break
        end, size = n, size + length
    if end is None:
        return []
    rows = tx.all(
        f"SELECT n, result FROM batch_lines WHERE batch_id=? AND n>? AND n<=?{states} "
        "AND result_size>0 ORDER BY n",
        *(batch, after, end),
    )
    return [(row[0], bytes(row[1])) for row in rows]


def remove(tx: Transaction, file: str) -> None:
    """Take a file's content away for ever; its row stays, to say that it was there."""
    row = tx.one("SELECT batch_id, part, state FROM files WHERE id=?" + tx.lock, file)
    if row is None or row[2] == "deleted":
        return
    tx.run("DELETE FROM file_chunks WHERE file_id=?", file)
    if row[0] is not None:
        tx.run(
            "UPDATE batch_lines SET result=NULL, result_size=0 "
            f"WHERE batch_id=? AND state IN {PARTS[row[1]]}",
            row[0],
        )
    tx.run("UPDATE files SET state='deleted', deleted_at=? WHERE id=?", tx.clock.now(), file)


def is_used(tx: Transaction, file: str) -> bool:
    """Whether a batch still works on a file."""
    sql = f"SELECT 1 FROM batches WHERE input_file=? AND state IN {_AT_WORK} LIMIT 1"
    return tx.one(sql, file) is not None


def drop(tx: Transaction, file: str) -> None:
    """Take away a file that nobody was told of, unless a batch was made of it after all."""
    if not is_used(tx, file):
        remove(tx, file)


def expire_due(tx: Transaction, most: int = 20) -> int:
    """Delete files whose time is over and uploads that nobody ends; how many."""
    now = tx.clock.now()
    names = tx.all(
        "SELECT id FROM files WHERE state<>'deleted' AND "
        "(expires_at<=? OR (state='uploading' AND created_at<=?)) "
        f"AND id NOT IN (SELECT input_file FROM batches WHERE state IN {_AT_WORK}) "
        "ORDER BY expires_at LIMIT ?",
        *(now, now - STALE, most),
    )
    for (name,) in names:
        remove(tx, name)
    return len(names)
