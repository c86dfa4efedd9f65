"""From the name that a request gives to the models that may answer it, in the order of trying.

Names are looked up in this order: the customer's own rules, the operator's routes and aliases, the
default route where no model (or `auto`) is named, then the book. A routing model of the book picks
by a stated score. What each model can do and costs decides which of them are eligible at all; the
first of the rest is tried first, the others follow after a failure where the plan has fallback.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from nexctl.errors import NexctlError
from nexctl.server.inference import policy
from nexctl.server.inference.policy import Target
from nexctl.server.refusing import Refuse

if TYPE_CHECKING:
    from nexctl.pricing.book import Model
    from nexctl.server.calls import Call
    from nexctl.server.house import House
    from nexctl.server.inference.metering import Count, Priced
    from nexctl.server.inference.rulebook import Rule

AUTO = "auto"
NO_KEYS: Mapping[str, bytes] = {}


class Way(Struct, frozen=True):
    """The targets of a request. `strict`: what refuses the first one refuses the request.

    `fallback` False leaves the others for what the first one cannot do at all; `router` says that
    a routing model picks among them.
    """

    targets: tuple[Target, ...]
    strict: bool = False
    fallback: bool = True
    router: bool = False


class Candidate(Struct, frozen=True):
    """One eligible target with its prices, the input as it counts, the most output of one answer.

    `name` is what the model is counted as; `own` says that the customer's own key pays for it.
    """

    target: Target
    priced: Priced
    counted: Count
    cap: int
    name: str
    own: bool = False


def targets_of(house: House, model: Model) -> list[Model]:
    """The models that a routing model picks from, in its order; none for an ordinary model."""
    row = model.data.get("router")
    if row is None:
        return []
    models = house.book.models
    return [models[name] for name in row["targets"]]


def _none(needs: tuple[str, ...], able: bool) -> Refuse:
    """No model that may be picked can do it: too long, or an ability is missing."""
    if able:
        with_ = f" with {', '.join(needs)}" if needs else ""
        text = f"no model that may be picked takes that much{with_}"
        return Refuse("context_length_exceeded", text)
    text = f"no model that may be picked has {', '.join(needs)}"
    return Refuse("unsupported_capability", text)


async def way_of(call: Call) -> Way:
    """The targets that a request's name means, whatever they can do."""
    for rule in _rules(call):
        if _says(call, rule) and (not _bounded(rule) or _within(rule, await _rough(call, rule))):
            return _ruled(call, rule)
    return _by_name(call)


def way_of_line(call: Call, count: Callable[[Model, str], Count]) -> Way:
    """`way_of` for a line of a batch, which nothing waits for; `count` counts its input."""
    for rule in _rules(call):
        if not _says(call, rule):
            continue
        models = _models(call.house, rule.use)[:1] if _bounded(rule) else []
        if not _bounded(rule) or _within(rule, sum(count(m, m.id).tokens for m in models)):
            return _ruled(call, rule)
    return _by_name(call)


def _rules(call: Call) -> tuple[Rule, ...]:
    """The customer's own rules, where its plan has them."""
    plan = call.plan
    if plan is not None and plan.features.get("custom_routing", True) is False:
        return ()
    return call.house.rulebook.own(call.customer.id).rules


def _ruled(call: Call, rule: Rule) -> Way:
    return _listed(call, _said(call.body.model), rule.use, f"your rule {rule.name}")


def _by_name(call: Call) -> Way:
    """What the name means by the operator's routes and the book."""
    house, name = call.house, call.body.model
    operated = house.rulebook.operated
    if name is not None and name in operated.routes:
        route = operated.routes[name]
        found = _listed(call, name, route.models, f"the route {name}")
        return replace(found, fallback=route.fallback)
    if name is None or (name == AUTO and "routes" in house.book.data):
        return _default(call)
    model = policy.served(house, name)
    if targets_of(house, model):
        return _smart(call, model, name)
    targets = [Target(name, model, model)]
    if "routes" in house.book.data:
        targets += [
            Target(name, other, other, "fallback after a failure")
            for other in _models(house, _route_of(call))
            if other is not model
        ]
    return Way(tuple(targets), strict=True)


def _said(name: str | None) -> str:
    return AUTO if name is None else name


def _default(call: Call) -> Way:
    """No model is named: the plan's route, else the book's default model."""
    house, name = call.house, _said(call.body.model)
    own = house.rulebook.operated.routes.get(AUTO)
    if own is not None:
        found = _listed(call, name, own.models, f"the route {AUTO}")
        return replace(found, fallback=own.fallback)
    route = _route_of(call)
    if route and "routes" in house.book.data:
        return _listed(call, name, route, "the plan's default route")
    default = house.book.default_model
    if default is None:
        raise Refuse("invalid_request", "name a model: this gateway has no default", param="model")
    model = policy.served(house, default)
    if targets_of(house, model):
        return _smart(call, model, name)
    return Way((Target(name, model, model, "the default model"),), strict=True)


def _route_of(call: Call) -> tuple[str, ...]:
    """The order of the operator, else of the customer's plan."""
    own = call.house.rulebook.operated.routes.get(AUTO)
    if own is not None:
        return own.models
    return call.plan.plan.route if call.plan is not None else ()


def _models(house: House, names: Iterable[str]) -> list[Model]:
    found = []
    for name in names:
        try:
            found.append(house.book.find(name))
        except NexctlError:
            continue  # a later book does not have it any more
    return found


def _listed(call: Call, name: str, names: Iterable[str], why: str) -> Way:
    """The models of a rule or route; a routing model stands for what it picks from."""
    house = call.house
    models = _models(house, names)
    if not models:
        raise Refuse("model_not_found", param="model")
    found: list[Target] = []
    for model in models:
        if targets_of(house, model):
            picks = _smart(call, model, name).targets
            found += [replace(target, why=f"{why}: {target.why}") for target in picks]
        else:
            found.append(Target(name, model, model, why))
    return Way(tuple(found))


def _smart(call: Call, model: Model, name: str) -> Way:
    """The targets of a routing model: by score the reasoning one first, or the cheapest."""
    from nexctl.server.inference.scoring import score_of

    house = call.house
    score = score_of(call.body)
    own_row = house.book.rule("auto_route_price", "own_row") == "own_row"
    ordered = sorted(
        targets_of(house, model),
        key=lambda target: ("reasoning" in target.tags) != score.reasons,
    )
    signs = ", ".join(score.signs) or "a plain prompt"
    return Way(
        tuple(
            Target(name, model if own_row else target, target, signs, score.text)
            for target in ordered
        ),
        router=True,
    )


def _says(call: Call, rule: Rule) -> bool:
    """Whether every condition of a rule holds, but those on the length of the input."""
    when, body = rule.when, call.body
    if "model" in when and _said(body.model) != when["model"]:
        return False
    needs = policy.needs_of(body)
    for need in ("tools", "vision", "stream"):
        if need in when and (need in needs) != when[need]:
            return False
    if "label" in when:
        labels = {**(call.caller.key.labels if call.caller.key else {}), **(body.metadata or {})}
        name, _, value = when["label"].partition("=")
        if labels.get(name) != value:
            return False
    return True


def _bounded(rule: Rule) -> bool:
    return "min_input_tokens" in rule.when or "max_input_tokens" in rule.when


def _within(rule: Rule, counted: int) -> bool:
    low, high = rule.when.get("min_input_tokens"), rule.when.get("max_input_tokens")
    return (low is None or counted >= low) and (high is None or counted <= high)


async def _rough(call: Call, rule: Rule) -> int:
    """The input as the rule's first model counts it."""
    house = call.house
    models = _models(house, rule.use)
    if not models:
        return 0
    from nexctl.server.inference.chat import ENDPOINT

    count = await house.meters.count(models[0], models[0].id, call.plain, len(call.raw), ENDPOINT)
    return count.tokens


async def candidates(
    call: Call,
    way: Way,
    needs: tuple[str, ...],
    asked: int | None,
    endpoint: str,
    keys: Mapping[str, bytes] = NO_KEYS,
) -> list[Candidate]:
    """The eligible targets in order. Refused where none is: by the first one's reason.

    Where one of the customer's own `keys` serves any of them, only those are left.
    """
    found: list[Candidate] = []
    refused: list[Refuse] = []
    for target in way.targets:
        try:
            found.append(await _candidate(call, way, target, needs, asked, endpoint, keys))
        except Refuse as refuse:
            if way.strict and not found and not refused:
                raise
            refused.append(refuse)
    if found:
        return [one for one in found if one.own] or found
    raise _refusal(way, needs, refused)


async def _candidate(
    call: Call,
    way: Way,
    target: Target,
    needs: tuple[str, ...],
    asked: int | None,
    endpoint: str,
    keys: Mapping[str, bytes],
) -> Candidate:
    house, plan, charged = call.house, call.plan, target.charged
    _check(call, target, needs)
    own = bool(keys) and bool(house.switchboard.owned(target.served.id, keys))
    priced = house.meters.priced(charged, "byok" if own else "")
    name = _counted_as(way, target)
    count: Any = await house.meters.count(charged, name, call.plain, len(call.raw), endpoint)
    cap = policy.output_cap(target.served, plan, count.tokens, asked)
    return Candidate(target, priced, count, cap, name, own)


def _check(call: Call, target: Target, needs: tuple[str, ...]) -> None:
    """Refuse a target that is not served, not allowed or not able."""
    charged, off = target.charged, call.house.rulebook.operated.off
    if charged.id in off or target.served.id in off:
        raise Refuse("model_not_found", "that model is not served at present", param="model")
    policy.check_model(call.caller, charged)
    policy.check_capabilities(charged, needs, "chat")
    if target.served is not charged:
        policy.check_capabilities(target.served, needs, "chat")


def _counted_as(way: Way, target: Target) -> str:
    """A class row is counted as the model that was asked for, where that is what it means."""
    return target.requested if way.strict and target is way.targets[0] else target.charged.id


class Picked(NamedTuple):
    """The one target of a batch's line, its counted input and the most output of one answer."""

    target: Target
    counted: Count
    cap: int


def picked(
    call: Call,
    way: Way,
    needs: tuple[str, ...],
    asked: int | None,
    count: Callable[[Model, str], Count],
    charged: str | None = None,
) -> Picked:
    """The first eligible target, which a line is not tried elsewhere than; Refused as a request is.

    `charged` is the model that the line was quoted as, for one that is at work already.
    """
    refused: list[Refuse] = []
    for target in way.targets:
        if charged not in (None, target.charged.id):
            continue
        try:
            _check(call, target, needs)
            found = count(target.charged, _counted_as(way, target))
            return Picked(
                target, found, policy.output_cap(target.served, call.plan, found.tokens, asked)
            )
        except Refuse as refuse:
            if way.strict and not refused:
                raise
            refused.append(refuse)
    raise _refusal(way, needs, refused)


def _refusal(way: Way, needs: tuple[str, ...], refused: list[Refuse]) -> Refuse:
    """Why no target is eligible: by the first one's reason."""
    if way.router:
        codes = {refuse.refusal.code for refuse in refused}
        if "context_length_exceeded" in codes or codes == {"unsupported_capability"}:
            return _none(needs, "context_length_exceeded" in codes)
    return refused[0] if refused else Refuse("model_not_found", param="model")


__all__ = [
    "AUTO",
    "Candidate",
    "Picked",
    "Way",
    "candidates",
    "picked",
    "targets_of",
    "way_of",
    "way_of_line",
]
