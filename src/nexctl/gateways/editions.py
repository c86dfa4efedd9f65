"""The operator's prices, costs, margins and checks, by the contract."""

# ruff: noqa: D102  (what each method does is its route's summary)
from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from nexctl.gateways.client import GatewayClient
    from nexctl.wire import checks, prices


class Editions:
    """`/admin/v1/prices`, `/margin`, `/usage` and providers' costs."""

    def __init__(self, client: GatewayClient) -> None:
        self._client = client

    def _ask(self, route: str, *ids: str, **more: Any) -> Any:
        return self._client.ask(route, *ids, **more)

    def costs(self, provider: str) -> prices.CostProfile:
        return cast("prices.CostProfile", self._ask("provider_costs.show", provider))

    def set_costs(self, provider: str, wanted: prices.CostsSet) -> prices.CostProfile:
        return cast("prices.CostProfile", self._ask("provider_costs.set", provider, body=wanted))

    def versions(self) -> list[prices.PriceVersion]:
        return list(cast("prices.PriceVersions", self._ask("editions.list")).data)

    def draft(self, wanted: prices.DraftAsk) -> prices.PriceDraft:
        return cast("prices.PriceDraft", self._ask("editions.draft", body=wanted))

    def apply(self, wanted: prices.PriceApply) -> prices.PricesApplied:
        return cast("prices.PricesApplied", self._ask("editions.apply", body=wanted))

    def opening(self, wanted: prices.OpeningAsk) -> prices.Opening:
        return cast("prices.Opening", self._ask("margin.opening", body=wanted))

    def margin(self, query: prices.MarginQuery) -> prices.Margin:
        return cast("prices.Margin", self._ask("margin.show", query=query))

    def usage(self, query: prices.CostQuery) -> Iterator[prices.CostedUsage]:
        return self._client.every("admin_usage.list", query)

    def reconcile(self, month: str | None = None) -> checks.Reconciled:
        from nexctl.wire.checks import ReconcileQuery

        found = self._ask("reconcile.show", query=ReconcileQuery(month=month))
        return cast("checks.Reconciled", found)

    def plans(self, query: checks.PlanQuery) -> Iterator[checks.PlanOf]:
        return self._client.every("admin_subscriptions.list", query)

    def set_plan(
        self, customer: str, wanted: checks.PlanSet, *, idempotency_key: str | None = None
    ) -> checks.PlanOf:
        found = self._ask(
            "admin_subscriptions.set", customer, body=wanted, idempotency_key=idempotency_key
        )
        return cast("checks.PlanOf", found)
