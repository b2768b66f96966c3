"""Promo codes and a change of plan, as a person does it in the chat."""

from ferryman.flows.orders import discounting
from ferryman.flows.orders.discounting import Limits, Terms
from tests.faces.bot.conftest import RunningBot, inbox_is_empty
from tests.faces.bot.test_dialogue import bought, pay
from tests.support.chat import Person
from tests.support.shop import Town


async def to_the_plans(anna: Person) -> None:
    await anna.starts("Здравствуйте")
    await anna.press("v1:buy", "Выберите тариф")


async def labels(anna: Person) -> str:
    return " | ".join(button["text"] for row in anna.last()["reply_markup"]["inline_keyboard"] for button in row)


async def test_a_person_types_a_code_and_pays_less(bot: RunningBot, shop: Town, anna: Person) -> None:
    await discounting.promo(shop.tools, "SUMMER", Terms("50%"), Limits(), "operator:tests")
    await to_the_plans(anna)
    await anna.press("v1:promo", "одним сообщением")
    anna.write("winter")
    await anna.sees("Такого промокода нет")
    anna.write(" summer ")
    await anna.sees("Промокод SUMMER · −50%")
    assert "от 99\N{NO-BREAK SPACE}₽ вместо 199\N{NO-BREAK SPACE}₽" in await labels(anna)
    await anna.press("v1:plan", "На какой срок?")
    assert "99\N{NO-BREAK SPACE}₽ вместо 199\N{NO-BREAK SPACE}₽" in await labels(anna)
    await anna.press("v1:term", "Как удобнее заплатить?")
    assert "99\N{NO-BREAK SPACE}₽ вместо 199\N{NO-BREAK SPACE}₽" in await labels(anna)
    await anna.press("v1:pay", "К оплате: 99\N{NO-BREAK SPACE}₽ вместо 199\N{NO-BREAK SPACE}₽")
    await pay(shop)
    await anna.sees("Ваш ключ готов")
    assert await shop.rows("SELECT state FROM discount_uses") == [("consumed",)]


async def test_a_code_can_be_taken_away(bot: RunningBot, shop: Town, anna: Person) -> None:
    await discounting.promo(shop.tools, "SUMMER", Terms("50%"), Limits(), "operator:tests")
    await to_the_plans(anna)
    await anna.press("v1:promo", "одним сообщением")
    anna.write("SUMMER")
    await anna.sees("Промокод SUMMER")
    await anna.press("v1:nopromo", "Промокод убран")
    assert "вместо" not in await labels(anna)


async def test_a_code_that_ended_between_showing_and_paying_is_said_and_nothing_is_ordered(
    bot: RunningBot, shop: Town, anna: Person
) -> None:
    await discounting.promo(shop.tools, "SUMMER", Terms("50%"), Limits(), "operator:tests")
    await to_the_plans(anna)
    await anna.press("v1:promo", "одним сообщением")
    anna.write("SUMMER")
    await anna.sees("Промокод SUMMER")
    await anna.press("v1:plan", "На какой срок?")
    await anna.press("v1:term", "Как удобнее заплатить?")
    await discounting.off(shop.tools, "SUMMER", "operator:tests")
    await anna.press("v1:pay", "сейчас не действует")
    assert await shop.value("SELECT count(*) FROM orders") == 0
    assert "от 199" in await labels(anna)


async def test_a_person_changes_the_plan_and_keeps_the_link(bot: RunningBot, shop: Town, anna: Person) -> None:
    await bought(anna, shop)
    token = await shop.value("SELECT token FROM subscriptions")
    await anna.starts("Осталось: 30 дней")
    await anna.press("v1:subs", "Стандарт")
    await anna.press("v1:up:", "Неиспользованная часть стоит")
    assert "Безлимит · 30 дней" in await labels(anna)
    await anna.press("v1:upterm:", "Вместо нынешнего тарифа")
    shown = anna.last()
    await anna.press("v1:upp:", "К оплате: 15")
    anna.send_press(anna.button("v1:upp:", shown), shown, forged=True)
    await inbox_is_empty(shop)
    assert await shop.value("SELECT count(*) FROM orders WHERE kind = 'upgrade'") == 1
    await pay(shop)
    assert await shop.rows("SELECT plan_code, token FROM subscriptions") == [("unlimited", token)]


async def test_somebody_elses_subscription_cannot_be_given_in(bot: RunningBot, shop: Town, anna: Person) -> None:
    await bought(anna, shop)
    ref, term = await shop.value("SELECT ref FROM subscriptions"), await shop.term("unlimited")
    boris = anna.messenger.person(first_name="Boris")
    await boris.starts("Здравствуйте")
    for data in (f"v1:up:{ref}", f"v1:upterm:{ref}:{term}", f"v1:upp:yookassa.bank_card:{ref}:{term}:aB3dE6gH"):
        await boris.starts("Здравствуйте")
        boris.send_press(data, forged=True)
        await boris.sees("Такой подписки у вас нет")
    assert await shop.value("SELECT count(*) FROM orders WHERE kind = 'upgrade'") == 0
