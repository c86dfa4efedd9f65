"""What must hold of batches, files and lines, proved on a live database; see `verify`."""

from __future__ import annotations

from collections.abc import Callable

from nexctl.server.ledger.port import Transaction

Check = Callable[[str, bool, str, str], None]
NAME = "batches"
_ENDED = ("completed", "expired", "cancelled")


def every(tx: Transaction) -> list[str]:
    """The batches that there are, and those that lines say to be in."""
    rows = tx.all("SELECT id FROM batches UNION SELECT batch_id FROM batch_lines ORDER BY 1")
    return [row[0] for row in rows]


def check(tx: Transaction, report: Check, batch: str) -> None:
    """One batch on one snapshot: its counts, its hold, and every line with its debit."""
    row = tx.one(
        "SELECT state, hold, quote, total, completed, failed, charge, customer_id, output_file, "
        "error_file FROM batches WHERE id=?",
        batch,
    )
    if row is None:
        left = tx.value("SELECT count(*) FROM batch_lines WHERE batch_id=?", batch)
        report(NAME, not left, batch, f"it is gone, {left} lines of it are not")
    if row is None or row[0] == "admitting":
        return
    state, hold, quote, total, completed, failed, charge, customer, output, error = row
    counts: dict[str, int] = dict(
        tx.all("SELECT state, count(*) FROM batch_lines WHERE batch_id=? GROUP BY state", batch)
    )
    ok = counts.pop("ok", 0)
    still = counts.pop("waiting", 0) + counts.pop("running", 0)
    others = sum(counts.values())
    report(
        NAME,
        (total, completed, failed) == (ok + still + others, ok, others),
        batch,
        f"it says {total} lines, {completed} done, {failed} failed; they are {ok} and {others}",
    )
    report(NAME, not still or state not in _ENDED, batch, f"{state} with {still} open lines")
    _hold(tx, report, batch, hold, quote, state)
    _debits(tx, report, batch, customer, charge)
    made = (output is not None, error is not None)
    wanted = (ok > 0, others > 0) if state in _ENDED else (False, False)
    report(NAME, made == wanted, batch, f"{state}: its files are {made}, not {wanted}")


def _hold(
    tx: Transaction, report: Check, batch: str, hold: int | None, quote: int, state: str
) -> None:
    """The batch's hold is the quote less what its lines have taken; it ends with the batch."""
    if hold is None:
        return
    found = tx.one("SELECT state, amount FROM holds WHERE id=?", hold)
    taken = tx.value(
        "SELECT coalesce(sum(amount), 0) FROM batch_lines WHERE batch_id=? AND hold IS NOT NULL",
        batch,
    )
    asked = tx.value(
        "SELECT coalesce(sum(amount), 0) FROM batch_lines WHERE batch_id=?",
        batch,
    )
    report(NAME, asked == quote, batch, f"its lines are quoted {asked}, it says {quote}")
    kept = "released" if state in _ENDED else "reserved"
    wanted = (kept, quote - int(taken))
    report(NAME, found == wanted, batch, f"its hold is {found}, not {wanted}")


def _debits(tx: Transaction, report: Check, batch: str, customer: str, charge: int) -> None:
    """Each answered line is one settled hold under its own request id, and no other line is."""
    total = 0
    for n, state, request, hold, seq, amount, line_charge, *said in tx.all(
        "SELECT l.n, l.state, l.request_id, l.hold, l.seq, l.amount, l.charge, h.state, "
        "h.request_id, h.customer_id, h.seq, h.amount, u.charge "
        "FROM batch_lines l LEFT JOIN holds h ON h.id=l.hold "
        "LEFT JOIN usage_records u ON u.wallet=h.wallet AND u.seq=h.seq AND u.hold=h.id "
        "WHERE l.batch_id=? AND (l.hold IS NOT NULL OR l.state IN ('ok', 'running')) ORDER BY l.n",
        batch,
    ):
        total += line_charge
        hold_state, *theirs = said
        if state == "ok":
            fits, billed = hold_state == "settled", line_charge
        elif state == "running":
            fits, billed = hold_state in ("dispatched", "unknown"), None
        else:
            fits, billed = hold_state == "released", None
        same = theirs == [request, customer, seq, amount, billed]
        report(
            NAME,
            fits and same,
            f"{batch} line {n}",
            f"{state}, but its hold {hold} is {hold_state}",
        )
    report(NAME, total == charge, batch, f"its lines were charged {total}, it says {charge}")
