"""Numbered papers: gap-free in each series, allocated in the transaction that issues, never edited.

A correction is a credit note, a cancellation a void beside the paper; both keep every number.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from nexctl.money import text_of
from nexctl.server.ledger import events
from nexctl.server.ledger.errors import Refused
from nexctl.server.ledger.port import Row, Transaction

INVOICE, NOTE, VOID = "invoice", "credit_note", "void"
DIGITS = 6


class Paper(NamedTuple):
    """One paper. `subject` is what it is about (an order, a fee), `part` which one of several.

    `body` is everything that is printed; `void` why it no longer counts.
    """

    series: str
    place: int
    number: str
    kind: str
    customer: str | None
    subject: str | None
    part: int
    corrects: str | None
    currency: str | None
    total: int | None
    body: dict[str, Any]
    issued_at: int
    void: str | None


_FIELDS = (
    "i.series, i.place, i.number, i.kind, i.customer_id, i.subject, i.part, i.corrects, "
    "i.currency, i.total, i.body, i.issued_at, v.reason"
)
_FROM = "FROM invoices i LEFT JOIN invoice_voids v ON v.number=i.number"


def _paper(row: Row) -> Paper:
    return Paper._make((*row[:10], msgspec.json.decode(row[10]), *row[11:]))


def issue(
    tx: Transaction,
    series: str,
    kind: str,
    *,
    customer: str | None,
    subject: str | None,
    currency: str | None,
    total: int | None,
    body: dict[str, Any],
    part: int = 0,
    corrects: str | None = None,
) -> Paper:
    """Issue the next paper of a series, once a (subject, kind, part): else the one that is there.

    The number goes back with the transaction, so that a failed one leaves no gap.
    """
    if subject is not None:
        there = _there(tx, subject, kind, part)
        if there is not None:
            return there
    place = tx.value(
        "INSERT INTO invoice_series (series, last) VALUES (?,1) "
        "ON CONFLICT (series) DO UPDATE SET last=invoice_series.last+1 RETURNING last",
        series,
    )
    number = numbered(series, place)
    text = msgspec.json.encode(body).decode()
    tx.run(
        "INSERT INTO invoices (series, place, number, kind, customer_id, subject, part, corrects, "
        "currency, total, body, issued_at) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
        *(series, place, number, kind, customer, subject, part, corrects, currency, total, text),
        tx.clock.now(),
    )
    found = get(tx, number)
    if found is None:
        raise AssertionError("it was issued in this very transaction")
    if kind in (INVOICE, NOTE):
        _tell(tx, "issued" if kind == INVOICE else "credited", found)
    return found


def numbered(series: str, place: int) -> str:
    """The number of a place in a series."""
    return f"{series}-{place:0{DIGITS}d}"


def _tell(tx: Transaction, what: str, paper: Paper) -> None:
    total = None if paper.total is None else text_of(paper.total)
    data = {"number": paper.number, "subject": paper.subject, "corrects": paper.corrects}
    money = {"total": total, "currency": paper.currency}
    events.emit(tx, f"invoice.{what}", paper.customer, {**data, **money})


def _there(tx: Transaction, subject: str, kind: str, part: int) -> Paper | None:
    row = tx.one(
        f"SELECT {_FIELDS} {_FROM} WHERE i.subject=? AND i.kind=? AND i.part=?",
        *(subject, kind, part),
    )
    return None if row is None else _paper(row)


def about(tx: Transaction, subject: str) -> Paper | None:
    """The invoice about something: the last one, those before it are void."""
    row = tx.one(
        f"SELECT {_FIELDS} {_FROM} WHERE i.subject=? AND i.kind=? ORDER BY i.part DESC LIMIT 1",
        *(subject, INVOICE),
    )
    return None if row is None else _paper(row)


def notes(tx: Transaction, subject: str) -> list[Paper]:
    """The credit notes about something, in order."""
    rows = tx.all(
        f"SELECT {_FIELDS} {_FROM} WHERE i.subject=? AND i.kind=? ORDER BY i.part", subject, NOTE
    )
    return [_paper(row) for row in rows]


def get(tx: Transaction, number: str) -> Paper | None:
    """One paper by its number."""
    row = tx.one(f"SELECT {_FIELDS} {_FROM} WHERE i.number=?", number)
    return None if row is None else _paper(row)


def listed(
    tx: Transaction,
    customer: str | None = None,
    *,
    kind: str | None = None,
    before: Paper | None = None,
    limit: int = 100,
) -> list[Paper]:
    """Papers, newest first; `before` is the last one seen."""
    where, values = ["1=1"], []
    for clause, value in (("i.customer_id=?", customer), ("i.kind=?", kind)):
        if value is not None:
            where.append(clause)
            values.append(value)
    if before is not None:
        where.append("(i.issued_at<? OR (i.issued_at=? AND i.number<?))")
        values += [before.issued_at, before.issued_at, before.number]  # type: ignore[list-item]
    rows = tx.all(
        f"SELECT {_FIELDS} {_FROM} WHERE {' AND '.join(where)} "
        "ORDER BY i.issued_at DESC, i.number DESC LIMIT ?",
        *(*values, limit),
    )
    return [_paper(row) for row in rows]


def void(tx: Transaction, number: str, *, reason: str, by: str) -> Paper:
    """Say that an invoice no longer counts; Refused `state_conflict` where it cannot be."""
    found = get(tx, number)
    if found is None:
        raise Refused("not_found", f"there is no paper {number}")
    if found.kind != INVOICE or found.void is not None:
        raise Refused("state_conflict", "only an invoice that counts can be voided")
    if found.subject is not None and notes(tx, found.subject):
        raise Refused("state_conflict", "the invoice has a credit note: it stays")
    tx.run(
        "INSERT INTO invoice_voids (number, reason, voided_by, voided_at) VALUES (?,?,?,?)",
        *(number, reason, by, tx.clock.now()),
    )
    _tell(tx, "voided", found)
    return found._replace(void=reason)


def skip_past(tx: Transaction, series: str, last: int) -> int:
    """Void every number up to `last` that the series does not have yet; how many those were.

    After a restore: numbers that were published in the replaced database are never given again.
    """
    have = int(tx.value("SELECT last FROM invoice_series WHERE series=?", series) or 0)
    for _ in range(have, last):
        issue(
            tx,
            series,
            VOID,
            customer=None,
            subject=None,
            currency=None,
            total=None,
            body={"reason": "number of a replaced database"},
        )
    return max(0, last - have)


def last_numbers(tx: Transaction) -> list[tuple[str, int]]:
    """The last number of each series."""
    return [
        (row[0], row[1])
        for row in tx.all("SELECT series, last FROM invoice_series ORDER BY series")
    ]
