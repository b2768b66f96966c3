-- What no program may do to the books, whoever wrote it.

CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: correct it with a new transaction' USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER ledger_entries_append_only BEFORE UPDATE OR DELETE ON ledger_entries
    FOR EACH ROW EXECUTE FUNCTION ledger_is_append_only();
CREATE TRIGGER ledger_transactions_append_only BEFORE UPDATE OR DELETE ON ledger_transactions
    FOR EACH ROW EXECUTE FUNCTION ledger_is_append_only();
CREATE TRIGGER ledger_entries_never_emptied BEFORE TRUNCATE ON ledger_entries
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();
CREATE TRIGGER ledger_transactions_never_emptied BEFORE TRUNCATE ON ledger_transactions
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();

-- Deferred, so that the entries of one transaction may be written one after the other; checked before it commits.
CREATE FUNCTION ledger_balances() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    off record;
BEGIN
    SELECT currency, sum(minor) AS minor INTO off FROM ledger_entries
        WHERE transaction_id = NEW.transaction_id GROUP BY currency HAVING sum(minor) <> 0 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'ledger transaction % is off by % %', NEW.transaction_id, off.minor, off.currency
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER ledger_entries_balance AFTER INSERT ON ledger_entries
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_balances();

-- A movement of money without entries would balance, and mean nothing.
CREATE FUNCTION ledger_has_entries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT count(*) FROM ledger_entries WHERE transaction_id = NEW.id) < 2 THEN
        RAISE EXCEPTION 'ledger transaction % needs two entries at least', NEW.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER ledger_transactions_have_entries AFTER INSERT ON ledger_transactions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_has_entries();

-- Money that came stays recorded: a succeeded payment never becomes anything else, a paid order never opens again.
CREATE FUNCTION success_is_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% % is final', TG_TABLE_NAME, OLD.ref USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER payments_success_is_final BEFORE UPDATE OF state ON payments
    FOR EACH ROW WHEN (OLD.state = 'succeeded' AND NEW.state <> 'succeeded') EXECUTE FUNCTION success_is_final();
CREATE TRIGGER orders_paid_is_final BEFORE UPDATE OF state ON orders
    FOR EACH ROW WHEN (OLD.state = 'paid' AND NEW.state <> 'paid') EXECUTE FUNCTION success_is_final();

-- An order without its snapshot could not be granted after its plan has changed.
ALTER TABLE orders ADD CONSTRAINT ck_orders_snapshot_complete CHECK (snapshot ?& ARRAY['plan', 'icon', 'title', 'days', 'traffic_bytes', 'devices']);

-- "Money without key". A payment that succeeded is in order when it was granted and every serving node shows its
-- subscription's latest revision; one that came for an order paid before is on the customer's balance and owes no key.
CREATE VIEW money_without_key AS
SELECT p.id AS payment_id, p.ref, p.succeeded_at,
       CASE WHEN g.id IS NULL THEN 'not granted' ELSE 'keys missing' END AS why
FROM payments p
LEFT JOIN grants g ON g.payment_id = p.id
LEFT JOIN ledger_transactions credited ON credited.source = 'payment:' || p.ref AND credited.kind = 'credit'
LEFT JOIN subscriptions s ON s.id = g.subscription_id
WHERE p.state = 'succeeded' AND credited.id IS NULL
  AND (g.id IS NULL OR (s.ends_at > now() AND (
    NOT EXISTS (SELECT 1 FROM nodes n WHERE n.state <> 'off')
    OR EXISTS (
      SELECT 1 FROM nodes n
      LEFT JOIN keys k ON k.node_id = n.id AND k.subscription_id = s.id
      WHERE n.state <> 'off' AND (k.id IS NULL OR k.seen_revision IS DISTINCT FROM s.revision)))));
