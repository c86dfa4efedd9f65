-- The whole database of the embedded gateway, for SQLite and PostgreSQL alike.
-- INT64, BYTES, ROWID, {strict} and {clustered} are spelled for each by schema.py.
-- Times are microseconds since 1970 UTC, amounts units of 10**-scale of the wallet's currency.

CREATE TABLE schema_info (
    one INT64 PRIMARY KEY CHECK (one = 1),
    version INT64 NOT NULL,
    epoch TEXT NOT NULL,
    created_at INT64 NOT NULL
) {strict};

CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    changed_at INT64 NOT NULL
) {strict};

-- who ------------------------------------------------------------------------------------------

CREATE TABLE customers (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL CHECK (state IN ('active', 'suspended')),
    plan TEXT,
    email TEXT,
    external_id TEXT UNIQUE,
    labels TEXT NOT NULL,
    policy TEXT NOT NULL,
    created_at INT64 NOT NULL
) {strict};

CREATE TABLE keys (
    id TEXT PRIMARY KEY,
    customer_id TEXT NOT NULL REFERENCES customers (id),
    parent_id TEXT REFERENCES keys (id),
    kind TEXT NOT NULL CHECK (kind IN ('key', 'sub_key', 'management_key')),
    name TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('active', 'disabled', 'revoked')),
    models TEXT,
    ip_allowlist TEXT,
    rpm INT64 CHECK (rpm > 0),
    concurrency INT64 CHECK (concurrency > 0),
    labels TEXT NOT NULL,
    created_at INT64 NOT NULL,
    expires_at INT64,
    revoked_at INT64,
    last_used_at INT64,
    project_id TEXT,
    member_id TEXT,
    CHECK ((kind = 'sub_key') = (parent_id IS NOT NULL))
) {strict};
CREATE UNIQUE INDEX keys_name ON keys (customer_id, name) WHERE state <> 'revoked';
CREATE INDEX keys_parent ON keys (parent_id) WHERE parent_id IS NOT NULL;

CREATE TABLE key_secrets (
    hash BYTES PRIMARY KEY,
    key_id TEXT NOT NULL REFERENCES keys (id),
    prefix TEXT NOT NULL,
    created_at INT64 NOT NULL,
    expires_at INT64
) {strict};
CREATE INDEX key_secrets_key ON key_secrets (key_id);

CREATE TABLE operators (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('owner', 'billing', 'support', 'read_only')),
    state TEXT NOT NULL CHECK (state IN ('active', 'revoked')),
    hash BYTES NOT NULL UNIQUE,
    prefix TEXT NOT NULL,
    created_at INT64 NOT NULL,
    revoked_at INT64
) {strict};
CREATE UNIQUE INDEX operators_name ON operators (name) WHERE state <> 'revoked';

CREATE TABLE providers (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    base_url TEXT,
    sealed_key BYTES,
    key_env TEXT,
    models TEXT,
    priority INT64 NOT NULL,
    enabled INT64 NOT NULL CHECK (enabled IN (0, 1)),
    allow_private INT64 NOT NULL CHECK (allow_private IN (0, 1)),
    timeout_seconds INT64,
    options TEXT NOT NULL,
    health TEXT,
    created_at INT64 NOT NULL
) {strict};

CREATE TABLE price_books (
    hash TEXT PRIMARY KEY,
    book_id TEXT NOT NULL,
    version TEXT NOT NULL,
    body TEXT NOT NULL,
    in_force_from INT64 NOT NULL,
    added_at INT64 NOT NULL
) {clustered};

CREATE INDEX price_books_schedule ON price_books (in_force_from, added_at, hash);

CREATE TABLE idempotency (
    customer_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    body_hash BYTES NOT NULL,
    owner TEXT NOT NULL,
    status INT64,
    response BYTES,
    created_at INT64 NOT NULL,
    PRIMARY KEY (customer_id, key_id, method, path, idempotency_key)
) {clustered};

-- money in -------------------------------------------------------------------------------------

CREATE TABLE orders (
    id TEXT PRIMARY KEY,
    customer_id TEXT NOT NULL REFERENCES customers (id),
    wallet TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('created', 'opened', 'submitted', 'under_review',
        'approved', 'paid', 'credited', 'rejected', 'refunded', 'expired')),
    method TEXT NOT NULL,
    provider TEXT NOT NULL,
    currency TEXT NOT NULL,
    amount INT64 NOT NULL CHECK (amount > 0),
    subtotal INT64 NOT NULL CHECK (subtotal >= 0),
    tax INT64 NOT NULL CHECK (tax >= 0),
    fee INT64 NOT NULL CHECK (fee >= 0),
    total INT64 NOT NULL CHECK (total >= 0),
    credits INT64 NOT NULL CHECK (credits > 0),
    bonus INT64 NOT NULL CHECK (bonus >= 0),
    details TEXT NOT NULL,
    sandbox INT64 NOT NULL CHECK (sandbox IN (0, 1)),
    checkout_url TEXT,
    payment_id TEXT,
    transaction_ref TEXT,
    sender TEXT,
    submitted_by TEXT,
    submitted_at INT64,
    decided_by TEXT,
    decided_at INT64,
    reason TEXT,
    note TEXT,
    created_at INT64 NOT NULL,
    expires_at INT64,
    paid_at INT64,
    credited_at INT64,
    paid_lot INT64,
    bonus_lot INT64,
    refunded INT64 NOT NULL DEFAULT 0 CHECK (refunded >= 0 AND refunded <= total),
    disputed INT64 NOT NULL DEFAULT 0 CHECK (disputed >= 0),
    network TEXT,
    pay_amount INT64,
    automatic INT64 NOT NULL DEFAULT 0 CHECK (automatic IN (0, 1))
) {strict};
CREATE INDEX orders_customer ON orders (customer_id, created_at);
CREATE UNIQUE INDEX orders_payment ON orders (provider, payment_id) WHERE payment_id IS NOT NULL;
CREATE UNIQUE INDEX orders_transaction ON orders (method, transaction_ref)
    WHERE transaction_ref IS NOT NULL AND state <> 'rejected';
-- What is to be transferred names the order, as long as somebody may still transfer it.
CREATE UNIQUE INDEX orders_pay_amount ON orders (method, pay_amount)
    WHERE pay_amount IS NOT NULL AND state IN ('created', 'opened', 'submitted', 'under_review');
CREATE UNIQUE INDEX orders_automatic ON orders (wallet)
    WHERE automatic = 1 AND state IN ('created', 'opened', 'submitted', 'under_review');

CREATE TABLE payment_events (
    provider TEXT NOT NULL,
    event_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    order_id TEXT,
    payment_id TEXT,
    amount INT64,
    currency TEXT,
    outcome TEXT NOT NULL,
    received_at INT64 NOT NULL,
    PRIMARY KEY (provider, event_id)
) {clustered};
CREATE INDEX payment_events_order ON payment_events (order_id);

CREATE TABLE codes (
    id TEXT PRIMARY KEY,
    hash BYTES NOT NULL UNIQUE,
    prefix TEXT NOT NULL,
    amount INT64 NOT NULL CHECK (amount > 0),
    currency TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'redeemed', 'void')),
    note TEXT,
    created_by TEXT,
    created_at INT64 NOT NULL,
    expires_at INT64,
    credits_expire_at INT64,
    redeemed_by TEXT,
    redeemed_at INT64,
    grant_id TEXT,
    kind TEXT NOT NULL DEFAULT 'credit' CHECK (kind IN ('credit', 'promo')),
    percent TEXT,
    uses INT64 NOT NULL DEFAULT 1 CHECK (uses > 0),
    used INT64 NOT NULL DEFAULT 0 CHECK (used >= 0 AND used <= uses)
) {strict};

-- Promotional codes: once a customer, given back where its order ends unpaid.
CREATE TABLE code_uses (
    code_id TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    created_at INT64 NOT NULL,
    PRIMARY KEY (code_id, customer_id),
    UNIQUE (order_id)
) {clustered};

CREATE TABLE grants (
    id TEXT PRIMARY KEY,
    wallet TEXT NOT NULL,
    lot INT64 NOT NULL,
    kind TEXT NOT NULL,
    period TEXT,
    note TEXT,
    created_at INT64 NOT NULL,
    UNIQUE (wallet, lot)
) {clustered};
CREATE UNIQUE INDEX grants_period ON grants (wallet, kind, period) WHERE period IS NOT NULL;

-- the wallet and its book ----------------------------------------------------------------------

CREATE TABLE wallets (
    id TEXT PRIMARY KEY,
    customer_id TEXT NOT NULL REFERENCES customers (id),
    name TEXT NOT NULL,
    currency TEXT NOT NULL,
    scale INT64 NOT NULL CHECK (scale BETWEEN 0 AND 18),
    state TEXT NOT NULL CHECK (state IN ('active', 'frozen')),
    balance INT64 NOT NULL,
    held INT64 NOT NULL,
    debt INT64 NOT NULL,
    lifetime INT64 NOT NULL,
    seq INT64 NOT NULL,
    head BYTES NOT NULL,
    mac BYTES NOT NULL,
    last_at INT64 NOT NULL,
    next_expiry INT64 NOT NULL,
    created_at INT64 NOT NULL,
    alert_below INT64 NOT NULL DEFAULT 0 CHECK (alert_below >= 0),
    CHECK (0 <= held AND held <= balance AND 0 <= debt AND 0 <= seq)
) {strict};
CREATE INDEX wallets_customer ON wallets (customer_id);

-- Packs and grants: one row for each credit, named by the entry that made it.
CREATE TABLE lots (
    wallet TEXT NOT NULL,
    lot INT64 NOT NULL,
    kind TEXT NOT NULL,
    priority INT64 NOT NULL,
    amount INT64 NOT NULL CHECK (amount > 0),
    remaining INT64 NOT NULL CHECK (remaining >= 0 AND remaining <= amount),
    expires_at INT64 NOT NULL,
    order_id TEXT,
    sandbox INT64 NOT NULL CHECK (sandbox IN (0, 1)),
    created_at INT64 NOT NULL,
    live INT64 NOT NULL DEFAULT 1,
    PRIMARY KEY (wallet, lot),
    CHECK ((live = 1) = (remaining > 0))
) {clustered};
-- On a flag, not on what is left: a debit that leaves something leaves the index alone.
CREATE INDEX lots_burn ON lots (wallet, priority, expires_at, lot) WHERE live = 1;

CREATE TABLE entries (
    wallet TEXT NOT NULL,
    seq INT64 NOT NULL CHECK (seq > 0),
    at INT64 NOT NULL,
    kind TEXT NOT NULL,
    amount INT64 NOT NULL,
    balance INT64 NOT NULL CHECK (balance >= 0),
    reference TEXT,
    note TEXT,
    reverses INT64,
    hash BYTES NOT NULL,
    PRIMARY KEY (wallet, seq)
) {clustered};

CREATE TABLE postings (
    wallet TEXT NOT NULL,
    seq INT64 NOT NULL,
    line INT64 NOT NULL,
    account TEXT NOT NULL,
    lot INT64,
    amount INT64 NOT NULL CHECK (amount <> 0),
    PRIMARY KEY (wallet, seq, line)
) {clustered};

CREATE TABLE usage_records (
    wallet TEXT NOT NULL,
    seq INT64 NOT NULL,
    hold INT64 NOT NULL,
    created_at INT64 NOT NULL,
    customer_id TEXT NOT NULL,
    request_id TEXT NOT NULL,
    key_id TEXT,
    model TEXT NOT NULL,
    status TEXT NOT NULL,
    charge INT64 NOT NULL CHECK (charge >= 0),
    snapshot TEXT NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (wallet, seq)
) {strict};

CREATE TABLE price_snapshots (
    hash TEXT PRIMARY KEY,
    body TEXT NOT NULL
) {clustered};

CREATE TABLE anchors (
    id ROWID,
    at INT64 NOT NULL,
    wallet TEXT NOT NULL,
    seq INT64 NOT NULL,
    head BYTES NOT NULL,
    mac BYTES NOT NULL
) {strict};
CREATE INDEX anchors_wallet ON anchors (wallet, seq);

-- reserve and settle ---------------------------------------------------------------------------

CREATE TABLE owners (
    id TEXT PRIMARY KEY,
    process TEXT NOT NULL,
    started_at INT64 NOT NULL,
    lease_until INT64 NOT NULL
) {strict};

CREATE TABLE holds (
    id ROWID,
    customer_id TEXT NOT NULL,
    wallet TEXT NOT NULL,
    request_id TEXT NOT NULL,
    body_hash BYTES NOT NULL,
    key_id TEXT,
    parent_id TEXT,
    attempt INT64 NOT NULL DEFAULT 0,
    model TEXT NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('reserved', 'dispatched', 'unknown', 'settled', 'released', 'retired')),
    amount INT64 NOT NULL CHECK (amount >= 0),
    layers TEXT NOT NULL,
    owner TEXT NOT NULL,
    created_at INT64 NOT NULL,
    snapshot TEXT,
    floor INT64 NOT NULL CHECK (floor >= 0),
    facts TEXT NOT NULL,
    rule TEXT NOT NULL CHECK (rule IN ('floor', 'held', 'operator')),
    deadline INT64,
    closed_at INT64,
    seq INT64,
    why TEXT,
    CHECK ((state = 'unknown') <= (deadline IS NOT NULL)),
    CHECK ((state = 'settled') = (seq IS NOT NULL)),
    CHECK ((state = 'released') = (attempt > 0))
) {strict};
-- The attempt is 0 until a hold is released, then its id: so one request id has one live hold.
CREATE UNIQUE INDEX holds_request ON holds (customer_id, request_id, attempt);
CREATE INDEX holds_open ON holds (customer_id)
    WHERE state IN ('reserved', 'dispatched', 'unknown');

CREATE TABLE budgets (
    id TEXT PRIMARY KEY,
    customer_id TEXT NOT NULL REFERENCES customers (id),
    scope TEXT NOT NULL,
    scope_id TEXT NOT NULL,
    rank INT64 NOT NULL,
    name TEXT NOT NULL,
    span TEXT NOT NULL CHECK (span IN ('month', 'lifetime', '5h', '1d', '7d')),
    unit TEXT NOT NULL,
    meters TEXT,
    models TEXT,
    amount INT64 NOT NULL CHECK (amount >= 0),
    hard INT64 NOT NULL CHECK (hard IN (0, 1)),
    alert_at TEXT NOT NULL,
    active INT64 NOT NULL CHECK (active IN (0, 1)),
    created_at INT64 NOT NULL,
    origin TEXT NOT NULL DEFAULT 'set' CHECK (origin IN ('set', 'plan', 'policy', 'operator'))
) {strict};
CREATE UNIQUE INDEX budgets_scope ON budgets (scope_id, scope, name, span) WHERE active = 1;
CREATE INDEX budgets_customer ON budgets (customer_id);

CREATE TABLE buckets (
    budget TEXT NOT NULL,
    start INT64 NOT NULL,
    opening INT64 NOT NULL CHECK (opening >= 0),
    spent INT64 NOT NULL CHECK (spent >= 0),
    held INT64 NOT NULL CHECK (held >= 0),
    PRIMARY KEY (budget, start)
) {clustered};

CREATE TABLE rates (
    scope TEXT PRIMARY KEY,
    slots TEXT NOT NULL
) {clustered};

-- answers kept for near-duplicate prompts, customers' own provider keys ---------------------------
-- Prompt and answer are sealed; the scope is a keyed hash of everything that must be equal.

CREATE TABLE semantic_entries (
    id ROWID,
    customer_id TEXT NOT NULL REFERENCES customers (id),
    scope BYTES NOT NULL,
    sealed BYTES NOT NULL,
    created_at INT64 NOT NULL,
    expires_at INT64 NOT NULL
) {strict};
CREATE INDEX semantic_entries_scope ON semantic_entries (scope, id);
CREATE INDEX semantic_entries_expiry ON semantic_entries (expires_at);

CREATE TABLE provider_keys (
    customer_id TEXT NOT NULL REFERENCES customers (id),
    provider TEXT NOT NULL,
    sealed_key BYTES NOT NULL,
    hint TEXT NOT NULL,
    created_at INT64 NOT NULL,
    PRIMARY KEY (customer_id, provider)
) {clustered};

-- organisations --------------------------------------------------------------------------------
-- An organisation is an account of its own: it bears the id of its row in customers.

CREATE TABLE orgs (
    id TEXT PRIMARY KEY REFERENCES customers (id),
    slug TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL CHECK (state IN ('active', 'closed')),
    wallet_mode TEXT NOT NULL CHECK (wallet_mode IN ('strict', 'fallback')),
    models TEXT,
    addresses TEXT,
    default_budgets TEXT NOT NULL,
    created_at INT64 NOT NULL
) {strict};

CREATE TABLE members (
    id TEXT PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES orgs (id),
    customer_id TEXT NOT NULL REFERENCES customers (id),
    role TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'member', 'billing')),
    state TEXT NOT NULL CHECK (state IN ('active', 'removed')),
    created_at INT64 NOT NULL,
    removed_at INT64
) {strict};
CREATE UNIQUE INDEX members_once ON members (org_id, customer_id) WHERE state = 'active';
CREATE INDEX members_customer ON members (customer_id);

CREATE TABLE projects (
    id TEXT PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES orgs (id),
    name TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('active', 'archived')),
    wallet TEXT NOT NULL,
    created_at INT64 NOT NULL
) {strict};
CREATE UNIQUE INDEX projects_name ON projects (org_id, name) WHERE state = 'active';

-- events and who is told -----------------------------------------------------------------------

CREATE TABLE alerts (
    customer_id TEXT PRIMARY KEY REFERENCES customers (id),
    email TEXT,
    webhooks INT64 NOT NULL CHECK (webhooks IN (0, 1)),
    percents TEXT NOT NULL,
    changed_at INT64 NOT NULL
) {strict};

CREATE TABLE events (
    id TEXT PRIMARY KEY,
    customer_id TEXT,
    kind TEXT NOT NULL,
    data TEXT NOT NULL,
    once TEXT UNIQUE,
    spread INT64 NOT NULL CHECK (spread IN (0, 1)),
    at INT64 NOT NULL
) {strict};
CREATE INDEX events_waiting ON events (at) WHERE spread = 0;
CREATE INDEX events_customer ON events (customer_id, at);

CREATE TABLE webhook_endpoints (
    id TEXT PRIMARY KEY,
    customer_id TEXT,
    url TEXT NOT NULL,
    kinds TEXT NOT NULL,
    sealed_secret BYTES NOT NULL,
    prefix TEXT NOT NULL,
    allow_private INT64 NOT NULL CHECK (allow_private IN (0, 1)),
    state TEXT NOT NULL CHECK (state IN ('active', 'disabled', 'removed')),
    note TEXT,
    created_at INT64 NOT NULL
) {strict};
CREATE INDEX webhook_endpoints_customer ON webhook_endpoints (customer_id);

-- One row for each event and each who is told of it. `due_at` is a lease while it is sent.
CREATE TABLE deliveries (
    id TEXT PRIMARY KEY,
    event_id TEXT NOT NULL REFERENCES events (id),
    channel TEXT NOT NULL CHECK (channel IN ('webhook', 'email')),
    target TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'failed', 'dropped')),
    attempts INT64 NOT NULL CHECK (attempts >= 0),
    due_at INT64 NOT NULL,
    log TEXT NOT NULL,
    created_at INT64 NOT NULL,
    ended_at INT64,
    CHECK ((state = 'pending') = (ended_at IS NULL)),
    UNIQUE (event_id, channel, target)
) {strict};
CREATE INDEX deliveries_due ON deliveries (due_at) WHERE state = 'pending';

-- The audit log: a chain for each customer, and one named "gateway".
CREATE TABLE audit_log (
    chain TEXT NOT NULL,
    seq INT64 NOT NULL CHECK (seq > 0),
    at INT64 NOT NULL,
    actor TEXT NOT NULL,
    actor_id TEXT NOT NULL,
    actor_name TEXT,
    address TEXT,
    action TEXT NOT NULL,
    object TEXT,
    before TEXT,
    after TEXT,
    request_id TEXT,
    hash BYTES NOT NULL,
    PRIMARY KEY (chain, seq)
) {clustered};
CREATE INDEX audit_log_time ON audit_log (at, chain, seq);

CREATE TABLE audit_heads (
    chain TEXT PRIMARY KEY,
    seq INT64 NOT NULL CHECK (seq >= 0),
    head BYTES NOT NULL,
    mac BYTES NOT NULL,
    last_at INT64 NOT NULL
) {strict};

-- billing tiers, auto top-up, plans' fees, papers ----------------------------------------------

CREATE TABLE tier_months (
    customer_id TEXT NOT NULL,
    month TEXT NOT NULL,
    gross INT64 NOT NULL CHECK (gross >= 0),
    cut INT64 NOT NULL CHECK (cut >= 0),
    credited INT64 NOT NULL CHECK (credited >= 0),
    PRIMARY KEY (customer_id, month)
) {clustered};

CREATE TABLE tier_credits (
    customer_id TEXT NOT NULL,
    month TEXT NOT NULL,
    threshold INT64 NOT NULL,
    tier TEXT NOT NULL,
    percent TEXT NOT NULL,
    gross INT64 NOT NULL,
    amount INT64 NOT NULL CHECK (amount >= 0),
    wallet TEXT NOT NULL,
    seq INT64,
    created_at INT64 NOT NULL,
    PRIMARY KEY (customer_id, month, threshold),
    CHECK ((amount > 0) = (seq IS NOT NULL))
) {clustered};

CREATE TABLE auto_topups (
    wallet TEXT PRIMARY KEY,
    customer_id TEXT NOT NULL REFERENCES customers (id),
    below INT64 NOT NULL CHECK (below >= 0),
    amount INT64 CHECK (amount > 0),
    target INT64 CHECK (target > 0),
    cap INT64 CHECK (cap > 0),
    method TEXT,
    enabled INT64 NOT NULL CHECK (enabled IN (0, 1)),
    owner TEXT,
    lease_until INT64 NOT NULL DEFAULT 0,
    note TEXT,
    changed_at INT64 NOT NULL,
    CHECK ((amount IS NULL) <> (target IS NULL))
) {strict};
CREATE INDEX auto_topups_enabled ON auto_topups (wallet) WHERE enabled = 1;

CREATE TABLE key_wallets (
    key_id TEXT PRIMARY KEY,
    wallet TEXT NOT NULL
) {clustered};

CREATE TABLE subscriptions (
    customer_id TEXT PRIMARY KEY,
    plan TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('active', 'past_due', 'cancelled')),
    started_at INT64 NOT NULL,
    changed_at INT64 NOT NULL
) {strict};

CREATE TABLE subscription_fees (
    customer_id TEXT NOT NULL,
    period TEXT NOT NULL,
    plan TEXT NOT NULL,
    wallet TEXT NOT NULL,
    seq INT64 NOT NULL,
    fee INT64 NOT NULL CHECK (fee >= 0),
    tax INT64 NOT NULL CHECK (tax >= 0),
    details TEXT NOT NULL,
    created_at INT64 NOT NULL,
    PRIMARY KEY (customer_id, period, plan)
) {clustered};

CREATE TABLE billing_profiles (
    customer_id TEXT NOT NULL,
    version INT64 NOT NULL,
    body TEXT NOT NULL,
    created_at INT64 NOT NULL,
    PRIMARY KEY (customer_id, version)
) {clustered};

CREATE TABLE invoice_series (
    series TEXT PRIMARY KEY,
    last INT64 NOT NULL CHECK (last >= 0)
) {clustered};

-- A paper is never edited: a credit note or a void is a paper or a row of its own.
CREATE TABLE invoices (
    series TEXT NOT NULL,
    place INT64 NOT NULL CHECK (place > 0),
    number TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('invoice', 'credit_note', 'void')),
    customer_id TEXT,
    subject TEXT,
    part INT64 NOT NULL DEFAULT 0,
    corrects TEXT,
    currency TEXT,
    total INT64,
    body TEXT NOT NULL,
    issued_at INT64 NOT NULL,
    PRIMARY KEY (series, place)
) {clustered};
CREATE UNIQUE INDEX invoices_number ON invoices (number);
CREATE UNIQUE INDEX invoices_subject ON invoices (subject, kind, part) WHERE subject IS NOT NULL;
CREATE INDEX invoices_customer ON invoices (customer_id, issued_at);

CREATE TABLE invoice_voids (
    number TEXT PRIMARY KEY,
    reason TEXT NOT NULL,
    voided_by TEXT NOT NULL,
    voided_at INT64 NOT NULL
) {clustered};

-- What a payment provider is to be told: kept until it has heard.
CREATE TABLE provider_calls (
    id TEXT PRIMARY KEY,
    provider TEXT NOT NULL,
    kind TEXT NOT NULL,
    order_id TEXT NOT NULL,
    amount INT64 NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'done', 'failed')),
    tries INT64 NOT NULL DEFAULT 0,
    owner TEXT,
    lease_until INT64 NOT NULL DEFAULT 0,
    next_at INT64 NOT NULL,
    answer TEXT,
    created_at INT64 NOT NULL
) {strict};
CREATE INDEX provider_calls_waiting ON provider_calls (next_at) WHERE state = 'waiting';

-- what requests cost the operator: no customer ever sees a row of these -----------------------------

CREATE TABLE cost_books (
    hash TEXT PRIMARY KEY,
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    added_at INT64 NOT NULL
) {clustered};

CREATE TABLE cost_profiles (
    id ROWID,
    provider TEXT NOT NULL,
    source TEXT NOT NULL,
    book TEXT NOT NULL REFERENCES cost_books (hash),
    set_by TEXT NOT NULL,
    set_at INT64 NOT NULL
) {strict};
CREATE INDEX cost_profiles_provider ON cost_profiles (provider, id);

-- An unknown cost is null, with the reason beside it.
CREATE TABLE usage_costs (
    wallet TEXT NOT NULL,
    seq INT64 NOT NULL,
    cost INT64 CHECK (cost >= 0),
    currency TEXT,
    scale INT64,
    why TEXT NOT NULL,
    book TEXT,
    model TEXT,
    usage TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (wallet, seq),
    CHECK ((cost IS NULL) = (currency IS NULL))
) {clustered};

-- files and batches ----------------------------------------------------------------------------
-- What was uploaded is kept sealed, in pieces. A batch's output and error files are its lines'
-- results: `batch_id` and `part` name them, and they have no pieces of their own.

CREATE TABLE files (
    id TEXT PRIMARY KEY,
    customer_id TEXT NOT NULL REFERENCES customers (id),
    key_id TEXT NOT NULL,
    parent_id TEXT,
    purpose TEXT NOT NULL CHECK (purpose IN ('batch', 'batch_output')),
    name TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('uploading', 'ready', 'deleted')),
    bytes INT64 NOT NULL CHECK (bytes >= 0),
    sha256 TEXT,
    batch_id TEXT,
    part TEXT CHECK (part IN ('output', 'error')),
    created_at INT64 NOT NULL,
    expires_at INT64 NOT NULL,
    deleted_at INT64,
    CHECK ((batch_id IS NULL) = (part IS NULL)),
    CHECK ((state = 'deleted') = (deleted_at IS NOT NULL))
) {strict};
CREATE INDEX files_customer ON files (customer_id, created_at, id) WHERE state <> 'deleted';
CREATE INDEX files_due ON files (expires_at) WHERE state <> 'deleted';

CREATE TABLE file_chunks (
    file_id TEXT NOT NULL,
    n INT64 NOT NULL,
    sealed BYTES NOT NULL,
    PRIMARY KEY (file_id, n)
) {strict};

CREATE TABLE batches (
    id TEXT PRIMARY KEY,
    customer_id TEXT NOT NULL REFERENCES customers (id),
    key_id TEXT NOT NULL,
    parent_id TEXT,
    state TEXT NOT NULL CHECK (state IN ('admitting', 'validating', 'failed', 'in_progress',
        'finalizing', 'completed', 'expired', 'cancelling', 'cancelled')),
    ending TEXT CHECK (ending IN ('completed', 'expired', 'cancelled')),
    owner TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    model TEXT,
    input_file TEXT NOT NULL,
    output_file TEXT,
    error_file TEXT,
    hold INT64,
    quote INT64 NOT NULL CHECK (quote >= 0),
    snapshot TEXT,
    total INT64 NOT NULL CHECK (total >= 0),
    completed INT64 NOT NULL CHECK (completed >= 0),
    failed INT64 NOT NULL CHECK (failed >= 0),
    input INT64 NOT NULL,
    cached INT64 NOT NULL,
    output INT64 NOT NULL,
    reasoning INT64 NOT NULL,
    charge INT64 NOT NULL CHECK (charge >= 0),
    metadata TEXT,
    faults BYTES,
    keep_seconds INT64 NOT NULL,
    created_at INT64 NOT NULL,
    expires_at INT64 NOT NULL,
    in_progress_at INT64,
    finalizing_at INT64,
    cancelling_at INT64,
    ended_at INT64,
    CHECK (completed + failed <= total)
) {strict};
CREATE INDEX batches_customer ON batches (customer_id, created_at, id);
CREATE INDEX batches_live ON batches (created_at, id)
    WHERE state IN ('admitting', 'validating', 'in_progress', 'finalizing', 'cancelling');

CREATE TABLE batch_lines (
    batch_id TEXT NOT NULL,
    n INT64 NOT NULL CHECK (n > 0),
    custom_id TEXT NOT NULL,
    request_id TEXT NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('waiting', 'running', 'ok', 'error', 'cancelled', 'expired')),
    start INT64 NOT NULL,
    size INT64 NOT NULL,
    input INT64 NOT NULL,
    most INT64 NOT NULL,
    output INT64 NOT NULL,
    answers INT64 NOT NULL,
    amount INT64 NOT NULL CHECK (amount >= 0),
    lease TEXT,
    hold INT64,
    seq INT64,
    charge INT64 NOT NULL DEFAULT 0 CHECK (charge >= 0),
    ended_at INT64,
    result_size INT64 NOT NULL DEFAULT 0,
    result BYTES,
    PRIMARY KEY (batch_id, n),
    UNIQUE (batch_id, custom_id),
    CHECK ((state = 'running') = (lease IS NOT NULL)),
    CHECK ((state = 'ok') = (seq IS NOT NULL)),
    CHECK ((state IN ('waiting', 'running')) = (ended_at IS NULL))
) {strict};
CREATE INDEX batch_lines_open ON batch_lines (batch_id, n) WHERE state IN ('waiting', 'running');
CREATE UNIQUE INDEX batch_lines_hold ON batch_lines (hold) WHERE hold IS NOT NULL;
CREATE UNIQUE INDEX batch_lines_seq ON batch_lines (batch_id, seq) WHERE seq IS NOT NULL;

-- append-only ----------------------------------------------------------------------------------
-- Each line names a table and what is unique in it, for INSERT OR REPLACE deletes by that;
-- schema.py writes the triggers.
--append-only entries wallet seq
--append-only postings wallet seq line
--append-only usage_records wallet seq | rowid
--append-only price_snapshots hash
--append-only price_books hash
--append-only cost_books hash
--append-only cost_profiles id
--append-only usage_costs wallet seq
--append-only anchors id
--append-only payment_events provider event_id
--append-only audit_log chain seq
--append-only grants id | wallet lot | wallet kind period
--append-only tier_credits customer_id month threshold
--append-only subscription_fees customer_id period plan
--append-only billing_profiles customer_id version
--append-only invoices series place | number | subject kind part
--append-only invoice_voids number
--never-deleted wallets
--never-deleted lots
--never-deleted holds
--never-deleted orders
--never-deleted audit_heads
--never-deleted tier_months
--never-deleted invoice_series
--never-deleted files
