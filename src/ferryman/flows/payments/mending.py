"""Money without key, and key without money: what is stuck, where, since when and why, and putting it right."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing import checkout, ledger
from ferryman.billing.order import Attempt, Payment
from ferryman.fleet.key import Key
from ferryman.fleet.node import Node
from ferryman.flows.keys import placing, provisioning
from ferryman.flows.payments import applying, settling
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.db import LOCK
from ferryman.kit.errors import Refused
from ferryman.people.customer import Customer
from ferryman.subscriptions.subscription import Grant, Subscription

_log = log.get("mending")

NODE_LISTED = 20


@dataclass(frozen=True)
class Stuck:
    """One payment whose keys are not all in order: `where` names the nodes and what each of them waits for."""

    ref: str
    since: datetime
    why: str
    where: list[str]


@dataclass(frozen=True)
class Unexplained:
    """A subscription that lasts longer than anybody paid or anybody of the staff has given."""

    ref: str
    ends_at: datetime
    explained_until: datetime | None


async def stuck(tools: Tools) -> list[Stuck]:
    """Money without key, oldest first."""
    async with tools.db.unit() as session:
        rows = (await session.execute(text("SELECT * FROM money_without_key ORDER BY succeeded_at"))).mappings()
        return [
            Stuck(row["ref"], row["succeeded_at"], row["why"], await _where(session, row["payment_id"]))
            for row in list(rows)
        ]


async def unexplained(tools: Tools) -> list[Unexplained]:
    """Key without money."""
    async with tools.db.unit() as session:
        rows = (await session.execute(text("SELECT * FROM key_without_money ORDER BY ends_at"))).mappings()
        return [Unexplained(row["ref"], row["ends_at"], row["explained_until"]) for row in rows]


async def _where(session: AsyncSession, payment_id: int) -> list[str]:
    rows = await session.execute(
        select(Node.name, Key.error, Key.failures)
        .join(Key, Key.node_id == Node.id)
        .join(Grant, Grant.subscription_id == Key.subscription_id)
        .where(Grant.payment_id == payment_id, Key.wanted, Key.seen_revision.is_distinct_from(Key.wanted_revision))
        .order_by(Node.id)
        .limit(NODE_LISTED)
    )
    return [f"{name}: {error or 'waits for its turn'} ({failures} tries failed)" for name, error, failures in rows]


async def repair(tools: Tools, ref: str, by: str) -> list[str]:
    """Do now what the sweeps would do by themselves for one payment; answers what was done, a line each.

    Always safe, however often. Raises NotFound; Refused for a payment that a person must decide about.
    """
    async with tools.db.unit() as session:
        payment = await checkout.named(session, ref)
    if payment.state == Attempt.REVIEW:
        raise Refused(
            f"{ref} is in review ({payment.reason}). Decide: `ferryman payment accept {ref}` or `… credit {ref}`."
        )
    done = []
    if payment.state != Attempt.SUCCEEDED:
        done.append(f"asked the provider: {await settling.settle_payment(tools, payment.id)}")
    nodes = await _put_back(tools, payment.id)
    if nodes is None:
        return [*done, "nothing was granted for it: it is not paid, or its money is on the balance"]
    done.append(f"its keys are owed anew on {len(nodes)} nodes")
    for node_id in nodes:
        await provisioning.reconcile_node(tools, node_id)
    left = [one for one in await stuck(tools) if one.ref == ref]
    done.append(f"still missing: {'; '.join(left[0].where)}" if left else "every key is where it belongs")
    _log.warning("payment_repaired", payment=ref, by=by, left=len(left))
    return done


async def _put_back(tools: Tools, payment_id: int) -> list[int] | None:
    """Grant what was not, choose its nodes anew, and have each tried at once; None when nothing is owed for it."""
    now = tools.clock.now()
    async with tools.db.unit() as session:
        payment = await session.get_one(Payment, payment_id)
        await session.get_one(Customer, payment.order.customer_id, with_for_update=LOCK)
        grant = await session.scalar(select(Grant).where(Grant.payment_id == payment_id))
        if grant is None and await ledger.posted(session, "purchase", f"payment:{payment.ref}"):
            await applying.fulfil(tools, session, payment)
            grant = await session.scalar(select(Grant).where(Grant.payment_id == payment_id))
        if grant is None:
            return None
        held = select(Subscription).where(Subscription.id == grant.subscription_id).with_for_update(key_share=True)
        subscription = (await session.scalars(held)).one()
        await placing.place(tools, session, subscription)
        rows = await session.scalars(select(Key).where(Key.subscription_id == subscription.id, Key.wanted))
        owed = [key for key in rows if key.seen_revision != key.wanted_revision]
        for key in owed:
            key.try_at = now
        return sorted(key.node_id for key in owed)
