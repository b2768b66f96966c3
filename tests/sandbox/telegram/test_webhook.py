"""Delivery to a webhook: the secret, the ladder of repeats on the emulated clock, lanes, lifetimes, restarts."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from ferryman_sandbox.emulator import Server, serve
from ferryman_sandbox.store import Store
from ferryman_sandbox.telegram import TelegramEmulator
from tests.sandbox.telegram.phone import TOKEN, Phone

SECRET = "s3cret-of_the-hook"


class Shop:
    """A webhook's receiver: notes what it gets, answers what it is told to."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.secrets: list[str | None] = []
        self.answer: Callable[[dict[str, Any]], web.Response] = lambda _: web.Response()
        self.gate: tuple[asyncio.Event, asyncio.Event] | None = None
        self.app = web.Application()
        self.app.router.add_post("/hook", self._hook)
        self.app.router.add_post("/elsewhere", self._hook)

    async def _hook(self, request: web.Request) -> web.Response:
        update = await request.json()
        self.got.append(update)
        self.secrets.append(request.headers.get("X-Telegram-Bot-Api-Secret-Token"))
        if self.gate is not None:
            arrived, go_on = self.gate
            arrived.set()
            await go_on.wait()
        return self.answer(update)

    def texts(self) -> list[str]:
        return [update["message"]["text"] if "message" in update else "press" for update in self.got]

    def fail(self, status: int, **headers: str) -> None:
        self.answer = lambda _: web.Response(status=status, headers=headers)

    def heal(self) -> None:
        self.answer = lambda _: web.Response()


@pytest.fixture
async def shop() -> AsyncIterator[tuple[Shop, Server]]:
    shop = Shop()
    server = await serve(shop.app)
    yield shop, server
    await server.stop()


async def until(fact: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, "it never became true"
        await asyncio.sleep(0.005)


async def attempts(phone: Phone, count: int) -> list[int]:
    """The statuses of the attempts made, once there are at least so many."""
    return [one["status"] for one in await _attempts(phone, count)]


async def _attempts(phone: Phone, count: int) -> list[dict[str, Any]]:
    deadline = time.monotonic() + 20
    made: list[dict[str, Any]] = []
    while len(made) < count:
        assert time.monotonic() < deadline, f"only {len(made)} attempts"
        made = await phone.emu("webhook-attempts")
    return made


async def pauses(phone: Phone) -> list[float]:
    times = [one["at"] for one in await phone.emu("webhook-attempts")]
    return [later - earlier for earlier, later in itertools.pairwise(times)]


async def hooked(phone: Phone, server: Server, **fields: Any) -> int:
    user = await phone.started()
    answer = await phone.api("setWebhook", url=f"{server.url}/hook", **fields)
    assert answer == {"ok": True, "result": True, "description": "Webhook was set"}
    return user


async def press_and_write(phone: Phone, user: int) -> None:
    keyboard = {"inline_keyboard": [[{"text": "x", "callback_data": "x"}]]}
    sent = await phone.ok("sendMessage", chat_id=user, text="press", reply_markup=keyboard)
    await phone.emu(f"users/{user}/text", {"text": "first"})
    await phone.emu(f"users/{user}/press", {"message_id": sent["message_id"], "data": "x"})


async def test_an_update_arrives_with_the_secret_and_is_then_forgotten(phone: Phone, shop: tuple[Shop, Server]) -> None:
    receiver, server = shop
    user = await hooked(phone, server, secret_token=SECRET)
    await phone.emu(f"users/{user}/text", {"text": "hello"})
    await until(lambda: receiver.texts() == ["hello"])
    assert receiver.secrets == [SECRET]
    await attempts(phone, 1)
    assert (await phone.ok("getWebhookInfo"))["pending_update_count"] == 0


async def test_without_a_secret_there_is_no_header(phone: Phone, shop: tuple[Shop, Server]) -> None:
    receiver, server = shop
    user = await hooked(phone, server)
    await phone.emu(f"users/{user}/text", {"text": "hello"})
    await until(lambda: receiver.secrets == [None])


async def test_a_failing_receiver_is_tried_at_0_0_2_4_and_8_seconds(phone: Phone, shop: tuple[Shop, Server]) -> None:
    receiver, server = shop
    receiver.fail(500)
    user = await hooked(phone, server)
    await phone.emu(f"users/{user}/text", {"text": "try"})
    await attempts(phone, 2)
    for count, seconds in ((3, 2), (4, 4), (5, 8)):
        await phone.push_clock(seconds)
        await attempts(phone, count)
    receiver.heal()
    await phone.push_clock(16)
    assert await attempts(phone, 6) == [500, 500, 500, 500, 500, 200]
    for pause, step in zip(await pauses(phone), (0, 2, 4, 8, 16), strict=True):
        # The clock runs on while the test works, and an attempt is noted a moment after it was made.
        assert step - 0.1 < pause < step + 1.9
    assert (await phone.emu("updates"))["pending"] == []


async def test_the_last_error_is_told_and_the_update_waits(phone: Phone, shop: tuple[Shop, Server]) -> None:
    receiver, server = shop
    receiver.fail(503)
    user = await hooked(phone, server, allowed_updates=["message"], max_connections=3)
    await phone.emu(f"users/{user}/text", {"text": "try"})
    await attempts(phone, 2)
    info = await phone.ok("getWebhookInfo")
    assert info.pop("last_error_date") > 0
    assert info == {
        "url": f"{server.url}/hook",
        "has_custom_certificate": False,
        "pending_update_count": 1,
        "max_connections": 3,
        "ip_address": "127.0.0.1",
        "last_error_message": "Wrong response from the webhook: 503 Service Unavailable",
        "allowed_updates": ["message"],
    }


async def test_retry_after_takes_the_place_of_the_step(phone: Phone, shop: tuple[Shop, Server]) -> None:
    receiver, server = shop
    receiver.fail(429, **{"Retry-After": "300"})
    user = await hooked(phone, server)
    await phone.emu(f"users/{user}/text", {"text": "later"})
    await attempts(phone, 1)
    receiver.heal()
    await phone.push_clock(200)
    await phone.api("getMe")
    assert await attempts(phone, 1) == [429]
    await phone.push_clock(100)
    assert await attempts(phone, 2) == [429, 200]


async def test_a_redirect_is_a_failure_and_is_not_followed(phone: Phone, shop: tuple[Shop, Server]) -> None:
    receiver, server = shop
    receiver.fail(307, Location=f"{server.url}/elsewhere")
    user = await hooked(phone, server)
    await phone.emu(f"users/{user}/text", {"text": "stay"})
    assert await attempts(phone, 2) == [307, 307]


async def test_an_outage_of_151_seconds_loses_presses_but_no_messages(phone: Phone, shop: tuple[Shop, Server]) -> None:
    receiver, server = shop
    receiver.fail(500)
    user = await hooked(phone, server)
    await press_and_write(phone, user)
    await attempts(phone, 4)
    receiver.got.clear()
    receiver.heal()
    await phone.push_clock(151)
    await until(lambda: len(receiver.got) == 1)
    assert receiver.texts() == ["first"]
    assert (await phone.emu("updates"))["pending"] == []


async def test_a_press_overtakes_a_failing_message_of_the_same_person(phone: Phone, shop: tuple[Shop, Server]) -> None:
    receiver, server = shop
    receiver.answer = lambda update: web.Response(status=500 if "message" in update else 200)
    user = await hooked(phone, server)
    await press_and_write(phone, user)
    await attempts(phone, 3)
    assert "press" in receiver.texts()
    pending = (await phone.emu("updates"))["pending"]
    assert [one["message"]["text"] for one in pending] == ["first"]


async def test_a_failing_message_holds_up_the_next_ones_of_its_person_only(
    phone: Phone, shop: tuple[Shop, Server]
) -> None:
    receiver, server = shop
    receiver.answer = lambda update: web.Response(status=500 if update["message"]["text"] == "stuck" else 200)
    user = await hooked(phone, server)
    other = await phone.new_person(first_name="Bob")
    await phone.emu(f"users/{user}/text", {"text": "stuck"})
    await phone.emu(f"users/{user}/text", {"text": "behind"})
    await phone.emu(f"users/{other}/text", {"text": "free"})
    await attempts(phone, 3)
    assert sorted(receiver.texts()) == ["free", "stuck", "stuck"]
    receiver.heal()
    await phone.push_clock(2)
    await until(lambda: receiver.texts()[-2:] == ["stuck", "behind"])


async def test_a_duplicated_update_is_posted_twice(phone: Phone, shop: tuple[Shop, Server]) -> None:
    receiver, server = shop
    user = await hooked(phone, server)
    await phone.emu("updates", {"duplicate": 1})
    await phone.emu(f"users/{user}/text", {"text": "double"})
    await until(lambda: len(receiver.got) == 2)
    assert receiver.got[0] == receiver.got[1]


async def test_the_answer_may_be_a_method_call_but_not_a_reading_one(phone: Phone, shop: tuple[Shop, Server]) -> None:
    receiver, server = shop
    user = await hooked(phone, server)
    call = {"method": "sendMessage", "chat_id": user, "text": "from the answer"}
    receiver.answer = lambda _: web.json_response(call)
    await phone.emu(f"users/{user}/text", {"text": "ask"})
    view = await phone.emu(f"users/{user}/wait?after={(await phone.chat(user))['revision'] - 1}&timeout=5")
    while view["messages"][-1]["text"] != "from the answer":
        view = await phone.emu(f"users/{user}/wait?after={view['revision']}&timeout=5")
        assert view["changed"]
    receiver.answer = lambda _: web.json_response({"method": "deleteWebhook"})
    await phone.emu(f"users/{user}/text", {"text": "again"})
    await attempts(phone, 2)
    assert (await phone.ok("getWebhookInfo"))["url"]


async def test_a_refused_method_in_the_answer_still_confirms_the_update(
    phone: Phone, shop: tuple[Shop, Server], caplog: pytest.LogCaptureFixture
) -> None:
    receiver, server = shop
    receiver.answer = lambda _: web.json_response({"method": "sendMessage", "chat_id": 5, "text": "nobody"})
    user = await hooked(phone, server)
    await phone.emu(f"users/{user}/text", {"text": "ask"})
    await attempts(phone, 1)
    await until(lambda: "chat not found" in caplog.text)
    assert (await phone.emu("updates"))["pending"] == []


@pytest.mark.parametrize("body", ["{no json", '{"ok": true}', "[1]", ""])
async def test_any_other_words_in_the_answer_are_as_good_as_none(
    phone: Phone, shop: tuple[Shop, Server], body: str
) -> None:
    receiver, server = shop
    receiver.answer = lambda _: web.Response(text=body, content_type="application/json")
    user = await hooked(phone, server)
    for text in ("one", "two"):
        await phone.emu(f"users/{user}/text", {"text": text})
    assert await attempts(phone, 2) == [200, 200]
    assert receiver.texts() == ["one", "two"]


async def test_a_reset_during_a_delivery_leaves_the_sender_well(phone: Phone, shop: tuple[Shop, Server]) -> None:
    receiver, server = shop
    arrived, go_on = asyncio.Event(), asyncio.Event()
    receiver.gate = (arrived, go_on)
    receiver.fail(500)
    await hooked(phone, server)
    user = await phone.new_person(first_name="Bob")
    await phone.emu(f"users/{user}/text", {"text": "lost"})
    await asyncio.wait_for(arrived.wait(), 10)
    await phone.emu("reset", {})
    go_on.set()
    await attempts(phone, 1)
    assert (await phone.emu("updates"))["pending"] == []
    receiver.gate = None
    receiver.heal()
    again = await hooked(phone, server)
    await phone.emu(f"users/{again}/text", {"text": "found"})
    await until(lambda: receiver.texts()[-1] == "found")


async def test_gone_for_23_hours_takes_the_webhook_away(phone: Phone, shop: tuple[Shop, Server]) -> None:
    receiver, server = shop
    receiver.fail(410)
    user = await hooked(phone, server)
    await phone.emu(f"users/{user}/text", {"text": "hello?"})
    await attempts(phone, 2)
    assert (await phone.ok("getWebhookInfo"))["url"]
    await phone.push_clock(23 * 3600)
    await attempts(phone, 3)
    assert (await phone.ok("getWebhookInfo"))["url"] == ""


async def test_an_update_that_met_a_dead_shop_arrives_after_the_emulator_restarts(
    phone: Phone, shop: tuple[Shop, Server], store: Store
) -> None:
    receiver, server = shop
    receiver.fail(500)
    user = await hooked(phone, server, secret_token=SECRET)
    await phone.emu(f"users/{user}/text", {"text": "survivor"})
    await attempts(phone, 2)
    await phone.server.stop()
    receiver.got.clear()
    receiver.heal()
    again = TelegramEmulator(store, tokens=[TOKEN])
    restarted = await serve(again.app)
    async with aiohttp.ClientSession() as http:
        await Phone(restarted, http).push_clock(60)
        await until(lambda: receiver.texts() == ["survivor"])
    assert receiver.secrets[-1] == SECRET
    await restarted.stop()


async def test_a_receiver_that_is_not_there_is_a_failure_like_others(phone: Phone, shop: tuple[Shop, Server]) -> None:
    _, server = shop
    user = await hooked(phone, server)
    await server.stop()
    await phone.emu(f"users/{user}/text", {"text": "anyone?"})
    assert await attempts(phone, 2) == [0, 0]
    assert "Connection failed" in (await phone.ok("getWebhookInfo"))["last_error_message"]


async def test_setting_the_same_webhook_again_says_so_and_an_empty_url_deletes(phone: Phone) -> None:
    url = "https://shop.example/tg"
    assert (await phone.api("setWebhook", url=url))["description"] == "Webhook was set"
    assert (await phone.api("setWebhook", url=url))["description"] == "Webhook is already set"
    assert (await phone.api("setWebhook", url=""))["description"] == "Webhook was deleted"


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"url": "http://shop.example/tg"}, "bad webhook: An HTTPS URL must be provided for webhook"),
        (
            {"url": "https://shop.example:8080/tg"},
            "bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443",
        ),
        ({"url": "https:///tg"}, "invalid webhook URL specified"),
        ({"url": "https://shop.example:port/"}, "invalid webhook URL specified"),
        ({"url": "https://shop.example/", "secret_token": "x" * 257}, "secret token is too long"),
        ({"url": "https://shop.example/", "secret_token": "né"}, "secret token contains unallowed characters"),
        ({"url": "https://shop.example/", "allowed_updates": {"a": 1}}, "can't parse allowed updates JSON object"),
    ],
)
async def test_a_wrong_webhook_is_refused(phone: Phone, fields: dict[str, Any], complaint: str) -> None:
    assert (await phone.api("setWebhook", **fields))["description"] == f"Bad Request: {complaint}"


async def test_plain_http_at_home_can_be_switched_off(store: Store) -> None:
    strict = await serve(TelegramEmulator(store, tokens=[TOKEN], local_http=False).app)
    async with aiohttp.ClientSession() as http:
        answer = await Phone(strict, http).api("setWebhook", url="http://127.0.0.1:8080/tg")
    assert "HTTPS URL must be provided" in answer["description"]
    await strict.stop()
