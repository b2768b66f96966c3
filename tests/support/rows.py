"""Rows of a fleet, put straight into the database: for tests of what is done with them, not of how they come about."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.fleet.key import Key
from ferryman.fleet.location import Location
from ferryman.fleet.node import Inbound, Node
from ferryman.kit.db import Database
from ferryman.kit.secrets import Vault
from ferryman.people.customer import Customer
from ferryman.subscriptions.subscription import Subscription


async def nodes(session: AsyncSession, vault: Vault, urls: Sequence[str], panel: str = "memory") -> list[int]:
    """One location, and in it a node with one inbound for each address."""
    place = Location(code="de", country="DE", title={"ru": "Германия", "en": "Germany"}, city={}, position=0)
    made = [
        Node(
            name=f"de-{number}",
            location=place,
            panel=panel,
            address=f"de-{number}.example.net",
            sealed_access=vault.seal({"url": url, "token": "panel-token"}),
            inbounds=[inbound()],
        )
        for number, url in enumerate(urls, start=1)
    ]
    session.add_all(made)
    await session.flush()
    return [node.id for node in made]


def inbound(panel_id: int = 1) -> Inbound:
    return Inbound(
        panel_id=panel_id,
        protocol="vless",
        transport="tcp",
        security="reality",
        port=20000 + panel_id,
        remark=f"inbound {panel_id}",
        link={},
    )


async def subscriptions(session: AsyncSession, count: int, **fields: Any) -> list[int]:
    """One customer with many subscriptions, each to a plan of its own; paid for a month from now."""
    now = datetime.now(UTC)
    person = Customer(telegram_id=7, first_name="Anna", language="ru")
    session.add(person)
    await session.flush()
    rows = [
        {
            "ref": f"ref{number:07}",
            "customer_id": person.id,
            "plan_code": f"plan-{number}",
            "token": f"token-{number}",
            "uuid": str(uuid.uuid4()),
            "password": f"password-{number}",
            "sub_id": f"sub{number:017}",
            "snapshot": {"icon": "⛵", "title": {"ru": "Стандарт", "en": "Standard"}},
            "traffic_bytes": 0,
            "devices": 0,
            "starts_at": now,
            "ends_at": now + timedelta(days=30),
            **fields,
        }
        for number in range(count)
    ]
    made = await session.scalars(insert(Subscription).returning(Subscription.id), rows)
    return sorted(made)


async def keys(session: AsyncSession, node_id: int, subscription_ids: Sequence[int], **fields: Any) -> None:
    """Keys that were put and read back an hour ago."""
    before = datetime.now(UTC) - timedelta(hours=1)
    rows = [
        {
            "subscription_id": subscription_id,
            "node_id": node_id,
            "wanted_revision": 1,
            "seen_revision": 1,
            "seen_at": before,
            "try_at": before,
            **fields,
        }
        for subscription_id in subscription_ids
    ]
    await session.execute(insert(Key), rows)


async def ask(database: Database, query: str, **values: Any) -> list[Any]:
    async with database.unit() as session:
        return list((await session.execute(text(query), values)).all())
