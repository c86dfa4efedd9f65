"""Papers as their customer and the operator see them; voiding one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexctl.errors import MissingExtra
from nexctl.money import text_of
from nexctl.server.calls import Call
from nexctl.server.house import instant
from nexctl.server.http import Answer
from nexctl.server.ledger import invoices, orders
from nexctl.server.refusing import Refuse
from nexctl.wire import papers as wire

if TYPE_CHECKING:
    from nexctl.server.ledger.invoices import Paper
    from nexctl.server.ledger.port import Transaction


def listed(tx: Transaction, call: Call) -> wire.InvoicePage:
    """The customer's papers, newest first."""
    return _page(tx, call, call.customer.id)


def every(tx: Transaction, call: Call) -> wire.InvoicePage:
    """All customers' papers, newest first."""
    return _page(tx, call, call.query.customer_id)


def _page(tx: Transaction, call: Call, customer: str | None) -> wire.InvoicePage:
    query = call.query
    before = None
    if query.cursor is not None:
        before = invoices.get(tx, query.cursor)
        if before is None or customer not in (None, before.customer):
            raise Refuse("invalid_request", "there is no such cursor", param="cursor")
    rows = invoices.listed(tx, customer, kind=query.kind, before=before, limit=query.limit + 1)
    shown_ = rows[: query.limit]
    return wire.InvoicePage(
        data=[paper(tx, row) for row in shown_],
        next_cursor=shown_[-1].number if len(rows) > query.limit else None,
    )


def shown(tx: Transaction, call: Call) -> wire.Invoice:
    """One paper of the customer."""
    found = invoices.get(tx, call.id)
    if found is None or found.customer != call.customer.id:
        raise Refuse("not_found", "there is no such paper")
    return paper(tx, found)


async def pdf(call: Call) -> Answer:
    """One paper as PDF."""
    from nexctl.server.payments import pdf as printing

    found = call.house.read(shown, call)
    try:
        raw = printing.rendered(found)
    except MissingExtra as error:
        raise Refuse("not_offered", f"{error.message}; {error.hint}") from None
    name = f'inline; filename="{found.number}.pdf"'.encode()
    return Answer(raw, headers=((b"content-disposition", name),), media=b"application/pdf")


def void(tx: Transaction, call: Call) -> wire.Invoice:
    """Void an invoice that nobody has paid; its number stays."""
    found = invoices.get(tx, call.id)
    if found is None:
        raise Refuse("not_found", "there is no such paper")
    order = orders.get(tx, found.subject) if found.subject else None
    is_paid = order is None or order.credited_at is not None
    if found.kind == invoices.INVOICE and is_paid:
        raise Refuse("state_conflict", "a paid invoice is corrected by a refund's credit note")
    call.before = paper(tx, found)
    done = invoices.void(tx, found.number, reason=call.body.reason, by=call.caller.id)
    return paper(tx, done)


def paper(tx: Transaction, row: Paper) -> wire.Invoice:
    """A paper in the contract's fields."""
    body = row.body
    order = orders.get(tx, row.subject) if row.subject and row.kind == "invoice" else None
    state, paid_at = "issued", None
    if row.kind == "void" or row.void is not None:
        state = "void"
    elif row.kind == "invoice":
        back = sum(note.total or 0 for note in invoices.notes(tx, str(row.subject)))
        paid_at = order.credited_at if order is not None else row.issued_at
        state = "paid" if paid_at is not None else "issued"
        if row.total and back >= row.total:
            state = "credited"
    customer, seller = body.get("customer"), body.get("seller")
    order_number = customer.pop("purchase_order", None) if customer else None
    return wire.Invoice(
        number=row.number,
        kind=row.kind,
        state=state,
        issued_at=str(instant(row.issued_at)),
        customer_id=row.customer,
        subject=row.subject,
        corrects=row.corrects,
        currency=row.currency,
        net=body.get("net"),
        tax=body.get("tax"),
        total=None if row.total is None else text_of(row.total),
        lines=[wire.Line(**line) for line in body.get("lines", ())],
        seller=wire.Party(**seller) if seller else None,
        customer=wire.Party(**customer) if customer else None,
        tax_note=body.get("tax_note"),
        paid_by=body.get("paid_by"),
        paid_at=instant(paid_at),
        purchase_order=order_number,
        policies=body.get("policies") or {},
        void_reason=row.void or body.get("reason"),
        sandbox=bool(body.get("sandbox")),
    )
