"""Orders of credits: previewed, made, submitted, followed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from nexctl.money import text_of
from nexctl.server.calls import Call
from nexctl.server.house import instant
from nexctl.server.http import Answer
from nexctl.server.ledger import orders
from nexctl.server.ledger.clock import DAY
from nexctl.server.payments import sandbox
from nexctl.server.payments.figures import Figures, figures, number
from nexctl.server.refusing import Refuse
from nexctl.wire import topups as wire

if TYPE_CHECKING:
    from nexctl.server.house import House
    from nexctl.server.ledger.orders import Order
    from nexctl.server.ledger.port import Transaction

VALID_DAYS = 7
MANUAL = "manual"
_HASH = re.compile(r"(?:0x)?([0-9a-fA-F]{64})", re.ASCII)


def methods(tx: Transaction, call: Call) -> wire.PaymentMethods:
    """Ways to pay, packs, and the limits of self-service."""
    book = call.house.book
    table = book.data.get("topup", {})
    found = methods_of(call.house)
    least, most = number(table.get("minimum")), number(table.get("maximum"))
    packs = []
    for row in table.get("packs", ()):
        amount = number(row.get("amount"))
        packs.append(
            wire.Pack(
                id=row["id"],
                title=row.get("title"),
                amount=None if amount is None or row.get("or_more") else text_of(amount),
                credits=row.get("credit"),
                minimum=text_of(amount) if amount is not None and row.get("or_more") else None,
                note=row.get("text"),
            )
        )
    return wire.PaymentMethods(
        data=found,
        packs=packs,
        currency=str(table.get("currency") or book.unit),
        minimum=None if least is None else text_of(least),
        maximum=None if most is None else text_of(most),
        default_method=next((method.id for method in found if method.enabled), None),
    )


def methods_of(house: House) -> list[wire.Method]:
    """The book's ways to pay with what this gateway has set up; play money stands alone."""
    payments = house.facts.get("payments", MANUAL)
    found: list[wire.Method] = []
    if sandbox.offered(house):
        found.append(
            wire.Method(id=sandbox.PROVIDER, enabled=True, title="play money, for trying out")
        )
    manual = False
    for row in house.book.data.get("topup", {}).get("methods", ()):
        offered = bool(row.get("offered"))
        enabled = offered and bool(row.get("manual")) and payments == MANUAL
        manual = manual or enabled
        reason = None
        if not enabled:
            reason = "not set up on this gateway" if offered else str(row.get("words", ""))
        found.append(
            wire.Method(
                id=row["id"],
                enabled=enabled,
                manual=bool(row.get("manual")),
                title=row.get("words"),
                reason=reason,
            )
        )
    if payments == MANUAL and not manual:
        title = "transfer, credited when the operator has seen it"
        found.append(wire.Method(id=MANUAL, enabled=True, manual=True, title=title))
    return found


def listed(tx: Transaction, call: Call) -> wire.TopUpPage:
    """One page of orders, newest first."""
    rows, cursor = page(tx, call, call.customer.id)
    return wire.TopUpPage(
        data=[wire.TopUp(**fields(call.house, row)) for row in rows], next_cursor=cursor
    )


def page(tx: Transaction, call: Call, customer: str | None) -> tuple[list[Order], str | None]:
    """Orders of one customer or of all, and the cursor behind them."""
    query = call.query
    before = None
    if query.cursor is not None:
        last = orders.get(tx, query.cursor)
        if last is None or customer not in (None, last.customer):
            raise Refuse("invalid_request", "there is no such cursor", param="cursor")
        before = (last.created_at, last.id)
    rows = orders.listed(tx, customer, before=before, limit=query.limit + 1, state=query.state)
    shown = rows[: query.limit]
    return shown, shown[-1].id if len(rows) > query.limit else None


def shown(tx: Transaction, call: Call) -> wire.TopUp:
    """One order."""
    return wire.TopUp(**fields(call.house, _owned(tx, call)))


async def create(call: Call) -> Answer:
    """Order credits, or with `preview` only say what an order would be."""
    body, house = call.body, call.house
    if body.promo_code is not None:
        raise Refuse("code_not_found", "there is no such promotional code", param="promo_code")
    method = _method(house, body.method)
    wanted = figures(
        house.book,
        amount=body.amount,
        pack=body.pack,
        currency=body.currency,
        scale=house.scale,
    )
    if body.preview:
        return Answer(_preview(house, wanted, method))
    return await call.commit(lambda tx, call: _create(tx, call, wanted, method))


def _create(tx: Transaction, call: Call, wanted: Figures, method: wire.Method) -> wire.TopUp:
    house = call.house
    play = method.id == sandbox.PROVIDER
    details: dict[str, Any] = {"rate": wanted.rate, "pack": wanted.pack, "tax": wanted.tax_note}
    if method.manual:
        details["pay_to"] = dict(house.facts.get("pay_to") or {})
    made = orders.create(
        tx,
        call.customer.id,
        method=method.id,
        provider=sandbox.PROVIDER if play else MANUAL,
        currency=wanted.currency,
        amount=wanted.amount,
        credits=wanted.credits,
        subtotal=wanted.subtotal,
        tax=wanted.tax,
        fee=wanted.fee,
        bonus=wanted.bonus,
        total=wanted.total,
        details=details,
        sandbox=play,
        expires_at=tx.clock.now() + VALID_DAYS * DAY,
        state="under_review" if wanted.review else "created",
    )
    if play and not wanted.review:
        made = orders.open_checkout(tx, made.id, sandbox.checkout_url(tx, house, made.id))
    return wire.TopUp(**fields(house, made))


def submit(tx: Transaction, call: Call) -> wire.TopUp:
    """Declare a manual payment as made."""
    found = _owned(tx, call)
    if found.provider != MANUAL:
        raise Refuse("state_conflict", "this order is not paid by a transfer")
    body = call.body
    networks = any(
        row["id"] == found.method and row.get("networks")
        for row in call.house.book.data.get("topup", {}).get("methods", ())
    )
    if networks and not body.sender:
        # Nothing on a chain names the order, so the sender has to.
        raise Refuse("invalid_request", "say from which address you paid", param="sender")
    done = orders.submit(
        tx,
        found.id,
        transaction=normal(body.transaction),
        sender=body.sender,
        by=call.caller.id,
    )
    return wire.TopUp(**fields(call.house, done))


def normal(transaction: str) -> str:
    """A transaction's reference in one spelling: hashes without 0x in lower case, no blanks."""
    text = "".join(transaction.split())
    match = _HASH.fullmatch(text)
    if match is not None:
        return match[1].lower()
    if len(text) < 4 or not text.isprintable():
        raise Refuse("invalid_request", "that is no reference", param="transaction")
    return text.casefold()


def _owned(tx: Transaction, call: Call) -> Order:
    found = orders.get(tx, call.id)
    if found is None or found.customer != call.customer.id:
        raise Refuse("not_found", "there is no such order")
    return found


def _method(house: House, name: str | None) -> wire.Method:
    found = methods_of(house)
    if name is None:
        chosen = next((method for method in found if method.enabled), None)
    else:
        chosen = next((method for method in found if method.id == name), None)
    if chosen is None or not chosen.enabled:
        reason = chosen.reason if chosen is not None else None
        raise Refuse("payment_method_unavailable", reason or None, param="method")
    return chosen


def _preview(house: House, wanted: Figures, method: wire.Method) -> wire.TopUp:
    return wire.TopUp(
        state="under_review" if wanted.review else "preview",
        method=method.id,
        amount=text_of(wanted.amount),
        currency=wanted.currency,
        credits=str(house.money(wanted.credits)),
        credit_unit=house.unit,
        rate=wanted.rate,
        subtotal=text_of(wanted.subtotal),
        tax=text_of(wanted.tax),
        fee=text_of(wanted.fee),
        bonus=str(house.money(wanted.bonus)),
        total=text_of(wanted.total),
        pack=wanted.pack,
        reason=wanted.review,
        sandbox=method.id == sandbox.PROVIDER,
    )


def fields(house: House, row: Order) -> dict[str, Any]:
    """An order in the fields that customer and operator share."""
    pay_to = None
    if row.provider == MANUAL:
        told = row.details.get("pay_to") or {}
        pay_to = wire.PayTo(
            amount=text_of(row.total),
            currency=row.currency,
            address=told.get("address"),
            network=told.get("network"),
            reference=row.id,
            instructions=told.get("instructions"),
        )
    return {
        "id": row.id,
        "state": row.state,
        "method": row.method,
        "amount": text_of(row.amount),
        "currency": row.currency,
        "credits": house.money(row.credits),
        "credit_unit": house.unit,
        "rate": row.details.get("rate"),
        "subtotal": text_of(row.subtotal),
        "tax": text_of(row.tax),
        "fee": text_of(row.fee),
        "bonus": house.money(row.bonus),
        "total": text_of(row.total),
        "pack": row.details.get("pack"),
        "pay_to": pay_to,
        "checkout_url": row.checkout_url,
        "created_at": instant(row.created_at),
        "expires_at": instant(row.expires_at),
        "credited_at": instant(row.credited_at),
        "refunded": text_of(row.refunded) if row.refunded else None,
        "reason": row.reason,
        "sandbox": row.sandbox,
    }
