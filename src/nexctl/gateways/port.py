"""What workflows and commands may ask of a gateway: one protocol a noun.

Drivers of foreign gateways answer in the contract's types too, so that nobody above asks which
gateway it is. What a gateway cannot do raises `Lacking` (exit 1); nothing is ever made up.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from nexctl.gateways.port_operator import Operating
from nexctl.gateways.port_orgs import Societies

if TYPE_CHECKING:
    from nexctl.wire import (
        batches,
        budgets,
        chat,
        counts,
        embeddings,
        files,
        funding,
        keys,
        media,
        messages,
        models,
        papers,
        provider_keys,
        responses,
        routing,
        topups,
        usage,
        wallet,
    )
    from nexctl.wire.me import Health, Me


class Keys(Protocol):
    """API keys and their verbs. `overlap`: whether `rotate` can leave the old secret valid."""

    overlap: bool

    def list(self, query: keys.KeyQuery | None = None) -> Iterator[keys.Key]:
        """Every key that the query fits."""

    def show(self, key_id: str) -> keys.Key:
        """One key."""

    def create(
        self, wanted: keys.KeyCreate, *, idempotency_key: str | None = None
    ) -> keys.KeySecret:
        """A new key with its secret."""

    def update(self, key_id: str, change: keys.KeyUpdate) -> keys.Key:
        """The key with what was changed."""

    def rotate(
        self, key_id: str, overlap_seconds: int | None = None, *, idempotency_key: str | None = None
    ) -> keys.KeySecret:
        """The key with a new secret."""

    def revoke(self, key_id: str) -> keys.Key:
        """The key, ended for ever."""


class Budgets(Protocol):
    """Limits on money."""

    def list(self, query: budgets.BudgetQuery | None = None) -> Iterator[budgets.Budget]:
        """Every budget that the query fits."""

    def set(self, wanted: budgets.BudgetSet) -> budgets.Budget:
        """The budget of a scope and window, as it is now."""

    def remove(self, budget_id: str) -> budgets.Removed:
        """Take it away."""


class Wallet(Protocol):
    """Where the money is."""

    def show(self) -> wallet.Wallet:
        """Balance, held, spendable and the layers."""

    def ledger(self, query: wallet.LedgerQuery | None = None) -> Iterator[wallet.LedgerEntry]:
        """Entries in sequence order."""

    def methods(self) -> topups.PaymentMethods:
        """Ways to pay, packs, limits."""

    def redeem(self, code: str, *, idempotency_key: str | None = None) -> wallet.Redeemed:
        """Turn a code into credits."""

    def grants(self) -> Iterator[wallet.Grant]:
        """Credits given."""


class TopUps(Protocol):
    """Orders of credits."""

    def list(self, query: topups.TopUpQuery | None = None) -> Iterator[topups.TopUp]:
        """Orders, newest first."""

    def show(self, order_id: str) -> topups.TopUp:
        """One order."""

    def create(
        self, wanted: topups.TopUpCreate, *, idempotency_key: str | None = None
    ) -> topups.TopUp:
        """A new order, or with `preview` its figures."""

    def submit(
        self, order_id: str, proof: topups.TopUpSubmit, *, idempotency_key: str | None = None
    ) -> topups.TopUp:
        """Declare a manual payment."""


class Models(Protocol):
    """What the gateway serves to this key."""

    def list(self) -> Iterator[models.Model]:
        """All of them."""

    def show(self, model_id: str) -> models.Model:
        """One of them."""


class Stream(Protocol):
    """The chunks of one answer, once; the last one has `nex`."""

    def __iter__(self) -> Iterator[chat.Chunk]: ...

    def close(self) -> None:
        """Stop listening."""


class Chat(Protocol):
    """Inference."""

    @property
    def once(self) -> bool:
        """Whether a request id is served and billed at most once."""

    def complete(self, request: chat.ChatRequest) -> chat.Completion:
        """The whole answer."""

    def stream(self, request: chat.ChatRequest) -> Stream:
        """The answer as it comes."""

    def embed(self, request: embeddings.EmbeddingsRequest) -> embeddings.Embeddings:
        """Vectors."""

    def tokenize(self, request: counts.TokenizeRequest) -> counts.Tokenized:
        """Input tokens."""

    def estimate(self, request: counts.EstimateRequest) -> counts.Estimate:
        """What the request would be charged."""

    def respond(self, request: responses.ResponseRequest) -> responses.Response:
        """The whole answer in the shape of OpenAI's responses."""

    def message(self, request: messages.MessageRequest) -> messages.MessageAnswer:
        """The whole answer in the shape of Claude's messages."""

    def images(self, request: media.ImageRequest) -> media.Images:
        """Images."""

    def video(self, request: media.VideoRequest) -> media.Video:
        """A video."""


class Routing(Protocol):
    """Which models answer: the customer's rules, the operator's routes, what is served."""

    def show(self) -> routing.Routing:
        """The customer's rules."""

    def set(self, wanted: routing.RoutingSet) -> routing.Routing:
        """The customer's rules, with what was given replaced."""

    def routes(self) -> Iterator[routing.RouteShown]:
        """The operator's routes, then the book's."""

    def set_route(self, name: str, wanted: routing.RouteSet) -> routing.RouteShown:
        """One route as it is now."""

    def remove_route(self, name: str) -> budgets.Removed:
        """Take it away."""

    def served(self) -> Iterator[routing.ServedModel]:
        """Every model of the book and whether it is served."""

    def serve(self, model: str, change: routing.ModelUpdate) -> routing.ServedModel:
        """One model with what was changed."""


class ProviderKeys(Protocol):
    """The customer's own provider keys."""

    def stored(self) -> provider_keys.ProviderKeyPage:
        """All of them, without the keys, and the providers that take one."""

    def set(self, wanted: provider_keys.ProviderKeySet) -> provider_keys.ProviderKey:
        """Store one."""

    def remove(self, provider: str) -> budgets.Removed:
        """Forget one."""


class Files(Protocol):
    """Files that batches are made from, and what came of them."""

    def upload(
        self, path: str, *, name: str | None = None, keep_seconds: int | None = None
    ) -> files.File:
        """Keep a batch file under a name (its own); it is read as it is sent."""

    def list(self, query: files.FileQuery | None = None) -> Iterator[files.File]:
        """Every file that the query fits, newest first."""

    def show(self, file_id: str) -> files.File:
        """One file."""

    def remove(self, file_id: str) -> files.FileDeleted:
        """Delete it."""

    def content(self, file_id: str) -> Iterator[bytes]:
        """What is in it, in pieces as they come, once."""


class Batches(Protocol):
    """Many requests at once, cheaper and later.

    `idempotent`: whether a create under the same key is done once.
    """

    idempotent: bool

    def create(
        self, wanted: batches.BatchCreate, *, idempotency_key: str | None = None
    ) -> batches.Batch:
        """A new batch, from a file or from items; its quote is held."""

    def list(self, query: batches.BatchQuery | None = None) -> Iterator[batches.Batch]:
        """Batches, newest first."""

    def show(self, batch_id: str, *, wait: int | None = None) -> batches.Batch:
        """One batch; with `wait` when it has ended, or after so many seconds at the latest.

        A gateway in this process works on it meanwhile; one that cannot wait answers at once.
        """

    def cancel(self, batch_id: str) -> batches.Batch:
        """Begin no further line of it."""

    def results(self, batch_id: str) -> Iterator[bytes]:
        """Every line's result in input order, as JSON lines in pieces, once it has ended."""


class Usage(Protocol):
    """Metered requests."""

    def pages(self, query: usage.UsageQuery | None = None) -> Iterator[usage.UsagePage]:
        """Pages in sequence order."""

    def page(self, query: usage.UsageQuery | None = None) -> bytes:
        """One page as JSON of a `UsagePage`, not decoded: an export of millions decodes once."""

    def list(self, query: usage.UsageQuery | None = None) -> Iterator[usage.UsageRecord]:
        """Records in sequence order."""

    def show(self, request_id: str) -> usage.UsageRecord:
        """One record."""

    def summary(self, query: usage.SummaryQuery | None = None) -> usage.UsageSummary:
        """Sums."""

    def summary_file(self, query: usage.SummaryQuery | None = None) -> bytes:
        """The same sums as CSV, where the plan has them as a file."""


class Prices(Protocol):
    """The prices in force."""

    def list(self, query: models.PricesQuery | None = None) -> models.PriceList:
        """The book, as served."""


class Funding(Protocol):
    """Money in beside orders: auto top-up, wallets, claims, the plan, the operator's terms."""

    def auto_topup(self, wallet: str | None = None) -> funding.AutoTopUp:
        """How a wallet is topped up by itself."""

    def set_auto_topup(self, wanted: funding.AutoTopUpSet) -> funding.AutoTopUp:
        """Agree to it."""

    def auto_topup_off(self, wallet: str | None = None) -> funding.AutoTopUp:
        """Stop it."""

    def wallets(self) -> list[funding.WalletFacts]:
        """The customer's wallets, its first one first."""

    def create_wallet(self, wanted: funding.WalletCreate) -> funding.WalletFacts:
        """One more."""

    def update_wallet(self, wallet_id: str, change: funding.WalletUpdate) -> funding.WalletFacts:
        """Its name, its keys."""

    def grants(self) -> tuple[list[wallet.Grant], list[wallet.Task]]:
        """Credits that were given, and the ways to get some."""

    def claim(self, task: str, *, idempotency_key: str | None = None) -> funding.Claimed:
        """Claim a task's credits."""

    def subscription(self) -> funding.Subscription:
        """The plan and its fee."""

    def subscribe(self, plan: str, *, idempotency_key: str | None = None) -> funding.Subscription:
        """Be on a plan."""

    def policies(self) -> list[funding.PolicyText]:
        """The texts of a purchase that are in force."""

    def policy(self, sha256: str) -> funding.PolicyText:
        """One that an order keeps the hash of."""

    def contract(self) -> funding.Contract:
        """What is agreed with the operator."""

    def terms(self) -> funding.TermsInForce:
        """What the operator has set."""

    def set_terms(self, wanted: funding.Terms) -> funding.TermsInForce:
        """Set it."""


class Papers(Protocol):
    """The billing profile, numbered papers, a month's statement."""

    def profile(self) -> papers.BillingProfile:
        """Who is invoiced."""

    def set_profile(self, wanted: papers.BillingProfileSet) -> papers.BillingProfile:
        """Say who is."""

    def invoices(self, query: papers.InvoiceQuery | None = None) -> Iterator[papers.Invoice]:
        """Papers, newest first."""

    def invoice(self, number: str) -> papers.Invoice:
        """One paper."""

    def pdf(self, number: str) -> bytes:
        """One paper as PDF."""

    def statement(self, query: papers.StatementQuery) -> papers.Statement:
        """A month, added up."""

    def all_invoices(
        self, query: papers.AdminInvoiceQuery | None = None
    ) -> Iterator[papers.Invoice]:
        """Papers of all customers, for the operator."""

    def void(self, number: str, why: papers.InvoiceVoid) -> papers.Invoice:
        """Void an unpaid invoice."""


class Gateway(Societies, Operating, Protocol):
    """A gateway as commands see it. `name` is what messages call it."""

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def keys(self) -> Keys:
        """API keys."""

    @property
    def budgets(self) -> Budgets:
        """Limits on money."""

    @property
    def wallet(self) -> Wallet:
        """The wallet."""

    @property
    def topups(self) -> TopUps:
        """Orders of credits."""

    @property
    def models(self) -> Models:
        """What is served."""

    @property
    def chat(self) -> Chat:
        """Inference."""

    @property
    def routing(self) -> Routing:
        """Which models answer."""

    @property
    def provider_keys(self) -> ProviderKeys:
        """The customer's own provider keys."""

    @property
    def files(self) -> Files:
        """Batch files."""

    @property
    def batches(self) -> Batches:
        """Batches."""

    @property
    def usage(self) -> Usage:
        """Metered requests."""

    @property
    def prices(self) -> Prices:
        """The prices in force."""

    @property
    def funding(self) -> Funding:
        """Auto top-up, wallets, claims, the plan, the operator's terms."""

    @property
    def papers(self) -> Papers:
        """The billing profile, invoices, statements."""

    def me(self) -> Me:
        """Whose key this is."""

    def health(self) -> Health:
        """What works and what does not, for an operator's key."""

    def close(self) -> None:
        """Let go of connections."""
