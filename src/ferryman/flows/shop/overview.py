"""What the operator sees at a glance: the latest of everything, and the numbers that must be zero."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing import ledger
from ferryman.delivery.link import subscription_url
from ferryman.flows.tools import Tools
from ferryman.kit.money import Money

ROWS = 50

# What is stuck is found once: with a million grants it takes a second each time.
NUMBERS = """
WITH stuck AS MATERIALIZED (SELECT why, succeeded_at FROM money_without_key)
SELECT
  (SELECT count(*) FROM orders WHERE state = 'paid') AS paid,
  (SELECT count(*) FROM grants) AS granted,
  (SELECT count(*) FROM stuck WHERE why = 'not granted') AS lost,
  (SELECT coalesce(sum(n - 1), 0) FROM (SELECT count(*) AS n FROM grants GROUP BY order_id) AS each) AS double,
  (SELECT count(*) FROM stuck) AS money_without_key,
  (SELECT count(*) FROM key_without_money) AS key_without_money,
  (SELECT extract(epoch FROM now() - min(succeeded_at)) FROM stuck) AS oldest_stuck_seconds,
  (SELECT count(*) FROM payments WHERE state = 'review') AS in_review,
  (SELECT count(*) FROM payments WHERE refunded > 0) AS refunded,
  (SELECT count(*) FROM bank_findings WHERE resolved_at IS NULL) AS bank_findings,
  (SELECT count(*) FROM webhook_events WHERE verdict = 'money_without_order') AS money_without_order,
  (SELECT count(*) FROM notices WHERE state = 'queued' AND unsure >= 2) AS notices_in_doubt
"""
LISTS = {
    "orders": """
        SELECT o.ref, c.first_name AS customer, o.snapshot->>'plan' AS plan, (o.snapshot->>'days')::int AS days,
               o.minor, o.currency, o.state, o.created_at, o.paid_at
        FROM orders o JOIN customers c ON c.id = o.customer_id ORDER BY o.id DESC LIMIT :rows""",
    "payments": """
        SELECT p.ref, o.ref AS "order", p.provider, p.state, p.minor, p.currency, p.external_id, p.reason,
               p.created_at, p.succeeded_at
        FROM payments p JOIN orders o ON o.id = p.order_id ORDER BY p.id DESC LIMIT :rows""",
    "inbox": """
        SELECT id, provider, event, verdict, repeats, received_at, processed_at
        FROM webhook_events ORDER BY id DESC LIMIT :rows""",
    "keys": """
        SELECT s.ref AS subscription, c.first_name AS customer, n.name AS node, 'fm-' || s.ref AS email,
               CASE WHEN k.seen_revision IS NOT DISTINCT FROM k.wanted_revision THEN 'ready'
                    WHEN k.failures > 0 THEN 'failing' ELSE 'owed' END AS state, k.seen_at, k.error
        FROM keys k JOIN subscriptions s ON s.id = k.subscription_id JOIN customers c ON c.id = s.customer_id
        JOIN nodes n ON n.id = k.node_id ORDER BY k.id DESC LIMIT :rows""",
    "subscriptions": """
        SELECT s.ref, c.first_name AS customer, s.plan_code AS plan, s.ends_at, s.token
        FROM subscriptions s JOIN customers c ON c.id = s.customer_id ORDER BY s.id DESC LIMIT :rows""",
    "notices": """
        SELECT c.first_name AS customer, n.kind, n.state, n.created_at, n.sent_at
        FROM notices n JOIN customers c ON c.id = n.customer_id ORDER BY n.id DESC LIMIT :rows""",
    "nodes": """
        SELECT n.name, l.country, CASE WHEN n.mode = 'active' THEN n.state ELSE n.mode END AS state, n.trouble,
               n.panel_version AS version,
               count(k.id) FILTER (WHERE k.seen_revision IS NOT DISTINCT FROM k.wanted_revision) AS keys
        FROM nodes n JOIN locations l ON l.id = n.location_id LEFT JOIN keys k ON k.node_id = n.id
        WHERE n.mode <> 'retired' GROUP BY n.id, l.id ORDER BY n.position, n.id""",
}


async def look(tools: Tools) -> dict[str, Any]:
    """Everything as plain JSON: amounts as decimal strings, times as ISO 8601 in UTC, newest first."""
    async with tools.db.unit() as session:
        seen: dict[str, Any] = {
            name: [
                _plain(row)
                for row in (await session.execute(text(query), {"rows": ROWS} if ":rows" in query else {})).mappings()
            ]
            for name, query in LISTS.items()
        }
        balance = await ledger.trial_balance(session)
        seen["numbers"] = await numbers(session, balance)
        seen["ledger"] = await _ledger(session, balance)
    for subscription in seen["subscriptions"]:
        subscription["link"] = subscription_url(tools.settings.base_url, subscription.pop("token"))
    for node in seen["nodes"]:
        node["flag"] = "".join(chr(0x1F1E6 + ord(letter) - ord("A")) for letter in node["country"])
    return seen


async def numbers(session: AsyncSession, balance: Mapping[str, int]) -> dict[str, Any]:
    """How many were paid and granted, and the ones that must be zero: lost, double, money without key, the ledger,
    whose trial balance the caller has."""
    row = (await session.execute(text(NUMBERS))).mappings().one()
    found = {name: None if value is None else int(value) for name, value in row.items()}
    found["ledger_balance"] = sum(abs(minor) for minor in balance.values())
    return found


async def _ledger(session: AsyncSession, balance: Mapping[str, int]) -> dict[str, Any]:
    accounts = await ledger.balances(session)
    return {
        "balance": balance,
        "accounts": [
            {"account": account, "currency": currency, "minor": minor}
            for (account, currency), minor in accounts.items()
        ],
    }


def _plain(row: RowMapping) -> dict[str, Any]:
    plain: dict[str, Any] = {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()
    }
    if "minor" in plain:
        plain["amount"] = Money(int(plain.pop("minor")), plain["currency"]).decimal()
    return plain
