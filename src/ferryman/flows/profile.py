"""The story behind a subscription link: who holds it, which nodes have their key, and what the app is to show."""

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
    ended = subscription.ends_at <= tools.clock.now()
    entries = () if ended else tuple(entry for _, node in held for entry in _entries(node, subscription, speak))
    notices: tuple[str, ...] = ()
    if ended:
        notices = (speak.plain("link-ended"),)
    elif not entries:
        notices = (speak.plain("link-preparing"),)
    return Profile(
        title=f"{subscription.snapshot['icon']} {speak.pick(subscription.snapshot['title'])}",
        entries=entries,
        upload=sum(key.up for key, _ in held),
        download=sum(key.down for key, _ in held),
        total=subscription.traffic_bytes,
        expires_at=subscription.ends_at,
        update_hours=UPDATE_HOURS,
        notices=notices,
    )


async def _held(session: AsyncSession, subscription: Subscription) -> list[tuple[Key, Node]]:
    """The nodes that have shown this subscription's client at least once. A later change may still be on its way."""
    rows = await session.execute(
        select(Key, Node)
        .join(Node, Node.id == Key.node_id)
        .where(Key.subscription_id == subscription.id, Key.seen_revision.is_not(None), IN_USE)
        .order_by(Node.position, Node.id)
    )
    return [(key, node) for key, node in rows]


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
