"""Money that had gone and has come back: a chargeback that is won, and a refund that did not arrive after all.

The books are put back as they were, to the coin, and what was taken for that money is given again. Of the access it is
exactly what was taken, counted from the day on which we hear of it, for until then it could not be used. The row of the
chargeback or the refund remembers how much of it has come back, so that nothing comes twice, however often it is told.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing import gift, ledger, refund
from ferryman.billing.gift import GiftState
from ferryman.billing.order import Attempt, LedgerEntry, LedgerTransaction, Payment
from ferryman.billing.provider import Fact
from ferryman.billing.refund import AT_PROVIDER, Origin, Refund, State
from ferryman.billing.settlement import Outcome
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

# A refund that was booked so lately may be missing from an answer that was given before it.
SETTLED_AFTER = timedelta(hours=1)


@dataclass(frozen=True)
class Return:
    """One way for money to come back: its name in books and history, why in words, and who is told what.

    `keys`: what the two messages are remembered under.
    """

    what: str
    why: str
    to_customer: type[money_back.ChargedBack]
    to_staff: type[money_back.ChargebackCame]
    keys: tuple[str, str]


WON = Return(
    "chargeback_won",
    "the bank gave the money back",
    money_back.PaymentStands,
    money_back.ChargebackWon,
    ("money-stands", "chargeback-won"),
)
RETURNED = Return(
    "refund_returned",
    "the refund did not arrive",
    money_back.RefundReturned,
    money_back.RefundBounced,
    ("refund-returned", "refund-bounced"),
)


@dataclass(frozen=True)
class Gone:
    """Minor units that the books have as given back by the provider, or as taken back by a bank, and the provider says
    that it is less; None where nothing is in doubt."""

    refunded: int | None = None
    charged_back: int | None = None


async def doubted(session: AsyncSession, payment: Payment, fact: Fact, now: datetime) -> Gone | None:
    """What the books have as gone, when the provider says that it is less.

    Of a payment that a person has decided on a provider counts otherwise than we do: its refunds are left alone.
    """
    if payment.state != Attempt.SUCCEEDED:
        return None
    rows = await refund.of_payment(session, payment.id)
    sent, taken = refund.sent(rows), refund.known(rows, chargeback=True)
    back = sum(one.gone for one in sent)
    fresh = any(one.finished_at is None or one.finished_at > now - SETTLED_AFTER for one in sent)
    sure = not fresh and "decided" not in payment.details
    found = Gone(
        back if sure and _less(payment, fact.refunded, back) else None,
        taken if _less(payment, fact.charged_back, taken) else None,
    )
    return found if found != Gone() else None


def _less(payment: Payment, said: Money | None, known: int) -> bool:
    return said is not None and said.currency == payment.currency and said.minor < known


async def come_back(
    tools: Tools, session: AsyncSession, payment: Payment, fact: Fact, known: Gone, now: datetime
) -> Outcome:
    """What is in doubt has come back, as far as the provider says so.

    The caller holds the rows of the payment and its customer, and knows that this was said after the money had been
    booked as gone: an older answer would say the same.
    """
    rows, outcome = await refund.of_payment(session, payment.id), Outcome.RETURNED
    if known.refunded is not None and fact.refunded is not None:
        came = known.refunded - fact.refunded.minor
        await _book_all(tools, session, payment, RETURNED, refund.sent(rows), came, now)
    if known.charged_back is not None and fact.charged_back is not None:
        outcome, came = Outcome.WON_BACK, known.charged_back - fact.charged_back.minor
        lost = [one for one in rows if one.origin == Origin.CHARGEBACK and one.state == State.SUCCEEDED and one.gone]
        await _book_all(tools, session, payment, WON, lost, came, now)
    _recount(payment, rows)
    await session.flush()
    return outcome


async def _book_all(
    tools: Tools, session: AsyncSession, payment: Payment, why: Return, gone: list[Refund], came: int, now: datetime
) -> None:
    """Of several the one of just that sum, else the newest first."""
    for one in sorted(gone, key=lambda each: (each.gone != came, -each.id)):
        part = min(one.gone, came)
        if part > 0:
            await _book(tools, session, payment, why, one, part, now)
            came -= part


async def _book(
    tools: Tools, session: AsyncSession, payment: Payment, why: Return, one: Refund, part: int, now: datetime
) -> None:
    customer = await session.get_one(Customer, payment.order.customer_id)
    held = (await holding.of_payment(session, payment, now)).subscription
    await _post(session, payment, why, one, part)
    again = _due(one, part)
    one.again_seconds -= one.again_seconds * part // one.gone
    one.again_bytes -= one.again_bytes * part // one.gone
    one.won_back += part
    one.taken_seconds -= again.seconds
    one.taken_bytes -= again.bytes
    access = money_back.SAME
    if held is not None and again != NOTHING:
        access = await _give(tools, session, held, why, one, again, now)
    if one.gone == 0:
        await _worth_of_gifts(session, payment)
    await session.flush()
    because, (to_customer, to_staff) = f"{one.ref}:{one.won_back}", why.keys
    about = money_back.said_of(access, held.ends_at if held is not None else None)
    said = why.to_customer(payment.order.ref, part, one.currency, **about)
    await announce(tools, session, customer.id, said, f"{to_customer}:{because}")
    heard = why.to_staff(payment.ref, part, one.currency, customer.telegram_id, access)
    await alert(tools, session, heard, f"{to_staff}:{because}")
    _log.warning(why.what, refund=one.ref, payment=payment.ref, amount=str(Money(part, one.currency)))


async def _post(session: AsyncSession, payment: Payment, why: Return, one: Refund, part: int) -> None:
    """The provider holds the money again. First the customer owes it no more, then it is a sale again."""
    owed = min(await _still_on(session, one, f"customer:{payment.order.customer_id}"), part)
    parts = [
        (f"provider:{payment.provider}", part),
        (f"customer:{payment.order.customer_id}", -owed),
        ("refunds", owed - part),
    ]
    legs = [(account, Money(minor, one.currency)) for account, minor in parts if minor]
    await ledger.post_again(session, why.what, f"refund:{one.ref}", legs, {"payment": payment.ref})


async def _still_on(session: AsyncSession, one: Refund, account: str) -> int:
    """What this refund or chargeback has put on an account, less what has come off it again."""
    found = (
        select(func.sum(LedgerEntry.minor))
        .join(LedgerTransaction, LedgerTransaction.id == LedgerEntry.transaction_id)
        .where(LedgerTransaction.source == f"refund:{one.ref}", LedgerEntry.account == account)
    )
    return max(int(await session.scalar(found) or 0), 0)


def _due(one: Refund, part: int) -> Share:
    """What is given again for a part of the money: its share of what was taken, all of it for the last part."""
    return Share(one.taken_seconds * part // one.gone, one.taken_bytes * part // one.gone)


async def _give(
    tools: Tools, session: AsyncSession, held: Subscription, why: Return, one: Refund, again: Share, now: datetime
) -> str:
    """Lengthen the subscription, whatever its plan is by now; the panels follow. Frozen or switched off it stays so."""
    cause = Cause(one.by, why.why)
    change = Change(tools, session, held, cause, now)
    before, allowed = held.ends_at, held.traffic_bytes
    if again.seconds:
        held.ends_at = max(before, held.clock(now)) + timedelta(seconds=again.seconds)
    held.traffic_bytes = allowed + again.bytes if allowed else 0
    held.weigh(now)
    await change.note(
        why.what,
        seconds=again.seconds,
        before=before.isoformat(),
        after=held.ends_at.isoformat(),
        traffic_bytes=[allowed, held.traffic_bytes],
        refund=one.ref,
    )
    await change.explain(why.what, f"refund:{one.ref}:{one.won_back}", before)
    await change.follow()
    return money_back.LONGER if held.ends_at != before else money_back.MORE


async def _worth_of_gifts(session: AsyncSession, payment: Payment) -> None:
    """Codes that became void with the money stay void, for they may have been thrown away: the balance gets them.

    Whichever part of the money went last made them void, and without any other it would not have been the last.
    """
    went = {one.finished_at for one in await refund.of_payment(session, payment.id) if one.state == State.SUCCEEDED}
    for code in await gift.bought_with(session, payment.id):
        if code.state == GiftState.VOID and code.ended_at in went:
            await gift_books.compensate(session, code, payment.order.customer_id)


def _recount(payment: Payment, rows: list[Refund]) -> None:
    """What has gone at the provider, which the payment shows up to what was paid."""
    back = [one for one in rows if one.origin != Origin.CHARGEBACK]
    payment.refunded = min(refund.sum_of(back, State.SUCCEEDED, through=AT_PROVIDER), payment.minor)
    payment.charged_back = min(refund.known(rows, chargeback=True), payment.minor - payment.refunded)
