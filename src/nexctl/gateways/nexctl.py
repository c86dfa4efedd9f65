"""The driver for gateways that speak the contract: the embedded one, in process or served."""

# ruff: noqa: D102  (what each method promises is said once, in `port`)
from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from nexctl.gateways.client import GatewayClient
from nexctl.gateways.nexctl_orgs import Societies

if TYPE_CHECKING:
    from nexctl.gateways import port, port_operator
    from nexctl.wire import (
        admin,
        batches,
        budgets,
        chat,
        counts,
        embeddings,
        files,
        keys,
        media,
        messages,
        models,
        provider_keys,
        responses,
        routing,
        topups,
        usage,
        wallet,
    )
    from nexctl.wire.me import Health, Me


# A gateway checks and counts every line before it answers.
CHECKING_SECONDS = 900.0  # not money: seconds


class _Noun:
    def __init__(self, client: GatewayClient) -> None:
        self._client = client

    def _ask(self, route: str, *ids: str, **more: Any) -> Any:
        return self._client.ask(route, *ids, **more)


class Keys(_Noun):
    """`/v1/keys`. The gateway itself keeps a rotated secret valid for a while."""

    overlap = True

    def list(self, query: keys.KeyQuery | None = None) -> Iterator[keys.Key]:
        return self._client.every("keys.list", query)

    def show(self, key_id: str) -> keys.Key:
        return cast("keys.Key", self._ask("keys.show", key_id))

    def create(
        self, wanted: keys.KeyCreate, *, idempotency_key: str | None = None
    ) -> keys.KeySecret:
        found = self._ask("keys.create", body=wanted, idempotency_key=idempotency_key)
        return cast("keys.KeySecret", found)

    def update(self, key_id: str, change: keys.KeyUpdate) -> keys.Key:
        return cast("keys.Key", self._ask("keys.update", key_id, body=change))

    def rotate(
        self, key_id: str, overlap_seconds: int | None = None, *, idempotency_key: str | None = None
    ) -> keys.KeySecret:
        from nexctl.wire.keys import KeyRotate

        body = KeyRotate(overlap_seconds=overlap_seconds)
        found = self._ask("keys.rotate", key_id, body=body, idempotency_key=idempotency_key)
        return cast("keys.KeySecret", found)

    def revoke(self, key_id: str) -> keys.Key:
        return cast("keys.Key", self._ask("keys.revoke", key_id))


class Budgets(_Noun):
    """`/v1/budgets`."""

    def list(self, query: budgets.BudgetQuery | None = None) -> Iterator[budgets.Budget]:
        return self._client.every("budgets.list", query)

    def set(self, wanted: budgets.BudgetSet) -> budgets.Budget:
        return cast("budgets.Budget", self._ask("budgets.set", body=wanted))

    def remove(self, budget_id: str) -> budgets.Removed:
        return cast("budgets.Removed", self._ask("budgets.remove", budget_id))


class Wallet(_Noun):
    """`/v1/wallet`."""

    def show(self) -> wallet.Wallet:
        return cast("wallet.Wallet", self._ask("wallet.show"))

    def ledger(self, query: wallet.LedgerQuery | None = None) -> Iterator[wallet.LedgerEntry]:
        return self._client.every("wallet.ledger", query)

    def methods(self) -> topups.PaymentMethods:
        return cast("topups.PaymentMethods", self._ask("wallet.methods"))

    def redeem(self, code: str, *, idempotency_key: str | None = None) -> wallet.Redeemed:
        from nexctl.wire.wallet import Redeem

        found = self._ask("wallet.redeem", body=Redeem(code=code), idempotency_key=idempotency_key)
        return cast("wallet.Redeemed", found)

    def grants(self) -> Iterator[wallet.Grant]:
        return self._client.every("grants.list")


class TopUps(_Noun):
    """`/v1/wallet/top-ups`."""

    def list(self, query: topups.TopUpQuery | None = None) -> Iterator[topups.TopUp]:
        return self._client.every("topups.list", query)

    def show(self, order_id: str) -> topups.TopUp:
        return cast("topups.TopUp", self._ask("topups.show", order_id))

    def create(
        self, wanted: topups.TopUpCreate, *, idempotency_key: str | None = None
    ) -> topups.TopUp:
        found = self._ask("topups.create", body=wanted, idempotency_key=idempotency_key)
        return cast("topups.TopUp", found)

    def submit(
        self, order_id: str, proof: topups.TopUpSubmit, *, idempotency_key: str | None = None
    ) -> topups.TopUp:
        found = self._ask("topups.submit", order_id, body=proof, idempotency_key=idempotency_key)
        return cast("topups.TopUp", found)


class Models(_Noun):
    """`/v1/models`."""

    def list(self) -> Iterator[models.Model]:
        return self._client.every("models.list")

    def show(self, model_id: str) -> models.Model:
        return cast("models.Model", self._ask("models.show", model_id))


class Chat(_Noun):
    """Inference."""

    once = True

    def complete(self, request: chat.ChatRequest) -> chat.Completion:
        return cast("chat.Completion", self._ask("chat.create", body=request))

    def stream(self, request: chat.ChatRequest) -> port.Stream:
        return cast("port.Stream", self._client.stream("chat.create", request))

    def embed(self, request: embeddings.EmbeddingsRequest) -> embeddings.Embeddings:
        return cast("embeddings.Embeddings", self._ask("embeddings.create", body=request))

    def tokenize(self, request: counts.TokenizeRequest) -> counts.Tokenized:
        return cast("counts.Tokenized", self._ask("tokenize.create", body=request))

    def estimate(self, request: counts.EstimateRequest) -> counts.Estimate:
        return cast("counts.Estimate", self._ask("estimates.create", body=request))

    def respond(self, request: responses.ResponseRequest) -> responses.Response:
        return cast("responses.Response", self._ask("responses.create", body=request))

    def message(self, request: messages.MessageRequest) -> messages.MessageAnswer:
        return cast("messages.MessageAnswer", self._ask("messages.create", body=request))

    def images(self, request: media.ImageRequest) -> media.Images:
        return cast("media.Images", self._ask("images.create", body=request))

    def video(self, request: media.VideoRequest) -> media.Video:
        return cast("media.Video", self._ask("videos.create", body=request))


class Routing(_Noun):
    """`/v1/routing-rules`, and the operator's `/admin/v1/routes` and `/admin/v1/models`."""

    def show(self) -> routing.Routing:
        return cast("routing.Routing", self._ask("routing.show"))

    def set(self, wanted: routing.RoutingSet) -> routing.Routing:
        return cast("routing.Routing", self._ask("routing.set", body=wanted))

    def routes(self) -> Iterator[routing.RouteShown]:
        return self._client.every("routes.list")

    def set_route(self, name: str, wanted: routing.RouteSet) -> routing.RouteShown:
        return cast("routing.RouteShown", self._ask("routes.set", name, body=wanted))

    def remove_route(self, name: str) -> budgets.Removed:
        return cast("budgets.Removed", self._ask("routes.remove", name))

    def served(self) -> Iterator[routing.ServedModel]:
        return self._client.every("served.list")

    def serve(self, model: str, change: routing.ModelUpdate) -> routing.ServedModel:
        return cast("routing.ServedModel", self._ask("served.update", model, body=change))


class ProviderKeys(_Noun):
    """`/v1/provider-keys`."""

    def stored(self) -> provider_keys.ProviderKeyPage:
        return cast("provider_keys.ProviderKeyPage", self._ask("provider_keys.list"))

    def set(self, wanted: provider_keys.ProviderKeySet) -> provider_keys.ProviderKey:
        return cast("provider_keys.ProviderKey", self._ask("provider_keys.set", body=wanted))

    def remove(self, provider: str) -> budgets.Removed:
        return cast("budgets.Removed", self._ask("provider_keys.remove", provider))


class Files(_Noun):
    """`/v1/files`."""

    def upload(
        self, path: str, *, name: str | None = None, keep_seconds: int | None = None
    ) -> files.File:
        fields = {"purpose": "batch"}
        if keep_seconds is not None:
            fields["expires_after[anchor]"] = "created_at"
            fields["expires_after[seconds]"] = str(keep_seconds)
        shown = name or os.path.basename(path)
        return cast("files.File", self._client.upload("files.create", path, shown, fields))

    def list(self, query: files.FileQuery | None = None) -> Iterator[files.File]:
        return self._client.every("files.list", query)

    def show(self, file_id: str) -> files.File:
        return cast("files.File", self._ask("files.show", file_id))

    def remove(self, file_id: str) -> files.FileDeleted:
        return cast("files.FileDeleted", self._ask("files.remove", file_id))

    def content(self, file_id: str) -> Iterator[bytes]:
        return self._client.download("files.content", file_id)


class Batches(_Noun):
    """`/v1/batches`. The gateway itself can wait for one."""

    idempotent = True

    def create(
        self, wanted: batches.BatchCreate, *, idempotency_key: str | None = None
    ) -> batches.Batch:
        found = self._ask(
            "batches.create", body=wanted, idempotency_key=idempotency_key, seconds=CHECKING_SECONDS
        )
        return cast("batches.Batch", found)

    def list(self, query: batches.BatchQuery | None = None) -> Iterator[batches.Batch]:
        return self._client.every("batches.list", query)

    def show(self, batch_id: str, *, wait: int | None = None) -> batches.Batch:
        from nexctl.wire.batches import BatchWait

        seconds = None if wait is None else self._client.http.seconds + wait
        found = self._ask("batches.show", batch_id, query=BatchWait(wait=wait), seconds=seconds)
        return cast("batches.Batch", found)

    def cancel(self, batch_id: str) -> batches.Batch:
        return cast("batches.Batch", self._ask("batches.cancel", batch_id))

    def results(self, batch_id: str) -> Iterator[bytes]:
        return self._client.download("batches.results", batch_id)


class Usage(_Noun):
    """`/v1/usage`."""

    def pages(self, query: usage.UsageQuery | None = None) -> Iterator[usage.UsagePage]:
        return self._client.pages("usage.list", query)

    def page(self, query: usage.UsageQuery | None = None) -> bytes:
        return self._client.raw("usage.list", query)

    def list(self, query: usage.UsageQuery | None = None) -> Iterator[usage.UsageRecord]:
        return self._client.every("usage.list", query)

    def show(self, request_id: str) -> usage.UsageRecord:
        return cast("usage.UsageRecord", self._ask("usage.show", request_id))

    def summary(self, query: usage.SummaryQuery | None = None) -> usage.UsageSummary:
        return cast("usage.UsageSummary", self._ask("usage.summary", query=query))

    def summary_file(self, query: usage.SummaryQuery | None = None) -> bytes:
        return cast("bytes", self._ask("usage.summary_file", query=query))


class Prices(_Noun):
    """`/v1/prices`."""

    def list(self, query: models.PricesQuery | None = None) -> models.PriceList:
        return cast("models.PriceList", self._ask("prices.list", query=query))


class Customers(_Noun):
    """`/admin/v1/customers`."""

    def list(self, query: admin.CustomerQuery | None = None) -> Iterator[admin.Customer]:
        return self._client.every("customers.list", query)

    def create(
        self, wanted: admin.CustomerCreate, *, idempotency_key: str | None = None
    ) -> admin.CustomerCreated:
        found = self._ask("customers.create", body=wanted, idempotency_key=idempotency_key)
        return cast("admin.CustomerCreated", found)


class Payments(_Noun):
    """`/admin/v1/payments`."""

    def list(self, query: admin.PaymentQuery | None = None) -> Iterator[admin.Payment]:
        return self._client.every("payments.list", query)

    def show(self, order_id: str) -> admin.Payment:
        return cast("admin.Payment", self._ask("payments.show", order_id))

    def submit(self, order_id: str, proof: topups.TopUpSubmit) -> admin.Payment:
        return cast("admin.Payment", self._ask("payments.submit", order_id, body=proof))

    def approve(self, order_id: str, note: admin.Approve) -> admin.Payment:
        return cast("admin.Payment", self._ask("payments.approve", order_id, body=note))

    def reject(self, order_id: str, why: admin.Reject) -> admin.Payment:
        return cast("admin.Payment", self._ask("payments.reject", order_id, body=why))

    def refund(
        self, order_id: str, what: admin.Refund, *, idempotency_key: str | None = None
    ) -> admin.Payment:
        found = self._ask("payments.refund", order_id, body=what, idempotency_key=idempotency_key)
        return cast("admin.Payment", found)


class Providers(_Noun):
    """`/admin/v1/providers`."""

    def list(self) -> Iterator[admin.Provider]:
        return self._client.every("providers.list")

    def add(self, wanted: admin.ProviderSet) -> admin.Provider:
        return cast("admin.Provider", self._ask("providers.add", body=wanted))

    def update(self, provider_id: str, change: admin.ProviderUpdate) -> admin.Provider:
        return cast("admin.Provider", self._ask("providers.update", provider_id, body=change))

    def remove(self, provider_id: str) -> budgets.Removed:
        return cast("budgets.Removed", self._ask("providers.remove", provider_id))


class Codes(_Noun):
    """`/admin/v1/codes`."""

    def list(self, query: admin.CodeQuery | None = None) -> Iterator[admin.Code]:
        return self._client.every("codes.list", query)

    def create(
        self, wanted: admin.CodesCreate, *, idempotency_key: str | None = None
    ) -> admin.CodePage:
        found = self._ask("codes.create", body=wanted, idempotency_key=idempotency_key)
        return cast("admin.CodePage", found)


class NexctlGateway(Societies):
    """A gateway that speaks the contract."""

    def __init__(self, client: GatewayClient) -> None:
        self._client = client
        self.name = client.name

    @cached_property
    def keys(self) -> Keys:
        return Keys(self._client)

    @cached_property
    def budgets(self) -> Budgets:
        return Budgets(self._client)

    @cached_property
    def wallet(self) -> Wallet:
        return Wallet(self._client)

    @cached_property
    def topups(self) -> TopUps:
        return TopUps(self._client)

    @cached_property
    def models(self) -> Models:
        return Models(self._client)

    @cached_property
    def chat(self) -> Chat:
        return Chat(self._client)

    @cached_property
    def routing(self) -> Routing:
        return Routing(self._client)

    @cached_property
    def provider_keys(self) -> ProviderKeys:
        return ProviderKeys(self._client)

    @cached_property
    def files(self) -> Files:
        return Files(self._client)

    @cached_property
    def batches(self) -> Batches:
        return Batches(self._client)

    @cached_property
    def usage(self) -> Usage:
        return Usage(self._client)

    @cached_property
    def prices(self) -> Prices:
        return Prices(self._client)

    @cached_property
    def customers(self) -> Customers:
        return Customers(self._client)

    @cached_property
    def payments(self) -> Payments:
        return Payments(self._client)

    @cached_property
    def providers(self) -> Providers:
        return Providers(self._client)

    @cached_property
    def codes(self) -> Codes:
        return Codes(self._client)

    @cached_property
    def funding(self) -> port.Funding:
        from nexctl.gateways.funding import Funding

        return Funding(self._client)

    @cached_property
    def editions(self) -> port_operator.Editions:
        from nexctl.gateways.editions import Editions

        return Editions(self._client)

    @cached_property
    def papers(self) -> port.Papers:
        from nexctl.gateways.funding import Papers

        return Papers(self._client)

    def me(self) -> Me:
        return cast("Me", self._client.ask("me.show"))

    def health(self) -> Health:
        return cast("Health", self._client.ask("health.show"))

    def close(self) -> None:
        self._client.close()


def made(client: GatewayClient, driver: str) -> NexctlGateway:
    """The gateway of a driver's name."""
    return NexctlGateway(client)
