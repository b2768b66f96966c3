"""Gift codes: made by staff, written in by whoever got one, and worth a plan's term or money on the balance.

make     codes are made and shown once; what they are worth is owed from now on
redeem   a customer wrote a code in: money goes to their balance, a term becomes an order that the code pays for
void     a code that nobody has redeemed is worth nothing any more
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing import checkout, gift
from ferryman.billing.checkout import Wanted
from ferryman.billing.gift import GiftCode, GiftState
from ferryman.billing.order import Attempt, OrderKind
from ferryman.catalog import shelf
from ferryman.catalog.plan import Plan, Term
from ferryman.flows.announcing import announce
from ferryman.flows.keys.handling import Cause
from ferryman.flows.orders import gift_books, guessing, opening
from ferryman.flows.payments import applying
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.db import LOCK
from ferryman.kit.errors import NotFound, Refused
from ferryman.kit.money import Money
from ferryman.messaging import money_back
from ferryman.people.customer import Customer

_log = log.get("gifts")

MOST_AT_ONCE = 500
PROVIDER = "gift"


class WrongCode(Refused):
    """There is no such code, or it is used, void or out of date; which of these is nobody's business."""


@dataclass(frozen=True)
class Face:
    """What a code is worth: the term of a plan at its price in `currency` ("" = its first), or `money` alone."""

    term_id: int | None = None
    currency: str = ""
    money: Money | None = None


@dataclass(frozen=True)
class Made:
    """A new code; `code` is its plain text, which is told now and never again."""

    ref: str
    code: str
    worth: Money


async def make(
    tools: Tools, face: Face, cause: Cause, *, count: int = 1, expires_at: datetime | None = None
) -> list[Made]:
    """Make codes. Raises NotFound for a term that is not there, Refused with a sentence for staff."""
    now = tools.clock.now()
    if not 1 <= count <= MOST_AT_ONCE:
        raise Refused(f"Make 1 to {MOST_AT_ONCE} codes at a time, not {count}.")
    if expires_at is not None and expires_at <= now:
        raise Refused("They would be out of date at once: name a day to come.")
    made = []
    async with tools.db.unit() as session:
        worth, snapshot = await _worth(session, face)
        for _ in range(count):
            row, code = gift.new(
                worth, face.term_id, snapshot, now, by=cause.actor, why=cause.why, expires_at=expires_at
            )
            session.add(row)
            await session.flush()
            await gift_books.issue(session, row)
            made.append(Made(row.ref, code, worth))
    _log.info("gifts_made", count=count, worth=str(worth), by=cause.actor)
    return made


async def term_of(tools: Tools, plan: str, days: int) -> int:
    """The id of a plan's term that is on sale. Raises NotFound."""
    mine = select(Term.id).join(Plan, Plan.id == Term.plan_id).where(Plan.code == plan, Term.days == days)
    async with tools.db.unit() as session:
        found = await session.scalar(mine.where(Term.active))
    if found is None:
        raise NotFound(f"The plan {plan!r} is not sold for {days} days.")
    return found


async def redeem(tools: Tools, customer_id: int, typed: str) -> GiftCode:
    """Take the code that a customer wrote in. The same customer writing it in again hears the same.

    Raises WrongCode, TooManyGuesses, Refused for a customer who is blocked.
    """
    now = tools.clock.now()
    payment_id = None
    async with tools.db.unit() as session:
        customer = await session.get_one(Customer, customer_id, with_for_update=LOCK, populate_existing=True)
        if customer.banned:
            raise Refused("This customer is blocked from buying.")
        await guessing.must_be_allowed(session, customer_id, now)
        code = await gift.held(session, typed)
        if code is not None and code.state == GiftState.REDEEMED and code.customer_id == customer_id:
            return code
        if code is None or not code.open(now):
            guessing.wrong(session, customer_id, now)
            code = None
        elif code.face is None:
            await _credit(tools, session, code, customer_id)
        else:
            payment_id = await _pay_with(tools, session, code, customer)
    if code is None:
        _log.warning("gift_code_wrong", customer=customer_id)
        raise WrongCode("There is no such code, or it cannot be used any more.")
    if payment_id is not None:
        await applying.collect(tools, payment_id)
    _log.info("gift_redeemed", gift=code.ref, customer=customer_id)
    async with tools.db.unit() as session:
        return await session.get_one(GiftCode, code.id)


async def void(tools: Tools, ref: str, cause: Cause) -> GiftCode:
    """Make a code worthless. Raises NotFound, Refused for one that is redeemed."""
    async with tools.db.unit() as session:
        code = await gift.named(session, ref)
        if code is None:
            raise NotFound(f"There is no gift code {ref!r}; `ferryman gift list` names them.")
        if code.state == GiftState.REDEEMED:
            raise Refused(f"{ref} is redeemed already.")
        if code.state == GiftState.NEW:
            await gift_books.void(session, code, tools.clock.now())
            code.why = f"{code.why}; void: {cause.why}".strip("; ")
    _log.info("gift_void", gift=ref, by=cause.actor, why=cause.why)
    return code


async def listed(tools: Tools, state: str = "", most: int = 100) -> Sequence[GiftCode]:
    """The newest codes, without what they are redeemed by."""
    query = select(GiftCode).order_by(GiftCode.id.desc()).limit(most)
    async with tools.db.unit() as session:
        return list(await session.scalars(query.where(GiftCode.state == state) if state else query))


async def _worth(session: AsyncSession, face: Face) -> tuple[Money, dict[str, object] | None]:
    if face.term_id is None:
        if face.money is None or face.money.minor <= 0:
            raise Refused("Name a plan's term or an amount above zero.")
        await shelf.must_be_sold_in(session, face.money.currency)
        return face.money, None
    term = await shelf.term(session, face.term_id)
    if term is None:
        raise NotFound("That term is not on sale.")
    sold_in = [price.currency for price in term.prices]
    worth = term.price((face.currency,) if face.currency else tuple(sold_in))
    if worth is None:
        raise Refused(f"That term has no price in {face.currency}; it is sold in {', '.join(sold_in) or 'nothing'}.")
    return worth, term.plan.snapshot(term)


async def _credit(tools: Tools, session: AsyncSession, code: GiftCode, customer_id: int) -> None:
    code.redeem(customer_id, None, tools.clock.now())
    await gift_books.credit(session, code, customer_id)
    said = money_back.GiftCredited(code.minor, code.currency)
    await announce(tools, session, customer_id, said, f"gift:{code.ref}")


async def _pay_with(tools: Tools, session: AsyncSession, code: GiftCode, customer: Customer) -> int:
    """The order for what the code's face says, and an attempt to pay for it with the code; each is made once."""
    assert code.term_id is not None
    assert code.face is not None
    wanted = Wanted(customer.id, code.term_id, code.face, code.worth, OrderKind.GIFT)
    order, _ = await checkout.place(session, wanted, f"gift:{code.ref}:{customer.id}", tools.clock.now())
    for earlier in await checkout.attempts(session, order):
        if earlier.state != Attempt.CANCELLED:
            return earlier.id
    words = opening.words(tools, customer, order)
    return (await checkout.attempt(session, order, PROVIDER, words, tools.clock.now(), way=code.ref)).id
