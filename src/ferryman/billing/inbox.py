"""The webhook inbox: every event is kept as it came in, once, before anybody believes it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, Integer, Table, bindparam, case, func, literal, select, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing.order import Payment, WebhookEvent
from ferryman.billing.provider import Claim, Fact, PaymentState, RawWebhook
from ferryman.kit.money import Money

# An event that nobody judged for this long has lost its job (a worker died between two heartbeats).
OVERDUE = timedelta(seconds=30)
# What the headers say beside these may be a secret: a signature, a token, a cookie.
PLAIN_HEADERS = ("content-type", "content-length", "user-agent", "date", "x-forwarded-for")
MASK = "•••"
LONGEST_HEADER = 300
# The sums in a fact beside its amount.
SUMS = ("fee", "refunded", "charged_back", "came", "dispute_fee")
MOST_HEADERS = 50
# Of an event that comes again and again the first lines and the newest tell the story.
MOST_LINES, FIRST_LINES = 100, 50


async def keep(session: AsyncSession, provider: str, claim: Claim, raw: RawWebhook, now: datetime) -> int:
    """Store the event, or count one more repeat of it; answers its id."""
    event = {
        "provider": provider,
        "dedup_key": claim.dedup_key,
        "event": claim.event,
        "external_id": claim.external_id,
        "payment_ref": claim.ref,
        "body": raw.body,
        "headers": masked(raw.headers),
        "query": raw.query,
        "remote_ip": raw.remote_ip,
        "fact": None if claim.fact is None else written(claim.fact),
        "trace": [line("kept", now)],
        "received_at": now,
        "due_at": now + OVERDUE,
    }
    again = {"again_at": now + OVERDUE, "came_again": [line("came again", now)]}
    kept: int | None = await session.scalar(_KEEP, event | again)
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
        update(WebhookEvent)
        .where(WebhookEvent.id == event_id)
        .values(verdict=verdict, processed_at=now, trace=_with(_lines(verdict, now)))
    )


async def traced(session: AsyncSession, event_id: int, what: str, now: datetime) -> None:
    """One more line of what happened to an event."""
    await session.execute(
        update(WebhookEvent).where(WebhookEvent.id == event_id).values(trace=_with(_lines(what, now)))
    )


def _lines(what: str, now: datetime) -> ColumnElement[Any]:
    return literal([line(what, now)], JSONB)


def _with(more: ColumnElement[Any]) -> ColumnElement[Any]:
    """The trace with one more line, in a list; in a full one the line in its middle makes room."""
    full = func.jsonb_array_length(WebhookEvent.trace) >= MOST_LINES
    roomy = case((full, WebhookEvent.trace.op("-")(literal(FIRST_LINES, Integer))), else_=WebhookEvent.trace)
    return roomy.op("||")(more)


_EVENTS = cast(Table, WebhookEvent.__table__)
_KEPT = [
    "provider",
    "dedup_key",
    "event",
    "external_id",
    "payment_ref",
    "body",
    "headers",
    "query",
    "remote_ip",
    "fact",
    "trace",
    "received_at",
    "due_at",
]
# Built once: to build it took longer than everything else that a webhook needs together.
_KEEP = (
    insert(_EVENTS)
    .values({name: bindparam(name) for name in _KEPT})
    .on_conflict_do_update(
        index_elements=["provider", "dedup_key"],
        set_={
            "repeats": _EVENTS.c.repeats + 1,
            # Said again, it is looked into again, and not forgotten when that attempt is lost.
            "processed_at": None,
            "due_at": bindparam("again_at"),
            "trace": _with(bindparam("came_again", type_=JSONB)),
        },
    )
    .returning(_EVENTS.c.id)
)


async def redact(session: AsyncSession, before: datetime, limit: int = 5000) -> int:
    """Take body, headers, address and query out of events that came before then; answers of how many.

    What they claimed, what was done and when stays.
    """
    old = select(WebhookEvent.id).where(WebhookEvent.received_at < before, WebhookEvent.redacted_at.is_(None))
    result = await session.execute(
        update(WebhookEvent)
        .where(WebhookEvent.id.in_(old.order_by(WebhookEvent.received_at).limit(limit)))
        .where(WebhookEvent.processed_at.is_not(None))
        .values(body=b"", headers={}, query="", remote_ip="", redacted_at=func.now())
    )
    return int(getattr(result, "rowcount", 0))


def line(what: str, now: datetime) -> dict[str, str]:
    """A line of an event's trace."""
    return {"at": now.isoformat(timespec="milliseconds"), "what": what[:300]}


def masked(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers without what may be a secret: the names of all, the values of the plain ones."""
    return {
        name[:LONGEST_HEADER].replace("\0", ""): value[:LONGEST_HEADER].replace("\0", "")
        if name in PLAIN_HEADERS
        else MASK
        for name, value in list(headers.items())[:MOST_HEADERS]
    }


def written(fact: Fact) -> dict[str, Any]:
    """A fact as JSON, for events that are believed as they are; `read` is the way back."""
    sums = {"amount": fact.amount} | {name: getattr(fact, name) for name in SUMS}
    return {
        "external_id": fact.external_id,
        "ref": fact.ref,
        "state": fact.state.value,
        "test": fact.test,
        "reason": fact.reason,
        "renews": fact.renews,
        "details": dict(fact.details),
        **{name: None if money is None else [money.minor, money.currency] for name, money in sums.items()},
    }


def read(kept: Mapping[str, Any]) -> Fact:
    """The fact that `written` made; an instrument to charge again never is in it."""
    # An older version kept fewer of them.
    sums = {name: None if kept.get(name) is None else Money(*kept[name]) for name in SUMS}
    return Fact(
        external_id=kept["external_id"],
        ref=kept["ref"],
        state=PaymentState(kept["state"]),
        amount=Money(*kept["amount"]),
        test=kept["test"],
        reason=kept["reason"],
        renews=kept["renews"],
        details=kept["details"],
        fee=sums["fee"],
        refunded=sums["refunded"],
        charged_back=sums["charged_back"],
        came=sums["came"],
        dispute_fee=sums["dispute_fee"],
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
