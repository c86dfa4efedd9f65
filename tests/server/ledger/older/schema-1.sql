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
    disputed INT64 NOT NULL DEFAULT 0 CHECK (disputed >= 0)
) {strict};
CREATE INDEX orders_customer ON orders (customer_id, created_at);
CREATE UNIQUE INDEX orders_payment ON orders (provider, payment_id) WHERE payment_id IS NOT NULL;
CREATE UNIQUE INDEX orders_transaction ON orders (method, transaction_ref)
    WHERE transaction_ref IS NOT NULL AND state <> 'rejected';

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
    grant_id TEXT
) {strict};

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
    PRIMARY KEY (wallet, lot)
) {clustered};
CREATE INDEX lots_burn ON lots (wallet, priority, expires_at, lot) WHERE remaining > 0;

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
    CHECK ((state = 'settled') = (seq IS NOT NULL))
) {strict};
CREATE UNIQUE INDEX holds_request ON holds (customer_id, request_id) WHERE state <> 'released';
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
    created_at INT64 NOT NULL
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

-- append-only ----------------------------------------------------------------------------------
-- Each line names a table and what is unique in it, for INSERT OR REPLACE deletes by that;
-- schema.py writes the triggers.
--append-only entries wallet seq
--append-only postings wallet seq line
--append-only usage_records wallet seq | rowid
--append-only price_snapshots hash
--append-only price_books hash
--append-only anchors id
--append-only payment_events provider event_id
--append-only grants id | wallet lot | wallet kind period
--never-deleted wallets
--never-deleted lots
--never-deleted holds
--never-deleted orders
