"""Successes are asked about again: money may go back of a payment long after it, and every webhook of that be lost.

A provider's list shows what was created or paid in its days; an older payment that was given back or disputed since
stands in none of them, or nobody promises that it does. So each success has a time at which it is asked about once
more. A round takes those of one provider that wait longest, few at a time: whatever the number of payments, a provider
hears no more than ROUND questions in ten minutes. In a shop with fewer than 4320 of them each is asked about every
day; in a larger one they take turns.
"""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing import checkout, refund
from ferryman.billing.order import Payment
from ferryman.billing.provider import PaymentProvider, Watched
from ferryman.billing.refund import State, Through
from ferryman.flows.orders import opening
from ferryman.flows.payments import applying, banking
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.errors import AccessDenied, FerrymanError, Refused, Retry
from ferryman.subscriptions.subscription import Subscription

_log = log.get("banking")

ROUND = 30
# While there is access that would go with the money, and when there is none.
OFTEN, SELDOM = checkout.LOOK_AFTER, timedelta(days=7)
# What got no answer comes again after this time, and a provider that gives none is left alone until the next round.
IN_VAIN, MOST_IN_VAIN = timedelta(hours=1), 3


async def sweep(tools: Tools) -> None:
    """Begin a round with every provider that has something to be asked about."""
    now = tools.clock.now()
    async with tools.db.unit() as session:
        for name, kind in tools.providers.items():
            if _is_watched(kind) and await checkout.to_look_at(session, name, now, 1):
                lock, once = f"bank:{name}", f"again:{name}"
                await tools.jobs.defer(session, "look_again", lock=lock, once=once, provider=name)


async def look_again(tools: Tools, provider: str) -> None:
    """The job: one round with one provider. Trouble is for the next round, and said in the log."""
    async with tools.db.unit() as session:
        due = await checkout.to_look_at(session, provider, tools.clock.now(), ROUND)
    asked = found = in_vain = 0
    try:
        async with tools.db.unit() as session:
            at = await opening.collecting(tools, session, provider)
        for payment_id in due:
            try:
                found += await _look(tools, at, payment_id)
                in_vain = 0
            except Retry as error:
                in_vain += 1
                if in_vain == MOST_IN_VAIN:
                    raise
                _log.warning("success_not_asked_about", provider=provider, why=str(error))
            asked += 1
    except FerrymanError as error:
        _log.warning("successes_not_asked_about", provider=provider, why=str(error), asked=asked)
    _log.info("successes_asked_about", provider=provider, asked=asked, recovered=found)


async def _look(tools: Tools, provider: PaymentProvider, payment_id: int) -> bool:
    """Whether there was news of it."""
    now = tools.clock.now()
    async with tools.db.unit() as session:
        # On its own, and first: one that cannot be answered about must not stand before all others.
        await checkout.look_later(session, payment_id, now + IN_VAIN)
        payment = await session.get_one(Payment, payment_id)
    try:
        fact = await provider.look_up(str(payment.external_id))
        outcome = await applying.apply_fact(tools, provider, fact, asked=payment_id)
    except AccessDenied:
        raise
    except Refused as error:
        # Asked again tomorrow they would say the same.
        _log.error("success_unknown_to_provider", payment=payment.ref, why=str(error))
        outcome = None
    async with tools.db.unit() as session:
        # Held, or a refund that is booked meanwhile would lose the look that it asks for.
        payment = await checkout.held(session, payment_id)
        held = payment.order.subscription_id
        subscription = await session.get(Subscription, held) if held is not None else None
        assert isinstance(provider, Watched)
        moved_at = await _moved_at(session, payment)
        await checkout.look_later(session, payment_id, _next(moved_at, subscription, provider.watched_for, now))
    recovered = outcome in banking.RECOVERED
    if recovered:
        _log.warning("money_found_by_asking_again", payment=payment.ref, outcome=outcome)
    return recovered


def _is_watched(kind: object) -> bool:
    return isinstance(kind, Watched)


async def _moved_at(session: AsyncSession, payment: Payment) -> datetime | None:
    """When money of it went over the provider's account last: what has gone back may come back."""
    done = [one for one in await refund.of_payment(session, payment.id) if one.state == State.SUCCEEDED]
    went = [one.finished_at for one in done if one.through == Through.PROVIDER]
    return max((at for at in [payment.succeeded_at, *went] if at is not None), default=None)


def _next(
    moved_at: datetime | None, held: Subscription | None, watched_for: timedelta, now: datetime
) -> datetime | None:
    if held is not None and not held.ended(now):
        return now + OFTEN
    young = moved_at is not None and now - moved_at < watched_for
    return now + SELDOM if young else None
