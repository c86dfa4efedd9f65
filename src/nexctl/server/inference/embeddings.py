"""POST /v1/embeddings: the same way as a conversation, with input alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from nexctl.server.calls import Call
from nexctl.server.http import Answer
from nexctl.server.inference import holding, own_keys, policy
from nexctl.server.inference.chat import reached
from nexctl.server.inference.metering import checked
from nexctl.server.inference.policy import Target
from nexctl.server.providers.port import Work
from nexctl.server.refusing import Refuse
from nexctl.wire.chat import ChatUsage, Nex
from nexctl.wire.embeddings import Embeddings, EmbeddingUsage

if TYPE_CHECKING:
    from nexctl.server.inference.holding import Held
    from nexctl.server.inference.metering import Checked, Count, Priced
    from nexctl.server.ledger.types import Settled
    from nexctl.server.providers.switchboard import Line, Try

ENDPOINT = "/v1/embeddings"


class Job:
    """One admitted request."""

    def __init__(self, call: Call, target: Target, held: Held) -> None:
        self.call, self.target, self.held = call, target, held
        self.candidates, self.keys = (target,), None
        self.tries: list[Try] = []


async def create(call: Call) -> Answer:
    """Turn texts into vectors."""
    house, body = call.house, call.body
    inputs = inputs_of(body.input)
    model = policy.served(house, body.model)
    policy.check_model(call.caller, model)
    policy.check_capabilities(model, (), "embedding")
    own_keys.refuse_beside_chat(call, model.id)
    priced = house.meters.priced(model)
    count = await house.meters.count(model, body.model, call.plain, len(call.raw), ENDPOINT)
    await call.house.meters.off_loop(lambda: check_sizes(call, model, inputs), len(call.raw))
    target = Target(body.model, model, model)
    held = await holding.hold(call, target, priced, count, cap=0, asked=0, answers=1)
    job = Job(call, target, held)
    line, said = await reached(
        job, lambda line: line.provider.embed(work_of(job, line, count, model))
    )
    return await _answered(job, priced, count, line, said, len(inputs))


async def _answered(
    job: Job, priced: Priced, count: Count, line: Line, said: Embeddings, wanted: int
) -> Answer:
    if not is_whole(job, line, said, wanted):
        await holding.release(job.call, job.held, "upstream_error")
        raise Refuse("upstream_error")
    found = checked_input(job, count, said)
    settled = await holding.settle(
        job.call, job.held, job.target, priced, found, provider=line.provider.id, status="ok"
    )
    return Answer(vectors(job, found, said, settled), headers=holding.rate_headers(job.held))


def is_whole(job: Job, line: Line, said: Embeddings, wanted: int) -> bool:
    """Whether there is one vector for each input."""
    if sorted(row.index for row in said.data) == list(range(wanted)):
        return True
    job.call.house.alarm(f"provider {line.provider.id}: not one vector for each input")
    return False


def checked_input(job: Job, count: Count, said: Embeddings) -> Checked:
    """A provider's usage against our count; vectors are no output tokens."""
    house = job.call.house
    return checked(
        house,
        ChatUsage(
            prompt_tokens=said.usage.prompt_tokens,
            completion_tokens=0,
            total_tokens=said.usage.prompt_tokens,
        ),
        counted=count.tokens,
        most_output=0,
        size=0,
        output=lambda: 0,
        error=count.error,
    )


def vectors(job: Job, found: Checked, said: Embeddings, settled: Settled) -> Embeddings:
    """The answer with what was charged for it."""
    house = job.call.house
    tokens = found.shown.prompt_tokens
    return Embeddings(
        model=job.target.charged.id,
        data=sorted(said.data, key=lambda row: row.index),
        usage=EmbeddingUsage(prompt_tokens=tokens, total_tokens=tokens),
        nex=Nex(
            request_id=job.held.request_id,
            charge=house.money(settled.charge),
            currency=house.unit,
            cached_input_tokens=found.usage.cached_input,
            price_book=job.target.charged.book.version,
            status="ok",
            counted_by=found.by,
        ),
    )


def inputs_of(given: Any) -> list[Any]:
    """The inputs as a list; texts and token ids are not mixed."""
    if isinstance(given, str):
        return [given]
    kinds = {type(item) for item in given}
    if kinds == {int}:
        return [given]
    if len(kinds) != 1:
        raise Refuse("invalid_request", "texts and token ids are not mixed", param="input")
    if kinds == {str} and not all(given):
        raise Refuse("invalid_request", "an input is empty", param="input")
    return list(given)


def check_sizes(call: Call, model: Any, inputs: list[Any]) -> None:
    """Each input must fit the model's context."""
    context = policy.context_of(model, call.plan)
    if context is None:
        return
    meters = call.house.meters
    counter = meters.counter(meters.choice(model, call.body.model), len(call.raw) >= 64 * 1024)
    most = max(counter.count(i) if isinstance(i, str) else len(i) for i in inputs)
    if most > context:
        raise Refuse(
            "context_length_exceeded",
            f"an input of {most:,} tokens does not fit {context:,}",
            param="input",
            details={"limit": context},
        )


def work_of(job: Job, line: Line, count: Count, model: Any) -> Work:
    """The request as a provider gets it, rebuilt from what was parsed."""
    body = msgspec.to_builtins(job.call.body)
    for name in ("request_id", "metadata", "model"):
        body.pop(name, None)
    return Work(
        body={"model": line.model, **body},
        model=model.id,
        request_id=job.held.request_id,
        input_tokens=count.tokens,
        max_output=0,
        answers=1,
        count=lambda text: 0,
        cut=lambda text, most: text,
        created=job.held.reservation.created_at // 1_000_000,
        hints=job.call.body.metadata or {},
        dimensions=model.data.get("dimensions"),
    )
