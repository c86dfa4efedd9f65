"""The operator's prices: cost profiles, drafts, dated versions, margins, usage with its cost."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from nexctl.records import Meter
from nexctl.wire.base import (
    Amount,
    Answer,
    Currency,
    Cursor,
    Id,
    Instant,
    Limit,
    Money,
    Note,
    Request,
    Time,
)

Rates = Annotated[dict[Meter, Amount], Meta(max_length=10)]
Hash = Annotated[str, Meta(pattern=r"^[0-9a-f]{16,64}\Z")]
Markup = Annotated[str, Meta(pattern=r"^[0-9]{1,4}(\.[0-9]{1,6})?\Z")]
MostModels = Meta(max_length=2000)


class CostsSet(Request):
    """What a provider takes: a reference book's id, or the text of an own price book in TOML."""

    book: Id | None = None
    toml: Annotated[str, Meta(max_length=2_000_000)] | None = None


class CostProfile(Answer):
    """The cost profile in force of a provider. `source` is a reference book's id, or own."""

    provider: str
    source: str
    hash: str
    title: str
    currency: str
    models: int
    price_book: str
    set_by: str
    set_at: Time


class ContextTier(Request):
    """Rates where the input is above so many tokens."""

    above: Annotated[int, Meta(ge=0, le=1_000_000_000)]
    rates: Rates


class PricedModel(Request):
    """A model with its prices: per million tokens, per request, image, second, in the book's unit.

    What is not given stays as it is in the book.
    """

    id: Id
    rates: Rates
    kind: Literal["chat", "embedding", "image", "video", "audio", "rerank", "other"] | None = None
    provider: Id | None = None
    context: Annotated[int, Meta(ge=1, le=10**9)] | None = None
    max_output: Annotated[int, Meta(ge=1, le=10**9)] | None = None
    aliases: Annotated[list[Id], Meta(max_length=50)] | None = None
    capabilities: list[Literal["stream", "tools", "vision", "embeddings"]] | None = None
    context_tiers: Annotated[list[ContextTier], Meta(max_length=10)] = field(default_factory=list)


class CreditRate(Request):
    """What a credit is sold for: `amount` of `currency` for `per` credits."""

    amount: Amount
    currency: Currency
    per: Amount


class DraftAsk(Request):
    """Prices to be made from costs: the markup in per cent on cost, of these models or all.

    `places` are the decimals that a price may have; what does not end there is rounded up. The
    draft follows the version that charges at `at` (now).
    """

    markup: Markup
    models: Annotated[list[Id], MostModels] = field(default_factory=list)
    places: Annotated[int, Meta(ge=0, le=12)] = 9
    credit: CreditRate | None = None
    at: Instant | None = None


class NoPrice(Answer):
    """A model for which no price could be made."""

    model: str
    why: str


class PriceDraft(Answer):
    """Prices made from costs; nothing is changed by them. `base` is the book that they follow."""

    base: str
    price_book: str
    currency: str
    markup_percent: str
    rounding: str
    rounded: int
    models: list[PricedModel]
    unknown: list[NoPrice]
    credit: CreditRate | None = None


class PriceApply(Request):
    """A new version of the prices in force at `at`: its models and nothing else of it change.

    With `preview` nothing is done. `accept` is the hash that the preview tells, needed where a
    price drops to zero, moves by more than 25 per cent, or goes.
    """

    base: Hash
    models: Annotated[list[PricedModel], MostModels] = field(default_factory=list)
    remove: Annotated[list[Id], MostModels] = field(default_factory=list)
    credit: CreditRate | None = None
    at: Instant | None = None
    accept: Hash | None = None
    note: Note | None = None
    preview: bool = False


class PriceChange(Answer):
    """One price, or rule (`model` null), that changes. `why` it needs to be accepted, else null."""

    meter: str
    model: str | None = None
    before: str | None = None
    after: str | None = None
    percent: str | None = None
    why: str | None = None


class PricesApplied(Answer):
    """What changes, or has changed: `hash` names the stored version, null in a preview.

    `until` is when a version that was stored for later takes its place, null where none was.
    """

    applied: bool
    price_book: str
    currency: str
    in_force_from: Time
    changes: list[PriceChange]
    accept: str
    needs_accept: bool
    hash: str | None = None
    note: str | None = None
    until: Time | None = None


class PriceVersion(Answer):
    """One stored version. `state` is in_force, past or coming."""

    hash: str
    price_book: str
    in_force_from: Time
    added_at: Time
    state: str
    models: int


class PriceVersions(Answer):
    """All versions, oldest first."""

    data: list[PriceVersion]
    next_cursor: str | None = None


class OpeningAsk(Request):
    """Prices to look at before they are in force; none looks at those in force.

    `base` is the version that they change, by default the one that charges now.
    """

    models: Annotated[list[PricedModel], MostModels] = field(default_factory=list)
    remove: Annotated[list[Id], MostModels] = field(default_factory=list)
    credit: CreditRate | None = None
    base: Hash | None = None


class OpeningRow(Answer):
    """One meter of a model at a provider: price and cost for a million tokens, or for one unit.

    `markup_percent` is on cost, `margin_percent` on price. `state` is ok, below_cost, unknown_cost
    or unknown_rate (no way from credits to the cost's currency).
    """

    model: str
    provider: str
    lane: str
    meter: str
    price: str
    state: str
    currency: str
    from_input: int = 0
    cost: str | None = None
    markup_percent: str | None = None
    margin_percent: str | None = None
    why: str | None = None


class Opening(Answer):
    """Whether every row is sold at or above its cost."""

    passed: bool
    price_book: str
    rows: list[OpeningRow]
    below_cost: int
    unknown: int
    unpriced: list[str]


class MarginQuery(Request, rename={"from_": "from"}):
    """A window of time and what to add up by."""

    from_: Instant | None = None
    to: Instant | None = None
    by: Literal["model", "provider", "customer", "month"] = "model"
    customer: Id | None = None


class MarginRow(Answer):
    """Sums of one group, in the currency of the costs; what is not known is null.

    `charge` is in the wallet's unit; `revenue` is the same in money, `unknown_costs` counts the
    requests whose cost nobody knows: then cost and margin are null and `known_cost` is a part.
    """

    group: str
    requests: int
    charge: Money
    unit: str
    unknown_costs: int
    known_cost: Money
    currency: str | None = None
    revenue: Money | None = None
    cost: Money | None = None
    margin: Money | None = None
    markup_percent: str | None = None
    margin_percent: str | None = None


class Margin(Answer):
    """Margins by group, and of everything."""

    data: list[MarginRow]
    total: MarginRow
    notes: list[str]
    from_: str | None = field(default=None, name="from")
    to: str | None = None


class CostQuery(Request, rename={"from_": "from"}):
    """Usage of all customers, or one's."""

    limit: Limit = 100
    cursor: Cursor | None = None
    from_: Instant | None = None
    to: Instant | None = None
    customer: Id | None = None
    model: Id | None = None


class CostedUsage(Answer):
    """One usage record as the operator sees it. `cost` null is not known; `why` says so."""

    created_at: Time
    customer_id: str
    wallet: str
    sequence: int
    request_id: str
    model: str
    status: str
    charge: Money
    currency: str
    provider: str | None = None
    key_id: str | None = None
    cost: Money | None = None
    cost_currency: str | None = None
    why: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0


class CostedPage(Answer):
    """One page of them."""

    data: list[CostedUsage]
    next_cursor: str | None = None
