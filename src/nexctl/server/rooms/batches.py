"""Batches: made from a file or from items, looked at, waited for, cancelled, read."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec

from nexctl.server import bodies
from nexctl.server.batches import admission, keeping
from nexctl.server.calls import Call
from nexctl.server.http import Answer, Streamed
from nexctl.server.ledger import batches, files, idempotency, snapshots
from nexctl.server.ledger.clock import SECOND
from nexctl.server.refusing import Refuse
from nexctl.server.rooms.files import JSONL, MOST_PAGE, streamed
from nexctl.server.rooms.whose import who_of
from nexctl.wire import batches as wire
from nexctl.wire.base import encode
from nexctl.wire.files import LONGEST_SECONDS
from nexctl.wire.lines import SERVED

if TYPE_CHECKING:
    from nexctl.server.house import House
    from nexctl.server.ledger.batches import Batch
    from nexctl.server.ledger.port import Transaction

Scope = tuple[str, str, str, str, str, bytes]
# What an embedded gateway in this process does of a batch when somebody only looks at it.
LOOKING_SECONDS = 1
STEP_SECONDS = 0.25  # not money: seconds
# How many batches a customer may have checked and counted in a minute, in one process.
MOST_A_MINUTE = 120


# making ------------------------------------------------------------------------------------------


async def create(call: Call) -> Answer:
    """Make a batch. Refused at once where money does not cover its quote."""
    house, scope = call.house, _scope(call)
    if scope is not None:
        before = house.read(idempotency.known, *scope)
        if before is not None:
            return Answer(before.response, before.status)
    body, items = _asked(call)
    seconds = house.attempts.wait(f"batches:{call.customer.id}", MOST_A_MINUTE)
    if seconds:
        raise Refuse("rate_limited", seconds=seconds, details={"retry_after_seconds": seconds})
    await _tidy(house)
    made = None
    if items is not None:
        made = file = await _kept_items(call, items)
    else:
        file = str(body.input_file_id)
        house.read(_input, call, file)
    keep = body.output_expires_after.seconds if body.output_expires_after else LONGEST_SECONDS
    wanted = admission.Wanted(file, body.endpoint, body.metadata, keep)
    try:
        prepared = await admission.prepared(call, wanted)
        try:
            answer, is_new = await house.write(_admitted, call, prepared, scope)
        except BaseException:
            await admission.discard(house, prepared.batch)
            raise
        if not is_new:
            await admission.discard(house, prepared.batch)
    except BaseException:
        if made is not None:
            await house.write(files.drop, made)
        raise
    if not is_new and made is not None:
        await house.write(files.drop, made)
    house.crew.wake()
    return answer


def _scope(call: Call) -> Scope | None:
    """What an Idempotency-Key counts in, with the hash of the body."""
    key = call.idempotency_key
    if key is None:
        return None
    request = call.request
    digest = hashlib.sha256(call.raw).digest()
    return (call.customer.id, call.caller.id, request.method, request.path, key, digest)


def _admitted(
    tx: Transaction, call: Call, prepared: admission.Admission, scope: Scope | None
) -> tuple[Answer, bool]:
    """Admit, and keep the answer under its Idempotency-Key; False where it was given before."""
    if scope is not None:
        before = idempotency.begin(tx, *scope)
        if before is not None:
            return Answer(before.response, before.status), False
    found = shape(tx, call.house, admission.admitted(tx, prepared))
    if scope is not None:
        idempotency.finish(tx, *scope[:5], 200, encode(found))
    return Answer(found), True


def _asked(call: Call) -> tuple[Any, list[bytes] | None]:
    """The body, its items taken apart; refused where it is neither form."""
    try:
        parts = msgspec.json.decode(call.raw, type=dict[str, msgspec.Raw])
        given = parts.pop("items", None)
        items = None if given is None else msgspec.json.decode(given, type=list[msgspec.Raw] | None)
    except RecursionError:
        raise Refuse("invalid_request", "the body is nested too deeply") from None
    except (ValueError, UnicodeError, OverflowError):
        raise Refuse("invalid_request", "the body is not an object in JSON") from None
    rest = {name: bodies.plain(bytes(value)) for name, value in parts.items()}
    # Keys inside an item are its line's matter; those around them may stand there once.
    around = bodies.written_keys(call.raw) - sum(bodies.written_keys(item) for item in items or ())
    if around != bodies.distinct_keys(rest) + (given is not None):
        raise Refuse("invalid_request", "a key of the body stands there twice")
    body = bodies.typed(rest, str(call.route.request))
    if (body.input_file_id is None) == (items is None):
        raise Refuse(
            "invalid_request", "give an input_file_id or items, one of them", param="input_file_id"
        )
    if items is None and body.endpoint is None:
        raise Refuse("invalid_request", "say which endpoint the lines go to", param="endpoint")
    if body.endpoint is not None and body.endpoint not in SERVED:
        known = ", ".join(SERVED)
        raise Refuse("invalid_request", f"batches go to {known}", param="endpoint")
    if any("\x00" in text for pair in (body.metadata or {}).items() for text in pair):
        raise Refuse("invalid_request", "a text holds the character U+0000", param="metadata")
    return body, None if items is None else [bytes(item) for item in items]


def _input(tx: Transaction, call: Call, file: str) -> None:
    found = files.seen(tx, who_of(call), file)
    if found is None:
        raise Refuse("not_found", "there is no such file", param="input_file_id")
    if found.purpose != "batch":
        raise Refuse("invalid_request", "that file is no batch's input", param="input_file_id")


async def _kept_items(call: Call, items: list[bytes]) -> str:
    """Items as the lines of a file, so that both forms are one from here on."""
    house, caller = call.house, call.caller
    parent = caller.parent.id if caller.parent else None
    name = await house.write(
        files.begin,
        call.customer.id,
        caller.id,
        parent,
        "items.jsonl",
        keep=LONGEST_SECONDS * SECOND,
    )
    writer = keeping.Writer(house, name)
    try:
        for item in items:
            # Line ends stand between tokens only: in a JSON text they are written as escapes.
            await writer.write(item.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n")
        await house.write(files.finish, name, await writer.end())
    except BaseException:
        await house.write(files.remove, name)
        raise
    return name


async def _tidy(house: House) -> None:
    """Take away what processes that are gone had begun to admit."""
    for batch in house.read(batches.abandoned):
        await admission.discard(house, batch)


# looking -----------------------------------------------------------------------------------------


def listed(tx: Transaction, call: Call) -> wire.BatchPage:
    """A page of batches, newest first."""
    query, who = call.query, who_of(call)
    name, last = query.cursor or query.after, None
    if name is not None:
        last = batches.seen(tx, who, name)
        if last is None:
            raise Refuse("invalid_request", "there is no such cursor", param="after")
    limit = min(query.limit, MOST_PAGE)
    rows = batches.listed(tx, who, limit=limit + 1, after=last)
    data = [shape(tx, call.house, row) for row in rows[:limit]]
    more = len(rows) > limit
    return wire.BatchPage(
        data=data,
        first_id=data[0].id if data else None,
        last_id=data[-1].id if data else None,
        has_more=more,
        next_cursor=data[-1].id if more else None,
    )


async def show(call: Call) -> Answer:
    """One batch; a caller that waits is answered when it has ended or the time is over.

    Without a server the work is done here, by whoever looks or waits.
    """
    house, wait = call.house, call.query.wait
    found = house.read(_shown, call)
    if found.status in wire.LIVE:
        if not house.options.served:
            seconds = LOOKING_SECONDS if wait is None else wait
            if seconds:
                await house.crew.work_on(found.id, seconds)
        elif wait:
            await _waited(call, wait)
        found = house.read(_shown, call)
    return Answer(found)


async def _waited(call: Call, seconds: int) -> None:
    import asyncio
    import time

    until = time.monotonic() + seconds
    while time.monotonic() < until:
        await asyncio.sleep(STEP_SECONDS)
        if call.house.read(_shown, call).status in wire.ENDED:
            return


def _shown(tx: Transaction, call: Call) -> wire.Batch:
    return shape(tx, call.house, _there(tx, call))


def cancel(tx: Transaction, call: Call) -> wire.Batch:
    """Begin no further line. What has been begun ends as it would, and is charged."""
    found = _there(tx, call)
    call.before = shape(tx, call.house, found)
    after = batches.cancel(tx, found.id)
    if after is None:
        raise Refuse("state_conflict", f"the batch has ended: {found.state}")
    tx.afterwards(call.house.crew.wake)
    return shape(tx, call.house, after)


async def results(call: Call) -> Streamed:
    """Every line's result in input order, once the batch has ended."""
    found = call.house.read(_there, call)
    if found.state not in wire.ENDED:
        raise Refuse("state_conflict", f"the batch has not ended yet: {found.state}")
    return Streamed(streamed(keeping.results(call.house, found.id, None)), media=JSONL)


def _there(tx: Transaction, call: Call) -> Batch:
    found = batches.seen(tx, who_of(call), call.id)
    if found is None:
        raise Refuse("not_found", "there is no such batch")
    return found


# the shape ---------------------------------------------------------------------------------------


def shape(tx: Transaction, house: House, batch: Batch) -> wire.Batch:
    """A batch as the contract spells it."""
    found = wire.Batch(
        id=batch.id,
        endpoint=batch.endpoint,
        input_file_id=batch.input_file,
        completion_window=wire.WINDOW,
        status=batch.state,
        created_at=batch.created_at // SECOND,
        model=batch.model,
        errors=_errors(house, batch),
        output_file_id=batch.output_file,
        error_file_id=batch.error_file,
        in_progress_at=_seconds(batch.in_progress_at),
        expires_at=_seconds(batch.expires_at),
        finalizing_at=_seconds(batch.finalizing_at),
        cancelling_at=_seconds(batch.cancelling_at),
        request_counts=wire.RequestCounts(
            total=batch.total, completed=batch.completed, failed=batch.failed
        ),
        usage=_usage(house, batch),
        metadata=batches.metadata_of(batch),
        nex=_nex(tx, house, batch),
    )
    if batch.ended_at is not None:
        setattr(found, f"{batch.state}_at", _seconds(batch.ended_at))
    return found


def _seconds(at: int | None) -> int | None:
    return None if at is None else at // SECOND


def _errors(house: House, batch: Batch) -> wire.BatchErrors | None:
    if batch.faults is None or batch.state != "failed":
        return None
    place = keeping.faults_place(batch.id)
    plain = keeping.sealer(house).unseal_piece(bytes(batch.faults), place)
    return wire.BatchErrors(data=msgspec.json.decode(plain, type=list[wire.BatchError]))


def _usage(house: House, batch: Batch) -> wire.BatchUsage:
    """Tokens as OpenAI counts them: cached inside the input, reasoning inside the output."""
    book = house.book
    into = batch.input if book.input_includes_cached else batch.input + batch.cached
    out = batch.output if book.output_includes_reasoning else batch.output + batch.reasoning
    return wire.BatchUsage(
        input_tokens=into,
        output_tokens=out,
        total_tokens=into + out,
        input_tokens_details=wire.InputDetails(cached_tokens=batch.cached),
        output_tokens_details=wire.OutputDetails(reasoning_tokens=batch.reasoning),
    )


def _nex(tx: Transaction, house: House, batch: Batch) -> wire.BatchNex:
    snapshot = snapshots.read(tx, batch.snapshot) if batch.snapshot else None
    rates: dict[str, Any] = snapshot["forms"][0][0]["rates"] if snapshot else {}
    rate = rates.get("output") or rates.get("input") or {}
    return wire.BatchNex(
        quote=house.money(batch.quote),
        held=house.money(batches.held(tx, batch)),
        charge=house.money(batch.charge),
        currency=house.unit,
        price_book=snapshot["price_book"] if snapshot else None,
        multiplier=rate.get("factor"),
        key_id=batch.key,
    )
