"""Many requests in one transaction: what group commit does with all that was asked in one turn.

The rows are those that one after the other would give, by far fewer statements: each month, wallet
and lot is read and written once. Only what is ordinary is done so. A threshold that is passed, a
lot that is used up, a debt, an expiry, a hold that was given up: then each is done by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

from nexctl.server.ledger import costs, holds, lots, snapshots, tiers
from nexctl.server.ledger.chain import MOST, Entry, Head, insert, locked, write
from nexctl.server.ledger.holds import asked, count_in, debit
from nexctl.server.ledger.port import Row, Transaction
from nexctl.server.ledger.types import Ask, Draw, Outcome, Reservation, Settled

SENT = ("reserved", "dispatched")


class Apart(Exception):
    """These are not ordinary: do each by itself."""


def reserve(tx: Transaction, asks: Sequence[Ask]) -> list[Reservation]:
    """Several reserves (see holds.reserve). Refused by whichever is refused, and Apart."""
    at = tx.clock.now()
    ready = [asked(tx, ask, at) for ask in asks]
    made = {
        row[2:]: row[:2]
        for row in tx.all(
            holds.insert_of(len(ready)), *chain.from_iterable(one.values for one in ready)
        )
    }
    found: list[tuple[int, str]] = []
    taken: dict[tuple[str, str], int] = {}
    counted = []
    for one in ready:
        ask = one.ask
        row = made.pop((ask.customer, ask.request_id), None)
        if row is None:
            raise Apart
        found.append(row)
        counted.append(count_in(tx, one, at))
        purse = (row[1], one.payer)
        taken[purse] = taken.get(purse, 0) + ask.amount
    balances: dict[str, int] = {}
    held: dict[str, int] = {}
    for (wallet, payer), amount in sorted(taken.items()):
        state = tx.one(holds.HOLD, amount, wallet, payer, amount, at) if amount <= MOST else None
        if state is None:
            raise Apart
        balances[wallet], held[wallet] = state[0], state[1] - amount
    answers = []
    for one, (hold, wallet), rates in zip(ready, found, counted, strict=True):
        amount = one.ask.amount
        held[wallet] += amount
        answers.append(Reservation(hold, wallet, amount, at, balances[wallet], held[wallet], rates))
    return answers


def settle(tx: Transaction, calls: list[tuple[int, Outcome]]) -> list[Settled]:
    """Several settles (see holds.settle), each of (hold, outcome), or Apart."""
    rows = _holds(tx, [hold for hold, _ in calls])
    outcomes = [outcome for _, outcome in calls]
    if any(not 0 <= one.charge <= MOST or min(one.usage) < 0 for one in outcomes):
        raise Apart
    outcomes = _tiered(tx, rows, outcomes)
    kept = [snapshots.keep(tx, outcome.snapshot) for outcome in outcomes]
    passed = [
        holds.spend(tx, row[4], outcome, True) if row[4] != "[]" else ()
        for row, outcome in zip(rows, outcomes, strict=True)
    ]
    books = {wallet: locked(tx, wallet) for wallet in sorted({row[2] for row in rows})}
    charges: dict[str, int] = {}
    for row, outcome in zip(rows, outcomes, strict=True):
        charges[row[2]] = charges.get(row[2], 0) + outcome.charge
    lot_of = {wallet: _lot(tx, head, charges[wallet]) for wallet, head in books.items()}
    now, entries = dict(books), {wallet: list[Entry]() for wallet in books}
    records: list[Any] = []
    spent: list[Any] = []
    answers = []
    for row, outcome, snapshot, told in zip(rows, outcomes, kept, passed, strict=True):
        wallet, amount, charge = row[2], row[3], outcome.charge
        head = now[wallet]
        if charge > head.balance - head.held + amount:
            raise Apart
        draws = (Draw(lot_of[wallet], charge),) if charge else ()
        entry, usage = debit(tx, head, row, outcome, snapshot, draws, charge, amount)
        head = now[wallet] = entry.head
        entries[wallet].append(entry)
        records += (wallet, head.seq, *usage)
        spent += costs.row_of(tx, wallet, head.seq, outcome, outcome.charged or row[-1])
        answers.append(
            Settled(
                *(wallet, head.seq, head.last_at, charge, charge, 0, head.balance, head.held),
                *(draws, told),
            )
        )
    for wallet, head in books.items():
        if charges[wallet]:
            lots.take(tx, wallet, lot_of[wallet], charges[wallet])
        if now[wallet].next_expiry <= now[wallet].last_at:
            raise Apart
        write(tx, head, entries[wallet])
    insert(tx, "usage_records", holds.USAGE, records)
    insert(tx, "usage_costs", costs.COLUMNS, spent)
    for row, outcome, done in zip(rows, outcomes, answers, strict=True):
        tx.run(holds.CLOSE, done.seq, done.at, None, outcome.charged or row[-1], row[0])
    return answers


def _holds(tx: Transaction, names: list[int]) -> list[Row]:
    """The rows of holds that are open as usual, each named once."""
    marks = ",".join("?" * len(names))
    rows = tx.all(f"{holds.BEGIN_SETTLE}id IN ({marks}) ORDER BY id{tx.lock}", *names)
    found = {row[0]: row for row in rows if row[1] in SENT}
    if len(found) != len(names):
        raise Apart
    return [found[name] for name in names]


def _tiered(tx: Transaction, rows: list[Row], outcomes: list[Outcome]) -> list[Outcome]:
    """The outcomes at their billing tiers, where the book has any."""
    tiering = tx.shared.tiering
    if tiering is None:
        return outcomes
    payers: dict[str, str] = {}
    for row in rows:
        wallet, customer = row[2], row[6]
        if wallet not in payers:
            payers[wallet] = customer if wallet == customer else holds.owner_of(tx, wallet)
    found = tiers.begin_many(
        tx,
        tiering,
        [(payers[row[2]], row[9], outcome) for row, outcome in zip(rows, outcomes, strict=True)],
    )
    if found is None:
        raise Apart
    return found


def _lot(tx: Transaction, head: Head, amount: int) -> int:
    """The lot that pays all of it and stays; Apart where it does not, or somebody is to be told."""
    if head.balance - amount < head.alert_below <= head.balance:
        raise Apart
    if not amount:
        return 0
    lot = lots.first(tx, head.wallet)
    if lot is None or lot[1] <= amount:
        raise Apart
    return int(lot[0])


__all__ = ["Apart", "reserve", "settle"]
