"""Money that goes back of an old payment while every webhook about it is lost: found by asking, a little at a time."""

from typing import Any

import pytest
from sqlalchemy import text

from ferryman.flows.payments import banking, looking_again
from tests.flows.card_case import DAY, Case
from tests.flows.provider_till import MINOR, Till, at_the_till
from tests.flows.refund_shop import accounts, refunds
from tests.support.shop import Town

OLD = 10
IN_THE_CABINET: dict[str, tuple[str, dict[str, Any]]] = {
    "freekassa": ("payments/{}/refund", {}),
    "heleket": ("payments/{}/refund", {}),
    "coingate": ("refund", {"amount": "199"}),
    "stripe": ("refund", {}),
}


async def bought(till: Till, telegram_id: int = 7) -> str:
    """A granted payment; its number at the provider."""
    external_id = await till.pay(await till.press(await till.shop.customer(telegram_id), f"tap-{telegram_id}"))
    await till.shop.later(minutes=2)
    assert await till.shop.value("SELECT count(*) FROM payments WHERE state = 'succeeded'") >= 1
    return external_id


async def given_back_in_the_cabinet(till: Till, external_id: str) -> None:
    path, more = IN_THE_CABINET[till.name]
    named = {} if "{}" in path else {"payment_id": external_id}
    await till.control.post(path.format(external_id), {**named, **more})


async def days_pass(till: Till, days: float) -> None:
    till.shop.tools.clock.advance(days=days)  # type: ignore[attr-defined]
    await till.control.post("clock", {"advance": int(days * 86400)})


async def round_comes(shop: Town) -> None:
    await looking_again.sweep(shop.tools)
    await shop.work()


async def asked(till: Till) -> list[str]:
    """The payments whose next question was put off or answered since they succeeded."""
    query = "SELECT external_id FROM payments WHERE look_at > succeeded_at + interval '2 days' ORDER BY look_at, id"
    return [one for (one,) in await till.shop.rows(query)]


@pytest.mark.parametrize("name", sorted(IN_THE_CABINET))
async def test_an_old_payment_given_back_in_the_cabinet_is_found_within_a_day(shop: Town, name: str) -> None:
    async with at_the_till(shop, name) as till:
        external_id = await bought(till)
        await days_pass(till, OLD)
        await round_comes(shop)
        assert await refunds(shop) == []
        await given_back_in_the_cabinet(till, external_id)
        await days_pass(till, 1.1)
        await round_comes(shop)
        assert await refunds(shop) == [("succeeded", "provider", MINOR)]
        await days_pass(till, 10)
        await round_comes(shop)
        assert await refunds(shop) == [("succeeded", "provider", MINOR)]


@pytest.mark.parametrize("what", ["dispute", "refund"])
async def test_the_comparison_finds_what_was_disputed_or_given_back_lately_however_old(case: Case, what: str) -> None:
    session = await case.buys()
    await case.later(days=OLD)
    if what == "dispute":
        await case.till.control.post(f"payments/{session}/dispute")
    else:
        await given_back_in_the_cabinet(case.till, session)
    assert (await banking.compare(case.shop.tools, "stripe")).recovered == 1
    assert await accounts(case.shop) == {"sales": -MINOR, "refunds": MINOR}
    assert await case.left() == 0 * DAY
    again = await banking.compare(case.shop.tools, "stripe")
    assert (again.recovered, again.differences) == (0, [])


async def test_a_dispute_won_long_after_it_was_opened_is_found_too(case: Case) -> None:
    dispute = await case.disputes(await case.buys())
    await case.later(days=60)
    await round_comes(case.shop)
    await case.till.control.post(f"disputes/{dispute}/win")
    await case.later(days=7.1)
    await round_comes(case.shop)
    assert await case.left() == 30 * DAY
    assert (await case.kinds(99))[-1] == "chargeback_won"


async def test_a_round_asks_a_few_and_those_that_wait_longest(shop: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking_again, "ROUND", 2)
    async with at_the_till(shop, "freekassa") as till:
        first, second, third = [await bought(till, telegram_id) for telegram_id in (7, 8, 9)]
        await days_pass(till, 1.1)
        await round_comes(shop)
        assert await asked(till) == [first, second]
        await round_comes(shop)
        assert await asked(till) == [first, second, third]
        before = await till.shop.rows("SELECT id, look_at FROM payments ORDER BY id")
        await round_comes(shop)
        assert await till.shop.rows("SELECT id, look_at FROM payments ORDER BY id") == before, "once a day each"


@pytest.mark.weather
async def test_a_provider_that_is_away_is_asked_three_times_a_round_and_nothing_is_forgotten(shop: Town) -> None:
    async with at_the_till(shop, "freekassa") as till:
        sold = [await bought(till, telegram_id) for telegram_id in range(7, 12)]
        await days_pass(till, OLD)
        await given_back_in_the_cabinet(till, sold[0])
        await till.control.fault(mode="status", status=502, times=3)
        await round_comes(shop)
        assert await refunds(shop) == []
        assert await asked(till) == sold[:3], "put off for an hour"
        await round_comes(shop)
        assert await asked(till) == [*sold[:3], *sold[3:]]
        await days_pass(till, 1 / 23)
        await round_comes(shop)
        assert await refunds(shop) == [("succeeded", "provider", MINOR)]


async def test_without_access_it_is_asked_about_weekly_and_in_the_end_no_more(shop: Town) -> None:
    async with at_the_till(shop, "freekassa") as till:
        await bought(till)
        for age, again in ((29, 1), (31, 7), (181, None)):
            await days_pass(till, age - await _age(till))
            await round_comes(shop)
            look_at = await shop.value("SELECT look_at FROM payments")
            assert (look_at and round((look_at - shop.tools.clock.now()) / DAY)) == again


async def _age(till: Till) -> float:
    paid_at = await till.shop.value("SELECT succeeded_at FROM payments")
    return float((till.shop.tools.clock.now() - paid_at) / DAY)


async def test_the_question_which_ones_are_due_reads_no_others(shop: Town) -> None:
    async with shop.tools.db.unit() as session:
        # A small table is read whole, whatever there is; the question is whether it has to be.
        await session.execute(text("SET LOCAL enable_seqscan = off"))
        plan = await session.scalars(
            text(
                """EXPLAIN SELECT id FROM payments WHERE provider = 'stripe' AND look_at <= now()
                   ORDER BY look_at LIMIT 30"""
            )
        )
        words = "\n".join(plan)
    assert "ix_payments_to_look_at" in words
    assert "Sort" not in words
