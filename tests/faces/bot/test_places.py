"""Changing the location and replacing the key, as a person does it in the chat, against real panels' emulators."""

import json
from collections.abc import AsyncIterator

import pytest

from ferryman.flows.keys import following, placing, provisioning
from ferryman.flows.tools import Tools
from tests.faces.bot.conftest import RunningBot, inbox_is_empty
from tests.faces.bot.test_dialogue import bought
from tests.support.chat import Person, until
from tests.support.shop import Town, opened

RULE = {"rule": "one", "codes": [], "switch_hours": 24}


@pytest.fixture
async def shop(tools: Tools) -> AsyncIterator[Town]:
    """One bank, three panels, and a plan that gives one location."""
    async with opened(tools) as world:
        await world.rows("UPDATE plans SET places = :rule WHERE code = 'standard' RETURNING id", rule=json.dumps(RULE))
        yield world


async def go_round(shop: Town, rounds: int = 3) -> None:
    for _ in range(rounds):
        await shop.work()
        await placing.sweep(shop.tools)
        await provisioning.sweep(shop.tools)
        await following.sweep(shop.tools)
        await shop.work()
        shop.tools.clock.advance(seconds=61)  # type: ignore[attr-defined]


def here(shop: Town) -> str:
    """The only node that holds a client."""
    (node,) = [name for name in shop.panels if shop.clients(name)]
    return node


def flag(node: str) -> str:
    return {"de-1": "🇩🇪", "nl-1": "🇳🇱", "fi-1": "🇫🇮"}[node]


def labels(person: Person) -> list[str]:
    return [button["text"] for row in person.last()["reply_markup"]["inline_keyboard"] for button in row]


async def to_the_places(anna: Person, shop: Town) -> None:
    await bought(anna, shop)
    await anna.starts("Осталось: 30 дней")
    await anna.press("v1:subs", "Действует до")
    await anna.press("v1:places", "Сейчас")


async def test_a_person_changes_the_location(bot: RunningBot, shop: Town, anna: Person) -> None:
    await to_the_places(anna, shop)
    old = here(shop)
    marked = [label for label in labels(anna) if "вы здесь" in label]
    assert marked == [f"✅ {flag(old)} Узел {flag_code(old)} · вы здесь"]
    assert "раз в 24 часа" in anna.words()
    before = len(anna.shown())
    await anna.press("v1:place:", "Сменить локацию?")
    await anna.press("v1:switch:", "Меняю локацию")
    assert len(anna.shown()) == before, "one screen, edited in place"
    await go_round(shop)
    await anna.sees("Локация изменена")
    new = here(shop)
    assert new != old
    assert flag(new) in anna.words()
    await anna.press("v1:sub:", "Действует до")
    assert f"✅ {flag(new)}" in anna.words()
    await anna.press("v1:places", "Сменить локацию снова можно будет через")


def flag_code(node: str) -> str:
    return node.partition("-")[0].upper()


async def test_a_double_press_and_a_stale_one_are_one_switch(bot: RunningBot, shop: Town, anna: Person) -> None:
    await to_the_places(anna, shop)
    await anna.press("v1:place:", "Сменить локацию?")
    button, message = anna.button("v1:switch:"), anna.last()
    for _ in range(3):
        anna.send_press(button, message, forged=True)
    await anna.sees("Меняю локацию")
    await inbox_is_empty(shop)
    await go_round(shop)
    anna.send_press(button, message, forged=True)
    await until(lambda: anna.unanswered() == 0, "every press to be answered")
    await inbox_is_empty(shop)
    assert await shop.value("SELECT count(*) FROM key_events WHERE what = 'switching'") == 1


async def test_a_silent_server_is_named_and_one_may_stay(bot: RunningBot, shop: Town, anna: Person) -> None:
    await to_the_places(anna, shop)
    old = here(shop)
    shop.fault(old, mode="drop_before", times=-1)
    await anna.press("v1:place:", "Сменить локацию?")
    await anna.press("v1:switch:", "Меняю локацию")
    await go_round(shop, 1)
    await anna.press("v1:places", "Смена локации ждёт")
    assert f"{flag(old)} Узел {flag_code(old)} — прежний сервер не отвечает" in anna.words()
    await anna.press("v1:stay", "Сейчас")
    shop.panels[old].weather.clear()
    await go_round(shop, 4)
    assert here(shop) == old


async def test_made_up_places_lead_nowhere(bot: RunningBot, shop: Town, anna: Person) -> None:
    await to_the_places(anna, shop)
    old, ref = here(shop), await shop.value("SELECT ref FROM subscriptions")
    for data, sees in (
        (f"v1:place:{ref}:atlantis", "Такой локации больше нет"),
        (f"v1:switch:{ref}:atlantis:abc", "Такой локации больше нет"),
        (f"v1:switch:{ref}:{old}:abc", "Вы уже здесь"),
        ("v1:places:nosuchref1", "Такой подписки у вас нет"),
        ("v1:rekeyed:nosuchref1:abc", "Такой подписки у вас нет"),
        (f"v1:switch:{ref}:ATLANTIS:abc", "Эта кнопка устарела"),
    ):
        await anna.starts("С возвращением")
        await inbox_is_empty(shop)
        anna.send_press(data, forged=True)
        await anna.sees(sees)
    assert here(shop) == old


async def test_a_stranger_changes_nothing_of_anybodys(bot: RunningBot, shop: Town, anna: Person) -> None:
    await bought(anna, shop)
    ref, token = (await shop.rows("SELECT ref, token FROM subscriptions"))[0]
    boris = anna.messenger.person(first_name="Boris")
    await boris.starts("Здравствуйте")
    for data in (f"v1:places:{ref}", f"v1:switch:{ref}:nl-1:abc", f"v1:stay:{ref}", f"v1:rekeyed:{ref}:abc"):
        boris.send_press(data, forged=True)
        await boris.sees("Такой подписки у вас нет")
        boris.start()
        await inbox_is_empty(shop)
    assert await shop.value("SELECT token FROM subscriptions") == token


async def test_a_person_replaces_a_leaked_key(bot: RunningBot, shop: Town, anna: Person) -> None:
    await bought(anna, shop)
    old = await shop.value("SELECT token FROM subscriptions")
    await anna.starts("С возвращением")
    await anna.press("v1:subs", "Действует до")
    await anna.press("v1:rekey:", "Заменить ключ?")
    button, message = anna.button("v1:rekeyed:"), anna.last()
    for _ in range(2):
        anna.send_press(button, message, forged=True)
    await anna.sees("Меняю ключ")
    await inbox_is_empty(shop)
    assert await shop.value("SELECT token FROM subscriptions") != old
    await go_round(shop, 4)
    new = await shop.value("SELECT token FROM subscriptions")
    await anna.sees("Ваш новый ключ готов")
    assert anna.last()["photo"]
    assert f"/s/{new}" in anna.words()
    assert await shop.value("SELECT count(*) FROM key_events WHERE what = 'replaced'") == 1
    await anna.starts("С возвращением")
    await anna.press("v1:subs", "Действует до")
    await anna.press("v1:rekey:", "Заменить ключ?")
    await anna.press("v1:rekeyed:", "меньше суток назад")
    assert await shop.value("SELECT token FROM subscriptions") == new
