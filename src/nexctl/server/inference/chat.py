"""POST /v1/chat/completions: policy, hold, provider, check, settle, answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from nexctl.server import policies
from nexctl.server.calls import Call
from nexctl.server.http import Answer, Streamed
from nexctl.server.inference import holding, policy, routing
from nexctl.server.inference.metering import Checked, Count, Priced, checked
from nexctl.server.inference.policy import Target
from nexctl.server.providers.port import Fault, Work
from nexctl.server.providers.switchboard import Line
from nexctl.server.refusing import Refuse
from nexctl.wire.chat import Completion, Nex, SmartRouter

if TYPE_CHECKING:
    from nexctl.server.inference.holding import Held
    from nexctl.server.ledger.types import Settled

T = TypeVar("T")

ENDPOINT = "/v1/chat/completions"
# The gateway's own, or without effect on an answer: not part of what goes upstream.
_KEPT_HERE = ("model", "request_id", "metadata", "stream", "stream_options", "store", "n")
_LIMITS = ("max_tokens", "max_completion_tokens")


class Job:
    """One admitted request: everything between its hold and its answer."""

    def __init__(
        self, call: Call, target: Target, priced: Priced, count: Count, answers: int
    ) -> None:
        self.call, self.target, self.priced, self.count = call, target, priced, count
        self.answers = answers
        self.held: Held = None  # type: ignore[assignment]  # set by `held_for`
        self.choice = call.house.meters.choice(target.charged, target.requested)

    def tokens_of(self, text: str) -> int:
        """Tokens of an answer as the charged model counts them."""
        return self.call.house.meters.text_count(self.choice, text)

    def work(self, line: Line) -> Work:
        """The request as a provider gets it, rebuilt from what was parsed."""
        held = self.held
        return Work(
            body=rebuilt(self.call.body, line.model, held.output, self.answers),
            model=self.target.charged.id,
            request_id="chatcmpl-" + held.request_id.removeprefix("req_"),
            input_tokens=self.count.tokens,
            max_output=held.output,
            answers=self.answers,
            count=self.tokens_of,
            cut=lambda text, most: self.call.house.meters.cut(self.choice, text, most),
            created=held.reservation.created_at // 1_000_000,
            hints=self.call.body.metadata or {},
        )

    def check(self, said: Any, texts: list[str]) -> Checked:
        """A provider's usage against what was sent and delivered."""
        return checked(
            self.call.house,
            said,
            counted=self.count.tokens,
            most_output=self.held.output * self.answers,
            size=sum(len(text.encode("utf-8", "replace")) for text in texts),
            output=lambda: sum(map(self.tokens_of, texts)),
        )

    def nex(self, settled: Settled, found: Checked, status: str) -> Nex:
        """What the gateway says beside the answer."""
        house, target = self.call.house, self.target
        router = None
        if target.why is not None:
            router = SmartRouter(target_model=target.served.id, reason=target.why)
        return Nex(
            request_id=self.held.request_id,
            charge=house.money(settled.charge),
            currency=house.unit,
            cached_input_tokens=found.usage.cached_input,
            smart_router=router,
            price_book=house.book.version,
            status=status,
            counted_by=found.by,
        )


async def admitted(call: Call) -> Job:
    """Check a request and hold its worst case; what refuses does so before anything is sent."""
    house, body, plan = call.house, call.body, call.plan
    model = policy.find(house, body.model)
    policy.check_model(call.caller, model)
    needs = policy.needs_of(body)
    policy.check_capabilities(model, needs, "chat")
    priced = house.meters.priced(model)
    count = await house.meters.count(model, body.model, call.plain, len(call.raw), ENDPOINT)
    asked = policy.asked_output(body)
    target = routing.picked(
        house, model, body.model, needs=needs, counted=count.tokens, asked=asked, plan=plan
    )
    cap = policy.output_cap(target.served, plan, count.tokens, asked)
    job = Job(call, target, priced, count, body.n or 1)
    job.held = await holding.hold(
        call, target, priced, count, cap=cap, asked=asked, answers=job.answers
    )
    return job


async def create(call: Call) -> Answer | Streamed:
    """Answer a conversation."""
    job = await admitted(call)
    if call.body.stream:
        from nexctl.server.inference.streaming import streamed

        return await streamed(job)
    return await whole(job)


async def whole(job: Job) -> Answer:
    """The answer in one piece, charged before it is told."""
    line, said = await reached(job, lambda line: line.provider.complete(job.work(line)))
    texts = [text for choice in said.choices for text in texts_of(choice.message)]
    found = job.check(said.usage, texts)
    settled = await holding.settle(
        job.call, job.held, job.target, job.priced, found, provider=line.provider.id, status="ok"
    )
    answer = completed(job, said, found, settled)
    return Answer(answer, headers=holding.rate_headers(job.held))


def completed(job: Job, said: Completion, found: Checked, settled: Settled) -> Completion:
    """A provider's answer with what was charged for it."""
    return Completion(
        id=said.id,
        object=said.object,
        created=said.created,
        model=job.target.charged.id,
        choices=said.choices,
        usage=found.shown,
        nex=job.nex(settled, found, "ok"),
    )


async def reached(job: Any, attempt: Callable[[Line], Awaitable[T]]) -> tuple[Line, T]:
    """Ask the providers of the target in turn; the hold is given back where none answers."""
    house = job.call.house
    plan = job.call.plan
    fallback = plan is None or plan.features.get("fallback", True) is not False
    try:
        lines = house.switchboard.lines(job.target.served.id)
        lines = policies.lines_allowed(job.call.caller.policy, lines)
        found: tuple[Line, T] = await house.switchboard.first(lines, attempt, fallback=fallback)
        return found
    except Refuse as refuse:
        await holding.release(job.call, job.held, refuse.refusal.code)
        raise
    except Fault as fault:
        await holding.release(job.call, job.held, fault.code)
        raise Refuse(fault.code) from None
    except Exception:
        await holding.release(job.call, job.held, "the gateway failed before an answer")
        raise


def texts_of(message: Any) -> list[str]:
    """Everything in an answer that a model wrote."""
    texts = [t for t in (message.content, message.refusal, message.reasoning_content) if t]
    calls = list(message.tool_calls or ())
    if message.function_call:
        calls.append({"function": message.function_call})
    for call in calls:
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            texts += [str(function.get(k)) for k in ("name", "arguments") if function.get(k)]
    return texts


def rebuilt(body: Any, model: str, most: int, answers: int) -> dict[str, Any]:
    """The upstream body: only what was understood, with the gateway's own limits."""
    kept: dict[str, Any] = msgspec.to_builtins(body)
    limit = "max_completion_tokens" if "max_completion_tokens" in kept else "max_tokens"
    for name in (*_KEPT_HERE, *_LIMITS):
        kept.pop(name, None)
    for message in kept["messages"]:
        if isinstance(message.get("content"), list):
            for part in message["content"]:
                part.pop("cache_control", None)
    if answers > 1:
        kept["n"] = answers
    return {"model": model, limit: most, **kept}


__all__ = ["Job", "admitted", "completed", "create", "reached", "rebuilt", "texts_of", "whole"]
