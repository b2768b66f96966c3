"""The book of a subscription's keys: everything that was paid, given, done or seen, in words that an operator reads."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select

from ferryman.catalog.plan import GIGABYTE
from ferryman.fleet.key import Key, KeyEvent, Tombstone
from ferryman.fleet.node import Node
from ferryman.flows.tools import Tools
from ferryman.kit.errors import NotFound
from ferryman.messaging.texts import Voice
from ferryman.people.customer import Customer
from ferryman.subscriptions import holdings
from ferryman.subscriptions.subscription import Grant, Subscription


@dataclass(frozen=True)
class Line:
    """One line; `node` "" when it happened to the subscription as a whole."""

    at: datetime
    what: str
    node: str = ""
    why: str = ""
    actor: str = "system"
    detail: dict[str, Any] = field(default_factory=dict)

    def words(self, voice: Voice) -> str:
        """What happened, in a few words; the bare name for what this version has no words for."""
        try:
            return voice.plain(f"history-{self.what}", **_arguments(self.detail, voice))
        except LookupError:
            return self.what

    def by(self, voice: Voice) -> str:
        """Who did it."""
        kind, _, name = self.actor.partition(":")
        try:
            return voice.plain(f"actor-{kind}", name=name)
        except LookupError:
            return self.actor


async def history(tools: Tools, ref: str, most: int = 200) -> list[Line]:
    """The last `most` lines, oldest first. Raises NotFound when there is no such subscription."""
    async with tools.db.unit() as session:
        subscription_id = await session.scalar(select(Subscription.id).where(Subscription.ref == ref))
        if subscription_id is None:
            raise NotFound(f"There is no subscription {ref!r}.")
        events = await session.execute(
            select(KeyEvent, Node.name)
            .outerjoin(Node, Node.id == KeyEvent.node_id)
            .where(KeyEvent.subscription_id == subscription_id)
            .order_by(KeyEvent.id.desc())
            .limit(most)
        )
        lines = [Line(one.at, one.what, node or "", one.why, one.actor, one.detail) for one, node in events]
        grants = await session.scalars(
            select(Grant).where(Grant.subscription_id == subscription_id).order_by(Grant.id.desc()).limit(most)
        )
        lines += [_paid(grant) for grant in grants]
    lines.reverse()
    # What is paid comes first among what happened at the same moment: the rest follows from it.
    return sorted(lines, key=lambda line: (line.at, line.what != "paid"))[-most:]


def _paid(grant: Grant) -> Line:
    return Line(grant.created_at, "paid", detail={"days": grant.days, "after": grant.ends_at.isoformat()})


def _arguments(detail: dict[str, Any], voice: Voice) -> dict[str, str | int]:
    """Whatever a line may speak of; what it does not know stays empty."""
    after = detail.get("after")
    bytes_ = detail.get("traffic_bytes")
    devices = detail.get("devices")
    return {
        "days": int(detail.get("days", 0)),
        "until": voice.date(datetime.fromisoformat(after)) if after else "",
        "traffic": f"{_gigabytes(bytes_[0])} → {_gigabytes(bytes_[1])}" if bytes_ else "",
        "devices": f"{devices[0] or '∞'} → {devices[1] or '∞'}" if devices else "",
        "origin": str(detail.get("from") or "…"),
        "to": str(detail.get("to") or "…"),
    }


def _gigabytes(bytes_: int) -> str:
    return f"{bytes_ / GIGABYTE:.0f} GB" if bytes_ else "∞"


@dataclass(frozen=True)
class KeyLine:
    """One key as an operator sees it: `standing` is "ready", "owed", "going", or "gone later" for a tombstone."""

    node: str
    standing: str
    error: str


@dataclass(frozen=True)
class Card:
    """One subscription at a glance."""

    subscription: Subscription
    telegram_id: int
    keys: list[KeyLine]


async def card(tools: Tools, word: str) -> Card:
    """The subscription of this ref, or the only one of the customer with this Telegram id.

    Raises NotFound, Refused when that customer holds several.
    """
    async with tools.db.unit() as session:
        one = await holdings.named(session, word)
        customer = await session.get_one(Customer, one.customer_id)
        keys = await session.execute(
            select(Key, Node.name)
            .join(Node, Node.id == Key.node_id)
            .where(Key.subscription_id == one.id)
            .order_by(Node.position, Node.id)
        )
        lines = [KeyLine(node, _standing(key), key.error or "") for key, node in keys]
        graves = await session.execute(
            select(Tombstone, Node.name)
            .join(Node, Node.id == Tombstone.node_id)
            .where(Tombstone.subscription_id == one.id)
            .order_by(Node.position, Node.id)
        )
        lines += [KeyLine(node, "gone later", grave.error or grave.why) for grave, node in graves]
        return Card(one, customer.telegram_id, lines)


def _standing(key: Key) -> str:
    if not key.wanted:
        return "going"
    return "ready" if key.seen_revision == key.wanted_revision else "owed"
