"""The wallet: what is there, what can be spent now, what was given, and its book."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from nexctl.wire.base import Answer, Id, Instant, Money, PageQuery, Request, Time


class Layer(Answer):
    """One limit on what the caller can spend now.

    `layer` is wallet, key, parent, project, member, org or customer; `id` names it. `unit` is
    money (the wallet's currency) or tokens; a layer that is not `hard` only warns.
    """

    layer: str
    remaining: Money
    id: str | None = None
    name: str | None = None
    amount: Money | None = None
    spent: Money | None = None
    held: Money | None = None
    window: str | None = None
    resets_at: Time | None = None
    unit: str = "money"
    hard: bool = True


class Lot(Answer):
    """Credits of one origin in the order in which they burn.

    `kind` is paid, bonus, included, code, adjustment or another word of the gateway's.
    """

    id: str
    kind: str
    amount: Money
    remaining: Money
    created_at: Time
    expires_at: Time | None = None
    sandbox: bool = False


class Tier(Answer):
    """The billing tier that the month's gross has reached, and what it has saved so far.

    `next_at` is the gross above which the next tier begins; a null `percent` is the operator's to
    set.
    """

    id: str
    month: str
    gross: Money
    saved: Money
    percent: str | None = None
    next_tier: str | None = None
    next_at: Money | None = None
    resets_at: Time | None = None


class Wallet(Answer):
    """`balance` = unspent lots, `held` lies inside it.

    `spendable` = the least of all hard layers of money, `binding` that layer.
    """

    currency: str
    balance: Money
    held: Money
    spendable: Money
    binding: Layer | None = None
    layers: list[Layer] = field(default_factory=list)
    lots: list[Lot] = field(default_factory=list)
    id: str | None = None
    state: str = "active"
    tier: Tier | None = None
    lifetime: Money | None = None
    debt: Money | None = None


class LedgerQuery(PageQuery, kw_only=True):
    """Entries in `sequence` order; `from` inclusive, `to` exclusive, both by posting.

    `after_sequence` continues from an entry that is known already; `wallet` is another one than
    the customer's first.
    """

    from_: Instant | None = field(name="from", default=None)
    to: Instant | None = None
    kind: Annotated[str, Meta(max_length=32)] | None = None
    after_sequence: Annotated[int, Meta(ge=0)] | None = None
    wallet: Id | None = None


class LedgerEntry(Answer):
    """One posting in the customer's append-only book.

    `amount` is signed as the balance moves. `reference` is the request, order, grant or code that
    it belongs to; `reverses` the sequence that it corrects.
    """

    sequence: int
    created_at: Time
    kind: str
    amount: Money
    currency: str
    balance_after: Money
    reference: str | None = None
    key_id: str | None = None
    description: str | None = None
    reverses: int | None = None
    hash: str | None = None


class LedgerPage(Answer):
    """One page of entries. `closed` says that none can be added before the window's end."""

    data: list[LedgerEntry]
    next_cursor: str | None = None
    closed: bool | None = None


class Task(Answer, kw_only=True):
    """Credits that can be had: `claimable` where a claim would give them now, else from when on.

    `amount` is null where the gateway does not say. `every` is once, day, week or month.
    """

    id: str
    title: str | None = None
    amount: Money | None = None
    currency: str | None = None
    every: str
    claim: bool
    claimable: bool
    next_at: Time | None = None
    expires: str | None = None


class Grant(Answer):
    """Credits given, not bought."""

    id: str
    kind: str
    amount: Money
    remaining: Money
    currency: str
    state: str
    created_at: Time
    expires_at: Time | None = None
    period: str | None = None
    note: str | None = None


class GrantPage(Answer):
    """One page of grants. `tasks` are the ways to get some."""

    data: list[Grant]
    next_cursor: str | None = None
    tasks: list[Task] = field(default_factory=list)


class Redeem(Request):
    """A code as it was handed out; blanks, dashes and case do not matter."""

    code: Annotated[str, Meta(min_length=4, max_length=64)]


class Redeemed(Answer):
    """What the code gave."""

    grant_id: str
    amount: Money
    currency: str
    balance: Money
    expires_at: Time | None = None
    replayed: bool = False
