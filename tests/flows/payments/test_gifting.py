"""Gift codes, the balance, and somebody's word: money from our own books grants once, and the books stay at zero."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from ferryman.billing.refund import Through
from ferryman.flows.keys.handling import Cause
from ferryman.flows.orders import guessing, pricing
from ferryman.flows.orders.guessing import TooManyGuesses
from ferryman.flows.payments import applying, buying, gifting, marking
from ferryman.flows.payments.gifting import Face, WrongCode
from ferryman.flows.refunds import refunding
from ferryman.flows.tools import Tools
from ferryman.kit.errors import NotFound, Refused
from ferryman.kit.money import Money
from tests.flows.refund_shop import PRICE, STAFF, accounts, balances, bought, paid_twice
from tests.support.shop import Town

FIVE_HUNDRED = Money(50000, "RUB")


@pytest.fixture
async def till(shop: Town) -> Town:
    """A shop that lets its customers pay from their balance."""
    await shop.rows(
        "INSERT INTO payment_methods (name, enabled, position, sealed_config) VALUES ('balance', true, 9, :sealed) "
        "RETURNING name",
        sealed=shop.tools.vault.seal({}),
    )
    return shop


async def month(shop: Town, **more: Any) -> gifting.Made:
    (made,) = await gifting.make(shop.tools, Face(await shop.term()), STAFF, **more)
    return made


async def sold(shop: Town) -> tuple[int, int, int]:
    """Orders that are paid, grants, and subscriptions."""
    row = await shop.rows(
        """SELECT (SELECT count(*) FROM orders WHERE state = 'paid'), (SELECT count(*) FROM grants),
                  (SELECT count(*) FROM subscriptions)"""
    )
    paid, grants, subscriptions = row[0]
    return paid, grants, subscriptions


async def test_a_code_for_a_month_is_a_month_with_a_key(till: Town) -> None:
    made = await month(till)
    assert made.worth == Money(PRICE, "RUB")
    assert await accounts(till) == {"giveaways": PRICE, "gifts": -PRICE}
    anna = await till.customer()
    await gifting.redeem(till.tools, anna.id, f" {made.code.lower().replace('-', ' ')} ")
    await till.work()
    assert await sold(till) == (1, 1, 1)
    assert all(len(till.clients(node)) == 1 for node in till.panels)
    assert await accounts(till) == {"giveaways": PRICE, "sales": -PRICE}
    kinds = await till.rows("SELECT kind FROM notices ORDER BY id")
    assert [kind for (kind,) in kinds] == ["gift_redeemed", "key_ready"]
    assert await till.rows("SELECT ref FROM money_without_key") == []
    assert await till.rows("SELECT ref FROM key_without_money") == []


async def test_the_plain_code_is_kept_nowhere(till: Town) -> None:
    made = await month(till)
    dump = str(await till.rows("SELECT gift_codes::text FROM gift_codes"))
    assert made.code not in dump
    assert made.code.replace("-", "") not in dump


async def test_a_code_is_redeemed_once_by_whoever_is_first(till: Town) -> None:
    made = await month(till)
    people = [await till.customer(id_) for id_ in (7, 8, 9)]
    outcomes = await asyncio.gather(
        *(gifting.redeem(till.tools, one.id, made.code) for one in people for _ in range(2)), return_exceptions=True
    )
    assert sum(isinstance(outcome, Exception) for outcome in outcomes) >= 4
    assert await sold(till) == (1, 1, 1)
    assert await till.value("SELECT count(*) FROM ledger_transactions WHERE kind = 'purchase'") == 1
    assert await balances(till) == 0


async def test_the_same_customer_writing_it_again_hears_the_same_and_gets_no_more(till: Town) -> None:
    made, anna = await month(till), await till.customer()
    first = await gifting.redeem(till.tools, anna.id, made.code)
    assert (await gifting.redeem(till.tools, anna.id, made.code)).ref == first.ref
    assert await sold(till) == (1, 1, 1)


async def test_a_crash_between_the_order_and_the_code_loses_neither(
    till: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, anna = await month(till), await till.customer()

    async def cut_off(*_: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(applying, "collect", cut_off)
        with pytest.raises(KeyboardInterrupt):
            await gifting.redeem(till.tools, anna.id, made.code)
    assert await sold(till) == (0, 0, 0)
    assert await till.value("SELECT state FROM gift_codes") == "new"
    await till.later(minutes=5)
    await gifting.redeem(till.tools, anna.id, made.code)
    assert await sold(till) == (1, 1, 1)


async def test_a_code_that_is_money_goes_to_the_balance_and_pays(till: Town) -> None:
    (made,) = await gifting.make(till.tools, Face(money=FIVE_HUNDRED), STAFF)
    anna = await till.customer()
    await asyncio.gather(*(gifting.redeem(till.tools, anna.id, made.code) for _ in range(3)))
    assert await accounts(till) == {"giveaways": 50000, "customer": -50000}
    done = await buying.begin(till.tools, buying.Wish(anna.id, await till.term(), "balance", "press"))
    await till.work()
    assert done.paid
    assert await sold(till) == (1, 1, 1)
    assert await accounts(till) == {"giveaways": 50000, "customer": -50000 + PRICE, "sales": -PRICE}
    assert await balances(till) == 0


async def test_a_balance_is_spent_once_however_often_it_is_pressed_at_once(till: Town) -> None:
    one = await bought(till)
    await paid_twice(one)
    wishes = [buying.Wish(one.customer.id, await till.term(), "balance", f"press-{number}") for number in range(4)]
    outcomes = await asyncio.gather(*(buying.begin(till.tools, wish) for wish in wishes), return_exceptions=True)
    assert sum(not isinstance(outcome, BaseException) for outcome in outcomes) == 1
    assert all(isinstance(outcome, Refused) for outcome in outcomes if isinstance(outcome, BaseException))
    assert (await accounts(till)).get("customer", 0) == 0
    assert await balances(till) == 0


async def test_a_payment_from_the_balance_goes_back_to_the_balance(till: Town) -> None:
    one = await bought(till)
    await paid_twice(one)
    done = await buying.begin(till.tools, buying.Wish(one.customer.id, await till.term(), "balance", "press"))
    with pytest.raises(Refused, match="from the balance"):
        await refunding.make(till.tools, done.order_ref, "all", STAFF, Through.HAND)
    refund = await refunding.make(till.tools, done.order_ref, "all", STAFF)
    assert (refund.state, refund.through) == ("succeeded", "balance")
    assert (await accounts(till))["customer"] == -PRICE
    assert await one.left() == pytest.approx(timedelta(days=30), abs=timedelta(minutes=1))


async def test_wrong_codes_are_counted_and_then_even_a_right_one_waits(till: Town) -> None:
    made, anna = await month(till), await till.customer()
    for number in range(guessing.MOST_GUESSES):
        with pytest.raises(WrongCode):
            await gifting.redeem(till.tools, anna.id, f"GUESS-{number}")
    till.tools.clock.advance(minutes=20)  # type: ignore[attr-defined]
    with pytest.raises(TooManyGuesses) as slow:
        await gifting.redeem(till.tools, anna.id, made.code)
    assert slow.value.minutes in (40, 41)
    with pytest.raises(TooManyGuesses):
        await pricing.enter(till.tools, anna.id, "SPRING")
    boris = await till.customer(8)
    with pytest.raises(WrongCode):
        await gifting.redeem(till.tools, boris.id, "")
    till.tools.clock.advance(minutes=41)  # type: ignore[attr-defined]
    await gifting.redeem(till.tools, anna.id, made.code)


async def test_a_void_or_old_code_is_worth_nothing_and_the_books_know(till: Town) -> None:
    anna = await till.customer()
    made = await month(till)
    old = await month(till, expires_at=till.tools.clock.now() + timedelta(days=1))
    await gifting.void(till.tools, made.ref, Cause("operator:cli", "lost"))
    await gifting.void(till.tools, made.ref, Cause("operator:cli", "lost"))
    till.tools.clock.advance(days=2)  # type: ignore[attr-defined]
    for code in (made.code, old.code):
        with pytest.raises(WrongCode):
            await gifting.redeem(till.tools, anna.id, code)
    assert await accounts(till) == {"giveaways": PRICE, "gifts": -PRICE}
    assert await sold(till) == (0, 0, 0)


async def test_a_redeemed_code_cannot_be_made_void_nor_refunded_in_money(till: Town) -> None:
    made, anna = await month(till), await till.customer()
    code = await gifting.redeem(till.tools, anna.id, made.code)
    with pytest.raises(Refused, match="redeemed"):
        await gifting.void(till.tools, code.ref, STAFF)
    payment = await till.value("SELECT ref FROM payments")
    for way in (None, Through.BALANCE, Through.HAND):
        with pytest.raises(Refused, match="gift code"):
            await refunding.make(till.tools, payment, "all", STAFF, way)


async def test_codes_that_a_payment_bought_are_void_when_all_of_it_goes_back(till: Town) -> None:
    one = await bought(till)
    kept, spent = await month(till), await month(till)
    await till.rows("UPDATE gift_codes SET payment_id = (SELECT id FROM payments LIMIT 1) RETURNING id")
    await gifting.redeem(till.tools, (await till.customer(8)).id, spent.code)
    said = await refunding.preview(till.tools, one.payment, "all")
    assert (said.void_gifts, said.spent_gifts) == (1, 1)
    await one.give_back("10.00")
    assert await till.rows("SELECT state FROM gift_codes ORDER BY id") == [("new",), ("redeemed",)]
    await one.give_back("all")
    assert await till.rows("SELECT state FROM gift_codes ORDER BY id") == [("void",), ("redeemed",)]
    with pytest.raises(WrongCode):
        await gifting.redeem(till.tools, (await till.customer(9)).id, kept.code)
    assert await balances(till) == 0


async def test_a_blocked_customer_redeems_nothing(till: Town) -> None:
    made, bad = await month(till), await till.customer(banned=True)
    with pytest.raises(Refused, match="blocked"):
        await gifting.redeem(till.tools, bad.id, made.code)
    assert await till.value("SELECT state FROM gift_codes") == "new"


async def test_what_cannot_be_made_is_said_so(till: Town) -> None:
    term = await till.term()
    for face, words in (
        (Face(), "Name a plan"),
        (Face(money=Money(0, "RUB")), "above zero"),
        (Face(term, currency="EUR"), "no price in EUR"),
        (Face(money=Money(500, "ZZZ")), "Nothing is sold in ZZZ; prices are in RUB"),
    ):
        with pytest.raises(Refused, match=words):
            await gifting.make(till.tools, face, STAFF)
    with pytest.raises(Refused, match="1 to 500"):
        await gifting.make(till.tools, Face(term), STAFF, count=501)
    with pytest.raises(Refused, match="out of date"):
        await gifting.make(till.tools, Face(term), STAFF, expires_at=till.tools.clock.now())
    with pytest.raises(NotFound):
        await gifting.term_of(till.tools, "standard", 31)
    with pytest.raises(NotFound):
        await gifting.make(till.tools, Face(999_999), STAFF)


async def test_without_a_price_there_is_no_money_to_give(tools: Tools) -> None:
    with pytest.raises(Refused, match="no plan has a price yet"):
        await gifting.make(tools, Face(money=FIVE_HUNDRED), STAFF)


async def test_an_order_marked_as_paid_is_granted_once_and_tells_who_said_so(till: Town) -> None:
    anna = await till.customer()
    checkout = await till.order(anna)
    cash = Cause("operator:boris", "cash at the counter")
    await asyncio.gather(*(marking.mark_paid(till.tools, checkout.order_ref, cash) for _ in range(3)))
    await till.work()
    assert await sold(till) == (1, 1, 1)
    assert await accounts(till) == {"provider": PRICE, "sales": -PRICE}
    details = await till.value("SELECT details FROM ledger_transactions")
    assert details == {"said": "operator:boris: cash at the counter"}
    # The card pays after all: that money is the customer's.
    await till.webhook(till.pay(checkout))
    await till.work()
    assert (await accounts(till))["customer"] == -PRICE
    assert await sold(till) == (1, 1, 1)


async def test_what_is_paid_or_unknown_or_unexplained_is_not_marked(till: Town) -> None:
    one = await bought(till)
    with pytest.raises(Refused, match="paid already"):
        await marking.mark_paid(till.tools, one.checkout.order_ref, STAFF)
    with pytest.raises(NotFound):
        await marking.mark_paid(till.tools, "nothing", STAFF)
    with pytest.raises(Refused, match="reason"):
        await marking.mark_paid(till.tools, one.checkout.order_ref, Cause("operator:cli"))


async def test_manual_money_goes_back_by_hand_or_to_the_balance(till: Town) -> None:
    checkout = await till.order(await till.customer())
    await marking.mark_paid(till.tools, checkout.order_ref, STAFF)
    with pytest.raises(Refused, match="--by-hand"):
        await refunding.make(till.tools, checkout.order_ref, "all", STAFF)
    await refunding.make(till.tools, checkout.order_ref, "all", STAFF, Through.HAND)
    assert await accounts(till) == {"sales": -PRICE, "refunds": PRICE}
