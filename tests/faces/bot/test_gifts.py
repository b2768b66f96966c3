"""A gift code in the chat: written in, misspelt, used up, and too many of them."""

import pytest

from ferryman.flows.orders import guessing
from ferryman.flows.payments import gifting
from ferryman.flows.payments.gifting import Face
from ferryman.kit.money import Money
from tests.faces.bot.conftest import RunningBot
from tests.flows.refund_shop import STAFF
from tests.support.chat import Person
from tests.support.shop import Town


async def to_the_question(anna: Person) -> None:
    await anna.starts("Здравствуйте")
    await anna.press("v1:buy", "Выберите тариф")
    await anna.press("v1:gift", "Напишите его сюда")


async def test_a_code_for_a_plan_becomes_a_key(bot: RunningBot, shop: Town, anna: Person) -> None:
    (made,) = await gifting.make(shop.tools, Face(await shop.term()), STAFF)
    await to_the_question(anna)
    anna.write("не помню")
    await anna.sees("Такой код не подходит")
    anna.write(made.code.lower())
    await anna.sees("Подарок ваш!")
    await shop.work()
    await anna.sees("Ваш ключ готов")
    assert any("Подарочный код принят" in shown.get("text", "") for shown in anna.shown())


async def test_a_code_that_is_money_leads_to_the_plans(bot: RunningBot, shop: Town, anna: Person) -> None:
    (made,) = await gifting.make(shop.tools, Face(money=Money(50000, "RUB")), STAFF)
    await to_the_question(anna)
    anna.write(made.code)
    await anna.sees("500\N{NO-BREAK SPACE}₽ зачислено на баланс")
    await anna.press("v1:buy", "Выберите тариф")


async def test_whoever_tries_too_many_is_asked_to_wait(
    bot: RunningBot, shop: Town, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guessing, "MOST_GUESSES", 1)
    await to_the_question(anna)
    anna.write("первый")
    await anna.sees("Такой код не подходит")
    anna.write("второй")
    await anna.sees("Попробуйте снова через 60 мин")
