-- The operator's choice among a provider's ways to pay; without a row a way is as the provider has it, and on.
CREATE TABLE payment_ways (
    provider VARCHAR NOT NULL,
    code VARCHAR NOT NULL,
    enabled BOOLEAN NOT NULL,
    position BIGINT NOT NULL,
    icon VARCHAR,
    title JSONB,
    CONSTRAINT pk_payment_ways PRIMARY KEY (provider, code),
    CONSTRAINT fk_payment_ways_provider FOREIGN KEY (provider) REFERENCES payment_methods (name)
);

-- Since when a provider does not accept the shop's credentials; nothing new is offered there meanwhile.
ALTER TABLE payment_methods ADD COLUMN denied_at TIMESTAMP WITH TIME ZONE;

ALTER TABLE customers ADD COLUMN contact VARCHAR;

ALTER TABLE orders
    ADD COLUMN kind VARCHAR DEFAULT 'purchase' NOT NULL,
    ADD COLUMN quote JSONB DEFAULT '{}' NOT NULL,
    ADD COLUMN subscription_id BIGINT,
    ADD COLUMN cancelled_at TIMESTAMP WITH TIME ZONE,
    DROP CONSTRAINT ck_orders_state_known,
    ADD CONSTRAINT ck_orders_state_known CHECK (state IN ('open', 'paid', 'cancelled')),
    ADD CONSTRAINT ck_orders_cancelled_has_a_time CHECK (state <> 'cancelled' OR cancelled_at IS NOT NULL),
    ADD CONSTRAINT fk_orders_subscription_id FOREIGN KEY (subscription_id) REFERENCES subscriptions (id),
    ADD CONSTRAINT ck_orders_kind_known CHECK (kind IN ('purchase', 'renewal', 'upgrade', 'gift')),
    ADD CONSTRAINT ck_orders_upgrade_has_a_subscription CHECK (kind NOT IN ('renewal', 'upgrade') OR subscription_id IS NOT NULL);

ALTER TABLE payments
    ADD COLUMN way VARCHAR DEFAULT '' NOT NULL,
    ADD COLUMN fee BIGINT,
    ADD COLUMN charged_back BIGINT DEFAULT '0' NOT NULL,
    ADD COLUMN to_stop BOOLEAN DEFAULT 'false' NOT NULL,
    ADD COLUMN look_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN details JSONB DEFAULT '{}' NOT NULL,
    ADD CONSTRAINT ck_payments_charged_back_at_most_all CHECK (charged_back BETWEEN 0 AND minor - refunded);

ALTER TABLE webhook_events
    ADD COLUMN headers JSONB DEFAULT '{}' NOT NULL,
    ADD COLUMN query VARCHAR DEFAULT '' NOT NULL,
    ADD COLUMN fact JSONB,
    ADD COLUMN trace JSONB DEFAULT '[]' NOT NULL,
    ADD COLUMN redacted_at TIMESTAMP WITH TIME ZONE;
CREATE INDEX ix_webhook_events_received_at ON webhook_events (received_at) WHERE redacted_at IS NULL;

ALTER TABLE ledger_transactions ADD COLUMN details JSONB DEFAULT '{}' NOT NULL;

-- Every change of a subscription's end that is no grant, and who made it. `cause` happens once per `kind`.
CREATE TABLE adjustments (
    id BIGSERIAL NOT NULL,
    subscription_id BIGINT NOT NULL,
    kind VARCHAR NOT NULL,
    cause VARCHAR NOT NULL,
    ended_before TIMESTAMP WITH TIME ZONE NOT NULL,
    ends_at TIMESTAMP WITH TIME ZONE NOT NULL,
    by VARCHAR NOT NULL,
    why VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_adjustments PRIMARY KEY (id),
    CONSTRAINT fk_adjustments_subscription_id FOREIGN KEY (subscription_id) REFERENCES subscriptions (id),
    CONSTRAINT uq_adjustments_cause_kind UNIQUE (cause, kind)
);
CREATE INDEX ix_adjustments_subscription_id ON adjustments (subscription_id);
-- What staff changed before there was this table counts as explained.
INSERT INTO adjustments (subscription_id, kind, cause, ended_before, ends_at, by, why, created_at)
    SELECT s.id, 'taken_over', 'subscription:' || s.ref, s.ends_at, s.ends_at, 'system', 'as it was found by the upgrade', now()
    FROM subscriptions s WHERE NOT EXISTS (SELECT 1 FROM grants g WHERE g.subscription_id = s.id AND g.ends_at = s.ends_at);

-- "Key without money", the twin of "money without key": time that no grant and no adjustment explains. The newest of
-- them says until when a subscription may last; it is kept in its row, so that the question costs as much as its answer.
ALTER TABLE subscriptions ADD COLUMN explained_until TIMESTAMP WITH TIME ZONE;
UPDATE subscriptions s SET explained_until = s.ends_at;
CREATE FUNCTION end_is_explained() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE subscriptions SET explained_until = NEW.ends_at WHERE id = NEW.subscription_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER grants_explain AFTER INSERT ON grants FOR EACH ROW EXECUTE FUNCTION end_is_explained();
CREATE TRIGGER adjustments_explain AFTER INSERT ON adjustments FOR EACH ROW EXECUTE FUNCTION end_is_explained();
CREATE INDEX ix_subscriptions_unexplained ON subscriptions (ends_at)
    WHERE explained_until IS NULL OR ends_at > explained_until;
CREATE VIEW key_without_money AS
SELECT s.id AS subscription_id, s.ref, s.ends_at, s.explained_until
FROM subscriptions s
WHERE (s.explained_until IS NULL OR s.ends_at > s.explained_until) AND s.ends_at > coalesce(s.frozen_at, now());

-- What the comparison with a provider's own list found: theirs and not ours, ours and not theirs, or not the same.
CREATE TABLE bank_findings (
    id BIGSERIAL NOT NULL,
    provider VARCHAR NOT NULL,
    external_id VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    payment_ref VARCHAR,
    minor BIGINT NOT NULL,
    currency VARCHAR NOT NULL,
    what VARCHAR NOT NULL,
    found_at TIMESTAMP WITH TIME ZONE NOT NULL,
    seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
    resolved_at TIMESTAMP WITH TIME ZONE,
    told_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_bank_findings PRIMARY KEY (id),
    CONSTRAINT uq_bank_findings_provider_external_id_kind UNIQUE (provider, external_id, kind),
    CONSTRAINT ck_bank_findings_kind_known CHECK (kind IN ('unknown_here', 'unknown_there', 'differs', 'unreadable'))
);
-- The last comparison of each provider that came to its end.
CREATE TABLE bank_comparisons (
    provider VARCHAR NOT NULL,
    compared_at TIMESTAMP WITH TIME ZONE NOT NULL,
    theirs BIGINT NOT NULL,
    ours BIGINT NOT NULL,
    recovered BIGINT NOT NULL,
    CONSTRAINT pk_bank_comparisons PRIMARY KEY (provider)
);
-- What is wrong about money right now, case by case, and when the staff were told of each.
CREATE TABLE alarms (
    what VARCHAR NOT NULL,
    about VARCHAR NOT NULL,
    seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
    told_at TIMESTAMP WITH TIME ZONE,
    gone_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_alarms PRIMARY KEY (what, about)
);
CREATE INDEX ix_payments_created_at ON payments (created_at);

-- What is asked every few seconds, or by every look at the numbers, must not read all that ever was.
CREATE INDEX ix_grants_created_at ON grants (created_at);
CREATE INDEX ix_payments_to_stop ON payments (id) WHERE to_stop;
-- Successes are asked about again, spread over the day. Where nothing can go back any more the first look ends it.
UPDATE payments SET look_at = now() + random() * INTERVAL '1 day'
    WHERE state = 'succeeded' AND external_id IS NOT NULL AND succeeded_at > now() - INTERVAL '400 days';
CREATE INDEX ix_payments_to_look_at ON payments (provider, look_at) WHERE look_at IS NOT NULL;
CREATE INDEX ix_payments_in_review ON payments (id) WHERE state = 'review';
CREATE INDEX ix_payments_refunded ON payments (id) WHERE refunded > 0;
CREATE INDEX ix_webhook_events_without_order ON webhook_events (id) WHERE verdict = 'money_without_order';

-- The same question as before, asked from both ends: successes without a grant, and subscriptions that still run and
-- whose keys are not all in order. Of several payments for one subscription the newest stands for all.
DROP VIEW money_without_key;
CREATE VIEW money_without_key AS
SELECT p.id AS payment_id, p.ref, p.succeeded_at, 'not granted' AS why
FROM payments p
WHERE p.state = 'succeeded' AND NOT EXISTS (SELECT 1 FROM grants g WHERE g.payment_id = p.id)
  AND NOT EXISTS (SELECT 1 FROM ledger_transactions c WHERE c.kind = 'credit' AND c.source = 'payment:' || p.ref)
UNION ALL
SELECT p.id, p.ref, p.succeeded_at, 'keys missing'
FROM subscriptions s
JOIN LATERAL (SELECT payment_id FROM grants WHERE subscription_id = s.id ORDER BY id DESC LIMIT 1) newest ON true
JOIN payments p ON p.id = newest.payment_id
WHERE s.ends_at > coalesce(s.frozen_at, now()) AND (
    s.placed_revision <> s.revision
    OR NOT EXISTS (
      SELECT 1 FROM keys k JOIN nodes n ON n.id = k.node_id
      WHERE k.subscription_id = s.id AND k.wanted AND n.mode IN ('active', 'draining') AND n.quarantined_at IS NULL)
    OR EXISTS (
      SELECT 1 FROM keys k JOIN nodes n ON n.id = k.node_id
      WHERE k.subscription_id = s.id AND k.wanted AND n.mode IN ('active', 'draining') AND n.quarantined_at IS NULL
        AND k.seen_revision IS DISTINCT FROM s.revision));
