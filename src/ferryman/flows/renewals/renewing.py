"""Renewing: a subscription goes on by itself, with the same guarantees as one that is bought.

sweep     every minute: each agreement whose time has come is looked at, and those that ended are ended elsewhere too
look      the rules (`billing.renewal`) name the one next step, and one transaction takes it: the customer is told, or
          the agreement ends, or order, payment and its key are written down, and the payment is to be asked about
(charging)  how that payment is asked about: it is charged, under a key that finds the same payment when asked again
(settling)  what the provider confirms is applied like everything else; `agreeing` says what that means here

While the end of one charge is unknown, nothing is charged under another key.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import exists, or_, update
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing import checkout, renewals
from ferryman.billing.checkout import Wanted
from ferryman.billing.order import OrderKind
from ferryman.billing.provider import Charging, InHouse, Repeating
from ferryman.billing.renewal import (
    LOOK_AGAIN,
    Agreement,
    By,
    Seen,
    State,
    Step,
    charge_at,
    next_step,
    retry_at,
    to_charge,
)
from ferryman.catalog import shelf
from ferryman.catalog.plan import Term
from ferryman.flows.announcing import announce
from ferryman.flows.keys import ending_renewals
from ferryman.flows.orders import offering, opening, pricing
from ferryman.flows.renewals import agreeing, costing
from ferryman.flows.renewals.costing import Cost
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.db import LOCK
from ferryman.kit.errors import FerrymanError
from ferryman.messaging.notice import Notice, QueuedNotice, queued_as
from ferryman.messaging.renewals import RenewalAhead, RenewalFailed, RenewalPriceRose, RenewalStopped
from ferryman.people.customer import Customer
from ferryman.subscriptions.subscription import Subscription

_log = log.get("renewing")

# A charge that is on its way is nearly always final within seconds.
LOOK_SOON = timedelta(minutes=1)
# Why a charge was given up that nobody had sent yet, when it was not to be sent any more.
NOT_WANTED = "This renewal is not wanted any more."


@dataclass(frozen=True)
class Scene:
    """A transaction that holds the customer's row, the subscription's and the agreement's, locked in this order."""

    tools: Tools
    session: AsyncSession
    customer: Customer
    subscription: Subscription
    one: Agreement
    now: datetime

    @property
    def ends_at(self) -> datetime:
        """The subscription's real end; while it is frozen it moves on with the clock."""
        return self.subscription.ends_at + (self.now - self.subscription.clock(self.now))

    async def announce(self, what: Notice, key: str) -> None:
        await announce(self.tools, self.session, self.customer.id, what, self.key(key))

    def key(self, about: str) -> str:
        """What a notice about this period is queued under, once."""
        return f"{about}:{self.one.id}:{int(self.one.period_end.timestamp())}"


async def sweep(tools: Tools) -> None:
    """Have everybody looked at whose time has come, and forget instruments that nobody uses any more."""
    now = tools.clock.now()
    async with tools.db.unit() as session:
        await _hurry(session, now)
        for number in await renewals.due(session, now):
            await tools.jobs.defer(session, "look_at_renewal", once=f"renewal:{number}", agreement_id=number)
        to_unhook = await renewals.to_unhook(session, now)
        to_stop = await renewals.to_stop(session)
        await renewals.forget(session, now)
    for number in to_unhook:
        try:
            await agreeing.unhook(tools, number)
        except FerrymanError as error:
            _log.warning("renewal_not_unhooked", renewal=number, why=str(error))
    for payment_id in to_stop:
        try:
            await agreeing.stop_payment(tools, payment_id)
        except FerrymanError as error:
            _log.warning("repetition_not_stopped", payment_id=payment_id, why=str(error))


async def _hurry(session: AsyncSession, now: datetime) -> None:
    """What Telegram repeats for who is blocked, or whose key is switched off, is looked at now: it is to be stopped."""
    barred = exists().where(Customer.id == Agreement.customer_id, Customer.banned)
    switched_off = exists().where(Subscription.id == Agreement.subscription_id, Subscription.disabled_at.is_not(None))
    theirs = (Agreement.by == By.STARS, Agreement.state == State.ACTIVE, Agreement.next_try_at > now)
    await session.execute(update(Agreement).where(*theirs, or_(barred, switched_off)).values(next_try_at=now))


async def look(tools: Tools, agreement_id: int) -> None:
    """Take the next step of one agreement, if its time has come; looking twice does nothing twice."""
    async with tools.db.unit() as session:
        found = await session.get_one(Agreement, agreement_id)
        scene = await held(tools, session, found)
        if scene.one.active and scene.one.next_try_at is not None and scene.one.next_try_at <= scene.now:
            await _step(scene)


async def held(tools: Tools, session: AsyncSession, found: Agreement) -> Scene:
    """The scene around an agreement, with its rows locked."""
    customer = await session.get_one(Customer, found.customer_id, with_for_update=LOCK, populate_existing=True)
    subscription = await session.get_one(
        Subscription, found.subscription_id, with_for_update=LOCK, populate_existing=True
    )
    one = await renewals.held(session, found.id)
    return Scene(tools, session, customer, subscription, one, tools.clock.now())


async def _step(scene: Scene) -> None:
    one, ends_at = scene.one, scene.subscription.ends_at
    await count_failures(scene)
    if one.active and ends_at < one.period_end and scene.subscription.ended(scene.now):
        # Somebody has ended it: a refund, an operator. It is not for us to begin it anew.
        await _end(scene, State.STOPPED, "ended")
    if not one.active:
        return
    if ends_at != one.period_end:
        renewals.begin_period(one, ends_at)
    term = await shelf.term(scene.session, one.term_id)
    cost = await costing.cost(scene.tools, scene.session, one.customer_id, term, one.currency, one.provider, one.way)
    seen = await _seen(scene, term, cost)
    step = next_step(one, seen)
    match step.step:
        case Step.WAIT:
            one.next_try_at = scene.now + LOOK_SOON if seen.open else step.at
        case Step.WARN:
            await _warn(scene, seen)
        case Step.CHARGE:
            assert term is not None
            await _charge(scene, term, cost)
        case Step.MISS:
            _tried(scene)
            await _failed(scene, step.why)
        case Step.STOP:
            await _end(scene, State.STOPPED, step.why)
        case Step.FAIL:
            one.last_reason = step.why
            await _end(scene, State.FAILED, step.why)


async def _seen(scene: Scene, term: Term | None, cost: Cost) -> Seen:
    one, subscription, reminder = scene.one, scene.subscription, await _reminder(scene)
    return Seen(
        now=scene.now,
        ends_at=scene.ends_at,
        price=cost.price,
        least=cost.least,
        on_sale=term is not None,
        moved=term is not None and term.plan.code != subscription.plan_code,
        payable=cost.taken and await _payable(scene),
        open=await renewals.unsettled(scene.session, one.subscription_id),
        waiting=reminder is not None and reminder.state == "queued",
        reminded_at=reminder.sent_at if reminder is not None else None,
        frozen=subscription.frozen_at is not None,
        disabled=subscription.disabled_at is not None,
        banned=scene.customer.banned,
    )


async def _reminder(scene: Scene) -> QueuedNotice | None:
    """The reminder of this period; None before there is one, and after a yes to what it asked for."""
    return await queued_as(scene.session, scene.key(_reminder_key(scene.one))) if scene.one.told_at else None


def _reminder_key(one: Agreement) -> str:
    # Told once of each price that was agreed to, and again when it was switched off and on in between.
    return f"renewal-{'price' if one.asks else 'ahead'}-{one.told_minor}-{int(one.agreed_at.timestamp())}"


async def _payable(scene: Scene) -> bool:
    """Whether the way of paying is installed, switched on, and can still do what was agreed."""
    one = scene.one
    able = {By.KEPT: Charging, By.BALANCE: InHouse, By.STARS: Repeating}[By(one.by)]
    for choice in await offering.choices(scene.tools, scene.session):
        if choice.enabled and (choice.provider, choice.way.code) == (one.provider, one.way):
            return issubclass(scene.tools.providers[one.provider], able)
    return False


async def _warn(scene: Scene, seen: Seen) -> None:
    one = scene.one
    assert seen.price is not None
    price = one.amount if one.by == By.STARS else seen.price
    one.told_at, one.told_minor = scene.now, price.minor
    on = scene.ends_at if one.by == By.STARS else charge_at(one, scene.ends_at)
    one.next_try_at = scene.now + LOOK_AGAIN if one.asks else max(on, scene.now + LOOK_SOON)
    reminder: Notice = RenewalAhead(*_what(scene), on.isoformat(), price.minor, price.currency, one.by, one.title)
    if one.asks:
        reminder = RenewalPriceRose(*_what(scene), price.minor, price.currency, one.minor)
    await scene.announce(reminder, _reminder_key(one))
    _log.info("renewal_told", renewal=one.id, amount=str(price), agreed=str(one.amount))


async def _charge(scene: Scene, term: Term, cost: Cost) -> None:
    """Write down what is to be charged, and have it asked about; until the commit nothing has happened."""
    tools, session, one, now = scene.tools, scene.session, scene.one, scene.now
    assert cost.quote is not None
    priced = cost.quote.lowered(to_charge(one, cost.quote.total))
    wanted = Wanted(
        one.customer_id,
        term.id,
        term.plan.snapshot(term),
        priced.total,
        OrderKind.RENEWAL,
        priced.plain(),
        one.subscription_id,
    )
    order, number, new = await renewals.place(session, one, wanted, now, least=cost.least)
    if new:
        await pricing.reserve(session, priced, order, now)
    words = opening.words(tools, scene.customer, order, contact=scene.customer.contact or "")
    key = renewals.key(one, number)
    payment = await checkout.attempt(session, order, one.provider, words, now, way=one.way, key=key)
    renewals.put_down(session, one, payment)
    _tried(scene)
    one.next_try_at = now + LOOK_SOON
    await tools.jobs.defer(session, "ask_payment", once=f"payment:{payment.id}", payment_id=payment.id)
    _log.info("renewal_charged", renewal=one.id, order=order.ref, payment=payment.ref, try_number=number)


def _tried(scene: Scene) -> None:
    scene.one.tries += 1
    scene.one.first_try_at = scene.one.first_try_at or scene.now


def _not_tried(scene: Scene) -> None:
    """It was written down and never sent, as something came in the way that is no failure: nobody has to hear of it."""
    one = scene.one
    one.tries = max(one.tries - 1, 0)
    one.first_try_at = one.first_try_at if one.tries else None


async def count_failures(scene: Scene) -> None:
    """Let charges that have failed have their effect, each once."""
    while (found := await renewals.uncounted(scene.session, scene.one.id)) is not None:
        charge, payment = found
        charge.counted = True
        await scene.session.flush()
        stands = charge.period_end == scene.one.period_end == scene.subscription.ends_at and not scene.customer.banned
        if payment.reason == NOT_WANTED:
            _not_tried(scene)
        elif scene.one.active and stands:
            # From our own books it is always the same: the money is not there.
            reason = "insufficient_funds" if scene.one.by == By.BALANCE else payment.reason or ""
            await _failed(scene, reason)


async def _failed(scene: Scene, reason: str) -> None:
    """A try of this period did not succeed: say so, and when the next one is."""
    one = scene.one
    one.last_reason = reason[:100]
    again = retry_at(one, reason)
    _log.warning("renewal_failed", renewal=one.id, reason=reason, tries=one.tries, again=str(again))
    if again is None:
        await _end(scene, State.FAILED, reason)
    else:
        one.next_try_at = max(again, scene.now)
        await scene.announce(_failure(scene, reason, again), f"renewal-failed:{one.tries}")


async def _end(scene: Scene, state: State, why: str) -> None:
    renewals.end(scene.one, state, why[:100], scene.now)
    _log.info("renewal_ended", renewal=scene.one.id, state=state, why=why)
    if scene.customer.banned:
        return
    if state is State.FAILED:
        await scene.announce(_failure(scene, why, None), "renewal-given-up")
    else:
        await scene.announce(RenewalStopped(*_what(scene), why), "renewal-stopped")


def _failure(scene: Scene, reason: str, again: datetime | None) -> RenewalFailed:
    one = scene.one
    minor = min(one.told_minor or one.minor, one.minor)
    return RenewalFailed(*_what(scene), minor, one.currency, reason, again.isoformat() if again else "")


def _what(scene: Scene) -> tuple[str, str, dict[str, str], str]:
    return ending_renewals.what(scene.subscription, scene.ends_at)
