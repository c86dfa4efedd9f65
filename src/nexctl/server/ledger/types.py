"""What goes into the ledger and comes out of it: plain values.

Amounts are integers of the wallet's unit, times are microseconds since 1970 UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from msgspec import Struct

from nexctl.records import Usage
from nexctl.server.ledger.errors import Layer

HOUR = 3_600_000_000


class Snapshot(NamedTuple):
    """A price snapshot, stored once under its SHA-256 (hexadecimal)."""

    hash: str
    body: str


class Limit(NamedTuple):
    """A rate that one reserve counts against.

    `scope` names what is counted: "key:key_ab12" (for a parent too: its own requests and its
    sub-keys') or "customer:cus_cd34"; `kind` is "rpm" (starts in any 60 seconds) or "concurrency"
    (requests open now).
    """

    scope: str
    kind: str
    most: int


class Ask(Struct, frozen=True):
    """One reserve.

    `amount` is the worst case in the wallet's units and `usage` the worst case in quantities, for
    budgets in tokens. Where the outcome stays unknown for `patience`, `rule` decides: "floor"
    charges `floor` (the price of `floor_usage`, as counted here), "held" the whole hold, "operator"
    waits for a decision.
    `facts` are the fields of the usage record that are known now; `wallet` is the customer's own
    where None. `member` and `project` are whose budgets count beside those of key and customer;
    `fallback` is the account that pays, by its own budgets, where that wallet has not enough.
    `dispatched` says that the request goes upstream as soon as this returns, which spares a
    transaction and makes a crash in between *unknown* instead of *released*.
    `others` are further models that may be charged instead: their budgets are held too.
    `lasting` is for work that outlives processes (a batch): no recovery touches such a hold.
    """

    customer: str
    request_id: str
    body_hash: bytes
    amount: int
    model: str
    snapshot: Snapshot
    usage: Usage = Usage()
    key: str | None = None
    parent: str | None = None
    wallet: str | None = None
    member: str | None = None
    project: str | None = None
    fallback: str | None = None
    limits: tuple[Limit, ...] = ()
    floor: int = 0
    floor_usage: Usage = Usage()
    facts: Mapping[str, Any] = {}
    rule: str = "floor"
    patience: int = 24 * HOUR
    dispatched: bool = False
    others: tuple[str, ...] = ()
    lasting: bool = False


class Alert(NamedTuple):
    """A budget passed `percent` of its amount with this posting.

    `window` is the start of the window that it passed it in, in microseconds.
    """

    budget: str
    name: str
    scope: str
    scope_id: str
    percent: int
    spent: int
    amount: int
    unit: str = "money"
    span: str = "month"
    window: int = 0
    customer: str = ""


class Rate(NamedTuple):
    """How a limit stands after a reserve: `remaining` starts until `resets_at`."""

    scope: str
    kind: str
    most: int
    remaining: int
    resets_at: int


class Reservation(Struct, frozen=True):
    """A hold: `hold` names it for dispatch, settle and release."""

    hold: int
    wallet: str
    amount: int
    created_at: int
    balance: int
    held: int
    rates: tuple[Rate, ...] = ()


class Outcome(Struct, frozen=True):
    """What came of a request: its exact charge and the whole usage record (JSON-safe fields).

    `status` is ok, partial, error or cancelled; `model` the served one, `charged` the one whose
    prices were taken where that is not the hold's.
    """

    charge: int
    usage: Usage
    snapshot: Snapshot
    status: str
    model: str
    record: Mapping[str, Any]
    charged: str | None = None


class Draw(Struct, frozen=True):
    """How much of a debit came from which lot."""

    lot: int
    amount: int


class Settled(Struct, frozen=True):
    """A posted debit: `paid` from the lots named in `draws`, the rest of `charge` as `debt`.

    `replayed` is True where the hold was settled before: then these are that settle's figures.
    `late` says that the hold had been given up.
    """

    wallet: str
    seq: int
    at: int
    charge: int
    paid: int
    debt: int
    balance: int
    held: int
    draws: tuple[Draw, ...]
    alerts: tuple[Alert, ...] = ()
    replayed: bool = False
    late: bool = False


class Credit(NamedTuple):
    """A posted credit: the lot it made (named by its sequence) and what went to old debt."""

    wallet: str
    seq: int
    amount: int
    balance: int
    repaid: int = 0


class Lot(NamedTuple):
    """Credits of one origin, listed in the order in which they burn; `expires_at` None = never."""

    lot: int
    kind: str
    priority: int
    amount: int
    remaining: int
    created_at: int
    expires_at: int | None
    order_id: str | None
    sandbox: bool


class Wallet(NamedTuple):
    """Balance, what open holds keep of it, and what can be spent now with the layer that binds.

    `spendable` is the least `remaining` of all hard layers in money, 0 while `state` is not
    active: "frozen", or "blocked" while there is debt. `unknown` is the part of `held` whose
    requests have no outcome yet.
    """

    id: str
    customer: str
    currency: str
    scale: int
    state: str
    balance: int
    held: int
    unknown: int
    debt: int
    lifetime: int
    spendable: int
    binding: Layer | None
    layers: tuple[Layer, ...]
    lots: tuple[Lot, ...]
    seq: int


class Posting(NamedTuple):
    """One side of an entry: `account` "wallet" with its lot, or a system account."""

    account: str
    lot: int | None
    amount: int


class Entry(NamedTuple):
    """One line of a customer's book. `amount` is signed as the balance moves."""

    wallet: str
    seq: int
    at: int
    kind: str
    amount: int
    balance: int
    reference: str | None
    note: str | None
    reverses: int | None
    hash: bytes
    postings: tuple[Posting, ...] = ()


class UsageRow(NamedTuple):
    """One usage record with its place in the book. `record` holds the fields given at settle."""

    wallet: str
    seq: int
    created_at: int
    at: int
    customer: str
    request_id: str
    key: str | None
    model: str
    status: str
    charge: int
    amount: int
    balance: int
    snapshot: str
    record: dict[str, Any]


class HoldRow(NamedTuple):
    """One hold as it stands."""

    id: int
    customer: str
    wallet: str
    request_id: str
    key: str | None
    model: str
    state: str
    amount: int
    owner: str
    created_at: int
    rule: str
    floor: int
    deadline: int | None
    closed_at: int | None
    seq: int | None
    why: str | None
