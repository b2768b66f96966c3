"""The story behind a subscription link: who holds it, which nodes have their key, and what the app is to show."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.delivery.profile import Entry, Profile
from ferryman.delivery.share_links import Identity, LinkInbound
from ferryman.fleet.key import Key
from ferryman.fleet.node import IN_USE, Node
from ferryman.flows.tools import Tools
from ferryman.messaging.texts import Voice, voice
from ferryman.people.customer import Customer
from ferryman.subscriptions import holdings
from ferryman.subscriptions.subscription import Subscription

UPDATE_HOURS = 12


async def of_token(tools: Tools, token: str) -> Profile | None:
    """What the holder of this link gets; None when nobody holds it. Raises Unreachable when the database is away."""
    async with tools.db.unit() as session:
        subscription = await holdings.by_token(session, token)
        if subscription is None:
            return None
        customer = await session.get_one(Customer, subscription.customer_id)
        held = await _held(session, subscription)
    speak = voice(customer.language)
    why_not = _why_not(subscription, tools.clock.now())
    entries = () if why_not else tuple(entry for node in held for entry in _entries(node, subscription, speak))
    said = why_not or (None if entries else "link-preparing")
    return Profile(
        title=f"{subscription.snapshot['icon']} {speak.pick(subscription.snapshot['title'])}",
        entries=entries,
        upload=subscription.used_up,
        download=subscription.used_down,
        total=subscription.traffic_bytes,
        expires_at=subscription.ends_at,
        update_hours=UPDATE_HOURS,
        notices=(speak.plain(said),) if said else (),
    )


def _why_not(one: Subscription, now: datetime) -> str | None:
    """The message that says why its holder is given no way in; None when they are owed one."""
    for reason, message in (
        (one.disabled_at, "link-disabled"),
        (one.ended(now), "link-ended"),
        (one.frozen_at, "link-frozen"),
        (one.exhausted_at, "link-exhausted"),
        (one.replacing_since, "link-replacing"),
    ):
        if reason:
            return message
    return None


async def _held(session: AsyncSession, subscription: Subscription) -> list[Node]:
    """The nodes that serve, and have shown this subscription's client at least once; a later change may still be on its
    way. A key that is to go is shown while nothing has taken its place."""
    rows = await session.execute(
        select(Node, Key.wanted)
        .join(Key, Node.id == Key.node_id)
        .where(Key.subscription_id == subscription.id, Key.seen_revision.is_not(None))
        .where(IN_USE, Node.quarantined_at.is_(None))
        .order_by(Node.position, Node.id)
    )
    found = [(node, wanted) for node, wanted in rows]
    return [node for node, wanted in found if wanted] or [node for node, _ in found]


def _entries(node: Node, subscription: Subscription, speak: Voice) -> list[Entry]:
    """One entry per inbound; a number tells a node's inbounds apart when it has several."""
    identity = Identity(subscription.uuid, subscription.password, subscription.sub_id, subscription.email)
    inbounds = [inbound for inbound in node.inbounds if inbound.enabled]
    entries = []
    for number, inbound in enumerate(inbounds, start=1):
        remark = f"{node.flag} {speak.pick(node.title)}" + (f" {number}" if len(inbounds) > 1 else "")
        link = LinkInbound(
            inbound.protocol, inbound.transport, inbound.security, inbound.port, inbound.link, inbound.remark
        )
        entries.append(Entry(link, node.address, identity, remark))
    return entries
