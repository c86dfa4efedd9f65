"""The operator's routes and which models are served."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexctl.errors import NexctlError
from nexctl.server.calls import Call
from nexctl.server.inference import rulebook
from nexctl.server.ledger import providers, settings
from nexctl.server.refusing import Refuse
from nexctl.wire import routing as wire
from nexctl.wire.base import UNSET
from nexctl.wire.budgets import Removed

if TYPE_CHECKING:
    from nexctl.pricing.book import Book, Model
    from nexctl.server.ledger.port import Transaction

LONGEST_NAME = 100


def listed(tx: Transaction, call: Call) -> wire.RoutePage:
    """The operator's routes by name, then the book's default routes."""
    kept: dict[str, Any] = settings.get(tx, rulebook.ROUTES) or {}
    data = [_shown(name, kept[name]) for name in sorted(kept)]
    book = call.house.book
    if "routes" in book.data:
        data += [
            wire.RouteShown(name=rulebook_auto(), models=list(plan.route), source=f"plan {plan.id}")
            for plan in book.plans.values()
            if plan.route
        ]
    return wire.RoutePage(data=data)


def rulebook_auto() -> str:
    """The name of the default route."""
    from nexctl.server.inference.routing import AUTO

    return AUTO


def put(tx: Transaction, call: Call) -> wire.RouteShown:
    """Set a route."""
    name, body, book = call.id, call.body, call.house.book
    if not name.isascii() or len(name) > LONGEST_NAME or name != name.strip():
        raise Refuse("invalid_request", "that cannot be a route's name", param="name")
    found = [_model(book, one) for one in body.models]
    if len({model.id for model in found}) != len(found):
        raise Refuse("invalid_request", "a model stands there twice", param="models")
    there = _names(tx, book).get(name.lower())
    if there is not None and all(model.id != there for model in found):
        raise Refuse(
            "invalid_request",
            "a route with a model's name has that model among its own",
            param="models",
        )
    kept: dict[str, Any] = settings.get(tx, rulebook.ROUTES) or {}
    if name in kept:
        call.before = _shown(name, kept[name])
    kept[name] = {"models": [model.id for model in found], "fallback": body.fallback}
    settings.put(tx, rulebook.ROUTES, kept)
    tx.afterwards(call.house.rulebook.forget)
    return _shown(name, kept[name])


def remove(tx: Transaction, call: Call) -> Removed:
    """Take a route away."""
    kept: dict[str, Any] = settings.get(tx, rulebook.ROUTES) or {}
    gone = kept.pop(call.id, None)
    if gone is None:
        raise Refuse("not_found", "there is no such route")
    call.before = _shown(call.id, gone)
    settings.put(tx, rulebook.ROUTES, kept)
    tx.afterwards(call.house.rulebook.forget)
    return Removed(id=call.id)


def _shown(name: str, row: dict[str, Any]) -> wire.RouteShown:
    return wire.RouteShown(name=name, models=list(row["models"]), fallback=bool(row["fallback"]))


def _model(book: Book, name: str) -> Model:
    try:
        return book.find(name)
    except NexctlError:
        raise Refuse("model_not_found", "the book has no such model", param="models") from None


# which models are served -------------------------------------------------------------------------


def models(tx: Transaction, call: Call) -> wire.ServedPage:
    """Every model of the book, whether it is served and by whom."""
    kept: dict[str, Any] = settings.get(tx, rulebook.MODELS) or {}
    rows = [row for row in providers.listed(tx) if row.enabled]
    return wire.ServedPage(
        data=[_served(model, kept, rows) for model in call.house.book.models.values()]
    )


def update(tx: Transaction, call: Call) -> wire.ServedModel:
    """Serve a model or do not; give it further names."""
    book, body = call.house.book, call.body
    model = book.models.get(call.id)
    if model is None:
        raise Refuse("not_found", "the book has no such model")
    kept: dict[str, Any] = settings.get(tx, rulebook.MODELS) or {}
    serving = [row for row in providers.listed(tx) if row.enabled]
    call.before = _served(model, kept, serving)
    row = dict(kept.get(model.id, {}))
    if body.enabled is not UNSET:
        row["enabled"] = body.enabled
    if body.aliases is not UNSET:
        _check_aliases(tx, call, model, body.aliases)
        row["aliases"] = body.aliases
    kept[model.id] = row
    settings.put(tx, rulebook.MODELS, kept)
    tx.afterwards(call.house.rulebook.forget)
    return _served(model, kept, serving)


def _names(tx: Transaction, book: Book, but: str | None = None) -> dict[str, str]:
    """Names of models in lower case: the book's, and the operator's for all models `but` one."""
    found = dict(book.names())
    kept: dict[str, Any] = settings.get(tx, rulebook.MODELS) or {}
    for model, row in kept.items():
        if model != but:
            found.update({alias.lower(): model for alias in row.get("aliases", ())})
    return found


def _check_aliases(tx: Transaction, call: Call, model: Model, names: list[str]) -> None:
    taken = _names(tx, call.house.book, but=model.id)
    routes: dict[str, Any] = settings.get(tx, rulebook.ROUTES) or {}
    others = {name.lower() for name, row in routes.items() if model.id not in row["models"]}
    for name in names:
        if name.lower() in taken or name.lower() in {*others, rulebook_auto()}:
            raise Refuse("name_taken", f"{name[:100]} is a name already", param="aliases")
    if len({name.lower() for name in names}) != len(names):
        raise Refuse("invalid_request", "an alias stands there twice", param="aliases")


def _served(model: Model, kept: dict[str, Any], rows: list[Any]) -> wire.ServedModel:
    own = kept.get(model.id, {})
    return wire.ServedModel(
        id=model.id,
        enabled=bool(own.get("enabled", True)),
        aliases=list(model.aliases),
        own_aliases=list(own.get("aliases", ())),
        kind=model.kind,
        priced=any(rate.state == "number" for rate in model.rates.values()),
        providers=[row.id for row in rows if row.models is None or model.id in row.models],
    )
