"""The webhook inbox: every event is kept as it came in, once, before anybody believes it."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing.order import Payment, WebhookEvent
from ferryman.billing.provider import Claim, RawWebhook


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
    )
    kept: int | None = await session.scalar(
        row.on_conflict_do_update(
            index_elements=["provider", "dedup_key"], set_={"repeats": WebhookEvent.repeats + 1}
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


async def tried(session: AsyncSession, event_id: int) -> int:
    """Count one more try; answers how many there were."""
    count = await session.scalar(
        update(WebhookEvent)
        .where(WebhookEvent.id == event_id)
        .values(attempts=WebhookEvent.attempts + 1)
        .returning(WebhookEvent.attempts)
    )
    return count or 0


async def waiting(session: AsyncSession, before: datetime, limit: int = 500) -> list[int]:
    """Events received before then that nobody has judged."""
    found = await session.scalars(
        select(WebhookEvent.id)
        .where(WebhookEvent.processed_at.is_(None), WebhookEvent.received_at < before)
        .order_by(WebhookEvent.received_at)
        .limit(limit)
    )
    return list(found)
