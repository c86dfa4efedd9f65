"""The operator's prices, costs, margins and checks, by the contract."""

# ruff: noqa: D102  (what each method does is its route's summary)
from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from nexctl.gateways.client import GatewayClient
    from nexctl.wire import prices


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
