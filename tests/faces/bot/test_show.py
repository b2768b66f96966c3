"""Showing a screen: in place where that is possible, anew where it is not, and never an error for what looks right."""

import pytest

from ferryman.faces.bot.screens import Screen
from ferryman.faces.bot.show import Place, show
from ferryman.kit.errors import Busy, Refused, Unreachable
from ferryman.messaging.keys import qr_png
from ferryman.messaging.sender import Blocked, Button, Keyboard
from ferryman.messaging.telegram import Telegram
from tests.support.chat import Messenger, Person

KEYBOARD = Keyboard(((Button("Home", data="v1:home"),),))
TEXT = Screen("<b>Hello</b>", KEYBOARD)
OTHER = Screen("<i>Other</i>")
PHOTO = Screen("<b>Key</b>", KEYBOARD, qr_png("https://shop.example/s/one"))
OTHER_PHOTO = Screen("<b>Other key</b>", KEYBOARD, qr_png("https://shop.example/s/two"))


@pytest.fixture
def ann(telegram_world: Messenger, anna: Person) -> Person:
    """Somebody who pressed Start, with no bot to answer."""
    anna.start()
    return anna


async def test_a_new_screen_is_sent(telegram: Telegram, ann: Person) -> None:
    shown = await show(telegram, ann.id, TEXT, None)
    assert ann.last()["message_id"] == shown
    assert ann.last()["text"] == "Hello"
    assert await show(telegram, ann.id, PHOTO, None) == ann.last()["message_id"]
    assert ann.last()["caption"] == "Key"


async def test_text_becomes_text_in_place(telegram: Telegram, ann: Person) -> None:
    first = await show(telegram, ann.id, TEXT, None)
    assert await show(telegram, ann.id, OTHER, Place(first, is_photo=False)) == first
    assert [message["text"] for message in ann.shown()] == ["Other"]
    assert "reply_markup" not in ann.last()


async def test_the_same_screen_again_is_no_error(telegram: Telegram, ann: Person) -> None:
    for screen in (TEXT, PHOTO):
        first = await show(telegram, ann.id, screen, None)
        is_photo = screen.photo is not None
        assert await show(telegram, ann.id, screen, Place(first, is_photo)) == first
    assert len(ann.shown()) == 2


async def test_text_becomes_a_photo_in_place(telegram: Telegram, ann: Person) -> None:
    first = await show(telegram, ann.id, TEXT, None)
    assert await show(telegram, ann.id, PHOTO, Place(first, is_photo=False)) == first
    (only,) = ann.shown()
    assert only["photo"]
    assert only["caption"] == "Key"
    assert only["caption_entities"][0]["type"] == "bold"


async def test_a_photo_becomes_another_photo_in_place(telegram: Telegram, ann: Person) -> None:
    first = await show(telegram, ann.id, PHOTO, None)
    before = ann.last()["photo"][-1]["file_unique_id"]
    assert await show(telegram, ann.id, OTHER_PHOTO, Place(first, is_photo=True)) == first
    assert ann.last()["photo"][-1]["file_unique_id"] != before


async def test_a_photo_gives_way_to_a_text(telegram: Telegram, ann: Person) -> None:
    first = await show(telegram, ann.id, PHOTO, None)
    second = await show(telegram, ann.id, TEXT, Place(first, is_photo=True))
    assert second != first
    assert [message["message_id"] for message in ann.shown()] == [second]


async def test_a_photo_too_old_to_be_deleted_stays(telegram: Telegram, ann: Person) -> None:
    first = await show(telegram, ann.id, PHOTO, None)
    ann.messenger.emulator.clock.advance(49 * 3600)
    second = await show(telegram, ann.id, TEXT, Place(first, is_photo=True))
    assert [message["message_id"] for message in ann.shown()] == [first, second]


@pytest.mark.parametrize("screen", [TEXT, PHOTO])
async def test_a_message_that_is_gone_is_shown_anew(telegram: Telegram, ann: Person, screen: Screen) -> None:
    first = await show(telegram, ann.id, OTHER, None)
    await telegram.delete(ann.id, first)
    second = await show(telegram, ann.id, screen, Place(first, is_photo=False))
    assert [message["message_id"] for message in ann.shown()] == [second]
    await telegram.delete(ann.id, first)


async def test_a_wrong_guess_about_the_message_is_made_good(telegram: Telegram, ann: Person) -> None:
    photo = await show(telegram, ann.id, PHOTO, None)
    text = await show(telegram, ann.id, TEXT, Place(photo, is_photo=False))
    assert ann.last()["message_id"] == text


async def test_a_foreign_message_is_left_alone(telegram: Telegram, ann: Person) -> None:
    ann.write("mine")
    theirs = ann.cloud.world.messages(ann.chat)[-1]["message_id"]
    assert await show(telegram, ann.id, TEXT, Place(theirs, is_photo=False)) != theirs
    assert ann.cloud.world.message(ann.chat, theirs)["text"] == "mine"


async def test_trouble_is_passed_on_in_our_words(telegram: Telegram, ann: Person, telegram_world: Messenger) -> None:
    first = await show(telegram, ann.id, TEXT, None)
    place = Place(first, is_photo=False)
    telegram_world.fault(mode="html", route="editMessageText")
    with pytest.raises(Unreachable):
        await show(telegram, ann.id, OTHER, place)
    too_many = {"ok": False, "error_code": 429, "description": "x", "parameters": {"retry_after": 7}}
    telegram_world.fault(mode="status", status=429, body=too_many, route="editMessageText")
    with pytest.raises(Busy) as busy:
        await show(telegram, ann.id, OTHER, place)
    assert busy.value.after is not None
    assert busy.value.after >= 7
    with pytest.raises(Refused, match="message is too long"):
        await show(telegram, ann.id, Screen("x" * 5000), place)
    ann.block()
    with pytest.raises(Blocked):
        await show(telegram, ann.id, OTHER, place)
