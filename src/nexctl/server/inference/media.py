"""POST /v1/images/generations and /v1/videos: charged by the image, video, second or request.

Which meters count is the book's row: one that it does not have, or calls not applicable, is not
metered; one without a number refuses the request before anything is sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from nexctl.records import Usage
from nexctl.server.calls import Call
from nexctl.server.http import Answer
from nexctl.server.inference import holding, own_keys, policy
from nexctl.server.inference.chat import reached
from nexctl.server.inference.embeddings import Job
from nexctl.server.inference.metering import Checked, Count
from nexctl.server.inference.policy import Target
from nexctl.server.providers.port import MediaWork
from nexctl.server.refusing import Refuse
from nexctl.wire import media as wire
from nexctl.wire.chat import ChatUsage, Nex

if TYPE_CHECKING:
    from nexctl.pricing.book import Model
    from nexctl.server.inference.metering import Priced
    from nexctl.server.ledger.types import Settled
    from nexctl.server.providers.port import MediaDone
    from nexctl.server.providers.switchboard import Line

IMAGE_METERS = ("image", "request")
VIDEO_METERS = ("video", "gpu_second", "second")
SECONDS = 4
# Where a request bounds GPU seconds by nothing: so many for each second of film.
GPU_SECONDS_EACH = 10
_NO_TOKENS = ChatUsage(prompt_tokens=0, completion_tokens=0, total_tokens=0)
_KEPT_HERE = ("model", "request_id", "metadata", "max_gpu_seconds")


async def images(call: Call) -> Answer:
    """Make images."""
    body = call.body
    number = body.n or 1
    model = _model(call, ("image",), IMAGE_METERS)
    tokens = await _tokens(call, model)
    worst = _metered(model, Usage(input=tokens, image=number))
    job, priced, work = await _begin(call, model, worst, number=number, seconds=0, most_gpu=0)
    line, done = await reached(job, lambda line: line.provider.images(_for(work, line)))
    if not done.items:
        await holding.release(call, job.held, "upstream_error")
        raise Refuse("upstream_error")
    used = worst._replace(image=min(worst.image, len(done.items)))
    settled = await _settle(job, priced, line, used, ())
    return Answer(
        wire.Images(
            created=work.created,
            data=done.items[:number],
            model=model.id,
            quantities=_told(used),
            nex=_nex(job, settled, ()),
        ),
        headers=holding.rate_headers(job.held),
    )


async def videos(call: Call) -> Answer:
    """Make a video."""
    body = call.body
    model = _model(call, ("video", "image"), VIDEO_METERS)
    seconds = SECONDS if body.seconds is None else int(body.seconds)
    most = body.max_gpu_seconds or seconds * GPU_SECONDS_EACH
    tokens = await _tokens(call, model)
    worst = _metered(model, Usage(input=tokens, video=1, second=seconds, gpu_second=most))
    job, priced, work = await _begin(call, model, worst, number=1, seconds=seconds, most_gpu=most)
    line, done = await reached(job, lambda line: line.provider.video(_for(work, line)))
    used, wrong = _checked(worst, done)
    settled = await _settle(job, priced, line, used, wrong)
    item = done.items[0]
    return Answer(
        wire.Video(
            id="video_" + job.held.request_id.removeprefix("req_"),
            object="video",
            created_at=work.created,
            completed_at=call.house.now() // 1_000_000,
            status="completed",
            model=model.id,
            seconds=str(seconds),
            size=body.size,
            prompt=body.prompt,
            b64=item.b64_json,
            url=item.url,
            quantities=_told(used),
            nex=_nex(job, settled, wrong),
        ),
        headers=holding.rate_headers(job.held),
    )


def _model(call: Call, kinds: tuple[str, ...], meters: tuple[str, ...]) -> Model:
    """The model that is asked for, if it makes such things at a price."""
    house = call.house
    model = policy.served(house, call.body.model)
    policy.check_model(call.caller, model)
    own_keys.refuse_beside_chat(call, model.id)
    if model.kind not in kinds:
        raise Refuse("unsupported_capability", f"the model makes no {kinds[0]}s", param="model")
    rates = model.rates
    if all(name not in rates or rates[name].state != "number" for name in meters):
        raise Refuse("unpriced", f"the book has no price for {' or '.join(meters)} of this model")
    return model


async def _tokens(call: Call, model: Model) -> int:
    """The prompt's tokens, where the book charges for them."""
    rate = model.rates.get("input")
    if rate is None or rate.state != "number":
        return 0
    meters = call.house.meters
    choice = meters.choice(model, model.id)
    text = call.body.prompt
    return await meters.off_loop(lambda: meters.text_count(choice, text), len(call.raw))


def _metered(model: Model, usage: Usage) -> Usage:
    """Only what the row meters at all."""
    rates = model.rates
    return Usage._make(
        0 if name not in rates or rates[name].state == "not_applicable" else count
        for name, count in zip(Usage._fields, usage, strict=True)
    )


async def _begin(
    call: Call, model: Model, worst: Usage, *, number: int, seconds: int, most_gpu: int
) -> tuple[Job, Priced, MediaWork]:
    """Hold the worst case; what refuses does so before anything is sent."""
    target = Target(call.body.model, model, model)
    priced = call.house.meters.priced(model, probe=worst)
    count = Count(worst.input, worst.input, "exact", None, (), "")
    held = await holding.hold(call, target, priced, count, cap=0, asked=0, answers=1, worst=worst)
    job = Job(call, target, held)
    body = msgspec.to_builtins(call.body)
    for name in _KEPT_HERE:
        body.pop(name, None)
    work = MediaWork(
        body=body,
        request_id=held.request_id,
        number=number,
        seconds=seconds,
        most_gpu_seconds=most_gpu,
        created=held.reservation.created_at // 1_000_000,
        hints=call.body.metadata or {},
    )
    return job, priced, work


def _for(work: MediaWork, line: Line) -> MediaWork:
    return work._replace(body={"model": line.model, **work.body})


def _checked(worst: Usage, done: MediaDone) -> tuple[Usage, tuple[str, ...]]:
    """A provider's GPU seconds within what was allowed; else all that was."""
    if not worst.gpu_second:
        return worst, ()
    said = done.gpu_seconds
    if said is None:
        return worst, ("GPU seconds are missing",)
    if not 0 <= said <= worst.gpu_second:
        return worst, (f"more GPU seconds than the {worst.gpu_second} allowed",)
    return worst._replace(gpu_second=said), ()


async def _settle(
    job: Job, priced: Priced, line: Line, used: Usage, wrong: tuple[str, ...]
) -> Settled:
    found = Checked(used, _NO_TOKENS, "gateway" if wrong else "upstream", wrong)
    more: dict[str, Any] = {}
    if job.tries:
        more["tries"] = [one._asdict() for one in job.tries]
    return await holding.settle(
        *(job.call, job.held, job.target, priced, found),
        provider=line.provider.id,
        status="ok",
        more=more,
    )


def _told(used: Usage) -> wire.Quantities:
    return wire.Quantities(
        requests=used.request,
        input_tokens=used.input,
        images=used.image,
        videos=used.video,
        seconds=used.second,
        gpu_seconds=used.gpu_second,
    )


def _nex(job: Job, settled: Settled, wrong: tuple[str, ...]) -> Nex:
    house = job.call.house
    return Nex(
        request_id=job.held.request_id,
        charge=house.money(settled.charge),
        currency=house.unit,
        price_book=job.target.charged.book.version,
        status="ok",
        counted_by="gateway" if wrong else "upstream",
    )
