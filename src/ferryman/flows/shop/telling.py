"""Telling a customer: a queued notice is claimed, put into words, sent, and marked; in the order they were queued.

Telegram cannot be asked whether it has sent something. So an attempt is counted as "perhaps sent" before it begins, and
uncounted when it certainly failed; a notice that was perhaps sent twice is not sent again. A kill in the middle of an
attempt is the same case. One rare duplicate is better than silence.

About money or a key, more duplicates are better than silence, too: such a notice (`Notice.weighty`) is repeated after
ever longer pauses for a day, and lets those behind it pass meanwhile. Its row counts how often it was perhaps sent.
Given up after that, it is for the staff to tell.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, case, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from ferryman.delivery.link import subscription_url
from ferryman.flows.alerting import alert
from ferryman.flows.shop import meeting
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.errors import AccessDenied, Refused, Retry, Unreachable
from ferryman.kit.steps import Step, reached
from ferryman.messaging.alerts import CustomerUntold
from ferryman.messaging.keys import key_keyboard, qr_png
from ferryman.messaging.notice import KeyReady, KeyReplaced, Notice, QueuedNotice, weighty
from ferryman.messaging.sender import Blocked, Button, Sender
from ferryman.messaging.texts import Voice, voice
from ferryman.people.customer import Customer
from ferryman.subscriptions.subscription import Subscription

_log = log.get("telling")

# Longer than an attempt can last: a probe (10 s), a send (20 s) and a plain repeat (20 s).
ATTEMPT_DEAD_AFTER = timedelta(seconds=60)
MOST_UNSURE = 2
# What follows when it matters: together with these pauses a day, during which Telegram hardly keeps silent for long.
REPEATS = tuple(timedelta(minutes=minutes) for minutes in (5, 15, 60, 180, 480, 720))
MOST_UNSURE_WEIGHTY = MOST_UNSURE + len(REPEATS)
LONGEST_BACKOFF = 300.0
TOKEN_REFUSED_PAUSE = 60.0
SWEEP_AT_MOST = 500

QUEUED = QueuedNotice.state == "queued"


@dataclass(frozen=True)
class _Addressed:
    """A claimed notice with whom it goes to; `link` is the subscription's, for a notice that hands a key over."""

    id: int
    attempts: int
    unsure: int
    customer_id: int
    telegram_id: int
    voice: Voice
    notice: Notice
    link: str | None


async def deliver(tools: Tools, notice_id: int) -> None:
    """Send one notice if it is its turn; otherwise whoever is before it, or the sweep, will call again."""
    if tools.sender is None:
        return
    try:
        addressed = await _claim(tools, notice_id)
    except LookupError as error:
        await _give_up(tools, notice_id, "failed", str(error))
        return
    if addressed is None:
        return
    log.bind(notice=notice_id, kind=addressed.notice.kind, customer=addressed.customer_id)
    reached(Step.NOTICE_CLAIMED)
    try:
        message_id = await _send(tools.sender, addressed)
    except AccessDenied as error:
        await _later(tools, addressed, TOKEN_REFUSED_PAUSE, error, sent_perhaps=False)
    except Retry as error:
        pause = error.after or min(2.0 ** min(addressed.attempts, 10), LONGEST_BACKOFF)
        unsure = isinstance(error, Unreachable)
        if unsure:
            pause = max(pause, _pause(addressed.notice, addressed.unsure).total_seconds())
        await _later(tools, addressed, pause, error, sent_perhaps=unsure)
    except Blocked as error:
        await meeting.went_away(tools, addressed.telegram_id)
        await _give_up(tools, notice_id, "blocked", str(error))
    except Refused as error:
        await _give_up(tools, notice_id, "failed", str(error))
    else:
        reached(Step.NOTICE_SENT)
        await _finish(tools, notice_id, state="sent", sent_at=tools.clock.now(), message_id=message_id, error=None)
        _log.info("notice_sent")


async def sweep(tools: Tools) -> None:
    """Defer again every notice whose time has come: its job was lost, or its attempt died with a worker."""
    if tools.sender is None:
        return
    async with tools.db.unit() as session:
        due = select(QueuedNotice.id).where(QUEUED, _due(tools.clock.now()), _first_in_line())
        for notice_id in await session.scalars(due.order_by(QueuedNotice.id).limit(SWEEP_AT_MOST)):
            await _defer(tools, session, notice_id)


async def _claim(tools: Tools, notice_id: int) -> _Addressed | None:
    """The notice, if it may be sent now and by us. Raises LookupError when it can never be."""
    now = tools.clock.now()
    claim = (
        update(QueuedNotice)
        .where(QueuedNotice.id == notice_id, QUEUED, _due(now), _first_in_line(), ~_told_often_enough())
        .values(attempts=QueuedNotice.attempts + 1, unsure=QueuedNotice.unsure + 1, due_at=now + ATTEMPT_DEAD_AFTER)
        .returning(QueuedNotice)
    )
    async with tools.db.unit() as session:
        row = (await session.scalars(claim, execution_options={"populate_existing": True})).one_or_none()
        if row is None:
            await _refuse_one_more_attempt(tools, session, notice_id, now)
            return None
        what = row.notice()
        # Killed in the middle, it is repeated after the pause that an unanswered one gets.
        row.due_at = now + max(ATTEMPT_DEAD_AFTER, _pause(what, row.unsure))
        if row.unsure > MOST_UNSURE:
            _log.warning("notice_repeated", notice=row.id, kind=row.kind, perhaps_sent=row.unsure - 1)
        customer = await session.get_one(Customer, row.customer_id)
        link = await _link(tools, session, what) if isinstance(what, KeyReady | KeyReplaced) else None
        speaks = voice(customer.language)
        return _Addressed(row.id, row.attempts, row.unsure, customer.id, customer.telegram_id, speaks, what, link)


async def _refuse_one_more_attempt(tools: Tools, session: AsyncSession, notice_id: int, now: datetime) -> None:
    """It is given up for good: what matters is for the staff to tell, and everybody behind it is called up."""
    unsure = update(QueuedNotice).where(QueuedNotice.id == notice_id, QUEUED, _due(now), _told_often_enough())
    error = func.concat("perhaps sent ", QueuedNotice.unsure, " times, never confirmed")
    given_up = unsure.values(state="failed", error=error).returning(QueuedNotice)
    row = (await session.scalars(given_up, execution_options={"populate_existing": True})).one_or_none()
    if row is None:
        return
    _log.error("notice_outcome_unknown", notice=notice_id, kind=row.kind, perhaps_sent=row.unsure)
    if row.kind in weighty():
        customer = await session.get_one(Customer, row.customer_id)
        await alert(tools, session, CustomerUntold(customer.telegram_id, row.kind, row.unsure), f"untold:{row.id}")


async def _link(tools: Tools, session: AsyncSession, about: KeyReady | KeyReplaced) -> str:
    subscription = await session.get(Subscription, about.subscription_id)
    if subscription is None:
        raise LookupError(f"there is no subscription {about.subscription_id}")
    return subscription_url(tools.settings.base_url, subscription.token)


async def _send(sender: Sender, to: _Addressed) -> int:
    if to.link is None:
        return await sender.send_text(to.telegram_id, to.notice.text(to.voice), to.notice.keyboard(to.voice))
    caption = to.notice.text(to.voice, link=to.link)
    subscription = Button(to.voice.plain("button-subs"), data="v1:subs")
    keyboard = key_keyboard(to.voice, to.link, subscription)
    return await sender.send_photo(to.telegram_id, qr_png(to.link), caption, keyboard)


async def _later(tools: Tools, to: _Addressed, pause: float, error: Exception, *, sent_perhaps: bool) -> None:
    async with tools.db.unit() as session:
        await session.execute(
            update(QueuedNotice)
            .where(QueuedNotice.id == to.id, QUEUED)
            .values(
                due_at=tools.clock.now() + timedelta(seconds=pause),
                unsure=QueuedNotice.unsure - (0 if sent_perhaps else 1),
                error=str(error)[:300],
            )
        )
        await _defer(tools, session, to.id, after=pause)
    _log.warning("notice_waits", why=str(error), seconds=pause)


async def _give_up(tools: Tools, notice_id: int, state: str, why: str) -> None:
    _log.warning("notice_given_up", notice=notice_id, state=state, why=why)
    await _finish(tools, notice_id, state=state, error=why[:300])


async def _finish(tools: Tools, notice_id: int, **outcome: Any) -> None:
    """Write the outcome down, and in a second transaction call up whoever was waiting behind this notice."""
    async with tools.db.unit() as session:
        finished = (
            update(QueuedNotice)
            .where(QueuedNotice.id == notice_id, QUEUED)
            .values(**outcome)
            .returning(QueuedNotice.customer_id)
        )
        customer_id = await session.scalar(finished)
    reached(Step.NOTICE_MARKED)
    if customer_id is None:
        return
    async with tools.db.unit() as session:
        waiting = select(QueuedNotice.id).where(QUEUED, QueuedNotice.customer_id == customer_id, _first_in_line())
        next_id = await session.scalar(waiting.where(_due(tools.clock.now())))
        if next_id is not None:
            await _defer(tools, session, next_id)


async def _defer(tools: Tools, session: AsyncSession, notice_id: int, *, after: float = 0.0) -> None:
    await tools.jobs.defer(session, "deliver_notice", once=f"notice:{notice_id}", after=after, notice_id=notice_id)


def _pause(what: Notice, unsure: int) -> timedelta:
    """How long a notice that was perhaps sent so often waits for the next attempt, at least."""
    repeated = what.weighty and MOST_UNSURE <= unsure < MOST_UNSURE_WEIGHTY
    return REPEATS[unsure - MOST_UNSURE] if repeated else timedelta(0)


def _told_often_enough() -> ColumnElement[bool]:
    most = case((QueuedNotice.kind.in_(weighty()), MOST_UNSURE_WEIGHTY), else_=MOST_UNSURE)
    return QueuedNotice.unsure >= most


def _due(now: datetime) -> ColumnElement[bool]:
    return or_(QueuedNotice.due_at.is_(None), QueuedNotice.due_at <= now)


def _first_in_line() -> ColumnElement[bool]:
    """Nobody of the same customer's is before it, but for those that have perhaps arrived already."""
    before = aliased(QueuedNotice)
    return ~(
        select(before.id)
        .where(before.customer_id == QueuedNotice.customer_id, before.state == "queued", before.id < QueuedNotice.id)
        .where(before.unsure < MOST_UNSURE)
        .correlate(QueuedNotice)
        .exists()
    )
