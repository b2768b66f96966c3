"""getUpdates: offsets, the long poll and its conflicts, kinds, lifetimes, duplicates."""

import asyncio
import time
from typing import Any

from tests.sandbox.telegram.phone import OTHER_TOKEN, Phone

WEBHOOK = "http://127.0.0.1:9/hook"


def ids(updates: list[dict[str, Any]]) -> list[int]:
    return [update["update_id"] for update in updates]


async def say(phone: Phone, user: int, *texts: str) -> None:
    for text in texts:
        await phone.emu(f"users/{user}/text", {"text": text})


async def waiting(phone: Phone, **fields: Any) -> list[dict[str, Any]]:
    result: list[dict[str, Any]] = await phone.ok("getUpdates", **fields)
    return result


async def until_polling(phone: Phone) -> None:
    """Returns once the bot's long poll waits at the server."""
    deadline = time.monotonic() + 20
    while (await phone.emu("updates"))["polling"] != [123456]:
        assert time.monotonic() < deadline, "the poll never arrived"


async def test_update_ids_grow_by_one_for_each_bot(phone: Phone) -> None:
    user = await phone.started()
    await say(phone, user, "one", "two", "three")
    first, second, third = ids(await waiting(phone))
    assert (second - first, third - second) == (1, 1)
    await phone.emu(f"users/{user}/text", {"text": "hi", "bot": 654321})
    other = await phone.api("getUpdates", token=OTHER_TOKEN)
    assert ids(other["result"]) == [100_001]


async def test_the_same_offset_returns_the_same_updates_and_a_greater_one_forgets_them(phone: Phone) -> None:
    user = await phone.started()
    await say(phone, user, "one", "two", "three")
    first, second, third = ids(await waiting(phone))
    assert ids(await waiting(phone, offset=first)) == [first, second, third]
    assert ids(await waiting(phone, offset=first)) == [first, second, third]
    assert ids(await waiting(phone, offset=third)) == [third]
    assert ids(await waiting(phone, offset=first)) == [third]


async def test_a_negative_offset_keeps_only_the_last_ones(phone: Phone) -> None:
    user = await phone.started()
    await say(phone, user, "one", "two", "three")
    assert [update["message"]["text"] for update in await waiting(phone, offset=-1)] == ["three"]
    assert len(await waiting(phone)) == 1


async def test_limit_takes_the_oldest(phone: Phone) -> None:
    user = await phone.started()
    await say(phone, user, "one", "two", "three")
    assert [update["message"]["text"] for update in await waiting(phone, limit=2)] == ["one", "two"]


async def test_a_long_poll_wakes_up_for_an_update(phone: Phone) -> None:
    user = await phone.started()
    poll = asyncio.create_task(waiting(phone, timeout=30))
    await until_polling(phone)
    assert not poll.done()
    await say(phone, user, "wake up")
    assert (await asyncio.wait_for(poll, 20))[0]["message"]["text"] == "wake up"


async def test_of_two_polls_the_older_is_answered_409_and_the_newer_stays(phone: Phone) -> None:
    user = await phone.started()
    older = asyncio.create_task(phone.api("getUpdates", timeout=30))
    await until_polling(phone)
    newer = asyncio.create_task(phone.api("getUpdates", timeout=30))
    refused = await asyncio.wait_for(older, 20)
    assert refused["error_code"] == 409
    assert refused["description"] == (
        "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
    )
    await say(phone, user, "for the newer")
    assert (await asyncio.wait_for(newer, 20))["result"][0]["message"]["text"] == "for the newer"


async def test_setting_a_webhook_ends_the_poll(phone: Phone) -> None:
    poll = asyncio.create_task(phone.api("getUpdates", timeout=30))
    await until_polling(phone)
    await phone.api("setWebhook", url=WEBHOOK)
    assert (await asyncio.wait_for(poll, 20))["description"] == "Conflict: terminated by setWebhook request"


async def test_with_a_webhook_polling_is_a_conflict_until_it_is_deleted(phone: Phone) -> None:
    user = await phone.started()
    await phone.api("setWebhook", url=WEBHOOK)
    await say(phone, user, "waits")
    assert (await phone.api("getUpdates"))["description"].startswith(
        "Conflict: can't use getUpdates method while webhook is active"
    )
    assert (await phone.api("deleteWebhook"))["description"] == "Webhook was deleted"
    assert [update["message"]["text"] for update in await waiting(phone)] == ["waits"]


async def test_deleting_the_webhook_can_drop_what_waits(phone: Phone) -> None:
    user = await phone.started()
    await say(phone, user, "gone")
    answer = await phone.api("deleteWebhook", drop_pending_updates=True)
    assert answer == {"ok": True, "result": True, "description": "Webhook is already deleted"}
    assert await waiting(phone) == []


async def test_allowed_updates_stay_as_they_were_when_left_out_and_an_empty_list_means_the_usual(phone: Phone) -> None:
    user = await phone.started()
    await waiting(phone, allowed_updates=["callback_query"])
    await say(phone, user, "unwanted")
    assert await waiting(phone) == []
    await say(phone, user, "still unwanted")
    assert await waiting(phone, allowed_updates=[]) == []
    await say(phone, user, "wanted")
    assert [update["message"]["text"] for update in await waiting(phone)] == ["wanted"]


async def test_a_press_dies_after_150_seconds_and_a_message_after_a_day(phone: Phone) -> None:
    user = await phone.started()
    keyboard = {"inline_keyboard": [[{"text": "x", "callback_data": "x"}]]}
    sent = await phone.ok("sendMessage", chat_id=user, text="press", reply_markup=keyboard)
    await phone.emu(f"users/{user}/press", {"message_id": sent["message_id"], "data": "x"})
    await say(phone, user, "patient")
    assert [set(update) - {"update_id"} for update in await waiting(phone)] == [{"callback_query"}, {"message"}]
    await phone.push_clock(151)
    assert [set(update) - {"update_id"} for update in await waiting(phone)] == [{"message"}]
    await phone.push_clock(86_400)
    assert await waiting(phone) == []


async def test_the_next_updates_can_arrive_twice_under_one_id(phone: Phone) -> None:
    user = await phone.started()
    await phone.emu("updates", {"duplicate": 1})
    await say(phone, user, "twice", "once")
    first, again, second = ids(await waiting(phone))
    assert (again, second) == (first, first + 1)
    assert (await phone.emu("updates"))["duplicate"] == 0
    assert "duplicate" in await phone.refused("updates", {"duplicate": "many"})


async def test_the_queue_can_be_looked_at_without_taking_anything(phone: Phone) -> None:
    user = await phone.started()
    await say(phone, user, "look")
    for _ in range(2):
        pending = (await phone.emu("updates"))["pending"]
        assert [(one["bot"], one["message"]["text"]) for one in pending] == [(123456, "look")]
