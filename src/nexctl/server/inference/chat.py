"""POST /v1/chat/completions: policy, hold, provider, check, settle, answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from nexctl.records import Usage
from nexctl.server import policies
from nexctl.server.calls import Call
from nexctl.server.http import Answer, Streamed
from nexctl.server.inference import holding, policy, routing
from nexctl.server.inference.metering import Checked, Count, Priced, checked
from nexctl.server.inference.policy import Target
from nexctl.server.inference.voices import CHAT, Voice
from nexctl.server.ledger.errors import Refused
from nexctl.server.providers.port import Fault, Work
from nexctl.server.providers.switchboard import Line, Try
from nexctl.server.refusing import Refuse
from nexctl.wire.chat import Completion, Nex, SmartRouter

if TYPE_CHECKING:
    from nexctl.server.inference.holding import Held
    from nexctl.server.inference.routing import Candidate, Way
    from nexctl.server.inference.semantic import Slot
    from nexctl.server.ledger.types import Settled

T = TypeVar("T")

ENDPOINT = "/v1/chat/completions"
# The gateway's own, or without effect on an answer: not part of what goes upstream.
_KEPT_HERE = frozenset(
    (
        *("model", "request_id", "metadata", "stream", "stream_options", "store", "n"),
        *("semantic_cache", "max_tokens", "max_completion_tokens"),
    )
)


class Job:
    """One admitted request: everything between its hold and its answer.

    `candidates` are the models that may answer, in order; `target`, `priced`, `count` and `choice`
    are those of the one in use. `tries` are the failed ones.
    """

    def __init__(
        self,
        call: Call,
        target: Target,
        priced: Priced,
        count: Count,
        answers: int,
        found: list[Candidate] | None = None,
        way: Way | None = None,
    ) -> None:
        self.call, self.answers = call, answers
        only = routing.Candidate(target, priced, count, policy.MOST_OUTPUT, target.requested)
        self.candidates = found or [only]
        self.way = way or routing.Way((target,), strict=True)
        self.held: Held = None  # type: ignore[assignment]  # set by `take`
        self.tries: list[Try] = []
        self.keys: Mapping[str, bytes] | None = None
        self.keep: Slot | None = None
        self.asked: int | None = None
        self.use(self.candidates[0])

    def use(self, candidate: Candidate) -> None:
        """Let one of the candidates answer."""
        self.candidate = candidate
        self.target, self.priced, self.count = candidate.target, candidate.priced, candidate.counted
        self.choice = self.call.house.meters.choice(self.target.charged, candidate.name)

    @property
    def output(self) -> int:
        """The most output of one answer: what is held, and what the one in use can do."""
        return min(self.held.output, self.candidate.cap)

    @property
    def more(self) -> dict[str, Any]:
        """What the usage record keeps of this request beside the usual."""
        more: dict[str, Any] = {}
        if self.tries:
            more["tries"] = [one._asdict() for one in self.tries]
        if self.keys is not None:
            more["own_key"] = True
        return more

    def tokens_of(self, text: str) -> int:
        """Tokens of an answer as the charged model counts them."""
        return self.call.house.meters.text_count(self.choice, text)

    def work(self, line: Line) -> Work:
        """The request as a provider gets it, rebuilt from what was parsed."""
        held = self.held
        return Work(
            body=rebuilt(self.call.body, line.model, self.output, self.answers),
            model=self.target.charged.id,
            request_id="chatcmpl-" + held.request_id.removeprefix("req_"),
            input_tokens=self.count.tokens,
            max_output=self.output,
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
            most_output=self.output * self.answers,
            size=sum(len(text.encode("utf-8", "replace")) for text in texts),
            output=lambda: sum(map(self.tokens_of, texts)),
        )

    def nex(self, settled: Settled, found: Checked, status: str, provider: str = "") -> Nex:
        """What the gateway says beside the answer."""
        house, target = self.call.house, self.target
        router = own = None
        if self.keys is not None:
            from nexctl.server.inference import own_keys

            own = own_keys.told(self, provider, found.usage)
        if target.why is not None:
            router = SmartRouter(
                target_model=target.served.id, reason=target.why, score=target.score
            )
        return Nex(
            request_id=self.held.request_id,
            charge=house.money(settled.charge),
            currency=house.unit,
            cached_input_tokens=found.usage.cached_input,
            smart_router=router,
            price_book=house.book.version,
            status=status,
            counted_by=found.by,
            own_key=own,
        )


async def prepared(call: Call) -> Job:
    """Check a request and choose who may answer it; nothing is held and nothing sent."""
    body = call.body
    if call.house.failures:
        call.house.failures.check(call)
    plan = call.plan
    if plan is not None and plan.budgets:
        from nexctl.server.inference import allowances

        await allowances.ensure(call, plan)
    needs, asked = policy.needs_of(body), policy.asked_output(body)
    way = await routing.way_of(call)
    keys = routing.NO_KEYS
    if "byok" in call.house.book.data:
        from nexctl.server.inference import own_keys

        keys = own_keys.of(call)
    found = await routing.candidates(call, way, needs, asked, ENDPOINT, keys)
    first = found[0]
    job = Job(call, first.target, first.priced, first.counted, body.n or 1, found, way)
    job.asked = asked
    if first.own:
        job.keys = keys
    return job


async def take(job: Job) -> Job:
    """Hold the worst case of a request; what refuses does so before anything is sent."""
    while True:
        first, *others = job.candidates
        try:
            job.held = await holding.hold(
                *(job.call, first.target, first.priced, first.counted),
                cap=first.cap,
                asked=job.asked,
                answers=job.answers,
                others=tuple(others),
            )
        except Refused as refused:
            rest = _spared(job, refused) if others else None
            if not rest:
                raise
            job.candidates = rest
            job.use(rest[0])
        else:
            return job


def _spared(job: Job, refused: Refused) -> list[Candidate] | None:
    """The candidates that a refusal leaves: those outside the budget that is spent.

    A budget on some models drops these, and dear ones are dropped where the wallet covers only the
    first one. A model that was asked for by name is never dropped.
    """
    rest = job.candidates
    if refused.code == "insufficient_balance":
        first = rest[0].priced
        probe = Usage(input=rest[0].counted.tokens, output=holding.LEAST)
        rest = [one for one in rest if one.priced.most(probe) <= first.most(probe)]
    elif refused.layer is not None:
        from nexctl.server.ledger import budgets

        budget = job.call.house.read(budgets.by_id, refused.layer.id)
        models = budget.models if budget is not None else None
        if models:
            rest = [one for one in rest if one.target.charged.id not in models]
    named = job.way.strict and rest[:1] != job.candidates[:1]
    return None if named or len(rest) == len(job.candidates) else rest


async def admitted(call: Call) -> Job:
    """Check a request and hold its worst case."""
    return await take(await prepared(call))


async def create(call: Call) -> Answer | Streamed:
    """Answer a conversation."""
    return await answered(call, CHAT)


async def answered(call: Call, voice: Voice) -> Answer | Streamed:
    """Answer a conversation in the shape that `voice` speaks."""
    job = await prepared(call)
    if "semantic_cache" in call.house.book.data:
        from nexctl.server.inference.semantic import found

        hit = await found(job, voice)
        if hit is not None:
            return hit
    await take(job)
    if call.body.stream:
        from nexctl.server.inference.streaming import streamed

        return await streamed(job, voice)
    return await whole(job, voice)


async def whole(job: Job, voice: Voice = CHAT) -> Answer:
    """The answer in one piece, charged before it is told."""
    line, said = await reached(job, lambda line: line.provider.complete(job.work(line)))
    texts = [text for choice in said.choices for text in texts_of(choice.message)]
    found = job.check(said.usage, texts)
    settled = await holding.settle(
        *(job.call, job.held, job.target, job.priced, found),
        provider=line.provider.id,
        status="ok",
        more=job.more,
    )
    answer = completed(job, said, found, settled, line.provider.id)
    if job.keep is not None:
        await job.keep.keep(answer, found)
    return Answer(voice.whole(job, answer), headers=holding.rate_headers(job.held))


def completed(
    job: Job, said: Completion, found: Checked, settled: Settled, provider: str = ""
) -> Completion:
    """A provider's answer with what was charged for it."""
    return Completion(
        id=said.id,
        object=said.object,
        created=said.created,
        model=job.target.charged.id,
        choices=said.choices,
        usage=found.shown,
        nex=job.nex(settled, found, "ok", provider),
    )


async def reached(job: Any, attempt: Callable[[Line], Awaitable[T]]) -> tuple[Line, T]:
    """Ask the providers of each candidate in turn; the hold is given back where none answers."""
    call = job.call
    plan, switchboard = call.plan, call.house.switchboard
    fallback = plan is None or plan.features.get("fallback", True) is not False
    try:
        if len(job.candidates) == 1 and job.keys is None:
            lines = switchboard.lines(job.target.served.id)
            lines = policies.lines_allowed(call.caller.policy, lines)
            trying, noted = attempt, _noted(job)
        else:
            fallback = fallback and job.way.fallback
            lines, trying = _ways(job, attempt, fallback)
            noted = _noted(job)
        most = call.house.book.data.get("routing", {}).get("fallback_attempts")
        if most is not None:
            lines = lines[: most + 1]
        found: tuple[Line, T] = await switchboard.first(
            lines, trying, fallback=fallback, failed=noted
        )
        return found
    except Refuse as refuse:
        await holding.release(call, job.held, refuse.refusal.code)
        call.house.failures.note(call)
        raise
    except Fault as fault:
        await holding.release(call, job.held, fault.code)
        raise Refuse(fault.code) from None
    except Exception:
        await holding.release(call, job.held, "the gateway failed before an answer")
        raise


def _noted(job: Any) -> Callable[[Line, Fault], None]:
    def note(line: Line, fault: Fault) -> None:
        job.tries.append(Try(line.provider.id, job.target.served.id, fault.code))

    return note


def _ways(
    job: Job, attempt: Callable[[Line], Awaitable[T]], fallback: bool
) -> tuple[list[Line], Callable[[Line], Awaitable[T]]]:
    """The lines of all candidates, healthy ones first, and the attempt that uses each one's."""
    switchboard = job.call.house.switchboard
    ways: list[tuple[Candidate, Line]] = []
    allowed, known = job.call.caller.policy, 0
    for candidate in job.candidates if fallback else job.candidates[:1]:
        served = candidate.target.served.id
        if job.keys is None:
            lines = switchboard.lines(served)
        else:
            lines = switchboard.own_lines(served, job.keys)
        known += len(lines)
        ways += [
            (candidate, line)
            for line in lines
            if policies.provider_allowed(allowed, line.provider.id)
        ]
    if known and not ways:
        raise Refuse("provider_not_allowed")
    ways.sort(key=lambda way: not way[1].breaker.offers())
    of = {id(line): candidate for candidate, line in ways}

    async def using(line: Line) -> T:
        job.use(of[id(line)])
        return await attempt(line)

    return [line for _, line in ways], using


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
    given: dict[str, Any] = msgspec.to_builtins(body)
    limit = "max_completion_tokens" if "max_completion_tokens" in given else "max_tokens"
    kept = {name: value for name, value in given.items() if name not in _KEPT_HERE}
    for message in kept["messages"]:
        if isinstance(message.get("content"), list):
            for part in message["content"]:
                part.pop("cache_control", None)
    if answers > 1:
        kept["n"] = answers
    return {"model": model, limit: most, **kept}


__all__ = [
    *("Job", "admitted", "answered", "completed", "create", "prepared", "reached", "rebuilt"),
    *("take", "texts_of", "whole"),
]
