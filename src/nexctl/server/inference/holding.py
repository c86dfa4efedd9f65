"""Reserve before sending, settle after: one request's way through the ledger."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from nexctl.records import Usage
from nexctl.server import refusing
from nexctl.server.house import COST_LABELS
from nexctl.server.inference.policy import limits_of
from nexctl.server.ledger import budgets, holds, ids, keys, wallets
from nexctl.server.ledger.errors import Refused, Unavailable
from nexctl.server.ledger.port import for_many, quiet
from nexctl.server.ledger.types import Ask, Outcome, Reservation

if TYPE_CHECKING:
    from nexctl.server.calls import Call
    from nexctl.server.house import House
    from nexctl.server.inference.metering import Checked, Count, Priced
    from nexctl.server.inference.policy import Target
    from nexctl.server.inference.routing import Candidate
    from nexctl.server.ledger.errors import Layer
    from nexctl.server.ledger.port import Transaction
    from nexctl.server.ledger.types import Settled
    from nexctl.server.ledger.wallets import Means

# An answer that nobody bounded may take this share of what is spendable, and no answer is begun
# that money would cut off after fewer tokens than LEAST.
SHARE = 4
LEAST = 16
_MONEY = ("insufficient_balance", "budget_exceeded", "allowance_exceeded")
TOUCH_SECONDS = 30.0  # not money: seconds
_HINT_PREFIX = "echo."


class Wish(Struct, frozen=True):
    """What a request wants to hold: everything but the size of its output, which money decides.

    `touch` says that the key's last use is to be noted, which need not be done every time. Where
    `others` may answer instead, the dearest of all is held.
    """

    ask: Ask
    priced: Priced
    input_most: int
    answers: int
    cap: int
    asked: bool
    touch: bool
    others: tuple[Candidate, ...] = ()
    worst: Usage | None = None

    def sized(self, output: int) -> Ask:
        """The ask for so many output tokens an answer."""
        if self.worst is not None:
            return replace(self.ask, amount=self.priced.most(self.worst), usage=self.worst)
        worst = Usage(input=self.input_most, output=output * self.answers)
        amount = self.priced.most(worst)
        for other in self.others:
            most = max(other.counted.most, other.counted.tokens)
            its = Usage(input=most, output=min(output, other.cap) * self.answers)
            amount = max(amount, other.priced.most(its))
            worst = Usage._make(map(max, worst, its))
        return replace(self.ask, amount=amount, usage=worst)


class Held(Struct, frozen=True):
    """A hold with the maximum output that it covers."""

    reservation: Reservation
    output: int
    request_id: str
    started: int
    facts: Mapping[str, Any]


async def hold(
    call: Call,
    target: Target,
    priced: Priced,
    count: Count,
    *,
    cap: int,
    asked: int | None,
    answers: int,
    others: tuple[Candidate, ...] = (),
    worst: Usage | None = None,
) -> Held:
    """Reserve the worst case in every budget and the wallet, shared rates counted in.

    `worst` are the quantities where they are not tokens that a count and an output tell.
    """
    caller, house = call.caller, call.house
    request_id = call.body.request_id or ids.request()
    floor_usage = Usage(input=count.tokens) if worst is None else worst
    facts = facts_of(call, target)
    seat = caller.seat
    touch = time.monotonic() - house.touched.get(caller.id, -TOUCH_SECONDS) >= TOUCH_SECONDS
    digest = hashlib.sha256(call.route.name.encode() + b"\n" + call.raw).digest()
    ask = Ask(
        call.customer.id,
        request_id,
        digest,
        0,
        target.charged.id,
        priced.snapshot,
        key=caller.id,
        parent=caller.parent.id if caller.parent else None,
        wallet=seat.wallet if seat else None,
        member=seat.member if seat else None,
        project=seat.project if seat else None,
        fallback=seat.payer if seat else None,
        limits=limits_of(caller, call.plan),
        floor=priced.charge(floor_usage)[0],
        floor_usage=floor_usage,
        facts=facts,
        dispatched=True,
        others=tuple(other.target.charged.id for other in others),
    )
    most = max(count.most, count.tokens)
    wish = Wish(ask, priced, most, answers, cap, asked is not None, touch, others, worst)
    if touch:
        house.touched[caller.id] = time.monotonic()
    if house.ledger.owing:
        # While a debit is owed nothing new is begun.
        await house.flush()
    started = time.monotonic_ns()
    try:
        try:
            reservation, output = await _reserved(house, wish)
        except Refused as refused:
            if refused.code != "insufficient_balance" or not await _given_now(call):
                raise
            reservation, output = await _reserved(house, wish)
    except Unavailable as fault:
        house.ledger.doubt(ask, fault)
        raise
    return Held(reservation, output, request_id, started, facts)


async def _given_now(call: Call) -> bool:
    """Whether credits of a month that has just begun were given: the upkeep may still be on it."""
    from nexctl.server.payments import included

    house, customer = call.house, call.customer
    if not included.due(house):
        return False
    try:
        return bool(await house.write(included.month_of, house, customer.id, customer.plan))
    except Refused:
        return False


async def _reserved(house: House, wish: Wish) -> tuple[Reservation, int]:
    """Reserve all that was asked for, or what money allows of it."""
    if wish.asked or not wish.cap:
        try:
            return await house.write(_reserve_asked, wish)
        except Refused as refused:
            if refused.code not in _MONEY or wish.cap <= LEAST:
                raise
    return await house.write(_reserve_share, wish)


def _labels(call: Call) -> dict[str, str]:
    """The request's `metadata` over the key's labels; none where the plan has no cost labels.

    `metadata` is a usual part of a request, so a plan without labels does not refuse it.
    """
    if call.plan is not None and call.plan.features.get(COST_LABELS) is False:
        return {}
    labels = dict(call.caller.key.labels) if call.caller.key else {}
    for name, value in (call.body.metadata or {}).items():
        if not name.startswith(_HINT_PREFIX):
            labels[name] = value
    return labels


def facts_of(call: Call, target: Target) -> dict[str, Any]:
    """The fields of the usage record that are known before the answer."""
    caller = call.caller
    facts: dict[str, Any] = {"endpoint": call.route.path, "model_requested": target.requested}
    if labels := _labels(call):
        facts["labels"] = labels
    if caller.name:
        facts["key_name"] = caller.name
    if caller.parent is not None:
        facts["parent_key_id"] = caller.parent.id
    if caller.seat is not None:
        facts.update(caller.seat.facts())
    return facts


def _reserve_many(tx: Transaction, calls: list[tuple[Any, ...]]) -> list[Any]:
    from nexctl.server.ledger import together

    wishes: list[Wish] = [wish for (wish,) in calls]
    for wish in wishes:
        if wish.touch:
            keys.touch(tx, str(wish.ask.key))
    made = together.reserve(tx, [wish.sized(wish.cap) for wish in wishes])
    return [(one, wish.cap) for one, wish in zip(made, wishes, strict=True)]


@quiet
@for_many(_reserve_many)
def _reserve_asked(tx: Transaction, wish: Wish) -> tuple[Reservation, int]:
    if wish.touch:
        keys.touch(tx, str(wish.ask.key))
    return holds.reserve(tx, wish.sized(wish.cap)), wish.cap


def _means_of(tx: Transaction, wish: Wish) -> Means:
    """What may be spent on a wish."""
    ask = wish.ask
    payer, purse = holds.payer_of(tx, wish.sized(LEAST))
    scopes = (ask.member, ask.project) if payer == ask.customer else (None, None)
    return wallets.means(
        tx,
        payer,
        wallet=purse,
        key=ask.key,
        parent=ask.parent,
        model=ask.model,
        member=scopes[0],
        project=scopes[1],
    )


def _share_of(wish: Wish, spendable: int, layers: tuple[Layer, ...]) -> int:
    """The output that money allows: a quarter of it where nobody bounded the answer."""
    share = 1 if wish.asked else SHARE
    output = affordable(wish, spendable // share)
    for layer in layers:
        if layer.hard and layer.unit == "tokens" and "output" in (layer.meters or ()):
            taken = wish.input_most if budgets.takes_input(layer.meters) else 0
            left = max(0, layer.remaining - taken) // share // wish.answers
            output = min(output, left)
    return max(output, min(LEAST, wish.cap))


def _share_many(tx: Transaction, calls: list[tuple[Any, ...]]) -> list[Any]:
    """Each takes its share of what those before it leave, as one after the other would."""
    wishes: list[Wish] = [wish for (wish,) in calls]
    found = [_means_of(tx, wish) for wish in wishes]
    if any(len(means.layers) > 1 for means in found):  # budgets move with each hold too
        return [_reserve_share(tx, wish) for wish in wishes]
    from nexctl.server.ledger import together

    free: dict[str, int] = {}
    outputs, asks = [], []
    for wish, means in zip(wishes, found, strict=True):
        left = free.get(means.head.wallet, means.spendable)
        outputs.append(_share_of(wish, left, means.layers))
        asks.append(wish.sized(outputs[-1]))
        free[means.head.wallet] = max(0, left - asks[-1].amount)
        if wish.touch:
            keys.touch(tx, str(wish.ask.key))
    return list(zip(together.reserve(tx, asks), outputs, strict=True))


@quiet
@for_many(_share_many)
def _reserve_share(tx: Transaction, wish: Wish) -> tuple[Reservation, int]:
    """Reserve what money allows."""
    means = _means_of(tx, wish)
    output = _share_of(wish, means.spendable, means.layers)
    if wish.touch:
        keys.touch(tx, str(wish.ask.key))
    return holds.reserve(tx, wish.sized(output)), output


def affordable(wish: Wish, units: int) -> int:
    """The most output tokens an answer, up to the cap, whose worst case costs at most `units`."""
    if wish.sized(wish.cap).amount <= units:
        return wish.cap
    low, high = 0, wish.cap
    while high - low > 1:
        middle = (low + high) // 2
        if wish.sized(middle).amount <= units:
            low = middle
        else:
            high = middle
    return low


async def settle(
    call: Call,
    held: Held,
    target: Target,
    priced: Priced,
    checked: Checked,
    *,
    provider: str,
    status: str,
    first_ns: int | None = None,
    more: Mapping[str, Any] | None = None,
) -> Settled:
    """Debit the exact charge of what was used. A ledger that cannot take it keeps it owed."""
    house = call.house
    outcome = outcome_of(
        *(call, held, target, priced, checked),
        provider=provider,
        status=status,
        first_ns=first_ns,
        more=more,
    )
    hold_id = held.reservation.hold
    if house.options.served:
        return await house.ledger.settle_later(hold_id, outcome)
    return house.ledger.settle(hold_id, outcome)


def outcome_of(
    call: Call,
    held: Held,
    target: Target,
    priced: Priced,
    checked: Checked,
    *,
    provider: str,
    status: str,
    first_ns: int | None = None,
    more: Mapping[str, Any] | None = None,
) -> Outcome:
    """What came of a request, as the ledger takes it. `more` are further fields of its record."""
    house = call.house
    for wrong in checked.wrong:
        house.alarm(f"provider {provider}: {wrong} (request {held.request_id})")
    record = {
        **held.facts,
        "provider": provider,
        "counted_by": checked.by,
        "latency_ms": (time.monotonic_ns() - held.started) // 1_000_000,
    }
    if target.why is not None:
        record["picked"] = target.why
        if target.score is not None:
            record["score"] = target.score
    if more:
        record.update(more)
    if first_ns is not None:
        record["ttft_ms"] = (first_ns - held.started) // 1_000_000
    charge, usage = priced.charge(checked.usage)
    if usage.cached_input != checked.usage.cached_input:
        record["cached_without_price"] = checked.usage.cached_input
    if usage.cache_write != checked.usage.cache_write:
        record["written_without_price"] = checked.usage.cache_write
    return Outcome(
        *(charge, usage, priced.snapshot, status, target.served.id, record, target.charged.id)
    )


async def release(call: Call, held: Held, why: str) -> None:
    """Give the hold back, because no usable answer came."""
    house, hold_id = call.house, held.reservation.hold
    try:
        if house.options.served:
            await house.ledger.release_later(hold_id, why)
        else:
            house.ledger.release(hold_id, why)
    except Unavailable as error:
        # That is owed now; the caller is told what happened.
        house.alarm(f"request {held.request_id}: its hold could not be given back now", error)


def rate_headers(held: Held) -> tuple[tuple[bytes, bytes], ...]:
    """X-RateLimit-* of the tightest limit on starts."""
    rates = [rate for rate in held.reservation.rates if rate.kind == "rpm"]
    if not rates:
        return ()
    tightest = min(rates, key=lambda rate: rate.remaining)
    reset = -((held.reservation.created_at - tightest.resets_at) // 1_000_000)
    return refusing.rate_headers(tightest.most, tightest.remaining, reset)
