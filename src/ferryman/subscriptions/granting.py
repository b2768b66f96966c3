"""The writes: begin or extend a subscription for what was paid."""

import secrets
import string
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.kit.secrets import new_token
from ferryman.subscriptions.subscription import Grant, Subscription, allowed_bytes, allowed_devices, extended

# Without look-alikes (0/o, 1/l/i), so that a person can read one out to support.
_READABLE = "abcdefghjkmnpqrstuvwxyz23456789"
_SUB_ID = string.ascii_lowercase + string.digits


@dataclass(frozen=True)
class Purchase:
    """What was paid for. `snapshot` is the order's: plan, icon, title, days, traffic_bytes, devices."""

    customer_id: int
    payment_id: int
    order_id: int
    snapshot: dict[str, Any]


async def grant(session: AsyncSession, purchase: Purchase, now: datetime) -> Subscription:
    """Begin the customer's subscription to this plan, or extend the one they have; once per payment.

    One that is frozen, switched off or being replaced gets its days all the same, and stays what it is.
    The caller holds the customer's row lock, so that two payments of one customer cannot begin two subscriptions.
    Raises IntegrityError when this payment or order was granted before.
    """
    found = await session.scalar(
        select(Subscription)
        .where(Subscription.customer_id == purchase.customer_id, Subscription.plan_code == purchase.snapshot["plan"])
        .with_for_update(key_share=True)
    )
    subscription = found or _begin(session, purchase, now)
    ended_before = subscription.ends_at if found else None
    subscription.ends_at = extended(ended_before, subscription.clock(now), purchase.snapshot["days"])
    subscription.devices = allowed_devices(
        found.devices if found else None, subscription.snapshot.get("devices"), purchase.snapshot["devices"]
    )
    subscription.snapshot = purchase.snapshot
    subscription.traffic_bytes = allowed_bytes(
        found.traffic_bytes if found else None, purchase.snapshot["traffic_bytes"], found.used if found else 0
    )
    if found:
        subscription.revision += 1
        subscription.weigh(now)
    await session.flush()
    session.add(
        Grant(
            subscription_id=subscription.id,
            payment_id=purchase.payment_id,
            order_id=purchase.order_id,
            days=purchase.snapshot["days"],
            ended_before=ended_before,
            ends_at=subscription.ends_at,
            created_at=now,
        )
    )
    await session.flush()
    return subscription


def identity() -> dict[str, str]:
    """What makes a client this subscription's own on a panel, made anew: `uuid`, `password` and `sub_id`."""
    return {"uuid": str(uuid.uuid4()), "password": new_token(24), "sub_id": _random(_SUB_ID, 20)}


def _begin(session: AsyncSession, purchase: Purchase, now: datetime) -> Subscription:
    subscription = Subscription(
        ref=_random(_READABLE, 10),
        customer_id=purchase.customer_id,
        plan_code=purchase.snapshot["plan"],
        token=new_token(),
        **identity(),
        snapshot=purchase.snapshot,
        traffic_bytes=purchase.snapshot["traffic_bytes"],
        devices=purchase.snapshot["devices"],
        starts_at=now,
        ends_at=now,
        revision=1,
    )
    session.add(subscription)
    return subscription


def _random(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))
