"""The operator's prices: what providers cost, drafts, dated versions of the book."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexctl.pricing import books as shelf
from nexctl.pricing import changes
from nexctl.pricing.book import Book
from nexctl.server.calls import Call
from nexctl.server.costs.editions import edition
from nexctl.server.costs.margins import Source
from nexctl.server.costs.recording import cost_book
from nexctl.server.house import instant, micros
from nexctl.server.kept_books import body_of, stored_book
from nexctl.server.ledger import books, costs, providers
from nexctl.server.refusing import Refuse
from nexctl.wire import prices as wire

if TYPE_CHECKING:
    from nexctl.server.ledger.books import StoredBook
    from nexctl.server.ledger.port import Transaction

OWN = "own"
ROUNDING = "exact, and where a price has more than {0} decimals rounded up at the {0}th"


def set_costs(tx: Transaction, call: Call) -> wire.CostProfile:
    """Set what a provider takes. Costs of before keep the profile that they were found by."""
    body = call.body
    if providers.get(tx, call.id) is None:
        raise Refuse("not_found", "there is no such provider")
    if (body.book is None) == (body.toml is None):
        raise Refuse("invalid_request", "a reference book's id or a book's text, one of them")
    book = _reference(body.book) if body.book is not None else _own(body.toml)
    if book.is_credit:
        raise Refuse("invalid_request", "costs are in a currency, not in credits")
    if not book.models:
        raise Refuse("invalid_request", "a cost profile has models")
    before = costs.profile(tx, call.id)
    call.before = None if before is None else _profile(tx, before)
    kept = costs.put(
        tx, call.id, body.book or OWN, book.title, body_of(book), set_by=call.caller.id
    )
    return _profile(tx, kept)


def show_costs(tx: Transaction, call: Call) -> wire.CostProfile:
    """The cost profile in force of a provider."""
    found = costs.profile(tx, call.id)
    if found is None:
        raise Refuse("not_found", "that provider has no cost profile")
    return _profile(tx, found)


def _reference(name: str) -> Book:
    if name not in shelf.shipped():
        raise Refuse("invalid_request", "there is no such reference book", param="book")
    return shelf.load(name)


def _own(text: str) -> Book:
    from nexctl.pricing.source import compile_text

    literal, faults = compile_text(text, shelf.list_prices)
    if literal is None:
        line, message = faults[0]
        raise Refuse("invalid_request", f"line {line}: {message}"[:300], param="toml")
    return Book(literal)


def _profile(tx: Transaction, found: costs.Profile) -> wire.CostProfile:
    book = cost_book(costs.body_of(tx, found.book) or "{}")
    return wire.CostProfile(
        provider=found.provider,
        source=found.source,
        hash=found.book,
        title=book.title,
        currency=book.unit,
        models=len(book.models),
        price_book=book.version,
        set_by=found.set_by,
        set_at=instant(found.set_at) or "",
    )


def sources(tx: Transaction) -> list[Source]:
    """Providers with what they take."""
    found = []
    for row in providers.listed(tx):
        kept = costs.profile(tx, row.id)
        body = costs.body_of(tx, kept.book) if kept is not None else None
        found.append(Source(row, cost_book(body) if body is not None else None))
    return found


def in_force(tx: Transaction, at: int | None = None) -> tuple[StoredBook, Book]:
    """The version that charges at an instant (now), and its book."""
    stored = books.in_force(tx, at)
    if stored is None:
        raise Refuse("internal_error")
    return stored, stored_book(stored.body)


def draft(tx: Transaction, call: Call) -> wire.PriceDraft:
    """Prices from costs and a markup; nothing changes."""
    from nexctl.server.costs.drafting import Drafter

    body = call.body
    start = _start(tx, body.at)
    day = (instant(start) or "")[:10]
    stored, book = in_force(tx, start)
    base = edition(book, [], credit=body.credit, day=day) if body.credit else book
    drafter = Drafter(base, sources(tx), body.markup, body.places, day)
    made, unknown = drafter.draft(body.models)
    return wire.PriceDraft(
        base=stored.hash,
        price_book=book.version,
        currency=book.unit,
        markup_percent=body.markup,
        rounding=ROUNDING.format(body.places),
        rounded=drafter.rounded,
        models=made,
        unknown=unknown,
        credit=body.credit,
    )


def apply(tx: Transaction, call: Call) -> wire.PricesApplied:
    """Store a new version of the book, in force from now or a later instant; or tell what it does.

    Never an edit: the version before stays, and debits made by it follow from it for ever. One
    that comes later stays too, and charges from its own time on.
    """
    body = call.body
    # One at a time: who comes second finds another base.
    books.alone(tx)
    start = _start(tx, body.at)
    book = _base(tx, start, body.base)
    kept_before = books.listed(tx)
    later = [row.in_force_from for row in kept_before if row.in_force_from > start]
    since = instant(start) or ""
    day = since[:10]
    made = edition(
        *(book, body.models),
        remove=body.remove,
        credit=body.credit,
        day=day,
        since=since,
        taken=[row.version for row in kept_before],
    )
    found = changes.between(book, made, day)
    if not found:
        raise Refuse("state_conflict", "these are the prices in force already")
    accept = changes.accept_hash(book, made)
    doubtful = changes.refused(found)
    answer = wire.PricesApplied(
        applied=False,
        price_book=made.version,
        currency=made.unit,
        in_force_from=since,
        changes=[wire.PriceChange(**change._asdict()) for change in found],
        accept=accept,
        needs_accept=bool(doubtful),
        note=body.note,
        until=instant(later[0]) if later else None,
    )
    if body.preview:
        return answer
    if doubtful and body.accept != accept:
        first = doubtful[0]
        raise Refuse(
            "price_not_accepted",
            f"{len(doubtful)} of these changes must be accepted, the first is "
            f"{first.model or 'the book'} {first.meter}: "
            f"{changes.told(first.before or 'none')} -> {changes.told(first.after or 'none')}",
            details={"accept": accept, "changes": [one._asdict() for one in doubtful][:20]},
        )
    if body.accept is not None and body.accept != accept:
        raise Refuse("price_not_accepted", "that hash accepts other changes")
    kept = books.add(tx, made.id, made.version, body_of(made), start)
    if kept.in_force_from != start:
        raise Refuse("state_conflict", "that very version was stored before")
    answer.applied, answer.hash = True, kept.hash
    return answer


def _start(tx: Transaction, at: str | None) -> int:
    """From when on, now where nothing is said. Refused in the past."""
    now = tx.clock.now()
    start = micros(at) if at is not None else now
    if start is None or start < now:
        raise Refuse("invalid_request", "prices change now or later, never before", param="at")
    return start


def _base(tx: Transaction, start: int, wanted: str) -> Book:
    """The version that is changed: the one that would charge at that instant."""
    stored, book = in_force(tx, start)
    if not stored.hash.startswith(wanted):
        raise Refuse(
            "state_conflict",
            "the draft follows other prices than those in force then: make it anew, for that time",
            details={"base": stored.hash},
        )
    return book


def versions(tx: Transaction, call: Call) -> wire.PriceVersions:
    """Every version that charged or will."""
    now = tx.clock.now()
    current = in_force(tx)[0].hash
    found = []
    for row in books.listed(tx):
        state = "in_force" if row.hash == current else "past"
        found.append(
            wire.PriceVersion(
                hash=row.hash,
                price_book=row.version,
                in_force_from=instant(row.in_force_from) or "",
                added_at=instant(row.added_at) or "",
                state="coming" if row.in_force_from > now else state,
                models=len(stored_book(row.body).models),
            )
        )
    return wire.PriceVersions(data=found)
