"""A customer's own routing rules, and whether answers of its prompts may be kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexctl.errors import NexctlError
from nexctl.server.calls import Call
from nexctl.server.inference import rulebook
from nexctl.server.ledger import semantic_entries, settings
from nexctl.server.refusing import Refuse
from nexctl.server.rooms import plans
from nexctl.wire import routing as wire
from nexctl.wire.base import plain

if TYPE_CHECKING:
    from nexctl.server.ledger.port import Transaction

FEATURE = "custom_routing"


def show(tx: Transaction, call: Call) -> wire.Routing:
    """The rules as they are."""
    return _shown(call, settings.get(tx, rulebook.setting_of(call.customer.id)))


def put(tx: Transaction, call: Call) -> wire.Routing:
    """Replace what is given."""
    house, body = call.house, call.body
    name = rulebook.setting_of(call.customer.id)
    call.before = show(tx, call)
    kept: dict[str, Any] = settings.get(tx, name) or {}
    if body.rules is not None:
        if body.rules:
            plans.need_feature(call, FEATURE, "routing rules of your own")
        kept["rules"] = [_kept(call, rule) for rule in body.rules]
        names = [rule["name"] for rule in kept["rules"]]
        if len(set(names)) != len(names):
            raise Refuse("invalid_request", "two rules have one name", param="rules")
    if body.semantic_cache is not None:
        if not _caches(call):
            raise Refuse("not_offered", "this gateway keeps no answers")
        kept["semantic_cache"] = body.semantic_cache
        if not body.semantic_cache:
            semantic_entries.forget(tx, call.customer.id)
    settings.put(tx, name, kept)
    tx.afterwards(house.rulebook.forget)
    return _shown(call, kept)


def _kept(call: Call, rule: wire.Rule) -> dict[str, Any]:
    book = call.house.book
    for name in rule.use:
        try:
            book.find(name)
        except NexctlError:
            raise Refuse(
                "model_not_found", f"rule {rule.name}: there is no such model", param="rules"
            ) from None
    when = {} if rule.when is None else {k: v for k, v in plain(rule.when).items() if v is not None}
    low, high = when.get("min_input_tokens"), when.get("max_input_tokens")
    if low is not None and high is not None and low > high:
        text = f"rule {rule.name}: no input is that long and that short"
        raise Refuse("invalid_request", text, param="rules")
    return {"name": rule.name, "when": when, "use": list(rule.use)}


def _caches(call: Call) -> bool:
    terms = call.house.book.data.get("semantic_cache", {})
    return bool(terms.get("offered")) and call.house.facts.get("semantic_cache") is not False


def _shown(call: Call, kept: Any) -> wire.Routing:
    found, plan = rulebook.own(kept), call.plan
    features = plan.features if plan is not None else {}
    routes = call.house.book.data.get("routes") is not None and plan is not None
    return wire.Routing(
        rules=[
            wire.ShownRule(name=rule.name, use=list(rule.use), when=wire.ShownWhen(**rule.when))
            for rule in found.rules
        ],
        semantic_cache=found.semantic_cache if _caches(call) else None,
        default_route=list(plan.plan.route) if routes and plan is not None else [],
        fallback=features.get("fallback", True) is not False,
        offered=features.get(FEATURE, True) is not False,
    )
