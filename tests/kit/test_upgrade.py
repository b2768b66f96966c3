"""An upgrade from the first release with people in it: nothing that was paid, owed or counted is lost on the way."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from alembic import command
from sqlalchemy import create_engine

from ferryman.kit import migrate

SEALED = b"sealed-credentials"
# Name, state, failures; the last one is switched off.
NODES = [("de-1", "healthy", 0), ("nl-1", "down", 7), ("fi-1", "off", 0)]
# Ref of subscription and payment, days left, what each node has shown of revision 2 (None: nothing; "-": no row there).
PEOPLE: list[tuple[str, int, tuple[Any, ...]]] = [
    ("ready", 20, (2, 2, 1)),
    ("late", 20, (2, 1, 2)),
    ("unseen", 20, (None, None, None)),
    ("lacking", 20, (2, "-", "-")),
    ("ended", -3, (1, None, "-")),
]


@pytest.fixture
def first_release(postgres_url: str) -> Iterator[str]:
    """The address of a database as the first release left it, with rows in every state."""
    name = f"u_{uuid.uuid4().hex[:16]}"
    url = postgres_url.replace("/postgres?", f"/{name}?")
    with psycopg.connect(postgres_url, autocommit=True) as operator:
        operator.execute(f"CREATE DATABASE {name}")
        engine = create_engine("postgresql+psycopg://" + url.partition("://")[2])
        with engine.connect() as connection:
            command.upgrade(migrate.config(connection), "0001")
        engine.dispose()
        with psycopg.connect(url) as connection:
            _live(connection)
        yield url
        operator.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _live(connection: psycopg.Connection[Any]) -> None:
    texts = json.dumps({"ru": "Узел", "en": "Node"})
    for at, (name, state, failures) in enumerate(NODES):
        connection.execute(
            """INSERT INTO nodes (name, title, city, country, panel, address, sealed_access, state, failures, position,
                                  panel_version, trouble)
               VALUES (%s, %s, '{"en": "City"}', %s, 'xui', %s, %s, %s, %s, %s, '3.6.0', %s)""",
            [name, texts, name[:2].upper(), f"{name}.example.net", SEALED, state, failures, at, "No answer."],
        )
        connection.execute(
            """INSERT INTO inbounds (node_id, panel_id, protocol, transport, security, port, remark, enabled, link)
               VALUES (%s, 1, 'vless', 'tcp', 'reality', 443, 'one', true, '{"flow": ""}')""",
            [at + 1],
        )
    connection.execute(
        """INSERT INTO plans (code, icon, title, description, traffic_bytes, devices, position, active)
           VALUES ('standard', '⛵', %s, '{}', 0, 3, 0, true)""",
        [texts],
    )
    connection.execute("INSERT INTO terms (plan_id, days, active) VALUES (1, 30, true)")
    for number, (ref, days, seen) in enumerate(PEOPLE, start=1):
        _bought(connection, number, ref, days)
        for node, revision in enumerate(seen, start=1):
            if revision != "-":
                connection.execute(
                    """INSERT INTO keys (subscription_id, node_id, wanted_revision, seen_revision, up, down, try_at)
                       VALUES (%s, %s, 2, %s, %s, 1000, now())""",
                    [number, node, revision, number],
                )
    _paid(connection, "ungranted", 1)


def _bought(connection: psycopg.Connection[Any], number: int, ref: str, days: int) -> None:
    connection.execute(
        "INSERT INTO customers (telegram_id, first_name, language, banned, reachable) VALUES (%s, 'A', 'ru', %s, true)",
        [number, False],
    )
    connection.execute(
        """INSERT INTO subscriptions (ref, customer_id, plan_code, token, uuid, password, sub_id, snapshot,
                                      traffic_bytes, devices, starts_at, ends_at, revision)
           VALUES (%(ref)s, %(number)s, 'standard', %(ref)s, %(ref)s, %(ref)s, %(ref)s,
                   '{"plan": "standard"}', 0, 3, now() - interval '60 days', now() + %(days)s * interval '1 day', 2)""",
        {"ref": ref, "number": number, "days": days},
    )
    payment = _paid(connection, ref, number)
    connection.execute(
        """INSERT INTO grants (subscription_id, payment_id, order_id, days, ends_at, created_at)
           VALUES (%s, %s, %s, 30, now(), now())""",
        [number, payment, payment],
    )


def _paid(connection: psycopg.Connection[Any], ref: str, customer: int) -> int:
    snapshot = json.dumps(dict.fromkeys(("plan", "icon", "title", "days", "traffic_bytes", "devices"), 1))
    connection.execute(
        """INSERT INTO orders (ref, customer_id, term_id, tap, snapshot, minor, currency, state, created_at, paid_at)
           VALUES (%s, %s, 1, %s, %s, 19900, 'RUB', 'paid', now(), now())""",
        [ref, customer, ref, snapshot],
    )
    row = connection.execute(
        """INSERT INTO payments (ref, order_id, provider, idempotency_key, request, state, minor, currency, created_at,
                                 succeeded_at, asked)
           VALUES (%s, (SELECT id FROM orders WHERE ref = %s), 'yookassa', %s, '{}', 'succeeded', 19900, 'RUB', now(),
                   now(), 0) RETURNING id""",
        [ref, ref, ref],
    ).fetchone()
    assert row is not None
    return int(row[0])


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


STUCK = "SELECT ref, why FROM money_without_key ORDER BY ref"


async def test_money_without_key_is_the_same_before_and_after(first_release: str) -> None:
    before = rows(first_release, STUCK)
    assert before == [
        ("lacking", "keys missing"),
        ("late", "keys missing"),
        ("ungranted", "not granted"),
        ("unseen", "keys missing"),
    ]
    await migrate.upgrade(first_release)
    assert rows(first_release, STUCK) == before


async def test_nodes_keep_what_they_were_and_each_gets_a_location_of_its_own(first_release: str) -> None:
    await migrate.upgrade(first_release)
    found = rows(
        first_release,
        """SELECT n.name, n.mode, n.state, n.failures, n.address, n.panel_version, l.code, l.country, l.title->>'en',
                  l.city->>'en', l.position, n.priority, n.capacity_clients, n.capacity_bytes, n.quarantined_at
           FROM nodes n JOIN locations l ON l.id = n.location_id ORDER BY n.id""",
    )
    common = ("Node", "City")
    assert found == [
        ("de-1", "active", "healthy", 0, "de-1.example.net", "3.6.0", "de-1", "DE", *common, 0, 50, 0, 0, None),
        ("nl-1", "active", "down", 7, "nl-1.example.net", "3.6.0", "nl-1", "NL", *common, 1, 50, 0, 0, None),
        ("fi-1", "off", "healthy", 0, "fi-1.example.net", "3.6.0", "fi-1", "FI", *common, 2, 50, 0, 0, None),
    ]
    assert {bytes(sealed) for (sealed,) in rows(first_release, "SELECT sealed_access FROM nodes")} == {SEALED}
    assert rows(first_release, "SELECT panel_id, port, enabled, tags, missing_since FROM inbounds") == [
        (1, 443, True, [], None)
    ] * len(NODES)


async def test_keys_stay_wanted_and_what_was_used_is_counted_on(first_release: str) -> None:
    counted = "SELECT subscription_id, node_id, seen_revision, up, down FROM keys ORDER BY 1, 2"
    before = rows(first_release, counted)
    await migrate.upgrade(first_release)
    assert rows(first_release, counted) == before
    assert rows(first_release, "SELECT DISTINCT wanted FROM keys") == [(True,)]
    assert rows(first_release, "SELECT count(*) FROM keys WHERE (used_up, used_down) <> (up, down)") == [(0,)]
    sums = rows(first_release, "SELECT ref, used_up, used_down FROM subscriptions ORDER BY id")
    assert sums == [
        ("ready", 3, 3000),
        ("late", 6, 3000),
        ("unseen", 9, 3000),
        ("lacking", 4, 1000),
        ("ended", 10, 2000),
    ]


async def test_subscriptions_keep_their_identity_and_are_placed_in_the_first_epoch(first_release: str) -> None:
    identity = "SELECT ref, token, uuid, password, sub_id, starts_at, ends_at, revision FROM subscriptions ORDER BY id"
    before = rows(first_release, identity)
    await migrate.upgrade(first_release)
    assert rows(first_release, identity) == before
    assert rows(first_release, "SELECT epoch FROM fleet_epoch") == [(1,)]
    assert rows(first_release, "SELECT ref FROM subscriptions WHERE placed_revision <> revision ORDER BY id") == [
        ("lacking",)
    ]
    assert rows(first_release, "SELECT DISTINCT placed_epoch FROM subscriptions") == [(0,)]
    held = "exhausted_at, frozen_at, disabled_at, location, replacing_since"
    assert rows(first_release, f"SELECT DISTINCT {held} FROM subscriptions") == [(None,) * 5]
    assert rows(first_release, "SELECT places FROM plans") == [({"rule": "all"},)]


async def test_an_upgrade_that_is_repeated_changes_nothing(first_release: str) -> None:
    await migrate.upgrade(first_release)
    before = rows(first_release, "SELECT * FROM nodes ORDER BY id")
    await migrate.upgrade(first_release)
    assert rows(first_release, "SELECT * FROM nodes ORDER BY id") == before
    assert not await migrate.pending(first_release)
