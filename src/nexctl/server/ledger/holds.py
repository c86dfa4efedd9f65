"""Reserve, dispatch, settle, release, unknown: what happens to the money of one request.

    reserved -> dispatched -> settled | released | unknown -> settled | released (by the operator)

Rows are locked in one order everywhere: owner, hold, month, rates, buckets (by rank and id),
wallet, lots.

Long because the states of one hold are one machine: each step is short, and reads beside the
others.
"""

# ruff: noqa: S608 - only names of this program are put into SQL, values are parameters
from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec
from msgspec import Struct

from nexctl.records import METERS, Usage
from nexctl.server.ledger import alerts, budgets, costs, lots, owners, rates, snapshots, tiers
from nexctl.server.ledger.budgets import Budget, Part
from nexctl.server.ledger.chain import (
    DEBT,
    MOST,
    Entry,
    Head,
    Line,
    follow,
    insert,
    locked,
    write,
)
from nexctl.server.ledger.errors import Layer, Refused
from nexctl.server.ledger.port import Row, Transaction, for_many, quiet
from nexctl.server.ledger.types import (
    Alert,
    Ask,
    Draw,
    HoldRow,
    Outcome,
    Rate,
    Reservation,
    Settled,
    Snapshot,
)

OPEN = ("reserved", "dispatched", "unknown")
REVENUE = "usage"
_encode = msgspec.json.encode

# Customer, key and parent (None, None where the wallet is given), wallet, request id ...
_PLACE = (
    "(?,coalesce((SELECT wallet FROM key_wallets WHERE key_id=?),"
    "(SELECT wallet FROM key_wallets WHERE key_id=?),?),?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
)


@cache
def insert_of(count: int) -> str:
    """The statement that makes so many holds; it returns those that it has made."""
    return (
        "INSERT INTO holds (customer_id, wallet, request_id, body_hash, key_id, parent_id, model, "
        "state, amount, layers, owner, created_at, snapshot, floor, facts, rule, deadline) VALUES "
        + ",".join([_PLACE] * count)
        + " ON CONFLICT (customer_id, request_id, attempt) DO NOTHING "
        "RETURNING id, wallet, customer_id, request_id"
    )


HOLD = (
    "UPDATE wallets SET held=held+? "
    "WHERE id=? AND customer_id=? AND balance-held>=? AND state='active' AND debt=0 "
    "AND next_expiry>? "
    "RETURNING balance, held"
)


class Asked(Struct, frozen=True):
    """One ask made ready: who pays, what it takes of which budgets, the values of its row."""

    ask: Ask
    payer: str
    met: list[Budget]
    parts: list[Part]
    values: tuple[Any, ...]


def asked(tx: Transaction, ask: Ask, at: int) -> Asked:
    """What an ask comes to; nothing is held yet."""
    if not 0 <= ask.amount <= MOST or not 0 <= ask.floor <= ask.amount:
        raise Refused("invalid_request", "the amount to hold does not fit")
    snapshot = snapshots.keep(tx, ask.snapshot)
    owner = owners.LASTING if ask.lasting else owners.ensure(tx)
    payer, wallet = payer_of(tx, ask)
    scopes = (ask.member, ask.project) if payer == ask.customer else (None, None)
    met = budgets.applying(tx, payer, ask.key, ask.parent, ask.model, *scopes, ask.others)
    parts = [
        Part(b.id, budgets.start_of(b.span, at), budgets.worst(b, ask.amount, ask.usage))
        for b in met
    ]
    # A key may be bound to one of its customer's wallets; an organisation says which one pays.
    bound = ask.wallet is None and ask.member is None and payer == ask.customer
    values = (
        *(ask.customer, ask.key if bound else None, ask.parent if bound else None),
        *(wallet, ask.request_id, ask.body_hash),
        *(ask.key, ask.parent, ask.model),
        *("dispatched" if ask.dispatched else "reserved", ask.amount, budgets.dumped(parts)),
        *(owner, at, snapshot, ask.floor, _facts(ask), ask.rule, at + ask.patience),
    )
    return Asked(ask, payer, met, parts, values)


def _reserve_many(tx: Transaction, calls: list[tuple[Any, ...]]) -> list[Any]:
    from nexctl.server.ledger import together

    return together.reserve(tx, [ask for (ask,) in calls])


@quiet
@for_many(_reserve_many)
def reserve(tx: Transaction, ask: Ask) -> Reservation:
    """Hold one request's worst case in every budget and in the wallet: all of it or nothing.

    Raises Refused: request_in_progress, already_billed (with the record), idempotency_conflict,
    rate_limited, budget_exceeded, allowance_exceeded (each with its layer), insufficient_balance,
    wallet_frozen, not_found.
    """
    at = tx.clock.now()
    one = asked(tx, ask, at)
    row = tx.one(insert_of(1), *one.values)
    if row is None:
        raise repeated(tx, ask.customer, ask.request_id, ask.body_hash)
    counted = count_in(tx, one, at)
    wallet = row[1]
    found = tx.one(HOLD, ask.amount, wallet, one.payer, ask.amount, at)
    if found is None:
        found = _hold_slowly(tx, wallet, one.payer, ask, at)
    return Reservation(row[0], wallet, ask.amount, at, found[0], found[1], counted)


def count_in(tx: Transaction, one: Asked, at: int) -> tuple[Rate, ...]:
    """Count an ask against its rates and hold its worst case in its budgets."""
    ask = one.ask
    counted = rates.take(tx, ask.limits, ask.customer, at) if ask.limits else ()
    if one.met:
        budgets.take(tx, one.met, ask.key, one.parts, at)
    return counted


def payer_of(tx: Transaction, ask: Ask) -> tuple[str, str]:
    """(account, wallet) that an ask is paid from: its fallback where its wallet has not enough."""
    wallet = ask.wallet or ask.customer
    if ask.fallback is None:
        return ask.customer, wallet
    row = tx.one("SELECT balance-held, next_expiry, state FROM wallets WHERE id=?", wallet)
    if row is None or row[2] != "active":
        return ask.customer, wallet
    free, now = row[0], tx.clock.now()
    if row[1] <= now:
        free -= tx.value(
            "SELECT coalesce(sum(remaining), 0) FROM lots "
            "WHERE wallet=? AND live=1 AND expires_at<=?",
            *(wallet, now),
        )
    if free >= ask.amount and free > 0:
        return ask.customer, wallet
    return ask.fallback, ask.fallback


def _facts(ask: Ask) -> str:
    """What a hold keeps to be settled by its rule, should nobody learn the outcome."""
    return facts_text(ask.floor_usage, ask.usage, ask.facts)


def facts_text(floor: Usage, most: Usage, facts: Mapping[str, Any]) -> str:
    """Those facts as they are kept."""
    return _encode((floor, most, facts)).decode()


def _named(usage: Usage) -> dict[str, int]:
    return {name: count for name, count in zip(METERS, usage, strict=True) if count}


def _hold_slowly(tx: Transaction, wallet: str, payer: str, ask: Ask, at: int) -> Row:
    """The wallet did not take the hold at once: look why, write off what has expired, try again."""
    head = locked(tx, wallet)
    if head.customer != payer:
        raise Refused("not_found", f"there is no wallet {wallet}")
    head = lots.expire(tx, head, at)
    free = head.balance - head.held
    if head.state != "active" or head.debt:
        raise Refused(
            "wallet_frozen",
            "the wallet is frozen until it is reviewed"
            if head.state != "active"
            else "the wallet is blocked until its debt is paid",
            hint="ask the operator" if head.state != "active" else "top up",
            layer=_wallet_layer(head),
        )
    if ask.amount > free:
        raise Refused(
            "insufficient_balance",
            "the wallet does not cover this request",
            hint="top up, or ask for less output",
            layer=_wallet_layer(head),
        )
    tx.run("UPDATE wallets SET held=held+? WHERE id=?", ask.amount, wallet)
    return head.balance, head.held + ask.amount


def _wallet_layer(head: Head) -> Layer:
    free = head.balance - head.held if head.state == "active" and not head.debt else 0
    return Layer("wallet", head.wallet, "wallet", budgets.MONEY, head.balance, 0, head.held, free)


def repeated(tx: Transaction, customer: str, request_id: str, body: bytes | None) -> Refused:
    """The same request id again: running, done, or another body. Never a second charge.

    `body` is the request's hash, None where only the id counts.
    """
    row = tx.one(
        "SELECT id, body_hash, state, wallet, seq FROM holds "
        "WHERE customer_id=? AND request_id=? AND attempt=0",
        *(customer, request_id),
    )
    if row is None:  # given back between the two statements
        return Refused("request_in_progress", "a request with this id has just ended", hint="retry")
    _, body_hash, state, wallet, seq = row
    if body is not None and state != "retired" and body_hash != body:
        return Refused(
            "idempotency_conflict",
            "this request id was used with another body",
            hint="use a new request id for a new request",
        )
    if state in OPEN:
        return Refused(
            "request_in_progress",
            "a request with this id is still running"
            if state != "unknown"
            else "a request with this id has no known outcome yet",
            hint="wait for it",
        )
    from nexctl.server.ledger import entries

    return Refused(
        "already_billed",
        "a request with this id is done and billed",
        hint="see its usage record, or use a new request id",
        record=None if seq is None else entries.usage_at(tx, wallet, seq),
    )


@quiet
def dispatch(tx: Transaction, hold: int) -> None:
    """Say that the request goes upstream now. Raises Refused `hold_lost` where it must not."""
    if not tx.run("UPDATE holds SET state='dispatched' WHERE id=? AND state='reserved'", hold):
        state = tx.value("SELECT state FROM holds WHERE id=?", hold)
        if state != "dispatched":
            raise Refused("hold_lost", f"the hold is {state or 'not there'}: do not send it")


BEGIN_SETTLE = (
    "SELECT id, state, wallet, amount, layers, request_id, customer_id, key_id, parent_id, "
    "created_at, seq, model FROM holds WHERE "
)


USAGE = (
    "wallet, seq, hold, created_at, customer_id, request_id, key_id, model, status, charge, "
    "snapshot, record"
)
CLOSE = "UPDATE holds SET state='settled', seq=?, closed_at=?, why=?, model=? WHERE id=?"


def _settle_many(tx: Transaction, calls: list[tuple[Any, ...]]) -> list[Any]:
    from nexctl.server.ledger import together

    return together.settle(tx, [(hold, outcome) for hold, outcome in calls])


@quiet
@for_many(_settle_many)
def settle(tx: Transaction, hold: int, outcome: Outcome, why: str | None = None) -> Settled:
    """Debit the exact charge and free the hold, once.

    What the hold and the balance do not cover becomes debt and blocks the wallet: usage that
    happened is never rolled back. A hold that was given up (unknown, or released) is debited all
    the same. Repeated, it answers the first settle's figures with `replayed`.
    """
    if not 0 <= outcome.charge <= MOST or min(outcome.usage) < 0:
        raise Refused("invalid_request", "a charge and its usage are not negative")
    row = tx.one(BEGIN_SETTLE + "id=?" + tx.lock, hold)
    if row is None:
        raise Refused("not_found", f"there is no hold {hold}")
    _, state, wallet, amount, layers, _, customer, _, _, created, seq, _ = row
    if state == "settled":
        return _settled_before(tx, hold, wallet, seq)
    if state == "retired":
        raise Refused("state_conflict", "the request belongs to a replaced database")
    is_open = state in OPEN
    tiering, step = tx.shared.tiering, None
    if tiering is not None:
        # A month is the payer's: a member's own wallet may pay for what an organisation asked.
        payer = customer if wallet == customer else owner_of(tx, wallet)
        outcome, step = tiers.begin(tx, tiering, payer, created, outcome)
    snapshot = snapshots.keep(tx, outcome.snapshot)
    passed = spend(tx, layers, outcome, is_open)
    head = before = locked(tx, wallet)
    kept = amount if is_open else 0
    free = head.balance - head.held + kept
    paid = outcome.charge if outcome.charge <= free else free
    draws = lots.burn(tx, wallet, paid)
    entry, usage = debit(tx, head, row, outcome, snapshot, draws, paid, kept)
    write(tx, before, (entry,))
    head = entry.head
    insert(tx, "usage_records", USAGE, [wallet, head.seq, *usage])
    if tx.shared.costing is not None:
        cost = costs.row_of(tx, wallet, head.seq, outcome, outcome.charged or row[-1])
        insert(tx, "usage_costs", costs.COLUMNS, cost)
    if state == "released":  # only if no later attempt of the request has run
        tx.run("UPDATE holds SET state='unknown', attempt=0 WHERE id=?", hold)
    tx.run(CLOSE, head.seq, head.last_at, why, outcome.charged or row[-1], hold)
    seq = head.seq
    if tiering is not None and step is not None:
        head = tiers.settle(tx, tiering, head, step)
    if head.next_expiry <= head.last_at:
        head = lots.expire(tx, head, head.last_at)
    if head.balance < head.alert_below <= head.balance + paid:
        alerts.balance_low(tx, head)
    return Settled(
        *(wallet, seq, head.last_at, outcome.charge, paid, outcome.charge - paid),
        *(head.balance, head.held, draws, passed),
        late=state in ("unknown", "released"),
    )


def debit(
    tx: Transaction,
    head: Head,
    row: Row,
    outcome: Outcome,
    snapshot: str,
    draws: tuple[Draw, ...],
    paid: int,
    kept: int,
) -> tuple[Entry, tuple[Any, ...]]:
    """The entry of a debit and the values of its usage record, not yet written.

    `row` is the hold's (BEGIN_SETTLE), `kept` what it still holds.
    """
    hold, _, _, _, _, request, customer, key, _, created, _, model = row
    record = _encode({**outcome.record, "usage": _named(outcome.usage)}).decode()
    usage = (
        *(hold, created, customer, request, key, outcome.model or model, outcome.status),
        *(outcome.charge, snapshot, record),
    )
    lines: list[Line] = lots.lines(draws, REVENUE)
    if paid != outcome.charge:
        lines[-1] = (REVENUE, None, outcome.charge)
        lines.append((DEBT, None, paid - outcome.charge))
    return follow(tx, head, "usage", lines, held=-kept, reference=request, usage=usage), usage


def owner_of(tx: Transaction, wallet: str) -> str:
    """The account that a wallet belongs to."""
    return str(tx.value("SELECT customer_id FROM wallets WHERE id=?", wallet))


def spend(tx: Transaction, layers: str, outcome: Outcome, is_open: bool) -> tuple[Alert, ...]:
    """Move each bucket from held to spent by the true quantities, and tell who is to be told."""
    passed: list[Alert] = []
    for part in budgets.parts_of(layers):
        budget = budgets.by_id(tx, part.budget)
        if budget is None:
            continue
        spent = 0
        if budgets.meets(budget, outcome.charged):
            spent = budgets.counted(budget, outcome.charge, outcome.usage)
        rolling = bool(budget.alert_at) and budget.span in budgets.ROLLING
        before = budgets.window_spent(tx, budget, tx.clock.now()) if rolling else 0
        after = budgets.give(tx, part if is_open else part._replace(amount=0), spent)
        if rolling:
            after = before + spent
        if budget.alert_at:
            at = tx.clock.now() if rolling else part.start
            passed += budgets.alerts(budget, after - spent, after, at)
    if passed:
        alerts.budgets_passed(tx, passed)
    return tuple(passed)


def _settled_before(tx: Transaction, hold: int, wallet: str, seq: int) -> Settled:
    entry = tx.one("SELECT at, amount, balance FROM entries WHERE wallet=? AND seq=?", wallet, seq)
    charge = tx.value("SELECT charge FROM usage_records WHERE wallet=? AND seq=?", wallet, seq)
    held = tx.value("SELECT held FROM wallets WHERE id=?", wallet)
    draws = tx.all(
        "SELECT lot, -amount FROM postings WHERE wallet=? AND seq=? AND account='wallet' "
        "ORDER BY line",
        *(wallet, seq),
    )
    at, amount, balance = entry or (0, 0, 0)
    return Settled(
        *(wallet, seq, at, charge, -amount, charge + amount, balance, held),
        *(tuple(Draw(*draw) for draw in draws),),
        replayed=True,
    )


@quiet
def release(tx: Transaction, hold: int, why: str) -> bool:
    """Give a hold back: the request failed before a usable response. False if it was given back.

    A settled hold, or one without a known outcome, is not released: Refused `state_conflict`.
    """
    if give_back(tx, hold, why, ("reserved", "dispatched")):
        return True
    return _not_given(tx, hold)


def _not_given(tx: Transaction, hold: int) -> bool:
    state = tx.value("SELECT state FROM holds WHERE id=?", hold)
    if state == "released":
        return False
    if state is None:
        raise Refused("not_found", f"there is no hold {hold}")
    raise Refused("state_conflict", f"the hold is {state}")


def give_back(tx: Transaction, hold: int, why: str, states: tuple[str, ...]) -> bool:
    """Release a hold that is in one of these states; whether it was."""
    row = tx.one("SELECT state, wallet, amount, layers FROM holds WHERE id=?" + tx.lock, hold)
    if row is None or row[0] not in states:
        return False
    for part in budgets.parts_of(row[3]):
        budgets.give(tx, part, 0)
    tx.run("UPDATE wallets SET held=held-? WHERE id=?", row[2], row[1])
    tx.run(
        "UPDATE holds SET state='released', attempt=id, closed_at=?, why=? WHERE id=?",
        *(tx.clock.now(), why, hold),
    )
    return True


def disown(tx: Transaction, customer: str, request_id: str, before: int) -> bool:
    """Give back this process's own hold of a request that it answered with a failure.

    Only one made up to then: a repetition since may have been served.
    """
    row = tx.one(
        "SELECT id FROM holds WHERE customer_id=? AND request_id=? AND owner=? "
        "AND created_at<=? AND state IN ('reserved', 'dispatched')",
        *(customer, request_id, tx.shared.owner, before),
    )
    return row is not None and give_back(
        tx, row[0], "its reserve failed", ("reserved", "dispatched")
    )


@quiet
def mark_unknown(tx: Transaction, hold: int, why: str) -> bool:
    """A dispatched request without an outcome: its money stays held until its deadline."""
    return bool(
        tx.run(
            "UPDATE holds SET state='unknown', why=?, deadline=deadline-created_at+? "
            "WHERE id=? AND state='dispatched'",
            *(why, tx.clock.now(), hold),
        )
    )


def due(tx: Transaction, now: int, most: int = 100) -> list[int]:
    """Unknown holds whose deadline has come and whose rule needs nobody."""
    rows = tx.all(
        "SELECT id FROM holds WHERE state IN ('reserved', 'dispatched', 'unknown') "
        "AND state='unknown' AND rule<>'operator' AND deadline<=? ORDER BY deadline, id LIMIT ?",
        *(now, most),
    )
    return [row[0] for row in rows]


def resolve(tx: Transaction, hold: int) -> Settled | None:
    """Settle an unknown hold by its rule: at its floor, or at all that was held."""
    row = tx.one(
        "SELECT state, rule, floor, amount, facts, snapshot, model FROM holds WHERE id=?" + tx.lock,
        hold,
    )
    if row is None or row[0] != "unknown" or row[1] == "operator":
        return None
    _, rule, floor, amount, facts, snapshot, model = row
    floor_usage, held_usage, record = msgspec.json.decode(facts)
    usage = Usage(*(floor_usage if rule == "floor" else held_usage))
    body = tx.value("SELECT body FROM price_snapshots WHERE hash=?", snapshot)
    outcome = Outcome(
        floor if rule == "floor" else amount,
        usage,
        Snapshot(snapshot, body),
        "partial",
        model,
        {**record, "counted_by": "gateway", "resolved_by": rule},
    )
    return settle(tx, hold, outcome, f"no outcome until its deadline: rule {rule}")


_ROW = (
    "id, customer_id, wallet, request_id, key_id, model, state, amount, owner, created_at, rule, "
    "floor, deadline, closed_at, seq, why"
)


def by_request(tx: Transaction, customer: str, request_id: str) -> HoldRow | None:
    """The hold of a request id, the one that counts where an earlier one was released."""
    row = tx.one(
        f"SELECT {_ROW} FROM holds WHERE customer_id=? AND request_id=? "
        "ORDER BY CASE WHEN state='released' THEN 1 ELSE 0 END, id DESC LIMIT 1",
        *(customer, request_id),
    )
    return None if row is None else HoldRow(*row)


def listed(
    tx: Transaction, customer: str | None = None, states: tuple[str, ...] = OPEN
) -> list[HoldRow]:
    """Holds in some states, oldest first."""
    marks = ",".join("?" * len(states))
    rows = tx.all(
        f"SELECT {_ROW} FROM holds WHERE state IN ({marks})"
        + ("" if customer is None else " AND customer_id=?")
        + " ORDER BY id",
        *(*states, *(() if customer is None else (customer,))),
    )
    return [HoldRow(*row) for row in rows]
