"""The semantic cache: a near-duplicate prompt of the same customer gets the answer that is kept.

The book says whether it is offered, from which similarity on, what must be equal and what a hit
costs. Everything that must be equal goes into the scope, a keyed hash; only entries of the same
scope are compared at all, and the customer is always part of it. Prompts and answers are sealed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import msgspec

from nexctl.errors import NexctlError
from nexctl.records import METERS, Usage
from nexctl.server.http import Answer, Streamed
from nexctl.server.inference import holding, similarity
from nexctl.server.inference.metering import Checked
from nexctl.server.inference.scoring import last_user_text
from nexctl.server.ledger import semantic_entries
from nexctl.server.sealing import MOST_BYTES
from nexctl.wire.chat import (
    ChatMessage,
    ChatUsage,
    Choice,
    Chunk,
    ChunkChoice,
    Completion,
    Delta,
)

if TYPE_CHECKING:
    from nexctl.server.calls import Call
    from nexctl.server.inference.chat import Job
    from nexctl.server.inference.voices import Voice

HOUR = 3_600_000_000
RETENTION_HOURS = 24
PROVIDER = "semantic_cache"
HEADER = "x-semantic-cache"
# What does not change an answer, or is not part of the prompt.
_ASIDE = (
    *("messages", "model", "stream", "stream_options", "metadata", "user", "safety_identifier"),
    *("prompt_cache_key", "request_id", "store", "service_tier", "semantic_cache"),
)
_TOOLS = ("tools", "tool_choice", "parallel_tool_calls", "functions", "function_call")
_encoder = msgspec.json.Encoder(order="deterministic")


class Entry(msgspec.Struct):
    """What is kept: the normal prompt, the answer's texts, the output tokens that they count."""

    prompt: str
    texts: list[str]
    output: int
    reasoning: int = 0


class Slot:
    """Where one request's answer belongs."""

    def __init__(self, job: Job, sealer: Any, scope: bytes, text: str, hours: int) -> None:
        self._job, self._sealer, self.scope, self.text = job, sealer, scope, text
        self._first = job.target
        self._lasts = hours * HOUR
        self._place = f"semantic {scope.hex()}"
        self.full = False

    def opened(self, sealed: bytes) -> Entry:
        """An entry that was sealed for this very scope. SealBroken where it was not."""
        raw = self._sealer.unseal_piece(sealed, self._place)
        return msgspec.json.decode(raw, type=Entry)

    async def keep(self, answer: Completion, found: Checked) -> None:
        """Keep a whole answer, where it is nothing but text that came to its end."""
        texts = []
        for choice in answer.choices:
            message = choice.message
            other = message.tool_calls or message.function_call or message.refusal
            if choice.finish_reason != "stop" or other or message.reasoning_content:
                return
            if choice.logprobs is not None or not message.content:
                return
            texts.append(message.content)
        await self.keep_texts(texts, found)

    async def keep_texts(self, texts: list[str], found: Checked) -> None:
        """Keep the texts of an answer that was counted upstream without a fault."""
        job = self._job
        if found.by != "upstream" or job.target is not self._first or not all(texts):
            return
        used = found.usage
        body = msgspec.json.encode(Entry(self.text, texts, used.output, used.reasoning))
        if len(body) > MOST_BYTES:
            return
        work = self._write(job.call, self._sealer.seal_piece(body, self._place))
        if not job.call.house.options.served:
            await work
            return
        import asyncio

        task = asyncio.ensure_future(work)
        job.call.house.pumps.add(task)
        task.add_done_callback(job.call.house.pumps.discard)

    async def _write(self, call: Call, sealed: bytes) -> None:
        try:
            await call.house.write(
                semantic_entries.add,
                *(call.customer.id, self.scope, sealed, self._lasts, self.full),
            )
        except NexctlError as error:
            call.house.alarm(f"semantic cache: {error.message}", error)


async def found(job: Job, voice: Voice) -> Answer | Streamed | None:
    """The kept answer of a near-duplicate prompt, charged and told; None where there is none."""
    slot = job.keep = slot_of(job)
    if slot is None:
        return None
    entry = _entry(job, slot)
    return None if entry is None else await _answered(job, voice, entry)


def slot_of(job: Job) -> Slot | None:
    """Where the request's answer belongs; None where nothing is to be kept or taken."""
    call, body = job.call, job.call.body
    house = call.house
    terms: dict[str, Any] = house.book.data["semantic_cache"]
    if (
        not terms.get("offered")
        or house.facts.get("semantic_cache") is False
        or body.semantic_cache is False
        or job.keys is not None
        or job.target.charged.kind == "embedding"
        or any(name.startswith("echo.") for name in body.metadata or ())
    ):
        return None
    if call.request.headers.get(HEADER, "").strip().lower() in ("off", "no", "false", "0"):
        return None
    sealer = house.ledger.shared.sealer
    if sealer is None or not house.rulebook.own(call.customer.id).semantic_cache:
        return None
    return _slot(job, sealer, terms)


def _slot(job: Job, sealer: Any, terms: dict[str, Any]) -> Slot | None:
    body = job.call.body
    last = body.messages[-1]
    if last.role != "user" or (isinstance(last.content, list) and _has_other(last.content)):
        return None
    text = last_user_text(body.messages)
    if not text.strip() or len(text) > similarity.LONGEST:
        return None
    prompt = similarity.prepared(text)
    if not prompt.words and not prompt.fixed:
        return None
    kept: dict[str, Any] = msgspec.to_builtins(body)
    messages = kept["messages"][:-1]
    others = {name: value for name, value in kept.items() if name not in _ASIDE}
    equal: dict[str, Any] = {
        "model": [job.target.charged.id, job.target.served.id],
        "system_prompt": [m for m in messages if m["role"] in ("system", "developer")],
        "history": messages,
        "tools": {name: others.pop(name) for name in _TOOLS if name in others},
        "response_format": others.pop("response_format", None),
        "sampling": others,
        "numbers": prompt.fixed,
        "identifiers": prompt.fixed,
        "content_words": prompt.words,
    }
    same = terms.get("same", tuple(equal))
    # Never across customers, whatever a book says.
    scope = {"customer": job.call.customer.id, "name": last.name}
    scope.update({name: equal[name] for name in same if name in equal})
    digest = sealer.fingerprint(_encoder.encode(scope))
    hours = int(terms.get("retention_hours", RETENTION_HOURS))
    return Slot(job, sealer, digest, prompt.text, hours)


def _has_other(parts: list[Any]) -> bool:
    return any(not hasattr(part, "text") for part in parts)


def _entry(job: Job, slot: Slot) -> Entry | None:
    house = job.call.house
    rows = house.read(semantic_entries.look, job.call.customer.id, slot.scope)
    if not rows:
        return None
    threshold = house.book.data["semantic_cache"].get("threshold")
    if not threshold or not threshold[0].isdigit():
        return None
    slot.full = len(rows) >= semantic_entries.MOST
    mine = similarity.features(slot.text)
    for row in rows:
        try:
            entry = slot.opened(row)
        except NexctlError:
            continue  # sealed with a master key that is gone
        near = entry.prompt == slot.text or similarity.alike(
            mine, similarity.features(entry.prompt), threshold
        )
        if near and len(entry.texts) == job.answers:
            return entry
    return None


async def _answered(job: Job, voice: Voice, entry: Entry) -> Answer | Streamed:
    call, count = job.call, job.count
    house = call.house
    priced = house.meters.priced(job.target.charged, "semantic_hit")
    usage = Usage(input=count.tokens, output=entry.output, reasoning=entry.reasoning)
    # All of it is known, so all of it is held: a kept answer is not cut to what money allows.
    job.held = await holding.hold(
        *(call, job.target, priced, count), cap=0, asked=0, answers=1, worst=usage
    )
    shown = ChatUsage(
        prompt_tokens=count.tokens,
        completion_tokens=entry.output,
        total_tokens=count.tokens + entry.output,
    )
    checked = Checked(usage, shown, "gateway", ())
    quantities = {name: n for name, n in zip(METERS, usage, strict=True) if n}
    settled = await holding.settle(
        *(call, job.held, job.target, priced, checked),
        provider=PROVIDER,
        status="ok",
        more={"quantities": {"served": quantities, "provider": {}, "billable": quantities}},
    )
    nex = job.nex(settled, checked, "ok")
    nex.semantic_cache_hit = True
    headers = holding.rate_headers(job.held)
    if call.body.stream:
        return Streamed(_pieces(job, voice, entry, shown, nex), headers=headers)
    answer = Completion(
        id=_id(job),
        object="chat.completion",
        created=job.held.reservation.created_at // 1_000_000,
        model=job.target.charged.id,
        choices=[
            Choice(
                index=index,
                message=ChatMessage(role="assistant", content=text),
                finish_reason="stop",
            )
            for index, text in enumerate(entry.texts)
        ],
        usage=shown,
        nex=nex,
    )
    return Answer(voice.whole(job, answer), headers=headers)


def _id(job: Job) -> str:
    return "chatcmpl-" + job.held.request_id.removeprefix("req_")


async def _pieces(
    job: Job, voice: Voice, entry: Entry, usage: ChatUsage, nex: Any
) -> AsyncIterator[bytes]:
    """A kept answer as a stream."""

    def chunk(index: int, delta: Delta, reason: str | None = None) -> Chunk:
        return Chunk(
            id=_id(job),
            object="chat.completion.chunk",
            created=job.held.reservation.created_at // 1_000_000,
            model=job.target.charged.id,
            choices=[ChunkChoice(index=index, delta=delta, finish_reason=reason)],
        )

    teller = voice.teller(job, chunk(0, Delta(role="assistant", content="")))
    last = len(entry.texts) - 1
    for index, text in enumerate(entry.texts):
        yield teller.piece(chunk(index, Delta(role="assistant", content=text)))
        if index < last:
            yield teller.piece(chunk(index, Delta(), "stop"))
    yield teller.end(chunk(last, Delta(), "stop"), usage, nex, True)
