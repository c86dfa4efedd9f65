"""Which function answers which route. A module is imported when one of its routes is called.

"read" and "write" handlers are functions of (transaction, call) that return the route's answer: one
snapshot, or one transaction that an Idempotency-Key covers. "async" ones take the call alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple


class Bound(NamedTuple):
    """A handler by module and name."""

    mode: str
    module: str
    function: str


def _of(mode: str, module: str, **functions: str) -> dict[str, Bound]:
    return {
        name.replace("__", "."): Bound(mode, module, function)
        for name, function in functions.items()
    }


HANDLERS: dict[str, Bound] = {
    **_of("read", "rooms.catalogue", models__list="listed", models__show="shown"),
    **_of("read", "rooms.catalogue", prices__list="prices"),
    **_of("async", "inference.chat", chat__create="create"),
    **_of("async", "inference.embeddings", embeddings__create="create"),
    **_of("async", "inference.counts", tokenize__create="tokenize", estimates__create="estimate"),
    **_of("async", "inference.responses", responses__create="create"),
    **_of("async", "inference.messages", messages__create="create"),
    **_of("async", "inference.media", images__create="images", videos__create="videos"),
    **_of("read", "rooms.routing_rules", routing__show="show"),
    **_of("write", "rooms.routing_rules", routing__set="put"),
    **_of("read", "rooms.provider_keys", provider_keys__list="listed"),
    **_of("write", "rooms.provider_keys", provider_keys__set="put", provider_keys__remove="remove"),
    **_of("read", "rooms.routes", routes__list="listed", served__list="models"),
    **_of("write", "rooms.routes", routes__set="put", routes__remove="remove"),
    **_of("write", "rooms.routes", served__update="update"),
    **_of("async", "rooms.files", files__create="create", files__content="content"),
    **_of("read", "rooms.files", files__list="listed", files__show="shown"),
    **_of("write", "rooms.files", files__remove="remove"),
    **_of("async", "rooms.batches", batches__create="create", batches__show="show"),
    **_of("async", "rooms.batches", batches__results="results"),
    **_of("read", "rooms.batches", batches__list="listed"),
    **_of("write", "rooms.batches", batches__cancel="cancel"),
    **_of("read", "rooms.me", me__show="show"),
    **_of("read", "rooms.health", health__show="show", health__live="live"),
    **_of("read", "rooms.keys", keys__list="listed", keys__show="shown"),
    **_of("write", "rooms.keys", keys__create="create", keys__update="update"),
    **_of("write", "rooms.keys", keys__rotate="rotate", keys__revoke="revoke"),
    **_of("read", "rooms.budgets", budgets__list="listed", budgets__show="shown"),
    **_of("write", "rooms.budgets", budgets__set="put", budgets__remove="remove"),
    **_of("read", "rooms.wallet", wallet__show="show", wallet__ledger="ledger"),
    **_of("read", "rooms.wallet", grants__list="grants"),
    **_of("async", "rooms.codes", wallet__redeem="redeem"),
    **_of("write", "rooms.wallet", grants__claim="claim"),
    **_of("read", "rooms.auto_topup", auto_topup__show="show"),
    **_of("async", "rooms.auto_topup", auto_topup__set="put"),
    **_of("write", "rooms.auto_topup", auto_topup__off="off"),
    **_of("read", "rooms.wallets", wallets__list="listed"),
    **_of("write", "rooms.wallets", wallets__create="create", wallets__update="update"),
    **_of("read", "rooms.subscription", subscription__show="show"),
    **_of("write", "rooms.subscription", subscription__set="put"),
    **_of("read", "rooms.policy_texts", policy_texts__list="listed", policy_texts__show="shown"),
    **_of("read", "rooms.contracts", contract__show="show", customers__contract="of_customer"),
    **_of("write", "rooms.contracts", customers__set_contract="put"),
    **_of("write", "rooms.contracts", customers__end_contract="remove"),
    **_of("read", "rooms.billing_profile", billing_profile__show="show"),
    **_of("write", "rooms.billing_profile", billing_profile__set="put"),
    **_of("read", "rooms.invoices", invoices__list="listed", invoices__show="shown"),
    **_of("async", "rooms.invoices", invoices__pdf="pdf"),
    **_of("read", "rooms.invoices", admin_invoices__list="every"),
    **_of("write", "rooms.invoices", admin_invoices__void="void"),
    **_of("read", "rooms.statements", statements__show="show"),
    **_of("read", "rooms.terms", terms__show="show"),
    **_of("write", "rooms.terms", terms__set="put"),
    **_of("read", "rooms.topups", wallet__methods="methods"),
    **_of("read", "rooms.topups", topups__list="listed", topups__show="shown"),
    **_of("async", "rooms.topups", topups__create="create"),
    **_of("write", "rooms.topups", topups__submit="submit"),
    **_of("read", "rooms.usage", usage__list="listed", usage__show="shown", usage__summary="sums"),
    **_of("read", "rooms.usage", usage__summary_file="summary_file"),
    **_of("read", "rooms.customers", customers__list="listed"),
    **_of("write", "rooms.customers", customers__create="create"),
    **_of("read", "rooms.payments", payments__list="listed", payments__show="shown"),
    **_of("write", "rooms.payments", payments__reject="reject", payments__submit="submit"),
    **_of("async", "rooms.payments", payments__approve="approve", payments__refund="refund"),
    **_of("read", "rooms.providers", providers__list="listed"),
    **_of("async", "rooms.providers", providers__add="add", providers__update="update"),
    **_of("write", "rooms.providers", providers__remove="remove"),
    **_of("read", "rooms.prices", provider_costs__show="show_costs", editions__list="versions"),
    **_of("write", "rooms.prices", provider_costs__set="set_costs", editions__apply="apply"),
    **_of("write", "rooms.prices", editions__draft="draft"),
    **_of("write", "rooms.margins", margin__opening="opening"),
    **_of("read", "rooms.margins", margin__show="sums"),
    **_of("read", "rooms.margins", admin_usage__list="usage"),
    **_of("read", "rooms.reconcile", reconcile__show="show"),
    **_of("read", "rooms.subscriptions", admin_subscriptions__list="listed"),
    **_of("write", "rooms.subscriptions", admin_subscriptions__set="put"),
    **_of("read", "rooms.codes", codes__list="listed"),
    **_of("write", "rooms.codes", codes__create="create"),
    **_of("read", "rooms.orgs", orgs__list="listed", orgs__show="shown"),
    **_of("write", "rooms.orgs", orgs__create="create", orgs__update="update", orgs__close="close"),
    **_of("read", "rooms.orgs", members__list="members", projects__list="projects"),
    **_of("write", "rooms.orgs", members__add="add_member", members__update="update_member"),
    **_of("write", "rooms.orgs", members__remove="remove_member"),
    **_of("write", "rooms.orgs", projects__create="create_project"),
    **_of("write", "rooms.orgs", projects__update="update_project"),
    **_of("write", "rooms.orgs", projects__archive="archive_project"),
    **_of("read", "rooms.orgs", policies__show="policies", pools__list="pool_list"),
    **_of("write", "rooms.orgs", policies__set="set_policies", pools__create="create_pool"),
    **_of("write", "rooms.orgs", pools__transfer="transfer"),
    **_of("read", "rooms.alerts", alerts__show="show"),
    **_of("write", "rooms.alerts", alerts__set="put"),
    **_of("read", "rooms.webhook_endpoints", webhook_endpoints__list="listed"),
    **_of("write", "rooms.webhook_endpoints", webhook_endpoints__add="add"),
    **_of("write", "rooms.webhook_endpoints", webhook_endpoints__remove="remove"),
    **_of("read", "rooms.webhook_endpoints", operator_endpoints__list="listed"),
    **_of("write", "rooms.webhook_endpoints", operator_endpoints__add="add"),
    **_of("write", "rooms.webhook_endpoints", operator_endpoints__remove="remove"),
    **_of("read", "rooms.webhook_endpoints", deliveries__list="delivered"),
    **_of("async", "rooms.webhook_endpoints", deliveries__send="send", deliveries__replay="replay"),
    **_of("read", "rooms.audit_log", audit_log__list="listed", operator_audit__list="every"),
    **_of("read", "rooms.audit_log", operator_audit__verify="verify"),
    **_of("write", "rooms.customers", customers__suspend="suspend", customers__adjust="adjust"),
    **_of("write", "rooms.customers", customers__review="review"),
    **_of("read", "rooms.policies", customers__policy="show"),
    **_of("write", "rooms.policies", customers__set_policy="put"),
    **_of("read", "rooms.operators", operators__list="listed", customer_keys__list="customer_keys"),
    **_of("write", "rooms.operators", operators__create="create", operators__revoke="revoke"),
    **_of("write", "rooms.operators", customer_keys__update="update_key"),
    **_of("write", "rooms.operators", customer_keys__revoke="revoke_key"),
    **_of("async", "payments.webhooks", webhooks__payment="receive"),
    **_of("async", "payments.sandbox", sandbox__page="page", sandbox__pay="pay"),
}


@cache
def bound(route_name: str) -> tuple[str, Callable[..., Any]]:
    """(mode, function) of a route."""
    from importlib import import_module

    found = HANDLERS[route_name]
    module = import_module(f"nexctl.server.{found.module}")
    return found.mode, getattr(module, found.function)
