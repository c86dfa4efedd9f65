"""Codes: made by operators, redeemed once by whoever knows one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexctl.pricing.exact import ratio_of
from nexctl.server.calls import Call
from nexctl.server.house import instant
from nexctl.server.http import Answer
from nexctl.server.ledger import codes, events, ids
from nexctl.server.refusing import Refuse
from nexctl.server.rooms import secrets
from nexctl.server.shapes import future, page_of, units_of
from nexctl.wire import admin as wire
from nexctl.wire.wallet import Redeemed

if TYPE_CHECKING:
    from nexctl.server.house import House
    from nexctl.server.ledger.codes import Code
    from nexctl.server.ledger.port import Transaction

GROUP, GROUPS = 5, 5


def listed(tx: Transaction, call: Call) -> wire.CodePage:
    """One page of codes; none is shown again."""
    query = call.query
    rows = codes.listed(tx, after=query.cursor, limit=query.limit + 1, state=query.state)
    shown, cursor = page_of(rows, query.limit, "id")
    return wire.CodePage(data=[_code(call.house, row) for row in shown], next_cursor=cursor)


def create(tx: Transaction, call: Call) -> wire.CodePage:
    """Make codes; this answer is the only place where they stand."""
    house, body = call.house, call.body
    promo = body.kind == "promo"
    if (body.amount is None) == (body.percent is None) or (body.percent and not promo):
        raise Refuse("invalid_request", "a code has an amount; a promo code that or a percent")
    if body.uses > 1 and not promo:
        raise Refuse("invalid_request", "a code of credits is used once", param="uses")
    if body.percent is not None and not ratio_of(body.percent)[0]:
        raise Refuse("invalid_request", "the percentage must be more than 0", param="percent")
    if promo and body.credits_expire_at is not None:
        raise Refuse(
            "invalid_request", "a top-up's bonus does not expire", param="credits_expire_at"
        )
    expires_at = future(house, body.expires_at, "expires_at")
    credits_expire_at = future(house, body.credits_expire_at, "credits_expire_at")
    # The table wants an amount; a percent is of what is topped up.
    amount = units_of(body.amount, house.scale) if body.amount is not None else 1
    data = []
    for _ in range(body.count):
        text = spelled()
        made = codes.create(
            tx,
            secrets.hash_of(codes.normal(text)),
            text[:GROUP],
            amount,
            house.unit,
            expires_at=expires_at,
            credits_expire_at=credits_expire_at,
            note=body.note,
            by=call.caller.id,
            promo=promo,
            percent=body.percent,
            uses=body.uses,
        )
        data.append(_code(house, made, text))
    return wire.CodePage(data=data)


def spelled() -> str:
    """A new code: 125 random bits in groups of five, without look-alikes."""
    letters = ids.new("x", GROUP * GROUPS)[2:].upper()
    return "-".join(letters[at : at + GROUP] for at in range(0, len(letters), GROUP))


async def redeem(call: Call) -> Answer:
    """Turn a code into credits. Each try counts, also one that fails."""
    await call.house.write(codes.attempt, call.customer.id)
    return await call.commit(_redeem)


def _redeem(tx: Transaction, call: Call) -> Redeemed:
    customer = call.customer.id
    digest = secrets.hash_of(codes.normal(call.body.code))
    code, made = codes.redeem(tx, customer, customer, digest)
    house = call.house
    data = {"code_id": code.id, "amount": house.money(code.amount), "currency": code.currency}
    events.emit(tx, "balance.redeemed", customer, data)
    return Redeemed(
        grant_id=str(code.grant_id),
        amount=str(house.money(code.amount)),
        currency=code.currency,
        balance=str(house.money(made.balance)),
        expires_at=instant(code.credits_expire_at),
    )


def _code(house: House, row: Code, text: str | None = None) -> wire.Code:
    return wire.Code(
        id=row.id,
        prefix=row.prefix,
        amount="0" if row.percent else str(house.money(row.amount)),
        currency=row.currency,
        state=row.state,
        kind=row.kind,
        percent=row.percent,
        uses=row.uses,
        used=row.used,
        created_at=str(instant(row.created_at)),
        code=text,
        expires_at=instant(row.expires_at),
        credits_expire_at=instant(row.credits_expire_at),
        redeemed_by=row.redeemed_by,
        redeemed_at=instant(row.redeemed_at),
        note=row.note,
    )
