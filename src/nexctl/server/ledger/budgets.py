"""Budgets: limits on money or metered tokens at a scope over a window, counted in buckets.

A month or a lifetime is one bucket. A rolling window is at most 32: whole buckets of a fixed
width, the one that the window's edge cuts counted in full. A request belongs to the bucket of its
reservation, whenever it is settled.

Long because counting and setting share what a window and a bucket are: a budget that is set late
counts the past by the very buckets that requests are counted in.
"""

# ruff: noqa: S608 - only names of this program are put into SQL, values are parameters
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from nexctl.records import METERS, Usage
from nexctl.server.ledger import ids
from nexctl.server.ledger.clock import DAY, HOUR, MINUTE, month_of
from nexctl.server.ledger.errors import Layer, Refused
from nexctl.server.ledger.port import Row, Transaction
from nexctl.server.ledger.types import Alert

TOKENS, MONEY = "tokens", "money"
RANKS = {"key": 0, "parent": 1, "member": 2, "project": 3, "org": 4, "customer": 5}
# who set a budget: its owner, the plan, an organisation's policy, the operator
OWN, PLAN, POLICY, OPERATOR = ("set", "plan", "policy", "operator")
# length of a rolling window and of its buckets
ROLLING = {"5h": (5 * HOUR, 10 * MINUTE), "1d": (DAY, HOUR), "7d": (7 * DAY, 6 * HOUR)}
SPANS = ("month", "lifetime", *ROLLING)
_INDEX = {name: number for number, name in enumerate(METERS)}


class Budget(NamedTuple):
    """One budget. `scope` is key, customer or another word; a key's budget binds its sub-keys too.

    `origin` says who set it; only its setter changes or removes it. `unit` is "money" (amount in
    the wallet's units) or "tokens" (amount = sum of `meters`). `models` None means every model.
    `alert_at` are per cent.
    """

    id: str
    customer: str
    scope: str
    scope_id: str
    name: str
    span: str
    unit: str
    amount: int
    hard: bool
    meters: tuple[str, ...] | None = None
    models: tuple[str, ...] | None = None
    alert_at: tuple[int, ...] = ()
    created_at: int = 0
    origin: str = OWN


class State(NamedTuple):
    """A budget with its current window: what is spent, held and left, and when it resets."""

    budget: Budget
    spent: int
    held: int
    remaining: int
    resets_at: int | None


class Part(NamedTuple):
    """What one hold takes of one bucket."""

    budget: str
    start: int
    amount: int


_COLUMNS = (
    "id, customer_id, scope, scope_id, name, span, unit, amount, hard, meters, models, alert_at, "
    "created_at, origin"
)
_JSON = msgspec.json.decode


def _budget(row: Row) -> Budget:
    meters, models = row[9], row[10]
    return Budget._make(
        (
            *row[:8],
            bool(row[8]),
            tuple(_JSON(meters)) if meters else None,
            tuple(_JSON(models)) if models else None,
            tuple(_JSON(row[11])),
            *row[12:14],
        )
    )


_APPLY = (
    f"SELECT {_COLUMNS} FROM budgets WHERE active=1 AND scope_id IN (?,?,?,?,?) ORDER BY rank, id"
)


def applying(
    tx: Transaction,
    customer: str,
    key: str | None,
    parent: str | None,
    model: str | None,
    member: str | None = None,
    project: str | None = None,
    others: tuple[str, ...] = (),
) -> list[Budget]:
    """The budgets that a request meets, in the order in which they are taken and locked.

    An organisation is its own account, so `customer` names its budgets too. `others` are models
    that the request may be charged as instead.
    """
    named = (key, parent, member, project, customer)
    found = tx.remember(
        ("budgets", *named), lambda: [_budget(row) for row in tx.all(_APPLY, *named)]
    )
    return [
        b
        for b in found
        if b.models is None
        or model is None
        or model in b.models
        or (others and not set(others).isdisjoint(b.models))
    ]


def meets(budget: Budget, model: str | None) -> bool:
    """Whether what was charged as a model counts in a budget."""
    return budget.models is None or model is None or model in budget.models


def counted(budget: Budget, units: int, usage: Usage) -> int:
    """What a charge or its usage weighs in a budget's unit."""
    if budget.unit == MONEY:
        return units
    return sum(usage[_INDEX[meter]] for meter in budget.meters or ("input", "output"))


def worst(budget: Budget, units: int, usage: Usage) -> int:
    """What a hold takes: `usage` counts all input as input, but any of it may prove cached."""
    need = counted(budget, units, usage)
    if budget.unit == TOKENS and "input" not in (budget.meters or ()):
        need += usage.input if takes_input(budget.meters) else 0
    return need


_OF_INPUT = frozenset(("input", "cached_input", "cache_write"))


def takes_input(meters: Sequence[str] | None) -> bool:
    """Whether a hold takes a request's input from a budget in tokens of these meters."""
    return not _OF_INPUT.isdisjoint(meters or ())


def start_of(span: str, at: int) -> int:
    """The start of the bucket that an instant belongs to."""
    if span == "month":
        return month_of(at)[0]
    if span == "lifetime":
        return 0
    return at - at % ROLLING[span][1]


def ends(span: str, at: int) -> int | None:
    """When everything that a calendar window counts is forgotten; None for lifetime and rolling."""
    return month_of(at)[1] if span == "month" else None


_TAKE = "UPDATE buckets SET held=held+? WHERE budget=? AND start=? AND ?<=?-spent-held"
_TAKE_SOFT = "UPDATE buckets SET held=held+? WHERE budget=? AND start=?"
_OPEN = (
    "INSERT INTO buckets (budget, start, opening, spent, held) VALUES (?,?,0,0,0) "
    "ON CONFLICT (budget, start) DO NOTHING"
)


def take(
    tx: Transaction, met: Sequence[Budget], key: str | None, parts: Sequence[Part], at: int
) -> None:
    """Hold one request's worst case in every budget; Refused names the first that says no.

    The caller's transaction is rolled back by the refusal, so it is all or nothing.
    """
    for budget, (name, start, need) in zip(met, parts, strict=True):
        if budget.hard and budget.span in ROLLING:
            _take_rolling(tx, budget, key, need, start, at)
            continue
        if budget.hard:
            done = tx.run(_TAKE, need, name, start, need, budget.amount)
        else:
            done = tx.run(_TAKE_SOFT, need, name, start)
        if not done:
            _take_again(tx, budget, key, need, start, at)


def _take_again(
    tx: Transaction, budget: Budget, key: str | None, need: int, start: int, at: int
) -> None:
    """No bucket yet, or not enough left in it."""
    tx.run(_OPEN, budget.id, start)
    if not budget.hard:
        tx.run(_TAKE_SOFT, need, budget.id, start)
    elif not tx.run(_TAKE, need, budget.id, start, need, budget.amount):
        raise refusal(state(tx, budget, at), key, need)


def _take_rolling(
    tx: Transaction, budget: Budget, key: str | None, need: int, start: int, at: int
) -> None:
    """The buckets of a rolling window are read and written under the budget's own row lock."""
    if tx.lock:
        tx.one("SELECT id FROM budgets WHERE id=?" + tx.lock, budget.id)
    used = sum(row[1] for row in _window(tx, budget, at))
    if need > budget.amount - used:
        raise refusal(state(tx, budget, at), key, need)
    if not tx.run(_TAKE_SOFT, need, budget.id, start):
        tx.run(_OPEN, budget.id, start)
        tx.run(_TAKE_SOFT, need, budget.id, start)


def _window(tx: Transaction, budget: Budget, at: int) -> list[Row]:
    """(start, spent + held, spent, held) of each bucket that the window ending now touches."""
    length, width = ROLLING[budget.span]
    return tx.all(
        "SELECT start, spent+held, spent, held FROM buckets WHERE budget=? AND start>? "
        "ORDER BY start",
        *(budget.id, at - length - width),
    )


def give(tx: Transaction, part: Part, spent: int) -> int:
    """Turn what a hold took into what was spent (0 on release); return the bucket's new spent."""
    now: int = tx.value(
        "UPDATE buckets SET held=held-?, spent=spent+? WHERE budget=? AND start=? RETURNING spent",
        *(part.amount, spent, part.budget, part.start),
    )
    return now


def add(tx: Transaction, part: Part, spent: int) -> int:
    """Count something that is not held any more (a late settle)."""
    return give(tx, part._replace(amount=0), spent)


def by_id(tx: Transaction, budget: str) -> Budget | None:
    """One budget, also a removed one."""
    row = tx.one(f"SELECT {_COLUMNS} FROM budgets WHERE id=?", budget)
    return None if row is None else _budget(row)


def window_spent(tx: Transaction, budget: Budget, at: int) -> int:
    """What a rolling window has seen, read under the budget's own row lock."""
    if tx.lock:
        tx.one("SELECT id FROM budgets WHERE id=?" + tx.lock, budget.id)
    return sum(row[2] for row in _window(tx, budget, at))


def alerts(budget: Budget, before: int, after: int, at: int = 0) -> list[Alert]:
    """The alerts that a rise of `spent` in the window around `at` passes."""
    passed = []
    if budget.span in ROLLING:
        window = at - at % ROLLING[budget.span][0]
    else:
        window = start_of(budget.span, at)
    for percent in budget.alert_at:
        mark = budget.amount * percent
        if before * 100 < mark <= after * 100:
            passed.append(
                Alert(
                    budget=budget.id,
                    name=budget.name,
                    scope=budget.scope,
                    scope_id=budget.scope_id,
                    percent=percent,
                    spent=after,
                    amount=budget.amount,
                    unit=budget.unit,
                    span=budget.span,
                    window=window,
                    customer=budget.customer,
                )
            )
    return passed


def state(tx: Transaction, budget: Budget, at: int) -> State:
    """A budget's current window."""
    if budget.span in ROLLING:
        rows = [row for row in _window(tx, budget, at) if row[1]]
        spent, held = sum(row[2] for row in rows), sum(row[3] for row in rows)
        length, width = ROLLING[budget.span]
        resets = rows[0][0] + width + length if rows else None
    else:
        row = tx.one(
            "SELECT spent, held FROM buckets WHERE budget=? AND start=?",
            *(budget.id, start_of(budget.span, at)),
        )
        spent, held = row if row else (0, 0)
        resets = ends(budget.span, at)
    return State(budget, spent, held, max(0, budget.amount - spent - held), resets)


def layer_of(found: State, key: str | None) -> Layer:
    """A budget as one layer of what can be spent, seen from a key."""
    budget = found.budget
    seen = budget.scope
    if seen == "key" and key is not None and budget.scope_id != key:
        seen = "parent"
    return Layer(
        layer=seen,
        id=budget.id,
        name=budget.name,
        unit=budget.unit,
        amount=budget.amount,
        spent=found.spent,
        held=found.held,
        remaining=found.remaining,
        span=budget.span,
        resets_at=found.resets_at,
        hard=budget.hard,
        meters=budget.meters,
    )


def refusal(found: State, key: str | None, need: int) -> Refused:
    """The refusal that names the layer, what is left and when it resets."""
    layer = layer_of(found, key)
    money = layer.unit == MONEY
    what = "" if money else f" of {' + '.join(layer.meters or ())} tokens"
    return Refused(
        "budget_exceeded" if money else "allowance_exceeded",
        f"the {layer.span} budget {layer.name!r}{what} of the {layer.layer} does not cover this "
        "request",
        hint="wait for its reset, ask for less output, or raise the budget",
        layer=layer,
        retry_at=layer.resets_at if need <= layer.amount else None,
    )


# setting and showing ---------------------------------------------------------------------------


def put(
    tx: Transaction,
    customer: str,
    scope: str,
    scope_id: str,
    amount: int,
    *,
    span: str = "month",
    name: str | None = None,
    unit: str = MONEY,
    meters: Sequence[str] | None = None,
    models: Sequence[str] | None = None,
    hard: bool = True,
    alert_at: Sequence[int] = (),
    origin: str = OWN,
) -> Budget:
    """Set the budget of a scope, name and span; of one that is there, what is spent stays.

    One that another `origin` has set is not changed: Refused `not_permitted`.

    A new one counts what its window has seen so far, settled and still held. Meters and models of a
    budget never change: that is another budget (remove it first).
    """
    _check(scope, span, unit, meters, amount)
    shown = name or usual_name(scope, span)
    kept = (
        msgspec.json.encode(sorted(meters)).decode() if meters else None,
        msgspec.json.encode(sorted(models)).decode() if models else None,
    )
    there = tx.one(
        f"SELECT {_COLUMNS} FROM budgets WHERE active=1 AND scope=? AND scope_id=? AND name=? "
        "AND span=?" + tx.lock,
        *(scope, scope_id, shown, span),
    )
    levels = msgspec.json.encode(sorted(alert_at)).decode()
    if there is not None:
        if there[13] != origin:
            raise _not_yours(there[13], shown)
        if (there[6], there[9], there[10]) != (unit, *kept):
            raise Refused(
                "state_conflict",
                f"the budget {shown!r} counts something else",
                hint="remove it first, or choose another name",
            )
        tx.run(
            "UPDATE budgets SET amount=?, hard=?, alert_at=? WHERE id=?",
            *(amount, int(hard), levels, there[0]),
        )
        return _budget((*there[:7], amount, int(hard), *there[9:11], levels, *there[12:]))
    at = tx.clock.now()
    row = (
        *(ids.new("bud"), customer, scope, scope_id, shown, span, unit, amount, int(hard)),
        *(*kept, levels, at, origin),
    )
    tx.run(
        f"INSERT INTO budgets ({_COLUMNS}, rank, active) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,1)",
        *(*row, RANKS.get(scope, 9)),
    )
    made = _budget(row)
    _count_the_past(tx, made, at)
    return made


def usual_name(scope: str, span: str) -> str:
    """The name of a budget that was given none."""
    return f"{scope}-{span}"


def _not_yours(origin: str, name: str) -> Refused:
    who = {PLAN: "the plan", POLICY: "the organisation's policy", OPERATOR: "the operator"}
    return Refused("not_permitted", f"the budget {name!r} is set by {who.get(origin, 'its owner')}")


def _check(scope: str, span: str, unit: str, meters: Sequence[str] | None, amount: int) -> None:
    wrong = None
    if scope not in RANKS or scope == "parent":
        wrong = f"there is no scope {scope!r}"
    elif span not in SPANS:
        wrong = f"there is no window {span!r}"
    elif unit not in (MONEY, TOKENS) or (unit == TOKENS) != bool(meters):
        wrong = "a budget in tokens names its meters, one in money has none"
    elif any(meter not in _INDEX for meter in meters or ()):
        wrong = "there is no such meter"
    elif not 0 <= amount < 2**63:
        wrong = "the amount does not fit"
    if wrong:
        raise Refused("invalid_request", wrong)


def _count_the_past(tx: Transaction, budget: Budget, at: int) -> None:
    """Start the buckets of a new budget with what its window has seen: settled and still held."""
    oldest = start_of(budget.span, at)
    if budget.span in ROLLING:
        oldest -= ROLLING[budget.span][0]
    values: list[Any]
    whose, values = "h.wallet IN (SELECT id FROM wallets WHERE customer_id=?)", [budget.customer]
    if budget.scope == "key":
        whose, values = "(h.key_id=? OR h.parent_id=?)", [budget.scope_id] * 2
    field = {"member": "member_id", "project": "project_id"}.get(budget.scope)

    def mine(model: str, facts: dict[str, Any]) -> bool:
        return meets(budget, model) and (field is None or facts.get(field) == budget.scope_id)

    sums: dict[int, list[int]] = {}
    under_way = (
        "SELECT h.id, h.created_at, h.amount, h.model, h.layers, h.facts FROM holds h "
        f"WHERE h.state IN ('reserved', 'dispatched', 'unknown') AND {whose} AND h.created_at>=? "
        "ORDER BY h.id" + tx.lock
    )
    values.append(oldest)
    if tx.lock:
        tx.all(under_way, *values)  # who cuts a line's hold out of its batch's has done so then
    # Before the records: what is settled meanwhile is among them then.
    for hold, created, amount, model, layers, text in tx.all(under_way, *values):
        _, most, facts = _JSON(text)
        if mine(model, facts):
            start = start_of(budget.span, created)
            part = Part(budget.id, start, worst(budget, amount, Usage(*most)))
            kept = dumped([*parts_of(layers), part])
            tx.run("UPDATE holds SET layers=? WHERE id=?", kept, hold)
            sums.setdefault(start, [0, 0])[1] += part.amount
    for created, charge, model, record in tx.all(
        "SELECT u.created_at, u.charge, h.model, u.record FROM usage_records u "
        f"JOIN holds h ON h.id=u.hold WHERE {whose} AND u.created_at>=?",
        *values,
    ):
        facts = _JSON(record)
        if mine(model, facts):
            start = start_of(budget.span, created)
            usage = Usage(**facts["usage"])
            sums.setdefault(start, [0, 0])[0] += counted(budget, charge, usage)
    for start, (spent, held) in sums.items():
        tx.run(
            "INSERT INTO buckets (budget, start, opening, spent, held) VALUES (?,?,?,?,?)",
            *(budget.id, start, spent, spent, held),
        )


def remove(tx: Transaction, customer: str, budget: str, *, origin: str = OWN) -> bool:
    """Stop applying a budget; holds that it counts still settle in it.

    One that another `origin` has set stays: Refused `not_permitted`.
    """
    found = by_id(tx, budget)
    if found is not None and found.customer == customer and found.origin != origin:
        raise _not_yours(found.origin, found.name)
    return bool(
        tx.run(
            "UPDATE budgets SET active=0 WHERE id=? AND customer_id=? AND active=1",
            *(budget, customer),
        )
    )


def listed(
    tx: Transaction, customer: str, *, scope: str | None = None, scope_id: str | None = None
) -> list[State]:
    """A customer's budgets with their current windows."""
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM budgets WHERE customer_id=? AND active=1 ORDER BY created_at, id",
        customer,
    )
    at = tx.clock.now()
    return [
        state(tx, budget, at)
        for budget in map(_budget, rows)
        if scope in (None, budget.scope) and scope_id in (None, budget.scope_id)
    ]


def replace_all(
    tx: Transaction, customer: str, origin: str, wanted: Sequence[dict[str, Any]]
) -> None:
    """Make the budgets that an origin sets for a customer exactly these (arguments of `put`)."""
    for found in listed(tx, customer):
        one = found.budget
        if one.origin == origin and not any(_counts_as(one, **terms) for terms in wanted):
            remove(tx, customer, one.id, origin=origin)
    for terms in wanted:
        put(tx, customer, origin=origin, **terms)


def is_as(one: Budget, **terms: Any) -> bool:
    """Whether a budget is what `put` would make of its arguments."""
    told = (terms["amount"], terms.get("hard", True), tuple(sorted(terms.get("alert_at", ()))))
    return _counts_as(one, **terms) and told == (one.amount, one.hard, one.alert_at)


def _counts_as(one: Budget, *, scope: str, scope_id: str, **terms: Any) -> bool:
    """Whether a budget counts the same under the same name: what `put` changes is its amount."""
    span, unit = terms.get("span", "month"), terms.get("unit", MONEY)
    meters, models = terms.get("meters"), terms.get("models")
    return (one.scope, one.scope_id, one.name, one.span, one.unit, one.meters, one.models) == (
        *(scope, scope_id, terms.get("name") or usual_name(scope, span), span, unit),
        tuple(sorted(meters)) if meters else None,
        tuple(sorted(models)) if models else None,
    )


def dumped(values: Any) -> str:
    """Parts as they are kept on a hold."""
    return msgspec.json.encode(values).decode()


_PARTS = msgspec.json.Decoder(list[tuple[str, int, int]])


def parts_of(text: str) -> list[Part]:
    """Parts as they were kept on a hold."""
    return [Part(*part) for part in _PARTS.decode(text)] if len(text) > 2 else []
