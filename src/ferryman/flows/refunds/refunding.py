"""Giving money back, from the wish to the books. Every step is one transaction or one call out, never both.

preview   what would go back, which way, and what of the access with it; nothing is done
make      the refund's row is committed, then the provider is asked; a timeout means "unknown"
ask       the provider is asked how it stands, and asked again for what it has certainly not heard of
(book)    it has succeeded: books, access, gifts, notices, in one transaction (giving_back)
sweep     whatever is still open and whose time has come

What goes back at somebody else's word, in the provider's dashboard or by the payer's bank, comes in at `taken_back`.
"""

import asyncio
import re

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing import refund
from ferryman.billing.order import Payment
from ferryman.billing.provider import RefundFact, Refunding, RefundRequest, RefundState
from ferryman.billing.refund import Origin, Refund, State, Through
from ferryman.flows.alerting import alert
from ferryman.flows.keys.handling import Cause
from ferryman.flows.orders.opening import connected
from ferryman.flows.refunds import giving_back, weighing
from ferryman.flows.refunds.giving_back import taken_back
from ferryman.flows.refunds.weighing import Proposal
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.errors import Misconfigured, Refused, Retry
from ferryman.messaging import money_back
from ferryman.people.customer import Customer

__all__ = ["apply", "ask", "listed", "make", "must_say_why", "preview", "sweep", "taken_back"]

_log = log.get("refunds")

# Whoever asked for it waits no longer than this many seconds for the provider; the sweep goes on.
PATIENCE_SECONDS = 20.0
# What every provider takes for an idempotency key.
LONGEST_TAP = 40
TAP = re.compile(rf"[A-Za-z0-9_-]{{1,{LONGEST_TAP}}}")


async def preview(
    tools: Tools, which: str, wish: str = weighing.UNUSED, through: Through | None = None, *, keep_access: bool = False
) -> Proposal:
    """What a refund of this payment (its ref, or its order's) would be; `wish` is "unused", "all", or an amount.

    Raises NotFound, Refused with a sentence for staff.
    """
    async with tools.db.unit() as session:
        payment = await session.get_one(Payment, await weighing.payment_named(session, which))
        return weighing.propose(await weighing.case(tools, session, payment), wish, through, keep_access=keep_access)


def must_say_why(cause: Cause) -> None:
    """Raises Refused when there is no reason given."""
    if not cause.why.strip():
        raise Refused("Give a reason: it stays in the books.")


async def make(
    tools: Tools,
    which: str,
    wish: str,
    cause: Cause,
    through: Through | None = None,
    *,
    keep_access: bool = False,
) -> Refund:
    """Give money back as `preview` says; the same `cause.tap` finds the same refund again.

    What is under way when this answers is carried on by the sweep. Raises NotFound, Refused with a sentence for staff,
    also when there is no reason given.
    """
    must_say_why(cause)
    if cause.tap and not TAP.fullmatch(cause.tap):
        raise Refused(f"A tap is a word of at most {LONGEST_TAP} letters, digits, hyphens or underscores.")
    one = await _begin(tools, which, wish, cause, through, keep_access=keep_access)
    if one.state == State.REQUESTED:
        await ask(tools, one.id)
    async with tools.db.unit() as session:
        return await session.get_one(Refund, one.id)


async def _begin(
    tools: Tools, which: str, wish: str, cause: Cause, through: Through | None, *, keep_access: bool
) -> Refund:
    """The refund's row, committed; what needs no provider is done with it."""
    async with tools.db.unit() as session:
        payment = await weighing.locked(session, await weighing.payment_named(session, which))
        # An upgrade may have been waited for: what is taken of it must not be dated before it.
        now = tools.clock.now()
        known = await session.scalar(select(Refund).where(Refund.idempotency_key == cause.tap)) if cause.tap else None
        if known is not None:
            return known
        case = await weighing.case(tools, session, payment)
        said = weighing.propose(case, wish, through, keep_access=keep_access)
        one = refund.new(
            payment,
            said.amount,
            Origin.OPERATOR,
            said.through,
            now,
            whole=said.whole,
            takes=said.takes,
            by=cause.actor,
            why=cause.why,
        )
        if cause.tap:
            one.idempotency_key = cause.tap
        session.add(one)
        await session.flush()
        if said.through is not Through.PROVIDER:
            await giving_back.book(tools, session, payment, one, now)
    _log.info("refund_begun", refund=one.ref, payment=payment.ref, amount=str(one.amount), through=one.through)
    return one


async def ask(tools: Tools, refund_id: int) -> None:
    """Ask the provider about a refund that is open, or for it, and write down what it says.

    The first time it is simply asked for. After that somebody may have been heard: so it is looked for first, and asked
    for again, with the same key, only when the provider certainly has none.
    """
    async with tools.db.unit() as session:
        one = await refund.held(session, refund_id)
        if not one.open:
            return
        first = one.asked == 0
        one.ask_later(tools.clock.now())
        payment = await session.get_one(Payment, one.payment_id)
        customer = await session.get_one(Customer, payment.order.customer_id)
        request = request_of(one, payment, customer)
        external_id = one.external_id
    log.bind(refund=one.ref, payment=payment.ref)
    try:
        provider = await _refunding(tools, payment.provider)
        async with asyncio.timeout(PATIENCE_SECONDS):
            fact = None if first else await provider.look_up_refund(request, external_id)
            if fact is None:
                fact = await _ask_for(tools, provider, refund_id, request)
    except (Retry, Misconfigured, TimeoutError) as error:
        _log.warning("refund_waits", why=str(error) or "no answer in time")
        return
    except Refused as error:
        _log.error("refund_not_looked_up", why=str(error))
        return
    if fact is not None:
        await apply(tools, refund_id, fact)


async def _ask_for(tools: Tools, provider: Refunding, refund_id: int, request: RefundRequest) -> RefundFact | None:
    """The provider's answer; None when it says no, which ends the refund: nothing of it is over there."""
    try:
        return await provider.refund(request)
    except Refused as error:
        async with tools.db.unit() as session:
            await _fail(tools, session, await refund.held(session, refund_id), str(error))
        return None


async def apply(tools: Tools, refund_id: int, fact: RefundFact) -> None:
    """Write down what the provider says of a refund of ours; a success goes into the books, once."""
    async with tools.db.unit() as session:
        payment_id = (await session.get_one(Refund, refund_id)).payment_id
        payment = await weighing.locked(session, payment_id)
        now = tools.clock.now()
        one = await refund.held(session, refund_id)
        one.external_id = one.external_id or fact.external_id
        if not one.open:
            return
        if fact.amount != one.amount:
            # Neither sum is to be believed; the payment's own total, which the comparison reads, will tell.
            _log.error("refund_of_another_amount", refund=one.ref, wanted=str(one.amount), found=str(fact.amount))
            return
        match fact.state:
            case RefundState.SUCCEEDED:
                one.sent_at = one.sent_at or now
                await giving_back.book(tools, session, payment, one, now)
            case RefundState.PENDING:
                one.state, one.sent_at = State.SENT, one.sent_at or now
            case RefundState.FAILED:
                await _fail(tools, session, one, fact.reason or "the provider gave no reason")


async def sweep(tools: Tools) -> None:
    """Ask about every open refund whose time has come."""
    async with tools.db.unit() as session:
        for refund_id in await refund.due(session, tools.clock.now()):
            await tools.jobs.defer(session, "ask_refund", once=f"refund:{refund_id}", refund_id=refund_id)


async def listed(tools: Tools, which: str = "", *, open_only: bool = False, most: int = 50) -> list[tuple[Refund, str]]:
    """The newest refunds, of one payment or of all, each with its payment's ref. Raises NotFound for a payment that is
    not there."""
    query = select(Refund, Payment.ref).join(Payment, Payment.id == Refund.payment_id)
    query = query.order_by(Refund.id.desc()).limit(most)
    if open_only:
        query = query.where(Refund.state.in_(refund.OPEN))
    async with tools.db.unit() as session:
        if which:
            mine = await weighing.payments_named(session, which)
            query = query.where(Refund.payment_id.in_([one.id for one in mine]))
        return [(one, ref) for one, ref in await session.execute(query)]


def request_of(one: Refund, payment: Payment, customer: Customer) -> RefundRequest:
    """The same request, however often it is made."""
    return RefundRequest(
        ref=one.ref,
        payment_external_id=payment.external_id or "",
        payment_ref=payment.ref,
        amount=one.amount,
        whole=one.whole,
        idempotency_key=one.idempotency_key,
        payer=customer.telegram_id,
        description=str(payment.request.get("description", "")),
        contact=str(payment.request.get("contact", "")),
    )


async def _fail(tools: Tools, session: AsyncSession, one: Refund, why: str) -> None:
    """It will not happen; the access stays as it is, and the staff hear why."""
    if not one.open:
        return
    one.finish(State.FAILED, tools.clock.now(), why)
    payment = await session.get_one(Payment, one.payment_id)
    said = money_back.RefundFailed(payment.ref, one.minor, one.currency, why[:200])
    await alert(tools, session, said, f"refund-failed:{one.ref}")
    _log.error("refund_failed", refund=one.ref, payment=payment.ref, why=why)


async def _refunding(tools: Tools, name: str) -> Refunding:
    async with tools.db.unit() as session:
        provider = await connected(tools, session, name)
    if not isinstance(provider, Refunding):
        raise Misconfigured(f"{name} gives nothing back at our word.", "Give it back by hand and record that.")
    return provider
