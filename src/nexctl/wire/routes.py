"""Every route of the gateway: what it takes and answers, who may call it, how it refuses.

The router, the OpenAPI file, the authorization tests and the client's checks are made from this
table. It is data alone: body types are named `module.Struct` and resolved when first needed.

Long because it is a table of every route.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from nexctl.wire.refusals import REFUSALS, Refusal

NOBODY, SUB_KEY, KEY, MANAGEMENT = "nobody", "sub_key", "key", "management_key"
OWNER, BILLING, SUPPORT, READ_ONLY = (
    "operator:owner",
    "operator:billing",
    "operator:support",
    "operator:read_only",
)
CALLERS = (NOBODY, SUB_KEY, KEY, MANAGEMENT, OWNER, BILLING, SUPPORT, READ_ONLY)

_ANY_KEY = frozenset((SUB_KEY, KEY, MANAGEMENT))
_MANAGEMENT = frozenset((MANAGEMENT,))
_OPERATORS = frozenset((OWNER, BILLING, SUPPORT, READ_ONLY))
_MONEY = frozenset((OWNER, BILLING))
_OWNER = frozenset((OWNER,))
_SUPPORT = frozenset((OWNER, SUPPORT))
_EVERYBODY = frozenset((NOBODY,))

KIB = 1024
SMALL = 64 * KIB
PROMPT = 16 * KIB * KIB
EVENT = 256 * KIB
# OpenAI's limit of a batch file, with room for the form around it.
BATCH_FILE = 200 * KIB * KIB
INLINE_BATCH = 64 * KIB * KIB


class Route(NamedTuple):
    """One route.

    `name` is noun.verb. `path` has `{id}` for one segment and `{id:path}` for the rest.
    `request` is the JSON body's type (None: no body), `raw` a body that is taken as bytes,
    `query` the type of the query, `response` the answer's type (None: `media`, not JSON).
    `callers` who may call: keys of CALLERS; `nobody` means that no key is asked for.
    `refusals` are the codes of its own; `refusals_of` adds what every route may answer.
    `body_limit` in bytes, `idempotent` whether Idempotency-Key counts, `streaming` the type of an
    event when the request asks for a stream. `form` is the type of a multipart form, which the
    handler reads as it comes; `form_too` says that a form's fields do as well as the JSON body.
    """

    name: str
    method: str
    path: str
    summary: str
    callers: frozenset[str]
    response: str | None = None
    request: str | None = None
    query: str | None = None
    refusals: tuple[str, ...] = ()
    body_limit: int = SMALL
    idempotent: bool = False
    streaming: str | None = None
    raw: bool = False
    media: str = "application/json"
    status: int = 200
    optional_body: bool = False
    form: str | None = None
    form_too: bool = False

    @property
    def template(self) -> str:
        """The path as OpenAPI spells it."""
        return self.path.replace(":path}", "}")

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names in the path, in order."""
        return tuple(part.split("}")[0] for part in self.template.split("{")[1:])

    @property
    def writes(self) -> bool:
        """Whether it may change something."""
        return self.method != "GET"


_INFERENCE = (
    "model_not_found",
    "model_not_allowed",
    "unsupported_parameter",
    "unsupported_capability",
    "context_length_exceeded",
    "unpriced",
    "rate_limited",
)
_PAID = (
    *_INFERENCE,
    "max_output_exceeded",
    "plan_limit",
    "provider_not_allowed",
    "insufficient_balance",
    "budget_exceeded",
    "allowance_exceeded",
    "wallet_frozen",
    "request_in_progress",
    "already_billed",
    "idempotency_conflict",
    "upstream_error",
    "upstream_refused",
    "upstream_unavailable",
    "upstream_timeout",
)

_ORG = ("not_offered", "not_permitted", "plan_limit")

ROUTES: tuple[Route, ...] = (
    # ------------------------------------------------------------------ inference
    Route(
        "models.list",
        *("GET", "/v1/models", "The models that this key may call", _ANY_KEY, "models.ModelList"),
    ),
    Route(
        "models.show",
        *("GET", "/v1/models/{id:path}", "One model", _ANY_KEY, "models.Model"),
        refusals=("model_not_found", "model_not_allowed"),
    ),
    Route(
        "chat.create",
        *("POST", "/v1/chat/completions", "Answer a conversation", _ANY_KEY),
        *("chat.Completion", "chat.ChatRequest"),
        refusals=_PAID,
        body_limit=PROMPT,
        streaming="chat.Chunk",
    ),
    Route(
        "embeddings.create",
        *("POST", "/v1/embeddings", "Turn texts into vectors", _ANY_KEY),
        *("embeddings.Embeddings", "embeddings.EmbeddingsRequest"),
        refusals=_PAID,
        body_limit=PROMPT,
    ),
    Route(
        "tokenize.create",
        *("POST", "/v1/tokenize", "Count a chat request's input", _ANY_KEY),
        *("counts.Tokenized", "counts.TokenizeRequest"),
        refusals=_INFERENCE,
        body_limit=PROMPT,
    ),
    Route(
        "estimates.create",
        *("POST", "/v1/estimate-cost", "What a chat request would be charged", _ANY_KEY),
        *("counts.Estimate", "counts.EstimateRequest"),
        refusals=_INFERENCE,
        body_limit=PROMPT,
    ),
    Route(
        "responses.create",
        *("POST", "/v1/responses", "Answer in the shape of OpenAI's responses", _ANY_KEY),
        *("responses.Response", "responses.ResponseRequest"),
        refusals=_PAID,
        body_limit=PROMPT,
        streaming="responses.Event",
    ),
    Route(
        "messages.create",
        *("POST", "/v1/messages", "Answer in the shape of Claude's messages", _ANY_KEY),
        *("messages.MessageAnswer", "messages.MessageRequest"),
        refusals=_PAID,
        body_limit=PROMPT,
        streaming="messages.Event",
    ),
    Route(
        "images.create",
        *("POST", "/v1/images/generations", "Make images", _ANY_KEY),
        *("media.Images", "media.ImageRequest"),
        refusals=_PAID,
        body_limit=PROMPT,
    ),
    Route(
        "videos.create",
        *("POST", "/v1/videos", "Make a video; a form will do, as OpenAI's SDK sends", _ANY_KEY),
        *("media.Video", "media.VideoRequest"),
        refusals=_PAID,
        body_limit=PROMPT,
        form_too=True,
    ),
    # ------------------------------------------------------------------ routing, own keys
    Route(
        "routing.show",
        *("GET", "/v1/routing-rules", "Your routing rules", _MANAGEMENT, "routing.Routing"),
    ),
    Route(
        "routing.set",
        *("PUT", "/v1/routing-rules", "Set your routing rules", _MANAGEMENT),
        *("routing.Routing", "routing.RoutingSet"),
        refusals=("plan_limit", "model_not_found", "not_offered"),
        idempotent=True,
    ),
    Route(
        "provider_keys.list",
        *("GET", "/v1/provider-keys", "Your own provider keys, without the keys", _MANAGEMENT),
        "provider_keys.ProviderKeyPage",
        refusals=("not_offered",),
    ),
    Route(
        "provider_keys.set",
        *("PUT", "/v1/provider-keys", "Store a provider key of your own", _MANAGEMENT),
        *("provider_keys.ProviderKey", "provider_keys.ProviderKeySet"),
        refusals=("not_offered", "not_found"),
        idempotent=True,
    ),
    Route(
        "provider_keys.remove",
        *("DELETE", "/v1/provider-keys/{id}", "Forget a provider key of your own", _MANAGEMENT),
        "budgets.Removed",
        refusals=("not_offered",),
        idempotent=True,
    ),
    Route(
        "routes.list",
        *("GET", "/admin/v1/routes", "Routes: names and the models tried for them", _OPERATORS),
        "routing.RoutePage",
    ),
    Route(
        "routes.set",
        *("PUT", "/admin/v1/routes/{id:path}", "Set a route", _OWNER),
        *("routing.RouteShown", "routing.RouteSet"),
        refusals=("model_not_found",),
        idempotent=True,
    ),
    Route(
        "routes.remove",
        *("DELETE", "/admin/v1/routes/{id:path}", "Take a route away", _OWNER, "budgets.Removed"),
        idempotent=True,
    ),
    Route(
        "served.list",
        *("GET", "/admin/v1/models", "Which models are served, and by whom", _OPERATORS),
        "routing.ServedPage",
    ),
    Route(
        "served.update",
        *("PATCH", "/admin/v1/models/{id:path}", "Serve a model or do not; name it", _OWNER),
        *("routing.ServedModel", "routing.ModelUpdate"),
        refusals=("name_taken",),
        idempotent=True,
    ),
    # ------------------------------------------------------------------ files and batches
    Route(
        "files.create",
        *("POST", "/v1/files", "Keep a batch file", _ANY_KEY, "files.File"),
        form="files.FileUpload",
        refusals=("plan_limit",),
        body_limit=BATCH_FILE + SMALL,
        idempotent=True,
    ),
    Route(
        "files.list",
        *("GET", "/v1/files", "Files, newest first", _ANY_KEY, "files.FilePage"),
        query="files.FileQuery",
    ),
    Route(
        "files.show",
        *("GET", "/v1/files/{id}", "One file", _ANY_KEY, "files.File"),
    ),
    Route(
        "files.content",
        *("GET", "/v1/files/{id}/content", "What is in a file", _ANY_KEY),
        media="application/x-ndjson",
    ),
    Route(
        "files.remove",
        *("DELETE", "/v1/files/{id}", "Delete a file", _ANY_KEY, "files.FileDeleted"),
        refusals=("state_conflict",),
        idempotent=True,
    ),
    Route(
        "batches.create",
        *("POST", "/v1/batches", "Make a batch; its quote is held", _ANY_KEY),
        *("batches.Batch", "batches.BatchCreate"),
        raw=True,
        refusals=(
            "not_found",
            "not_offered",
            "plan_limit",
            "insufficient_balance",
            "budget_exceeded",
            "allowance_exceeded",
            "wallet_frozen",
            "state_conflict",
        ),
        body_limit=INLINE_BATCH,
        idempotent=True,
    ),
    Route(
        "batches.list",
        *("GET", "/v1/batches", "Batches, newest first", _ANY_KEY, "batches.BatchPage"),
        query="batches.BatchQuery",
    ),
    Route(
        "batches.show",
        *("GET", "/v1/batches/{id}", "One batch", _ANY_KEY, "batches.Batch"),
        query="batches.BatchWait",
    ),
    Route(
        "batches.cancel",
        *("POST", "/v1/batches/{id}/cancel", "Begin no further line of a batch", _ANY_KEY),
        "batches.Batch",
        refusals=("state_conflict",),
        idempotent=True,
    ),
    Route(
        "batches.results",
        *("GET", "/v1/batches/{id}/results", "Every line's result, in input order", _ANY_KEY),
        media="application/x-ndjson",
        refusals=("state_conflict",),
    ),
    # ------------------------------------------------------------------ account
    Route(
        "me.show",
        *("GET", "/v1/me", "Whose key this is and what it may do", _ANY_KEY | _OPERATORS, "me.Me"),
    ),
    Route(
        "keys.list",
        *("GET", "/v1/keys", "The customer's keys", _MANAGEMENT, "keys.KeyPage"),
        query="keys.KeyQuery",
    ),
    Route(
        "keys.create",
        *("POST", "/v1/keys", "Make a key; its secret is answered once", _MANAGEMENT),
        *("keys.KeySecret", "keys.KeyCreate"),
        refusals=("name_taken", "plan_limit", "wider_than_parent", "model_not_found"),
        idempotent=True,
    ),
    Route(
        "keys.show",
        *("GET", "/v1/keys/{id}", "One key", _MANAGEMENT, "keys.Key"),
    ),
    Route(
        "keys.update",
        *("PATCH", "/v1/keys/{id}", "Change, disable or enable a key", _MANAGEMENT),
        *("keys.Key", "keys.KeyUpdate"),
        refusals=(
            "name_taken",
            "plan_limit",
            "wider_than_parent",
            "model_not_found",
            "state_conflict",
        ),
        idempotent=True,
    ),
    Route(
        "keys.rotate",
        *("POST", "/v1/keys/{id}/rotate", "Give a key a new secret", _MANAGEMENT),
        *("keys.KeySecret", "keys.KeyRotate"),
        refusals=("state_conflict",),
        idempotent=True,
        optional_body=True,
    ),
    Route(
        "keys.revoke",
        *("POST", "/v1/keys/{id}/revoke", "End a key for ever", _MANAGEMENT, "keys.Key"),
        idempotent=True,
    ),
    Route(
        "budgets.list",
        *("GET", "/v1/budgets", "Budgets with what is left of them", _MANAGEMENT),
        "budgets.BudgetPage",
        query="budgets.BudgetQuery",
    ),
    Route(
        "budgets.set",
        *("PUT", "/v1/budgets", "Set the budget of a scope and window", _MANAGEMENT),
        *("budgets.Budget", "budgets.BudgetSet"),
        refusals=(
            "plan_limit",
            "wider_than_parent",
            "not_offered",
            "model_not_found",
            "state_conflict",
        ),
        idempotent=True,
    ),
    Route(
        "budgets.show",
        *("GET", "/v1/budgets/{id}", "One budget", _MANAGEMENT, "budgets.Budget"),
    ),
    Route(
        "budgets.remove",
        *("DELETE", "/v1/budgets/{id}", "Take a budget away", _MANAGEMENT, "budgets.Removed"),
        idempotent=True,
    ),
    # ------------------------------------------------------------------ wallet
    Route(
        "wallet.show",
        *("GET", "/v1/wallet", "Balance, held, and what this key can spend now", _ANY_KEY),
        "wallet.Wallet",
    ),
    Route(
        "wallet.ledger",
        *("GET", "/v1/wallet/ledger", "The customer's book in sequence order", _MANAGEMENT),
        "wallet.LedgerPage",
        query="wallet.LedgerQuery",
    ),
    Route(
        "wallet.methods",
        *("GET", "/v1/wallet/payment-methods", "Ways to pay, packs and limits", _MANAGEMENT),
        "topups.PaymentMethods",
    ),
    Route(
        "topups.list",
        *("GET", "/v1/wallet/top-ups", "Orders, newest first", _MANAGEMENT, "topups.TopUpPage"),
        query="topups.TopUpQuery",
    ),
    Route(
        "topups.create",
        *("POST", "/v1/wallet/top-ups", "Order credits, or preview an order", _MANAGEMENT),
        *("topups.TopUp", "topups.TopUpCreate"),
        refusals=(
            "topup_below_minimum",
            "payment_method_unavailable",
            "code_not_found",
            "code_used",
            "not_offered",
            "plan_limit",
            "upstream_error",
            "upstream_unavailable",
        ),
        idempotent=True,
    ),
    Route(
        "topups.show",
        *("GET", "/v1/wallet/top-ups/{id}", "One order", _MANAGEMENT, "topups.TopUp"),
    ),
    Route(
        "topups.submit",
        *("POST", "/v1/wallet/top-ups/{id}", "Declare a manual payment as made", _MANAGEMENT),
        *("topups.TopUp", "topups.TopUpSubmit"),
        refusals=("state_conflict", "name_taken"),
        idempotent=True,
    ),
    Route(
        "wallet.redeem",
        *("POST", "/v1/wallet/redeem", "Turn a code into credits", _MANAGEMENT),
        *("wallet.Redeemed", "wallet.Redeem"),
        refusals=("code_not_found", "code_used"),
        idempotent=True,
    ),
    Route(
        "grants.list",
        *("GET", "/v1/wallet/grants", "Credits given, not bought", _MANAGEMENT, "wallet.GrantPage"),
        query="base.PageQuery",
    ),
    # ------------------------------------------------------------------ money in, papers
    Route(
        "grants.claim",
        *("POST", "/v1/wallet/grants/{id}/claim", "Claim credits of a task", _MANAGEMENT),
        "funding.Claimed",
        refusals=("not_offered", "code_used"),
        idempotent=True,
    ),
    Route(
        "auto_topup.show",
        *("GET", "/v1/wallet/auto-top-up", "How a wallet is topped up by itself", _MANAGEMENT),
        "funding.AutoTopUp",
        query="funding.AutoTopUpQuery",
    ),
    Route(
        "auto_topup.set",
        *("PUT", "/v1/wallet/auto-top-up", "Top up when little is left", _MANAGEMENT),
        *("funding.AutoTopUp", "funding.AutoTopUpSet"),
        refusals=(
            "plan_limit",
            "not_offered",
            "topup_below_minimum",
            "payment_method_unavailable",
        ),
        idempotent=True,
    ),
    Route(
        "auto_topup.off",
        *("DELETE", "/v1/wallet/auto-top-up", "Stop topping up by itself", _MANAGEMENT),
        "funding.AutoTopUp",
        query="funding.AutoTopUpQuery",
        idempotent=True,
    ),
    Route(
        "wallets.list",
        *("GET", "/v1/wallets", "The customer's wallets", _MANAGEMENT, "funding.WalletList"),
    ),
    Route(
        "wallets.create",
        *("POST", "/v1/wallets", "Make one more wallet", _MANAGEMENT),
        *("funding.WalletFacts", "funding.WalletCreate"),
        refusals=("plan_limit", "name_taken"),
        idempotent=True,
    ),
    Route(
        "wallets.update",
        *("PATCH", "/v1/wallets/{id}", "Rename a wallet, choose its keys", _MANAGEMENT),
        *("funding.WalletFacts", "funding.WalletUpdate"),
        refusals=("plan_limit", "name_taken"),
        idempotent=True,
    ),
    Route(
        "subscription.show",
        *("GET", "/v1/subscription", "The customer's plan and its fee", _MANAGEMENT),
        "funding.Subscription",
    ),
    Route(
        "subscription.set",
        *("PUT", "/v1/subscription", "Change the plan; its fee is debited", _MANAGEMENT),
        *("funding.Subscription", "funding.SubscriptionSet"),
        refusals=("not_offered", "plan_limit", "insufficient_balance"),
        idempotent=True,
    ),
    Route(
        "policy_texts.list",
        *("GET", "/v1/policies", "The refund policy and terms of sale in force", _MANAGEMENT),
        "funding.PolicyTexts",
    ),
    Route(
        "policy_texts.show",
        *("GET", "/v1/policies/{id}", "One text by the SHA-256 that an order keeps", _MANAGEMENT),
        "funding.PolicyText",
    ),
    Route(
        "contract.show",
        *("GET", "/v1/contract", "What is agreed with the operator", _MANAGEMENT),
        "funding.Contract",
    ),
    Route(
        "billing_profile.show",
        *("GET", "/v1/billing-profile", "Who is invoiced", _MANAGEMENT, "papers.BillingProfile"),
    ),
    Route(
        "billing_profile.set",
        *("PUT", "/v1/billing-profile", "Say who is invoiced", _MANAGEMENT),
        *("papers.BillingProfile", "papers.BillingProfileSet"),
        idempotent=True,
    ),
    Route(
        "invoices.list",
        *("GET", "/v1/invoices", "Invoices and credit notes", _MANAGEMENT, "papers.InvoicePage"),
        query="papers.InvoiceQuery",
    ),
    Route(
        "invoices.pdf",
        *("GET", "/v1/invoices/{id}.pdf", "One paper as PDF", _MANAGEMENT),
        media="application/pdf",
        refusals=("not_offered",),
    ),
    Route(
        "invoices.show",
        *("GET", "/v1/invoices/{id}", "One paper", _MANAGEMENT, "papers.Invoice"),
    ),
    Route(
        "statements.show",
        *("GET", "/v1/statements", "A month of a wallet, added up", _MANAGEMENT),
        "papers.Statement",
        query="papers.StatementQuery",
    ),
    Route(
        "terms.show",
        *("GET", "/admin/v1/terms", "What the operator has set", _OPERATORS),
        "funding.TermsInForce",
    ),
    Route(
        "terms.set",
        *("PUT", "/admin/v1/terms", "Set what the price book leaves to the operator", _MONEY),
        *("funding.TermsInForce", "funding.Terms"),
        idempotent=True,
    ),
    Route(
        "admin_invoices.list",
        *("GET", "/admin/v1/invoices", "Papers of all customers", _OPERATORS),
        "papers.InvoicePage",
        query="papers.AdminInvoiceQuery",
    ),
    Route(
        "admin_invoices.void",
        *("POST", "/admin/v1/invoices/{id}/void", "Void an unpaid invoice", _MONEY),
        *("papers.Invoice", "papers.InvoiceVoid"),
        refusals=("state_conflict",),
        idempotent=True,
    ),
    # ------------------------------------------------------------------ prices, usage
    Route(
        "prices.list",
        *("GET", "/v1/prices", "The prices in force", _ANY_KEY, "models.PriceList"),
        query="models.PricesQuery",
        refusals=("model_not_found",),
    ),
    Route(
        "usage.list",
        *("GET", "/v1/usage", "Usage records in sequence order", _ANY_KEY, "usage.UsagePage"),
        query="usage.UsageQuery",
        refusals=("plan_limit", "not_found"),
    ),
    Route(
        "usage.summary",
        *("GET", "/v1/usage/summary", "Sums by model, key, day or label", _ANY_KEY),
        "usage.UsageSummary",
        query="usage.SummaryQuery",
        refusals=("plan_limit",),
    ),
    Route(
        "usage.summary_file",
        *("GET", "/v1/usage/summary.csv", "The same sums as a CSV file", _ANY_KEY),
        media="text/csv; charset=utf-8",
        query="usage.SummaryQuery",
        refusals=("plan_limit",),
    ),
    Route(
        "usage.show",
        *("GET", "/v1/usage/{request_id}", "One usage record", _ANY_KEY, "usage.UsageDetail"),
        refusals=("plan_limit",),
    ),
    # ------------------------------------------------------------------ organisations, alerts
    Route(
        "orgs.list",
        *("GET", "/v1/orgs", "The organisations that the customer is in", _MANAGEMENT),
        "orgs.OrgPage",
        query="orgs.OrgQuery",
        refusals=_ORG,
    ),
    Route(
        "orgs.create",
        *("POST", "/v1/orgs", "Make an organisation and its management key", _MANAGEMENT),
        *("orgs.OrgCreated", "orgs.OrgCreate"),
        refusals=(*_ORG, "name_taken"),
        idempotent=True,
    ),
    Route(
        "orgs.show",
        *("GET", "/v1/orgs/{id}", "One organisation", _MANAGEMENT, "orgs.Org"),
        refusals=_ORG,
    ),
    Route(
        "orgs.update",
        *("PATCH", "/v1/orgs/{id}", "Change an organisation", _MANAGEMENT),
        *("orgs.Org", "orgs.OrgUpdate"),
        refusals=(*_ORG, "state_conflict"),
        idempotent=True,
    ),
    Route(
        "orgs.close",
        *("DELETE", "/v1/orgs/{id}", "Close an organisation for ever", _MANAGEMENT, "orgs.Org"),
        refusals=(*_ORG, "state_conflict"),
        idempotent=True,
    ),
    Route(
        "members.list",
        *("GET", "/v1/orgs/{id}/members", "Its members", _MANAGEMENT, "orgs.MemberPage"),
        query="base.PageQuery",
        refusals=_ORG,
    ),
    Route(
        "members.add",
        *("POST", "/v1/orgs/{id}/members", "Let a customer in", _MANAGEMENT),
        *("orgs.Member", "orgs.MemberAdd"),
        refusals=(*_ORG, "name_taken", "state_conflict"),
        idempotent=True,
    ),
    Route(
        "members.update",
        *("PATCH", "/v1/orgs/{id}/members/{member_id}", "Another role", _MANAGEMENT),
        *("orgs.Member", "orgs.MemberUpdate"),
        refusals=(*_ORG, "state_conflict"),
        idempotent=True,
    ),
    Route(
        "members.remove",
        *("DELETE", "/v1/orgs/{id}/members/{member_id}", "Let a member go", _MANAGEMENT),
        "orgs.Member",
        refusals=(*_ORG, "state_conflict"),
        idempotent=True,
    ),
    Route(
        "projects.list",
        *("GET", "/v1/orgs/{id}/projects", "Its projects", _MANAGEMENT, "orgs.ProjectPage"),
        query="base.PageQuery",
        refusals=_ORG,
    ),
    Route(
        "projects.create",
        *("POST", "/v1/orgs/{id}/projects", "Make a project", _MANAGEMENT),
        *("orgs.Project", "orgs.ProjectCreate"),
        refusals=(*_ORG, "name_taken", "state_conflict"),
        idempotent=True,
    ),
    Route(
        "projects.update",
        *("PATCH", "/v1/orgs/{id}/projects/{project_id}", "Change a project", _MANAGEMENT),
        *("orgs.Project", "orgs.ProjectUpdate"),
        refusals=(*_ORG, "name_taken", "state_conflict"),
        idempotent=True,
    ),
    Route(
        "projects.archive",
        *("DELETE", "/v1/orgs/{id}/projects/{project_id}", "End a project", _MANAGEMENT),
        "orgs.Project",
        refusals=(*_ORG, "state_conflict"),
        idempotent=True,
    ),
    Route(
        "policies.show",
        *("GET", "/v1/orgs/{id}/policies", "Rules before keys'", _MANAGEMENT, "orgs.Policies"),
        refusals=_ORG,
    ),
    Route(
        "policies.set",
        *("PATCH", "/v1/orgs/{id}/policies", "Change rules", _MANAGEMENT),
        *("orgs.Policies", "orgs.PoliciesSet"),
        refusals=(*_ORG, "model_not_found", "state_conflict"),
        idempotent=True,
    ),
    Route(
        "pools.list",
        *("GET", "/v1/orgs/{id}/pools", "Its wallets", _MANAGEMENT, "orgs.PoolPage"),
        refusals=_ORG,
    ),
    Route(
        "pools.create",
        *("POST", "/v1/orgs/{id}/pools", "Make a wallet that projects share", _MANAGEMENT),
        *("orgs.Pool", "orgs.PoolCreate"),
        refusals=(*_ORG, "name_taken", "state_conflict"),
        idempotent=True,
    ),
    Route(
        "pools.transfer",
        *("POST", "/v1/orgs/{id}/transfers", "Move credits between its wallets", _MANAGEMENT),
        *("orgs.Transferred", "orgs.Transfer"),
        refusals=(*_ORG, "insufficient_balance", "state_conflict"),
        idempotent=True,
    ),
    Route(
        "alerts.show",
        *("GET", "/v1/alerts", "Who is told of thresholds", _MANAGEMENT, "alerts.Alerts"),
    ),
    Route(
        "alerts.set",
        *("PUT", "/v1/alerts", "Set who is told of thresholds", _MANAGEMENT),
        *("alerts.Alerts", "alerts.AlertsSet"),
        refusals=("plan_limit",),
        idempotent=True,
    ),
    Route(
        "webhook_endpoints.list",
        *("GET", "/v1/webhook-endpoints", "Who is told of events", _MANAGEMENT),
        "alerts.EndpointPage",
        query="base.PageQuery",
    ),
    Route(
        "webhook_endpoints.add",
        *("POST", "/v1/webhook-endpoints", "Add an endpoint; its secret is answered once"),
        _MANAGEMENT,
        *("alerts.EndpointSecret", "alerts.EndpointCreate"),
        refusals=("not_offered", "state_conflict"),
        idempotent=True,
    ),
    Route(
        "webhook_endpoints.remove",
        *("DELETE", "/v1/webhook-endpoints/{id}", "Remove an endpoint", _MANAGEMENT),
        "budgets.Removed",
        idempotent=True,
    ),
    Route(
        "audit_log.list",
        *("GET", "/v1/audit-log", "Who did what in the customer's account", _MANAGEMENT),
        "alerts.AuditPage",
        query="alerts.AuditQuery",
    ),
    # ------------------------------------------------------------------ operator
    Route(
        "customers.list",
        *("GET", "/admin/v1/customers", "Customers", _OPERATORS, "admin.CustomerPage"),
        query="admin.CustomerQuery",
    ),
    Route(
        "customers.create",
        *("POST", "/admin/v1/customers", "Make a customer and its management key", _MONEY),
        *("admin.CustomerCreated", "admin.CustomerCreate"),
        refusals=("name_taken", "plan_limit"),
        idempotent=True,
    ),
    Route(
        "payments.list",
        *("GET", "/admin/v1/payments", "Orders of all customers", _OPERATORS, "admin.PaymentPage"),
        query="admin.PaymentQuery",
    ),
    Route(
        "payments.show",
        *("GET", "/admin/v1/payments/{id}", "One order", _OPERATORS, "admin.Payment"),
    ),
    Route(
        "payments.submit",
        *("POST", "/admin/v1/payments/{id}/submit", "Note a payment seen for a customer"),
        _MONEY,
        *("admin.Payment", "topups.TopUpSubmit"),
        refusals=("state_conflict", "name_taken"),
        idempotent=True,
    ),
    Route(
        "payments.approve",
        *("POST", "/admin/v1/payments/{id}/approve", "Credit a manual order", _MONEY),
        *("admin.Payment", "admin.Approve"),
        refusals=("state_conflict", "approver_is_submitter", "name_taken"),
        idempotent=True,
        optional_body=True,
    ),
    Route(
        "payments.reject",
        *("POST", "/admin/v1/payments/{id}/reject", "Refuse a manual order", _MONEY),
        *("admin.Payment", "admin.Reject"),
        refusals=("state_conflict",),
        idempotent=True,
    ),
    Route(
        "payments.refund",
        *("POST", "/admin/v1/payments/{id}/refund", "Give back what is not spent", _MONEY),
        *("admin.Payment", "admin.Refund"),
        refusals=("state_conflict", "not_refundable"),
        idempotent=True,
        optional_body=True,
    ),
    Route(
        "providers.list",
        *("GET", "/admin/v1/providers", "Where requests go", _OPERATORS, "admin.ProviderPage"),
    ),
    Route(
        "providers.add",
        *("POST", "/admin/v1/providers", "Add a provider", _OWNER),
        *("admin.Provider", "admin.ProviderSet"),
        refusals=("name_taken",),
        idempotent=True,
    ),
    Route(
        "providers.update",
        *("PATCH", "/admin/v1/providers/{id}", "Change a provider", _OWNER),
        *("admin.Provider", "admin.ProviderUpdate"),
        idempotent=True,
    ),
    Route(
        "providers.remove",
        *("DELETE", "/admin/v1/providers/{id}", "Remove a provider", _OWNER, "budgets.Removed"),
        refusals=("state_conflict",),
        idempotent=True,
    ),
    Route(
        "provider_costs.show",
        *("GET", "/admin/v1/providers/{id}/costs", "What a provider takes", _OPERATORS),
        "prices.CostProfile",
    ),
    Route(
        "provider_costs.set",
        *("PUT", "/admin/v1/providers/{id}/costs", "Set what a provider takes", _OWNER),
        *("prices.CostProfile", "prices.CostsSet"),
        body_limit=2 * KIB * KIB,
        idempotent=True,
    ),
    Route(
        "editions.list",
        *("GET", "/admin/v1/prices", "Versions of the prices", _OPERATORS, "prices.PriceVersions"),
    ),
    Route(
        "editions.draft",
        *("POST", "/admin/v1/prices/draft", "Prices from costs; changes nothing", _MONEY),
        *("prices.PriceDraft", "prices.DraftAsk"),
        idempotent=True,
    ),
    Route(
        "editions.apply",
        *("POST", "/admin/v1/prices", "A new dated version of the prices", _OWNER),
        *("prices.PricesApplied", "prices.PriceApply"),
        refusals=("state_conflict", "price_not_accepted"),
        body_limit=2 * KIB * KIB,
        idempotent=True,
    ),
    Route(
        "margin.show",
        *("GET", "/admin/v1/margin", "Charges and costs, added up", _MONEY, "prices.Margin"),
        query="prices.MarginQuery",
    ),
    Route(
        "margin.opening",
        *("POST", "/admin/v1/margin", "Every price beside its cost; changes nothing", _MONEY),
        *("prices.Opening", "prices.OpeningAsk"),
        body_limit=2 * KIB * KIB,
        optional_body=True,
        idempotent=True,
    ),
    Route(
        "admin_usage.list",
        *("GET", "/admin/v1/usage", "Usage of all customers with its cost", _MONEY),
        "prices.CostedPage",
        query="prices.CostQuery",
    ),
    Route(
        "reconcile.show",
        *("GET", "/admin/v1/reconcile", "Whether money, credits and papers agree", _MONEY),
        "checks.Reconciled",
        query="checks.ReconcileQuery",
    ),
    Route(
        "admin_subscriptions.list",
        *("GET", "/admin/v1/subscriptions", "Customers' plans", _OPERATORS, "checks.PlanPage"),
        query="checks.PlanQuery",
    ),
    Route(
        "admin_subscriptions.set",
        *("PUT", "/admin/v1/subscriptions/{id}", "Put a customer on a plan", _MONEY),
        *("checks.PlanOf", "checks.PlanSet"),
        refusals=("not_offered", "plan_limit", "insufficient_balance"),
        idempotent=True,
    ),
    Route(
        "codes.list",
        *("GET", "/admin/v1/codes", "Codes and their states", _OPERATORS, "admin.CodePage"),
        query="admin.CodeQuery",
    ),
    Route(
        "codes.create",
        *("POST", "/admin/v1/codes", "Make codes; each is answered once", _MONEY),
        *("admin.CodePage", "admin.CodesCreate"),
        idempotent=True,
    ),
    Route(
        "customers.suspend",
        *("POST", "/admin/v1/customers/{id}/suspend", "Suspend a customer, or resume it"),
        _SUPPORT,
        *("admin.Customer", "operators.Suspend"),
        idempotent=True,
        optional_body=True,
    ),
    Route(
        "customers.adjust",
        *("POST", "/admin/v1/customers/{id}/wallet/adjustments", "Give or take credits", _MONEY),
        *("operators.Adjusted", "operators.Adjustment"),
        refusals=("insufficient_balance",),
        idempotent=True,
    ),
    Route(
        "customers.review",
        *("POST", "/admin/v1/customers/{id}/wallet/review", "Free a frozen wallet", _MONEY),
        *("operators.Reviewed", "operators.Review"),
        refusals=("state_conflict",),
        idempotent=True,
    ),
    Route(
        "customers.policy",
        *("GET", "/admin/v1/customers/{id}/policy", "What a customer is allowed", _OPERATORS),
        "operators.Policy",
    ),
    Route(
        "customers.set_policy",
        *("PUT", "/admin/v1/customers/{id}/policy", "Change what a customer is allowed", _OWNER),
        *("operators.Policy", "operators.PolicySet"),
        refusals=("model_not_found", "state_conflict"),
        idempotent=True,
    ),
    Route(
        "customers.contract",
        *("GET", "/admin/v1/customers/{id}/contract", "What is agreed with it", _OPERATORS),
        "funding.Contract",
    ),
    Route(
        "customers.set_contract",
        *("PUT", "/admin/v1/customers/{id}/contract", "Agree on a contract", _MONEY),
        *("funding.Contract", "funding.ContractSet"),
        idempotent=True,
    ),
    Route(
        "customers.end_contract",
        *("DELETE", "/admin/v1/customers/{id}/contract", "End a contract now", _MONEY),
        "funding.Contract",
        idempotent=True,
    ),
    Route(
        "customer_keys.list",
        *("GET", "/admin/v1/keys", "Keys of all customers", _OPERATORS),
        "operators.CustomerKeyPage",
        query="operators.CustomerKeyQuery",
    ),
    Route(
        "customer_keys.update",
        *("PATCH", "/admin/v1/keys/{id}", "Disable or enable a customer's key", _SUPPORT),
        *("operators.CustomerKey", "operators.KeyState"),
        refusals=("state_conflict",),
        idempotent=True,
    ),
    Route(
        "customer_keys.revoke",
        *("POST", "/admin/v1/keys/{id}/revoke", "End a customer's key for ever", _SUPPORT),
        "operators.CustomerKey",
        idempotent=True,
    ),
    Route(
        "operators.list",
        *("GET", "/admin/v1/operators", "Who runs the gateway", _OPERATORS),
        "operators.OperatorPage",
        query="base.PageQuery",
    ),
    Route(
        "operators.create",
        *("POST", "/admin/v1/operators", "Make an operator and its key", _OWNER),
        *("operators.OperatorSecret", "operators.OperatorCreate"),
        refusals=("name_taken",),
        idempotent=True,
    ),
    Route(
        "operators.revoke",
        *("POST", "/admin/v1/operators/{id}/revoke", "End an operator's key", _OWNER),
        "operators.Operator",
        refusals=("state_conflict",),
        idempotent=True,
    ),
    Route(
        "operator_endpoints.list",
        *("GET", "/admin/v1/webhook-endpoints", "Who is told of the gateway's events"),
        _OPERATORS,
        "alerts.EndpointPage",
        query="base.PageQuery",
    ),
    Route(
        "operator_endpoints.add",
        *("POST", "/admin/v1/webhook-endpoints", "Add an endpoint for all events", _OWNER),
        *("alerts.EndpointSecret", "alerts.EndpointCreate"),
        refusals=("state_conflict",),
        idempotent=True,
    ),
    Route(
        "operator_endpoints.remove",
        *("DELETE", "/admin/v1/webhook-endpoints/{id}", "Remove an endpoint", _OWNER),
        "budgets.Removed",
        idempotent=True,
    ),
    Route(
        "deliveries.list",
        *("GET", "/admin/v1/webhook-deliveries", "What was told to whom", _OPERATORS),
        "alerts.DeliveryPage",
        query="alerts.DeliveryQuery",
    ),
    Route(
        "deliveries.send",
        *("POST", "/admin/v1/webhook-deliveries", "Send what is due now", _SUPPORT, "alerts.Sent"),
        idempotent=True,
    ),
    Route(
        "deliveries.replay",
        *("POST", "/admin/v1/webhook-deliveries/{id}/replay", "Send one again", _SUPPORT),
        "alerts.Delivery",
        idempotent=True,
    ),
    Route(
        "operator_audit.list",
        *("GET", "/admin/v1/audit-log", "Who did what", _OPERATORS, "alerts.AuditPage"),
        query="alerts.AuditAllQuery",
    ),
    Route(
        "operator_audit.verify",
        *("GET", "/admin/v1/audit-log/verify", "Walk every chain of the audit log", _OPERATORS),
        "alerts.AuditProof",
    ),
    Route(
        "health.show",
        *("GET", "/admin/v1/health", "What works and what does not", _OPERATORS, "me.Health"),
    ),
    # ------------------------------------------------------------------ no key
    Route(
        "health.live",
        *("GET", "/health", "Whether the gateway answers", _EVERYBODY, "me.Health"),
    ),
    Route(
        "webhooks.payment",
        *("POST", "/webhooks/payments/{provider}", "A payment provider's signed event", _EVERYBODY),
        "payments.Received",
        request="payments.PaymentEvent",
        raw=True,
        refusals=("invalid_signature", "payment_mismatch", "not_found"),
        body_limit=EVENT,
    ),
    Route(
        "sandbox.page",
        *("GET", "/sandbox/checkout/{token}", "The sandbox's checkout page", _EVERYBODY),
        media="text/html",
        refusals=("not_found", "not_offered"),
    ),
    Route(
        "sandbox.pay",
        *("POST", "/sandbox/checkout/{token}", "Pay an order with play money", _EVERYBODY),
        media="text/html",
        refusals=("not_found", "not_offered", "state_conflict"),
    ),
)

_ALWAYS = ("internal_error", "ledger_unavailable", "overloaded", "host_not_allowed")
_WITH_KEY = ("invalid_api_key", "not_permitted", "ip_not_allowed", "customer_suspended")
_WITH_BODY = (
    "invalid_request",
    "payload_too_large",
    "unsupported_media_type",
    "request_timeout",
)
_WITH_IDEMPOTENCY = ("idempotency_conflict", "request_in_progress")


def _checked(routes: tuple[Route, ...]) -> dict[str, Route]:
    """The routes by name. A table that leaves open who may call does not load."""
    table: dict[str, Route] = {}
    seen: set[tuple[str, str]] = set()
    for route in routes:
        unknown = [code for code in route.refusals if code not in REFUSALS]
        if not route.callers or not route.callers.issubset(CALLERS):
            raise ValueError(f"{route.name}: who may call it is not stated")
        if NOBODY in route.callers and len(route.callers) > 1:
            raise ValueError(f"{route.name}: either no key is asked for, or some are let in")
        if unknown or route.name in table or (route.method, route.path) in seen:
            raise ValueError(f"{route.name}: unknown refusal, or stands there twice")
        table[route.name] = route
        seen.add((route.method, route.path))
    return table


BY_NAME: dict[str, Route] = _checked(ROUTES)


def refusals_of(route: Route) -> tuple[Refusal, ...]:
    """Everything that a route may answer with a status of 400 and more, its own first."""
    codes = list(route.refusals)
    if NOBODY not in route.callers:
        codes += _WITH_KEY
        codes.append("rate_limited")
    if route.request or route.raw or route.query or route.form:
        codes.append("invalid_request")
    if route.request or route.raw or route.form:
        codes += _WITH_BODY
    if route.parameters:
        codes.append("not_found")
    if route.idempotent:
        codes += _WITH_IDEMPOTENCY
    codes += _ALWAYS
    return tuple(REFUSALS[code] for code in dict.fromkeys(codes))


def type_named(name: str) -> Any:
    """The Struct that a route names as `module.Struct`; its module is imported now."""
    from importlib import import_module

    module, _, struct = name.partition(".")
    return getattr(import_module(f"nexctl.wire.{module}"), struct)
