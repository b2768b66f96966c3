"""The inbox for people: what came in, what became of it, and working through it again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select

from ferryman.billing import inbox
from ferryman.billing.order import WebhookEvent
from ferryman.flows.payments import settling
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.errors import NotFound

_log = log.get("inbox")

MOST = 500


@dataclass(frozen=True)
class Filter:
    """Which events: of one provider, about one payment (our ref or theirs), with one verdict, or still waiting."""

    provider: str = ""
    payment: str = ""
    verdict: str = ""
    waiting: bool = False
    limit: int = 50


async def listed(tools: Tools, which: Filter) -> Sequence[WebhookEvent]:
    """The newest first."""
    wanted = select(WebhookEvent).order_by(WebhookEvent.id.desc()).limit(min(which.limit, MOST))
    if which.provider:
        wanted = wanted.where(WebhookEvent.provider == which.provider)
    if which.payment:
        wanted = wanted.where((WebhookEvent.payment_ref == which.payment) | (WebhookEvent.external_id == which.payment))
    if which.verdict:
        wanted = wanted.where(WebhookEvent.verdict == which.verdict)
    if which.waiting:
        wanted = wanted.where(WebhookEvent.processed_at.is_(None))
    async with tools.db.unit() as session:
        return list(await session.scalars(wanted))


async def one(tools: Tools, event_id: int) -> WebhookEvent:
    """Raises NotFound."""
    async with tools.db.unit() as session:
        found = await session.get(WebhookEvent, event_id)
    if found is None:
        raise NotFound(f"There is no event {event_id}.")
    return found


async def replay(tools: Tools, event_id: int, by: str) -> str:
    """Work through an event again, now; answers its verdict. Always safe: what is settled stays settled."""
    await one(tools, event_id)
    async with tools.db.unit() as session:
        await inbox.traced(session, event_id, f"replayed by {by}", tools.clock.now())
    await settling.settle_event(tools, event_id)
    verdict = (await one(tools, event_id)).verdict
    _log.info("event_replayed", webhook=event_id, by=by, verdict=verdict)
    return verdict or "waits for the provider"


async def redact(tools: Tools) -> None:
    """Take the contents out of events that are older than they need to be kept."""
    before = tools.clock.now() - timedelta(days=tools.settings.events_kept_days)
    async with tools.db.unit() as session:
        count = await inbox.redact(session, before)
    if count:
        _log.info("events_redacted", events=count)
