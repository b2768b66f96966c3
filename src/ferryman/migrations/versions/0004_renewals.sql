-- What a customer agreed to be charged by itself; one that is active for each subscription.
CREATE TABLE renewals (
    id BIGSERIAL NOT NULL,
    subscription_id BIGINT NOT NULL,
    customer_id BIGINT NOT NULL,
    by VARCHAR NOT NULL,
    provider VARCHAR NOT NULL,
    way VARCHAR DEFAULT '' NOT NULL,
    sealed_token BYTEA,
    external_id VARCHAR,
    title VARCHAR DEFAULT '' NOT NULL,
    payment_id BIGINT,
    term_id BIGINT NOT NULL,
    days BIGINT NOT NULL,
    minor BIGINT NOT NULL,
    currency VARCHAR NOT NULL,
    state VARCHAR DEFAULT 'active' NOT NULL,
    period_end TIMESTAMP WITH TIME ZONE NOT NULL,
    next_try_at TIMESTAMP WITH TIME ZONE,
    first_try_at TIMESTAMP WITH TIME ZONE,
    tries BIGINT DEFAULT '0' NOT NULL,
    last_reason VARCHAR DEFAULT '' NOT NULL,
    told_at TIMESTAMP WITH TIME ZONE,
    told_minor BIGINT,
    agreed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    stopped_at TIMESTAMP WITH TIME ZONE,
    why VARCHAR DEFAULT '' NOT NULL,
    unhooked BOOLEAN DEFAULT 'true' NOT NULL,
    CONSTRAINT pk_renewals PRIMARY KEY (id),
    CONSTRAINT fk_renewals_subscription_id FOREIGN KEY (subscription_id) REFERENCES subscriptions (id),
    CONSTRAINT fk_renewals_customer_id FOREIGN KEY (customer_id) REFERENCES customers (id),
    CONSTRAINT fk_renewals_payment_id FOREIGN KEY (payment_id) REFERENCES payments (id),
    CONSTRAINT fk_renewals_term_id FOREIGN KEY (term_id) REFERENCES terms (id),
    CONSTRAINT ck_renewals_by_known CHECK (by IN ('kept', 'stars', 'balance')),
    CONSTRAINT ck_renewals_state_known CHECK (state IN ('active', 'stopped', 'failed')),
    CONSTRAINT ck_renewals_numbers_make_sense CHECK (minor > 0 AND days > 0 AND tries >= 0),
    CONSTRAINT ck_renewals_ended_has_a_time CHECK ((state = 'active') = (stopped_at IS NULL)),
    CONSTRAINT ck_renewals_active_has_a_next_look CHECK ((state = 'active') = (next_try_at IS NOT NULL))
);
CREATE UNIQUE INDEX uq_renewals_active ON renewals (subscription_id) WHERE state = 'active';
CREATE INDEX ix_renewals_subscription_id ON renewals (subscription_id);
CREATE INDEX ix_renewals_customer_id ON renewals (customer_id);
CREATE INDEX ix_renewals_next_try_at ON renewals (next_try_at) WHERE state = 'active';
CREATE INDEX ix_renewals_to_unhook ON renewals (id) WHERE NOT unhooked;

-- Each try to charge one: what the provider is asked for is the payment, repeated as it is until its end is known.
CREATE TABLE renewal_charges (
    payment_id BIGINT NOT NULL,
    renewal_id BIGINT NOT NULL,
    period_end TIMESTAMP WITH TIME ZONE NOT NULL,
    counted BOOLEAN DEFAULT 'false' NOT NULL,
    CONSTRAINT pk_renewal_charges PRIMARY KEY (payment_id),
    CONSTRAINT fk_renewal_charges_payment_id FOREIGN KEY (payment_id) REFERENCES payments (id),
    CONSTRAINT fk_renewal_charges_renewal_id FOREIGN KEY (renewal_id) REFERENCES renewals (id)
);
CREATE INDEX ix_renewal_charges_renewal_id ON renewal_charges (renewal_id);
