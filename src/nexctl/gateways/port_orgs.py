"""What may be asked of a gateway about organisations, alerts, events, the audit log, operators."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import builtins

    from nexctl.wire import admin, alerts, budgets, funding, operators, orgs


class Orgs(Protocol):
    """Organisations with their members, projects, rules and pools."""

    def list(self) -> Iterator[orgs.Org]:
        """Those that the customer is in."""

    def show(self, org: str) -> orgs.Org:
        """One of them."""

    def create(
        self, wanted: orgs.OrgCreate, *, idempotency_key: str | None = None
    ) -> orgs.OrgCreated:
        """A new one with its management key."""

    def update(self, org: str, change: orgs.OrgUpdate) -> orgs.Org:
        """With what was changed."""

    def close(self, org: str) -> orgs.Org:
        """Closed for ever."""

    def members(self, org: str) -> Iterator[orgs.Member]:
        """Its members."""

    def add_member(self, org: str, wanted: orgs.MemberAdd) -> orgs.Member:
        """One more."""

    def update_member(self, org: str, member: str, change: orgs.MemberUpdate) -> orgs.Member:
        """In another role."""

    def remove_member(self, org: str, member: str) -> orgs.Member:
        """Gone."""

    def projects(self, org: str) -> Iterator[orgs.Project]:
        """Its projects."""

    def create_project(self, org: str, wanted: orgs.ProjectCreate) -> orgs.Project:
        """One more."""

    def update_project(self, org: str, project: str, change: orgs.ProjectUpdate) -> orgs.Project:
        """With what was changed."""

    def archive_project(self, org: str, project: str) -> orgs.Project:
        """Ended."""

    def policies(self, org: str) -> orgs.Policies:
        """Rules before keys'."""

    def set_policies(self, org: str, change: orgs.PoliciesSet) -> orgs.Policies:
        """With what was changed."""

    def pools(self, org: str) -> builtins.list[orgs.Pool]:
        """Its wallets."""

    def create_pool(self, org: str, wanted: orgs.PoolCreate) -> orgs.Pool:
        """A wallet that projects share."""

    def transfer(
        self, org: str, wanted: orgs.Transfer, *, idempotency_key: str | None = None
    ) -> builtins.list[orgs.Pool]:
        """Credits moved between its wallets; all of them after it."""


class Alerts(Protocol):
    """Who is told of thresholds."""

    def show(self) -> alerts.Alerts:
        """As it is."""

    def set(self, change: alerts.AlertsSet) -> alerts.Alerts:
        """As it is now."""


class Endpoints(Protocol):
    """Who is told of events."""

    def list(self) -> Iterator[alerts.Endpoint]:
        """All of them."""

    def add(
        self, wanted: alerts.EndpointCreate, *, idempotency_key: str | None = None
    ) -> alerts.EndpointSecret:
        """A new one with its secret."""

    def remove(self, endpoint: str) -> budgets.Removed:
        """Gone."""


class Deliveries(Protocol):
    """What was told to whom."""

    def list(self, query: alerts.DeliveryQuery | None = None) -> Iterator[alerts.Delivery]:
        """Deliveries that the query fits."""

    def send(self) -> alerts.Sent:
        """What is due is sent now."""

    def replay(self, delivery: str) -> alerts.Delivery:
        """One is sent again."""


class AuditLog(Protocol):
    """Who did what."""

    def list(self, query: alerts.AuditQuery | None = None) -> Iterator[alerts.AuditEntry]:
        """Rows by time."""


class OperatorAudit(Protocol):
    """Who did what, in every account."""

    def list(self, query: alerts.AuditAllQuery | None = None) -> Iterator[alerts.AuditEntry]:
        """Rows by time."""

    def verify(self) -> alerts.AuditProof:
        """Every chain walked."""


class Operators(Protocol):
    """Who runs the gateway."""

    def list(self) -> Iterator[operators.Operator]:
        """Everybody, also those whose key was ended."""

    def create(
        self, wanted: operators.OperatorCreate, *, idempotency_key: str | None = None
    ) -> operators.OperatorSecret:
        """A new one with its key."""

    def revoke(self, operator: str) -> operators.Operator:
        """Its key ended for ever."""


class CustomerKeys(Protocol):
    """Keys of all customers."""

    def list(
        self, query: operators.CustomerKeyQuery | None = None
    ) -> Iterator[operators.CustomerKey]:
        """Keys that the query fits."""

    def update(self, key: str, change: operators.KeyState) -> operators.CustomerKey:
        """Disabled, or enabled."""

    def revoke(self, key: str) -> operators.CustomerKey:
        """Ended for ever."""


class CustomerRules(Protocol):
    """What the operator does about one customer."""

    def suspend(self, customer: str, wanted: operators.Suspend) -> admin.Customer:
        """Suspended, or resumed."""

    def adjust(
        self, customer: str, wanted: operators.Adjustment, *, idempotency_key: str | None = None
    ) -> operators.Adjusted:
        """Credits given or taken."""

    def review(self, customer: str, wanted: operators.Review) -> operators.Reviewed:
        """A frozen wallet let go."""

    def policy(self, customer: str) -> operators.Policy:
        """What it is allowed."""

    def set_policy(self, customer: str, change: operators.PolicySet) -> operators.Policy:
        """What it is allowed now."""

    def contract(self, customer: str) -> funding.Contract:
        """What is agreed with it."""

    def set_contract(self, customer: str, wanted: funding.ContractSet) -> funding.Contract:
        """Agree on it."""

    def end_contract(self, customer: str) -> funding.Contract:
        """End it now."""


class Societies(Protocol):
    """This part of a gateway."""

    @property
    def orgs(self) -> Orgs:
        """Organisations."""

    @property
    def alerts(self) -> Alerts:
        """Who is told of thresholds."""

    @property
    def webhook_endpoints(self) -> Endpoints:
        """Who is told of the customer's events."""

    @property
    def audit_log(self) -> AuditLog:
        """Who did what in the customer's account."""

    @property
    def operators(self) -> Operators:
        """Who runs the gateway."""

    @property
    def customer_keys(self) -> CustomerKeys:
        """Keys of all customers."""

    @property
    def customer_rules(self) -> CustomerRules:
        """What the operator does about one customer."""

    @property
    def operator_endpoints(self) -> Endpoints:
        """Who is told of the gateway's events."""

    @property
    def deliveries(self) -> Deliveries:
        """What was told to whom."""

    @property
    def operator_audit(self) -> OperatorAudit:
        """Who did what in every account."""
