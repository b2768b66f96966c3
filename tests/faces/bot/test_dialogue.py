"""Buying and looking after a subscription, as a person does it in the chat."""

import re
from datetime import UTC, datetime

from sqlalchemy import text

from ferryman.faces.bot import inbox
from ferryman.flows.tools import Tools
from ferryman_sandbox.weather import Fault
from tests.conftest import MovableClock
from tests.faces.bot.conftest import RunningBot, inbox_is_empty
from tests.support.chat import BOT_ID, Person, until
from tests.support.shop import Town


async def to_the_methods(anna: Person) -> None:
    await anna.starts("Здравствуйте")
    await anna.press("v1:buy", "Выберите тариф")
    await anna.press("v1:plan", "На какой срок?")
    await anna.press("v1:term", "Как удобнее заплатить?")


async def to_the_checkout(anna: Person) -> str:
    """Buys as far as the pay page; answers the order's ref."""
    await to_the_methods(anna)
    await anna.press("v1:pay", "К оплате")
    found = re.search(r"Заказ (\S+)", anna.words())
    assert found
    return found[1]


async def pay(shop: Town) -> None:
    """At the bank, whose webhook arrives, and all jobs run."""
    waiting = (kept["object"] for _, kept in shop.bank.store.all("payment"))
    (payment,) = [one for one in waiting if one["status"] == "pending"]
    shop.bank.shop.pay(payment["id"])
    await shop.webhook(payment)
    await shop.work()


async def bought(anna: Person, shop: Town) -> None:
    await to_the_checkout(anna)
    await pay(shop)
    await anna.sees("Ваш ключ готов")


async def test_a_person_buys_a_month_and_finds_the_key(bot: RunningBot, shop: Town, anna: Person) -> None:
    await to_the_checkout(anna)
    assert len(anna.shown()) == 1, "one screen, edited in place"
    ((_, kept),) = shop.bank.store.all("payment")
    assert anna.link() == kept["object"]["confirmation"]["confirmation_url"]
    await pay(shop)
    await anna.sees("Ваш ключ готов")
    _, receipt, key = anna.shown()
    assert "Оплата получена" in receipt["text"]
    assert "199" in receipt["text"]
    assert key["photo"]
    token = await shop.value("SELECT token FROM subscriptions")
    assert f"http://127.0.0.1:8080/s/{token}" in key["caption"]

    await anna.starts("Осталось: 30 дней")
    labels = [button["text"] for row in anna.last()["reply_markup"]["inline_keyboard"] for button in row]
    assert any("ещё 30 дней" in label for label in labels)
    await anna.press("v1:subs", "✅ 🇩🇪 Узел DE")
    assert "🟩" * 10 in anna.words()
    assert "100 ГБ" in anna.words()
    shown = await anna.press("v1:key", "Ваш ключ")
    assert shown["photo"]
    assert f"/s/{token}" in shown["caption"]
    await anna.press("v1:sub:", "Действует до")
    await anna.press("v1:plan", "На какой срок?")


async def test_a_double_press_is_one_order(bot: RunningBot, shop: Town, anna: Person) -> None:
    await to_the_methods(anna)
    pay_button, message = anna.button("v1:pay"), anna.last()
    for _ in range(3):
        anna.send_press(pay_button, message, forged=True)
    await anna.sees("К оплате")
    await inbox_is_empty(shop)
    assert await shop.value("SELECT count(*) FROM orders") == 1
    assert shop.bank.store.count("payment") == 1
    assert anna.unanswered() == 0


async def test_the_same_choice_made_again_later_is_another_order(bot: RunningBot, shop: Town, anna: Person) -> None:
    await to_the_checkout(anna)
    await anna.press("v1:term", "Как удобнее заплатить?")
    await anna.press("v1:pay", "К оплате")
    assert await shop.value("SELECT count(*) FROM orders") == 2


async def test_asking_whether_it_is_paid_keeps_the_way_to_pay(bot: RunningBot, shop: Town, anna: Person) -> None:
    ref = await to_the_checkout(anna)
    pay_page = anna.link()
    await anna.press(f"v1:check:{ref}", "Оплаты пока не видно")
    assert anna.link() == pay_page
    waiting = (kept["object"] for _, kept in shop.bank.store.all("payment"))
    (payment,) = [one for one in waiting if one["status"] == "pending"]
    shop.bank.shop.pay(payment["id"])
    await anna.press(f"v1:check:{ref}", "Оплата получена")


async def test_a_bank_that_is_down_leaves_the_order_open(bot: RunningBot, shop: Town, anna: Person) -> None:
    await to_the_methods(anna)
    shop.bank.weather.add(Fault("status", times=-1, status=500))
    await anna.press("v1:pay", "Платёжная система чуть задумалась")
    assert anna.link() is None
    shop.bank.weather.clear()
    await shop.later(minutes=2)
    await anna.sees("Ссылка на оплату готова")
    assert anna.link()
    assert await shop.value("SELECT count(*) FROM orders") == 1


STRANGE = [
    "v0:renew:42",
    "v1:renew:42",
    "v2:home",
    "home",
    "v1:plan:-1",
    "v1:plan:1; DROP TABLE plans",
    "v1:plan:99999999999999999999999999",
    "v1:pay:yookassa:1:199.00:RUB:x",
    "v1:pay:../../etc:1",
    "v1:lang:xx",
    "v1:sub:",
    "\x00\ud7ff🙂" * 5,
    ":" * 64,
]


async def test_a_button_of_nobodys_making_shows_a_fresh_menu(bot: RunningBot, shop: Town, anna: Person) -> None:
    for data in STRANGE:
        await anna.starts("Здравствуйте")
        await inbox_is_empty(shop)
        anna.send_press(data, forged=True)
        await anna.sees("Эта кнопка устарела")
        assert "Здравствуйте" in anna.words()
    await inbox_is_empty(shop)
    assert anna.unanswered() == 0
    assert await shop.value("SELECT count(*) FROM orders") == 0


async def test_a_made_up_offer_is_not_for_sale(bot: RunningBot, shop: Town, anna: Person) -> None:
    for data in ("v1:plan:987654", "v1:term:987654", "v1:pay:yookassa:987654", "v1:pay:nosuch:1"):
        await anna.starts("👋")
        anna.send_press(data, forged=True)
        await anna.sees("больше не продаётся")
        assert "Выберите тариф" in anna.words()
    assert await shop.value("SELECT count(*) FROM orders") == 0


async def test_a_stranger_sees_nothing_of_anybodys(bot: RunningBot, shop: Town, anna: Person) -> None:
    await bought(anna, shop)
    order, ref, token = (await shop.rows("SELECT o.ref, s.ref, s.token FROM orders o, subscriptions s"))[0]
    boris = anna.messenger.person(first_name="Boris")
    # With one of his own, so that an answer about it cannot pass for a refusal.
    await bought(boris, shop)
    for data in (f"v1:sub:{ref}", f"v1:key:{ref}", f"v1:check:{order}"):
        await boris.starts("👋")
        boris.send_press(data, forged=True)
        await boris.sees("Такой подписки у вас нет")
    assert not any(token in str(message) for message in boris.shown())


async def test_what_was_withdrawn_since_is_not_sold(bot: RunningBot, shop: Town, anna: Person) -> None:
    await to_the_methods(anna)
    async with shop.tools.db.unit() as session:
        await session.execute(text("UPDATE plans SET active = false WHERE code = 'standard'"))
    await anna.press("v1:pay", "больше не продаётся")
    assert await shop.value("SELECT count(*) FROM orders") == 0


async def test_an_old_button_sells_at_todays_price(bot: RunningBot, shop: Town, anna: Person) -> None:
    await to_the_methods(anna)
    async with shop.tools.db.unit() as session:
        await session.execute(text("UPDATE prices SET minor = 29900 WHERE minor = 19900"))
    await anna.press("v1:pay", "299")
    assert await shop.value("SELECT minor FROM orders") == 29900


async def test_who_is_banned_is_told_so_and_sold_nothing(bot: RunningBot, shop: Town, anna: Person) -> None:
    await to_the_methods(anna)
    async with shop.tools.db.unit() as session:
        await session.execute(text("UPDATE customers SET banned = true"))
    await anna.press("v1:pay", "Доступ к боту закрыт")
    anna.start()
    anna.write("почему?")
    await inbox_is_empty(shop)
    assert "Доступ к боту закрыт" in anna.words()
    assert "reply_markup" not in anna.last()
    assert await shop.value("SELECT count(*) FROM orders") == 0


async def test_the_language_follows_the_phone_once_and_the_choice_after_that(
    bot: RunningBot, shop: Town, anna: Person
) -> None:
    carl = anna.messenger.person(first_name="Carl", language_code="de")
    await carl.starts("Hello, Carl")
    await carl.press("v1:lang", "Which language")
    await carl.press("v1:lang:ru", "Здравствуйте, Carl")
    carl.start()
    await until(lambda: len(carl.shown()) == 2, "a second menu")
    assert "Здравствуйте, Carl" in carl.words()


async def test_every_command_opens_its_screen(bot: RunningBot, shop: Town, anna: Person) -> None:
    for command, title in (
        ("/start ref_42", "Здравствуйте"),
        ("/buy", "Выберите тариф"),
        ("/subs", "Подписки пока нет"),
        ("/help", "Как подключиться"),
        ("/language", "На каком языке"),
        ("/cancel", "Здравствуйте"),
        ("/nonsense", "Здравствуйте"),
    ):
        before = len(anna.shown())
        anna.write(command)
        await until(lambda before=before: len(anna.shown()) == before + 1, command)  # type: ignore[misc]
        assert title in anna.words()


async def test_typed_words_lead_back_to_where_the_purchase_was(bot: RunningBot, shop: Town, anna: Person) -> None:
    await to_the_methods(anna)
    anna.write("как платить?")
    await until(lambda: len(anna.shown()) == 2, "the methods again")
    assert "Как удобнее заплатить?" in anna.words()
    anna.write("/cancel")
    await anna.sees("Здравствуйте")
    anna.write("эй")
    await until(lambda: len(anna.shown()) == 4, "an answer")
    assert "Здравствуйте" in anna.words()


async def test_a_days_old_purchase_is_forgotten_politely(
    bot: RunningBot, shop: Town, anna: Person, clock: MovableClock
) -> None:
    await to_the_methods(anna)
    old = anna.last()
    clock.advance(hours=25)
    anna.write("я вернулся")
    await anna.sees("Здравствуйте")
    anna.send_press(anna.button("v1:pay", old), old)
    await anna.sees("К оплате")
    assert "Как удобнее заплатить?" in anna.cloud.world.message(anna.chat, old["message_id"])["text"]


async def test_a_notices_button_leaves_the_notice_alone(bot: RunningBot, shop: Town, anna: Person) -> None:
    await bought(anna, shop)
    receipt, key = anna.shown()[-2:]
    anna.send_press("v1:subs", key)
    await anna.sees("Действует до")
    anna.send_press("v1:home", receipt)
    await anna.sees("С возвращением")
    kept = [message["message_id"] for message in anna.shown()]
    assert {receipt["message_id"], key["message_id"]} <= set(kept)


async def test_a_message_that_telegram_hides_is_answered_with_a_new_one(
    bot: RunningBot, shop: Town, anna: Person
) -> None:
    await anna.starts("Здравствуйте")
    anna.send_press("v1:buy", gone=True)
    await anna.sees("Выберите тариф")
    assert len(anna.shown()) == 2
    assert anna.unanswered() == 0


async def test_the_key_screen_and_the_text_around_it_replace_each_other(
    bot: RunningBot, shop: Town, anna: Person
) -> None:
    await bought(anna, shop)
    await anna.starts("С возвращением")
    count = len(anna.shown())
    await anna.press("v1:subs", "Действует до")
    key = await anna.press("v1:key", "Ваш ключ")
    await anna.press("v1:sub:", "Действует до")
    await until(lambda: len(anna.shown()) == count, "the photo to be taken away")
    assert key["message_id"] not in [message["message_id"] for message in anna.shown()]


async def test_a_press_in_a_group_is_answered_and_nothing_more(
    bot: RunningBot, shop: Town, anna: Person, tools: Tools
) -> None:
    someone = {"id": anna.id, "is_bot": False, "first_name": "Anna"}
    chat = {"id": -100200300, "type": "supergroup", "title": "Group"}
    message = {"message_id": 1, "chat": chat, "date": 1770000000, "text": "shop"}
    query = {"id": "77", "from": someone, "chat_instance": "1", "data": "v1:buy", "message": message}
    async with tools.db.unit() as session:
        await inbox.keep(session, BOT_ID, [{"update_id": 5, "callback_query": query}], datetime.now(UTC))
    await inbox_is_empty(shop)
    assert anna.messenger.called("answerCallbackQuery") == 1
    assert anna.messenger.called("sendMessage") == 0


async def test_any_name_passes(bot: RunningBot, anna: Person) -> None:
    for name in ('<b>&"🙂', "</b><a href='x'>x", "{ $name }", "%s %(x)s {0}", "Ж" * 64, " "):
        odd = anna.messenger.person(first_name=name)
        odd.start()
        await odd.sees("Здравствуйте, " + name.strip())
        assert {entity["type"] for entity in odd.last()["entities"]} == {"bold"}
