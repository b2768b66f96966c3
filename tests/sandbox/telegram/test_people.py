"""The person's side: starting, writing, blocking, languages, and waiting for what happens."""

import asyncio
import json
import time
from typing import Any

import pytest

from tests.sandbox.telegram.phone import Phone


async def test_a_person_has_the_name_that_was_given_or_one_of_the_house(phone: Phone) -> None:
    given = await phone.emu("users", {"id": 77, "first_name": '<b>&"🙂', "username": "odd", "language_code": "en"})
    assert given == {"id": 77, "first_name": '<b>&"🙂', "username": "odd", "language_code": "en"}
    russian, english = await phone.emu("users", {}), await phone.emu("users", {"language_code": "en"})
    assert (russian["first_name"], english["first_name"]) == ("Борис", "Vera")
    assert [person["id"] for person in await phone.emu("users")] == [77, russian["id"], english["id"]]
    assert "id must be a number" in await phone.refused("users", {"id": "me"})


async def test_a_number_that_somebody_chose_is_not_given_again(phone: Phone) -> None:
    assert [await phone.new_person(**wish) for wish in ({"id": 1001}, {}, {})] == [1001, 1002, 1003]
    await phone.emu("users/1002/language", {"language_code": "en"})
    assert await phone.new_person() == 1004


async def test_start_sends_the_command_and_opens_the_chat(phone: Phone) -> None:
    user = await phone.new_person()
    assert (await phone.chat(user))["started"] is False
    await phone.emu(f"users/{user}/start", {})
    message = (await phone.updates())[0]["message"]
    assert (message["text"], message["entities"]) == ("/start", [{"offset": 0, "length": 6, "type": "bot_command"}])
    assert message["chat"] == {"id": user, "first_name": "Ann", "username": "ann", "type": "private"}
    assert (await phone.chat(user))["started"] is True


async def test_a_start_payload_of_64_good_characters_passes_and_no_other(phone: Phone) -> None:
    user = await phone.new_person()
    await phone.emu(f"users/{user}/start", {"payload": "a-Z_9" + "x" * 59})
    assert (await phone.updates())[0]["message"]["text"] == "/start a-Z_9" + "x" * 59
    for payload in ("x" * 65, "a b", "ж"):
        assert "1 to 64 characters" in await phone.refused(f"users/{user}/start", {"payload": payload})


async def test_anything_can_be_typed(phone: Phone) -> None:
    user = await phone.started()
    await phone.emu(f"users/{user}/text", {"text": "/start " + "ж" * 65})
    assert (await phone.updates())[0]["message"]["text"].endswith("ж" * 65)
    for text in ("", "  ", "x" * 4097):
        assert "1 to 4096" in await phone.refused(f"users/{user}/text", {"text": text})


async def test_blocking_and_coming_back_are_told_to_the_bot(phone: Phone) -> None:
    user = await phone.started()
    for deed, old, new in (("block", "member", "kicked"), ("unblock", "kicked", "member")):
        await phone.emu(f"users/{user}/{deed}", {})
        await phone.emu(f"users/{user}/{deed}", {})
        changes = [update["my_chat_member"] for update in await phone.updates()]
        assert [(one["old_chat_member"]["status"], one["new_chat_member"]["status"]) for one in changes] == [(old, new)]
        assert changes[0]["from"]["id"] == user
        assert changes[0]["new_chat_member"]["user"]["id"] == 123456


async def test_who_has_blocked_the_bot_can_neither_write_nor_press(phone: Phone) -> None:
    user = await phone.started()
    keyboard = {"inline_keyboard": [[{"text": "x", "callback_data": "x"}]]}
    sent = await phone.ok("sendMessage", chat_id=user, text="?", reply_markup=keyboard)
    await phone.emu(f"users/{user}/block", {})
    for deed, body in (("text", {"text": "hi"}), ("press", {"message_id": sent["message_id"], "data": "x"})):
        assert "unblock first" in await phone.refused(f"users/{user}/{deed}", body)


async def test_start_brings_a_blocked_bot_back(phone: Phone) -> None:
    user = await phone.started()
    await phone.emu(f"users/{user}/block", {})
    await phone.updates()
    await phone.emu(f"users/{user}/start", {})
    assert [set(update) - {"update_id"} for update in await phone.updates()] == [{"my_chat_member"}, {"message"}]
    assert (await phone.api("sendMessage", chat_id=user, text="welcome back"))["ok"]


async def test_a_change_of_language_reaches_the_bot_with_the_next_update(phone: Phone) -> None:
    user = (await phone.emu("users", {"language_code": "ru"}))["id"]
    await phone.emu(f"users/{user}/language", {"language_code": "en"})
    await phone.emu(f"users/{user}/text", {"text": "hi"})
    sender = (await phone.updates())[0]["message"]["from"]
    assert (sender["language_code"], sender["first_name"]) == ("en", "Anna")
    assert "language_code" in await phone.refused(f"users/{user}/language", {})


@pytest.mark.parametrize(
    ("path", "body", "complaint"),
    [
        ("users/404/start", {}, "no person 404"),
        ("users/me/start", {}, "user must be a number"),
        ("users/1001/start", {"bot": 5}, "no bot 5"),
        ("users/1001/start", [], "JSON object"),
    ],
)
async def test_a_deed_of_nobody_is_refused(phone: Phone, path: str, body: Any, complaint: str) -> None:
    await phone.new_person()
    assert complaint in await phone.refused(path, body)


async def test_the_chat_of_nobody_is_refused(phone: Phone) -> None:
    for path in ("users/404/chat", "users/404/wait", "users/404/events", "users/me/chat", "users/1/wait?after=x"):
        async with phone.http.get(f"{phone.server.url}/__emu/{path}") as answer:
            assert answer.status == 400
            assert (await answer.json())["error"]


async def test_waiting_returns_when_the_chat_changes(phone: Phone) -> None:
    user = await phone.started()
    revision = (await phone.chat(user))["revision"]
    waiting = asyncio.create_task(phone.emu(f"users/{user}/wait?after={revision}&timeout=30"))
    await phone.ok("sendMessage", chat_id=user, text="news")
    view = await asyncio.wait_for(waiting, 20)
    assert (view["changed"], view["messages"][-1]["text"]) == (True, "news")
    started = time.monotonic()
    assert (await phone.emu(f"users/{user}/wait?after=0&timeout=30"))["changed"]
    assert time.monotonic() - started < 20


async def test_waiting_in_vain_ends_with_the_chat_as_it_is(phone: Phone) -> None:
    user = await phone.started()
    revision = (await phone.chat(user))["revision"]
    view = await phone.emu(f"users/{user}/wait?after={revision}&timeout=0")
    assert (view["changed"], view["revision"]) == (False, revision)


async def test_events_stream_the_revision_at_once_and_after_each_change(phone: Phone) -> None:
    user = await phone.started()
    async with phone.http.get(f"{phone.server.url}/__emu/users/{user}/events") as stream:
        assert stream.content_type == "text/event-stream"
        first = await _event(stream)
        await phone.ok("sendMessage", chat_id=user, text="news")
        assert await _event(stream) > first


async def _event(stream: Any) -> int:
    while True:
        line = (await asyncio.wait_for(stream.content.readline(), 20)).decode()
        if line.startswith("data: "):
            return int(json.loads(line.removeprefix("data: "))["revision"])


async def test_a_stopping_server_lets_its_waiters_go_at_once(phone: Phone) -> None:
    user = await phone.started()
    revision = (await phone.chat(user))["revision"]
    poll = asyncio.create_task(phone.api("getUpdates", timeout=50))
    wait = asyncio.create_task(phone.emu(f"users/{user}/wait?after={revision}&timeout=50"))
    events = await phone.http.get(f"{phone.server.url}/__emu/users/{user}/events")
    await _event(events)
    await phone.server.stop()
    assert (await asyncio.wait_for(poll, 20))["result"] == []
    assert (await asyncio.wait_for(wait, 20))["changed"] is False
    events.close()
