"""What is served and what it costs: the models that a key may call, and the book in force."""

from __future__ import annotations

import calendar
import time
from typing import TYPE_CHECKING, Any

import msgspec

from nexctl.errors import NexctlError
from nexctl.pricing.served import sheet
from nexctl.server.calls import Call
from nexctl.server.house import micros
from nexctl.server.inference import policy
from nexctl.server.kept_books import stored_book
from nexctl.server.ledger import books
from nexctl.server.ledger.clock import DAY
from nexctl.server.refusing import Refuse
from nexctl.wire import models as wire

if TYPE_CHECKING:
    from nexctl.pricing.book import Book, Model
    from nexctl.server.ledger.port import Transaction

_PRICE = frozenset(wire.Price.__struct_fields__)
_RATE = ("state", "price", "per", "unit")


def listed(tx: Transaction, call: Call) -> wire.ModelList:
    """The models that this key may call."""
    off = call.house.rulebook.see(tx).off
    found = [
        model
        for model in call.house.book.models.values()
        if model.id not in off and policy.may_use(call.caller, model)
    ]
    return wire.ModelList(data=[_model(call, model) for model in found])


def shown(tx: Transaction, call: Call) -> wire.Model:
    """One model, by id or alias."""
    call.house.rulebook.see(tx)
    model = policy.find(call.house, call.id)
    policy.check_model(call.caller, model)
    return _model(call, model)


def prices(tx: Transaction, call: Call) -> wire.PriceList:
    """The book in force, now or on a day, with every rate and rule that prices need."""
    query, book = call.query, call.house.book
    stored = books.in_force(tx, _end_of(query.at))
    if query.at is not None and stored is not None:
        book = stored_book(stored.body)
    names = list(book.models)
    if query.model is not None:
        try:
            names = [book.find(query.model).id]
        except NexctlError:
            raise Refuse("model_not_found", param="model") from None
    return wire.PriceList(
        gateway=book.id,
        price_book=book.version,
        currency=book.unit,
        data=[_price(book, name) for name in names],
        default_model=book.default_model,
        hash=book.sha256,
        valid_from=book.valid_from,
        valid_to=book.valid_to,
        retrieved=book.retrieved,
        book=sheet(book) if query.book else None,
    )


def _end_of(day: str | None) -> int | None:
    if day is None:
        return None
    start = micros(f"{day}T00:00:00Z")
    return None if start is None else start + DAY - 1


def _model(call: Call, model: Model) -> wire.Model:
    return wire.Model(
        id=model.id,
        created=_day(call.house.book.retrieved),
        owned_by=model.provider or call.house.title,
        kind=model.kind,
        aliases=list(model.aliases),
        context=model.context,
        max_output=model.max_output,
        capabilities=list(model.capabilities),
        tags=list(model.tags),
        currency=call.house.unit,
        rates={name: _rate(rate._asdict()) for name, rate in model.rates.items()},
    )


def _day(text: str) -> int:
    return calendar.timegm(time.strptime(text[:10], "%Y-%m-%d"))


def _price(book: Book, name: str) -> wire.Price:
    from nexctl.pricing import listing

    shown = listing.show(book, name)
    kept: dict[str, Any] = {key: value for key, value in shown.items() if key in _PRICE}
    kept["rates"] = {meter: _rate(rate) for meter, rate in shown["rates"].items()}
    source = shown.get("source")
    kept["source"] = source.get("address") if isinstance(source, dict) else source
    return msgspec.convert(kept, wire.Price, from_attributes=True)


def _rate(row: dict[str, Any]) -> wire.Rate:
    from nexctl.pricing.listing import price_text

    found = {key: row.get(key) for key in _RATE}
    found["price"] = price_text(found["price"])
    return wire.Rate(**found)  # type: ignore[arg-type]
