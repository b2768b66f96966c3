"""The books against the banks: a provider's own list is read and held beside ours, in both directions.

Every ten minutes the last two hours, for what was paid and nobody told us of; once a day the last three days, whole,
which also finds what we believe and they do not know. What can be settled is settled; the rest is a finding that staff
are told of once, and that stays until a later comparison does not see it any more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select

from ferryman.billing import findings, methods
from ferryman.billing.findings import BankComparison, BankFinding, Difference, FindingKind
from ferryman.billing.order import Attempt, Payment
from ferryman.billing.provider import Fact, InHouse, Listing, PaymentProvider, PaymentState
from ferryman.billing.settlement import Outcome
from ferryman.flows.alerting import alert
from ferryman.flows.orders import opening
from ferryman.flows.payments import applying, settling
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.errors import FerrymanError
from ferryman.kit.money import Money
from ferryman.kit.remote import Unread, counting_unread
from ferryman.messaging import alerts

_log = log.get("banking")

DAILY = timedelta(hours=24)
WHOLE = timedelta(days=3)
SHORT = timedelta(hours=2)
# What changed so lately may not be on their list yet, or not in our books.
UNSURE = timedelta(hours=1)
LONGEST = 300
# ISO 4217 for "none": what cannot be read has no amount.
NO_CURRENCY = "XXX"
# What settling comes to when the books did not know yet.
RECOVERED = (
    *(Outcome.PAID, Outcome.SECOND, Outcome.CREDITED, Outcome.BARRED),
    *(Outcome.GIVEN_BACK, Outcome.WON_BACK, Outcome.RETURNED),
)


@dataclass
class Comparison:
    """One look at one provider's list: how many successes they have, how many of them we did not know."""

    provider: str
    since: datetime
    until: datetime
    theirs: int = 0
    ours: int = 0
    recovered: int = 0
    seen: set[str] = field(default_factory=set)
    differences: list[Difference] = field(default_factory=list)


async def sweep(tools: Tools) -> None:
    """Have every provider with a list compared: the last hours, or all of the last days when that is due."""
    now = tools.clock.now()
    async with tools.db.unit() as session:
        known = {one.provider: one.compared_at for one in await session.scalars(select(BankComparison))}
        for name in await _with_a_list(tools):
            due = name not in known or now - known[name] >= DAILY
            await tools.jobs.defer(
                session, "compare_bank", lock=f"bank:{name}", once=f"bank:{name}", provider=name, whole=int(due)
            )


async def _with_a_list(tools: Tools) -> list[str]:
    """Providers that are set up, on or off, or have payments of ours, and can list what they have."""
    async with tools.db.unit() as session:
        set_up = set(await session.scalars(select(methods.Method.name)))
        used = set(await session.scalars(select(Payment.provider).distinct()))
    listing = {name for name, kind in tools.providers.items() if issubclass(kind, Listing)}
    return sorted(listing & (set_up | used))


async def compare_bank(tools: Tools, provider: str, whole: int) -> None:
    """The job: trouble is for the next time, and said in the log."""
    try:
        await compare(tools, provider, whole=bool(whole))
    except FerrymanError as error:
        _log.warning("bank_not_compared", provider=provider, why=str(error))


async def compare(tools: Tools, name: str, *, whole: bool = True) -> Comparison:
    """Read the provider's list, settle what it shows and we did not know, and, when `whole`, keep what is different."""
    now = tools.clock.now()
    done = Comparison(name, now - (WHOLE if whole else SHORT), now)
    async with tools.db.unit() as session:
        provider = await opening.collecting(tools, session, name)
    if not isinstance(provider, Listing) or isinstance(provider, InHouse):
        return done
    books = await _books(tools, name, done.since)
    done.ours = sum(1 for one in books.values() if one.state == Attempt.SUCCEEDED)
    asked: PaymentProvider = provider
    with counting_unread() as unread:
        async for fact in provider.listed(done.since, now):
            await _hold_beside(tools, asked, fact, books, done)
    _count_unread(unread, books, done)
    if whole:
        await _finish(tools, books, done)
    level = _log.warning if done.recovered or done.differences else _log.info
    level("bank_compared", provider=name, theirs=done.theirs, ours=done.ours, recovered=done.recovered)
    return done


async def _books(tools: Tools, provider: str, since: datetime) -> Mapping[str, Payment]:
    """Our payments of that provider that could be on its list, by its id. Older ones may have been paid lately."""
    async with tools.db.unit() as session:
        mine = select(Payment).where(Payment.provider == provider, Payment.external_id.is_not(None))
        found = await session.scalars(mine.where(Payment.created_at >= since - WHOLE))
        return {str(one.external_id): one for one in found}


async def _hold_beside(
    tools: Tools, provider: PaymentProvider, fact: Fact, books: Mapping[str, Payment], done: Comparison
) -> None:
    done.seen.add(fact.external_id)
    if fact.state is not PaymentState.SUCCEEDED:
        ours = books.get(fact.external_id)
        if fact.state is PaymentState.SHORT and ours is not None and "decided" in ours.details:
            # Nobody asks about it any more, and there may be more or less of it than there was then.
            done.recovered += await applying.apply_fact(tools, provider, fact) in RECOVERED
        return
    done.theirs += 1
    tried_out = fact.ref is not None and fact.ref.startswith(settling.TRIAL)
    if tried_out or _the_same(books.get(fact.external_id), fact):
        return
    outcome = await applying.apply_fact(tools, provider, fact)
    if outcome is None:
        what = f"{fact.amount} came in at {provider.name}, and no order of ours knows of it"
        done.differences.append(_difference(fact, FindingKind.UNKNOWN_HERE, what))
    elif outcome is Outcome.REVIEW:
        what = f"{fact.amount} at {provider.name} does not fit the payment of ours that it names"
        done.differences.append(_difference(fact, FindingKind.DIFFERS, what))
    elif outcome in RECOVERED:
        done.recovered += 1
        _log.warning("money_found_at_bank", provider=provider.name, external=fact.external_id, outcome=outcome)


def _count_unread(unread: Sequence[Unread], books: Mapping[str, Payment], done: Comparison) -> None:
    """They list it, whatever it is: that nobody can read it is for a person to look at."""
    for one in {one.id: one for one in unread}.values():
        done.seen.add(one.id)
        ours = books.get(one.id)
        what = f"a line of {done.provider}'s list cannot be read: {one.id or 'it has no id'}"
        amount = ours.amount if ours is not None else Money(0, NO_CURRENCY)
        ref = ours.ref if ours is not None else None
        done.differences.append(Difference(one.id or "?", FindingKind.UNREADABLE, amount, what, ref))


def _the_same(ours: Payment | None, fact: Fact) -> bool:
    """Whether nothing has to be done about it."""
    if ours is None or ours.state != Attempt.SUCCEEDED or ours.amount != fact.amount:
        return False
    if "decided" in ours.details:
        # It was short when a person decided, and the rest may have come since.
        return False
    charged_back = fact.charged_back is None or fact.charged_back.minor == ours.charged_back
    return charged_back and (fact.refunded is None or fact.refunded.minor == ours.refunded)


async def _finish(tools: Tools, books: Mapping[str, Payment], done: Comparison) -> None:
    """Ours that they do not list, what was found before and is gone, and a word to the staff of what is new."""
    surely = (done.since, done.until - UNSURE)
    for external_id, one in books.items():
        paid_at = one.succeeded_at
        listed = external_id in done.seen or one.created_at < done.since
        if paid_at is not None and surely[0] <= paid_at <= surely[1] and not listed:
            what = f"{one.amount} counts as paid here, and {done.provider} does not list it"
            kind = FindingKind.UNKNOWN_THERE
            done.differences.append(Difference(external_id, kind, one.amount, what, one.ref))
    now = tools.clock.now()
    async with tools.db.unit() as session:
        new = await findings.keep(session, done.provider, done.differences, now)
        await findings.compared(session, done.provider, done.theirs, done.ours, done.recovered, now)
        if new:
            first = new[0]
            await alert(tools, session, alerts.BankDiffers(done.provider, len(new), first.what), f"bank:{first.id}")
            for finding in new:
                finding.told_at = now


def _difference(fact: Fact, kind: FindingKind, what: str) -> Difference:
    return Difference(fact.external_id[:LONGEST], kind, fact.amount, what, fact.ref)


async def compared(tools: Tools) -> Sequence[BankComparison]:
    """The last comparison with each provider, by name."""
    async with tools.db.unit() as session:
        return await findings.comparisons(session)


async def unexplained(tools: Tools) -> Sequence[BankFinding]:
    """Every difference that no later comparison has resolved, oldest first."""
    async with tools.db.unit() as session:
        return await findings.unresolved(session)
