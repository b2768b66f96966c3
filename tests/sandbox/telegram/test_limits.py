"""Sending limits, on the emulated clock."""

from tests.sandbox.telegram.phone import TOKEN, Phone


async def burst(phone: Phone, user: int, count: int) -> list[bool]:
    return [(await phone.api("sendMessage", chat_id=user, text="x"))["ok"] for _ in range(count)]


async def test_without_limits_a_burst_passes(phone: Phone) -> None:
    assert all(await burst(phone, await phone.started(), 6))


async def test_strict_limits_answer_429_with_the_seconds_to_wait(phone: Phone) -> None:
    user = await phone.started()
    await phone.emu("limits", {"mode": "strict"})
    assert await burst(phone, user, 4) == [True, True, True, False]
    url = f"{phone.server.url}/bot{TOKEN}/sendMessage"
    async with phone.http.post(url, json={"chat_id": user, "text": "x"}) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, "1")
        assert await answer.json() == {
            "ok": False,
            "error_code": 429,
            "description": "Too Many Requests: retry after 1",
            "parameters": {"retry_after": 1},
        }
    assert len((await phone.chat(user))["messages"]) == 4
    await phone.push_clock(1)
    assert await burst(phone, user, 2) == [True, False]


async def test_thirty_messages_a_second_are_the_bots_own_limit(phone: Phone) -> None:
    users = [await phone.started() for _ in range(34)]
    await phone.emu("limits", {"mode": "strict"})
    sent = [(await burst(phone, user, 1))[0] for user in users]
    assert all(sent[:30])
    assert not all(sent)


async def test_advisory_limits_note_but_let_pass(phone: Phone) -> None:
    user = await phone.started()
    await phone.emu("limits", {"mode": "advisory"})
    assert all(await burst(phone, user, 5))
    assert await phone.emu("limits") == {"mode": "advisory", "noted": 2}


async def test_an_edit_counts_like_a_message_and_a_refused_one_changes_nothing(phone: Phone) -> None:
    user = await phone.started()
    message = await phone.ok("sendMessage", chat_id=user, text="x")
    await phone.emu("limits", {"mode": "strict"})
    await burst(phone, user, 3)
    edit = await phone.api("editMessageText", chat_id=user, message_id=message["message_id"], text="y")
    assert edit["error_code"] == 429
    assert (await phone.chat(user))["messages"][1]["text"] == "x"


async def test_a_webhook_can_be_set_once_a_second(phone: Phone) -> None:
    await phone.emu("limits", {"mode": "strict"})
    url = "https://shop.example/tg"
    assert (await phone.api("setWebhook", url=url))["ok"]
    assert (await phone.api("setWebhook", url=url))["parameters"] == {"retry_after": 1}
    await phone.push_clock(1)
    assert (await phone.api("setWebhook", url=url))["ok"]


async def test_an_unknown_mode_is_refused(phone: Phone) -> None:
    assert "off, advisory, strict" in await phone.refused("limits", {"mode": "harsh"})
    assert "give {\"mode\"" in await phone.refused("limits", [])
