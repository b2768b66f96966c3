"""The work of billing: place an order, open an attempt to pay, settle it by what the provider itself confirms.

Every transition is a guarded UPDATE or happens under the payment's row lock; nothing here calls out.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing.order import Attempt, Order, OrderKind, OrderState, Payment
from ferryman.billing.provider import Opened
from ferryman.kit.db import LOCK
from ferryman.kit.errors import NotFound
from ferryman.kit.money import Money
from ferryman.kit.secrets import new_token

# Seconds until an open payment is asked about for the n-th time; the last step repeats until the provider is final.
ASKING_LADDER = (10, 30, 60, 120, 300, 900, 3600)
HOURLY_FOR = timedelta(days=7)
UNPAID_LINKS_ASKED_FOR = timedelta(days=14)
# Providers forget an idempotency key after 24 h: an older request would make a second payment, and is only looked for.
REPEAT_WITHIN = timedelta(hours=23)
# A success is asked about once more after this time.
LOOK_AFTER = timedelta(days=1)

# The order comes along in the same query, and is not to be locked by it.
PAYMENT_LOCK = {"of": Payment, **LOCK}


@dataclass(frozen=True)
class Wanted:
    """An order to be placed: what is bought (`snapshot` of a term), for how much, and how that price came about."""

    customer_id: int
    term_id: int
    snapshot: dict[str, Any]
    amount: Money
    kind: OrderKind = OrderKind.PURCHASE
    quote: dict[str, Any] = field(default_factory=dict)
    subscription_id: int | None = None


async def place(session: AsyncSession, wanted: Wanted, tap: str, now: datetime) -> tuple[Order, bool]:
    """The order of this press, and whether it is new: pressing twice finds the first one."""
    made = await session.scalar(
        insert(Order)
        .values(
            ref=new_token(9),
            customer_id=wanted.customer_id,
            term_id=wanted.term_id,
            tap=tap,
            snapshot=wanted.snapshot,
            minor=wanted.amount.minor,
            currency=wanted.amount.currency,
            kind=wanted.kind,
            quote=wanted.quote,
            subscription_id=wanted.subscription_id,
            state=OrderState.OPEN,
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=["tap"])
        .returning(Order.id)
    )
    found = await pressed(session, tap)
    assert found is not None
    return found, made is not None


async def pressed(session: AsyncSession, tap: str) -> Order | None:
    """The order that this press has made before."""
    return await session.scalar(select(Order).where(Order.tap == tap))


async def attempts(session: AsyncSession, order: Order) -> list[Payment]:
    """The order's attempts to pay, oldest first; never empty once the order is committed."""
    return list(await session.scalars(select(Payment).where(Payment.order_id == order.id).order_by(Payment.id)))


async def attempt(
    session: AsyncSession,
    order: Order,
    provider: str,
    request: dict[str, Any],
    now: datetime,
    *,
    way: str = "",
    key: str | None = None,
) -> Payment:
    """A new attempt to pay, to be committed before the provider is called. `request` is kept for repeating it.

    `key` is its idempotency key, when it must be one that can be told again. Raises IntegrityError when that was used.
    """
    ref = new_token(12)
    payment = Payment(
        ref=ref,
        order_id=order.id,
        provider=provider,
        way=way,
        idempotency_key=key or ref,
        request=request,
        state=Attempt.CREATING,
        minor=order.minor,
        currency=order.currency,
        created_at=now,
        ask_at=now + timedelta(seconds=ASKING_LADDER[0]),
        asked=0,
    )
    session.add(payment)
    await session.flush()
    return payment


async def opened(session: AsyncSession, payment_id: int, at_provider: Opened, now: datetime) -> bool:
    """Remember where the customer pays; False when the attempt has moved on meanwhile.

    Given up by a rival call that was refused, it lives again: this call is the proof that the provider has it.
    """
    given_up = and_(Payment.state == Attempt.CANCELLED, Payment.external_id.is_(None))
    result = await session.execute(
        update(Payment)
        .where(Payment.id == payment_id, or_(Payment.state == Attempt.CREATING, given_up))
        .values(
            state=Attempt.PENDING,
            external_id=at_provider.external_id,
            pay_url=at_provider.pay_url,
            opened_at=now,
            reason=None,
            ask_at=now + timedelta(seconds=ASKING_LADDER[0]),
        )
    )
    return _changed(result) == 1


async def given_up(session: AsyncSession, payment_id: int, why: str) -> bool:
    """The provider refused to open the attempt: it exists nowhere, and the customer may try again."""
    result = await session.execute(
        update(Payment)
        .where(Payment.id == payment_id, Payment.state == Attempt.CREATING)
        .values(state=Attempt.CANCELLED, reason=why[:300], ask_at=None)
    )
    return _changed(result) == 1


async def ask_later(session: AsyncSession, payment_id: int, now: datetime) -> None:
    """Put the next question to the provider one step further away."""
    payment = await session.get_one(Payment, payment_id, with_for_update=PAYMENT_LOCK)
    if payment.ask_at is not None:
        # By age, not by how often it was asked: a customer who keeps pressing "check" must not push the sweep away.
        steps = (payment.created_at + timedelta(seconds=step) for step in ASKING_LADDER)
        payment.asked += 1
        payment.ask_at = next((at for at in steps if at > now), much_later(payment, now))


async def ask_soon(session: AsyncSession, payment_id: int, at: datetime) -> None:
    """There was no room for the question now."""
    open_one = (Payment.id == payment_id, Payment.ask_at.is_not(None))
    await session.execute(update(Payment).where(*open_one).values(ask_at=at))


def much_later(payment: Payment, now: datetime) -> datetime | None:
    """Hourly, and after some days daily. A link that nobody paid never dies at some providers: after two weeks it is
    for their webhook and their list to tell of it, and it stays open here."""
    age = now - payment.created_at
    if payment.external_id is None and payment.state == Attempt.PENDING and age > UNPAID_LINKS_ASKED_FOR:
        return None
    return now + (timedelta(days=1) if age > HOURLY_FOR else timedelta(seconds=ASKING_LADDER[-1]))


async def due(session: AsyncSession, now: datetime, limit: int = 500) -> list[int]:
    """Ids of the payments that it is time to ask about."""
    found = await session.scalars(select(Payment.id).where(Payment.ask_at <= now).order_by(Payment.ask_at).limit(limit))
    return list(found)


async def to_look_at(session: AsyncSession, provider: str, now: datetime, limit: int) -> list[int]:
    """Ids of this provider's successes that it is time to ask about once more, those that wait longest first."""
    mine = (Payment.provider == provider, Payment.look_at <= now)
    return list(await session.scalars(select(Payment.id).where(*mine).order_by(Payment.look_at).limit(limit)))


async def look_later(session: AsyncSession, payment_id: int, at: datetime | None) -> None:
    """When a success is asked about once more; None = never."""
    done = (Payment.id == payment_id, Payment.state == Attempt.SUCCEEDED)
    await session.execute(update(Payment).where(*done).values(look_at=at))


async def named(session: AsyncSession, ref: str) -> Payment:
    """The payment of this ref. Raises NotFound, with a sentence for staff."""
    found = await session.scalar(select(Payment).where(Payment.ref == ref))
    if found is None:
        raise NotFound(f"There is no payment {ref!r}; `ferryman stuck` and `ferryman payment list` name them.")
    return found


async def held(session: AsyncSession, payment_id: int) -> Payment:
    """The payment's row as it is now, locked until the transaction ends."""
    return await session.get_one(Payment, payment_id, with_for_update=PAYMENT_LOCK, populate_existing=True)


def _changed(result: object) -> int:
    return int(getattr(result, "rowcount", 0))
