"""Orders of credits: previewed, made, submitted, followed."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from nexctl.money import text_of
from nexctl.server.calls import Call
from nexctl.server.house import instant
from nexctl.server.http import Answer
from nexctl.server.ledger import bonuses, codes, contracts, orders, profiles
from nexctl.server.ledger.clock import DAY
from nexctl.server.payments import providers, sandbox
from nexctl.server.payments.figures import Figures, figures, number
from nexctl.server.payments.methods import MANUAL, may_pay, method_named, methods_of, row_of
from nexctl.server.payments.rules import CREDITS, rules_of, with_promo
from nexctl.server.refusing import Refuse
from nexctl.server.rooms import secrets
from nexctl.server.rooms.whose import wallet_of
from nexctl.server.shapes import MOST_UNITS
from nexctl.wire import topups as wire
from nexctl.wire.base import decode

if TYPE_CHECKING:
    from nexctl.server.house import House
    from nexctl.server.ledger.bonuses import Bonus
    from nexctl.server.ledger.orders import Order
    from nexctl.server.ledger.port import Transaction
    from nexctl.server.payments.rules import Tax

T = TypeVar("T")
VALID_DAYS = 7
_HASH = re.compile(r"(?<![0-9a-fA-F])[0-9a-fA-F]{64}(?![0-9a-fA-F])", re.ASCII)


def methods(tx: Transaction, call: Call) -> wire.PaymentMethods:
    """Ways to pay, packs, and the limits of self-service."""
    book = call.house.book
    rules = rules_of(tx, call.house)
    table = rules.topup
    found = methods_of(call.house)
    for method in found:
        fee = rules.payment_fee(method.id)
        if fee is not None:
            method.fee_percent, method.fee_fixed = fee
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
    method = method_named(house, body.method)
    if body.promo_code is not None:
        await house.write(codes.attempt, call.customer.id)
    if body.preview:
        return Answer(house.read(_preview, call, method))
    answer = await call.commit(lambda tx, call: _create(tx, call, method))
    return await opened(call, answer)


async def opened(call: Call, answer: Answer) -> Answer:
    """The answer with the provider's page, asked for once the order is kept.

    Where the provider cannot be reached the order stays; the same call again opens it.
    """
    house = call.house
    provider = providers.of_house(house)
    made = decode(wire.TopUp, answer.body)
    if provider is None or made.state != "created" or made.id is None:
        return answer
    row = house.read(orders.get, made.id)
    if row is None or row.provider != provider.id or row.state != "created":
        return answer
    url = await outside(house, provider.open_checkout, row)
    row = await house.write(orders.open_checkout, row.id, url)
    shown = wire.TopUp(**fields(house, row), replayed=made.replayed)
    return Answer(shown, answer.status)


async def outside(house: House, work: Callable[..., T], *args: Any) -> T:
    """Do what may take long: in a thread where served, here where not."""
    if not house.options.served:
        return work(house, *args)
    import asyncio

    return await asyncio.to_thread(work, house, *args)


class Wanted(NamedTuple):
    """An order ready to be made: its figures with tax, the bonus' terms, the rules' snapshots."""

    figures: Figures
    tax: Tax
    bonus: Bonus
    details: dict[str, Any]
    promo: codes.Code | None


def wanted(
    tx: Transaction,
    house: House,
    customer: str,
    figures_: Figures,
    method: wire.Method,
    *,
    promo: str | None = None,
) -> Wanted:
    """Tax by the billing profile, bonus by lifetime top-up or code, and what is kept of both."""
    rules = rules_of(tx, house)
    profile, version = profiles.current(tx, customer)
    tax = rules.tax(CREDITS, figures_.amount, profile, version)
    fee = rules.fee_of(method.id, figures_.amount)
    total = figures_.subtotal + tax.units + fee
    code = None
    if promo is not None:
        digest = secrets.hash_of(codes.normal(promo))
        code = codes.promo(tx, customer, house.unit, digest)
    terms: dict[str, Any] = {"levels": rules.levels(), "with_promo": with_promo(house.book)}
    if code is not None:
        given = {"percent": code.percent} if code.percent else {"units": code.amount}
        terms["promo"] = {"code": code.id, "prefix": code.prefix, **given}
    bonus = bonuses.due(figures_.credits, terms, bonuses.lifetime(tx, customer))
    if max(total, figures_.credits + bonus.units) > MOST_UNITS:
        raise Refuse("invalid_request", "the amount is too large", param="amount")
    details: dict[str, Any] = {
        "rate": figures_.rate,
        "pack": figures_.pack,
        "tax": tax.snapshot(),
        "policies": rules.policies(),
    }
    if terms["levels"] or code is not None:
        details["bonus"] = terms
    if method.manual:
        details["pay_to"] = dict(house.facts.get("pay_to") or {})
    changed = figures_._replace(tax=tax.units, fee=fee, bonus=bonus.units, total=total)
    return Wanted(changed, tax, bonus, details, code)


def figures_of(tx: Transaction, call: Call, method: wire.Method) -> Figures:
    """The figures that a body asks for, where its method may be used for them."""
    house, body = call.house, call.body
    table = rules_of(tx, house).topup
    agreed = contracts.open_amount(tx, call.customer.id)
    found = figures(
        house.book,
        table,
        amount=body.amount,
        pack=body.pack,
        currency=body.currency,
        scale=house.scale,
        agreed=agreed,
    )
    may_pay(house, table, method, found.amount, agreed)
    networks = row_of(house, method.id).get("networks", ())
    if body.network is not None and body.network not in networks:
        shown = ", ".join(networks) or "none"
        raise Refuse("invalid_request", f"the networks of {method.id} are {shown}", param="network")
    return found


def _create(tx: Transaction, call: Call, method: wire.Method) -> wire.TopUp:
    asked = figures_of(tx, call, method)
    ready = wanted(tx, call.house, call.customer.id, asked, method, promo=call.body.promo_code)
    made = make(
        tx,
        call.house,
        call.customer.id,
        ready,
        method,
        wallet=wallet_of(tx, call, call.body.wallet),
        network=call.body.network,
    )
    return wire.TopUp(**fields(call.house, made))


def make(
    tx: Transaction,
    house: House,
    customer: str,
    ready: Wanted,
    method: wire.Method,
    *,
    wallet: str | None = None,
    network: str | None = None,
    automatic: bool = False,
) -> Order:
    """Keep an order. Play money's page is known at once; another provider's is asked for later."""
    provider = None if method.manual else providers.of_house(house)
    row = row_of(house, method.id)
    networks = list(row.get("networks", ()))
    days = row.get("due_days", VALID_DAYS)
    asked = ready.figures
    made = orders.create(
        tx,
        customer,
        method=method.id,
        provider=provider.id if provider is not None else MANUAL,
        currency=asked.currency,
        amount=asked.amount,
        credits=asked.credits,
        subtotal=asked.subtotal,
        tax=asked.tax,
        fee=asked.fee,
        bonus=asked.bonus,
        total=asked.total,
        wallet=wallet,
        details=ready.details,
        sandbox=provider is not None and provider.id == sandbox.PROVIDER,
        expires_at=tx.clock.now() + days * DAY,
        state="under_review" if asked.review else "created",
        network=network or (networks[0] if networks else None),
        unique=bool(networks),
        automatic=automatic,
    )
    if ready.promo is not None:
        codes.use(tx, ready.promo, customer, made.id)
    if row.get("due_days") and tx.shared.papers is not None:
        tx.shared.papers(tx, "order", made)
    if made.sandbox and not asked.review:
        made = orders.open_checkout(tx, made.id, sandbox.checkout_url(tx, house, made.id))
    return made


def submit(tx: Transaction, call: Call) -> wire.TopUp:
    """Declare a manual payment as made."""
    found = _owned(tx, call)
    call.before = wire.TopUp(**fields(call.house, found))
    return wire.TopUp(**fields(call.house, submitted(tx, call, found)))


def submitted(tx: Transaction, call: Call, found: Order) -> Order:
    """An order whose payment the caller has told of."""
    if found.provider != MANUAL:
        raise Refuse("state_conflict", "this order is not paid by a transfer")
    body, reference = call.body, normal(call.body.transaction)
    on_chain = found.network or _HASH.fullmatch(reference)
    if on_chain and not body.sender and found.pay_amount is None:
        # Nothing on a chain names the order: its amount has to, or the sender.
        raise Refuse("invalid_request", "say from which address you paid", param="sender")
    return orders.submit(
        tx,
        found.id,
        transaction=reference,
        written=written(body.transaction),
        sender=body.sender,
        by=call.caller.id,
    )


def normal(transaction: str) -> str:
    """A transaction's reference in one spelling, without blanks.

    A hash is its 64 hexadecimal digits in lower case, whatever stands around them: 0x, or the
    address of a page about it.
    """
    text = "".join(unicodedata.normalize("NFKC", transaction).split())
    found = {digits.lower() for digits in _HASH.findall(text)}
    if len(found) == 1:
        return str(found.pop())
    if len(text) < 4 or not text.isprintable():
        raise Refuse("invalid_request", "that is no reference", param="transaction")
    return text.casefold()


def written(transaction: str) -> str:
    """A reference as people read it: a hash in its one spelling, other words as they were typed."""
    known = normal(transaction)
    text = " ".join(unicodedata.normalize("NFKC", transaction).split())
    return known if _HASH.fullmatch(known) else text


def _owned(tx: Transaction, call: Call) -> Order:
    found = orders.get(tx, call.id)
    if found is None or found.customer != call.customer.id:
        raise Refuse("not_found", "there is no such order")
    return found


def _preview(tx: Transaction, call: Call, method: wire.Method) -> wire.TopUp:
    house = call.house
    asked = figures_of(tx, call, method)
    ready = wanted(tx, house, call.customer.id, asked, method, promo=call.body.promo_code)
    asked = ready.figures
    return wire.TopUp(
        state="under_review" if asked.review else "preview",
        method=method.id,
        amount=text_of(asked.amount),
        currency=asked.currency,
        credits=str(house.money(asked.credits)),
        credit_unit=house.unit,
        rate=asked.rate,
        subtotal=text_of(asked.subtotal),
        tax=text_of(asked.tax),
        fee=text_of(asked.fee),
        bonus=str(house.money(asked.bonus)),
        total=text_of(asked.total),
        pack=asked.pack,
        reason=asked.review,
        sandbox=not method.manual and method.id == sandbox.PROVIDER,
        **_said(ready.details, ready.bonus.facts),
    )


def _said(details: dict[str, Any], given: dict[str, Any] | None) -> dict[str, Any]:
    """What the answer says about tax, bonus and the texts that were shown."""
    promo = (details.get("bonus") or {}).get("promo") or {}
    note = None
    if given and given.get("promo"):
        note = f"promotional code {promo.get('prefix')}"
    elif given and given.get("loyalty"):
        note = f"loyalty level {given['level']}"
    tax = details.get("tax")
    return {
        "promo_code": f"{promo['prefix']}..." if promo else None,
        "tax_note": tax.get("note") if isinstance(tax, dict) else tax,
        "bonus_note": note,
        "policies": {
            name: wire.PolicyVersion(**row) for name, row in (details.get("policies") or {}).items()
        },
    }


def fields(house: House, row: Order) -> dict[str, Any]:
    """An order in the fields that customer and operator share."""
    pay_to = None
    if row.provider == MANUAL:
        told = row.details.get("pay_to") or {}
        pay_to = wire.PayTo(
            amount=text_of(row.pay_amount or row.total),
            currency=row.currency,
            address=told.get(f"address_{row.network}") or told.get("address"),
            network=row.network or told.get("network"),
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
        "wallet": row.wallet,
        "network": row.network,
        "automatic": row.automatic,
        **_said(row.details, row.details.get("bonus_given")),
    }
