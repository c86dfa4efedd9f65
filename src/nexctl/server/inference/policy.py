"""What a key, its parent and its plan let through, before anything is held or sent."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Struct

from nexctl.errors import NexctlError
from nexctl.server import policies
from nexctl.server.ledger.types import Limit
from nexctl.server.refusing import Refuse

if TYPE_CHECKING:
    from nexctl.pricing.book import Model
    from nexctl.server.calls import Caller
    from nexctl.server.house import House, Terms

# Where neither model nor plan nor context bounds an answer that nobody bounded.
MOST_OUTPUT = 1_000_000


class Facts(NamedTuple):
    """What a model can do, read from the book once."""

    embeds: bool
    capabilities: frozenset[str]
    context: int | None
    max_output: int | None


@lru_cache(maxsize=4096)
def facts_of(model: Model) -> Facts:
    """The facts of a model; models are kept by their book, so identity is enough."""
    able = frozenset(model.capabilities)
    return Facts(model.kind == "embedding", able, model.context, model.max_output)


class Target(Struct, frozen=True):
    """Where a request goes: `charged` is priced, `served` answers.

    `why` says how it was picked where its name alone did not say it, `score` by which figure.
    """

    requested: str
    charged: Model
    served: Model
    why: str | None = None
    score: str | None = None


def find(house: House, name: str | None) -> Model:
    """The book's model of that name or alias, or of one that the operator is known to give it.

    Refused where there is none, or the operator does not serve it. It reads nothing.
    """
    if name is None:
        raise Refuse("invalid_request", "a model is needed", param="model")
    operated = house.rulebook.known
    try:
        found = house.book.find(operated.aliases.get(name.lower(), name))
    except NexctlError as error:
        code = "unpriced" if error.code == "unpriced" else "model_not_found"
        raise Refuse(code, param="model") from None
    if found.id in operated.off:
        raise Refuse("model_not_found", "that model is not served at present", param="model")
    return found


def served(house: House, name: str | None) -> Model:
    """`find` by the operator's rules as they are now; not inside a transaction."""
    _ = house.rulebook.operated
    return find(house, name)


def may_use(caller: Caller, model: Model) -> bool:
    """Whether a key, its parent, its organisation and the operator let it call a model."""
    return policies.model_allowed(caller, model.id) and all(
        key is None or key.models is None or model.id in key.models
        for key in (caller.key, caller.parent)
    )


def check_model(caller: Caller, model: Model) -> None:
    """Refuse a model that the key or its parent may not call."""
    if not may_use(caller, model):
        raise Refuse("model_not_allowed", param="model")


def needs_of(body: Any) -> tuple[str, ...]:
    """The capabilities that a chat request asks for, each with the field that asks."""
    needs = []
    if body.stream:
        needs.append("stream")
    if body.tools or body.functions:
        needs.append("tools")
    if any(
        isinstance(message.content, list) and any(hasattr(p, "image_url") for p in message.content)
        for message in body.messages
    ):
        needs.append("vision")
    return tuple(needs)


def check_capabilities(model: Model, needs: tuple[str, ...], kind: str) -> None:
    """Refuse what the model cannot do by the book; a book that lists nothing refuses nothing."""
    facts = facts_of(model)
    if facts.embeds != (kind == "embedding"):
        raise Refuse(
            "unsupported_capability",
            "the model makes vectors" if kind != "embedding" else "the model makes no vectors",
            param="model",
        )
    for need in needs:
        if facts.capabilities and need not in facts.capabilities:
            param = {"vision": "messages"}.get(need, need)
            raise Refuse("unsupported_capability", f"the model has no {need}", param=param)


def asked_output(body: Any) -> int | None:
    """The most output tokens of one answer that the request allows."""
    wanted: int | None = body.max_completion_tokens
    if wanted is None:
        wanted = body.max_tokens
    return wanted


def context_of(model: Model, plan: Terms | None) -> int | None:
    """The context that counts: the smaller of the model's and the plan's."""
    return _least(facts_of(model).context, plan.limit("context") if plan else None)


def output_cap(model: Model, plan: Terms | None, counted: int, asked: int | None) -> int:
    """The most output of one answer by model, plan and context. Refused where it does not fit."""
    context = context_of(model, plan)
    if context is not None and counted + (asked or 0) > context:
        raise Refuse(
            "context_length_exceeded",
            f"{counted:,} input tokens and {asked or 0:,} of output do not fit {context:,}",
            details={"limit": context, "input_tokens": counted},
        )
    most = _least(facts_of(model).max_output, plan.limit("max_output") if plan else None)
    if asked is not None and most is not None and asked > most:
        raise Refuse("max_output_exceeded", details={"limit": most})
    room = None if context is None else context - counted
    cap = _least(_least(asked, most), room)
    return MOST_OUTPUT if cap is None else cap


def limits_of(caller: Caller, plan: Terms | None) -> tuple[Limit, ...]:
    """The rates that a request counts against: key, parent, and the plan for the customer."""
    limits: list[Limit] = []
    for key in (caller.key, caller.parent):
        if key is None:
            continue
        if key.rpm:
            limits.append(Limit(f"key:{key.id}", "rpm", key.rpm))
        if key.concurrency:
            scope = "key" if key is caller.key else "parent"
            limits.append(Limit(f"{scope}:{key.id}", "concurrency", key.concurrency))
    if caller.customer is not None:
        limits += policies.limits(caller.policy, caller.customer.id)
    if plan is not None and caller.customer is not None:
        for name in ("rpm", "concurrency"):
            most = plan.limit(name)
            if most:
                limits.append(Limit(f"customer:{caller.customer.id}", name, most))
    return tuple(limits)


def _least(one: int | None, other: int | None) -> int | None:
    """The smaller of two bounds, where None is no bound."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
