"""The webhook inbox: every event is kept as it came in, once, before anybody believes it."""

from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing.order import Payment, WebhookEvent
from ferryman.billing.provider import Claim, RawWebhook

# An event that nobody judged for this long has lost its job (a worker died between two heartbeats).
OVERDUE = timedelta(seconds=30)


async def keep(session: AsyncSession, provider: str, claim: Claim, raw: RawWebhook, now: datetime) -> int:
    """Store the event, or count one more repeat of it; answers its id."""
    row = insert(WebhookEvent).values(
        provider=provider,
        dedup_key=claim.dedup_key,
        event=claim.event,
        external_id=claim.external_id,
        payment_ref=claim.ref,
        body=raw.body,
        remote_ip=raw.remote_ip,
        received_at=now,
        due_at=now + OVERDUE,
    )
    kept: int | None = await session.scalar(
        row.on_conflict_do_update(
            index_elements=["provider", "dedup_key"],
            set_={
                "repeats": WebhookEvent.repeats + 1,
                # Said again, it is looked into again, and not forgotten when that attempt is lost.
                "processed_at": None,
                "due_at": now + OVERDUE,
            },
        ).returning(WebhookEvent.id)
    )
    assert kept is not None
    return kept


async def payment_meant(
    session: AsyncSession, provider: str, claim_ref: str | None, external_id: str | None
) -> int | None:
    """The payment that an event speaks of, by our ref first: a webhook may come before we know the provider's id."""
    by_ref = select(Payment.id).where(Payment.provider == provider, Payment.ref == claim_ref)
    by_id = select(Payment.id).where(Payment.provider == provider, Payment.external_id == external_id)
    found = await session.scalar(by_ref) if claim_ref else None
    return found or (await session.scalar(by_id) if external_id else None)


async def judged(session: AsyncSession, event_id: int, verdict: str, now: datetime) -> None:
    """Write down what became of an event."""
    await session.execute(
        update(WebhookEvent).where(WebhookEvent.id == event_id).values(verdict=verdict, processed_at=now)
    )


async def tried(session: AsyncSession, event_id: int, now: datetime) -> WebhookEvent:
    """Count one more try, and answer the event. The sweep waits longer after each: 30 s, 1, 2, 4, 5 min."""
    pause = func.least(OVERDUE.total_seconds() * func.power(2, func.least(WebhookEvent.attempts, 4)), 300)
    found = await session.scalars(
        update(WebhookEvent)
        .where(WebhookEvent.id == event_id)
        .values(attempts=WebhookEvent.attempts + 1, due_at=now + func.make_interval(0, 0, 0, 0, 0, 0, pause))
        .returning(WebhookEvent)
    )
    return found.one()


async def put_off(session: AsyncSession, event_id: int, until: datetime) -> None:
    """The provider asked for a pause: the sweep keeps to it too."""
    await session.execute(update(WebhookEvent).where(WebhookEvent.id == event_id).values(due_at=until + OVERDUE))


async def waiting(session: AsyncSession, now: datetime, limit: int = 500) -> list[int]:
    """Events that nobody has judged and that are due."""
    found = await session.scalars(
        select(WebhookEvent.id)
        .where(WebhookEvent.processed_at.is_(None), WebhookEvent.due_at <= now)
        .order_by(WebhookEvent.due_at)
        .limit(limit)
    )
    return list(found)
