"""Plumbing that knows nothing of the trade: database, jobs, HTTP, errors, settings, money, time, secrets, logs."""
