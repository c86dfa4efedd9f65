"""Models and the prices in force."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, field

from nexctl.wire.base import Answer, Day, Request


class Rate(Answer):
    """`state` is number, unpublished, varies or not_applicable; only a number has a price."""

    state: str
    price: str | None = None
    per: int | None = None
    unit: str | None = None


class Model(Answer):
    """A model that this key may call, with the fields of OpenAI's list and the book's beside."""

    id: str
    object: str = "model"
    created: int = 0
    owned_by: str = ""
    kind: str | None = None
    aliases: list[str] = field(default_factory=list)
    context: int | None = None
    max_output: int | None = None
    capabilities: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    currency: str | None = None
    rates: dict[str, Rate] = field(default_factory=dict)


class ModelList(Answer):
    """All of them at once, as OpenAI does."""

    data: list[Model]
    object: str = "list"
    next_cursor: str | None = None


class PricesQuery(Request):
    """Prices as they were or will be on a day; default now. `book` adds the whole book."""

    at: Day | None = None
    model: Annotated[str, Meta(max_length=128)] | None = None
    book: bool = False


class Price(Answer):
    """One model's prices and rules, in the fields of `nexctl prices show`."""

    gateway: str
    model: str
    aliases: list[str] = field(default_factory=list)
    kind: str | None = None
    provider: str | None = None
    context: int | None = None
    max_output: int | None = None
    capabilities: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    rates: dict[str, Rate] = field(default_factory=dict)
    multipliers: dict[str, Any] = field(default_factory=dict)
    markup: dict[str, Any] | None = None
    tokenizer: dict[str, Any] | None = None
    valid_from: str | None = None
    valid_to: str | None = None
    source: str | None = None
    retrieved: str | None = None
    notes: list[str] = field(default_factory=list)


class PriceList(Answer):
    """The book in force: `price_book` is ID@DATE, `hash` its content.

    `book` is all that charges follow, in the form of a price book's source, where it was asked for.
    """

    gateway: str
    price_book: str
    currency: str
    data: list[Price]
    default_model: str | None = None
    hash: str | None = None
    valid_from: str | None = None
    valid_to: str | None = None
    retrieved: str | None = None
    next_cursor: str | None = None
    book: dict[str, Any] | None = None
