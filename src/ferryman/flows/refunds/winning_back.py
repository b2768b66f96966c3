"""A chargeback that is won: the bank gives up what it had taken, and what was taken for that is given again.

The books are put back as they were, to the coin. Of the access exactly what the chargeback took comes again, counted
from the day on which we hear of it, for while the dispute lasted it could not be used. A chargeback's row remembers how
much of it has come back, so that nothing comes twice, however often it is told.
"""

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing import gift, ledger, refund
from ferryman.billing.gift import GiftState
from ferryman.billing.order import LedgerEntry, LedgerTransaction, Payment
from ferryman.billing.refund import AT_PROVIDER, Origin, Refund, State
from ferryman.flows.alerting import alert
from ferryman.flows.announcing import announce
from ferryman.flows.keys.handling import Cause, Change
from ferryman.flows.orders import gift_books
from ferryman.flows.refunds import holding
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.money import Money
from ferryman.messaging import money_back
from ferryman.people.customer import Customer
from ferryman.subscriptions.subscription import Subscription
from ferryman.subscriptions.taking_back import NOTHING, Share

_log = log.get("refunds")

WHAT = "chargeback_won"


async def charged_back(session: AsyncSession, payment: Payment) -> int:
    """Minor units of a payment that the books have as taken back by a bank, and not won back."""
    return refund.known(await refund.of_payment(session, payment.id), chargeback=True)


async def won_back(tools: Tools, session: AsyncSession, payment: Payment, total: Money, now: datetime) -> None:
    """The provider says that no more than so much is charged back in all: what the books have on top has come back.

    The caller holds the rows of the payment and its customer, and knows that this was said after the chargeback was
    booked: an older answer would say the same.
    """
    rows = await refund.of_payment(session, payment.id)
    came = refund.known(rows, chargeback=True) - total.minor
    lost = [one for one in rows if one.origin == Origin.CHARGEBACK and one.state == State.SUCCEEDED and one.gone]
    # Of several disputes the one of just that sum, else the newest first.
    for one in sorted(lost, key=lambda each: (each.gone != came, -each.id)):
        part = min(one.gone, came)
        if part > 0:
            await _book(tools, session, payment, one, part, now)
            came -= part
    _recount(payment, rows)
    await session.flush()


async def _book(tools: Tools, session: AsyncSession, payment: Payment, one: Refund, part: int, now: datetime) -> None:
    customer = await session.get_one(Customer, payment.order.customer_id)
    held = (await holding.of_payment(session, payment, now)).subscription
    await _post(session, payment, one, part)
    again = _due(one, part)
    one.won_back += part
    one.taken_seconds -= again.seconds
    one.taken_bytes -= again.bytes
    access = money_back.SAME
    if held is not None and again != NOTHING:
        access = await _give(tools, session, held, one, again, now)
    if one.gone == 0:
        await _worth_of_gifts(session, payment, one)
    await session.flush()
    because = f"{one.ref}:{one.won_back}"
    about = money_back.said_of(access, held.ends_at if held is not None else None)
    said = money_back.PaymentStands(payment.order.ref, part, one.currency, **about)
    await announce(tools, session, customer.id, said, f"money-stands:{because}")
    heard = money_back.ChargebackWon(payment.ref, part, one.currency, customer.telegram_id, access)
    await alert(tools, session, heard, f"chargeback-won:{because}")
    _log.warning("chargeback_won", refund=one.ref, payment=payment.ref, amount=str(Money(part, one.currency)))


async def _post(session: AsyncSession, payment: Payment, one: Refund, part: int) -> None:
    """The provider holds the money again. First the customer owes it no more, then it is a sale again."""
    owed = min(await _still_on(session, one, f"customer:{payment.order.customer_id}"), part)
    parts = [
        (f"provider:{payment.provider}", part),
        (f"customer:{payment.order.customer_id}", -owed),
        ("refunds", owed - part),
    ]
    legs = [(account, Money(minor, one.currency)) for account, minor in parts if minor]
    await ledger.post_again(session, WHAT, f"refund:{one.ref}", legs, {"payment": payment.ref})


async def _still_on(session: AsyncSession, one: Refund, account: str) -> int:
    """What this chargeback has put on an account, less what has come off it again."""
    found = (
        select(func.sum(LedgerEntry.minor))
        .join(LedgerTransaction, LedgerTransaction.id == LedgerEntry.transaction_id)
        .where(LedgerTransaction.source == f"refund:{one.ref}", LedgerEntry.account == account)
    )
    return max(int(await session.scalar(found) or 0), 0)


def _due(one: Refund, part: int) -> Share:
    """What is given again for a part of a chargeback: its share of what was taken, all of it for the last part."""
    return Share(one.taken_seconds * part // one.gone, one.taken_bytes * part // one.gone)


async def _give(
    tools: Tools, session: AsyncSession, held: Subscription, one: Refund, again: Share, now: datetime
) -> str:
    """Lengthen the subscription, whatever its plan is by now; the panels follow. Frozen or switched off it stays so."""
    cause = Cause(one.by, "the bank gave the money back")
    change = Change(tools, session, held, cause, now)
    before, allowed = held.ends_at, held.traffic_bytes
    if again.seconds:
        held.ends_at = max(before, held.clock(now)) + timedelta(seconds=again.seconds)
    held.traffic_bytes = allowed + again.bytes if allowed else 0
    held.weigh(now)
    await change.note(
        WHAT,
        seconds=again.seconds,
        before=before.isoformat(),
        after=held.ends_at.isoformat(),
        traffic_bytes=[allowed, held.traffic_bytes],
        refund=one.ref,
    )
    await change.explain(WHAT, f"refund:{one.ref}:{one.won_back}", before)
    await change.follow()
    return money_back.LONGER if held.ends_at != before else money_back.MORE


async def _worth_of_gifts(session: AsyncSession, payment: Payment, one: Refund) -> None:
    """Codes that became void with the money stay void, for they may have been thrown away: the balance gets them."""
    for code in await gift.bought_with(session, payment.id):
        if code.state == GiftState.VOID and code.ended_at == one.finished_at:
            await gift_books.compensate(session, code, payment.order.customer_id)


def _recount(payment: Payment, rows: list[Refund]) -> None:
    """What has gone at the provider, which the payment shows up to what was paid."""
    back = [one for one in rows if one.origin != Origin.CHARGEBACK]
    payment.refunded = min(refund.sum_of(back, State.SUCCEEDED, through=AT_PROVIDER), payment.minor)
    payment.charged_back = min(refund.known(rows, chargeback=True), payment.minor - payment.refunded)
