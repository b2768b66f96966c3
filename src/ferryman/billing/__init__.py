"""Orders, payments, the webhook inbox and the ledger; providers behind one port."""
