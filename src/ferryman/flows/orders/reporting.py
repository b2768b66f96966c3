"""Telling the customer what became of their payment, in the transaction in which it became so."""

from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing import ledger
from ferryman.billing.order import Order, OrderKind, OrderState, Payment
from ferryman.billing.settlement import Outcome
from ferryman.flows.announcing import announce
from ferryman.flows.tools import Tools
from ferryman.kit.steps import Step, reached
from ferryman.messaging import money_back, notice, prices, renewals
from ferryman.subscriptions import upgrading


async def tell(
    tools: Tools, session: AsyncSession, payment: Payment, order: Order, outcome: Outcome, credited: int = 0
) -> None:
    """Queue the notice that belongs to this outcome, once per payment; some outcomes are nobody's news.

    `credited`: minor units that went to the balance, as part of the payment's amount; each part is told.
    """
    said = _notice(payment, order, outcome)
    if isinstance(said, notice.PaymentSucceeded) and order.kind == OrderKind.UPGRADE:
        said = replace(said, days=await upgrading.days_of(session, payment.id))
    if outcome is Outcome.CREDITED and credited:
        part = notice.PartCredited(order.ref, credited, payment.currency)
        total = await ledger.movements(session, f"payment:{payment.ref}")
        await announce(tools, session, order.customer_id, part, f"{outcome}:{payment.ref}:{total}")
    if said is not None:
        await announce(tools, session, order.customer_id, said, f"{outcome}:{payment.ref}")
        reached(Step.NOTICE_QUEUED)


def _notice(payment: Payment, order: Order, outcome: Outcome) -> notice.Notice | None:
    what, money = order.snapshot, payment.amount
    match outcome:
        case Outcome.PAID if order.kind in (OrderKind.PURCHASE, OrderKind.UPGRADE):
            return notice.PaymentSucceeded(
                order.ref, money.minor, money.currency, what["icon"], what["title"], what["days"]
            )
        case Outcome.PAID if order.kind == OrderKind.GIFT:
            return money_back.GiftRedeemed(what["icon"], what["title"], what["days"])
        case Outcome.SECOND if order.kind == OrderKind.RENEWAL and order.state != OrderState.PAID:
            return renewals.RenewalCredited(order.ref, money.minor, money.currency)
        case Outcome.SECOND if order.state == OrderState.CANCELLED:
            return notice.CancelledOrderCredited(order.ref, money.minor, money.currency)
        case Outcome.SECOND if order.state == OrderState.OPEN:
            return prices.CodeSpentCredited(order.ref, money.minor, money.currency)
        case Outcome.SECOND:
            return notice.SecondPaymentCredited(order.ref, money.minor, money.currency)
        case Outcome.BARRED:
            return notice.PaymentOfBarredCredited(order.ref, money.minor, money.currency)
        case Outcome.CANCELLED if order.state == OrderState.OPEN and order.kind != OrderKind.RENEWAL:
            return notice.PaymentCancelled(order.ref, payment.reason or "")
        case Outcome.REVIEW:
            return notice.PaymentInReview(order.ref)
    return None
