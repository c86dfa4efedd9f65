"""What a plan unlocks: features, numbers of keys; a refusal names the plan that has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexctl.server.refusing import Refuse

if TYPE_CHECKING:
    from nexctl.pricing.book import Plan
    from nexctl.server.calls import Call
    from nexctl.server.house import Terms


def lacks(plan: Terms | None, name: str) -> bool:
    """Whether a plan has a feature locked. A book without plans gates nothing."""
    return plan is not None and plan.features.get(name, True) is False


def need_feature(call: Call, name: str, what: str) -> None:
    """Refuse a feature that the customer's plan lacks. A book without plans gates nothing."""
    plan = call.plan
    if plan is None or not lacks(plan, name):
        return
    has = next(
        (p for p in call.house.book.plans.values() if p.features.get(name) not in (False, None)),
        None,
    )
    raise _locked(f"the plan {plan.title} does not include {what}", plan, has)


def need_more(call: Call, name: str, least: str, what: str) -> None:
    """Refuse what a plan has only in its `least` form; a book without plans gates nothing."""
    plan = call.plan
    if plan is None or plan.features.get(name) != least:
        return
    has = next(
        (p for p in call.house.book.plans.values() if p.features.get(name) is True),
        None,
    )
    raise _locked(f"the plan {plan.title} does not include {what}", plan, has)


def need_room(call: Call, name: str, have: int, what: str) -> None:
    """Refuse one more of something that the plan counts."""
    plan = call.plan
    most = plan.limit(name) if plan is not None else None
    if plan is None or most is None or have < most:
        return
    has = None
    for other in call.house.book.plans.values():
        value = other.limits.get(name)
        if value == "unlimited" or (isinstance(value, int) and value > have):
            has = other
            break
    raise _locked(f"the plan {plan.title} includes {most} {what}", plan, has, limit=most)


def _locked(text: str, plan: Terms, has: Plan | None, limit: int | None = None) -> Refuse:
    details: dict[str, object] = {"plan": has.id if has else None, "current_plan": plan.id}
    if limit is not None:
        details["limit"] = limit
    if has is not None:
        text += f"; {has.title} does" if limit is None else f"; {has.title} includes more"
    return Refuse("plan_limit", text, details=details)
