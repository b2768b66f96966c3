CREATE TABLE customers (
    id BIGSERIAL NOT NULL,
    telegram_id BIGINT NOT NULL,
    first_name VARCHAR NOT NULL,
    username VARCHAR,
    language VARCHAR NOT NULL,
    banned BOOLEAN NOT NULL,
    reachable BOOLEAN NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_customers PRIMARY KEY (id),
    CONSTRAINT uq_customers_telegram_id UNIQUE (telegram_id)
);

CREATE TABLE ledger_transactions (
    id BIGSERIAL NOT NULL,
    kind VARCHAR NOT NULL,
    source VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_ledger_transactions PRIMARY KEY (id),
    CONSTRAINT uq_ledger_transactions_source_kind UNIQUE (source, kind)
);

CREATE TABLE nodes (
    id BIGSERIAL NOT NULL,
    name VARCHAR NOT NULL,
    title JSONB NOT NULL,
    city JSONB NOT NULL,
    country VARCHAR NOT NULL,
    panel VARCHAR NOT NULL,
    address VARCHAR NOT NULL,
    sealed_access BYTEA NOT NULL,
    state VARCHAR NOT NULL,
    trouble VARCHAR,
    failures BIGINT NOT NULL,
    try_at TIMESTAMP WITH TIME ZONE,
    position BIGINT NOT NULL,
    panel_version VARCHAR NOT NULL,
    checked_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_nodes PRIMARY KEY (id),
    CONSTRAINT ck_nodes_state_known CHECK (state IN ('healthy', 'down', 'off')),
    CONSTRAINT ck_nodes_country_is_iso CHECK (country ~ '^[A-Z]{2}$'),
    CONSTRAINT uq_nodes_name UNIQUE (name)
);

CREATE TABLE payment_methods (
    name VARCHAR NOT NULL,
    enabled BOOLEAN NOT NULL,
    position BIGINT NOT NULL,
    sealed_config BYTEA NOT NULL,
    CONSTRAINT pk_payment_methods PRIMARY KEY (name)
);

CREATE TABLE plans (
    id BIGSERIAL NOT NULL,
    code VARCHAR NOT NULL,
    icon VARCHAR NOT NULL,
    title JSONB NOT NULL,
    description JSONB NOT NULL,
    traffic_bytes BIGINT NOT NULL,
    devices BIGINT NOT NULL,
    position BIGINT NOT NULL,
    active BOOLEAN NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_plans PRIMARY KEY (id),
    CONSTRAINT ck_plans_limits_not_negative CHECK (traffic_bytes >= 0 AND devices >= 0),
    CONSTRAINT uq_plans_code UNIQUE (code)
);

CREATE TABLE telegram_dialogues (
    key VARCHAR NOT NULL,
    state VARCHAR,
    data JSONB DEFAULT '{}'::jsonb NOT NULL,
    touched_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_telegram_dialogues PRIMARY KEY (key)
);
CREATE INDEX ix_telegram_dialogues_touched_at ON telegram_dialogues (touched_at);

CREATE TABLE telegram_profiles (
    bot_id BIGINT NOT NULL,
    fingerprint VARCHAR NOT NULL,
    CONSTRAINT pk_telegram_profiles PRIMARY KEY (bot_id)
);

CREATE TABLE telegram_updates (
    id BIGSERIAL NOT NULL,
    bot_id BIGINT NOT NULL,
    update_id BIGINT NOT NULL,
    kind VARCHAR NOT NULL,
    lane VARCHAR NOT NULL,
    raw JSONB NOT NULL,
    state VARCHAR DEFAULT 'new' NOT NULL,
    attempts BIGINT DEFAULT 0 NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    next_try_at TIMESTAMP WITH TIME ZONE NOT NULL,
    claimed_until TIMESTAMP WITH TIME ZONE,
    processed_at TIMESTAMP WITH TIME ZONE,
    error VARCHAR,
    CONSTRAINT pk_telegram_updates PRIMARY KEY (id),
    CONSTRAINT uq_telegram_updates_bot_id_update_id UNIQUE (bot_id, update_id),
    CONSTRAINT ck_telegram_updates_state_known CHECK (state IN ('new', 'done', 'failed', 'stale')),
    CONSTRAINT ck_telegram_updates_finished_has_a_time CHECK ((state = 'new') = (processed_at IS NULL))
);
CREATE INDEX ix_telegram_updates_new ON telegram_updates (bot_id, lane, id) WHERE state = 'new';
CREATE INDEX ix_telegram_updates_received_at ON telegram_updates (received_at);

CREATE TABLE webhook_events (
    id BIGSERIAL NOT NULL,
    provider VARCHAR NOT NULL,
    dedup_key VARCHAR NOT NULL,
    event VARCHAR NOT NULL,
    external_id VARCHAR,
    payment_ref VARCHAR,
    body BYTEA NOT NULL,
    remote_ip VARCHAR NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE NOT NULL,
    repeats BIGINT DEFAULT '0' NOT NULL,
    verdict VARCHAR,
    processed_at TIMESTAMP WITH TIME ZONE,
    attempts BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT pk_webhook_events PRIMARY KEY (id),
    CONSTRAINT uq_webhook_events_provider_dedup_key UNIQUE (provider, dedup_key)
);
CREATE INDEX ix_webhook_events_waiting ON webhook_events (due_at) WHERE processed_at IS NULL;

CREATE TABLE inbounds (
    id BIGSERIAL NOT NULL,
    node_id BIGINT NOT NULL,
    panel_id BIGINT NOT NULL,
    protocol VARCHAR NOT NULL,
    transport VARCHAR NOT NULL,
    security VARCHAR NOT NULL,
    port BIGINT NOT NULL,
    remark VARCHAR NOT NULL,
    enabled BOOLEAN NOT NULL,
    link JSONB NOT NULL,
    CONSTRAINT pk_inbounds PRIMARY KEY (id),
    CONSTRAINT uq_inbounds_node_id_panel_id UNIQUE (node_id, panel_id),
    CONSTRAINT ck_inbounds_port CHECK (port BETWEEN 0 AND 65535),
    CONSTRAINT fk_inbounds_node_id FOREIGN KEY(node_id) REFERENCES nodes (id)
);

CREATE TABLE ledger_entries (
    id BIGSERIAL NOT NULL,
    transaction_id BIGINT NOT NULL,
    account VARCHAR NOT NULL,
    minor BIGINT NOT NULL,
    currency VARCHAR NOT NULL,
    CONSTRAINT pk_ledger_entries PRIMARY KEY (id),
    CONSTRAINT ck_ledger_entries_amount_not_zero CHECK (minor <> 0),
    CONSTRAINT fk_ledger_entries_transaction_id FOREIGN KEY(transaction_id) REFERENCES ledger_transactions (id)
);
CREATE INDEX ix_ledger_entries_account ON ledger_entries (account);
CREATE INDEX ix_ledger_entries_transaction_id ON ledger_entries (transaction_id);

CREATE TABLE notices (
    id BIGSERIAL NOT NULL,
    customer_id BIGINT NOT NULL,
    kind VARCHAR NOT NULL,
    dedup_key VARCHAR NOT NULL,
    payload JSONB NOT NULL,
    state VARCHAR DEFAULT 'queued' NOT NULL,
    attempts BIGINT DEFAULT 0 NOT NULL,
    unsure BIGINT DEFAULT 0 NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    sent_at TIMESTAMP WITH TIME ZONE,
    message_id BIGINT,
    error VARCHAR,
    CONSTRAINT pk_notices PRIMARY KEY (id),
    CONSTRAINT ck_notices_state_known CHECK (state IN ('queued', 'sent', 'blocked', 'failed')),
    CONSTRAINT ck_notices_sent_has_a_time CHECK ((state = 'sent') = (sent_at IS NOT NULL)),
    CONSTRAINT fk_notices_customer_id FOREIGN KEY(customer_id) REFERENCES customers (id),
    CONSTRAINT uq_notices_dedup_key UNIQUE (dedup_key)
);
CREATE INDEX ix_notices_queued ON notices (customer_id, id) WHERE state = 'queued';

CREATE TABLE subscriptions (
    id BIGSERIAL NOT NULL,
    ref VARCHAR NOT NULL,
    customer_id BIGINT NOT NULL,
    plan_code VARCHAR NOT NULL,
    token VARCHAR NOT NULL,
    uuid VARCHAR NOT NULL,
    password VARCHAR NOT NULL,
    sub_id VARCHAR NOT NULL,
    snapshot JSONB NOT NULL,
    traffic_bytes BIGINT NOT NULL,
    devices BIGINT NOT NULL,
    starts_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ends_at TIMESTAMP WITH TIME ZONE NOT NULL,
    revision BIGINT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_subscriptions PRIMARY KEY (id),
    CONSTRAINT uq_subscriptions_customer_id_plan_code UNIQUE (customer_id, plan_code),
    CONSTRAINT ck_subscriptions_ends_after_start CHECK (ends_at >= starts_at),
    CONSTRAINT uq_subscriptions_ref UNIQUE (ref),
    CONSTRAINT fk_subscriptions_customer_id FOREIGN KEY(customer_id) REFERENCES customers (id),
    CONSTRAINT uq_subscriptions_token UNIQUE (token),
    CONSTRAINT uq_subscriptions_uuid UNIQUE (uuid),
    CONSTRAINT uq_subscriptions_password UNIQUE (password),
    CONSTRAINT uq_subscriptions_sub_id UNIQUE (sub_id)
);
CREATE INDEX ix_subscriptions_ends_at ON subscriptions (ends_at);

CREATE TABLE terms (
    id BIGSERIAL NOT NULL,
    plan_id BIGINT NOT NULL,
    days BIGINT NOT NULL,
    active BOOLEAN NOT NULL,
    CONSTRAINT pk_terms PRIMARY KEY (id),
    CONSTRAINT uq_terms_plan_id_days UNIQUE (plan_id, days),
    CONSTRAINT ck_terms_days_positive CHECK (days > 0),
    CONSTRAINT fk_terms_plan_id FOREIGN KEY(plan_id) REFERENCES plans (id)
);

CREATE TABLE keys (
    id BIGSERIAL NOT NULL,
    subscription_id BIGINT NOT NULL,
    node_id BIGINT NOT NULL,
    wanted_revision BIGINT NOT NULL,
    seen_revision BIGINT,
    seen_at TIMESTAMP WITH TIME ZONE,
    up BIGINT DEFAULT '0' NOT NULL,
    down BIGINT DEFAULT '0' NOT NULL,
    failures BIGINT DEFAULT '0' NOT NULL,
    error VARCHAR,
    try_at TIMESTAMP WITH TIME ZONE NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_keys PRIMARY KEY (id),
    CONSTRAINT uq_keys_subscription_id_node_id UNIQUE (subscription_id, node_id),
    CONSTRAINT fk_keys_subscription_id FOREIGN KEY(subscription_id) REFERENCES subscriptions (id),
    CONSTRAINT fk_keys_node_id FOREIGN KEY(node_id) REFERENCES nodes (id)
);
CREATE INDEX ix_keys_owed ON keys (node_id, try_at) WHERE seen_revision IS DISTINCT FROM wanted_revision;

CREATE TABLE orders (
    id BIGSERIAL NOT NULL,
    ref VARCHAR NOT NULL,
    customer_id BIGINT NOT NULL,
    term_id BIGINT NOT NULL,
    tap VARCHAR NOT NULL,
    snapshot JSONB NOT NULL,
    minor BIGINT NOT NULL,
    currency VARCHAR NOT NULL,
    state VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    paid_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_orders PRIMARY KEY (id),
    CONSTRAINT ck_orders_amount_positive CHECK (minor > 0),
    CONSTRAINT ck_orders_state_known CHECK (state IN ('open', 'paid')),
    CONSTRAINT ck_orders_paid_has_a_time CHECK ((state = 'paid') = (paid_at IS NOT NULL)),
    CONSTRAINT uq_orders_ref UNIQUE (ref),
    CONSTRAINT fk_orders_customer_id FOREIGN KEY(customer_id) REFERENCES customers (id),
    CONSTRAINT fk_orders_term_id FOREIGN KEY(term_id) REFERENCES terms (id),
    CONSTRAINT uq_orders_tap UNIQUE (tap)
);
CREATE INDEX ix_orders_customer_id ON orders (customer_id);

CREATE TABLE prices (
    term_id BIGINT NOT NULL,
    currency VARCHAR NOT NULL,
    minor BIGINT NOT NULL,
    CONSTRAINT pk_prices PRIMARY KEY (term_id, currency),
    CONSTRAINT ck_prices_price_positive CHECK (minor > 0),
    CONSTRAINT fk_prices_term_id FOREIGN KEY(term_id) REFERENCES terms (id)
);

CREATE TABLE payments (
    id BIGSERIAL NOT NULL,
    ref VARCHAR NOT NULL,
    order_id BIGINT NOT NULL,
    provider VARCHAR NOT NULL,
    idempotency_key VARCHAR NOT NULL,
    request JSONB NOT NULL,
    external_id VARCHAR,
    pay_url VARCHAR,
    state VARCHAR NOT NULL,
    minor BIGINT NOT NULL,
    currency VARCHAR NOT NULL,
    refunded BIGINT DEFAULT '0' NOT NULL,
    reason VARCHAR,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    opened_at TIMESTAMP WITH TIME ZONE,
    succeeded_at TIMESTAMP WITH TIME ZONE,
    ask_at TIMESTAMP WITH TIME ZONE,
    asked BIGINT NOT NULL,
    CONSTRAINT pk_payments PRIMARY KEY (id),
    CONSTRAINT uq_payments_provider_external_id UNIQUE (provider, external_id),
    CONSTRAINT uq_payments_provider_idempotency_key UNIQUE (provider, idempotency_key),
    CONSTRAINT ck_payments_amount_positive CHECK (minor > 0),
    CONSTRAINT ck_payments_refunded_at_most_all CHECK (refunded BETWEEN 0 AND minor),
    CONSTRAINT ck_payments_state_known CHECK (state IN ('creating', 'pending', 'succeeded', 'cancelled', 'review')),
    CONSTRAINT ck_payments_success_has_a_time CHECK ((state = 'succeeded') = (succeeded_at IS NOT NULL)),
    CONSTRAINT uq_payments_ref UNIQUE (ref),
    CONSTRAINT fk_payments_order_id FOREIGN KEY(order_id) REFERENCES orders (id)
);
CREATE INDEX ix_payments_order_id ON payments (order_id);
CREATE INDEX ix_payments_succeeded_at ON payments (succeeded_at) WHERE succeeded_at IS NOT NULL;
CREATE INDEX ix_payments_to_ask ON payments (ask_at) WHERE ask_at IS NOT NULL;

CREATE TABLE grants (
    id BIGSERIAL NOT NULL,
    subscription_id BIGINT NOT NULL,
    payment_id BIGINT NOT NULL,
    order_id BIGINT NOT NULL,
    days BIGINT NOT NULL,
    ended_before TIMESTAMP WITH TIME ZONE,
    ends_at TIMESTAMP WITH TIME ZONE NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_grants PRIMARY KEY (id),
    CONSTRAINT ck_grants_days_positive CHECK (days > 0),
    CONSTRAINT fk_grants_subscription_id FOREIGN KEY(subscription_id) REFERENCES subscriptions (id),
    CONSTRAINT uq_grants_payment_id UNIQUE (payment_id),
    CONSTRAINT fk_grants_payment_id FOREIGN KEY(payment_id) REFERENCES payments (id),
    CONSTRAINT uq_grants_order_id UNIQUE (order_id),
    CONSTRAINT fk_grants_order_id FOREIGN KEY(order_id) REFERENCES orders (id)
);
CREATE INDEX ix_grants_subscription_id ON grants (subscription_id);

