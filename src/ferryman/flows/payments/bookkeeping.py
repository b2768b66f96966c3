"""The books, for whoever keeps them: a customer's statement, and a day with a provider, ours held against theirs."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing import ledger, statement
from ferryman.billing.order import Attempt, Payment
from ferryman.billing.provider import Fact, Listing, Offered, PaymentState
from ferryman.billing.refund import AT_PROVIDER, Origin, Refund, State
from ferryman.billing.statement import Line
from ferryman.flows.orders.opening import connected
from ferryman.flows.tools import Tools
from ferryman.kit.csv_text import written
from ferryman.kit.errors import NotFound, Refused
from ferryman.kit.money import Money
from ferryman.kit.remote import counting_unread
from ferryman.people import customer

# No shop has older books, and a list cannot be asked for about what lies before all calendars.
FIRST_DAY = date(2000, 1, 1)
# Payments that are missing on a provider's list are asked about one by one, at most so many of a day.
ASKED_AT_MOST = 200
HEAD = (
    "payment", "order", "at_provider", "paid_at", "currency", "amount", "fee", "refunded", "charged_back",
    "their_amount", "their_fee", "their_refunded", "difference",
)  # fmt: skip


@dataclass
class Sums:
    """One side's day in one currency: how many payments, and minor units."""

    count: int = 0
    gross: int = 0
    fees: int = 0
    refunds: int = 0
    chargebacks: int = 0


@dataclass(frozen=True)
class Row:
    """One payment of the day, as it stands here and there; either may be missing. `difference` "" when they agree."""

    payment: Payment | None
    fact: Fact | None
    difference: str = ""


@dataclass
class Report:
    """A day (UTC) with a provider. `ours` and `theirs` by currency; `theirs` is None when it gives no list."""

    provider: str
    day: date
    rows: list[Row] = field(default_factory=list)
    ours: dict[str, Sums] = field(default_factory=dict)
    theirs: dict[str, Sums] | None = None

    @property
    def differences(self) -> list[Row]:
        return [row for row in self.rows if row.difference]


async def customer_statement(tools: Tools, telegram_id: int) -> list[Line]:
    """Raises NotFound when nobody has this Telegram id."""
    async with tools.db.unit() as session:
        customer_id = await customer.id_of(session, telegram_id)
        if customer_id is None:
            raise NotFound(f"There is no customer with the Telegram id {telegram_id}.")
        return await statement.of_customer(session, customer_id)


async def balance_sheet(tools: Tools) -> tuple[dict[tuple[str, str], int], dict[str, int]]:
    """What stands on every account, and the sum of all by currency, which must be zero."""
    async with tools.db.unit() as session:
        return await ledger.balances(session), await ledger.trial_balance(session)


async def settlement(tools: Tools, name: str, day: date) -> Report:
    """Hold a day's payments against the provider's own list. A payment belongs to the day that it succeeded here.

    Raises Misconfigured for a provider that is not set up, Retry, Refused when it cannot be asked, or for a day that
    has not begun: "no differences" would say of it what nobody knows.
    """
    if not FIRST_DAY <= day <= tools.clock.now().astimezone(UTC).date():
        raise Refused(f"{day} is not a day of the shop: name one from {FIRST_DAY} to today, in UTC.")
    since = datetime.combine(day, time.min, UTC)
    until = since + timedelta(days=1)
    report = Report(name, day)
    async with tools.db.unit() as session:
        provider = await connected(tools, session, name)
        ours = await _ours(session, name, since, until)
        await _sum_up_ours(session, report, ours, since, until)
    if not isinstance(provider, Listing):
        report.rows = [Row(payment, None) for payment in ours]
        return report
    with counting_unread() as unread:
        theirs = {
            fact.external_id: fact
            async for fact in _succeeded(provider.listed(since, until), test_mode=provider.test_mode)
        }
    async with tools.db.unit() as session:
        known = await _known(session, name, list(theirs))
    await _match(report, provider, ours, theirs, known, {one.id for one in unread})
    return report


def csv_of(report: Report) -> str:
    """The report's rows as a table; a formula in it stays text."""
    return written(HEAD, [_cells(row) for row in report.rows])


async def _succeeded(facts: AsyncIterator[Fact], *, test_mode: bool) -> AsyncIterator[Fact]:
    async for fact in facts:
        if fact.state is PaymentState.SUCCEEDED and fact.test == test_mode:
            yield fact


async def _ours(session: AsyncSession, name: str, since: datetime, until: datetime) -> list[Payment]:
    mine = (Payment.provider == name, Payment.succeeded_at >= since, Payment.succeeded_at < until)
    return list(await session.scalars(select(Payment).where(*mine).order_by(Payment.succeeded_at, Payment.id)))


async def _sum_up_ours(
    session: AsyncSession, report: Report, ours: Sequence[Payment], since: datetime, until: datetime
) -> None:
    for payment in ours:
        sums = report.ours.setdefault(payment.currency, Sums())
        sums.count += 1
        sums.gross += payment.minor
        sums.fees += payment.fee or 0
    done = (Refund.provider == report.provider, Refund.state == State.SUCCEEDED, Refund.through.in_(AT_PROVIDER))
    that_day = (Refund.finished_at >= since, Refund.finished_at < until)
    by_origin = select(Refund.currency, Refund.origin, func.sum(Refund.minor - Refund.won_back)).where(*done, *that_day)
    for currency, origin, minor in await session.execute(by_origin.group_by(Refund.currency, Refund.origin)):
        sums = report.ours.setdefault(currency, Sums())
        if origin == Origin.CHARGEBACK:
            sums.chargebacks += int(minor)
        else:
            sums.refunds += int(minor)


async def _known(session: AsyncSession, name: str, external_ids: list[str]) -> dict[str, Payment]:
    mine = select(Payment).where(Payment.provider == name, Payment.external_id.in_(external_ids))
    return {str(payment.external_id): payment for payment in await session.scalars(mine)}


async def _match(
    report: Report,
    provider: Offered,
    ours: Sequence[Payment],
    theirs: dict[str, Fact],
    known: dict[str, Payment],
    unread: set[str],
) -> None:
    """Pair what is here with what is there; what the list lacks is asked about by its id."""
    asked = 0
    others = sorted(unread - {str(payment.external_id) for payment in ours})
    report.rows += [Row(None, None, f"their line {one or 'without an id'} cannot be read") for one in others]
    for payment in ours:
        if payment.external_id in unread:
            report.rows.append(Row(payment, None, "their line cannot be read"))
            continue
        fact = theirs.get(str(payment.external_id))
        if fact is None and asked < ASKED_AT_MOST:
            asked += 1
            fact = await _asked(provider, payment)
        report.rows.append(Row(payment, fact, _difference(payment, fact)))
    for external_id, fact in theirs.items():
        here = known.get(external_id)
        # One that succeeded here on another day belongs to that day's report.
        if here is None or here.state != Attempt.SUCCEEDED:
            state = "unknown" if here is None else here.state
            report.rows.append(Row(here, fact, f"paid there, {state} here"))
    report.theirs = {}
    for row in report.rows:
        if row.fact is not None:
            _add(report.theirs.setdefault(row.fact.amount.currency, Sums()), row.fact)


async def _asked(provider: Offered, payment: Payment) -> Fact | None:
    if payment.external_id is None:
        return None
    try:
        found: Fact = await provider.look_up(payment.external_id)  # type: ignore[attr-defined]
    except NotFound:
        return None
    return found if found.state is PaymentState.SUCCEEDED else None


def _add(sums: Sums, fact: Fact) -> None:
    sums.count += 1
    sums.gross += fact.amount.minor
    sums.fees += fact.fee.minor if fact.fee is not None else 0
    sums.refunds += fact.refunded.minor if fact.refunded is not None else 0
    sums.chargebacks += fact.charged_back.minor if fact.charged_back is not None else 0


def _difference(payment: Payment, fact: Fact | None) -> str:
    """What is not the same, in words; "" when all is."""
    if fact is None:
        return "paid here, unknown there"
    told = {
        "amount": (payment.minor, fact.amount),
        "fee": (payment.fee, fact.fee),
        "refunded": (payment.refunded, fact.refunded),
        "charged back": (payment.charged_back, fact.charged_back),
    }
    found = []
    for what, (here, there) in told.items():
        if there is not None and Money(here or 0, payment.currency) != there:
            found.append(f"{what}: {Money(here or 0, payment.currency)} here, {there} there")
    return "; ".join(found)


def _cells(row: Row) -> list[str]:
    payment, fact = row.payment, row.fact
    here = ["", "", fact.external_id if fact is not None else "", "", fact.amount.currency if fact else "", *[""] * 4]
    if payment is not None:
        paid_at = payment.succeeded_at.isoformat() if payment.succeeded_at is not None else ""
        here = [payment.ref, payment.order.ref, payment.external_id or "", paid_at, payment.currency]
        minors = (payment.minor, payment.fee, payment.refunded, payment.charged_back)
        here += ["" if minor is None else Money(minor, payment.currency).decimal() for minor in minors]
    there = (fact.amount, fact.fee, fact.refunded) if fact is not None else (None, None, None)
    return [*here, *("" if money is None else money.decimal() for money in there), row.difference]
