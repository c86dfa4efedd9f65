"""A new version of a book from the operator's prices: its models change, nothing else does."""

from __future__ import annotations

import datetime
import hashlib
from typing import TYPE_CHECKING, Any

import msgspec

from nexctl.money import parse_units
from nexctl.pricing.book import Book
from nexctl.pricing.exact import times
from nexctl.server.refusing import Refuse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nexctl.wire.prices import CreditRate, PricedModel

TOKENS = ("input", "cached_input", "cache_write", "output", "reasoning")
MILLION = 1_000_000
_SAID = ("data", None, "the operator's price")
_DERIVED = "input x "


def edition(
    base: Book,
    models: Sequence[PricedModel],
    *,
    remove: Sequence[str] = (),
    credit: CreditRate | None = None,
    day: str,
    since: str | None = None,
    taken: Sequence[str] = (),
) -> Book:
    """The base with these models' prices, in force from `day`. Refused where it cannot be.

    `since` is the instant of a version that is to be stored, which is called by it, and by none of
    the names that are `taken`. It and the base are kept in it, so that prices which were in force
    before, and come again, are a version of their own.
    """
    rows = {row["id"]: row for row in base.data["models"]}
    for name in remove:
        if rows.pop(name, None) is None:
            raise Refuse("invalid_request", "the book has no such model", param="remove")
    seen: set[str] = set()
    for model in models:
        if model.id in seen or model.id in remove:
            raise Refuse("invalid_request", "a model stands there twice", param="models")
        seen.add(model.id)
        rows[model.id] = _row(base, rows.get(model.id), model)
    _check_names(rows.values())
    start = day if since is None else _free(base.id, since, taken)
    head = {**base.head, "valid_from": start, "retrieved": day}
    head.pop("valid_to", None)
    if credit is not None:
        head["credit"] = _credit(base, credit)
    data = {**base.data, "book": head, "models": list(rows.values())}
    data.pop("sha256", None)
    if since is not None:
        data["edition"] = {"follows": base.sha256, "since": since}
    # Once through JSON, so that its hash does not hang on how it was put together.
    text = msgspec.json.encode(data, order="deterministic")
    return Book({**msgspec.json.decode(text), "sha256": hashlib.sha256(text).hexdigest()})


def _free(name: str, since: str, taken: Sequence[str]) -> str:
    """The second in which a version begins, as a day at midnight; the next one whose name is free.

    A day alone would name all versions of that day, and who audits could not tell them apart.
    """
    start = datetime.datetime.fromisoformat(since)
    while True:
        text = start.strftime("%Y-%m-%dT%H:%M:%SZ").removesuffix("T00:00:00Z")
        if f"{name}@{text}" not in taken:
            return text
        start += datetime.timedelta(seconds=1)


def _credit(base: Book, credit: CreditRate) -> dict[str, Any]:
    if not base.is_credit:
        raise Refuse("invalid_request", f"{base.unit} is no credit", param="credit")
    if not parse_units(credit.amount, 12) or not parse_units(credit.per, 12):
        raise Refuse("invalid_request", "a credit's rate is not zero", param="credit")
    return {
        **{key: value for key, value in base.head.get("credit", {}).items() if key != "state"},
        "amount": credit.amount,
        "currency": credit.currency,
        "per": credit.per,
        "said": {"*": ("data", None, "the operator's rate")},
    }


def _row(base: Book, before: Mapping[str, Any] | None, model: PricedModel) -> dict[str, Any]:
    row: dict[str, Any] = dict(before or {"id": model.id, "kind": "chat"})
    for name in ("kind", "provider", "context", "max_output"):
        value = getattr(model, name)
        if value is not None:
            row[name] = value
    for name in ("aliases", "capabilities"):
        value = getattr(model, name)
        if value is not None:
            row[name] = tuple(value)
    for name in ("relative", "status"):
        row.pop(name, None)
    known = base.models.get(model.id)
    kept = {} if known is None else {name: tuple(rate) for name, rate in known.rates.items()}
    rates = _rates(base, kept, model.rates)
    if not any(rate[1] for rate in rates.values()):
        raise Refuse("invalid_request", f"model {model.id} has no price", param="models")
    period: dict[str, Any] = {"rates": rates}
    bounds = [tier.above for tier in model.context_tiers]
    if bounds != sorted(set(bounds)):
        raise Refuse("invalid_request", "context tiers are in order", param="context_tiers")
    tiers: list[tuple[Any, ...]] = [
        (tier.above, False, _rates(base, rates, tier.rates), None, {})
        for tier in model.context_tiers
    ]
    if tiers:
        period["tiers"] = tuple(tiers)
    row["periods"] = (period,)
    row["rates_said"] = {"*": _SAID}
    return row


def _rates(base: Book, kept: Mapping[str, Any], given: Mapping[Any, str]) -> dict[str, Any]:
    """The rates before with those that are given; what follows from the input follows again."""
    rates: dict[str, Any] = dict(kept)
    for meter, state in base.data.get("defaults", {}).get("rates", {}).items():
        if meter not in ("said", "notes") and isinstance(state, str) and not state[0].isdigit():
            unit = "token" if meter in TOKENS else meter
            rates.setdefault(meter, (state, None, 1, unit, None))
    for meter, price in given.items():
        token = meter in TOKENS
        per, unit = (MILLION, "token") if token else (1, meter)
        rates[meter] = ("number", price, per, unit, None)
    words = str((rates.get("cached_input") or (None,) * 5)[4] or "")
    if "input" in given and "cached_input" not in given and words.startswith(_DERIVED):
        price = times(given["input"], words.removeprefix(_DERIVED))
        rates["cached_input"] = ("number", price, MILLION, "token", words)
    return rates


def _check_names(rows: Any) -> None:
    owner: dict[str, str] = {}
    for row in rows:
        for name in (row["id"], *row.get("aliases", ())):
            if owner.setdefault(name.lower(), row["id"]) != row["id"]:
                raise Refuse("invalid_request", f"{name} names two models", param="models")
