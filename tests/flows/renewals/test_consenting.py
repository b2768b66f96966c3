"""What a customer may decide about a renewal, and that nothing but what they saw is agreed to."""

from datetime import timedelta

import pytest

from ferryman.billing.methods import Method
from ferryman.billing.renewal import By, State
from ferryman.flows.renewals import consenting, renewing
from ferryman.flows.renewals.consenting import PriceChanged
from ferryman.kit.errors import NotFound, Refused
from tests.support.cardbank import CARD
from tests.support.subscriber import TELEGRAM_ID, Subscriber


@pytest.fixture
async def anna(anna: Subscriber) -> Subscriber:
    """Has a month, and a card that was kept."""
    await anna.buys()
    return anna


async def ref(anna: Subscriber) -> str:
    return (await anna.subscription()).ref


async def look(anna: Subscriber) -> consenting.Consent:
    return await consenting.look(anna.tools, anna.customer_id, await ref(anna))


async def test_it_shows_the_day_the_amount_and_the_card(anna: Subscriber) -> None:
    seen = await look(anna)
    assert (seen.phase, str(seen.amount), seen.way) == ("on", "199.00 RUB", CARD)
    assert seen.on == await anna.ends_at() - timedelta(days=1)


async def test_one_press_switches_it_off_and_a_second_changes_nothing(anna: Subscriber) -> None:
    await anna.is_warned()
    for _ in range(2):
        seen = await consenting.switch_off(anna.tools, anna.customer_id, await ref(anna))
        assert (seen.phase, seen.offer) == ("off", By.KEPT)
    await anna.goes_to(timedelta(days=1))
    assert anna.bank.charges == 0
    assert (await anna.told()).count("renewal_stopped") == 1
    assert (await anna.agreement()).why == "customer"


async def test_switched_on_again_it_is_the_same_card_for_the_price_that_was_shown(anna: Subscriber) -> None:
    await consenting.switch_off(anna.tools, anna.customer_id, await ref(anna))
    await anna.do("UPDATE prices SET minor = 24900 WHERE currency = 'RUB'")
    with pytest.raises(PriceChanged):
        await consenting.switch_on(anna.tools, anna.customer_id, await ref(anna), 19900)
    assert (await look(anna)).phase == "off"
    for _ in range(2):
        seen = await consenting.switch_on(anna.tools, anna.customer_id, await ref(anna), 24900)
        assert seen.phase == "on"
    await anna.reaches_the_charge()
    assert anna.bank.taken == [19900, 24900]


async def test_a_forgotten_card_cannot_be_switched_on_again(anna: Subscriber) -> None:
    seen = await consenting.forget(anna.tools, anna.customer_id, await ref(anna))
    assert (seen.phase, seen.offer, seen.kept) == ("off", "", False)
    assert await anna.value("SELECT count(sealed_token) FROM renewals") == 0
    with pytest.raises(Refused):
        await consenting.switch_on(anna.tools, anna.customer_id, await ref(anna), 19900)


async def test_a_card_that_nobody_uses_is_forgotten_after_thirty_days(anna: Subscriber) -> None:
    await consenting.switch_off(anna.tools, anna.customer_id, await ref(anna))
    await anna.later(days=29)
    assert await anna.value("SELECT count(sealed_token) FROM renewals") == 1
    await anna.later(days=2)
    assert await anna.value("SELECT count(sealed_token) FROM renewals") == 0


async def test_an_expired_card_is_not_offered_again(anna: Subscriber) -> None:
    anna.bank.verdicts = ["card_expired"]
    await anna.reaches_the_charge()
    assert (await look(anna)).offer == ""


async def test_a_yes_to_the_new_price_is_charged_and_remembered(anna: Subscriber) -> None:
    await anna.do("UPDATE prices SET minor = 24900 WHERE currency = 'RUB'")
    await anna.is_warned()
    assert (await look(anna)).phase == "asks"
    with pytest.raises(PriceChanged):
        await consenting.agree_to(anna.tools, anna.customer_id, await ref(anna), 22900)
    seen = await consenting.agree_to(anna.tools, anna.customer_id, await ref(anna), 24900)
    assert (seen.phase, str(seen.amount)) == ("on", "249.00 RUB")
    await anna.goes_to(timedelta(days=1))
    assert anna.bank.taken == [19900, 24900]
    await anna.reaches_the_charge()
    assert anna.bank.taken == [19900, 24900, 24900], "agreed to once and for all"


async def test_what_goes_on_is_told_apart(anna: Subscriber) -> None:
    anna.bank.verdicts = [None, ""]
    await anna.reaches_the_charge()
    assert (await look(anna)).phase == "busy"
    anna.bank.say(list(anna.bank.payments)[-1], state="cancelled", reason="insufficient_funds")
    await anna.later(minutes=20)
    assert (await look(anna)).phase == "again"


async def test_a_press_while_a_charge_is_on_its_way_lets_that_one_end_and_makes_no_other(anna: Subscriber) -> None:
    anna.bank.verdicts = [None]
    await anna.reaches_the_charge()
    await consenting.switch_off(anna.tools, anna.customer_id, await ref(anna))
    anna.bank.say(list(anna.bank.payments)[-1], state="succeeded")
    await anna.later(hours=1)
    assert await anna.books() == (2, 2, 0), "money that came is not lost"
    await anna.reaches_the_charge()
    assert anna.bank.charges == 1


async def test_nobody_decides_about_somebody_elses(anna: Subscriber) -> None:
    mine = await ref(anna)
    for verb in (consenting.look, consenting.switch_off, consenting.forget):
        with pytest.raises(NotFound):
            await verb(anna.tools, anna.customer_id + 1, mine)
    for agrees in (consenting.switch_on, consenting.agree_to):
        with pytest.raises(NotFound):
            await agrees(anna.tools, anna.customer_id + 1, mine, 19900)
    assert (await look(anna)).phase == "on"


async def test_an_operator_ends_it_by_ref_or_by_customer(anna: Subscriber) -> None:
    await consenting.stop(anna.tools, str(TELEGRAM_ID), "asked by phone")
    one = await anna.agreement()
    assert (one.state, one.why) == (State.STOPPED, "operator")
    with pytest.raises(NotFound):
        await consenting.stop(anna.tools, await ref(anna), "once more")
    assert [listed.ref for listed in await consenting.listed(anna.tools, every=True)] == [await ref(anna)]
    assert await consenting.listed(anna.tools) == []


# Out of the balance.


async def with_balance(anna: Subscriber, minor: int) -> None:
    async with anna.tools.db.unit() as session:
        session.add(Method(name="balance", position=2, sealed_config=anna.tools.vault.seal({})))
    await anna.do(
        """WITH made AS (INSERT INTO ledger_transactions (kind, source) VALUES ('credit', 'test') RETURNING id)
           INSERT INTO ledger_entries (transaction_id, account, minor, currency)
           SELECT made.id, side.account, side.minor, 'RUB' FROM made, (VALUES ('provider:test', CAST(:minor AS bigint)),
             ('customer:' || :who, -CAST(:minor AS bigint))) AS side (account, minor)""",
        minor=minor, who=str(anna.customer_id),
    )  # fmt: skip


async def test_the_balance_pays_when_it_covers_the_price(anna: Subscriber) -> None:
    await consenting.forget(anna.tools, anna.customer_id, await ref(anna))
    await with_balance(anna, 19900)
    seen = await look(anna)
    assert (seen.phase, seen.offer, str(seen.amount)) == ("off", By.BALANCE, "199.00 RUB")
    await consenting.switch_on(anna.tools, anna.customer_id, await ref(anna), 19900)
    await anna.reaches_the_charge()
    assert await anna.books() == (2, 2, 0)
    assert anna.bank.charges == 0
    assert (await anna.told())[-1] == "renewed"
    assert await anna.value("SELECT sum(minor) FROM ledger_entries WHERE account LIKE 'customer:%'") == 0


async def test_an_empty_balance_is_tried_again_when_something_may_have_come(anna: Subscriber) -> None:
    await consenting.forget(anna.tools, anna.customer_id, await ref(anna))
    await with_balance(anna, 100)
    await consenting.switch_on(anna.tools, anna.customer_id, await ref(anna), 19900)
    await anna.reaches_the_charge()
    assert (await anna.last_words("renewal_failed"))["reason"] == "insufficient_funds"
    assert await anna.books() == (1, 1, 0)
    await anna.do("UPDATE prices SET minor = 100 WHERE currency = 'RUB'")
    await anna.later(days=1)
    await renewing.sweep(anna.tools)
    assert await anna.value("SELECT count(*) FROM renewal_charges") == 2
