"""Less than the price came: it stands in the books, outlives every "cancelled", and makes way for the whole price."""

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from ferryman.billing import inbox, ledger
from ferryman.billing.provider import Fact, PaymentProvider, PaymentState
from ferryman.flows.orders import opening
from ferryman.flows.payments import applying, banking, reviewing
from ferryman.flows.refunds import weighing
from ferryman.kit.errors import Refused
from ferryman.kit.money import Money
from tests.flows.provider_till import MINOR, Till, at_the_till
from tests.support.shop import Town

PRICE = 19900


@dataclass
class Short:
    """An order whose provider tells what the test wants."""

    shop: Town
    provider: PaymentProvider
    external: str
    ref: str

    async def hears(self, state: PaymentState, came: int | None = None) -> str | None:
        some = None if came is None else Money(came, "RUB")
        fact = Fact(self.external, self.ref, state, Money(PRICE, "RUB"), test=False, reason="expired", came=some)
        return await applying.apply_fact(self.shop.tools, self.provider, fact)

    async def short(self, came: int | None) -> str | None:
        return await self.hears(PaymentState.SHORT, came)

    async def books(self) -> dict[str, int]:
        return await books(self.shop)

    async def state(self) -> str:
        return str(await self.shop.value("SELECT state FROM payments WHERE ref = :ref", ref=self.ref))


async def books(shop: Town) -> dict[str, int]:
    async with shop.tools.db.unit() as session:
        assert set((await ledger.trial_balance(session)).values()) <= {0}
        held = await ledger.balances(session)
    return {account.partition(":")[0]: minor for (account, _), minor in held.items() if minor}


async def kinds(shop: Town, telegram_id: int = 7) -> list[str]:
    query = """SELECT n.kind FROM notices n JOIN customers c ON c.id = n.customer_id
               WHERE c.telegram_id = :id ORDER BY n.id"""
    return [kind for (kind,) in await shop.rows(query, id=telegram_id)]


async def short_of(shop: Town, telegram_id: int = 7) -> Short:
    order = await shop.order(await shop.customer(telegram_id))
    async with shop.tools.db.unit() as session:
        provider = await opening.collecting(shop.tools, session, "yookassa")
    ref = await shop.value("SELECT ref FROM payments ORDER BY id DESC LIMIT 1")
    return Short(shop, provider, shop.payment_of(order)["id"], ref)


STEPS = {
    "some": (PaymentState.SHORT, 5000),
    "more": (PaymentState.SHORT, 12000),
    "expired": (PaymentState.CANCELLED, None),
    "all": (PaymentState.SUCCEEDED, None),
}


async def test_in_every_order_of_events_it_ends_as_paid_and_nothing_is_left_apart(shop: Town) -> None:
    for number, names in enumerate(itertools.permutations(STEPS), 1):
        one = await short_of(shop, number)
        for name in names:
            await one.hears(*STEPS[name])
        assert await one.books() == {"provider": number * PRICE, "sales": -number * PRICE}, names
        assert await one.state() == "succeeded"
    assert await shop.value("SELECT count(*) FROM grants") == number


async def test_without_the_rest_what_came_outlives_every_cancelled_and_waits_for_a_person(shop: Town) -> None:
    names = ("some", "more", "expired")
    for number, order in enumerate(itertools.permutations(names), 1):
        one = await short_of(shop, number)
        for name in order:
            await one.hears(*STEPS[name])
        last = next(name for name in reversed(order) if name != "expired")
        came = STEPS[last][1]
        assert (await one.state(), await apart(one)) == ("review", came), order
        assert (await kinds(shop, number)).count("payment_in_review") == 1


async def test_told_again_and_again_it_is_booked_once(shop: Town) -> None:
    one = await short_of(shop)
    for _ in range(3):
        assert await one.short(5000) == "needs_review"
    assert await one.books() == {"provider": 5000, "unmatched": -5000}
    assert await shop.value("SELECT count(*) FROM ledger_transactions") == 1
    assert "50.00 RUB is there" in await shop.value("SELECT reason FROM payments")


async def test_what_the_provider_gave_back_to_the_payer_is_not_held_any_more(shop: Town) -> None:
    one = await short_of(shop)
    await one.short(5000)
    await one.short(0)
    assert await one.books() == {}
    await one.short(7000)
    assert await one.books() == {"provider": 7000, "unmatched": -7000}
    await one.short(0)
    assert await one.hears(PaymentState.CANCELLED) == "cancelled"


async def test_what_the_provider_does_not_call_ours_is_in_no_book(shop: Town) -> None:
    one = await short_of(shop)
    assert await one.short(None) == "needs_review"
    assert await one.books() == {}
    with pytest.raises(Refused, match="Nothing is known to have come"):
        await reviewing.credit(shop.tools, one.ref, "asked for it", "operator:cli")
    assert await one.hears(PaymentState.CANCELLED) == "cancelled"


async def test_credited_the_customer_hears_how_much_and_what_follows_goes_the_same_way(shop: Town) -> None:
    one = await short_of(shop)
    await one.short(5000)
    await reviewing.credit(shop.tools, one.ref, "asked for it", "operator:cli")
    assert await one.books() == {"provider": 5000, "customer": -5000}
    assert await one.short(5000) == "already_settled"
    assert await one.short(12000) == "what_came_credited"
    assert await one.hears(PaymentState.CANCELLED) == "already_settled"
    assert await one.hears(PaymentState.SUCCEEDED) == "what_came_credited"
    assert await one.hears(PaymentState.SUCCEEDED) == "already_settled"
    assert await one.books() == {"provider": PRICE, "customer": -PRICE}
    rows = await shop.rows("SELECT payload->>'amount' AS amount FROM notices WHERE kind = 'part_credited' ORDER BY id")
    assert [int(row.amount) for row in rows] == [5000, 7000, 7900]
    async with shop.tools.db.unit() as session:
        payment = await weighing.locked(session, await weighing.payment_named(session, one.ref))
        assert (await weighing.case(shop.tools, session, payment)).left == PRICE


async def test_accepted_the_rest_makes_up_for_the_loss(shop: Town) -> None:
    one = await short_of(shop)
    await one.short(5000)
    await reviewing.accept(shop.tools, one.ref, "a good customer", "operator:cli")
    assert await one.books() == {"provider": 5000, "sales": -PRICE, "shortfall": PRICE - 5000}
    await one.short(12000)
    assert (await one.books())["shortfall"] == PRICE - 12000
    await one.hears(PaymentState.SUCCEEDED)
    await one.hears(PaymentState.SUCCEEDED)
    assert await one.books() == {"provider": PRICE, "sales": -PRICE}
    assert await shop.value("SELECT count(*) FROM grants") == 1


async def test_it_goes_on_being_asked_about_until_a_person_has_decided(shop: Town) -> None:
    one = await short_of(shop)
    await one.short(5000)
    assert await shop.value("SELECT ask_at FROM payments") > shop.tools.clock.now()
    shop.bank.shop.pay(one.external)
    await shop.later(hours=2)
    assert await one.state() == "succeeded"
    assert await one.books() == {"provider": PRICE - 796, "fees": 796, "sales": -PRICE}


async def test_once_decided_nobody_asks_any_more_and_the_list_finds_the_rest(shop: Town) -> None:
    one = await short_of(shop)
    await one.short(5000)
    await reviewing.credit(shop.tools, one.ref, "asked for it", "operator:cli")
    assert await shop.value("SELECT ask_at FROM payments") is None
    shop.bank.shop.pay(one.external)
    assert (await banking.compare(shop.tools, "yookassa")).recovered == 1
    assert (await one.books())["customer"] == -PRICE
    assert (await banking.compare(shop.tools, "yookassa")).recovered == 0


def test_what_came_is_kept_with_an_event_that_is_believed_as_it_is() -> None:
    fact = Fact("1", "ours", PaymentState.SHORT, Money(PRICE, "RUB"), test=False, came=Money(5000, "RUB"))
    assert inbox.read(inbox.written(fact)) == fact
    before = {name: value for name, value in inbox.written(fact).items() if name != "came"}
    assert inbox.read(before).came is None


@pytest.fixture
async def heleket(shop: Town) -> AsyncIterator[Till]:
    async with at_the_till(shop, "heleket") as till:
        yield till


async def half_paid(till: Till) -> str:
    external = await till.external_id(await till.press())
    await till.control.post(f"payments/{external}/pay", {"how": "less", "coin": "LTC"})
    return external


async def run_out(till: Till) -> None:
    await till.control.post("clock", {"advance": 3601})
    await till.shop.later(hours=2)


async def test_at_heleket_half_of_the_coins_is_half_of_the_price_until_the_rest_comes(heleket: Till) -> None:
    external = await half_paid(heleket)
    await heleket.shop.later(minutes=1)
    assert await books(heleket.shop) == {}, "the payer may still send the rest"
    await run_out(heleket)
    assert await books(heleket.shop) == {"provider": MINOR // 2, "unmatched": -(MINOR // 2)}
    await heleket.control.post(f"payments/{external}/expire")
    await heleket.shop.later(hours=2)
    assert await heleket.shop.value("SELECT state FROM payments") == "review"
    ref = await heleket.shop.value("SELECT ref FROM payments")
    await reviewing.credit(heleket.shop.tools, ref, "asked for it", "operator:cli")
    assert await books(heleket.shop) == {"provider": MINOR // 2, "customer": -(MINOR // 2)}


async def test_at_heleket_what_is_given_back_to_the_payer_leaves_the_books(heleket: Till) -> None:
    external = await half_paid(heleket)
    await run_out(heleket)
    await heleket.control.post(f"payments/{external}/refund")
    await heleket.shop.later(hours=2)
    assert await books(heleket.shop) == {}


async def test_at_coingate_too_little_is_the_payers_to_take_back_and_in_no_book(shop: Town) -> None:
    async with at_the_till(shop, "coingate") as till:
        external = await till.external_id(await till.press())
        await till.control.post(f"payments/{external}/pay", {"how": "less"})
        await till.control.post("clock", {"advance": 1201})
        await shop.later(hours=2)
        assert await shop.value("SELECT state FROM payments") == "review"
        assert await books(shop) == {}
        await till.control.post(f"payments/{external}/pay", {"how": "late"})
        await shop.later(hours=2)
        assert await shop.value("SELECT state FROM payments") == "succeeded"
        assert (await books(shop))["sales"] == -MINOR


async def apart(one: Short) -> int:
    async with one.shop.tools.db.unit() as session:
        return -sum(held.minor for held in await ledger.held_on(session, f"unmatched:{one.ref}"))
