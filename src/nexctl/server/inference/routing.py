"""From the name that a request gives to the model that answers.

A routing model picks by its constraints alone: capabilities, and what fits the context.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexctl.server.inference import policy
from nexctl.server.inference.policy import Target
from nexctl.server.refusing import Refuse

if TYPE_CHECKING:
    from nexctl.pricing.book import Model
    from nexctl.server.house import House, Terms


def targets_of(house: House, model: Model) -> list[Model]:
    """The models that a routing model picks from, in its order; none for an ordinary model."""
    row = model.data.get("router")
    if row is None:
        return []
    models = house.book.models
    return [models[name] for name in row["targets"]]


def picked(
    house: House,
    model: Model,
    requested: str,
    *,
    needs: tuple[str, ...],
    counted: int,
    asked: int | None,
    plan: Terms | None,
) -> Target:
    """The target of a request. Refused where no model that may be picked can do it all."""
    targets = targets_of(house, model)
    if not targets:
        return Target(requested, model, model)
    able = [t for t in targets if not t.capabilities or set(needs) <= set(t.capabilities)]
    for target in able:
        context = policy.context_of(target, plan)
        if context is None or counted + (asked or 1) <= context:
            first = target is targets[0]
            why = "the first that fits" if first else "the first whose context and abilities fit"
            return Target(requested, model, target, why)
    if able:
        raise Refuse(
            "context_length_exceeded",
            "no model that may be picked takes that much"
            + (f" with {', '.join(needs)}" if needs else ""),
        )
    raise Refuse("unsupported_capability", f"no model that may be picked has {', '.join(needs)}")
