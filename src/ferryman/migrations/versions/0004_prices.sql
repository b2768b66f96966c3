-- Rules that make things cheaper, and each use that was made of one.
CREATE TABLE discounts (
    id BIGSERIAL NOT NULL,
    kind VARCHAR NOT NULL,
    code VARCHAR,
    percent BIGINT,
    minor BIGINT,
    currency VARCHAR,
    plans JSONB DEFAULT '[]' NOT NULL,
    customer_id BIGINT,
    newcomers BOOLEAN DEFAULT false NOT NULL,
    threshold BIGINT DEFAULT '0' NOT NULL,
    most BIGINT DEFAULT '0' NOT NULL,
    most_each BIGINT DEFAULT '0' NOT NULL,
    begins_at TIMESTAMP WITH TIME ZONE,
    ends_at TIMESTAMP WITH TIME ZONE,
    active BOOLEAN DEFAULT true NOT NULL,
    by VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_discounts PRIMARY KEY (id),
    CONSTRAINT uq_discounts_code UNIQUE (code),
    CONSTRAINT fk_discounts_customer_id FOREIGN KEY (customer_id) REFERENCES customers (id),
    CONSTRAINT ck_discounts_kind_known CHECK (kind IN ('personal', 'volume', 'promo')),
    CONSTRAINT ck_discounts_promo_has_a_code CHECK ((kind = 'promo') = (code IS NOT NULL)),
    CONSTRAINT ck_discounts_personal_has_a_customer CHECK ((kind = 'personal') = (customer_id IS NOT NULL)),
    CONSTRAINT ck_discounts_volume_has_a_threshold CHECK ((kind = 'volume') = (threshold > 0)),
    CONSTRAINT ck_discounts_percent_or_amount CHECK ((percent IS NULL) <> (minor IS NULL)),
    CONSTRAINT ck_discounts_amount_has_a_currency CHECK ((minor IS NULL) = (currency IS NULL)),
    CONSTRAINT ck_discounts_something_comes_off CHECK (coalesce(percent BETWEEN 1 AND 99, minor > 0)),
    CONSTRAINT ck_discounts_limits_not_negative CHECK (most >= 0 AND most_each >= 0 AND threshold >= 0),
    CONSTRAINT ck_discounts_only_codes_are_counted CHECK (kind = 'promo' OR most = 0 AND most_each = 0),
    CONSTRAINT ck_discounts_newcomers_once CHECK (NOT newcomers OR most_each = 1),
    CONSTRAINT ck_discounts_ends_after_it_begins CHECK (ends_at > begins_at)
);
CREATE INDEX ix_discounts_customer_id ON discounts (customer_id);

-- The promo code that a customer has typed, until they buy with it or take it away.
CREATE TABLE entered_codes (
    customer_id BIGINT NOT NULL,
    discount_id BIGINT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_entered_codes PRIMARY KEY (customer_id),
    CONSTRAINT fk_entered_codes_customer_id FOREIGN KEY (customer_id) REFERENCES customers (id),
    CONSTRAINT fk_entered_codes_discount_id FOREIGN KEY (discount_id) REFERENCES discounts (id)
);

CREATE TABLE discount_uses (
    id BIGSERIAL NOT NULL,
    discount_id BIGINT NOT NULL,
    order_id BIGINT NOT NULL,
    customer_id BIGINT NOT NULL,
    state VARCHAR NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    reserved_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_discount_uses PRIMARY KEY (id),
    CONSTRAINT uq_discount_uses_discount_id_order_id UNIQUE (discount_id, order_id),
    CONSTRAINT fk_discount_uses_discount_id FOREIGN KEY (discount_id) REFERENCES discounts (id),
    CONSTRAINT fk_discount_uses_order_id FOREIGN KEY (order_id) REFERENCES orders (id),
    CONSTRAINT fk_discount_uses_customer_id FOREIGN KEY (customer_id) REFERENCES customers (id),
    CONSTRAINT ck_discount_uses_state_known CHECK (state IN ('reserved', 'consumed', 'released'))
);
CREATE INDEX ix_discount_uses_order_id ON discount_uses (order_id);
CREATE INDEX ix_discount_uses_by_customer ON discount_uses (discount_id, customer_id);
CREATE INDEX ix_discount_uses_reserved ON discount_uses (at) WHERE state = 'reserved';
-- A use that was paid for stays one.
CREATE FUNCTION use_is_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'use % of a discount is paid for', OLD.id USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER discount_uses_consumed_is_final BEFORE UPDATE OF state ON discount_uses
    FOR EACH ROW WHEN (OLD.state = 'consumed' AND NEW.state <> 'consumed') EXECUTE FUNCTION use_is_final();

-- What an upgrade took over of the subscription that was given in for it: `carried` minor units of what had been paid
-- for it and had not gone back; `parts` is whose money that was, by payment id. `seconds` is how long the new plan
-- lasts.
CREATE TABLE upgrades (
    grant_id BIGINT NOT NULL,
    from_plan VARCHAR NOT NULL,
    replaced BOOLEAN NOT NULL,
    seconds BIGINT NOT NULL,
    traffic_bytes BIGINT NOT NULL,
    carried BIGINT NOT NULL,
    currency VARCHAR NOT NULL,
    parts JSONB DEFAULT '{}' NOT NULL,
    CONSTRAINT pk_upgrades PRIMARY KEY (grant_id),
    CONSTRAINT fk_upgrades_grant_id FOREIGN KEY (grant_id) REFERENCES grants (id),
    CONSTRAINT ck_upgrades_nothing_negative CHECK (seconds >= 0 AND carried >= 0 AND traffic_bytes >= 0)
);
