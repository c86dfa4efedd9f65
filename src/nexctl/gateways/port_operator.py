"""What an operator may ask of a gateway: customers, payments, providers, codes, prices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from nexctl.wire import admin, checks, topups
    from nexctl.wire import prices as editions


class Customers(Protocol):
    """The operator's customers."""

    def list(self, query: admin.CustomerQuery | None = None) -> Iterator[admin.Customer]:
        """Every customer that the query fits."""

    def create(
        self, wanted: admin.CustomerCreate, *, idempotency_key: str | None = None
    ) -> admin.CustomerCreated:
        """A new customer with its management key."""


class Payments(Protocol):
    """Orders of all customers, and what the operator decides about them."""

    def list(self, query: admin.PaymentQuery | None = None) -> Iterator[admin.Payment]:
        """Orders, newest first."""

    def show(self, order_id: str) -> admin.Payment:
        """One order."""

    def submit(self, order_id: str, proof: topups.TopUpSubmit) -> admin.Payment:
        """Note that its payment was seen."""

    def approve(self, order_id: str, note: admin.Approve) -> admin.Payment:
        """Credit it."""

    def reject(self, order_id: str, why: admin.Reject) -> admin.Payment:
        """Refuse it."""

    def refund(
        self, order_id: str, what: admin.Refund, *, idempotency_key: str | None = None
    ) -> admin.Payment:
        """Give back."""


class Providers(Protocol):
    """Where requests go."""

    def list(self) -> Iterator[admin.Provider]:
        """All of them, by priority."""

    def add(self, wanted: admin.ProviderSet) -> admin.Provider:
        """A new one."""

    def update(self, provider_id: str, change: admin.ProviderUpdate) -> admin.Provider:
        """With what was changed."""

    def remove(self, provider_id: str) -> Any:
        """Take it away."""


class Codes(Protocol):
    """Codes that can be redeemed."""

    def list(self, query: admin.CodeQuery | None = None) -> Iterator[admin.Code]:
        """Codes and their states."""

    def create(
        self, wanted: admin.CodesCreate, *, idempotency_key: str | None = None
    ) -> admin.CodePage:
        """New codes, shown once."""


class Editions(Protocol):
    """The operator's prices: costs of providers, drafts, versions, margins; checks and plans."""

    def costs(self, provider: str) -> editions.CostProfile:
        """What a provider takes."""

    def set_costs(self, provider: str, wanted: editions.CostsSet) -> editions.CostProfile:
        """Set it."""

    def versions(self) -> list[editions.PriceVersion]:
        """Stored versions of the prices."""

    def draft(self, wanted: editions.DraftAsk) -> editions.PriceDraft:
        """Prices from costs."""

    def apply(self, wanted: editions.PriceApply) -> editions.PricesApplied:
        """Store a new version, or tell what it would change."""

    def opening(self, wanted: editions.OpeningAsk) -> editions.Opening:
        """Prices beside costs."""

    def margin(self, query: editions.MarginQuery) -> editions.Margin:
        """Charges and costs, added up."""

    def usage(self, query: editions.CostQuery) -> Iterator[editions.CostedUsage]:
        """Usage of all customers with its cost."""

    def reconcile(self, month: str | None = None) -> checks.Reconciled:
        """Whether money, credits and papers agree."""

    def plans(self, query: checks.PlanQuery) -> Iterator[checks.PlanOf]:
        """Customers' plans."""

    def set_plan(
        self, customer: str, wanted: checks.PlanSet, *, idempotency_key: str | None = None
    ) -> checks.PlanOf:
        """Put a customer on a plan."""


class Operating(Protocol):
    """This part of a gateway."""

    @property
    def customers(self) -> Customers:
        """The operator's customers."""

    @property
    def payments(self) -> Payments:
        """Orders of all customers."""

    @property
    def providers(self) -> Providers:
        """Where requests go."""

    @property
    def codes(self) -> Codes:
        """Codes to redeem."""

    @property
    def editions(self) -> Editions:
        """The operator's prices, costs and margins."""
