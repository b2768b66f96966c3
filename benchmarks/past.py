"""A shop with a long past, made by COPY: a million orders that were paid, granted, told of, and have ended."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

# So that what comes after gets smaller ids from the sequences, which nothing depends on.
FIRST = 10**9
CUSTOMERS_OF = 5
SNAPSHOT = json.dumps(
    {
        "plan": "standard",
        "icon": "⛵",
        "title": {"ru": "Стандарт", "en": "Standard"},
        "days": 30,
        "traffic_bytes": 107374182400,
        "devices": 3,
    },
    ensure_ascii=False,
)
WORDS = json.dumps({"description": "Standard · 30 days", "language": "en", "return_url": "http://127.0.0.1"})
TOLD = json.dumps({"order_ref": "past", "amount": 19900, "currency": "RUB", "icon": "⛵", "title": {}, "days": 30})

Row = tuple[Any, ...]


def made(database_url: str, orders: int) -> None:
    """Fill the tables of money with `orders` orders, a payment and everything that follows of each."""
    with psycopg.connect(database_url) as connection:
        found = connection.execute("SELECT id FROM terms ORDER BY id LIMIT 1").fetchone()
        assert found is not None
        # Neither foreign keys nor the ledger's own check are at work while a past is made up.
        connection.execute("SET session_replication_role = replica")
        for table, columns, rows in _tables(orders, found[0]):
            with connection.cursor().copy(f"COPY {table} ({columns}) FROM STDIN".encode()) as copy:
                for row in rows:
                    copy.write_row(row)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def _tables(orders: int, term: int) -> Iterator[tuple[str, str, Iterator[Row]]]:
    then = datetime.now(UTC) - timedelta(days=400)
    people = max(1, orders // CUSTOMERS_OF)

    def each(row: Callable[[int, int], Row], count: int = orders) -> Iterator[Row]:
        return (row(FIRST + n, FIRST + n % people) for n in range(count))

    def at(id_: int) -> datetime:
        return then + timedelta(seconds=(id_ - FIRST) * 300 * 86400 / orders)

    yield (
        "customers",
        "id, telegram_id, first_name, language, banned, reachable",
        each(lambda id_, _: (id_, 10**11 + id_, "Past", "en", False, True), people),
    )
    yield (
        "subscriptions",
        "id, ref, customer_id, plan_code, token, uuid, password, sub_id, snapshot, traffic_bytes, devices, starts_at,"
        " ends_at, revision, placed_revision",
        each(
            lambda id_, _: (
                id_, f"s{id_}", id_, "standard", f"token-{id_}", f"00000000-0000-4000-8000-{id_:012}", f"past-{id_}",
                f"sub-{id_}", SNAPSHOT, 107374182400, 3, then, then + timedelta(days=330), 5, 5,
            ),
            people,
        ),
    )  # fmt: skip
    yield (
        "orders",
        "id, ref, customer_id, term_id, tap, snapshot, minor, currency, state, created_at, paid_at",
        each(lambda id_, who: (
            id_, f"o{id_}", who, term, f"tap-{id_}", SNAPSHOT, 19900, "RUB", "paid", at(id_), at(id_),
        )),
    )  # fmt: skip
    yield (
        "payments",
        "id, ref, order_id, provider, way, idempotency_key, request, external_id, pay_url, state, minor, currency,"
        " created_at, opened_at, succeeded_at, asked",
        each(lambda id_, _: (
            id_, f"p{id_}", id_, "yookassa", "bank_card", f"p{id_}", WORDS, f"past-{id_}", "http://127.0.0.1/pay",
            "succeeded", 19900, "RUB", at(id_), at(id_), at(id_), 1,
        )),
    )  # fmt: skip
    yield (
        "grants",
        "id, subscription_id, payment_id, order_id, days, ended_before, ends_at, created_at",
        each(lambda id_, who: (id_, who, id_, id_, 30, at(id_), at(id_) + timedelta(days=30), at(id_))),
    )
    yield (
        "ledger_transactions",
        "id, kind, source, created_at",
        each(lambda id_, _: (id_, "purchase", f"payment:p{id_}", at(id_))),
    )
    for number, (account, minor) in enumerate((("provider:yookassa", 19900), ("sales", -19900))):
        yield (
            "ledger_entries",
            "id, transaction_id, account, minor, currency",
            each(lambda id_, _, a=account, m=minor, n=number: (2 * id_ + n, id_, a, m, "RUB")),  # type: ignore[misc]
        )
    yield (
        "webhook_events",
        "id, provider, dedup_key, event, external_id, payment_ref, body, remote_ip, received_at, due_at, verdict,"
        " processed_at, attempts, redacted_at",
        each(lambda id_, _: (
            id_, "yookassa", f"past:{id_}", "payment.succeeded", f"past-{id_}", f"p{id_}", b"{}", "127.0.0.1", at(id_),
            at(id_), "paid", at(id_), 1, at(id_),
        )),
    )  # fmt: skip
    yield (
        "notices",
        "id, customer_id, kind, dedup_key, payload, state, attempts, created_at, sent_at, message_id",
        each(lambda id_, who: (
            id_, who, "payment_succeeded", f"paid:p{id_}", TOLD, "sent", 1, at(id_), at(id_), 1,
        )),
    )  # fmt: skip
