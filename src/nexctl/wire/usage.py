"""Metered requests: records, and sums over them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from nexctl.wire.base import Answer, Instant, Money, PageQuery, Request, Time

Filter = Annotated[str, Meta(min_length=1, max_length=128)]
Label = Annotated[str, Meta(pattern=r"^[^=]{1,64}=[^\x00]{0,512}\Z")]
Status = Literal["ok", "partial", "error", "cancelled"]


class UsageQuery(PageQuery):
    """Records by time (`from` inclusive, `to` exclusive, both by reservation) and by field.

    `label` is NAME=VALUE. `wallet` is one of the customer's wallets; without it the records of all
    come, one wallet after the other, its first one first. `after_sequence` continues in one wallet
    (its first where none is named) from a record that is known already. A page
    may hold fewer records than asked for, even none, and still have a `next_cursor`.
    """

    from_: Instant | None = field(name="from", default=None)
    to: Instant | None = None
    model: Filter | None = None
    key_id: Filter | None = None
    batch_id: Filter | None = None
    project: Filter | None = None
    label: Label | None = None
    status: Status | None = None
    after_sequence: Annotated[int, Meta(ge=0)] | None = None
    wallet: Filter | None = None


class SummaryQuery(Request):
    """A window, filters as in a list of records, and what to sum by.

    `by` is comma-separated: model, key, day, week, month, project, provider, status, label:NAME.
    Days, weeks (ISO 8601) and months are UTC, by reservation.
    """

    from_: Instant | None = field(name="from", default=None)
    to: Instant | None = None
    by: Annotated[str, Meta(max_length=200)] = "model"
    model: Filter | None = None
    key_id: Filter | None = None
    project: Filter | None = None
    label: Label | None = None
    status: Status | None = None
    wallet: Filter | None = None


class UsageRecord(Answer, kw_only=True):
    """One metered request; fields and meanings are those of `nexctl usage export`.

    `created_at` is the reservation, `sequence` the place in its wallet's book. `rate_*` are
    prices per 1,000,000 of that meter. A number that is not known is null.
    """

    created_at: Time
    request_id: str
    gateway: str
    customer_id: str
    org_id: str | None = None
    project: str | None = None
    member_id: str | None = None
    key_id: str | None = None
    key_name: str | None = None
    parent_key_id: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    endpoint: str
    model_requested: str
    model_served: str | None = None
    provider: str | None = None
    status: str
    requests: int | None = 1
    input_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_write_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    images: int | None = None
    videos: int | None = None
    seconds: int | None = None
    gpu_seconds: int | None = None
    semantic_cache_hit: bool | None = None
    batch_id: str | None = None
    rate_input: Money | None = None
    rate_cached_input: Money | None = None
    rate_output: Money | None = None
    rates: dict[str, Any] = field(default_factory=dict)
    multiplier: str | None = None
    tier: str | None = None
    charge: Money | None = None
    currency: str | None = None
    credits: Money | None = None
    balance_delta: Money | None = None
    balance_after: Money | None = None
    sequence: int | None = None
    price_book: str | None = None
    latency_ms: int | None = None
    ttft_ms: int | None = None


class UsageDetail(UsageRecord, kw_only=True):
    """One record with what its export has no column for.

    `picked` says why this model answered and `score` by which figure, `tries` where it failed
    before. `quantities` keep apart what was served, what a provider consumed and what is billable,
    where these differ. `own_key`: it went out with the customer's own provider key.
    `wallet` paid for it.
    """

    picked: str | None = None
    score: str | None = None
    tries: list[dict[str, str]] = field(default_factory=list)
    quantities: dict[str, dict[str, int]] | None = None
    own_key: bool = False
    wallet: str | None = None


class UsagePage(Answer):
    """One page in `sequence` order. `closed`: no hold reserved in the window is open any more."""

    data: list[UsageRecord]
    next_cursor: str | None = None
    closed: bool | None = None


class UsageSum(Answer):
    """Sums over the records of one group; `group` names it by the fields asked for."""

    group: dict[str, str | None]
    requests: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    charge: Money
    currency: str


class UsageSummary(Answer):
    """Groups, dearest first, and their total."""

    data: list[UsageSum]
    total: UsageSum
    from_: Time | None = field(name="from", default=None)
    to: Time | None = None
    closed: bool | None = None
