"""The way to Telegram: what is sent, and how each way of failing is called."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ferryman.kit.errors import AccessDenied, Busy, Conflict, Refused, Unreachable
from ferryman.messaging import telegram as module
from ferryman.messaging.keys import qr_png
from ferryman.messaging.sender import Blocked, Button, Keyboard
from ferryman.messaging.telegram import BadMarkup, CannotEdit, Telegram, connected, plain
from tests.support.chat import TOKEN, Messenger, Person, messenger

KEYBOARD = Keyboard(
    (
        (Button("Press", data="v1:home"), Button("Open", url="https://shop.example/")),
        (Button("Copy", copy="https://shop.example/s/x"),),
    )
)
PNG = qr_png("https://shop.example/s/x")


@pytest.fixture
async def world() -> AsyncIterator[Messenger]:
    made = await messenger()
    yield made
    await made.server.stop()


@pytest.fixture
async def telegram(world: Messenger) -> AsyncIterator[Telegram]:
    async with connected(TOKEN, world.url) as sender:
        yield sender


@pytest.fixture
def anna(world: Messenger) -> Person:
    person = world.person()
    person.start()
    return person


def refusal(code: int, description: str, **parameters: int) -> dict[str, Any]:
    body: dict[str, Any] = {"ok": False, "error_code": code, "description": description}
    return {"mode": "status", "status": code, "body": {**body, **({"parameters": parameters} if parameters else {})}}


async def test_a_text_arrives_with_its_marks_and_buttons(telegram: Telegram, anna: Person) -> None:
    number = await telegram.send_text(anna.id, "<b>Hi</b> &lt;b&gt;🙂 https://shop.example/", KEYBOARD)
    message = anna.last()
    assert message["message_id"] == number
    assert message["text"] == "Hi <b>🙂 https://shop.example/"
    assert message["entities"][0] == {"offset": 0, "length": 2, "type": "bold"}
    assert message["link_preview_options"] == {"is_disabled": True}
    assert message["reply_markup"]["inline_keyboard"] == [
        [{"text": "Press", "callback_data": "v1:home"}, {"text": "Open", "url": "https://shop.example/"}],
        [{"text": "Copy", "copy_text": {"text": "https://shop.example/s/x"}}],
    ]


async def test_a_photo_arrives_with_its_caption(telegram: Telegram, anna: Person) -> None:
    number = await telegram.send_photo(anna.id, PNG, "<code>x</code>", KEYBOARD)
    assert anna.last()["message_id"] == number
    assert anna.last()["photo"][-1]["width"] > 200
    assert anna.last()["caption_entities"][0]["type"] == "code"


async def test_whoami_names_the_bot(telegram: Telegram) -> None:
    assert await telegram.whoami() == "test_shop_123456_bot"


async def test_broken_markup_arrives_as_plain_text_once(telegram: Telegram, anna: Person, world: Messenger) -> None:
    await telegram.send_text(anna.id, "<b>Key &amp; <i>link</b>", KEYBOARD)
    assert anna.last()["text"] == "Key & link"
    assert "entities" not in anna.last()
    await telegram.send_photo(anna.id, PNG, "<b>Key", KEYBOARD)
    assert anna.last()["caption"] == "Key"
    assert world.called("sendMessage") == world.called("sendPhoto") == 2
    with pytest.raises(BadMarkup):
        await telegram.edit_text(anna.id, anna.shown()[0]["message_id"], "<b>x")


def test_plain_is_what_a_reader_would_see() -> None:
    assert plain("<b>1 &lt; 2</b> &amp; <code>x</code>") == "1 < 2 & x"


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"mode": "html"}, Unreachable),
        ({"mode": "html", "status": 504}, Unreachable),
        ({"mode": "empty"}, Unreachable),
        ({"mode": "drop_before"}, Unreachable),
        ({"mode": "drop_after"}, Unreachable),
        (refusal(500, "Internal Server Error: restart"), Unreachable),
        (refusal(429, "Too Many Requests: retry after 3", retry_after=3), Busy),
        (refusal(401, "Unauthorized"), AccessDenied),
        (refusal(403, "Forbidden: bot was blocked by the user"), Blocked),
        (refusal(403, "Forbidden: user is deactivated"), Blocked),
        (refusal(403, "Forbidden: bot can't initiate conversation with a user"), Blocked),
        (refusal(400, "Bad Request: chat not found"), Blocked),
        (refusal(400, "Bad Request: PEER_ID_INVALID"), Blocked),
        (refusal(400, "Bad Request: BUTTON_DATA_INVALID"), Refused),
        (refusal(400, "Bad Request: group chat was upgraded", migrate_to_chat_id=-1001), Refused),
        (refusal(404, "Not Found: method not found"), Refused),
        (refusal(409, "Conflict: terminated by other getUpdates request"), Conflict),
        (refusal(413, "Request Entity Too Large"), Refused),
        ({"mode": "status", "status": 200, "body": {"ok": True, "result": {"odd": 1}}}, Unreachable),
        ({"mode": "status", "status": 200, "body": ["odd"]}, Unreachable),
    ],
    ids=lambda value: str(value.get("body", value)) if isinstance(value, dict) else value.__name__,
)
async def test_every_failure_has_its_name(
    telegram: Telegram, anna: Person, world: Messenger, fault: dict[str, Any], kind: type[Exception]
) -> None:
    world.fault(**fault, route="sendMessage")
    with pytest.raises(kind) as error:
        await telegram.send_text(anna.id, "hi")
    assert type(error.value) is kind
    assert TOKEN not in str(error.value)
    assert "://" not in str(error.value)


async def test_a_429_pauses_everything_until_it_is_over(
    telegram: Telegram, anna: Person, world: Messenger, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(telegram._pace, "_monotonic", lambda: now[0])
    world.fault(**refusal(429, "Too Many Requests", retry_after=3), route="sendMessage")
    with pytest.raises(Busy) as busy:
        await telegram.send_text(anna.id, "one")
    assert busy.value.after == pytest.approx(4.0)
    with pytest.raises(Busy) as second:
        await telegram.send_text(anna.id, "two")
    assert second.value.after is not None
    assert world.called("sendMessage") == 1, "the second was not even tried"
    now[0] += 4.0
    await telegram.send_text(anna.id, "two")
    assert anna.words() == "two"


async def test_after_a_lost_answer_the_line_is_proven_before_the_next_send(
    telegram: Telegram, anna: Person, world: Messenger
) -> None:
    world.fault(mode="drop_after", route="sendMessage")
    with pytest.raises(Unreachable):
        await telegram.send_text(anna.id, "one")
    world.fault(mode="drop_before", route="/bot", times=2)
    for _ in range(2):
        with pytest.raises(Busy):
            await telegram.send_text(anna.id, "two")
    assert world.called("sendMessage") == 1, "nothing was sent down a line that is not there"
    await telegram.send_text(anna.id, "two")
    assert [message["text"] for message in anna.shown()] == ["one", "two"]
    before = world.called("getMe")
    await telegram.send_text(anna.id, "three")
    assert world.called("getMe") == before


async def test_a_messenger_that_is_not_there_has_certainly_sent_nothing(world: Messenger, anna: Person) -> None:
    await world.server.stop()
    async with connected(TOKEN, world.url) as telegram:
        with pytest.raises(Busy):
            await telegram.send_text(anna.id, "hi")


async def test_a_hung_call_ends_in_time(
    telegram: Telegram, anna: Person, world: Messenger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CALL_SECONDS", 1)
    world.fault(mode="hang", route="sendMessage", seconds=60)
    with pytest.raises(Unreachable):
        await asyncio.wait_for(telegram.send_text(anna.id, "hi"), 20)


async def test_a_press_is_answered_once_and_too_late_is_no_error(telegram: Telegram, anna: Person) -> None:
    await telegram.send_text(anna.id, "menu", KEYBOARD)
    anna.send_press("v1:home")
    (query,) = anna.cloud.world.presses(anna.chat)
    await telegram.answer(query["callback_id"], "done")
    assert anna.unanswered() == 0
    await telegram.answer(query["callback_id"])
    await telegram.answer("123")


async def test_what_cannot_be_edited_is_told_apart_from_what_is_wrong(telegram: Telegram, anna: Person) -> None:
    photo = await telegram.send_photo(anna.id, PNG, "key")
    with pytest.raises(CannotEdit):
        await telegram.edit_text(anna.id, photo, "text")
    with pytest.raises(CannotEdit):
        await telegram.edit_text(anna.id, 9999, "text")
    with pytest.raises(Refused, match="message is too long") as error:
        await telegram.edit_text(anna.id, await telegram.send_text(anna.id, "x"), "x" * 4097)
    assert not isinstance(error.value, CannotEdit)


async def test_deleting_what_is_gone_or_too_old_is_done(telegram: Telegram, anna: Person) -> None:
    number = await telegram.send_text(anna.id, "x")
    await telegram.delete(anna.id, number)
    await telegram.delete(anna.id, number)
    old = await telegram.send_text(anna.id, "y")
    anna.messenger.emulator.clock.advance(49 * 3600)
    await telegram.delete(anna.id, old)
    assert anna.words() == "y"


async def test_updates_come_as_they_are(telegram: Telegram, anna: Person) -> None:
    first, *_ = await telegram.updates(None, 1, ["message"])
    assert first["message"]["text"] == "/start"
    assert await telegram.updates(first["update_id"] + 1, 0, ["message"]) == []
