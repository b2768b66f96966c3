-- Money that goes back, whoever wanted it; `through` is how: the provider's API, the customer's balance, or by hand.
CREATE TABLE refunds (
    id BIGSERIAL NOT NULL,
    ref VARCHAR NOT NULL,
    payment_id BIGINT NOT NULL,
    provider VARCHAR NOT NULL,
    idempotency_key VARCHAR NOT NULL,
    external_id VARCHAR,
    state VARCHAR NOT NULL,
    minor BIGINT NOT NULL,
    currency VARCHAR NOT NULL,
    origin VARCHAR NOT NULL,
    through VARCHAR NOT NULL,
    whole BOOLEAN NOT NULL,
    takes VARCHAR NOT NULL,
    taken_seconds BIGINT DEFAULT '0' NOT NULL,
    taken_bytes BIGINT DEFAULT '0' NOT NULL,
    again_seconds BIGINT DEFAULT '0' NOT NULL,
    again_bytes BIGINT DEFAULT '0' NOT NULL,
    won_back BIGINT DEFAULT '0' NOT NULL,
    by VARCHAR NOT NULL,
    why VARCHAR NOT NULL,
    reason VARCHAR,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    sent_at TIMESTAMP WITH TIME ZONE,
    finished_at TIMESTAMP WITH TIME ZONE,
    ask_at TIMESTAMP WITH TIME ZONE,
    asked BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT pk_refunds PRIMARY KEY (id),
    CONSTRAINT uq_refunds_ref UNIQUE (ref),
    CONSTRAINT uq_refunds_idempotency_key UNIQUE (idempotency_key),
    CONSTRAINT uq_refunds_provider_external_id UNIQUE (provider, external_id),
    CONSTRAINT fk_refunds_payment_id FOREIGN KEY (payment_id) REFERENCES payments (id),
    CONSTRAINT ck_refunds_amount_positive CHECK (minor > 0),
    CONSTRAINT ck_refunds_state_known CHECK (state IN ('requested', 'sent', 'succeeded', 'failed')),
    CONSTRAINT ck_refunds_origin_known CHECK (origin IN ('operator', 'provider', 'chargeback')),
    CONSTRAINT ck_refunds_through_known CHECK (through IN ('provider', 'balance', 'hand')),
    CONSTRAINT ck_refunds_takes_known CHECK (takes IN ('share', 'unused', 'nothing')),
    CONSTRAINT ck_refunds_taken_not_negative CHECK (taken_seconds >= 0 AND taken_bytes >= 0),
    CONSTRAINT ck_refunds_again_is_taken CHECK (again_seconds BETWEEN 0 AND taken_seconds AND again_bytes BETWEEN 0 AND taken_bytes),
    CONSTRAINT ck_refunds_won_back_at_most_all CHECK (won_back BETWEEN 0 AND minor),
    CONSTRAINT ck_refunds_won_back_from_a_bank CHECK (won_back = 0 OR (through = 'provider' AND state = 'succeeded')),
    CONSTRAINT ck_refunds_end_has_a_time CHECK ((state IN ('succeeded', 'failed')) = (finished_at IS NOT NULL)),
    CONSTRAINT ck_refunds_asked_while_open CHECK ((state IN ('requested', 'sent')) = (ask_at IS NOT NULL))
);
CREATE INDEX ix_refunds_payment_id ON refunds (payment_id);
CREATE INDEX ix_refunds_to_ask ON refunds (ask_at) WHERE ask_at IS NOT NULL;
CREATE INDEX ix_refunds_finished_at ON refunds (finished_at) WHERE state = 'succeeded';
-- Money that went back stays recorded.
CREATE TRIGGER refunds_success_is_final BEFORE UPDATE OF state ON refunds
    FOR EACH ROW WHEN (OLD.state = 'succeeded' AND NEW.state <> 'succeeded') EXECUTE FUNCTION success_is_final();

-- Codes are kept as hashes only: a stolen table redeems nothing. `face` is what an order's snapshot is, or NULL for one
-- that is worth money alone.
CREATE TABLE gift_codes (
    id BIGSERIAL NOT NULL,
    ref VARCHAR NOT NULL,
    code_hash VARCHAR NOT NULL,
    state VARCHAR NOT NULL,
    term_id BIGINT,
    face JSONB,
    minor BIGINT NOT NULL,
    currency VARCHAR NOT NULL,
    payment_id BIGINT,
    by VARCHAR NOT NULL,
    why VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE,
    customer_id BIGINT,
    order_id BIGINT,
    ended_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_gift_codes PRIMARY KEY (id),
    CONSTRAINT uq_gift_codes_ref UNIQUE (ref),
    CONSTRAINT uq_gift_codes_code_hash UNIQUE (code_hash),
    CONSTRAINT uq_gift_codes_order_id UNIQUE (order_id),
    CONSTRAINT fk_gift_codes_term_id FOREIGN KEY (term_id) REFERENCES terms (id),
    CONSTRAINT fk_gift_codes_payment_id FOREIGN KEY (payment_id) REFERENCES payments (id),
    CONSTRAINT fk_gift_codes_customer_id FOREIGN KEY (customer_id) REFERENCES customers (id),
    CONSTRAINT fk_gift_codes_order_id FOREIGN KEY (order_id) REFERENCES orders (id),
    CONSTRAINT ck_gift_codes_amount_positive CHECK (minor > 0),
    CONSTRAINT ck_gift_codes_state_known CHECK (state IN ('new', 'redeemed', 'void')),
    CONSTRAINT ck_gift_codes_plan_has_its_term CHECK ((face IS NULL) = (term_id IS NULL)),
    CONSTRAINT ck_gift_codes_end_has_a_time CHECK ((state = 'new') = (ended_at IS NULL)),
    CONSTRAINT ck_gift_codes_redeemed_by_somebody CHECK ((state = 'redeemed') = (customer_id IS NOT NULL))
);
CREATE INDEX ix_gift_codes_payment_id ON gift_codes (payment_id);
CREATE TRIGGER gift_codes_redeemed_is_final BEFORE UPDATE OF state ON gift_codes
    FOR EACH ROW WHEN (OLD.state <> 'new' AND NEW.state <> OLD.state) EXECUTE FUNCTION success_is_final();

-- Codes that were wrong, so that nobody may try them all.
CREATE TABLE gift_guesses (
    id BIGSERIAL NOT NULL,
    customer_id BIGINT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_gift_guesses PRIMARY KEY (id),
    CONSTRAINT fk_gift_guesses_customer_id FOREIGN KEY (customer_id) REFERENCES customers (id)
);
CREATE INDEX ix_gift_guesses_customer_id_at ON gift_guesses (customer_id, at);
