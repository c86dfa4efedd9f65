"""One line at work: sent to a provider as its endpoint would send it, debited with its result."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from nexctl.server import policies, seats
from nexctl.server.access import is_live
from nexctl.server.batches import keeping, lines
from nexctl.server.calls import Call, Caller, Holder
from nexctl.server.inference import chat, embeddings, holding, policy, routing
from nexctl.server.inference.holding import Held
from nexctl.server.inference.metering import Count, Priced
from nexctl.server.inference.policy import Target
from nexctl.server.ledger import batch_lines, batches, customers, keys, orgs
from nexctl.server.ledger.errors import Refused, Unavailable
from nexctl.server.ledger.types import Outcome, Reservation, Settled
from nexctl.server.refusing import Refuse
from nexctl.wire.lines import EMBEDDINGS

if TYPE_CHECKING:
    from nexctl.server.house import House
    from nexctl.server.ledger.batch_lines import Line
    from nexctl.server.ledger.batches import Batch
    from nexctl.server.ledger.port import Transaction

# A provider that fails for now is asked again after these many seconds.
PAUSES = (1, 4)
STORED_AGAIN_SECONDS = 0.5  # not money: seconds

Answer = tuple[Outcome, Callable[[Settled], Any]]


def caller_of(tx: Transaction, batch: Batch) -> Caller | None:
    """Who made a batch, as they stand now; None where the key or the customer is not there."""
    key = keys.get(tx, batch.key)
    customer = customers.get(tx, batch.customer)
    if key is None or customer is None:
        return None
    parent = None if key.parent is None else keys.get(tx, key.parent)
    seat, state = None, customer.state
    if key.customer != batch.customer:
        # A member's own key, which acted for an organisation.
        there, member = seats.of_member(tx, batch.customer, key), customers.get(tx, key.customer)
        if there is None or member is None:
            return None
        seat = there.seat
        if member.state != "active":
            state = member.state
    elif orgs.get(tx, key.customer) is not None:
        seat = seats.of_own_key(tx, key, parent)
        if seat is None:
            return None
    return Caller(
        *(key.kind, key.id, key.prefix, key.name, key, parent),
        Holder(customer.id, state, customer.plan),
        seat=seat,
        policy=policies.of(customer.policy),
    )


def standing(caller: Caller | None, now: int) -> Refuse | None:
    """Why nothing may be begun for a caller; None where it may."""
    if caller is None or caller.key is None or caller.customer is None:
        return Refuse("invalid_api_key")
    if not all(is_live(key, now) for key in (caller.key, caller.parent) if key is not None):
        return Refuse("invalid_api_key")
    if caller.customer.state != "active":
        return Refuse("customer_suspended")
    return None


class Work:
    """Lines of one batch, for the caller that made it."""

    def __init__(self, house: House, batch: Batch, caller: Caller, priced: Priced) -> None:
        self._house, self._batch, self._priced = house, batch, priced
        self.caller = caller
        self._reader = keeping.Reader(house, batch.input_file)

    async def run(self, line: Line) -> None:
        """Send a line, debit it and keep its result; or keep why it was refused.

        A line whose end cannot be written stays leased: it is done again when this process is gone.
        """
        try:
            await self._run(line)
        except Exception as error:  # noqa: BLE001 - there is nobody to tell but the operator
            self._house.alarm(f"batch line {line.request_id}: {type(error).__name__} at its end")

    async def _run(self, line: Line) -> None:
        try:
            outcome, body = await self._tried(line)
        except Refuse as refuse:
            await self._failed(line, refuse)
            return
        except Exception as error:  # noqa: BLE001 - one line's fault is that line's result
            self._house.alarm(f"batch line {line.request_id}: {type(error).__name__}")
            await self._failed(line, Refuse("internal_error"))
            return

        def result(settled: Settled) -> tuple[bytes, int]:
            text = lines.answered(line.custom_id, line.request_id, body(settled))
            return keeping.sealed_result(self._house, line.batch, line.n, text)

        await self._kept(batch_lines.answered, line, outcome, result)

    async def _failed(self, line: Line, refuse: Refuse) -> None:
        text = lines.refused(self._house, line.custom_id, line.request_id, refuse)
        kept = keeping.sealed_result(self._house, line.batch, line.n, text)
        await self._kept(batch_lines.failed, line, refuse.refusal.code, *kept)

    async def _kept(self, operation: Callable[..., Any], *args: Any) -> None:
        """Write what came of a line. A database that cannot take it now is asked until it can."""
        while True:
            try:
                await self._house.write(operation, *args)
            except Unavailable as error:
                self._house.alarm("a batch line's result cannot be stored now", error)
                await asyncio.sleep(STORED_AGAIN_SECONDS)
            else:
                return

    async def _tried(self, line: Line) -> Answer:
        """The answer, tried again where the provider's fault may pass."""
        call = self._call(line)
        send = self._embedded if call.request.path == EMBEDDINGS else self._completed
        for pause in (*PAUSES, None):
            try:
                return await send(call, line)
            except Refuse as refuse:
                if pause is None or not refuse.refusal.retry:
                    raise
                await asyncio.sleep(pause)
        raise AssertionError("the last try answers or raises")

    def _call(self, line: Line) -> Call:
        raw = self._reader.read(line.start, line.size)
        body = msgspec.json.decode(raw)["body"]
        return lines.call_of(self._house, self.caller, self._batch.endpoint, raw, body)

    def _target(self, call: Call, line: Line) -> Target:
        """Where the line goes now; the key may have lost a model since it was admitted.

        What it is charged as stays the model of its quote, whatever the rules say by now.
        """
        house, body = self._house, call.body
        model = policy.served(house, self._batch.model)
        policy.check_model(self.caller, model)
        if call.request.path == EMBEDDINGS:
            return Target(body.model, model, model)
        counted = _count(line)
        needs, asked = policy.needs_of(body), policy.asked_output(body)
        way = routing.way_of_line(call, lambda _model, _name: counted)
        if not any(target.charged is model for target in way.targets):
            way = routing.Way((Target(body.model, model, model, "as it was quoted"),), strict=True)
        found = routing.picked(
            call, way, needs, asked, lambda _model, _name: counted, charged=model.id
        )
        return found.target

    def _held(self, call: Call, line: Line, target: Target) -> Held:
        facts = {**holding.facts_of(call, target), "batch_id": line.batch}
        reservation = Reservation(line.hold, line.batch, line.amount, line.at, 0, 0)
        started = time.monotonic_ns()
        return Held(reservation, line.output, line.request_id, started, facts)

    async def _completed(self, call: Call, line: Line) -> Answer:
        target = self._target(call, line)
        job = chat.Job(call, target, self._priced, _count(line), line.answers)
        job.held = self._held(call, line, target)
        place, said = await self._reached(
            call, target, lambda place: place.provider.complete(job.work(place))
        )
        texts = [text for choice in said.choices for text in chat.texts_of(choice.message)]
        found = job.check(said.usage, texts, self._error(call, target))
        outcome = holding.outcome_of(
            call, job.held, target, self._priced, found, provider=place.provider.id, status="ok"
        )
        return outcome, lambda settled: chat.completed(job, said, found, settled)

    async def _embedded(self, call: Call, line: Line) -> Answer:
        target = self._target(call, line)
        job = embeddings.Job(call, target, self._held(call, line, target))
        count, model = _count(line), target.charged
        place, said = await self._reached(
            call,
            target,
            lambda place: place.provider.embed(embeddings.work_of(job, place, count, model)),
        )
        wanted = len(embeddings.inputs_of(call.body.input))
        if not embeddings.is_whole(job, place, said, wanted):
            raise Refuse("upstream_error")
        found = embeddings.checked_input(job, count, said, self._error(call, target))
        outcome = holding.outcome_of(
            call, job.held, target, self._priced, found, provider=place.provider.id, status="ok"
        )
        return outcome, lambda settled: embeddings.vectors(job, found, said, settled)

    def _error(self, call: Call, target: Target) -> Callable[[], Mapping[str, Any] | None]:
        """How far the true count of a line may lie from ours: counted again where it matters."""
        meters, size = self._house.meters, len(call.raw)
        name = target.requested
        return lambda: (
            meters.counted(target.charged, name, call.plain, size, call.request.path).error
        )

    async def _reached(self, call: Call, target: Target, attempt: Any) -> Any:
        plan = call.plan
        fallback = plan is None or plan.features.get("fallback", True) is not False
        board = self._house.switchboard
        places = policies.lines_allowed(self.caller.policy, board.lines(target.served.id))
        return await board.first(places, attempt, fallback=fallback)


def _count(line: Line) -> Count:
    return Count(line.input, line.most, "", None, (), "")


# what the ledger asks back while it holds the batch ----------------------------------------------


def begun(
    tx: Transaction, house: House, batch: Batch, most: int
) -> tuple[Caller | None, batch_lines.Started]:
    """Lease lines of a batch for its caller as it stands now; nobody's lines are refused here."""
    caller = caller_of(tx, batch)
    stopped = standing(caller, tx.clock.now())
    if stopped is not None or caller is None:
        return None, _refused(tx, house, batch, stopped or Refuse("invalid_api_key"), most)
    frozen = tx.one(
        "SELECT 1 FROM wallets w JOIN holds h ON h.wallet=w.id "
        "WHERE h.id=? AND (w.state<>'active' OR w.debt>0)",
        batch.hold,
    )
    if frozen is not None:
        # What is held stays held; lines go on when the wallet is free again, or expire.
        return caller, batch_lines.Started((), tx.clock.now() + FROZEN_MICROS, True)
    plan = house.plan_of(caller.customer.plan if caller.customer else None)
    limits = policy.limits_of(caller, plan)

    def refuse(inner: Transaction, row: tuple[int, str, str], why: Refused) -> None:
        _refuse_line(inner, house, batch, row, _as_refuse(why))

    return caller, batch_lines.start(tx, batch, most, limits, refuse)


FROZEN_MICROS = 10_000_000


def _as_refuse(why: Refused) -> Refuse:
    from nexctl.wire.refusals import REFUSALS

    return Refuse(why.code if why.code in REFUSALS else "state_conflict", why.message)


def _refused(
    tx: Transaction, house: House, batch: Batch, why: Refuse, most: int
) -> batch_lines.Started:
    """End lines that their key may not begin any more."""
    rows = batch_lines.waiting(tx, batch.id, most)
    for row in rows:
        _refuse_line(tx, house, batch, row, why)
    return batch_lines.Started((), None, bool(rows) or batches.open_lines(tx, batch.id) > 0)


def _refuse_line(
    tx: Transaction, house: House, batch: Batch, row: tuple[int, str, str], why: Refuse
) -> None:
    n, custom_id, request_id = row
    text = lines.refused(house, custom_id, request_id, why)
    batch_lines.refuse(tx, batch.id, n, *keeping.sealed_result(house, batch.id, n, text))


def closed(tx: Transaction, house: House, batch: Batch) -> int:
    """End some lines that nobody begins any more; how many."""
    code = "batch_expired" if batch.ending == "expired" else "batch_cancelled"
    words = (
        "the batch's 24 hours were over before this line was begun; it is not charged"
        if batch.ending == "expired"
        else "the batch was cancelled before this line was begun; it is not charged"
    )

    def sealed(n: int, custom_id: str, request_id: str) -> tuple[bytes, int]:
        text = lines.unanswered(custom_id, request_id, code, words)
        return keeping.sealed_result(house, batch.id, n, text)

    return batch_lines.close_lines(tx, batch.id, sealed)


__all__ = ["Work", "begun", "caller_of", "closed", "standing"]
