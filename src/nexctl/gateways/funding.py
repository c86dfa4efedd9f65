"""Auto top-up, wallets, claims, plans, papers and the operator's terms, by the contract."""

# ruff: noqa: D102  (what each method does is its route's summary)
from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from nexctl.gateways.client import GatewayClient
    from nexctl.wire import funding, papers, wallet


class Funding:
    """Money in beside orders: auto top-up, wallets, claims, the plan, the operator's terms."""

    def __init__(self, client: GatewayClient) -> None:
        self._client = client

    def _ask(self, route: str, *ids: str, **more: Any) -> Any:
        return self._client.ask(route, *ids, **more)

    def auto_topup(self, wallet: str | None = None) -> funding.AutoTopUp:
        from nexctl.wire.funding import AutoTopUpQuery

        found = self._ask("auto_topup.show", query=AutoTopUpQuery(wallet=wallet))
        return cast("funding.AutoTopUp", found)

    def set_auto_topup(self, wanted: funding.AutoTopUpSet) -> funding.AutoTopUp:
        return cast("funding.AutoTopUp", self._ask("auto_topup.set", body=wanted))

    def auto_topup_off(self, wallet: str | None = None) -> funding.AutoTopUp:
        from nexctl.wire.funding import AutoTopUpQuery

        found = self._ask("auto_topup.off", query=AutoTopUpQuery(wallet=wallet))
        return cast("funding.AutoTopUp", found)

    def wallets(self) -> list[funding.WalletFacts]:
        return list(cast("funding.WalletList", self._ask("wallets.list")).data)

    def create_wallet(self, wanted: funding.WalletCreate) -> funding.WalletFacts:
        return cast("funding.WalletFacts", self._ask("wallets.create", body=wanted))

    def update_wallet(self, wallet_id: str, change: funding.WalletUpdate) -> funding.WalletFacts:
        return cast("funding.WalletFacts", self._ask("wallets.update", wallet_id, body=change))

    def grants(self) -> tuple[list[wallet.Grant], list[wallet.Task]]:
        """Credits that were given, and the ways to get some."""
        given: list[wallet.Grant] = []
        tasks: list[wallet.Task] = []
        for page in self._client.pages("grants.list"):
            given += page.data
            tasks = page.tasks or tasks
        return given, tasks

    def claim(self, task: str, *, idempotency_key: str | None = None) -> funding.Claimed:
        found = self._ask("grants.claim", task, idempotency_key=idempotency_key)
        return cast("funding.Claimed", found)

    def subscription(self) -> funding.Subscription:
        return cast("funding.Subscription", self._ask("subscription.show"))

    def subscribe(self, plan: str, *, idempotency_key: str | None = None) -> funding.Subscription:
        from nexctl.wire.funding import SubscriptionSet

        body = SubscriptionSet(plan=plan)
        found = self._ask("subscription.set", body=body, idempotency_key=idempotency_key)
        return cast("funding.Subscription", found)

    def policies(self) -> list[funding.PolicyText]:
        return cast("funding.PolicyTexts", self._ask("policy_texts.list")).data

    def policy(self, sha256: str) -> funding.PolicyText:
        return cast("funding.PolicyText", self._ask("policy_texts.show", sha256))

    def contract(self) -> funding.Contract:
        return cast("funding.Contract", self._ask("contract.show"))

    def terms(self) -> funding.TermsInForce:
        return cast("funding.TermsInForce", self._ask("terms.show"))

    def set_terms(self, wanted: funding.Terms) -> funding.TermsInForce:
        return cast("funding.TermsInForce", self._ask("terms.set", body=wanted))


class Papers:
    """`/v1/billing-profile`, `/v1/invoices`, `/v1/statements`, and the operator's invoices."""

    def __init__(self, client: GatewayClient) -> None:
        self._client = client

    def _ask(self, route: str, *ids: str, **more: Any) -> Any:
        return self._client.ask(route, *ids, **more)

    def profile(self) -> papers.BillingProfile:
        return cast("papers.BillingProfile", self._ask("billing_profile.show"))

    def set_profile(self, wanted: papers.BillingProfileSet) -> papers.BillingProfile:
        return cast("papers.BillingProfile", self._ask("billing_profile.set", body=wanted))

    def invoices(self, query: papers.InvoiceQuery | None = None) -> Iterator[papers.Invoice]:
        return self._client.every("invoices.list", query)

    def invoice(self, number: str) -> papers.Invoice:
        return cast("papers.Invoice", self._ask("invoices.show", number))

    def pdf(self, number: str) -> bytes:
        return cast("bytes", self._ask("invoices.pdf", number))

    def statement(self, query: papers.StatementQuery) -> papers.Statement:
        return cast("papers.Statement", self._ask("statements.show", query=query))

    def all_invoices(
        self, query: papers.AdminInvoiceQuery | None = None
    ) -> Iterator[papers.Invoice]:
        return self._client.every("admin_invoices.list", query)

    def void(self, number: str, why: papers.InvoiceVoid) -> papers.Invoice:
        return cast("papers.Invoice", self._ask("admin_invoices.void", number, body=why))
