"""A renewal whose process ends at every transaction boundary: charged once, granted once, told, and nothing lost."""

from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import func, select

from ferryman.billing.order import Payment
from ferryman.flows.payments import settling
from ferryman.flows.renewals import renewing
from ferryman.flows.shop import telling
from ferryman.kit.db import Database
from tests.support.messages import Outbox
from tests.support.subscriber import Subscriber
from tests.support.watching import Guillotine, Killed

# As many as a renewal has, from the look to the grant.
BOUNDARIES = 6


@pytest.fixture
async def anna(anna: Subscriber) -> Subscriber:
    """Stands right before the charge, and nobody has looked yet."""
    await anna.buys()
    await anna.stands_before_the_charge()
    return anna


async def steps(anna: Subscriber) -> list[Callable[[], Awaitable[None]]]:
    """What the worker does about her, without the worker: a job is lost with its process."""
    agreement_id = (await anna.agreement()).id
    # Of its own, so that no boundary of the test's is counted among the product's.
    beside = Database(anna.tools.db.url)

    async def look() -> None:
        await renewing.look(anna.tools, agreement_id)

    async def ask() -> None:
        async with beside.unit() as session:
            payment_id = await session.scalar(select(func.max(Payment.id)))
        await beside.close()
        assert payment_id is not None
        await settling.ask_payment(anna.tools, payment_id)

    return [look, ask]


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(1, BOUNDARIES + 1))
async def test_killed_at_any_boundary_it_is_charged_and_granted_once(anna: Subscriber, at: int, late: bool) -> None:
    steps_of_hers = await steps(anna)
    blade = Guillotine(anna.tools, at, late=late)
    await blade.run(*steps_of_hers)
    assert await anna.books() in ((1, 1, 0), (2, 2, 0))
    await anna.later(minutes=2)
    await anna.later(minutes=2)
    assert anna.bank.taken == [19900, 19900]
    assert await anna.books() == (2, 2, 0)
    assert await anna.value("SELECT count(*) FROM renewal_charges") == 1
    assert (await anna.told()).count("renewed") == 1
    assert (await anna.agreement()).period_end == await anna.ends_at()


async def test_the_boundaries_are_all_there_are(anna: Subscriber) -> None:
    steps_of_hers = await steps(anna)
    blade = Guillotine(anna.tools, 10_000, late=False)
    await blade.run(*steps_of_hers)
    assert blade.count == BOUNDARIES
    assert await anna.books() == (2, 2, 0)


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", [2, BOUNDARIES])
async def test_killed_around_a_refusal_it_is_counted_and_told_once(anna: Subscriber, at: int, late: bool) -> None:
    anna.bank.verdicts = ["insufficient_funds"]
    steps_of_hers = await steps(anna)
    blade = Guillotine(anna.tools, at, late=late)
    await blade.run(*steps_of_hers)
    await anna.later(minutes=2)
    await anna.later(minutes=2)
    one = await anna.agreement()
    assert (anna.bank.charges >= 1, one.tries, one.last_reason) == (True, 1, "insufficient_funds")
    assert (await anna.told()).count("renewal_failed") == 1
    assert anna.bank.taken == [19900]


@pytest.mark.parametrize("when", ["before", "after"])
async def test_killed_in_the_middle_of_the_call_it_is_taken_once(anna: Subscriber, when: str) -> None:
    """Sent, and nobody there to hear the answer: the request may have reached the bank, or not."""
    look, ask = await steps(anna)
    await look()
    anna.bank.failures = [(Killed(), when)]
    with pytest.raises(Killed):
        await ask()
    assert anna.bank.taken == [19900] * (1 if when == "before" else 2)
    assert await anna.books() == (1, 1, 0), "charged or not, nothing of it is written"
    await anna.later(minutes=2)
    await anna.later(minutes=2)
    assert anna.bank.taken == [19900, 19900]
    assert len({request.idempotency_key for request in anna.bank.requests}) == 1
    assert await anna.books() == (2, 2, 0)
    assert (await anna.told()).count("renewed") == 1


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
async def test_killed_between_the_settlement_and_the_notice_it_is_told_all_the_same(
    anna: Subscriber, outbox: Outbox, late: bool
) -> None:
    """Settled, and the job that sends the notice is lost with the process: before the claim, or right after it."""
    look, ask = await steps(anna)
    await look()
    await ask()
    assert await anna.books() == (2, 2, 0)
    number = await anna.value("SELECT id FROM notices WHERE kind = 'renewed'")
    await anna.do("UPDATE procrastinate_jobs SET status = 'failed' WHERE task_name = 'deliver_notice'")
    said = len(outbox.sent)

    async def deliver() -> None:
        await telling.deliver(anna.tools, number)

    assert await Guillotine(anna.tools, 1, late=late).run(deliver)
    assert len(outbox.sent) == said, "it died before Telegram was called"
    for _ in range(6):
        anna.tools.clock.advance(minutes=2)  # type: ignore[attr-defined]
        await telling.sweep(anna.tools)
        await anna.comes_round()
    assert len([one for one in outbox.sent[said:] if "renewed" in one.text]) == 1
    assert await anna.value("SELECT state FROM notices WHERE id = :id", id=number) == "sent"
