"""Billing tiers: what a month's gross usage earns, settled in the transaction that debits it.

A month is the reservation's. Each debit is charged at the tier that the month's gross before it has
reached, and keeps that tier and its own gross. The debit that passes a threshold is followed by one
credit entry for (customer, month, threshold): what the higher tier would have cut from the whole
month so far, less what was cut and credited already. The rules are handed in (`Tiering`): the
ledger knows no price book.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import msgspec

from nexctl.records import Usage
from nexctl.server.ledger import funds
from nexctl.server.ledger.chain import Head
from nexctl.server.ledger.port import Row, Transaction
from nexctl.server.ledger.types import Outcome, Snapshot

ACCOUNT = "tier_credits"
KIND = "tier_credit"
GROSS = "gross"


class Tiering(Protocol):
    """A book's billing tiers. Amounts are in the wallet's unit."""

    def month(self, at: int) -> str:
        """The month, YYYY-MM, that an instant belongs to in the book's zone."""

    def tier_of(self, gross: int) -> str:
        """The tier that a month's gross has reached."""

    def negotiable(self, tier: str) -> bool:
        """Whether a tier's percent is the operator's for each customer."""

    def priced(
        self, snapshot: Snapshot, usage: Usage, tier: str, negotiated: str | None
    ) -> tuple[int, Snapshot] | None:
        """The charge at a tier and the snapshot to keep; None where it cannot be told."""

    def earned(self, tier: str, gross: int, negotiated: str | None) -> tuple[int, str, bool]:
        """(units, percent, alert): what a tier cuts from a whole month's gross."""

    def passed(self, before: int, after: int) -> tuple[tuple[str, int], ...]:
        """(tier, gross at which it begins) of every threshold between, lowest first."""

    def alert(self, text: str) -> None:
        """Tell the operator."""


class Step(NamedTuple):
    """One debit's place in its month: the gross before and after it, and what was cut so far."""

    customer: str
    month: str
    before: int
    after: int
    cut: int
    credited: int


class Month(NamedTuple):
    """A customer's month: gross usage charges, what debits were cut by, what was credited."""

    month: str
    gross: int
    cut: int
    credited: int


class TierCredit(NamedTuple):
    """One settled threshold. `seq` None where there was nothing to credit."""

    customer: str
    month: str
    threshold: int
    tier: str
    percent: str
    gross: int
    amount: int
    wallet: str
    seq: int | None
    at: int


def begin(
    tx: Transaction, tiering: Tiering, customer: str, created: int, outcome: Outcome
) -> tuple[Outcome, Step]:
    """The outcome at its tier, the month's row locked and moved. Call it before anything is posted.

    `outcome.charge` is the gross. The record keeps it beside the charge.
    """
    month = tiering.month(created)
    gross = outcome.charge
    after, cut, credited = _moved(tx, customer, month, gross)
    changed, saved = _at_tier(tx, tiering, customer, after - gross, outcome)
    if saved:
        cut += saved
        _cut(tx, customer, month, cut)
    return changed, Step(customer, month, after - gross, after, cut, credited)


def begin_many(
    tx: Transaction, tiering: Tiering, debits: list[tuple[str, int, Outcome]]
) -> list[Outcome] | None:
    """`begin` for (customer, created, outcome) of several debits, each month moved once.

    None where they pass a threshold, which is settled debit by debit.
    """
    months: dict[tuple[str, str], int] = {}
    places = []
    for customer, created, outcome in debits:
        place = (customer, tiering.month(created))
        places.append(place)
        months[place] = months.get(place, 0) + outcome.charge
    reached: dict[tuple[str, str], int] = {}
    cuts: dict[tuple[str, str], int] = {}
    for (customer, month), gross in sorted(months.items()):
        after, cut, _ = _moved(tx, customer, month, gross)
        if tiering.passed(after - gross, after):
            return None
        reached[customer, month], cuts[customer, month] = after - gross, cut
    found: list[Outcome] = []
    saved: dict[tuple[str, str], int] = {}
    for place, (customer, _, outcome) in zip(places, debits, strict=True):
        changed, less = _at_tier(tx, tiering, customer, reached[place], outcome)
        reached[place] += outcome.charge
        if less:
            saved[place] = saved.get(place, 0) + less
        found.append(changed)
    for (customer, month), less in saved.items():
        _cut(tx, customer, month, cuts[customer, month] + less)
    return found


def _moved(tx: Transaction, customer: str, month: str, gross: int) -> Row:
    """Lock a month's row and add to its gross; (gross, cut, credited)."""
    row = tx.one(
        "INSERT INTO tier_months (customer_id, month, gross, cut, credited) VALUES (?,?,?,0,0) "
        "ON CONFLICT (customer_id, month) DO UPDATE SET gross=tier_months.gross+excluded.gross "
        "RETURNING gross, cut, credited",
        *(customer, month, gross),
    )
    return row or (gross, 0, 0)


def _cut(tx: Transaction, customer: str, month: str, cut: int) -> None:
    tx.run("UPDATE tier_months SET cut=? WHERE customer_id=? AND month=?", cut, customer, month)


def _at_tier(
    tx: Transaction, tiering: Tiering, customer: str, before: int, outcome: Outcome
) -> tuple[Outcome, int]:
    """The outcome at the tier that a gross has reached, and what that cuts from it."""
    gross, tier = outcome.charge, tiering.tier_of(before)
    told = negotiated(tx, customer) if tiering.negotiable(tier) else None
    priced = tiering.priced(outcome.snapshot, outcome.usage, tier, told)
    charge, snapshot = priced if priced is not None else (gross, outcome.snapshot)
    changed = Outcome(
        *(charge, outcome.usage, snapshot, outcome.status, outcome.model),
        *({**outcome.record, GROSS: gross}, outcome.charged),
    )
    return changed, max(0, gross - charge)


def settle(tx: Transaction, tiering: Tiering, head: Head, step: Step) -> Head:
    """Credit every threshold that the debit just posted has passed, once each."""
    credited = step.credited
    for tier, threshold in tiering.passed(step.before, step.after):
        told = negotiated(tx, step.customer) if tiering.negotiable(tier) else None
        target, percent, alert = tiering.earned(tier, step.after, told)
        amount = max(0, target - step.cut - credited)
        # Whoever was first has the row; nobody is credited twice.
        fresh = tx.run(
            "INSERT INTO tier_credits (customer_id, month, threshold, tier, percent, gross, "
            "amount, wallet, seq, created_at) SELECT ?,?,?,?,?,?,?,?,?,? WHERE NOT EXISTS "
            "(SELECT 1 FROM tier_credits WHERE customer_id=? AND month=? AND threshold=?)",
            *(step.customer, step.month, threshold, tier, percent, step.after, amount),
            *(head.wallet, head.seq + 1 if amount else None, tx.clock.now()),
            *(step.customer, step.month, threshold),
        )
        if fresh and amount:
            head, _ = funds.credit(
                tx,
                head,
                KIND,
                amount,
                ACCOUNT,
                lot_kind=KIND,
                reference=f"{step.month}:{tier}",
                note=f"billing tier {tier}, {percent} % of {step.month}",
            )
            credited += amount
        if alert:
            text = f"{step.customer} has reached tier {tier} in {step.month}: set its percent"
            tx.afterwards(lambda text=text: tiering.alert(text))  # type: ignore[misc]
    if credited != step.credited:
        tx.run(
            "UPDATE tier_months SET credited=? WHERE customer_id=? AND month=?",
            *(credited, step.customer, step.month),
        )
    return head


def negotiated(tx: Transaction, customer: str) -> str | None:
    """The percent that the operator has agreed with a customer, None where none was set."""
    policy = tx.value("SELECT policy FROM customers WHERE id=?", customer)
    found: Any = msgspec.json.decode(policy or "{}").get("tier_percent")
    return None if found is None else str(found)


def month(tx: Transaction, customer: str, name: str) -> Month:
    """A customer's month so far; zeros where nothing was charged in it."""
    row = tx.one(
        "SELECT month, gross, cut, credited FROM tier_months WHERE customer_id=? AND month=?",
        *(customer, name),
    )
    return Month(name, 0, 0, 0) if row is None else Month(*row)


def credits_of(tx: Transaction, customer: str, name: str | None = None) -> list[TierCredit]:
    """The thresholds that a customer has passed, by month and height."""
    rows: list[Row] = tx.all(
        "SELECT customer_id, month, threshold, tier, percent, gross, amount, wallet, seq, "
        "created_at FROM tier_credits WHERE customer_id=? AND (month=? OR ?=1) "
        "ORDER BY month, threshold",
        *(customer, name or "", int(name is None)),
    )
    return [TierCredit(*row) for row in rows]
