"""Margins before opening and after, and usage with its cost: for operators alone."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

import msgspec

from nexctl.money import text_of
from nexctl.pricing.book import today
from nexctl.pricing.exact import rounded
from nexctl.server.calls import Call
from nexctl.server.costs import margins
from nexctl.server.costs.editions import edition
from nexctl.server.house import instant, micros
from nexctl.server.kept_books import stored_book
from nexctl.server.ledger import books, costs
from nexctl.server.refusing import Refuse
from nexctl.server.rooms.prices import in_force, sources
from nexctl.wire import prices as wire

if TYPE_CHECKING:
    from nexctl.pricing.book import Book
    from nexctl.server.ledger.costs import CostRow
    from nexctl.server.ledger.port import Transaction

PAGE = 1000
NANO = 9


def opening(tx: Transaction, call: Call) -> wire.Opening:
    """Every price beside its cost, of the book in force or of prices not applied yet."""
    body = call.body
    book = in_force(tx)[1] if body.base is None else _version(tx, body.base)
    off = call.house.rulebook.see(tx).off
    if body.models or body.remove or body.credit:
        book = edition(book, body.models, remove=body.remove, credit=body.credit, day=today())
    rows, unpriced = margins.opening(book, sources(tx), today(), off=off, agreed=_agreed(tx))
    below = sum(row.state == "below_cost" for row in rows)
    unknown = sum(row.state.startswith("unknown") for row in rows)
    return wire.Opening(
        passed=bool(rows) and not below and not unknown,
        price_book=book.version,
        rows=rows,
        below_cost=below,
        unknown=unknown,
        unpriced=unpriced,
    )


def _agreed(tx: Transaction) -> str | None:
    """The highest discount that a customer who may buy has been promised."""
    rows = tx.all(
        "SELECT policy FROM customers WHERE state='active' AND policy LIKE ?", "%tier_percent%"
    )
    found = [msgspec.json.decode(policy).get("tier_percent") for (policy,) in rows]
    return max(filter(None, found), key=lambda percent: Fraction(percent), default=None)


def _version(tx: Transaction, wanted: str) -> Book:
    for row in books.listed(tx):
        if row.hash.startswith(wanted):
            return stored_book(row.body)
    raise Refuse("invalid_request", "there is no such version of the prices", param="base")


class _Sum:
    def __init__(self) -> None:
        self.requests = self.charge = self.cost = self.unknown = 0
        self.currencies: set[str] = set()

    def add(self, row: CostRow) -> None:
        self.requests += 1
        self.charge += row.charge
        if row.cost is None or row.cost_scale is None or row.cost_currency is None:
            self.unknown += 1
            return
        # Costs of finer books are kept whole: sums are in 10**-18.
        self.cost += row.cost * 10 ** (18 - row.cost_scale)
        if row.cost:
            self.currencies.add(row.cost_currency)


def sums(tx: Transaction, call: Call) -> wire.Margin:
    """Charges, costs and what lies between, by group."""
    query, book = call.query, call.house.book
    groups: dict[str, _Sum] = {}
    total = _Sum()
    for row in _every(tx, call):
        group = _group(row, query.by)
        groups.setdefault(group, _Sum()).add(row)
        total.add(row)
    notes = []
    if book.is_credit:
        value = book.credit_value
        notes.append(
            f"credits are worth what they are sold for now: {value[0]} {value[1]} for {value[2]}"
            if value is not None
            else "what a credit is sold for is not set: there is no margin in money"
        )
    if total.unknown:
        notes.append(f"requests whose cost is not known: {total.unknown}; no margin over them")
    back = _given_back(tx, call)
    if back:
        given = f"{text_of(back, book.scale)} {book.unit}"
        notes.append(f"given back of charges (reversed, or by billing tiers), not in here: {given}")
    found = [_row(book, name, one) for name, one in groups.items()]
    found.sort(key=lambda row: (-groups[row.group].charge, row.group))
    return wire.Margin(
        data=found,
        total=_row(book, "total", total),
        notes=notes,
        from_=query.from_,
        to=query.to,
    )


def _given_back(tx: Transaction, call: Call) -> int:
    """What entries of the window have given back of charges: they are a month's, not a model's."""
    query = call.query
    where, values = ["e.kind IN ('tier_credit', 'reversal')"], []
    for term, value in (
        ("w.customer_id=?", query.customer),
        ("e.at>=?", micros(query.from_)),
        ("e.at<?", micros(query.to)),
    ):
        if value is not None:
            where.append(term)
            values.append(value)
    back = tx.value(
        "SELECT sum(e.amount) FROM entries e JOIN wallets w ON w.id=e.wallet "  # noqa: S608 - our own names
        f"WHERE {' AND '.join(where)}",
        *values,
    )
    return int(back or 0)


def _group(row: CostRow, by: str) -> str:
    if by == "provider":
        return str(row.record.get("provider") or "-")
    if by == "customer":
        return row.customer
    return str(instant(row.created_at))[:7] if by == "month" else row.model


def _row(book: Book, name: str, one: _Sum) -> wire.MarginRow:
    currency = next(iter(one.currencies)) if len(one.currencies) == 1 else None
    value = book.credit_value
    if currency is None and not one.currencies:
        currency = value[1] if value is not None else (None if book.is_credit else book.unit)
    revenue = margins.worth(book, (one.charge, 10**book.scale))
    in_money = value[1] if value is not None else book.unit
    known = not one.unknown and currency is not None
    row = wire.MarginRow(
        group=name,
        requests=one.requests,
        charge=text_of(one.charge, book.scale),
        unit=book.unit,
        unknown_costs=one.unknown,
        known_cost=text_of(one.cost, 18),
        currency=currency,
        cost=text_of(one.cost, 18) if known else None,
    )
    if revenue is None or currency != in_money:
        return row
    row.revenue = text_of(rounded(*revenue, NANO), NANO)
    if known:
        cost = (one.cost, 10**18)
        between = (revenue[0] * cost[1] - cost[0] * revenue[1], revenue[1] * cost[1])
        row.margin = text_of(rounded(*between, NANO), NANO)
        row.markup_percent = margins.share(revenue, cost, of=cost)
        row.margin_percent = margins.share(revenue, cost, of=revenue)
    return row


def _every(tx: Transaction, call: Call) -> Iterator[CostRow]:
    query = call.query
    after = ("", 0)
    while True:
        rows = costs.page(
            tx,
            after=after,
            limit=PAGE,
            customer=query.customer,
            start=micros(query.from_),
            end=micros(query.to),
        )
        yield from rows
        if len(rows) < PAGE:
            return
        after = rows[-1].wallet, rows[-1].seq


def usage(tx: Transaction, call: Call) -> wire.CostedPage:
    """Usage records of all customers, with what each cost."""
    query, house = call.query, call.house
    rows = costs.page(
        tx,
        after=_after(query.cursor),
        limit=query.limit + 1,
        customer=query.customer,
        start=micros(query.from_),
        end=micros(query.to),
        model=query.model,
    )
    more = len(rows) > query.limit
    rows = rows[: query.limit]
    return wire.CostedPage(
        data=[_shown(row, house.unit, house.scale) for row in rows],
        next_cursor=f"{rows[-1].wallet}:{rows[-1].seq}" if more else None,
    )


def _after(cursor: str | None) -> tuple[str, int]:
    if cursor is None:
        return "", 0
    wallet, _, seq = cursor.rpartition(":")
    if not wallet or not seq.isdecimal() or len(seq) > 18:
        raise Refuse("invalid_request", "that is no cursor", param="cursor")
    return wallet, int(seq)


def _shown(row: CostRow, unit: str, scale: int) -> wire.CostedUsage:
    used = row.record.get("usage", {})
    return wire.CostedUsage(
        created_at=instant(row.created_at) or "",
        customer_id=row.customer,
        wallet=row.wallet,
        sequence=row.seq,
        request_id=row.request_id,
        model=row.model,
        status=row.status,
        charge=text_of(row.charge, scale),
        currency=unit,
        provider=row.record.get("provider"),
        key_id=row.key,
        cost=None if row.cost is None else text_of(row.cost, row.cost_scale or 0),
        cost_currency=row.cost_currency,
        why=row.why or "before costs were kept",
        input_tokens=used.get("input", 0),
        output_tokens=used.get("output", 0),
    )
