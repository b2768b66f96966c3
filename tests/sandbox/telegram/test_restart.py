"""The emulator is stopped and started on the same file: everything is still there."""

from pathlib import Path
from typing import Any

import aiohttp

from ferryman_sandbox.emulator import serve
from ferryman_sandbox.store import Store
from ferryman_sandbox.telegram import TelegramEmulator
from tests.sandbox.telegram.phone import TOKEN, Phone
from tests.sandbox.telegram.pictures import png

KEYBOARD = {"inline_keyboard": [[{"text": "Buy", "callback_data": "v1:buy"}]]}


async def life(path: Path, deeds: Any) -> Any:
    """One run of the emulator, from its start to its end."""
    store = Store(path)
    server = await serve(TelegramEmulator(store, tokens=[TOKEN]).app)
    async with aiohttp.ClientSession() as http:
        result = await deeds(Phone(server, http))
    await server.stop()
    store.close()
    return result


async def test_chats_updates_files_presses_and_settings_survive(tmp_path: Path) -> None:
    async def before(phone: Phone) -> dict[str, Any]:
        user = await phone.new_person()
        await phone.emu(f"users/{user}/start", {"payload": "gift"})
        await phone.ok("setMyCommands", commands=[{"command": "start", "description": "Menu"}])
        await phone.ok("setWebhook", url="https://shop.example/tg", secret_token="s", allowed_updates=["message"])
        await phone.ok("deleteWebhook")
        await phone.ok("getUpdates", allowed_updates=[])
        sent = await phone.ok("sendMessage", chat_id=user, text="Choose", reply_markup=KEYBOARD)
        press = await phone.emu(f"users/{user}/press", {"message_id": sent["message_id"], "data": "v1:buy"})
        form = aiohttp.FormData({"chat_id": str(user)})
        form.add_field("photo", png(120, 120), filename="qr.png")
        async with phone.http.post(f"{phone.server.url}/bot{TOKEN}/sendPhoto", data=form) as answer:
            assert answer.status == 200
        await phone.push_clock(30)
        pending = await phone.ok("getUpdates")
        return {"user": user, "press": press, "pending": pending, "chat": await phone.chat(user)}

    async def after(phone: Phone) -> None:
        chat = await phone.chat(kept["user"])
        for moving in ("now", "typing_seconds"):
            kept["chat"].pop(moving)
            chat.pop(moving)
        assert chat == kept["chat"]
        assert chat["pending"][0]["callback_id"] == kept["press"]["callback_id"]
        assert await phone.ok("getUpdates") == kept["pending"]
        async with phone.http.get(phone.server.url + chat["messages"][-1]["photo_url"]) as answer:
            assert await answer.read() == png(120, 120)
        assert await phone.ok("answerCallbackQuery", callback_query_id=kept["press"]["callback_id"])
        more = await phone.ok("sendMessage", chat_id=kept["user"], text="later")
        assert more["message_id"] == chat["messages"][-1]["message_id"] + 1
        await phone.emu(f"users/{kept['user']}/text", {"text": "again"})
        newest = (await phone.ok("getUpdates"))[-1]
        assert newest["update_id"] == kept["pending"][-1]["update_id"] + 1

    path = tmp_path / "telegram.sqlite"
    kept = await life(path, before)
    await life(path, after)


async def test_a_bot_keeps_its_name_under_a_new_token(tmp_path: Path) -> None:
    async def rename(phone: Phone) -> None:
        await phone.ok("setMyName", name="Ferry")

    path = tmp_path / "telegram.sqlite"
    await life(path, rename)
    store = Store(path)
    server = await serve(TelegramEmulator(store, tokens=["123456:AAF-rotated"]).app)
    async with aiohttp.ClientSession() as http:
        phone = Phone(server, http)
        assert (await phone.api("getMe", token="123456:AAF-rotated"))["result"]["first_name"] == "Ferry"
        assert (await phone.api("getMe"))["error_code"] == 401
    await server.stop()
    store.close()
