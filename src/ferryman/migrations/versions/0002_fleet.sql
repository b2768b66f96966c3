-- Every node becomes a location of its own; several may share one later.
CREATE TABLE locations (
    id BIGSERIAL NOT NULL,
    code VARCHAR NOT NULL,
    country VARCHAR NOT NULL,
    title JSONB NOT NULL,
    city JSONB NOT NULL,
    position BIGINT NOT NULL,
    CONSTRAINT pk_locations PRIMARY KEY (id),
    CONSTRAINT ck_locations_country_is_iso CHECK (country ~ '^[A-Z]{2}$'),
    CONSTRAINT uq_locations_code UNIQUE (code)
);
INSERT INTO locations (code, country, title, city, position)
    SELECT name, country, title, city, position FROM nodes ORDER BY position, id;

-- What the operator wants of a node and how it does were one column.
ALTER TABLE nodes
    ADD COLUMN location_id BIGINT,
    ADD COLUMN mode VARCHAR DEFAULT 'active' NOT NULL,
    ADD COLUMN priority BIGINT DEFAULT '50' NOT NULL,
    ADD COLUMN capacity_clients BIGINT DEFAULT '0' NOT NULL,
    ADD COLUMN capacity_bytes BIGINT DEFAULT '0' NOT NULL,
    ADD COLUMN state_since TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    ADD COLUMN quarantined_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN successes BIGINT DEFAULT '0' NOT NULL,
    ADD COLUMN latency_ms BIGINT,
    ADD COLUMN clock_skew BIGINT,
    ADD COLUMN audited_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN ailment VARCHAR DEFAULT '' NOT NULL,
    ADD COLUMN ailing BIGINT DEFAULT '0' NOT NULL,
    ADD COLUMN trying_until TIMESTAMP WITH TIME ZONE,
    ADD COLUMN told_state VARCHAR DEFAULT 'healthy' NOT NULL,
    ADD COLUMN told_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN draining_from BIGINT;
UPDATE nodes SET location_id = locations.id FROM locations WHERE locations.code = nodes.name;
UPDATE nodes SET mode = 'off', state = 'healthy' WHERE state = 'off';
ALTER TABLE nodes
    ALTER COLUMN location_id SET NOT NULL,
    ADD CONSTRAINT fk_nodes_location_id FOREIGN KEY (location_id) REFERENCES locations (id),
    DROP CONSTRAINT ck_nodes_state_known,
    ADD CONSTRAINT ck_nodes_state_known CHECK (state IN ('healthy', 'degraded', 'down')),
    ADD CONSTRAINT ck_nodes_mode_known CHECK (mode IN ('active', 'draining', 'off', 'retired')),
    ADD CONSTRAINT ck_nodes_priority_in_range CHECK (priority BETWEEN 0 AND 100),
    ADD CONSTRAINT ck_nodes_capacities_not_negative CHECK (capacity_clients >= 0 AND capacity_bytes >= 0),
    DROP COLUMN title, DROP COLUMN city;
ALTER TABLE inbounds
    ADD COLUMN tags JSONB DEFAULT '[]' NOT NULL,
    ADD COLUMN missing_since TIMESTAMP WITH TIME ZONE;

CREATE TABLE node_samples (
    id BIGSERIAL NOT NULL,
    node_id BIGINT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    state VARCHAR NOT NULL,
    latency_ms BIGINT,
    clients BIGINT NOT NULL,
    online BIGINT NOT NULL,
    up BIGINT NOT NULL,
    down BIGINT NOT NULL,
    used_up BIGINT DEFAULT '0' NOT NULL,
    used_down BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT pk_node_samples PRIMARY KEY (id),
    CONSTRAINT fk_node_samples_node_id FOREIGN KEY (node_id) REFERENCES nodes (id)
);
CREATE INDEX ix_node_samples_node_id_at ON node_samples (node_id, at);

CREATE TABLE fleet_epoch (
    id BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    sure_since TIMESTAMP WITH TIME ZONE DEFAULT now(),
    told_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_fleet_epoch PRIMARY KEY (id),
    CONSTRAINT ck_fleet_epoch_one_row CHECK (id = 1)
);
INSERT INTO fleet_epoch VALUES (1, 1);

CREATE TABLE staff (
    telegram_id BIGINT NOT NULL,
    name VARCHAR NOT NULL,
    role VARCHAR DEFAULT 'operator' NOT NULL,
    alerts BOOLEAN DEFAULT 'true' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_staff PRIMARY KEY (telegram_id),
    CONSTRAINT ck_staff_role_known CHECK (role IN ('owner', 'operator'))
);

ALTER TABLE plans ADD COLUMN places JSONB DEFAULT '{"rule": "all"}' NOT NULL;

-- Until now a panel's counters were the whole truth; nothing has ever set them back.
ALTER TABLE keys
    ADD COLUMN wanted BOOLEAN DEFAULT 'true' NOT NULL,
    ADD COLUMN urgent BOOLEAN DEFAULT 'false' NOT NULL,
    ADD COLUMN used_up BIGINT DEFAULT '0' NOT NULL,
    ADD COLUMN used_down BIGINT DEFAULT '0' NOT NULL,
    ADD COLUMN counted_at TIMESTAMP WITH TIME ZONE;
UPDATE keys SET used_up = up, used_down = down, counted_at = seen_at;
DROP INDEX ix_keys_owed;
CREATE INDEX ix_keys_owed ON keys (node_id, try_at)
    WHERE seen_revision IS DISTINCT FROM wanted_revision OR NOT wanted;
CREATE INDEX ix_keys_urgent ON keys (node_id) WHERE urgent;
CREATE INDEX ix_keys_node_id ON keys (node_id);

ALTER TABLE subscriptions
    ADD COLUMN placed_revision BIGINT DEFAULT '0' NOT NULL,
    ADD COLUMN placed_epoch BIGINT DEFAULT '0' NOT NULL,
    ADD COLUMN moving BOOLEAN DEFAULT 'false' NOT NULL,
    ADD COLUMN used_up BIGINT DEFAULT '0' NOT NULL,
    ADD COLUMN used_down BIGINT DEFAULT '0' NOT NULL,
    ADD COLUMN exhausted_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN frozen_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN disabled_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN disabled_why VARCHAR DEFAULT '' NOT NULL,
    ADD COLUMN location VARCHAR,
    ADD COLUMN switched_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN replacing_since TIMESTAMP WITH TIME ZONE,
    ADD COLUMN untold VARCHAR;
UPDATE subscriptions SET used_up = sums.up, used_down = sums.down
    FROM (SELECT subscription_id, sum(up) AS up, sum(down) AS down FROM keys GROUP BY subscription_id) AS sums
    WHERE sums.subscription_id = subscriptions.id;
-- Whoever lacks the row of a serving node was owed a key there: they are placed anew, and are missed until then.
UPDATE subscriptions SET placed_revision = revision
    WHERE NOT EXISTS (
        SELECT 1 FROM nodes n LEFT JOIN keys k ON k.node_id = n.id AND k.subscription_id = subscriptions.id
        WHERE n.mode = 'active' AND k.id IS NULL);

CREATE TABLE tombstones (
    id BIGSERIAL NOT NULL,
    node_id BIGINT NOT NULL,
    subscription_id BIGINT,
    email VARCHAR NOT NULL,
    uuid VARCHAR NOT NULL,
    sub_id VARCHAR NOT NULL,
    why VARCHAR NOT NULL,
    failures BIGINT DEFAULT '0' NOT NULL,
    error VARCHAR,
    try_at TIMESTAMP WITH TIME ZONE NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_tombstones PRIMARY KEY (id),
    CONSTRAINT uq_tombstones_node_id_email_uuid UNIQUE (node_id, email, uuid),
    CONSTRAINT fk_tombstones_node_id FOREIGN KEY (node_id) REFERENCES nodes (id),
    CONSTRAINT fk_tombstones_subscription_id FOREIGN KEY (subscription_id) REFERENCES subscriptions (id)
);

CREATE TABLE key_events (
    id BIGSERIAL NOT NULL,
    subscription_id BIGINT NOT NULL,
    node_id BIGINT,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    what VARCHAR NOT NULL,
    why VARCHAR DEFAULT '' NOT NULL,
    actor VARCHAR DEFAULT 'system' NOT NULL,
    detail JSONB DEFAULT '{}' NOT NULL,
    CONSTRAINT pk_key_events PRIMARY KEY (id),
    CONSTRAINT fk_key_events_subscription_id FOREIGN KEY (subscription_id) REFERENCES subscriptions (id),
    CONSTRAINT fk_key_events_node_id FOREIGN KEY (node_id) REFERENCES nodes (id)
);
CREATE INDEX ix_key_events_subscription_id_id ON key_events (subscription_id, id);

-- "Money without key". A payment that succeeded is in order when it was granted, nodes were chosen for the latest
-- revision of its subscription, and every node chosen shows that revision, those in quarantine aside, which stand-ins
-- serve for; one that came for an order paid before is on the customer's balance and owes no key.
-- Of several payments for one subscription the newest stands for all, so that its age is how long somebody has waited.
DROP VIEW money_without_key;
ALTER TABLE nodes DROP COLUMN country;
CREATE VIEW money_without_key AS
SELECT p.id AS payment_id, p.ref, p.succeeded_at,
       CASE WHEN g.id IS NULL THEN 'not granted' ELSE 'keys missing' END AS why
FROM payments p
LEFT JOIN grants g ON g.payment_id = p.id
LEFT JOIN ledger_transactions credited ON credited.source = 'payment:' || p.ref AND credited.kind = 'credit'
LEFT JOIN subscriptions s ON s.id = g.subscription_id
WHERE p.state = 'succeeded' AND credited.id IS NULL
  AND NOT EXISTS (SELECT 1 FROM grants later WHERE later.subscription_id = g.subscription_id AND later.id > g.id)
  AND (g.id IS NULL OR (s.ends_at > coalesce(s.frozen_at, now()) AND (
    s.placed_revision <> s.revision
    OR NOT EXISTS (
      SELECT 1 FROM keys k JOIN nodes n ON n.id = k.node_id
      WHERE k.subscription_id = s.id AND k.wanted AND n.mode IN ('active', 'draining') AND n.quarantined_at IS NULL)
    OR EXISTS (
      SELECT 1 FROM keys k JOIN nodes n ON n.id = k.node_id
      WHERE k.subscription_id = s.id AND k.wanted AND n.mode IN ('active', 'draining') AND n.quarantined_at IS NULL
        AND k.seen_revision IS DISTINCT FROM s.revision))));
