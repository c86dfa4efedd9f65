"""The driver's part for organisations, alerts, events, the audit log and operators."""

# ruff: noqa: D102  (what each method promises is said once, in `port_orgs`)
from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import builtins

    from nexctl.gateways.client import GatewayClient
    from nexctl.wire import admin, alerts, budgets, funding, operators, orgs


class _Noun:
    def __init__(self, client: GatewayClient) -> None:
        self._client = client

    def _ask(self, route: str, *ids: str, **more: Any) -> Any:
        return self._client.ask(route, *ids, **more)


class Orgs(_Noun):
    """`/v1/orgs`."""

    def list(self) -> Iterator[orgs.Org]:
        return self._client.every("orgs.list")

    def show(self, org: str) -> orgs.Org:
        return cast("orgs.Org", self._ask("orgs.show", org))

    def create(
        self, wanted: orgs.OrgCreate, *, idempotency_key: str | None = None
    ) -> orgs.OrgCreated:
        found = self._ask("orgs.create", body=wanted, idempotency_key=idempotency_key)
        return cast("orgs.OrgCreated", found)

    def update(self, org: str, change: orgs.OrgUpdate) -> orgs.Org:
        return cast("orgs.Org", self._ask("orgs.update", org, body=change))

    def close(self, org: str) -> orgs.Org:
        return cast("orgs.Org", self._ask("orgs.close", org))

    def members(self, org: str) -> Iterator[orgs.Member]:
        return self._client.every("members.list", None, org)

    def add_member(self, org: str, wanted: orgs.MemberAdd) -> orgs.Member:
        return cast("orgs.Member", self._ask("members.add", org, body=wanted))

    def update_member(self, org: str, member: str, change: orgs.MemberUpdate) -> orgs.Member:
        return cast("orgs.Member", self._ask("members.update", org, member, body=change))

    def remove_member(self, org: str, member: str) -> orgs.Member:
        return cast("orgs.Member", self._ask("members.remove", org, member))

    def projects(self, org: str) -> Iterator[orgs.Project]:
        return self._client.every("projects.list", None, org)

    def create_project(self, org: str, wanted: orgs.ProjectCreate) -> orgs.Project:
        return cast("orgs.Project", self._ask("projects.create", org, body=wanted))

    def update_project(self, org: str, project: str, change: orgs.ProjectUpdate) -> orgs.Project:
        return cast("orgs.Project", self._ask("projects.update", org, project, body=change))

    def archive_project(self, org: str, project: str) -> orgs.Project:
        return cast("orgs.Project", self._ask("projects.archive", org, project))

    def policies(self, org: str) -> orgs.Policies:
        return cast("orgs.Policies", self._ask("policies.show", org))

    def set_policies(self, org: str, change: orgs.PoliciesSet) -> orgs.Policies:
        return cast("orgs.Policies", self._ask("policies.set", org, body=change))

    def pools(self, org: str) -> builtins.list[orgs.Pool]:
        return cast("orgs.PoolPage", self._ask("pools.list", org)).data

    def create_pool(self, org: str, wanted: orgs.PoolCreate) -> orgs.Pool:
        return cast("orgs.Pool", self._ask("pools.create", org, body=wanted))

    def transfer(
        self, org: str, wanted: orgs.Transfer, *, idempotency_key: str | None = None
    ) -> builtins.list[orgs.Pool]:
        found = self._ask("pools.transfer", org, body=wanted, idempotency_key=idempotency_key)
        return cast("orgs.Transferred", found).data


class Alerts(_Noun):
    """`/v1/alerts`."""

    def show(self) -> alerts.Alerts:
        return cast("alerts.Alerts", self._ask("alerts.show"))

    def set(self, change: alerts.AlertsSet) -> alerts.Alerts:
        return cast("alerts.Alerts", self._ask("alerts.set", body=change))


class Endpoints(_Noun):
    """`/v1/webhook-endpoints`."""

    _list, _add, _remove = (
        "webhook_endpoints.list",
        "webhook_endpoints.add",
        "webhook_endpoints.remove",
    )

    def list(self) -> Iterator[alerts.Endpoint]:
        return self._client.every(self._list)

    def add(
        self, wanted: alerts.EndpointCreate, *, idempotency_key: str | None = None
    ) -> alerts.EndpointSecret:
        found = self._ask(self._add, body=wanted, idempotency_key=idempotency_key)
        return cast("alerts.EndpointSecret", found)

    def remove(self, endpoint: str) -> budgets.Removed:
        return cast("budgets.Removed", self._ask(self._remove, endpoint))


class OperatorEndpoints(Endpoints):
    """`/admin/v1/webhook-endpoints`."""

    _list, _add, _remove = (
        "operator_endpoints.list",
        "operator_endpoints.add",
        "operator_endpoints.remove",
    )


class Deliveries(_Noun):
    """`/admin/v1/webhook-deliveries`."""

    def list(self, query: alerts.DeliveryQuery | None = None) -> Iterator[alerts.Delivery]:
        return self._client.every("deliveries.list", query)

    def send(self) -> alerts.Sent:
        return cast("alerts.Sent", self._ask("deliveries.send"))

    def replay(self, delivery: str) -> alerts.Delivery:
        return cast("alerts.Delivery", self._ask("deliveries.replay", delivery))


class AuditLog(_Noun):
    """`/v1/audit-log`."""

    def list(self, query: alerts.AuditQuery | None = None) -> Iterator[alerts.AuditEntry]:
        return self._client.every("audit_log.list", query)


class OperatorAudit(_Noun):
    """`/admin/v1/audit-log`."""

    def list(self, query: alerts.AuditAllQuery | None = None) -> Iterator[alerts.AuditEntry]:
        return self._client.every("operator_audit.list", query)

    def verify(self) -> alerts.AuditProof:
        return cast("alerts.AuditProof", self._ask("operator_audit.verify"))


class Operators(_Noun):
    """`/admin/v1/operators`."""

    def list(self) -> Iterator[operators.Operator]:
        return self._client.every("operators.list")

    def create(
        self, wanted: operators.OperatorCreate, *, idempotency_key: str | None = None
    ) -> operators.OperatorSecret:
        found = self._ask("operators.create", body=wanted, idempotency_key=idempotency_key)
        return cast("operators.OperatorSecret", found)

    def revoke(self, operator: str) -> operators.Operator:
        return cast("operators.Operator", self._ask("operators.revoke", operator))


class CustomerKeys(_Noun):
    """`/admin/v1/keys`."""

    def list(
        self, query: operators.CustomerKeyQuery | None = None
    ) -> Iterator[operators.CustomerKey]:
        return self._client.every("customer_keys.list", query)

    def update(self, key: str, change: operators.KeyState) -> operators.CustomerKey:
        return cast("operators.CustomerKey", self._ask("customer_keys.update", key, body=change))

    def revoke(self, key: str) -> operators.CustomerKey:
        return cast("operators.CustomerKey", self._ask("customer_keys.revoke", key))


class CustomerRules(_Noun):
    """`/admin/v1/customers/{id}` and what lies below it."""

    def suspend(self, customer: str, wanted: operators.Suspend) -> admin.Customer:
        return cast("admin.Customer", self._ask("customers.suspend", customer, body=wanted))

    def adjust(
        self, customer: str, wanted: operators.Adjustment, *, idempotency_key: str | None = None
    ) -> operators.Adjusted:
        found = self._ask(
            "customers.adjust", customer, body=wanted, idempotency_key=idempotency_key
        )
        return cast("operators.Adjusted", found)

    def review(self, customer: str, wanted: operators.Review) -> operators.Reviewed:
        return cast("operators.Reviewed", self._ask("customers.review", customer, body=wanted))

    def policy(self, customer: str) -> operators.Policy:
        return cast("operators.Policy", self._ask("customers.policy", customer))

    def set_policy(self, customer: str, change: operators.PolicySet) -> operators.Policy:
        return cast("operators.Policy", self._ask("customers.set_policy", customer, body=change))

    def contract(self, customer: str) -> funding.Contract:
        return cast("funding.Contract", self._ask("customers.contract", customer))

    def set_contract(self, customer: str, wanted: funding.ContractSet) -> funding.Contract:
        return cast("funding.Contract", self._ask("customers.set_contract", customer, body=wanted))

    def end_contract(self, customer: str) -> funding.Contract:
        return cast("funding.Contract", self._ask("customers.end_contract", customer))


class Societies:
    """This part of a gateway that speaks the contract."""

    _client: GatewayClient

    @cached_property
    def orgs(self) -> Orgs:
        return Orgs(self._client)

    @cached_property
    def alerts(self) -> Alerts:
        return Alerts(self._client)

    @cached_property
    def webhook_endpoints(self) -> Endpoints:
        return Endpoints(self._client)

    @cached_property
    def audit_log(self) -> AuditLog:
        return AuditLog(self._client)

    @cached_property
    def operators(self) -> Operators:
        return Operators(self._client)

    @cached_property
    def customer_keys(self) -> CustomerKeys:
        return CustomerKeys(self._client)

    @cached_property
    def customer_rules(self) -> CustomerRules:
        return CustomerRules(self._client)

    @cached_property
    def operator_endpoints(self) -> OperatorEndpoints:
        return OperatorEndpoints(self._client)

    @cached_property
    def deliveries(self) -> Deliveries:
        return Deliveries(self._client)

    @cached_property
    def operator_audit(self) -> OperatorAudit:
        return OperatorAudit(self._client)
