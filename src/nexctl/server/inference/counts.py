"""POST /v1/tokenize and /v1/estimate-cost: what a request counts and costs, sent nowhere.

The estimate is made by the estimate room itself, with the plan's limits, so that it is the same
quote that the command line prints.
"""

from __future__ import annotations

from typing import Any

from nexctl.server.calls import Call
from nexctl.server.http import Answer
from nexctl.server.inference import policy, routing
from nexctl.server.inference.chat import ENDPOINT
from nexctl.server.inference.metering import Count
from nexctl.wire.counts import ChargeRange, CountFacts, Estimate, Tokenized, TokenRange


async def tokenize(call: Call) -> Answer:
    """Count a chat request's input."""
    model, count = await _counted(call)
    return Answer(
        Tokenized(
            model=model.id,
            input_tokens=count.tokens,
            count=_facts(count),
            notes=list(count.notes),
        )
    )


async def estimate(call: Call) -> Answer:
    """What a chat request would be charged."""
    from nexctl.estimate.ask import Ask
    from nexctl.estimate.lanes import Demand, Lane

    house, body = call.house, call.body
    model, count = await _counted(call)
    house.meters.priced(model)
    ask = Ask(books=(house.book.id,), output_tokens=body.expected_output_tokens)
    plan = call.plan
    lane = Lane(ask, house.book, model, plan.plan if plan is not None else None)
    lane.add(Demand(count.tokens, policy.asked_output(body), body.n or 1))
    notes = [*count.notes, *(note for note in lane.notes if note not in count.notes)]
    return Answer(
        Estimate(
            gateway=house.title,
            model=model.id,
            price_book=house.book.version,
            currency=house.unit,
            requests=1,
            input_tokens=count.tokens,
            cached_input_tokens=None,
            count=_facts(count),
            output_tokens=TokenRange(
                low=lane.output.low, expected=lane.output.expected, high=lane.output.high
            ),
            charge=_range(call, lane.charge),
            batch_charge=_range(call, lane.batch_charge) if lane.batch_charge else None,
            notes=notes,
        )
    )


async def _counted(call: Call) -> tuple[Any, Count]:
    house = call.house
    way = await routing.way_of(call)
    target = way.targets[0]
    model = target.charged
    policy.check_model(call.caller, model)
    policy.check_capabilities(model, (), "chat")
    plain = {k: v for k, v in call.plain.items() if k != "expected_output_tokens"}
    name = target.requested if way.strict else model.id
    count = await house.meters.count(model, name, plain, len(call.raw), ENDPOINT)
    return model, count


def _facts(count: Count) -> CountFacts:
    return CountFacts(
        exact=count.method == "exact",
        method=count.method,
        tokenizer=count.tokenizer,
        error=dict(count.error) if count.error else None,
    )


def _range(call: Call, found: Any) -> ChargeRange:
    money = call.house.money
    return ChargeRange(low=money(found.low), expected=money(found.expected), high=money(found.high))
